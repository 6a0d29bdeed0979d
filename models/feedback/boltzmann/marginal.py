"""Marginal likelihood of feedbacks that share one rationality: the integral over it."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.boltzmann.joint import evidence_jointly
from reward_hypotheses.models.feedback.boltzmann.likelihood import MANY, BoltzmannRational, Part, each_class
from reward_hypotheses.models.feedback.boltzmann.sequential import LARGEST
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import LogNormal
from reward_hypotheses.models.inference.quadrature import (
    FAR,
    Integral,
    finer,
    highest,
    log_integral,
    log_integral_of_one_hill,
)

KEPT_NODES = 257
SCANNED = 65  # points at which to look for another hill of a likelihood that may have several
ELSEWHERE = 25.5  # nats below an integral of what is left out of it: a share of 1e-11


def evidence_of_one_human(feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation]) -> list[Evidence]:
    """Evidence of feedbacks that share a rationality: they multiply inside its integral.

    ``log integral p(beta) prod_k p(D_k | r_h, beta) dbeta`` stands with the first of them, and 0 with the others; all hold
    the classes of all together, and the same density of beta. Where some have nuisances of their own, all are integrated
    together, by Monte Carlo.
    """
    if any(set(one.nuisances) - {"rationality"} for one in feedback):
        return evidence_jointly(feedback, valuations)
    each = [one.classes(valuation) for one, valuation in zip(feedback, valuations, strict=True)]
    together: dict[tuple[int, ...], int] = {}
    classes = np.array(
        [together.setdefault(key, len(together)) for key in zip(*(c.tolist() for c in each), strict=True)]
    )
    _, first, inverse, _ = distinct(classes)
    prior = feedback[0].nuisances.get("rationality")

    def of_one(h: int) -> tuple[float, float, np.ndarray]:
        parts = [one.part(valuation, h) for one, valuation in zip(feedback, valuations, strict=True)]
        if not isinstance(prior, LogNormal):
            return float(sum(part.log_likelihoods({})[0] for part in parts)), 0.0, np.zeros(0)
        found = _integral(parts, prior)
        if all(part.at_chance for part in parts):
            return float(sum(part.log_likelihoods({"rationality": np.ones(1)})[0] for part in parts)), 0.0, _kept(found)
        return found.value, found.error, _kept(found)

    cells = sum(one.effort for one in feedback)
    if cells > MANY:
        for one in feedback:
            one.in_stages  # noqa: B018, once, before several threads ask for it
    of_classes = zip(*each_class(of_one, first.tolist(), cells), strict=True)
    values, errors, kept = (np.array(of_each, dtype=float)[inverse] for of_each in of_classes)
    return [
        Evidence(
            values if k == 0 else np.zeros(len(classes)),
            inverse,
            one.n_answers,
            kept,
            errors if k == 0 else np.zeros(len(classes)),
        )
        for k, one in enumerate(feedback)
    ]


def _integral(parts: "Sequence[Part]", prior: LogNormal) -> Integral:
    """``log integral p(beta) prod p(D | beta) dbeta`` over ``t = log beta``."""

    def said(t: np.ndarray) -> np.ndarray:
        beta = np.exp(np.clip(t, -700.0, 700.0))
        return sum((part.log_likelihoods({"rationality": beta}) for part in parts), np.zeros(len(t)))

    def f(t: np.ndarray) -> np.ndarray:
        return said(t) + prior.log_density_of_log(t)

    start = (prior.mu - 8 * prior.sigma, prior.mu + 8 * prior.sigma)
    if sum(part.inputs.size for part in parts) > MANY and all(part.steps is not None for part in parts):
        narrow = _narrow(parts, f, prior, start)
        if narrow is not None:
            return narrow
    found = log_integral(f, start)
    t, top = found.nodes, float(found.log_density.max())
    if not top > -np.inf:
        return found
    if not all(part.concave for part in parts):
        nodes = np.linspace(*start, SCANNED)
        peak = float(nodes[int(np.argmax(f(nodes)))])
        return log_integral(f, start, (peak - 1.0, peak + 1.0))
    # The likelihood is concave in beta: it has one hill, which its tangent at the left end and 0 at the right end bound.
    # If that hill cannot be another mode beside the one to which the prior led, this is all.
    hill = found.log_density - prior.log_density_of_log(t)
    rise = max(float(hill[0] - hill[1]) / float(t[1] - t[0]), 0.0)
    left = float(found.log_density[0]) + rise < top - FAR / 2
    right = hill[-1] <= hill[-2] or float(prior.log_density_of_log(t[-1:])[0]) < top - FAR / 2
    if left and right:
        return found
    peak = highest(said, -40.0, 40.0)
    return log_integral(f, start, (peak - 4.0, peak + 4.0))


def _narrow(
    parts: "Sequence[Part]",
    f: Callable[[np.ndarray], np.ndarray],
    prior: LogNormal,
    start: tuple[float, float],
) -> Integral | None:
    """`_integral` of very many units, by few likelihoods; None unless all but 1e-11 of it provably is one narrow hill."""
    samples = [part.sample() for part in parts]

    def rough(t: np.ndarray) -> np.ndarray:
        beta = np.exp(np.clip(t, -700.0, 700.0))
        said = sum((share * steps.log_likelihoods(beta) for steps, share in samples), np.zeros(len(t)))
        return said + prior.log_density_of_log(t)

    reach = max(steps.farthest for steps, _ in samples)
    quick = math.log(LARGEST / reach) if reach > 0 else start[1]  # beyond it a likelihood takes ten times as long
    found = log_integral_of_one_hill(f, rough, start[0], max(min(start[1], quick), start[0] + 1.0))
    if found is None:
        return None
    # The log likelihood is concave in beta, so that on either side it is below the line through the two nodes at that end;
    # and it is at most 0. That with the prior is what the integral leaves out, at most.
    t, beta = found.nodes, np.exp(found.nodes)
    hill = found.log_density - prior.log_density_of_log(t)
    reach = 40 * prior.sigma
    for end, inner in ((0, 1), (-1, -2)):
        far = min(prior.mu, float(t[end])) - reach if end == 0 else max(prior.mu, float(t[end])) + reach
        beyond = np.linspace(float(t[end]), far, 4001)
        line = hill[end] + (hill[end] - hill[inner]) / (beta[end] - beta[inner]) * (
            np.exp(np.clip(beyond, -700.0, 700.0)) - beta[end]
        )
        outside = np.minimum(line, 0.0) + prior.log_density_of_log(beyond)
        if float(outside.max()) + math.log(abs(far - float(t[end]))) > found.value - ELSEWHERE:
            return None
    return found


def _kept(found: Integral) -> np.ndarray:
    """The density as numbers of one length for every class: ends, then log density at 257 nodes."""
    if len(found.nodes) >= KEPT_NODES:
        step = (len(found.nodes) - 1) // (KEPT_NODES - 1)
        density = found.log_density[::step]
    else:
        times = (KEPT_NODES - 1) // (len(found.nodes) - 1)
        _, density = finer(found.nodes, found.log_density, times)
    return np.concatenate([[found.nodes[0], found.nodes[-1]], density])
