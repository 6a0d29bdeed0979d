"""The ledger of tests: decisions from results on tests, in an append-only file."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reward_hypotheses.data.atomic_write import flush_folder
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import is_share
from reward_hypotheses.data.readers.csv import path_of, sha256
from reward_hypotheses.data.readers.safe_files import json_of, refuse_odd

DIGEST = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
START = b'{"sequence": '
RESTORE = "a ledger is only ever added to; restore it from a copy"


@dataclass(frozen=True)
class Entry:
    """One line of a ledger: a decision that results on a test led to.

    Attributes
    ----------
    sequence : int
        Number of the line, from 1.
    time : str
        UTC, to the second.
    sha256 : str
        Digest of the test's bytes, as ``data_sha256`` of the results has it.
    table, study : str
        Names of the test and of its study.
    decided : str
        The decision.
    risk : float or None
        The mean risk on the test that was reported.
    previous : str or None
        SHA-256 of the line before, which makes changes inside the ledger detectable; None in the first line.
    """

    sequence: int
    time: str
    sha256: str
    table: str
    study: str
    decided: str
    risk: float | None
    previous: str | None


@dataclass(frozen=True)
class Recorded:
    """The content of a ledger, as it was read.

    Attributes
    ----------
    entries : tuple of Entry
    cut_off : tuple of int
        Lines whose writing was cut off, and after which the ledger goes on.
    sha256 : str or None
        Digest of the ledger's bytes; None where there is no such file yet.
    """

    entries: tuple[Entry, ...] = ()
    cut_off: tuple[int, ...] = ()
    sha256: str | None = None

    def of(self, digest: str) -> tuple[Entry, ...]:
        """Return every entry about the test with this digest."""
        return tuple(entry for entry in self.entries if entry.sha256 == digest)


class Ledger:
    """The ledger of tests: a test that decided on an agent is training data.

    A text file of one JSON object a line, to which lines are only ever added. Each line holds the SHA-256 of the line
    before, so changed, removed and inserted lines are detected. The last lines are not covered, but results keep the
    digest of the ledger that they were computed with. A line is added with ``O_APPEND``, in one write and flushed to
    disk, under an exclusive lock of the file (``flock``): of two processes one waits for the other. A line that was cut
    off by a crash is never removed: the ledger is refused until that decision is recorded again, below the line.

    Parameters
    ----------
    path : str or Path
        The file; the first record creates it.

    Examples
    --------
    ``ledger.record(results["data_sha256"]["test"], "chose the agent with commit + values", risk=results["risk"]["mean"])``
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path_of(path, "a ledger (JSON lines)")
        if not self.path.name or "\0" in str(self.path):
            raise InputError(f"ledger: {shown(str(path))} is no path of a file; give one such as 'ledger.jsonl'")

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.read().entries)

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    def spent(self, test: Any) -> Entry | None:
        """Return the last decision that this test led to, or None.

        Parameters
        ----------
        test : str, Path, Dataset or DataFrame
            As for `record`.
        """
        entries = self.read().of(digest_of(test))
        return entries[-1] if entries else None

    def read(self) -> Recorded:
        """Read and verify every line; a missing file holds no lines.

        Raises
        ------
        InputError
            A line that is no entry, does not follow from the line before or was cut off; a path that cannot be read.
        """
        refuse_odd(self.path, self.path.name, "a ledger (JSON lines)")
        try:
            with self._opened("read", os.O_RDONLY) as handle:
                data = _all_of(handle)
        except FileNotFoundError:
            if not self.path.absolute().parent.is_dir():
                raise InputError(
                    f"{self.path.name}: the folder {str(self.path.parent)!r} does not exist; give the path of a ledger in one that does"
                ) from None
            return Recorded()
        return self._verified(data, refuse_cut_off=True)

    def record(
        self,
        test: Any,
        decided: str,
        *,
        table: str = "test",
        study: str = "",
        risk: float | None = None,
        time: datetime | str | None = None,
    ) -> Entry:
        """Record a decision that results on a test led to, and return the entry.

        Parameters
        ----------
        test : str, Path, Dataset or DataFrame
            The test: its digest, as ``data_sha256`` of the results has it, the path of its file, or the table itself.
        decided : str
            The decision, such as "chose the agent with commit + values".
        table, study : str, optional
            Names of the test and of its study.
        risk : float, optional
            The mean risk on the test that was reported.
        time : datetime or str, optional
            With a time zone; a string is ISO 8601. Default: now.

        Raises
        ------
        InputError
            No decision; an invalid test, risk or time; a ledger that does not verify, or cannot be written. The ledger
            is then unchanged.
        """
        when, digest = Ledger.refuse(test, decided, table=table, study=study, risk=risk, time=time)
        return self._add((when, digest, table, study, decided, None if risk is None else float(risk)))

    @staticmethod
    def refuse(
        test: Any, decided: Any, *, table: Any = "test", study: Any = "", risk: Any = None, time: Any = None
    ) -> tuple[str, str]:
        """Check the arguments of `record`; return the time and the digest.

        Raises
        ------
        InputError
            Every problem of the arguments.
        """
        wrong = []
        if not isinstance(decided, str) or not decided.strip():
            wrong.append(f"decided: {shown(decided)}; say what was decided from the test, in words")
        for key, text in (("table", table), ("study", study)):
            if not isinstance(text, str):
                wrong.append(f"{key}: {shown(text)} is no text")
        if risk is not None and not is_share(risk):
            wrong.append(f"risk: {shown(risk)}; give the mean risk that was reported, from 0 to 1, or None")
        recorded = []
        for read, value in ((_utc, time), (digest_of, test)):
            try:
                recorded.append(read(value))
            except InputError as error:
                wrong += error.problems
        for words in (t for t in (decided, table, study) if isinstance(t, str)):
            try:
                words.encode()
            except UnicodeEncodeError:
                wrong.append(f"{shown(words)} is no text that UTF-8 can hold; write it in plain text")
        if wrong:
            raise InputError([f"ledger: {w}" for w in wrong])
        when, digest = recorded
        return when, digest

    def _add(self, what: tuple[str, str, str, str, str, float | None]) -> Entry:
        inside = next((p for p in self.path.absolute().parents if _of_a_run(p)), None)
        if inside is not None:
            raise InputError(
                f"{self.path.name}: {str(inside)!r} is the folder of a run, which stays as it was written; keep the ledger beside it"
            )
        refuse_odd(self.path, self.path.name, "a ledger (JSON lines)")
        is_new = not self.path.exists()
        with self._opened("written", os.O_RDWR | os.O_APPEND | os.O_CREAT) as handle:
            data = _all_of(handle)
            self._verified(data, refuse_cut_off=False)
            lines = _lines(data)
            entry = Entry(len(lines) + 1, *what, sha256(lines[-1]) if lines else None)
            line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
            line = (b"\n" if data and not data.endswith(b"\n") else b"") + line
            try:
                if os.write(handle, line) < len(line):
                    raise OSError(28, "the disk is full")
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, len(data))
                raise
        if is_new:
            flush_folder(self.path.absolute().parent)
        return entry

    @contextmanager
    def _opened(self, verb: str, flags: int) -> Iterator[int]:
        """Open the file under its lock, and yield its handle.

        Raises FileNotFoundError where a reader finds no file.
        """
        try:
            handle = os.open(self.path, flags, 0o666)
            try:
                _lock(handle, alone=bool(flags & os.O_CREAT))
                yield handle
            finally:
                os.close(handle)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not flags & os.O_CREAT:
                raise
            raise InputError(
                f"{self.path.name}: cannot be {verb} ({error.strerror}); give the path of a ledger that can be"
            ) from None

    def _verified(self, data: bytes, refuse_cut_off: bool) -> Recorded:
        entries: list[Entry] = []
        cut_off: list[int] = []
        lines, name = _lines(data), self.path.name
        complete = data.endswith(b"\n")
        for number, line in enumerate(lines, start=1):
            last = number == len(lines)
            entry = _entry(line)
            if isinstance(entry, str):
                begun = START.startswith(line[: len(START)]) or not line.strip(b"\0")
                if last and begun and not complete:
                    if refuse_cut_off:
                        begins = shown(line.decode("utf-8", "replace"))
                        raise InputError(
                            f"{name}: line {number} was cut off while it was written (it holds {begins}); record that decision again "
                            "(reward-hypotheses ledger record), which leaves the line as it is and goes on below it"
                        )
                    break
                following = None if last else _entry(lines[number])
                if not begun or not isinstance(following, Entry) or following.previous != sha256(line):
                    raise InputError(f"{name}: line {number}: {entry}, so it is not as it was written; {RESTORE}")
                cut_off.append(number)
                continue
            before = sha256(lines[number - 2]) if number > 1 else None
            if entry.previous != before:
                what = f"line {number - 1}" if number > 1 else "a line before it"
                raise InputError(
                    f"{name}: line {number} was written after another line than now stands there: {what} was changed, removed or put in "
                    f"between; {RESTORE}"
                )
            if entry.sequence != number:
                raise InputError(f"{name}: line {number}: its sequence is {entry.sequence}, not {number}; {RESTORE}")
            entries.append(entry)
        return Recorded(tuple(entries), tuple(cut_off), sha256(data))


