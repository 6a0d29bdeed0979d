"""Features of tables that are numbers, by which items are compared."""

from collections.abc import Collection, Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses


def usable_features(
    tables: Sequence[Table], hypotheses: Hypotheses | None = None, left_out: Collection[str] = ()
) -> list[str]:
    """Return the columns with a finite number or a boolean for every item.

    The columns are usable in every table. Columns that hypotheses read come first, the others follow by name. Items that
    are failing itself are left out. Columns with a reserved name are left out too.
    """

    def usable(table: Table, name: str) -> bool:
        column = table.columns.get(name)
        if column is None or column.is_text:
            return False
        failing = table.failing()
        if failing is not None and failing.all():
            return False
        wrong = column.missing() if column.values.dtype == bool else ~np.isfinite(column.values)
        return not (wrong if failing is None else wrong & ~failing).any()

    read = [] if hypotheses is None else [c for e in hypotheses.expressions().values() for c in e.columns]
    return [
        name
        for name in dict.fromkeys((*read, *sorted(tables[-1].columns)))
        if name not in RESERVED and name not in left_out and all(usable(table, name) for table in tables)
    ]


def check_features(tables: Sequence[Table], names: Sequence[str], key: str) -> None:
    """Refuse a feature that a table lacks, or that is no column of plain numbers.

    A column with a reserved name is refused too.
    """
    usable = usable_features(tables)
    for name in names:
        for table in tables:
            if name not in table.columns:
                raise InputError(f"{key}: no column {name!r} in {table.source}; {suggestion(str(name), table.columns)}")
            if name not in usable:
                failing = table.failing()
                table.numbers(name, None if failing is None else ~failing)  # names the cell that is wrong
        if name not in usable:
            raise InputError(f"{key}: {name!r} has a meaning of its own; {suggestion(name, usable)}")


def feature(table: Table, name: str) -> np.ndarray:
    """Return a feature as floats (item,), 0 where an item is failing itself."""
    values = np.asarray(table.columns[name].values, float)
    failing = table.failing()
    return values if failing is None else np.where(failing, 0.0, values)
