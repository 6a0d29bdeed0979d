"""Policies: what an agent does with its weights."""

from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.cvar import Cvar
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.maximin import Maximin
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.policies.quantilize import Quantilize

__all__ = ["Boltzmann", "Commit", "Cvar", "Expected", "Maximin", "MostProbable", "Policy", "Quantilize"]
