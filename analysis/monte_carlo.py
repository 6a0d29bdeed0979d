"""Monte Carlo errors of numbers that rest on sampled evidence."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from reward_hypotheses.models.posterior import Posterior

MOST, LEAST = 100, 20
"""Perturbations from which an error is estimated: to 7 and 16 % of itself."""
WORK = 100_000_000


def perturbations(posterior: Posterior, items: int) -> int:
    """How many to use where each costs a risk on so many items."""
    return int(np.clip(WORK // max(len(posterior.weights) ** 2 * items, 1), LEAST, MOST))


def standard_errors(compute: Callable[..., Any], moved: Iterable[tuple[Any, ...]]) -> Any:
    """Standard deviation of every number that `compute` gives, over the Monte Carlo error of the evidence.

    Parameters
    ----------
    compute : callable
        Of a posterior, or of whatever was moved.
    moved : iterable of tuple
        Its arguments, in which the log evidence of each silent class is moved by its error; one where nothing was
        sampled. So the error reaches weights, risks, intervals, bits and bounds alike, and steps (a policy that changes
        its mind) as well as slopes.

    Returns
    -------
    Nested dicts and lists as `compute` gives them, with a float or array (0 where exact) for each number, and None for
    all else and where a number is missing or infinite in some of them.
    """
    return _spread([compute(*one) for one in moved])


def _spread(found: Sequence[Any]) -> Any:
    first = found[0]
    if isinstance(first, dict):
        return {key: _spread([one[key] for one in found]) for key in first}
    if isinstance(first, (list, tuple)):
        return [_spread(some) for some in zip(*found, strict=True)]
    if isinstance(first, np.ndarray):
        return np.std(found, axis=0, ddof=1) if len(found) > 1 else np.zeros(first.shape)
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) or not math.isfinite(one) for one in found):
        return None
    if len(found) == 1 or all(one == first for one in found):
        return 0.0
    return float(np.std(found, ddof=1))
