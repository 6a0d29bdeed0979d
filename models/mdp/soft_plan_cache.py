"""Soft plans of one reward at many rationalities, each started from those nearby."""

import math
from bisect import bisect

import numpy as np

from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.planning import optimal, soft

NEAR_BETA, BETWEEN = 0.5, 5.0
"""Distance in log beta up to which a plan is a good first guess of another, and up to which two plans enclose a third."""
KEPT = 256  # plans that are stored to start others from


class SoftPlans:
    """Plans of a noisily rational agent, in the states visited.

    Parameters
    ----------
    mdp : MDP
        With a discount below 1.
    states : ndarray (visited,)
    scaled : ndarray (state,)
        ``r / s``.

    Attributes
    ----------
    values : dict of float to ndarray (state,)
        V at the betas planned so far; at 0 the optimal V over beta.
    """

    def __init__(self, mdp: MDP, states: np.ndarray, scaled: np.ndarray) -> None:
        self.mdp, self.states, self.scaled = mdp, states, scaled
        self.values = {0.0: optimal(mdp, scaled[None]).v[0]}

    def logits(self, beta: np.ndarray, alone: bool = True) -> np.ndarray:
        """Return ``beta Q / s`` at each beta, less the greatest in each state.

        Parameters
        ----------
        beta : ndarray (beta,)
        alone : bool, optional
            Whether the planner may use every core.

        Returns
        -------
        ndarray (beta, visited, action)
        """
        if not self.scaled.any():
            return np.zeros((len(beta), len(self.states), self.mdp.n_actions))
        known, first = self.values, beta[:, None] * self.values[0.0]
        betas = sorted(b for b in known if b > 0)
        for i, b in enumerate(beta.tolist()):  # between its neighbours, for V over beta is convex in it
            after = bisect(betas, b)
            near = betas[max(after - 1, 0) : after + 1]
            if len(near) == 2 and near[1] < BETWEEN * near[0]:
                share = (b - near[0]) / (near[1] - near[0])
                first[i] = (1 - share) * known[near[0]] + share * known[near[1]]
            elif near and abs(math.log(near[0] / b)) < NEAR_BETA:
                first[i] = known[near[0]] + (b - near[0]) * known[0.0]
        plans = soft(self.mdp, beta[:, None] * self.scaled, first, alone=alone)
        if len(known) + len(beta) <= KEPT:
            known.update(zip(beta.tolist(), plans.v, strict=True))
        q = plans.q[:, self.states]
        return q - q.max(axis=2, keepdims=True)
