"""A rule space as one hypothesis: declared, fitted to labels, on a test."""
