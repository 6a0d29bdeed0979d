"""MDPs: states and transitions, planning, occupancy and trajectories."""
