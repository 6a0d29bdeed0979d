"""Importance sampling from a proposal that is fitted to its own draws."""

import math
from collections.abc import Callable

import numpy as np

from reward_hypotheses.models.inference.laplace import K_HAT, Base, Bell, Weighted, from_mixture

LEAST = 1000  # draws
MOST_FITS, ENOUGH, SHRINK = 10, 300, 4
"""Fits of a proposal; effective draws that are enough; draws for each dimension that the proposal before counts for."""


def adapted(
    f: Callable[[np.ndarray], np.ndarray], bell: Bell, rng: np.random.Generator, draws: int, base: Base | None
) -> Weighted:
    """Sample by importance, the proposal fitted to the draws until it fits.

    Each time, the mean of truncated weights (Ionides 2008) is its centre, and its covariance that of the draws together with the
    one before, which counts as a few draws for each dimension.
    """
    d, some = len(bell.centre), max(LEAST, draws // 3)
    for _ in range(MOST_FITS):
        sample = from_mixture(f, [bell], rng, some, base, fits=0)
        good = sample.k_hat <= K_HAT and sample.effective >= min(ENOUGH, some / 8)
        if good and some == draws:
            return sample
        if not good:
            weights = np.minimum(sample.weights, 1 / math.sqrt(some))
            weights = weights / weights.sum()
            apart = sample.points - weights @ sample.points
            n, before = 1 / float(weights @ weights), SHRINK * d
            covariance = (n * (apart.T * weights) @ apart + before * bell.root @ bell.root.T) / (n + before)
            bell = Bell(weights @ sample.points, np.linalg.cholesky(covariance), 1.0)
        else:
            some = draws
    sample = from_mixture(f, [bell], rng, draws, base, fits=0)
    return sample
