"""Environments: worlds to train, predict and measure agents in."""

from reward_hypotheses.analysis.agents.mdp_planning_api import demonstrate, occupancy, plan
from reward_hypotheses.analysis.validation.lander import lander_study
from reward_hypotheses.analysis.validation.minesweeper import minesweeper_study
from reward_hypotheses.analysis.validation.minigrid import minigrid_study
from reward_hypotheses.data.worlds.gridworld import gridworld
from reward_hypotheses.data.worlds.lander.scenes import landing_frame, landing_sites
from reward_hypotheses.models.mdp.mdp import MDP

__all__ = [
    "MDP",
    "demonstrate",
    "gridworld",
    "lander_study",
    "landing_frame",
    "landing_sites",
    "minesweeper_study",
    "minigrid_study",
    "occupancy",
    "plan",
]
