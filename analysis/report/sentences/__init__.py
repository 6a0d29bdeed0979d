"""Sentences of the report with their claims, apart from figures and tables."""
