"""How far long loops have come, for whoever listens.

A loop counts its steps with `tracked` or `counted`. Nothing is counted unless somebody listens.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import NamedTuple

LEAST_SECONDS, LEAST_SHARE = 1.0, 0.05
"""Time and share of a loop that must be done before the time left is estimated."""
FILLED = 0.8
"""Share of the time of the steps that the loops inside them take, where their steps count."""


class State(NamedTuple):
    """What is being done, how much of it is done, and the time left.

    Attributes
    ----------
    doing : str
        A few words.
    share : float or None
        Part that is done, 0 to 1; None where the length of the work is unknown.
    left : float or None
        Estimate of the seconds left, ``t / share`` less the seconds spent, with t the seconds until the last step was
        done. None before there is an estimate, and where a step takes longer than the steps before.
    stage : (int, int) or None
        Number of the step of the whole run, and how many steps there are.
    """

    doing: str
    share: float | None = None
    left: float | None = None
    stage: tuple[int, int] | None = None


class _Loop:
    """A loop, and how much of the time of its steps the first loop inside each took.

    Attributes
    ----------
    first : bool
        Whether it is the first loop inside a step of the outer loop.
    """

    def __init__(self, total: int, began: float, first: bool) -> None:
        self.total, self.began, self.first = max(total, 1), began, first
        self.done, self.has_inner, self.step_began, self.inner = 0.0, False, began, 0.0
        self.of_inner, self.of_steps = 0.0, 0.0

    @property
    def filled(self) -> bool:
        """Whether the first loop inside a step takes most of the time of the step."""
        return self.of_inner >= FILLED * self.of_steps

    def step(self, done: float, now: float) -> None:
        """Note the number of steps that are done."""
        if self.has_inner:
            self.of_inner += self.inner
            self.of_steps += now - self.step_began
        self.done, self.has_inner, self.step_began, self.inner = min(done, self.total), False, now, 0.0


class Meter:
    """Count the steps of nested loops; safe to use from several threads.

    A loop inside a loop is a part of one step of the outer loop. With d of n steps done at each depth, the share is
    ``d_0 / n_0 + (d_1 / n_1 + ...) / n_0``. It never falls. Only the first loop inside a step counts, and only while such
    loops take most of the time of the steps. While a step goes on after that loop, no time left is estimated.

    Loops are counted in the thread that made the meter. What other threads do is a step of one of those loops.

    Parameters
    ----------
    clock : callable, optional
        Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.thread = clock, threading.get_ident()
        self._lock = threading.Lock()
        self._doing, self._names, self._loops = "", list[str](), list[_Loop]()
        self._stage: tuple[int, int] | None = None
        self._words = ""
        self._began, self._spent, self._share = 0.0, 0.0, 0.0

    def begin(self, doing: str) -> None:
        """Note in a few words what is being done from now on."""
        with self._lock:
            self._doing = doing

    def state(self) -> State:
        """Return what is being done, its share, and the time left."""
        with self._lock:
            if not self._loops or (spent := self.clock() - self._began) < LEAST_SECONDS:
                return State(self._words if self._loops else self._in_words(), stage=self._stage)
            share, left = self._share, None
            if share >= LEAST_SHARE and self._composed() >= share - 1e-9:
                left = self._spent / share - spent
            return State(self._words, share, left if left is not None and left >= 0 else None, self._stage)

    def _in_words(self, *names: str) -> str:
        names = (*self._names, *names)
        return ", ".join(filter(None, (self._doing, *(name for name in names if name not in self._doing))))

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Name a part of what is being done."""
        with self._lock:
            self._names.append(name)
        try:
            yield
        finally:
            with self._lock:
                self._names.pop()

    @contextmanager
    def staged(self, number: int, total: int) -> Iterator[None]:
        """Note that this is one of so many steps of the whole run."""
        self._stage, before = (number, total), self._stage
        try:
            yield
        finally:
            self._stage = before

    def opened(self, total: int, what: str) -> _Loop:
        """Begin a loop of so many steps, inside the loops that have begun."""
        with self._lock:
            now = self.clock()
            loop = _Loop(total, now, first=not (self._loops and self._loops[-1].has_inner))
            if self._loops:
                self._loops[-1].has_inner = True
            else:
                self._began, self._spent, self._share = now, 0.0, 0.0
                self._words = self._in_words(what)
            self._loops.append(loop)
        return loop

    def reached(self, loop: _Loop, done: float) -> None:
        """Note the number of steps that are done of a loop.

        Loops that began inside its last step have ended. A loop that has ended is not counted.
        """
        with self._lock:
            if loop in self._loops:
                loop.step(done, self.clock())
                del self._loops[self._loops.index(loop) + 1 :]
                if (share := self._composed()) > self._share:
                    self._share, self._spent = share, self.clock() - self._began

    def closed(self, loop: _Loop) -> None:
        """End a loop, and the loops inside it."""
        with self._lock:
            if loop in self._loops:
                at = self._loops.index(loop)
                if at and loop.first:
                    self._loops[at - 1].inner = self.clock() - loop.began
                del self._loops[at:]

    def _composed(self) -> float:
        share, width = 0.0, 1.0
        for outer, loop in zip([None, *self._loops], self._loops, strict=False):
            if outer is not None and not (loop.first and outer.filled):
                break
            width /= loop.total
            share += loop.done * width
        return min(share, 1.0)

    def over[T](self, parts: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Yield the parts of a loop, and count each when the next is asked for."""
        loop = self.opened(total, what)
        try:
            for done, part in enumerate(parts, 1):
                yield part
                self.reached(loop, done)
        finally:
            self.closed(loop)


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def listening(meter: Meter) -> Iterator[None]:
    """Count the loops of this context with a meter."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def _listener() -> Meter | None:
    meter = _METER.get()
    return meter if meter is not None and meter.thread == threading.get_ident() else None


def tracked[T](parts: Iterable[T], total: int | None = None, what: str = "") -> Iterable[T]:
    """Return the parts of a loop; whoever listens learns how many are done.

    Parameters
    ----------
    parts : iterable
    total : int, optional
        Number of parts. Default: the length of `parts`; the loop is not counted where there is none.
    what : str, optional
        What the loop does, in a few words.
    """
    meter = _listener()
    if meter is None:
        return parts
    if total is None:
        if not isinstance(parts, Sized):
            return parts
        total = len(parts)
    return meter.over(parts, total, what) if total > 1 else parts


def named(name: str) -> AbstractContextManager[None]:
    """Name a part of what is being done, in a few words, for whoever listens."""
    meter = _listener()
    return nullcontext() if meter is None else meter.named(name)


def staged(number: int, total: int) -> AbstractContextManager[None]:
    """Tell whoever listens that this is one of so many steps of the whole run."""
    meter = _listener()
    return nullcontext() if meter is None else meter.staged(number, total)


@contextmanager
def counted(total: int, what: str = "") -> Iterator[Callable[[float], None] | None]:
    """Count a loop that reports itself how many of its steps are done.

    Gives a function of the number of steps done, to be called from any thread; None where nobody listens.
    """
    meter = _listener()
    if meter is None:
        yield None
        return
    loop = meter.opened(total, what)
    try:
        yield lambda done: meter.reached(loop, done)
    finally:
        meter.closed(loop)
