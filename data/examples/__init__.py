"""Bundled studies, and the scripts that made their tables."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, with the columns of the first row."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def site_rows(table: "xr.Dataset", columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each site of `landing_sites`.

    Booleans are 0 and 1; other numbers have three decimals.
    """
    cells = {name: table[name].values for name in columns}
    return [
        {"scene": m, "option": o}
        | {name: int(v[m, o]) if v.dtype == bool else f"{v[m, o]:.3f}" for name, v in cells.items()}
        for m in range(table.sizes["scene"])
        for o in range(table.sizes["option"])
    ]
