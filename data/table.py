"""Tables: columns by name, and the scenes and options of their items.

Computations see nothing of the data but Tables. Items (the available options) lie one after another, scene by scene, so
that a comparison with thousands of distinct option names, or one scene with thousands of options, takes memory in
proportion to its items.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.column import Column, as_integers, is_number
from reward_hypotheses.data.errors import InputError, suggestion

if TYPE_CHECKING:
    import xarray as xr


RESERVED = ("scene", "option", "available", "scene_weight", "is_failing")
"""Columns with a meaning of their own."""
PLACE_COLUMNS = ("scene", "option", "available")
"""Columns that say where an item is; every other column is a feature, or what some feedback names."""
WRITTEN = " as written"
"""What follows a column's name in that of the coordinate of a Dataset that holds its cells as names, where numbers do not
tell them."""


@dataclass(frozen=True)
class Table:
    """Items with features, in scenes.

    Attributes
    ----------
    name : str
        Name in the study.
    source : str
        The file, for messages.
    columns : dict of str to Column
        Every column but the places, each (item,), scene after scene.
    starts : ndarray (scene + 1,)
        Scene m holds items ``starts[m]:starts[m + 1]``.
    has_options : bool
        Whether the table names the options of a scene.
    scene_names, option_names
        The names given; option_names is (item,).
    rows : ndarray (item,) or None
        Line of the file (from 1, the header being line 1), where there is one.
    column_order : tuple of str
        The columns as the file has them, places left out.
    kept_positions : ndarray (item,) or None
        Position of each item in its scene, where some options were left out.
    unit : str
        Word for a scene: ``scene``, or ``state`` of an MDP.
    blanks : tuple of str
        A sentence for each column of names in which names that differ in outer blanks alone were merged.
    """

    name: str
    source: str
    columns: Mapping[str, Column]
    starts: np.ndarray
    has_options: bool = False
    scene_names: tuple[str, ...] | None = None
    option_names: Column | None = None
    rows: np.ndarray | None = None
    column_order: tuple[str, ...] = field(default=())
    kept_positions: np.ndarray | None = None
    unit: str = "scene"
    blanks: tuple[str, ...] = ()

    @property
    def n_scenes(self) -> int:
        """Number of scenes."""
        return len(self.starts) - 1

    @cached_property
    def digest(self) -> bytes:
        """Digest of items and columns; tables of equal content have equal digests."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.starts).tobytes(), digest_size=16)
        for name, column in sorted(self.columns.items()):
            digest.update(repr((name, column.values.dtype.str, column.vocabulary)).encode())
            digest.update(np.ascontiguousarray(column.values).tobytes())
            digest.update(b"" if column.gone is None else np.packbits(column.gone).tobytes())
        return digest.digest()

    @property
    def n_items(self) -> int:
        """Number of available options over all scenes."""
        return int(self.starts[-1])

    @property
    def positions(self) -> np.ndarray:
        """Position of each item in its scene: (item,) of int.

        Options that are not available are counted.
        """
        if self.kept_positions is not None:
            return self.kept_positions
        return np.arange(self.n_items) - np.repeat(self.starts[:-1], np.diff(self.starts))

    def where(self, item: int) -> str:
        """Return the place of an item for a message: its line, or its scene and option."""
        if self.rows is not None:
            return f"line {int(self.rows[item])}"
        scene = int(np.searchsorted(self.starts, item, side="right")) - 1
        place = f"{self.unit} {self.scene_name(scene)}"
        return f"{place}, option {int(self.positions[item])}" if self.has_options else place

    def scene_name(self, scene: int) -> str:
        """Return the name of a scene, or its number from 0."""
        return str(scene) if self.scene_names is None else self.scene_names[scene]

    def column(self, name: str) -> Column:
        """Return a column; raise InputError with a suggestion for an unknown name."""
        if name not in self.columns:
            raise InputError(f"{self.source}: no column {name!r}; {suggestion(name, self.columns)}")
        return self.columns[name]

    def numbers(self, name: str, used: np.ndarray | None = None) -> np.ndarray:
        """Return a column as numbers or booleans (item,), checked where it is used.

        Raises
        ------
        InputError
            Text, a missing cell or an infinite cell among the used items; the message names the row.
        """
        column = self.column(name)
        if column.vocabulary is not None:
            self._refuse_text(name, column)
        values = column.values
        if values.dtype != bool or column.gone is not None:
            missing = column.missing()
            self._refuse(
                missing | ~np.isfinite(values),
                used,
                lambda i: (
                    f"column {name!r} is {'missing' if missing[i] else 'infinite'}; a column in use needs a finite "
                    "number in every row"
                ),
            )
        return values

    def booleans(self, name: str, used: np.ndarray | None = None, what: str = "true or false") -> np.ndarray:
        """Return a column as booleans (item,).

        Raises
        ------
        InputError
            A cell that is neither 0/1 nor true/false; the message names the first such row.
        """
        column = self.column(name)
        values = column.values
        if column.vocabulary is not None:
            texts = [text.lower() for text in column.vocabulary]
            wrong = ~np.array([text in ("true", "false", "0", "1") for text in texts] + [True])[values]
            truth = np.array([text in ("true", "1") for text in texts] + [False])[values]
        elif values.dtype == bool:
            wrong, truth = np.zeros(len(values), bool), values
        else:
            wrong, truth = (values != 0) & (values != 1) & ~np.isnan(values), values == 1
        self._refuse(wrong, used, lambda i: f"column {name!r} is {column.text(i)!r}; it must be {what} (or 1 or 0)")
        self._refuse(column.missing(), used, lambda i: f"column {name!r} is missing; it must be {what} (or 1 or 0)")
        return truth

    def _refuse(self, wrong: np.ndarray, used: np.ndarray | None, problem: Callable[[int], str]) -> None:
        """Raise InputError about the first wrong item among those used.

        Parameters
        ----------
        wrong, used : ndarray (item,) of bool
        """
        wrong = wrong if used is None else wrong & used
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InputError(f"{self.source}: {self.where(item)}: {problem(item)}")

    def _refuse_text(self, name: str, column: Column) -> None:
        assert column.vocabulary is not None
        numeric = [is_number(text) for text in column.vocabulary]
        words = [text.lower() in ("true", "false") for text in column.vocabulary]
        # true/false among numbers is as wrong as a word: point at the kind that is in the minority of distinct cells.
        wrong = np.array([not n for n in numeric] + [False])
        if all(n or w for n, w in zip(numeric, words, strict=True)):
            wrong = np.array(words + [False])
        self._refuse(
            wrong[column.values],
            None,
            lambda i: (
                f"column {name!r} is {column.text(i)!r}, which is not a number; a column in use holds numbers, or "
                "true and false alone"
            ),
        )

    def scene_weights(self) -> np.ndarray | None:
        """Return the scenes' weights in means: (scene,), the greatest being 1.

        None where all weights are equal.
        """
        if "scene_weight" not in self.columns:
            return None
        values = self.numbers("scene_weight").astype(float)
        self._refuse(values < 0, None, lambda i: "scene_weight is negative; it must be 0 or more")
        filled = np.diff(self.starts) > 0
        firsts = np.zeros(self.n_scenes)
        firsts[filled] = values[self.starts[:-1][filled]]
        self._refuse(
            values != np.repeat(firsts, np.diff(self.starts)),
            None,
            lambda i: "scene_weight differs from the first option of its scene; it must be constant in a scene",
        )
        if not firsts.max(initial=0) > 0:
            raise InputError(f"{self.source}: scene_weight is 0 in every scene; at least one must be positive")
        return firsts / firsts.max()

    def failing(self) -> np.ndarray | None:
        """Return which options are marked as failing: (item,) of bool.

        By the column ``is_failing``; None without that column.
        """
        return self.booleans("is_failing") if "is_failing" in self.columns else None

    def odd_columns(self) -> list[str]:
        """Return warnings of columns whose names look like misspelt reserved names."""
        from difflib import get_close_matches

        out = list(self.blanks)
        for name in self.columns:
            plain = name.strip().lower().replace(" ", "_").replace("-", "_")
            if name not in RESERVED and (near := get_close_matches(plain, RESERVED, 1, 0.9)):
                out.append(f"column {name!r} of table {self.name!r} is a feature; if {near[0]!r} is meant, name it so")
        alone = self.has_options and self.scene_names is None and self.rows is not None
        if alone and (np.diff(self.starts) == 1).all():
            out.append(
                f"table {self.name!r} has a column 'option' but no 'scene', so every row is a scene with one option"
            )
        return out

    def with_booleans(self, names: Iterable[str]) -> "Table":
        """Return the table with given columns as booleans.

        The columns are 0/1 or true/false in every table.
        """
        boolean = {name: self.columns[name].as_booleans() for name in names if name in self.columns}
        return replace(self, columns={**self.columns, **boolean})

    def subset(self, keep: np.ndarray) -> "Table":
        """Return the table with some items.

        Scenes without items stay, empty, so that scene numbers do not change.
        """
        starts = np.concatenate([[0], np.cumsum(keep)])[self.starts]
        items = np.flatnonzero(keep)
        return replace(
            self,
            columns={name: column.take(items) for name, column in self.columns.items()},
            starts=starts,
            kept_positions=self.positions[items],
            rows=None if self.rows is None else self.rows[items],
            option_names=None if self.option_names is None else self.option_names.take(items),
        )

    def to_dataset(self) -> "xr.Dataset":
        """Return the table as a Dataset over scenes and options.

        The dims are ``scene`` (or `unit`) and, where the table has options, ``option``. Booleans stay bool, whole
        numbers become int64 where nothing is missing, other numbers are float64 (NaN where missing), text is str.
        Ragged scenes are padded and marked by ``available``.
        """
        return dataset_of(self)


