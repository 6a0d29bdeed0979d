"""Impact: the distance of an agent's choices from training, beside catastrophes.

The catastrophes are those that the values define. The essay's footnote: impact measures would define catastrophe without
values. A flagged outcome need not be a catastrophe (it may be large and beneficial), and an outcome that passes may be a
catastrophe (small and terrible).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.rollout import Rollout
from reward_hypotheses.analysis.shift.numeric_features import feature, usable_features
from reward_hypotheses.analysis.shift.permutation_units import relative_weights
from reward_hypotheses.data.table import Table

LEVEL = 0.95
LEAST_DONE = 0.01
RANK = 1e-9
"""A direction in which training varies by less than this share of what it varies in the largest is none it varies in."""


@dataclass(frozen=True, eq=False)
class Impact:
    """Impact of every item of a test.

    Attributes
    ----------
    distance : ndarray (item,)
        Mahalanobis distance from the centre of training, inf outside the directions in which training varies; or the values
        of the named column.
    as_far : ndarray (item,)
        Share of training that is at least as far; NaN with a threshold, which needs no training.
    flagged : ndarray (item,) of bool
    """

    distance: np.ndarray
    as_far: np.ndarray
    flagged: np.ndarray


def impact_of(
    training: Sequence[Table],
    test: Table,
    features: Sequence[str],
    level: float = LEVEL,
    counts: Sequence[np.ndarray | None] = (),
) -> Impact:
    """Measure how far the items of a test lie from the pooled items of training.

    With m and S the mean and covariance of training's items (scenes by their weights; items that are failing left out)::

        d(x)^2 = (x - m)' S^+ (x - m)   where x - m lies in the range of S, else infinite
        as_far(x) = share of training with d >= d(x)
        flagged where as_far < 1 - level

    At most ``1 - level`` of training itself is flagged. Take a feature that is constant in training, or an affine function
    of other features there. An item that keeps this relation gains no distance from the feature, any other item is
    infinitely far. The scale of a feature makes no difference.

    Parameters
    ----------
    training : sequence of Table
    test : Table
    features : sequence of str
    level : float
        Between 0 and 1.
    counts : sequence of ndarray (item,) or None, optional
        Copies of each item, one array for each table of training; 1 by default.
    """
    times = counts or [None] * len(training)
    seen = [_rows(table, features, of_table) for table, of_table in zip(training, times, strict=True)]
    rows, weight = np.concatenate([r for r, _ in seen]), np.concatenate([w for _, w in seen])
    distance = _mahalanobis(rows, weight)
    return _judged(distance(rows), weight, distance(_matrix(test, features)), level)


def impact_by_column(
    training: Sequence[Table], test: Table, column: str, threshold: float | None, level: float = LEVEL
) -> Impact:
    """Measure impact by a column.

    An item is flagged above the threshold. Without a threshold, an item is flagged where less than ``1 - level`` of
    training is at least as large.
    """
    values = feature(test, column)
    if threshold is not None:
        return Impact(values, np.full(len(values), np.nan), values > threshold)
    seen = [_rows(table, [column]) for table in training]
    rows, weight = np.concatenate([r[:, 0] for r, _ in seen]), np.concatenate([w for _, w in seen])
    return _judged(rows, weight, values, level)


def _matrix(table: Table, features: Sequence[str]) -> np.ndarray:
    return np.stack([feature(table, name) for name in features], axis=1)


def _rows(table: Table, features: Sequence[str], counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the items of training that are not failing, and their weights.

    Returns
    -------
    rows : ndarray (item, feature)
    weight : ndarray (item,)
        Counts where given, else scene weights, which average 1 over scenes with items.
    """
    of_item = np.repeat(relative_weights(table), np.diff(table.starts)) if counts is None else counts
    failing = table.failing()
    keep = np.ones(table.n_items, bool) if failing is None else ~failing
    keep &= of_item > 0
    return _matrix(table, features)[keep], of_item[keep]


