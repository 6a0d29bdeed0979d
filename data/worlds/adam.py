"""Gradient ascent by Adam, for the small networks of trained agents.

Kingma and Ba (2015).
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HIDDEN = 8  # units of a network
LENS = 0.8  # standard deviation of the logarithm of an agent's gains
TRAINING_BATCHES, BATCH, RATE = 400, 64, 0.01


def npz_of(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays as the bytes of an npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def explored(chance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw options by their probabilities (row, option).

    Returns
    -------
    ndarray (row,) of int, ndarray (row, option)
        The options, and the gradients of their log probabilities by the scores of a softmax.
    """
    option = (rng.random((len(chance), 1)) >= np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
    return option, (np.arange(chance.shape[1]) == option[:, None]) - chance


class Adam:
    """Gradient ascent, batch by batch; weights are changed in place.

    Parameters
    ----------
    weights : list of ndarray
    rate : float, optional
    """

    def __init__(self, weights: Sequence[np.ndarray], rate: float = RATE) -> None:
        self.weights, self.rate, self.step = weights, rate, 0
        self.first, self.second = ([np.zeros_like(w) for w in weights] for _ in range(2))

    def climb(self, gradients: Sequence[np.ndarray]) -> None:
        """Make one step along gradients, one array for each array of weights."""
        self.step += 1
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            w += self.rate * (m / (1 - 0.9**self.step)) / (np.sqrt(v / (1 - 0.999**self.step)) + 1e-8)
