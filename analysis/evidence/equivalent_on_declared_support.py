"""Silence on the declared support: every item that training could hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Section
from reward_hypotheses.data.column import Column
from reward_hypotheses.data.numerics import numbered
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.hypotheses.failure_line import EQUAL, FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior


@dataclass(frozen=True)
class Apart:
    """A pair that the declared support separates, and the training sample does not.

    Attributes
    ----------
    first, second : int
    feedback : str
        A feedback that would separate the pair.
    item : int
        Item of the support at which the two differ most.
    """

    first: int
    second: int
    feedback: str
    item: int


@dataclass(frozen=True, eq=False)
class Support:
    """Silence on the declared support.

    Attributes
    ----------
    silent : tuple of (int, int)
        Pairs that neither the sample nor any item of the support can separate.
    apart : tuple of Apart
        Pairs that are alike on the sample alone.
    elsewhere : tuple of str
        Feedbacks about something else than items of a table (a proxy, demonstrations), taken as they are.
    """

    silent: tuple[tuple[int, int], ...]
    apart: tuple[Apart, ...]
    elsewhere: tuple[str, ...]


def on_support(
    hypotheses: Hypotheses, line: FailureLine, feedback: Sequence[Feedback], classes: Sequence[np.ndarray], table: Table
) -> Support:
    """Find the pairs of hypotheses that no item of a table could separate.

    Feedback of these kinds is asked about the items of the table.

    Each kind has its own silence. Labels: equal ``[r > u]`` item by item. Choices and rankings: ``r_i = a r_j + b`` with one
    a > 0 over all items that can meet in a scene (all items, for a table without options). Stops: ``r - u`` in proportion.
    A declared support allows the statement "no amount of such data". A sample of n items, silent on up to about 3/n of
    the distribution, does not.

    Parameters
    ----------
    classes : sequence of ndarray (hypothesis,)
        For each feedback, the classes within which the sample is silent.
    """
    over = [moved(of_kind, table) for of_kind in feedback]
    fixed = len(hypotheses.families) + len(hypotheses.spaces) < len(hypotheses)
    on_items = [
        classes_of(there, hypotheses, line) if fixed and there is not None else of_sample
        for there, of_sample in zip(over, classes, strict=True)
    ]
    together, pairs = _as_one(on_items), alike(classes)
    silent = tuple((i, j) for i, j in pairs if together[i] == together[j])
    apart = tuple(
        _apart(hypotheses, line, feedback, over, on_items, i, j) for i, j in pairs if together[i] != together[j]
    )
    elsewhere = tuple(str(of_kind.name) for of_kind, there in zip(feedback, over, strict=True) if there is None)
    return Support(silent, apart, elsewhere)


def classes_of(feedback: Feedback, hypotheses: Hypotheses, line: FailureLine) -> np.ndarray:
    """Return the class of each hypothesis under one feedback: (hypothesis,).

    The feedback's items are silent within a class. A hypothesis with continuous weights is a class of its own.
    """
    out = len(hypotheses) + np.arange(len(hypotheses))
    fixed = [h for h in range(len(hypotheses)) if h not in hypotheses.families and h not in hypotheses.spaces]
    if fixed:
        valuation = Valuation(hypotheses.only(fixed), feedback.items, line.only(fixed), for_labels=True)
        out[fixed] = feedback.classes(valuation)
    return out


def alike(classes: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Return the pairs of hypotheses that are in one class under every feedback."""
    together = _as_one(classes).tolist()
    return [(i, j) for i, j in combinations(range(len(together)), 2) if together[i] == together[j]]


def _as_one(classes: Sequence[np.ndarray]) -> np.ndarray:
    """Number the tuples of classes: (hypothesis,)."""
    return numbered(zip(*(c.tolist() for c in classes), strict=True))


def moved(feedback: Feedback, table: Table) -> Feedback | None:
    """Return a feedback about the items of another table.

    None for kinds that are about something else than items.
    """
    if not feedback.in_column:
        return None
    if isinstance(feedback, SceneChoice) and not table.has_options:
        starts = np.array([0, table.n_items])
        table = replace(table, starts=starts, has_options=True, scene_names=None, rows=None)
    answers = Column(np.ones(table.n_items))  # what was said does not matter to what could be told apart, nor how often
    columns = {c: v for c, v in table.columns.items() if c != "scene_weight"} | {feedback.column: answers}
    return replace(feedback, table=replace(table, columns=columns), missing="error", count=None)


def _apart(
    hypotheses: Hypotheses,
    line: FailureLine,
    feedback: Sequence[Feedback],
    over: Sequence[Feedback | None],
    classes: Sequence[np.ndarray],
    i: int,
    j: int,
) -> Apart:
    """Return the item of the support that separates two hypotheses most.

    A feedback's inputs of the two hypotheses differ most at this item.
    """
    k = next(k for k, of_feedback in enumerate(classes) if of_feedback[i] != of_feedback[j])
    there = over[k]
    assert there is not None
    valuation = Valuation(hypotheses.only([i, j]), there.items, line.only([i, j]), for_labels=True)
    first, second = (np.asarray(there.at(valuation, h), float) for h in (0, 1))
    with np.errstate(invalid="ignore"):
        gap = np.abs(first - second)
    gap = np.where(np.isfinite(gap), gap, 0.0)
    gap = gap[there.inside] if isinstance(there, Rational) else gap.ravel()
    return Apart(i, j, str(feedback[k].name), int(np.argmax(gap >= (1 - EQUAL) * gap.max())))


def support_document(posterior: Posterior, table: Table) -> dict[str, Any]:
    """Return the silence on the declared support as plain names and numbers."""
    names, line = posterior.hypotheses.names, posterior.valuations[0].line
    classes = [e.classes for e in posterior.evidence]
    support = on_support(posterior.hypotheses, line, posterior.feedback, classes, table)
    named = [*(c for e in posterior.hypotheses.expressions().values() for c in e.columns), *line.columns]
    columns = [c for c in dict.fromkeys(named) if c in table.columns]
    return {
        "table": table.name,
        "items": table.n_items,
        "silent_pairs": [[names[i], names[j]] for i, j in support.silent],
        "told_apart": [
            {
                "pair": [names[pair.first], names[pair.second]],
                "feedback": pair.feedback,
                "item": {c: table.columns[c].text(pair.item) for c in columns},
            }
            for pair in support.apart
        ],
        "held": list(support.elsewhere),
    }


class OnSupport(Section[dict[str, Any]]):
    """Silence on every item that training could have held.

    None where no support is declared.
    """

    keys = ("support",)

    @override
    def compute(self, case: Case) -> dict[str, Any] | None:
        support = case.training.support
        return None if support is None else support_document(case.posterior.of_rules(), support)
