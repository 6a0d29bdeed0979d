"""People who differ: the risk by their own rewards, by group, and who is harmed."""

from collections.abc import Iterator
from typing import Any

from reward_hypotheses.analysis.report.claims import Sentence, holds
from reward_hypotheses.analysis.report.phrases import counted, percent
from reward_hypotheses.analysis.report.presentation import Document, Presentation, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, share, with_errors

LISTED = 40
"""Raters in a table on paper, of the highest risks."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the risk by the rewards of the raters."""
    people = document.get("people")
    if not people:
        return
    found = [_everyone(people), *_groups(people), *_harmed(people)]
    yield Presentation(
        "people",
        "people",
        texts(*found),
        [*_table_of_groups(people), _table_of_raters(people)],
        terminal=found,
        finding=found[0],
    )


def _everyone(people: Any) -> Sentence:
    n = people["raters"] + people["unnamed"]
    worst, mean = people["worst_off"], people["everyone"]
    text = (
        f"By the rewards of {counted(n, 'rater')}, the risk is {percent(mean['mean'])} on average, and {percent(worst['mean'])} "
        f"({percent(worst['lower'])} to {percent(worst['upper'])}) for the tenth of them whom the agent serves worst."
    )
    more = holds(lambda d: d["people"]["worst_off"]["mean"] >= d["people"]["everyone"]["mean"] - 1e-12)
    reads = [("people", "everyone", "mean"), *(("people", "worst_off", key) for key in ("mean", "lower", "upper"))]
    return Sentence(text, ("people", "raters"), ("people", "unnamed"), *reads, claims=[more])


def _groups(people: Any) -> list[Sentence]:
    groups = people["by_group"]
    if len(groups) < 2:
        return []
    order = sorted(groups, key=lambda name: -groups[name]["mean"])
    first, last = order[0], order[-1]
    apart = groups[first]["lower"] > groups[last]["upper"]
    if not apart:
        text = "The risk does not differ between groups by more than its uncertainty."
        reads = [("people", "by_group", name, key) for name in (first, last) for key in ("lower", "upper")]
        alike = holds(lambda d: d["people"]["by_group"][first]["lower"] <= d["people"]["by_group"][last]["upper"])
        return [Sentence(text, *reads, claims=[alike])]
    text = (
        f"It is {percent(groups[first]['mean'])} by the rewards of group {first!r} and {percent(groups[last]['mean'])} by those of "
        f"group {last!r}."
    )
    reads = [("people", "by_group", name, "mean") for name in (first, last)]
    more = holds(lambda d: d["people"]["by_group"][first]["lower"] > d["people"]["by_group"][last]["upper"])
    return [Sentence(text, *reads, claims=[more])]


def _harmed(people: Any) -> list[Sentence]:
    tenth, half = people["harmed"]["0.1"], people["harmed"]["0.5"]
    text = (
        f"In {percent(tenth['mean'])} of scenes the outcome is a catastrophe for at least a tenth of the raters, and in "
        f"{percent(half['mean'])} for at least half of them."
    )
    reads = [("people", "harmed", "0.1", "mean"), ("people", "harmed", "0.5", "mean")]
    more = holds(lambda d: d["people"]["harmed"]["0.1"]["mean"] >= d["people"]["harmed"]["0.5"]["mean"] - 1e-12)
    return [Sentence(text, *reads, claims=[more])]


RISK = (share("mean", "risk", error="mcse"), share("lower", "lower"), share("upper", "upper"))


def _table_of_groups(people: Any) -> list[PaperTable]:
    rows = [{"group": name, **of} for name, of in people["by_group"].items()]
    if len(rows) < 2:
        return []
    columns = with_errors(Column("group", "group"), Column("raters", "raters", "count"), *RISK)
    title, caption = (
        "Risk by group",
        "Catastrophe risk by the rewards of each group of raters, with credible intervals.",
    )
    return [PaperTable("risk_by_group", title, caption, columns, cells(columns, rows))]


def _table_of_raters(people: Any) -> PaperTable:
    answers = Column("answers", "answers", "count")
    columns = with_errors(Column("rater", "rater"), Column("group", "group"), answers, *RISK)
    shown = "" if people["shown"] else " Raters are shown by pseudonym."
    caption = f"Catastrophe risk by the rewards of each rater, the highest first, with credible intervals.{shown}"
    rows = cells(columns, people["by_rater"])
    return PaperTable("risk_by_rater", "Risk by rater", caption, columns, rows, most=LISTED)
