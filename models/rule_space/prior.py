"""Prior over the rules of a space: uniform, by feature sets, by simplicity."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import distinct, each_in_threads
from reward_hypotheses.models.inference.special import LOG_2, log_sum_exp
from reward_hypotheses.models.priors.languages import BITS, Language, Letters
from reward_hypotheses.models.rule_space.characters import Written, fewest_characters, written
from reward_hypotheses.models.rule_space.formulas import least_costs
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.truth_tables import Layout, canonical_tables


@dataclass(frozen=True)
class RulePrior:
    """A prior over rules, which sums to 1.

    ``log p(T, f) = tables[s][kind[s][T], f] + sets[s][T]``, s the size of T.

    Attributes
    ----------
    tables : list of ndarray (kind, 2^(2^s))
        For each size s. -inf where the table is not canonical.
    kind : list of ndarray of int64 (C(K, s),)
    sets : list of ndarray (C(K, s),)
    log_total : float
        Log of the sum that the prior was divided by: of simplicity without multipliers, ``log sum_f 2^-bits(f)``.
    """

    tables: list[np.ndarray]
    kind: list[np.ndarray]
    sets: list[np.ndarray]
    log_total: float

    def rows(self, s: int, rows: slice | np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the log prior of every table of some sets: (set, 2^(2^s))."""
        out = np.take(self.tables[s], self.kind[s][rows], axis=0, out=out, mode="clip")
        out += self.sets[s][rows, None]
        return out

    def log_mass(self, s: int) -> np.ndarray:
        """Return the log prior mass of each set of s literals: (C(K, s),)."""
        of_kind = np.array([log_sum_exp(tables) for tables in self.tables[s]])
        return of_kind[self.kind[s]] + self.sets[s]

    @property
    def span(self) -> float:
        """Difference between the highest and the lowest log prior, -inf left out, nats."""
        low, high = math.inf, -math.inf
        for tables, sets in zip(self.tables, self.sets, strict=True):
            for of, sign in ((np.max, 1), (np.min, -1)):
                ends = [of(x[np.isfinite(x)], initial=-sign * math.inf) for x in (tables, sets)]
                if np.isfinite(ends).all():
                    low, high = min(low, sum(ends)), max(high, sum(ends))
        return max(high - low, 0.0)


def uniform_prior(space: RuleSpace, multipliers: Mapping[int, float] | None = None) -> RulePrior:
    """Return the uniform prior over rules, each function counted once.

    Parameters
    ----------
    multipliers : mapping of int to float, optional
        Feature number -> factor of the prior odds of each rule that depends on that feature.
    """
    alike = [0.0] * len(space.literals)
    tables, kind = _kinds(space, lambda layout, _: np.where(_canonical(layout), 0.0, -math.inf), alike)
    return _normalised(tables, kind, _multiplied(space, multipliers))


def feature_sets_prior(space: RuleSpace, multipliers: Mapping[int, float] | None = None) -> RulePrior:
    """Return the prior uniform over sets of features, then over rules of a set.

    ``p(T, f) = 1 / (N n(F))``: N sets of features, and n(F) rules that depend on exactly the features F of T. Thresholds
    of a feature are one feature.
    """
    alike = [0.0] * len(space.literals)
    tables, kind = _kinds(space, lambda layout, _: np.where(_canonical(layout), 0.0, -math.inf), alike)
    codes, rules = [], []
    base = max(space.feature) + 2
    for s in space.sizes:
        layouts, which = space.kinds(s)
        of = np.sort(np.asarray(space.feature)[space.sets(s)] + 1, axis=1)
        of[:, 1:][of[:, 1:] == of[:, :-1]] = 0
        codes.append(np.sort(of, axis=1)[:, ::-1] @ base ** np.arange(s))
        rules.append(np.array([len(canonical_tables(layout)) for layout in layouts])[which])
    code, n = np.concatenate(codes), np.concatenate(rules)
    _, _, features, _ = distinct(code)
    log_rules = np.split(-np.log(np.bincount(features, n)[features]), np.cumsum([len(c) for c in codes])[:-1])
    more = _multiplied(space, multipliers)
    return _normalised(tables, kind, [a + b for a, b in zip(log_rules, more, strict=True)])


