"""Simplicity: 2^-bits under a stated language."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.operators import ALPHABET
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.inference.special import LOG_2
from reward_hypotheses.models.priors.base import Prior

LANGUAGES = ("rules", "letters", "columns")
"""The languages that ship. On the essay's pair the first ties, the second favours flags, the third red paint."""


@dataclass(frozen=True)
class Simplicity(Prior):
    """``pi_h`` proportional to ``2^-bits(h)``: a foil, and only as neutral as its language.

    Parameters
    ----------
    language : str or dict
        - ``"rules"``: every symbol of the parsed expression costs log2 of the alphabet's size, which is 22 operators
          and functions + the distinct columns that any hypothesis names + 1 for a number.
        - ``"letters"``: 8 bits a character of the expression as written, white space left out.
        - ``"columns"``: as ``rules``, but a feature costs the Elias gamma length ``2 floor(log2 k) + 1`` of its
          position k among the columns of the first feedback's table.
        - ``{"name": ..., "costs": {feature: bits}}``: your own; features not named, and the rest, as in ``rules``.
    source : str, optional
        Why somebody holds it; needed where it is the judge's.

    Raises
    ------
    InputError
        An unknown language, costs that are negative or for a feature that nobody names, a callable hypothesis (which
        has no length).
    """

    language: str | Mapping[str, object] = "rules"
    source: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.language, str):
            if self.language not in LANGUAGES:
                raise InputError(f"language: {self.language!r} is unknown; {suggestion(self.language, LANGUAGES)}")
            return
        given = self.language
        if not isinstance(given, Mapping) or set(given) != {"name", "costs"} or not isinstance(given["costs"], Mapping):
            raise InputError(
                f"language: {given!r}; give one of {', '.join(map(repr, LANGUAGES))} or {{ name, costs = {{ feature = bits }} }}"
            )
        if (
            not isinstance(given["name"], str)
            or not given["name"].strip()
            or given["name"] in (*LANGUAGES, "uniform", "values")
        ):
            raise InputError(f"language: the name {given['name']!r}; give it a name of its own")
        for feature, bits in given["costs"].items():
            if not 0 <= (-1.0 if (number := finite(bits)) is None else number) <= 1e9:
                raise InputError(f"language: costs: {feature!r} has {shown(bits)}; give bits, a number from 0 to 1e9")
        object.__setattr__(self, "language", {"name": given["name"], "costs": dict(given["costs"])})

    @property
    def name(self) -> str:
        """Simplicity, and in which language."""
        return f"simplicity, {self.language_name}"

    @property
    def language_name(self) -> str:
        """The language's name."""
        return self.language if isinstance(self.language, str) else str(self.language["name"])

    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:  # noqa: D102
        return -LOG_2 * self.bits(hypotheses)

    def log_prior_among(self, hypotheses: Hypotheses, which: Sequence[int]) -> np.ndarray:
        """Give ``log pi_h`` of some of the hypotheses; the others need no length."""
        return self.log_prior(hypotheses.only(which))

    def bits(self, hypotheses: Hypotheses) -> np.ndarray:
        """Bits that each hypothesis costs in this language, (hypothesis,)."""
        expressions = []
        for name, reward in zip(hypotheses.names, hypotheses.rewards, strict=True):
            if not isinstance(reward, Expression):
                what = "has continuous weights" if isinstance(reward, Linear) else "is a callable"
                what = "is unmodelled" if isinstance(reward, Unmodelled) else what
                raise InputError(
                    f"hypothesis {name!r} {what} and has no length in any language; write it as an expression"
                )
            expressions.append(reward)
        if self.language == "letters":
            return np.array([8.0 * len("".join(e.text.split())) for e in expressions])
        named = {c for e in expressions for c in e.columns}
        symbol = math.log2(ALPHABET + len(named) + 1)
        cost = dict.fromkeys(named, symbol)
        if self.language == "columns":
            for column in named:
                if column not in hypotheses.columns:
                    raise InputError(
                        f"column {column!r} is not in the first feedback's table, which 'columns' counts by"
                    )
                cost[column] = 2.0 * math.floor(math.log2(hypotheses.columns.index(column) + 1)) + 1.0
        elif isinstance(self.language, Mapping):
            costs = self.language["costs"]
            assert isinstance(costs, Mapping)
            for column in costs:
                if column not in named:
                    raise InputError(
                        f"language {self.language_name!r}: costs: no hypothesis names {column!r}; {suggestion(column, sorted(named))}"
                    )
            cost |= {c: float(bits) for c, bits in costs.items()}
        return np.array(
            [math.fsum(cost[s.name] if s.kind == "column" else symbol for s in e.program) for e in expressions]
        )
