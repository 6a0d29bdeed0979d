"""Commit: one training run's luck."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View


@dataclass(frozen=True)
class Commit(Policy):
    """Draw one hypothesis from the weights for the whole deployment, then maximise it.

    Ties are split uniformly, abstaining (where the agent may) among them when the best option is worth just what failing
    is.
    """

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        return view.best(h)
