"""Many one-dimensional integrals of likelihoods at once."""

from collections.abc import Callable

import numpy as np

from reward_hypotheses.models.inference.quadrature import AGREE, FAR, FIRST, MOST, WIDEST

Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""t (integral, node) and which integrals -> the log integrand (integral, node)."""


def log_integrals(f: Integrand, n: int, lo: float, hi: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrate ``exp(f_i)`` over the line, for each i as `log_integral` does.

    From one first interval, each is widened while its ends are within 45 nats of the maximum, and narrowed until that
    region spans a third of the nodes; then the nodes of the trapezoid rule are doubled until two rules agree to 1e-10.

    Returns
    -------
    value : ndarray (integral,)
        Nats; NaN where 4,097 nodes do not suffice.
    ends : ndarray (integral, 2)
        The interval of the nodes; NaN where none holds the mass.
    top : ndarray (integral,)
        The highest f_i at the first nodes.
    """
    ends = np.tile([lo, hi], (n, 1)).astype(float)
    value = np.full(n, np.nan)
    moving, unit = np.arange(n), np.linspace(0.0, 1.0, FIRST)
    kept = np.empty((n, FIRST))
    for _ in range(400):
        if not len(moving):
            break
        t = _nodes(ends[moving], unit)
        kept[moving] = y = f(t, moving)
        moved = _moved(t, y, ends[moving])
        still = (moved != ends[moving]).any(axis=1)
        ends[moving] = moved
        moving = moving[still]
    ends[moving] = np.nan
    active, nodes = np.flatnonzero(np.isfinite(ends[:, 0])), FIRST
    y = kept[active]
    coarse = _trapezoid(y, ends[active])
    while len(active) and nodes < MOST:
        nodes = 2 * nodes - 1
        filled = np.empty((len(active), nodes))
        filled[:, ::2] = y
        filled[:, 1::2] = f(_nodes(ends[active], np.linspace(0.0, 1.0, nodes)[1::2]), active)
        found = _trapezoid(filled, ends[active])
        done = np.abs(found - coarse) <= np.maximum(AGREE, 1e-13 * np.abs(found))
        value[active[done]] = found[done]
        active, y, coarse = active[~done], filled[~done], found[~done]
    return value, ends, kept.max(axis=1)


def _nodes(ends: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return np.asarray(ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * unit)


def _moved(t: np.ndarray, y: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the next interval of each integral; the same where it need not move."""
    last, rows = t.shape[1] - 1, np.arange(len(t))
    near = y >= y.max(axis=1, keepdims=True) - FAR
    left, right = near.argmax(axis=1), last - near[:, ::-1].argmax(axis=1)
    width = ends[:, 1] - ends[:, 0]
    grows = (left == 0) & (ends[:, 0] > -WIDEST), (right == last) & (ends[:, 1] < WIDEST)
    grown = np.stack([ends[:, 0] - width * grows[0], ends[:, 1] + width * grows[1]], axis=1)
    narrow = (right - left < FIRST // 3) & (width > 1e-9 * np.maximum(1.0, np.abs(t[rows, left])))
    inner = np.stack([t[rows, np.maximum(left - 1, 0)], t[rows, np.minimum(right + 1, last)]], axis=1)
    return np.where((grows[0] | grows[1])[:, None], grown, np.where(narrow[:, None], inner, ends))


def _trapezoid(y: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the log of the trapezoid rule, by row."""
    top = y.max(axis=1)
    mass = np.exp(y - top[:, None])
    total = mass.sum(axis=1) - (mass[:, 0] + mass[:, -1]) / 2
    step = (ends[:, 1] - ends[:, 0]) / (y.shape[1] - 1)
    return np.asarray(top + np.log(total) + np.log(step))
