"""Tables in other formats than CSV: Parquet, NetCDF and Zarr."""

import hashlib
from pathlib import Path

import numpy as np

from reward_hypotheses.data.column import Column, column_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.files import read_bytes
from reward_hypotheses.data.readers import csv_columns, read_csv, sha256
from reward_hypotheses.data.table import Table, as_table, from_rows


def read_any(path: Path, name: str, source: str | None = None) -> tuple[Table, str]:
    """Read a table by the ending of its name (CSV unless ``.parquet``, ``.nc`` or ``.zarr``), and its digest.

    The digest is the SHA-256 of the file's bytes; of a Zarr folder, that of its files' names and bytes, sorted by name.

    Raises
    ------
    InputError
        A file that is missing or not of its format, a package that is missing, or what is wrong with the table.
    """
    source = str(path) if source is None else source
    kind = path.suffix.lower()
    if kind == ".parquet":
        data = read_bytes(path, source)
        return _parquet(data, name, source), sha256(data)
    if kind == ".nc":
        digest = sha256(read_bytes(path, source))
        return _dataset(path, "h5netcdf", name, source), digest
    if kind == ".zarr":
        if not path.is_dir():
            raise InputError(f"{source}: no such folder; give the path of a Zarr store")
        return _dataset(path, "zarr", name, source), _digest_of_folder(path)
    data = read_bytes(path, source)
    return read_csv(path, name, source, data), sha256(data)


def digest_of_columns(table: Table) -> str:
    """SHA-256 of a table that no file holds: of its scenes and columns."""
    digest = [table.starts.tobytes()]
    for column, values in table.columns.items():
        digest += [column.encode(), values.values.tobytes()]
        digest += [] if values.vocabulary is None else [repr(values.vocabulary).encode()]
        digest += [] if values.gone is None else [values.gone.tobytes()]
    return sha256(b"\0".join(digest))


def columns_of(path: Path, source: str) -> tuple[dict[str, Column], np.ndarray | None]:
    """Read the columns of a CSV or Parquet file, in its rows' order, and the line of each row, where it has lines."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _parquet_columns(read_bytes(path, source), source), None
    if kind in (".nc", ".zarr"):
        raise InputError(f"{source}: rows are needed here; give CSV or Parquet, or open it and give the Dataset")
    return csv_columns(path, source)


def _parquet(data: bytes, name: str, source: str) -> Table:
    return from_rows(name, source, _parquet_columns(data, source))


def _parquet_columns(data: bytes, source: str) -> dict[str, Column]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{source}: reading Parquet needs pyarrow; install the extra, pip install 'reward-hypotheses[arrow]'"
        ) from None
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
    except pyarrow.ArrowException as error:
        raise InputError(
            f"{source}: cannot be read as Parquet ({str(error).splitlines()[0]}); give CSV text the ending .csv"
        ) from None
    columns = {}
    for column in table.column_names:
        if column.startswith("__index_level_"):
            continue
        values = (
            np.array(table[column].to_pylist(), dtype=object) if table[column].null_count else table[column].to_numpy()
        )
        columns[column] = column_of(_plain(values), f"{source}: column {column!r}")
    return columns


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers with gaps as float64; anything else as it is."""
    if values.dtype == object and all(
        v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values
    ):
        return np.array([np.nan if v is None else float(v) for v in values])
    return values


def _dataset(path: Path, engine: str, name: str, source: str) -> Table:
    import xarray as xr

    try:
        with xr.open_dataset(path, engine=engine) as opened:
            dataset = opened.load()
    except ImportError as error:
        raise InputError(f"{source}: reading it needs a package that is missing ({error})") from None
    except Exception as error:  # every engine raises its own kinds for files that are not its format
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{source}: cannot be read as {path.suffix[1:]} ({what}); give CSV text the ending .csv"
        ) from None
    return as_table(dataset, name, source)


def _digest_of_folder(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(path)).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()
