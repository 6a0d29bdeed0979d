"""MiniGrid rooms, agents that learn to walk in them, and their episodes."""
