"""What a page needs to compute the risk again.

Cells of the test, evidence and priors.
"""
