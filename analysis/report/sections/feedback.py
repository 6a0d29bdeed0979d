"""Evidence by feedback: nats of each feedback alone, and agreement of feedbacks."""

import math
from collections.abc import Iterator, Sequence

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.report_figures.evidence_by_feedback import FAR, draw_evidence_by_feedback
from reward_hypotheses.analysis.report.claims import Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import (
    capital,
    error_of,
    listed,
    named_with_human,
    pair_ranks,
    weightiest,
)
from reward_hypotheses.analysis.report.presentation import (
    Document,
    Figure,
    Part,
    Plot,
    Presentation,
    Tree,
    texts,
)
from reward_hypotheses.analysis.report.sentences.quotations import whole_sentence
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, share, with_errors

MOST = 8
"""Hypotheses in the figure."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the evidence by feedback, where there are several."""
    by_feedback = document["evidence_by_feedback"]
    if by_feedback is None:
        return
    names = _names(document)
    place = ("evidence_by_feedback", "given_others")
    agreement = [whole_sentence(document, (*place, name, "words"), name, names[name]) for name in names]
    parts = [Part("figure", name=BY_FEEDBACK.name)]  # contradictions stand above the risk
    head = Sentence("What each feedback favours, and its agreement with the other feedback:", claims=[_SEVERAL])
    more = [*texts(head), Part("list", entries=agreement)]
    tables = [_nats_table(document), _pairs_table(document), _agreement_table(document)]
    yield Presentation(
        "feedback", "feedback", parts, tables, BY_FEEDBACK, agreement, finding=_finding(document), more=more
    )


def _names(document: Document) -> dict[str, str]:
    """Return feedbacks with their humans."""
    return {
        name: named_with_human(name, document["feedback"][name]) for name in document["evidence_by_feedback"]["nats"]
    }


def _together(document: Document) -> Column:
    """Return the column of the evidence that belongs to no single feedback.

    It stands on paper only where there is such evidence.
    """
    together = document["evidence_by_feedback"]["together"].values()
    shared = any(value is None or abs(value) > 1e-9 for value in together)
    return Column("together", "together" if shared else None, "number", "nats")


def _nats_table(document: Document) -> PaperTable:
    by_feedback, names, together = document["evidence_by_feedback"], _names(document), _together(document)
    nats, mcse = by_feedback["nats"], by_feedback["mcse"]
    columns = (
        Column("hypothesis", "hypothesis"),
        *(Column(f"by {name}", words, "number", "nats", error=f"mcse by {name}") for name, words in names.items()),
        together,
        Column("log_evidence", "all", "number", "nats", error="log_evidence_mcse"),
    )
    rows = tuple(
        (
            hypothesis,
            *(nats[name][hypothesis] for name in names),
            by_feedback["together"][hypothesis],
            document["log_evidence"][hypothesis],
            *(mcse[name][hypothesis] for name in names),
            error_of(document, "log_evidence", hypothesis),
        )
        for hypothesis in document["hypotheses"]
    )
    extra = (
        " Together: the joint effect of feedbacks that share a human or continuous weights." if together.words else ""
    )
    caption = f"Log evidence of each hypothesis from each feedback alone. Compare numbers within a column.{extra}"
    ranks = tuple(document["weights"][row[0]] for row in rows)
    title = "What each feedback says"
    return PaperTable("evidence_by_feedback", title, caption, with_errors(*columns), rows, ranks=ranks)


def _pairs_table(document: Document) -> PaperTable:
    names, pairs = _names(document), document["evidence_by_feedback"]["pairs"]
    columns = (
        Column("first", "first"),
        Column("second", "second"),
        Column("values", "values", "number", "nats"),
        *(Column(f"by {name}", words, "number", "nats") for name, words in names.items()),
        _together(document),
        Column("all", "all", "number", "nats"),
    )
    caption = "What the prior and each feedback add to the log odds of the first hypothesis over the second."
    rows = tuple(
        (*pair["pair"], pair["values"], *(pair["feedback"][name] for name in names), pair["together"], pair["all"])
        for pair in pairs
    )
    ranks = pair_ranks(document, [pair["pair"] for pair in pairs])
    return PaperTable("pairs_by_feedback", "What tells two hypotheses apart", caption, columns, rows, ranks=ranks)


