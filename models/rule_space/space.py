"""Rule spaces: every Boolean function of at most k literals, each once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.rule_space.formulas import formula
from reward_hypotheses.models.rule_space.truth_tables import MOST, Layout, canonical_tables, subsets


@dataclass(frozen=True)
class RuleSpace:
    """The distinct Boolean functions that depend on at most k of K literals.

    A literal is a Boolean feature, or a threshold of a real one. A rule is (T, f): a set T of s <= k literals, and a
    truth table f of 2^s bits that depends on every literal of T. Cell c of T is the conjunction in which literal T[q]
    is true where bit q of c is set; bit c of the integer f is the rule's value in cell c. Thresholds of one feature are
    nested, so some cells are impossible; there f is 0. Each function is one (T, f), the two constants (s = 0) included.

    Parameters
    ----------
    literals : tuple of str
        Their expressions, such as ``"flags"`` or ``"depth > 1.5"``.
    at_most : int
        k, from 1 to 4.
    feature : tuple of int
        The feature of each literal. Of two literals of one feature, the later implies the earlier: thresholds ascend.

    Raises
    ------
    InputError
        No literals, literals that repeat, k out of range, or a feature number for each literal missing.
    """

    literals: tuple[str, ...]
    at_most: int
    feature: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.literals:
            raise InputError("features: none given; name at least one feature that a rule may depend on")
        if repeated := [x for i, x in enumerate(self.literals) if x in self.literals[:i]]:
            raise InputError(f"features: {repeated[0]!r} is given twice; give each feature and threshold once")
        if len(self.feature) != len(self.literals):
            raise InputError(f"feature: {len(self.feature)} numbers for {len(self.literals)} literals; give one each")
        if not 1 <= self.at_most <= MOST:
            raise InputError(f"at_most: {self.at_most}; give the most features of a rule, from 1 to {MOST}")

    @property
    def sizes(self) -> range:
        """Sizes of the sets, ``0..k``."""
        return range(min(self.at_most, len(self.literals)) + 1)

    def n_sets(self, s: int) -> int:
        """Return the number of sets of s literals, C(K, s)."""
        return math.comb(len(self.literals), s)

    def sets(self, s: int) -> np.ndarray:
        """Return the sets of s literals in colexicographic order: (C(K, s), s).

        Literals of a set ascend. A set's row is `place`, which does not depend on K.
        """
        return subsets(len(self.literals), s)

    def kinds(self, s: int) -> tuple[list[Layout], np.ndarray]:
        """Return the layouts among sets of s literals, and the layout of each set.

        Returns
        -------
        layouts : list of tuple
            Feature number of each position, counted from 0 in order of appearance: ``(0, 0, 1)`` where the first two
            literals are thresholds of one feature.
        which : ndarray of int64 (C(K, s),)
            Index of each set's layout.
        """
        return self._kinds[s]

    @cached_property
    def _kinds(self) -> dict[int, tuple[list[Layout], np.ndarray]]:
        feature = np.asarray(self.feature)
        kinds: dict[int, tuple[list[Layout], np.ndarray]] = {0: ([()], np.zeros(1, np.int64))}
        for s in self.sizes[1:]:
            of = feature[self.sets(s)]  # (set, position)
            same = (of[:, :, None] == of[:, None, :]).argmax(axis=2)  # the first position of the same feature
            code = same @ MOST ** np.arange(s)
            _, first, which, _ = distinct(code)
            layouts = []
            for row in same[first].tolist():
                numbers = {position: number for number, position in enumerate(dict.fromkeys(row))}
                layouts.append(tuple(numbers[position] for position in row))
            kinds[s] = (layouts, which)
        return kinds

    def canonical(self, layout: Layout) -> np.ndarray:
        """Return the truth tables of a layout, ascending: int64 (table,).

        A table is canonical if it is 0 on impossible cells, and differs across an edge of possible cells for each
        literal. There are 2, 2, 10, 218 and 64,594 for 0 to 4 literals of different features.
        """
        return canonical_tables(layout)

    @cached_property
    def n_rules(self) -> int:
        """The number of rules: ``sum_layouts sets of it x canonical tables of it``."""
        total = 0
        for s in self.sizes:
            layouts, which = self.kinds(s)
            for layout, n in zip(layouts, np.bincount(which, minlength=len(layouts)).tolist(), strict=True):
                total += n * len(canonical_tables(layout))
        return total

    def layout(self, members: Sequence[int]) -> Layout:
        """Return the layout of one set."""
        numbers: dict[int, int] = {}
        return tuple(numbers.setdefault(self.feature[i], len(numbers)) for i in members)

    def place(self, members: Sequence[int]) -> int:
        """Return a set's row among the sets of its size, ``sum_q C(T[q], q + 1)``."""
        return sum(math.comb(literal, q + 1) for q, literal in enumerate(members))

    def members(self, s: int, place: int) -> tuple[int, ...]:
        """Return the set of s literals in a row: the inverse of `place`."""
        out = []
        for q in range(s, 0, -1):
            literal = q - 1
            while math.comb(literal + 1, q) <= place:
                literal += 1
            out.append(literal)
            place -= math.comb(literal, q)
        return tuple(reversed(out))

    def expression(self, members: Sequence[int], table: int) -> str:
        """Return a shortest formula of a rule, as an expression of the toolkit.

        Its operators are ``~ & | == !=``; a symbol of the parsed formula counts 1. The constants are ``0 == 0`` and
        ``0 != 0``.
        """
        return formula([self.literals[i] for i in members], self.layout(members), table)
