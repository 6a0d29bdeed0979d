"""Bounds of the rounding error of expressions, and equality up to rounding.

A bound is carried beside each value (Higham 2002, section 3.3). The bound is 0 for whole numbers up to 2^53 and for
their sums, differences and products that stay below 2^53. It is half a unit in the last place for another cell or
constant, and follows the derivatives through every operation. Two values are equal when they differ by no more than
twice the sum of their bounds: nothing elsewhere in the table matters.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

WHOLE = 2.0**53
"""Whole numbers up to here, and their sums, differences and products, are exact."""
EPS = 2.0**-52
CALLABLE = 64 * EPS
"""Bound of a callable reward's error, relative to the reward."""

SMOOTH: Mapping[str, np.ufunc] = {"/": np.divide, "**": np.power, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}
"""Operations whose error follows the derivative."""

type Value = np.ndarray | np.float64 | float
EXACT = 0.0


class Bound(NamedTuple):
    """Bound of a value's rounding error.

    Attributes
    ----------
    error : float or ndarray
        The bound; the number 0.0 where the value is a whole number at every item.
    reach : float
        The value is at most this, in absolute value, where the error is the number 0.0.
    """

    error: np.ndarray | float
    reach: float

    @property
    def exact(self) -> bool:
        """Whether the value is a whole number at every item."""
        return isinstance(self.error, float) and self.error == 0.0


TRUTH = Bound(EXACT, 1.0)
"""Bound of truth values."""


def half_ulp(x: Value) -> np.ndarray:
    """Return half a unit in the last place, 0 where a value is not finite."""
    with np.errstate(invalid="ignore"):
        return np.fmax(np.spacing(np.abs(x)), 0.0) * 0.5


def bound_of(values: Value) -> Bound:
    """Return the bound of given numbers: cells of a column, or a constant.

    NaN, a missing cell, has the bound 0.
    """
    if isinstance(values, float):
        integer = values.is_integer() and abs(values) <= WHOLE
        return Bound(EXACT, abs(values)) if integer else Bound(math.ulp(values) / 2, np.inf)
    if values.dtype == bool:
        return TRUTH
    size = np.nan_to_num(np.abs(values), nan=0.0, posinf=np.inf)
    largest = float(np.max(size, initial=0.0))
    integer = np.floor(size) == size
    if largest <= WHOLE and bool(np.all(integer)):
        return Bound(EXACT, largest)
    return Bound(np.where(integer & (size <= WHOLE), 0.0, half_ulp(size)), np.inf)


def bound_of_result(kind: str, arguments: Sequence[tuple[Value, Bound]], result: Value) -> Bound:
    """Return the bound of an operation's result.

    Parameters
    ----------
    kind : str
        The operator or function, as expressions name it.
    arguments : sequence of (value, Bound)
    result : ndarray or float
        The computed values.
    """
    bounds = [bound for _, bound in arguments]
    if kind in ("negative", "abs"):
        return bounds[0]
    if kind == "where":
        return _chosen(arguments[0][0], bounds[1], bounds[2])
    if kind in ("min", "max"):
        value, bound = arguments[0]
        for other, of_other in arguments[1:]:
            bound = _chosen(_first_taken(kind, value, other), bound, of_other)
            value = np.minimum(value, other) if kind == "min" else np.maximum(value, other)
        return bound
    if kind == "clip":
        (x, of_x), (low, of_low), (high, of_high) = arguments
        raised = _chosen(_first_taken("max", x, low), of_x, of_low)
        return _chosen(_first_taken("min", np.maximum(x, low), high), raised, of_high)
    if kind in ("+", "-", "*"):
        return _of_ring(kind, arguments, result)
    if kind == "**" and np.ndim(arguments[1][0]) == 0 and arguments[1][0] == 2:
        return _of_ring("*", [arguments[0], arguments[0]], result)
    return Bound(_by_derivatives(kind, arguments, result), np.inf)


def equal(a: Value, b: Value, error_a: np.ndarray | float, error_b: np.ndarray | float) -> np.ndarray:
    """Return where two values are equal up to rounding.

    ``|a - b| <= 2 (error_a + error_b)``.
    """
    return np.asarray(np.abs(a - b) <= 2 * (error_a + error_b))


