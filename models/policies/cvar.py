"""Cvar: maximise the mean over the worst hypotheses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast, override

import numpy as np

from reward_hypotheses.data.numerics import share
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.base import Maximising, Policy
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.policies.view import View

CELLS = 400_000  # rewards sorted at once


@dataclass(frozen=True)
class Cvar(Maximising):
    """Maximise the conditional value at risk over hypotheses.

    The policy maximises the mean reward over the worst hypotheses, which have a share ``tail`` of the weight:
    ``CVaR(o) = max_t t - E_i[(t - r_i(o))^+] / tail = (1 / tail) sum_i q_i r_i(o)``. Here q takes the weights from
    the lowest reward up until they add up to the tail, the last in part (Rockafellar and Uryasev 2000). ``tail = 1``
    is `Expected`.

    The policy adds up and compares rewards of different hypotheses, which sets an exchange rate between them: a human
    value. For a hypothesis with continuous weights, every draw counts as a hypothesis.

    Parameters
    ----------
    tail : float
        The worst share, above 0 and up to 1.
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    draws_one: ClassVar[bool] = False
    no_space: ClassVar[str] = "the tail of its rewards needs each rule on its own"
    mixes_weights: ClassVar[bool] = False
    slow_family: ClassVar[str] = "every draw of which would have to be put in order"
    compared: ClassVar[tuple[Mapping[str, Any], ...]] = ({"tail": 0.05}, {"tail": 0.2})
    clause: ClassVar[str] = "maximises the mean reward over the worst hypotheses, a share of the agent's weight"

    tail: float

    def __post_init__(self) -> None:
        share(self.tail, "tail", "give the worst share of hypotheses, above 0 and up to 1")

    @property
    @override
    def does(self) -> str:
        return Expected.clause if self.tail == 1 else self.clause

    @override
    def settings_in_words(self) -> str:
        return f"worst {100 * self.tail:g}%"

    @override
    def act(self, view: View, weights: np.ndarray) -> np.ndarray:
        return _acts([self], view, weights)[0]

    @classmethod
    @override
    def act_each(cls, policies: Sequence[Policy], views: Mapping[bool, View], weights: np.ndarray) -> list[np.ndarray]:
        return _acts(cast(Sequence[Cvar], policies), views[any(policy.abstain for policy in policies)], weights)


def _acts(policies: Sequence[Cvar], view: View, weights: np.ndarray) -> list[np.ndarray]:
    """Return the choices of several policies: a (choice, scene) each.

    Rewards are sorted once for all policies.

    The view is that of an agent that may abstain if any of the policies may. For policies that may not, the last choice,
    abstaining, is left out.
    """
    possible = [
        (mass, view.choices(reward, h, failing))
        for h in np.flatnonzero(weights).tolist()
        for mass, reward, failing in view.block.possible(h, float(weights[h]), view.abstain)
    ]
    mass = np.array([weight for weight, _ in possible])
    mass = mass / mass.sum()
    tails = np.array([policy.tail for policy in policies])
    # however they are ordered, the lowest so many have the mass of the greatest tail
    enough = int(np.searchsorted(np.cumsum(np.sort(mass)), tails.max() * (1 + EQUAL))) + 1
    widths = [view.shape[0] - (view.abstain and not policy.abstain) for policy in policies]
    out = [np.empty((width, view.shape[1])) for width in widths]
    step = max(1, CELLS // (len(possible) * view.shape[0]))
    for lo in range(0, view.shape[1], step):
        some = slice(lo, lo + step)
        worth = np.array([w[:, some] for _, w in possible])
        there = worth[0] > -np.inf
        worth[:, ~there] = 0.0
        order = np.argsort(worth, axis=0)[:enough]
        worth = np.take_along_axis(worth, order, axis=0)
        masses = mass[order]
        before = np.cumsum(masses, axis=0) - masses
        for policy, acts, width in zip(policies, out, widths, strict=True):
            taken = np.clip(policy.tail - before, 0.0, masses) / policy.tail
            value = np.where(there, (taken * worth).sum(axis=0), -np.inf)
            error = EQUAL * (taken * np.abs(worth)).sum(axis=0)  # the weights that add it up are no better
            acts[:, some] = greatest(value[:width], error[:width])
    return out
