"""Marginal likelihood of linear reward families with continuous weights."""
