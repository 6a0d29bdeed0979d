"""The evidence of a family of rewards: every feedback multiplies inside the integral over its weights."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.linear import Fitted, Linear
from reward_hypotheses.models.inference.laplace import (
    K_HAT,
    Base,
    Bell,
    Weighted,
    from_mixture,
    from_prior,
    gradient_of,
)
from reward_hypotheses.models.inference.smc import smc
from reward_hypotheses.models.inference.tempering import tempered
from reward_hypotheses.models.linear_family.approximation import (
    LEAST_DRAWS,
    MANY,
    PRIOR_DRAWS,
    STARTS,
    WORK,
    approximated,
    hardened,
    slopes_of,
)
from reward_hypotheses.models.linear_family.coordinates import RANK, Gaussian, Shell, Space, Sphere, _space, relative
from reward_hypotheses.models.linear_family.likelihood_terms import CELLS, Choosing, Term, terms_of

TOO_LARGE = 0.1  # Monte Carlo error of a log evidence, nats, above which another way is tried
ENOUGH = 1000.0
"""Effective draws with which importance sampling from the prior is good enough."""
FEWEST = 200.0
"""Effective draws with which Laplace's approximation is good enough in many dimensions."""
QUICK_NUTS, MOST_NUTS = 100_000, 1_000_000
"""Features times items up to which NUTS is fallen back to, which takes about a minute, and up to which it may be asked for."""


@dataclass(frozen=True)
class Nuts:
    """How NUTS is to sample a family, and whether from the first or only where nothing quicker can be trusted."""

    first: bool = False
    draws: int = 1000
    chains: int = 4
    seed: int = 0


