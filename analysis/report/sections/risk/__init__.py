"""The risk.

The answer, its precision, its parts, what it depends on, and remedies.
"""
