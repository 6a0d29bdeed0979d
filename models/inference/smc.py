"""Sequential Monte Carlo from the prior to the posterior, with the evidence."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.inference.laplace import Weighted
from reward_hypotheses.models.inference.special import log_sum_exp

ISLANDS, PARTICLES = 8, 1000
LEFT = 0.5
"""Share of effective particles that a step of tempering leaves."""
MOST_TEMPERATURES, MOST_MOVES = 1000, 200
TRAJECTORIES, MOST_LEAPS = 3, 12
Plan = list[tuple[float, float]]
"""Of each temperature, how far the power of the likelihood rises, and the length of a Hamiltonian step."""
Gradients = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def smc(
    log_prior: Callable[[np.ndarray], np.ndarray],
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    draws: Callable[[int, np.random.Generator], np.ndarray],
    rng: np.random.Generator,
    gradients: Gradients | None = None,
    particles: int = PARTICLES,
    root: np.ndarray | None = None,
    left: float = LEFT,
    islands: int = ISLANDS,
    planned: bool = False,
) -> Weighted:
    """Integrate ``exp(log_prior + log_likelihood)`` over the space.

    The prior is normalised. Particles drawn from the prior are weighted by a power of the likelihood that leaves half
    of them effective, resampled, and moved by random-walk Metropolis steps of their own covariance, until the power is
    1 (Del Moral, Doucet and Jasra 2006). Islands run independently; their spread is the Monte Carlo error of the
    evidence.

    Parameters
    ----------
    log_prior, log_likelihood : callable
        (point, dimension) -> (point,), nats.
    draws : callable
        n and a generator -> points from the prior.
    gradients : callable, optional
        Gradients of both: (point, dimension) -> two arrays (point, dimension). Particles are then moved by Hamiltonian
        steps, which cost less in many dimensions.
    particles : int, optional
        Particles of an island.
    root : ndarray (dimension, dimension), optional
        An approximate root of the covariance by which particles move. Default: from the particles. Give it where an
        island has not many times as many particles as dimensions, for the particles' covariance then depends on each
        particle.
    left : float, optional
        Share of effective particles that a step of tempering leaves.
    islands : int, optional
    planned : bool, optional
        Whether an extra island, which does not count, settles the powers and the lengths of steps for all islands. An
        island that settles its own from its particles is biased, in proportion to 1 / particles.
    """
    plan: Plan | None = [] if planned else None
    island = partial(_island, log_prior, log_likelihood, draws, rng, gradients, particles, root, left, plan)
    runs = [island() for _ in tracked(range(islands + planned), what="sequential Monte Carlo")][int(planned) :]
    values = np.array([value for value, _ in runs])
    total = log_sum_exp(values) - math.log(islands)
    if not total > -math.inf:
        return Weighted(-math.inf, 0.0, math.nan, runs[0][1], np.full(particles, 1 / particles))
    share = np.exp(values - total)
    mcse = float(share.std(ddof=1)) / math.sqrt(islands)
    weights = np.repeat(share / share.sum() / particles, particles)
    return Weighted(total, mcse, math.nan, np.concatenate([points for _, points in runs]), weights)


def _island(
    log_prior: Callable[[np.ndarray], np.ndarray],
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    draws: Callable[[int, np.random.Generator], np.ndarray],
    rng: np.random.Generator,
    gradients: Gradients | None,
    n: int,
    given_root: np.ndarray | None,
    left: float,
    plan: Plan | None,
) -> tuple[float, np.ndarray]:
    """Return the log evidence of one island, and its particles.

    An empty plan is filled by the island; a plan with entries is followed.
    """
    followed = iter(plan) if plan else None
    points = draws(n, rng)
    prior, likelihood = log_prior(points), log_likelihood(points)
    power, value, d = 0.0, 0.0, points.shape[1]
    step = 2.38 / math.sqrt(d) if gradients is None else min(1.0, 1.4 * d**-0.25)
    temperatures = range(MOST_TEMPERATURES)
    for _ in tracked(temperatures, len(plan)) if plan else temperatures:
        top = float(likelihood.max())
        if not top > -math.inf:
            return -math.inf, points
        if followed is None:
            rise = _rise(likelihood, 1.0 - power, left)
            if plan is not None:
                plan.append((rise, step))
        else:
            rise, step = next(followed)
        odds = np.exp(rise * (likelihood - top))
        value += rise * top + math.log(float(odds.mean()))
        power = 1.0 if rise >= 1.0 - power else power + rise
        below = np.cumsum(odds) / odds.sum()
        resampled = np.minimum(np.searchsorted(below, (rng.random() + np.arange(n)) / n), n - 1)
        points, prior, likelihood = points[resampled], prior[resampled], likelihood[resampled]
        if given_root is None:
            spread = np.cov(points.T).reshape(d, d)
            root = np.linalg.cholesky(spread + 1e-12 * max(float(np.trace(spread)) / d, 1e-300) * np.eye(d))
        else:
            root = given_root
        moved, loss = 0.0, np.zeros(n)
        for _ in range(MOST_MOVES if gradients is None else TRAJECTORIES):
            if gradients is None:
                tried = points + step * rng.standard_normal(points.shape) @ root.T
            else:
                tried, loss = _trajectory(points, root, step, power, gradients, rng)
            at_prior, at_likelihood = log_prior(tried), log_likelihood(tried)
            with np.errstate(invalid="ignore"):
                gain = at_prior - prior + power * (at_likelihood - likelihood) - loss
            taken = np.log(rng.random(n)) < gain
            points[taken], prior[taken], likelihood[taken] = tried[taken], at_prior[taken], at_likelihood[taken]
            rate = float(taken.mean())
            if gradients is not None:
                if followed is None:
                    step *= math.exp(np.clip(rate - 0.8, -0.2, 0.1))
                continue
            moved += rate * step**2
            step *= math.exp(np.clip(rate - 0.3, -0.2, 0.2))
            if moved > 8.0:  # squared, in standard deviations a dimension
                break
        if power == 1.0:
            return value, points
    return math.nan, points


def _trajectory(
    points: np.ndarray, root: np.ndarray, step: float, power: float, gradients: Gradients, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Follow each particle for about a quarter of a turn by leapfrog.

    Returns the end points (point, dimension), and the rise of the kinetic energy (point,).
    """

    def force(at: np.ndarray) -> np.ndarray:
        of_prior, of_likelihood = gradients(at)
        return (of_prior + power * of_likelihood) @ root

    pushed = rng.standard_normal(points.shape)
    start = (pushed**2).sum(axis=1)
    h = step * rng.uniform(0.7, 1.3, (len(points), 1))
    n = min(MOST_LEAPS, math.ceil(1.5 / step))
    at = points
    pushed = pushed + h / 2 * force(at)
    for k in range(n):
        at = at + (h * pushed) @ root.T
        pushed = pushed + (h if k < n - 1 else h / 2) * force(at)
    return at, ((pushed**2).sum(axis=1) - start) / 2


def _rise(log_likelihood: np.ndarray, most: float, left: float) -> float:
    """Return the greatest rise of the power that leaves enough effective particles.

    Parameters
    ----------
    log_likelihood : ndarray (particle,)
    most : float
        Largest rise.
    left : float
        Share of the particles that must be effective.
    """

    def effective(rise: float) -> float:
        odds = np.exp(rise * (log_likelihood - log_likelihood.max()))
        return float(odds.sum()) ** 2 / float(odds @ odds) / len(odds)

    if effective(most) >= left:
        return most
    lo, hi = 0.0, most
    for _ in range(60):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if effective(middle) >= left else (lo, middle)
    return max(lo, 1e-300)
