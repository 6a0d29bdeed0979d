"""Counts of items in the cells of every set of literals, exactly."""

import math
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import each_in_threads, threads
from reward_hypotheses.models.rule_space.kernels import kernels, worth_compiling
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.truth_tables import MOST

NUMPY_WORDS = 1 << 20  # words of conjunctions that numpy keeps at a time
LEAST_WORDS = 2048  # of a thread's share


@dataclass(frozen=True)
class CellCounts:
    """Counts of items by set and cell. Counts of disjoint tables add.

    Attributes
    ----------
    cells : list of ndarray of int64 (C(K, s), 2^s)
        For each size s. With labels ``D[T, c]``, the items in cell c whose label is false minus those whose label is
        true; else the items in cell c.
    n_true : int
        Items whose label is true; 0 without labels.
    n_items : int
        Items, counted as often as stated.
    """

    cells: list[np.ndarray]
    n_true: int
    n_items: int

    def __add__(self, other: "CellCounts") -> "CellCounts":
        both = [a + b for a, b in zip(self.cells, other.cells, strict=True)]
        return CellCounts(both, self.n_true + other.n_true, self.n_items + other.n_items)


def subset_sums(cells: np.ndarray, start: float = 0, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``start + sum_{c in f} cells[T, c]`` for all tables f: (T, 2^cells).

    With labels and ``start = n_true`` this is the number of wrong labels of each truth table.
    """
    n = cells.shape[1]
    if out is None:
        out = np.empty((len(cells), 1 << n), cells.dtype)
    out[:, 0] = start
    for c in range(n):
        np.add(out[:, : 1 << c], cells[:, c, None], out=out[:, 1 << c : 2 << c])
    return out


def count_cells(
    space: RuleSpace,
    columns: np.ndarray,
    labels: np.ndarray | None = None,
    counts: np.ndarray | None = None,
    *,
    compiled: bool | None = None,
) -> CellCounts:
    """Count items in the cells of every set of at most k literals.

    ``P[S]``, the items in which all of S is true, is the popcount of a conjunction of packed columns; cells follow by
    inclusion and exclusion over supersets. Numbers are integers, so they depend on neither threads nor order.

    Parameters
    ----------
    columns : ndarray of bool (literal, item)
    labels : ndarray of bool (item,), optional
    counts : ndarray of int (item,), optional
        How often each item counts, not negative.
    compiled : bool, optional
        Whether to count in numba. Default: where it is faster.
    """
    words = packed(columns)
    n = columns.shape[1]
    labels = None if labels is None else np.asarray(labels, bool)
    pairs = _masks(n, None if labels is None else packed(labels[None])[0], counts)
    steps = 2 * len(pairs) * words.shape[1] * sum(space.n_sets(s) for s in space.sizes)
    count = _by_numba if (worth_compiling(steps) if compiled is None else compiled) else _by_numpy
    totals = [np.zeros(space.n_sets(s), np.int64) for s in space.sizes]
    for masks, weights in pairs:
        for total, more in zip(totals, count(space, words, masks, weights), strict=True):
            total += more
    n_items = n if counts is None else int(np.sum(counts))
    n_true = (
        0 if labels is None else int(np.count_nonzero(labels) if counts is None else np.asarray(counts)[labels].sum())
    )
    return CellCounts([cells_of(space, s, totals) for s in space.sizes], n_true, n_items)


def packed(columns: np.ndarray) -> np.ndarray:
    """Return Boolean columns as words of 64 items: uint64 (column, word)."""
    bits = np.packbits(columns, axis=1, bitorder="little")
    short = -bits.shape[1] % 8
    if short:
        bits = np.pad(bits, ((0, 0), (0, short)))
    return np.ascontiguousarray(bits).view(np.uint64)


def _masks(n: int, labels: np.ndarray | None, counts: np.ndarray | None) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """Return pairs of masks of items, and their weights.

    The weighted sum of the masks is what an item counts. A false label counts 1 and a true one 1 - 2 = -1. Counts are split into their binary digits.
    """
    if counts is None:
        planes = [packed(np.ones((1, n), bool))[0]]
    else:
        digits = range(max(int(np.max(counts, initial=0)).bit_length(), 1))
        planes = [packed((np.asarray(counts) >> digit & 1).astype(bool)[None])[0] for digit in digits]
    if labels is not None:
        return [(np.stack([plane, plane & labels]), (1 << i, -2 << i)) for i, plane in enumerate(planes)]
    planes += [np.zeros_like(planes[0])] * (len(planes) % 2)
    return [(np.stack(planes[i : i + 2]), (1 << i, 2 << i)) for i in range(0, len(planes), 2)]


def _by_numpy(space: RuleSpace, words: np.ndarray, masks: np.ndarray, weights: tuple[int, int]) -> list[np.ndarray]:
    """Return the weighted counts of conjunctions, size by size, in threads.

    In colexicographic order, the sets whose last literal is m are m and the first C(m, s - 1) sets of s - 1.
    """
    sizes = [space.n_sets(s) for s in space.sizes]
    block = 8 * min(max(1, NUMPY_WORDS // max(sizes) // 8), 64)
    n = -(-words.shape[1] // block)
    shares = max(1, min(threads(), n * block // LEAST_WORDS))

    def share(i: int) -> list[np.ndarray]:
        totals = [np.zeros(size, np.int64) for size in sizes]
        levels = [np.empty((2, size, block), np.uint64) for size in sizes]
        bits, odd = np.empty((2, max(sizes), block), np.uint8), np.empty((2, max(sizes), block // 8), np.uint64)
        for lo in range(n * i // shares * block, n * (i + 1) // shares * block, block):
            part, levels[0][:, 0] = _padded(words, lo, block), _padded(masks, lo, block)
            for s, total in enumerate(totals):
                at = 0
                for m in range(s - 1, len(part)) if s else ():
                    some = levels[s - 1][:, : math.comb(m, s - 1)]
                    np.bitwise_and(some, part[m], out=levels[s][:, at : at + some.shape[1]])
                    at += some.shape[1]
                counts = _sums(np.bitwise_count(levels[s], out=bits[:, : len(total)]), odd[:, : len(total)])
                total += weights[0] * counts[0] + weights[1] * counts[1]
        return totals

    every = each_in_threads(share, range(shares), shares > 1)
    return [sum(parts, start=np.zeros(1, np.int64)) for parts in zip(*every, strict=True)]


def _padded(words: np.ndarray, lo: int, block: int) -> np.ndarray:
    """Return words lo..lo + block - 1 of each row, 0 beyond the last."""
    part = words[:, lo : lo + block]
    return part if part.shape[1] == block else np.pad(part, ((0, 0), (0, block - part.shape[1])))


def _sums(counts: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Return the sums over the last axis of at most 512 counts up to 64.

    int64, from uint8. Four sums of 16 bits a word, as numpy is slow at sums of bytes. The arguments are overwritten.
    """
    low, even = np.uint64(0x00FF00FF00FF00FF), counts.view(np.uint64)
    np.right_shift(even, np.uint64(8), out=odd)
    odd &= low
    even &= low
    even += odd
    quarters = even.sum(axis=-1, dtype=np.uint64)
    return (quarters * np.uint64(0x0001000100010001) >> np.uint64(48)).astype(np.int64)


def _by_numba(space: RuleSpace, words: np.ndarray, masks: np.ndarray, weights: tuple[int, int]) -> list[np.ndarray]:
    """Return the same counts, over shares of the words in threads."""
    sizes = [space.n_sets(s) for s in space.sizes]
    offsets = np.zeros(MOST + 1, np.int64)
    offsets[1 : len(sizes)] = np.cumsum(sizes)[:-1]
    choose = np.array([[math.comb(i, q) for q in range(MOST + 1)] for i in range(len(words) + 1)], np.int64)
    n = words.shape[1]
    shares = max(1, min(threads(), n // LEAST_WORDS))
    conjunctions = kernels().conjunctions

    def share(i: int) -> np.ndarray:
        out = np.zeros(sum(sizes), np.int64)
        start, stop = n * i // shares, n * (i + 1) // shares
        conjunctions(words, masks, np.array(weights), len(sizes) - 1, start, stop, offsets, choose, out)
        return out

    total = sum(each_in_threads(share, range(shares), shares > 1), start=np.zeros(sum(sizes), np.int64))
    return np.split(total, np.cumsum(sizes)[:-1])


def cells_of(space: RuleSpace, s: int, totals: list[np.ndarray]) -> np.ndarray:
    """Return counts of cells, by inclusion and exclusion over supersets: (set, cell).

    Counts may be sums of weights.

    Parameters
    ----------
    totals : list of ndarray (set,)
        By size, over the items in which all literals of a set are true.
    """
    sets = space.sets(s)
    cells = np.empty((len(sets), 1 << s), totals[0].dtype)
    choose = np.array([[math.comb(i, q) for q in range(s + 1)] for i in range(len(space.literals))], np.int64)
    for cell in range(1 << s):
        positions = [q for q in range(s) if cell >> q & 1]
        place = np.zeros(len(sets), np.int64)
        for rank, q in enumerate(positions):
            place += choose[sets[:, q], rank + 1]
        cells[:, cell] = totals[len(positions)][place]
    without = np.arange(1 << s)
    for q in range(s):
        low = without[without >> q & 1 == 0]
        cells[:, low] -= cells[:, low | 1 << q]
    return cells