def what_is_available(table: Table) -> Table:
    """Return the table without unavailable items and without the column ``available``."""
    if "available" not in table.columns:
        return table
    available = table.booleans("available")
    if not available.any():
        raise InputError(f"{table.source}: column 'available' is false in every row; at least one must be available")
    table = replace(table, columns={c: v for c, v in table.columns.items() if c != "available"})
    return table if available.all() else table.subset(available)


def with_names(table: Table) -> Table:
    """Return the table with names moved from columns to their places.

    ``option_name``, and columns of cells as they were written.
    """
    columns, options = dict(table.columns), table.option_names
    if table.has_options and "option_name" in columns:
        options = columns.pop("option_name").names
    for name in [c for c in columns if c.endswith(WRITTEN) and c.removesuffix(WRITTEN) in columns]:
        column, names = columns[name.removesuffix(WRITTEN)], columns[name].names
        if column.written is None and column.denoted_by(names):
            columns[name.removesuffix(WRITTEN)] = replace(column, written=names)
            del columns[name]
    if len(columns) == len(table.columns):
        return table
    order = tuple(c for c in table.column_order if c in columns)
    return replace(table, columns=columns, option_names=options, column_order=order)


def dataset_of(table: Table) -> "xr.Dataset":
    """Return a Table as a Dataset; see `Table.to_dataset`."""
    import xarray as xr

    position = table.positions
    width = int(position.max(initial=0)) + 1 if table.has_options else 1
    scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
    dims = (table.unit, "option") if table.has_options else (table.unit,)
    shape = (table.n_scenes, width)
    ragged = table.n_items < table.n_scenes * width

    def padded(values: np.ndarray, empty: Any) -> tuple[tuple[str, ...], np.ndarray]:
        grid = np.full(shape, empty, values.dtype)
        grid[scene, position if table.has_options else 0] = values
        return dims, grid if table.has_options else grid[:, 0]

    def texts(column: Column) -> tuple[tuple[str, ...], np.ndarray]:
        assert column.vocabulary is not None
        known = np.array([*column.vocabulary, ""], dtype=np.dtypes.StringDType())
        return padded(known[column.values].astype(object), "")

    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {} if table.scene_names is None else {table.unit: as_integers(table.scene_names)}
    for name, column in table.columns.items():
        if column.written is not None:
            coords[name + WRITTEN] = texts(column.written)
        if column.vocabulary is not None:
            variables[name] = texts(column)
        elif column.is_boolean() and not column.missing().any():
            variables[name] = padded(column.values.astype(bool), False)
        elif not ragged and (np.floor(column.values) == column.values).all() and (abs(column.values) < 2**53).all():
            variables[name] = padded(column.values.astype(np.int64), 0)
        else:
            variables[name] = padded(column.values.astype(float), np.nan)
    if ragged:
        variables["available"] = padded(np.ones(table.n_items, bool), False)
    if table.option_names is not None:
        variables["option_name"] = texts(table.option_names)
    return xr.Dataset(variables, coords=coords, attrs={"source": table.source})
