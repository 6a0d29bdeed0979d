"""Boltzmann: noisily rational, with the same softmax as human choices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.syntax import MAX_REWARD
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.block import Members
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.policies.base import Policy, Rationality
from reward_hypotheses.models.policies.view import View, WideView

INFERRED = "inferred"
CELLS = 1_000_000  # chances that are held at once


@dataclass(frozen=True)
class Boltzmann(Policy):
    """Draw one hypothesis, then choose with probability ``softmax(beta r_h / s_h)``.

    ``s_h`` is that of choices on the table acted on (`within_scene_scale`), so beta means the same at every reward
    scale; a hypothesis whose rewards are all equal chooses at chance.

    Parameters
    ----------
    beta : float or "inferred"
        Rationality, 0 (chance) or more; or averaged over what the agent's own choices say of it under each hypothesis,
        with the s_h that was stored with them (the agent is then one that was read: a tree whose feedback has a
        rationality, the first such feedback if there are several).
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    needs_scale: ClassVar[bool] = True

    beta: float | str

    def __post_init__(self) -> None:
        if self.beta == INFERRED:
            return
        beta = finite(self.beta)
        if beta is None or beta < 0:
            raise InputError(
                f'beta: {shown(self.beta)}; give the agent\'s rationality, a finite number, 0 or more, or "inferred"'
            )

    @property
    def asks_rationality(self) -> bool:  # noqa: D102
        return self.beta == INFERRED

    def informed(self, rationality: Sequence[Rationality]) -> Policy:  # noqa: D102
        return InferredBoltzmann(tuple(rationality), abstain=self.abstain) if self.asks_rationality else self

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        if isinstance(self.beta, str):
            raise InputError(NOT_READ)
        assert view.scales is not None
        scale = np.asarray(view.scales[h], float)  # one, or one a scene
        return softmax(view, view.worth(h), np.where(scale > 0, self.beta, 0.0), np.where(scale > 0, scale, 1.0))


NOT_READ = (
    "policy: boltzmann: beta = 'inferred' is read from the agent's own choices; give the agent feedback of a kind with a "
    "rationality, such as choices ([[agent.feedback]] in a study file, agent=rh.fit(...) in Python), or a number"
)


@dataclass(frozen=True, eq=False)
class InferredBoltzmann(Policy):
    """Boltzmann of which beta is known as far as the agent's own choices tell: ``E[softmax(beta r_h / s_h)]`` over it.

    Parameters
    ----------
    rationality : tuple of Rationality
        One a hypothesis.
    """

    rationality: tuple[Rationality, ...]

    @property
    def name(self) -> str:
        """As the policy that it is."""
        return "boltzmann"

    @property
    def sampled(self) -> bool:  # noqa: D102
        return any(one.sampled for one in self.rationality)

    def resampled(self, rng: np.random.Generator) -> Policy:  # noqa: D102
        def again(one: Rationality) -> Rationality:
            if not one.sampled or np.ptp(one.shares) > 0:
                return one
            n = len(one.betas)
            return replace(one, shares=rng.multinomial(n, np.full(n, 1 / n)) / n)

        return replace(self, rationality=tuple(again(one) for one in self.rationality))

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        mine, worth = self.rationality[h], view.worth(h)
        there = np.flatnonzero(mine.shares > 0)
        total, step = np.zeros(worth.shape), max(1, CELLS // max(worth.size, 1))
        for lo in range(0, len(there), step):
            some = there[lo : lo + step]
            rates, shares = (values[some][:, None, None] for values in (mine.rates, mine.shares))
            total += (shares * softmax(view, worth, rates, 1.0)).sum(axis=0)
        return total

    def certain_each(self, view: View, members: Members) -> np.ndarray:
        """Each draw of a family with the beta that was drawn with it."""
        wide = WideView(view, members)
        scenes = view.block.shape[1]
        rates = np.resize(self.rationality[members.hypothesis].rates, _most(view, members))[members.which]
        chosen = softmax(wide, wide.worth(members.hypothesis), np.repeat(rates, scenes), 1.0)
        return np.moveaxis(chosen.reshape(len(chosen), len(members.rewards), -1), 0, 1)


def _most(view: View, members: Members) -> int:
    """How many draws of the family there are."""
    reward = view.block.valuation.hypotheses.rewards[members.hypothesis]
    assert isinstance(reward, Drawn)
    return max(len(reward.agents), len(reward.partners))


def softmax(view: View, worth: np.ndarray, beta: Any, scale: Any) -> np.ndarray:
    """``softmax(beta worth / scale)`` over the choices that there are, (choice, scene); nothing in a scene without any.

    Of betas (beta, 1, 1), one a beta: (beta, choice, scene).
    """
    top = np.maximum(worth.max(axis=0), -MAX_REWARD)
    with np.errstate(over="ignore"):  # far below the best: no odds
        odds = np.exp(beta * ((np.maximum(worth, -MAX_REWARD) - top) / scale))
    if view.mask is not None:
        odds = np.where(view.mask, odds, 0.0)
    return np.asarray(odds / np.maximum(odds.sum(axis=-2, keepdims=True), 1e-300))
