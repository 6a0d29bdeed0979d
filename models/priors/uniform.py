"""Uniform: the same weight for every hypothesis."""

from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.priors.base import Prior


@dataclass(frozen=True)
class Uniform(Prior):
    """``pi_h = 1 / H``: a value-neutral foil, relative to the hypotheses that were listed.

    Parameters
    ----------
    source : str, optional
        Why somebody holds it; needed where it is the judge's.
    """

    source: str | None = None

    @property
    @override
    def sentence(self) -> str:
        return "every hypothesis alike"

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        return np.zeros(len(hypotheses))
