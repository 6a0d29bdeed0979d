"""Evaluate operators of expressions, with a bound of the rounding error."""

from collections.abc import Mapping
from functools import reduce

import numpy as np

from reward_hypotheses.data.expressions.operators import COMPARISONS, LOGIC, Operand
from reward_hypotheses.data.rounding_error_bounds import TRUTH, Bound, bound_of_result


def number(value: Operand) -> np.ndarray | float:
    """Return a value as numbers, NaN where undefined."""
    array, undefined = value
    if isinstance(array, float):
        return array
    if array.dtype == bool:
        array = array.astype(np.float64)
        if undefined is not None:
            array = np.where(undefined, np.nan, array)
    return array


def _is_bool(value: Operand) -> bool:
    return not isinstance(value[0], float) and value[0].dtype == bool


def _either(*masks: np.ndarray | None) -> np.ndarray | None:
    present = [m for m in masks if m is not None]
    return None if not present else np.logical_or.reduce(np.broadcast_arrays(*present))


_UFUNC: Mapping[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.absolute,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
}


def _select(
    condition: np.ndarray | np.float64 | float, first: np.ndarray | float, second: np.ndarray | float
) -> np.ndarray:
    """Return ``np.where`` of numbers, computed by their bits.

    Bits need no branch prediction, and are four times as fast on a mixed mask.
    """
    if not isinstance(condition, np.ndarray) or not condition.ndim:
        return np.where(condition, first, second)
    chosen = np.negative(condition.view(np.int8), dtype=np.int64, casting="unsafe")  # 0, or every bit set
    a, b = (np.asarray(value, np.float64).view(np.int64) for value in (first, second))
    if a.ndim or b.ndim:
        chosen = chosen & (a ^ b)
        return np.bitwise_xor(chosen, b).view(np.float64)
    chosen &= int(a) ^ int(b)
    chosen ^= int(b)
    return chosen.view(np.float64)


def _bound_of(kind: str, arguments: list[Operand], bounds: list[Bound], result: Operand) -> Bound:
    """Return the bound of a result of `apply`.

    Truth values are exact, because comparisons are taken as written.
    """
    if kind in LOGIC or kind in COMPARISONS or _is_bool(result):
        return TRUTH
    numbers = [a[0] if kind == "where" and i == 0 else number(a) for i, a in enumerate(arguments)]
    return bound_of_result(kind, list(zip(numbers, bounds, strict=True)), number(result))


def apply(kind: str, arguments: list[Operand]) -> Operand:
    """Apply an operator or function to its arguments."""
    if kind in ("and", "or"):
        (a, a_undefined), (b, b_undefined) = arguments
        return _UFUNC[kind](a, b), _either(a_undefined, b_undefined)
    if kind == "not":
        return np.logical_not(arguments[0][0]), arguments[0][1]
    if kind == "where":
        (condition, undefined), first, second = arguments
        if _is_bool(first) and _is_bool(second):
            chosen = np.where(condition, first[0], second[0])
            if undefined is None and first[1] is None and second[1] is None:
                return chosen, None
            no = np.zeros(chosen.shape, bool)
            inside = np.where(condition, no if first[1] is None else first[1], no if second[1] is None else second[1])
            return chosen, _either(undefined, inside)
        picked = _select(condition, number(first), number(second))
        return (picked if undefined is None else np.where(undefined, np.nan, picked)), None
    numbers = [number(a) for a in arguments]
    if kind in COMPARISONS:
        a, b = numbers
        undefined = _either(_nan(a), _nan(b))
        return _UFUNC[kind](a, b), undefined
    if kind == "clip":
        return np.minimum(np.maximum(numbers[0], numbers[1]), numbers[2]), None
    if kind == "negative":
        return np.negative(numbers[0]), None
    if kind in ("min", "max"):
        return reduce(_UFUNC[kind], numbers), None
    if kind == "**" and np.ndim(numbers[1]) == 0 and numbers[1] == 2:
        return np.square(numbers[0]), None
    return _UFUNC[kind](*numbers), None


def _nan(x: np.ndarray | float) -> np.ndarray | None:
    if isinstance(x, float):
        return None if x == x else np.array(True)
    # The sum is NaN or infinite where any value is, and adding up is quicker than a mask that is seldom needed.
    if np.isfinite(np.add.reduce(x, axis=None)):
        return None
    undefined = np.isnan(x)
    return undefined if undefined.any() else None