def digest_of(test: Any) -> str:
    """Return the SHA-256 of a test.

    A digest is returned itself. A path gives the digest of the file's bytes, a table the digest of its columns.

    Raises
    ------
    InputError
        A path without a table, or an object that is no table.
    """
    from reward_hypotheses.data.readers.files import digest_of_columns, read_any
    from reward_hypotheses.data.readers.in_memory import as_table

    if isinstance(test, str) and DIGEST.fullmatch(test):
        return test
    if isinstance(test, (str, Path)):
        if not str(test).strip() or "\0" in str(test):
            raise InputError(f"{shown(str(test))} is neither a SHA-256 in hexadecimal nor the path of a table")
        return read_any(Path(test), Path(test).stem)[1]
    return digest_of_columns(as_table(test, "test"))


def _entry(line: bytes) -> Entry | str:
    """Read an entry; return why a line is not an entry."""
    try:
        record = json_of(line.decode())
    except ValueError:
        return "is no JSON"
    keys = [f.name for f in fields(Entry)]
    if not isinstance(record, dict) or sorted(record) != sorted(keys):
        return f"is no entry of {', '.join(keys)}"
    risk = record["risk"]
    right = {
        "sequence": isinstance(record["sequence"], int) and not isinstance(record["sequence"], bool),
        "time": isinstance(record["time"], str) and TIME.fullmatch(record["time"]),
        "sha256": isinstance(record["sha256"], str) and DIGEST.fullmatch(record["sha256"]),
        "decided": isinstance(record["decided"], str) and record["decided"].strip(),
        "table": isinstance(record["table"], str),
        "study": isinstance(record["study"], str),
        "risk": risk is None or is_share(risk),
        "previous": record["previous"] is None
        or (isinstance(record["previous"], str) and DIGEST.fullmatch(record["previous"])),
    }
    wrong = [key for key, is_right in right.items() if not is_right]
    return f"its {wrong[0]} is {shown(record[wrong[0]])}" if wrong else Entry(**record)


