"""Bayes factors between pairs of hypotheses, and the silent pairs.

Training cannot separate the hypotheses of a silent pair.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.models.posterior import Posterior

NUMBERS = ("log_prior_odds", "log_bayes_factor", "log_posterior_odds", "mcse", "silent")
"""Numbers of a `Pair` that the results hold under the same names."""
MOST = 32
"""Number of hypotheses, by posterior weight, whose pairs are listed."""


@dataclass(frozen=True)
class Pair:
    """Log odds of one hypothesis over another, in nats.

    Prior + Bayes factor = posterior; NaN where both hypotheses are impossible.

    ``mcse`` is the Monte Carlo error of the Bayes factor, and so of the posterior odds: 0 where exact or silent.
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
    out = []
    for i, j in combinations(top(posterior, most), 2):
        silent = bool(posterior.classes[i] == posterior.classes[j])
        prior = difference(posterior.log_prior[i], posterior.log_prior[j])
        factor = 0.0 if silent else difference(posterior.log_evidence[i], posterior.log_evidence[j])
        out.append(Pair(i, j, prior, factor, prior + factor, silent, posterior.mcse_between(i, j)))
    return out


def top(posterior: Posterior, most: int = MOST) -> list[int]:
    """Return the weightiest hypotheses, at most so many, in their order."""
    weightiest = np.argsort(-posterior.weights, kind="stable")[:most]
    return np.sort(weightiest).tolist()


def difference(a: float, b: float) -> float:
    """Return ``a - b``, NaN between equal infinities."""
    with np.errstate(invalid="ignore"):
        return float(np.float64(a) - np.float64(b))


def silent_pairs_of(posterior: Posterior) -> list[tuple[int, int]]:
    """Return the pairs of hypotheses that training cannot separate.

    The two likelihoods are equal in every feedback, item by item.
    """
    return sorted(pair for members in posterior.members() for pair in combinations(members.tolist(), 2))


class SilentPairs(Section[list[list[str]]]):
    """Pairs of hypotheses that training cannot separate."""

    keys = ("silent_pairs",)

    @override
    def compute(self, case: Case) -> list[list[str]]:
        names = case.judge_names
        return [[names[i], names[j]] for i, j in silent_pairs_of(case.posterior)]


class Pairs(Section[list[Document]]):
    """Log odds of the weightiest hypotheses, pair by pair, in nats.

    By the prior, by the evidence, and by both together.
    """

    keys = ("pairs",)
    urgency = 15

    @override
    def compute(self, case: Case) -> list[Document]:
        names = case.judge_names
        return [
            {
                "pair": [names[p.first], names[p.second]],
                **{key: getattr(p, key) for key in NUMBERS},
                "words": _in_words(names[p.first], names[p.second], p),
            }
            for p in pairs(case.posterior)
        ]

    @override
    def warnings(self, case: Case, result: list[Document]) -> Iterator[str]:
        if len(case.judge_names) > MOST:
            yield f"pairs lists the {MOST} hypotheses of greatest weight; silent_pairs lists every silent pair"


def _in_words(first: str, second: str, pair: Pair) -> str:
    log_factor = pair.log_bayes_factor
    if pair.silent:
        return f"training is silent between {first!r} and {second!r}: whatever prefers one is an assumption"
    if math.isnan(log_factor):
        return f"the data are impossible under both {first!r} and {second!r}"
    better, worse = (first, second) if log_factor > 0 else (second, first)
    if math.isinf(log_factor):
        return f"the data rule out {worse!r} and leave {better!r}"
    if log_factor == 0:
        return f"the data happen to favour neither {first!r} nor {second!r}, though they could"
    if abs(log_factor) < 2 * pair.mcse:
        return f"the data favour neither {first!r} nor {second!r} by more than the Monte Carlo error of their evidence"
    times = math.exp(min(abs(log_factor), 700.0))
    shown = f"{times:.3g}" if times < 1e6 else f"10^{abs(log_factor) / math.log(10):.1f}"
    return f"the data favour {better!r} over {worse!r} by a factor of {shown}"
