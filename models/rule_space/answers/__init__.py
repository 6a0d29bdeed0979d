"""Choices and stops as evidence over all rules of a space."""
