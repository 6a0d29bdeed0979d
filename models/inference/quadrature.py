"""One-dimensional integrals of likelihoods by adaptive quadrature."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.special import log_sum_exp

FAR = 45.0
"""Nats below the top beyond which the integrand adds nothing that a double holds."""
FIRST, MOST, MOST_TOGETHER = 33, 4097, 40_001
AGREE = 1e-10
"""Two rules, one with every other node of the other, agree to this many nats (or 1e-13 of the value)."""
WIDEST = 700.0
HILL = 1.0
"""Nats above the line between two nodes from which something was missed between them."""
DEGREES = (8, 16, 32, 64)
"""Of the polynomials by which a smooth log density is known between few points."""
FINE = 257


@dataclass(frozen=True, eq=False)
class Integral:
    """``log integral exp(f(t)) dt`` and where its mass lies.

    Attributes
    ----------
    value : float
        Nats; -inf where the integrand vanishes.
    nodes, log_density : ndarray (node,)
        Equally spaced t, and f there.
    error : float
        Of the value, nats; 0 where two rules agree to 1e-10.
    """

    value: float
    nodes: np.ndarray
    log_density: np.ndarray
    error: float = 0.0

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw t from the density proportional to exp(f): (n,).

        By inversion on a grid 16 times as fine, f being interpolated by cubics through its nodes.
        """
        return self.quantiles(rng.random(n))

    def quantiles(self, p: np.ndarray) -> np.ndarray:
        """Return the points below which lies a share p of the mass: (n,)."""
        fine, f = finer(self.nodes, self.log_density)
        mass = np.exp(f - f.max())
        steps = (mass[1:] + mass[:-1]) / 2
        below = np.concatenate([[0.0], np.cumsum(steps)])
        return np.interp(p * below[-1], below, fine)

    def shares(self) -> np.ndarray:
        """Return the share of the mass at each node: (node,).

        By the trapezoid rule.
        """
        mass = np.exp(self.log_density - self.log_density.max())
        mass[[0, -1]] /= 2
        return np.asarray(mass / mass.sum())


def log_integral(f: Callable[[np.ndarray], np.ndarray], *starts: tuple[float, float]) -> Integral:
    """Integrate ``exp(f)`` over the line, from one or several first intervals.

    From each start the interval is widened while its ends are within 45 nats of the maximum, and narrowed until that
    region spans half of the nodes. Then the trapezoid rule, whose error falls faster than any power of the step for a
    smooth integrand that vanishes at both ends (Trefethen and Weideman 2014), with nodes doubled until two rules agree
    to 1e-10. Where starts lead to mass in different places, the integral spans all of them.

    Parameters
    ----------
    f : callable
        Log integrand: (node,) -> (node,); -inf is allowed.
    starts : (float, float)
        First intervals, one for each mode that f may have.
    """
    integrals = [_around(f, lo, hi) for lo, hi in starts]
    best = max(integrals, key=lambda each: each.value)
    others = [each for each in integrals if each is not best and _adds(each, best)]
    if not others:
        return best
    together = [best, *others]
    ends = min(float(each.nodes[0]) for each in together), max(float(each.nodes[-1]) for each in together)
    step = min(float(each.nodes[1] - each.nodes[0]) for each in together)
    nodes = np.linspace(*ends, min(2 * int((ends[1] - ends[0]) / (2 * step)) + 3, MOST_TOGETHER))
    density = f(nodes)
    value = _trapezoid(nodes, density)
    error = abs(value - _trapezoid(nodes[::2], density[::2]))
    return Integral(value, nodes, density, error if error > AGREE else 0.0)


def _adds(other: Integral, best: Integral) -> bool:
    """Return whether an integral has mass that a greater integral lacks.

    The mass lies beyond the ends of the greater integral, or in a hill between its nodes.
    """
    inside = (other.nodes >= best.nodes[0]) & (other.nodes <= best.nodes[-1])
    step = float(other.nodes[1] - other.nodes[0])
    if not inside.all():
        beyond = log_sum_exp(other.log_density[~inside]) + math.log(step)
        if beyond > best.value - FAR / 2:
            return True
    missed = other.log_density[inside] > np.interp(other.nodes[inside], best.nodes, best.log_density) + HILL
    return bool((missed & (other.log_density[inside] > best.value - FAR - math.log(step))).any())


def _around(f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float) -> Integral:
    t = np.linspace(lo, hi, FIRST)
    y = f(t)
    for _ in range(400):
        top = float(y.max())
        if not top > -math.inf:
            return Integral(-math.inf, t, y)
        near = np.flatnonzero(y >= top - FAR)
        n, first, last, width = len(t), int(near[0]), int(near[-1]), float(t[-1] - t[0])
        grow_left, grow_right = first == 0 and t[0] > -WIDEST, last == n - 1 and t[-1] < WIDEST
        if grow_left or grow_right:
            lo = float(t[0]) - (width if grow_left else 0.0)
            hi = float(t[-1]) + (width if grow_right else 0.0)
        elif last - first < n // 3 and width > 1e-9 * max(1.0, abs(float(t[first]))):
            lo, hi = float(t[max(first - 1, 0)]), float(t[min(last + 1, n - 1)])
        else:
            value = _trapezoid(t, y)
            error = abs(value - _trapezoid(t[::2], y[::2])) if n > FIRST else math.inf
            if error <= max(AGREE, 1e-13 * abs(value)):
                return Integral(value, t, y)
            if n >= MOST:
                return Integral(value, t, y, error)
            finer_t = np.linspace(float(t[0]), float(t[-1]), 2 * n - 1)
            filled = np.empty(len(finer_t))
            filled[::2] = y
            filled[1::2] = f(finer_t[1::2])
            t, y = finer_t, filled
            continue
        t = np.linspace(lo, hi, FIRST)
        y = f(t)
    return Integral(_trapezoid(t, y), t, y, math.inf)


