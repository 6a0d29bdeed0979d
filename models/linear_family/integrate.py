"""The evidence of a family of rewards: every feedback multiplies inside the integral over its weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.rounding import EPS
from reward_hypotheses.models.feedback.base import ClosedForm, Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational, grouped, in_rows, softmax
from reward_hypotheses.models.feedback.boltzmann.sequential import LinearSteps, Stages
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Fitted, Linear, combination
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.laplace import (
    FITS,
    K_HAT,
    Base,
    Bell,
    Weighted,
    from_mixture,
    from_prior,
    gradient_of,
    laplace,
)
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.inference.smc import smc
from reward_hypotheses.models.inference.special import log_gamma
from reward_hypotheses.models.inference.tempering import bells_of_shell, tempered
from reward_hypotheses.models.weights.feature_units import feature_scale

TOO_LARGE = 0.1  # Monte Carlo error of a log evidence, nats, above which another way is tried
MANY = 40  # dimensions above which only gradients lead anywhere
CELLS = 2_000_000  # numbers that the likelihood of a block of points holds at once
WORK, MOST_DRAWS = 100_000_000, 16_000  # numbers that the draws of one integral cost, at most; draws
QUICK_WORK, MOST_QUICK = 1_000_000_000, 48_000  # of likelihoods that are quick
LEAST_DRAWS, PRIOR_DRAWS = 4000, 100_000
MOST_STAGES = 20_000  # from which the curvature is estimated
RANK = 1e-13
"""Directions of weight along which the sum of squared rewards is less than this, relative to the most, do not move them."""
ENOUGH = 1000.0
"""Effective draws with which importance sampling from the prior is good enough."""
FEWEST = 200.0
"""Effective draws with which Laplace's approximation is good enough in many dimensions."""
QUICK_NUTS, MOST_NUTS = 100_000, 1_000_000
"""Features times items up to which NUTS is fallen back to, which takes about a minute, and up to which it may be asked for."""
STARTS, SEVERAL = 256, 5
"""Draws from the prior among which to look for places to climb from, and how many of these there are."""
CORNERS = 8
AT_ONCE = 4096  # units of a block: few enough that what many points make of it stays in a core's cache
FEW_CELLS = 20_000_000  # numbers that a gradient costs, up to which several climbs are worth it
ELSEWHERE = 0.7  # cosine below which two points lie in different directions
ROUNDS = 20  # that it takes to plan, about


@dataclass(frozen=True, eq=False)
class Seen:
    """What a family says about the items of one feedback: rewards ``r_w = x w`` and failure lines (item,)."""

    probes: Valuation
    x: np.ndarray
    line: np.ndarray | None


@dataclass(frozen=True)
class Nuts:
    """How NUTS is to sample a family, and whether from the first or only where nothing quicker can be trusted."""

    first: bool = False
    draws: int = 1000
    chains: int = 4
    seed: int = 0


