"""Evidence: Bayes factors, predictive checks, and the directions that training cannot identify."""