def log_integral_of_one_hill(
    f: Callable[[np.ndarray], np.ndarray], rough: Callable[[np.ndarray], np.ndarray], lo: float, hi: float
) -> Integral | None:
    """Integrate ``exp(f)`` where f is smooth and has one narrow hill.

    Few values of f are needed, because f is nearly a polynomial across a hill that many data make narrow. Parabolas
    find the maximum. f is taken at 9, 17, 33 or 65 Chebyshev points of the region within 45 nats of the maximum, until
    the last coefficients add less than 1e-10 (or 1e-13 of the value): a bound of the error of f, and so of the
    integral. The trapezoid rule then has its nodes on the polynomial, which costs nothing.

    Parameters
    ----------
    f : callable
        Log integrand: (node,) -> (node,).
    rough : callable
        A cheap approximation of f, by which the search begins.
    lo, hi : float
        Interval in which to look for the maximum of `rough`.

    Returns
    -------
    Integral or None
        None where f is not of this form.
    """
    t, width = highest(rough, lo, hi), 0.05
    for g in (rough, f):
        for _ in range(8):
            below, top, above = g(t + width * np.array([-1.0, 0.0, 1.0])).tolist()
            bend = 2 * top - below - above
            if not bend > 1e-6:
                return None
            move = float(np.clip((above - below) / (2 * bend), -8.0, 8.0)) * width
            sd = width / math.sqrt(bend)
            t, width = t + move, min(3 * sd, 0.5)
            if abs(move) <= 4 * sd:
                break
        else:
            return None
    left = right = 1.02 * math.sqrt(2 * FAR) * sd
    for _ in range(6):
        known = _polynomial(f, t - left, t + right)
        if known is None:
            return None
        nodes = np.linspace(t - left, t + right, FINE)
        y = known(nodes)
        best = int(y.argmax())
        drops = float(y[best] - y[0]), float(y[best] - y[-1])
        if min(drops) >= FAR - 5 and max(drops) <= 4 * FAR:
            value = _trapezoid(nodes, y)
            error = abs(value - _trapezoid(nodes[::2], y[::2]))
            return Integral(value, nodes, y) if error <= max(AGREE, 1e-13 * abs(value)) else None
        if min(drops) < 1:
            return None
        t, ends = float(nodes[best]), (t - left, t + right)
        left = (t - ends[0]) * math.sqrt(1.1 * FAR / drops[0])
        right = (ends[1] - t) * math.sqrt(1.1 * FAR / drops[1])
    return None


def _polynomial(
    f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Interpolate f at Chebyshev points; None where 65 are not enough."""
    x = np.cos(np.pi * np.arange(DEGREES[0] + 1) / DEGREES[0])
    y = f(lo + (hi - lo) * (1 + x) / 2)
    for degree in DEGREES:
        if not np.isfinite(y).all():
            return None
        k = np.arange(degree + 1)
        cosines = np.cos(np.pi * np.outer(k, k) / degree)
        ends = np.where((k == 0) | (k == degree), 0.5, 1.0)
        coefficients = (cosines * ends) @ y * ends * 2 / degree
        if float(np.abs(coefficients[-3:]).sum()) <= max(AGREE, 1e-13 * float(np.abs(y).max())) / 4:
            return np.polynomial.Chebyshev(coefficients, domain=(lo, hi))
        if degree == DEGREES[-1]:
            return None
        between = np.cos(np.pi * (2 * np.arange(degree) + 1) / (2 * degree))
        finer_y = np.empty(2 * degree + 1)
        finer_y[::2], finer_y[1::2] = y, f(lo + (hi - lo) * (1 + between) / 2)
        y = finer_y
    return None


def highest(f: Callable[[np.ndarray], np.ndarray], lo: float, hi: float) -> float:
    """Return the maximum's position for a function with one hill.

    A grid of 17 points is narrowed. The function may be flat on the left of the hill.
    """
    for _ in range(30):
        t = np.linspace(lo, hi, 17)
        y = f(t)
        best = int(len(t) - 1 - np.argmax(y[::-1]))  # of equals the rightmost: what is flat lies to the left
        lo, hi = float(t[max(best - 1, 0)]), float(t[min(best + 1, 16)])
        if hi - lo < 1e-2:
            break
    return (lo + hi) / 2


def _trapezoid(t: np.ndarray, y: np.ndarray) -> float:
    half = np.zeros(len(y))
    half[[0, -1]] = -math.log(2.0)
    return log_sum_exp(y + half) + math.log(float(t[1] - t[0]))


def finer(t: np.ndarray, y: np.ndarray, times: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes `times` as fine, and the log density at them by cubics.

    Each cubic goes through four neighbouring nodes. Where the density is negligible it is not interpolated closely.
    """
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
