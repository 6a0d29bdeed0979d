"""Log likelihood of each rater's answers, by what is the rater's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import override

import numpy as np

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.hierarchy.latents import Latents
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm

PLAIN = 40.0  # up to this, sums of exponentials are multiplied before the logarithm is taken
RAGGED = 1.25  # most rows of a bucket, relative to its least
SHUT = -1e4  # worth of an option that is not there


class Rows:
    """Choices from options, rater by rater: ``-log sum_o exp((x_o - x_chosen) . e)``.

    Parameters
    ----------
    x : ndarray (stage, option, feature)
    there : ndarray (stage, option) of bool
        Which options could be chosen.
    chosen : ndarray (stage,) of int
    counts : ndarray (stage,) or None
    rater : ndarray (stage,) of int
    raters : int
    """

    def __init__(
        self,
        x: np.ndarray,
        there: np.ndarray,
        chosen: np.ndarray,
        counts: np.ndarray | None,
        rater: np.ndarray,
        raters: int,
    ) -> None:
        stages, options, features = x.shape
        others = np.argsort(np.arange(options)[None] == chosen[:, None], axis=1, kind="stable")[:, : options - 1]
        apart = np.take_along_axis(x, others[..., None], axis=1) - x[np.arange(stages), chosen][:, None]
        shut = ~np.take_along_axis(there, others, axis=1)
        apart[shut] = 0.0
        last = np.where(shut, SHUT, 0.0)[..., None]
        apart = np.concatenate([apart, last], axis=2)
        self.raters, self.features, self.cells = raters, features, apart.shape[0] * apart.shape[1]
        self.at_once = max(1, int(690 // (PLAIN + math.log(options + 1))))
        many = np.bincount(rater, minlength=raters)
        order = np.argsort(many, kind="stable")
        first = np.concatenate([[0], np.cumsum(many)])
        by_rater = np.argsort(rater, kind="stable")
        self.buckets: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
        at = int(np.searchsorted(many[order], 1))
        while at < raters:
            until = int(np.searchsorted(many[order], max(many[order[at]] * RAGGED, many[order[at]] + 2), side="right"))
            some = order[at:until]
            rows = int(many[some[-1]])
            block = np.zeros((len(some), rows, options - 1, features + 1))
            block[..., -1] = SHUT
            weight = None if counts is None else np.zeros((len(some), rows))
            for k, r in enumerate(some.tolist()):
                of = by_rater[first[r] : first[r] + many[r]]
                block[k, : len(of)] = apart[of]
                if weight is not None and counts is not None:
                    weight[k, : len(of)] = counts[of]
            self.buckets.append((some, block.reshape(len(some), -1, features + 1), weight))
            at = until
        self.options = options - 1

    def log_likelihood(self, e: np.ndarray) -> np.ndarray:
        """Return the log likelihood of each rater's choices: (point, rater).

        Parameters
        ----------
        e : ndarray (point, rater, feature)
        """
        out = np.zeros(e.shape[:2])
        for some, block, weight in self.buckets:
            effective = np.ones((len(some), self.features + 1, len(e)))
            effective[:, :-1] = np.moveaxis(e[:, some], 0, 2)
            worth = np.matmul(block, effective)
            rows = worth.shape[1] // max(self.options, 1)
            if not self.options:
                continue
            plain = float(worth.max()) <= PLAIN
            worth = worth.reshape(len(some), rows, self.options, -1)
            if not plain:
                top = np.maximum(worth.max(axis=2, keepdims=True), 0.0)
                worth -= top
            np.exp(worth, out=worth)
            total = worth[:, :, 0] if self.options == 1 else worth.sum(axis=2)
            if plain:
                total += 1.0
                if weight is None:
                    total = np.multiply.reduceat(total, np.arange(0, rows, self.at_once), axis=1)
                each = np.log(total)
            else:
                each = np.log(total + np.exp(-top[:, :, 0])) + top[:, :, 0]
            if weight is not None:
                each *= weight[..., None]
            out[:, some] = -each.sum(axis=1).T
        return out

    def derivatives(self, e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the log likelihood, and minus second derivatives.

        Shapes (rater, feature) and (rater, feature, feature); e is (rater, feature).
        """
        gradient = np.zeros((self.raters, self.features))
        curvature = np.zeros((self.raters, self.features, self.features))
        for some, block, weight in self.buckets:
            effective = np.concatenate([e[some], np.ones((len(some), 1))], axis=1)[..., None]
            worth = (block @ effective)[..., 0].reshape(len(some), -1, self.options)
            top = np.maximum(worth.max(axis=2, keepdims=True), 0.0)
            chance = np.exp(worth - top)
            chance /= chance.sum(axis=2, keepdims=True) + np.exp(-top)
            times = np.ones(worth.shape[:2]) if weight is None else weight
            x = block[..., :-1]
            weighted = x * (chance * times[..., None]).reshape(len(some), -1, 1)
            gradient[some] = -weighted.sum(axis=1)
            mean = (x * chance.reshape(len(some), -1, 1)).reshape(*worth.shape, -1).sum(axis=2)
            square = np.swapaxes(weighted, 1, 2) @ x
            curvature[some] = square - np.swapaxes(mean * times[..., None], 1, 2) @ mean
        return gradient, curvature


