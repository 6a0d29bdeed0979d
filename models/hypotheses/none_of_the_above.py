"""None of the listed rules: each cell of items has a label probability of its own, and nothing is known beyond the cells seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.models.inference.special import log_beta

LEAST, MOST = 1e-6, 1e6
UNKNOWN = 0.5
"""Chance of catastrophe where nothing was seen."""


@dataclass(frozen=True, init=False)
class Unmodelled:
    """None of the other hypotheses: labels follow a rule that nobody listed.

    Items that all other hypotheses predict alike are one *cell*. Each has its own probability of a true label,
    ``theta_cell ~ Beta(c, c)``, noise and all, so that k true labels among n have the evidence
    ``B(c + k, c + n - k) / B(c, c)``, multiplied over cells (Beta-Bernoulli; Bernardo and Smith 1994, 5.2).

    It has no reward and no failure line, so no agent can act by it. Where it is true, an item of a cell that was seen is
    taken to be worse than failing with probability ``1 - E[theta_cell | labels]``: labels do not tell equal to failing from
    worse. Of other cells it knows nothing, and the probability is 1/2.

    Parameters
    ----------
    concentration : float
        c, from 1e-6 to 1e6: 1 is uniform; below 1 expects cells to be nearly all true or nearly all false.
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
    def text(self) -> str:
        """The hypothesis in words."""
        c = f"{self.concentration:g}"
        return f"none of the others: each cell has its own label probability, Beta({c}, {c})"

    def written(self) -> dict[str, Any]:
        """As a study file has it."""
        return {"unmodelled": self.concentration, "source": self.source}


def unmodelled_of(given: Mapping[str, Any]) -> Unmodelled:
    """Read ``{ unmodelled = c, source = ... }``; InputError says what is wrong with it."""
    known = ("unmodelled", "source")
    for key in given:
        if key not in known:
            raise InputError(f"{key!r} is unknown here; {suggestion(str(key), known)}")
    return Unmodelled(given["unmodelled"], given.get("source"))


def cell_codes(predictions: Iterable[np.ndarray]) -> np.ndarray:
    """One number a vector of predictions, the same in every table: predictions rule by rule, each an array of bool.

    A 64-bit hash (Zobrist's): two of a million vectors share one with probability 3e-8.
    """
    code: Any = np.uint64(0)
    for h, predicted in enumerate(predictions):
        code = code ^ np.where(predicted, np.uint64(_mixed(h + 1)), np.uint64(0))
    return np.asarray(code, np.uint64)


def _mixed(h: int) -> int:
    """Scramble a small number into 64 bits (splitmix64: Steele, Lea and Flood 2014)."""
    mask = 2**64 - 1
    z = h * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


@dataclass(frozen=True, eq=False)
class Learnt:
    """What labels say where no listed rule is right.

    Attributes
    ----------
    unmodelled : Unmodelled
    hypothesis : int
        Its position.
    rules : tuple of int
        Those of the other hypotheses, whose predictions make the cells.
    codes : ndarray (cell,) of uint64
        Of the cells that were seen, ascending.
    true, items : ndarray (feedback, cell)
        True labels, and labels.
    """

    unmodelled: Unmodelled
    hypothesis: int
    rules: tuple[int, ...]
    codes: np.ndarray
    true: np.ndarray
    items: np.ndarray

    def log_evidence(self, feedbacks: Sequence[int]) -> float:
        """``sum_cell log B(c + k, c + n - k) - log B(c, c)`` of some of the feedbacks together, nats."""
        c, some = self.unmodelled.concentration, list(feedbacks)
        k, n = self.true[some].sum(axis=0), self.items[some].sum(axis=0)
        seen = n > 0
        return float((log_beta(c + k[seen], c + (n - k)[seen]) - log_beta(c, c)).sum())

    @property
    def mean(self) -> np.ndarray:
        """``E[theta | labels] = (c + k) / (2 c + n)``: (cell,)."""
        c = self.unmodelled.concentration
        return (c + self.true.sum(axis=0)) / (2 * c + self.items.sum(axis=0))

    def draws(self, n: int, rng: np.random.Generator, blind: bool = False) -> np.ndarray:
        """Draw theta of each cell given the labels, or before them: (draw, cell)."""
        c = self.unmodelled.concentration
        k, size = self.true.sum(axis=0) * (not blind), self.items.sum(axis=0) * (not blind)
        return rng.beta(c + k, c + size - k, (n, len(self.codes)))

    def place(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which cell each code is, and whether it was seen: two arrays of the shape given."""
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return at, self.codes[at] == codes


@dataclass(frozen=True, eq=False)
class Unseen:
    """An unmodelled hypothesis on a test: what was learnt, and the chance of catastrophe of what was not seen."""

    learnt: Learnt
    unknown: float = UNKNOWN

    @property
    def text(self) -> str:
        """The hypothesis in words."""
        return self.learnt.unmodelled.text

    def catastrophe(self, codes: np.ndarray) -> np.ndarray:
        """How probably an item of each code is worse than failing: of the shape given."""
        at, seen = self.learnt.place(codes)
        return np.where(seen, 1.0 - self.learnt.mean[at], self.unknown)

    def at_least(self) -> "Unseen":
        """The same were nothing unseen worse than failing."""
        return replace(self, unknown=0.0)

    def at_most(self) -> "Unseen":
        """The same were all that was not seen worse than failing."""
        return replace(self, unknown=1.0)


def learnt_of(
    unmodelled: Unmodelled,
    hypothesis: int,
    rules: Sequence[int],
    codes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    counts: Sequence[np.ndarray | None],
) -> Learnt:
    """Count labels cell by cell: codes, labels and how often each was given (item,), one of each a feedback."""
    cells, _, place, _ = distinct(np.concatenate(codes))
    true, items = np.zeros((2, len(codes), len(cells)))
    lo = 0
    for k, (said, times) in enumerate(zip(labels, counts, strict=True)):
        mine = place[lo : lo + len(said)]
        true[k] = np.bincount(mine, said if times is None else said * times, minlength=len(cells))
        items[k] = np.bincount(mine, times, minlength=len(cells))
        lo += len(said)
    return Learnt(unmodelled, hypothesis, tuple(rules), cells, true, items)
