"""Silent classes: rules that agree on every training item."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from reward_hypotheses.data.numerics import in_threads, threads
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.rule_space.counts import packed, subset_sums
from reward_hypotheses.models.rule_space.outcomes.choices import SMALL, Weights, block_ranges
from reward_hypotheses.models.rule_space.outcomes.scenes import distinct_columns
from reward_hypotheses.models.rule_space.space import RuleSpace, subsets

MOST = 1 << 24
"""Rules that are held at once."""
CUTS = (0.0, *(10.0**-e for e in range(24, 2, -1)))


@dataclass(frozen=True, eq=False)
class NamedRules:
    """Some rules of a space, by name.

    Attributes
    ----------
    size, place, table : ndarray of int64 (rule,)
        Number of literals, place of the set among those of its size, truth table.
    """

    size: np.ndarray
    place: np.ndarray
    table: np.ndarray

    def __len__(self) -> int:
        return len(self.size)

    @property
    def first(self) -> tuple[int, int, int]:
        """The first rule: size, place and table."""
        return int(self.size[0]), int(self.place[0]), int(self.table[0])

    def __getitem__(self, which: np.ndarray | slice) -> "NamedRules":
        return NamedRules(self.size[which], self.place[which], self.table[which])

    def members(self, space: RuleSpace) -> np.ndarray:
        """Return the literals of each rule, -1 after the last: int64 (rule, 4)."""
        out = np.full((len(self), 4), -1, np.int64)
        for s in space.sizes:
            at = np.flatnonzero(self.size == s)
            out[at, :s] = space.sets(s)[self.place[at]]
        return out

    def approve(self, space: RuleSpace, columns: np.ndarray) -> np.ndarray:
        """Return what the rules approve: bool (rule, ...), of columns (K, ...)."""
        members = self.members(space)
        cell = np.zeros((len(self), *columns.shape[1:]), np.uint8)
        for q in range(4):
            at = np.flatnonzero(members[:, q] >= 0)
            cell[at] |= columns[members[at, q]].astype(np.uint8) << np.uint8(q)
        table = self.table.astype(np.uint32).reshape(-1, *[1] * (columns.ndim - 1))
        return ((table >> cell) & np.uint32(1)).astype(bool)


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes of rules that agree on some items, by falling weight of the judge.

    Attributes
    ----------
    space : RuleSpace
    rules : NamedRules
        Class by class.
    start : ndarray of int64 (class + 1,)
        Where each class begins among the rules.
    agent, judge : ndarray (rule,)
        Weights.
    dropped : (float, float)
        Weight of the rules that were too light to be held, by agent and judge.
    """

    space: RuleSpace
    rules: NamedRules
    start: np.ndarray
    agent: np.ndarray
    judge: np.ndarray
    dropped: tuple[float, float]

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def size(self) -> np.ndarray:
        """Number of rules of each class: (class,)."""
        return np.diff(self.start)

    def mass(self, weights: np.ndarray) -> np.ndarray:
        """Return the weight of each class: (class,)."""
        return np.add.reduceat(weights, self.start[:-1]) if len(self) else np.zeros(0)

    @property
    def within(self) -> np.ndarray:
        """The agent's weights normalised within each class: (rule,).

        Uniform in a class to which the agent gives no weight.
        """
        mass, size = (np.repeat(x, self.size) for x in (self.mass(self.agent), self.size))
        return np.where(mass > 0, self.agent / np.where(mass > 0, mass, 1.0), 1.0 / size)

    @property
    def most_probable(self) -> np.ndarray:
        """The agent's most probable rules of each class, shared equally: (rule,).

        Rules within 1e-9 of the largest weight are tied.
        """
        within = self.within
        top = np.repeat(np.maximum.reduceat(within, self.start[:-1]), self.size) if len(self) else within
        tied = (within >= top * (1 - EQUAL)).astype(float)
        return tied / np.repeat(self.mass(tied), self.size)

    def members(self, which: int) -> slice:
        """Return the rules of a class."""
        return slice(int(self.start[which]), int(self.start[which + 1]))


