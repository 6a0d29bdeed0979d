"""Paragraphs of a paper: their literature, and their Markdown as TeX."""
