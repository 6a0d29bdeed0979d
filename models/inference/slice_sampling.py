"""Slice sampling along random lines, many chains at once."""

from collections.abc import Callable

import numpy as np

STEPS, SHRINKS = 100, 200  # of a bracket, at most: out, and in


def slice_sampled(
    log_target: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    width: float,
    rng: np.random.Generator,
    sweeps: int = 30,
) -> np.ndarray:
    """Move points by steps that leave a density as it is: (point, dimension).

    Each sweep samples along one random line a point, with a bracket that is stepped out and shrunk (Neal 2003). Draws
    of the density stay draws of it, and come to forget where they began.

    Parameters
    ----------
    log_target : callable
        (point, dimension) -> (point,); -inf outside of the support.
    start : ndarray (point, dimension)
    width : float
        Length of the first bracket.
    sweeps : int, optional
    """
    at, here = np.array(start, float), log_target(start)
    n = len(at)
    for _ in range(sweeps):
        line = rng.standard_normal(at.shape)
        line /= np.sqrt((line**2).sum(axis=1, keepdims=True))
        level = here - rng.standard_exponential(n)
        low = -width * rng.random(n)
        high = low + width
        outward = np.floor(STEPS * rng.random(n))
        for end, way, most in ((low, -width, outward), (high, width, STEPS - 1 - outward)):
            for step in range(STEPS):
                further = (step < most) & (log_target(at + end[:, None] * line) > level)
                if not further.any():
                    break
                end[further] += way
        waiting = np.ones(n, bool)
        for _ in range(SHRINKS):
            t = low + (high - low) * rng.random(n)
            tried = at + t[:, None] * line
            value = log_target(tried)
            taken = waiting & (value > level)
            low, high = np.where(t < 0, t, low), np.where(t >= 0, t, high)
            waiting &= ~taken
            at[taken], here[taken] = tried[taken], value[taken]
            if not waiting.any():
                break
    return at
