"""Figures that the report alone draws, as functions of arrays."""