@dataclass(frozen=True, eq=False)
class Reading:
    """How a feedback depends on the rater's own: its likelihood by rater.

    Attributes
    ----------
    feedback : Feedback
        As the hypothesis reads it.
    rows : Rows or None
        The answers as choices from options, where they are.
    x : ndarray (unit, [option,] feature)
        What the effective weights multiply, of other kinds; a single feature of a fixed reward.
    observed : ndarray (unit, ...)
    counts : ndarray (unit,) or None
    rater : ndarray (unit,) of int
    """

    feedback: Feedback
    rows: Rows | None
    x: np.ndarray
    observed: np.ndarray
    counts: np.ndarray | None
    rater: np.ndarray
    raters: int

    @property
    def cells(self) -> int:
        """Cost of a likelihood at one point, in floats."""
        return 8 * self.x.size if self.rows is None else self.rows.cells

    def theta(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the feedback's nuisances by their own names: (point, rater) each."""
        return {key: own[self.feedback.variable(key)] for key in self.feedback.nuisances}

    def beta(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the rationality: (point, rater, 1), or (1, 1, 1) where it is given."""
        assert isinstance(self.feedback, Rational)
        return np.reshape(self.feedback.beta(theta), (*np.shape(self.feedback.beta(theta)), 1))

    def log_likelihood(self, e: np.ndarray, own: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log likelihood of each rater's answers: (point, rater).

        Parameters
        ----------
        e : ndarray (point, rater, feature)
            Weights over the scale of the reward.
        own : mapping of str to ndarray (point, rater)
            Nuisances by variable.
        """
        theta = self.theta(own)
        if self.rows is not None:
            beta = self.beta(theta)
            return self.rows.log_likelihood(np.broadcast_to(beta * e, (*np.broadcast_shapes(beta.shape, e.shape),)))
        columns = {key: values[:, self.rater] for key, values in theta.items()}
        if e.shape[-1]:
            at = e[:, self.rater]
            inputs = (
                (at[:, :, None] @ np.swapaxes(self.x, -1, -2)[None])[:, :, 0]
                if self.x.ndim == 3
                else (at * self.x).sum(-1)
            )
        else:
            inputs = self.x[None, ..., 0]
        points = max([len(e), *(len(values) for values in columns.values())])
        each = np.broadcast_to(self._each(inputs.astype(float), columns, points), (points, len(self.rater)))
        each = each if self.counts is None else each * self.counts
        order = np.argsort(self.rater, kind="stable")
        starts = np.searchsorted(self.rater[order], np.arange(self.raters))
        padded = np.concatenate([each[:, order], np.zeros((points, 1))], axis=1)
        summed = np.add.reduceat(padded, starts, axis=1)
        return np.where(np.bincount(self.rater, minlength=self.raters) > 0, summed, 0.0)

    def _each(self, inputs: np.ndarray, columns: Mapping[str, np.ndarray], points: int) -> np.ndarray:
        """Return the log likelihood of each unit: (point, unit), or a broadcast of it."""
        observed = self.observed.astype(float)
        if getattr(self.feedback, "ties", None):  # sums over orders, a point at a time
            inputs = np.broadcast_to(inputs, (points, *inputs.shape[1:]))
            each = [{key: values[min(p, len(values) - 1)] for key, values in columns.items()} for p in range(points)]
            return np.array(
                [self.feedback.log_likelihood(x, own, observed, np) for x, own in zip(inputs, each, strict=True)]
            )
        observed = observed[None] if observed.ndim == 1 else observed  # nuisances differ by unit
        return np.asarray(self.feedback.log_likelihood(inputs, columns, observed, np))


def fixed_reading(data: Feedback, valuation: Valuation, h: int, rater: np.ndarray, raters: int) -> Reading:
    """Return how a feedback depends on each rater's nuisances, for a fixed reward."""
    inputs, observed = np.asarray(data.at(valuation, h)), np.asarray(data.observed)
    counts = None if data.counts is None else np.asarray(data.counts, float)
    if isinstance(data, Rational):
        if data.idle.any():
            idle = data.idle.reshape(-1, *(1,) * (inputs.ndim - 1))
            inputs = np.where(idle & (inputs > -np.inf), 0.0, inputs)
        if data.staged and not getattr(data, "ties", None):
            there = inputs > -np.inf
            finite = np.where(there, inputs, 0.0)
            rows = _rows(data, data.options(finite)[..., None], inputs, observed, counts, rater, raters)
            return Reading(data, rows, finite[..., None], observed, counts, rater, raters)
    return Reading(data, None, inputs[..., None], observed, counts, rater, raters)


def linear_reading(term: SoftmaxTerm, rater: np.ndarray, raters: int, leads: bool = False) -> Reading:
    """Return how a feedback depends on the weights and nuisances of each rater.

    Parameters
    ----------
    term : SoftmaxTerm
        With every unit apart.
    leads : bool
        Whether the length of the weights is the rationality of this feedback.
    """
    data, rows = replace(term.feedback, rationality=1.0) if leads else term.feedback, None
    counts = None if data.counts is None else np.asarray(data.counts, float)
    if data.staged and not getattr(data, "ties", None):
        inputs = np.where(term.inside, 0.0, -np.inf)
        rows = _rows(data, term.features_of_options, inputs, term.answers, counts, rater, raters)
    return Reading(data, rows, term.x, term.answers, counts, rater, raters)


def _rows(
    data: Rational,
    features: np.ndarray,
    inputs: np.ndarray,
    answers: np.ndarray,
    counts: np.ndarray | None,
    rater: np.ndarray,
    raters: int,
) -> Rows:
    at_stage, picked, unit = data.stages(inputs, np.asarray(answers, float))
    chosen = picked.argmax(axis=1)
    return Rows(
        features[unit], at_stage > -np.inf, chosen, None if counts is None else counts[unit], rater[unit], raters
    )


class FixedReward(Latents):
    """A reward without weights: a rater differs in the nuisances alone.

    The latent vector holds the nuisances on the line.
    """

    def __init__(self, readings: Sequence[Reading], nuisances: Mapping[str, Nuisance], groups: int) -> None:
        self.readings, self.nuisances = readings, nuisances
        self.dimension, self.groups = len(nuisances), groups
        self.cells = sum(reading.cells for reading in readings)

    @override
    def log_likelihood(self, at: np.ndarray) -> np.ndarray:
        own = own_nuisances(self.nuisances, at)
        one = np.ones((1, self.groups, 1))
        none = np.zeros((len(at), self.groups, 0))
        parts = [r.log_likelihood(one if r.rows is not None else none, own) for r in self.readings]
        return np.broadcast_to(np.nan_to_num(sum(parts[1:], parts[0]), nan=-np.inf, neginf=-np.inf), at.shape[:2])


class OwnWeights(Latents):
    """A linear reward: a rater has weights and nuisances of their own.

    The latent vector holds a latent of each weight, then the nuisances on the line. A weight with a stated sign is
    ``sign exp(latent)``; other weights are their latents. Under the sphere, the latents are ``v = beta w / s(w)`` of the leading
    feedback: their direction is the reward, and their length the rater's rationality.

    Attributes
    ----------
    sign : ndarray (feature,)
    spreads : sequence of ndarray (feature + 1, feature + 1) or None
        For each feedback, the matrix of ``s(w)^2``, where the latents are to be scaled; None for the leading one, and for raw
        rewards.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        spreads: Sequence[np.ndarray | None],
        sign: np.ndarray,
        nuisances: Mapping[str, Nuisance],
        groups: int,
    ) -> None:
        self.readings, self.spreads, self.sign, self.nuisances = readings, spreads, sign, nuisances
        self.dimension, self.groups = len(sign) + len(nuisances), groups
        self.cells = sum(reading.cells for reading in readings)

    @override
    def log_likelihood(self, at: np.ndarray) -> np.ndarray:
        k = len(self.sign)
        weights, own = signed_weights(self.sign, at[..., :k]), own_nuisances(self.nuisances, at[..., k:])
        full = np.concatenate([weights, np.ones((*weights.shape[:2], 1))], axis=2)
        total = np.zeros(at.shape[:2])
        for reading, spread in zip(self.readings, self.spreads, strict=True):
            e = full
            if spread is not None:
                square = ((weights @ spread[:k, :k]) * weights).sum(axis=-1, keepdims=True)
                e = full / np.sqrt(np.maximum(square, 1e-300))
            total = total + reading.log_likelihood(e, own)
        return np.nan_to_num(total, nan=-np.inf, neginf=-np.inf)

    @override
    def derivatives(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = all(r.rows is not None and not r.feedback.nuisances for r in self.readings)
        if not known or self.nuisances or any(spread is not None for spread in self.spreads):
            return super().derivatives(at)
        weights = signed_weights(self.sign, at)
        full = np.concatenate([weights, np.ones((len(at), 1))], axis=1)
        parts = [r.rows.derivatives(full) for r in self.readings if r.rows is not None]
        k = len(self.sign)
        gradient = sum((part[0] for part in parts[1:]), parts[0][0])[:, :k]
        curvature = sum((part[1] for part in parts[1:]), parts[0][1])[:, :k, :k]
        inner = np.where(self.sign != 0, weights, 1.0)
        curvature = inner[:, :, None] * curvature * inner[:, None, :]
        bent = np.where(self.sign != 0, gradient * weights, 0.0)
        curvature[:, range(k), range(k)] -= bent
        return gradient * inner, curvature


def signed_weights(sign: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """Return weights: ``sign exp(latent)`` where a sign is stated."""
    signed = sign != 0
    if not signed.any():
        return latents
    return np.where(signed, sign * np.exp(np.where(signed, np.minimum(latents, 300.0), 0.0)), latents)


def own_nuisances(nuisances: Mapping[str, Nuisance], at: np.ndarray) -> dict[str, np.ndarray]:
    """Return nuisances of latents (point, rater, nuisance), by variable."""
    return {variable: prior.from_line(at[..., k])[0] for k, (variable, prior) in enumerate(nuisances.items())}
