"""Formulas of fewest characters, for every truth table, exactly."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from reward_hypotheses.data.expressions.operators import FUNCTIONS
from reward_hypotheses.data.expressions.parser import BINDS, UNARY, parse
from reward_hypotheses.models.rule_space.formulas import TRUE, completions, permuted
from reward_hypotheses.models.rule_space.truth_tables import Layout, canonical_tables, literal_table

MOST_LITERALS = 3
LEVELS = UNARY, BINDS["&"], BINDS["|"], 0
"""How tightly the last operator of a text binds, at least: operand of ~, of &, of |, == and !=, and any text."""
OPERAND, CONJUNCTION, DISJUNCTION, ANY = range(4)
Written = tuple[int, int]
"""A literal's text: its characters without white space, and the first level that it belongs to."""


def written(literal: str) -> Written:
    """Return the number of characters of a literal, and its level."""
    last = parse(literal).program[-1]
    binds = BINDS.get(last.name, 0) if last.kind != "column" and last.name not in FUNCTIONS else UNARY
    if last.name == "~":
        binds = UNARY
    return len("".join(literal.split())), next(k for k, least in enumerate(LEVELS) if binds >= least)


@lru_cache(maxsize=256)
def fewest_characters(layout: Layout, literals: tuple[Written, ...]) -> np.ndarray:
    """Return the fewest characters of a formula of each table of a layout.

    Shape (2^(2^s),), inf where the table is not canonical. A formula is a text of literals, ``~ & | == !=`` and brackets
    where the grammar needs them; white space does not count. Two formulas that differ in impossible cells alone are one
    rule. A constant is ``0==0`` or ``0!=0``.

    Parameters
    ----------
    literals : tuple of (int, int)
        Of each of at most 3 literals, from `written`.
    """
    out = np.full(1 << (1 << len(layout)), np.inf)
    if not layout:
        out[:] = len("".join(TRUE.split()))
    else:
        tables = canonical_tables(layout)
        order = tuple(sorted(range(len(literals)), key=literals.__getitem__))
        cost = _fewest(tuple(literals[q] for q in order))
        out[tables] = cost[permuted(completions(layout)[tables], order)].min(axis=1)
    out.flags.writeable = False
    return out


@lru_cache(maxsize=256)
def _fewest(literals: Sequence[Written]) -> np.ndarray:
    """Return the fewest characters of a formula of every table of s literals.

    Texts are found in order of length: each joins two shorter ones, negates one, or puts one in brackets. A text that
    binds as tightly as one level asks belongs to all later levels too.
    """
    s, full = len(literals), (1 << (1 << len(literals))) - 1
    cost = np.full((4, full + 1), np.iinfo(np.int32).max, np.int64)

    def found(level: int, tables: np.ndarray, characters: np.ndarray | int) -> None:
        for wider in range(level, 4):
            np.minimum.at(cost[wider], tables, characters)

    for q, (characters, level) in enumerate(literals):
        found(level, np.array([literal_table(s, q)]), characters)
    length = int(cost.min())
    while length <= cost[ANY].max():
        new = [np.flatnonzero(of_level == length) for of_level in cost]
        found(OPERAND, new[OPERAND] ^ full, length + 1)
        found(OPERAND, new[ANY], length + 2)
        for level, join, characters, made in (
            (CONJUNCTION, np.bitwise_and, 1, CONJUNCTION),
            (DISJUNCTION, np.bitwise_or, 1, DISJUNCTION),
            (DISJUNCTION, np.bitwise_xor, 2, ANY),
        ):
            known = np.flatnonzero(cost[level] <= length)
            joined = join(new[level][:, None], known).ravel()
            total = np.tile(length + cost[level][known] + characters, len(new[level]))
            found(made, joined, total)
            if made == ANY:  # != and == cost alike
                found(made, joined ^ full, total)
        length += 1
    return cost[ANY]
