"""Likelihood terms of a linear reward family, as functions of its weights."""

from collections.abc import Mapping, Sequence
from typing import Any, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.models.feedback.base import Feedback, by_item
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, Line, SceneLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear, combination
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.linear_family.term import LikelihoodTerm
from reward_hypotheses.models.weights.feature_units import feature_scale

CELLS = 2_000_000  # numbers that the likelihood of a block of points holds at once

ROUNDS = 20  # that it takes to plan, about


class ItemwiseTerm(LikelihoodTerm):
    """Terms of kinds whose likelihood depends on rewards item by item.

    A nuisance in closed form is integrated; other nuisances are coordinates.
    """

    def __init__(self, feedback: Feedback, x: np.ndarray, line: np.ndarray | None) -> None:
        super().__init__(feedback)
        self.x, self.line = x, line
        self.observed = np.asarray(feedback.observed)
        self.counts = np.ones(len(x)) if feedback.counts is None else feedback.counts
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
        return self if soft is self.feedback else ItemwiseTerm(soft, self.x, self.line)

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
        return self.summed(self._predicted(weights).astype(float), theta, self.observed.astype(float))

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
    """Terms of kinds with a rationality that plan for many rewards at once.

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
        """Cost of a likelihood in floats; a plan takes many rounds."""
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
        beta = np.broadcast_to(np.asarray(self.feedback.beta(self.of_feedback(theta)), float), len(weights))
        return self.feedback.log_likelihood_of(weights @ self.x.T, beta)


def terms_of(
    name: str,
    linear: Linear,
    feedback: Sequence[Feedback],
    line: Line,
    group: bool = True,
    scale: np.ndarray | None = None,
) -> tuple[np.ndarray, list[LikelihoodTerm]]:
    """Return each feature's scale, and each feedback as a function of the weights.

    Parameters
    ----------
    group : bool, optional
        Whether equal units are merged.
    scale : ndarray (feature,), optional
        Unit of each feature. Default: from the rows that the feedback uses.
    """
    scale = feature_scale(name, linear, feedback) if scale is None else scale
    return scale, [_term(name, linear, each, line, scale, group) for each in feedback]


def _term(name: str, linear: Linear, feedback: Feedback, line: Line, scale: np.ndarray, group: bool) -> LikelihoodTerm:
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
        return SoftmaxTerm(feedback, valuation, group)
    if type(feedback).inputs is not Feedback.inputs and type(feedback).predicted is Feedback.predicted:
        raise InputError(
            f"{feedback.name}: {type(feedback).__name__} says in inputs() what its likelihood depends on, and not in predicted(), which "
            f"hypothesis {name!r}, with continuous weights, asks"
        )
    compares = type(feedback).predicted is not Feedback.predicted
    moves = isinstance(line, SceneLine) and compares  # labels then say where r_w - u_w > 0
    if isinstance(line, SceneLine) and compares and type(feedback).predicted is not Labels.predicted:
        raise InputError(
            f"{feedback.name}: fail_utility of {name!r}: {line.text!r} moves with the weights, and {feedback.kind} say in predicted() "
            "that they read the line itself; give a number or an expression"
        )
    rewards, lines = [], []
    for block in valuation.blocks():
        apart = [block.reward(j) - block.failure(j) if moves else block.reward(j) for j in range(k)]
        rewards.append(np.stack([by_item(block, values) for values in apart], axis=-1))
        if line is not None and compares and not moves:
            lines.append(by_item(block, block.failure(k)))
    return ItemwiseTerm(feedback, np.concatenate(rewards), np.concatenate(lines) if lines else None)


def in_steps(feedback: Feedback) -> bool:
    """Return whether a feedback's predictions are steps in continuous weights.

    Such a likelihood has no gradient.
    """
    if isinstance(feedback, Rational) or type(feedback).predicted is Feedback.predicted:
        return False
    return bool(feedback.predicted(np.zeros((1, 1)), 0.0, 0.0).dtype == bool)
