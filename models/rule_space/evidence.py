"""Evidence of labels by the number of wrong ones, over the range that matters."""

import math
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.special import LOG_2, log_incomplete_beta

NEGLIGIBLE = 800.0  # nats below the best: exp(-800) is 0
RESCALED = 512  # powers of two


@dataclass(frozen=True)
class LabelEvidence:
    """Log evidence of k wrong labels of n, for k from `lowest` on.

    Attributes
    ----------
    lowest : int
        The least k.
    first : float
        Its log evidence, nats.
    relative : ndarray (k - lowest,)
        Log evidence less `first`, nats; -inf from its last entry on, which stands for all k beyond. Its values are exact
        to about 1e-13 where the log evidences themselves, of size n, are not.
    cut : bool
        Whether the last entry is -inf only because the table ends there.
    """

    lowest: int
    first: float
    relative: np.ndarray
    cut: bool = False

    @property
    def end(self) -> float:
        """The least k whose evidence counts as 0; inf where there is none."""
        return self.lowest + len(self.relative) - 1 if self.relative[-1] == -math.inf else math.inf

    def beyond(self, wrong: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the log evidence less `first` of `lowest` + so many wrong labels."""
        return np.take(self.relative, wrong, out=out, mode="clip")


def log_evidence(noise: tuple[float, float] | float, n_items: int, wrong: np.ndarray) -> np.ndarray:
    """Return the log evidence of each number of wrong labels, nats."""
    if isinstance(noise, tuple):
        a, b = noise
        return log_incomplete_beta(0.5, a + wrong, b + n_items - wrong) - log_incomplete_beta(0.5, a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(wrong > 0, wrong * np.log(noise), 0.0) + (n_items - wrong) * math.log1p(-noise)


def label_evidence(
    noise: tuple[float, float] | float, n_items: int, lowest: int, highest: int, within: float = NEGLIGIBLE
) -> LabelEvidence:
    """Return the log evidence of k = lowest..highest wrong labels among n.

    With ``noise = (a, b)``, eps ~ Beta(a, b) below 1/2, it is ``log I_k - log B(1/2; a, b)`` with
    ``I_k = B(1/2; a + k, b + n - k)``. With a number eps it is ``k log eps + (n - k) log(1 - eps)``.

    Parameters
    ----------
    within : float
        Nats. Entries more than this below the first are -inf.
    """
    k = np.array([*(lowest + (1 << i) - 1 for i in range((highest - lowest + 1).bit_length())), highest])
    log = log_evidence(noise, n_items, k)
    past = np.flatnonzero(log < log[0] - within) if np.isfinite(log[0]) else np.flatnonzero(k > lowest)
    end = int(k[past[0]]) if len(past) else highest
    if isinstance(noise, tuple):
        relative = _relative(*noise, n_items, lowest, end)
    elif noise == 0:
        relative, end = np.array([0.0, -math.inf]), highest
    else:
        relative = (math.log(noise) - math.log1p(-noise)) * np.arange(end - lowest + 1)
    if end < highest:
        relative = np.append(relative, -math.inf)
    return LabelEvidence(lowest, float(log[0]), relative, end < highest)


def _relative(a: float, b: float, n: int, lowest: int, end: int) -> np.ndarray:
    """Return ``log I_k - log I_lowest`` for k = lowest..end.

    Integration by parts gives ``I_k = ((b + n - k - 1) I_{k+1} + 2^-(a + b + n - 1)) / (a + k)``. All terms are positive,
    so that the recursion from large k down is stable. Its start has the rounding error of a logarithm of size n. Where
    the second term matters, at k about (n + b - a) / 2, the recursion starts so far above that this error has vanished;
    elsewhere the error is the same for all k.
    """
    centre, spread = (n + b - a) / 2, math.sqrt(n + a + b)
    start = min(n, max(end, math.ceil(centre + 5 * spread))) if end > centre - 5 * spread else end
    whole = a + b + n - 1.0
    log = float(log_incomplete_beta(0.5, a + start, b + n - start))
    exponent = math.floor(log / LOG_2 + whole)
    value = math.exp(log + (whole - exponent) * LOG_2)  # I_k = value x 2^(exponent - whole)
    values, exponents = [value], [exponent]
    for k in range(start - 1, lowest - 1, -1):
        value = ((b + n - k - 1.0) * value + math.ldexp(1.0, max(-exponent, -1074))) / (a + k)
        if value > 2.0**RESCALED:
            value, exponent = math.ldexp(value, -RESCALED), exponent + RESCALED
        values.append(value)
        exponents.append(exponent)
    mantissa, power = np.array(values[::-1]), np.array(exponents[::-1])
    return (np.log(mantissa / mantissa[0]) + LOG_2 * (power - power[0]))[: end - lowest + 1]
