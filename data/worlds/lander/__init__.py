"""The lunar lander: its ground, scenes, agents and flights."""

CRATER_DEPTH = 0.3
"""Depth from which a site is a crater, in units of Box2D's world."""
