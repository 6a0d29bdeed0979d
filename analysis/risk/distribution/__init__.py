"""The distribution of the risk, and predictions compared with outcomes."""
