"""Files -> Table. Cells are read as data and never as anything else."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.column import (
    MISSING,
    MOST_EXACT,
    NAMES,
    PLACES,
    Column,
    from_codes,
    is_number,
    loses,
    names_from_codes,
    numbers_in,
)
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import from_rows
from reward_hypotheses.data.readers.safe_files import read_bytes
from reward_hypotheses.data.table import Table

ROWS_AT_ONCE = 20_000  # rows converted at a time: their texts are still in the cache when they become numbers
MOST_TEXTS = 10_000  # distinct cells of a column that are compared as names, not only as numbers
_DIGITS = 10.0 ** np.arange(1, 17)
ARROW_FROM = 4_000_000  # bytes from which the import of pyarrow pays for itself


def path_of(path: Any, what: str) -> Path:
    """Return a Path; InputError for anything that is no path."""
    try:
        return Path(path)
    except TypeError:
        raise InputError(f"a {type(path).__name__} is no path; give the path of {what}") from None


def read_csv(path: Path, name: str, source: str | None = None, data: bytes | None = None) -> Table:
    """Read a CSV file (comma-separated, UTF-8, one header line) as a Table."""
    source = str(path) if source is None else source
    columns, rows = csv_columns(path, source, data)
    return from_rows(name, source, columns, rows)


def csv_columns(path: Path, source: str, data: bytes | None = None) -> tuple[dict[str, Column], np.ndarray]:
    """Read the columns of a CSV file, in its rows' order, and the line of each row."""
    data = read_bytes(path, source) if data is None else data
    text = _decode(data, source)
    header = _header(text, source)
    plain = '"' not in text and "\n\n" not in text and "\r" not in text.replace("\r\n", "\n")
    if "\r\n\r\n" in text or text.startswith(("\n", "\r")):
        plain = False
    columns = _by_arrow(data, header) if plain and len(data) >= ARROW_FROM else None
    rows = None
    if columns is None:
        columns, rows = _by_csv(text, header, source, plain)
    if rows is None:
        n = len(next(iter(columns.values())).values) if columns else 0
        rows = np.arange(2, n + 2)
    return columns, rows


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


_MAGIC = {
    b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or another archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of an old kind (.xls)",
    b"PAR1": "a Parquet file",
    b"\x89HDF\r\n": "a NetCDF file",
    b"CDF": "a NetCDF file",
    b"\x1f\x8b": "compressed",
}
"""First bytes of files in other formats than CSV."""


