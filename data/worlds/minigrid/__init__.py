"""Minigrid."""
