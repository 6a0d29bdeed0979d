"""Readers of tables, comparisons, judgements and exported choices."""
