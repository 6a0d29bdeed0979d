"""Sequential choices from the remaining options, for very many units."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_hypotheses.data.numerics import in_threads
from reward_hypotheses.models.feedback.boltzmann.tied_ranks import apart, log_chances, ties_of

CELLS = 262144  # numbers worked on at once: few enough for a core's cache, enough to forget what starting costs
LARGEST = 690.0  # exp of it is a double, with room to spare
EVEN = 4  # pieces that cores share, a multiple of it: as many for each
SAMPLED = 2000  # units of a sample
TINY = 1e-5  # step of differences


@dataclass(frozen=True, eq=False)
class Layout:
    """Answers about some units, their options in rows from the worst to the best.

    A unit with fewer options than another has its own in the last rows. A step leads from one row to the next.

    Attributes
    ----------
    index : ndarray (row, unit)
        Where the option stands among all (unit, option), flat.
    shut : ndarray (step, unit) of bool, or None
        Steps that lead from a row without an option.
    costs : tuple of (bool or ndarray (unit,) of bool)
        For each step, whether the option to which it leads was chosen from the remaining options: by all units (True),
        by none (False), or by the marked units.
    ties : tuple of (int, ndarray, ndarray)
        By size, options before the last place whose order was not observed: first row and unit of each, (tie,).
    counts : ndarray (unit,) or None
        How often each unit occurs; None: once.
    """

    index: np.ndarray
    shut: np.ndarray | None
    costs: tuple[bool | np.ndarray, ...]
    ties: tuple[tuple[int, np.ndarray, np.ndarray], ...]
    counts: np.ndarray | None

    def steps(self, values: np.ndarray) -> np.ndarray:
        """Return the worth of each row less the next, -inf where shut: (step, unit)."""
        ordered = values.ravel()[self.index]
        with np.errstate(invalid="ignore"):  # where there is no option
            out = ordered[:-1] - ordered[1:]
        if self.shut is not None:
            out[self.shut] = -np.inf
        return out

    def reach(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far chosen options lie below others that were left.

        The greatest distance, and the sum of the distances over stages: (..., unit) each.
        """
        below = np.zeros(steps.shape[1:])
        farthest, together = np.zeros(below.shape), np.zeros(below.shape)
        for step, costs in zip(steps, self.costs, strict=True):
            below += step
            np.maximum(below, 0.0, out=below)
            np.maximum(farthest, below, out=farthest)
            if costs is not False:
                together += below
        return farthest, together


