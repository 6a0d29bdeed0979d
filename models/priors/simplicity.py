"""Simplicity: 2^-bits under a stated language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.inference.special import LOG_2
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.languages import Language, language_of


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
        object.__setattr__(self, "language", language_of(self.language)[0])

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
        return language_of(self.language)[1]

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        return -LOG_2 * self.bits(hypotheses)

    @override
    def log_prior_among(self, hypotheses: Hypotheses, which: Sequence[int]) -> np.ndarray:
        return self.log_prior(hypotheses.only(which))  # the others need no length

    def bits(self, hypotheses: Hypotheses) -> np.ndarray:
        """Return the bits that each hypothesis costs in this language: (hypothesis,).

        A space of rules costs ``-log2 sum_f 2^-bits(f)``, so that it weighs as much as all its rules together.
        """
        language, rewards = self.as_language, hypotheses.rewards
        spaces = [reward for reward in rewards if reward.space]
        features = [e for reward in spaces for e in reward.expressions("").values()]
        written = [reward.expression for reward in rewards if reward.expression is not None]
        costs = iter(language.bits([*written, *features], hypotheses.columns).tolist())
        bits: list[float] = []
        for name, reward in zip(hypotheses.names, rewards, strict=True):
            beside = (*written, *(e for space in spaces if space is not reward for e in space.expressions("").values()))
            cost = next(costs) if reward.expression is not None else None
            if cost is None and reward.space:
                cost = reward.bits_together(language, hypotheses.columns, beside)
            if cost is None:
                advice = "" if reward.function is None else "; write it as an expression"
                advice = "; give the agent a tree with rules of its own" if reward.space else advice
                raise InputError(f"hypothesis {name!r} {reward.no_length} and has no length in any language{advice}")
            bits.append(cost)
        return np.array(bits)
