"""Tables in other formats than CSV: Parquet, NetCDF and Zarr."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.csv import csv_columns, path_of, read_csv, sha256
from reward_hypotheses.data.readers.in_memory import as_table, from_rows
from reward_hypotheses.data.readers.memory import refuse_beyond, within_memory
from reward_hypotheses.data.readers.safe_files import read_bytes, refuse_odd
from reward_hypotheses.data.table import Table

if TYPE_CHECKING:
    import xarray as xr

CELL = 32
"""Bytes that a cell takes while it is read."""


def read_table(path: str | Path) -> "xr.Dataset":
    """Read a table as a Dataset over ``scene`` and, where it has options, ``option``.

    The format is CSV, or by the ending of the name ``.parquet`` (with the extra ``arrow``), ``.nc`` or ``.zarr``. In
    CSV and Parquet each row is one item. The columns ``scene`` and ``option`` are its place, ``available`` (optional)
    says whether the option can be chosen, and every other column is a feature or an observation. Columns that hold only
    0/1 or true/false are bool, whole numbers int64, other numbers float64 (NaN where empty, ``NA`` or ``NaN``), text
    str. Where numbers do not determine the names that a column may hold (``1.10`` beside ``1.1``, ``007``, whole
    numbers beyond 2^53), a coordinate ``<column> as written`` holds the names as text.

    Raises
    ------
    InputError
        A missing file, a wrong format, ragged rows, or a (scene, option) given twice; the message names the file and
        the line.
    """
    path = path_of(path, "a table")
    table = read_any(path, path.stem)[0]
    for sentence in table.blanks:
        warnings.warn(sentence, stacklevel=2)
    return table.to_dataset()


def read_any(path: Path, name: str, source: str | None = None) -> tuple[Table, str]:
    """Read a table in the format of its name's ending, and its digest.

    CSV unless ``.parquet``, ``.nc`` or ``.zarr``. The digest is the SHA-256 of the file's bytes; for a Zarr folder,
    that of its files' names and bytes, sorted by name.

    Raises
    ------
    InputError
        A missing file, a file of another format, a missing package, or an invalid table.
    """
    source = str(path) if source is None else source
    kind = path.suffix.lower()
    if kind == ".parquet":
        data = read_bytes(path, source, "a Parquet file")
        return from_rows(name, source, _parquet_columns(data, source)), sha256(data)
    if kind == ".nc":
        digest = sha256(read_bytes(path, source, "a NetCDF file"))
        return _dataset(path, "h5netcdf", name, source), digest
    if kind == ".zarr":
        if not path.is_dir():
            raise InputError(f"{source}: no such folder; give the path of a Zarr store")
        for file in path.rglob("*"):
            refuse_odd(file, f"{source}: {file.relative_to(path)}", "a Zarr store of plain files")
        return _dataset(path, "zarr", name, source), _digest_of_folder(path)
    data = read_bytes(path, source)
    return read_csv(path, name, source, data), sha256(data)


def digest_of_columns(table: Table) -> str:
    """Return the SHA-256 of a table without a file: of its scenes and columns."""
    digest = [table.starts.tobytes()]
    for column, values in table.columns.items():
        digest += [column.encode(), values.values.tobytes()]
        digest += [] if values.vocabulary is None else [repr(values.vocabulary).encode()]
        digest += [] if values.gone is None else [values.gone.tobytes()]
    return sha256(b"\0".join(digest))


def columns_of(path: Path, source: str) -> tuple[dict[str, Column], np.ndarray | None]:
    """Read the columns of a CSV or Parquet file, and the line of each row.

    Columns are in the order of the file's rows. The lines are None for Parquet.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _parquet_columns(read_bytes(path, source, "a Parquet file"), source), None
    if kind in (".nc", ".zarr"):
        raise InputError(f"{source}: rows are needed here; give CSV or Parquet, or open it and give the Dataset")
    return csv_columns(path, source)


def _parquet_columns(data: bytes, source: str) -> dict[str, Column]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{source}: reading Parquet needs pyarrow; install the extra, pip install 'reward-hypotheses[arrow]'"
        ) from None
    with _reading(source, "Parquet"):
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        _refuse_large(file.metadata, source)
        schema = file.schema
        texts = [c.path for c in map(schema.column, range(len(schema))) if str(c.logical_type) == "String"]
        table = pyarrow.parquet.read_table(
            pyarrow.BufferReader(data),
            read_dictionary=texts,  # a text that a million rows repeat is held once
            page_checksum_verification=True,
            use_threads=False,
        )
        table.validate(full=True)
        names = [name for name in table.column_names if not name.startswith("__index_level_")]
        return {name: column_of(_cells(table[name]), name) for name in names}


def _refuse_large(about: Any, source: str) -> None:
    """Refuse a Parquet file that would not fit in memory, by its metadata."""
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    cells = sum(group.column(j).num_values for group in groups for j in range(group.num_columns))
    rows = max([about.num_rows, *(group.num_rows for group in groups)])
    size = sum(group.total_byte_size for group in groups)
    what = f"its table of {rows:,} rows of {about.num_columns:,} columns"
    refuse_beyond(max(CELL * max(cells, rows), size), source, what)


def _cells(column: Any) -> Any:
    """Return the cells of a pyarrow column; equal texts share one object."""
    import pyarrow

    if not pyarrow.types.is_dictionary(column.type):
        return column
    combined = column.unify_dictionaries().combine_chunks()
    texts = np.array([*combined.dictionary.to_pylist(), None], dtype=object)
    return texts[combined.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)]


@contextlib.contextmanager
def _reading(source: str, kind: str) -> Iterator[None]:
    """Limit the memory of a reader, and turn its errors into InputErrors."""
    try:
        with within_memory():
            yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{source}: reading it needs a package that is missing ({error})") from None
    except Exception as error:  # every reader raises its own kinds for files that are not its format
        what = (str(error).splitlines() or [""])[0] or type(error).__name__
        if isinstance(error, MemoryError):
            what = f"its data take more memory than there is: {what}"
        raise InputError(f"{source}: cannot be read as {kind} ({what}); give CSV text the ending .csv") from None


def _dataset(path: Path, engine: str, name: str, source: str) -> Table:
    import xarray as xr

    how: dict[str, Any] = {"engine": engine} | ({"consolidated": False} if engine == "zarr" else {})
    with _reading(source, path.suffix[1:]):
        with xr.open_dataset(path, **how, decode_cf=False, create_default_indexes=False) as opened:
            n_bytes = sum(
                v.size * (CELL if v.dtype.kind == "O" else v.dtype.itemsize) for v in opened.variables.values()
            )
            shape = " by ".join(f"{size:,} {dim}s" for dim, size in opened.sizes.items())
            refuse_beyond(n_bytes, source, f"its table of {shape}")
        with xr.open_dataset(path, **how) as opened:
            dataset = opened.load()
    return as_table(dataset, name, source)


def _digest_of_folder(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(path)).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()
