"""What is drawn for each group: a component, and its latent vector."""

from abc import ABC, abstractmethod

import numpy as np


class Population(ABC):
    """A law of groups in clusters, with parameters on the line.

    A group of cluster k belongs to component c with probability ``s_kc``; its latent vector is then
    ``Normal(m_kc, S_c)``.

    Attributes
    ----------
    dimension : int
        Number of parameters.
    start : ndarray (dimension,)
        Parameters from which to climb.
    """

    dimension: int
    start: np.ndarray

    @abstractmethod
    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Return the log prior density of parameters: (point,)."""

    @abstractmethod
    def prior_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw parameters from their prior: (n, dimension)."""

    @abstractmethod
    def law(self, points: np.ndarray, component: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the locations and the covariance of the latent vectors of a component.

        Shapes (point, cluster, dimension of the component) and (point, its dimension, its dimension).
        """

    @abstractmethod
    def log_shares(self, points: np.ndarray) -> np.ndarray:
        """Return ``log s_kc``: (point, cluster, component)."""

    def favouring(self, point: np.ndarray, component: int) -> np.ndarray:
        """Return parameters (dimension,) under which most groups belong to a component."""
        return point
