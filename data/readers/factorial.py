"""Every combination of declared values of features, as items."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.column import Column
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.table import RESERVED, Table

if TYPE_CHECKING:
    import xarray as xr

MOST_COMBINATIONS = 1_000_000


def combinations(features: Mapping[str, Sequence[Any]], where: str | None = None) -> "xr.Dataset":
    """Return every combination of values of features as items.

    With `where`, only the combinations that meet a condition. Declares a test, a pool of questions or the support of
    the training data, such as "any combination of these features with red == flags".

    Parameters
    ----------
    features : dict of str to list
        Possible values of each feature: numbers, or true and false.
    where : str, optional
        An expression over the features that is true or false, such as ``"red_paint == flags"``.

    Returns
    -------
    Dataset
        Over ``scene``, one item each, the last feature varying fastest.

    Raises
    ------
    InputError
        No features or values, a value given twice, text, more than a million combinations, a condition that gives
        numbers or that no combination meets.

    Examples
    --------
    >>> combinations({"red_paint": [False, True], "flags": [False, True]}, "red_paint == flags").sizes["scene"]
    2
    """
    return combinations_of(features, where).to_dataset()


def combinations_of(features: Any, where: Any, name: str = "combinations") -> Table:
    """Return the `combinations` as a Table with a given name."""
    if not isinstance(features, Mapping) or not features:
        raise InputError(
            f"combinations: {shown(features)}; give the values of each feature, such as {{ flags = [false, true], slope = [0, 0.5] }}"
        )
    values = {str(feature): _values(feature, listed) for feature, listed in features.items()}
    count = math.prod(len(v) for v in values.values())
    if count > MOST_COMBINATIONS:
        raise InputError(
            f"combinations: {count:,} of them; up to {MOST_COMBINATIONS:,} can be made, so give fewer values"
        )
    grid = np.meshgrid(*values.values(), indexing="ij")
    columns = {feature: Column(column.ravel()) for feature, column in zip(values, grid, strict=True)}
    if where is not None:
        keep = _where(where, columns)
        columns = {feature: column.take(np.flatnonzero(keep)) for feature, column in columns.items()}
        count = int(keep.sum())
    source = f"every combination of {', '.join(values)}" + ("" if where is None else f" with {where}")
    return Table(name, source, columns, np.arange(count + 1), column_order=tuple(columns))


def _values(feature: Any, raw: Any) -> np.ndarray:
    if not isinstance(feature, str) or not feature.strip() or feature in RESERVED or feature == "option_name":
        raise InputError(f"combinations: {shown(feature)} is no name of a feature; name a column that hypotheses read")
    listed = np.asarray(raw).tolist() if isinstance(raw, np.ndarray) else raw
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise InputError(
            f"combinations: {feature}: {shown(raw)}; give a list of the values that it may take, such as [false, true]"
        )
    if all(isinstance(value, bool) for value in listed):
        values = np.array(listed)
    else:
        numbers = [None if isinstance(value, bool) else finite(value) for value in listed]
        if None in numbers:
            wrong = listed[numbers.index(None)]
            raise InputError(f"combinations: {feature}: {shown(wrong)}; give finite numbers, or true and false alone")
        values = np.array(numbers, float)
        if set(values.tolist()) <= {0.0, 1.0}:  # as everywhere, 0 and 1 alone are false and true
            values = values == 1
    if len(np.unique(values)) < len(values):
        raise InputError(f"combinations: {feature}: {shown(listed)} has a value twice; give each once")
    return values


def _where(where: Any, columns: Mapping[str, Column]) -> np.ndarray:
    def is_boolean(name: str) -> bool:
        return columns[name].values.dtype == bool

    with InputError.at("combinations: where"):
        condition = parse(where)
        unknown = [c for c in condition.columns if c not in columns]
        if unknown:
            raise InputError(f"names {unknown[0]!r}, of which no values are given; {suggestion(unknown[0], columns)}")
        condition.check(is_boolean)
        if not condition.is_truth(is_boolean):
            raise InputError("gives numbers; it must be true or false, as in red_paint == flags")
    n = len(next(iter(columns.values())).values)
    holds = np.broadcast_to(condition.evaluate(lambda name: columns[name].values), n)
    if not (holds == 1).any():
        raise InputError(f"combinations: where: {where!r} holds for none of the {n:,} combinations")
    return np.asarray(holds == 1)