def _lines(data: bytes) -> list[bytes]:
    """Return the lines without their line ends, of one byte or of two."""
    if not data:
        return []
    return [line.removesuffix(b"\r") for line in data.removesuffix(b"\n").split(b"\n")]


def _utc(time: datetime | str | None) -> str:
    if isinstance(time, str):
        try:
            moment: object = datetime.fromisoformat(time)
        except ValueError:
            moment = None
    else:
        moment = datetime.now(UTC) if time is None else time
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InputError(
            f"time: {shown(time)}; give a time with its zone, in ISO 8601 such as {datetime.now(UTC):%Y}-01-31T12:00:00Z"
        )
    try:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except OverflowError:
        raise InputError(f"time: {shown(time)}; give a time of the years 1 to 9999") from None


def _lock(handle: int, alone: bool) -> None:
    """Wait for the file's lock, which is released when the file is closed.

    Where the system has no locks, a reader goes on without.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    except (ImportError, OSError) as error:
        if alone:
            raise OSError(0, f"it cannot be locked here: {error}") from None


def _all_of(handle: int) -> bytes:
    size, data = os.fstat(handle).st_size, b""
    while part := os.pread(handle, max(size, 4096), len(data)):
        data += part
    return data


def _of_a_run(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() and (folder / "results.json").is_file()
