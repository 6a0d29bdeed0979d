"""Commit: one training run's luck."""

from dataclasses import dataclass
from typing import ClassVar

from reward_hypotheses.models.policies.base import Maximising


@dataclass(frozen=True)
class Commit(Maximising):
    """Draw one hypothesis for the whole deployment, then maximise it.

    Ties are split uniformly. Where the best option is worth as much as failing, abstaining (if the agent may) is one
    of the tied choices.
    """

    clause: ClassVar[str] = (
        "draws one hypothesis from the agent's weights and maximises its reward throughout a deployment"
    )
