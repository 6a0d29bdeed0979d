"""Fit: predictive checks, subgroups where labels fit worst, misfits and warnings."""

import functools
from collections.abc import Iterator

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.report_figures.predictive_check import draw_predictive_check
from reward_hypotheses.analysis.report.claims import Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import counted, misfits, percent
from reward_hypotheses.analysis.report.presentation import (
    Document,
    Figure,
    Part,
    Plot,
    Presentation,
    Tree,
    folded,
    texts,
)
from reward_hypotheses.analysis.report.sentences.quotations import whole_sentence
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, share, with_errors

MISFIT = 0.01
"""Level of the check of subgroups."""


WITHOUT = "without the evidence that rests on degrees alone"
"""Beginning of the warning that gives the risk without such evidence, which stands among the misfits."""
SPENT = "was used to choose an agent"
"""Part of the warning that a test is spent, which stands before every misfit: it says what the number is."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the checks of the fit, and all misfits and warnings."""
    found = [warning for warning in document["warnings"] if SPENT in warning] + misfits(document)
    found += [warning for warning in document["warnings"] if warning.startswith(WITHOUT)]
    against = [_as_sentence(document, misfit) for misfit in dict.fromkeys(found)]
    yield Presentation("misfits", "misfits", texts(*against), terminal=against)
    alerts = [_as_sentence(document, warning) for warning in document["warnings"] if warning not in found]
    yield Presentation("alerts", "misfits", [Part("list", entries=alerts)] if alerts else [], terminal=alerts)
    tables = [_table(document)] if document.get("subgroups") else []
    parts, more = folded(subgroups(document))
    finding = _finding(document)
    yield Presentation(
        "subgroups", "fit", texts(_checked(document), *parts), tables, finding=finding, more=texts(*more)
    )
    figure = CHECK if document["predictive_check"] else None
    yield Presentation("predictive_check", "fit", [Part("figure", name=CHECK.name)], figure=figure)


def _as_sentence(document: Document, text: str) -> Sentence:
    """Return a warning or misfit of the document as a sentence."""
    if text in document["warnings"]:
        return whole_sentence(document, ("warnings", document["warnings"].index(text)))
    return whole_sentence(document, lambda d: next(misfit for misfit in misfits(d) if misfit == text))


def _finding(document: Document) -> Sentence:
    """Return the heading of the chapter."""
    if document["misfit"]:
        claim = holds(lambda d: len(d["misfit"]) > 0)
        return Sentence("The checks find a misfit to the training data", claims=[claim])
    if not document["predictive_check"]:
        return Sentence(
            "The fit to the training data was not checked", claims=[holds(lambda d: not d["predictive_check"])]
        )
    return Sentence("The checks find no misfit to the training data", claims=[holds(_fits)])


def _fits(document: Document) -> bool:
    return all(check["p"] >= MISFIT for check in document["predictive_check"].values())


def _checked(document: Document) -> Sentence:
    """Return the smallest p-value of the checks, and what the checks cannot see."""
    checks = document["predictive_check"]
    if not checks:
        return Sentence("")
    name = min(checks, key=lambda name: checks[name]["p"])
    claim = holds(
        lambda d: all(d["predictive_check"][name]["p"] <= check["p"] for check in d["predictive_check"].values())
    )
    smallest = "The smallest p-value is" if len(checks) > 1 else "The p-value is"
    text = f"{smallest} {checks[name]['p']:.3g} ({name!r}); below {MISFIT:g} a misfit is reported."
    return paragraph(
        Sentence(text, ("predictive_check", name, "p"), MISFIT, claims=[claim]),
        Sentence(
            "The checks cannot see what the training data do not show.", claims=[holds(lambda d: d["predictive_check"])]
        ),
    )


