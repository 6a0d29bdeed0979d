"""Lander."""