def all_equal(
    values: np.ndarray, error: np.ndarray | float, inside: np.ndarray | None = None, axis: int = 0
) -> np.ndarray:
    """Return where values along an axis are all equal, up to rounding.

    Parameters
    ----------
    inside : ndarray of bool, optional
        Values that count. Default: all. True where no value counts.
    """
    here = np.ones(values.shape, bool) if inside is None else inside
    top = np.where(here, values, -np.inf).max(axis=axis, keepdims=True)
    bottom = np.where(here, values, np.inf).min(axis=axis, keepdims=True)
    if isinstance(error, float) and error == 0.0:
        return np.asarray(top <= bottom).squeeze(axis)
    of_ends = sum(np.where(here & (values == end), error, 0.0).max(axis=axis, keepdims=True) for end in (top, bottom))
    with np.errstate(invalid="ignore"):  # of nothing
        return np.asarray(top - bottom <= 2 * of_ends).squeeze(axis)


def settled(error: np.ndarray | float, result: Value) -> np.ndarray | float:
    """Return usable bounds: one that is not finite becomes a last place.

    A bound is not finite where the value went through infinity.
    """
    if isinstance(error, float) and np.isfinite(error):
        return error
    wrong = ~np.isfinite(error)
    return np.where(wrong, 2 * half_ulp(result), error) if wrong.any() else error


def _first_taken(kind: str, first: Value, second: Value) -> np.ndarray:
    return np.asarray(first <= second) if kind == "min" else np.asarray(first >= second)


def _chosen(condition: Value, first: Bound, second: Bound) -> Bound:
    """Return the bound of the branch taken."""
    if first.exact and second.exact:
        return Bound(EXACT, max(first.reach, second.reach))
    return Bound(np.where(condition, first.error, second.error), np.inf)


def _times(size: Value, error: np.ndarray | float) -> np.ndarray | float:
    """Return ``|size| * error``, and 0 where the error is 0, whatever the size."""
    if isinstance(error, float) and error == 0.0:
        return 0.0
    return np.where(error == 0, 0.0, np.abs(size) * error)


def _of_ring(kind: str, arguments: Sequence[tuple[Value, Bound]], result: Value) -> Bound:
    """Return the bound of a sum, a difference or a product.

    Exact where whole numbers stay below 2^53.
    """
    (x, of_x), (y, of_y) = arguments
    if of_x.exact and of_y.exact:
        reach = of_x.reach * of_y.reach if kind == "*" else of_x.reach + of_y.reach
        if reach < WHOLE:
            return Bound(EXACT, reach)
    exact = (np.asarray(of_x.error) == 0) & (np.asarray(of_y.error) == 0) & (np.abs(result) < WHOLE)
    rounding = np.where(exact, 0.0, half_ulp(result))
    if kind == "*":
        return Bound(_times(x, of_y.error) + _times(y, of_x.error) + rounding, np.inf)
    return Bound(of_x.error + of_y.error + rounding, np.inf)


def _by_derivatives(kind: str, arguments: Sequence[tuple[Value, Bound]], result: Value) -> np.ndarray:
    """Return ``sum_k |df / dx_k| error_k`` and a unit in the last place.

    Where that is not finite, the change of f itself.
    """
    values = [np.asarray(value, float) for value, _ in arguments]
    errors = [np.asarray(bound.error, float) for _, bound in arguments]
    x = values[0]
    if kind == "/":
        slopes = [1 / values[1], result / values[1]]  # a square may overflow
    elif kind == "**":
        slopes = [values[1] * x ** (values[1] - 1), result * np.log(np.abs(x))]
    else:
        slopes = {"exp": [np.asarray(result)], "log": [1 / x], "sqrt": [0.5 / np.asarray(result)]}[kind]
    total = sum((_times(slope, error) for slope, error in zip(slopes, errors, strict=True)), np.zeros(np.shape(result)))
    if not np.isfinite(total).all():
        f = SMOOTH[kind]
        moved = np.zeros(np.shape(result))
        for k, error in enumerate(errors):
            for step in (error, -error):
                nearby = f(*(value + step if i == k else value for i, value in enumerate(values)))
                moved = np.fmax(moved, np.abs(nearby - result))  # where f is not defined nearby, the other side counts
        total = np.where(np.isfinite(total), total, moved)
    return np.asarray(total + 2 * half_ulp(result))
