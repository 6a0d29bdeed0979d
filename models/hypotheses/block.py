"""Block: rewards and failure lines of a part of a table, item by item."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.rounding import CALLABLE, EPS, Bound, bound_of
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, better_than_failing, catastrophic
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Drawn, combination
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled, Unseen, cell_codes

type Error = np.ndarray | float
"""A bound of rounding errors: 0.0 where every value is a whole number."""
MEMBERS, GROUPS = 2000, 20
"""Draws that stand for a family of rewards, at most, and groups of them whose spread is the Monte Carlo error."""

MEMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class Members:
    """Some draws of a family on a block.

    Attributes
    ----------
    hypothesis : int
    which : slice
        Which draws these are.
    rewards : ndarray (draw, option, scene)
    most : ndarray (draw, 1, 1)
        A bound of the rounding error of every reward of a draw.
    exactly : callable
        Gives the bound of each reward's own: (draw, option, scene).
    """

    hypothesis: int
    which: slice
    rewards: np.ndarray
    most: np.ndarray
    exactly: Callable[[], np.ndarray]

    @cached_property
    def error(self) -> np.ndarray:
        """The bound of each reward's rounding error: (draw, option, scene)."""
        return self.exactly()


class Values(Protocol):
    """What a block needs of the valuation that it is a part of; see `Valuation`."""

    hypotheses: Hypotheses
    table: Table
    line: FailureLine
    told: FailureLine
    failing: np.ndarray | None
    anchors: np.ndarray
    averages: dict[Any, Any]
    called: dict[int, np.ndarray]
    keeps: bool
    better_bits: dict[tuple[int, int], np.ndarray]

    def keeps_values(self, n: int) -> bool:
        """Whether n values an item are few enough to keep."""
        ...

    def share(self, h: int, role: str, n: int) -> np.ndarray:
        """The weight of each of n members of a family: (member,)."""
        ...


