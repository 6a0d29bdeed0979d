"""Reward expressions: grammar, parser, and evaluation with error bounds."""
