"""Whose answers a feedback holds: the raters, and their groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.column import Column
from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback

NO_GROUP = "no group"


@dataclass(frozen=True, eq=False)
class Raters:
    """The raters of some feedbacks.

    Attributes
    ----------
    names : tuple of str
        Named raters, in order of appearance. Answers without a rater are of further raters, after these: one for each.
    groups : tuple of str
        In order of appearance; empty without ``group=``.
    group_of : ndarray (rater,) of int
        Of all raters, unnamed ones included; 0 without groups.
    of_unit : tuple of ndarray (unit,) of int
        For each feedback, the rater of each unit.
    column : str
        The column that names the rater; of the first feedback that has one.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    group_of: np.ndarray
    of_unit: tuple[np.ndarray, ...]
    column: str

    @property
    def n(self) -> int:
        """Number of raters, unnamed ones included."""
        return len(self.group_of)

    @property
    def answers(self) -> np.ndarray:
        """Number of units of each rater: (rater,) of int."""
        return np.sum([np.bincount(of, minlength=self.n) for of in self.of_unit], axis=0)

    def in_groups(self) -> np.ndarray:
        """Return the share of raters in each group: (group,); one group without groups."""
        return np.bincount(self.group_of, minlength=max(1, len(self.groups))) / self.n


def raters_of(feedback: Sequence[Feedback]) -> Raters | None:
    """Read the raters of feedbacks; None where no feedback names a column of raters.

    A feedback without ``rater=`` beside others that have one is of one more rater, without a name.

    Raises
    ------
    InputError
        No such column, a rater that is a fraction, two raters in one scene, a rater in two groups, a count of answers
        whose rater is missing.
    """
    if all(data.rater is None for data in feedback):
        return None
    place: dict[str, int] = {}
    group_of: dict[str, str] = {}
    named: list[list[str | None]] = []
    for data in feedback:
        if data.rater is None:
            names: list[str | None] = [None] * _units(data)
        else:
            names = _names(data, data.rater, "rater")
            groups = _names(data, data.group, "group") if data.group is not None else [None] * len(names)
            if data.counts is not None and None in names:
                unit = int(np.argmax(np.asarray(data.counts) * [name is None for name in names]))
                raise InputError(
                    f"{data.table.source}: {_where(data, unit)}: column {data.rater!r} is empty, and {data.count!r} counts several "
                    "answers; name the rater, or give a row to each answer"
                )
            for unit, (who, group) in enumerate(zip(names, groups, strict=True)):
                if who is None or data.group is None:
                    continue
                group = NO_GROUP if group is None else group
                if group_of.setdefault(who, group) != group:
                    raise InputError(
                        f"{data.table.source}: {_where(data, unit)}: rater {who!r} is in group {group!r} here and in "
                        f"{group_of[who]!r} before; a rater is in one group"
                    )
        for who in names:
            if who is not None:
                place.setdefault(who, len(place))
        named.append(names)
    n, of_unit = len(place), []
    groups_of = [group_of.get(who, NO_GROUP) for who in place]
    for data, names in zip(feedback, named, strict=True):
        codes = np.array([-1 if who is None else place[who] for who in names], int)
        gone = np.flatnonzero(codes < 0)
        if data.rater is None:  # all by one more person
            codes[:] = n
            gone = gone[:1]
        codes[gone] = n + np.arange(len(gone))
        n += len(gone)
        if data.rater is not None and data.group is not None and len(gone):
            of_gone = _names(data, data.group, "group")
            groups_of += [of_gone[unit] or NO_GROUP for unit in gone.tolist()]
        else:
            groups_of += [NO_GROUP] * len(gone)
        of_unit.append(codes)
    divided = any(data.group is not None for data in feedback)
    listed = tuple(dict.fromkeys(groups_of)) if divided else ()
    codes = np.array([listed.index(group) for group in groups_of], int) if divided else np.zeros(n, int)
    column = next(str(data.rater) for data in feedback if data.rater is not None)
    return Raters(tuple(place), listed, codes, tuple(of_unit), column)


def names_in(table: Table, column: str, what: str) -> Column:
    """Return a column of raters or groups as names; else raise InputError."""
    if column not in table.columns:
        raise InputError(
            f"{table.source}: no column {column!r}, which names the {what} of each answer; "
            f"{suggestion(column, list(table.columns))}"
        )
    values = table.columns[column]
    if not values.is_text and values.written is None and values.values.dtype != bool:
        numbers = values.values
        wrong = ~(np.isnan(numbers) | (numbers == np.floor(numbers)))
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InputError(
                f"{table.source}: {table.where(item)}: column {column!r} is {numbers[item]:g}, which names no {what}; a name or a "
                "whole number does"
            )
    return values.names


def _units(data: Feedback) -> int:
    return len(np.asarray(data.observed))


def _scenes(data: Feedback) -> np.ndarray | None:
    """Return the scene of each unit; None where a unit is an item."""
    units = getattr(data, "units", None)
    return None if units is None or len(units) == data.items.n_items or not data.items.has_options else units


def _where(data: Feedback, unit: int) -> str:
    scenes = _scenes(data)
    return data.items.where(unit) if scenes is None else f"scene {data.items.scene_name(int(scenes[unit]))}"


def _names(data: Feedback, column: str, what: str) -> list[str | None]:
    """Return the rater or the group of each unit; None where it is missing."""
    table = data.items
    names = names_in(table, column, what)
    codes, scenes = names.values, _scenes(data)
    if scenes is not None:
        starts = table.starts
        scene = np.repeat(np.arange(table.n_scenes), np.diff(starts))
        first = codes[np.minimum(starts[:-1], table.n_items - 1)]
        uneven = codes != first[scene]
        if uneven.any():
            at = int(np.argmax(uneven))
            raise InputError(
                f"{table.source}: {table.where(at)}: column {column!r} differs from the first option of its scene; a scene is one "
                f"{what}'s"
            )
        codes = first[scenes]
    texts = [*(text if text.strip() else None for text in names.vocabulary or ()), None]
    return [texts[code] for code in codes.tolist()]