def _agreement_table(document: Document) -> PaperTable:
    columns = with_errors(
        Column("feedback", "feedback"),
        Column("favours", "favours"),
        Column("others_favour", "others favour"),
        Column("agreement", "agreement", "number", "nats", error="mcse"),
        share("chance_at_most", "chance at most"),
        Column("p", "own check, p", "number", error="p_mcse"),
    )
    rows = tuple(
        (
            name,
            ", ".join(entry["favours"]) or "none",
            ", ".join(entry["others_favour"]),
            *(entry[column.key] for column in columns[3:]),
        )
        for name, entry in document["evidence_by_feedback"]["given_others"].items()
    )
    caption = (
        "Agreement: log Bayes factor of a feedback's data with the other feedback over the prior alone; the greatest probability "
        "of so little agreement; and its predictive check given the others."
    )
    return PaperTable("agreement", "Does the feedback agree?", caption, columns, rows)


def _behind(logs: Sequence[float | None]) -> list[float]:
    """Return by how many nats each log weight lies behind the best; inf for None."""
    best = max((x for x in logs if x is not None), default=0.0)
    return [math.inf if x is None else best - x for x in logs]


def _cells(document: Document) -> tuple[list[str], list[list[float]]]:
    """Return the hypotheses, and the nats behind the best of each row of the figure."""
    names, nats = weightiest(document, MOST), document["evidence_by_feedback"]["nats"]
    prior = [math.log(p) if (p := document["prior"][n]) else None for n in names]
    evidence = [document["log_evidence"][n] for n in names]
    both = [None if e is None or p is None else e + p for e, p in zip(evidence, prior, strict=True)]
    return names, list(map(_behind, [prior, *([by[n] for n in names] for by in nats.values()), both]))


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    names, cells = _cells(document)
    rows = ["the values", *_names(document).values(), "all together"]
    width = min(style.PAGE, max(style.COLUMN, 0.72 * len(names) + 1.7))
    fig, ax = style.figure(width, 0.34 * len(rows) + 1.1)
    draw_evidence_by_feedback(ax, names, rows, np.array(cells))
    return fig


def _informs(document: Document) -> bool:
    cells = [min(nats, FAR) for row in _cells(document)[1] for nats in row]
    return not style.alike(cells, FAR)


def _contradicted(document: Document) -> list[str]:
    entries = document["evidence_by_feedback"]["given_others"].items()
    return [name for name, entry in entries if entry["contradicted"]]


def _finding(document: Document) -> Sentence:
    """Return the heading of the chapter.

    Feedback that contradicts the rest, or tells nothing.
    """
    by_feedback = document["evidence_by_feedback"]
    contradicted = _contradicted(document)
    if contradicted:
        verb = "contradicts" if len(contradicted) == 1 else "contradict"
        claim = holds(lambda d: all(_chance(d, name) < 0.01 for name in contradicted))
        text = f"{capital(listed(contradicted, 2))} {verb} the other feedback"
        return Sentence(text, len(contradicted) - 2, claims=[claim])
    if by_feedback["contradictions"]:
        claim = holds(lambda d: len(d["evidence_by_feedback"]["contradictions"]) > 0)
        return Sentence("Two of the feedbacks contradict each other", claims=[claim])
    silent = [name for name, entry in by_feedback["given_others"].items() if not entry["favours"]]
    if silent:
        verb = "does" if len(silent) == 1 else "do"
        claim = holds(lambda d: not any(d["evidence_by_feedback"]["given_others"][name]["favours"] for name in silent))
        text = f"{capital(listed(silent, 2))} {verb} not distinguish the hypotheses"
        return Sentence(text, len(silent) - 2, claims=[claim])
    claim = holds(lambda d: all(_chance(d, name) >= 0.01 for name in d["evidence_by_feedback"]["given_others"]))
    return Sentence("No feedback contradicts the other feedback", claims=[claim])


def _chance(document: Document, name: str) -> float:
    return float(document["evidence_by_feedback"]["given_others"][name]["chance_at_most"])


def _caption(document: Document) -> tuple[str, str]:
    n, rows = len(document["hypotheses"]), len(document["evidence_by_feedback"]["nats"])
    marks = Sentence(
        "0 marks the hypothesis that a row favours, other cells the nats behind it; 2.3 nats are a factor of 10.",
        0,
        math.log(10),
        10,
    )
    sentences = [marks, Sentence("The last row combines the prior and all feedback.", claims=[_SEVERAL])]
    if n > MOST:
        text = f"The figure shows the {MOST} of {n:,} hypotheses with the greatest weights."
        claim = holds(lambda d: len(d["hypotheses"]) > MOST)
        sentences.append(Sentence(text, MOST, lambda d: len(d["hypotheses"]), claims=[claim]))
    title = Sentence(f"Evidence of {rows} feedbacks, in nats.", rows)
    return title, paragraph(*sentences)


_SEVERAL = holds(lambda d: len(d["evidence_by_feedback"]["nats"]) > 1)


BY_FEEDBACK = Plot("evidence_by_feedback", _draw, _caption, _informs)
