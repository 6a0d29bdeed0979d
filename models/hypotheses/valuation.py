"""Valuation: rewards and failure lines of every hypothesis over a table."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import MAX_REWARD, Expression
from reward_hypotheses.data.numerics import each_in_threads
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.rounding_error_bounds import equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, SceneLine, better_than_failing
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.reward import Error
from reward_hypotheses.models.hypotheses.scene_block import GROUPS, MEMBERS, Block

BLOCK_ITEMS = 131_072  # long enough that threads seldom wait for one another, short enough for the cache
KEEP_CELLS = 16_000_000  # hypotheses times items up to which rewards are computed once and kept
LEAST_ITEMS = 65_536  # below this one block is enough
MEMBER_CELLS = 20_000_000  # draws times items, at most


class Valuation:
    """Rewards and failure lines of every hypothesis over a table, block by block.

    Parameters
    ----------
    hypotheses, table
        Expressions must have passed `check_columns` on the table.
    line : FailureLine
        The judge's.
    agent_line : FailureLine, optional
        The failure line that the agent was told; the judge's by default.
    for_labels : bool
        Whether labels will ask which items are better than failing. Where rewards are too many to keep, a bit an item
        is then remembered.

    Attributes
    ----------
    largest : ndarray (hypothesis,)
        Largest absolute reward or failure line of a hypothesis, in its reward units.

    Raises
    ------
    InputError
        A reward or failure line that is not finite or beyond 1e150, naming hypothesis and row; a failure line that
        differs between the options of a scene, naming hypothesis and scene.
    """

    def __init__(
        self,
        hypotheses: Hypotheses,
        table: Table,
        line: FailureLine,
        agent_line: FailureLine | None = None,
        *,
        for_labels: bool = False,
    ) -> None:
        self.hypotheses, self.table = hypotheses, table
        self.line = _indifferent(hypotheses, line)
        self.agent_line = self.line if agent_line is None else _indifferent(hypotheses, agent_line)
        n = len(hypotheses)
        self.failing = table.failing()
        scene_lines = {value for value in (*self.line.values, *self.agent_line.values) if isinstance(value, SceneLine)}
        problems_of = {value.text: value.problem(table) for value in scene_lines}
        self.line_problems = {text: problem for text, problem in problems_of.items() if problem is not None}
        self.anchors = np.minimum(table.starts[:-1], table.n_items - 1)
        if self.failing is not None:
            real = np.flatnonzero(~self.failing)
            first = np.searchsorted(real, table.starts[:-1])
            candidate = real[np.minimum(first, len(real) - 1)] if len(real) else self.anchors
            inside = (candidate >= table.starts[:-1]) & (candidate < table.starts[1:])
            self.anchors = np.where(inside, candidate, self.anchors)
        self.averages: dict[Any, Any] = {}
        self.shares: dict[tuple[int, str], np.ndarray] = {}
        self.families = frozenset(hypotheses.families)
        self.keeps = self.keeps_values(n)
        self.marks = for_labels and not self.keeps
        pairs = zip(hypotheses.names, hypotheses.rewards, strict=True)
        called = {h: reward.called(name, table) for h, (name, reward) in enumerate(pairs)}
        self.called = {h: values for h, values in called.items() if values is not None}
        self._ranges = _ranges(table, int(np.clip(table.n_items // 8, LEAST_ITEMS, BLOCK_ITEMS)))
        # Where rewards are not kept, the measuring pass leaves a bit an item: whether r > u.
        self.better_bits: dict[tuple[int, int], np.ndarray] = {}
        self._blocks = [Block(self, lo, hi) for lo, hi in self._ranges] if self.keeps else None
        self.largest, bad = np.zeros(n), np.full(n, -1)
        bits = {}
        for span, (largest, first_bad, better) in zip(self._ranges, self.each(self._measure), strict=True):
            np.maximum(self.largest, largest, out=self.largest)
            bad = np.where(bad < 0, first_bad, bad)
            bits[span] = better
        problems = self._refusals(bad)
        if problems:
            raise InputError(problems)
        if self.marks:
            self.better_bits = bits

    def keeps_values(self, n: int) -> bool:
        """Return whether n values an item are few enough to keep."""
        return n * self.table.n_items <= KEEP_CELLS

    def share(self, h: int, role: str, n: int) -> np.ndarray:
        """Return the weights of n groups of draws of a family, adding up to 1: (group,)."""
        return self.shares.get((h, role), np.full(n, 1.0 / n))

    def n_members(self, h: int, role: str) -> int:
        """Return how many single rewards stand for a hypothesis in a role."""
        return self.hypotheses.rewards[h].n_members or self.n_draws(h, role)

    def n_draws(self, h: int, role: str) -> int:
        """Return how many draws stand for a family in a role.

        1 for a fixed reward. `Reward.draws` describes the roles.
        """
        draws = self.hypotheses.rewards[h].draws(role)
        return 1 if draws is None else len(draws)

    def resampled(self, rng: np.random.Generator) -> "Valuation":
        """Return a valuation with resampled groups of draws of each family.

        The groups are drawn anew with replacement.

        This bootstrap gives the Monte Carlo errors.
        """
        open_rewards = self.families | set(self.hypotheses.spaces)
        if not open_rewards:
            return self
        other = copy.copy(self)
        other.shares = {}
        for h in open_rewards:
            reward = self.hypotheses.rewards[h]
            for role in ("agents", "judges"):
                n = min(GROUPS, self.n_members(h, role))
                drawn = max(2, round(n / reward.inflation)) if n > 1 else 1
                other.shares[h, role] = rng.multinomial(drawn, np.full(n, 1 / n)) / drawn
        if self._blocks is not None:
            other._blocks = [copy.copy(block) for block in self._blocks]
            for block in other._blocks:
                block.valuation = other
        return other

    def typical(self) -> "Valuation":
        """Return a valuation with each family at its mean weights."""
        if not self.families:
            return self
        return Valuation(self.hypotheses.typical(), self.table, self.line, self.agent_line)

    def of_rules(self) -> "Valuation":
        """Return a valuation without the hypothesis that is unmodelled."""
        rules = self.hypotheses.rules
        return self if len(rules) == len(self.hypotheses) else self.only(rules, for_labels=True)

    def only(self, which: Sequence[int], *, for_labels: bool = False) -> "Valuation":
        """Return a valuation of some of the hypotheses."""
        line = self.line.only(which)
        agent_line = line if self.agent_line is self.line else self.agent_line.only(which)
        return Valuation(self.hypotheses.only(which), self.table, line, agent_line, for_labels=for_labels)

    @property
    def n_scenes(self) -> int:
        """Number of scenes."""
        return self.table.n_scenes

    def blocks(self, items: int | None = None) -> Iterator[Block]:
        """Yield blocks of scenes, in order, of at most about `items` items.

        Blocks that are kept come as they are.
        """
        blocks, n = self._made(items)
        return iter(tracked(blocks, n))

    def _made(self, items: int | None) -> tuple[Iterable[Block], int]:
        """Return blocks of scenes, each made when it is asked for, and their number."""
        if self._blocks is not None:
            return self._blocks, len(self._blocks)
        ranges = self._ranges if items is None else list(_ranges(self.table, min(items, BLOCK_ITEMS)))
        return (Block(self, lo, hi) for lo, hi in ranges), len(ranges)

    def each[T](self, work: Callable[[Block], T], items: int | None = None) -> Iterator[T]:
        """Yield ``work(block)`` of every block, in order.

        Several blocks are worked on in threads, one for each core.
        """
        blocks, n = self._made(items)
        return iter(tracked(each_in_threads(work, blocks, worthwhile=len(self._ranges) >= 2), n))

    def _measure(self, block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return largest values, first wrong items and bits of `Block.better`.

        By hypothesis: the largest absolute reward or failure line (hypothesis,), the first wrong item, -1 for none
        (hypothesis,), and the packed bits.
        """
        n = len(self.hypotheses)
        largest, bad = np.zeros(n), np.full(n, -1)
        bits = np.empty((n if self.marks else 0, (block.shape[0] * block.shape[1] + 7) // 8), np.uint8)
        for h in range(n):
            lines = [block.line(self.line.values[h], h)]
            lines += [] if self.agent_line is self.line else [block.line(self.agent_line.values[h], h)]
            reward = block.reward(h)
            # padded cells repeat an available item of their scene (none where the scene is empty)
            sizes = [max(float(reward.max()), -float(reward.min())), *(_largest(line) for line, _ in lines)]
            largest[h] = max(sizes)
            uneven = self._uneven(block, h, lines)
            if not all(size <= MAX_REWARD for size in sizes) or uneven is not None:
                bad[h] = self._first_wrong(block, reward, [line for line, _ in lines], uneven)
            if self.marks:
                with np.errstate(invalid="ignore"):
                    bits[h] = np.packbits(better_than_failing(reward, lines[0][0], 2 * (block.error(h) + lines[0][1])))
        return largest, bad, bits

    def _uneven(self, block: Block, h: int, lines: list[tuple[np.ndarray | float, Error]]) -> np.ndarray | None:
        """Return where a failure line differs between options of a scene.

        Shape (option, scene); None where no line does.
        """
        values = (self.line.values[h], self.agent_line.values[h])
        spreads = [self._spread(block, value, *line) for value, line in zip(values, lines, strict=False)]
        uneven = [spread for spread in spreads if spread is not None]
        return np.logical_or.reduce(uneven) if uneven else None

    def _spread(
        self, block: Block, value: float | Expression | None, used: np.ndarray | float, error: Error
    ) -> np.ndarray | None:
        """Return where a failure line differs from the value for its scene.

        Shape (option, scene); None where it does not.
        """
        if not isinstance(value, Expression) or block.shape[0] < 2 or not value.columns:
            return None
        by_option, error_by_option = value.bounded(block.column, block.bound)
        with np.errstate(invalid="ignore"):  # what is not finite is refused as such
            spread = ~equal(by_option, used, error_by_option, error)
        if block.options is not None:
            spread &= block.options
        return spread if spread.any() else None

    def _first_wrong(
        self,
        block: Block,
        reward: np.ndarray,
        lines: list[np.ndarray | float],
        uneven: np.ndarray | None,
    ) -> int:
        wrong = ~(np.abs(reward) <= MAX_REWARD)
        for line in lines:
            if not (isinstance(line, float) and math.isnan(line)):
                wrong |= ~(np.abs(line) <= MAX_REWARD)
        if uneven is not None:
            wrong |= uneven
        if block.available is not None:
            wrong &= block.available
        return int(block.items.T[wrong.T][0]) if wrong.any() else -1

    def _refusals(self, bad: np.ndarray) -> list[str]:
        problems = []
        blamed: set[str] = set()  # an expression that several hypotheses share is blamed once
        table = self.table
        for h in np.flatnonzero(bad >= 0).tolist():
            item = int(bad[h])
            scene = int(np.searchsorted(table.starts, item, side="right")) - 1
            block = Block(self, scene, scene + 1)
            at = item - int(table.starts[scene])
            reward = float(block.reward(h)[at, 0])
            name = self.hypotheses.names[h]
            place = f"{table.source}: {table.where(item)}: hypothesis {name!r}"
            if not abs(reward) <= MAX_REWARD:
                problems.append(
                    f"{place} has a reward of {reward:g}; it must be a finite number below 1e150 on every available item"
                )
                continue
            for key, value in (
                ("[catastrophe] fail_utility", self.line.values[h]),
                ("[agent] fail_utility", self.agent_line.values[h]),
            ):
                if not isinstance(value, Expression) or f"{key} {value.text}" in blamed:
                    continue
                if key.startswith("[agent]") and self.agent_line.values[h] == self.line.values[h]:
                    continue
                blamed.add(f"{key} {value.text}")
                line, error = block.line(value, h)
                shown = float(np.max(line))
                if not abs(shown) <= MAX_REWARD:
                    problems.append(
                        f"{place} has a {key} of {shown:g}; it must be a finite number below 1e150 in every scene"
                    )
                elif self._spread(block, value, line, error) is not None:
                    problems.append(
                        f"{table.source}: scene {table.scene_name(scene)}: {key} ({value.text}) of hypothesis {name!r} differs "
                        "between the options of the scene; it must be the same for all of them"
                    )
        return problems


def _indifferent(hypotheses: Hypotheses, line: FailureLine) -> FailureLine:
    """Return the line with 0 for a hypothesis that is unmodelled.

    Under that hypothesis, 0 is the reward of every item.
    """
    none = hypotheses.unmodelled
    return line if none is None or line.values[none] == 0.0 else line.instead({none: 0.0})


def _largest(line: np.ndarray | float) -> float:
    if isinstance(line, float):
        return 0.0 if math.isnan(line) else abs(line)  # nobody gave one
    return float(np.abs(line).max())


def _ranges(table: Table, items: int) -> list[tuple[int, int]]:
    """Return ranges of consecutive scenes for blocks of similar size.

    A padded block holds about `items` cells.
    """
    widths = np.diff(table.starts)
    widest = int(widths.max(initial=1)) or 1
    if widest * table.n_scenes <= 4 * table.n_items + items:
        step = max(1, items // widest)
        if step < table.n_scenes:  # as many blocks on each of two cores, and of one size
            pairs = -(-table.n_scenes // (2 * step))
            step = -(-table.n_scenes // (2 * pairs))
        return [(lo, min(lo + step, table.n_scenes)) for lo in range(0, table.n_scenes, step)]
    ranges, lo, most = [], 0, 1
    for scene, width in enumerate(widths.tolist()):
        if scene > lo and max(most, width) * (scene + 1 - lo) > items:
            ranges.append((lo, scene))
            lo, most = scene, 1
        most = max(most, width)
    return [*ranges, (lo, table.n_scenes)]


def empty_scenes(table: Table) -> Iterable[int]:
    """Return the scenes in which no option is available."""
    return np.flatnonzero(np.diff(table.starts) == 0)


def on_test(
    hypotheses: Hypotheses, table: Table, line: FailureLine, agent_line: FailureLine | None = None
) -> Valuation:
    """Evaluate fitted hypotheses on a test.

    A hypothesis with continuous weights is evaluated by as many draws as there is room for.
    """
    n_draws = int(np.clip(MEMBER_CELLS // max(table.n_items, 1), GROUPS, MEMBERS))
    return Valuation(hypotheses.on_test(n_draws), table, line, agent_line)
