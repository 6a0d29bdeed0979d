"""Likelihoods of Boltzmann-rational choices: softmax of rewards over options, for many units at once."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.rounding import EPS, equal
from reward_hypotheses.models.feedback.base import FEW, evenly, marked, narrowed, overlapping
from reward_hypotheses.models.feedback.boltzmann.sequential import Stages, Steps
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance

NAIVE = 64  # numbers up to which a sum is taken one after the other; of more in pairs, whose error is no larger

MANY = 20_000  # inputs above which a likelihood takes longer than deciding where to evaluate it

CELLS = 4_000_000  # numbers that a log likelihood holds at once
SAMPLED = 1000  # units by which to tell whether many are alike


class BoltzmannRational(Protocol):
    """What likelihoods and integrals need of a feedback that is Boltzmann-rational; see `Rational`."""

    @property
    def n_answers(self) -> int: ...  # noqa: D102
    @property
    def nuisances(self) -> Mapping[str, Nuisance]: ...  # noqa: D102
    @property
    def idle(self) -> np.ndarray: ...  # noqa: D102
    @property
    def effort(self) -> int: ...  # noqa: D102
    @property
    def in_stages(self) -> Stages | None: ...  # noqa: D102
    def variable(self, nuisance: str) -> str: ...  # noqa: D102
    def beta(self, theta: Mapping[str, Any]) -> Any: ...  # noqa: D102
    def options(self, inputs: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def classes(self, valuation: Valuation) -> np.ndarray: ...  # noqa: D102
    def part(self, valuation: Valuation, h: int) -> "Part": ...  # noqa: D102
    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Part:
    """What one hypothesis makes of what was said: inputs, what was said, and how often (units that are alike are one)."""

    feedback: "BoltzmannRational"
    inputs: np.ndarray
    said: np.ndarray
    counts: np.ndarray
    steps: Steps | None = None
    concave: ClassVar[bool] = True
    """Whether the log likelihood is concave in beta, so that it has one hill."""

    def log_likelihoods(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """``sum_units log p(said | theta)`` at each point of the nuisances (point,): (point,)."""
        if self.steps is not None:
            return self.steps.log_likelihoods(np.atleast_1d(self.feedback.beta(theta)))
        n = max((len(values) for values in theta.values()), default=1)
        out = np.empty(n)
        step = max(1, CELLS // max(self.inputs.size, 1))
        for lo in range(0, n, step):
            some = {key: values[lo : lo + step, None] for key, values in theta.items()}
            ll = self.feedback.log_likelihood(self.inputs, some, self.said, np)
            out[lo : lo + step] = np.broadcast_to(ll, (min(step, n - lo), len(self.counts))) @ self.counts
        return out

    @property
    def at_chance(self) -> bool:
        """Whether what was said is as likely at every rationality."""
        return bool(self.inputs.size) and not np.where(self.inputs > -np.inf, self.inputs, 0.0).any()

    def sample(self) -> tuple[Steps, float]:
        """Some of the units, and how many times as many all are."""
        assert self.steps is not None
        stages, some = self.steps.stages.sampled
        return stages.steps(self.feedback.options(self.inputs[some])), float(
            self.counts.sum() / self.counts[some].sum()
        )


def in_rows(values: np.ndarray, unit: np.ndarray, n: int) -> np.ndarray:
    """Lay out the stages of each unit side by side: (unit, stage, option), zeros where a unit has fewer."""
    first = np.searchsorted(unit, np.arange(n))
    place = np.arange(len(unit)) - first[unit]
    out = np.zeros((n, int(place.max(initial=0)) + 1, values.shape[1]))
    out[unit, place] = values
    return out


def less_their_mean(rewards: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Rewards less the mean of their scene, over the options that are there.

    Less the first option before they are averaged, so that an offset of all of them takes no digit away.
    """
    if inside.all():
        apart = rewards - rewards[:, :1]
        total = np.einsum("ij->i", apart) if inside.shape[1] <= NAIVE else apart.sum(axis=1)
        return apart - (total / inside.shape[1])[:, None]
    some = np.where(inside, rewards - np.take_along_axis(rewards, inside.argmax(axis=1)[:, None], axis=1), 0.0)
    return np.where(inside, some - (some.sum(axis=1) / np.maximum(inside.sum(axis=1), 1))[:, None], 0.0)