class Stages:
    """Rankings, choices and stops as rows of choices from what is left.

    The layout is computed once for all hypotheses (Plackett 1975).

    With options from the worst to the best, ``w = exp(beta x)``, and ``Q_k = sum_{j <= k} w_j / w_k``,

        ``log p(unit) = - sum over stages of log Q_k,   Q_0 = 1,   Q_k = 1 + Q_{k-1} exp(beta (x_{k-1} - x_k))``:

    an exponential, a product and a sum for each option, nothing that cancels, and one logarithm for as many stages and
    units as a double holds the product of.

    Parameters
    ----------
    ranks : ndarray (unit, option)
        1 for the best. Options with equal ranks are tied, and may have any order.
    inside : ndarray (unit, option) of bool
        Where there is an option.
    counts : ndarray (unit,), optional
        How often each unit occurs; once by default.
    most : int, optional
        Units that are laid out together, at most.
    """

    def __init__(
        self, ranks: np.ndarray, inside: np.ndarray, counts: np.ndarray | None = None, most: int | None = None
    ) -> None:
        self.ranks, self.inside, self.counts = ranks, inside, counts
        self.n_units = len(ranks)
        width = max(1, CELLS // max(ranks.shape[1] - 1, 1))
        width = width if most is None else min(width, most)
        pieces = -(-self.n_units // width)
        pieces = 1 if pieces < 2 else -(-pieces // EVEN) * EVEN
        ends = [self.n_units * i // pieces for i in range(pieces + 1)]
        self.layouts = [self._layout(lo, hi) for lo, hi in zip(ends[:-1], ends[1:], strict=True)]

    def _layout(self, lo: int, hi: int) -> Layout:
        inside, counts = self.inside[lo:hi], None if self.counts is None else self.counts[lo:hi]
        n, width = inside.shape
        worst_first = np.where(inside, -self.ranks[lo:hi], -np.inf)
        order = np.argsort(worst_first, axis=1, kind="stable")
        rank = np.ascontiguousarray(np.take_along_axis(worst_first, order, axis=1).T)
        first = width - inside.sum(axis=1)
        row = np.arange(width)[:, None]
        last = rank == rank[np.minimum(first, width - 1), np.arange(n)]  # the last place, or no option
        with np.errstate(invalid="ignore"):
            same = np.concatenate([np.zeros((1, n), bool), (rank[1:] == rank[:-1])])  # as the row before
        same &= (row > first) & ~last
        tied = same | np.concatenate([same[1:], np.zeros((1, n), bool)])
        chosen = (row > first) & ~last & ~tied
        costs: list[bool | np.ndarray] = []
        for k in range(1, width):
            indifferent = k <= first  # where nothing was left but itself, Q is 1 and costs nothing
            costs.append(bool(chosen[k].any()) and (bool((chosen[k] | indifferent).all()) or chosen[k]))
        shut = row[1:] <= first
        return Layout(
            np.ascontiguousarray((order + np.arange(lo, hi)[:, None] * width).T),
            shut if shut.any() else None,
            tuple(costs),
            tuple(ties_of(same)),
            counts,
        )

    def steps(self, values: np.ndarray) -> "Steps":
        """Return the steps under one hypothesis, of inputs ``x`` (unit, option)."""
        return Steps(self, [layout.steps(values) for layout in self.layouts])

    @cached_property
    def sampled(self) -> "tuple[Stages, np.ndarray]":
        """A random sample of the units, and their positions: (unit,)."""
        some = np.sort(np.random.default_rng(23).choice(self.n_units, min(SAMPLED, self.n_units), replace=False))
        return Stages(self.ranks[some], self.inside[some], None if self.counts is None else self.counts[some]), some


class LinearSteps:
    """Differences of worth along the stages under linear rewards: ``D w``.

    Parameters
    ----------
    stages : Stages
    x : ndarray (unit, option, feature)
    """

    def __init__(self, stages: Stages, x: np.ndarray) -> None:
        self.parts = []
        flat = x.reshape(-1, x.shape[-1])
        for layout in stages.layouts:
            ordered = flat[layout.index]
            apart = ordered[:-1] - ordered[1:]
            if layout.shut is not None:
                apart[layout.shut] = 0.0
            longest = np.sqrt((apart**2).sum(axis=-1)).max(axis=1, initial=0.0).sum()
            costly = sum(costs is not False for costs in layout.costs)
            self.parts.append((layout, apart, float(longest), costly))

    def log_likelihoods(self, weights: np.ndarray) -> np.ndarray:
        """Return ``sum_units log p(unit | w)`` at weights (point, feature): (point,)."""
        return -np.sum(in_threads(lambda part: self._left(weights, *part), self.parts), axis=0)

    def slopes(self, weights: np.ndarray) -> np.ndarray:
        """Return the gradient of `log_likelihoods` by the weights: (point, feature)."""
        return np.asarray(np.sum(in_threads(lambda part: self._slopes(weights, *part[:2]), self.parts), axis=0))

    def _slopes(self, weights: np.ndarray, layout: Layout, apart: np.ndarray) -> np.ndarray:
        n_steps, n_units, k = apart.shape
        out = np.empty((len(weights), k))
        flat = apart.reshape(-1, k)
        room = max(1, CELLS // max(n_steps * n_units, 1))
        for lo in range(0, len(weights), room):
            some = weights[lo : lo + room]
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                steps = np.moveaxis((some @ flat.T).reshape(len(some), n_steps, n_units), 1, 0)
                slopes = slopes_left(np.ascontiguousarray(steps), layout)
                out[lo : lo + room] = -np.moveaxis(slopes, 0, 1).reshape(len(some), -1) @ flat
        return out

    def _left(self, weights: np.ndarray, layout: Layout, apart: np.ndarray, longest: float, costly: int) -> np.ndarray:
        n_steps, n_units, k = apart.shape
        out = np.zeros(len(weights))
        if not n_steps:  # of a single option nothing is chosen
            return out
        room = max(1, CELLS // max(n_steps * n_units, 1))
        farthest = longest * np.sqrt((weights**2).sum(axis=1))  # of Cauchy and Schwarz
        flat = apart.reshape(-1, k).T
        room_for_steps = np.empty((min(room, len(weights)), flat.shape[1]))
        for lo in range(0, len(weights), room):
            some = weights[lo : lo + room]
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                steps = np.matmul(some, flat, out=room_for_steps[: len(some)]).reshape(len(some), n_steps, n_units)
                steps = np.ascontiguousarray(np.moveaxis(steps, 1, 0)) if n_steps > 1 else steps.reshape(1, -1, n_units)
                if layout.shut is not None:
                    steps[np.broadcast_to(layout.shut[:, None, :], steps.shape)] = -np.inf
                far = farthest[lo : lo + room]
                known = (far, costly * far) if float(far.max()) < 0.5 * LARGEST else None
                out[lo : lo + room] = log_left(steps, layout, known)
        return out


class Steps:
    """Differences of worth along the stages under one hypothesis.

    Parameters
    ----------
    stages : Stages
    steps : list of ndarray (step, unit)
        One a layout.
    """

    def __init__(self, stages: Stages, steps: list[np.ndarray]) -> None:
        self.stages, self.steps = stages, steps
        self.reaches = []
        for layout, step in zip(stages.layouts, steps, strict=True):
            farthest, together = layout.reach(step)
            self.reaches.append((float(farthest.max(initial=0.0)), float(together.max(initial=0.0))))

    @property
    def farthest(self) -> float:
        """The greatest distance of a chosen option below another that was left."""
        return max((farthest for farthest, _ in self.reaches), default=0.0)

    def log_likelihoods(self, beta: np.ndarray) -> np.ndarray:
        """Return ``sum_units log p(unit | beta)`` at each beta: (beta,)."""
        out = np.zeros(len(beta))
        for layout, step, reach in zip(self.stages.layouts, self.steps, self.reaches, strict=True):
            room = max(1, CELLS // max(step.size, 1))
            for lo in range(0, len(beta), room):
                some = beta[lo : lo + room]
                with np.errstate(over="ignore", under="ignore"):
                    scaled = step[:, None, :] * some[:, None]
                    far = (reach[0] * some, reach[1] * some)
                out[lo : lo + room] = out[lo : lo + room] - log_left(scaled, layout, far)
        return out


def log_left(steps: np.ndarray, layout: Layout, reach: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return the surprise of the choices at each point: (point,).

    ``- sum_units log p(unit)``, nats, summed over stages and units.

    Parameters
    ----------
    steps : ndarray (step, point, unit)
        Already scaled: ``beta (x_{k-1} - x_k)``, -inf where shut, of the layout's units under each point's rewards. It
        is overwritten; `CELLS` numbers are a good size.
    layout : Layout
    reach : (ndarray (point,), ndarray (point,)), optional
        Known bounds on `Layout.reach` of the steps over units; measured by default.
    """
    if reach is None:
        farthest, together = layout.reach(steps)
        reach = farthest.max(axis=-1, initial=0.0), together.max(axis=-1, initial=0.0)
    safe = reach[0] + math.log(len(steps) + 1) <= LARGEST  # every Q is a double
    with np.errstate(under="ignore"):
        if safe.all():
            return _by_products(steps, layout, float(reach[0].max(initial=0.0)), float(reach[1].max(initial=0.0)))
        if not safe.any():
            return _in_logs(np.clip(steps, -1e300, 1e300), layout)
    out = np.empty(len(safe))
    for part in (safe, ~safe):
        out[part] = log_left(steps[:, part], layout, (reach[0][part], reach[1][part]))
    return out


def slopes_left(steps: np.ndarray, layout: Layout) -> np.ndarray:
    """Return the derivative of `log_left` by each step: (step, point, unit).

    ``d log Q_k = p_k (d log Q_{k-1} + d step_k)`` with ``p_k = 1 - 1 / Q_k``, summed from the last step to the first.

    Parameters
    ----------
    steps : ndarray (step, point, unit)
        As in `log_left`, any numbers where shut. It is overwritten.
    layout : Layout
    """
    if layout.shut is not None:
        steps[np.broadcast_to(layout.shut[:, None, :], steps.shape)] = -np.inf
    tied = [apart(steps, *tie) for tie in layout.ties]
    log_q = np.empty(steps.shape) if tied else None
    share, q = steps, np.zeros(steps.shape[1:])
    if float(steps.max(initial=0.0)) * len(steps) + math.log(len(steps) + 1) <= LARGEST:  # every Q is a double
        q += 1.0
        np.exp(steps, out=share)
        for k in range(len(steps)):
            q *= share[k]
            q += 1.0
            if log_q is not None:
                np.log(q, out=log_q[k])
            np.divide(-1.0, q, out=share[k])
        share += 1.0
    else:
        for k in range(len(steps)):
            q = np.logaddexp(0.0, q + np.maximum(steps[k], -1e300))
            if log_q is not None:
                log_q[k] = q
            share[k] = -np.expm1(-q)
    added = None if log_q is None else _slopes_of_ties(layout, tied, log_q)
    onward = np.zeros(steps.shape[1:])
    for k in range(len(steps) - 1, -1, -1):
        costs = layout.costs[k]
        if costs is not False:
            onward += costs
        if added is not None:
            onward += added[0][k]
        onward *= share[k]
        share[k] = onward if added is None else onward + added[1][k]
    if layout.counts is not None:
        share *= layout.counts
    return share


def _slopes_of_ties(layout: Layout, tied: list[np.ndarray], log_q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return derivatives of the ties' part of `log_left`, by differences.

    The first is by log Q of each row, the second by each step: (step, point, unit) each.
    """
    of_q, of_step = np.zeros(log_q.shape), np.zeros(log_q.shape)
    for (size, rows, units), z in zip(layout.ties, tied, strict=True):
        rest = np.where(rows >= 2, log_q[np.maximum(rows - 2, 0), :, units].T, 0.0)
        slope = np.empty(z.shape)
        for i in range(size):
            unit = TINY * (np.arange(size) == i)
            slope[..., i] = (log_chances(z + unit, rest) - log_chances(z - unit, rest)) / (2 * TINY)
        beyond = np.cumsum(slope[..., ::-1], axis=-1)[..., ::-1]  # of this member and those after it
        for i in range(size):
            of_step[rows - 1 + i, :, units] += beyond[..., i].T
        later = rows >= 2  # a common shift of all worths changes nothing
        of_q[rows[later] - 2, :, units[later]] += beyond[..., 0].T[later]
    return of_q, of_step


def _by_products(steps: np.ndarray, layout: Layout, farthest: float, together: float) -> np.ndarray:
    tied = [apart(steps, *tie) for tie in layout.ties]
    q = np.exp(steps, out=steps)
    for k in range(len(q)):
        if k:
            q[k] *= q[k - 1]
        q[k] += 1.0
    out = np.zeros(q.shape[1])
    for (_, rows, units), z in zip(layout.ties, tied, strict=True):
        rest = np.where(rows >= 2, q[np.maximum(rows - 2, 0), :, units].T, 1.0)  # row k's is q[k - 1], and row 0's is 1
        out -= _weighed(log_chances(z, np.log(rest)), None if layout.counts is None else layout.counts[units])
    costly = [(k, costs) for k, costs in enumerate(layout.costs) if costs is not False]
    largest_log = together + sum(math.log(k + 2) for k, _ in costly)  # the log of a unit's product, at most
    at_once = max(1, len(costly))
    if largest_log > LARGEST:
        at_once = max(1, int(LARGEST / (farthest + math.log(len(q) + 1))))
        largest_log = LARGEST
    for lo in range(0, len(costly), at_once):
        product: np.ndarray | None = None
        for k, costs in costly[lo : lo + at_once]:
            factor = q[k] if costs is True else np.where(costs, q[k], 1.0)
            product = factor if product is None else np.multiply(product, factor, out=product)
        if product is not None:
            out += _log(product, layout.counts, int(LARGEST / largest_log))
    return out


def _log(product: np.ndarray, counts: np.ndarray | None, units: int) -> np.ndarray:
    """Return the sum of logs over units: (...,).

    The products (..., unit) are multiplied, `units` at a time, before the logarithm is taken.
    """
    if counts is not None:
        return np.log(product) @ counts
    out = np.zeros(product.shape[:-1])
    while units >= 2 and product.shape[-1] >= 2:
        half = product.shape[-1] // 2
        if product.shape[-1] % 2:
            out += np.log(product[..., -1])
        product = np.multiply(product[..., :half], product[..., half : 2 * half], out=product[..., :half])
        units //= 2
    return out + np.log(product).sum(axis=-1)


def _in_logs(steps: np.ndarray, layout: Layout) -> np.ndarray:
    tied = [apart(steps, *tie) for tie in layout.ties]
    out, q = np.zeros(steps.shape[1]), np.zeros(steps.shape[1:])
    for k, costs in enumerate(layout.costs):
        q = steps[k] = np.logaddexp(0.0, q + steps[k])
        if costs is not False:
            out += _weighed(q if costs is True else np.where(costs, q, 0.0), layout.counts)
    for (_, rows, units), z in zip(layout.ties, tied, strict=True):
        rest = np.where(rows >= 2, steps[np.maximum(rows - 2, 0), :, units].T, 0.0)
        out -= _weighed(log_chances(z, rest), None if layout.counts is None else layout.counts[units])
    return out


def _weighed(values: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    return values.sum(axis=-1) if counts is None else values @ counts
