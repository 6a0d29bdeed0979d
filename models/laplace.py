"""Integrals in a few dimensions: Laplace's approximation, corrected by importance sampling, with its error."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.special import log_gamma

DRAWS, DEGREES, FEW = 16_000, 5.0, 4
K_HAT = 0.7
"""Importance sampling is trusted up to this shape of its largest weights (Vehtari et al. 2024)."""
STEP, STEPS, ROUNDS = 1e-3, 100, 4


@dataclass(frozen=True, eq=False)
class Weighted:
    """``log integral exp(f(phi)) dphi`` with a weighted sample of the density.

    Attributes
    ----------
    value, mcse : float
        Nats, and its Monte Carlo error.
    k_hat : float
        Shape of the generalized Pareto distribution of the largest weights; inf where no mode was found.
    points : ndarray (draw, dimension)
    weights : ndarray (draw,)
        Adding up to 1.
    """

    value: float
    mcse: float
    k_hat: float
    points: np.ndarray
    weights: np.ndarray


def laplace(
    f: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    rng: np.random.Generator,
    curvature: Callable[[np.ndarray], np.ndarray] | None = None,
    draws: int | None = None,
) -> Weighted:
    """Integrate exp(f) over the space.

    The mode by Newton's steps, a multivariate t of 5 degrees of freedom with the curvature there, and importance sampling
    from it (Kass and Raftery 1995, section 4.2); where the largest weights are too large, again from a t with the mean and
    the spread that were found.

    Parameters
    ----------
    f : callable
        Of points (point, dimension): log integrand (point,).
    start : ndarray (dimension,)
    curvature : callable, optional
        Of a point: minus the matrix of second derivatives there, or nearly so (dimension, dimension); by differences
        unless given.
    draws : int, optional
    """
    centre = _mode(f, np.asarray(start, float), curvature)
    try:
        precision = -_derivatives(f, centre)[1] if curvature is None else curvature(centre)
        covariance = np.linalg.inv(precision)
        for _ in range(ROUNDS):
            found = _sampled(f, centre, np.linalg.cholesky(covariance), rng, DRAWS if draws is None else draws)
            if found.k_hat <= K_HAT:
                break
            centre = found.weights @ found.points
            apart = found.points - centre
            covariance = 1.5 * (apart.T * found.weights) @ apart
    except np.linalg.LinAlgError:
        return Weighted(math.nan, math.inf, math.inf, centre[None], np.ones(1))
    return found


def from_prior(log_likelihood: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> Weighted:
    """Importance sampling from the prior, of which these are draws (draw, dimension); weights are likelihoods."""
    return _weighed(log_likelihood(points), points)


def _sampled(
    f: Callable[[np.ndarray], np.ndarray], centre: np.ndarray, root: np.ndarray, rng: np.random.Generator, draws: int
) -> Weighted:
    """Importance sampling from a multivariate t around a centre, root the Cholesky factor of its scale."""
    d = len(centre)
    degrees = DEGREES + max(0, d - FEW)  # in many dimensions a heavy tail is all that there is to draw
    normal = rng.standard_normal((draws, d))
    stretch = np.sqrt(degrees / rng.chisquare(degrees, draws))
    points = centre + (normal * stretch[:, None]) @ root.T
    distance = (normal**2).sum(axis=1) * stretch**2
    log_proposal = (
        float(log_gamma(np.array([(degrees + d) / 2]))[0] - log_gamma(np.array([degrees / 2]))[0])
        - d / 2 * math.log(degrees * math.pi)
        - float(np.log(np.diag(root)).sum())
        - (degrees + d) / 2 * np.log1p(distance / degrees)
    )
    return _weighed(f(points) - log_proposal, points)


def _weighed(log_ratio: np.ndarray, points: np.ndarray) -> Weighted:
    """What importance weights say of an integral."""
    top = float(log_ratio.max())
    if not top > -math.inf:
        return Weighted(-math.inf, math.inf, math.inf, points, np.full(len(points), 1 / len(points)))
    ratio = np.exp(log_ratio - top)
    mean = float(ratio.mean())
    mcse = float(ratio.std(ddof=1)) / mean / math.sqrt(len(points))
    return Weighted(top + math.log(mean), mcse, pareto_k(log_ratio), points, ratio / ratio.sum())


def _mode(
    f: Callable[[np.ndarray], np.ndarray],
    at: np.ndarray,
    curvature: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Climb by Newton's steps, shortened until they go up, and by the gradient where the curvature is wrong."""
    for _ in range(STEPS):
        if curvature is None:
            gradient, hessian = _derivatives(f, at)
            precision = -hessian
        else:
            gradient, precision = _gradient(f, at), curvature(at)
        values, vectors = np.linalg.eigh(precision)
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), 1e-6))
        length = float(np.abs(step).max())
        step = step / max(1.0, length / 3.0)
        tries = at + step * 0.5 ** np.arange(12)[:, None]
        heights = f(np.vstack([at, tries]))
        best = int(np.argmax(heights[1:]))
        if not heights[1 + best] > heights[0] + 1e-12 * max(1.0, abs(float(heights[0]))):
            return at
        at = tries[best]
        if length < 1e-7:
            return at
    return at


def _gradient(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Gradient by central differences."""
    unit = STEP * np.eye(len(at))
    y = f(np.vstack([at + unit, at - unit]))
    return (y[: len(at)] - y[len(at) :]) / (2 * STEP)


def _derivatives(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian by central differences, all points at once."""
    d = len(at)
    unit = STEP * np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    points = [at, *(at + u for u in unit), *(at - u for u in unit)]
    points += [at + a * unit[i] + b * unit[j] for i, j in pairs for a in (1, -1) for b in (1, -1)]
    y = f(np.array(points))
    up, down = y[1 : d + 1], y[d + 1 : 2 * d + 1]
    hessian = np.diag((up + down - 2 * y[0]) / STEP**2)
    for (i, j), four in zip(pairs, y[2 * d + 1 :].reshape(-1, 4), strict=True):
        hessian[i, j] = hessian[j, i] = (four[0] - four[1] - four[2] + four[3]) / (4 * STEP**2)
    return (up - down) / (2 * STEP), hessian


def pareto_k(log_ratio: np.ndarray) -> float:
    """Shape k of the generalized Pareto distribution of the largest ratios (Zhang and Stephens 2009; Vehtari et al. 2024)."""
    n = len(log_ratio)
    tail = int(min(0.2 * n, 3 * math.sqrt(n)))
    ordered = np.sort(log_ratio)
    above = np.exp(ordered[-tail:] - ordered[-1])
    x = above - math.exp(ordered[-tail - 1] - ordered[-1])
    x = x[x > 0]
    if len(x) < 5:
        return -math.inf
    m = 30 + int(math.sqrt(len(x)))
    quartile = x[int(len(x) / 4 + 0.5) - 1]
    b = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * quartile) + 1 / x[-1]
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    profile = len(x) * (np.log(-b / k) - k - 1)
    with np.errstate(over="ignore"):  # of points that weigh nothing
        weight = 1 / np.exp(profile - profile[:, None]).sum(axis=1)
    b_mean = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-b_mean * x).mean())
    return (len(x) * shape + 10 * 0.5) / (len(x) + 10)
