"""What a page needs to compute the risk again: cells of the test, evidence and priors."""
