"""Progress of a long run, on standard error.

On a terminal it is one line that is updated in place, and cleared at the end. Elsewhere it is a plain line now and then.
"""

import os
import sys
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reward_hypotheses.cli.streams import silence, tell
from reward_hypotheses.data.errors import visible
from reward_hypotheses.data.progress import Meter, State, listening

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AFTER, PLAIN_EVERY, DRAWN_EVERY = 2.0, 10.0, 0.2  # seconds
BAR = 24  # columns


class Progress:
    """What is being done, how much of it is done, and an estimate of what is left.

    Nothing is shown in the first two seconds. In use as a context manager, it listens to the loops of the context, and
    leaves standard error clean.

    Parameters
    ----------
    after : float, optional
        Seconds before anything is shown.
    every : float, optional
        Seconds between plain lines.
    """

    def __init__(self, after: float = AFTER, every: float = PLAIN_EVERY) -> None:
        self.meter = Meter()
        self._start = time.monotonic()
        self._drawn = _in_place()
        self._every = DRAWN_EVERY if self._drawn else every
        self._next = self._start + after
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._console: Console | None = None
        self._context = ExitStack()

    def __enter__(self) -> Self:
        """Listen to the loops of this context."""
        self._context.enter_context(listening(self.meter))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reporting."""
        self._context.close()
        self.stop()

    def __call__(self, what: str) -> None:
        """Note what is being done now."""
        self.meter.begin(what)
        self._show_if_due()
        if self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop reporting, and clear the line on a terminal."""
        self._ended.set()
        with self._lock:
            if self._console is not None:
                _replace(self._console, None)
                self._console = None

    def _watch(self) -> None:
        while not self._ended.wait(max(self._next - time.monotonic(), 0.01)):
            self._show_if_due()

    def _show_if_due(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._next or self._ended.is_set():
                return
            self._next = now + self._every
            state, spent = self.meter.state(), now - self._start
            if not self._drawn:
                tell([plain_line(state, spent)])
                return
            if self._console is None:
                from rich.console import Console

                self._console = Console(stderr=True, markup=False, highlight=False, emoji=False)
            _replace(self._console, (state, spent))


def plain_line(state: State, spent: float) -> str:
    """Return progress as a line of text, after so many seconds of the whole run."""
    words = f"[{spent:5.1f} s] {state.doing}" + (f": {_done(state)}" if state.share is not None else " ...")
    return words + (f" ({_step(state)})" if state.stage else "")


def drawn_line(state: State, spent: float, width: int, unicode: bool) -> "Text":
    """Return progress as a line with a bar, for a terminal of this width."""
    from rich.text import Text

    rest = Text()
    if state.share is not None:
        full, empty = ("\N{BOX DRAWINGS HEAVY HORIZONTAL}", "\N{BOX DRAWINGS LIGHT HORIZONTAL}") if unicode else "#-"
        cells = round(BAR * state.share)
        if width >= 3 * BAR:
            rest.append("  ").append(full * cells, "green").append(empty * (BAR - cells), "dim")
        rest.append(f"  {_done(state)}")
    rest.append(f"  {spent:.0f} s", "dim")
    if state.stage and width >= 3 * BAR:
        rest.append(f"  {_step(state)}", "dim")
    words = Text(visible(" ".join(state.doing.split())))
    words.truncate(max(width - 1 - rest.cell_len, 8), overflow="ellipsis" if unicode else "crop")
    line = Text().append(words.plain, "bold").append_text(rest)
    line.truncate(width - 1)
    return line


def _done(state: State) -> str:
    percent = f"{int(100 * (state.share or 0.0))}%"
    return percent if state.left is None else f"{percent}, about {duration(state.left)} left"


def _step(state: State) -> str:
    return "" if state.stage is None else "step {} of {}".format(*state.stage)


def duration(seconds: float) -> str:
    """Return an approximate length of time in words."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(round(seconds), 1)} s"


def _in_place() -> bool:
    """Return whether standard error can show a line that is updated in place."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def _replace(console: "Console", shown: tuple[State, float] | None) -> None:
    """Replace the line on the terminal, by nothing for None."""
    from rich.control import Control
    from rich.segment import ControlType

    try:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        if shown is not None:
            unicode = console.encoding.startswith("utf")
            console.print(drawn_line(*shown, console.width, unicode), end="", no_wrap=True, crop=True)
        console.file.flush()
    except (OSError, ValueError):
        silence(sys.stderr)
