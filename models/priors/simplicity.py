"""Simplicity: 2^-bits under a stated language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.inference.special import LOG_2
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.languages import LANGUAGES, Language, StatedCosts


@dataclass(frozen=True)
class Simplicity(Prior):
    """A prior by description length: ``pi_h`` proportional to ``2^-bits(h)``.

    A baseline that is only as value-neutral as its language.

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
        Why somebody holds this prior; needed where the prior is the judge's.

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
        stated = self.language
        if (
            not isinstance(stated, Mapping)
            or set(stated) != {"name", "costs"}
            or not isinstance(stated["costs"], Mapping)
        ):
            raise InputError(
                f"language: {stated!r}; give one of {', '.join(map(repr, LANGUAGES))} or {{ name, costs = {{ feature = bits }} }}"
            )
        name = stated["name"]
        if not isinstance(name, str) or not name.strip() or name in (*LANGUAGES, "uniform", "values"):
            raise InputError(f"language: the name {name!r}; give it a name of its own")
        for feature, bits in stated["costs"].items():
            if not 0 <= (-1.0 if (number := finite(bits)) is None else number) <= 1e9:
                raise InputError(f"language: costs: {feature!r} has {shown(bits)}; give bits, a number from 0 to 1e9")
        object.__setattr__(self, "language", {"name": name, "costs": dict(stated["costs"])})

    @property
    @override
    def name(self) -> str:
        return f"simplicity, {self.language_name}"

    @property
    def language_name(self) -> str:
        """The language's name."""
        return self.language if isinstance(self.language, str) else str(self.language["name"])

    @property
    @override
    def sentence(self) -> str:
        return self.as_language.sentence

    @property
    def as_language(self) -> Language:
        """The language, which counts bits."""
        if isinstance(self.language, str):
            return LANGUAGES[self.language]
        costs = cast(Mapping[str, float], self.language["costs"])
        return StatedCosts(self.language_name, {column: float(bits) for column, bits in costs.items()})

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        return -LOG_2 * self.bits(hypotheses)

    @override
    def log_prior_among(self, hypotheses: Hypotheses, which: Sequence[int]) -> np.ndarray:
        return self.log_prior(hypotheses.only(which))  # the others need no length

    def bits(self, hypotheses: Hypotheses) -> np.ndarray:
        """Return the bits that each hypothesis costs in this language: (hypothesis,)."""
        expressions = []
        for name, reward in zip(hypotheses.names, hypotheses.rewards, strict=True):
            if reward.expression is None:
                advice = "" if reward.function is None else "; write it as an expression"
                raise InputError(f"hypothesis {name!r} {reward.no_length} and has no length in any language{advice}")
            expressions.append(reward.expression)
        return self.as_language.bits(expressions, hypotheses.columns)
