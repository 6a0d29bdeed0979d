"""The posterior of an agent that extrapolates by simplicity, rule by rule."""

from dataclasses import dataclass, replace
from typing import override

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.posterior import Posterior, posterior_weights
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity


@dataclass(frozen=True, eq=False)
class SimplicityAmongRules(Prior):
    """A simplicity prior among the rules of a list: 0 for an unmodelled hypothesis."""

    simplicity: Simplicity

    @property
    @override
    def name(self) -> str:
        return self.simplicity.name

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        rules = list(hypotheses.rules)
        out = np.full(len(hypotheses), -np.inf)
        out[rules] = self.simplicity.log_prior_among(hypotheses, rules)
        return out


def by_simplicity(posterior: Posterior, prior: Simplicity) -> Posterior:
    """Return a posterior under simplicity over hypotheses and rules of spaces.

    It is that of a list of all rules: a rule f of a space has the prior ``2^-bits(f)``, as a listed hypothesis has, so
    the space has ``sum_f 2^-bits(f)``, and its evidence is ``sum_f 2^-bits(f) p(D | f) / sum_f 2^-bits(f)``. All names
    are in one alphabet. Multipliers, which are human values, do not count.
    """
    hypotheses = posterior.hypotheses
    listed = [reward.expression for reward in hypotheses.rewards if reward.expression is not None]
    moved = {}
    for h, fitted in posterior.spaces.items():
        others = (e for k in posterior.spaces if k != h for e in posterior.spaces[k].expressions("").values())
        moved[h] = fitted.by_simplicity(prior, (*listed, *others))
    evidence = [replace(e, log_evidence=e.log_evidence.copy()) for e in posterior.evidence]  # none in a tree
    log_evidence = posterior.log_evidence.copy()
    for h, fitted in moved.items():
        log_evidence[h] = fitted.log_evidence(range(len(fitted.counts)))
        for k, e in enumerate(evidence):
            before = fitted.log_evidence(range(k))
            e.log_evidence[h] = fitted.log_evidence(range(k + 1)) - before if before > -np.inf else 0.0
    hypotheses = hypotheses.instead(moved)
    among = SimplicityAmongRules(prior)
    log_prior = among.log_prior(hypotheses)
    return replace(
        posterior,
        hypotheses=hypotheses,
        prior=among,
        log_prior=log_prior,
        log_evidence=log_evidence,
        weights=posterior_weights(np.exp(log_prior), log_prior, log_evidence),
        evidence=tuple(evidence),
    )
