"""Latent vectors of groups, and how likely each group's data are under them."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

STEP = 1e-3  # of differences
NEWTON, HALVINGS = 2, np.array([1.0, 0.5, 0.2, 0.05])
ROUND = 1e-12  # of the sum of a matrix's diagonal, added to it before it is factorised


class Latents(ABC):
    """A latent vector of each group, and the log likelihood of the group's data.

    Attributes
    ----------
    dimension, groups : int
    cells : int
        Cost of the log likelihood of all groups at one point each, in floats.
    """

    dimension: int
    groups: int
    cells: int

    @abstractmethod
    def log_likelihood(self, at: np.ndarray) -> np.ndarray:
        """Return the log likelihood of each group's data, nats: (point, group).

        Parameters
        ----------
        at : ndarray (point, group, dimension)
        """

    def derivatives(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the log likelihood, and minus its second derivatives.

        By central differences unless a subclass knows them: (group, dimension) and (group, dimension, dimension).

        Parameters
        ----------
        at : ndarray (group, dimension)
        """
        d = self.dimension
        unit = STEP * np.eye(d)
        i, j = np.triu_indices(d, 1)
        crossed = [a * unit[i] + b * unit[j] for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
        moves = np.vstack([np.zeros((1, d)), unit, -unit, *crossed])
        y = self.log_likelihood(at[None] + moves[:, None, :])
        up, down = y[1 : d + 1], y[d + 1 : 2 * d + 1]
        curvature = np.zeros((self.groups, d, d))
        curvature[:, range(d), range(d)] = ((2 * y[0] - up - down) / STEP**2).T
        four = y[2 * d + 1 :].reshape(4, len(i), self.groups)
        curvature[:, i, j] = curvature[:, j, i] = -((four[0] - four[1] - four[2] + four[3]) / (4 * STEP**2)).T
        return ((up - down) / (2 * STEP)).T, curvature


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Gaussian approximations of the posteriors of latent vectors.

    Attributes
    ----------
    log_mass : ndarray (point, group)
        Log marginal likelihood of each group, nats.
    mean : ndarray (point, group, dimension)
    root : ndarray (point, group, dimension, dimension)
        Cholesky factor of the precision.
    """

    log_mass: np.ndarray
    mean: np.ndarray
    root: np.ndarray


@dataclass(frozen=True, eq=False)
class Expansion:
    """A log likelihood as a quadratic around a point of each group.

    ``value + gradient' (u - at) - (u - at)' curvature (u - at) / 2``

    Attributes
    ----------
    at, gradient : ndarray (group, dimension)
    value : ndarray (group,)
    curvature : ndarray (group, dimension, dimension)
        No negative eigenvalue.
    """

    at: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray

    @classmethod
    def around(cls, latents: Latents, at: np.ndarray) -> "Expansion":
        """Expand around a point of each group (group, dimension)."""
        gradient, curvature = latents.derivatives(at)
        values, vectors = np.linalg.eigh(curvature)
        curvature = (vectors * np.maximum(values, 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        return cls(at, latents.log_likelihood(at[None])[0], gradient, curvature)

    @classmethod
    def matching(
        cls, points: np.ndarray, weights: np.ndarray, location: np.ndarray, covariance: np.ndarray
    ) -> "Expansion":
        """Return the quadratics that give the posteriors the moments of weighted points.

        As expectation propagation has it (Minka 2001): they serve populations nearby better than a mode does. Their `value`
        is 0.

        Parameters
        ----------
        points : ndarray (group, draw, dimension)
        weights : ndarray (group, draw)
            Adding up to 1 in each group.
        location : ndarray (group, dimension)
        covariance : ndarray (dimension, dimension)
        """
        at = (weights[..., None] * points).sum(axis=1)
        apart = points - at[:, None]
        spread = np.swapaxes(weights[..., None] * apart, 1, 2) @ apart
        typical = np.trace(spread, axis1=1, axis2=2)[:, None, None]
        precision = np.linalg.inv(covariance)
        total = np.linalg.inv(spread + ROUND * typical * np.eye(points.shape[-1]))
        values, vectors = np.linalg.eigh(total - precision)
        curvature = (vectors * np.maximum(values, 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        gradient = ((curvature + precision) @ at[..., None])[..., 0] - location @ precision
        gradient = gradient - (curvature @ at[..., None])[..., 0]
        return cls(at, np.zeros(len(at)), gradient, curvature)

    def posteriors(self, location: np.ndarray, covariance: np.ndarray) -> Gaussians:
        """Multiply by normal densities of the latent vectors, and integrate.

        Parameters
        ----------
        location : ndarray (point, group, dimension)
        covariance : ndarray (point, dimension, dimension)
        """
        precision = np.linalg.inv(covariance)
        log_det = np.linalg.slogdet(precision)[1]
        slope = self.gradient + (self.curvature @ self.at[..., None])[..., 0]
        constant = self.value - (self.gradient * self.at).sum(axis=-1)
        constant = constant - 0.5 * (self.at * (slope - self.gradient)).sum(axis=-1)
        pulled = location @ np.swapaxes(precision, 1, 2)
        both = self.curvature[None] + (precision + np.swapaxes(precision, 1, 2))[:, None] / 2
        jitter = ROUND * np.trace(both, axis1=-2, axis2=-1)[..., None, None]
        root = np.linalg.cholesky(both + jitter * np.eye(both.shape[-1]))
        towards = slope[None] + pulled
        inverse = np.linalg.inv(root)
        half = (inverse @ towards[..., None])[..., 0]
        mean = (np.swapaxes(inverse, -1, -2) @ half[..., None])[..., 0]
        log_root = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
        log_mass = constant[None] + 0.5 * log_det[:, None] - log_root
        log_mass = log_mass + 0.5 * (half**2).sum(axis=-1) - 0.5 * (pulled * location).sum(axis=-1)
        return Gaussians(log_mass, mean, root)


def climbed(latents: Latents, at: np.ndarray, location: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Climb towards the mode of each group's posterior, by Newton's steps.

    Parameters
    ----------
    at, location : ndarray (group, dimension)
    covariance : ndarray (dimension, dimension)

    Returns
    -------
    ndarray (group, dimension)
    """
    precision = np.linalg.inv(covariance)

    def height(points: np.ndarray) -> np.ndarray:
        apart = points - location
        return latents.log_likelihood(points) - 0.5 * ((apart @ precision) * apart).sum(axis=-1)

    for _ in range(NEWTON):
        expansion = Expansion.around(latents, at)
        gradient = expansion.gradient - (at - location) @ precision
        step = np.linalg.solve(expansion.curvature + precision, gradient[..., None])[..., 0]
        tries = at[None] + np.concatenate([[0.0], HALVINGS])[:, None, None] * step
        best = np.argmax(height(tries), axis=0)
        at = tries[best, np.arange(len(at))]
    return at


def log_normal_density(apart: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the log density of normal deviations from their location: (..., draw).

    Parameters
    ----------
    apart : ndarray (point, group, draw, dimension)
    covariance : ndarray (point, dimension, dimension)
    """
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    whitened = apart @ np.swapaxes(inverse, 1, 2)[:, None]
    log_det = np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
    half = apart.shape[-1] / 2 * math.log(2 * math.pi)
    return np.asarray(log_det[:, None, None] - half - 0.5 * (whitened**2).sum(axis=-1))
