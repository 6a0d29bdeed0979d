"""Evidence: weights, Bayes factors, predictive checks, silence, sample sizes."""
