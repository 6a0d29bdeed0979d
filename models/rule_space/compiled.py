"""Kernels in numba, serial and without the interpreter's lock.

Imported by `kernels` alone: importing numba takes half a second.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is nowhere to keep what was compiled
        return numba.njit(nogil=True)(function)


def _set_bits(typing_context: Any, x: Any) -> Any:
    """Return the number of bits that are set, by the processor's instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), generate


_popcount: Any = intrinsic(_set_bits)


@_compiled
def _leaf(words, row, lo, n, p, q, level):  # type: ignore[no-untyped-def]
    """Count a literal's bits among those of two prefixes."""
    first = np.uint64(0)
    second = np.uint64(0)
    for t in range(n):
        x = words[row, lo + t]
        first += _popcount(x & p[level, t])
        second += _popcount(x & q[level, t])
    return np.int64(first), np.int64(second)


@_compiled
def _branch(words, row, lo, n, p, q, level):  # type: ignore[no-untyped-def]
    """Count as `_leaf` does, and keep the conjunctions as the next prefixes."""
    first = np.uint64(0)
    second = np.uint64(0)
    for t in range(n):
        x = words[row, lo + t]
        a = x & p[level, t]
        b = x & q[level, t]
        p[level + 1, t] = a
        q[level + 1, t] = b
        first += _popcount(a)
        second += _popcount(b)
    return np.int64(first), np.int64(second)


@_compiled
def conjunctions(words, masks, weights, at_most, start, stop, offsets, choose, out):  # type: ignore[no-untyped-def]
    """Add weighted counts of all conjunctions of at most k literals to `out`.

    ``out[offsets[s] + place] += sum_m weights[m] popcount(AND of the set and masks[m])`` over words start..stop-1.

    Parameters
    ----------
    words, masks : uint64 (literal, word), (2, word)
    weights : int64 (2,)
    choose : int64 (literal + 1, 5), binomial coefficients
    out : int64
    """
    block = 512
    p = np.empty((4, block), np.uint64)
    q = np.empty((4, block), np.uint64)
    u, v = weights
    n_literals = words.shape[0]
    for lo in range(start, stop, block):
        n = min(block, stop - lo)
        first = np.uint64(0)
        second = np.uint64(0)
        for t in range(n):
            p[0, t] = masks[0, lo + t]
            q[0, t] = masks[1, lo + t]
            first += _popcount(p[0, t])
            second += _popcount(q[0, t])
        out[0] += u * np.int64(first) + v * np.int64(second)
        for i in range(n_literals):
            a, b = _branch(words, i, lo, n, p, q, 0)
            out[offsets[1] + i] += u * a + v * b
            if at_most < 2:
                continue
            for j in range(i + 1, n_literals):
                a, b = _branch(words, j, lo, n, p, q, 1) if at_most > 2 else _leaf(words, j, lo, n, p, q, 1)
                place_j = i + choose[j, 2]
                out[offsets[2] + place_j] += u * a + v * b
                if at_most < 3:
                    continue
                for g in range(j + 1, n_literals):
                    a, b = _branch(words, g, lo, n, p, q, 2) if at_most > 3 else _leaf(words, g, lo, n, p, q, 2)
                    place_g = place_j + choose[g, 3]
                    out[offsets[3] + place_g] += u * a + v * b
                    if at_most < 4:
                        continue
                    for m in range(g + 1, n_literals):
                        a, b = _leaf(words, m, lo, n, p, q, 3)
                        out[offsets[4] + place_g + choose[m, 4]] += u * a + v * b


@_compiled
def join(order, start, stop, cost, back, operator):  # type: ignore[no-untyped-def]
    """Join tables as `formulas._join` does, pair by pair."""
    full = cost.shape[0] - 1
    dearest = cost.max()
    for at in range(start, stop):
        i = order[at]
        total = cost[i] + operator
        if total < cost[i ^ full]:
            cost[i ^ full] = total
            back[0, i ^ full], back[1, i ^ full], back[2, i ^ full] = 1, i, 0
        n = at + 1
        for k in range(at + 1):
            if cost[i] + cost[order[k]] + operator >= dearest:
                n = k
                break
        for kind in range(2, 6):
            for k in range(n):
                j = order[k]
                if kind == 2:
                    table = i & j
                elif kind == 3:
                    table = i | j
                elif kind == 4:
                    table = i ^ j ^ full
                else:
                    table = i ^ j
                total = cost[i] + cost[j] + operator
                if total < cost[table]:
                    cost[table] = total
                    back[0, table], back[1, table], back[2, table] = kind, i, j