class Term(ABC):
    """What one feedback adds to the log likelihood of weights."""

    smooth = True
    """Whether it has derivatives."""
    sloped = False
    """Whether `slopes` gives them."""

    def __init__(self, feedback: Feedback) -> None:
        self.feedback = feedback

    @property
    def nuisances(self) -> dict[str, Nuisance]:
        """Nuisances that are integrated along with the weights, by variable."""
        return {self.feedback.variable(key): prior for key, prior in self.feedback.nuisances.items()}

    @property
    @abstractmethod
    def cells(self) -> int:
        """Numbers that a likelihood holds for each point."""

    @property
    def holds(self) -> int:
        """Numbers that a likelihood keeps at once for each point of those that it is given together."""
        return self.cells

    @property
    @abstractmethod
    def gram(self) -> np.ndarray:
        """(feature, feature): its null space holds the changes of weight that this feedback cannot see."""

    @abstractmethod
    def symbolic(self, weights: Any, xp: Any) -> Any:
        """What the kind's own `log_likelihood` depends on, at one PyMC tensor of weights (feature,)."""

    @abstractmethod
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """``log p(D | w, theta)`` of points: weights (point, feature), nuisances (point,) by variable; (point,)."""

    def slopes(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Gradient of `log_likelihood`: by weight (point, feature), and by its nuisances (point,) by variable.

        Only terms that are `sloped` are asked.
        """
        raise InputError(f"{self.feedback.name}: {self.feedback.kind} give no gradient by continuous weights")

    @property
    def scale_free(self) -> bool:
        """Whether weights in the same direction are all the same to it."""
        return False

    def softened(self) -> "Term":
        """The same where nothing is impossible, to temper through; itself where nothing is."""
        return self

    def given(
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draws of its nuisances that go with draws of the weights: (draw,) by variable."""
        return {variable: theta[variable] for variable in self.nuisances}


class Choosing(Term):
    """Kinds with a rationality: what they depend on is affine in the weights, ``(x w + c) / s(w)``.

    Attributes
    ----------
    x : ndarray (unit, [option,] feature + 1)
        Last, c; less what does not matter to the choice. Units that are alike are one, with a count.
    spread : ndarray (feature + 1, feature + 1)
        ``s(w)^2 = (w, 1)' spread (w, 1)``; the unit matrix's last entry alone if raw.
    """

    feedback: Rational

    def __init__(self, feedback: Rational, seen: Seen, group: bool = True) -> None:
        super().__init__(feedback)
        n = len(seen.probes.hypotheses) - 1
        raw = [feedback.rewards(seen.probes, j) for j in range(n + 1)]
        raw[:n] = [one - raw[n] for one in raw[:n]]
        self.spread = np.zeros((n + 1, n + 1))
        self.spread[n, n] = 1.0
        if feedback.scale == "unit":
            apart = np.stack([feedback.deviations(one).ravel() for one in raw])
            self.spread = apart @ apart.T
        inside = feedback.inside
        worths = [feedback.centred(one, inside, seen.probes, 0) for one in raw]
        x = np.where(inside[..., None], np.stack(worths, axis=-1), -np.inf)
        if feedback.idle.any():
            x[feedback.idle] = np.where(inside[feedback.idle][..., None], 0.0, -np.inf)
        said = np.asarray(feedback.observed, float)
        self.counts: np.ndarray
        self.x, self.said, self.counts = grouped(x, said, feedback.counts) if group else (x, said, feedback.times)
        self.inside = self.x[..., -1] > -np.inf
        self.x = np.where(self.inside[..., None], self.x, 0.0)
        self.everywhere = bool(self.inside.all())
        stages = feedback.as_stages(self.said, self.inside, self.counts)
        self.steps: LinearSteps | None = None
        self.sloped = stages is not None
        if stages is not None:
            columns = [feedback.options(self.x[..., k]) for k in range(self.x.shape[-1])]
            blocks = Stages(stages.ranks, stages.inside, self._counts_or_none(), AT_ONCE)
            self.steps = LinearSteps(blocks, np.stack(columns, axis=-1))

    @property
    def scale_free(self) -> bool:  # noqa: D102
        return self.feedback.scale == "unit" and not self.x[..., -1].any() and not self.spread[-1].any()

    @property
    def cells(self) -> int:  # noqa: D102
        return self.inside.size

    @property
    def gram(self) -> np.ndarray:  # noqa: D102
        flat = self.x[..., :-1].reshape(-1, self.x.shape[-1] - 1)
        weight = np.sqrt(np.repeat(self.counts, flat.shape[0] // len(self.counts)))[:, None]
        return (flat * weight).T @ (flat * weight)

    def scales(self, weights: np.ndarray) -> np.ndarray:
        """``s(w)``: (point,)."""
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return np.sqrt(np.maximum(((full @ self.spread) * full).sum(axis=1), 0.0))

    def scaled(self, weights: np.ndarray) -> np.ndarray:
        """``(w, 1) / s(w)``, and 0, which chooses at chance, where all rewards are equal: (point, feature + 1)."""
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return full * self._per_scale(weights)[:, None]

    def _per_scale(self, weights: np.ndarray) -> np.ndarray:
        """``1 / s(w)``, and 0 where all rewards are equal: (point,)."""
        s = self.scales(weights)
        largest = np.sqrt(np.trace(self.spread[:-1, :-1]) * (weights**2).sum(axis=1) + self.spread[-1, -1])
        return np.asarray(np.where(s > (weights.shape[1] + 1) * EPS * largest, 1 / np.where(s > 0, s, 1.0), 0.0))

    def slopes(  # noqa: D102
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert self.steps is not None
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        per_scale = self._per_scale(weights)[:, None]
        mine = {key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances}
        beta = np.reshape(self.feedback.beta(mine), (-1, 1))
        found = self.steps.slopes(full * per_scale * beta)
        along = (found * full).sum(axis=1, keepdims=True) * per_scale
        of_weights = beta * per_scale * (found - along * per_scale * (full @ self.spread))
        return of_weights[:, :-1], {self.feedback.variable(key): along[:, 0] for key in mine}

    @property
    def holds(self) -> int:  # noqa: D102
        return self.inside.size if self.steps is None else self.x.shape[-1]  # blocks of units take few points at a time

    def _counts_or_none(self) -> np.ndarray | None:
        return None if (self.counts == 1).all() else self.counts

    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: D102
        scaled = self.scaled(weights)
        if self.steps is not None:
            beta = self.feedback.beta({key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances})
            return self.steps.log_likelihoods(scaled * np.reshape(beta, (-1, 1)))
        inputs = (scaled @ self.x.reshape(-1, self.x.shape[-1]).T).reshape(len(weights), *self.inside.shape)
        if not self.everywhere:
            inputs = np.where(self.inside, inputs, -np.inf)
        mine = {key: theta[self.feedback.variable(key)][:, None] for key in self.feedback.nuisances}
        found = self.feedback.log_likelihood(inputs, mine, self.said, np)
        return np.broadcast_to(found, (len(weights), len(self.counts))) @ self.counts

    def symbolic(self, weights: Any, xp: Any) -> Any:
        """What the likelihood depends on at one tensor of weights (feature,): (unit[, option])."""
        full = xp.concatenate([weights, xp.ones(1)])
        inputs = xp.dot(self.x, full)
        if self.spread.any():  # else there is nothing to compare
            inputs = inputs / xp.sqrt(xp.dot(full, xp.dot(self.spread, full)))
        return inputs if self.everywhere else xp.where(self.inside, inputs, -np.inf)

    def information(self, effective: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Fisher information of ``beta (w, 1) / s(w)``, from some of the stages where there are many."""
        share = min(1.0, MOST_STAGES / len(self.counts))
        some = np.flatnonzero(rng.random(len(self.counts)) < share) if share < 1 else np.arange(len(self.counts))
        x, said, inside = self.x[some], self.said[some], self.inside[some]
        inputs = np.where(inside, x @ effective, -np.inf)
        given, _, unit = self.feedback.stages(inputs, said)
        columns = [self.feedback.options(np.where(inside, x[..., k], 0.0)) for k in range(x.shape[-1])]
        features = np.stack(columns, axis=-1)  # (unit, option, feature)
        count = np.sqrt(self.counts[some] / share)
        chances = in_rows(softmax(1.0, given), unit, len(some)) * count[:, None, None]
        means = np.matmul(chances, features)
        weighted = features * (chances.sum(axis=1) * count[:, None])[..., None]
        k = x.shape[-1]
        means = means.reshape(-1, k)
        return weighted.reshape(-1, k).T @ features.reshape(-1, k) - means.T @ means


class Whole(Term):
    """Kinds that depend on rewards item by item, their nuisance in closed form if they have one, else integrated along."""

    def __init__(self, feedback: Feedback, seen: Seen) -> None:
        super().__init__(feedback)
        self.seen, self.x, self.line = seen, seen.x, seen.line
        self.observed = np.asarray(feedback.observed)
        self.counts = np.ones(len(seen.x)) if feedback.counts is None else feedback.counts
        self.smooth = not in_steps(feedback)

    @property
    def nuisances(self) -> dict[str, Nuisance]:  # noqa: D102
        return {} if isinstance(self.feedback, ClosedForm) else super().nuisances

    @property
    def cells(self) -> int:  # noqa: D102
        return len(self.x)

    @property
    def scale_free(self) -> bool:
        """Labels by a line of 0 are."""
        return not self.smooth and (self.line is None or not self.line.any())

    def softened(self) -> Term:  # noqa: D102
        soft = self.feedback.softened()
        return self if soft is self.feedback else Whole(soft, self.seen)

    @property
    def gram(self) -> np.ndarray:  # noqa: D102
        return (self.x * self.counts[:, None]).T @ self.x

    def _predicted(self, weights: np.ndarray) -> np.ndarray:
        rewards = weights @ self.x.T
        line: Any = 0.0 if self.line is None else self.line
        if type(self.feedback).predicted is Feedback.predicted:
            return rewards
        error = self.x.shape[1] * EPS * (np.abs(weights) @ np.abs(self.x.T)) + EPS * np.abs(line)
        return self.feedback.predicted(rewards, line, 2 * error)

    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Rewards at one tensor of weights: (item,)."""
        if not self.smooth:
            raise InputError(
                f"{self.feedback.name}: {self.feedback.kind} are steps in continuous weights, which NUTS cannot climb; fit() sums them "
                "up by sequential Monte Carlo"
            )
        return self.feedback.predicted(xp.dot(self.x, weights), self.line, 0.0)

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        assert isinstance(self.feedback, ClosedForm)
        terms = self.feedback.terms(self._predicted(weights), self.observed)
        return (terms.sum(axis=-1) if self.feedback.counts is None else terms @ self.counts).T.astype(float)

    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: D102
        if isinstance(self.feedback, ClosedForm):
            return np.asarray(self.feedback.log_marginal(self._sums(weights), self.feedback.n_answers))
        mine = {key: theta[self.feedback.variable(key)][:, None] for key in self.feedback.nuisances}
        found = self.feedback.log_likelihood(
            self._predicted(weights).astype(float), mine, self.observed.astype(float), np
        )
        return np.broadcast_to(found, (len(weights), len(self.x))) @ self.counts

    def given(  # noqa: D102
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        if not isinstance(self.feedback, ClosedForm):
            return super().given(weights, theta, rng)
        if not self.feedback.nuisances:
            return {}
        step = max(1, CELLS // len(self.x))
        sums = np.vstack([self._sums(weights[lo : lo + step]) for lo in range(0, len(weights), step)])
        drawn = self.feedback.posterior_draws(sums, self.feedback.n_answers, 1, rng)
        return {self.feedback.variable(key): values[0] for key, values in drawn.items()}


class Planned(Term):
    """Kinds with a rationality that say themselves how likely what was said is under many rewards at once.

    Attributes
    ----------
    x : ndarray (item, feature)
        Features in standard deviations.
    """

    feedback: Rational

    def __init__(self, feedback: Rational, probes: Valuation) -> None:
        super().__init__(feedback)
        n = len(probes.hypotheses) - 1
        self.x = np.stack([Feedback.at(feedback, probes, j) for j in range(n)], axis=-1)
        if feedback.idle.all():
            self.x = np.zeros(self.x.shape)

    @property
    def cells(self) -> int:
        """As many as take as long: a plan is worked out in many rounds."""
        return ROUNDS * self.feedback.plan_size

    @property
    def gram(self) -> np.ndarray:  # noqa: D102
        apart = self.x - self.x.mean(axis=0) if self.feedback.shift_free else self.x
        return apart.T @ apart

    def symbolic(self, weights: Any, xp: Any) -> Any:  # noqa: D102
        raise InputError(
            f"{self.feedback.name}: {self.feedback.kind} are planned anew for all continuous weights, which PyMC cannot do; fit() "
            "integrates them by importance sampling or sequential Monte Carlo"
        )

    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: D102
        beta = self.feedback.beta({key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances})
        return self.feedback.log_likelihood_of(
            weights @ self.x.T, np.broadcast_to(np.asarray(beta, float), len(weights))
        )


class Space(ABC):
    """Coordinates over which a family is integrated: of its weights, then of the nuisances that go along."""

    def __init__(self, dimension: int, nuisances: Mapping[str, Nuisance]) -> None:
        self.dimension, self.nuisances = dimension, dict(nuisances)

    @abstractmethod
    def weights(self, at: np.ndarray) -> np.ndarray:
        """Weights (point, feature), but for what no feedback sees."""

    @abstractmethod
    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:
        """Log prior density of the coordinates of the weights: (point,)."""

    @abstractmethod
    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Coordinates drawn from the prior: (n, dimension)."""

    def whole(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Weights (point, feature), with a draw of what no feedback sees."""
        return self.weights(at)

    def mirrored(self, point: np.ndarray) -> np.ndarray:
        """The opposite weights with the same nuisances: where another mode may be."""
        return np.concatenate([-point[: self.dimension], point[self.dimension :]])

    def corners(self) -> np.ndarray:
        """Points where a mode may be that draws from the prior seldom come near: (point, all dimensions)."""
        return np.zeros((0, self.dimension + len(self.nuisances)))

    def theta(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Nuisances by variable: (point,)."""
        columns = points[:, self.dimension :].T
        return {key: prior.from_line(c)[0] for (key, prior), c in zip(self.nuisances.items(), columns, strict=True)}

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Log prior density of points (point,)."""
        total = self.log_prior_of_weights(points[:, : self.dimension])
        for prior, column in zip(self.nuisances.values(), points[:, self.dimension :].T, strict=True):
            total = total + _density_on_line(prior, column)
        return total

    @abstractmethod
    def slopes_of_weights(
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients by the coordinates of the weights, of their log prior and of the log likelihood: (point, dimension).

        The latter from its gradient by weight (point, feature) and by nuisance (point,).
        """

    def slopes(
        self, points: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of the log prior and of the log likelihood by all coordinates: (point, all dimensions)."""
        of_prior, of_likelihood = self.slopes_of_weights(points[:, : self.dimension], of_weights, of_theta)
        priors, likelihoods = [of_prior], [of_likelihood]
        for (key, prior), column in zip(self.nuisances.items(), points[:, self.dimension :].T, strict=True):
            jacobian = prior.from_line(column)[1]
            priors.append(_slope(partial(_density_on_line, prior), column)[:, None])
            likelihoods.append((of_theta[key] * np.exp(jacobian))[:, None])
        return np.hstack(priors), np.hstack(likelihoods)

    def prior_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Points drawn from the prior: (n, all dimensions)."""
        parts = [self.prior_draws_of_weights(n, rng)]
        parts += [prior.to_line(prior.draws((n,), rng))[:, None] for prior in self.nuisances.values()]
        return np.hstack(parts)


def _density_on_line(prior: Nuisance, column: np.ndarray) -> np.ndarray:
    """Log density of a nuisance that was mapped to the line: (point,)."""
    value, jacobian = prior.from_line(column)
    return np.asarray(prior.log_density(value) + jacobian)


def _slope(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Derivative of a function of one number at many, by differences: (point,)."""
    return (f(at + step) - f(at - step)) / (2 * step)


class Gaussian(Space):
    """Independent weights, in units of their standard deviation; of these the directions that some feedback sees.

    What no feedback sees keeps its prior, and is drawn from it.
    """

    def __init__(self, basis: np.ndarray, unseen: np.ndarray, sd: float, nuisances: Mapping[str, Nuisance]) -> None:
        super().__init__(basis.shape[1], nuisances)
        self.basis, self.unseen, self.sd = basis, unseen, sd

    def weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        return self.sd * at @ self.basis.T

    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        return -0.5 * (at**2).sum(axis=1) - 0.5 * at.shape[1] * math.log(2 * math.pi)

    def slopes_of_weights(  # noqa: D102
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        return -at, self.sd * of_weights @ self.basis

    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        return rng.standard_normal((n, self.dimension))

    def whole(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        return self.weights(at) + self.sd * rng.standard_normal((len(at), self.unseen.shape[1])) @ self.unseen.T


class Unseen(Space):
    """Weights none of which some feedback sees: all keep their prior, and are drawn from it."""

    def __init__(self, linear: Linear, nuisances: Mapping[str, Nuisance]) -> None:
        super().__init__(0, nuisances)
        self.linear = linear

    def weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        return np.zeros((len(at), len(self.linear.features)))

    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        return np.zeros(len(at))

    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        return np.zeros((n, 0))

    def slopes_of_weights(  # noqa: D102
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        return at, at

    def whole(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        return self.linear.prior_draws(len(at), rng)


class Sphere(Space):
    """Directions: a Gaussian vector of which the length means nothing.

    Coordinates are its parts z along the directions that some feedback sees and, where there are others, the log of the
    length g of the rest, chi distributed: ``w_seen = z / sqrt(|z|^2 + g^2)``. The direction of the rest is drawn from its prior.
    """

    def __init__(self, basis: np.ndarray, unseen: np.ndarray, nuisances: Mapping[str, Nuisance]) -> None:
        self.seen, self.rest = basis.shape[1], unseen.shape[1]
        super().__init__(self.seen + (1 if self.rest else 0), nuisances)
        self.basis, self.unseen = basis, unseen

    def _parts(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Parts that are seen, length of the rest, and of both: (point, seen), (point,), (point,)."""
        z = at[:, : self.seen]
        g = np.exp(np.clip(at[:, self.seen], -300.0, 300.0)) if self.rest else np.zeros(len(at))
        return z, g, np.maximum(np.sqrt((z**2).sum(axis=1) + g**2), 1e-300)

    def weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        z, _, length = self._parts(at)
        return (z / length[:, None]) @ self.basis.T

    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        z, g, _ = self._parts(at)
        normal = -0.5 * (z**2).sum(axis=1) - 0.5 * self.seen * math.log(2 * math.pi)
        if not self.rest:
            return normal
        k = self.rest
        half = float(log_gamma(np.array([k / 2]))[0])
        return normal + k * at[:, self.seen] - 0.5 * g**2 - (k / 2 - 1) * math.log(2.0) - half

    def slopes_of_weights(  # noqa: D102
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

    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        z = rng.standard_normal((n, self.seen))
        return np.hstack([z, 0.5 * np.log(rng.chisquare(self.rest, n))[:, None]]) if self.rest else z

    def whole(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        if not self.rest:
            return self.weights(at)
        _, g, length = self._parts(at)
        direction = rng.standard_normal((len(at), self.rest))
        direction /= np.sqrt((direction**2).sum(axis=1, keepdims=True))
        return self.weights(at) + (g / length)[:, None] * direction @ self.unseen.T

    def mirrored(self, point: np.ndarray) -> np.ndarray:  # noqa: D102
        return np.concatenate([-point[: self.seen], point[self.seen :]])


class Shell(Space):
    """Directions whose length is the rationality of one human: ``v = beta w / s(w)``, in which choices are log-concave.

    Only directions that some feedback sees are integrated over; the others keep their prior, and are drawn from it. With r
    of these, ``p(v) = Gamma(r/2) / (2 pi^(r/2)) |v|^-r p(log beta)``, beta = s(v).
    """

    def __init__(
        self, basis: np.ndarray, unseen: np.ndarray, lead: Choosing, nuisances: Mapping[str, Nuisance]
    ) -> None:
        variable = lead.feedback.variable("rationality")
        rest = {key: prior for key, prior in nuisances.items() if key != variable}
        super().__init__(basis.shape[1], rest)
        self.basis, self.unseen, self.lead, self.variable, self.prior = (
            basis, unseen, lead, variable, nuisances[variable],
        )  # fmt: skip

    def weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        return at @ self.basis.T

    def theta(self, points: np.ndarray) -> dict[str, np.ndarray]:  # noqa: D102
        beta = self.lead.scales(self.weights(points[:, : self.dimension]))
        return {self.variable: beta} | super().theta(points)

    def log_prior_of_weights(self, at: np.ndarray) -> np.ndarray:  # noqa: D102
        r = self.dimension
        beta = self.lead.scales(self.weights(at))
        with np.errstate(divide="ignore", invalid="ignore"):
            length = 0.5 * np.log((at**2).sum(axis=1))
            found = self.prior.log_density(beta) + np.log(beta) - r * length
        area = math.log(2.0) + 0.5 * r * math.log(math.pi) - float(log_gamma(np.array([r / 2]))[0])
        return np.where(np.isfinite(found), found - area, -np.inf)

    def slopes_of_weights(  # noqa: D102
        self, at: np.ndarray, of_weights: np.ndarray, of_theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        weights = self.weights(at)
        beta = self.lead.scales(weights)
        of_log_beta = (weights @ self.lead.spread[:-1, :-1] / beta[:, None] ** 2) @ self.basis
        rise = _slope(partial(_density_on_line, self.prior), np.log(beta))
        of_prior = rise[:, None] * of_log_beta - self.dimension * at / (at**2).sum(axis=1, keepdims=True)
        return of_prior, of_weights @ self.basis + (of_theta[self.variable] * beta)[:, None] * of_log_beta

    def prior_draws_of_weights(self, n: int, rng: np.random.Generator) -> np.ndarray:  # noqa: D102
        at = rng.standard_normal((n, self.dimension))
        return at * (self.prior.draws((n,), rng) / self.lead.scales(self.weights(at)))[:, None]

    def corners(self) -> np.ndarray:
        """Along the axes of the spread, shortest first: rewards that hardly differ but where others do not differ at all."""
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
            return sum((_density_on_line(p, c) for p, c in zip(rest, points.T, strict=True)), np.zeros(len(points)))

        start = [*np.zeros(self.dimension), *(float(p.to_line(np.array([p.start]))[0]) for p in rest)]
        return bells_of_shell(
            log_likelihood,
            information,
            log_prior_of_rest,
            np.array(start),
            self.dimension,
            (log_median - per_length, float(draws.std())),
        )

    def whole(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Directions that are not seen as the prior has them, beside those that are."""
        n, unseen = len(at), self.unseen.shape[1]
        direction = self.weights(at) / np.sqrt((at**2).sum(axis=1, keepdims=True))
        if not unseen:
            return direction
        length = np.sqrt(rng.chisquare(self.dimension, n))[:, None]
        full = direction * length + rng.standard_normal((n, unseen)) @ self.unseen.T
        return full / np.sqrt((full**2).sum(axis=1, keepdims=True))


def in_steps(feedback: Feedback) -> bool:
    """Return whether what a feedback depends on jumps as weights move, so that it has no gradient."""
    if isinstance(feedback, Rational) or type(feedback).predicted is Feedback.predicted:
        return False
    return bool(feedback.predicted(np.zeros((1, 1)), 0.0, 0.0).dtype == bool)


def fit_family(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: float | Expression | None,
    n: int,
    rng: np.random.Generator,
    scale: np.ndarray | None = None,
    nuts: Nuts | None = None,
) -> tuple[Fitted, float, float]:
    """Integrate a family out: what is known of its weights, its log evidence, and the Monte Carlo error of that.

    ``log integral p(w) prod_k [integral p(D_k | r_w, theta_k) p(theta_k) dtheta_k] dw``. By Laplace's approximation
    corrected by importance sampling; where its Pareto k-hat is above 0.7, by importance sampling from the prior if that
    leaves 1,000 effective draws; else by sequential Monte Carlo. With more than 40 weights Laplace's approximation is
    to leave 200 effective draws, and other draws than those that were judged are counted. Sequential Monte Carlo then starts
    from the approximation where there are gradients. Where its error is above 0.1 nats, NUTS and bridge sampling take over,
    up to 100,000 features times items.

    A rationality that is known leaves the length of a direction without meaning. With 100 features the approximation then
    fits badly, and sequential Monte Carlo takes minutes.

    Parameters
    ----------
    line : float, Expression or None
        Its failure line, if it has one.
    n : int
        Draws of the weights.
    scale : ndarray (feature,), optional
        Unit of each feature, where the rows of these feedbacks do not give it.
    nuts : Nuts, optional
        How NUTS is to sample.

    Raises
    ------
    InputError
        A feature that does not vary and has no unit, a kind of feedback that does not say what it depends on.
    """
    scale, terms = terms_of(name, linear, feedback, line, scale=scale)
    values, vectors = np.linalg.eigh(np.sum([_relative(term.gram) for term in terms], axis=0))
    visible = values > RANK * max(float(values[-1]), 1e-300)
    nuts = Nuts() if nuts is None else nuts
    space = _space(linear, terms, vectors[:, visible], vectors[:, ~visible])
    if nuts.first and isinstance(space, Shell):  # lengths are spread over powers of ten: in their logs NUTS gets on
        space = Sphere(space.basis, space.unseen, {space.variable: space.prior} | space.nuisances)

    def log_likelihood_of(terms: Sequence[Term], points: np.ndarray) -> np.ndarray:
        out = np.empty(len(points))
        step = max(1, CELLS // max(sum(term.holds for term in terms), 1))
        for lo in range(0, len(points), step):
            some = points[lo : lo + step]
            weights, theta = space.weights(some[:, : space.dimension]), space.theta(some)
            with np.errstate(all="ignore"):
                found = sum((term.log_likelihood(weights, theta) for term in terms), np.zeros(len(some)))
            out[lo : lo + step] = np.where(np.isnan(found), -np.inf, found)
        return out

    method, found, sampler = _integrate(name, space, terms, log_likelihood_of, n, rng, nuts)
    below = np.cumsum(found.weights)
    evenly = (rng.random() + np.arange(n)) / n * below[-1]  # as near to their weights as whole numbers of copies can be
    kept = found.points[rng.permutation(np.minimum(np.searchsorted(below, evenly), len(below) - 1))]
    weights = space.whole(kept[:, : space.dimension], rng)
    theta = space.theta(kept)
    nuisances: dict[str, np.ndarray] = {}
    for one, term in zip(feedback, terms, strict=True):
        nuisances |= term.given(weights, theta, rng)
        for key in one.nuisances:  # under a normal prior the rationality is the length of the weights
            nuisances.setdefault(one.variable(key), np.ones(n))
    fitted = Fitted(
        linear,
        scale,
        weights.mean(axis=0),
        weights,
        nuisances,
        method,
        found.k_hat,
        1 / float(found.weights @ found.weights),
        vectors[:, visible],
        linear.sd is None and all(term.scale_free for term in terms),
        {
            term.feedback.variable("rationality"): term.spread
            for term in reversed(terms)
            if isinstance(term, Choosing) and "rationality" in term.feedback.nuisances
        },
        sampler,
    )
    return fitted, found.value, found.mcse


def _integrate(
    name: str,
    space: Space,
    terms: Sequence[Term],
    log_likelihood_of: Callable[[Sequence[Term], np.ndarray], np.ndarray],
    least: int,
    rng: np.random.Generator,
    nuts: Nuts,
) -> tuple[str, Weighted, Any]:
    """By the quickest way that can be trusted."""
    cells = sum(term.cells for term in terms)

    def log_likelihood(points: np.ndarray) -> np.ndarray:
        return log_likelihood_of(terms, points)

    def log_prior(points: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = space.log_prior(points)
        return np.where(np.isnan(found), -np.inf, found)

    def log_posterior(points: np.ndarray) -> np.ndarray:
        return log_prior(points) + log_likelihood(points)

    if not space.dimension:  # no weight matters; where no nuisance does either, this is exact
        found = from_prior(log_likelihood, space.prior_draws(least, rng))
        if found.mcse == 0:
            return "prior", replace(found, k_hat=math.nan), None

    def slopes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return slopes_of(space, terms, points)

    many = space.dimension > MANY
    sloped = many and all(term.sloped for term in terms)
    base = Base(log_prior, space.prior_draws)
    bells: tuple[Bell, ...] = ()
    if all(term.smooth for term in terms):
        found = _approximated(space, terms, log_likelihood, log_posterior, base, least, rng)
        bells = found.bells
        if nuts.first:
            sampled, sampler = _by_nuts(name, space, terms, log_posterior, bells, nuts)
            return "nuts", sampled, sampler
        if many and math.isfinite(found.value):
            enough = 1 / float(found.weights @ found.weights) >= FEWEST
            if enough and found.k_hat <= K_HAT:  # judged by these draws, and so not estimated from them
                one_hill = None if isinstance(space, Gaussian) else base
                found = from_mixture(log_posterior, list(bells), rng, len(found.points), one_hill, fits=0)
        else:
            enough = True
        if found.k_hat <= K_HAT and math.isfinite(found.value) and enough:
            return "laplace", found, None
    n = int(np.clip(WORK // max(cells, 1), LEAST_DRAWS, PRIOR_DRAWS))
    points = space.prior_draws(n, rng)
    pilot = from_prior(log_likelihood, points[:LEAST_DRAWS]) if sloped else None
    if pilot is None or 1 / float(pilot.weights @ pilot.weights) >= ENOUGH * LEAST_DRAWS / n / 10:
        found = from_prior(log_likelihood, points)
        if found.k_hat <= K_HAT and 1 / float(found.weights @ found.weights) >= ENOUGH:
            return "prior", found, None
    if sloped and bells:
        one_peak = isinstance(space, (Gaussian, Shell))
        found = tempered(
            log_posterior,
            lambda points: np.add(*slopes(points)),
            bells,
            None if one_peak else base,
            lambda points: slopes(points)[0],
            rng,
        )
        if found.mcse > TOO_LARGE and space.dimension * cells <= QUICK_NUTS:
            sampled, sampler = _by_nuts(name, space, terms, log_posterior, bells, nuts)
            if not sampler.problems and sampled.mcse < found.mcse:
                return "nuts", sampled, sampler
        return "smc", found, None
    soft = [term.softened() for term in terms]
    found = smc(
        log_prior,
        lambda points: log_likelihood_of(soft, points),
        space.prior_draws,
        rng,
        slopes if sloped else None,
    )
    if any(one is not term for one, term in zip(soft, terms, strict=True)):
        found = _hardened(found, log_likelihood(found.points) - log_likelihood_of(soft, found.points))
    return "smc", found, None


def _by_nuts(
    name: str,
    space: Space,
    terms: Sequence[Term],
    log_posterior: Callable[[np.ndarray], np.ndarray],
    bells: Sequence[Bell],
    how: Nuts,
) -> tuple[Weighted, Any]:
    """By NUTS and a bridge, in coordinates in which the best approximation is round; of the prior where there is none."""
    from reward_hypotheses.models.inference.nuts import nuts

    if bells:
        bell = max(bells, key=lambda one: one.share)
    else:
        points = space.prior_draws(STARTS * 10, np.random.default_rng(how.seed))
        bell = Bell(points.mean(axis=0), np.linalg.cholesky(np.cov(points.T).reshape(points.shape[1], -1)), 1.0)

    def slopes(points: np.ndarray) -> np.ndarray:
        if all(term.sloped for term in terms):
            return np.add(*slopes_of(space, terms, points))
        return np.array([gradient_of(log_posterior, point) for point in points])

    return nuts(name, log_posterior, slopes, bell, how.draws, how.chains, how.seed)


def slopes_of(space: Space, terms: Sequence[Term], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of the log prior and of the log likelihood by all coordinates: (point, all dimensions)."""
    weights, theta = space.weights(points[:, : space.dimension]), space.theta(points)
    of_weights: np.ndarray = np.zeros(weights.shape)
    of_theta = {variable: np.zeros(len(points)) for variable in theta}
    with np.errstate(all="ignore"):
        for term in terms:
            found, of_own = term.slopes(weights, theta)
            of_weights = of_weights + found
            for variable, slope in of_own.items():
                of_theta[variable] = of_theta[variable] + slope
        return space.slopes(points, of_weights, of_theta)


def _approximated(
    space: Space,
    terms: Sequence[Term],
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    log_posterior: Callable[[np.ndarray], np.ndarray],
    base: Base,
    least: int,
    rng: np.random.Generator,
) -> Weighted:
    """By Laplace's approximation, corrected by importance sampling."""
    cells = sum(term.cells for term in terms)
    quick = all(isinstance(term, Choosing) and term.steps is not None for term in terms)
    work, most = (QUICK_WORK, MOST_QUICK) if quick else (WORK, MOST_DRAWS)
    draws = max(least, int(np.clip(work // max(cells, 1), LEAST_DRAWS, most)))
    softmaxes = [term for term in terms if isinstance(term, Choosing) and term.feedback.staged]
    staged = len(softmaxes) == len(terms)
    if staged and space.dimension > MANY and isinstance(space, Shell):
        bells = space.bells(log_likelihood, _information(space, softmaxes, rng))
        return from_mixture(log_posterior, bells, rng, max(least, min(draws, MOST_DRAWS)), base, fits=0)
    curvature = _curvature(space, softmaxes, rng) if staged else None
    one_hill = staged and isinstance(space, Gaussian)  # a sum of log-concave densities of weights
    thorough = not one_hill and cells * space.dimension <= FEW_CELLS
    starts = _starts(space, log_posterior, SEVERAL if thorough else 1, rng)
    if thorough:
        starts = np.vstack([starts, space.corners()])
    mirrored = None if one_hill else space.mirrored
    fits = FITS if space.dimension <= MANY else 0
    return laplace(log_posterior, starts, rng, curvature, draws, None if one_hill else base, mirrored, fits)


def _starts(
    space: Space, log_posterior: Callable[[np.ndarray], np.ndarray], many: int, rng: np.random.Generator
) -> np.ndarray:
    """Where to climb from: of draws from the prior the best, then the best that points elsewhere, and so on."""
    some = space.prior_draws(STARTS, rng)
    some = some[np.argsort(-log_posterior(some), kind="stable")]
    directions = some / np.maximum(np.sqrt((some**2).sum(axis=1, keepdims=True)), 1e-300)
    kept = [0]
    for i in range(1, len(some)):
        if len(kept) == many:
            break
        if float((directions[kept] @ directions[i]).max()) < ELSEWHERE:
            kept.append(i)
    return some[kept]


def _hardened(found: Weighted, lost: np.ndarray) -> Weighted:
    """What is left of a softened likelihood's sample where the likelihood itself is hard: nothing (-inf), or all, of a point.

    Where nothing is left of any, the evidence is at most the softened one: -inf, for what weighs less than e^-69 a label.
    """
    left = found.weights * np.exp(np.minimum(lost, 0.0))
    share = float(left.sum())
    if share == 0.0:
        return Weighted(-math.inf, 0.0, math.nan, found.points, found.weights)
    spread = math.sqrt(max(1 - share, 0.0) / share * float((found.weights**2).sum()) / share)
    return Weighted(found.value + math.log(share), math.hypot(found.mcse, spread), math.nan, found.points, left / share)


def _curvature(space: Space, terms: Sequence[Choosing], rng: np.random.Generator) -> Any:
    """Minus the second derivatives of the log posterior: the Fisher information of the choices, and the prior's by differences."""
    information = _information(space, terms, rng)
    return lambda at: information(at) + _prior_curvature(space, at, 1e-4)


def _information(space: Space, terms: Sequence[Choosing], rng: np.random.Generator) -> Any:
    """Fisher information of the choices, by the coordinates of a space."""
    step = 1e-4

    def effective(points: np.ndarray, term: Choosing) -> np.ndarray:
        beta = term.feedback.beta(
            {key: space.theta(points)[term.feedback.variable(key)] for key in term.feedback.nuisances}
        )
        return np.reshape(beta, (-1, 1)) * term.scaled(space.weights(points[:, : space.dimension]))

    def of(at: np.ndarray) -> np.ndarray:
        d = len(at)
        unit = step * np.eye(d)
        total = np.zeros((d, d))
        around = np.vstack([at[None], at + unit, at - unit])
        for term in terms:
            found = effective(around, term)
            slopes = (found[1 : d + 1] - found[d + 1 :]) / (2 * step)
            total += slopes @ term.information(found[0], rng) @ slopes.T
        return total

    return of


def _prior_curvature(space: Space, at: np.ndarray, step: float) -> np.ndarray:
    d = len(at)
    unit = step * 10 * np.eye(d)
    i, j = np.triu_indices(d)
    corners = [at + a * unit[i] + b * unit[j] for a in (1, -1) for b in (1, -1)]
    with np.errstate(all="ignore"):
        y = space.log_prior(np.vstack(corners)).reshape(4, -1)
    out = np.zeros((d, d))
    out[i, j] = out[j, i] = -(y[0] - y[1] - y[2] + y[3]) / (4 * (step * 10) ** 2)
    values, vectors = np.linalg.eigh(out)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def _space(linear: Linear, terms: Sequence[Term], seen: np.ndarray, unseen: np.ndarray) -> Space:
    """Coordinates in which the posterior is most like a Gaussian."""
    nuisances: dict[str, Nuisance] = {}
    for term in terms:
        nuisances |= term.nuisances
    if not seen.shape[1]:
        return Unseen(linear, nuisances)
    if linear.sd is not None:
        return Gaussian(seen, unseen, linear.sd, nuisances)
    free = all(isinstance(term, Choosing) and term.scale_free for term in terms)
    lead = next((t for t in terms if isinstance(t, Choosing) and t.feedback.variable("rationality") in nuisances), None)
    if free and lead is not None and _relative(lead.spread[:-1, :-1]).any():
        sees = np.linalg.eigvalsh(seen.T @ _relative(lead.spread[:-1, :-1]) @ seen)
        if len(sees) and sees[0] > RANK * sees[-1]:  # the lead sees all that anybody does
            return Shell(seen, unseen, lead, nuisances)
    return Sphere(seen, unseen, nuisances)


def _relative(gram: np.ndarray) -> np.ndarray:
    top = float(np.abs(gram).max())
    return gram / top if top > 0 else gram


def terms_of(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: float | Expression | None,
    group: bool = True,
    scale: np.ndarray | None = None,
) -> tuple[np.ndarray, list[Term]]:
    """Scale of each feature, and each feedback as a function of the weights; units that are alike as one unless told."""
    scale = feature_scale(name, linear, feedback) if scale is None else scale
    return scale, [_term(name, linear, one, line, scale, group) for one in feedback]


def _term(
    name: str, linear: Linear, one: Feedback, line: float | Expression | None, scale: np.ndarray, group: bool
) -> Term:
    """A feedback as a function of the weights of a family."""
    k = len(linear.features)
    probes = [combination(linear.features, row / scale) for row in np.vstack([np.eye(k), np.zeros((1, k))])]
    valuation = Valuation(
        Hypotheses(tuple(f"{name}: {e.text}" for e in linear.features) + (name,), tuple(probes)),
        one.items,
        FailureLine((line,) * (k + 1)),
    )
    one = linear.read_by(one)
    if isinstance(one, Rational) and not one.linear:
        return Planned(one, valuation)
    if isinstance(one, Rational):
        return Choosing(one, Seen(valuation, np.zeros((0, k)), None), group)
    if type(one).inputs is not Feedback.inputs and type(one).predicted is Feedback.predicted:
        raise InputError(
            f"{one.name}: {type(one).__name__} says in inputs() what its likelihood depends on, and not in predicted(), which "
            f"hypothesis {name!r}, with continuous weights, asks"
        )
    rewards, lines = [], []
    for block in valuation.blocks():
        flat = [block.reward(j).T for j in range(k)]
        there = None if block.available is None else block.available.T
        rewards.append(np.stack([f.ravel() if there is None else f[there] for f in flat], axis=-1))
        if line is not None:
            own = np.broadcast_to(block.failure(k), block.shape).T
            lines.append(own.ravel() if there is None else own[there])
    return Whole(one, Seen(valuation, np.concatenate(rewards), np.concatenate(lines) if lines else None))
