"""Units of the features of a family of rewards."""

import math
from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.rounding_error_bounds import all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.feedback_names import by_table, rows_used
from reward_hypotheses.models.hypotheses.linear import Linear


def feature_scale(name: str, linear: Linear, feedback: Sequence[Feedback]) -> np.ndarray:
    """Return the unit of each feature: (feature,).

    As given, else the population standard deviation of the feature over the rows fitted. These are the rows that some
    feedback uses, each once, or as often as its count says; a table that feedbacks use with different counts is one
    table for each count. Options that are marked as failing are left out. The unit of an intercept is its own size.

    Raises
    ------
    InputError
        A feature that is not finite, or that is equal in every row and has no unit.
    """
    scale = units_in_training(name, linear, feedback)
    lacking = [name for name, unit in zip(linear.names, scale.tolist(), strict=True) if not unit > 0]
    if lacking:
        more = len(lacking) > 1
        every = ", ".join(map(repr, lacking))
        raise InputError(
            f"hypothesis {name!r}: {'features' if more else 'feature'} {every}: the same in every row that is fitted, so "
            f"training gives {'their weights no units' if more else 'its weight no unit'}; give rh.Linear(..., "
            f"unit={ {feature: 1 for feature in lacking}!r}), with the size that matters in place of 1, and the weight keeps its prior"
        )
    return scale


def units_in_training(
    name: str, linear: Linear, feedback: Sequence[Feedback], beside: Table | None = None
) -> np.ndarray:
    """Return the units of `feature_scale`, NaN where there is none: (feature,).

    Parameters
    ----------
    beside : Table, optional
        A test: a feature that is equal in every row fitted is measured over these rows and the test's together.
    """
    columns: list[list[np.ndarray]] = [[] for _ in linear.features]
    times: list[np.ndarray] = []

    def add(table: Table, counts: np.ndarray) -> None:
        failing = table.failing()
        there = slice(None) if failing is None else ~failing
        times.append(counts[there])
        for rows, feature in zip(columns, linear.features, strict=True):
            pair = feature.bounded(lambda c: table.columns[c].values, lambda c: table.columns[c].bound)
            both = np.stack([np.broadcast_to(np.asarray(part, float), table.n_items) for part in pair])
            rows.append(both[:, there])

    for uses in by_table(feedback):
        add(*rows_used([feedback[k] for k in uses]))
    fitted = len(times)
    if beside is not None:
        add(beside, np.ones(beside.n_items))
    scale = np.empty(len(linear.features))
    for k, (rows, feature, unit) in enumerate(zip(columns, linear.features, linear.units, strict=True)):
        if not all(np.isfinite(values).all() for values, _ in rows):
            raise InputError(f"hypothesis {name!r}: feature {feature.text!r} is not finite in some row that is fitted")
        sizes = (
            _size(np.hstack(rows[:n]), np.concatenate(times[:n]), feature) for n in dict.fromkeys((fitted, len(times)))
        )
        scale[k] = unit or next((size for size in sizes if size), np.nan)
    return scale


def _size(bounded: np.ndarray, times: np.ndarray, feature: Expression) -> float:
    """Return the standard deviation of a feature, or the size of an intercept.

    0 where the feature is equal in every row.

    Parameters
    ----------
    bounded : ndarray (2, row)
        Values, and bounds of their rounding errors.
    times : ndarray (row,)
        How often each row counts.
    """
    values, error = bounded
    if not feature.columns:
        return float(np.abs(values).max(initial=0.0))
    return 0.0 if not len(values) or all_equal(values, error) else deviation(values, times)


def deviation(values: np.ndarray, times: np.ndarray) -> float:
    """Return the population standard deviation of weighted values.

    Parameters
    ----------
    values : ndarray (row,)
    times : ndarray (row,)
        How often each value counts.
    """
    apart = values - values[0]  # no offset takes a digit away
    largest = max(float(np.abs(apart).max()), 1e-300)
    apart = apart / largest  # no square overflows or vanishes
    if (times == 1).all():
        return float(apart.std()) * largest
    mean = apart @ times / times.sum()
    return math.sqrt(float((apart - mean) ** 2 @ times / times.sum())) * largest
