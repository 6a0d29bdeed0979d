"""Numbers as people write them, and small tools for arrays and threads."""

import math
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.progress import tracked

ROWS_AT_ONCE = 32_768
"""Numbers of a slice of rows."""


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct values in order, with positions and counts.

    Four arrays: the distinct values, their first positions, the place of each value among the distinct values, and
    their counts. As ``np.unique`` with everything returned, without the import of ``numpy.ma`` on ``np.unique``'s first
    call, which takes a twentieth of a whole short run.
    """
    values = np.asarray(values).ravel()
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    counts = np.diff(np.append(starts, len(values)))
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.repeat(np.arange(len(starts)), counts)
    return ordered[starts], order[starts], inverse, counts


def numbered(keys: Iterable[Hashable]) -> np.ndarray:
    """Return numbers of keys in order of first appearance: (key,) of int.

    Equal keys have equal numbers.
    """
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(key, len(places)) for key in keys], np.int64)


def row_hashes(rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of each row of floats: (row,).

    Rows that are equal to the last bit have equal hashes. Zero and minus zero are equal.

    Parameters
    ----------
    rows : ndarray (row, column)
    """
    factors = np.asarray(np.random.default_rng(5).integers(1, 2**63, size=rows.shape[1]))
    code = np.zeros(len(rows), np.uint64)
    for column, factor in zip(np.ascontiguousarray(rows.T), factors.tolist(), strict=True):
        odd = factor | 1
        bits = (column + 0.0).view(np.uint64) * odd
        code = (code ^ (bits ^ (bits >> np.uint64(29)))) * odd
    return code


def softmax(z: np.ndarray, axis: int = -1, there: np.ndarray | None = None) -> np.ndarray:
    """Return ``exp(z) / sum exp(z)`` over an axis.

    Where entries are not `there`, they are 0; so are all, where none is.
    """
    odds = np.exp(z - z.max(axis=axis, keepdims=True))
    if there is not None:
        odds = np.where(there, odds, 0.0)
    return np.asarray(odds / np.maximum(odds.sum(axis=axis, keepdims=True), 1e-300))


def by_rows(work: Callable[[slice], object], rows: int, columns: int) -> None:
    """Call ``work(rows)`` for slices of rows, in parallel threads where they are many.

    A slice is small enough to stay in a core's cache.
    """
    step = max(1, ROWS_AT_ONCE // max(columns, 1))
    parts = [slice(lo, min(lo + step, rows)) for lo in range(0, rows, step)]
    for _ in each_in_threads(work, parts, len(parts) > 4):
        pass


def log_softmax(z: np.ndarray) -> np.ndarray:
    """Return ``z - log sum exp(z)`` over the last axis."""
    apart = z - z.max(axis=-1, keepdims=True)
    return np.asarray(apart - np.log(np.exp(apart).sum(axis=-1, keepdims=True)))


def threads() -> int:
    """Return the number of parallel threads: one for each core, at most eight."""
    return min(os.cpu_count() or 1, 8)


def in_threads[T, S](work: Callable[[T], S], parts: Sequence[T], worthwhile: bool = True) -> list[S]:
    """Return ``work(part)`` for each part in order, computed in parallel threads.

    Parameters
    ----------
    worthwhile : bool, optional
        Whether a part takes longer than handing it to a thread.
    """
    return list(tracked(each_in_threads(work, parts, worthwhile and len(parts) > 1), len(parts)))


def each_in_threads[T, S](work: Callable[[T], S], parts: Iterable[T], worthwhile: bool = True) -> Iterator[S]:
    """Yield ``work(part)`` for each part in order, computed in parallel threads.

    A few parts are computed ahead of the reader at a time.

    Parameters
    ----------
    worthwhile : bool, optional
        Whether a part takes longer than handing it to a thread.
    """
    workers = threads()
    if workers < 2 or not worthwhile:
        yield from map(work, parts)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        rest = iter(parts)
        waiting = [pool.submit(work, part) for part in islice(rest, 2 * workers)]
        while waiting:
            done = waiting.pop(0).result()
            waiting.extend(pool.submit(work, part) for part in islice(rest, 1))
            yield done


def within_one(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Divide by a power of two, so that squares and sums stay finite.

    The largest absolute value becomes 1/2 to 1.

    Parameters
    ----------
    axis : int or tuple of int, optional
        Axes that share a power. Default: all.

    Returns
    -------
    scaled, exponent : ndarray
        ``values = ldexp(scaled, exponent)``, exact unless a value underflows beside the largest.
    """
    values = np.asarray(values, float)
    exponent = np.frexp(np.abs(values).max(axis=axis, keepdims=True, initial=0.0))[1]
    return np.ldexp(values, -exponent), exponent


def finite(value: Any) -> float | None:
    """Return a finite number as a float, else None.

    None also for a boolean, and for an integer of 400 digits.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def share(value: Any, name: str, advice: str, *, include_zero: bool = False, include_one: bool = True) -> float:
    """Return a share, a number from 0 to 1.

    Parameters
    ----------
    name, advice : str
        First and last part of the message.
    include_zero, include_one : bool
        Whether 0 and 1 are allowed.

    Raises
    ------
    InputError
        Anything but a share.
    """
    number = finite(value)
    if number is None or not (0 < number < 1 or (include_zero and number == 0) or (include_one and number == 1)):
        raise InputError(f"{name}: {shown(value)}; {advice}")
    return number


def is_share(value: Any) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return 0 <= (-1.0 if (number := finite(value)) is None else number) <= 1


LARGEST_COUNT = 1e12


def count_of(value: Any) -> float | None:
    """Return a count as a float; None for anything else.

    A count is a whole number from 1 to 10^12.
    """
    number = finite(value)
    return number if number is not None and 1 <= number <= LARGEST_COUNT and number == int(number) else None


def whole(value: object, what: str, least: int = 0) -> int:
    """Return a whole number of at least ``least``.

    Raises
    ------
    InputError
        Anything else, booleans included.
    """
    number = value if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise InputError(f"{what}: {shown(value)}; give a whole number from {least} on")
    return int(number)
