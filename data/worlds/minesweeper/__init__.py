"""POPGym's MineSweeper, agents that learn to open its cells, and their episodes."""
