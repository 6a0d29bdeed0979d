"""Reward hypotheses, values, feedback and policies. Imports `data` alone."""
