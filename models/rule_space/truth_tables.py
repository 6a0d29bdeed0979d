"""Sets in order, possible cells, and the truth tables that count once."""

import math
from functools import lru_cache

import numpy as np

MOST = 4
"""The most literals a rule can depend on: for 5, each set has 4.3e9 truth tables."""

Layout = tuple[int, ...]
"""Which positions of a set share a feature: position q belongs to feature number ``layout[q]``, counted from 0 in order."""


@lru_cache(maxsize=16)
def subsets(n: int, s: int) -> np.ndarray:
    """Return the subsets of s of n things, colexicographic: int64 (C(n, s), s)."""
    if s == 0:
        rows = np.zeros((1, 0), np.int64)
    else:
        smaller = subsets(n, s - 1)
        rows = np.empty((math.comb(n, s), s), np.int64)
        for last in range(s - 1, n):
            start, stop = math.comb(last, s), math.comb(last + 1, s)
            rows[start:stop, :-1] = smaller[: stop - start]
            rows[start:stop, -1] = last
    rows.flags.writeable = False
    return rows


def possible_cells(layout: Layout) -> np.ndarray:
    """Return which cells can occur: bool (2^s,).

    A later literal of a feature implies the earlier ones, so a cell in which a later one alone is true is impossible.
    """
    cells = np.arange(1 << len(layout))
    possible = np.ones(len(cells), bool)
    for q, first in enumerate(layout):
        for r in range(q + 1, len(layout)):
            if layout[r] == first:
                possible &= (cells >> q) & 1 >= (cells >> r) & 1
    return possible


@lru_cache(maxsize=64)
def canonical_tables(layout: Layout) -> np.ndarray:
    """Return the truth tables that count as rules of a layout: int64 (table,).

    They are 0 on impossible cells, and differ across an edge of possible cells for each literal.
    """
    s = len(layout)
    possible = possible_cells(layout)
    cells = np.arange(1 << s)
    impossible = int((np.int64(1) << cells[~possible]).sum())
    tables = np.arange(1 << (1 << s), dtype=np.int64)
    keep = (tables & impossible) == 0
    for q in range(s):
        low = cells[(cells >> q) & 1 == 0]
        low = low[possible[low] & possible[low | 1 << q]]
        edges = int((np.int64(1) << low).sum())
        keep &= ((tables ^ (tables >> (1 << q))) & edges) != 0
    out = tables[keep]
    out.flags.writeable = False
    return out


def literal_table(s: int, q: int) -> int:
    """Return the truth table of literal q among s."""
    return sum(1 << c for c in range(1 << s) if c >> q & 1)
