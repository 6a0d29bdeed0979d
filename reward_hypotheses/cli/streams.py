"""Standard output and standard error, which may be closed, full or missing."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from reward_hypotheses.data.errors import visible


class UnwrittenError(Exception):
    """Standard output cannot be written for another reason than a closed pipe.

    Such a reason is a full disk.
    """


def ready() -> None:
    """Make every standard stream safe to use.

    A closed stream leads nowhere: else the next file that is opened would take its descriptor and read as output. A
    character that cannot be encoded is shown as ``?``.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def output() -> Iterator[None]:
    """Write to standard output, and flush it.

    Raises
    ------
    BrokenPipeError
        The reader of standard output has gone.
    UnwrittenError
        Standard output cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        raise
    except OSError as error:
        silence(sys.stdout)
        raise UnwrittenError(error.strerror) from None


def put(data: bytes) -> None:
    """Write a document to standard output, as it is; raise what `output` raises."""
    with output():
        sys.stdout.buffer.write(data)


def say(lines: Iterable[str]) -> None:
    """Write lines to standard output, with control characters made visible.

    Raises the errors of `output`.
    """
    with output():
        for line in lines:
            print(visible(line))


def tell(lines: Iterable[str]) -> None:
    """Write lines to standard error, each on one line, where it can be written."""
    try:
        for line in lines:
            print(visible(" ".join(line.split())), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Discard the rest of a stream, so that Python does not write it on leaving."""
    with suppress(OSError, ValueError, AttributeError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
