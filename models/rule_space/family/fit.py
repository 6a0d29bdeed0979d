"""Fit a rule space to labels, choices and stops."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.feedback.kinds.stops import Stops
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.rule_space.answers.evidence import AnswerEvidence
from reward_hypotheses.models.rule_space.answers.layout import answers_of
from reward_hypotheses.models.rule_space.counts import CellCounts, count_cells
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.family.literals import Literals, literals_of
from reward_hypotheses.models.rule_space.family.patterns_in_training import patterns_of
from reward_hypotheses.models.rule_space.outcomes.acting import compared
from reward_hypotheses.models.rule_space.space import RuleSpace

MOST_FEATURES = 3
"""Of a rule that choices or stops are evidence of."""
MOST_TABLES = 20_000_000
"""Sets times truth tables whose evidence of choices and stops is held."""
REASONS = {
    "rankings": "a ranking is several choices, of which each depends on the options that are left",
    "ratings": "the cut points of a rating are inferred too, rule by rule",
    "rewards": "numbers say how much better an item is, and rules say only whether",
    "demonstrations": "a walk is explained by planning, rule by rule",
    "proxy": "a proxy is explained by planning, rule by rule",
}


def rule_problems(name: str, rules: Rules, feedback: Sequence[Feedback], line: Any) -> list[str]:
    """Return why a rule space cannot be fitted to feedback at a failure line."""
    high, low = rules.reward
    who = f"hypothesis {name!r}"
    out = []
    for data in feedback:
        if not isinstance(data, (Labels, Choices, Stops)):
            reason = REASONS.get(data.kind, "its likelihood is no function of what a rule approves")
            out.append(
                f"{data.name or data.kind}: {who} is a space of rules, whose evidence is exact for labels, choices and stops, not for "
                f"{data.kind}: {reason}; list rules as expressions, or leave one of the two out"
            )
        elif rules.at_most > MOST_FEATURES and not isinstance(data, Labels):
            out.append(
                f"{data.name or data.kind}: {who} has rules of {rules.at_most} features, and {data.kind} are evidence of rules of at most "
                f"{MOST_FEATURES}; give at_most = {MOST_FEATURES}"
            )
    if not isinstance(line, float):
        out.append(f"fail_utility: {who} is a space of rules, for which failing is worth a number; give one")
    elif compared(low, line) > 0 or compared(line, high) >= 0:
        out.append(
            f"fail_utility: {line:g} under {who}, whose rewards are {high:g} and {low:g}: labels then say nothing of its rules; give a "
            f"number from {low:g} to below {high:g}"
        )
    return out


def fit_rules(
    name: str,
    rules: Rules,
    feedback: Sequence[Feedback],
    columns: Sequence[str],
    line: float,
    listed: Mapping[str, int] | None = None,
    over: Sequence[Valuation] = (),
) -> FittedRules:
    """Fit a rule space to labels, choices and stops.

    Parameters
    ----------
    line : float
        What failing is worth, reward units.
    listed : dict of str to int, optional
        The listed hypotheses that stand beside the space, and their places in the valuations.
    over : sequence of Valuation, optional
        Of the listed hypotheses, by feedback.

    Raises
    ------
    InputError
        A feature without thresholds, too many rules, or labels that no rule explains.
    """
    tables = list({id(data.items): data.items for data in feedback}.values())
    literals = literals_of(name, rules, tables)
    rational = {k: data for k, data in enumerate(feedback) if isinstance(data, Rational)}
    if rational:
        _refuse_too_many(name, literals.space)
    answers = {k: answers_of(data, literals.on(data.items), rules.reward, line) for k, data in rational.items()}
    fitted = FittedRules(
        rules,
        literals,
        tuple(columns),
        tuple(_counted(literals, data) if isinstance(data, Labels) else None for data in feedback),
        tuple(data.noise if isinstance(data, Labels) else None for data in feedback),
        patterns_of(rules, literals, feedback, line, listed or {}, over),
        AnswerEvidence(literals.space, answers) if answers else None,
    )
    if not listed and fitted.log_evidence(range(len(feedback))) == -math.inf:
        raise InputError(
            f"hypothesis {name!r}: no rule of the space explains every label; give a noise above 0, such as [1, 19]"
        )
    return fitted


def _refuse_too_many(name: str, space: RuleSpace) -> None:
    tables = sum(space.n_sets(s) << (1 << s) for s in space.sizes)
    if tables > MOST_TABLES:
        raise InputError(
            f"hypothesis {name!r}: rules: choices and stops are evidence of at most {MOST_TABLES:,} truth tables, and {tables:,} are too "
            "many; give fewer features, fewer thresholds, or a lower at_most"
        )


def _counted(literals: Literals, data: Labels) -> CellCounts:
    """Return the counts of labels by cell.

    An item that is failing is not better than failing under any rule, so its label is wrong where it is true.
    """
    columns = literals.on(data.items)
    times = None if data.item_counts is None else data.item_counts.astype(np.int64)
    failing = data.items.failing()
    if failing is None or not failing.any():
        return count_cells(literals.space, columns, data.observed, times)
    real = ~failing
    counts = count_cells(literals.space, columns[:, real], data.observed[real], None if times is None else times[real])
    size = failing.astype(np.int64) if times is None else failing * times
    more = int(size[data.observed].sum()), int(size.sum())
    return CellCounts(counts.cells, counts.n_true + more[0], counts.n_items + more[1])
