"""Columns of numbers, booleans or text, and the rule of names."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.rounding_error_bounds import Bound, bound_of

MOST_EXACT = 2**53
"""Whole numbers up to this size are told apart by floating point."""
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")


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
    words : bool
        Whether 0 and 1 were written as false and true.
    written : Column or None
        The cells as names, text, where the values do not tell them: ``1.10`` beside ``1.1``, ``007``, whole numbers
        beyond 2^53, the text ``NA`` in a DataFrame.
    blanks : str or None
        A name that is written both with and without blanks around it.
    """

    values: np.ndarray
    vocabulary: tuple[str, ...] | None = None
    gone: np.ndarray | None = None
    words: bool = False
    written: "Column | None" = None
    blanks: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return self.vocabulary is not None

    def is_boolean(self) -> bool:
        """Return whether the column holds only 0/1 or true/false, missing cells aside."""
        if self.is_text:
            return False
        if self.values.dtype == bool:
            return True
        missing = np.isnan(self.values)
        zero_or_one = (self.values == 0) | (self.values == 1)
        return bool((zero_or_one | missing).all()) and not bool(missing.all())

    def missing(self) -> np.ndarray:
        """Return where the cell is empty, ``NA`` or ``NaN``: (item,) of bool."""
        if self.is_text:
            return self.values < 0
        if self.values.dtype == bool:
            return np.zeros(len(self.values), bool) if self.gone is None else self.gone
        return np.isnan(self.values)

    @property
    def names(self) -> "Column":
        """Cells as names, by the rule of `name_of`.

        A column of text, with -1 where a name is missing.
        """
        if self.written is not None:
            return self.written
        if self.is_text:
            return self
        codes, known = _codes_of(self.values, ~self.missing())
        as_words = self.words and self.is_boolean()
        return Column(codes, tuple(name_of(bool(x) if as_words else float(x)) or "" for x in known.tolist()))

    def denoted_by(self, names: "Column") -> bool:
        """Return whether names are the cells of this column as they were written."""
        texts = names.vocabulary or ()
        if self.vocabulary is not None:
            there = np.flatnonzero(self.values >= 0)
            return all(names.text(i) == self.text(i) for i in there.tolist())
        numbers = numbers_in(texts)
        if numbers is None:
            return False
        values = np.array([*(numbers.get(t, np.nan) for t in texts), np.nan])[names.values]
        return bool(np.array_equal(values, np.where(self.missing(), np.nan, self.values.astype(float)), equal_nan=True))

    def text(self, item: int) -> str:
        """Return the cell as a person would write it."""
        if self.written is not None and self.written.values[item] >= 0:
            return self.written.text(item)
        if self.gone is not None and self.gone[item]:
            return ""
        value = self.values[item]
        if self.vocabulary is not None:
            return self.vocabulary[value] if value >= 0 else ""
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)

    @cached_property
    def bound(self) -> Bound:
        """Bound of each number's rounding error, (item,) or 0.0.

        Half a unit in the last place; 0 for whole numbers.
        """
        return bound_of(self.values)

    def take(self, items: np.ndarray) -> "Column":
        """Return the column restricted to some items."""
        return replace(
            self,
            values=self.values[items],
            gone=None if self.gone is None else self.gone[items],
            written=None if self.written is None else self.written.take(items),
        )

    def as_booleans(self) -> "Column":
        """Return the column as booleans: 1 is true, every other cell false."""
        if self.values.dtype == bool:
            return self
        gone = self.missing()
        return replace(self, values=self.values == 1, gone=gone if gone.any() else None)


def name_of(value: Any) -> str | None:
    """Return the name of a scene, option, rater, grade, state or action as text.

    None where the name is missing: None, NaN, NaT and pandas's NA. Text is unchanged, without outer blanks. A whole
    number is its digits, also where it is held as a float. Any other float is the shortest decimal that denotes the
    float. A Boolean is ``true`` or ``false``. Only floats are ever held as floats, so ``1.1`` and ``1.10``, ``007`` and
    ``7``, and whole numbers beyond 2^53 are different names.
    """
    if isinstance(value, str):
        return str(value).strip()
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return None if number != number else str(int(number)) if number.is_integer() else repr(number)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return None if np.isnat(value) else str(value)
    return str(value).strip()


