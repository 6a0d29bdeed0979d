"""None of the listed rules: a label probability for each cell of items.

Nothing is known about cells that were not seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.models.hypotheses.reward import Bounded, BoundOf, ColumnOf, FittedReward, Reward
from reward_hypotheses.models.inference.special import log_beta

LEAST, MOST = 1e-6, 1e6
UNKNOWN = 0.5
"""Chance of catastrophe where nothing was seen."""


class Indifferent(Reward):
    """A hypothesis without a reward.

    It is indifferent between all options, and failing.
    """

    predicts: ClassVar[bool] = False
    no_length: ClassVar[str] = "is unmodelled"

    @override
    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        return 0.0, 0.0


@dataclass(frozen=True, init=False)
class Unmodelled(Indifferent):
    """None of the other hypotheses: labels follow a rule that nobody listed.

    Items that all other hypotheses predict alike are one *cell*. Each cell has its own probability of a true label,
    ``theta_cell ~ Beta(c, c)``, which includes the noise. The evidence of k true labels among n is
    ``B(c + k, c + n - k) / B(c, c)``, multiplied over cells (Beta-Bernoulli; Bernardo and Smith 1994, 5.2).

    The hypothesis has no reward and no failure line, so no agent can act by it. If it is true, an item of a seen cell
    is worse than failing with probability ``1 - E[theta_cell | labels]``: labels do not tell items equal to failing
    from worse items. In other cells, the probability is 1/2.

    Parameters
    ----------
    concentration : float
        c, from 1e-6 to 1e6. 1 is uniform; below 1, most cells are expected to be nearly all true or nearly all false.
    source : str
        Why this c: it is a human value.

    Raises
    ------
    InputError
        Another concentration, no source.
    """

    concentration: float
    source: str

    def __init__(self, concentration: float, source: str | None = None) -> None:
        c = finite(concentration)
        if c is None or not LEAST <= c <= MOST:
            raise InputError(
                f"unmodelled: {shown(concentration)}; give the concentration c of Beta(c, c), from {LEAST:g} to {MOST:g}, such "
                "as 1"
            )
        if not isinstance(source, str) or not source.strip():
            raise InputError(
                "unmodelled: no source; say in source = ... why this concentration: it is a human value too"
            )
        object.__setattr__(self, "concentration", c)
        object.__setattr__(self, "source", source)

    @property
    @override
    def text(self) -> str:
        c = f"{self.concentration:g}"
        return f"none of the others: each cell has its own label probability, Beta({c}, {c})"

    @override
    def written(self) -> dict[str, Any]:
        return {"unmodelled": self.concentration, "source": self.source}


def unmodelled_of(stated: Mapping[str, Any]) -> Unmodelled:
    """Read an unmodelled hypothesis from a study file.

    ``{ unmodelled = c, source = ... }``; InputError says what is wrong.
    """
    known = ("unmodelled", "source")
    for key in stated:
        if key not in known:
            raise InputError(f"{key!r} is unknown here; {suggestion(str(key), known)}")
    return Unmodelled(stated["unmodelled"], stated.get("source"))


def cell_codes(predictions: Iterable[tuple[tuple[int, int], np.ndarray]]) -> np.ndarray:
    """Return one number for each vector of predictions.

    Predictions are arrays of bool, with the number of the rule, and of the literal where it is a space of rules: the rules
    of a space predict alike where all literals do. The number of a vector is the same in every table.

    A 64-bit hash (Zobrist's): two of a million vectors share one with probability 3e-8.
    """
    code: Any = np.uint64(0)
    for (rule, literal), predicted in predictions:
        code = code ^ np.where(predicted, np.uint64(_mixed(rule + 1 + (literal << 32))), np.uint64(0))
    return np.asarray(code, np.uint64)


def _mixed(h: int) -> int:
    """Scramble a small number into 64 bits (splitmix64: Steele, Lea and Flood 2014)."""
    mask = 2**64 - 1
    z = h * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


@dataclass(frozen=True, eq=False)
class CellPosterior(FittedReward, Indifferent):
    """Posterior of the label probability of every cell.

    `Unmodelled` once it is fitted.

    Attributes
    ----------
    unmodelled : Unmodelled
    hypothesis : int
        Its position among the hypotheses.
    rules : tuple of int
        Positions of the other hypotheses, whose predictions make the cells; of a space of rules, those of all its rules.
    codes : ndarray (cell,) of uint64
        Codes of the cells that were seen, ascending.
    true, items : ndarray (feedback, cell)
        True labels, and labels.
    unknown : float
        Probability of catastrophe of an item whose cell was not seen.
    """

    unmodelled: Unmodelled
    hypothesis: int
    rules: tuple[int, ...]
    codes: np.ndarray
    true: np.ndarray
    items: np.ndarray
    unknown: float = UNKNOWN

    @property
    @override
    def declared(self) -> Unmodelled:
        return self.unmodelled

    def log_evidence(self, feedbacks: Sequence[int]) -> float:
        """Return the log evidence of some of the feedbacks together, nats.

        ``sum_cell log B(c + k, c + n - k) - log B(c, c)``
        """
        c, some = self.unmodelled.concentration, list(feedbacks)
        k, n = self.true[some].sum(axis=0), self.items[some].sum(axis=0)
        seen = n > 0
        return float((log_beta(c + k[seen], c + (n - k)[seen]) - log_beta(c, c)).sum())

    @property
    def mean(self) -> np.ndarray:
        """``E[theta | labels] = (c + k) / (2 c + n)``: (cell,)."""
        c = self.unmodelled.concentration
        return (c + self.true.sum(axis=0)) / (2 * c + self.items.sum(axis=0))

    def label_draws(self, n: int, rng: np.random.Generator, blind: bool = False) -> np.ndarray:
        """Draw theta of each cell given the labels, or before them: (draw, cell)."""
        c = self.unmodelled.concentration
        k, size = self.true.sum(axis=0) * (not blind), self.items.sum(axis=0) * (not blind)
        return rng.beta(c + k, c + size - k, (n, len(self.codes)))

    def place(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cell of each code, and whether that cell was seen.

        Two arrays of the shape of the codes.
        """
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return at, self.codes[at] == codes

    @override
    def catastrophe(self, cells: Callable[[Sequence[tuple[int, int]]], np.ndarray]) -> np.ndarray:
        at, seen = self.place(cells(list(enumerate(self.rules))))
        return np.where(seen, 1.0 - self.mean[at], self.unknown)

    def bounds(self) -> "tuple[CellPosterior, CellPosterior]":
        """Return the posteriors for the two extremes about unseen cells.

        In the first, no item of an unseen cell is worse than failing; in the second, all are.
        """
        return replace(self, unknown=0.0), replace(self, unknown=1.0)


def cell_posterior(
    unmodelled: Unmodelled,
    hypothesis: int,
    rules: Sequence[int],
    codes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    counts: Sequence[np.ndarray | None],
) -> CellPosterior:
    """Count the labels of each cell.

    Parameters
    ----------
    codes, labels, counts : sequence of ndarray (item,)
        The cell code of each item, its label, and how often the label was given (None: once); one array a feedback.
    """
    cells, _, place, _ = distinct(np.concatenate(codes))
    true, items = np.zeros((2, len(codes), len(cells)))
    ends = np.cumsum([len(answers) for answers in labels])
    for k, (answers, times) in enumerate(zip(labels, counts, strict=True)):
        cell = place[ends[k] - len(answers) : ends[k]]
        true[k] = np.bincount(cell, answers if times is None else answers * times, minlength=len(cells))
        items[k] = np.bincount(cell, times, minlength=len(cells))
    return CellPosterior(unmodelled, hypothesis, tuple(rules), cells, true, items)
