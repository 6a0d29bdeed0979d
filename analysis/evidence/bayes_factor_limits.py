"""Pairs of hypotheses whose Bayes factor stays bounded with endless data."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.bayes_factors import top
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.data.rounding_error_bounds import EPS, equal
from reward_hypotheses.models.feedback.boltzmann.centring import SCALED
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.inference.nuisance_priors import LogNormal
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.agent_rationality import nodes_of

SAME_SPAN = 1e-9
"""Greatest share of a column's squared length outside of a span that is said to contain the column."""
MOST = 64
"""Number of hypotheses, by posterior weight, among which such pairs are searched."""


@dataclass(frozen=True)
class Bounded:
    """A pair of hypotheses that no amount of such data decides.

    Attributes
    ----------
    first, second : int
    factors : dict of str to float
        By inferred rationality (its variable): a in ``r_first = a r_second + b`` by scene, for fixed rewards.
    limit : float
        ``log p(beta / a) / (a p(beta))`` at the present estimate of beta under the second, summed over rationalities. This
        is the log Bayes factor of the first with endless data, nats. NaN for continuous weights.
    """

    first: int
    second: int
    factors: dict[str, float]
    limit: float


def bounded_pairs(posterior: Posterior) -> list[Bounded]:
    """Find the pairs whose likelihoods differ only in the prior of their nuisances.

    First, fixed rewards of which one is a multiple of the other, with raw rewards (``scale="raw"``) and an inferred
    rationality. Each explains the data of the other at another rationality, and the Bayes factor tends to a ratio of prior
    densities. Second, families of rewards whose features have the same span within the scenes of training. Each contains
    the rewards of the other, and the data choose between weights instead of families.
    """
    weightiest = top(posterior, MOST)
    named = [h for h in weightiest if h in posterior.hypotheses.fixed]
    families = [h for h in weightiest if h in posterior.families]
    bounded = []
    if any(_is_raw(feedback) for feedback in posterior.feedback):
        apart = [(i, j) for i, j in combinations(named, 2) if posterior.classes[i] != posterior.classes[j]]
        bounded += [pair for i, j in apart if (pair := _proportional(posterior, i, j)) is not None]
    if len(families) > 1 and all(isinstance(feedback, SceneChoice) for feedback in posterior.feedback):
        spans = {h: _columns(posterior, h) for h in families}
        for i, j in combinations(families, 2):
            if _within(spans[i], spans[j]) and _within(spans[j], spans[i]):
                bounded.append(Bounded(i, j, {}, math.nan))
    return bounded


def _is_raw(feedback: object) -> bool:
    return (
        isinstance(feedback, Rational)
        and feedback.scale == "raw"
        and isinstance(feedback.nuisances.get("rationality"), LogNormal)
    )


def _proportional(posterior: Posterior, i: int, j: int) -> Bounded | None:
    """Return the pair if the rewards are proportional in every feedback.

    Each feedback is silent or has one ratio a > 0 for each rationality; else None.
    """
    factors: dict[str, float] = {}
    limits: dict[str, float] = {}
    for feedback, valuation, evidence in zip(posterior.feedback, posterior.valuations, posterior.evidence, strict=True):
        if evidence.classes[i] == evidence.classes[j]:
            continue
        if not isinstance(feedback, Rational) or not feedback.linear:
            return None
        first, other = feedback.scaled(valuation, i), feedback.scaled(valuation, j)
        if not (first.any() or other.any()):
            continue  # both choose at chance here
        a = _ratio(first, other, feedback.scaled_error(valuation, i), feedback.scaled_error(valuation, j))
        if a is None:
            return None
        variable = feedback.variable("rationality")
        if abs(factors.setdefault(variable, a) - a) > 1e-9 * a:
            return None
        prior = feedback.nuisances.get("rationality")
        if abs(a - 1) <= 1e-9:
            continue
        if not isinstance(prior, LogNormal):
            return None  # a rationality that is given tells them apart
        if variable not in limits:
            betas, shares, _ = nodes_of(feedback, evidence, j)
            t = float(np.log(betas) @ shares)
            both = prior.log_density_of_log(np.array([t - math.log(a), t]))
            limits[variable] = float(both[0] - both[1])
    return Bounded(i, j, factors, math.fsum(limits.values())) if limits else None


def _ratio(first: np.ndarray, other: np.ndarray, first_error: np.ndarray, other_error: np.ndarray) -> float | None:
    """Return the positive a with ``first = a other``; None where there is none.

    Equality holds up to the rounding of both.
    """
    length = float(np.vdot(other, other))
    a = float(np.vdot(first, other)) / length if length > 0 else 0.0
    if a <= 0 or not equal(first, a * other, first_error, a * (other_error + SCALED * EPS * np.abs(other))).all():
        return None
    return a


def _columns(posterior: Posterior, h: int) -> np.ndarray:
    """Return the likelihood's inputs for each feature of a family alone.

    Shape (unit and option, feature).
    """
    fitted = posterior.families[h]
    parts = []
    for feedback, valuation in zip(posterior.feedback, posterior.valuations, strict=True):
        assert isinstance(feedback, Rational)
        raw = feedback.unscaled()
        each: Sequence[np.ndarray] = [
            posterior.inputs_of_member(raw, valuation, h, weights) for weights in np.eye(len(fitted.linear.names))
        ]
        parts.append(np.array([np.where(np.isfinite(x), x, 0.0).ravel() for x in each]).T)
    return np.concatenate(parts)


def _within(columns: np.ndarray, span: np.ndarray) -> bool:
    """Return whether every column lies in the span of other columns."""
    u, s, _ = np.linalg.svd(span, full_matrices=False)
    basis = u[:, s > 1e-9 * max(float(s.max(initial=0.0)), 1e-300)]
    outside = columns - basis @ (basis.T @ columns)
    return bool(((outside**2).sum(axis=0) <= SAME_SPAN * np.maximum((columns**2).sum(axis=0), 1e-300)).all())


def bounded_in_words(pair: Bounded, first: str, second: str) -> str:
    """Return a sentence about a pair whose Bayes factor stays bounded."""
    if not pair.factors:
        return (
            f"in training, the features of {first!r} and {second!r} span the same rewards: only the priors of their weights "
            "distinguish them, whatever the amount of such data"
        )
    times = ", ".join(f"{a:.4g}" for a in dict.fromkeys(pair.factors.values()) if abs(a - 1) > 1e-9)
    return (
        f"in training, {first!r} is {times} times {second!r}, which another rationality explains as well: with endless data, "
        f"their log Bayes factor tends to about {pair.limit:.3g} nats"
    )


class BoundedPairs(Section[list[Document]]):
    """Pairs of hypotheses whose Bayes factor stays bounded."""

    keys = ("bounded_pairs",)
    urgency = 20

    @override
    def compute(self, case: Case) -> list[Document]:
        posterior = case.posterior.of_rules()
        names = posterior.hypotheses.names
        return [
            {
                "pair": [names[pair.first], names[pair.second]],
                "factors": pair.factors,
                "limit": pair.limit,
                "words": bounded_in_words(pair, names[pair.first], names[pair.second]),
            }
            for pair in bounded_pairs(posterior)
        ]

    @override
    def warnings(self, case: Case, result: list[Document]) -> Iterator[str]:
        for entry in result:
            first, second = entry["pair"]
            yield (
                f"risk.limit assumes that endless training distinguishes {first!r} and {second!r}, but their Bayes factor stays "
                "bounded (bounded_pairs)"
            )
