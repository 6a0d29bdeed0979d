"""Uniform: the same weight for every hypothesis."""

from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.priors.base import Prior


@dataclass(frozen=True)
class Uniform(Prior):
    """The same weight for every hypothesis: ``pi_h = 1 / H``.

    A value-neutral baseline, relative to the listed hypotheses.

    Parameters
    ----------
    source : str, optional
        Why somebody holds this prior; needed where the prior is the judge's.
    """

    source: str | None = None

    @property
    @override
    def sentence(self) -> str:
        return "all hypotheses are equally likely"

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        return np.zeros(len(hypotheses))
