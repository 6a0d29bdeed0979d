"""Expected: maximise the mean reward over hypotheses, which sets an exchange rate between them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_hypotheses.models.policies.base import Policy, View, greatest


@dataclass(frozen=True)
class Expected(Policy):
    """Maximise ``sum_i w_i r_i`` in every scene; ties are split uniformly.

    Adding up rewards of different hypotheses says how much of one is worth how much of another: a human value too.
    Sums are equal when they differ by at most ``sum_i w_i tolerance_i``: 0.5 * 100 - 0.5 * 100 is not exactly 0.
    """

    draws_one: ClassVar[bool] = False
    mixes_weights: ClassVar[bool] = False

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        return view.best(h)

    def blend(self, weights: np.ndarray) -> np.ndarray:  # noqa: D102
        return weights

    def act(self, view: View, weights: np.ndarray) -> np.ndarray:  # noqa: D102
        mean = np.zeros(view.shape)
        for h in np.flatnonzero(weights):
            mean += weights[h] * view.worth(int(h))
        return greatest(mean, float(weights @ view.tolerance))
