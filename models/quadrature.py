"""One-dimensional integrals of likelihoods: the nodes go where the mass is, and are as many as the integrand asks for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.special import log_sum_exp

FAR = 45.0
"""Nats below the top beyond which the integrand adds nothing that a double holds."""
FIRST, MOST = 33, 4097
AGREE = 1e-10
"""Two rules, one with every other node of the other, agree to this many nats (or 1e-13 of the value)."""
WIDEST = 700.0


@dataclass(frozen=True, eq=False)
class Integral:
    """``log integral exp(f(t)) dt`` and where its mass lies.

    Attributes
    ----------
    value : float
        Nats; -inf where the integrand vanishes.
    nodes, log_density : ndarray (node,)
        Equally spaced t, and f there.
    """

    value: float
    nodes: np.ndarray
    log_density: np.ndarray

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw t from the density proportional to exp(f): (n,).

        By inversion on a grid 16 times as fine, f being interpolated by cubics through its nodes.
        """
        fine, f = finer(self.nodes, self.log_density)
        mass = np.exp(f - f.max())
        steps = (mass[1:] + mass[:-1]) / 2
        below = np.concatenate([[0.0], np.cumsum(steps)])
        return np.interp(rng.random(n) * below[-1], below, fine)


def log_integral(f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float) -> Integral:
    """Integrate ``exp(f)`` over the line, starting to look between two points.

    The interval is widened while its ends are within 45 nats of the top and narrowed until that region spans half of the
    nodes; then the trapezoid rule, whose error falls faster than any power of the step for a smooth integrand that
    vanishes at both ends (Trefethen and Weideman 2014), with nodes doubled until two rules agree to 1e-10.

    Parameters
    ----------
    f : callable
        Of points (node,): log integrand (node,); -inf is allowed.
    lo, hi : float
        Where to begin.
    """
    t = np.linspace(lo, hi, FIRST)
    y = f(t)
    for _ in range(200):
        top = float(y.max())
        if top == -math.inf:
            return Integral(-math.inf, t, y)
        near = np.flatnonzero(y > top - FAR)
        first, last, width = int(near[0]), int(near[-1]), float(t[-1] - t[0])
        grow_left, grow_right = first == 0 and t[0] > -WIDEST, last == FIRST - 1 and t[-1] < WIDEST
        if grow_left or grow_right:
            lo = float(t[0]) - (width if grow_left else 0.0)
            hi = float(t[-1]) + (width if grow_right else 0.0)
        elif last - first < FIRST // 2:
            lo, hi = float(t[max(first - 1, 0)]), float(t[min(last + 1, FIRST - 1)])
        else:
            break
        t = np.linspace(lo, hi, FIRST)
        y = f(t)
    while True:
        value = _trapezoid(t, y)
        if len(t) > FIRST or len(t) >= MOST:
            coarse = _trapezoid(t[::2], y[::2])
            if abs(value - coarse) <= max(AGREE, 1e-13 * abs(value)) or len(t) >= MOST:
                return Integral(value, t, y)
        finer = np.linspace(float(t[0]), float(t[-1]), 2 * len(t) - 1)
        filled = np.empty(len(finer))
        filled[::2] = y
        filled[1::2] = f(finer[1::2])
        t, y = finer, filled


def _trapezoid(t: np.ndarray, y: np.ndarray) -> float:
    half = np.zeros(len(y))
    half[[0, -1]] = -math.log(2.0)
    return log_sum_exp(y + half) + math.log(float(t[1] - t[0]))


def finer(t: np.ndarray, y: np.ndarray, times: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate by cubics through four neighbouring nodes, where the density is not negligible."""
    y = np.maximum(y, y.max() - 2 * FAR)  # -inf would make the cubics' neighbours vanish too
    at = np.linspace(0.0, len(t) - 1.0, times * (len(t) - 1) + 1)
    i = np.clip(at.astype(int), 1, len(t) - 3)
    x = at - i
    a, b, c, d = (y[i + k] for k in (-1, 0, 1, 2))
    value = (
        -x * (x - 1) * (x - 2) / 6 * a
        + (x + 1) * (x - 1) * (x - 2) / 2 * b
        - (x + 1) * x * (x - 2) / 2 * c
        + (x + 1) * x * (x - 1) / 6 * d
    )
    return np.interp(at, np.arange(len(t)), t), value
