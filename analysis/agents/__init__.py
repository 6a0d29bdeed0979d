"""Agents: assumed, inferred from choices, or a population; and their policies."""
