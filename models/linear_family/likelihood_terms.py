"""Likelihood terms of a linear reward family, as functions of its weights."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.rounding import EPS
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import grouped, in_rows
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.boltzmann.sequential import LinearSteps, Stages
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear, combination
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.weights.feature_units import feature_scale

CELLS = 2_000_000  # numbers that the likelihood of a block of points holds at once

MOST_STAGES = 20_000  # from which the curvature is estimated
AT_ONCE = 4096  # units of a block: few enough that what many points make of it stays in a core's cache
ROUNDS = 20  # that it takes to plan, about


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """Predictions of a family for the items of one feedback: rewards ``r_w = x w`` and failure lines (item,)."""

    probes: Valuation
    x: np.ndarray
    line: np.ndarray | None


class LikelihoodTerm(ABC):
    """The log likelihood of weights by one feedback."""

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
        """Floats of a likelihood for each point."""

    @property
    def holds(self) -> int:
        """Floats that a likelihood keeps at once for each point of a block."""
        return self.cells

    @property
    @abstractmethod
    def gram(self) -> np.ndarray:
        """(feature, feature): its null space holds the changes of weight that this feedback cannot see."""

    @abstractmethod
    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Return the inputs of the kind's `log_likelihood`, at one PyMC tensor of weights (feature,)."""

    @abstractmethod
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return ``log p(D | w, theta)`` of points: weights (point, feature), nuisances (point,) by variable; (point,)."""

    def slopes(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradient of `log_likelihood`: by weight (point, feature), and by its nuisances (point,) by variable.

        Only terms that are `sloped` are asked.
        """
        raise InputError(f"{self.feedback.name}: {self.feedback.kind} give no gradient by continuous weights")

    @property
    def scale_free(self) -> bool:
        """Whether weights in the same direction are all the same to it."""
        return False

    def softened(self) -> "LikelihoodTerm":
        """Return the term where no answer is impossible, to temper through; the term itself where none is."""
        return self

    def nuisance_draws(
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw its nuisances for draws of the weights: (draw,) by variable."""
        return {variable: theta[variable] for variable in self.nuisances}


class SoftmaxTerm(LikelihoodTerm):
    """Kinds with a rationality whose inputs are affine in the weights before scaling: ``(x w + c) / s(w)``.

    Attributes
    ----------
    x : ndarray (unit, [option,] feature + 1)
        Last, c; less what does not matter to the choice. Units that are alike are one, with a count.
    spread : ndarray (feature + 1, feature + 1)
        ``s(w)^2 = (w, 1)' spread (w, 1)``; the unit matrix's last entry alone if raw.
    """

    feedback: Rational

    def __init__(self, feedback: Rational, seen: FeatureMatrix, group: bool = True) -> None:
        super().__init__(feedback)
        n = len(seen.probes.hypotheses) - 1
        raw = [feedback.rewards(seen.probes, j) for j in range(n + 1)]
        raw[:n] = [row - raw[n] for row in raw[:n]]
        self.spread = np.zeros((n + 1, n + 1))
        self.spread[n, n] = 1.0
        if feedback.scale == "unit":
            apart = np.stack([feedback.deviations(row).ravel() for row in raw])
            self.spread = apart @ apart.T
        inside = feedback.inside
        worths = [feedback.centred(row, inside, seen.probes, 0) for row in raw]
        x = np.where(inside[..., None], np.stack(worths, axis=-1), -np.inf)
        if feedback.idle.any():
            x[feedback.idle] = np.where(inside[feedback.idle][..., None], 0.0, -np.inf)
        answers = np.asarray(feedback.observed, float)
        self.counts: np.ndarray
        self.x, self.answers, self.counts = (
            grouped(x, answers, feedback.counts) if group else (x, answers, feedback.times)
        )
        self.inside = self.x[..., -1] > -np.inf
        self.x = np.where(self.inside[..., None], self.x, 0.0)
        self.everywhere = bool(self.inside.all())
        stages = feedback.as_stages(self.answers, self.inside, self.counts)
        self.steps: LinearSteps | None = None
        self.sloped = stages is not None
        if stages is not None:
            columns = [feedback.options(self.x[..., k]) for k in range(self.x.shape[-1])]
            blocks = Stages(stages.ranks, stages.inside, self._counts_or_none(), AT_ONCE)
            self.steps = LinearSteps(blocks, np.stack(columns, axis=-1))

    @property
    @override
    def scale_free(self) -> bool:
        return self.feedback.scale == "unit" and not self.x[..., -1].any() and not self.spread[-1].any()

    @property
    @override
    def cells(self) -> int:
        return self.inside.size

    @property
    @override
    def gram(self) -> np.ndarray:
        flat = self.x[..., :-1].reshape(-1, self.x.shape[-1] - 1)
        weight = np.sqrt(np.repeat(self.counts, flat.shape[0] // len(self.counts)))[:, None]
        return (flat * weight).T @ (flat * weight)

    def scales(self, weights: np.ndarray) -> np.ndarray:
        """Return ``s(w)``: (point,)."""
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return np.sqrt(np.maximum(((full @ self.spread) * full).sum(axis=1), 0.0))

    def scaled(self, weights: np.ndarray) -> np.ndarray:
        """Return ``(w, 1) / s(w)``, and 0, which chooses at chance, where all rewards are equal: (point, feature + 1)."""
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return full * self._per_scale(weights)[:, None]

    def _per_scale(self, weights: np.ndarray) -> np.ndarray:
        """Return ``1 / s(w)``, and 0 where all rewards are equal: (point,)."""
        s = self.scales(weights)
        largest = np.sqrt(np.trace(self.spread[:-1, :-1]) * (weights**2).sum(axis=1) + self.spread[-1, -1])
        return np.asarray(np.where(s > (weights.shape[1] + 1) * EPS * largest, 1 / np.where(s > 0, s, 1.0), 0.0))

    @override
    def slopes(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert self.steps is not None
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        per_scale = self._per_scale(weights)[:, None]
        values = {key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances}
        beta = np.reshape(self.feedback.beta(values), (-1, 1))
        of_scaled = self.steps.slopes(full * per_scale * beta)
        along = (of_scaled * full).sum(axis=1, keepdims=True) * per_scale
        of_weights = beta * per_scale * (of_scaled - along * per_scale * (full @ self.spread))
        return of_weights[:, :-1], {self.feedback.variable(key): along[:, 0] for key in values}

    @property
    @override
    def holds(self) -> int:
        return self.inside.size if self.steps is None else self.x.shape[-1]  # blocks of units take few points at a time

    def _counts_or_none(self) -> np.ndarray | None:
        return None if (self.counts == 1).all() else self.counts

    @override
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        scaled = self.scaled(weights)
        if self.steps is not None:
            beta = self.feedback.beta({key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances})
            return self.steps.log_likelihoods(scaled * np.reshape(beta, (-1, 1)))
        inputs = (scaled @ self.x.reshape(-1, self.x.shape[-1]).T).reshape(len(weights), *self.inside.shape)
        if not self.everywhere:
            inputs = np.where(self.inside, inputs, -np.inf)
        values = {key: theta[self.feedback.variable(key)][:, None] for key in self.feedback.nuisances}
        each = self.feedback.log_likelihood(inputs, values, self.answers, np)
        return np.broadcast_to(each, (len(weights), len(self.counts))) @ self.counts

    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Return the inputs of the likelihood at one tensor of weights (feature,): (unit[, option])."""
        full = xp.concatenate([weights, xp.ones(1)])
        inputs = xp.dot(self.x, full)
        if self.spread.any():  # else there is nothing to compare
            inputs = inputs / xp.sqrt(xp.dot(full, xp.dot(self.spread, full)))
        return inputs if self.everywhere else xp.where(self.inside, inputs, -np.inf)

    def information(self, effective: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the fisher information of ``beta (w, 1) / s(w)``, from some of the stages where there are many."""
        share = min(1.0, MOST_STAGES / len(self.counts))
        some = np.flatnonzero(rng.random(len(self.counts)) < share) if share < 1 else np.arange(len(self.counts))
        x, answers, inside = self.x[some], self.answers[some], self.inside[some]
        inputs = np.where(inside, x @ effective, -np.inf)
        at_stage, _, unit = self.feedback.stages(inputs, answers)
        columns = [self.feedback.options(np.where(inside, x[..., k], 0.0)) for k in range(x.shape[-1])]
        features = np.stack(columns, axis=-1)  # (unit, option, feature)
        count = np.sqrt(self.counts[some] / share)
        chances = in_rows(softmax(at_stage), unit, len(some)) * count[:, None, None]
        means = np.matmul(chances, features)
        weighted = features * (chances.sum(axis=1) * count[:, None])[..., None]
        k = x.shape[-1]
        means = means.reshape(-1, k)
        return weighted.reshape(-1, k).T @ features.reshape(-1, k) - means.T @ means


class ItemwiseTerm(LikelihoodTerm):
    """Kinds that depend on rewards item by item; a nuisance in closed form is integrated, others are coordinates."""

    def __init__(self, feedback: Feedback, seen: FeatureMatrix) -> None:
        super().__init__(feedback)
        self.seen, self.x, self.line = seen, seen.x, seen.line
        self.observed = np.asarray(feedback.observed)
        self.counts = np.ones(len(seen.x)) if feedback.counts is None else feedback.counts
        self.smooth = not in_steps(feedback)

    @property
    @override
    def nuisances(self) -> dict[str, Nuisance]:
        return {} if isinstance(self.feedback, ClosedForm) else super().nuisances

    @property
    @override
    def cells(self) -> int:
        return len(self.x)

    @property
    def scale_free(self) -> bool:
        """Whether these are labels by a line of 0."""
        return not self.smooth and (self.line is None or not self.line.any())

    @override
    def softened(self) -> LikelihoodTerm:
        soft = self.feedback.softened()
        return self if soft is self.feedback else ItemwiseTerm(soft, self.seen)

    @property
    @override
    def gram(self) -> np.ndarray:
        return (self.x * self.counts[:, None]).T @ self.x

    def _predicted(self, weights: np.ndarray) -> np.ndarray:
        rewards = weights @ self.x.T
        line: Any = 0.0 if self.line is None else self.line
        if type(self.feedback).predicted is Feedback.predicted:
            return rewards
        error = self.x.shape[1] * EPS * (np.abs(weights) @ np.abs(self.x.T)) + EPS * np.abs(line)
        return self.feedback.predicted(rewards, line, 2 * error)

    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Return the inputs at one tensor of weights: (item,)."""
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

    @override
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        if isinstance(self.feedback, ClosedForm):
            return np.asarray(self.feedback.log_marginal(self._sums(weights), self.feedback.n_answers))
        values = {key: theta[self.feedback.variable(key)][:, None] for key in self.feedback.nuisances}
        each = self.feedback.log_likelihood(
            self._predicted(weights).astype(float), values, self.observed.astype(float), np
        )
        return np.broadcast_to(each, (len(weights), len(self.x))) @ self.counts

    @override
    def nuisance_draws(
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        if not isinstance(self.feedback, ClosedForm):
            return super().nuisance_draws(weights, theta, rng)
        if not self.feedback.nuisances:
            return {}
        step = max(1, CELLS // len(self.x))
        sums = np.vstack([self._sums(weights[lo : lo + step]) for lo in range(0, len(weights), step)])
        drawn = self.feedback.posterior_draws(sums, self.feedback.n_answers, 1, rng)
        return {self.feedback.variable(key): values[0] for key, values in drawn.items()}


class PlannedTerm(LikelihoodTerm):
    """Kinds with a rationality that give the likelihood of many rewards at once.

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
        """Floats whose work takes as long: a plan is worked out in many rounds."""
        return ROUNDS * self.feedback.plan_size

    @property
    @override
    def gram(self) -> np.ndarray:
        apart = self.x - self.x.mean(axis=0) if self.feedback.shift_free else self.x
        return apart.T @ apart

    @override
    def symbolic(self, weights: Any, xp: Any) -> Any:
        raise InputError(
            f"{self.feedback.name}: {self.feedback.kind} are planned anew for all continuous weights, which PyMC cannot do; fit() "
            "integrates them by importance sampling or sequential Monte Carlo"
        )

    @override
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        beta = self.feedback.beta({key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances})
        return self.feedback.log_likelihood_of(
            weights @ self.x.T, np.broadcast_to(np.asarray(beta, float), len(weights))
        )


def terms_of(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: float | Expression | None,
    group: bool = True,
    scale: np.ndarray | None = None,
) -> tuple[np.ndarray, list[LikelihoodTerm]]:
    """Return the scale of each feature, and each feedback as a function of the weights.

    Parameters
    ----------
    group : bool, optional
        Whether equal units are merged.
    """
    scale = feature_scale(name, linear, feedback) if scale is None else scale
    return scale, [_term(name, linear, each, line, scale, group) for each in feedback]


def _term(
    name: str, linear: Linear, feedback: Feedback, line: float | Expression | None, scale: np.ndarray, group: bool
) -> LikelihoodTerm:
    """Return a feedback as a function of the weights of a family."""
    k = len(linear.features)
    probes = [combination(linear.features, row / scale) for row in np.vstack([np.eye(k), np.zeros((1, k))])]
    valuation = Valuation(
        Hypotheses(tuple(f"{name}: {e.text}" for e in linear.features) + (name,), tuple(probes)),
        feedback.items,
        FailureLine((line,) * (k + 1)),
    )
    feedback = linear.read_by(feedback)
    if isinstance(feedback, Rational) and not feedback.linear:
        return PlannedTerm(feedback, valuation)
    if isinstance(feedback, Rational):
        return SoftmaxTerm(feedback, FeatureMatrix(valuation, np.zeros((0, k)), None), group)
    if type(feedback).inputs is not Feedback.inputs and type(feedback).predicted is Feedback.predicted:
        raise InputError(
            f"{feedback.name}: {type(feedback).__name__} says in inputs() what its likelihood depends on, and not in predicted(), which "
            f"hypothesis {name!r}, with continuous weights, asks"
        )
    rewards, lines = [], []
    for block in valuation.blocks():
        flat = [block.reward(j).T for j in range(k)]
        there = None if block.available is None else block.available.T
        rewards.append(np.stack([f.ravel() if there is None else f[there] for f in flat], axis=-1))
        if line is not None:
            of_items = np.broadcast_to(block.failure(k), block.shape).T
            lines.append(of_items.ravel() if there is None else of_items[there])
    return ItemwiseTerm(
        feedback, FeatureMatrix(valuation, np.concatenate(rewards), np.concatenate(lines) if lines else None)
    )


def in_steps(feedback: Feedback) -> bool:
    """Return whether what a feedback depends on jumps as weights move, so that it has no gradient."""
    if isinstance(feedback, Rational) or type(feedback).predicted is Feedback.predicted:
        return False
    return bool(feedback.predicted(np.zeros((1, 1)), 0.0, 0.0).dtype == bool)
