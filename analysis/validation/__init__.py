"""Validation studies: predicted against measured catastrophes of trained agents."""
