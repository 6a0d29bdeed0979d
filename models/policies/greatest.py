"""The choices of an agent that takes the greatest of some values."""

import numpy as np


def greatest(worth: np.ndarray, error: float | np.ndarray = 0.0) -> np.ndarray:
    """Return the probabilities that maximise, ties split uniformly: (choice, scene).

    Parameters
    ----------
    worth : ndarray (choice, scene)
        -inf where there is no choice.
    error : float or ndarray (choice, scene), optional
        Bounds of the rounding errors. A choice ties with the best choice where the two are equal within the bounds.
    """
    top = worth.max(axis=0)
    if isinstance(error, float):
        best = worth >= top - 4 * error
    else:
        best = worth >= top - 2 * (error + np.where(worth == top, error, 0.0).max(axis=0))
    if not top.min(initial=0.0) > -np.inf:  # a scene without any choice: nothing is done there
        best &= top > -np.inf
        return best / np.maximum(best.sum(axis=0), 1)
    if np.count_nonzero(best) == best.shape[1]:
        return best
    return best / best.sum(axis=0)
