"""Gaussian approximations of the posterior of a linear reward family."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reward_hypotheses.models.inference.laplace import FITS, Base, Weighted, from_mixture, laplace
from reward_hypotheses.models.linear_family.coordinates import Coordinates
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.linear_family.sphere_coordinates import RationalityScaledSphere
from reward_hypotheses.models.linear_family.term import LikelihoodTerm

MANY = 40  # dimensions above which only gradients lead anywhere

WORK, MOST_DRAWS = 100_000_000, 16_000  # numbers that the draws of one integral cost, at most; draws
LEAST_DRAWS, PRIOR_DRAWS = 4000, 100_000
STARTS, SEVERAL = 256, 5
"""Draws from the prior among which to look for places to climb from, and how many of these there are."""

QUICK_WORK, MOST_QUICK = 1_000_000_000, 48_000  # of likelihoods that are quick
FEW_CELLS = 20_000_000  # numbers that a gradient costs, up to which several climbs are worth it
ELSEWHERE = 0.7  # cosine below which two points lie in different directions


def slopes_of(space: Coordinates, terms: Sequence[LikelihoodTerm], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of the log prior and of the log likelihood.

    Two arrays (point, dimension), by all coordinates: of the weights, then of the nuisances.

    Parameters
    ----------
    points : ndarray (point, dimension)
    """
    weights, theta = space.weights(points[:, : space.dimension]), space.theta(points)
    of_weights: np.ndarray = np.zeros(weights.shape)
    of_theta = {variable: np.zeros(len(points)) for variable in theta}
    with np.errstate(all="ignore"):
        for term in terms:
            of_term, of_nuisances = term.slopes(weights, theta)
            of_weights = of_weights + of_term
            for variable, slope in of_nuisances.items():
                of_theta[variable] = of_theta[variable] + slope
        return space.slopes(points, of_weights, of_theta)


def approximated(
    space: Coordinates,
    terms: Sequence[LikelihoodTerm],
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    log_posterior: Callable[[np.ndarray], np.ndarray],
    base: Base,
    least: int,
    rng: np.random.Generator,
) -> Weighted:
    """Integrate by Laplace's approximation, corrected by importance sampling."""
    cells = sum(term.cells for term in terms)
    quick = all(isinstance(term, SoftmaxTerm) and term.steps is not None for term in terms)
    work, most = (QUICK_WORK, MOST_QUICK) if quick else (WORK, MOST_DRAWS)
    draws = max(least, int(np.clip(work // max(cells, 1), LEAST_DRAWS, most)))
    softmaxes = [term for term in terms if isinstance(term, SoftmaxTerm) and term.feedback.staged]
    staged = len(softmaxes) == len(terms)
    if staged and space.dimension > MANY and isinstance(space, RationalityScaledSphere):
        bells = space.bells(log_likelihood, _information(space, softmaxes, rng))
        return from_mixture(log_posterior, bells, rng, max(least, min(draws, MOST_DRAWS)), base, fits=0)
    curvature = _curvature(space, softmaxes, rng) if staged else None
    one_hill = staged and space.log_concave  # a sum of log-concave densities of weights
    thorough = not one_hill and cells * space.dimension <= FEW_CELLS
    starts = _starts(space, log_posterior, SEVERAL if thorough else 1, rng)
    if thorough:
        starts = np.vstack([starts, space.corners()])
    mirrored = None if one_hill else space.mirrored
    fits = FITS if space.dimension <= MANY else 0
    return laplace(log_posterior, starts, rng, curvature, draws, None if one_hill else base, mirrored, fits)


def _starts(
    space: Coordinates, log_posterior: Callable[[np.ndarray], np.ndarray], many: int, rng: np.random.Generator
) -> np.ndarray:
    """Return points from which to climb: (start, dimension).

    The first start is the best of some draws from the prior. Each other start is the best draw that lies in another
    direction than the starts before.
    """
    some = space.prior_draws(STARTS, rng)
    some = some[np.argsort(-log_posterior(some), kind="stable")]
    directions = some / np.maximum(np.sqrt((some**2).sum(axis=1, keepdims=True)), 1e-300)
    chosen = [0]
    for i in range(1, len(some)):
        if len(chosen) == many:
            break
        if float((directions[chosen] @ directions[i]).max()) < ELSEWHERE:
            chosen.append(i)
    return some[chosen]


def hardened(sample: Weighted, lost: np.ndarray) -> Weighted:
    """Return a sample under a softened likelihood, reweighted to the hard likelihood.

    The hard likelihood rules points out or leaves them. Where all points are ruled out, the evidence is below the
    softened evidence by at least e^-69 a label, and -inf is returned.

    Parameters
    ----------
    sample : Weighted
        Sampled under the softened likelihood.
    lost : ndarray (point,)
        Log likelihood less the softened log likelihood, nats.
    """
    left = sample.weights * np.exp(np.minimum(lost, 0.0))
    share = float(left.sum())
    if share == 0.0:
        return Weighted(-math.inf, 0.0, math.nan, sample.points, sample.weights)
    spread = math.sqrt(max(1 - share, 0.0) / share * float((sample.weights**2).sum()) / share)
    return Weighted(
        sample.value + math.log(share), math.hypot(sample.mcse, spread), math.nan, sample.points, left / share
    )


def _curvature(space: Coordinates, terms: Sequence[SoftmaxTerm], rng: np.random.Generator) -> Any:
    """Return a function for minus the second derivatives of the log posterior.

    The second derivatives are the Fisher information of the choices, plus those of the prior.
    """
    information = _information(space, terms, rng)
    return lambda at: information(at) + _prior_curvature(space, at)


def _information(space: Coordinates, terms: Sequence[SoftmaxTerm], rng: np.random.Generator) -> Any:
    """Return a function for the Fisher information of the choices at a point.

    The function maps (dimension,) to (dimension, dimension), by the coordinates of `space`.
    """
    step = 1e-4

    def effective(points: np.ndarray, term: SoftmaxTerm) -> np.ndarray:
        return term.beta(space.theta(points)) * term.scaled(space.weights(points[:, : space.dimension]))

    def of(at: np.ndarray) -> np.ndarray:
        d = len(at)
        unit = step * np.eye(d)
        total = np.zeros((d, d))
        around = np.vstack([at[None], at + unit, at - unit])
        for term in terms:
            near = effective(around, term)
            slopes = (near[1 : d + 1] - near[d + 1 :]) / (2 * step)
            total += slopes @ term.information(near[0], rng) @ slopes.T
        return total

    return of


def _prior_curvature(space: Coordinates, at: np.ndarray) -> np.ndarray:
    d, step = len(at), 1e-3
    unit = step * np.eye(d)
    i, j = np.triu_indices(d)
    corners = [at + a * unit[i] + b * unit[j] for a in (1, -1) for b in (1, -1)]
    with np.errstate(all="ignore"):
        y = space.log_prior(np.vstack(corners)).reshape(4, -1)
    out = np.zeros((d, d))
    out[i, j] = out[j, i] = -(y[0] - y[1] - y[2] + y[3]) / (4 * step**2)
    values, vectors = np.linalg.eigh(out)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T
