"""Boltzmann: noisily rational, with the same softmax as human choices."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions import MAX_REWARD
from reward_hypotheses.data.numbers import finite
from reward_hypotheses.models.policies.base import Policy, View


@dataclass(frozen=True)
class Boltzmann(Policy):
    """Draw one hypothesis, then choose with probability ``softmax(beta r_h / s_h)``.

    ``s_h`` is that of choices on the table acted on (`within_scene_scale`), so beta means the same at every reward
    scale; a hypothesis whose rewards are all equal chooses at chance.

    Parameters
    ----------
    beta : float
        Rationality, 0 (chance) or more.
    abstain : bool
        Whether failing is one more choice, worth ``u_h``.
    """

    needs_scale: ClassVar[bool] = True

    beta: float

    def __post_init__(self) -> None:
        beta = finite(self.beta)
        if beta is None or beta < 0:
            raise InputError(f"beta: {shown(self.beta)}; give the agent's rationality, a finite number, 0 or more")

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        assert view.scales is not None
        worth = view.worth(h)
        scale = np.asarray(view.scales[h], float)  # one, or one a scene
        top = np.maximum(worth.max(axis=0), -MAX_REWARD)
        apart = (np.maximum(worth, -MAX_REWARD) - top) / np.where(scale > 0, scale, 1.0)
        odds = np.exp(self.beta * np.where(scale > 0, apart, 0.0))
        if view.mask is not None:
            odds = np.where(view.mask, odds, 0.0)
        return odds / np.maximum(odds.sum(axis=0), 1e-300)  # in a scene without any choice, nothing
