"""A space of rules: its weights, its silent classes, its dangers on a test."""
