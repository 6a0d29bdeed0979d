"""Answers of people: the items judged, the answers, and how often each was given."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import LARGEST_COUNT
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import EQUAL


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers about the items of a table.

    The fields are also the keys by which a study file states the answers.

    Parameters
    ----------
    table : Table, Dataset, DataFrame or dict of arrays
    column : str
        The column that holds the answers.
    missing : {"error", "drop"}
        Whether items without an answer are wrong, or left out (and counted).
    name : str, optional
        The kind by default.
    count : str, optional
        The column that says how often each answer was given, independently: whole numbers from 1 on, constant within a
        scene where the kind is about scenes. The results are those of a table that repeats each row (or scene) as often.
    rater : str, optional
        The column that names who gave each answer, constant within a scene where the kind is about scenes. Each rater has
        weights, rationality, noise and cut points of their own, partially pooled. Answers without a rater are of one more
        person each.
    group : str, optional
        The column that says to which group each rater belongs.
    correlated : bool
        Whether the weights of raters may be correlated (by an LKJ prior), rather than independent of one another.
    needs : tuple of str
        Further columns whose missing cells leave an item out where ``missing="drop"``: the features that hypotheses
        name, which `fit` and `run` fill in.
    """

    kind: ClassVar[str]
    in_column: ClassVar[bool] = True
    """Whether the answers stand in a column of the table."""

    asks: ClassVar[tuple[str, ...]] = ("table", "column")
    """Keys of a study file that name the data: a table, and a column of it."""

    instead: ClassVar[Mapping[str, str]] = {}
    """Keys that may replace one of `asks`, such as an MDP in place of a table: key -> replacement."""

    by_rater: ClassVar[bool] = False
    """Whether the kind can be fitted rater by rater."""

    required: ClassVar[dict[str, str]] = {
        "table": "name the table, as under [tables]",
        "mdp": "name the MDP, as under [mdps]",
        "column": "name the column that holds what was said",
    }
    """Advice for each required key that a study file leaves out: key -> text."""

    table: Any
    column: str
    _: KW_ONLY
    missing: str = "error"
    name: str | None = None
    count: Any = None
    rater: str | None = None
    group: str | None = None
    correlated: bool = False
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not getattr(type(self), "kind", None):
            raise InputError(f"{type(self).__name__} has no kind; give the class one: kind: ClassVar[str] = 'scores'")
        if self.in_column and (not isinstance(self.column, str) or not self.column):
            raise InputError(f"column: {self.column!r}; name the column that holds what was said")
        if self.missing not in ("error", "drop"):
            raise InputError(f"missing: {self.missing!r}; it must be 'error' or 'drop'")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise InputError(f"name: {self.name!r}; give a name in quotes, or none")
        if self.in_column and self.count is not None and (not isinstance(self.count, str) or not self.count):
            raise InputError(
                f"count: {shown(self.count)}; name the column that says how often each answer was given, in quotes"
            )
        if not self.in_column and self.count is not None and type(self).counts is Answers.counts:
            raise InputError(
                f"count: {self.kind} has none, for its answers stand in no column of a table; leave it out"
            )
        self._check_rater()
        object.__setattr__(self, "table", as_table(self.table, "table"))
        self._refuse_weights()

    def _check_rater(self) -> None:
        """Refuse a rater or group that names no column, or that the kind cannot use."""
        for key, value in (("rater", self.rater), ("group", self.group)):
            if value is None:
                continue
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"{key}: {shown(value)}; name the column that says whose answers these are, in quotes")
            if not type(self).by_rater:
                raise InputError(
                    f"{key}: {self.kind} are not fitted by rater; choices, rankings, ratings, stops and labels are"
                )
        beside = "group" if self.group is not None else "correlated" if self.correlated else None
        if beside is not None and self.rater is None:
            raise InputError(f"{beside}: {shown(getattr(self, beside))} without rater; name the column of raters too")
        if not isinstance(self.correlated, bool):
            raise InputError(f"correlated: {shown(self.correlated)}; give true or false")

    def _refuse_weights(self) -> None:
        """Refuse weights of scenes, because feedback does not weigh scenes.

        Weights pass where all of them are equal, or where the counts are read from their column.
        """
        column = self.table.columns.get("scene_weight")
        if column is None or self.count == "scene_weight":
            return
        values = column.values.astype(float)
        if column.missing().all() or float(np.ptp(values)) <= EQUAL * float(np.abs(values).max()):
            return
        raise InputError(
            f"{self.table.source}: column 'scene_weight' is not the same everywhere; {self._instead_of_weights()}"
        )

    def _instead_of_weights(self) -> str:
        """Return the advice that follows a refusal of weights of scenes."""
        return (
            'if it says how often each answer was given, write count = "scene_weight"; otherwise leave the column out, for '
            "feedback does not weigh scenes"
        )

    @cached_property
    def used(self) -> np.ndarray | None:
        """The items used: (item,) of bool, or None where all are."""
        return self.usable()

    def usable(self) -> np.ndarray | None:
        """Find the items that can be used: (item,) of bool, or None where all can."""
        if self.missing == "error":
            return None
        gone = self.unsaid() | self._incomplete()
        if gone.all():
            raise InputError(
                f"{self.table.source}: column {self.column!r}, or a feature, is missing in every row; feedback needs at least one"
            )
        return ~gone if gone.any() else None

    def _incomplete(self) -> np.ndarray:
        """Find the items without a count or a needed feature: (item,) of bool."""
        gone = self.uncounted
        failing = self.table.failing() if self.needs else None
        for column in self.needs:
            if column in self.table.columns:
                absent = self.table.columns[column].missing()
                gone = gone | (absent if failing is None else absent & ~failing)
        return gone

    def unsaid(self) -> np.ndarray:
        """Return which items lack an answer: (item,) of bool."""
        return self.table.column(self.column).missing()

    @property
    def uncounted(self) -> np.ndarray:
        """Items without a count: (item,) of bool.

        A single False where there is no column of counts.
        """
        return np.array(False) if self.count is None else self.table.column(self.count).missing()

    @cached_property
    def item_counts(self) -> np.ndarray | None:
        """How often the answer about each item was given: (item used,).

        None where each was given once.

        Raises
        ------
        InputError
            No such column, or a cell in that column that is no whole number from 1 on; names the row.
        """
        if self.count is None or not self.in_column:
            return None
        values = self.items.numbers(self.count).astype(float)
        wrong = ~((values >= 1) & (values <= LARGEST_COUNT) & (values == np.floor(values)))
        right = "it says how often an answer was given, a whole number from 1 to 10^12"
        self._refuse_cells(self.count, values, wrong, right, digits=12)
        return values if (values != 1).any() else None

    def _refuse_cells(self, column: str, values: np.ndarray, wrong: np.ndarray, right: str, digits: int = 6) -> None:
        """Raise InputError for the first wrong cell of a column, if any.

        `values` and `wrong` are (item used,); the message ends with `right`, what would be right.
        """
        if wrong.any():
            item = int(np.argmax(wrong))
            place = f"{self.items.source}: {self.items.where(item)}: column {column!r}"
            raise InputError(f"{place} is {values[item]:.{digits}g}; {right}")

    @property
    def said_columns(self) -> tuple[str, ...]:
        """Columns of the table that hold answers and their counts: no features."""
        return tuple(c for c in (self.column, self.count, self.rater, self.group) if self.in_column and c)

    @property
    def counts(self) -> np.ndarray | None:
        """How often each answer was given, in the order of `observed`: (unit,).

        None where each was given once.
        """
        return self.item_counts

    @property
    def n_answers(self) -> int:
        """Number of answers, each counted as often as it was given."""
        return len(self.observed) if self.counts is None else int(self.counts.sum())

    def unit_of(self, answers: np.ndarray) -> np.ndarray:
        """Return the unit of each answer: (answer,) of int.

        Answers are numbered from 0 to ``n_answers - 1``; the answers of one unit have consecutive numbers.
        """
        return answers if self.counts is None else np.searchsorted(np.cumsum(self.counts), answers, side="right")

    @cached_property
    def items(self) -> Table:
        """The table of the items used."""
        return self.table if self.used is None else self.table.subset(self.used)

    def with_table(self, table: Table) -> Self:
        """Return this feedback with another representation of its table's columns."""
        return replace(self, table=table)

    @property
    def dropped(self) -> int:
        """Number of items left out because they lack an answer or a feature."""
        return 0 if self.used is None else int((~self.used).sum())

    def settings(self) -> dict[str, Any]:
        """Return the settings of the kind by name.

        Numbers, text and tuples of these are kept; any other value becomes its repr.
        """
        fixed = ("table", "column", "name", "needs")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in fixed}
        for key in ("count", "rater", "group"):
            if values[key] is None:
                del values[key]
        if not values["correlated"]:
            del values["correlated"]
        return {name: value if _is_plain(value) else repr(value) for name, value in values.items()}

    @property
    def observed(self) -> np.ndarray:
        """The answers: (item used,), finite numbers unless a kind says otherwise.

        Raises
        ------
        InputError
            An answer that the kind does not take; names the row.
        """
        return self.items.numbers(self.column).astype(float)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, str, int, float))
