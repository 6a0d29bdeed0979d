"""Quantilize: draw an option from the best share of ordinary behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import is_share
from reward_hypotheses.models.policies.base import AT_RANDOM, Policy
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.policies.view import View

BASES = ("uniform",)
FEW = 64


@dataclass(frozen=True)
class Quantilize(Policy):
    """Draw one hypothesis, then an option from its best q share.

    The option is drawn from the base distribution, restricted to the best options by that hypothesis (Taylor 2016).
    Options are taken from the best down until their base mass is q; the boundary option is taken in part, and tied
    options alike. An option is then at most 1/q times as likely as under the base, and so is a catastrophe, whichever
    hypothesis is true. ``q = 1`` is the base, and for q near 0 the policy is `Commit`.

    An agent that may abstain does so in place of an option that it finds worse than failing, and with probability 1/2
    in place of an option as good as failing. Abstaining has no share of the base.

    Parameters
    ----------
    q : float
        The best share, above 0 and up to 1.
    base : "uniform"
        Every available option is equally likely.
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    no_space: ClassVar[str] = "the best share of the options needs each rule on its own"
    compared: ClassVar[tuple[Mapping[str, Any], ...]] = ({"q": 0.1}, {"q": 0.25})
    clause: ClassVar[str] = "draws one hypothesis for a deployment, then an option at random among its best share"

    q: float
    base: str = "uniform"

    def __post_init__(self) -> None:
        problems = []
        if not is_share(self.q) or self.q == 0:
            problems.append(f"q: {shown(self.q)}; give the best share of the base, above 0 and up to 1")
        if self.base not in BASES:
            problems.append(f'base: {shown(self.base)}; there is "uniform", every available option alike')
        if problems:
            raise InputError(problems)

    @property
    @override
    def does(self) -> str:
        return AT_RANDOM if self.q == 1 and not self.abstain else self.clause

    @override
    def settings(self) -> dict[str, Any]:
        return {"q": self.q}  # there is one base

    @override
    def settings_in_words(self) -> str:
        return f"best {100 * self.q:g}%"

    @override
    def certain(self, view: View, h: int) -> np.ndarray:
        choices, errors = view.worth(h), np.broadcast_to(view.error(h), view.shape)
        worth, error = choices[: len(choices) - view.abstain], errors[: len(choices) - view.abstain]
        acting = view.once(h, ("quantilize", self.q), lambda: self._of_best(worth, error))
        if not view.abstain:
            return acting
        near = 2 * (error + errors[-1])
        better = (worth - choices[-1] > near).astype(float)
        better += worth - choices[-1] >= -near
        out = np.empty(choices.shape)
        np.multiply(acting, better / 2, out=out[:-1])
        out[-1] = 1.0 - out[:-1].sum(axis=0)
        return out

    def _of_best(self, worth: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the option probabilities of an agent that must act.

        Shape (option, scene).
        """
        there = worth > -np.inf
        n = there.sum(axis=0)
        taken = self.q * n  # so many options
        if taken.max(initial=0.0) <= 1:  # part of the best one
            return greatest(worth, error)
        last = np.clip(np.ceil(taken).astype(int), 1, np.maximum(n, 1))  # of which this is the one at the boundary
        edge = _nth_greatest(worth, last)
        near = 2 * (error + np.where(worth == edge, error, 0.0).max(axis=0))
        above = worth > edge + near
        tied = (worth >= edge - near) & ~above & there
        part = (taken - above.sum(axis=0)) / np.maximum(tied.sum(axis=0), 1)
        return np.asarray((above + tied * part) / np.maximum(taken, 1e-300))


def _nth_greatest(worth: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the k-th greatest of the choices of each scene: (scene,).

    `worth` is (choice, scene), and `which` gives k for each scene, from 1.
    """
    most = int(which.max(initial=1))
    if most * len(worth) > FEW:
        falling = -np.sort(-worth, axis=0)
    else:  # passing each down the list of the greatest so far
        falling = np.full((most, worth.shape[1]), -np.inf)
        for row in worth:
            for best in falling:
                row, best[:] = np.minimum(best, row), np.maximum(best, row)
    return np.asarray(np.take_along_axis(falling, which[None] - 1, axis=0)[0])
