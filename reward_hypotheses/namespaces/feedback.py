"""Feedback: kinds of data about reward, each a likelihood."""

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.choices import Choices
from reward_hypotheses.models.feedback.demonstrations import Demonstrations
from reward_hypotheses.models.feedback.labels import Labels
from reward_hypotheses.models.feedback.proxy import Proxy
from reward_hypotheses.models.feedback.rankings import Rankings
from reward_hypotheses.models.feedback.ratings import Ratings
from reward_hypotheses.models.feedback.rewards import Rewards
from reward_hypotheses.models.feedback.stops import Stops
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements
from reward_hypotheses.models.tree.conformance import conforms

__all__ = [
    "Choices",
    "Demonstrations",
    "FailureJudgements",
    "Feedback",
    "Labels",
    "Proxy",
    "Rankings",
    "Ratings",
    "Rewards",
    "Stops",
    "conforms",
]
