"""Environments: gridworlds, episodes, the lunar lander and MiniGrid rooms."""
