"""Variance decomposition of the risk: values and failure line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

TINY, BATCHES = 1e-14, 20
"""Variance of a risk below which the risk is constant; number of parts of the jackknife for errors."""


@dataclass(frozen=True)
class Shares:
    """Shares of the variance of the risk from values and from the failure line.

    Values and failure line are taken as independent. For an input x, ``first`` is ``Var(E[risk | x]) /
    Var(risk)`` (Sobol 1993), and ``total`` is the share of the variance left when the other input is known. The
    two differ by the interaction of both inputs. ``mcse`` is the Monte Carlo error of ``first``.
    """

    values: float
    line: float
    mcse_values: float
    mcse_line: float

    def document(self) -> dict[str, Any]:
        """Return the shares for the results."""
        return {
            "values": {"first": self.values, "total": 1 - self.line, "mcse": self.mcse_values},
            "failure_line": {"first": self.line, "total": 1 - self.values, "mcse": self.mcse_line},
        }


def shares_of_variance(risk: Callable[[int, int], np.ndarray]) -> Shares | None:
    """Estimate the shares of the variance by drawing one input anew.

    The estimator is of Janon and others (2014). None where nothing varies.

    Parameters
    ----------
    risk : callable
        Number of a set of draws of the values (0 or 1), and of the line -> risks (draw,).
    """
    base = risk(0, 0)
    others = risk(0, 1), risk(1, 0)  # the same values, the same line

    def first(rows: np.ndarray) -> np.ndarray:
        out = []
        for other in others:
            a, b = base[rows], other[rows]
            mean = (a.mean() + b.mean()) / 2
            variance = ((a**2 + b**2) / 2).mean() - mean**2
            out.append(((a * b).mean() - mean**2) / variance if variance > TINY else np.nan)
        return np.clip(np.array(out), 0.0, 1.0)

    n = len(base)
    firsts = first(np.arange(n))
    if np.isnan(firsts).any():
        return None
    parts = np.array_split(np.arange(n), BATCHES)
    left_out = np.array([first(np.concatenate([p for j, p in enumerate(parts) if j != k])) for k in range(BATCHES)])
    error = np.sqrt((BATCHES - 1) / BATCHES * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))  # jackknife
    return Shares(float(firsts[0]), float(firsts[1]), float(error[0]), float(error[1]))
