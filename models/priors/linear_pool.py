"""LinearPool: the mean of several judges' priors.

The logarithmic pool of judges is a product of powers: `log_pool`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.inference.special import log_sum_exp
from reward_hypotheses.models.priors.base import Prior, pool_shares


@dataclass(frozen=True)
class LinearPool(Prior):
    """A mean of judges' priors: ``pi_h = sum_k a_k pi_kh``.

    The weights a_k of the judges are normalised. The data re-weight the judges by how well they predicted: the
    posterior is ``sum_k a_k m_k w_k / sum_k a_k m_k`` with ``m_k = sum_h pi_kh L_h``. Each judge with a strength has
    an uncertainty of their own.

    Parameters
    ----------
    priors : sequence of Prior
    weights : sequence of float, optional
        One a prior; equal by default.
    """

    priors: Sequence[Prior]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        pool_shares(self.priors, self.weights)
        object.__setattr__(self, "priors", tuple(self.priors))
        object.__setattr__(self, "weights", None if self.weights is None else tuple(self.weights))

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        with np.errstate(divide="ignore"):
            terms = np.array([np.log(share) + part.log_prior(hypotheses) for share, part in self.parts()])
        return np.array([log_sum_exp(column) for column in terms.T])

    @override
    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        terms = np.array([share * part.weights_of(hypotheses) for share, part in self.parts()])
        return np.array([math.fsum(column) for column in terms.T.tolist()])

    @override
    def parts(self) -> tuple[tuple[float, Prior], ...]:
        shares = pool_shares(self.priors, self.weights)
        return tuple(
            (share * inner, part)
            for share, prior in zip(shares, self.priors, strict=True)
            for inner, part in prior.parts()
        )

    @override
    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        return tuple(judge for prior in self.priors for judge in prior.judges())

    @override
    def record(self) -> dict[str, Any]:
        return super().record() | {"parts": [prior.record() for prior in self.priors]}

    @property
    @override
    def source(self) -> str | None:  # type: ignore[override]
        return "; ".join(prior.source for prior in self.priors if prior.source) or None

    @property
    @override
    def name(self) -> str:
        return " + ".join(p.name for p in self.priors)
