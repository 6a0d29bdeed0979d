"""LinearPool: the mean of several judges' priors; their logarithmic pool is a product of powers, `log_pool`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.inference.special import log_sum_exp
from reward_hypotheses.models.priors.base import Prior, pool_shares


@dataclass(frozen=True)
class LinearPool(Prior):
    """``pi_h = sum_k a_k pi_kh``, the weights a_k of the judges normalised.

    The data re-weight the judges by how well they predicted: the posterior is ``sum_k a_k m_k w_k / sum_k a_k m_k``
    with ``m_k = sum_h pi_kh L_h``. Judges with a strength are uncertain each by themselves.

    Parameters
    ----------
    priors : sequence of Prior
    weights : sequence of float, optional
        One a prior; equal unless given.
    """

    priors: Sequence[Prior]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        pool_shares(self.priors, self.weights)
        object.__setattr__(self, "priors", tuple(self.priors))
        object.__setattr__(self, "weights", None if self.weights is None else tuple(self.weights))

    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:  # noqa: D102
        with np.errstate(divide="ignore"):
            terms = np.array([np.log(share) + part.log_prior(hypotheses) for share, part in self.parts()])
        return np.array([log_sum_exp(column) for column in terms.T])

    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        """Give the mean of the judges' weights."""
        terms = np.array([share * part.weights_of(hypotheses) for share, part in self.parts()])
        return np.array([math.fsum(column) for column in terms.T.tolist()])

    def parts(self) -> tuple[tuple[float, Prior], ...]:
        """Every judge's share, pools within pools taken apart."""
        shares = pool_shares(self.priors, self.weights)
        return tuple(
            (share * inner, part)
            for share, prior in zip(shares, self.priors, strict=True)
            for inner, part in prior.parts()
        )

    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        """Everybody in the pool."""
        return tuple(judge for prior in self.priors for judge in prior.judges())

    def record(self) -> dict[str, Any]:
        """That of every judge."""
        return super().record() | {"parts": [prior.record() for prior in self.priors]}

    @property
    def source(self) -> str | None:  # type: ignore[override]
        """Every source."""
        given = [p.source for p in self.priors if p.source]
        return "; ".join(given) if given else None

    @property
    def name(self) -> str:
        """Every name."""
        return " + ".join(p.name for p in self.priors)
