"""Spaces of rules: every Boolean function of at most k features, weighed."""
