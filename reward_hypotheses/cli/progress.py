"""Progress of a long run, on standard error."""

import time

from reward_hypotheses.cli.streams import tell

AGAIN_AFTER = 10.0  # seconds


class Progress:
    """Progress messages on stderr, after two seconds and every ten after that."""

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
        """Report after some seconds, unless another report comes first."""
        from threading import Timer

        if self.timer is not None:
            self.timer.cancel()  # type: ignore[attr-defined]
        timer = Timer(seconds, self.say)
        timer.daemon = True
        timer.start()
        self.timer = timer

    def say(self) -> None:
        """Print what is being done."""
        if self.doing:
            tell([f"[{time.monotonic() - self.start:5.1f} s] {self.doing} ..."])
            self._wait(AGAIN_AFTER)

    def stop(self) -> None:
        """Stop reporting."""
        self.doing = ""
        if self.timer is not None:
            self.timer.cancel()  # type: ignore[attr-defined]
