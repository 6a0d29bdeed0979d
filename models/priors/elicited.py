"""Elicited: weights that somebody stated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.data.errors import InputError, names_problems, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.value_source import source_problems
from reward_hypotheses.models.priors.base import Prior


@dataclass(frozen=True)
class Elicited(Prior):
    """Human values as stated weights: ``pi_h = weight_h / sum weight``.

    Parameters
    ----------
    weights : dict of str to float
        One for every hypothesis, 0 or more, not all 0; they are normalised.
    source : str
        Who was asked, when, and how.
    strength : float, optional
        How many judgements the weights are worth: ``pi ~ Dirichlet(strength * weights)``, weights normalised first.
        None: fixed, and results then carry no interval.
    label : str, optional
        The judge's name, by which results show them beside others.

    Raises
    ------
    InputError
        No source; a weight that is negative, not finite or not a number; all weights 0; a strength that is not a
        positive finite number. When weighed: a hypothesis without a weight, a weight for nobody.
    """

    weights: Mapping[str, float]
    source: str
    strength: float | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        problems = source_problems(self.source)
        if not isinstance(self.weights, Mapping) or not self.weights:
            problems.append("weights: missing; give name = weight for every hypothesis")
        else:
            problems.extend(_weight_problems(self.weights))
        s = self.strength
        if s is not None and not 0 < (finite(s) or 0) <= 1e15:
            problems.append(
                f"strength: {shown(s)}; it must be a positive finite number, the judgements the weights are worth"
            )
        if problems:
            raise InputError(problems)
        object.__setattr__(self, "weights", dict(self.weights))

    def problems(self, names: tuple[str, ...]) -> list[str]:
        """Say which hypotheses lack a weight, and which weights have no hypothesis."""
        return names_problems(
            self.weights, names, "weights", "weight", "give one for every hypothesis (0 rules it out)"
        )

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        problems = self.problems(hypotheses.names)
        if problems:
            raise InputError(problems)
        weights = np.array([float(self.weights[name]) for name in hypotheses.names])
        with np.errstate(divide="ignore"):
            return np.log(weights) - np.log(weights.max())

    @override
    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        stated = [float(self.weights[name]) for name in hypotheses.names if name in self.weights]
        if len(stated) < len(hypotheses) or len(stated) < len(self.weights) or not 1e-250 < max(stated) < 1e250:
            return super().weights_of(hypotheses)
        return np.array(stated) / math.fsum(stated)


def _weight_problems(weights: Mapping[str, float]) -> list[str]:
    problems = [
        f"weights: {name!r} has {shown(w)}; a weight is a finite number, 0 or more"
        for name, w in weights.items()
        if finite(w) is None or w < 0
    ]
    if not problems and not any(w > 0 for w in weights.values()):
        problems.append("weights: all are 0; at least one hypothesis must have a positive weight")
    return problems
