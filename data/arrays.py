"""Small array tools."""

import numpy as np


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct values in order, the first position, the place of each value among them, and how often each occurs.

    As ``np.unique`` with everything returned, which however imports ``numpy.ma`` on its first call: a twentieth of a
    whole short run.
    """
    values = np.asarray(values).ravel()
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    counts = np.diff(np.append(starts, len(values)))
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.repeat(np.arange(len(starts)), counts)
    return ordered[starts], order[starts], inverse, counts


def within_one(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Divide by a power of two, so that the largest of them is from 1/2 to 1 and their squares and sums stay finite.

    Parameters
    ----------
    axis : int or tuple of int, optional
        Axes that share a power; all of them, unless given.

    Returns
    -------
    scaled, exponent : ndarray
        ``values = ldexp(scaled, exponent)``, exactly but where a value is below the smallest float beside the largest.
    """
    values = np.asarray(values, float)
    exponent = np.frexp(np.abs(values).max(axis=axis, keepdims=True, initial=0.0))[1]
    return np.ldexp(values, -exponent), exponent
