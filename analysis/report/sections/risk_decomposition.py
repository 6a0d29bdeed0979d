"""Parts of the risk, by the hypothesis of the agent and the hypothesis meant."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reward_hypotheses.analysis.report.phrases import (
    DRAWS_ONE,
    LEAST,
    counted,
    error_of,
    percent,
    weightiest,
    zeros_note,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import (
    MOST_HYPOTHESES,
    Column,
    PaperTable,
    cells,
    estimated_share,
    share,
    with_errors,
)

MOST = 4
"""Parts that are named."""
WRITTEN = 8
"""Hypotheses up to which the cells of the matrix hold their numbers."""
NUMBERS = ("risk", "left", "removed")


def present(document: Document) -> Iterator[Presentation]:
    """Present the parts of the risk and its matrix, where there is a test."""
    if document["risk"] is None:
        return
    tables = [] if document["risk_parts"] is None else [_parts_table(document)]
    yield Presentation("risk_parts", "number", _parts(document), tables)
    yield Presentation("matrix", "number", [Part("figure", name=MATRIX.name)], [_matrix_table(document)], MATRIX)


class Contribution(NamedTuple):
    """A part of the risk: ``risk = sum_ij w_i v_j C_ij``.

    The sum is over the agent's hypothesis i and the true hypothesis j.
    """

    agent: str
    truth: str
    agent_weight: float
    weight: float
    share: float

    @property
    def risk(self) -> float:
        """Share of all scenes that end in a catastrophe in this way."""
        return self.agent_weight * self.weight * self.share


def contributions(document: Document) -> list[Contribution]:
    """Return the parts of the risk, largest first.

    Only the risk of an agent that draws one hypothesis from its weights has such parts.
    """
    if document["risk"] is None or document["agent"]["policy"] not in DRAWS_ONE:
        return []
    agent_weights, weights = document["agent_weights"], document["weights"]
    parts = [
        Contribution(i, j, agent_weights[i], weights[j], c)
        for i, row in document["matrix"].items()
        for j, c in row.items()
    ]
    return sorted((part for part in parts if part.risk > 0), key=lambda part: -part.risk)


def _parts(document: Document) -> list[Part]:
    parts = contributions(document)
    if not parts:
        return []
    large = [part for part in parts if part.risk >= LEAST][:MOST] or parts[:1]
    entries = [
        f"{percent(part.risk)}: the agent took up {part.agent!r} ({percent(part.agent_weight)}) while people mean {part.truth!r} "
        f"({percent(part.weight)}), which ends in a catastrophe in {percent(part.share)} of scenes"
        f"{what_stays(document, part.agent, part.truth)}"
        for part in large
    ]
    rest = parts[len(large) :]
    if rest:
        entries.append(f"{percent(sum(part.risk for part in rest))}: {counted(len(rest), 'smaller part')}")
    return [*texts(f"So the risk of {percent(document['risk']['mean'])} is made of:"), Part("list", entries=entries)]


def what_stays(document: Document, agent: str, truth: str) -> str:
    """Return the effect of endless training on a part of the risk, to follow it.

    The text is empty where it is not known.
    """
    parts = (document["risk_parts"] or {}).get("pairs") or ()
    part = next((p for p in parts if (p["agent"], p["truth"]) == (agent, truth)), None)
    if part is None:
        return ""
    if agent == truth:
        return "; nothing on offer there is better, or the policy does not take it"
    if part["silent"]:
        left = part["left"]
        stays = "removes none of this" if abs(left - part["risk"]) < LEAST else f"would leave {percent(left)} here"
        if left > part["risk"] + LEAST:
            stays += " (more, because the weight of what it rules out moves to the others)"
        return f"; training is silent between the two, so endless training {stays}"
    if part["left"] > 0:
        return "; more training leaves it, for the agent goes by listed rules alone"
    return "; more training would tell the two apart"


def _parts_table(document: Document) -> PaperTable:
    """Return the risk as a sum over pairs of hypotheses, or over classes."""
    parts, zero = document["risk_parts"], document["risk"]["upper_of_zero"]
    by_pair = parts["pairs"] is not None
    first: tuple[Column, ...] = (Column("hypotheses", "people mean one of"), share("weight", "weight"))
    if by_pair:
        first = (Column("agent", "the agent took up"), Column("truth", "people mean"), Column("silent", "silent"))
    columns = with_errors(
        *first,
        estimated_share("risk", "now", zero),
        estimated_share("left", "left", zero),
        estimated_share("removed", "removed"),
    )

    def row(part: Mapping[str, Any], *path: str | int) -> dict[str, Any]:
        return {**part, **{f"{name}_mcse": error_of(document, "risk_parts", *path, name) for name in NUMBERS}}

    rest = parts["others"]
    if by_pair:
        rows = [row(part, "pairs", k) for k, part in enumerate(parts["pairs"])]
        if rest["pairs"]:
            rows.append(row(rest, "others") | {"agent": f"{rest['pairs']} other pairs", "truth": "", "silent": None})
    else:
        classes = ({**part, "hypotheses": ", ".join(part["hypotheses"])} for part in parts["classes"])
        rows = [row(part, "classes", k) for k, part in enumerate(classes)]
    caption = (
        "The risk as a sum: what is caught up in it now, what endless training of this kind would leave, and what it would "
        "remove. A part can grow, its removed below 0: the weight of what is ruled out moves to the others. Silent: training cannot "
        "tell the two apart."
    )
    return PaperTable("risk_parts", "What the risk is made of", caption, columns, cells(columns, rows))


def _matrix_table(document: Document) -> PaperTable:
    names, matrix, weights = document["hypotheses"], document["matrix"], document["weights"]
    columns = (
        Column("agent_hypothesis", "the agent takes up"),
        *(Column(name, name, "share", "%", rank=weights[name]) for name in names),
    )
    return PaperTable(
        "matrix",
        "Risk by what is taken up and what is true",
        "Share of scenes with a catastrophe, by the hypothesis that the agent takes up and the one that is true.",
        columns,
        tuple((agent, *(matrix[agent][truth] for truth in names)) for agent in names),
        over="true hypothesis",
        notes=zeros_note(document, [matrix[agent][truth] for agent in names for truth in names]),
        ranks=tuple(weights[name] for name in names),
        most=MOST_HYPOTHESES,
    )


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    from reward_hypotheses.analysis.report import figure_style as style

    names = weightiest(document, style.MOST)
    cells = np.array([[document["matrix"][agent][truth] for truth in names] for agent in names])
    size = max(2.2, 0.45 * len(names) + 1.4)
    fig, ax = style.figure(min(style.PAGE, max(style.COLUMN, size + 0.6)), size)
    ax.pcolormesh(cells, cmap=style.DARKENING, vmin=0, vmax=1, edgecolors=style.MUTED, linewidth=0.4)
    ax.invert_yaxis()
    if len(names) <= WRITTEN:
        for (i, j), cell in np.ndenumerate(cells):
            ax.text(j + 0.5, i + 0.5, percent(float(cell)), ha="center", va="center", color=style.ON_CELL, fontsize=7)
    columns, rows = [style.short(name, 18) for name in names], [style.short(name) for name in names]
    style.cell_labels(ax, columns, rows, slanted=len(names) > 2)
    ax.set_xlabel("... where this one is true")
    ax.set_ylabel("an agent certain of this one ...")
    return fig


def _caption(document: Document) -> tuple[str, str]:
    caption = "Share of the test's scenes in which an agent certain of the row's hypothesis does worse than failing, where the column's is true."
    if document["dangerous_pairs"]:
        pair = document["dangerous_pairs"][0]
        return (
            f"Taking up {pair['agent']!r} where {pair['truth']!r} is true is a catastrophe in {percent(pair['risk'])} of scenes, and "
            "training cannot tell which is true.",
            caption,
        )
    if not document["silent_pairs"]:
        return "What an agent does that takes up one of them, were another true.", caption
    return "No two hypotheses that training cannot tell apart are dangerous for one another.", caption


MATRIX = Plot("matrix", _draw, _caption)
