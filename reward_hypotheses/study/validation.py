"""Judging a study file key by key: problems are collected, so that all of them can be reported at once."""

from collections.abc import Callable, Iterable
from typing import Any

from reward_hypotheses.data.errors import InputError, first_few, shown, suggestion
from reward_hypotheses.data.numerics import finite


class Problems:
    """What is wrong, in order of discovery."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[str, None] = {}

    @property
    def found(self) -> list[str]:
        """Every problem noted."""
        return list(self._found)

    def add(self, message: str) -> None:
        """Note one problem, once."""
        self._found[f"{self.file}: {message}"] = None

    def extend(self, messages: Iterable[str]) -> None:
        """Note several."""
        for message in messages:
            self.add(message)

    def at(self, where: str) -> "_At":
        """Collect what an InputError inside says, under a key."""
        return _At(self, where)

    def refuse(self) -> None:
        """Raise InputError with every problem noted, if any."""
        if self._found:
            raise InputError(self.found)


class _At:
    def __init__(self, problems: Problems, where: str) -> None:
        self.problems, self.where = problems, where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InputError):
            join = " " if self.where.endswith(("]", ":")) else ": "
            self.problems.extend(f"{self.where}{join}{p}" for p in error.problems)
            return True
        return False


class Section:
    """One section of the file, its values judged one by one."""

    def __init__(self, given: Any, key: str, problems: Problems, known: Iterable[str]) -> None:
        self.key, self.problems, self.known = key, problems, tuple(known)
        self.given: dict[str, Any] = given if isinstance(given, dict) else {}

    def where(self, name: str) -> str:
        """Name a key in a message."""
        return f"{self.key} {name}" if self.key else name

    def refuse_unknown(self, besides: Iterable[str] = ()) -> None:
        """Note every key that is not known, with the nearest that is."""
        known = {*self.known, *besides}
        self.problems.extend(
            first_few(
                [name for name in self.given if name not in known],
                lambda name: f"{self.where(name)}: unknown key; {suggestion(name, self.known)}",
                lambda n: f"{self.where(f'{n:,} more keys')}: unknown; leave them out",
            )
        )

    def section(self, name: str, known: Iterable[str], required: bool, why: str = "") -> "Section":
        """Give the section inside this one; empty where it is missing, which is noted if it is required."""
        value = self.given.get(name)
        if value is None and required and not self.misspelt(name):
            self.problems.add(f"[{name}]: the section is missing; {why}")
        elif value is not None and not isinstance(value, dict):
            self.problems.add(f"[{name}]: {value!r} is no section; write [{name}] and its keys below it")
        inner = Section(value, f"[{name}]", self.problems, known)
        return inner

    def misspelt(self, name: str) -> bool:
        """Whether some unknown key is nearly this one, which has then been said."""
        from difflib import get_close_matches

        return bool(get_close_matches(name, set(self.given) - set(self.known), 1, 0.8))

    def text(self, name: str, default: str = "") -> str:
        """Give a text, or the default where it is missing or wrong."""
        value = self.given.get(name, default)
        if isinstance(value, str) and name in self.given and not value.strip():
            self.problems.add(f"{self.where(name)}: {value!r} says nothing; write some text in quotes")
            return default
        if not isinstance(value, str):
            self.problems.add(f"{self.where(name)}: {value!r} is no text; write it in quotes")
            return default
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Give a whole number in a range."""
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.problems.add(f"{self.where(name)}: {shown(value)}; give a whole number from {least} to {most}")
            return default
        return value

    def number(self, name: str, default: float, inside: Callable[[float], bool], right: str) -> float:
        """Give a finite number that is right."""
        value = self.given.get(name, default)
        number = finite(value)
        if number is None or not inside(number):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give {right}")
            return default
        return number

    def numbers(
        self, name: str, default: tuple[float, ...], inside: Callable[[float], bool], right: str
    ) -> tuple[float, ...]:
        """Give a list of finite numbers that are right."""
        value = self.given.get(name, list(default))
        numbers = [finite(v) for v in value] if isinstance(value, list) else [None]
        known = [v for v in numbers if v is not None and inside(v)]
        if len(known) < len(numbers):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give a list of {right}")
            return default
        return tuple(dict.fromkeys(known))

    def truth(self, name: str, default: bool) -> bool:
        """Give true or false."""
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give true or false")
            return default
        return value
