"""Block: rewards and failure lines of a part of a table, item by item."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.rounding_error_bounds import CALLABLE, EPS, Bound, bound_of
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import (
    FailureLine,
    SceneLine,
    better_than_failing,
    catastrophic,
)
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.none_of_the_above import cell_codes
from reward_hypotheses.models.hypotheses.reward import Error, all_exact

MEMBERS, GROUPS = 2000, 20
"""Draws that stand for a family of rewards, at most, and groups of them whose spread is the Monte Carlo error."""

MEMBERS_AT_ONCE = 1_000_000


class Values(Protocol):
    """The parts of a `Valuation` that its blocks read."""

    hypotheses: Hypotheses
    table: Table
    line: FailureLine
    agent_line: FailureLine
    line_problems: dict[str, str]
    failing: np.ndarray | None
    anchors: np.ndarray
    averages: dict[Any, Any]
    called: dict[int, np.ndarray]
    keeps: bool
    better_bits: dict[tuple[int, int], np.ndarray]

    def keeps_values(self, n: int) -> bool:
        """Return whether n values an item are few enough to keep."""

    def n_draws(self, h: int, role: str) -> int:
        """Return how many draws stand for a family in a role."""

    def share(self, h: int, role: str, n: int) -> np.ndarray:
        """Return the weight of each of n groups of draws of a family: (group,)."""


class Block:
    """Some scenes of a table, laid out (option, scene).

    A block has the rewards and failure lines of every hypothesis in these scenes.
    """

    def __init__(self, valuation: "Values", lo: int, hi: int) -> None:
        table = valuation.table
        self.valuation, self.lo, self.hi = valuation, lo, hi
        self._better = valuation.better_bits.get((lo, hi))
        starts = table.starts[lo:hi]
        widths = table.starts[lo + 1 : hi + 1] - starts
        width = int(widths.max(initial=1)) or 1
        self.shape = (width, hi - lo)
        self.available: np.ndarray | None = None
        if int(widths.min(initial=width)) == width:
            self._items: slice | np.ndarray = slice(int(table.starts[lo]), int(table.starts[hi]))
        else:
            position = np.arange(width)[:, None]
            self.available = position < widths
            self._items = np.minimum(np.where(self.available, starts + position, starts), table.n_items - 1)
        self.failing = None if valuation.failing is None else self.gather(valuation.failing)
        self.options = self.available
        if self.failing is not None:
            self.options = ~self.failing if self.available is None else self.available & ~self.failing
        self._columns: dict[str, np.ndarray] = {}
        self._rewards: dict[int, tuple[np.ndarray, Error]] = {}
        # where rewards are not kept, those asked for last
        self._last: tuple[int, tuple[np.ndarray, Error]] | None = None
        self._features: dict[int, np.ndarray] = {}

    @property
    def scenes(self) -> slice:
        """The scenes of the block among those of the table."""
        return slice(self.lo, self.hi)

    @property
    def items(self) -> np.ndarray:
        """Items of the table: (option, scene).

        Where an option is not available, the first item of its scene.
        """
        if isinstance(self._items, slice):
            return np.arange(self._items.start, self._items.stop).reshape(self.shape[::-1]).T
        return self._items

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Lay out values by item: (item,) -> (option, scene)."""
        if isinstance(self._items, slice):
            return np.ascontiguousarray(values[self._items].reshape(self.shape[::-1]).T)
        return values[self._items]

    def column(self, name: str) -> np.ndarray:
        """Return a feature: (option, scene)."""
        if name not in self._columns:
            self._columns[name] = self.gather(self.valuation.table.columns[name].values)
        return self._columns[name]

    def _at_anchors(self, name: str) -> np.ndarray:
        return self.valuation.table.columns[name].values[self.valuation.anchors[self.scenes]]

    def bound(self, name: str) -> Bound:
        """Return the bound of a feature's rounding error."""
        bound = self.valuation.table.columns[name].bound
        return bound if bound.exact else Bound(self.gather(np.asarray(bound.error)), np.inf)

    def _bound_at_anchors(self, name: str) -> Bound:
        bound = self.valuation.table.columns[name].bound
        return bound if bound.exact else Bound(np.asarray(bound.error)[self.valuation.anchors[self.scenes]], np.inf)

    def line(self, value: float | Expression | SceneLine | None, h: int) -> tuple[np.ndarray | float, Error]:
        """Return a failure line of h and the bound of its rounding error.

        Floats, or (scene,) each, in reward units. NaN where no line was given, or none that the table gives.
        """
        if isinstance(value, SceneLine) and value.text not in self.valuation.line_problems:
            return value.among(*self._raw(h), self.failing, self.options)
        if value is None or isinstance(value, SceneLine):
            return math.nan, 0.0
        if isinstance(value, float):
            return value, bound_of(value).error
        return value.bounded(self._at_anchors, self._bound_at_anchors)

    def failure(self, h: int) -> np.ndarray | float:
        """Return ``u_h`` by the judge: a float, or (scene,).

        Raises
        ------
        InputError
            A hypothesis with continuous weights that has none.
        """
        return self._failure(h)[0]

    def agent_failure(self, h: int) -> tuple[np.ndarray | float, Error]:
        """Return ``u_h`` as the agent was told, and the bound of its rounding error."""
        return self._line_of(h, self.valuation.agent_line)

    def _failure(self, h: int) -> tuple[np.ndarray | float, Error]:
        return self._line_of(h, self.valuation.line)

    def _line_of(self, h: int, line: FailureLine) -> tuple[np.ndarray | float, Error]:
        value = line.values[h]
        if value is None:
            raise InputError(
                f"hypothesis {self.valuation.hypotheses.names[h]!r} has no failure line, and something here asks what failing "
                "is worth under it; give it one in fail_utility"
            )
        if isinstance(value, SceneLine) and (problem := self.valuation.line_problems.get(value.text)) is not None:
            raise InputError(problem)
        return self.line(value, h)

    def line_of_each(self, some: "Members", told: bool = False) -> tuple[np.ndarray | float, Error]:
        """Return the failure line under draws of a family, and its error's bound.

        Floats, (scene,) or, of a `SceneLine`, (draw, 1, scene).

        Parameters
        ----------
        told : bool, optional
            Whether the line is that which the agent was told, and not the judge's.
        """
        h, line = some.hypothesis, self.valuation.agent_line if told else self.valuation.line
        shared = self._line_of(h, line)
        if not isinstance(value := line.values[h], SceneLine):
            return shared
        coefficients = np.abs(self._coefficients(h, some.role)[some.which])
        error = len(self._features[h]) * EPS * (coefficients @ np.abs(self._features[h])).reshape(some.own.shape)
        each, of_each = value.among(some.own, error, self.failing, self.options)
        return each[:, None], np.asarray(of_each)[:, None]

    def reward(self, h: int) -> np.ndarray:
        """Return ``r_h`` (option, scene); an option that is failing is worth ``u_h``."""
        return self._valued(h)[0]

    def error(self, h: int) -> Error:
        """Bound the rounding error of `reward`: (option, scene), or 0.0.

        0.0 where all rewards are whole numbers.
        """
        return self._valued(h)[1]

    def _valued(self, h: int) -> tuple[np.ndarray, Error]:
        if (remembered := self._rewards.get(h)) is not None:
            return remembered
        if self._last is not None and self._last[0] == h:
            return self._last[1]
        raw, error = self._raw(h)
        if self.failing is not None:
            line, of_line = self._failure(h)
            raw = np.where(self.failing, line, raw)
            if not all_exact(error, of_line):
                error = np.where(self.failing, of_line, error)
        if self.valuation.keeps:
            self._rewards[h] = raw, error
        else:
            self._last = h, (raw, error)
        return raw, error

    def unequal(self, h: int) -> np.ndarray | float:
        """Return the tolerance within which ``r_h`` and ``u_h`` are equal.

        Shape (option, scene), or 0.0; reward units.
        """
        return 2 * (self.error(h) + self._failure(h)[1])

    def better(self, h: int) -> np.ndarray:
        """Return where ``r_h > u_h``, (option, scene): better than failing."""
        if self._better is not None:
            return np.unpackbits(self._better[h], count=self.shape[0] * self.shape[1]).view(bool).reshape(self.shape)
        return better_than_failing(self.reward(h), self.failure(h), self.unequal(h))

    def better_bits(self, h: int) -> np.ndarray | None:
        """Return `better`, packed eight items to a byte.

        None where the bits were not kept.
        """
        return self._better[h] if self._better is not None else None

    def worse(self, h: int) -> np.ndarray:
        """Return where ``r_h < u_h``, (option, scene): a catastrophe if h is true.

        For a family, or an unmodelled hypothesis, the probability of a catastrophe. Without a failure line, no option is
        a catastrophe.
        """
        chance = self.valuation.hypotheses.rewards[h].worse(self, h)
        if chance is not None:
            return chance
        if self.valuation.line.values[h] is None:
            return np.zeros(self.shape, bool)
        return self.average(
            h,
            "worse",
            lambda: catastrophic(self.reward(h), self.failure(h), self.unequal(h)),
            lambda some: self.worse_each(some).astype(float),
        )

    def cells(self, rules: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return the cell of each item: (option, scene).

        A cell is one number for each vector of predictions by the rules, given by number and place.
        """
        rewards = self.valuation.hypotheses.rewards
        return cell_codes(((n, k), p) for n, h in rules for k, p in enumerate(rewards[h].predictions_on(self, h)))

    def worse_each(self, some: "Members") -> np.ndarray:
        """Return where draws of a family call an option worse than failing.

        Shape (draw, option, scene), bool.
        """
        if self.valuation.line.values[some.hypothesis] is None:
            return np.zeros(some.rewards.shape, bool)
        line, of_line = self.line_of_each(some)
        below = catastrophic(some.rewards, line, 0.0)
        if np.array_equal(below, catastrophic(some.rewards, line, 2 * (some.most + of_line))):
            return below  # nothing is so near to the line that its own error must be known
        return catastrophic(some.rewards, line, 2 * (some.error + of_line))

    def best(self, h: int) -> np.ndarray:
        """Return the highest reward that can be had in each scene: (scene,).

        ``max(u_h, max_o r_h)``; for a family, the mean over its draws.
        """
        known = self.valuation.hypotheses.rewards[h].best(self, h)
        if known is not None:
            return known

        def greatest(rewards: np.ndarray, line: np.ndarray | float) -> np.ndarray:
            real = rewards if self.options is None else np.where(self.options, rewards, -np.inf)
            return np.maximum(line, real.max(axis=-2, keepdims=True))[..., 0, :]

        return self.average(
            h,
            "best",
            lambda: greatest(self.reward(h), self.failure(h)),
            lambda some: greatest(some.rewards, self.line_of_each(some)[0]),
        )

    def _coefficients(self, h: int, role: str) -> np.ndarray:
        draws = self.valuation.hypotheses.rewards[h].draws(role)
        assert draws is not None
        return draws

    def members(self, h: int, role: str, which: slice | np.ndarray = slice(None)) -> "Members":
        """Return draws of a family, with their rewards; for the roles see `Reward.draws`."""
        reward = self.valuation.hypotheses.rewards[h]
        drawn = reward.members_on(self, h, role, which)
        if drawn is not None:
            return drawn
        coefficients = self._coefficients(h, role)[which]
        if h not in self._features:
            values = [
                np.broadcast_to(np.asarray(e.evaluate(self.column), float), self.shape)
                for e in reward.expressions("").values()
            ]
            self._features[h] = np.stack([v.ravel() for v in values])
        features = self._features[h]
        own = rewards = (coefficients @ features).reshape(len(coefficients), *self.shape)
        line: np.ndarray | float = 0.0
        of_line: Error = 0.0
        if self.failing is not None:
            members = Members(h, role, which, own, own, np.zeros(0), lambda: np.zeros(0))
            line, of_line = self.line_of_each(members)
            rewards = np.where(self.failing, line, own)
        unit, size = len(features) * EPS, np.abs(coefficients)
        most = unit * (size @ np.abs(features).max(axis=1)) + np.max(of_line, initial=0.0)

        def exactly() -> np.ndarray:
            error = unit * (size @ np.abs(features)).reshape(rewards.shape)
            return error if self.failing is None else np.where(self.failing, of_line, error)

        return Members(h, role, which, rewards, own, most[:, None, None], exactly)

    def average(
        self,
        h: int,
        key: Any,
        fixed: Callable[[], np.ndarray],
        each: Callable[["Members"], np.ndarray],
        role: str = "judges",
    ) -> np.ndarray:
        """Return ``fixed()`` for a fixed reward, or a mean over a family's draws.

        For a family, ``each(members)`` gives the values of some draws: (draw, ...).

        Parameters
        ----------
        key : hashable
            Names the computed quantity. Where there is room, the quantity is computed once.
        """
        valuation = self.valuation
        draws = valuation.hypotheses.rewards[h].draws(role)
        if draws is None:
            return fixed()
        n = len(draws)
        key = (self.lo, self.hi, h, key)
        groups = valuation.averages.get(key)
        if groups is None:
            parts = []
            for members in np.array_split(np.arange(n), min(GROUPS, n)):
                step = max(1, MEMBERS_AT_ONCE // max(self.shape[0] * self.shape[1], 1))
                total: Any = 0.0
                for lo in range(int(members[0]), int(members[-1]) + 1, step):
                    some = self.members(h, role, slice(lo, min(lo + step, int(members[-1]) + 1)))
                    total = total + each(some).sum(axis=0)
                parts.append(total / len(members))
            groups = np.stack(parts)
            if valuation.keeps_values(len(groups)):
                valuation.averages[key] = groups
        return np.tensordot(valuation.share(h, role, len(groups)), groups, axes=1)

    def possible(self, h: int, weight: float, told: bool) -> Iterator[tuple[float, np.ndarray, np.ndarray | float]]:
        """Yield every reward that an agent may act by under h, with its weight.

        Weight, values (option, scene), and the failure line that the agent was told (0 unless `told`).
        """
        if self.valuation.hypotheses.rewards[h].draws("agents") is None:
            yield weight, self.reward(h), self.agent_failure(h)[0] if told else 0.0
            return
        members = self.members(h, "agents")
        n = len(members.rewards)
        line = self.line_of_each(members, told=True)[0] if told else 0.0
        groups = min(GROUPS, n)
        shares = self.valuation.share(h, "agents", groups)
        for share, group in zip(shares, np.array_split(np.arange(n), groups), strict=True):
            for i in group.tolist():
                own = line[i, 0] if isinstance(line, np.ndarray) and line.ndim == 3 else line
                yield float(weight * share / len(group)), members.rewards[i], own

    def _raw(self, h: int) -> tuple[np.ndarray, Error]:
        if h in self.valuation.called:
            called = self.gather(self.valuation.called[h])
            return called, CALLABLE * np.abs(called)
        raw, error = self.valuation.hypotheses.rewards[h].bounded(self.column, self.bound)
        return raw if isinstance(raw, np.ndarray) and raw.ndim else np.full(self.shape, raw), error