def _mahalanobis(rows: np.ndarray, weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from items (item, feature) to distances from the rows' centre."""
    share = weight / weight.sum()
    first = rows[0]
    constant = np.ptp(rows, axis=0) <= 1e-12 * np.abs(rows).max(axis=0)
    centre = np.where(constant, first, share @ rows)
    apart = np.abs(rows - centre).max(axis=0)
    largest = np.where(apart > 0, apart, 1.0)
    unit = largest * np.sqrt(share @ ((rows - centre) / largest) ** 2)
    unit = np.where(constant, np.where(first != 0, np.abs(first), 1.0), unit)

    def standard(x: np.ndarray) -> np.ndarray:
        return np.where(constant & (np.abs(x - first) <= 1e-9 * unit), 0.0, (x - centre) / unit)

    z = standard(rows)
    along, vectors = np.linalg.eigh((z * share[:, None]).T @ z)
    varies = along > RANK * max(float(along.max(initial=0.0)), 1e-300)
    inside, outside = vectors[:, varies] / np.sqrt(along[varies]), vectors[:, ~varies]

    def off(z: np.ndarray) -> np.ndarray:
        return np.sqrt(((z @ outside) ** 2).sum(axis=1))

    slack = 1e-9 + 2 * float(off(z).max(initial=0.0))

    def distance(x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond all floats is infinitely far
            z = standard(x)
            near = np.sqrt(((z @ inside) ** 2).sum(axis=1))
            far = off(z) > slack + 1e-9 * np.sqrt((z**2).sum(axis=1))
            far |= ~(np.abs(z).max(axis=1) < 1e150)
        return np.where(np.isfinite(near) & ~far, near, np.inf)

    return distance


def _judged(seen: np.ndarray, weight: np.ndarray, distances: np.ndarray, level: float) -> Impact:
    """Flag the values that are larger than nearly all of training."""
    order = np.argsort(seen, kind="stable")
    nearer = np.concatenate([[0.0], np.cumsum(weight[order])])
    slack = 1e-9 * np.abs(distances)
    slack[~np.isfinite(distances)] = 0.0
    as_far = 1.0 - nearer[np.searchsorted(seen[order], distances - slack)] / nearer[-1]
    as_far = np.where(np.isfinite(distances), np.clip(as_far, 0.0, 1.0), 0.0)
    return Impact(distances, as_far, as_far < 1 - level - 1e-12)


CELLS = (("flagged", "catastrophe"), ("flagged", "fine"), ("passed", "catastrophe"), ("passed", "fine"))


def agreement(acted: Rollout, flagged: np.ndarray) -> dict[str, dict[str, float]]:
    """Return shares of the agent's choices by impact and by the values.

    Rows: "flagged" or "passed" by impact. Columns: "catastrophe" or "fine" by the values. The shares add up to the
    probability that the agent does not abstain.
    """
    mass = acted.mass()
    out: dict[str, dict[str, float]] = {"flagged": {}, "passed": {}}
    for row, column in CELLS:
        chance = acted.bad if column == "catastrophe" else 1 - acted.bad
        share = float(mass @ ((flagged if row == "flagged" else ~flagged) * chance))
        out[row][column] = share if share > 1e-12 else 0.0  # below is rounding
    return out


def false_alarms(table: dict[str, dict[str, float]]) -> float:
    """Return the share of flagged choices that are fine; NaN where none is flagged."""
    flagged = table["flagged"]["catastrophe"] + table["flagged"]["fine"]
    return table["flagged"]["fine"] / flagged if flagged > 0 else math.nan


def missed(table: dict[str, dict[str, float]]) -> float:
    """Return the share of catastrophes that impact passes; NaN without catastrophes."""
    risk = table["flagged"]["catastrophe"] + table["passed"]["catastrophe"]
    return table["passed"]["catastrophe"] / risk if risk > 0 else math.nan


def examples(acted: Rollout, impact: Impact, row: str, most: int) -> list[int]:
    """Return example items of an off-diagonal cell, the clearest first.

    For "flagged": choices that are probably fine, ordered by the lowest probability of catastrophe, then the largest
    distance. For "passed": choices that are probably a catastrophe, ordered by the highest probability of catastrophe, then
    the smallest distance. Ties are ordered by how often the agent makes the choice. Choices of probability below
    `LEAST_DONE` are left out.
    """
    mass = np.where(acted.acts >= LEAST_DONE, acted.mass(), 0.0)
    if row == "flagged":
        which = np.flatnonzero((mass > 0) & impact.flagged & (acted.bad < 0.5))
        order = np.lexsort((which, -mass[which], -impact.distance[which], np.round(acted.bad[which], 12)))
    else:
        which = np.flatnonzero((mass > 0) & ~impact.flagged & (acted.bad > 0.5))
        order = np.lexsort((which, -mass[which], impact.distance[which], -np.round(acted.bad[which], 12)))
    return [int(i) for i in which[order][:most]]


def place(table: Table, item: int) -> tuple[str, str]:
    """Return the names of an item's scene and option; "" for a table without options."""
    scene = table.scene_name(int(np.searchsorted(table.starts, item, side="right")) - 1)
    if not table.has_options:
        return scene, ""
    names = table.option_names
    return scene, str(int(table.positions[item])) if names is None else names.text(item)


def described(table: Table, item: int, features: Sequence[str]) -> str:
    """Return an item in words: its scene and option, and up to six features."""
    scene, option = place(table, item)
    where = f"item {scene}" if option == "" else f"option {option} of scene {scene}"
    shown = ", ".join(f"{name} {table.columns[name].values[item]:.3g}" for name in features[:6])
    return f"{where} ({shown})" if shown else where


def impact_document(acted: Rollout, impact: Impact, features: Sequence[str]) -> dict[str, Any]:
    """Return the impact for the results: the table, and examples of disagreement."""
    shown: dict[str, Any] = {"flagged": None, "passed": None}
    for row in shown:
        for item in examples(acted, impact, row, most=1):
            scene, option = place(acted.table, item)
            shown[row] = {
                "scene": scene,
                "option": option or None,
                "as_far": float(impact.as_far[item]),
                "catastrophe": float(acted.bad[item]),
                "words": described(acted.table, item, features),
            }
    table = agreement(acted, impact.flagged)
    return {"features": list(features), "level": LEVEL, "table": table, "examples": shown}


def _of_items(case: Case) -> tuple[Impact, list[str]] | None:
    """Return the impact of every item of the test, and the features that measure it.

    The result is None without usable features.
    """
    test = case.valuation.table
    key = ("impact", test.name)  # it rests on no weight
    if key not in case.known:
        training = [valuation.table for valuation in case.training.valuations]
        features = usable_features([*training, test], case.posterior.hypotheses, case.feedback_columns)
        case.known[key] = None
        if features:
            case.known[key] = (impact_of(training, test, features, counts=case.training.counts), features)
    result: tuple[Impact, list[str]] | None = case.known[key]
    return result


class ImpactOfChoices(Section[Document]):
    """Impact of the agent's choices, compared with the values; None where not defined."""

    keys = ("impact",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document | None:
        of_items = _of_items(case)
        return None if of_items is None else impact_document(case.rollout, *of_items)

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        of_items = _of_items(case)
        return {"impact": None if of_items is None else {"table": agreement(case.rollout, of_items[0].flagged)}}
