"""The population of raters: shares of hypotheses, means and spreads, by group."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.models.inference.hierarchy.population import Population
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.inference.special import log_gamma
from reward_hypotheses.models.linear_family.coordinates import Coordinates, density_on_line

ETA = 2.0
"""Shape of the LKJ prior of correlations."""
NARROWEST, WIDEST, CLOSEST = 1e-4, 6.0, 1 - 1e-6
"""Least spread between raters and log of the greatest, of its scale; largest partial correlation: for the sake of the arithmetic."""
NUGGET = 1e-9  # of each variance, so that no rounding makes a covariance singular
SPREAD_START = math.log(0.3)
FAVOURED = 3.0  # log ratio of a favoured share to another


@dataclass(frozen=True, eq=False)
class OfWeights:
    """The mean person of a linear hypothesis, and how far people are from it.

    Attributes
    ----------
    space : Coordinates
        Coordinates of the mean person's weights, with the prior of the family.
    sign : ndarray (feature,)
        Stated signs, 0 where none is.
    scale : ndarray (feature,)
        Scale of the half-normal prior of each standard deviation between raters.
    correlated : bool
    """

    space: Coordinates
    sign: np.ndarray
    scale: np.ndarray
    correlated: bool


@dataclass(frozen=True, eq=False)
class Law(Population):
    """Parameters of a population of raters, on the line.

    Shares ``s ~ Dirichlet(alpha)`` in each group. Of a linear hypothesis, the mean person has the family's prior, the standard
    deviation of each weight between raters is ``HalfNormal(scale)``, and correlations are LKJ(2) or 0. Nuisances, mapped to
    the line, are normal about the population's, which has the nuisance's prior, with a standard deviation that is
    ``HalfNormal(1)``. The mean of a group is ``Normal(m, scale^2)`` about the population's m, with the same scale.

    Attributes
    ----------
    alpha : ndarray (component,)
    weights : sequence of OfWeights or None
        For each component; None for a fixed reward.
    uses : sequence of tuple of str
        For each component, the nuisances it has.
    nuisances : mapping of str to Nuisance
        Of all components, by variable.
    groups : int
    """

    alpha: np.ndarray
    weights: Sequence[OfWeights | None]
    uses: Sequence[tuple[str, ...]]
    nuisances: Mapping[str, Nuisance]
    groups: int

    def __post_init__(self) -> None:
        at, where = 0, dict[str, slice]()

        def room(name: str, n: int) -> None:
            nonlocal at
            where[name] = slice(at, at + n)
            at += n

        divided = self.groups > 1
        room("shares", self.groups * (len(self.alpha) - 1))
        for c, of in enumerate(self.weights):
            if of is None:
                continue
            k = len(of.sign)
            room(f"mean {c}", of.space.dimension)
            room(f"sd {c}", k)
            room(f"correlation {c}", k * (k - 1) // 2 if of.correlated else 0)
            room(f"groups {c}", self.groups * k if divided else 0)
        j = len(self.nuisances)
        room("nuisances", j)
        room("nuisances' sd", j)
        room("nuisances of groups", self.groups * j if divided else 0)
        object.__setattr__(self, "where", where)
        object.__setattr__(self, "dimension", at)
        start = np.zeros(at)
        for name, rows in where.items():
            if "sd" in name:
                start[rows] = SPREAD_START
        if j:
            start[where["nuisances"]] = [
                float(prior.to_line(np.array([prior.start]))[0]) for prior in self.nuisances.values()
            ]
        object.__setattr__(self, "start", start)

    where: Mapping[str, slice] = None  # type: ignore[assignment]
    dimension: int = 0
    start: np.ndarray = None  # type: ignore[assignment]

    @override
    def log_prior(self, points: np.ndarray) -> np.ndarray:
        total = self._log_prior_of_shares(points)
        for c, of in enumerate(self.weights):
            if of is None:
                continue
            total = total + of.space.log_prior_of_weights(points[:, self.where[f"mean {c}"]])
            total = total + half_normal(points[:, self.where[f"sd {c}"]])
            if of.correlated:
                total = total + lkj(points[:, self.where[f"correlation {c}"]], len(of.sign))
            total = total + _standard(points[:, self.where[f"groups {c}"]])
        for prior, column in zip(self.nuisances.values(), points[:, self.where["nuisances"]].T, strict=True):
            total = total + density_on_line(prior, column)
        total = total + half_normal(points[:, self.where["nuisances' sd"]])
        return np.asarray(total + _standard(points[:, self.where["nuisances of groups"]]))

    @override
    def prior_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        out = rng.standard_normal((n, self.dimension))
        for name, rows in self.where.items():
            if "sd" in name:
                out[:, rows] = np.log(np.abs(out[:, rows]))
        gammas = np.log(np.maximum(rng.standard_gamma(self.alpha, (n, self.groups, len(self.alpha))), 1e-300))
        out[:, self.where["shares"]] = (gammas[..., :-1] - gammas[..., -1:]).reshape(n, -1)
        for c, of in enumerate(self.weights):
            if of is None:
                continue
            out[:, self.where[f"mean {c}"]] = of.space.prior_draws_of_weights(n, rng)
            if of.correlated:
                shapes = _lkj_shapes(len(of.sign))
                drawn = 2 * rng.beta(shapes, shapes, (n, len(shapes))) - 1
                out[:, self.where[f"correlation {c}"]] = np.arctanh(np.clip(drawn, -1 + 1e-12, 1 - 1e-12))
        for k, prior in enumerate(self.nuisances.values()):
            out[:, self.where["nuisances"].start + k] = prior.to_line(prior.draws((n,), rng))
        return out

    @override
    def starts(self, n: int, rng: np.random.Generator) -> np.ndarray:
        out = self.prior_draws(n, rng)
        for name, rows in self.where.items():
            if "sd" in name or "correlation" in name or "group" in name:
                out[:, rows] = self.start[rows]
        return out

    @override
    def log_shares(self, points: np.ndarray) -> np.ndarray:
        n, c = len(points), len(self.alpha)
        ratios = points[:, self.where["shares"]].reshape(n, self.groups, c - 1)
        ratios = np.concatenate([ratios, np.zeros((n, self.groups, 1))], axis=2)
        return np.asarray(ratios - np.logaddexp.reduce(ratios, axis=2, keepdims=True))

    @override
    def favouring(self, point: np.ndarray, component: int) -> np.ndarray:
        out = point.copy()
        ratios = np.full(len(self.alpha), -FAVOURED)
        ratios[component] = 0.0
        out[self.where["shares"]] = np.tile(ratios[:-1] - ratios[-1], self.groups)
        return out

    def _log_prior_of_shares(self, points: np.ndarray) -> np.ndarray:
        alpha = self.alpha
        constant = float(log_gamma(np.array(alpha.sum()))) - float(log_gamma(alpha).sum())
        each = (self.log_shares(points) * alpha).sum(axis=2)  # with the Jacobian, prod s
        return np.asarray((each + constant).sum(axis=1))

    @override
    def law(self, points: np.ndarray, component: int) -> tuple[np.ndarray, np.ndarray]:
        n, of, uses = len(points), self.weights[component], self.uses[component]
        k = 0 if of is None else len(of.sign)
        d = k + len(uses)
        location, covariance = np.zeros((n, self.groups, d)), np.zeros((n, d, d))
        if of is not None:
            location[..., :k] = self.mean(points, component)[:, None] + self.of_groups(points, component)
            covariance[:, :k, :k] = self.covariance(points, component)
        names = list(self.nuisances)
        at = [names.index(variable) for variable in uses]
        location[..., k:] = self.nuisance_locations(points)[..., at]
        sd = np.exp(np.minimum(points[:, self.where["nuisances' sd"]][:, at], WIDEST)) + NARROWEST
        covariance[:, range(k, d), range(k, d)] = sd**2
        return location, covariance

    def mean(self, points: np.ndarray, component: int) -> np.ndarray:
        """Return the latents of the mean person's weights: (point, feature)."""
        of = self.weights[component]
        assert of is not None
        weights = of.space.weights(points[:, self.where[f"mean {component}"]])
        signed = of.sign != 0
        return np.where(signed, np.log(np.maximum(np.abs(weights), 1e-300)), weights) if signed.any() else weights

    def sd(self, points: np.ndarray, component: int) -> np.ndarray:
        """Return the standard deviations between raters: (point, feature)."""
        of = self.weights[component]
        assert of is not None
        return np.asarray(of.scale * (np.exp(np.minimum(points[:, self.where[f"sd {component}"]], WIDEST)) + NARROWEST))

    def correlation(self, points: np.ndarray, component: int) -> np.ndarray:
        """Return the Cholesky factors of the correlations: (point, feature, feature)."""
        of = self.weights[component]
        assert of is not None
        k = len(of.sign)
        if not of.correlated:
            return np.broadcast_to(np.eye(k), (len(points), k, k))
        return correlation_root(points[:, self.where[f"correlation {component}"]], k)

    def covariance(self, points: np.ndarray, component: int) -> np.ndarray:
        """Return the covariance of the latents of weights: (point, feature, feature)."""
        root = self.sd(points, component)[..., None] * self.correlation(points, component)
        k = root.shape[1]
        out = root @ np.swapaxes(root, 1, 2)
        out[:, range(k), range(k)] *= 1 + NUGGET
        return np.asarray(out)

    def of_groups(self, points: np.ndarray, component: int) -> np.ndarray:
        """Return each group's mean less the population's: (point, group, feature)."""
        of = self.weights[component]
        assert of is not None
        k = len(of.sign)
        if self.groups == 1:
            return np.zeros((len(points), 1, k))
        apart = points[:, self.where[f"groups {component}"]].reshape(len(points), self.groups, k)
        return np.asarray(apart * of.scale)

    def nuisance_locations(self, points: np.ndarray) -> np.ndarray:
        """Return the nuisances of each group on the line: (point, group, nuisance)."""
        j = len(self.nuisances)
        of_all = points[:, None, self.where["nuisances"]]
        if self.groups == 1:
            return of_all
        apart = points[:, self.where["nuisances of groups"]].reshape(len(points), self.groups, j)
        return np.asarray(of_all + apart)