def without_zeros(name: str) -> str:
    """Return a decimal without trailing zeros, as ``1`` for ``1.0``.

    Other names are unchanged.
    """
    return name.rstrip("0").rstrip(".") if _DECIMAL.fullmatch(name) else name


def column_of(values: Any, name: str = "") -> Column:
    """Return a Column of an array of any type.

    None, NaN, NA and masked cells are missing.

    Parameters
    ----------
    name : str
        Name of the column. Columns in `NAMES` keep every cell as written.
    """
    values, gone = _and_gone(values)
    if name in PLACES:
        return names_column(values, gone)
    if values.dtype == bool and not gone.any():
        return Column(values.copy(), words=True)
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        numbers[gone] = np.nan
        exact = values.dtype.kind == "f" or not (np.abs(numbers) >= MOST_EXACT).any()
        return Column(numbers, written=None if exact else names_column(values, gone))
    return text_column(_cells(values, gone), strict=name in NAMES)


def names_column(values: Any, gone: np.ndarray | None = None) -> Column:
    """Return a column of names of an array of any type, by the rule of `name_of`."""
    if gone is None:
        values, gone = _and_gone(values)
    if values.dtype.kind in "iufb":  # each distinct number once
        codes, known = _codes_of(values, ~gone)
        raw: Sequence[str | None] = [name_of(v) for v in known.tolist()]
    else:
        codes, raw = _coded(_cells(values, gone))
    codes, texts, blanks = _stripped(codes, raw)
    return Column(codes, texts, blanks=blanks)


def _codes_of(values: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of values (-1 where missing), and the distinct values.

    The distinct values are in order of appearance.
    """
    known, first, place, _ = distinct(values[there])
    order = np.argsort(first)
    codes = np.full(len(values), -1)
    codes[there] = np.argsort(order)[place]
    return codes, known[order]


def _and_gone(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return an array (item,), and where its cells are masked or missing.

    The second array is (item,) of bool.
    """
    if hasattr(values, "null_count") and hasattr(values, "to_pylist"):  # of Arrow
        if values.null_count or not str(values.type).startswith(("int", "uint", "float", "double", "bool")):
            listed = values.to_pylist()
            values = np.empty(len(listed), object)
            values[:] = listed
        else:
            values = values.to_numpy()
    mask = getattr(values, "mask", None)
    masked = mask if isinstance(mask, (np.ndarray, np.bool_)) else False
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, (list, tuple)) and _mixed(values):
        listed, values = values, np.empty(len(values), object)
        values[:] = listed
    values = np.asarray(values)
    gone = np.broadcast_to(np.asarray(masked, bool), values.shape)
    return values, gone | (values != values if values.dtype.kind in "fmM" else False)


def _mixed(cells: Sequence[Any]) -> bool:
    """Return whether an array would change cells.

    Booleans among numbers, or whole numbers beyond 2^53 among floats.
    """
    kinds = set(map(type, cells))
    if kinds == {int, float}:
        return any(type(v) is int and abs(v) >= MOST_EXACT for v in cells)
    return len(kinds) > 1 and not any(issubclass(kind, (list, tuple, np.ndarray)) for kind in kinds)


def _cells(values: np.ndarray, gone: np.ndarray) -> Iterable[str | None]:
    """Return cells as text, with outer blanks kept."""
    listed = list(values) if values.dtype.kind in "mM" else values.tolist()
    return (
        None if lost else v if isinstance(v, str) else name_of(v) for v, lost in zip(listed, gone.tolist(), strict=True)
    )


MISSING = frozenset(("", "NA", "NaN", "nan"))
"""Texts of missing cells."""
PLACES = ("scene", "option")
"""Columns that hold nothing but names."""
NAMES = ("option_name", "state", "next_state", "action", "trajectory", "judge", "left", "right", "answer")
"""Columns that hold names wherever something uses them."""


def text_column(cells: Iterable[str | None], *, strict: bool = False) -> Column:
    """Return a Column of cells given as text.

    Numbers where all cells are numbers, booleans where all are true/false, else text.
    """
    codes, raw = _coded(cells)
    return from_codes(codes, raw, strict=strict)


def _coded(cells: Iterable[str | None]) -> tuple[np.ndarray, list[str]]:
    code: dict[str, int] = {}
    codes = np.fromiter((-1 if c is None else code.setdefault(c, len(code)) for c in cells), np.int64)
    return codes, list(code)


