"""Compiled loops over sets of literals and scenes, for large problems alone."""

import numpy as np
from numba import njit

BLOCK = 512  # scenes at a time: their sums stay in the cache
SETS = 128  # sets at a time: so do their tables


@njit(cache=True, nogil=True)
def superset_sums(tables: np.ndarray) -> None:
    """Replace ``t[f]`` by the sum of ``t[g]`` over all g that hold the bits of f.

    In place, for tables (set, 2^cells).
    """
    size = tables.shape[1]
    for t in range(tables.shape[0]):
        step = 1
        while step < size:
            for base in range(0, size, 2 * step):
                for f in range(base, base + step):
                    tables[t, f] += tables[t, f + step]
            step *= 2


@njit(cache=True, nogil=True)
def add_lookups(
    masks: np.ndarray,
    members: np.ndarray,
    tables: np.ndarray,
    layer: np.ndarray,
    subset: np.ndarray,
    within: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add ``tables[layer, set, cells of a subset of the options]`` over sets.

    Parameters
    ----------
    masks : ndarray (K, option, scene)
        Literals, as words of ones or zeros.
    members : ndarray of int64 (set, s)
    tables : ndarray (layer, set, 2^(2^s))
    layer, subset : ndarray of int64 (entry,)
        Which table, at the cells of which options (a bit each).
    within : ndarray of int64 (set, part)
        The parts of the sums that a set adds to; -1 for none.
    sums : ndarray (part, entry, scene)
        Added to.
    """
    n, scenes = masks.shape[1], masks.shape[2]
    s = members.shape[1]
    cells = 1 << s
    high = np.zeros(4, masks.dtype)  # of each position, the complement of the cells where it is true
    for q in range(s):
        word = 0
        for c in range(cells):
            if not (c >> q) & 1:
                word |= 1 << c
        high[q] = word
    every = np.zeros(1, masks.dtype)
    every[0] = (1 << cells) - 1
    unions = np.zeros((1 << n, BLOCK), masks.dtype)
    values = np.zeros(BLOCK)
    for first in range(0, members.shape[0], SETS):
        for start in range(0, scenes, BLOCK):
            stop = min(start + BLOCK, scenes)
            for t in range(first, min(first + SETS, members.shape[0])):
                for o in range(n):
                    at = unions[1 << o]
                    at[:] = every[0]
                    for q in range(s):
                        literal = masks[members[t, q], o, start:stop]
                        for x in range(stop - start):
                            at[x] &= literal[x] ^ high[q]
                for some in range(3, 1 << n):
                    rest = some & (some - 1)
                    if rest:
                        a, b, at = unions[rest], unions[some ^ rest], unions[some]
                        for x in range(stop - start):
                            at[x] = a[x] | b[x]
                for e in range(len(layer)):
                    table, at = tables[layer[e], t], unions[subset[e]]
                    if within.shape[1] == 1:
                        out = sums[within[t, 0], e, start:stop]
                        for x in range(stop - start):
                            out[x] += table[at[x]]
                        continue
                    for x in range(stop - start):
                        values[x] = table[at[x]]
                    for g in within[t]:
                        if g >= 0:
                            out = sums[g, e, start:stop]
                            for x in range(stop - start):
                                out[x] += values[x]


@njit(cache=True, nogil=True)
def _cells(masks: np.ndarray, members: np.ndarray, x: int, cell: np.ndarray, count: np.ndarray) -> None:
    """Write the cell of each option of a scene, and each cell's number of options."""
    count[:] = 0
    for o in range(len(cell)):
        c = 0
        for q in range(len(members)):
            if masks[members[q], o, x]:
                c |= 1 << q
        cell[o] = c
        count[c] += 1


@njit(cache=True, nogil=True)
def _write(
    by_cell: np.ndarray, approved: np.ndarray, rest: np.ndarray, cell: np.ndarray, row: np.ndarray, x: int,
    within: np.ndarray, sums: np.ndarray,
) -> None:  # fmt: skip
    """Add a scene's results to the parts of the sums."""
    n = len(cell)
    for o in range(n):
        row[o] = by_cell[cell[o]]
        row[n + o] = approved[cell[o]]
    row[2 * n :] = rest
    for g in within:
        if g >= 0:
            for e in range(len(row)):
                sums[g, x, e] += row[e]


@njit(cache=True, nogil=True)
def add_patterns(
    masks: np.ndarray, members: np.ndarray, tables: np.ndarray, inside: np.ndarray, outside: np.ndarray,
    within: np.ndarray, sums: np.ndarray,
) -> None:  # fmt: skip
    """Add the choices in scenes of many options, over the cells that occur.

    Parameters
    ----------
    tables : ndarray (set, 2^(2^s))
        Superset sums of the weights.
    inside, outside : ndarray (n + 1,)
        Probability of an approved and of a rejected option, by the number of approved options.
    sums : ndarray (part, scene, 2 n + 3)
        Added to: chosen and approved by option, none approved, and the chosen options that are approved and rejected.
    """
    n, s = masks.shape[1], members.shape[1]
    cells = 1 << s
    cell, count, place = np.zeros(n, np.int64), np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    by_cell, approved, rest, row = np.zeros(cells), np.zeros(cells), np.zeros(3), np.zeros(2 * n + 3)
    union, size = np.zeros(1 << cells, np.int64), np.zeros(1 << cells, np.int64)
    weight, surplus = np.zeros(1 << cells), np.zeros(1 << cells)
    for t in range(members.shape[0]):
        for x in range(masks.shape[2]):
            _cells(masks, members[t], x, cell, count)
            d = 0
            for c in range(cells):
                if count[c]:
                    place[d] = c
                    d += 1
            weight[0] = tables[t, 0]
            for b in range(d):
                c = place[b]
                for p in range(1 << b):
                    union[p | 1 << b] = union[p] | 1 << c
                    size[p | 1 << b] = size[p] + count[c]
                    weight[p | 1 << b] = tables[t, union[p | 1 << b]]
            for b in range(d):
                approved[place[b]] = weight[1 << b]
            for b in range(d):
                for first in range(0, 1 << d, 2 << b):
                    for p in range(first, first + (1 << b)):
                        weight[p] -= weight[p + (1 << b)]
            base = 0.0
            rest[:] = 0.0
            for p in range(1 << d):
                a, z = weight[p] * inside[size[p]], weight[p] * outside[size[p]]
                base += z
                surplus[p] = a - z
                rest[1] += a * size[p]
                rest[2] += z * (n - size[p])
            rest[0] = weight[0]
            for b in range(d):
                total = base
                for first in range(1 << b, 1 << d, 2 << b):
                    for p in range(first, first + (1 << b)):
                        total += surplus[p]
                by_cell[place[b]] = total
            _write(by_cell, approved, rest, cell, row, x, within[t], sums)


@njit(cache=True, nogil=True)
def add_tables(
    masks: np.ndarray, members: np.ndarray, weights: np.ndarray, odds: np.ndarray, within: np.ndarray, sums: np.ndarray
) -> None:
    """Add the choices in scenes of many options, table by table.

    Parameters
    ----------
    weights : ndarray (set, 2^(2^s))
    odds : ndarray (5, set, 2^(2^s))
        `Odds`, in their order.
    sums : ndarray (part, scene, 2 n + 3)
        As of `add_patterns`.
    """
    n, s = masks.shape[1], members.shape[1]
    cells = 1 << s
    cell, count, size = np.zeros(n, np.int64), np.zeros(cells, np.int64), np.zeros(1 << cells, np.int64)
    by_cell, approved, rest, row = np.zeros(cells), np.zeros(cells), np.zeros(3), np.zeros(2 * n + 3)
    for t in range(members.shape[0]):
        for x in range(masks.shape[2]):
            _cells(masks, members[t], x, cell, count)
            for c in range(cells):
                for f in range(1 << c):
                    size[f | 1 << c] = size[f] + count[c]
            by_cell[:] = 0.0
            approved[:] = 0.0
            rest[:] = 0.0
            for f in range(1 << cells):
                w, p = weights[t, f], size[f]
                if w == 0.0:
                    continue
                if p == 0:
                    z = w * odds[3, t, f] / (n * odds[3, t, f] + odds[4, t, f])
                    a = 0.0
                    rest[0] += w
                else:
                    whole = p * odds[0, t, f] + (n - p) * odds[1, t, f] + odds[2, t, f]
                    a, z = w * odds[0, t, f] / whole, w * odds[1, t, f] / whole
                rest[1] += a * p
                rest[2] += z * (n - p)
                for c in range(cells):
                    if (f >> c) & 1:
                        by_cell[c] += a
                        approved[c] += w
                    else:
                        by_cell[c] += z
            _write(by_cell, approved, rest, cell, row, x, within[t], sums)


@njit(cache=True, nogil=True)
def add_pairs(masks: np.ndarray, members: np.ndarray, mass: np.ndarray, pairs: np.ndarray) -> None:
    """Add the pairs of options in different cells, by scene weight: (set, cell, cell)."""
    n, s = masks.shape[1], members.shape[1]
    cell, count = np.zeros(n, np.int64), np.zeros(1 << s, np.int64)
    for t in range(members.shape[0]):
        for x in range(masks.shape[2]):
            _cells(masks, members[t], x, cell, count)
            for o in range(n):
                for other in range(n):
                    if cell[o] != cell[other]:
                        pairs[t, cell[o], cell[other]] += mass[x]


@njit(cache=True, nogil=True)
def table_spread(pairs: np.ndarray, spread: np.ndarray) -> None:
    """Add up the pairs that each truth table separates: (set, 2^cells)."""
    cells = pairs.shape[1]
    for t in range(pairs.shape[0]):
        for f in range(spread.shape[1]):
            total = 0.0
            for c in range(cells):
                if (f >> c) & 1:
                    for other in range(cells):
                        if not (f >> other) & 1:
                            total += pairs[t, c, other]
            spread[t, f] = total


@njit(cache=True, nogil=True)
def add_conjunctions(words: np.ndarray, random: np.ndarray, members: np.ndarray, sums: np.ndarray) -> None:
    """Add the random numbers of the items in which all literals of a set are true.

    The sums over the items of a byte are tabulated by its 256 values.

    Parameters
    ----------
    words : ndarray of uint64 (K, word)
        The literals, 64 items a word.
    random : ndarray of uint64 (2, 64 word)
    sums : ndarray of uint64 (set, 2)
        Added to, modulo 2^64.
    """
    s = members.shape[1]
    first, second = np.zeros((8, 256), np.uint64), np.zeros((8, 256), np.uint64)
    byte, here = np.uint64(255), np.zeros(words.shape[0], np.uint64)
    for word in range(words.shape[1]):
        here[:] = words[:, word]
        for part in range(8):
            for bit in range(8):
                at = 64 * word + 8 * part + bit
                for low in range(1 << bit):
                    first[part, low | 1 << bit] = first[part, low] + random[0, at]
                    second[part, low | 1 << bit] = second[part, low] + random[1, at]
        for t in range(members.shape[0]):
            every = ~np.uint64(0)
            for q in range(s):
                every &= here[members[t, q]]
            a = b = np.uint64(0)
            for part in range(8):
                value = (every >> np.uint64(8 * part)) & byte
                a += first[part, value]
                b += second[part, value]
            sums[t, 0] += a
            sums[t, 1] += b


@njit(cache=True, nogil=True)
def add_classes(
    columns: np.ndarray, members: np.ndarray, table: np.ndarray, agent: np.ndarray, judge: np.ndarray,
    inside: np.ndarray, outside: np.ndarray, start: np.ndarray, high: np.ndarray, low: np.ndarray, mass: np.ndarray,
    sums: np.ndarray,
) -> None:  # fmt: skip
    """Add the risk within classes of rules, and its part with ``i = j``.

    Parameters
    ----------
    columns : ndarray of uint8 (K, option, scene)
        0 or 255.
    members, table : ndarray of int64 (rule, 4), of uint32 (rule,)
    agent, judge : ndarray (rule,)
        The agent's weights within each class, and the judge's weights.
    inside, outside : ndarray (rule or 1, n + 1)
        Probability of an approved and of a rejected option, by the number of approved options.
    start : ndarray of int64 (class + 1,)
    high, low, mass : ndarray (scene,)
        Whether an approved and a rejected option are catastrophes; weights of the scenes.
    sums : ndarray (class, 2)
        Added to.
    """
    n, scenes = columns.shape[1], columns.shape[2]
    cell, approve, count = np.zeros(BLOCK, np.uint8), np.zeros((n, BLOCK), np.uint8), np.zeros(BLOCK, np.uint8)
    chosen, true = np.zeros((n, BLOCK)), np.zeros((n, BLOCK))
    a, z, own = np.zeros(BLOCK), np.zeros(BLOCK), np.zeros(BLOCK)
    for at in range(0, scenes, BLOCK):
        m = min(BLOCK, scenes - at)
        for c in range(len(start) - 1):
            several = start[c + 1] - start[c] > 1
            if several:
                chosen[:] = 0.0
                true[:] = 0.0
            own[:] = 0.0
            whole = 0.0
            for r in range(start[c], start[c + 1]):
                p, v, f = agent[r], judge[r], table[r]
                whole += v
                count[:] = 0
                for o in range(n):
                    cell[:] = 0
                    for q in range(4):
                        if members[r, q] < 0:
                            break
                        literal, bit = columns[members[r, q], o, at : at + m], np.uint8(1 << q)
                        for x in range(m):
                            cell[x] |= literal[x] & bit
                    approved = approve[o]
                    for x in range(m):
                        approved[x] = (f >> np.uint32(cell[x])) & np.uint32(1)
                        count[x] += approved[x]
                row = r if len(inside) > 1 else 0
                within, without = inside[row], outside[row]
                for x in range(m):
                    a[x] = p * within[count[x]]
                    z[x] = p * without[count[x]]
                    own[x] += v * (count[x] * a[x] * high[at + x] + (n - count[x]) * z[x] * low[at + x])
                for o in range(n if several else 0):
                    approved, choose, truth = approve[o], chosen[o], true[o]
                    for x in range(m):
                        choose[x] += z[x] + approved[x] * (a[x] - z[x])
                        truth[x] += approved[x] * v
            for x in range(m):
                total = 0.0 if several else own[x]
                for o in range(n if several else 0):
                    total += chosen[o, x] * (high[at + x] * true[o, x] + low[at + x] * (whole - true[o, x]))
                sums[c, 0] += mass[at + x] * total
                sums[c, 1] += mass[at + x] * own[x]