def fit_family(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: float | Expression | None,
    n: int,
    rng: np.random.Generator,
    scale: np.ndarray | None = None,
    nuts: Nuts | None = None,
) -> tuple[Fitted, float, float]:
    """Integrate a family out: what is known of its weights, its log evidence, and the Monte Carlo error of that.

    ``log integral p(w) prod_k [integral p(D_k | r_w, theta_k) p(theta_k) dtheta_k] dw``. By Laplace's approximation
    corrected by importance sampling; where its Pareto k-hat is above 0.7, by importance sampling from the prior if that
    leaves 1,000 effective draws; else by sequential Monte Carlo. With more than 40 weights Laplace's approximation is
    to leave 200 effective draws, and other draws than those that were judged are counted. Sequential Monte Carlo then starts
    from the approximation where there are gradients. Where its error is above 0.1 nats, NUTS and bridge sampling take over,
    up to 100,000 features times items.

    A rationality that is known leaves the length of a direction without meaning. With 100 features the approximation then
    fits badly, and sequential Monte Carlo takes minutes.

    Parameters
    ----------
    line : float, Expression or None
        Its failure line, if it has one.
    n : int
        Draws of the weights.
    scale : ndarray (feature,), optional
        Unit of each feature, where the rows of these feedbacks do not give it.
    nuts : Nuts, optional
        How NUTS is to sample.

    Raises
    ------
    InputError
        A feature that does not vary and has no unit, a kind of feedback that does not say what it depends on.
    """
    scale, terms = terms_of(name, linear, feedback, line, scale=scale)
    values, vectors = np.linalg.eigh(np.sum([relative(term.gram) for term in terms], axis=0))
    visible = values > RANK * max(float(values[-1]), 1e-300)
    nuts = Nuts() if nuts is None else nuts
    space = _space(linear, terms, vectors[:, visible], vectors[:, ~visible])
    if nuts.first and isinstance(space, Shell):  # lengths are spread over powers of ten: in their logs NUTS gets on
        space = Sphere(space.basis, space.unseen, {space.variable: space.prior} | space.nuisances)

    def log_likelihood_of(terms: Sequence[Term], points: np.ndarray) -> np.ndarray:
        out = np.empty(len(points))
        step = max(1, CELLS // max(sum(term.holds for term in terms), 1))
        for lo in range(0, len(points), step):
            some = points[lo : lo + step]
            weights, theta = space.weights(some[:, : space.dimension]), space.theta(some)
            with np.errstate(all="ignore"):
                found = sum((term.log_likelihood(weights, theta) for term in terms), np.zeros(len(some)))
            out[lo : lo + step] = np.where(np.isnan(found), -np.inf, found)
        return out

    method, found, sampler = _integrate(name, space, terms, log_likelihood_of, n, rng, nuts)
    below = np.cumsum(found.weights)
    evenly = (rng.random() + np.arange(n)) / n * below[-1]  # as near to their weights as whole numbers of copies can be
    kept = found.points[rng.permutation(np.minimum(np.searchsorted(below, evenly), len(below) - 1))]
    weights = space.whole(kept[:, : space.dimension], rng)
    theta = space.theta(kept)
    nuisances: dict[str, np.ndarray] = {}
    for one, term in zip(feedback, terms, strict=True):
        nuisances |= term.given(weights, theta, rng)
        for key in one.nuisances:  # under a normal prior the rationality is the length of the weights
            nuisances.setdefault(one.variable(key), np.ones(n))
    fitted = Fitted(
        linear,
        scale,
        weights.mean(axis=0),
        weights,
        nuisances,
        method,
        found.k_hat,
        1 / float(found.weights @ found.weights),
        vectors[:, visible],
        linear.sd is None and all(term.scale_free for term in terms),
        {
            term.feedback.variable("rationality"): term.spread
            for term in reversed(terms)
            if isinstance(term, Choosing) and "rationality" in term.feedback.nuisances
        },
        sampler,
    )
    return fitted, found.value, found.mcse


def _integrate(
    name: str,
    space: Space,
    terms: Sequence[Term],
    log_likelihood_of: Callable[[Sequence[Term], np.ndarray], np.ndarray],
    least: int,
    rng: np.random.Generator,
    nuts: Nuts,
) -> tuple[str, Weighted, Any]:
    """By the quickest way that can be trusted."""
    cells = sum(term.cells for term in terms)

    def log_likelihood(points: np.ndarray) -> np.ndarray:
        return log_likelihood_of(terms, points)

    def log_prior(points: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = space.log_prior(points)
        return np.where(np.isnan(found), -np.inf, found)

    def log_posterior(points: np.ndarray) -> np.ndarray:
        return log_prior(points) + log_likelihood(points)

    if not space.dimension:  # no weight matters; where no nuisance does either, this is exact
        found = from_prior(log_likelihood, space.prior_draws(least, rng))
        if found.mcse == 0:
            return "prior", replace(found, k_hat=math.nan), None

    def slopes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return slopes_of(space, terms, points)

    many = space.dimension > MANY
    sloped = many and all(term.sloped for term in terms)
    base = Base(log_prior, space.prior_draws)
    bells: tuple[Bell, ...] = ()
    if all(term.smooth for term in terms):
        found = approximated(space, terms, log_likelihood, log_posterior, base, least, rng)
        bells = found.bells
        if nuts.first:
            sampled, sampler = _by_nuts(name, space, terms, log_posterior, bells, nuts)
            return "nuts", sampled, sampler
        if many and math.isfinite(found.value):
            enough = 1 / float(found.weights @ found.weights) >= FEWEST
            if enough and found.k_hat <= K_HAT:  # judged by these draws, and so not estimated from them
                one_hill = None if isinstance(space, Gaussian) else base
                found = from_mixture(log_posterior, list(bells), rng, len(found.points), one_hill, fits=0)
        else:
            enough = True
        if found.k_hat <= K_HAT and math.isfinite(found.value) and enough:
            return "laplace", found, None
    n = int(np.clip(WORK // max(cells, 1), LEAST_DRAWS, PRIOR_DRAWS))
    points = space.prior_draws(n, rng)
    pilot = from_prior(log_likelihood, points[:LEAST_DRAWS]) if sloped else None
    if pilot is None or 1 / float(pilot.weights @ pilot.weights) >= ENOUGH * LEAST_DRAWS / n / 10:
        found = from_prior(log_likelihood, points)
        if found.k_hat <= K_HAT and 1 / float(found.weights @ found.weights) >= ENOUGH:
            return "prior", found, None
    if sloped and bells:
        one_peak = isinstance(space, (Gaussian, Shell))
        found = tempered(
            log_posterior,
            lambda points: np.add(*slopes(points)),
            bells,
            None if one_peak else base,
            lambda points: slopes(points)[0],
            rng,
        )
        if found.mcse > TOO_LARGE and space.dimension * cells <= QUICK_NUTS:
            sampled, sampler = _by_nuts(name, space, terms, log_posterior, bells, nuts)
            if not sampler.problems and sampled.mcse < found.mcse:
                return "nuts", sampled, sampler
        return "smc", found, None
    soft = [term.softened() for term in terms]
    found = smc(
        log_prior,
        lambda points: log_likelihood_of(soft, points),
        space.prior_draws,
        rng,
        slopes if sloped else None,
    )
    if any(one is not term for one, term in zip(soft, terms, strict=True)):
        found = hardened(found, log_likelihood(found.points) - log_likelihood_of(soft, found.points))
    return "smc", found, None


def _by_nuts(
    name: str,
    space: Space,
    terms: Sequence[Term],
    log_posterior: Callable[[np.ndarray], np.ndarray],
    bells: Sequence[Bell],
    how: Nuts,
) -> tuple[Weighted, Any]:
    """By NUTS and a bridge, in coordinates in which the best approximation is round; of the prior where there is none."""
    from reward_hypotheses.models.inference.nuts import nuts

    if bells:
        bell = max(bells, key=lambda one: one.share)
    else:
        points = space.prior_draws(STARTS * 10, np.random.default_rng(how.seed))
        bell = Bell(points.mean(axis=0), np.linalg.cholesky(np.cov(points.T).reshape(points.shape[1], -1)), 1.0)

    def slopes(points: np.ndarray) -> np.ndarray:
        if all(term.sloped for term in terms):
            return np.add(*slopes_of(space, terms, points))
        return np.array([gradient_of(log_posterior, point) for point in points])

    return nuts(name, log_posterior, slopes, bell, how.draws, how.chains, how.seed)
