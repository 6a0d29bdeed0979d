"""MostProbable: act on the best guess alone."""

from dataclasses import dataclass
from typing import ClassVar, override

import numpy as np

from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.base import Maximising


@dataclass(frozen=True)
class MostProbable(Maximising):
    """Maximise the most probable hypothesis.

    If several are tied, to 1e-9 of the largest weight, one of them is drawn for the deployment.
    """

    mixes_weights: ClassVar[bool] = False
    clause: ClassVar[str] = "maximises the reward under the agent's most probable hypothesis"

    @override
    def mixing(self, weights: np.ndarray) -> np.ndarray:
        top = weights >= weights.max() * (1 - EQUAL)
        return top / top.sum()
