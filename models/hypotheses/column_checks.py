"""Check that the columns that hypotheses read exist, and are of the right kind."""

from collections.abc import Mapping, Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError, first_few, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table


def check_columns(views: Sequence[tuple[Table, Mapping[str, Expression]]], others: Sequence[Table] = ()) -> list[str]:
    """Say what is wrong with the columns that expressions name.

    One message for each cause. First come columns that no table has; then columns that one table lacks, or that hold
    something other than numbers. Where all columns of an expression are good, logic on numbers is refused last.

    Parameters
    ----------
    views : sequence of (Table, dict)
        Each table, with the expressions that are evaluated on it: name in messages -> expression.
    others : sequence of Table
        Further tables that determine which columns are boolean.

    Returns
    -------
    list of str
        The messages; empty where every column is good.
    """
    problems: list[str] = []
    wrong: set[str] = set()  # columns complained of
    by_expression: dict[str, tuple[Expression, list[Table]]] = {}
    for table, expressions in views:
        for who, expression in expressions.items():
            by_expression.setdefault(who, (expression, []))[1].append(table)
    nowhere: dict[str, tuple[str, list[Table]]] = {}
    for who, (expression, tables) in by_expression.items():
        for column in expression.columns:
            if column not in nowhere and not any(column in t.columns for t in tables):
                nowhere[column] = who, tables
    wrong |= set(nowhere)
    problems += first_few(list(nowhere), lambda column: _no_column(column, *nowhere[column]), _no_columns)
    reported: set[tuple[str, str]] = set()
    for table, expressions in views:
        failing = table.failing()
        used = None if failing is None else ~failing
        for who, expression in expressions.items():
            for column in expression.columns:
                if (column in wrong and (column, "") not in reported) or (column, table.source) in reported:
                    continue
                try:
                    table.numbers(column, used)
                except InputError as error:
                    reported |= {(column, table.source), (column, "")}
                    wrong.add(column)
                    problems.extend(f"{p} (named by {who})" for p in error.problems)
    for who, (expression, tables) in by_expression.items():
        if not wrong.isdisjoint(expression.columns):
            continue
        for table in tables:
            try:
                boolean = {c for c in expression.columns if table.columns[c].values.dtype == bool}
                expression.check(boolean.__contains__)
            except InputError as error:
                problems.extend(f"{who}: {p}{_nearly_boolean(expression, [*tables, *others])}" for p in error.problems)
                break
    return problems


def _no_column(column: str, who: str, tables: Sequence[Table]) -> str:
    known = dict.fromkeys(c for t in tables for c in t.columns)
    where = ", ".join(dict.fromkeys(t.source for t in tables))
    return f"{who}: no column {column!r} in {where}; {suggestion(column, known)}"


def _no_columns(n: int) -> str:
    return f"{n:,} more columns that expressions name are in no table; name those that there are"


def _nearly_boolean(expression: Expression, tables: Sequence[Table]) -> str:
    """Name the cell that keeps a column of 0 and 1 from being boolean."""
    for column in expression.columns:
        for table in tables:
            values = table.columns[column].values if column in table.columns else np.empty(0, bool)
            if values.dtype == bool or table.columns[column].is_text:
                continue
            other = (values != 0) & (values != 1)
            if other.any() and other.mean() < 0.5:
                item = int(np.argmax(other))
                shown = table.columns[column].text(item)
                return f"; {column!r} is boolean only where all cells are 0 or 1: {table.source}: {table.where(item)} is {shown!r}"
    return ""
