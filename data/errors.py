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
