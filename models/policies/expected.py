"""Expected: maximise the mean reward over hypotheses.

The mean sets an exchange rate between the rewards of different hypotheses.
"""

from dataclasses import dataclass
from typing import ClassVar, override

import numpy as np

from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.base import Maximising
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.policies.view import View


@dataclass(frozen=True)
class Expected(Maximising):
    """Maximise ``sum_i w_i r_i`` in every scene; ties are split uniformly.

    The sum sets an exchange rate between rewards of different hypotheses: a human value. Two sums are equal up to
    1e-9 of ``sum_i w_i |r_i|`` at that option, because the weights are no more exact.
    """

    draws_one: ClassVar[bool] = False
    mixes_weights: ClassVar[bool] = False
    clause: ClassVar[str] = "maximises the expected reward under the agent's weights"

    @override
    def blend(self, weights: np.ndarray) -> np.ndarray:
        return weights

    @override
    def act(self, view: View, weights: np.ndarray) -> np.ndarray:
        mean, size = np.zeros(view.shape), np.zeros(view.shape)
        for h in np.flatnonzero(weights):
            worth = view.worth(int(h))
            mean += weights[h] * worth
            options = len(worth) - view.abstain
            size[:options] += weights[h] * view.block.valuation.hypotheses.rewards[h].magnitude(worth[:options])
            size[options:] += weights[h] * np.abs(worth[options:])
        return greatest(mean, EQUAL * (size if view.mask is None else np.where(view.mask, size, 0.0)))
