"""Feedback: kinds of data about reward, each a likelihood."""

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.conformance import conforms
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.feedback.kinds.demonstrations import Demonstrations
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.feedback.kinds.proxy import Proxy
from reward_hypotheses.models.feedback.kinds.rankings import Rankings
from reward_hypotheses.models.feedback.kinds.ratings import Ratings
from reward_hypotheses.models.feedback.kinds.rewards import Rewards
from reward_hypotheses.models.feedback.kinds.stops import Stops
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements

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
