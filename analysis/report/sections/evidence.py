"""Evidence and prior: weights of the hypotheses and log odds of their pairs.

The module also presents the hypotheses that are observationally equivalent in training.
"""

import math
from collections.abc import Iterator

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.evidence import EACH, columns_of, draw_evidence, shown_pairs
from reward_hypotheses.analysis.plots.weights import draw_weights, of_document, weight_intervals
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
    no_two,
    pair_ranks,
    percent,
    silent_groups,
    weightiest,
)
from reward_hypotheses.analysis.report.presentation import (
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

LISTED = 12
"""Hypotheses on the terminal."""


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
    names = weightiest(document, style.MOST)
    fig, ax = style.figure(style.COLUMN, style.height_of(len(names)))
    prob = 0.95 if document["risk"] is None else document["risk"]["prob"]
    ends = None if tree is None else weight_intervals(tree, names, prob)
    draw_weights(ax, names, *of_document(document, names), ends, prob)
    style.legend(fig, columns=2)
    return fig


def _weights_inform(document: Document) -> bool:
    weights = (document[key][name] for key in ("prior", "weights", "agent_weights") for name in document["hypotheses"])
    return not style.alike(weights)


def _leaders(document: Document, key: str) -> list[str]:
    """Return the hypotheses of the greatest weight, within their errors."""
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
    marks = "Open circle: prior. Filled circle: posterior. Diamond: the agent's posterior."
    shown = _weightiest_shown(document)
    return (
        paragraph(_led(document, "weights", "the posterior"), _led(document, "agent_weights", "the agent's posterior")),
        paragraph(Sentence(marks), *shown),
    )


def _weightiest_shown(document: Document) -> list[Sentence]:
    """Return a sentence on the hypotheses that a figure leaves out."""
    n, most = len(document["hypotheses"]), style.MOST
    if n <= most:
        return []
    claim = holds(lambda d: len(d["hypotheses"]) > most)
    text = f"The figure shows the {most} of {n:,} hypotheses with the greatest weights."
    return [Sentence(text, most, lambda d: len(d["hypotheses"]), claims=[claim])]


def _draw_pairs(document: Document, _: Tree) -> Figure:
    pairs = shown_pairs(document["pairs"], document["weights"])
    fig, ax = style.figure(style.PAGE * 0.62, style.height_of(len(pairs), EACH))
    draw_evidence(ax, *columns_of(pairs))
    style.legend(fig)
    return fig


def _pairs_inform(document: Document) -> bool:
    _, odds, factors, _ = columns_of(shown_pairs(document["pairs"], document["weights"]))
    values = [*odds, *factors]
    return not style.alike(values, max((abs(value) for value in values if value is not None), default=1.0))


def _pairs_caption(document: Document) -> tuple[str, str]:
    groups = silent_groups(document["silent_pairs"])
    marks = Sentence("Log odds of the first hypothesis over the second; 1 nat is a factor of 2.7.", 1, math.e)
    shown, n = len(shown_pairs(document["pairs"], document["weights"])), len(document["pairs"])
    if shown < n:
        claim = holds(lambda d: len(d["pairs"]) > shown)
        cut = Sentence(f"The figure shows {shown} of {n:,} pairs.", shown, lambda d: len(d["pairs"]), claims=[claim])
        marks = paragraph(marks, cut)
    if groups:
        text = f"The data add nothing to the log odds between {listed(groups[0], 3)}."
        return Sentence(text, len(groups[0]) - 3, claims=[equal_evidence(groups[0])]), marks
    title = next(iter(strongest(document)), None)
    return title or Sentence(
        f"{no_two(document)} are observationally equivalent in training.", claims=[NO_SILENCE]
    ), marks


WEIGHTS = Plot("weights", _draw_weights, _weights_caption, _weights_inform)
PAIRS = Plot("evidence_against_prior", _draw_pairs, _pairs_caption, _pairs_inform)
