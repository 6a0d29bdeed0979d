"""A rule space as one hypothesis: declared, fitted to labels, and evaluated on a test."""