class Block:
    """Some scenes of a table, laid out (option, scene), and what the hypotheses say there."""

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
        self._last: tuple[int, tuple[np.ndarray, Error]] | None = (
            None  # where rewards are not kept, the one asked for last
        )
        self._features: dict[int, np.ndarray] = {}

    @property
    def scenes(self) -> slice:
        """Which scenes these are."""
        return slice(self.lo, self.hi)

    @property
    def items(self) -> np.ndarray:
        """Items (option, scene); where an option is not available, the first of its scene."""
        if isinstance(self._items, slice):
            return np.arange(self._items.start, self._items.stop).reshape(self.shape[::-1]).T
        return self._items

    def gather(self, values: np.ndarray) -> np.ndarray:
        """(item,) -> (option, scene)."""
        if isinstance(self._items, slice):
            return np.ascontiguousarray(values[self._items].reshape(self.shape[::-1]).T)
        return values[self._items]

    def column(self, name: str) -> np.ndarray:
        """Give a feature (option, scene)."""
        if name not in self._columns:
            self._columns[name] = self.gather(self.valuation.table.columns[name].values)
        return self._columns[name]

    def _at_anchors(self, name: str) -> np.ndarray:
        return self.valuation.table.columns[name].values[self.valuation.anchors[self.scenes]]

    def bound(self, name: str) -> Bound:
        """Give the bound of a feature's rounding error."""
        bound = self.valuation.table.columns[name].bound
        return bound if bound.exact else Bound(self.gather(np.asarray(bound.error)), np.inf)

    def _bound_at_anchors(self, name: str) -> Bound:
        bound = self.valuation.table.columns[name].bound
        return bound if bound.exact else Bound(np.asarray(bound.error)[self.valuation.anchors[self.scenes]], np.inf)

    def line(self, value: float | Expression | None) -> tuple[np.ndarray | float, Error]:
        """A failure line on this block and the bound of its rounding error, floats or (scene,); NaN where nobody gave one."""
        if value is None:
            return math.nan, 0.0
        if isinstance(value, float):
            return value, bound_of(value).error
        return value.bounded(self._at_anchors, self._bound_at_anchors)

    def failure(self, h: int) -> np.ndarray | float:
        """``u_h`` by the judge: a float, or (scene,).

        Raises
        ------
        InputError
            A hypothesis with continuous weights that has none.
        """
        return self._line(h, self.valuation.line.values[h])[0]

    def told(self, h: int) -> tuple[np.ndarray | float, Error]:
        """``u_h`` as the agent was told, and the bound of its rounding error."""
        return self._line(h, self.valuation.told.values[h])

    def _line(self, h: int, value: float | Expression | None) -> tuple[np.ndarray | float, Error]:
        if value is None:
            raise InputError(
                f"hypothesis {self.valuation.hypotheses.names[h]!r} has no failure line, and something here asks what failing "
                "is worth under it; give it one in fail_utility"
            )
        return self.line(value)

    def reward(self, h: int) -> np.ndarray:
        """``r_h`` (option, scene); an option that is failing is worth ``u_h``."""
        return self._valued(h)[0]

    def error(self, h: int) -> Error:
        """The bound of the rounding error of `reward`: (option, scene), or 0.0 where every one is a whole number."""
        return self._valued(h)[1]

    def _valued(self, h: int) -> tuple[np.ndarray, Error]:
        kept = self._rewards.get(h)
        if kept is not None:
            return kept
        last = self._last
        if last is not None and last[0] == h:
            return last[1]
        raw, error = self._raw(h)
        if self.failing is not None:
            line, of_line = self._line(h, self.valuation.line.values[h])
            raw = np.where(self.failing, line, raw)
            if not (isinstance(error, float) and isinstance(of_line, float) and error == of_line == 0.0):
                error = np.where(self.failing, of_line, error)
        if self.valuation.keeps:
            self._rewards[h] = raw, error
        else:
            self._last = h, (raw, error)
        return raw, error

    def unequal(self, h: int) -> np.ndarray | float:
        """What ``r_h`` and ``u_h`` differ by at most where they are equal: (option, scene), or 0.0."""
        return 2 * (self.error(h) + self._line(h, self.valuation.line.values[h])[1])

    def better(self, h: int) -> np.ndarray:
        """Where ``r_h > u_h``, (option, scene): better than failing."""
        if self._better is not None:
            return np.unpackbits(self._better[h], count=self.shape[0] * self.shape[1]).view(bool).reshape(self.shape)
        return better_than_failing(self.reward(h), self.failure(h), self.unequal(h))

    def better_bits(self, h: int) -> np.ndarray | None:
        """Give `better` packed eight to a byte, where that is what was kept, else None."""
        return self._better[h] if self._better is not None else None

    def worse(self, h: int) -> np.ndarray:
        """Where ``r_h < u_h``, (option, scene): a catastrophe if h is true; of a family, or an unmodelled one, how probably.

        Nothing is under a hypothesis without a failure line.
        """
        reward = self.valuation.hypotheses.rewards[h]
        if isinstance(reward, Unseen):
            return reward.catastrophe(self.cells(reward.learnt.rules))
        if self.valuation.line.values[h] is None:
            return np.zeros(self.shape, bool)
        if not isinstance(reward, Drawn):
            return catastrophic(self.reward(h), self.failure(h), self.unequal(h))
        return self.average(h, "worse", lambda some: self.worse_each(some).astype(float))

    def cells(self, rules: Sequence[int]) -> np.ndarray:
        """Which cell each item is in, (option, scene): one number a vector of what rules predict of it."""
        return cell_codes(self.better(h) for h in rules)

    def worse_each(self, some: "Members") -> np.ndarray:
        """Where draws of a family call an option worse than failing: (draw, option, scene)."""
        if self.valuation.line.values[some.hypothesis] is None:
            return np.zeros(some.rewards.shape, bool)
        line, of_line = self._line(some.hypothesis, self.valuation.line.values[some.hypothesis])
        below = catastrophic(some.rewards, line, 0.0)
        if np.array_equal(below, catastrophic(some.rewards, line, 2 * (some.most + of_line))):
            return below  # nothing is so near to the line that its own error must be known
        return catastrophic(some.rewards, line, 2 * (some.error + of_line))

    def best(self, h: int) -> np.ndarray:
        """``max(u_h, max_o r_h)``, (scene,): what could be had; of a family, its mean."""
        line = self.failure(h)

        def greatest(rewards: np.ndarray) -> np.ndarray:
            real = rewards if self.options is None else np.where(self.options, rewards, -np.inf)
            return np.maximum(line, real.max(axis=-2))

        if not isinstance(self.valuation.hypotheses.rewards[h], Drawn):
            return greatest(self.reward(h))
        return self.average(h, "best", lambda some: greatest(some.rewards))

    def members(self, h: int, role: str, which: slice = slice(None)) -> "Members":
        """Draws of a family: those that an agent may hold, those that may be true, or partners of the former."""
        reward = self.valuation.hypotheses.rewards[h]
        assert isinstance(reward, Drawn)
        coefficients = getattr(reward, role)[which]
        if h not in self._features:
            values = [np.broadcast_to(np.asarray(e.evaluate(self.column), float), self.shape) for e in reward.features]
            self._features[h] = np.stack([v.ravel() for v in values])
        features = self._features[h]
        rewards = (coefficients @ features).reshape(len(coefficients), *self.shape)
        line: np.ndarray | float = 0.0
        of_line: Error = 0.0
        if self.failing is not None:
            line, of_line = self._line(h, self.valuation.line.values[h])
            rewards = np.where(self.failing, line, rewards)
        unit, size = len(features) * EPS, np.abs(coefficients)
        most = unit * (size @ np.abs(features).max(axis=1)) + np.max(of_line, initial=0.0)

        def exactly() -> np.ndarray:
            error = unit * (size @ np.abs(features)).reshape(rewards.shape)
            return error if self.failing is None else np.where(self.failing, of_line, error)

        return Members(h, which, rewards, most[:, None, None], exactly)

    def average(
        self, h: int, what: Any, compute: Callable[["Members"], np.ndarray], role: str = "judges"
    ) -> np.ndarray:
        """Average of something over the draws of a family that has a leading dimension of draws."""
        valuation = self.valuation
        reward = valuation.hypotheses.rewards[h]
        assert isinstance(reward, Drawn)
        key = (self.lo, self.hi, h, what)
        groups = valuation.averages.get(key)
        if groups is None:
            n = len(reward.agents if role == "agents" else reward.judges)
            parts = []
            for members in np.array_split(np.arange(n), min(GROUPS, n)):
                step = max(1, MEMBERS_AT_ONCE // max(self.shape[0] * self.shape[1], 1))
                total: Any = 0.0
                for lo in range(int(members[0]), int(members[-1]) + 1, step):
                    some = self.members(h, role, slice(lo, min(lo + step, int(members[-1]) + 1)))
                    total = total + compute(some).sum(axis=0)
                parts.append(total / len(members))
            groups = np.stack(parts)
            if valuation.keeps_values(len(groups)):
                valuation.averages[key] = groups
        return np.tensordot(valuation.share(h, role, len(groups)), groups, axes=1)

    def _raw(self, h: int) -> tuple[np.ndarray, Error]:
        reward = self.valuation.hypotheses.rewards[h]
        if isinstance(reward, Drawn):
            reward = combination(reward.features, reward.mean)
        if isinstance(reward, (Unmodelled, Unseen)):
            return np.zeros(self.shape), 0.0  # indifferent between all options, and failing
        if isinstance(reward, Expression):
            raw, error = reward.bounded(self.column, self.bound)
            return raw if isinstance(raw, np.ndarray) and raw.ndim else np.full(self.shape, raw), error
        called = self.gather(self.valuation.called[h])
        return called, CALLABLE * np.abs(called)
