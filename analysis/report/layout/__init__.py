"""Layouts of the report: the page, the terminal and the output folder."""
