"""Shifted tests: deliberate changes of a table."""
