"""Integrals over the latent vector of each group, given the population."""

import math
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.hierarchy.latents import Expansion, Latents, log_normal_density

FROM_PRIOR = 0.125  # of the draws of a latent vector: bounds every importance weight by 8 times a likelihood ratio
NODES, FAR, STRETCH = 41, 6.0, 0.5
"""Nodes of an integral over one dimension: ``sd sinh(STRETCH t) / STRETCH`` from the mean, t up to FAR."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Weighted points in the space of each group's latent vector.

    ``p(D_g | population) = sum_k exp(log_factor_k) Normal(u_k; m, S)``, at the population they were made for and nearby.

    Attributes
    ----------
    points : ndarray (point, group, draw, dimension)
    log_factor : ndarray (point, group, draw)
        Log likelihood less the log density that the point was drawn from, or plus the log of its weight in a quadrature.
    """

    points: np.ndarray
    log_factor: np.ndarray

    def log_joint(self, location: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the log terms of the sum: (point, group, draw).

        Parameters
        ----------
        location : ndarray (point, group, dimension)
        covariance : ndarray (point, dimension, dimension)
        """
        if not self.points.shape[-1]:
            return np.broadcast_to(self.log_factor, (len(location), *self.log_factor.shape[1:]))
        return self.log_factor + log_normal_density(self.points - location[:, :, None], covariance)


def cloud(
    latents: Latents,
    expansion: Expansion,
    location: np.ndarray,
    covariance: np.ndarray,
    n: int,
    rng: np.random.Generator,
) -> Cloud:
    """Return points over which the likelihood of each group integrates.

    One dimension: the trapezoidal rule after a sinh transform, whose error falls exponentially with the number of nodes.
    More dimensions: draws from the Gaussian approximation in antithetic pairs and, for an eighth of them, from the
    population.

    Parameters
    ----------
    location : ndarray (point, group, dimension)
    covariance : ndarray (point, dimension, dimension)
    n : int
        Draws of each group's vector.
    """
    if not latents.dimension:
        log_likelihood = latents.log_likelihood(np.zeros((1, latents.groups, 0)))
        return Cloud(np.zeros((1, latents.groups, 1, 0)), log_likelihood[..., None])
    near = expansion.posteriors(location, covariance)
    if latents.dimension == 1:
        t = np.linspace(-FAR, FAR, NODES)
        sd = 1 / near.root[..., 0]  # (point, group, 1)
        nodes = (near.mean + sd * np.sinh(STRETCH * t) / STRETCH)[..., None]
        weight = np.log(sd * np.cosh(STRETCH * t) * (t[1] - t[0]))
        return Cloud(nodes, _at(latents, nodes) + weight)
    points, groups, d = location.shape
    of_prior = max(2, round(n * FROM_PRIOR))
    pairs = max(1, (n - of_prior) // 2)
    n = 2 * pairs + of_prior
    white = rng.standard_normal((points, groups, pairs, d))
    apart = white @ np.linalg.inv(near.root)  # rows z' L^-1 have covariance (L L')^-1
    wide = (
        rng.standard_normal((points, groups, of_prior, d)) @ np.swapaxes(np.linalg.cholesky(covariance), 1, 2)[:, None]
    )
    mean, centre = near.mean[:, :, None], location[:, :, None]
    drawn = np.concatenate([mean + apart, mean - apart, centre + wide], axis=2)
    log_root = np.log(np.diagonal(near.root, axis1=-2, axis2=-1)).sum(axis=-1)[..., None]
    square = (white**2).sum(axis=-1)
    far = (((drawn[:, :, 2 * pairs :] - mean) @ near.root) ** 2).sum(axis=-1)
    log_near = log_root - d / 2 * math.log(2 * math.pi) - 0.5 * np.concatenate([square, square, far], axis=2)
    log_prior = log_normal_density(drawn - centre, covariance)
    log_proposal = np.logaddexp(log_near + math.log(2 * pairs), log_prior + math.log(of_prior))
    return Cloud(drawn, _at(latents, drawn) - log_proposal)


def integrated(
    made: Cloud, location: np.ndarray, covariance: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate the likelihood of each group over its latent vector.

    ``log integral p(D_g | u) Normal(u; m, S) du``.

    Returns
    -------
    ndarray (point, group), ndarray (point, group, dimension)
        Log marginal likelihoods, nats, unbiased before the logarithm; and one draw from each posterior.
    """
    log_joint = made.log_joint(location, covariance)
    top = np.maximum(log_joint.max(axis=-1, keepdims=True), -1e300)
    below = np.cumsum(np.exp(log_joint - top), axis=-1)
    total = below[..., -1]
    with np.errstate(divide="ignore"):
        log_mass = top[..., 0] + np.log(total)
    taken = (below < rng.random((*total.shape, 1)) * total[..., None]).sum(axis=-1)
    taken = np.minimum(taken, below.shape[-1] - 1)
    points = made.points
    if points.shape[-1] == 1:  # anywhere between two nodes, as likely as the nodes on both sides say
        beside = np.clip(taken + np.where(rng.random(taken.shape) < 0.5, 1, -1), 0, below.shape[-1] - 1)
        at, other = (np.take_along_axis(points[..., 0], k[..., None], axis=2)[..., 0] for k in (taken, beside))
        return log_mass, (at + (other - at) * _towards(rng, taken.shape))[..., None]
    points = np.broadcast_to(points, (len(location), *points.shape[1:]))
    return log_mass, np.take_along_axis(points, taken[..., None, None], axis=2)[:, :, 0]


def _towards(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return how far draws lie from a node: with density ``2 (1 - t)``, half a tent."""
    return np.asarray(1 - np.sqrt(rng.random(shape)))


def _at(latents: Latents, drawn: np.ndarray) -> np.ndarray:
    """Return the log likelihood at draws of all groups: (point, group, draw)."""
    points, groups, n, d = drawn.shape
    at = np.moveaxis(drawn, 2, 1).reshape(points * n, groups, d)
    return np.moveaxis(latents.log_likelihood(at).reshape(points, n, groups), 1, 2)
