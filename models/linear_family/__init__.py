"""Linear family."""
