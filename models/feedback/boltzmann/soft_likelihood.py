"""Likelihood of steps of a soft planner, whose plan depends on the rationality."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, override

import numpy as np

from reward_hypotheses.data.numerics import log_softmax
from reward_hypotheses.models.feedback.boltzmann.likelihood import Likelihood
from reward_hypotheses.models.inference.quadrature import AGREE
from reward_hypotheses.models.mdp.soft_plan_cache import SoftPlans

PANEL, DEGREE = 2.0, 24  # of log beta: the width that one polynomial spans
_POINTS = np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
_ENDS = np.where(np.isin(np.arange(DEGREE + 1), (0, DEGREE)), 0.5, 1.0)
_TO_COEFFICIENTS = (
    (np.cos(np.pi * np.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)) / DEGREE) * _ENDS)
    * _ENDS[:, None]
    * 2
    / DEGREE
)


@dataclass(frozen=True, eq=False)
class SoftLikelihood(Likelihood):
    """Likelihood of the steps under one hypothesis, planned anew at each rationality.

    Attributes
    ----------
    plans : SoftPlans
        Of the hypothesis.
    taken : (ndarray (pair,), ndarray (pair,))
        Distinct steps: the visited state, and the action.
    """

    concave: ClassVar[bool] = False
    plans: SoftPlans = field(kw_only=True)
    taken: tuple[np.ndarray, np.ndarray] = field(kw_only=True)

    @property
    @override
    def at_chance(self) -> bool:
        return bool(self.feedback.idle.all()) or not self.plans.scaled.any()

    @cached_property
    def _panels(self) -> dict[tuple[float, float], np.polynomial.Chebyshev | None]:
        return {}

    @override
    def log_likelihoods(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log likelihood at each rationality (point,): (point,).

        ``sum_steps log p(action | state, beta)``

        The sum is smooth in log beta. Plans are made at Chebyshev points of panels, which are halved until the last
        coefficients add less than 1e-10; between the points the polynomial is used.
        """
        beta = np.atleast_1d(self.feedback.beta(theta))
        if len(beta) == 1:
            return self._planned(beta)
        t = np.log(beta)
        out = np.empty(len(t))
        first = np.floor(t / PANEL) * PANEL
        for lo in sorted(set(first.tolist())):
            some = first == lo
            out[some] = self._interpolated(lo, lo + PANEL, t[some])
        return out

    def _interpolated(self, lo: float, hi: float, t: np.ndarray) -> np.ndarray:
        if (lo, hi) not in self._panels:
            y = self._planned(np.exp(lo + (hi - lo) * (1 + _POINTS) / 2))
            fitted = np.polynomial.Chebyshev(_TO_COEFFICIENTS @ y, domain=(lo, hi))
            left_out = float(np.abs(fitted.coef[-3:]).sum())
            rounding = 4e-15 * float(self.counts.sum() * np.exp(hi) * np.abs(self.plans.values[0.0]).max())
            enough = left_out <= max(AGREE, 1e-13 * float(np.abs(y).max()), rounding) or hi - lo <= PANEL / 32
            self._panels[lo, hi] = fitted if enough else None
        polynomial = self._panels[lo, hi]
        if polynomial is not None:
            return polynomial(t)
        middle = (lo + hi) / 2
        out = np.empty(len(t))
        for some, ends in ((t < middle, (lo, middle)), (t >= middle, (middle, hi))):
            if some.any():
                out[some] = self._interpolated(*ends, t[some])
        return out

    def _planned(self, beta: np.ndarray) -> np.ndarray:
        visited, action = self.taken
        return log_softmax(self.plans.logits(beta, alone=False))[:, visited, action] @ self.counts
