"""Likelihood terms of feedback with a rationality, affine in the weights."""

from collections.abc import Mapping
from typing import Any, override

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.models.feedback.boltzmann.likelihood import grouped, in_rows
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import LinearSteps, Stages
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.linear_family.term import LikelihoodTerm

MOST_STAGES = 20_000  # from which the curvature is estimated
AT_ONCE = 4096  # units of a block: few enough that its work at many points stays in a core's cache


class SoftmaxTerm(LikelihoodTerm):
    """Terms of kinds with inputs ``(x w + c) / s(w)``, affine before scaling.

    Attributes
    ----------
    x : ndarray (unit, [option,] feature + 1)
        Last feature: c. Parts that do not change the choice are subtracted. Equal units are merged.
    spread : ndarray (feature + 1, feature + 1)
        ``s(w)^2 = (w, 1)' spread (w, 1)``; for raw rewards 0 but for a 1 as the last entry.
    """

    feedback: Rational

    def __init__(self, feedback: Rational, probes: Valuation, group: bool = True) -> None:
        super().__init__(feedback)
        n = len(probes.hypotheses) - 1
        raw = [feedback.rewards(probes, j) for j in range(n + 1)]
        raw[:n] = [row - raw[n] for row in raw[:n]]
        self.spread = np.zeros((n + 1, n + 1))
        self.spread[n, n] = 1.0
        if feedback.scale == "unit":
            apart = np.stack([feedback.deviations(row).ravel() for row in raw])
            self.spread = apart @ apart.T
        inside = feedback.inside
        worths = [feedback.centred(row) for row in raw]
        x = np.where(inside[..., None], np.stack(worths, axis=-1), -np.inf)
        if feedback.idle.any():
            x[feedback.idle] = np.where(inside[feedback.idle][..., None], 0.0, -np.inf)
        answers = np.asarray(feedback.observed, float)
        merged = grouped(x, answers, feedback.counts) if group else (x, answers, feedback.times)
        self.x, self.answers, self.counts = merged
        self.inside = self.x[..., -1] > -np.inf
        self.x = np.where(self.inside[..., None], self.x, 0.0)
        self.everywhere = bool(self.inside.all())
        stages = feedback.as_stages(self.answers, self.inside, self.counts)
        self.steps: LinearSteps | None = None
        self.sloped = stages is not None
        if stages is not None:
            counts = None if (self.counts == 1).all() else self.counts
            blocks = Stages(stages.ranks, stages.inside, counts, AT_ONCE)
            self.steps = LinearSteps(blocks, self._features(self.x))

    @property
    def features_of_options(self) -> np.ndarray:
        """Features of the options of every unit: (unit, option, feature + 1)."""
        return self._features(self.x)

    def _features(self, x: np.ndarray) -> np.ndarray:
        """Return the features of each unit's options: (unit, option, feature + 1)."""
        return np.stack([self.feedback.options(x[..., k]) for k in range(x.shape[-1])], axis=-1)

    def beta(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the rationality: (point, 1), or (1, 1) where it is fixed."""
        return np.reshape(self.feedback.beta(self.of_feedback(theta)), (-1, 1))

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
        full = with_constant(weights)
        return np.sqrt(np.maximum(((full @ self.spread) * full).sum(axis=1), 0.0))

    def scaled(self, weights: np.ndarray) -> np.ndarray:
        """Return ``(w, 1) / s(w)``: (point, feature + 1).

        0, which chooses at chance, where all rewards are equal.
        """
        return with_constant(weights) * self._per_scale(weights)[:, None]

    def _per_scale(self, weights: np.ndarray) -> np.ndarray:
        """Return ``1 / s(w)``, and 0 where all rewards are equal: (point,)."""
        s = self.scales(weights)
        largest = np.sqrt(np.trace(self.spread[:-1, :-1]) * (weights**2).sum(axis=1) + self.spread[-1, -1])
        return np.asarray(np.where(s > (weights.shape[1] + 1) * EPS * largest, 1 / np.where(s > 0, s, 1.0), 0.0))

    @override
    def slopes(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert self.steps is not None
        full, per_scale, beta = with_constant(weights), self._per_scale(weights)[:, None], self.beta(theta)
        of_scaled = self.steps.slopes(full * per_scale * beta)
        along = (of_scaled * full).sum(axis=1, keepdims=True) * per_scale
        of_weights = beta * per_scale * (of_scaled - along * per_scale * (full @ self.spread))
        return of_weights[:, :-1], {self.feedback.variable(key): along[:, 0] for key in self.feedback.nuisances}

    @property
    @override
    def holds(self) -> int:
        return self.inside.size if self.steps is None else self.x.shape[-1]  # blocks of units take few points at a time

    @override
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        scaled = self.scaled(weights)
        if self.steps is not None:
            return self.steps.log_likelihoods(scaled * self.beta(theta))
        inputs = (scaled @ self.x.reshape(-1, self.x.shape[-1]).T).reshape(len(weights), *self.inside.shape)
        if not self.everywhere:
            inputs = np.where(self.inside, inputs, -np.inf)
        return self.summed(inputs, theta, self.answers)

    @override
    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Return the inputs of the likelihood at one tensor of weights.

        The weights have shape (feature,), the inputs (unit[, option]).
        """
        full = xp.concatenate([weights, xp.ones(1)])
        inputs = xp.dot(self.x, full)
        if self.spread.any():  # else there is nothing to compare
            inputs = inputs / xp.sqrt(xp.dot(full, xp.dot(self.spread, full)))
        return inputs if self.everywhere else xp.where(self.inside, inputs, -np.inf)

    def information(self, effective: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the Fisher information of ``beta (w, 1) / s(w)``.

        Shape (feature + 1, feature + 1), from a random part of the stages where there are many.
        """
        share = min(1.0, MOST_STAGES / len(self.counts))
        some = np.flatnonzero(rng.random(len(self.counts)) < share) if share < 1 else np.arange(len(self.counts))
        x, answers, inside = self.x[some], self.answers[some], self.inside[some]
        inputs = np.where(inside, x @ effective, -np.inf)
        at_stage, _, unit = self.feedback.stages(inputs, answers)
        features = self._features(np.where(inside[..., None], x, 0.0))
        count = np.sqrt(self.counts[some] / share)
        chances = in_rows(softmax(at_stage), unit, len(some)) * count[:, None, None]
        means = np.matmul(chances, features)
        weighted = features * (chances.sum(axis=1) * count[:, None])[..., None]
        k = x.shape[-1]
        means = means.reshape(-1, k)
        return weighted.reshape(-1, k).T @ features.reshape(-1, k) - means.T @ means


def with_constant(weights: np.ndarray) -> np.ndarray:
    """Return ``(w, 1)``: (point, feature + 1)."""
    return np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
