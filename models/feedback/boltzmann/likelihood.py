"""Likelihoods of Boltzmann-rational choices, for many units at once.

A choice probability is a softmax of rewards over options.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from reward_hypotheses.data.numerics import distinct, row_hashes
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages, Steps
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance, Theta

CELLS = 4_000_000  # numbers that a log likelihood holds at once
SAMPLED = 1000  # units of a sample that tells whether grouping equal units is worthwhile


class BoltzmannRational(Protocol):
    """The part of a Boltzmann-rational feedback that integrals need.

    `Rational` implements the protocol.
    """

    @property
    def n_answers(self) -> int:
        """Number of answers."""

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:
        """Priors of the nuisances by name."""

    @property
    def idle(self) -> np.ndarray:
        """Units whose answer is certain under every reward: (unit,) of bool."""

    @property
    def effort(self) -> int:
        """Approximate number of floats that a likelihood works on."""

    @property
    def in_stages(self) -> Stages | None:
        """The answers as rows of choices."""

    def variable(self, nuisance: str) -> str:
        """Return the name of a nuisance in trees."""

    def beta(self, theta: Theta) -> Any:
        """Return the rationality."""

    def options(self, inputs: np.ndarray) -> np.ndarray:
        """Return the inputs of the options of each unit: (unit, option)."""

    def classes(self, valuation: Valuation) -> np.ndarray:
        """Group the hypotheses between which the feedback is silent: (hypothesis,)."""

    def likelihood(self, valuation: Valuation, h: int) -> "Likelihood":
        """Return the likelihood of a hypothesis."""

    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        """Return ``log p(y_i | inputs, theta)``, nats."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Likelihood of the answers under one hypothesis, as a function of the nuisances.

    Attributes
    ----------
    feedback : Rational
    inputs : ndarray (unit, [option])
    answers : ndarray (unit, ...)
    counts : ndarray (unit,)
        How often each unit occurs; equal units are one.
    steps : Steps, optional
        The answers as rows of choices, where they are.
    """

    feedback: BoltzmannRational
    inputs: np.ndarray
    answers: np.ndarray
    counts: np.ndarray
    steps: Steps | None = None
    concave: ClassVar[bool] = True
    """Whether the log likelihood is concave in beta, so that it has one hill."""

    def log_likelihoods(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log likelihood at each point of the nuisances: (point,).

        ``sum_units log p(answer | theta)``, nats; the nuisances are (point,) each.
        """
        if self.steps is not None:
            return self.steps.log_likelihoods(np.atleast_1d(self.feedback.beta(theta)))
        n = max((len(values) for values in theta.values()), default=1)
        out = np.empty(n)
        step = max(1, CELLS // max(self.inputs.size, 1))
        for lo in range(0, n, step):
            some = {key: values[lo : lo + step, None] for key, values in theta.items()}
            each = self.feedback.log_likelihood(self.inputs, some, self.answers, np)
            out[lo : lo + step] = np.broadcast_to(each, (min(step, n - lo), len(self.counts))) @ self.counts
        return out

    @property
    def at_chance(self) -> bool:
        """Whether the answers are as likely at every rationality."""
        return bool(self.inputs.size) and not np.where(self.inputs > -np.inf, self.inputs, 0.0).any()

    def sample(self) -> tuple[Steps, float]:
        """Return some of the units, and the ratio of the number of all units to theirs."""
        assert self.steps is not None
        stages, some = self.steps.stages.sampled
        steps = stages.steps(self.feedback.options(self.inputs[some]))
        return steps, float(self.counts.sum() / self.counts[some].sum())


def in_rows(values: np.ndarray, unit: np.ndarray, n: int) -> np.ndarray:
    """Lay out the stages of each unit side by side: (unit, stage, option).

    Units with fewer stages are padded with zeros.
    """
    first = np.searchsorted(unit, np.arange(n))
    place = np.arange(len(unit)) - first[unit]
    out = np.zeros((n, int(place.max(initial=0)) + 1, values.shape[1]))
    out[unit, place] = values
    return out


def grouped(
    inputs: np.ndarray, observed: np.ndarray, times: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge units that are equal to the last bit.

    Returns inputs, answers, and how often each unit occurs (unit,).

    Parameters
    ----------
    times : ndarray (unit,), optional
        How often each unit occurs; once by default.
    """
    flat = np.hstack([inputs.reshape(len(inputs), -1), observed.reshape(len(observed), -1)])
    _, first, place, counts = distinct(row_hashes(flat))
    return inputs[first], observed[first], counts.astype(float) if times is None else np.bincount(place, times)


def mostly_repeated(inputs: np.ndarray, observed: np.ndarray) -> bool:
    """Return whether `grouped` would leave a quarter of the units or fewer.

    A sample of the units decides. True if there are at most 1,000 units.
    """
    n = len(inputs)
    if n <= SAMPLED:
        return True
    some = np.random.default_rng(29).choice(n, SAMPLED, replace=False)
    repeats = SAMPLED - len(grouped(inputs[some], observed[some])[2])
    return repeats > 2 * SAMPLED**2 / n  # of d equally likely units, SAMPLED^2 / 2 d are drawn again


def log_chosen(beta: Any, inputs: Any, observed: Any, xp: Any) -> Any:
    """Return ``log softmax(beta x)`` of the option chosen: (..., unit).

    The inputs are (..., unit, option).
    """
    inside = inputs > -np.inf
    z = (beta if isinstance(beta, float) else beta[..., None]) * xp.where(inside, inputs, 0.0)
    return (z * observed).sum(axis=-1) - log_sum_inside(z, inside, xp)


def log_sum_inside(z: Any, inside: Any, xp: Any) -> Any:
    """Return ``log sum_o exp(z_o)`` over the options that exist: (...,).

    Takes numpy arrays and PyMC's tensors.
    """
    shut = xp.where(inside, z, -np.inf)
    top = shut.max(axis=-1, keepdims=True)
    return xp.log(xp.exp(shut - top).sum(axis=-1)) + top[..., 0]


def softplus(x: Any, xp: Any) -> Any:
    """Return ``log(1 + exp(x))`` without overflow, of the shape of x."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def times_beta(beta: Any, inputs: np.ndarray, n: int) -> np.ndarray:
    """Return ``beta x`` at n betas: (n, unit, option); -inf where there is no option."""
    inside = inputs > -np.inf
    return np.where(inside, np.reshape(np.broadcast_to(beta, n), (n, 1, 1)) * np.where(inside, inputs, 0.0), -np.inf)


def noisy_best(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose with probability ``softmax(z)`` over the last axis.

    Returns an array of bool with the shape of z.
    """
    noisy = z + rng.gumbel(size=z.shape)
    return noisy == noisy.max(axis=-1, keepdims=True)


def chosen_times(times: np.ndarray, chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw how many answers of each unit choose each option.

    `times` is the number of answers (unit,), `chances` the probability of each option (n, unit, option). Returns int
    of the shape of `chances`.
    """
    n = np.broadcast_to(times.astype(np.int64), chances.shape[:-1])
    return rng.multinomial(n, chances)
