"""Fit: predictive checks, subgroups where labels fit worst, misfits and warnings."""

from collections.abc import Iterator

from reward_hypotheses.analysis.report.phrases import capital, counted, misfits, other_warnings, percent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, share, with_errors

MISFIT = 0.01
"""Level of the check of subgroups."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the checks of the fit to the training data, and all warnings."""
    against = [f"But {misfit}." for misfit in [*misfits(document), *_by_degree(document)]]
    yield Presentation("misfits", "misfits", texts(*against), terminal=against)
    tables = [_table(document)] if document.get("subgroups") else []
    yield Presentation("subgroups", "fit", texts(*_misfit(document), *subgroups(document)), tables)
    figure = CHECK if document["predictive_check"] else None
    yield Presentation("predictive_check", "fit", [Part("figure", name=CHECK.name)], figure=figure)
    warnings = other_warnings(document, document["warnings"])
    parts = [*texts("Mind, too:"), Part("list", entries=warnings)] if warnings else []
    yield Presentation("warnings", "fit", parts)
    yield Presentation("warnings", "warnings", terminal=[f"- {warning}" for warning in warnings])


def _by_degree(document: Document) -> list[str]:
    """Return the risk without evidence that rests on degrees alone, in words."""
    found = document.get("degree_pairs")
    if not found or not found["pairs"] or found["risk"] is None:
        return []
    (first, second), risk = found["pairs"][0]["pair"], found["risk"]
    ends = "" if risk["all"] is None else f" ({' to '.join(map(percent, risk['all']))})"
    return [
        f"training tells {first!r} and {second!r} apart only by how far options differ: without that evidence the risk is "
        f"{percent(risk['mean'])}{ends}"
    ]


def _misfit(document: Document) -> list[str]:
    return [f"{capital(misfit)}." for misfit in document["misfit"]] or [
        "The check that was made finds no misfit: the training data look like replications of them by the fitted model. "
        "It cannot see what the data are silent about."
    ]


def subgroups(document: Document) -> list[str]:
    """Return the worst-fitting subgroup of each feedback with labels.

    A subgroup that is a misfit is listed among the misfits instead.
    """
    sentences = []
    for name, group in (document.get("subgroups") or {}).items():
        searched = f"{name}: {counted(group['looked_at'], 'subgroup')} of items, by up to two features, were looked at"
        if group["words"] is None:
            sentences.append(f"{searched}; none contradicts the leading hypothesis more often than the rest does.")
        elif group["p"] >= MISFIT:
            sentences.append(
                f"{searched}. Labels contradict the leading hypothesis most where {group['words']} ({percent(group['contradicted'])} of "
                f"{group['n']:,}; {percent(group['elsewhere'])} elsewhere), as badly as the worst subgroup of a replication in "
                f"{percent(group['p'])} of cases: no misfit."
            )
    return sentences


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
        "The subgroup of items, by up to two features, whose labels contradict the leading hypothesis the most: the share that do "
        "there and elsewhere, the root of the deviance between the two, and how often the worst subgroup of a replication is as bad."
    )
    return PaperTable("subgroups", "Where labels fit worst", caption, columns, rows)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    from reward_hypotheses.analysis.report import figure_style as style

    checks = document["predictive_check"]
    statistics = [style.wrapped(check["what"], 46) for check in checks.values()]
    lines = sum(text.count("\n") for text in statistics)
    fig, axes = style.figure(style.COLUMN, 0.55 + 1.1 * len(checks) + 0.12 * lines, rows=len(checks))
    for ax, statistic, (name, check) in zip(axes, statistics, checks.items(), strict=True):
        histogram = check["replicated"]
        edges = np.linspace(histogram["low"], histogram["high"], len(histogram["counts"]) + 1)
        shares = np.array(histogram["counts"]) / check["replications"]
        ax.stairs(shares, edges, fill=True, color=style.SKY, label="replications by the model")
        ax.axvline(check["statistic"], color=style.VERMILION, linewidth=2, label="the data")
        ax.set_ylabel("share of\nreplications")
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.set_title(f"{style.short(name)}: p = {check['p']:.3g}", loc="left")
        ax.set_xlabel(statistic)
    style.legend(fig, axes[0])
    return fig


def _caption(document: Document) -> tuple[str, str]:
    caption = (
        "The data beside replications of them by the fitted model; p is the share of replications at least as extreme as the "
        "data: near 0 it is a misfit."
    )
    if document["misfit"]:
        return "The training data do not look like what the model would make.", caption
    return "The training data look like what the model would make.", caption


CHECK = Plot("predictive_check", _draw, _caption)
