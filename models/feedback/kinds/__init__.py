"""Kinds of feedback that ship, one a file."""
