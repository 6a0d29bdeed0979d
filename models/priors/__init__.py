"""Priors over hypotheses: one of the two places where human values enter."""
