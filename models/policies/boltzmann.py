"""Boltzmann: noisily rational, with the same softmax as human choices."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError
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
        beta = self.beta
        if (
            isinstance(beta, bool)
            or not isinstance(beta, (int, float, np.integer, np.floating))
            or not (math.isfinite(beta) and beta >= 0)
        ):
            raise InputError(f"beta: {beta!r}; give the agent's rationality, a finite number, 0 or more")

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        assert view.scales is not None
        worth = view.worth(h)
        scale = float(view.scales[h])
        if scale == 0:
            chance = np.ones(view.shape) if view.mask is None else view.mask.astype(float)
            return chance / chance.sum(axis=0)
        top = worth.max(axis=0)
        odds = np.exp(self.beta * (np.where(worth > -np.inf, worth, top) - top) / scale)
        if view.mask is not None:
            odds = np.where(view.mask, odds, 0.0)
        return odds / odds.sum(axis=0)
