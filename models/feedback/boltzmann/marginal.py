"""Marginal likelihood of feedbacks that share one rationality."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from reward_hypotheses.data.numerics import distinct, in_threads
from reward_hypotheses.models.feedback.boltzmann.joint import evidence_jointly
from reward_hypotheses.models.feedback.boltzmann.likelihood import BoltzmannRational, Likelihood
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import LARGEST
from reward_hypotheses.models.feedback.equivalence import MANY
from reward_hypotheses.models.feedback.evidence import Density, Evidence, common_classes
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

NODES = 257  # of a density that evidence stores
SCANNED = 65  # points at which to look for another hill of a likelihood that may have several
ELSEWHERE = 25.5  # nats below an integral of what is left out of it: a share of 1e-11


def evidence_of_one_human(feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation]) -> list[Evidence]:
    """Return the evidence of feedbacks that share a rationality.

    The likelihoods are multiplied inside the integral over the rationality.

    The log evidence is ``log integral p(beta) prod_k p(D_k | r_h, beta) dbeta``. Every feedback has the classes of all
    together and the same density of beta (see `Evidence.beside`). Where some have nuisances of their own, all are
    integrated together, by Monte Carlo.
    """
    if any(set(each.nuisances) - {"rationality"} for each in feedback):
        return evidence_jointly(feedback, valuations)
    pairs = list(zip(feedback, valuations, strict=True))
    _, first, inverse, _ = distinct(common_classes([each.classes(valuation) for each, valuation in pairs]))
    prior = feedback[0].nuisances.get("rationality")

    def of_class(h: int) -> tuple[float, float, np.ndarray]:
        likelihoods = [each.likelihood(valuation, h) for each, valuation in pairs]
        if not isinstance(prior, LogNormal):
            return float(sum(each.log_likelihoods({})[0] for each in likelihoods)), 0.0, np.zeros(2)
        integral = _integral(likelihoods, prior)
        if all(each.at_chance for each in likelihoods):
            at_one = {"rationality": np.ones(1)}
            return float(sum(each.log_likelihoods(at_one)[0] for each in likelihoods)), 0.0, _at_nodes(integral)
        return integral.value, integral.error, _at_nodes(integral)

    worthwhile = sum(each.effort for each in feedback) > MANY
    if worthwhile:
        for each in feedback:
            each.in_stages  # noqa: B018, once, before several threads ask for it
    by_class = zip(*in_threads(of_class, first.tolist(), worthwhile), strict=True)
    values, errors, densities = (np.array(of_each, dtype=float)[inverse] for of_each in by_class)
    density = Density(densities[:, :2], densities[:, 2:]) if isinstance(prior, LogNormal) else None
    return [
        Evidence(values, inverse, each.n_answers, mcse=errors, density=density).beside(first=k == 0)
        for k, each in enumerate(feedback)
    ]


def _integral(likelihoods: Sequence[Likelihood], prior: LogNormal) -> Integral:
    """Return ``log integral p(beta) prod p(D | beta) dbeta`` over ``t = log beta``."""

    def log_likelihood(t: np.ndarray) -> np.ndarray:
        beta = np.exp(np.clip(t, -700.0, 700.0))
        return sum((each.log_likelihoods({"rationality": beta}) for each in likelihoods), np.zeros(len(t)))

    def f(t: np.ndarray) -> np.ndarray:
        return log_likelihood(t) + prior.log_density_of_log(t)

    start = (prior.mu - 8 * prior.sigma, prior.mu + 8 * prior.sigma)
    if sum(each.inputs.size for each in likelihoods) > MANY and all(each.steps is not None for each in likelihoods):
        narrow = _narrow(likelihoods, f, prior, start)
        if narrow is not None:
            return narrow
    near_prior = log_integral(f, start)
    t, top = near_prior.nodes, float(near_prior.log_density.max())
    if not top > -np.inf:
        return near_prior
    if not all(each.concave for each in likelihoods):
        nodes = np.linspace(*start, SCANNED)
        peak = float(nodes[int(np.argmax(f(nodes)))])
        return log_integral(f, start, (peak - 1.0, peak + 1.0))
    # The likelihood is concave in beta: it has one hill, which its tangent at the left end and 0 at the right end bound.
    # If that hill cannot be another mode beside the one to which the prior led, this is all.
    hill = near_prior.log_density - prior.log_density_of_log(t)
    rise = max(float(hill[0] - hill[1]) / float(t[1] - t[0]), 0.0)
    left = float(near_prior.log_density[0]) + rise < top - FAR / 2
    right = hill[-1] <= hill[-2] or float(prior.log_density_of_log(t[-1:])[0]) < top - FAR / 2
    if left and right:
        return near_prior
    peak = highest(log_likelihood, -40.0, 40.0)
    return log_integral(f, start, (peak - 4.0, peak + 4.0))


def _narrow(
    likelihoods: Sequence[Likelihood],
    f: Callable[[np.ndarray], np.ndarray],
    prior: LogNormal,
    start: tuple[float, float],
) -> Integral | None:
    """Integrate as `_integral`, for very many units.

    Few likelihoods are computed on all units; a sample of the units leads to the mass.

    Returns None unless all but 1e-11 of the integral provably is one narrow hill.
    """
    samples = [each.sample() for each in likelihoods]

    def rough(t: np.ndarray) -> np.ndarray:
        beta = np.exp(np.clip(t, -700.0, 700.0))
        of_samples = sum((share * steps.log_likelihoods(beta) for steps, share in samples), np.zeros(len(t)))
        return of_samples + prior.log_density_of_log(t)

    reach = max(steps.farthest for steps, _ in samples)
    quick = math.log(LARGEST / reach) if reach > 0 else start[1]  # beyond it a likelihood takes ten times as long
    narrow = log_integral_of_one_hill(f, rough, start[0], max(min(start[1], quick), start[0] + 1.0))
    if narrow is None:
        return None
    # The log likelihood is concave in beta, so that on either side it is below the line through the two nodes at that end;
    # and it is at most 0. That with the prior bounds what the integral leaves out.
    t, beta = narrow.nodes, np.exp(narrow.nodes)
    hill = narrow.log_density - prior.log_density_of_log(t)
    reach = 40 * prior.sigma
    for end, inner in ((0, 1), (-1, -2)):
        far = min(prior.mu, float(t[end])) - reach if end == 0 else max(prior.mu, float(t[end])) + reach
        beyond = np.linspace(float(t[end]), far, 4001)
        line = hill[end] + (hill[end] - hill[inner]) / (beta[end] - beta[inner]) * (
            np.exp(np.clip(beyond, -700.0, 700.0)) - beta[end]
        )
        outside = np.minimum(line, 0.0) + prior.log_density_of_log(beyond)
        if float(outside.max()) + math.log(abs(far - float(t[end]))) > narrow.value - ELSEWHERE:
            return None
    return narrow


def _at_nodes(integral: Integral) -> np.ndarray:
    """Return the ends of a density, then its logarithm at 257 nodes.

    Every class has the same number of nodes.
    """
    if len(integral.nodes) >= NODES:
        density = integral.log_density[:: (len(integral.nodes) - 1) // (NODES - 1)]
    else:
        _, density = finer(integral.nodes, integral.log_density, (NODES - 1) // (len(integral.nodes) - 1))
    return np.concatenate([[integral.nodes[0], integral.nodes[-1]], density])
