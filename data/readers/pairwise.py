"""Preferences between two options, one row a comparison."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.column import Column, text_column
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.readers.files import read_any
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import RESERVED, Table

if TYPE_CHECKING:
    import xarray as xr

SIDES = ("left", "right")


def read_comparisons(path: Any) -> "xr.Dataset":
    """Read comparisons, one a row, as scenes of two options.

    Columns ``left_x`` and ``right_x`` become the feature ``x`` of option 0 and of option 1, ``chosen`` (left or right)
    becomes boolean, and every other column is repeated. Row i is scene i. A test without choices needs no ``chosen``.

    Parameters
    ----------
    path : str, Path, DataFrame or dict
        A file (CSV, or Parquet, NetCDF or Zarr by its ending), or the table itself, one row a comparison.

    Returns
    -------
    Dataset over (scene, option)
        Ready for ``Choices(table, "chosen")``.

    Raises
    ------
    InputError
        A file that cannot be read, an object that is no table, a cell of ``chosen`` that is neither left nor right, a
        ``left_x`` without ``right_x``; the message names the column and row.
    """
    if not isinstance(path, (str, Path)):
        return comparisons(as_table(path, "comparisons")).to_dataset()
    path = Path(path)
    return comparisons(read_any(path, path.stem)[0]).to_dataset()


def comparisons(table: Table) -> Table:
    """Return a table of one row a comparison as scenes of two options.

    Raises
    ------
    InputError
        As for `read_comparisons`.
    """
    if table.has_options or table.scene_names is not None:
        raise InputError(
            f"{table.source}: comparisons have one row each, and no columns 'scene' and 'option'; give it as a plain table of "
            "options instead"
        )
    columns = {}
    for name, column in table.columns.items():
        side, _, feature = name.partition("_")
        if name == "chosen":
            columns[name] = Column(_chosen(table, column))
        elif side in SIDES and feature:
            other = f"{SIDES[1 - SIDES.index(side)]}_{feature}"
            if other not in table.columns:
                raise InputError(
                    f"{table.source}: column {name!r} has no {other!r} beside it; {suggestion(other, table.columns)}"
                )
            if feature in table.columns or feature in RESERVED:
                raise InputError(
                    f"{table.source}: column {name!r} would become {feature!r}, which there is already; rename it"
                )
            if side == "left":
                columns[feature] = _side_by_side(column, table.columns[other])
        else:
            columns[name] = column.take(np.repeat(np.arange(table.n_items), 2))
    if len([c for c in columns if c in table.columns]) == len(columns):
        raise InputError(
            f"{table.source}: no features of the two sides; give columns such as 'left_cost' and 'right_cost'"
        )
    n = table.n_items
    return replace(
        table,
        columns=columns,
        starts=2 * np.arange(n + 1),
        has_options=True,
        rows=None if table.rows is None else np.repeat(table.rows, 2),
        kept_positions=None,
        option_names=replace(text_column(SIDES), values=np.tile([0, 1], n)),
        column_order=tuple(columns),
    )


def _chosen(table: Table, column: Column) -> np.ndarray:
    gone = column.missing()
    sides = ["" if gone[i] else column.text(i).strip().lower() for i in range(table.n_items)]
    for i, side in enumerate(sides):
        if side not in SIDES:
            raise InputError(
                f"{table.source}: {table.where(i)}: column 'chosen' is {shown('' if gone[i] else column.text(i))}; it must be left or right"
            )
    return np.array([[side == "left", side == "right"] for side in sides]).ravel()


def _side_by_side(left: Column, right: Column) -> Column:
    """Return the cells of the two sides in turn: left, right, left, right."""
    if any(side.is_text or side.written is not None for side in (left, right)):
        sides = [(side.names, side.names.missing()) for side in (left, right)]
        return text_column(None if gone[i] else names.text(i) for i in range(len(left.values)) for names, gone in sides)
    both = np.stack([np.where(c.missing(), np.nan, c.values.astype(float)) for c in (left, right)], axis=1).ravel()
    return Column(both)
