"""Ratings: each item given one of a few grades."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.column import MISSING, name_of, without_zeros
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import within_one
from reward_hypotheses.data.rounding import EPS, all_equal
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import (
    NAIVE,
    chosen_times,
    less_their_mean,
    less_their_mean_error,
)
from reward_hypotheses.models.feedback.boltzmann.model import OfItems
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import BetaPrior, Nuisance

MOST_GRADES = 10


@dataclass(frozen=True, eq=False)
class Ratings(OfItems):
    """One of some grades for each item: ``logit P(y <= k) = c_k - beta r_h / s_h``, r_h centred over the graded items.

    The ordered logistic model (McCullagh 1980). Cut points have the prior under which the grades of an item of average
    worth are Dirichlet(1, ..., 1), as independent sticks ``v_k ~ Beta(1, K - k)`` broken off what is left; ``s_h`` is the
    standard deviation of r_h over the graded items.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds one of the grades.
    grades : sequence of str or number
        Two to ten, the lowest first.
    rationality, scale, human
        As for every rational kind; cut points are each feedback's own.
    """

    kind: ClassVar[str] = "ratings"
    integrated: ClassVar[str] = ""
    staged: ClassVar[bool] = False

    _: KW_ONLY
    grades: Sequence[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.grades
        if isinstance(given, str) or not isinstance(given, Sequence) or not 2 <= len(given) <= MOST_GRADES:
            raise InputError(
                f'grades: {shown(given)}; list two to {MOST_GRADES}, the lowest first, such as ["bad", "fair", "good"]'
            )
        texts = tuple(_grade(g) for g in given)
        if len(set(texts)) < len(texts):
            raise InputError(f"grades: {shown(list(given))}; each grade once, the lowest first")
        object.__setattr__(self, "grades", texts)

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:  # noqa: D102
        k = len(self.grades)
        return dict(super().nuisances) | {f"stick_{i}": BetaPrior(1.0, float(k - i)) for i in range(1, k)}

    @cached_property
    def observed(self) -> np.ndarray:
        """Place of each item's grade among the grades, from 0: (unit,)."""
        table = self.items
        names = table.column(self.column).names
        places = np.array([*(self._place(text) for text in names.vocabulary or ()), -1])
        out = places[names.values]
        if (out < 0).any():
            i = int(np.argmax(out < 0))
            said = names.text(i)
            what = f"is {said!r}, which is no grade; {suggestion(said, self.grades)}"
            if said in MISSING:
                what = 'is missing; give each row a grade, or leave such rows out with missing = "drop"'
            raise InputError(f"{table.source}: {table.where(i)}: column {self.column!r} {what}")
        return out

    def unsaid(self) -> np.ndarray:
        """Boolean (item,): where no grade was given; ``NA`` is missing unless it is a grade."""
        names = self.table.column(self.column).names
        return np.array([*(t in MISSING and self._place(t) < 0 for t in names.vocabulary or ()), True])[names.values]

    def _place(self, text: str) -> int:
        """Which grade a text is, from 0; -1 for none. ``2.0`` is also found as ``2``, and true and false as 1 and 0."""
        if text in self.grades:
            return list(self.grades).index(text)
        short, wanted = (
            [without_zeros(grade) for grade in self.grades],
            without_zeros({"true": "1", "false": "0"}.get(text, text)),
        )
        return short.index(wanted) if short.count(wanted) == 1 else -1

    @cached_property
    def real(self) -> np.ndarray:
        """The same: (unit,)."""
        return self.inside

    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """``r_h`` (unit,); where all are equal, to the last bit."""
        rewards = Feedback.at(self, valuation, h)
        return np.full_like(rewards, rewards[0]) if all_equal(rewards, self.errors(valuation, h)) else rewards

    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:  # noqa: D102
        return self.errors(valuation, h)

    @property
    def root_share(self) -> np.ndarray:  # noqa: D102
        return np.sqrt(self.times / self.times.sum())

    def deviations(self, rewards: np.ndarray) -> np.ndarray:  # noqa: D102
        return self._less_mean(rewards) * self.root_share

    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:  # noqa: D102
        return self._less_mean(rewards)

    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:  # noqa: D102
        if self.counts is None:
            return less_their_mean_error(rewards[None], error[None], self.inside[None])[0]
        apart = np.abs(rewards - rewards[0])
        own = error + EPS * apart
        of_mean = own + EPS * (min(len(rewards), NAIVE) + 2) * apart
        return own + float((of_mean * self.counts).sum() / self.counts.sum())

    def _less_mean(self, values: np.ndarray) -> np.ndarray:
        """Values less their mean over what was graded, each as often as it was."""
        if self.counts is None:
            return less_their_mean(values[None], self.inside[None])[0]
        apart = values - values[0]
        return apart - (apart * self.counts).sum() / self.counts.sum()

    def cuts(self, theta: Mapping[str, Any], xp: Any) -> list[Any]:
        """``c_k = logit(v_1 + (1 - v_1) v_2 + ...)``, lowest first."""
        found, left = [], 0.0
        for i in range(1, len(self.grades)):
            stick = theta[f"stick_{i}"]
            stick = np.minimum(stick, 1 - 2.0**-53) if xp is np else stick  # so near to 1 that it is drawn as 1
            left = left + xp.log1p(-stick)  # log of what is left of the stick
            found.append(xp.log(-xp.expm1(left)) - left)
        return found

    def derived(self, theta: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The cut points."""
        return {f"cutpoint_{k + 1}": cut for k, cut in enumerate(self.cuts(theta, np))}

    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:  # noqa: D102
        beta, cuts = self.beta(theta), self.cuts(theta, xp)
        if xp is np and np.ndim(observed) == 1:  # each unit by its own grade alone, not by all of them
            given = [np.flatnonzero(np.abs(observed - k) < 0.5) for k in range(len(self.grades))]
            out = np.zeros(np.broadcast_shapes(np.shape(inputs), np.shape(beta), *(np.shape(cut) for cut in cuts)))
            for k, units in enumerate(given):
                if len(units):
                    out[..., units] = _log_chance(k, beta * inputs[..., units], cuts, np)
            return out
        z = beta * inputs
        each = [xp.where(xp.abs(observed - k) < 0.5, _log_chance(k, z, cuts, xp), 0.0) for k in range(len(self.grades))]
        return sum(each[1:], each[0])

    def chances(self, inputs: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Chance of each grade: (..., unit, grade)."""
        each = [self.log_likelihood(inputs, theta, np.full(inputs.shape[-1], k), np) for k in range(len(self.grades))]
        return np.exp(np.stack(each, axis=-1))

    @property
    def tally(self) -> np.ndarray:
        """With counts: how many graders gave each grade, (unit, grade)."""
        if self.counts is None:
            return self.observed
        return (np.eye(len(self.grades))[self.observed] * self.counts[:, None]).astype(np.int64)

    def tallies(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self.counts is None:
            return self.replicate(inputs, theta, n, rng)
        chances = self.chances(inputs, {name: np.reshape(values, (n, 1)) for name, values in theta.items()})
        return chosen_times(self.counts, np.broadcast_to(chances, (n, len(inputs), len(self.grades))), rng)

    def dims(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: D102
        return (f"{self.name}_item", f"{self.name}_grade")[: len(shape)]

    def replicate(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        columns = {name: np.reshape(values, (n, 1)) for name, values in theta.items()}
        below = np.cumsum(np.broadcast_to(self.chances(inputs, columns), (n, len(inputs), len(self.grades))), axis=-1)
        return (rng.random((n, len(inputs), 1)) > below[..., :-1]).sum(axis=-1)

    def modelled(  # noqa: D102
        self, inputs: np.ndarray, said: np.ndarray, theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        columns = {name: np.reshape(values, (1, 1)) for name, values in theta.items()}
        chance = np.broadcast_to(self.chances(inputs, columns), (1, len(inputs), len(self.grades)))[0]
        return chance, np.eye(len(self.grades))[said], np.arange(len(inputs))

    def features(self, columns: list[np.ndarray]) -> np.ndarray:  # noqa: D102
        grade = np.arange(len(self.grades))
        grids = [self._less_mean(column)[:, None] * grade for column, _ in map(within_one, columns)]
        return np.array(grids).reshape(len(columns), len(self.units), len(self.grades))


def _grade(given: Any) -> str:
    name = name_of(given)
    if name is None or isinstance(given, bool) or not isinstance(given, (str, int, float, np.number)):
        raise InputError(f"grades: {shown(given)}; a grade is a text or a number")
    return name


def _log_chance(k: int, z: Any, cuts: Sequence[Any], xp: Any) -> Any:
    """``log (sigma(c_k - z) - sigma(c_{k-1} - z))``, of the grade in place k."""
    said: Any = 0.0
    if k < len(cuts):
        said = said - _softplus(z - cuts[k], xp)  # log sigma(c_k - z)
    if k > 0:
        said = said - _softplus(cuts[k - 1] - z, xp)  # log sigma(z - c_{k-1})
    if 0 < k < len(cuts):
        said = said + xp.log(-xp.expm1(cuts[k - 1] - cuts[k]))
    return said


def _softplus(x: Any, xp: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))
