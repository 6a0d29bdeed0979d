"""Priors over reward hypotheses, and human values elicited."""

from reward_hypotheses.models.priors.base import Prior, log_pool
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.judgements import Judgements
from reward_hypotheses.models.priors.linear_pool import LinearPool
from reward_hypotheses.models.priors.quantiles import elicit
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.priors.uniform import Uniform

__all__ = ["Elicited", "Judgements", "LinearPool", "Prior", "Simplicity", "Uniform", "elicit", "log_pool"]
