"""Figures: functions of arrays, and thin ones of fits, risks and results."""
