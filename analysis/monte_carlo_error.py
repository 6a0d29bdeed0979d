"""Monte Carlo errors of numbers that depend on sampled evidence."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reward_hypotheses.models.posterior import Posterior

MOST, LEAST = 100, 20
"""Perturbations from which an error is estimated: to 7 and 16 % of itself."""
WORK = 100_000_000


def perturbations(posterior: Posterior, items: int) -> int:
    """Return the number of perturbations, where each costs a risk on so many items."""
    return int(np.clip(WORK // max(len(posterior.weights) ** 2 * items, 1), LEAST, MOST))


def standard_errors(values: Sequence[Any]) -> Any:
    """Return the standard deviation of every number over perturbations.

    The errors cover weights, risks, intervals, bits and bounds. They include the steps where a policy changes its choice.

    Parameters
    ----------
    values : sequence
        Numbers, in nested dicts, lists and arrays, of each perturbation. In a perturbation, the log evidence of each silent
        class is moved by its error. One entry where nothing was sampled.

    Returns
    -------
    Nested dicts and lists as those of an entry, with a float or array for each number (0 where exact), and None for
    everything else and for numbers that are missing or infinite in some perturbation.
    """
    first = values[0]
    if isinstance(first, dict):
        return {key: standard_errors([value[key] for value in values]) for key in first}
    if isinstance(first, (list, tuple)):
        return [standard_errors(entries) for entries in zip(*values, strict=True)]
    if isinstance(first, np.ndarray):
        return np.std(values, axis=0, ddof=1) if len(values) > 1 else np.zeros(first.shape)
    if any(isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x) for x in values):
        return None
    if all(x == first for x in values):
        return 0.0
    return float(np.std(values, ddof=1))
