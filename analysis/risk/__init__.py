"""Catastrophe risk: estimates, intervals and parts; policies and agents compared."""
