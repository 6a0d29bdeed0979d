"""Sentences of a report, and the claims that each makes about the results.

A `Sentence` is a text that names the entries of the results document from which its numbers come, and the comparisons that
it claims. The tests render many studies and check every sentence against the document: each number in the text is one of the
entries that it reads, rounded, and each comparison holds by more than the Monte Carlo errors of both sides.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from reward_hypotheses.analysis.report.phrases import LEAST, at, error_of

type Document = Mapping[str, Any]
type Read = str | tuple[str | int, ...] | float | Callable[[Document], Any]
"""Place of an entry in the document: keys joined by dots, or a tuple of keys; a number; or a function of the document."""

ERRORS = 2.0
"""Standard errors by which two sampled numbers must differ."""


@dataclass(frozen=True)
class Claim:
    """A comparison of two entries of the document, or a condition on it.

    Attributes
    ----------
    relation : str
        ``<`` (left is below right by more than the error), ``=`` (they differ by no more than that), or ``holds``.
    left, right : Read
        Both sides; of ``holds``, a function of the document as the left one.
    least : float
        Difference that is no difference even where both numbers are exact.
    """

    relation: Literal["<", "=", "holds"]
    left: Read
    right: Read = 0.0
    least: float = LEAST

    def holds(self, document: Document) -> bool:
        """Return whether the claim is true of a document."""
        if self.relation == "holds":
            return bool(value(document, self.left))
        apart = value(document, self.right) - value(document, self.left)
        error = margin(document, self.left, self.right, self.least)
        return bool(apart > error) if self.relation == "<" else bool(abs(apart) <= error)


class Sentence(str):
    """A sentence with the entries that it reads and the claims that it makes.

    Attributes
    ----------
    reads : tuple of Read
        Entries of the document whose numbers and words stand in the text.
    claims : tuple of Claim
    parts : tuple of Sentence
        The sentences of a paragraph; of one sentence, itself.
    """

    reads: tuple[Read, ...]
    claims: tuple[Claim, ...]
    parts: "tuple[Sentence, ...]"

    def __new__(cls, text: str, *reads: Read, claims: Sequence[Claim] = ()) -> Self:
        """Make a sentence."""
        sentence = super().__new__(cls, text)
        sentence.reads, sentence.claims = tuple(reads), tuple(claims)
        sentence.parts = (sentence,)
        return sentence


def paragraph(*sentences: str) -> Sentence:
    """Join sentences that are not empty to a paragraph that keeps their claims."""
    kept = [sentence for sentence in sentences if sentence]
    joined = Sentence(" ".join(kept))
    joined.parts = tuple(part for text in kept for part in parts_of(text))
    return joined


def parts_of(text: str) -> "tuple[Sentence, ...]":
    """Return the sentences of a text.

    A plain text is a sentence that reads and claims nothing.
    """
    return text.parts if isinstance(text, Sentence) else (Sentence(text),)


def quoted(text: str, *path: Read) -> Sentence:
    """Return a text of the document, such as a warning, as a sentence."""
    return Sentence(text, *path)


def below(left: Read, right: Read, least: float = LEAST) -> Claim:
    """Claim that an entry is less than another, by more than their error."""
    return Claim("<", left, right, least)


def alike(left: Read, right: Read, least: float = LEAST) -> Claim:
    """Claim that two entries differ by no more than their error."""
    return Claim("=", left, right, least)


def holds(condition: Callable[[Document], Any]) -> Claim:
    """Claim that a condition on the document is true."""
    return Claim("holds", condition)


def value(document: Document, read: Read) -> Any:
    """Return the entry of a document at a place."""
    if callable(read):
        return read(document)
    return at(document, path_of(read)) if isinstance(read, (str, tuple)) else read


def path_of(read: str | tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return a place as a tuple of keys."""
    return tuple(read.split(".")) if isinstance(read, str) else read


def margin(document: Document, left: Read, right: Read, least: float = LEAST) -> float:
    """Return the difference that two entries must exceed to differ.

    It is ``max(least, 2 sqrt(e_1^2 + e_2^2))`` with the Monte Carlo errors of both.
    """
    errors = (_error(document, read) or 0.0 for read in (left, right))
    return max(least, ERRORS * math.hypot(*errors))


def exceeds(document: Document, left: Read, right: Read, least: float = LEAST) -> bool:
    """Return whether an entry is greater than another by more than their error."""
    return below(right, left, least).holds(document)


def _error(document: Document, read: Read) -> float | None:
    """Return the Monte Carlo error of an entry; 0 of any other number."""
    if not isinstance(read, (str, tuple)):
        return 0.0
    path = path_of(read)
    if path == ("risk", "mean"):
        return float(document["risk"]["mcse"])
    error = error_of(document, *path)
    return error if isinstance(error, (int, float)) else 0.0


def sentences_in(values: Any) -> Iterator[Sentence]:
    """Yield the sentences of a text, or of a nest of sequences of texts."""
    if isinstance(values, str):
        yield from parts_of(values)
    elif isinstance(values, Mapping):
        yield from sentences_in(list(values.values()))
    elif isinstance(values, Sequence):
        for inner in values:
            yield from sentences_in(inner)
