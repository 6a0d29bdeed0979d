"""Comparisons that several topics of a report make, with their claims."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report import claims
from reward_hypotheses.analysis.report.claims import Claim, Read, Sentence, alike, below, holds, value
from reward_hypotheses.analysis.report.phrases import LEAST, percent

type Document = Mapping[str, Any]

UNSEEN = 2 * LEAST
"""Shares that differ by no more than this may round to the same text."""


def greater(document: Document, left: Read, right: Read) -> bool:
    """Return whether a share exceeds another by more than the error, visibly."""
    return claims.exceeds(document, left, right) and percent(value(document, left)) != percent(value(document, right))


def claims_less(left: Read, right: Read) -> list[Claim]:
    """Claim that a share is below another, and that both are shown as different texts."""
    return [below(left, right), holds(lambda d: percent(value(d, left)) != percent(value(d, right)))]


def claims_alike(*reads: Read) -> list[Claim]:
    """Claim that shares differ from the first by no more than the error."""
    return [alike(reads[0], read, UNSEEN) for read in reads[1:]]


def heaviest(document: Document, path: tuple[str, ...]) -> list[str]:
    """Return the hypotheses whose weight is about the largest, by falling weight."""
    weights: Mapping[str, float] = value(document, path)
    order = sorted(weights, key=lambda name: -weights[name])
    return [name for name in order if not greater(document, (*path, order[0]), (*path, name))]


def claims_heaviest(path: tuple[str, ...], names: Sequence[str]) -> list[Claim]:
    """Claim that the weights of `names` are about equal, and all others smaller."""

    def largest(d: Document) -> bool:
        weights = value(d, path)
        return all(w < weights[names[0]] for name, w in weights.items() if name not in names)

    return [holds(largest), *claims_alike(*((*path, name) for name in names))]


def weights_in_words(
    document: Document, path: tuple[str, ...], most: int = 4, beside: Callable[[str], str] = lambda name: ""
) -> Sentence:
    """Return the hypotheses of largest weight, and how many more there are.

    `beside` adds words to a hypothesis. The text has no full stop.
    """
    weights: Mapping[str, float] = value(document, path)
    order = sorted(weights, key=lambda name: -weights[name])
    shown = order[: most if len(order) > most + 1 else most + 1]
    n, words = len(order) - len(shown), [f"{percent(weights[name])} {name!r}{beside(name)}" for name in shown]
    if not n:
        return Sentence(", ".join(words), path)

    def rest(d: Document) -> float:
        return float(sum(w for name, w in value(d, path).items() if name not in shown))

    text = f"{', '.join(words)}, and {percent(rest(document))} on {n} more"
    return Sentence(text, path, rest, n, claims=[holds(lambda d: len(value(d, path)) == len(shown) + n)])


def about(share: float) -> str:
    """Return a share that stands for several: "about 50.0%", or "<0.1%"."""
    text = percent(share)
    return text if text[0] in "<>" or share == 0 else f"about {text}"


def cut(names: Sequence[str], most: int = 4) -> str:
    """Return quoted names, all or the first few with the number of the rest."""
    shown = [*map(repr, names[:most])] if len(names) > most + 1 else [*map(repr, names)]
    rest = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
    every = [*shown, *rest]
    return " and ".join([", ".join(every[:-1]), every[-1]] if len(every) > 1 else every)
