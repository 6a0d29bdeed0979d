"""Policies: what an agent does with its weights. One a file."""
