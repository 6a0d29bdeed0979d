"""Languages of simplicity: how many bits each counts for an expression."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.operators import ALPHABET
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite

BITS = 8.0
"""Of a character."""


class Language(ABC):
    """A language in which expressions are written, so that each has a length.

    Attributes
    ----------
    name : str
        Its name in study files and results.
    """

    name: str
    sentence: ClassVar[str] = ""
    """What a prior of this language finds likelier, as a clause."""

    @abstractmethod
    def bits(self, expressions: Sequence[Expression], columns: Sequence[str]) -> np.ndarray:
        """Return the length of each expression, bits: (expression,).

        Parameters
        ----------
        columns : sequence of str
            Columns of the first feedback's table, in order.
        """


class Symbols(Language):
    """A language that counts the symbols of the parsed expression.

    A symbol costs log2 of the alphabet's size.

    The alphabet is the operators and functions, the distinct columns that any expression names, and a number. A subclass
    may give columns costs of their own (`of_columns`).
    """

    def of_columns(self, names: set[str], columns: Sequence[str]) -> Mapping[str, float]:
        """Return the bits of the columns that have costs of their own.

        Any other column costs one symbol.
        """
        return {}

    @override
    def bits(self, expressions: Sequence[Expression], columns: Sequence[str]) -> np.ndarray:
        names = {c for e in expressions for c in e.columns}
        symbol = math.log2(ALPHABET + len(names) + 1)
        cost = dict.fromkeys(names, symbol) | dict(self.of_columns(names, columns))
        return np.array(
            [math.fsum(cost[s.name] if s.kind == "column" else symbol for s in e.program) for e in expressions]
        )


class PlainSymbols(Symbols):
    """Symbols of the parsed expression."""

    name = "rules"
    sentence: ClassVar[str] = "a hypothesis is likelier if its reward has fewer symbols"


class Letters(Language):
    """Characters of the expression as written, white space left out, 8 bits each."""

    name = "letters"
    sentence: ClassVar[str] = "a hypothesis is likelier if its reward has fewer characters"

    @override
    def bits(self, expressions: Sequence[Expression], columns: Sequence[str]) -> np.ndarray:
        return np.array([BITS * len("".join(e.text.split())) for e in expressions])


class Columns(Symbols):
    """Symbols, where the cost of a column grows with its position.

    A column at position k of the table costs the Elias gamma length ``2 floor(log2 k) + 1``.
    """

    name = "columns"
    sentence: ClassVar[str] = (
        "a hypothesis is likelier if its reward has fewer symbols and reads earlier columns of the training table"
    )

    @override
    def of_columns(self, names: set[str], columns: Sequence[str]) -> Mapping[str, float]:
        if missing := [name for name in names if name not in columns]:
            raise InputError(f"column {missing[0]!r} is not in the first feedback's table, which 'columns' counts by")
        return {name: 2.0 * math.floor(math.log2(columns.index(name) + 1)) + 1.0 for name in names}


@dataclass(frozen=True)
class StatedCosts(Symbols):
    """Symbols, some columns at costs that somebody states."""

    sentence: ClassVar[str] = "a hypothesis is likelier if its reward costs fewer bits, at costs that the study states"

    name: str
    costs: Mapping[str, float]

    @override
    def of_columns(self, names: set[str], columns: Sequence[str]) -> Mapping[str, float]:
        for column in self.costs:
            if column not in names:
                raise InputError(
                    f"language {self.name!r}: costs: no hypothesis names {column!r}; {suggestion(column, sorted(names))}"
                )
        return self.costs


LANGUAGES: Mapping[str, Language] = {language.name: language for language in (PlainSymbols(), Letters(), Columns())}
"""The languages that ship. On the essay's pair the first ties, the second favours flags, the third red paint."""


def language_of(stated: str | Mapping[str, Any]) -> tuple[str | dict[str, Any], Language]:
    """Return a language as it is written, and the language.

    Parameters
    ----------
    stated : str or dict
        The name of one that ships, or ``{"name": ..., "costs": {feature: bits}}``.

    Raises
    ------
    InputError
        An unknown language, a name that is taken, or costs that are no numbers from 0 to 1e9.
    """
    if isinstance(stated, str):
        if stated not in LANGUAGES:
            raise InputError(f"language: {stated!r} is unknown; {suggestion(stated, LANGUAGES)}")
        return stated, LANGUAGES[stated]
    if not isinstance(stated, Mapping) or set(stated) != {"name", "costs"} or not isinstance(stated["costs"], Mapping):
        raise InputError(
            f"language: {stated!r}; give one of {', '.join(map(repr, LANGUAGES))} or {{ name, costs = {{ feature = bits }} }}"
        )
    name = stated["name"]
    if not isinstance(name, str) or not name.strip() or name in (*LANGUAGES, "uniform", "values"):
        raise InputError(f"language: the name {name!r}; give it a name of its own")
    for feature, bits in stated["costs"].items():
        if not 0 <= (-1.0 if (number := finite(bits)) is None else number) <= 1e9:
            raise InputError(f"language: costs: {feature!r} has {shown(bits)}; give bits, a number from 0 to 1e9")
    costs = {column: float(bits) for column, bits in stated["costs"].items()}
    return {"name": name, "costs": dict(stated["costs"])}, StatedCosts(name, costs)
