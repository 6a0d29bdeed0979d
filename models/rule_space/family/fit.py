"""Fit a rule space to labels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.rule_space.counts import CellCounts, count_cells
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.family.literals import Literals, literals_of
from reward_hypotheses.models.rule_space.outcomes.scenes import distinct_columns, patterns_in


def rule_problems(name: str, rules: Rules, feedback: Sequence[Feedback], line: Any) -> list[str]:
    """Return why a rule space cannot be fitted to feedback at a failure line."""
    high, low = rules.reward
    who = f"hypothesis {name!r}"
    out = [
        f"{data.name or data.kind}: {who} is a space of rules, whose evidence is exact for labels alone, not for {data.kind}; "
        "list rules as expressions, or leave one of the two out"
        for data in feedback
        if not isinstance(data, Labels)
    ]
    if not isinstance(line, float):
        out.append(f"fail_utility: {who} is a space of rules, for which failing is worth a number; give one")
    elif not low <= line < high:
        out.append(
            f"fail_utility: {line:g} under {who}, whose rewards are {high:g} and {low:g}: labels then say nothing of its rules; give a "
            f"number from {low:g} to below {high:g}"
        )
    return out


def fit_rules(
    name: str,
    rules: Rules,
    feedback: Sequence[Labels],
    columns: Sequence[str],
    listed: Mapping[str, Sequence[np.ndarray]],
) -> FittedRules:
    """Fit a rule space to labels.

    Parameters
    ----------
    listed : dict of str to sequence of ndarray (item,)
        Predictions of the listed hypotheses, feedback by feedback.

    Raises
    ------
    InputError
        A feature without thresholds, too many rules, or labels that no rule explains.
    """
    tables = list({id(data.items): data.items for data in feedback}.values())
    literals = literals_of(name, rules, tables)
    on = {id(table): literals.on(table) for table in tables}
    counts = tuple(_counted(literals, on[id(data.items)], data) for data in feedback)
    noise = tuple(data.noise for data in feedback)
    failing = [data.items.failing() for data in feedback]
    real = [np.ones(data.items.n_items, bool) if f is None else ~f for data, f in zip(feedback, failing, strict=True)]
    parts = [
        on[id(data.items)] if f is None else on[id(data.items)][:, r]
        for data, f, r in zip(feedback, failing, real, strict=True)
    ]
    every = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if listed:
        first, pattern = distinct_columns(every)
        seen = every[:, first]
    else:
        seen = patterns_in(every)
    predictions = {
        who: np.concatenate([p[r] for p, r in zip(by_feedback, real, strict=True)]).astype(bool)
        for who, by_feedback in listed.items()
    }
    beside = {who: p[first] for who, p in predictions.items() if np.array_equal(p[first][pattern], p)}
    fitted = FittedRules(rules, literals, tuple(columns), counts, noise, seen, beside)
    try:
        if not math.isfinite(fitted.weights.log_normaliser):
            raise InputError("labels that no rule explains")
    except InputError as error:
        raise InputError([f"hypothesis {name!r}: {problem}" for problem in error.problems]) from None
    return fitted


def _counted(literals: Literals, columns: np.ndarray, data: Labels) -> CellCounts:
    """Return the counts of labels by cell.

    An item that is failing is not better than failing under any rule, so its label is wrong where it is true.
    """
    times = None if data.item_counts is None else data.item_counts.astype(np.int64)
    failing = data.items.failing()
    if failing is None or not failing.any():
        return count_cells(literals.space, columns, data.observed, times)
    real = ~failing
    counts = count_cells(literals.space, columns[:, real], data.observed[real], None if times is None else times[real])
    size = failing.astype(np.int64) if times is None else failing * times
    more = int(size[data.observed].sum()), int(size.sum())
    return CellCounts(counts.cells, counts.n_true + more[0], counts.n_items + more[1])
