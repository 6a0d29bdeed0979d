"""Sensitivity of the risk to the prior, the failure line and bits of human values."""

from collections.abc import Iterator

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.report_figures.failure_line import draw_risk_by_line
from reward_hypotheses.analysis.report.claims import Sentence, holds
from reward_hypotheses.analysis.report.phrases import error_of, listed, percent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Grid, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sentences.sensitivity import (
    bits,
    bounds,
    deployments,
    line_finding,
    line_moved,
    lowest,
    other_values,
    regret,
)
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors


def present(document: Document) -> Iterator[Presentation]:
    """Present what else the risk depends on, where there is a test."""
    if document["risk"] is None:
        return
    for name, sentence in (
        ("deployments", deployments(document)),
        ("regret", regret(document)),
        ("floor", lowest(document)),
    ):
        yield Presentation(name, "precision", more=texts(sentence), terminal=[sentence] if sentence else [])
    if document["risk_bounds"]:
        sentences = bounds(document)
        terminal: list[str | Grid] = [_bounds_grid(document), *_fixed_agent(document)]
        yield Presentation(
            "bounds",
            "values",
            texts(*sentences[:1]),
            [_bounds_table(document)],
            None,
            terminal,
            more=texts(*sentences[1:], *_fixed_agent(document)),
        )
    others = other_values(document)
    shown, more = texts(*others[:1]), texts(*others[1:])
    yield Presentation("tipping", "values", shown, [_tipping_table(document)], terminal=others, more=more)
    curve = document.get("risk_by_line")
    if curve and curve["at"] is not None:
        parts = [Part("figure", name=BY_LINE.name)]
        finding = line_finding(document)
        yield Presentation("risk_by_line", "line", parts, [_line_table(document)], BY_LINE, finding=finding)
    needed = bits(document)
    tables = [_bits_table(document)] if _some_bits(document) else []
    if needed or tables:
        yield Presentation("bits", "limit", [] if tables else texts(*needed), tables, terminal=needed)


def _fixed_agent(document: Document) -> list[Sentence]:
    """Return that the bounds keep the agent as it is, where its prior is the judge's."""
    if document["agent"]["prior"] != "values":
        return []
    claim = holds(lambda d: d["agent"]["prior"] == "values")
    return [
        Sentence("The agent's weights are kept fixed here, although the agent uses the same prior.", claims=[claim])
    ]


def _some_bits(document: Document) -> bool:
    """Return whether a target of the risk can be reached by some number of bits."""
    by_truth = (bits for target in document["value_bits"] for bits in document["value_bits_by_truth"][target].values())
    return any(bits is not None for bits in [*document["value_bits"].values(), *by_truth])


def _bits_table(document: Document) -> PaperTable:
    by_truth, weights, names = document["value_bits_by_truth"], document["weights"], document["hypotheses"]
    of_agent = document["value_bits_of_agent"] or {}
    columns = [
        Column("target_risk", "target risk", "level", "%"),
        Column("bits", "uniform prior", "number", "bits", error="mcse"),
        Column("mcse"),
        Column("bits of this agent", "this agent", "number", "bits", error="mcse of this agent"),
        Column("mcse of this agent"),
    ]
    for name in names:
        error, rank = f"mcse if {name}", weights[name]
        columns.append(Column(f"bits if {name}", f"if {name}", "number", "bits", error=error, rank=rank))
        columns.append(Column(error, rank=rank))
    rows = []
    for target, value in document["value_bits"].items():
        row = [float(target), value, error_of(document, "value_bits", target), of_agent.get(target)]
        row.append(error_of(document, "value_bits_of_agent", target) if of_agent else None)
        for name in names:
            row += [by_truth[target][name], error_of(document, "value_bits_by_truth", target, name)]
        rows.append(tuple(row))
    caption = (
        "Information about human values that brings an agent of uniform prior to a target risk, averaged over the posterior and by "
        "true hypothesis, and for this agent. Dash: no amount does."
    )
    return PaperTable("bits", "Bits of human values", caption, tuple(columns), tuple(rows))