def _decode(data: bytes, source: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{source}: is UTF-16 text; save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')")
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise InputError(
                f"{source}: is {kind}; save it as CSV (UTF-8), or give Parquet the ending .parquet and NetCDF .nc"
            )
    zero = data.find(b"\0")
    if zero >= 0:
        line = data[:zero].count(b"\n") + 1
        raise InputError(
            f"{source}: line {line}: holds a NUL byte, so this is no CSV text; give a comma-separated file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{source}: line {line}: byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        ) from None


def _header(text: str, source: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next((row for row in reader if row), None)
    except csv.Error as error:
        raise InputError(f"{source}: line {reader.line_num}: {error}; quotes must be closed") from None
    if header is None:
        raise InputError(f"{source}: is empty; a table needs a header line and at least one row")
    header = [cell.strip() for cell in header]
    if header[0].startswith("#"):
        raise InputError(
            f"{source}: line {reader.line_num}: starts with '#', but a table has no comments; its first line names the columns"
        )
    if all(is_number(cell) for cell in header if cell) and any(header):
        raise InputError(
            f"{source}: line {reader.line_num}: every column name is a number, so the header seems to be missing; the first "
            "line must name the columns"
        )
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        mark = "semicolons" if ";" in header[0] else "tabs"
        raise InputError(f"{source}: line 1: columns are separated by {mark}; separate them by commas")
    for i, cell in enumerate(header):
        if cell and cell in header[:i]:
            raise InputError(f"{source}: line {reader.line_num}: column {cell!r} stands twice; name each column once")
    if not any(header):
        raise InputError(f"{source}: line {reader.line_num}: no column has a name")
    return header


def _by_csv(text: str, header: Sequence[str], source: str, plain: bool) -> tuple[dict[str, Column], np.ndarray | None]:
    """Convert by the standard library.

    A column of numbers in which text turns up late is read again as text.
    """
    as_text = {i for i, name in enumerate(header) if name in (*PLACES, *NAMES)}
    while True:
        readers = [_Texts() if i in as_text else _Numbers() for i in range(len(header))]
        lines: list[int] | None = None if plain else []
        for chunk in _chunks(text, header, source, lines):
            for reader, cells in zip(readers, zip(*chunk, strict=True), strict=True):
                reader.add(cells)
        turned = {i for i, reader in enumerate(readers) if isinstance(reader, _Numbers) and reader.loses()}
        if not turned:
            break
        as_text |= turned
    columns = {name: reader.column(name) for name, reader in zip(header, readers, strict=True) if name}
    return columns, None if lines is None else np.array(lines, np.int64)


def _chunks(text: str, header: Sequence[str], source: str, lines: list[int] | None) -> Iterator[list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = len(header)
    try:
        for row in reader:
            if row:  # the header
                break
        done = 0
        while True:
            if lines is None:
                chunk = list(islice(reader, ROWS_AT_ONCE))
                numbers: list[int] | range = range(done + 2, done + 2 + len(chunk))
                read = len(chunk)
            else:
                chunk, numbers, read = [], [], 0
                before = reader.line_num
                for row in islice(reader, ROWS_AT_ONCE):
                    read += 1
                    if row:  # the standard library gives [] for a line with nothing on it
                        chunk.append(row)
                        numbers.append(before + 1)
                    before = reader.line_num
                lines.extend(numbers)
            if not read:
                return
            if not chunk:
                continue
            if set(map(len, chunk)) != {width}:
                i = next(i for i, row in enumerate(chunk) if len(row) != width)
                raise InputError(
                    f"{source}: line {numbers[i]}: {len(chunk[i])} cells where the header has {width} columns; give one "
                    "cell a column, and quote cells that hold commas"
                )
            done += len(chunk)
            yield chunk
    except csv.Error as error:
        raise InputError(f"{source}: line {reader.line_num}: {error}; quotes must be closed") from None


class _Numbers:
    """Collector of a column while every cell is numeric.

    Numeric: a number, a boolean word or missing.
    """

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.is_text = False
        self.words = False
        self.other = False
        self.known: dict[str, float] = {}
        self.many = False  # whether there are so many distinct cells that they are not kept

    def add(self, cells: Sequence[str]) -> None:
        if self.is_text:
            return
        if not self.many:
            new = set(cells).difference(self.known)
            self.many = len(self.known) + len(new) > MOST_TEXTS
        if self.many and self._added(cells):
            return
        for cell in set(cells).difference(self.known) if self.many else new:
            value = self._value(cell.strip())
            if value is None:
                self.is_text = True
                return
            self.known[cell] = value
        self.is_text = self.words and self.other
        self.parts.append(np.fromiter(map(self.known.__getitem__, cells), np.float64, len(cells)))

    def _added(self, cells: Sequence[str]) -> bool:
        """Add cells that are all numbers; return False where some are not."""
        try:
            part = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            return False
        joined = "".join(cells)
        if "_" in joined or not joined.isascii() or np.isnan(part).any():
            return False
        self.parts.append(part)
        self.other = self.other or not bool(((part == 0) | (part == 1)).all())
        all_integers = joined.replace("-", "").isdecimal()
        self.is_text = (self.words and self.other) or (all_integers and not _as_digits(part, len(joined)))
        return True

    def _value(self, cell: str) -> float | None:
        if cell in MISSING:
            return np.nan
        word = cell.lower()
        if word in ("true", "false"):
            self.words = True
            return float(word == "true")
        if not is_number(cell):
            return None
        self.other = self.other or float(cell) not in (0.0, 1.0)
        return float(cell)

    def loses(self) -> bool:
        """Return whether the column must be read as text.

        The column is text, or its numbers do not determine its names.
        """
        if self.is_text or self.many:
            return self.is_text
        present = list(dict.fromkeys(c.strip() for c in self.known if c.strip() not in MISSING))
        numbers = numbers_in(present)
        return numbers is not None and loses(present, numbers)

    def column(self, name: str) -> Column:
        values = np.concatenate(self.parts) if self.parts else np.empty(0)
        return Column(values, words=self.words and not self.many and not {"0", "1"}.intersection(self.known))


def _as_digits(numbers: np.ndarray, length: int) -> bool:
    """Return whether whole numbers are written as their plain digits.

    Parameters
    ----------
    numbers : ndarray (cell,)
    length : int
        Number of characters of all cells together.
    """
    size = np.abs(numbers)
    written = len(numbers) + int(np.searchsorted(_DIGITS, size, side="right").sum()) + int((numbers < 0).sum())
    return written == length and bool((size < MOST_EXACT).all())


class _Texts:
    """Collector of a column as codes into its distinct texts."""

    def __init__(self) -> None:
        self.code: dict[str, int] = {}
        self.parts: list[np.ndarray] = []

    def add(self, cells: Sequence[str]) -> None:
        code = self.code
        self.parts.append(np.fromiter((code.setdefault(c, len(code)) for c in cells), np.int64, len(cells)))

    def column(self, name: str) -> Column:
        codes = np.concatenate(self.parts) if self.parts else np.empty(0, np.int64)
        return _place_or_column(name, codes, list(self.code))


def _place_or_column(name: str, codes: np.ndarray, texts: Sequence[str]) -> Column:
    if name in PLACES:
        return names_from_codes(codes, texts)
    return from_codes(codes, texts, in_file=True, strict=name in NAMES)


def _by_arrow(data: bytes, header: Sequence[str]) -> dict[str, Column] | None:
    """Convert by pyarrow; None where it is missing or refuses the file.

    The standard library then gives the messages.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
    except ImportError:
        return None
    names = [name or f"\0{i}" for i, name in enumerate(header)]
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pyarrow.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    columns = {}
    for name in header:
        if not name:
            continue
        cells = table[name].combine_chunks()
        if name not in (*PLACES, *NAMES) and pyarrow.compute.count_distinct(cells[:ROWS_AT_ONCE]).as_py() > MOST_TEXTS:
            column = _numbers_of_arrow(cells)
            if column is not None:
                columns[name] = column
                continue
        coded = cells.dictionary_encode()
        texts = [str(t) for t in coded.dictionary.to_pylist()]
        columns[name] = _place_or_column(name, coded.indices.to_numpy().astype(np.int64), texts)
    return columns


def _numbers_of_arrow(cells: Any) -> Column | None:
    """Return cells of Arrow as numbers.

    None for text, and for odd spellings of NaN or of whole numbers.
    """
    import pyarrow
    import pyarrow.compute as compute

    gone = compute.is_in(cells, value_set=pyarrow.array(sorted(MISSING)))
    try:
        values = compute.if_else(gone, None, cells).cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return None
    column = Column(values.to_numpy(zero_copy_only=False).astype(np.float64))
    missing = column.missing()
    if int(compute.sum(gone).as_py()) != int(missing.sum()):
        return None
    numbers = column.values[~missing]
    if (numbers == np.floor(numbers)).all():
        length = int(compute.sum(compute.utf8_length(cells.filter(compute.invert(gone)))).as_py() or 0)
        return column if _as_digits(numbers, length) else None
    return column
