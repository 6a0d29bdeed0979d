"""Likelihoods of choices and stops by what a rule approves."""

from dataclasses import dataclass

import numpy as np

FARTHEST = 1e300


@dataclass(frozen=True, eq=False)
class Kinds:
    """Kinds of answers under a rule, and their likelihoods.

    A unit offers n options of which a rule approves a, and m options that are failing. In units of the difference between
    the two rewards of a rule, an approved option is worth 1, another one 0, and failing w. With x the rationality times
    that difference over the scale, ``log p = x chosen - log(a e^x + n - a + m e^(w x))``. A stop is a choice between
    failing and one option.

    Attributes
    ----------
    approved, rejected, failing : ndarray of int (kind,)
        a, n - a and m.
    chosen : ndarray (kind,)
        Worth of the chosen option: 1, 0 or w.
    w : float
        Worth of failing, at least 0 and below 1.
    square : ndarray (kind,)
        What a unit of the kind adds to the square of the scale, before the mean over units.
    measured : ndarray of bool (kind,)
        Whether units of the kind enter that mean.
    """

    approved: np.ndarray
    rejected: np.ndarray
    failing: np.ndarray
    chosen: np.ndarray
    w: float
    square: np.ndarray
    measured: np.ndarray

    @property
    def contradicts(self) -> np.ndarray:
        """Whether there was a better option than the chosen one: (kind,)."""
        best = np.where(self.approved > 0, 1.0, np.where(self.failing > 0, self.w, 0.0))
        return np.asarray(self.chosen < best)

    def scale(self, counts: np.ndarray) -> np.ndarray:
        """Return the scale of each rule over the difference of its rewards: (rule,)."""
        total = (counts * self.measured).sum(axis=1)
        return np.sqrt(_sums(counts, self.square * self.measured) / np.where(total > 0, total, 1.0))

    def log_likelihood(self, counts: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log likelihood of each rule: (rule, node).

        Of counts (rule, kind) and x (rule, node).
        """
        x = np.minimum(x, FARTHEST)
        highest = np.where(self.approved > 0, 1.0, np.where(self.failing > 0, self.w, 0.0))
        out = _sums(counts, self.chosen - highest)[:, None] * x
        alike = (self.rejected == 0) & (self.failing == 0)  # approval of all is no preference, as approval of none
        approved = np.where(alike, 0, self.approved)
        shapes = np.stack([approved, self.approved + self.rejected - approved, self.failing])
        for a, b, m in np.unique(shapes, axis=1).T.tolist():
            n = _sums(counts, (shapes == [[a], [b], [m]]).all(axis=0))
            if n.any():
                out -= n[:, None] * self._log_sum(a, b, m, x)
        return np.asarray(out)

    def _log_sum(self, a: int, b: int, m: int, x: np.ndarray) -> np.ndarray | float:
        """Return ``log(a e^x + b + m e^(w x))`` less its highest exponent."""
        if a:
            rest = (b * np.exp(-x) if b else 0.0) + (m * np.exp(-(1.0 - self.w) * x) if m else 0.0)
            return np.log(a) + np.log1p(rest / a)
        if m:
            return np.log(m) + np.log1p(b * np.exp(-self.w * x) / m)
        return float(np.log(b))


def _sums(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted sums over kinds: (rule,).

    Equal counts give equal sums to the last bit, which a product of matrices does not promise.
    """
    return np.asarray((counts * weights).sum(axis=1))
