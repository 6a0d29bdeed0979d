"""Features of a test that training never varied and no hypothesis reads."""

from collections.abc import Collection, Sequence

import numpy as np

from reward_hypotheses.data.table import RESERVED, Table

LISTED = 12
"""Features that a warning names, at most."""


def unread_features(training: Sequence[Table], test: Table, read: Collection[str]) -> list[str]:
    """Return the columns that vary on the test alone, and that nothing reads.

    Items that are failing itself and missing cells do not count. A column of text counts only where training has it too:
    names and notes vary on every test.

    Parameters
    ----------
    training : sequence of Table
        Every item that some feedback uses.
    read : collection of str
        Columns that some hypothesis, failure line or feedback names.
    """
    unread = []
    for name in test.columns:
        if name in RESERVED or name in read:
            continue
        known = {value for table in training if name in table.columns for value in _two_values(table, name)}
        in_training = any(name in table.columns for table in training)
        if len(known) > 1 or (test.columns[name].is_text and not in_training):
            continue
        if len(known | _two_values(test, name)) > 1:
            unread.append(name)
    return unread


def unread_warning(training: Sequence[Table], test: Table, read: Collection[str]) -> str | None:
    """Name the features of `unread_features` in a sentence; None without any."""
    unread = unread_features(training, test, read)
    if not unread:
        return None
    more = f" and {len(unread) - LISTED} more" if len(unread) > LISTED else ""
    several = len(unread) > 1
    return (
        f"no hypothesis reads {'columns' if several else 'column'} {', '.join(map(repr, unread[:LISTED]))}{more}, which "
        f"{'vary' if several else 'varies'} in table {test.name!r} and never did in training: the risk leaves out what depends on "
        f"{'them' if several else 'it'}"
    )


def _two_values(table: Table, name: str) -> set[str | float]:
    """Return two of the values of a column, texts or numbers.

    One value or none where the column has no more.
    """
    column = table.columns[name]
    there = ~column.missing()
    failing = table.failing()
    if failing is not None:
        there &= ~failing
    values = column.values[there]
    if not len(values):
        return set()
    ends = {values.min(), values.max()}
    if column.vocabulary is not None:
        return {column.vocabulary[int(code)] for code in ends}
    return {float(np.float64(value)) for value in ends}
