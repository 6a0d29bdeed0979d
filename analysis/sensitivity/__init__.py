"""Sensitivity of the risk to the prior, the failure line and the size of the data."""