def less_their_mean_error(rewards: np.ndarray, error: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bound the rounding errors of `less_their_mean`, given those of the rewards: (unit, option)."""
    n = np.maximum(inside.sum(axis=1), 1)[:, None]
    first = inside.argmax(axis=1)[:, None]
    apart = np.where(inside, np.abs(rewards - np.take_along_axis(rewards, first, axis=1)), 0.0)
    own = np.where(inside, error, 0.0) + EPS * apart
    mean = (own + EPS * np.minimum(n, NAIVE) * apart).sum(axis=1, keepdims=True) / n
    return np.where(inside, own + mean, 0.0)


def length(apart: np.ndarray) -> float:
    """Root of a sum of squares, scaled so that no square vanishes."""
    flat = np.ravel(apart)
    largest = _largest(flat) if flat.size else 0.0
    return largest * math.sqrt(float(np.square(flat / largest).sum())) if largest > 0 else 0.0


def softmax(beta: float, inputs: np.ndarray) -> np.ndarray:
    """Chance of each option, (unit, option); 0 where there is none."""
    inside = inputs > -np.inf
    z = np.where(inside, beta * np.where(inside, inputs, 0.0), -np.inf)
    odds = np.exp(z - z.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def alike(scaled: Callable[[int], np.ndarray], error: Callable[[int], np.ndarray], n: int) -> np.ndarray:
    """Group hypotheses whose inputs are equal up to rounding, each with the first of its group: (hypothesis,) of int.

    Parameters
    ----------
    scaled, error : callable
        Of a hypothesis: what its likelihood depends on, of one shape for all, and bounds of its rounding errors.
    n : int
        How many hypotheses there are.
    """
    probe = np.random.default_rng(17).random(scaled(0).shape)

    def marks_of(some: Sequence[int], probe: np.ndarray) -> np.ndarray:
        return np.array(each_class(lambda h: marked(scaled(h), error(h), probe), some, probe.size)).T

    marks, slack = marks_of(range(n), probe)
    groups = overlapping(marks, slack)
    for group in groups:
        if (
            len(group) > FEW
        ):  # beside a unit whose inputs are huge the marks of all are within their slack of one another
            each = evenly(probe, ((scaled(h), error(h)) for h in group))
            marks[group], slack[group] = marks_of(group, each)
    classes = np.arange(n)
    for group in narrowed(groups, marks, slack):
        firsts: list[tuple[int, np.ndarray, np.ndarray]] = []
        for h in group if len(group) > 1 else []:
            mine, of_mine = scaled(h), error(h)
            for other, x, of_x in firsts:
                if abs(marks[h] - marks[other]) <= slack[h] + slack[other] and equal(mine, x, of_mine, of_x).all():
                    classes[h] = other
                    break
            else:
                firsts.append((h, mine, of_mine))
    _, _, inverse, _ = distinct(classes)
    return inverse


def grouped(
    inputs: np.ndarray, observed: np.ndarray, times: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units that are alike to the last bit are one, with a count: inputs, observed, counts; each stood for so many before."""
    flat = np.hstack([inputs.reshape(len(inputs), -1), observed.reshape(len(observed), -1)]) + 0.0
    drawn = np.asarray(np.random.default_rng(5).integers(1, 2**63, size=flat.shape[1]))
    code = np.zeros(len(flat), np.uint64)
    for column, factor in zip(np.ascontiguousarray(flat.T), [int(x) | 1 for x in drawn.tolist()], strict=True):
        bits = column.view(np.uint64) * factor
        code = (code ^ (bits ^ (bits >> np.uint64(29)))) * factor
    _, first, place, counts = distinct(code)
    together = counts.astype(float) if times is None else np.bincount(place, times)
    return inputs[first], observed[first], together


def many_are_alike(inputs: np.ndarray, observed: np.ndarray) -> bool:
    """Whether `grouped` would leave a quarter of the units or fewer, as a sample of them tells; of few, no matter."""
    n = len(inputs)
    if n <= SAMPLED:
        return True
    some = np.random.default_rng(29).choice(n, SAMPLED, replace=False)
    repeats = SAMPLED - len(grouped(inputs[some], observed[some])[2])
    return repeats > 2 * SAMPLED**2 / n  # of d that are as likely, SAMPLED^2 / 2 d are drawn again


def log_chosen(beta: Any, inputs: Any, observed: Any, xp: Any) -> Any:
    """``log softmax(beta x)`` of the option chosen: (..., unit), of inputs (..., unit, option), -inf where there is none."""
    inside = inputs > -np.inf
    z = (beta if isinstance(beta, float) else beta[..., None]) * xp.where(inside, inputs, 0.0)
    return (z * observed).sum(axis=-1) - log_softmax_top(z, inside, xp)


def chosen_by(beta: Any, inputs: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose n times with probability ``softmax(beta x)``: (n, unit, option) of bool, of betas (n,)."""
    z = np.reshape(np.broadcast_to(beta, n), (n, 1, 1)) * np.where(inputs > -np.inf, inputs, 0.0)
    noisy = np.where(inputs > -np.inf, z + rng.gumbel(size=z.shape), -np.inf)
    return noisy == noisy.max(axis=-1, keepdims=True)


def chances_of(beta: Any, inputs: np.ndarray, n: int) -> np.ndarray:
    """``softmax(beta x)`` over options at betas (n,): (n, unit, option)."""
    inside = inputs > -np.inf
    z = np.where(inside, np.reshape(np.broadcast_to(beta, n), (n, 1, 1)) * np.where(inside, inputs, 0.0), -np.inf)
    odds = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def chosen_times(times: np.ndarray, chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw how many of so many answers (unit,) choose each option, by its chance (n, unit, option): of that shape, int."""
    n = np.broadcast_to(times.astype(np.int64), chances.shape[:-1])
    return rng.multinomial(n, chances)


def log_softmax_top(z: Any, inside: Any, xp: Any) -> Any:
    """``log sum_o exp(z_o)`` over options that are there, for arrays and for PyMC's tensors: (...,)."""
    shut = xp.where(inside, z, -np.inf)
    top = shut.max(axis=-1, keepdims=True)
    return xp.log(xp.exp(shut - top).sum(axis=-1)) + top[..., 0]


def _largest(values: np.ndarray) -> float:
    """Largest absolute value."""
    return max(float(values.max()), -float(values.min()))


def each_class[T](work: Callable[[int], T], hypotheses: Sequence[int], cells: int) -> list[T]:
    """``work(h)`` for some hypotheses, on every core where each has very many numbers to work on."""
    workers = min(os.cpu_count() or 1, 8, len(hypotheses))
    if workers < 2 or cells <= MANY:
        return [work(h) for h in hypotheses]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, hypotheses))
