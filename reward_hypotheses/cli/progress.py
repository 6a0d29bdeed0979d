"""Progress of a long run, on standard error."""

import time

from reward_hypotheses.cli.streams import tell

AGAIN_AFTER = 10.0  # seconds


class Progress:
    """Says on stderr what is being done, once the whole has taken two seconds, and again every ten."""

    def __init__(self, after: float = 2.0) -> None:
        self.start, self.after = time.monotonic(), after
        self.doing = ""
        self.timer: object = None

    def __call__(self, what: str) -> None:
        """Note what is being done now."""
        self.doing = what
        if time.monotonic() - self.start > self.after:
            self.say()
        elif self.timer is None:
            self._wait(self.after)

    def _wait(self, seconds: float) -> None:
        """Say what is being done after some seconds, if no other word comes before."""
        from threading import Timer

        if self.timer is not None:
            self.timer.cancel()  # type: ignore[attr-defined]
        timer = Timer(seconds, self.say)
        timer.daemon = True
        timer.start()
        self.timer = timer

    def say(self) -> None:
        """Print it."""
        if self.doing:
            tell([f"[{time.monotonic() - self.start:5.1f} s] {self.doing} ..."])
            self._wait(AGAIN_AFTER)

    def stop(self) -> None:
        """Say no more."""
        self.doing = ""
        if self.timer is not None:
            self.timer.cancel()  # type: ignore[attr-defined]
