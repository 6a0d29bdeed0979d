"""Boltzmann: noisily rational, with the same softmax as human choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.syntax import MAX_REWARD
from reward_hypotheses.data.numerics import finite, softmax
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import AT_RANDOM, Policy, Rationality
from reward_hypotheses.models.policies.view import View, WideView

INFERRED = "inferred"
OPEN = 2000
"""Draws of a rationality by which it is open."""
CELLS = 1_000_000  # chances that are held at once


@dataclass(frozen=True)
class Boltzmann(Policy):
    """Draw one hypothesis, then choose with probability ``softmax(beta r_h / s_h)``.

    ``s_h`` is the scale of choices on the table acted on (`within_scene_scale`), so beta means the same at every
    reward scale. A hypothesis whose rewards are all equal chooses at chance.

    Parameters
    ----------
    beta : float or "inferred"
        Rationality, 0 (chance) or more. With "inferred", the choices are averaged over the posterior of beta from the
        agent's own choices under each hypothesis, with the ``s_h`` stored with them. The agent must then be read from
        a tree with such feedback; the first feedback with a rationality is used.
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    needs_scale: ClassVar[bool] = True
    compared: ClassVar[tuple[Mapping[str, Any], ...]] = ({"beta": 1.0},)
    compared_as_stated: ClassVar[bool] = True
    clause: ClassVar[str] = "draws one hypothesis for a deployment and chooses options by a softmax of its reward"

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
    @override
    def does(self) -> str:
        return AT_RANDOM if self.beta == 0 else self.clause

    @override
    def settings_in_words(self) -> str:
        return f"rationality {self.beta if isinstance(self.beta, str) else format(self.beta, 'g')}"

    @property
    @override
    def asks_rationality(self) -> bool:
        return self.beta == INFERRED

    @override
    def informed(self, rationality: Sequence[Rationality]) -> Policy:
        return InferredBoltzmann(tuple(rationality), abstain=self.abstain) if self.asks_rationality else self

    @override
    def certain(self, view: View, h: int) -> np.ndarray:
        if isinstance(self.beta, str):
            raise InputError(NOT_READ)
        assert view.scales is not None
        scale = np.asarray(view.scales[h], float)  # of all scenes, or of each
        return chances_at(view, view.worth(h), np.where(scale > 0, self.beta, 0.0), np.where(scale > 0, scale, 1.0))


NOT_READ = (
    "policy: boltzmann: beta = 'inferred' is read from the agent's own choices; give the agent feedback of a kind with a "
    "rationality, such as choices ([[agent.feedback]] in a study file, agent=rh.fit(...) in Python), or a number"
)


@dataclass(frozen=True, eq=False)
class InferredBoltzmann(Policy):
    """`Boltzmann` with beta inferred from the agent's own choices.

    ``E[softmax(beta r_h / s_h)]`` over the posterior of beta.

    Parameters
    ----------
    rationality : tuple of Rationality
        One a hypothesis.
    """

    name: ClassVar[str] = Boltzmann.name
    compared_as_stated: ClassVar[bool] = True

    rationality: tuple[Rationality, ...]

    @override
    def settings(self) -> dict[str, Any]:
        return {"beta": INFERRED}

    @override
    def settings_in_words(self) -> str:
        return f"rationality {INFERRED}"

    @property
    @override
    def sampled(self) -> bool:
        return any(r.sampled for r in self.rationality)

    @override
    def resampled(self, rng: np.random.Generator) -> Policy:
        def again(known: Rationality) -> Rationality:
            if not known.sampled or np.ptp(known.shares) > 0:
                return known
            n = len(known.betas)
            return replace(known, shares=rng.multinomial(n, np.full(n, 1 / n)) / n)

        return replace(self, rationality=tuple(map(again, self.rationality)))

    @override
    def certain(self, view: View, h: int) -> np.ndarray:
        known, worth = self.rationality[h], view.worth(h)
        there = np.flatnonzero(known.shares > 0)
        total, step = np.zeros(worth.shape), max(1, CELLS // max(worth.size, 1))
        for lo in range(0, len(there), step):
            some = there[lo : lo + step]
            rates, shares = (values[some][:, None, None] for values in (known.rates, known.shares))
            total += (shares * chances_at(view, worth, rates, 1.0)).sum(axis=0)
        return total

    @override
    def n_open(self, valuation: Valuation, h: int) -> int:
        return super().n_open(valuation, h) if h in valuation.families else len(self._rates(h))

    @override
    def n_effective(self, valuation: Valuation, h: int) -> float:
        if h in valuation.families or not self.rationality[h].sampled:
            return super().n_effective(valuation, h)
        return len(self.rationality[h].betas)

    @override
    def certain_open(self, view: View, h: int, draws: slice) -> np.ndarray:
        if view.block.valuation.hypotheses.rewards[h].continuous:
            return super().certain_open(view, h, draws)
        return chances_at(view, view.worth(h), self._rates(h)[draws][:, None, None], 1.0)

    def _rates(self, h: int) -> np.ndarray:
        """Return draws of ``beta / s``: one if it is known, else `OPEN`."""
        known = self.rationality[h]
        if len(known.shares) == 1:
            return known.rates
        rng = np.random.default_rng([31, h])
        return known.rates[rng.choice(len(known.shares), OPEN, p=known.shares / known.shares.sum())]

    @override
    def certain_each(self, view: View, members: Members) -> np.ndarray:
        # each draw of the weights with the beta that was drawn with it
        wide = WideView(view, members)
        h, scenes = members.hypothesis, view.block.shape[1]
        n_draws = view.block.valuation.n_draws(h, members.role)
        rates = np.resize(self.rationality[h].rates, n_draws)[members.which]
        return wide.by_draw(chances_at(wide, wide.worth(h), np.repeat(rates, scenes), 1.0))


def chances_at(view: View, worth: np.ndarray, beta: Any, scale: Any) -> np.ndarray:
    """Return ``softmax(beta worth / scale)`` over available choices.

    Shape (choice, scene), or (beta, choice, scene) for betas (beta, 1, 1). 0 in a scene without choices.
    """
    top = np.maximum(worth.max(axis=0), -MAX_REWARD)
    with np.errstate(over="ignore"):  # far below the best: no odds
        return softmax(beta * ((np.maximum(worth, -MAX_REWARD) - top) / scale), axis=-2, there=view.mask)
