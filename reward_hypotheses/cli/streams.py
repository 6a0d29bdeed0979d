"""What the shell reads: standard output and standard error, be they closed, full or gone."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from reward_hypotheses.data.errors import visible


class UnwrittenError(Exception):
    """Standard output cannot be written, and its reader has not just gone: the disk is full."""


def ready() -> None:
    """Give every standard stream a place: what is closed goes nowhere, and what cannot be shown is shown as ``?``.

    A closed descriptor would else be taken by the next file that is opened, which then reads as output.
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
    """Write to standard output, and to the end of it.

    Raises
    ------
    BrokenPipeError
        Its reader has gone.
    UnwrittenError
        It cannot be written.
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
    """Write a document to standard output, as it is; raises as `output`."""
    with output():
        sys.stdout.buffer.write(data)


def say(lines: Iterable[str]) -> None:
    """Write lines to standard output, what a terminal would obey made visible; raises as `output`."""
    with output():
        for line in lines:
            print(visible(line))


def tell(lines: Iterable[str]) -> None:
    """Write lines to standard error, each on one line; nothing where it cannot be written."""
    try:
        for line in lines:
            print(visible(" ".join(line.split())), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Send what is still to be written to a stream nowhere, so that leaving does not try again."""
    with suppress(OSError, ValueError, AttributeError, io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
