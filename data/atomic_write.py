"""Names of what is written aside, which say who writes it, so that what a killed process left can be removed."""

import hashlib
import os
import secrets
import shutil
import socket
import sys
from pathlib import Path


def aside_name(kind: str) -> str:
    """Name something that this process writes aside: ``.kind.HERE.PID.START.RANDOM.partial``.

    HERE is a digest of the machine's name and of the processes' namespace, START the time at which the process started (in clock
    ticks since the machine did; 0 where the system does not say), so that a process number in use again is not mistaken.
    """
    pid = os.getpid()
    return f".{kind}.{_here()}.{pid}.{_start(pid) or 0}.{secrets.token_hex(4)}.partial"


def remove_left(folder: Path, kind: str) -> None:
    """Remove what processes that are gone left aside in a folder; what cannot be removed, or judged, stays."""
    if sys.platform == "win32":  # there is no harmless way to ask for a process by its number
        return
    try:
        found = sorted(folder.glob(f".{kind}.{_here()}.*.partial"))
    except OSError:
        return
    for path in found:
        parts = path.name.split(".")
        if len(parts) != 7 or not (parts[3].isdecimal() and parts[4].isdecimal()):
            continue
        if not _lives(int(parts[3]), int(parts[4])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file():
                path.unlink(missing_ok=True)


def _here() -> str:
    """The machine and the processes' namespace, in which a process number means one process."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _lives(pid: int, start: int) -> bool:
    """Whether the process that this number meant still runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    now = _start(pid)
    return not start or now is None or now == start


def _start(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
