"""Coordinates of directions: weights uniform on the unit sphere."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import override

import numpy as np

from reward_hypotheses.models.inference.laplace import Bell
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.inference.smc_from_approximation import bells_of_shell
from reward_hypotheses.models.linear_family.coordinates import Coordinates, density_on_line, slope_of
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm

CORNERS = 8


class Sphere(Coordinates):
    """Directions, as a Gaussian vector whose length is arbitrary.

    The coordinates are the parts z along the directions that some feedback sees and, where there are others, the log of
    the length g of the rest, chi distributed: ``w_seen = z / sqrt(|z|^2 + g^2)``. The direction of the rest is drawn
    from its prior.
    """

    def __init__(self, basis: np.ndarray, unseen: np.ndarray, nuisances: Mapping[str, Nuisance]) -> None:
        self.seen, self.rest = basis.shape[1], unseen.shape[1]
        super().__init__(self.seen + (1 if self.rest else 0), nuisances)
        self.basis, self.unseen = basis, unseen

    def _parts(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the seen parts, the length of the rest, and the total length.

        Shapes (point, seen), (point,) and (point,).
        """
        z = at[:, : self.seen]
        g = np.exp(np.clip(at[:, self.seen], -300.0, 300.0)) if self.rest else np.zeros(len(at))
        return z, g, np.maximum(np.sqrt((z**2).sum(axis=1) + g**2), 1e-300)

    @override
    def weights(self, at: np.ndarray) -> np.ndarray:
        z, _, length = self._parts(at)
        return (z / length[:, None]) @ self.basis.T

    @override
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        z, g, _ = self._parts(at)
        normal = -0.5 * (z**2).sum(axis=1) - 0.5 * self.seen * math.log(2 * math.pi)
        if not self.rest:
            return normal
        k = self.rest
        return normal + k * at[:, self.seen] - 0.5 * g**2 - (k / 2 - 1) * math.log(2.0) - math.lgamma(k / 2)

    @override
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        z, g, length = self._parts(at)
        direction, of_direction = z / length[:, None], of_weights @ self.basis
        along = (direction * of_direction).sum(axis=1)
        of_z = (of_direction - along[:, None] * direction) / length[:, None]
        if not self.rest:
            return -z, of_z
        of_g = np.stack([self.rest - g**2, -along * (g / length) ** 2])
        return np.hstack([-z, of_g[0][:, None]]), np.hstack([of_z, of_g[1][:, None]])

    @override
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((n, self.seen))
        return np.hstack([z, 0.5 * np.log(rng.chisquare(self.rest, n))[:, None]]) if self.rest else z

    @override
    def complete_weights(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.rest:
            return self.weights(at)
        _, g, length = self._parts(at)
        direction = rng.standard_normal((len(at), self.rest))
        direction /= np.sqrt((direction**2).sum(axis=1, keepdims=True))
        return self.weights(at) + (g / length)[:, None] * direction @ self.unseen.T

    @override
    def mirrored(self, point: np.ndarray) -> np.ndarray:
        return np.concatenate([-point[: self.seen], point[self.seen :]])


class RationalityScaledSphere(Coordinates):
    """Directions whose length is the rationality of one human.

    ``v = beta w / s(w)``, in which the likelihood of choices is log-concave. The integral is over the directions that
    some feedback sees; the others keep their prior, and are drawn from it. With r seen directions,
    ``p(v) = Gamma(r/2) / (2 pi^(r/2)) |v|^-r p(log beta)``, beta = s(v).
    """

    def __init__(
        self, basis: np.ndarray, unseen: np.ndarray, lead: SoftmaxTerm, nuisances: Mapping[str, Nuisance]
    ) -> None:
        variable = lead.feedback.variable("rationality")
        rest = {key: prior for key, prior in nuisances.items() if key != variable}
        super().__init__(basis.shape[1], rest)
        self.basis, self.unseen, self.lead, self.variable, self.prior = (
            basis, unseen, lead, variable, nuisances[variable],
        )  # fmt: skip

    @override
    def weights(self, at: np.ndarray) -> np.ndarray:
        return at @ self.basis.T

    @override
    def theta(self, points: np.ndarray) -> dict[str, np.ndarray]:
        beta = self.lead.scales(self.weights(points[:, : self.dimension]))
        return {self.variable: beta} | super().theta(points)

    @override
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        r = self.dimension
        beta = self.lead.scales(self.weights(at))
        with np.errstate(divide="ignore", invalid="ignore"):
            length = 0.5 * np.log((at**2).sum(axis=1))
            density = self.prior.log_density(beta) + np.log(beta) - r * length
        area = math.log(2.0) + 0.5 * r * math.log(math.pi) - math.lgamma(r / 2)
        return np.where(np.isfinite(density), density - area, -np.inf)

    @override
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        weights = self.weights(at)
        beta = self.lead.scales(weights)
        of_log_beta = (weights @ self.lead.spread[:-1, :-1] / beta[:, None] ** 2) @ self.basis
        rise = slope_of(partial(density_on_line, self.prior), np.log(beta))
        of_prior = rise[:, None] * of_log_beta - self.dimension * at / (at**2).sum(axis=1, keepdims=True)
        return of_prior, of_weights @ self.basis + (of_theta[self.variable] * beta)[:, None] * of_log_beta

    @override
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        at = rng.standard_normal((n, self.dimension))
        return at * (self.prior.draws((n,), rng) / self.lead.scales(self.weights(at)))[:, None]

    def corners(self) -> np.ndarray:
        """Return points along the axes of the spread, shortest axis first.

        Shape (point, all dimensions). Along these axes rewards differ in items between which other rewards hardly
        differ.
        """
        values, vectors = np.linalg.eigh(self.basis.T @ self.lead.spread[:-1, :-1] @ self.basis)
        at = vectors[:, :CORNERS].T * (self.prior.start / np.sqrt(np.maximum(values[:CORNERS], 1e-300)))[:, None]
        rest = [float(prior.to_line(np.array([prior.start]))[0]) for prior in self.nuisances.values()]
        return np.hstack([at, np.tile(rest, (len(at), 1))])

    def bells(
        self, log_likelihood: Callable[[np.ndarray], np.ndarray], information: Callable[[np.ndarray], np.ndarray]
    ) -> list[Bell]:
        """Approximate the posterior where there are many dimensions."""
        rest = list(self.nuisances.values())
        spread = self.basis.T @ self.lead.spread[:-1, :-1] @ self.basis
        per_length = 0.5 * math.log(float(np.trace(spread)) / self.dimension)
        log_median = float(self.prior.to_line(np.array([self.prior.start]))[0])
        draws = self.prior.to_line(self.prior.draws((1000,), np.random.default_rng(0)))

        def log_prior_of_rest(points: np.ndarray) -> np.ndarray:
            return sum((density_on_line(p, c) for p, c in zip(rest, points.T, strict=True)), np.zeros(len(points)))

        start = [*np.zeros(self.dimension), *(float(p.to_line(np.array([p.start]))[0]) for p in rest)]
        return bells_of_shell(
            log_likelihood,
            information,
            log_prior_of_rest,
            np.array(start),
            self.dimension,
            (log_median - per_length, float(draws.std())),
        )

    def complete_weights(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return directions, with the unseen part drawn from the prior: (point, feature)."""
        n, unseen = len(at), self.unseen.shape[1]
        direction = self.weights(at) / np.sqrt((at**2).sum(axis=1, keepdims=True))
        if not unseen:
            return direction
        length = np.sqrt(rng.chisquare(self.dimension, n))[:, None]
        full = direction * length + rng.standard_normal((n, unseen)) @ self.unseen.T
        return full / np.sqrt((full**2).sum(axis=1, keepdims=True))