def silent_classes(
    space: RuleSpace,
    agent: Weights,
    judge: Weights,
    items: "np.ndarray | Signatures",
    most: int = MOST,
    compiled: bool | None = None,
    negligible: float = 0.0,
) -> Classes:
    """Return the classes of rules that approve the same items.

    A rule's signature is the sum, modulo 2^64, of random numbers of the items that it approves, twice. Signatures add up
    over cells, so no rule is evaluated on an item. Different rules have one signature by a chance of ``H^2 / 2^129``.

    Parameters
    ----------
    items : ndarray of bool (K, item), or Signatures
        Literals of the training items, or of those that can occur.
    most : int, optional
        Rules held at once; of more, the lightest for agent and judge are dropped.
    negligible : float, optional
        Weight of rules that may be dropped where agent and judge have one weight of each: sets of literals of which no
        rule has a weight that matters.
    """
    signatures = items if isinstance(items, Signatures) else Signatures(space, items, compiled)
    cut = _cut(space, agent, judge, most)
    of_set = negligible / sum(map(space.n_sets, space.sizes)) if judge is agent else 0.0
    parts, dropped = [], np.zeros(2)
    for s, lo, hi in block_ranges(space):
        p, v = _both(agent, judge, s, lo, hi)
        heavy = np.maximum(p, v) > cut
        if of_set > 0:
            heavy &= v.sum(axis=1, keepdims=True) > of_set
        dropped += p[~heavy].sum(), v[~heavy].sum()
        t, table = np.nonzero(heavy)
        if len(t):
            sets, row = np.unique(t, return_inverse=True)
            signed = signatures.block(s, lo + sets)[:, row, table]
            parts.append((np.full(len(t), s), t + lo, table, p[t, table], v[t, table], *signed))
    if not parts:
        none = np.zeros(0, np.int64)
        return Classes(space, NamedRules(none, none, none), np.zeros(1, np.int64), np.zeros(0), np.zeros(0), (0.0, 0.0))
    size, place, table, p, v, first, second = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.argsort(first, kind="stable")
    new = np.diff(first[order]) != 0
    if np.any(~new & (np.diff(second[order]) != 0)):
        order = np.lexsort((second, first))
        new = (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)
    start = np.concatenate([[0], np.flatnonzero(new) + 1])
    earliest = np.minimum.reduceat(order, start)
    heaviest = np.lexsort((earliest, -np.add.reduceat(v[order], start)))
    rank = np.empty(len(start), np.int64)
    rank[heaviest] = np.arange(len(start))
    sizes = np.diff([*start.tolist(), len(order)])
    order = order[np.argsort(np.repeat(rank, sizes), kind="stable")]
    rules = NamedRules(size[order], place[order], table[order])
    start = np.concatenate([[0], np.cumsum(sizes[heaviest])])
    return Classes(space, rules, start, p[order], v[order], (float(dropped[0]), float(dropped[1])))


def rules_equivalent_to(
    space: RuleSpace,
    weights: Weights,
    items: np.ndarray,
    size: int,
    place: int,
    table: int,
    compiled: bool | None = None,
) -> tuple[NamedRules, np.ndarray]:
    """Return the rules of positive weight that agree with a rule on every item.

    The rule itself is among them. They are ordered by falling weight; nothing else is held, so that the space may be of
    any size.

    Returns
    -------
    rules : NamedRules
    weights : ndarray (rule,)
    """
    signatures = Signatures(space, items, compiled)
    return agreeing(signatures, weights, signatures.block(size, slice(place, place + 1))[:, 0, table])


def agreeing(signatures: "Signatures", weights: Weights, sought: np.ndarray) -> tuple[NamedRules, np.ndarray]:
    """Return the rules of positive weight with a signature, and their weights.

    By falling weight.
    """
    space, found = signatures.space, []
    for s, lo, hi in block_ranges(space):
        signed, w = signatures.block(s, slice(lo, hi)), np.asarray(weights.block(s, lo, hi), float)
        t, f = np.nonzero((signed[0] == sought[0]) & (signed[1] == sought[1]) & (w > 0))
        found.append((np.full(len(t), s), t + lo, f, w[t, f]))
    sizes, places, tables, of = (np.concatenate(x) for x in zip(*found, strict=True))
    order = np.argsort(-of, kind="stable")
    return NamedRules(sizes[order], places[order], tables[order]), of[order]


def random_numbers(n: int) -> np.ndarray:
    """Return the numbers of n items: uint64 (2, item)."""
    return substream(0, "signatures of rules").integers(0, 1 << 64, size=(2, n), dtype=np.uint64)


