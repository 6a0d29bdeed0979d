"""A space of rules: its weights, what training cannot tell apart in it, and which of it is dangerous on a test."""
