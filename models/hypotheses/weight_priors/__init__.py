"""Stated priors of the weights of a linear reward: signs, means and ratios."""
