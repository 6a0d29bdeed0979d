"""Literals of a rule space: Boolean features, and thresholds of real ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.reward import BoundOf, ColumnOf
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.space import RuleSpace

MOST_RULES = 200_000_000


@dataclass(frozen=True)
class Literals:
    """The literals of a space, and the space of rules over them.

    Attributes
    ----------
    space : RuleSpace
    expressions : tuple of Expression
        One for each literal.
    """

    space: RuleSpace
    expressions: tuple[Expression, ...]
    _on: dict[int, tuple[Table, np.ndarray]] = field(default_factory=dict, repr=False, compare=False)

    def evaluate(self, column: ColumnOf, bound: BoundOf, shape: tuple[int, ...]) -> np.ndarray:
        """Return whether each literal is true: bool (literal, *shape).

        Raises
        ------
        InputError
            A literal that is undefined for some item, such as 0 / 0, or neither true nor false.
        """
        out = np.empty((len(self.expressions), *shape), bool)
        for k, expression in enumerate(self.expressions):
            out[k] = truth_of(expression, column, bound)
        return out

    def on(self, table: Table) -> np.ndarray:
        """Return whether each literal is true of each item: bool (literal, item)."""
        if id(table) not in self._on:
            columns = table.columns
            found = self.evaluate(lambda name: columns[name].values, lambda name: columns[name].bound, (table.n_items,))
            found.flags.writeable = False
            self._on[id(table)] = table, found
        return self._on[id(table)][1]


def truth_of(expression: Expression, column: ColumnOf, bound: BoundOf) -> np.ndarray:
    """Return where a condition is true; InputError where it is no truth value."""
    plain = column(expression.program[0].name) if len(expression.program) == 1 and expression.columns else None
    if plain is not None and plain.dtype == bool:
        return plain
    values = np.asarray(expression.bounded(column, bound)[0])
    if np.isnan(values).any():
        raise InputError(f"rules: feature {expression.text!r} is undefined for some items; define it for all of them")
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise InputError(
            f"rules: feature {expression.text!r} is true or false in training and another number in some items here; "
            "give it as true or false"
        )
    return values.astype(bool)


def literals_of(name: str, rules: Rules, tables: Sequence[Table]) -> Literals:
    """Return the literals of a declared space, with cuts at quantiles of tables.

    A real feature is cut between two of its values, at the quantiles ``i / (n + 1)`` of the items of the tables; equal
    cuts count once.

    Raises
    ------
    InputError
        A real feature that is equal in every item and has no stated cut, cuts of a Boolean feature, or too many rules.
    """
    stated = {} if isinstance(rules.thresholds, int) else dict(rules.thresholds)
    texts: list[str] = []
    feature: list[int] = []
    problems: list[str] = []
    boolean = {c for c in tables[0].columns if all(t.columns[c].values.dtype == bool for t in tables if c in t.columns)}
    for k, expression in enumerate(rules.features):
        if expression.is_truth(boolean.__contains__):
            if expression.text in stated:
                problems.append(f"rules: thresholds: {expression.text!r} is true or false; leave its thresholds out")
            texts, feature = [*texts, expression.text], [*feature, k]
            continue
        cuts = stated.get(expression.text)
        if cuts is None and stated:
            problems.append(
                f"rules: thresholds: {expression.text!r} has none; list its cuts, or give a number of cuts for all"
            )
            continue
        if cuts is None:
            assert isinstance(rules.thresholds, int)
            pooled = np.concatenate([_values(expression, table) for table in tables])
            if not np.isfinite(pooled).all():
                problems.append(
                    f"rules: feature {expression.text!r} is not finite in some items of training; define it for all"
                )
                continue
            cuts = _cuts(pooled, rules.thresholds)
            if not cuts:
                problems.append(
                    f"rules: feature {expression.text!r} is {pooled[0]:g} in every item of training, so it has no quantiles to cut at; "
                    "list its cuts in thresholds, or leave it out"
                )
        binds = len(expression.program) == 1
        text = expression.text if binds else f"({expression.text})"
        texts += [f"{text} > {cut!r}" for cut in cuts]
        feature += [k] * len(cuts)
    if problems:
        raise InputError([f"hypothesis {name!r}: {problem}" for problem in problems])
    space = RuleSpace(tuple(texts), rules.at_most, tuple(feature))
    if space.n_rules > MOST_RULES:
        raise InputError(
            f"hypothesis {name!r}: rules: {space.n_rules:,} rules over {len(texts)} features and thresholds; give fewer features, "
            f"fewer thresholds, or a lower at_most, for at most {MOST_RULES:,} rules"
        )
    return Literals(space, tuple(map(parse, texts)))


def _values(expression: Expression, table: Table) -> np.ndarray:
    values = np.asarray(expression.evaluate(lambda name: table.columns[name].values), float)
    return np.broadcast_to(values, table.n_items)


def _cuts(values: np.ndarray, n: int) -> tuple[float, ...]:
    """Return at most n cuts between distinct values, near quantiles.

    The quantiles are ``i / (n + 1)``; a cut has the fewest digits.
    """
    values = np.sort(values)
    distinct = np.flatnonzero(np.diff(values) > 0)  # the last item of each value but the highest
    if not len(distinct):
        return ()
    wanted = np.arange(1, n + 1) / (n + 1) * len(values) - 1
    nearest = distinct[np.abs(distinct[:, None] - wanted).argmin(axis=0)]
    places = sorted(set(nearest.tolist()))
    return tuple(_between(float(values[at]), float(values[at + 1])) for at in places)


def _between(low: float, high: float) -> float:
    """Return a number of few digits between two, near their middle."""
    middle = low + (high - low) / 2
    for digits in range(1, 18):
        cut = float(f"{middle:.{digits}g}")
        if low < cut < high:
            return cut
    return low
