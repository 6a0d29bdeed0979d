"""Reward hypotheses, and what they say about the items of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.expressions import Expression, parse

Reward = Expression | Callable[..., Any]


@dataclass(frozen=True)
class Hypotheses:
    """Named rewards ``r_h(item)``, in order.

    Attributes
    ----------
    names : tuple of str
    rewards : tuple of Expression or callable
        A callable takes a Dataset and returns a DataArray over its dims.
    columns : tuple of str
        Column order of the first feedback's table, which the simplicity language ``columns`` counts by.
    """

    names: tuple[str, ...]
    rewards: tuple[Reward, ...]
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of a hypothesis; InputError with a suggestion where there is none of that name."""
        if name not in self.names:
            raise InputError(f"{name!r} is no hypothesis; {suggestion(name, self.names)}")
        return self.names.index(name)


def hypotheses_of(given: Mapping[str, Any], columns: Sequence[str] = ()) -> Hypotheses:
    """Read hypotheses from a mapping name -> expression or callable.

    Raises
    ------
    InputError
        No hypothesis, an empty name, an expression that does not parse (all of them are named).
    """
    if not isinstance(given, Mapping) or not given:
        raise InputError("no hypothesis; give at least one, name = expression")
    problems: list[str] = []
    rewards: list[Reward] = []
    for name, reward in given.items():
        if not isinstance(name, str) or not name.strip():
            problems.append(f"hypothesis {name!r}: the name is empty; give it a name that a reader understands")
        elif callable(reward):
            rewards.append(reward)
        else:
            try:
                rewards.append(parse(reward))
            except InputError as error:
                problems.extend(f"hypothesis {name!r}: {p}" for p in error.problems)
    if problems:
        raise InputError(problems)
    return Hypotheses(tuple(given), tuple(rewards), tuple(columns))


def check_columns(
    table: Table, expressions: Mapping[str, Expression], refused: set[tuple[str, str]] | None = None
) -> list[str]:
    """Say what is wrong with the columns that expressions name in a table: one message a column, then logic on numbers.

    Parameters
    ----------
    expressions : dict
        What names them (for messages) -> expression.
    refused : set of (column, source), optional
        Columns already complained of, which are left out and added to.
    """
    problems: list[str] = []
    wrong: set[str] = set()
    refused = set() if refused is None else refused
    failing = table.failing()
    used = None if failing is None else ~failing
    for who, expression in expressions.items():
        for name in expression.columns:
            if name in wrong or (name, "") in refused:
                wrong.add(name)
                continue
            try:
                table.numbers(name, used)
            except InputError as error:
                wrong.add(name)
                if (name, table.source) not in refused:
                    refused.add((name, table.source))
                    problems.extend(f"{p} (named by {who})" for p in error.problems)
        if wrong.isdisjoint(expression.columns):
            try:
                expression.check(lambda name: table.column(name).values.dtype == bool)
            except InputError as error:
                if (who, "logic") not in refused:
                    refused.add((who, "logic"))
                    problems.extend(f"{who}: {p} (columns as in {table.source})" for p in error.problems)
    return problems
