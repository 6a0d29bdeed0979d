"""Evidence and prior: weights of the hypotheses and log odds of their pairs.

The module also presents the hypotheses that are observationally equivalent in training.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.claims import (
    Sentence,
    below,
    exceeds,
    holds,
    paragraph,
)
from reward_hypotheses.analysis.report.phrases import (
    at,
    error_of,
    listed,
    pair_ranks,
    percent,
    silent_groups,
    weightiest,
)
from reward_hypotheses.analysis.report.presentation import (
    Axes,
    Document,
    Figure,
    Grid,
    Part,
    Plot,
    Presentation,
    Tree,
    folded,
    texts,
)
from reward_hypotheses.analysis.report.sentences.evidence import INTEGRATED as INTEGRATED
from reward_hypotheses.analysis.report.sentences.evidence import (
    NO_SILENCE,
    ONE,
    equal_evidence,
    evidence,
    finding,
    sampling,
    strongest,
)
from reward_hypotheses.analysis.report.sentences.feature_weights import features, features_table
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors

if TYPE_CHECKING:
    import numpy as np

LISTED = 12
"""Hypotheses on the terminal."""
LINEAR = 12
"""Nats beyond which the axis of log odds is logarithmic."""


def present(document: Document) -> Iterator[Presentation]:
    """Present weights, pairs, weights of features, and how the evidence was computed."""
    yield Presentation("hypotheses", "evidence", terminal=[_grid(document)])
    sentences, groups = evidence(document), silent_groups(document["silent_pairs"])
    in_heading = len(groups[0]) == 2 if groups else len(sentences) == 1
    parts, more = folded(sentences[in_heading:])
    yield Presentation(
        "evidence", "evidence", texts(*parts), more=texts(*more), terminal=sentences, finding=finding(document)
    )
    figure = PAIRS if document["pairs"] else None
    yield Presentation("pairs", "evidence", [Part("figure", name=PAIRS.name)], [_pairs_table(document)], figure)
    yield Presentation("weights", "evidence", [Part("figure", name="weights")], [_weights_table(document)], WEIGHTS)
    if document["reward_weights"]:
        tables = [features_table(document)]
        yield Presentation("reward_weights", "evidence", tables=tables, more=features(document))
    yield Presentation("sampling", "evidence", more=texts(*sampling(document)))


def _grid(document: Document) -> Grid:
    risk, zero = document["risk"], at(document["risk"], ["upper_of_zero"])
    heads = ["", "prior", "weight", "", "agent", *(["risk if true"] if risk else [])]
    rows: list[list[str | float]] = []
    names = weightiest(document, LISTED)
    for name in names:
        weight, agent = document["weights"][name], document["agent_weights"][name]
        rows.append([name, percent(document["prior"][name]), percent(weight), weight, percent(agent)])
        if risk:
            rows[-1].append(percent(document["risk_by_truth"][name], zero))
    more = len(document["hypotheses"]) - len(names)
    return Grid(heads, [*rows, *([[f"and {more} more"]] if more else [])], widest=24)


def _weights_table(document: Document) -> PaperTable:
    names, risk = document["hypotheses"], document["risk"]
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("reward"),
        share("prior", "prior"),
        Column("log_evidence", "log evidence", "nats", "nats", error="log_evidence_mcse"),
        estimated_share("weight", "weight"),
        estimated_share("agent_weight", "agent's weight"),
        # without a test its cells are empty in the CSV file, and on paper it has no place
        estimated_share("risk_if_true", "risk if true" if risk else None, at(risk, ["upper_of_zero"])),
    )
    rows = tuple(
        (
            name,
            *(document[key][name] for key in ("rewards", "prior", "log_evidence", "weights", "agent_weights")),
            at(document["risk_by_truth"], [name]),
            *(error_of(document, key, name) for key in ("log_evidence", "weights", "agent_weights")),
            error_of(document, "risk_by_truth", name) if risk else None,
        )
        for name in names
    )
    tested = ", and risk if the hypothesis is true" if risk else ""
    caption = f"Prior, log evidence and posterior weight of each hypothesis, the agent's posterior weight{tested}."
    ranks = tuple(document["weights"][name] for name in names)
    return PaperTable("weights", "Weights of the hypotheses", caption, with_errors(*columns), rows, ranks=ranks)


def _pairs_table(document: Document) -> PaperTable:
    columns = (
        Column("first", "first"),
        Column("second", "second"),
        Column("log_prior_odds", "prior odds", "nats", "nats"),
        Column("log_bayes_factor", "Bayes factor", "nats", "nats", error="mcse", flag="silent"),
        Column("log_posterior_odds", "posterior odds", "nats", "nats", error="mcse"),
        Column("silent"),
        Column("mcse"),
    )
    rows = tuple((*p["pair"], *(p[column.key] for column in columns[2:])) for p in document["pairs"])
    caption = (
        "Log odds of the first hypothesis over the second, from the prior, from the training data, and from both. Silent: "
        "observationally equivalent in training."
    )
    ranks = pair_ranks(document, [p["pair"] for p in document["pairs"]])
    return PaperTable("pairs", "Evidence or prior?", caption, columns, rows, ranks=ranks)


def _draw_weights(document: Document, tree: Tree) -> Figure:
    import numpy as np

    from reward_hypotheses.analysis.report import figure_style as style

    names = weightiest(document, style.MOST)
    fig, ax = style.labelled_rows(names, style.COLUMN)
    y = np.arange(len(names))
    prior, weight, agent = (np.array([document[k][n] for n in names]) for k in ("prior", "weights", "agent_weights"))
    ax.hlines(y, np.minimum(prior, weight), np.maximum(prior, weight), color=style.MUTED, linewidth=0.8, zorder=1)
    ax.plot(prior, y, "o", markerfacecolor="white", markeredgecolor=style.BLUE, label="values alone", zorder=3)
    ax.plot(weight, y, "o", color=style.BLUE, markersize=3.5, label="values and data", zorder=4)
    ax.plot(agent, y + 0.26, "D", color=style.VERMILION, markersize=4, label="the agent", zorder=3)
    prob = 0.95 if document["risk"] is None else document["risk"]["prob"]
    ends = None if tree is None else _weight_intervals(tree, names, prob)
    if ends is not None:
        ax.hlines(y, ends[0], ends[1], color=style.BLUE, linewidth=3.5, alpha=0.5, zorder=1)
        style.band_key(ax, prob)
    style.shares_axis(ax, "weight (%)")
    style.legend(fig, columns=2)
    return fig


def _weight_intervals(tree: Any, names: Sequence[str], prob: float) -> "np.ndarray | None":
    """Return both ends of the interval of each weight over the draws of the values.

    The result is None where the values are certain.
    """
    import numpy as np

    weight = tree["posterior"]["weight"].sel(hypothesis=list(names))
    draws = weight.transpose("chain", "draw", "hypothesis").to_numpy().reshape(-1, len(names))
    ends = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return ends if np.ptp(draws, axis=0).max() > 1e-12 else None


def _leaders(document: Document, key: str) -> list[str]:
    """Return the hypotheses of the greatest weight, and those that are not below it by more than their error."""
    weights = document[key]
    lead = max(weights, key=weights.__getitem__)
    shown = percent(weights[lead])
    return [
        name for name in weights if percent(weights[name]) == shown or not exceeds(document, (key, lead), (key, name))
    ]


def _led(document: Document, key: str, whose: str) -> Sentence:
    """Return the leading hypothesis of some weights, or those that tie."""
    leaders, weights = _leaders(document, key), document[key]
    reads = [(key, name) for name in leaders]
    if len(leaders) == 1:
        (lead,) = leaders
        others = [name for name in weights if name != lead]
        claims = [below((key, name), (key, lead)) for name in others] or [ONE]
        return Sentence(f"{lead!r} leads {whose}, with {percent(weights[lead])}.", *reads, claims=claims)
    shares = list(dict.fromkeys(percent(weights[name]) for name in leaders))
    ends = shares[0] if len(shares) == 1 else f"{percent(max(weights[n] for n in leaders))} or little less"
    claims = [
        holds(lambda d: max(d[key].values()) - min(d[key][n] for n in leaders) <= 0.002 + 4 * _most_error(d, key))
    ]
    text = f"{listed(leaders, 4)} lead {whose} together, at about {ends}."
    return Sentence(text, *reads, len(leaders) - 4, claims=claims)


def _most_error(document: Document, key: str) -> float:
    return max((error_of(document, key, name) or 0.0) for name in document[key])


def _weights_caption(document: Document) -> tuple[str, str]:
    marks = "Open circle: prior. Filled circle: posterior. Diamond: the agent's posterior, from its own prior."
    shown = _weightiest_shown(document)
    return (
        paragraph(_led(document, "weights", "the posterior"), _led(document, "agent_weights", "the agent's posterior")),
        paragraph(Sentence(marks), *shown),
    )


def _weightiest_shown(document: Document) -> list[Sentence]:
    """Return a sentence on the hypotheses that a figure leaves out."""
    from reward_hypotheses.analysis.report import figure_style as style

    n, most = len(document["hypotheses"]), style.MOST
    if n <= most:
        return []
    claim = holds(lambda d: len(d["hypotheses"]) > most)
    text = f"The figure shows the {most} of {n:,} hypotheses with the greatest weights."
    return [Sentence(text, most, lambda d: len(d["hypotheses"]), claims=[claim])]


def _draw_pairs(document: Document, _: Tree) -> Figure:
    from reward_hypotheses.analysis.report import figure_style as style

    pairs = _shown_pairs(document, style.MOST)
    labels = [f"{style.short(p['pair'][0], 20)}\nover {style.short(p['pair'][1], 20)}" for p in pairs]
    fig, ax = style.labelled_rows(labels, style.PAGE * 0.62, each=0.42, most=60)
    reach = 1.0
    for row, pair in enumerate(pairs):
        for key, offset, color in (("log_prior_odds", -0.17, style.ORANGE), ("log_bayes_factor", 0.17, style.BLUE)):
            value = pair[key]
            if value is None:
                ax.text(0, row + offset, "  beyond any bound", va="center", fontsize=7, color=style.MUTED)
                continue
            reach = max(reach, abs(value))
            ax.barh(row + offset, value, height=0.3, color=color)
            _number(ax, value, row + offset, silent=key == "log_bayes_factor" and pair["silent"])
    ax.axvline(0, color=style.MUTED, linewidth=0.6)
    if reach > LINEAR:
        ax.set_xscale("symlog", linthresh=3, linscale=0.8)
        ticks = [0, *(s * 10**k for k in range(int(math.log10(reach)) + 1) for s in (-1, 1))]
        style.fixed_ticks(ax, sorted(ticks), "g")
    ax.margins(x=0.25)
    ax.set_xlabel("log odds for the first (nats)" + (", logarithmic beyond 3" if reach > LINEAR else ""))
    style.key(ax, "s", style.ORANGE, "human values")
    style.key(ax, "s", style.BLUE, "training data")
    style.legend(fig)
    return fig


def _number(ax: Axes, value: float, y: float, silent: bool) -> None:
    """Write the number of a bar at its end."""
    right = value >= 0
    ax.annotate(
        "0, silent" if silent else f"{value:.3g}",
        (value, y),
        (3 if right else -3, 0),
        textcoords="offset points",
        va="center",
        ha="left" if right else "right",
        fontsize=7,
    )


def _shown_pairs(document: Document, most: int) -> list[Mapping[str, Any]]:
    """Return silent pairs of the weightiest hypotheses, then the strongest evidence."""
    names = set(weightiest(document, most)[:5])
    pairs = [p for p in document["pairs"] if set(p["pair"]) <= names]
    pairs.sort(key=lambda p: (not p["silent"], -abs(p["log_bayes_factor"] or math.inf)))
    return pairs[:8]


def _pairs_caption(document: Document) -> tuple[str, str]:
    from reward_hypotheses.analysis.report import figure_style as style

    groups = silent_groups(document["silent_pairs"])
    marks = Sentence("Log odds of the first hypothesis over the second; 1 nat is a factor of 2.7.", 1, math.e)
    shown, n = len(_shown_pairs(document, style.MOST)), len(document["pairs"])
    if shown < n:
        claim = holds(lambda d: len(d["pairs"]) > shown)
        cut = Sentence(f"The figure shows {shown} of {n:,} pairs.", shown, lambda d: len(d["pairs"]), claims=[claim])
        marks = paragraph(marks, cut)
    if groups:
        text = f"The data add nothing to the log odds between {listed(groups[0], 3)}."
        return Sentence(text, len(groups[0]) - 3, claims=[equal_evidence(groups[0])]), marks
    title = next(iter(strongest(document)), None)
    return title or Sentence(
        "No two hypotheses are observationally equivalent in training.", claims=[NO_SILENCE]
    ), marks


WEIGHTS = Plot("weights", _draw_weights, _weights_caption)
PAIRS = Plot("evidence_against_prior", _draw_pairs, _pairs_caption)
