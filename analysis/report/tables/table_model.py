"""A table as one value, from which CSV, TeX and a page are written."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from reward_hypotheses.analysis.report.tables.rounding import Kind, shown
from reward_hypotheses.data.column import is_number

MOST_ROWS, MOST_HYPOTHESES = 40, 8

OF_SCENES, BITS, REWARD, SCENES, PROBABILITY = (
    "share of scenes",
    "bits",
    "reward units a scene",
    "scenes",
    "probability",
)
UNITS: dict[str, tuple[Kind, str]] = {
    OF_SCENES: ("share", "% of scenes"),
    BITS: ("number", "bits"),
    REWARD: ("number", "reward units"),
    SCENES: ("count", "scenes"),
    PROBABILITY: ("number", ""),
}
"""Unit of a row in its CSV -> how its numbers are shown, and in which unit."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key : str
        Its heading in the CSV file.
    words : str or None
        Its heading on paper; None for a column of the CSV file alone.
    kind : Kind
    unit : str
        Unit in which it is shown, ``%`` for shares; it stands in the heading.
    error : str or None
        Key of the column that holds the Monte Carlo error of its numbers, in their unit. A column of errors names itself, so
        that an error has one significant digit.
    flag : str or None
        Key of a column of truth values; where it is true, that key is shown in place of the number.
    zero : float or None
        Upper limit of a rate of which no event was seen, shown beside a 0.
    rank : float or None
        Weight of its hypothesis; on paper a wide table shows the weightiest.
    """

    key: str
    words: str | None = None
    kind: Kind = "text"
    unit: str = ""
    error: str | None = None
    flag: str | None = None
    zero: float | None = None
    rank: float | None = None

    @property
    def align(self) -> Literal["left", "right"]:
        """Alignment: texts to the left, numbers to the right."""
        return "left" if self.kind == "text" else "right"


def share(key: str, words: str | None, zero: float | None = None, error: str | None = None) -> Column:
    """Return a column of shares, shown in percent."""
    return Column(key, words, "share", "%", error=error, zero=zero)


def estimated_share(key: str, words: str | None, zero: float | None = None) -> Column:
    """Return a column of shares with Monte Carlo errors in the column ``KEY_mcse``."""
    return share(key, words, zero, f"{key}_mcse")


def with_errors(*columns: Column) -> tuple[Column, ...]:
    """Return columns, and behind them the columns of their Monte Carlo errors."""
    present = {column.key for column in columns}
    errors = dict.fromkeys(column.error for column in columns if column.error and column.error not in present)
    return (*columns, *map(Column, errors))


def cells(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[Any, ...], ...]:
    """Return rows of cells, read from mappings by the keys of the columns."""
    return tuple(tuple(row[column.key] for column in columns) for row in rows)


@dataclass(frozen=True)
class PaperTable:
    """A table: its first column heads the rows.

    Attributes
    ----------
    name : str
        Name of its files.
    title, caption : str
        A few words, and an explanation; either may hold a user's text.
    columns : tuple of Column
    rows : tuple of tuple
        A plain value a column: text, number, truth value, or None where there is none or it is infinite.
    over : str
        Words over all columns but the first.
    notes : tuple of str
        Lines below it.
    ranks : tuple of float
        A weight for each row, by which a long table is cut; empty: in order.
    most : int
        Rows on paper at most.
    on_page : bool
        Whether the page shows it; files hold it in any case.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    over: str = ""
    notes: tuple[str, ...] = ()
    ranks: tuple[float, ...] = ()
    most: int = MOST_ROWS
    on_page: bool = True

    @property
    def header(self) -> tuple[Column, ...]:
        """Columns that stand on paper."""
        return tuple(c for c in self.columns if c.words is not None)

    @property
    def body(self) -> list[list[str]]:
        """Text of every cell under `header`, rounded, without the units of the header."""
        at = {column.key: i for i, column in reversed(list(enumerate(self.columns)))}
        places = [(i, column) for i, column in enumerate(self.columns) if column.words is not None]

        def cell(row: tuple[Any, ...], i: int, column: Column) -> str:
            if column.flag and row[at[column.flag]]:
                return column.flag
            kind = UNITS[row[at["unit"]]][0] if column.kind == "row" else column.kind
            value = UNITS[row[i]][1] if column.key == "unit" else row[i]
            text = shown(value, kind, row[at[column.error]] if column.error else None, column.zero)
            return text if kind == "text" else text.replace("%", "")

        return [[cell(row, i, column) for i, column in places] for row in self.rows]

    def csv(self) -> bytes:
        """Return all columns and rows as a CSV file, numbers in full."""
        out = []
        for row in ([column.key for column in self.columns], *self.rows):
            stream = io.StringIO(newline="")
            csv.writer(stream).writerow(map(_full, row))  # with "\n" as line end, Python 3.12 leaves "\r" unquoted
            out.append(stream.getvalue().removesuffix("\r\n"))
        return "".join(f"{line}\n" for line in out).encode()

    def cut(self) -> "PaperTable":
        """Return the table cut to fit on paper, with a note on the rest."""
        columns = _heaviest([math.inf if c.rank is None else c.rank for c in self.columns], self._room)
        rows = _heaviest(self.ranks, self.most) if self.ranks else list(range(len(self.rows)))[: self.most]
        notes = list(self.notes)
        if len(columns) < len(self.columns):
            ranked = sum(c.rank is not None and c.words is not None for c in self.columns)
            notes.append(f"The {MOST_HYPOTHESES} weightiest of {ranked} hypotheses; all stand in {self.name}.csv.")
        elif len(rows) < len(self.rows):
            notes.append(f"{len(self.rows) - len(rows):,} more stand in {self.name}.csv.")
        return replace(
            self,
            columns=tuple(self.columns[i] for i in columns),
            rows=tuple(tuple(self.rows[r][i] for i in columns) for r in rows),
            ranks=tuple(self.ranks[r] for r in rows) if self.ranks else (),
            notes=tuple(notes),
        )

    @property
    def _room(self) -> int:
        """Number of columns on paper: those without a rank, and the weightiest."""
        ranked = [c for c in self.columns if c.rank is not None]
        each = len(ranked) // max(sum(c.words is not None for c in ranked), 1)
        return len(self.columns) - len(ranked) + min(len(ranked), each * MOST_HYPOTHESES)


def _heaviest(ranks: Sequence[float], most: int) -> list[int]:
    """Return the places of the heaviest, by weight unless all of them fit."""
    if len(ranks) <= most:
        return list(range(len(ranks)))
    return sorted(range(len(ranks)), key=lambda i: -ranks[i])[:most]


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of cells that spreadsheets run (OWASP, "CSV injection"), the wide forms among them."""


def _full(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else inert(str(value))


def inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    A text that looks like one, and is no number, gets ``'`` before it.
    """
    return f"'{text}" if text.startswith(FORMULA) and not is_number(text) else text
