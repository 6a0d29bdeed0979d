"""Coordinates of the weights of a linear reward family."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import override

import numpy as np

from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.weight_priors.stated_prior import StatedPrior
from reward_hypotheses.models.inference.nuisance_priors import Nuisance


class Coordinates(ABC):
    """Coordinates of the integral over a family's weights and nuisances.

    A point (dimension,) holds the coordinates of the weights, then the nuisances mapped to the line.
    """

    log_concave = False
    """Whether the prior is, with weights affine in their coordinates."""

    def __init__(self, dimension: int, nuisances: Mapping[str, Nuisance]) -> None:
        self.dimension, self.nuisances = dimension, dict(nuisances)

    @abstractmethod
    def weights(self, at: np.ndarray) -> np.ndarray:
        """Return the weights, without the part that no feedback sees: (point, feature)."""

    @abstractmethod
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        """Return the log prior density of the coordinates of the weights: (point,)."""

    @abstractmethod
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the coordinates from the prior: (n, dimension)."""

    def complete_weights(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the weights, with the unseen part drawn from the prior: (point, feature)."""
        return self.weights(at)

    def mirrored(self, point: np.ndarray) -> np.ndarray:
        """Return the point with opposite weights and equal nuisances.

        Another mode may be there.
        """
        return np.concatenate([-point[: self.dimension], point[self.dimension :]])

    def corners(self) -> np.ndarray:
        """Return points near modes that draws from the prior seldom reach.

        Shape (point, all dimensions).
        """
        return np.zeros((0, self.dimension + len(self.nuisances)))

    def theta(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Return the nuisances by variable: (point,)."""
        columns = points[:, self.dimension :].T
        return {key: prior.from_line(c)[0] for (key, prior), c in zip(self.nuisances.items(), columns, strict=True)}

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Return the log prior density of points (point,)."""
        total = self.log_prior_of_weights(points[:, : self.dimension])
        for prior, column in zip(self.nuisances.values(), points[:, self.dimension :].T, strict=True):
            total = total + density_on_line(prior, column)
        return total

    @abstractmethod
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients by the coordinates of the weights.

        Parameters
        ----------
        at : ndarray (point, dimension)
        of_weights : ndarray (point, feature)
            Gradient of the log likelihood by weight.
        of_theta : mapping of str to ndarray (point,)
            Gradient of the log likelihood by nuisance.

        Returns
        -------
        ndarray (point, dimension), ndarray (point, dimension)
            Gradients of the log prior density of the coordinates, and of the log likelihood.
        """

    def slopes(
        self, points: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of the log prior and of the log likelihood.

        Two arrays (point, all dimensions). The parameters are those of `slopes_of_weights`, but `points` has all
        dimensions.
        """
        of_prior, of_likelihood = self.slopes_of_weights(points[:, : self.dimension], of_weights, of_theta)
        priors, likelihoods = [of_prior], [of_likelihood]
        for (key, prior), column in zip(self.nuisances.items(), points[:, self.dimension :].T, strict=True):
            jacobian = prior.from_line(column)[1]
            priors.append(slope_of(partial(density_on_line, prior), column)[:, None])
            likelihoods.append((of_theta[key] * np.exp(jacobian))[:, None])
        return np.hstack(priors), np.hstack(likelihoods)

    def prior_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw points from the prior: (n, all dimensions)."""
        parts = [self.prior_draws_of_weights(n, rng)]
        parts += [prior.to_line(prior.draws((n,), rng))[:, None] for prior in self.nuisances.values()]
        return np.hstack(parts)


def density_on_line(prior: Nuisance, column: np.ndarray) -> np.ndarray:
    """Return the log density of a nuisance that was mapped to the line: (point,)."""
    value, jacobian = prior.from_line(column)
    return np.asarray(prior.log_density(value) + jacobian)


def slope_of(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the derivative of a function by central differences: (point,)."""
    step = 1e-4
    return (f(at + step) - f(at - step)) / (2 * step)


class Gaussian(Coordinates):
    """Independent normal weights, in units of their standard deviation.

    The coordinates are the directions that some feedback sees. The other directions keep their prior, and are drawn
    from it.
    """

    log_concave = True

    def __init__(self, basis: np.ndarray, unseen: np.ndarray, sd: float, nuisances: Mapping[str, Nuisance]) -> None:
        super().__init__(basis.shape[1], nuisances)
        self.basis, self.unseen, self.sd = basis, unseen, sd

    @override
    def weights(self, at: np.ndarray) -> np.ndarray:
        return self.sd * at @ self.basis.T

    @override
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        return -0.5 * (at**2).sum(axis=1) - 0.5 * at.shape[1] * math.log(2 * math.pi)

    @override
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        return -at, self.sd * of_weights @ self.basis

    @override
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((n, self.dimension))

    @override
    def complete_weights(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.weights(at) + self.sd * rng.standard_normal((len(at), self.unseen.shape[1])) @ self.unseen.T


class UnidentifiedWeights(Coordinates):
    """Weights that no feedback sees: all keep their prior, and are drawn from it."""

    def __init__(self, linear: Linear, scale: np.ndarray, nuisances: Mapping[str, Nuisance]) -> None:
        super().__init__(0, nuisances)
        self.linear, self.scale = linear, scale

    @override
    def weights(self, at: np.ndarray) -> np.ndarray:
        return np.zeros((len(at), len(self.linear.features)))

    @override
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        return np.zeros(len(at))

    @override
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return np.zeros((n, 0))

    @override
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        return at, at

    @override
    def complete_weights(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.linear.prior_draws(len(at), rng, self.scale)


class StatedWeights(Coordinates):
    """Weights with stated signs, means or ratios, in the coordinates of their prior.

    Those are all weights, seen by feedback or not: a sign of one weight bounds what the others can make up for.
    """

    def __init__(self, prior: StatedPrior, nuisances: Mapping[str, Nuisance]) -> None:
        super().__init__(len(prior.sign), nuisances)
        self.prior, self.log_concave = prior, prior.affine

    @override
    def weights(self, at: np.ndarray) -> np.ndarray:
        return self.prior.weights(at)

    @override
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        return self.prior.log_density(at)

    @override
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.prior.slopes(at, of_weights)

    @override
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return self.prior.coordinate_draws(n, rng)

    @override
    def mirrored(self, point: np.ndarray) -> np.ndarray:
        free = np.append(self.prior.sign == 0, np.zeros(len(self.nuisances), bool))
        return np.where(free, -point, point)
