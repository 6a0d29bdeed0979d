"""Available memory, and a check before reading whether data fit into it."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from reward_hypotheses.data.errors import InputError

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
MEMORY_SHARE = 0.9
"""Share of the available memory that reading may take."""


def memory_there() -> float:
    """Return the bytes of memory that this process can still take.

    The least of the limits of the machine, the control group and the process.
    """
    return max(min(_of_machine(), _of_control_group(), _of_process()), 0.0)


def refuse_beyond(needed: float, source: str, what: str) -> None:
    """Refuse data that would not fit in memory.

    Parameters
    ----------
    needed : float
        Estimated bytes.

    Raises
    ------
    InputError
        With the estimate and the available memory.
    """
    if needed < 1e7:  # not worth the asking
        return
    there = memory_there()
    if needed > MEMORY_SHARE * there:
        raise InputError(
            f"{source}: {what} would take about {_size(needed)} of memory, and there are {_size(there)}; give fewer rows or "
            "columns, or more memory"
        )


@contextlib.contextmanager
def within_memory() -> Iterator[None]:
    """Raise MemoryError where the code inside takes more memory than there is.

    A library may raise another error instead. The limit is that of the process's data segment, where the system has
    one, so that a file whose content is larger than the file declares (data that decompress to more than their metadata
    say) is refused too, instead of taking all memory of the machine.
    """
    try:
        import resource

        limits = resource.getrlimit(resource.RLIMIT_DATA)
        used = _kilobytes(PROC / "self" / "status", "VmData")
    except (ImportError, OSError, ValueError):
        used = None
    if used is None:
        yield
        return
    most = int(used + memory_there())
    soft = most if limits[0] == resource.RLIM_INFINITY else min(most, limits[0])
    resource.setrlimit(resource.RLIMIT_DATA, (soft, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)


def _size(n: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n / 1e6:.3g} MB"


def _of_machine() -> float:
    available = _kilobytes(PROC / "meminfo", "MemAvailable")
    if available is not None:
        return available
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _of_process() -> float:
    """Return the bytes that the limit of the address space leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError, ValueError):
        return math.inf
    used = _kilobytes(PROC / "self" / "status", "VmSize") or 0.0
    return math.inf if limit == resource.RLIM_INFINITY else limit - used


def _of_control_group() -> float:
    """Return the bytes that the control group (version 2 or 1) leaves.

    The group's file cache counts as free.
    """
    try:
        lines = [line.split(":", 2) for line in (PROC / "self" / "cgroup").read_text().splitlines()]
    except OSError:
        return math.inf
    left = math.inf
    for _, controllers, path in lines:
        if controllers not in ("", "memory"):
            continue
        top = CGROUPS / controllers
        names = (
            ("memory.max", "memory.current") if not controllers else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        for folder in {top, top / path.lstrip("/")}:
            try:
                limit, used = ((folder / name).read_text().strip() for name in names)
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                cache = float(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
                left = min(left, math.inf if limit == "max" else float(limit) - (float(used) - cache))
            except (OSError, ValueError):
                continue
    return left


def _kilobytes(path: Path, key: str) -> float | None:
    """Return a figure of /proc in bytes; None where the system has no such figure."""
    try:
        for line in path.read_text().splitlines():
            if line.startswith(f"{key}:"):
                return 1024.0 * float(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return None
