"""Tempering from an approximation of a density to the density.

In many dimensions the approximation is far nearer to the density than the prior is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from reward_hypotheses.models.inference.laplace import BASE_SHARE, LEAST_SHARE, Base, Bell, Weighted, mode_of
from reward_hypotheses.models.inference.smc import smc

ISLANDS, PARTICLES = 16, 250  # of an island: many islands, for they tell the error
LEFT = 0.8  # effective share after a step, high because few particles feel a tail
RADII, NEARBY = 30, 0.1  # steps to the best radius, and how far from it to look for its spread
Function = Callable[[np.ndarray], np.ndarray]


def tempered(
    log_target: Function,
    slopes_of_target: Function,
    bells: Sequence[Bell],
    base: Base | None,
    slopes_of_base: Function,
    rng: np.random.Generator,
) -> Weighted:
    """Integrate ``exp(log_target)`` by tempering from a mixture q.

    Sequential Monte Carlo from a mixture q of multivariate t. The path is ``q^(1 - a) exp(a log_target)``, a from 0 to
    1, and the moves are Hamiltonian.

    Parameters
    ----------
    log_target, slopes_of_target : callable
        (point, dimension) -> (point,), and its gradient (point, dimension).
    bells : sequence of Bell
        Around the modes, as `laplace` found them.
    base : Base, optional
        A share of q, so that no mode is missed.
    slopes_of_base : callable
        Gradient of the base's log density: (point, dimension) -> (point, dimension).
    """
    shares = np.array([bell.share for bell in bells])
    shares = shares / shares.sum() * (1.0 if base is None else 1.0 - BASE_SHARE)

    def parts(points: np.ndarray, slopes: bool = False) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the log density of each part of q: (part, point).

        Also the gradients of the bells' log densities, a list of arrays (point, dimension).
        """
        of_bells = [bell.quickly(points, slopes) for bell in bells]
        logs = [math.log(a) + log for (log, _), a in zip(of_bells, shares, strict=True)]
        if base is not None:
            logs.append(math.log(BASE_SHARE) + np.nan_to_num(base.log_density(points), nan=-np.inf))
        return np.array(logs), [slope for _, slope in of_bells]

    def log_start(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.logaddexp.reduce(parts(points)[0], axis=0))

    def draws(n: int, rng: np.random.Generator) -> np.ndarray:
        chance = [*shares, BASE_SHARE] if base is not None else shares
        counts = rng.multinomial(n, np.array(chance) / np.sum(chance))
        drawn = [bell.draws(int(k), rng) for bell, k in zip(bells, counts, strict=False) if k]
        if base is not None and counts[-1]:
            drawn.append(base.draws(int(counts[-1]), rng))
        return np.asarray(rng.permutation(np.concatenate(drawn)))

    def gradients(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs, slopes = parts(points, True)
        chance = np.exp(logs - np.logaddexp.reduce(logs, axis=0))[..., None]
        of_start = sum(share * slope for share, slope in zip(chance, slopes, strict=False))
        if base is not None:
            of_start = of_start + chance[-1] * slopes_of_base(points)
        return of_start, slopes_of_target(points) - of_start

    def log_rest(points: np.ndarray) -> np.ndarray:
        return log_target(points) - log_start(points)

    root = bells[int(np.argmax(shares))].root
    sample = smc(log_start, log_rest, draws, rng, gradients, PARTICLES, root, LEFT, ISLANDS, planned=True)
    return replace(sample, mcse=sample.mcse * math.sqrt((ISLANDS - 1) / (ISLANDS - 3)))  # Student's t, of few islands


def bells_of_shell(
    log_likelihood: Function,
    information: Callable[[np.ndarray], np.ndarray],
    log_prior_of_rest: Function,
    start: np.ndarray,
    rank: int,
    log_radius: tuple[float, float],
) -> list[Bell]:
    """Approximate a posterior of vectors with uniform direction, lognormal length.

    For many dimensions. The prior of a vector v of r numbers, ``|v|^-r`` times a lognormal density of ``|v|``, has an
    infinitely high and infinitely thin peak near 0, to which Newton's steps may lead. In many dimensions a uniform
    direction is nearly a normal vector: the prior is nearly a mixture of ``Normal(0, e^(2 t) / r)`` over
    ``t = log |v|``. Under each of these normal priors a log-concave likelihood has one mode. The evidence of t by
    Laplace's approximation is greatest where ``r (m / e^(2 t) - 1)`` balances the slope of the log prior of t, with m
    the mean of ``|v|^2`` (MacKay 1992). The bells are there and up to four standard deviations around it.

    Parameters
    ----------
    log_likelihood : callable
        (point, r + others) -> (point,), nats.
    information : callable
        Minus the second derivatives of the log likelihood at a point.
    log_prior_of_rest : callable
        Log prior of the coordinates after the first r: (point, others) -> (point,).
    start : ndarray (r + others,)
    rank : int
        r.
    log_radius : (float, float)
        Approximate mean and standard deviation of t before the data.
    """
    mean, sd = log_radius
    n = len(start)

    def at(t: float, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the mode, covariance, and log evidence of t."""
        precision = np.zeros(n)
        precision[:rank] = rank * math.exp(-2 * t)

        def f(points: np.ndarray) -> np.ndarray:
            squares = (points[:, :rank] ** 2).sum(axis=1)
            normal = -0.5 * precision[0] * squares - rank * t
            return log_likelihood(points) + normal + log_prior_of_rest(points[:, rank:])

        def curvature(point: np.ndarray) -> np.ndarray:
            precision_there = information(point)
            precision_there[np.diag_indices(rank)] += precision[0]
            return precision_there

        mode = mode_of(f, near, curvature)
        covariance = np.linalg.inv(curvature(mode))
        height = float(f(mode[None])[0]) + 0.5 * float(np.linalg.slogdet(covariance)[1])
        return mode, covariance, height - 0.5 * ((t - mean) / sd) ** 2

    t, mode = mean, start
    for _ in range(RADII):
        mode, covariance, _ = at(t, mode)
        ratio = (float(mode[:rank] @ mode[:rank]) + float(np.trace(covariance[:rank, :rank]))) * math.exp(-2 * t)
        step = (rank * (ratio - 1) - (t - mean) / sd**2) / (2 * rank * max(ratio, 0.5) + 1 / sd**2)
        t += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 0.01:
            break
    around = {k: at(t + NEARBY * k, mode) for k in (-1, 0, 1)}
    bend = (2 * around[0][2] - around[-1][2] - around[1][2]) / NEARBY**2
    spread = min(1 / math.sqrt(max(bend, 1e-6)), sd)
    bells = []
    for z in (-4.0, -2.5, -1.2, 0.0, 1.2, 2.5, 4.0):
        centre, covariance, _ = at(t + z * spread, mode)
        bells.append(Bell(centre, np.linalg.cholesky(covariance), max(math.exp(-0.5 * z**2), LEAST_SHARE)))
    return bells
