"""Tables made of rows, DataFrames, dicts of arrays and Datasets."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.frames import cells_in, columns_in
from reward_hypotheses.data.readers.xarray_datasets import table_of_dataset, table_of_grids
from reward_hypotheses.data.table import PLACE_COLUMNS, Table, what_is_available, with_names


def from_rows(name: str, source: str, columns: Mapping[str, Column], rows: np.ndarray | None = None) -> Table:
    """Return a Table of rows, one row an item.

    The columns ``scene``, ``option`` and ``available`` say where each item is.

    Raises
    ------
    InputError
        A missing scene or option, a (scene, option) given twice, ``available`` that is not boolean, no rows.
    """
    n = len(next(iter(columns.values())).values) if columns else 0
    if n == 0:
        raise InputError(f"{source}: no rows below the header; a table needs at least one")
    order = tuple(c for c in columns if c not in PLACE_COLUMNS)
    line = np.arange(n) if rows is None else rows
    where = "line" if rows is not None else "row"
    has_options = "option" in columns
    named: dict[str, Column] = {place: columns[place].names for place in ("scene", "option") if place in columns}
    for place, column in named.items():
        if (missing := column.missing()).any():
            raise InputError(
                f"{source}: {where} {int(line[np.argmax(missing)])}: column {place!r} is missing; every row needs its {place}"
            )
    if "scene" in named:
        scene = named["scene"].values
        names = named["scene"].vocabulary or ()
        n_scenes = len(names)
        key = scene.astype(np.int64)
        if has_options:
            option = named["option"].values
            key = key * (int(option.max()) + 1) + option
        by_key = np.argsort(key, kind="stable")
        same = np.flatnonzero(key[by_key][1:] == key[by_key][:-1])
        if len(same):
            a, b = int(by_key[same[0]]), int(by_key[same[0] + 1])
            if has_options:
                what = f"scene {named['scene'].text(a)!r} has option {named['option'].text(a)!r} twice"
                right = "each option once in a scene"
            else:
                what = f"scene {named['scene'].text(a)!r} stands twice"
                right = "one row a scene, or a column 'option' that tells its rows apart"
            raise InputError(f"{source}: {where}s {int(line[a])} and {int(line[b])}: {what}; there must be {right}")
    else:
        scene, n_scenes = np.arange(n), n
    order_of_items = np.arange(n) if (np.diff(scene) >= 0).all() else np.argsort(scene, kind="stable")
    starts = np.searchsorted(scene[order_of_items], np.arange(n_scenes + 1))
    trivial = order_of_items[0] == 0 and (np.diff(order_of_items) == 1).all()

    def arranged(column: Column) -> Column:
        return column if trivial else column.take(order_of_items)

    table = Table(
        name=name,
        source=source,
        columns={c: arranged(v) for c, v in columns.items() if c not in ("scene", "option")},
        starts=starts,
        has_options=has_options,
        scene_names=names if "scene" in named else None,
        option_names=arranged(named["option"]) if has_options else None,
        rows=None if rows is None else rows if trivial else rows[order_of_items],
        column_order=order,
        blanks=tuple(
            f"{source}: column {c!r}: {v.blanks!r} is written with blanks around it and without; both are one name"
            for c, v in (dict(columns) | named).items()
            if v.blanks is not None
        ),
    )
    return what_is_available(with_names(table))


def as_table(data: Any, name: str = "table", source: str | None = None) -> Table:
    """Return a Table of a Dataset, a DataFrame, an Arrow table or a dict of arrays.

    A Dataset (or a dict of two-dimensional arrays) is over ``scene`` and ``option``. A DataFrame, an Arrow table or a
    dict of one-dimensional arrays has one row an item, with the columns of a CSV file; ``scene`` and ``option`` may be
    levels of a DataFrame's index. Masked cells are missing. Arrays are copied. A Table is returned unchanged.

    Raises
    ------
    InputError
        Another kind of object, arrays of different lengths, or a problem that `from_rows` raises.
    """
    if isinstance(data, Table):
        return data
    made = _table_of(data, name)
    for sentence in made.blanks:
        warnings.warn(sentence, stacklevel=3)
    return made if source is None else replace(made, source=source)


def _table_of(data: Any, name: str) -> Table:
    if hasattr(data, "data_vars"):
        return table_of_dataset(data, name)
    columns = columns_in(data, name, ("scene", "option"))
    if not columns:
        raise InputError(f"{name}: no columns; a table needs at least one")
    arrays = {c: cells_in(v, f"{name}: column {c!r}") for c, v in columns.items()}
    shapes = {c: np.shape(v) for c, v in arrays.items()}
    widest = max(shapes.values(), key=len)
    if len(widest) == 2 and all(
        shape == widest[: len(shape)] and shape or c == "option" for c, shape in shapes.items()
    ):
        return table_of_grids(name, arrays, widest)
    if len(set(shapes.values())) != 1 or len(widest) != 1:
        raise InputError(f"{name}: columns of different shapes, {shapes}; every column needs one value a row")
    return from_rows(name, name, {c: column_of(v, c) for c, v in arrays.items()})