def half_normal(log_sd: np.ndarray) -> np.ndarray:
    """Return the log density of the logs of half-normal standard deviations: (point,)."""
    constant = 0.5 * math.log(2 / math.pi)
    return np.asarray((constant - 0.5 * np.exp(2 * np.minimum(log_sd, 300.0)) + log_sd).sum(axis=1))


def _standard(values: np.ndarray) -> np.ndarray:
    return np.asarray((-0.5 * values**2 - 0.5 * math.log(2 * math.pi)).sum(axis=1))


def _lkj_shapes(k: int) -> np.ndarray:
    """Return the beta shape of each partial correlation, row by row."""
    return np.array([ETA + (k - 2 - j) / 2 for i in range(k) for j in range(i)])


def lkj(partial: np.ndarray, k: int) -> np.ndarray:
    """Return the LKJ log density of partial correlations on the line: (point,).

    A partial correlation, given those with the features before, is ``2 Beta(b, b) - 1``, ``b = eta + (k - 2 - j) / 2`` with the
    j-th feature from 0 on (Lewandowski, Kurowicka and Joe 2009); on the line it is its artanh.
    """
    b = _lkj_shapes(k)
    log_beta = 2 * log_gamma(b) - log_gamma(2 * b)
    log_one_less_square = 2 * (math.log(2) - np.logaddexp(partial, -partial))  # log(1 - tanh^2)
    return np.asarray((b * log_one_less_square - log_beta - (2 * b - 1) * math.log(2)).sum(axis=1))


def correlation_root(partial: np.ndarray, k: int) -> np.ndarray:
    """Return Cholesky factors of correlations: (point, feature, feature)."""
    z = np.clip(np.tanh(partial), -CLOSEST, CLOSEST)
    root = np.zeros((len(partial), k, k))
    at = 0
    for i in range(k):
        left = np.ones(len(partial))
        for j in range(i):
            root[:, i, j] = z[:, at] * np.sqrt(left)
            left = left * (1 - z[:, at] ** 2)
            at += 1
        root[:, i, i] = np.sqrt(left)
    return root
