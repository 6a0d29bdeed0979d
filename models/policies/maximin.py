"""Maximin: the best of the worst, over the hypotheses that are credible."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, greatest


@dataclass(frozen=True)
class Maximin(Policy):
    """Maximise ``min_i r_i`` over the smallest set of most probable hypotheses that has the credible mass, tied ones included.

    It compares rewards of different hypotheses as they stand, which sets an exchange rate between them: a human value too.

    Parameters
    ----------
    credible : float
        Mass of the set, above 0 and up to 1; 1 is every hypothesis of positive weight.
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    draws_one: ClassVar[bool] = False
    mixes_weights: ClassVar[bool] = False
    exchange: ClassVar[str] = "compares"

    credible: float = 0.95

    def __post_init__(self) -> None:
        credible = finite(self.credible)
        if credible is None or not 0 < credible <= 1:
            raise InputError(f"credible: {shown(self.credible)}; give the mass of the set, above 0 and up to 1")

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        return view.best(h)

    def believed(self, weights: np.ndarray) -> np.ndarray:
        """Positions of the hypotheses in the set."""
        order = np.argsort(-weights, kind="stable")
        below = np.cumsum(weights[order])
        last = weights[order[int(np.searchsorted(below, self.credible * below[-1] - EQUAL * weights.max()))]]
        return np.flatnonzero((weights >= last - EQUAL * weights.max()) & (weights > 0))

    def act(self, view: View, weights: np.ndarray) -> np.ndarray:  # noqa: D102
        value, error = np.full(view.shape, np.inf), np.zeros(view.shape)
        for h in self.believed(weights).tolist():
            if isinstance(view.block.valuation.hypotheses.rewards[h], Drawn):
                name = view.block.valuation.hypotheses.names[h]
                raise InputError(no_credible_set(name))
            worth = view.worth(h)
            lower = worth < value
            value = np.where(lower, worth, value)
            error = np.where(lower, view.error(h), error)
        return greatest(value, error)


def no_credible_set(name: str) -> str:
    """Say that maximin cannot act by a hypothesis with continuous weights."""
    return (
        f"policy: maximin: hypothesis {name!r} has continuous weights, of which there is no smallest set of the most "
        "probable; list rewards one by one, or use the policy 'cvar'"
    )
