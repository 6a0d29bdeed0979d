"""Column: numbers, booleans or text, and how cells become one of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.rounding import Bound, bound_of


@dataclass(frozen=True)
class Column:
    """One column: numbers (NaN where missing), booleans, or text.

    Attributes
    ----------
    values : ndarray (item,)
        float64, bool, or, where there is a vocabulary, integer codes into it (-1 where missing).
    vocabulary : tuple of str or None
        The distinct texts, in order of appearance.
    gone : ndarray (item,) of bool or None
        Where a boolean is missing.
    """

    values: np.ndarray
    vocabulary: tuple[str, ...] | None = None
    gone: np.ndarray | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds text that is neither number nor boolean."""
        return self.vocabulary is not None

    def is_boolean(self) -> bool:
        """Whether it holds only 0/1 or true/false (missing cells aside)."""
        if self.is_text:
            return False
        if self.values.dtype == bool:
            return True
        missing = np.isnan(self.values)
        zero_or_one = (self.values == 0) | (self.values == 1)
        return bool((zero_or_one | missing).all()) and not bool(missing.all())

    def missing(self) -> np.ndarray:
        """Boolean (item,): where the cell is empty, ``NA`` or ``NaN``."""
        if self.is_text:
            return self.values < 0
        if self.values.dtype == bool:
            return np.zeros(len(self.values), bool) if self.gone is None else self.gone
        return np.isnan(self.values)

    def text(self, item: int) -> str:
        """Give the cell as a person would write it."""
        if self.gone is not None and self.gone[item]:
            return ""
        value = self.values[item]
        if self.vocabulary is not None:
            return self.vocabulary[value] if value >= 0 else ""
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)

    @cached_property
    def bound(self) -> Bound:
        """The bound of each number's rounding error, (item,) or the number 0.0: half a unit in the last place, 0 of whole ones."""
        return bound_of(self.values)

    def take(self, items: np.ndarray) -> "Column":
        """Give the same column for these items."""
        return replace(self, values=self.values[items], gone=None if self.gone is None else self.gone[items])


def column_of(values: np.ndarray, where: str) -> Column:
    """Make a Column of an array of booleans, numbers or text (None and NaN are missing)."""
    values = np.asarray(values)
    if values.dtype == bool:
        return Column(values)
    if values.dtype.kind in "iuf":
        return Column(values.astype(np.float64))
    if values.dtype.kind in "OUST":
        cells = ["" if v is None or v != v else str(v) for v in values.tolist()]
        return text_column(cells)
    raise InputError(f"{where}: holds {values.dtype}; a column holds booleans, numbers or text")


MISSING = frozenset(("", "NA", "NaN", "nan"))
"""Cells that are missing."""


def text_column(cells: Iterable[str]) -> Column:
    """Read cells as text: numbers where all are numbers, booleans where all are true/false, else text."""
    code: dict[str, int] = {}
    codes = np.fromiter((code.setdefault(c.strip(), len(code)) for c in cells), np.int64)
    return from_codes(codes, tuple(code))


def from_codes(codes: np.ndarray, texts: tuple[str, ...]) -> Column:
    """Give the column whose cells are ``texts[codes]``: numeric, boolean (as 0/1) or text."""
    numeric = [is_number(t) or t in MISSING for t in texts]
    words = [t.lower() in ("true", "false") for t in texts]
    zero_one = all(w or t in MISSING or t in ("0", "1") for t, w in zip(texts, words, strict=True))
    if all(numeric) or zero_one:
        value = [
            np.nan if t in MISSING else float(t.lower() == "true") if w else float(t)
            for t, w in zip(texts, words, strict=True)
        ]
        return Column(np.array(value, np.float64)[codes])
    present = [t for t in texts if t not in MISSING]
    place = {t: i for i, t in enumerate(present)}
    return Column(np.array([place.get(t, -1) for t in texts], np.int64)[codes], tuple(present))


def is_number(text: str) -> bool:
    """Whether a cell is a number as people write it: ASCII, without ``_``."""
    if "_" in text or not text.isascii():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
