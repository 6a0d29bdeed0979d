"""Numbers as people write them, and small array tools."""

import math
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return distinct values in order, their first positions, each value's place among them, and their counts.

    As ``np.unique`` with everything returned, which however imports ``numpy.ma`` on its first call: a twentieth of a
    whole short run.
    """
    values = np.asarray(values).ravel()
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(values) else order
    counts = np.diff(np.append(starts, len(values)))
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.repeat(np.arange(len(starts)), counts)
    return ordered[starts], order[starts], inverse, counts


def within_one(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Divide by a power of two, so that the largest of them is from 1/2 to 1 and their squares and sums stay finite.

    Parameters
    ----------
    axis : int or tuple of int, optional
        Axes that share a power; all of them, unless given.

    Returns
    -------
    scaled, exponent : ndarray
        ``values = ldexp(scaled, exponent)``, exactly but where a value is below the smallest float beside the largest.
    """
    values = np.asarray(values, float)
    exponent = np.frexp(np.abs(values).max(axis=axis, keepdims=True, initial=0.0))[1]
    return np.ldexp(values, -exponent), exponent


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return ``exp s / sum exp s`` over the last axis."""
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def finite(value: Any) -> float | None:
    """Return a finite number as a float, else None: also for a boolean, and for an integer of 400 digits."""
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
        First and last part of the message where it is none.
    include_zero, include_one : bool
        Whether 0 and 1 are shares too.

    Raises
    ------
    InputError
        Anything else.
    """
    number = finite(value)
    if number is None or not (0 < number < 1 or (include_zero and number == 0) or (include_one and number == 1)):
        raise InputError(f"{name}: {shown(value)}; {advice}")
    return number


def is_share(value: Any) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return 0 <= (-1.0 if (number := finite(value)) is None else number) <= 1


def whole(value: object, what: str, least: int = 0) -> int:
    """Return a whole number of at least ``least``.

    Raises InputError for anything else, booleans included.
    """
    number = value if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise InputError(f"{what}: {shown(value)}; give a whole number from {least} on")
    return int(number)
