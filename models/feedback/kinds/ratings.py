"""Ratings: one of several ordered grades for each item."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.column import MISSING, name_of, without_zeros
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import within_one
from reward_hypotheses.data.rounding_error_bounds import EPS, all_equal
from reward_hypotheses.models.feedback.boltzmann.centring import NAIVE, less_their_mean, less_their_mean_error
from reward_hypotheses.models.feedback.boltzmann.likelihood import chosen_times, softplus
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import ItemChoice
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import BetaPrior, Nuisance, Theta

MOST_GRADES = 10


@dataclass(frozen=True, eq=False)
class Ratings(ItemChoice):
    """Ratings: one of several ordered grades for each item.

    ``logit P(y <= k) = c_k - beta r_h / s_h``, r_h centred over the graded items: the ordered logistic model
    (McCullagh 1980). ``s_h`` is the standard deviation of r_h over the graded items. Under the prior of the cut
    points, the grade probabilities of an item of average worth are Dirichlet(1, ..., 1). The nuisances are independent
    sticks ``v_k ~ Beta(1, K - k)``, each the share of grade k in the probability that remains.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds one of the grades.
    grades : sequence of str or number
        Two to ten, the lowest first.
    rationality, scale, human
        As for every rational kind. Each feedback has cut points of its own.
    """

    kind: ClassVar[str] = "ratings"
    by_rater: ClassVar[bool] = True
    integrated: ClassVar[str] = ""
    staged: ClassVar[bool] = False
    second_dim: ClassVar[str] = "grade"
    required: ClassVar[dict[str, str]] = ItemChoice.required | {
        "grades": 'list the grades, the lowest first, grades = ["bad", "fair", "good"]'
    }

    _: KW_ONLY
    grades: Sequence[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        grades = self.grades
        if isinstance(grades, str) or not isinstance(grades, Sequence) or not 2 <= len(grades) <= MOST_GRADES:
            raise InputError(
                f'grades: {shown(grades)}; list two to {MOST_GRADES}, the lowest first, such as ["bad", "fair", "good"]'
            )
        texts = tuple(_grade(g) for g in grades)
        if len(set(texts)) < len(texts):
            raise InputError(f"grades: {shown(list(grades))}; each grade once, the lowest first")
        object.__setattr__(self, "grades", texts)

    @property
    @override
    def nuisances(self) -> Mapping[str, Nuisance]:
        k = len(self.grades)
        return dict(super().nuisances) | {f"stick_{i}": BetaPrior(1.0, float(k - i)) for i in range(1, k)}

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        """Place of each item's grade among the grades, from 0: (unit,)."""
        table = self.items
        names = table.column(self.column).names
        places = np.array([*(self._place(text) for text in names.vocabulary or ()), -1])
        out = places[names.values]
        if (out < 0).any():
            i = int(np.argmax(out < 0))
            text = names.text(i)
            what = f"is {text!r}, which is no grade; {suggestion(text, self.grades)}"
            if text in MISSING:
                what = 'is missing; give each row a grade, or leave such rows out with missing = "drop"'
            raise InputError(f"{table.source}: {table.where(i)}: column {self.column!r} {what}")
        return out

    @override
    def unsaid(self) -> np.ndarray:
        """Return which items have no grade: (item,) of bool.

        ``NA`` is missing unless it is a grade.
        """
        names = self.table.column(self.column).names
        return np.array([*(t in MISSING and self._place(t) < 0 for t in names.vocabulary or ()), True])[names.values]

    def _place(self, text: str) -> int:
        """Return the place of a text among the grades, -1 for none.

        ``2.0`` is also read as ``2``, ``true`` as 1 and ``false`` as 0.
        """
        if text in self.grades:
            return list(self.grades).index(text)
        short = [without_zeros(grade) for grade in self.grades]
        wanted = without_zeros({"true": "1", "false": "0"}.get(text, text))
        return short.index(wanted) if short.count(wanted) == 1 else -1

    @cached_property
    @override
    def real(self) -> np.ndarray:
        return self.inside

    @override
    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``r_h`` of each graded item: (unit,).

        Rewards that are all equal up to rounding are made equal to the last bit.
        """
        rewards = super().rewards(valuation, h)
        return np.full_like(rewards, rewards[0]) if all_equal(rewards, self.errors(valuation, h)) else rewards

    @property
    @override
    def root_share(self) -> np.ndarray:
        return np.sqrt(self.times / self.times.sum())

    @override
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        return self._less_mean(rewards) * self.root_share

    @override
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        return self._less_mean(rewards)

    @override
    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:
        if self.counts is None:
            return less_their_mean_error(rewards[None], error[None], self.inside[None])[0]
        apart = np.abs(rewards - rewards[0])
        of_item = error + EPS * apart
        of_mean = of_item + EPS * (min(len(rewards), NAIVE) + 2) * apart
        return of_item + float((of_mean * self.counts).sum() / self.counts.sum())

    def _less_mean(self, values: np.ndarray) -> np.ndarray:
        """Return values less their mean over the graded items: (unit,).

        Each item counts as often as it was graded.
        """
        if self.counts is None:
            return less_their_mean(values[None], self.inside[None])[0]
        apart = values - values[0]
        return apart - (apart * self.counts).sum() / self.counts.sum()

    def cuts(self, theta: Theta, xp: Any) -> list[Any]:
        """Return the cut points ``c_k = logit(v_1 + (1 - v_1) v_2 + ...)``, lowest first."""
        cuts, left = [], 0.0
        for i in range(1, len(self.grades)):
            stick = theta[f"stick_{i}"]
            stick = np.minimum(stick, 1 - 2.0**-53) if xp is np else stick  # so near to 1 that it is drawn as 1
            left = left + xp.log1p(-stick)  # log of what is left of the stick
            cuts.append(xp.log(-xp.expm1(left)) - left)
        return cuts

    @override
    def derived(self, theta: Theta) -> dict[str, np.ndarray]:
        """Return the cut points."""
        return {f"cutpoint_{k + 1}": cut for k, cut in enumerate(self.cuts(theta, np))}

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        beta, cuts = self.beta(theta), self.cuts(theta, xp)
        if xp is np and np.ndim(observed) == 1:  # each unit by its own grade alone, not by all of them
            out = np.zeros(np.broadcast_shapes(np.shape(inputs), np.shape(beta), *(np.shape(cut) for cut in cuts)))
            for k in range(len(self.grades)):
                if len(units := np.flatnonzero(np.abs(observed - k) < 0.5)):
                    out[..., units] = _log_chance(k, beta * inputs[..., units], cuts, np)
            return out
        z = beta * inputs
        each = [xp.where(xp.abs(observed - k) < 0.5, _log_chance(k, z, cuts, xp), 0.0) for k in range(len(self.grades))]
        return sum(each[1:], each[0])

    def chances(self, inputs: np.ndarray, theta: Theta, n: int) -> np.ndarray:
        """Return the chance of each grade at n draws of the nuisances: (n, unit, grade)."""
        theta = {name: np.reshape(values, (n, 1)) for name, values in theta.items()}
        z, cuts = self.beta(theta) * inputs, self.cuts(theta, np)
        each = [_log_chance(k, z, cuts, np) for k in range(len(self.grades))]
        return np.broadcast_to(np.exp(np.stack(each, axis=-1)), (n, len(inputs), len(self.grades)))

    @override
    def counted_tally(self) -> np.ndarray:
        """Return how many graders gave each grade: (unit, grade)."""
        return (np.eye(len(self.grades))[self.observed] * self.times[:, None]).astype(np.int64)

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return chosen_times(self.times, self.chances(inputs, theta, n), rng)

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        below = np.cumsum(self.chances(inputs, theta, n), axis=-1)
        return (rng.random((n, len(inputs), 1)) > below[..., :-1]).sum(axis=-1)

    @override
    def modelled(
        self, inputs: np.ndarray, answers: np.ndarray, theta: Theta
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.chances(inputs, theta, 1)[0], np.eye(len(self.grades))[answers], np.arange(len(inputs))

    @override
    def features(self, columns: list[np.ndarray]) -> np.ndarray:
        grade = np.arange(len(self.grades))
        grids = [self._less_mean(column)[:, None] * grade for column, _ in map(within_one, columns)]
        return np.array(grids).reshape(len(columns), len(self.units), len(self.grades))


def _grade(value: Any) -> str:
    name = name_of(value)
    if name is None or isinstance(value, bool) or not isinstance(value, (str, int, float, np.number)):
        raise InputError(f"grades: {shown(value)}; a grade is a text or a number")
    return name


def _log_chance(k: int, z: Any, cuts: Sequence[Any], xp: Any) -> Any:
    """Return ``log (sigma(c_k - z) - sigma(c_{k-1} - z))``, of the grade in place k."""
    log_chance: Any = 0.0
    if k < len(cuts):
        log_chance = log_chance - softplus(z - cuts[k], xp)  # log sigma(c_k - z)
    if k > 0:
        log_chance = log_chance - softplus(cuts[k - 1] - z, xp)  # log sigma(z - c_{k-1})
    if 0 < k < len(cuts):
        log_chance = log_chance + xp.log(-xp.expm1(cuts[k - 1] - cuts[k]))
    return log_chance
