"""Bridge sampling: a log evidence from posterior draws, with its error."""

import math
from collections.abc import Callable

import numpy as np

from reward_hypotheses.models.inference.laplace import Bell, degrees_in

ITERATIONS = 1000


def bridge(
    log_target: Callable[[np.ndarray], np.ndarray], draws: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Estimate ``log integral exp(log_target)`` from draws of its density.

    The optimal bridge of Meng and Wong (1996) to a multivariate t. Location and scale of the t come from one half of
    the draws while the other half is used, and vice versa; the two estimates are averaged. The Monte Carlo error is
    Fruehwirth-Schnatter's (2004, eq. 15), with the effective sample size of the draws in place of their number.

    Parameters
    ----------
    log_target : callable
        (draw, dimension) -> (draw,), nats; on the whole line in every dimension.
    draws : ndarray (chain, draw, dimension)
        From the density proportional to ``exp(log_target)``, at least 8 draws a chain.

    Returns
    -------
    float, float
        The log evidence, and its Monte Carlo standard error; both NaN where the target is not finite at a draw.
    """
    half = draws.shape[1] // 2
    first, second = draws[:, :half], draws[:, half : 2 * half]
    estimates = [_one_way(log_target, a, b, rng) for a, b in ((first, second), (second, first))]
    value = (estimates[0][0] + estimates[1][0]) / 2
    return value, math.hypot(estimates[0][1], estimates[1][1]) / 2


def _one_way(
    log_target: Callable[[np.ndarray], np.ndarray], shape: np.ndarray, draws: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    from arviz_stats.base import array_stats

    chains, length, d = draws.shape
    n = chains * length
    degrees = degrees_in(d)
    fitted = shape.reshape(-1, d)
    root = np.linalg.cholesky(np.atleast_2d(np.cov(fitted.T)) * (degrees - 2) / degrees + 1e-300 * np.eye(d))
    proposal = Bell(fitted.mean(axis=0), root, 1.0)
    normal, chi = rng.standard_normal((n, d)), rng.chisquare(degrees, n)
    proposed = proposal.centre + (normal @ root.T) * np.sqrt(degrees / chi)[:, None]
    flat = draws.reshape(-1, d)
    at_draws = log_target(flat) - proposal.log_density(flat)
    at_proposed = log_target(proposed) - proposal.log_density(proposed)
    if not np.isfinite(at_draws).all() or np.isnan(at_proposed).any() or (at_proposed == np.inf).any():
        return math.nan, math.nan
    centre = float(np.median(at_draws))
    at_draws, at_proposed = at_draws - centre, at_proposed - centre

    def terms(log_r: float, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ratios at the proposals and at the draws.

        The quotient of the means of these ratios is r.
        """
        low, high = math.log(share), math.log1p(-share) + log_r
        return (
            np.exp(at_proposed - np.logaddexp(low + at_proposed, high)),
            np.exp(-np.logaddexp(low + at_draws, high)),
        )

    share, log_r = 0.5, 0.0
    size = float(n)
    for _ in range(ITERATIONS):
        above, below = terms(log_r, share)
        new = math.log(above.mean()) - math.log(below.mean()) if above.any() else -math.inf
        if not math.isfinite(new):
            return math.nan, math.nan
        done, log_r = abs(new - log_r) < 1e-11, new
        if done and size < n:
            break
        if done:  # weigh the draws by how many they are worth, and settle again
            size = min(float(array_stats.ess(below.reshape(chains, length), 0, 1, method="mean")), n - 1e-6)
            share = size / (size + n)
    above, below = terms(log_r, share)
    error = float(np.var(above) / above.mean() ** 2 / n + np.var(below) / below.mean() ** 2 / size)
    return log_r + centre, math.sqrt(error)
