"""Laplace's approximation of integrals, corrected by importance sampling."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

DRAWS, DEGREES, FEW = 16_000, 5.0, 4
K_HAT = 0.7
"""Importance sampling is trusted up to this shape of its largest weights (Vehtari et al. 2024)."""
STEP, STEPS, FITS = 1e-3, 100, 4
BASE_SHARE = 0.15  # of the draws, from the base
LEAST_SHARE = 0.05  # of a mode, of the draws of the best one
NEGLIGIBLE = 40.0  # nats below the best mode from which a mode is left out
EFFECTIVE = 0.5  # share of effective draws below which the mixture is fitted again, twice at most
SAME = 0.25  # squared standard deviations within which two climbs led to the same mode
WIDER = 1.5  # than the spread that was found


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
    bells : tuple of Bell
        The mixture from which the points were drawn, but for those of a base.
    """

    value: float
    mcse: float
    k_hat: float
    points: np.ndarray
    weights: np.ndarray
    bells: "tuple[Bell, ...]" = ()

    @property
    def effective(self) -> float:
        """Effective number of draws: ``1 / sum weights^2``."""
        return 1 / float(self.weights @ self.weights)

    def resampled(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return the positions of n points in random order: (n,).

        Each point occurs as often as its weight says, up to rounding (systematic resampling).
        """
        below = np.cumsum(self.weights)
        evenly = (rng.random() + np.arange(n)) / n * below[-1]
        return rng.permutation(np.minimum(np.searchsorted(below, evenly), len(below) - 1))


@dataclass(frozen=True, eq=False)
class Bell:
    """A multivariate t around a mode: part of a proposal.

    Attributes
    ----------
    centre : ndarray (dimension,)
    root : ndarray (dimension, dimension)
        Cholesky factor of its scale.
    share : float
        Of the draws of a proposal, about.
    """

    centre: np.ndarray
    root: np.ndarray
    share: float

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the t distribution."""
        return degrees_in(len(self.centre))

    @cached_property
    def inverse(self) -> np.ndarray:
        """Inverse of the root: (dimension, dimension)."""
        return np.linalg.inv(self.root)

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw points (n, dimension)."""
        stretch = np.sqrt(self.degrees / rng.chisquare(self.degrees, n))
        return self.centre + (rng.standard_normal((n, len(self.centre))) * stretch[:, None]) @ self.root.T

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density at points (point, dimension): (point,)."""
        return self._log_density((np.linalg.solve(self.root, (points - self.centre).T) ** 2).sum(axis=0))

    def _log_density(self, distance: np.ndarray) -> np.ndarray:
        """Return the log density by squared distance in standard deviations."""
        d, degrees = len(self.centre), self.degrees
        return (
            math.lgamma((degrees + d) / 2)
            - math.lgamma(degrees / 2)
            - d / 2 * math.log(degrees * math.pi)
            - float(np.log(np.diag(self.root)).sum())
            - (degrees + d) / 2 * np.log1p(distance / degrees)
        )

    def quickly(self, points: np.ndarray, slopes: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return `log_density` and, if asked, its gradient, by a stored inverse.

        Shapes (point,) and (point, dimension).
        """
        apart = (points - self.centre) @ self.inverse.T
        distance = np.einsum("ij,ij->i", apart, apart)
        if not slopes:
            return self._log_density(distance), apart[:0]
        degrees = self.degrees
        apart *= ((degrees + len(self.centre)) / (degrees + distance))[:, None]
        return self._log_density(distance), -apart @ self.inverse

    def fitted(self, points: np.ndarray, weights: np.ndarray) -> "Bell":
        """Return the bell at the weighted mean and with the widened spread of points.

        The same bell where the effective number of points is small.
        """
        mass = float(weights.sum())
        if mass <= 0 or mass**2 / float(weights @ weights) < 2 * len(self.centre) + 2:
            return self
        centre = weights @ points / mass
        apart = points - centre
        try:
            root = np.linalg.cholesky(WIDER * (apart.T * weights) @ apart / mass)
        except np.linalg.LinAlgError:
            return self
        return Bell(centre, root, max(mass, LEAST_SHARE))


def degrees_in(dimension: int) -> float:
    """Return the degrees of freedom of a proposal.

    Five in a few dimensions, and more in many, where nearly all draws of a heavy-tailed t lie in its tail.
    """
    return DEGREES + max(0, dimension - FEW)


@dataclass(frozen=True, eq=False)
class Base:
    """A normalised density to draw from, such as a prior.

    A share of a proposal comes from it, so that no mode is missed.
    """

    log_density: Callable[[np.ndarray], np.ndarray]
    draws: Callable[[int, np.random.Generator], np.ndarray]


def laplace(
    f: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    rng: np.random.Generator,
    curvature: Callable[[np.ndarray], np.ndarray] | None = None,
    draws: int = DRAWS,
    base: Base | None = None,
    mirrored: Callable[[np.ndarray], np.ndarray] | None = None,
    fits: int = FITS,
) -> Weighted:
    """Integrate ``exp(f)`` over the space.

    The modes are found by Newton's steps. A mixture of multivariate t with the curvature at the modes is the proposal
    of importance sampling (Kass and Raftery 1995, section 4.2). A share of the draws comes from `base` (Hesterberg
    1995), so that a mode which no step led to shows in the weights. Where the largest weights are too large, the
    mixture is fitted to the draws (Cappe et al. 2008), and new draws are made; only the last draws, which had no part
    in the fit, give the estimate.

    Parameters
    ----------
    f : callable
        Log integrand: (point, dimension) -> (point,).
    starts : ndarray (start, dimension)
        Points from which to climb.
    curvature : callable, optional
        Minus the matrix of second derivatives at a point, or nearly so: (dimension,) -> (dimension, dimension).
        Default: by differences.
    draws : int, optional
    base : Base, optional
    mirrored : callable, optional
        Maps a mode to another point from which to climb, for integrands that may have a mode on either side.
    fits : int, optional
        How often the mixture may be fitted again. In many dimensions a fit to draws is worse than the curvature.
    """
    bells: list[tuple[float, Bell]] = []
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    for start in starts:
        mode = _climbed(f, start, curvature, bells, seen)
        if mode is not None and mirrored is not None:
            _climbed(f, mirrored(mode), curvature, bells, seen)
    if not bells:
        return Weighted(math.nan, math.inf, math.inf, starts[:1], np.ones(1))
    heights = np.array([height for height, _ in bells])
    below = heights - heights.max()
    shares = np.maximum(np.exp(below), LEAST_SHARE) * (below > -NEGLIGIBLE)
    mixture = [replace(bell, share=float(a)) for (_, bell), a in zip(bells, shares, strict=True) if a > 0]
    return from_mixture(f, mixture, rng, draws, base, fits)


def from_mixture(
    f: Callable[[np.ndarray], np.ndarray],
    mixture: list[Bell],
    rng: np.random.Generator,
    draws: int,
    base: Base | None = None,
    fits: int = FITS,
) -> Weighted:
    """Integrate ``exp(f)`` by importance sampling from a mixture.

    The mixture is fitted again, up to `fits` times, where it fits badly.
    """
    best, parts = _sampled(f, mixture, base, draws, rng)
    for i in range(fits):
        many = base is None or i > 1 or draws * float(best.weights @ best.weights) < 1 / EFFECTIVE
        if best.k_hat <= K_HAT and many:
            break
        mixture = [bell.fitted(best.points, best.weights * part) for bell, part in zip(mixture, parts, strict=True)]
        best, parts = _sampled(f, mixture, base, draws, rng)
    return replace(best, bells=tuple(mixture))


def _climbed(
    f: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    curvature: Callable[[np.ndarray], np.ndarray] | None,
    bells: list[tuple[float, Bell]],
    seen: list[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray | None:
    """Climb to a mode, and add the mode to `bells` and `seen`.

    Returns the mode (dimension,), or None where the mode is known already or has no finite mass. `bells` gets the log
    of the mode's mass with the bell; `seen` gets the mode and its precision.
    """
    mode = mode_of(f, np.asarray(start, float), curvature)
    if any(float((mode - at) @ precision @ (mode - at)) < SAME for at, precision in seen):
        return None
    try:
        precision = -_derivatives(f, mode)[1] if curvature is None else curvature(mode)
        root = np.linalg.cholesky(np.linalg.inv(precision))
    except np.linalg.LinAlgError:
        return None
    height = float(f(mode[None])[0]) + float(np.log(np.diag(root)).sum())
    if not math.isfinite(height):
        return None
    seen.append((mode, precision))
    bells.append((height, Bell(mode, root, 1.0)))
    return mode


def from_prior(log_likelihood: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> Weighted:
    """Sample by importance from draws of the prior, weighted by the likelihood.

    Parameters
    ----------
    points : ndarray (draw, dimension)
    """
    return _weighed(log_likelihood(points), points)


def _sampled(
    f: Callable[[np.ndarray], np.ndarray], mixture: list[Bell], base: Base | None, draws: int, rng: np.random.Generator
) -> tuple[Weighted, list[np.ndarray]]:
    """Sample by importance from a mixture.

    Returns
    -------
    Weighted, list of ndarray (point,)
        The sample, and for each bell the probability that each point came from that bell.
    """
    shares = np.array([bell.share for bell in mixture])
    shares = shares / shares.sum() * (1.0 if base is None else 1.0 - BASE_SHARE)
    counts = np.maximum((shares * draws).astype(int), 1)
    drawn = [bell.draws(int(n), rng) for bell, n in zip(mixture, counts, strict=True)]
    of_base = 0 if base is None else max(int(BASE_SHARE * draws), 1)
    if base is not None:
        drawn.append(base.draws(of_base, rng))
    points = np.concatenate(drawn)
    logs = [math.log(n / len(points)) + bell.log_density(points) for bell, n in zip(mixture, counts, strict=True)]
    if base is not None:
        with np.errstate(all="ignore"):
            of_base_density = base.log_density(points)
        logs.append(math.log(of_base / len(points)) + np.where(np.isnan(of_base_density), -np.inf, of_base_density))
    log_proposal = np.logaddexp.reduce(logs, axis=0)
    return _weighed(f(points) - log_proposal, points), [
        np.exp(log_density - log_proposal) for log_density in logs[: len(mixture)]
    ]


def _weighed(log_ratio: np.ndarray, points: np.ndarray) -> Weighted:
    """Return the integral that importance weights estimate, with its error."""
    top = float(log_ratio.max())
    if not top > -math.inf:
        return Weighted(-math.inf, math.inf, math.inf, points, np.full(len(points), 1 / len(points)))
    ratio = np.exp(log_ratio - top)
    mean = float(ratio.mean())
    mcse = float(ratio.std(ddof=1)) / mean / math.sqrt(len(points))
    return Weighted(top + math.log(mean), mcse, pareto_k(log_ratio), points, ratio / ratio.sum())


def mode_of(
    f: Callable[[np.ndarray], np.ndarray],
    at: np.ndarray,
    curvature: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Climb to a mode by Newton's steps: (dimension,).

    Steps are shortened until they go up. Absolute eigenvalues of the curvature are used, so that steps go up where the
    curvature has the wrong sign.
    """
    for _ in range(STEPS):
        if curvature is None:
            gradient, hessian = _derivatives(f, at)
            precision = -hessian
        else:
            gradient, precision = gradient_of(f, at), curvature(at)
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


def gradient_of(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the gradient by central differences."""
    unit = STEP * np.eye(len(at))
    y = f(np.vstack([at + unit, at - unit]))
    return (y[: len(at)] - y[len(at) :]) / (2 * STEP)


def _derivatives(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient and Hessian by central differences, all points at once."""
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
    """Return the Pareto shape k of the largest ratios.

    Zhang and Stephens (2009); Vehtari et al. (2024). inf where a few ratios dominate, -inf where the largest are all
    equal.
    """
    n = len(log_ratio)
    tail = int(min(0.2 * n, 3 * math.sqrt(n)))
    ordered = np.sort(log_ratio)
    above = np.exp(ordered[-tail:] - ordered[-1])
    x = above - math.exp(ordered[-tail - 1] - ordered[-1])
    x = x[x > 0]
    if len(x) < 5:  # all the largest are alike, or a few are all that counts
        return math.inf if len(x) else -math.inf
    m = 30 + int(math.sqrt(len(x)))
    quartile = x[int(len(x) / 4 + 0.5) - 1]
    b = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * quartile) + 1 / x[-1]
    with np.errstate(all="ignore"):  # of points that weigh nothing
        k = np.log1p(-b[:, None] * x).mean(axis=1)
        profile = len(x) * (np.log(-b / k) - k - 1)
        weight = np.nan_to_num(1 / np.exp(profile - profile[:, None]).sum(axis=1))
    if not weight.sum() > 0:
        return math.inf
    b_mean = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-b_mean * x).mean())
    return (len(x) * shape + 10 * 0.5) / (len(x) + 10)
