"""Maximin: the best of the worst, over the hypotheses that are credible."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import share
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.base import Maximising
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.policies.view import View


@dataclass(frozen=True)
class Maximin(Maximising):
    """Maximise the lowest reward over the credible hypotheses.

    The credible hypotheses are the smallest set of most probable hypotheses that has the credible mass. Hypotheses
    tied with the last are included.

    The policy compares rewards of different hypotheses without rescaling them, which sets an exchange rate between
    them: a human value.

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
    no_space: ClassVar[str] = "its lowest reward needs each rule on its own"
    no_family: ClassVar[str] = "of which there is no smallest set of the most probable"
    compared: ClassVar[tuple[Mapping[str, Any], ...]] = ({"credible": 0.95},)
    clause: ClassVar[str] = "maximises the lowest reward over the credible hypotheses"

    credible: float = 0.95

    def __post_init__(self) -> None:
        share(self.credible, "credible", "give the mass of the set, above 0 and up to 1")

    @override
    def settings_in_words(self) -> str:
        return f"{100 * self.credible:g}% credible"

    def believed(self, weights: np.ndarray) -> np.ndarray:
        """Return the positions of the hypotheses in the set."""
        order = np.argsort(-weights, kind="stable")
        below = np.cumsum(weights[order])
        last = weights[order[int(np.searchsorted(below, self.credible * below[-1] - EQUAL * weights.max()))]]
        return np.flatnonzero((weights >= last - EQUAL * weights.max()) & (weights > 0))

    @override
    def act(self, view: View, weights: np.ndarray) -> np.ndarray:
        value, error = np.full(view.shape, np.inf), np.zeros(view.shape)
        hypotheses = view.block.valuation.hypotheses
        for h in self.believed(weights).tolist():
            if hypotheses.rewards[h].continuous:
                raise InputError(no_credible_set(hypotheses.names[h]))
            worth = view.worth(h)
            lower = worth < value
            value = np.where(lower, worth, value)
            error = np.where(lower, view.error(h), error)
        return greatest(value, error)


def no_credible_set(name: str) -> str:
    """Say that maximin cannot act by a hypothesis with continuous weights."""
    return (
        f"policy: maximin: hypothesis {name!r} has continuous weights, {Maximin.no_family}; list rewards one by one, or use "
        "the policy 'cvar'"
    )