class Signatures:
    """Two sums of random numbers over the items that each rule approves.

    Parameters
    ----------
    space : RuleSpace
    items : ndarray of bool (K, item)
    distinct : bool, optional
        Whether the items are known to differ from one another.
    numbers : ndarray of uint64 (2, item), optional
        The numbers of items that are known to differ. Default: random numbers.
    """

    def __init__(
        self,
        space: RuleSpace,
        items: np.ndarray,
        compiled: bool | None = None,
        distinct: bool = False,
        numbers: np.ndarray | None = None,
    ) -> None:
        self.first = np.arange(items.shape[1]) if distinct else distinct_columns(items)[0]
        items = items if distinct else items[:, self.first]
        n = items.shape[1]
        sets = sum(space.n_sets(s) for s in space.sizes)
        compiled = sets * n > SMALL if compiled is None else compiled
        random = random_numbers(n) if numbers is None else numbers
        self.space, self.random, self.items, self.compiled = space, random, items, compiled
        self._sums = [np.zeros((2, space.n_sets(s)), np.uint64) for s in space.sizes]
        self._known = [np.zeros(space.n_sets(s), bool) for s in space.sizes]

    def sums(self, s: int, at: np.ndarray) -> np.ndarray:
        """Return the sums over the items in which all literals of a set are true.

        Each is computed when it is first asked for: uint64 (2, set).
        """
        new = np.unique(at[~self._known[s][at]])
        if len(new):
            self._sums[s][:, new] = _conjunctions(self.space.sets(s)[new], self)
            self._known[s][new] = True
        return np.asarray(self._sums[s][:, at])

    @cached_property
    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """The items, 64 a word, and their numbers: (K, word) and (2, 64 word)."""
        words = packed(self.items)
        padded = np.zeros((2, 64 * words.shape[1]), np.uint64)
        padded[:, : self.items.shape[1]] = self.random
        return words, padded

    def approving(self, approved: np.ndarray) -> np.ndarray:
        """Return the signature of what approves of some items: uint64 (2,)."""
        return np.asarray((self.random * approved[self.first]).sum(axis=1, dtype=np.uint64))

    def cells(self, s: int, rows: slice | np.ndarray) -> np.ndarray:
        """Return the sums by cell of some sets: uint64 (2, set, 2^s)."""
        members = self.space.sets(s)[rows]
        out = np.empty((2, len(members), 1 << s), np.uint64)
        for cell in range(1 << s):  # the items in which the literals of the cell are true, whatever the others are
            some = members[:, [q for q in range(s) if (cell >> q) & 1]]
            out[:, :, cell] = self.sums(some.shape[1], places(some, len(self.space.literals)))
        for q in range(s):
            halves = out.reshape(2, len(members), 1 << (s - 1 - q), 2, 1 << q)
            halves[..., 0, :] -= halves[..., 1, :]
        return out

    def block(self, s: int, rows: slice | np.ndarray) -> np.ndarray:
        """Return the signatures of the rules of some sets: uint64 (2, set, 2^(2^s))."""
        return np.stack([subset_sums(cells) for cells in self.cells(s, rows)])

    def of(self, rules: NamedRules) -> np.ndarray:
        """Return the signatures of some rules: uint64 (2, rule)."""
        out = np.zeros((2, len(rules)), np.uint64)
        for s in self.space.sizes:
            at = np.flatnonzero(rules.size == s)
            cells = self.cells(s, rules.place[at])
            held = (rules.table[at, None] >> np.arange(1 << s)) & 1 == 1
            out[:, at] = np.where(held, cells, np.uint64(0)).sum(axis=2, dtype=np.uint64)
        return out


def places(members: np.ndarray, n: int) -> np.ndarray:
    """Return the places of sets (set, s) of n literals: (set,)."""
    out = np.zeros(len(members), np.int64)
    for q in range(members.shape[1]):
        out += np.array([_choose(literal, q + 1) for literal in range(n)], np.int64)[members[:, q]]
    return out


def _choose(n: int, k: int) -> int:
    return len(subsets(n, k)) if k <= n else 0


def _conjunctions(members: np.ndarray, signatures: Signatures) -> np.ndarray:
    """Return the sums over items in which all of a set is true: uint64 (2, set)."""
    items, random = signatures.items, signatures.random
    if signatures.compiled:
        from reward_hypotheses.models.rule_space.outcomes import kernels

        words, padded = signatures.words

        def work(lo: int, hi: int) -> np.ndarray:
            sums = np.zeros((len(members), 2), np.uint64)
            some, numbers = map(np.ascontiguousarray, (words[:, lo:hi], padded[:, 64 * lo : 64 * hi]))
            kernels.add_conjunctions(some, numbers, members, sums)
            return sums

        cuts = np.linspace(0, words.shape[1], threads() + 1).astype(int).tolist()
        return np.sum(in_threads(lambda part: work(*part), list(pairwise(cuts))), axis=0, dtype=np.uint64).T
    out = np.zeros((len(members), 2), np.uint64)
    n = items.shape[1]
    step = max((1 << 22) // max(n, 1), 1)
    for lo in range(0, len(members), step):
        every = np.ones((len(members[lo : lo + step]), n), bool)
        for q in range(members.shape[1]):
            every &= items[members[lo : lo + step, q]]
        out[lo : lo + step] = every.astype(np.uint64) @ random.T
    return out.T


def _both(agent: Weights, judge: Weights, s: int, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(agent.block(s, lo, hi), float)
    return p, p if judge is agent else np.asarray(judge.block(s, lo, hi), float)


def _cut(space: RuleSpace, agent: Weights, judge: Weights, most: int) -> float:
    """Return the weight that at most so many rules exceed, for agent or judge."""
    if space.n_rules <= most:
        return 0.0
    above = np.zeros(len(CUTS), np.int64)
    for heavy in _heavier(space, agent, judge):
        above += [np.count_nonzero(heavy > cut) for cut in CUTS]
    fits = np.flatnonzero(above <= most)
    return CUTS[int(fits[0])] if len(fits) else CUTS[-1]


def _heavier(space: RuleSpace, agent: Weights, judge: Weights) -> Iterator[np.ndarray]:
    for s, lo, hi in block_ranges(space):
        yield np.maximum(*_both(agent, judge, s, lo, hi))