def _stripped(codes: np.ndarray, raw: Sequence[str | None]) -> tuple[np.ndarray, tuple[str, ...], str | None]:
    """Return codes, distinct texts without outer blanks, and an ambiguous text.

    The ambiguous text occurred both with outer blanks and without; None if no text did.
    """
    if None not in raw and [text.strip() for text in raw if text is not None] == raw:
        return codes, tuple(text for text in raw if text is not None), None
    code: dict[str, int] = {}
    places = [-1 if text is None else code.setdefault(text.strip(), len(code)) for text in raw]
    firsts: dict[int, str | None] = {}
    twice = next((t for t, at in zip(raw, places, strict=True) if at >= 0 and firsts.setdefault(at, t) != t), None)
    return np.array([*places, -1], np.int64)[codes], tuple(code), None if twice is None else twice.strip()


def names_from_codes(codes: np.ndarray, raw: Sequence[str]) -> Column:
    """Return cells of a text file as names: ``raw[codes]``.

    Missing where the text is in `MISSING`.
    """
    codes, texts, blanks = _stripped(codes, raw)
    if not MISSING.isdisjoint(texts):
        there = np.array([*(t not in MISSING for t in texts), False])
        codes = np.where(there, np.cumsum(there) - 1, -1)[codes]
        texts = tuple(t for t in texts if t not in MISSING)
    return Column(codes, texts, blanks=blanks)


def from_codes(codes: np.ndarray, raw: Sequence[str], *, in_file: bool = False, strict: bool = False) -> Column:
    """Return the column with cells ``raw[codes]``, missing where the code is -1.

    Numeric, boolean (as 0/1) or text.

    Parameters
    ----------
    in_file : bool
        Whether the texts in `MISSING` are missing as names too; else they are missing as values alone.
    strict : bool
        Whether every cell is kept as written, and not only where two texts would be merged.
    """
    codes, texts, blanks = _stripped(codes, raw)
    present = [t for t in texts if t not in MISSING]
    lost = in_file or len(present) == len(texts)  # so that names are missing where values are
    numbers = numbers_in(present)
    if numbers is None:
        column = names_from_codes(codes, texts)
        return replace(column, written=None if lost else Column(codes, texts, blanks=blanks), blanks=blanks)
    words = bool(present) and all(t.lower() in ("true", "false") for t in present)
    values = np.array([*(numbers.get(t, np.nan) for t in texts), np.nan])[codes]
    if lost and not loses(present, numbers, strict):
        return Column(values, words=words)
    names = names_from_codes(codes, texts) if in_file else Column(codes, texts)
    return Column(values, words=words, written=replace(names, blanks=blanks), blanks=blanks)


def numbers_in(texts: Iterable[str]) -> dict[str, float] | None:
    """Return the numbers that texts denote, or None where a text is not a number.

    True and false are 1 and 0 in a column of truth values and 0/1.
    """
    present = [t for t in texts if t not in MISSING]
    truth = {t: float(word == "true") for t in present if (word := t.lower()) in ("true", "false")}
    if truth and not all(t in truth or t in ("0", "1") for t in present):
        return None
    if not all(t in truth or is_number(t) for t in present):
        return None
    return {t: truth[t] if t in truth else float(t) for t in present}


def loses(present: Sequence[str], numbers: dict[str, float], strict: bool = False) -> bool:
    """Return whether numbers lose the names of distinct texts.

    Two texts denote one number, or ``007`` would become ``7``. Where not strict, ``1.50`` may become ``1.5``, and
    ``True`` true, if no other text denotes that value.
    """
    if len(set(numbers.values())) < len(present):
        return True
    if strict:
        return any(name_of(x) != t for t, x in numbers.items())
    if all(t.lower() in ("true", "false") for t in present):
        return False
    integers = {t: x for t, x in numbers.items() if x.is_integer() or x - x != 0}
    return any(name_of(x) != t and not _DECIMAL.fullmatch(t) for t, x in integers.items())


def is_number(text: str) -> bool:
    """Return whether a cell is a number as people write it: ASCII, without ``_``."""
    if "_" in text or not text.isascii():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_digits(name: str) -> bool:
    """Return whether a name is a whole number in plain digits."""
    return name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0")


def as_integers(names: Sequence[str]) -> list[int] | list[str]:
    """Return names as integers where all are whole numbers that fit; else as they are."""
    return [int(n) for n in names] if all(is_digits(n) and len(n) < 19 for n in names) else list(names)
