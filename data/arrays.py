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
