"""MostProbable: act on the best guess alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View


@dataclass(frozen=True)
class MostProbable(Policy):
    """Maximise the most probable hypothesis; of tied ones (within 1e-9 of the largest), draw one for the deployment."""

    mixes_weights: ClassVar[bool] = False

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        return view.best(h)

    def mixing(self, weights: np.ndarray) -> np.ndarray:  # noqa: D102
        top = weights >= weights.max() * (1 - EQUAL)
        return top / top.sum()
