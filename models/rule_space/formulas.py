"""Shortest formulas of truth tables, exactly, under stated costs of literals."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from reward_hypotheses.data.expressions.operators import COMPARISONS
from reward_hypotheses.data.expressions.parser import BINDS, UNARY, parse
from reward_hypotheses.models.rule_space.kernels import kernels
from reward_hypotheses.models.rule_space.truth_tables import Layout, canonical_tables, literal_table, possible_cells

OPERATORS = ("", "~", "&", "|", "==", "!=")
"""By their codes; 0 is a literal."""
TRUE, FALSE = "0 == 0", "0 != 0"
ATOM = 99


@dataclass(frozen=True)
class Formulas:
    """For every truth table of s literals, one formula of least cost.

    Attributes
    ----------
    operators : ndarray of int (2^(2^s),)
        Number of operators.
    literals : ndarray of int (2^(2^s), s)
        Number of times that each literal occurs.
    operator, left, right : ndarray of int (2^(2^s),)
        The last operator, by its code, and the tables it joins; of a literal, ``left`` is its position.
    """

    operators: np.ndarray
    literals: np.ndarray
    operator: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def cost(self, operator: float, literal: Sequence[float]) -> np.ndarray:
        """Return the cost of each table's formula.

        It is ``operator x operators + sum_q literal[q] x occurrences of q``. Symbols of equal cost are counted together,
        so that equal sums are equal floats.
        """
        counts = {operator: self.operators.astype(np.int64)}
        for q, cost in enumerate(literal):
            counts[cost] = counts.get(cost, 0) + self.literals[:, q]
        return np.sum([cost * count for cost, count in counts.items()], axis=0)


def shortest(operator: float, literal: tuple[float, ...], compiled: bool | None = None) -> Formulas:
    """Return a formula of least cost for every table of s literals.

    Formulas are trees of literals and ``~ & | == !=``. Knuth's (1977) generalisation of Dijkstra's algorithm: tables are
    settled in order of cost, and each settled table is joined to those settled before. A formula costs at least one
    operator more than its parts, so all tables within one operator of the cheapest unsettled one are settled at once,
    and pairs that cost as much as the dearest table are left out.

    Parameters
    ----------
    operator, literal : float, tuple of float
        Costs, of an operator positive and of the s <= 4 literals not negative.
    compiled : bool, optional
        Whether to join tables in numba; by default for four literals. The formulas are the same.
    """
    by_numba = len(literal) > 3 and find_spec("numba") is not None if compiled is None else compiled
    return _shortest(float(operator), tuple(float(x) for x in literal), by_numba)


@lru_cache(maxsize=128)
def _shortest(operator: float, literal: tuple[float, ...], compiled: bool) -> Formulas:
    s = len(literal)
    size = 1 << (1 << s)
    cost = np.full(size, np.inf)
    back = np.zeros((3, size), np.int32)
    for q, of in enumerate(literal):
        table = literal_table(s, q)
        cost[table], back[:, table] = of, (0, q, 0)
    join = kernels().join if compiled else _join
    order = np.empty(size, np.int64)
    settled = np.zeros(size, bool)
    counts = np.zeros((size, 1 + s), np.int8)
    n = 0
    while n < size and s:
        level = np.flatnonzero(~settled & (cost < cost[~settled].min() + operator))
        level = level[np.argsort(cost[level], kind="stable")]
        settled[level] = True
        order[n : n + len(level)] = level
        kind, left, right = back[:, level]
        counts[level] = counts[left] * (kind > 0)[:, None] + counts[right] * (kind > 1)[:, None]
        counts[level, 0] += kind > 0
        atoms = level[kind == 0]
        counts[atoms, 1 + back[1, atoms]] = 1
        join(order, n, n + len(level), cost, back, operator)
        n += len(level)
    return Formulas(counts[:, 0], counts[:, 1:], *back)


def _join(order: np.ndarray, start: int, stop: int, cost: np.ndarray, back: np.ndarray, operator: float) -> None:
    """Join the tables of a level to themselves and those before, in place."""
    full = len(cost) - 1
    dearest = cost.max()
    for at in range(start, stop):
        i = order[at]
        _improve(np.array([i ^ full]), np.array([cost[i] + operator]), 1, i, np.zeros(1, np.int64), cost, back)
        others = order[: at + 1]
        total = cost[i] + cost[others] + operator
        n = int(np.searchsorted(total, dearest))
        others, total = others[:n], total[:n]
        differ = i ^ others
        for kind, joined in ((2, i & others), (3, i | others), (4, differ ^ full), (5, differ)):
            _improve(joined, total, kind, i, others, cost, back)


def _improve(
    table: np.ndarray, total: np.ndarray, kind: int, left: int, right: np.ndarray, cost: np.ndarray, back: np.ndarray
) -> None:
    better = np.flatnonzero(total < cost[table])[::-1]  # of a repeated table, the first is assigned last and stays
    table = table[better]
    cost[table] = total[better]
    back[0, table], back[1, table], back[2, table] = kind, left, right[better]


@lru_cache(maxsize=32)
def least_costs(layout: Layout, operator: float, literal: tuple[float, ...]) -> np.ndarray:
    """Return the least cost of a formula of each table of a layout: (2^(2^s),).

    It is inf where the table is not canonical. Two formulas that differ in impossible cells alone are one rule. A
    constant costs two numbers and an operator, each `operator`.
    """
    out = np.full(1 << (1 << len(layout)), np.inf)
    if not layout:
        out[:] = 3 * operator
    else:
        tables = canonical_tables(layout)
        cost, order = _sorted_costs(operator, literal)
        out[tables] = cost[permuted(completions(layout)[tables], order)].min(axis=1)
    out.flags.writeable = False
    return out


def _sorted_costs(operator: float, literal: tuple[float, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the costs of tables with literals in order of cost, and that order."""
    order = tuple(sorted(range(len(literal)), key=literal.__getitem__))
    costs = tuple(literal[q] for q in order)
    return shortest(operator, costs).cost(operator, costs), order


