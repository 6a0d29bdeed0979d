"""Reading of a study file against declared sections.

Problems are collected, so that all of them are reported at once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, fields
from typing import Any

from reward_hypotheses.data.errors import InputError, first_few, shown, suggestion
from reward_hypotheses.data.numerics import finite


class Problems:
    """Problems of a study file.

    They are reported by section, in the order of ``order``, and inside a section in order of discovery.
    """

    def __init__(self, file: str, order: Sequence[str] = ()) -> None:
        self.file, self._order = file, order
        self._place = 0
        self._places: dict[str, int] = {}

    @property
    def messages(self) -> list[str]:
        """Every problem noted, without the file, in the order of the report."""
        return sorted(self._places, key=self._places.__getitem__)

    def turn(self, section: str = "") -> None:
        """Report later problems under this section.

        They come after those of all sections if it is no section of the order.
        """
        self._place = self._order.index(section) if section in self._order else len(self._order)

    def add(self, message: str) -> None:
        """Note one problem, once."""
        self._places.setdefault(message, self._place)

    def extend(self, messages: Iterable[str]) -> None:
        """Note several problems."""
        for message in messages:
            self.add(message)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Note the problems of an InputError raised inside, with the key concerned."""
        try:
            yield
        except InputError as error:
            join = " " if where.endswith(("]", ":")) else ": "
            self.extend(f"{where}{join}{p}" for p in error.problems)

    def refuse(self) -> None:
        """Raise InputError with every problem noted, if there is any."""
        if self._places:
            raise InputError(self.messages, self.file)


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Raise an InputError from inside with a name before each of its problems."""
    try:
        yield
    except InputError as error:
        raise InputError(error.problems, name) from None


class Section:
    """One section of a study file: its entries, and the keys that it may hold."""

    def __init__(self, entries: Any, name: str, problems: Problems, known: Iterable[str]) -> None:
        self.name, self.problems, self.known = name, problems, tuple(known)
        self.entries: Mapping[str, Any] = entries if isinstance(entries, dict) else {}

    def where(self, key: str) -> str:
        """Return the name of a key in messages."""
        return f"{self.name} {key}" if self.name else key

    def refuse_unknown(self) -> None:
        """Note every key that is not known, with the nearest that is."""
        self.problems.extend(
            first_few(
                [key for key in self.entries if key not in self.known],
                lambda key: f"{self.where(key)}: unknown key; {suggestion(key, self.known)}",
                lambda n: f"{self.where(f'{n:,} more keys')}: unknown; leave them out",
            )
        )

    def misspelt(self, key: str) -> bool:
        """Return whether an unknown key that was noted is nearly this key."""
        from difflib import get_close_matches

        return bool(get_close_matches(key, set(self.entries) - set(self.known), 1, 0.8))

    def value(self, key: str, kind: Callable[[Any], Any], default: Any = None) -> Any:
        """Return the value of a key; the default where the key is missing or invalid.

        An invalid value is noted as a problem.
        """
        if key in self.entries:
            with self.problems.at(self.where(key)):
                return kind(self.entries[key])
        return default

    def inner(self, key: str, why: str) -> dict[str, Any] | None:
        """Return the section below a key, or None.

        A missing section is noted where there is a reason to have it.
        """
        value = self.entries.get(key)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.problems.add(f"[{key}]: {value!r} is no section; write [{key}] and its keys below it")
        elif why and not self.misspelt(key):
            self.problems.add(f"[{key}]: the section is missing; {why}")
        return None


def key(kind: Callable[[Any], Any] | None = None, default: Any = None, *, missing: str = "", name: str = "") -> Any:
    """Declare a key of a section.

    Parameters
    ----------
    kind : callable, optional
        Turns the written value into the field's value; raises InputError with advice. By default the value is kept as
        written.
    default : object
        Value of the field where the key is missing or its value is invalid.
    missing : str
        Advice on the value of a required key; empty for an optional key.
    name : str
        The key in the file, where it is no Python name.
    """
    return field(default=default, metadata={"kind": kind or as_written, "missing": missing, "name": name})


def section(spec: type | None = None, *, why: str = "") -> Any:
    """Declare a section of a study file.

    Parameters
    ----------
    spec : type, optional
        The class that declares the keys; None where the user chooses the names.
    why : str
        Reason for a required section; empty for an optional section.
    """
    return field(default=None, metadata={"section": spec, "why": why})


def read[T](spec: type[T], entries: Any, name: str, problems: Problems) -> T:
    """Read a section; note unknown keys, then each value that is wrong or missing.

    A field whose value is wrong or missing holds its default.
    """
    keys = {f.metadata.get("name") or f.name: f for f in fields(spec)}  # type: ignore[arg-type]
    here = Section(entries, name, problems, keys)
    here.refuse_unknown()
    values: dict[str, Any] = {}
    for word, f in keys.items():
        if not name:
            problems.turn(word)
        if "section" in f.metadata:
            below, inner = here.inner(word, f.metadata["why"]), f.metadata["section"]
            absent = below is None and f.metadata["why"]
            values[f.name] = below if absent or inner is None else read(inner, below, f"[{word}]", problems)
            continue
        values[f.name] = here.value(word, f.metadata["kind"], f.default)
        if f.metadata["missing"] and word not in here.entries and not here.misspelt(word):
            problems.add(f"{here.where(word)}: missing; {f.metadata['missing']}")
    return spec(**values)


def as_written(value: Any) -> Any:
    """Return the value as written, to be checked where it is used."""
    return value


def text(value: Any) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str):
        raise InputError(f"{value!r} is no text; write it in quotes")
    if not value.strip():
        raise InputError(f"{value!r} says nothing; write some text in quotes")
    return value


def truth(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{shown(value)}; give true or false")
    return value


def path_like(right: str) -> Callable[[Any], str]:
    """Return a kind: a path; ``right`` describes the file."""

    def kind(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise InputError(f"{shown(value)} is no path; give {right}")
        return value

    return kind


def whole_number(least: int, most: int) -> Callable[[Any], int]:
    """Return a kind: a whole number from least to most."""

    def kind(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InputError(f"{shown(value)}; give a whole number from {least} to {most}")
        return value

    return kind


def number(inside: Callable[[float], bool], right: str) -> Callable[[Any], float]:
    """Return a kind: a finite number inside some range, which ``right`` describes."""

    def kind(value: Any) -> float:
        checked = finite(value)
        if checked is None or not inside(checked):
            raise InputError(f"{shown(value)}; give {right}")
        return checked

    return kind


def list_of(item: Callable[[Any], Any], right: str) -> Callable[[Any], tuple[Any, ...]]:
    """Return a kind: a list whose items are all of a kind, which ``right`` describes."""

    def kind(value: Any) -> tuple[Any, ...]:
        try:
            if isinstance(value, list):
                return tuple(map(item, value))
        except InputError:
            pass
        raise InputError(f"{shown(value)}; give a list of {right}")

    return kind


def distinct(kind: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a kind: a list without duplicates."""
    return lambda value: tuple(dict.fromkeys(kind(value)))


def refuse_no_table(where: str, name: str, known: Collection[str], noun: str, problems: Problems) -> None:
    """Note a name that no table, or no MDP, has."""
    if name not in known:
        problems.add(f"{where}: {name!r} is no {noun}; {suggestion(name, known)}")
