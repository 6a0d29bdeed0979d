"""The evidence of a linear reward family, from all feedback together.

Every feedback multiplies inside the integral over the weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_line import Line
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.inference.laplace import (
    K_HAT,
    Base,
    Bell,
    Weighted,
    from_mixture,
    from_prior,
    gradient_of,
)
from reward_hypotheses.models.inference.smc import smc
from reward_hypotheses.models.inference.smc_from_approximation import tempered
from reward_hypotheses.models.linear_family.approximation import (
    LEAST_DRAWS,
    MANY,
    PRIOR_DRAWS,
    STARTS,
    WORK,
    approximated,
    hardened,
    slopes_of,
)
from reward_hypotheses.models.linear_family.best_coordinates import RANK, coordinates_of, relative
from reward_hypotheses.models.linear_family.coordinates import Coordinates
from reward_hypotheses.models.linear_family.likelihood_terms import CELLS, terms_of
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.linear_family.sphere_coordinates import RationalityScaledSphere, Sphere
from reward_hypotheses.models.linear_family.term import LikelihoodTerm

TOO_LARGE = 0.1  # Monte Carlo error of a log evidence, nats, above which another method is tried
ENOUGH = 1000.0
"""Effective draws with which importance sampling from the prior is good enough."""
FEWEST = 200.0
"""Effective draws with which Laplace's approximation is good enough in many dimensions."""
QUICK_NUTS, MOST_NUTS = 100_000, 1_000_000
"""Features times items up to which NUTS is a fallback, of about a minute, and up to which it may be asked for."""


@dataclass(frozen=True)
class Nuts:
    """Settings of NUTS for a family.

    Attributes
    ----------
    first : bool
        Whether NUTS is the first method, or only a fallback.
    draws, chains, seed : int
    """

    first: bool = False
    draws: int = 1000
    chains: int = 4
    seed: int = 0


def fit_family(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: Line,
    n: int,
    rng: np.random.Generator,
    scale: np.ndarray | None = None,
    nuts: Nuts | None = None,
) -> tuple[Fitted, float, float]:
    """Integrate over a family's weights, for draws and the log evidence.

    The evidence is ``log integral p(w) prod_k [integral p(D_k | r_w, theta_k) p(theta_k) dtheta_k] dw``; see
    `FamilyIntegral` for the methods.

    Parameters
    ----------
    line : Line
        Failure line of the family, if it has one.
    n : int
        Draws of the weights.
    scale : ndarray (feature,), optional
        Unit of each feature, where the rows of these feedbacks do not give it.
    nuts : Nuts, optional
        Settings of NUTS.

    Returns
    -------
    Fitted, float, float
        Draws of the weights; log evidence, nats; Monte Carlo error of the log evidence, nats.

    Raises
    ------
    InputError
        A feature that does not vary and has no unit, or a kind of feedback that does not give its inputs.
    """
    scale, terms = terms_of(name, linear, feedback, line, scale=scale)
    seen, unseen = directions(terms)
    nuts = Nuts() if nuts is None else nuts
    space = coordinates_of(linear, scale, terms, seen, unseen)
    if nuts.first and isinstance(space, RationalityScaledSphere):
        # lengths are spread over powers of ten: in their logs NUTS gets on
        space = Sphere(space.basis, space.unseen, {space.variable: space.prior} | space.nuisances)
    method, sample, sampler = FamilyIntegral(name, space, terms, nuts).estimate(n, rng)
    points = sample.points[sample.resampled(n, rng)]
    weights = space.complete_weights(points[:, : space.dimension], rng)
    theta = space.theta(points)
    nuisances: dict[str, np.ndarray] = {}
    for each, term in zip(feedback, terms, strict=True):
        nuisances |= term.nuisance_draws(weights, theta, rng)
        for key in each.nuisances:  # under a normal prior the rationality is the length of the weights
            nuisances.setdefault(each.variable(key), np.ones(n))
    fitted = Fitted(
        linear,
        scale,
        weights.mean(axis=0),
        weights,
        nuisances,
        method=method,
        k_hat=sample.k_hat,
        ess=sample.effective,
        seen=seen,
        directions_only=linear.sd is None and all(term.scale_free for term in terms),
        spreads=spreads(terms),
        sampler=sampler,
    )
    return fitted, sample.value, sample.mcse


