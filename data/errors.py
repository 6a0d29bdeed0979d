"""Errors for wrong input, suggestions in messages, and safe text."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters but tabs and line ends, surrogates, and what sets the direction of text (Unicode annex 9)."""
MOST_TOLD = 50  # of problems of one kind; the rest are counted
MOST_NAMES = 2000  # among which the nearest is looked for


class InputError(ValueError):
    """Wrong input, one sentence for each problem.

    A sentence names the file, then the key, column or row, then what would be right.

    Attributes
    ----------
    problems : tuple of str
        One message for each problem. No problem is only a consequence of another.
    in_file : tuple of str
        The messages without the name of the file, where all are of one file.
    """

    def __init__(self, problems: str | Iterable[str], file: str = "") -> None:
        self.in_file = (problems,) if isinstance(problems, str) else tuple(problems)
        self.problems = tuple(f"{file}: {problem}" for problem in self.in_file) if file else self.in_file
        super().__init__("\n".join(self.problems))

    @classmethod
    @contextmanager
    def at(cls, place: str) -> Iterator[None]:
        """Put a place before each problem of an InputError that is raised inside."""
        try:
            yield
        except InputError as error:
            raise cls([f"{place}: {problem}" for problem in error.problems]) from None


def shown(value: object) -> str:
    """Return a value as a message shows it: short."""
    try:
        text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a number of very many digits"
    except RecursionError:
        text = "a value nested very deeply"
    return text if len(text) <= 60 else text[:57] + "..."


def names_problems(listed: Iterable[str], names: Iterable[str], key: str, what: str, right: str) -> list[str]:
    """Return the problems of the keys of a mapping by hypothesis.

    Keys that are not hypotheses, and hypotheses without a key. A misspelt name is reported once.
    """
    listed, names = list(listed), list(names)
    here, known = set(listed), set(names)
    unknown = [name for name in listed if name not in known]
    problems = first_few(
        unknown,
        lambda name: f"{key}: {name!r} is no hypothesis; {suggestion(str(name), names)}",
        lambda n: f"{key}: {n:,} more names are no hypotheses; name only what is listed",
    )
    meant = {s.split("did you mean ")[1].removesuffix("?") for s in problems if "did you mean " in s}
    lacking = [name for name in names if name not in here and repr(name) not in meant]
    return problems + first_few(
        lacking,
        lambda name: f"{key}: hypothesis {name!r} has no {what}; {right}",
        lambda n: f"{key}: {n:,} more hypotheses have no {what}; {right}",
    )


def first_few[T](items: Sequence[T], message: Callable[[T], str], rest: Callable[[int], str]) -> list[str]:
    """Return messages for the first fifty problems, and the number of the rest."""
    problems = [message(item) for item in items[:MOST_TOLD]]
    return problems + [rest(len(items) - MOST_TOLD)] if len(items) > MOST_TOLD else problems


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return advice after an unknown name: the nearest known name, or all names."""
    from difflib import get_close_matches

    every = known = [str(k) for k in known]
    if len(known) > MOST_NAMES:  # comparing takes long: only those that begin alike and are about as long
        start, size = name[:1].lower(), len(name)
        known = [k for k in known if k[:1].lower() == start and abs(len(k) - size) < 3][:MOST_NAMES]
    near = get_close_matches(name, known, n=1, cutoff=0.6) or get_close_matches(
        name.lower(), [k for k in known if k.lower() == name.lower()], n=1
    )
    if near:
        return f"did you mean {near[0]!r}?"
    if not every:
        return "there is none to choose from"
    shown = ", ".join(repr(k) for k in every[:12])
    return f"there is {shown}" + (f" and {len(every) - 12} more" if len(every) > 12 else "")


def visible(text: str) -> str:
    """Return a text with control and bidirectional characters made visible.

    Each becomes a mark such as ``<U+202E>``.
    """
    return CONTROLS.sub(lambda match: f"<U+{ord(match[0]):04X}>", text.replace("\r\n", "\n"))
