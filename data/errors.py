"""The one error that wrong input raises, and the suggestions in its messages."""

from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input, as one sentence a problem: file, then key, column or row, then what would be right.

    Attributes
    ----------
    problems : tuple of str
        One message each; none of them only follows from another.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


def shown(value: object) -> str:
    """Give a value as it stands in a message: short."""
    try:
        text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a number of very many digits"
    except RecursionError:
        text = "a value nested very deeply"
    return text if len(text) <= 60 else text[:57] + "..."


def names_problems(given: Iterable[str], names: Iterable[str], key: str, what: str, right: str) -> list[str]:
    """Say which keys of a mapping are no hypotheses, and which hypotheses it leaves out.

    One that is left out because its name was misspelt is not complained of twice.
    """
    given, names = list(given), list(names)
    unknown = [name for name in given if name not in names]
    said = [f"{key}: {name!r} is no hypothesis; {suggestion(str(name), names)}" for name in unknown]
    lacking = [name for name in names if name not in given and not any(f"mean {name!r}?" in s for s in said)]
    return said + [f"{key}: hypothesis {name!r} has no {what}; {right}" for name in lacking]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Words that follow an unknown name: the nearest known one, or else what there is."""
    from difflib import get_close_matches

    known = [str(k) for k in known]
    near = get_close_matches(name, known, n=1, cutoff=0.6) or get_close_matches(
        name.lower(), [k for k in known if k.lower() == name.lower()], n=1
    )
    if near:
        return f"did you mean {near[0]!r}?"
    if not known:
        return "there is none to choose from"
    shown = ", ".join(repr(k) for k in known[:12])
    return f"there is {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")
