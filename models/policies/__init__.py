"""Policies: how an agent chooses, given its weights. One a file."""