def simplicity_prior(
    space: RuleSpace,
    language: Language,
    columns: Sequence[str] = (),
    multipliers: Mapping[int, float] | None = None,
    beside: Sequence[Expression] = (),
) -> RulePrior:
    """Return the prior ``2^-bits``, bits of the shortest formula.

    Formulas join literals by ``~ & | == !=``. A literal costs what it costs in the language: a feature by its name, a
    threshold ``depth > 1.5`` its feature, a number and an operator. A constant costs two numbers and an operator
    (``0 == 0``). In "letters" a formula costs its characters, brackets included. What is around the formula, such as
    ``where(..., 100, -100)``, costs the same for all rules.

    Parameters
    ----------
    columns : sequence of str
        Columns of the first feedback's table, by which the language "columns" counts.
    beside : sequence of Expression
        Expressions whose names are in the alphabet too.
    """
    if isinstance(language, Letters):
        texts = [written(text) for text in space.literals]
        tables, kind = _kinds(space, lambda layout, of: -LOG_2 * BITS * fewest_characters(layout, of), texts)
    else:
        operator, literal = symbol_costs(space, language, columns, beside)
        tables, kind = _kinds(space, lambda layout, costs: -LOG_2 * least_costs(layout, operator, costs), literal)
    return _normalised(tables, kind, _multiplied(space, multipliers))


def symbol_costs(
    space: RuleSpace, language: Language, columns: Sequence[str] = (), beside: Sequence[Expression] = ()
) -> tuple[float, tuple[float, ...]]:
    """Return the bits of an operator, and of each literal."""
    negated = parse(f"~({space.literals[0]})")
    bits = language.bits([negated, *(parse(text) for text in space.literals), *beside], columns).tolist()
    return bits[0] - bits[1], tuple(bits[1 : 1 + len(space.literals)])


def _canonical(layout: Layout) -> np.ndarray:
    out = np.zeros(1 << (1 << len(layout)), bool)
    out[canonical_tables(layout)] = True
    return out


def _kinds[L: (float, Written)](
    space: RuleSpace, of: Callable[[Layout, tuple[L, ...]], np.ndarray], literal: Sequence[L]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return a vector over tables by layout and costs, and the kind of each set."""
    tables, kinds = [], []
    levels = sorted(set(literal))
    level = np.array([levels.index(x) for x in literal])
    for s in space.sizes:
        layouts, which = space.kinds(s)
        code = which
        for q in range(s):
            code = code * len(levels) + level[space.sets(s)[:, q]]
        _, first, kind, _ = distinct(code)
        members = space.sets(s)[first]
        cases = [
            (layouts[which[i]], tuple(literal[q] for q in m)) for i, m in zip(first, members.tolist(), strict=True)
        ]
        tables.append(np.stack(list(each_in_threads(lambda case: of(*case), cases, s > 3))))
        kinds.append(kind)
    return tables, kinds


def _multiplied(space: RuleSpace, multipliers: Mapping[int, float] | None) -> list[np.ndarray]:
    """Return the log multiplier of each set: each feature's factor once."""
    factors = np.zeros(max(space.feature) + 1)
    for feature, factor in (multipliers or {}).items():
        if feature not in space.feature:
            raise InputError(f"multipliers: there is no feature number {feature}")
        if not 0 <= factor < math.inf:
            raise InputError(f"multipliers: {factor!r}; give a factor of the prior odds, finite and not negative")
        factors[feature] = math.log(factor) if factor else -math.inf
    out = []
    for s in space.sizes:
        of = np.sort(np.asarray(space.feature)[space.sets(s)], axis=1)
        once = np.ones(of.shape, bool)
        once[:, 1:] = of[:, 1:] != of[:, :-1]
        out.append(np.sort(np.where(once, factors[of], 0.0), axis=1).sum(axis=1))  # sorted: equal factors, equal sums
    return out


def _normalised(tables: list[np.ndarray], kind: list[np.ndarray], sets: list[np.ndarray]) -> RulePrior:
    mass = [
        np.array([log_sum_exp(row) for row in table])[k] + of for table, k, of in zip(tables, kind, sets, strict=True)
    ]
    total = log_sum_exp(np.concatenate(mass))
    if total == -math.inf:
        raise InputError("multipliers: no rule has a positive prior; give fewer factors of 0")
    return RulePrior(tables, kind, [of - total for of in sets], total)
