"""Evidence or prior? Where the data speak between two hypotheses, and where they are silent."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.posterior import Posterior

MOST = 32
"""Hypotheses, by posterior weight, whose pairs are listed."""


@dataclass(frozen=True)
class Pair:
    """Log odds of one hypothesis over another, nats: prior + Bayes factor = posterior; NaN where both are impossible.

    ``mcse`` is the Monte Carlo error of the Bayes factor and so of the posterior odds: 0 where exact, or silent.
    """

    first: int
    second: int
    log_prior_odds: float
    log_bayes_factor: float
    log_posterior_odds: float
    silent: bool
    mcse: float


def pairs(posterior: Posterior, most: int = MOST) -> list[Pair]:
    """List every pair of the weightiest hypotheses, in their order."""
    top = np.sort(np.argsort(-posterior.weights, kind="stable")[:most])
    out = []
    for a, i in enumerate(top.tolist()):
        for j in top[a + 1 :].tolist():
            silent = bool(posterior.classes[i] == posterior.classes[j])
            prior = _difference(posterior.log_prior[i], posterior.log_prior[j])
            factor = 0.0 if silent else _difference(posterior.log_evidence[i], posterior.log_evidence[j])
            out.append(Pair(i, j, prior, factor, prior + factor, silent, posterior.mcse_between(i, j)))
    return out


def _difference(a: float, b: float) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.float64(a) - np.float64(b))


def silent_pairs(posterior: Posterior) -> list[tuple[int, int]]:
    """Pairs that training cannot separate: every feedback has the same likelihood under both, item by item."""
    return sorted(
        (int(i), int(j)) for members in posterior.members() for a, i in enumerate(members) for j in members[a + 1 :]
    )
