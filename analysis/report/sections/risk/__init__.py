"""The risk: the answer, its precision, its parts, what it depends on, and remedies."""
