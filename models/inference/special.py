"""Special functions and log-space arithmetic, in numpy alone.

Written here because the fast path imports neither scipy nor anything else of its size, and because scipy's incomplete
beta function underflows where its logarithm is wanted.
"""

import math

import numpy as np

from reward_hypotheses.data.numerics import distinct

LOG_2 = math.log(2.0)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# Stirling's series: log gamma(z) = (z - 1/2) log z - z + log(2 pi)/2 + sum_k c_k z^(1 - 2k)
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_SERIES_FROM = 10.0


def _stirling_rest(z: np.ndarray) -> np.ndarray:
    total = np.zeros_like(z)
    for c in reversed(_STIRLING):
        total = total / (z * z) + c
    return total / z


def log_gamma(z: np.ndarray | float) -> np.ndarray:
    """Return ``log Gamma(z)`` for z > 0."""
    values = np.asarray(z, float)
    return np.array([math.lgamma(v) for v in values.ravel()]).reshape(values.shape)


def log_beta(p: np.ndarray | float, q: np.ndarray | float) -> np.ndarray:
    """Return ``log B(p, q)`` for p, q > 0, to a few units in the last place.

    ``lgamma(p) + lgamma(q) - lgamma(p + q)`` loses eight digits at p + q = 1e7; here the large terms cancel on paper.
    """
    first, second = np.broadcast_arrays(np.asarray(p, float), np.asarray(q, float))
    low, high = np.minimum(first, second), np.maximum(first, second)
    out = np.empty(low.shape)
    small = high < _SERIES_FROM
    out[small] = log_gamma(low[small]) + log_gamma(high[small]) - log_gamma(low[small] + high[small])
    a, b = low[~small], high[~small]
    s = a + b
    tail = -(b - 0.5) * np.log1p(a / b) + _stirling_rest(b) - _stirling_rest(s)
    large = a >= _SERIES_FROM
    head = np.empty(a.shape)
    al = a[large]
    head[large] = -al * np.log1p(b[large] / al) - 0.5 * np.log(al) + _HALF_LOG_2PI + _stirling_rest(al)
    ac = a[~large]
    head[~large] = log_gamma(ac) - ac * np.log(s[~large]) + ac
    out[~small] = tail + head
    return out


def log_incomplete_beta(x: float, p: np.ndarray | float, q: np.ndarray | float) -> np.ndarray:
    """Return ``log int_0^x t^(p-1) (1-t)^(q-1) dt``, the log incomplete beta.

    For 0 < x < 1 and p, q > 0. Continued fraction of DiDonato and Morris (1992, TOMS 708, eq. 9) where x is below the
    mean, its complement elsewhere; in logs throughout, for the integral underflows from p of about 1000 on.
    """
    p, q = np.broadcast_arrays(np.asarray(p, float), np.asarray(q, float))
    shape = p.shape
    p, q = p.ravel(), q.ravel()
    out = np.empty(p.shape)
    # below or at the mean the fraction converges in O(sqrt(max(p, q))) steps
    direct = x * (p + q + 2.0) <= p + 1.0
    out[direct] = _log_by_fraction(x, p[direct], q[direct])
    a, b = p[~direct], q[~direct]
    complete = log_beta(a, b)
    upper = _log_by_fraction(1.0 - x, b, a) - complete  # log I_{1-x}(q, p), the mass above x
    out[~direct] = complete + np.log1p(-np.exp(np.minimum(upper, 0.0)))
    return out.reshape(shape)


def _log_by_fraction(x: float, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return ``log B(x; p, q)`` by Lentz's method, for x up to the mean.

    The mean is about p / (p + q).
    """
    if not p.size:
        return np.empty(0)
    s = p + q
    c = np.ones_like(p)
    d = 1.0 / (1.0 - s * x / (p + 1.0))  # below the mean, every denominator is positive
    h = d.copy()
    going = np.ones(p.shape, bool)  # what has converged stays: thousands of factors 1 +- 1e-16 would wander
    for m in range(1, 200_000):
        b = p + 2 * m
        even = m * (q - m) * x / ((b - 1.0) * b)
        odd = -(p + m) * (s + m) * x / (b * (b + 1.0))
        d = 1.0 / (1.0 + even * d)
        c = 1.0 + even / c
        first = d * c
        d = 1.0 / (1.0 + odd * d)
        c = 1.0 + odd / c
        second = d * c
        h = np.where(going, h * (first * second), h)
        going &= (np.abs(first - 1.0) >= 4e-16) | (np.abs(second - 1.0) >= 4e-16)
        if not going.any():
            break
    return p * math.log(x) + q * math.log1p(-x) - np.log(p) + np.log(h)


def normal_quantile(p: float) -> float:
    """Return the quantile of the standard normal distribution, for 0 < p < 1."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


def regularized_gamma_q(a: float, x: float) -> float:
    """Return ``Q(a, x) = Gamma(a, x) / Gamma(a)``.

    The upper tail probability of a gamma variable of shape a.
    """
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        k = a
        while abs(term) > 1e-17 * abs(total):
            k += 1.0
            term *= x / k
            total += term
        return max(0.0, 1.0 - front * total)
    b = x + 1.0 - a
    c, d = 1e300, 1.0 / b
    h = d
    for i in range(1, 100_000):
        an = -i * (i - a)
        b += 2.0
        d = an * d + b
        d = 1.0 / (d if abs(d) > 1e-300 else 1e-300)
        c = b + an / c
        step = d * c
        h *= step
        if abs(step - 1.0) < 1e-16:
            break
    return min(1.0, front * h)


def log_sum_exp(x: np.ndarray) -> float:
    """Return ``log sum_i exp(x_i)``; -inf where every term is -inf."""
    top = float(np.max(x))
    if not np.isfinite(top):
        return top
    return top + math.log(math.fsum(np.exp(x - top).tolist()))


def normalise_log(x: np.ndarray) -> np.ndarray:
    """Return ``exp(x) / sum exp(x)``, with equal inputs giving equal outputs.

    Each distinct value is exponentiated once: a vectorised exp may differ in the last bit between the places of an
    array, and hypotheses that the data cannot tell apart must have exactly equal weights.
    """
    values, _, inverse, count = distinct(x)
    terms = np.exp(values - values[-1])
    return (terms / math.fsum((terms * count).tolist()))[inverse]


def log_normalised(x: np.ndarray) -> np.ndarray:
    """Return ``x - log sum exp(x)``."""
    return x - log_sum_exp(x)
