"""Catastrophe risk: estimates, intervals, parts, and the policies and agents compared."""
