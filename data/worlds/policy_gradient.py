"""Gradient ascent by Adam (Kingma and Ba 2015), for small networks."""

from collections.abc import Sequence

import numpy as np


class Adam:
    """Climb along gradients that are given batch by batch; weights are changed in place.

    Parameters
    ----------
    weights : list of ndarray
    rate : float
    """

    def __init__(self, weights: Sequence[np.ndarray], rate: float) -> None:
        self.weights, self.rate, self.step = weights, rate, 0
        self.first, self.second = ([np.zeros_like(w) for w in weights] for _ in range(2))

    def climb(self, gradients: Sequence[np.ndarray]) -> None:
        """One step."""
        self.step += 1
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            w += self.rate * (m / (1 - 0.9**self.step)) / (np.sqrt(v / (1 - 0.999**self.step)) + 1e-8)