def permuted(tables: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return tables with literal ``order[q]`` moved to position q."""
    if tuple(order) == tuple(range(len(order))):
        return tables
    out = np.zeros_like(tables)
    for c in range(1 << len(order)):
        old = sum((c >> q & 1) << order[q] for q in range(len(order)))
        out |= (tables >> old & 1) << c
    return out


def completions(layout: Layout) -> np.ndarray:
    """Return each table with all values in impossible cells: (table, completion)."""
    extra = np.zeros(1, np.int64)
    for cell in np.flatnonzero(~possible_cells(layout)).tolist():
        extra = np.concatenate([extra, extra | 1 << cell])
    return np.arange(1 << (1 << len(layout)))[:, None] | extra


def formula(literals: Sequence[str], layout: Layout, table: int) -> str:
    """Return an expression of a table with the fewest symbols when parsed.

    Of formulas equally short, the one that is found first.
    """
    if not literals:
        return TRUE if table else FALSE
    programs = [parse(text).program for text in literals]
    lengths = tuple(float(len(program)) for program in programs)
    order = sorted(range(len(literals)), key=lengths.__getitem__)
    known = shortest(1.0, tuple(lengths[q] for q in order))
    candidates = permuted(completions(layout)[table], order)
    cost = known.cost(1.0, tuple(lengths[q] for q in order))
    atoms = [(literals[q], ATOM if len(programs[q]) == 1 else 0) for q in order]
    return _text(known, int(candidates[np.argmin(cost[candidates])]), atoms)[0]


def _text(known: Formulas, table: int, literals: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Return a formula's text, and how tightly its last operator binds."""
    operator = OPERATORS[known.operator[table]]
    left = int(known.left[table])
    if not operator:
        return literals[left]
    if operator == "~":
        return "~" + _bracketed(_text(known, left, literals), UNARY), UNARY
    binds = BINDS[operator]
    parts = [_text(known, part, literals) for part in (int(known.right[table]), left)]  # what was found earlier first
    chain = operator not in COMPARISONS
    first, second = (text if binds == within and chain else _bracketed((text, within), UNARY) for text, within in parts)
    return f"{first} {operator} {second}", binds


def _bracketed(part: tuple[str, int], least: int) -> str:
    text, binds = part
    return text if binds >= least else f"({text})"