def _bounds_grid(document: Document) -> Grid:
    zero = document["risk"]["upper_of_zero"]
    rows = [
        [f"{100 * float(e):g}%", *(percent(x, zero) for x in (*ends, document["risk_bounds_unlisted"][e]))]
        for e, ends in document["risk_bounds"].items()
    ]
    return Grid(["prior misspecification", "lowest risk", "highest risk", "if unlisted"], rows)


def _bounds_table(document: Document) -> PaperTable:
    zero = document["risk"]["upper_of_zero"]
    bounds = (
        ("lower", "lowest risk"),
        ("upper", "highest risk"),
        ("unlisted", "highest risk if the true reward is not listed"),
    )
    columns = (
        Column("contamination", "prior misspecification", "level", "%"),
        *(estimated_share(key, words, zero) for key, words in bounds),
    )
    rows = tuple(
        (
            float(e),
            *ends,
            document["risk_bounds_unlisted"][e],
            *(error_of(document, "risk_bounds", e, end) for end in (0, 1)),
            error_of(document, "risk_bounds_unlisted", e),
        )
        for e, ends in document["risk_bounds"].items()
    )
    caption = (
        "Bounds of the risk if a share of the prior is replaced by any prior over the same hypotheses, or by a true reward that is "
        "not listed."
    )
    return PaperTable("bounds", "Risk under a wrong prior", caption, with_errors(*columns), rows)


def _tipping_table(document: Document) -> PaperTable:
    targets = list(document["value_bits"])
    columns = (
        Column("hypothesis", "hypothesis"),
        share("prior", "prior"),
        estimated_share("leads_from", "leads from"),
        *(share(f"risk {t}", f"risk {100 * float(t):g}%", error=f"risk {t} mcse") for t in targets),
    )
    rows = tuple(
        (
            name,
            document["prior"][name],
            point["leads_from"],
            *(point["risk_at"][t] for t in targets),
            error_of(document, "tipping", name, "leads_from"),
            *(error_of(document, "tipping", name, "risk_at", t) for t in targets),
        )
        for name, point in document["tipping"].items()
    )
    caption = (
        "Prior weights that tip the answer, the other weights in proportion and the agent fixed: where the hypothesis starts to "
        "lead the posterior, and where the risk meets a target. Dash: no weight does."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    return PaperTable("tipping", "Tipping points", caption, with_errors(*columns), rows, ranks=ranks)


def _line_table(document: Document) -> PaperTable:
    curve, zero = document["risk_by_line"], document["risk"]["upper_of_zero"]
    columns = (
        Column("moved", "failing is worth", "number"),
        estimated_share("risk", "risk", zero),
        Column("lead", "leading hypothesis"),
    )
    rows = tuple(
        (t, risk, lead, error_of(document, "risk_by_line", "risk", k))
        for k, (t, risk, lead) in enumerate(zip(curve["at"], curve["risk"], curve["lead"], strict=True))
    )
    again = f" {listed(curve['refitted'], 3)} weighed again at each line." if curve["refitted"] else ""
    caption = f"Risk with the failure line moved by standard deviations of the rewards on the test. The agent stays fixed.{again}"
    return PaperTable("risk_by_line", "Risk by the failure line", caption, with_errors(*columns), rows)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    curve = document["risk_by_line"]
    fig, ax = style.figure(style.COLUMN, 1.9)
    at, risk = np.array(curve["at"]), np.array(curve["risk"], float)
    draw_risk_by_line(ax, at, risk, document["risk"]["mean"], curve.get("on_line") or 0.0)
    style.legend(fig, ax)
    return fig


def _informs(document: Document) -> bool:
    return not style.alike(document["risk_by_line"]["risk"])


def _caption(document: Document) -> tuple[str, str]:
    marks = "The judge's weights follow the line; the agent and its training data stay as they are."
    return line_moved(document), Sentence(marks)


BY_LINE = Plot("risk_by_line", _draw, _caption, _informs)
