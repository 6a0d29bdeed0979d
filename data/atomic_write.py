"""Write files and folders completely or not at all.

Each is written beside its place, flushed to disk, then moved there. The name of a partial file says which process
writes it, so that leftovers of a killed process can be removed.
"""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reward_hypotheses.data.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all; make its folder where there is none.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, data, "aside")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another folder") from None


def write_aside(path: Path, data: bytes, kind: str) -> None:
    """Write a file aside, flush it to disk, then move it to its place.

    Raises OSError where that fails.
    """
    with aside(path, kind) as partial:
        write_flushed(partial, data)
        os.replace(partial, path)
        flush_folder(path.parent)


@contextmanager
def aside(target: Path, kind: str) -> Iterator[Path]:
    """Yield a path beside a target, for a partial that is moved to the target.

    The caller writes and moves the partial, a file or a folder. Leftovers of ended processes are removed first. A
    partial that was not moved is removed at the end.
    """
    remove_left(target.parent, kind)
    partial = target.parent / aside_name(kind)
    try:
        yield partial
    finally:
        _remove(partial)


def write_flushed(path: Path, data: bytes) -> None:
    """Write a new file and flush it to disk."""
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def aside_name(kind: str) -> str:
    """Return a name for a partial file of this process.

    ``.kind.HERE.PID.START.RANDOM.partial``. HERE is a digest of the machine's name and of the processes' namespace.
    START is the time at which the process started, in clock ticks since the machine started, and 0 where the system
    does not tell it. START distinguishes processes that had one number.
    """
    pid = os.getpid()
    return f".{kind}.{_here()}.{pid}.{_start(pid) or 0}.{secrets.token_hex(4)}.partial"


def remove_left(folder: Path, kind: str) -> None:
    """Remove partials of processes that are gone.

    Those that cannot be removed, or judged, stay.
    """
    if sys.platform == "win32":  # there is no harmless way to ask for a process by its number
        return
    try:
        partials = sorted(folder.glob(f".{kind}.{_here()}.*.partial"))
    except OSError:
        return
    for path in partials:
        parts = path.name.split(".")
        if len(parts) != 7 or not (parts[3].isdecimal() and parts[4].isdecimal()):
            continue
        if not _lives(int(parts[3]), int(parts[4])):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        from shutil import rmtree

        rmtree(path, ignore_errors=True)
    elif path.is_file():
        path.unlink(missing_ok=True)


def _here() -> str:
    """Return a digest of the machine and the processes' namespace.

    Within them a process number means one process.
    """
    import socket

    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _lives(pid: int, start: int) -> bool:
    """Return whether the process that this number meant still runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    now = _start(pid)
    return not start or now is None or now == start


def _start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did.

    Returns None where the system does not tell it.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