def subgroups(document: Document) -> list[Sentence]:
    """Return the worst-fitting subgroup of each feedback with labels.

    A subgroup that is a misfit is listed among the misfits instead.
    """
    sentences = []
    for name, group in (document.get("subgroups") or {}).items():
        place = ("subgroups", name)
        searched = f"Of {counted(group['looked_at'], 'subgroup')} of {name!r}"
        worse = group["words"] is not None and percent(group["contradicted"]) != percent(group["elsewhere"])
        if not worse:
            claim = holds(functools.partial(_alike, name=name))
            text = f"{searched}, none contradicts the leading hypothesis noticeably more often than the other items."
            sentences.append(Sentence(text, (*place, "looked_at"), claims=[claim]))
        elif group["p"] >= MISFIT:
            claim = holds(functools.partial(_worse, name=name))
            text = f"{searched}, '{group['words']}' fits worst (p = {group['p']:.3g}, no misfit)."
            sentences.append(Sentence(text, (*place, "looked_at"), (*place, "p"), claims=[claim]))
            text = (
                f"There {percent(group['contradicted'])} of {group['n']:,} labels contradict the leading hypothesis, elsewhere "
                f"{percent(group['elsewhere'])}."
            )
            sentences.append(Sentence(text, place, claims=[claim]))
    return sentences


def _alike(document: Document, name: str) -> bool:
    return not _worse(document, name, 0.002)


def _worse(document: Document, name: str, least: float = 0.0) -> bool:
    """Return whether the worst subgroup contradicts the leader more than others."""
    group = document["subgroups"][name]
    return bool(group["elsewhere"] is not None and group["contradicted"] - group["elsewhere"] > least)


def _table(document: Document) -> PaperTable:
    columns = with_errors(
        Column("feedback", "feedback"),
        Column("subgroup", "subgroup"),
        Column("n", "items", "count"),
        share("contradicted", "contradicted"),
        share("elsewhere", "elsewhere"),
        Column("statistic", "statistic", "number"),
        Column("p", "p", "number", error="mcse"),
        Column("looked_at", "looked at", "count"),
        Column("replications"),
    )
    groups = document["subgroups"].items()
    rows = cells(columns, (group | {"feedback": name, "subgroup": group["words"] or "none"} for name, group in groups))
    caption = (
        "The subgroup of items, by up to two features, that fits the leading hypothesis worst: contradicted labels there and "
        "elsewhere, the root of their deviance, and the share of replications as bad."
    )
    return PaperTable("subgroups", "Where labels fit worst", caption, columns, rows)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    checks = document["predictive_check"]
    titles = [
        f"{style.short(name)}: p = {check['p']:.3g}\n{style.wrapped(check['what'], 44)}"
        for name, check in checks.items()
    ]
    lines = sum(title.count("\n") for title in titles)
    fig, axes = style.figure(style.COLUMN, 0.55 + 1.1 * len(checks) + 0.12 * lines, rows=len(checks))
    for ax, title, check in zip(axes, titles, checks.values(), strict=True):
        histogram = check["replicated"]
        edges = np.linspace(histogram["low"], histogram["high"], len(histogram["counts"]) + 1)
        shares = np.array(histogram["counts"]) / check["replications"]
        draw_predictive_check(ax, edges, shares, check["statistic"], title)
    style.legend(fig, axes[0])
    return fig


def _informs(document: Document) -> bool:
    """Return whether any statistic varies, over replications or between them and data."""
    ends = (
        (check["statistic"], *(check["replicated"][end] for end in ("low", "high")))
        for check in document["predictive_check"].values()
    )
    return any(len(set(numbers)) > 1 for numbers in ends)


def _caption(document: Document) -> tuple[str, str]:
    marks = Sentence("p is the share of replications that are at least as extreme as the data.", claims=[_CHECKED])
    if document["misfit"]:
        claim = holds(lambda d: len(d["misfit"]) > 0)
        return Sentence("The data differ from replications by the fitted model.", claims=[claim]), marks
    return Sentence("The data resemble replications by the fitted model.", claims=[holds(_fits)]), marks


_CHECKED = holds(lambda d: all(0 <= check["p"] <= 1 for check in d["predictive_check"].values()))


CHECK = Plot("predictive_check", _draw, _caption, _informs)