def directions(terms: Sequence[LikelihoodTerm]) -> tuple[np.ndarray, np.ndarray]:
    """Return bases of the directions of weight that feedback sees, and of the rest.

    Two arrays (feature, direction).
    """
    values, vectors = np.linalg.eigh(np.sum([relative(term.gram) for term in terms], axis=0))
    visible = values > RANK * max(float(values[-1]), 1e-300)
    return vectors[:, visible], vectors[:, ~visible]


def spreads(terms: Sequence[LikelihoodTerm]) -> dict[str, np.ndarray]:
    """Return `Fitted.spreads`, by variable of a rationality."""
    return {
        term.feedback.variable("rationality"): term.spread for term in reversed(terms) if isinstance(term, SoftmaxTerm)
    }


class FamilyIntegral:
    """Integral of a family's likelihood over its weights and nuisances.

    The quickest method that can be trusted is taken. Laplace's approximation corrected by importance sampling comes
    first. Where its Pareto k-hat is above 0.7, importance sampling from the prior follows if it leaves 1,000 effective
    draws; else sequential Monte Carlo. With more than 40 weights, Laplace's approximation must leave 200 effective
    draws, and the estimate comes from new draws, not from those that were judged. Sequential Monte Carlo then starts
    from the approximation where there are gradients. Where its error is above 0.1 nats, NUTS and bridge sampling take
    over, up to 100,000 features times items.

    With a fixed rationality the length of a direction is arbitrary. With 100 features the approximation then fits
    badly, and sequential Monte Carlo takes minutes.
    """

    def __init__(self, name: str, space: Coordinates, terms: Sequence[LikelihoodTerm], nuts: Nuts) -> None:
        self.name, self.space, self.terms, self.nuts = name, space, terms, nuts
        self.cells = sum(term.cells for term in terms)
        self.base = Base(self.log_prior, space.prior_draws)
        self.bells: tuple[Bell, ...] = ()
        self.many = space.dimension > MANY
        self.sloped = self.many and all(term.sloped for term in terms)

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Return the log prior density of points: (point,)."""
        with np.errstate(all="ignore"):
            density = self.space.log_prior(points)
        return np.where(np.isnan(density), -np.inf, density)

    def log_likelihood(self, points: np.ndarray, terms: Sequence[LikelihoodTerm] | None = None) -> np.ndarray:
        """Return the log likelihood of points: (point,).

        By all terms unless others are given.
        """
        terms, space = self.terms if terms is None else terms, self.space
        out = np.empty(len(points))
        step = max(1, CELLS // max(sum(term.holds for term in terms), 1))
        for lo in range(0, len(points), step):
            some = points[lo : lo + step]
            weights, theta = space.weights(some[:, : space.dimension]), space.theta(some)
            with np.errstate(all="ignore"):
                total = sum((term.log_likelihood(weights, theta) for term in terms), np.zeros(len(some)))
            out[lo : lo + step] = np.where(np.isnan(total), -np.inf, total)
        return out

    def log_posterior(self, points: np.ndarray) -> np.ndarray:
        """Return the log posterior density of points, not normalised: (point,)."""
        return self.log_prior(points) + self.log_likelihood(points)

    def slopes(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of the log prior and of the log likelihood.

        Two arrays (point, dimension).
        """
        return slopes_of(self.space, self.terms, points)

    def posterior_slopes(self, points: np.ndarray) -> np.ndarray:
        """Return the gradient of the log posterior: (point, dimension)."""
        return np.asarray(np.add(*self.slopes(points)))

    def estimate(self, least: int, rng: np.random.Generator) -> tuple[str, Weighted, Any]:
        """Return the method, the integral with a weighted sample, and NUTS's report.

        Parameters
        ----------
        least : int
            Smallest number of draws.

        Returns
        -------
        str, Weighted, Sampler or None
            The report is None where NUTS did not run.
        """
        if not self.space.dimension:  # no weight matters; where no nuisance does either, this is exact
            sample = from_prior(self.log_likelihood, self.space.prior_draws(least, rng))
            if sample.mcse == 0:
                return "prior", replace(sample, k_hat=math.nan), None
        if all(term.smooth for term in self.terms):
            sample = approximated(
                self.space, self.terms, self.log_likelihood, self.log_posterior, self.base, least, rng
            )
            self.bells = sample.bells
            if self.nuts.first:
                return "nuts", *self._by_nuts()
            if self.many and math.isfinite(sample.value):
                enough = sample.effective >= FEWEST
                if enough and sample.k_hat <= K_HAT:  # judged by these draws, and so not estimated from them
                    base = None if self.space.log_concave else self.base
                    sample = from_mixture(self.log_posterior, list(self.bells), rng, len(sample.points), base, fits=0)
            else:
                enough = True
            if sample.k_hat <= K_HAT and math.isfinite(sample.value) and enough:
                return "laplace", sample, None
        prior_sample = self._by_prior_draws(rng)
        if prior_sample is not None:
            return "prior", prior_sample, None
        if self.sloped and self.bells:
            return self._by_tempering(rng)
        return "smc", self._by_smc(rng), None

    def _by_prior_draws(self, rng: np.random.Generator) -> Weighted | None:
        """Sample by importance from the prior; None where that cannot be trusted."""
        n = int(np.clip(WORK // max(self.cells, 1), LEAST_DRAWS, PRIOR_DRAWS))
        points = self.space.prior_draws(n, rng)
        if self.sloped:
            pilot = from_prior(self.log_likelihood, points[:LEAST_DRAWS])
            if pilot.effective < ENOUGH * LEAST_DRAWS / n / 10:
                return None
        sample = from_prior(self.log_likelihood, points)
        return sample if sample.k_hat <= K_HAT and sample.effective >= ENOUGH else None

    def _by_tempering(self, rng: np.random.Generator) -> tuple[str, Weighted, Any]:
        """Temper from the approximation; sample by NUTS where the error stays large.

        The result of NUTS is taken where it passes its gates and has the smaller error.
        """
        known = self.space.log_concave or isinstance(self.space, RationalityScaledSphere)
        base = None if known else self.base
        sample = tempered(
            self.log_posterior, self.posterior_slopes, self.bells, base, lambda points: self.slopes(points)[0], rng
        )
        if sample.mcse > TOO_LARGE and self.space.dimension * self.cells <= QUICK_NUTS:
            by_nuts, sampler = self._by_nuts()
            if not sampler.problems and by_nuts.mcse < sample.mcse:
                return "nuts", by_nuts, sampler
        return "smc", sample, None

    def _by_smc(self, rng: np.random.Generator) -> Weighted:
        """Temper from the prior, through a likelihood in which nothing is impossible."""
        soft = [term.softened() for term in self.terms]
        slopes = self.slopes if self.sloped else None
        sample = smc(
            self.log_prior, lambda points: self.log_likelihood(points, soft), self.space.prior_draws, rng, slopes
        )
        if any(softened is not term for softened, term in zip(soft, self.terms, strict=True)):
            lost = self.log_likelihood(sample.points) - self.log_likelihood(sample.points, soft)
            sample = hardened(sample, lost)
        return sample

    def _by_nuts(self) -> tuple[Weighted, Any]:
        """Sample by NUTS, and estimate the integral by bridge sampling.

        The coordinates are those in which the best approximation is round; without one, those in which the prior is
        round.
        """
        from reward_hypotheses.models.inference.nuts import nuts

        how = self.nuts
        if self.bells:
            bell = max(self.bells, key=lambda bell: bell.share)
        else:
            points = self.space.prior_draws(STARTS * 10, np.random.default_rng(how.seed))
            bell = Bell(points.mean(axis=0), np.linalg.cholesky(np.cov(points.T).reshape(points.shape[1], -1)), 1.0)

        def slopes(points: np.ndarray) -> np.ndarray:
            if all(term.sloped for term in self.terms):
                return self.posterior_slopes(points)
            return np.array([gradient_of(self.log_posterior, point) for point in points])

        return nuts(self.name, self.log_posterior, slopes, bell, how.draws, how.chains, how.seed)
