"""The registry of all kinds of feedback that ship."""

from collections.abc import Mapping

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.feedback.kinds.demonstrations import Demonstrations
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.feedback.kinds.proxy import Proxy
from reward_hypotheses.models.feedback.kinds.rankings import Rankings
from reward_hypotheses.models.feedback.kinds.ratings import Ratings
from reward_hypotheses.models.feedback.kinds.rewards import Rewards
from reward_hypotheses.models.feedback.kinds.stops import Stops

SHIPPED: tuple[type[Feedback], ...] = (Labels, Rewards, Choices, Rankings, Ratings, Stops, Proxy, Demonstrations)
"""A new kind is one file in `kinds`, and one entry here."""

KINDS: Mapping[str, type[Feedback]] = {kind.kind: kind for kind in SHIPPED}
"""Every kind that a study file may name, by its name."""
