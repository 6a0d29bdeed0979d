"""Evidence and prior: weights of the hypotheses and log odds of their pairs.

The module also presents the hypotheses that are observationally equivalent in training.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.phrases import (
    at,
    capital,
    counted,
    error_of,
    leading,
    listed,
    pair_ranks,
    percent,
    plainly,
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
    texts,
)
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors

if TYPE_CHECKING:
    import numpy as np

INTEGRATED = {
    "laplace": "Laplace's approximation, corrected by importance sampling",
    "prior": "importance sampling from the prior",
    "smc": "sequential Monte Carlo",
    "nuts": "NUTS, and a bridge",
}
"""Methods by which the evidence of a hypothesis with continuous weights is integrated."""
LISTED = 12
"""Hypotheses on the terminal, and features of a reward on the page."""
LINEAR = 12
"""Nats beyond which the axis of log odds is logarithmic."""


def present(document: Document) -> Iterator[Presentation]:
    """Present weights, pairs, weights of features, and how the evidence was computed."""
    yield Presentation("hypotheses", "hypotheses", terminal=[_grid(document)])
    sentences = evidence(document)
    yield Presentation("evidence", "evidence", texts(*sentences), terminal=sentences)
    figure = PAIRS if document["pairs"] else None
    yield Presentation("pairs", "evidence", [Part("figure", name=PAIRS.name)], [_pairs_table(document)], figure)
    yield Presentation("weights", "evidence", [Part("figure", name="weights")], [_weights_table(document)], WEIGHTS)
    if document["reward_weights"]:
        tables = [_features_table(document)]
        yield Presentation("reward_weights", "evidence", _features(document), tables)
    yield Presentation("sampling", "evidence", texts(*sampling(document)))


def evidence(document: Document) -> list[str]:
    """Return sentences on evidence, prior and dangerous pairs of hypotheses."""
    sentences = [
        f"Training is silent between {listed(members)}: what prefers one of them is an assumption, not evidence."
        for members in silent_groups(document["silent_pairs"])
    ]
    if not sentences and len(document["hypotheses"]) > 1:
        sentences = ["Training tells every two hypotheses apart."]
    elif not sentences:
        sentences = ["There is one hypothesis, and nothing to tell it from."]
    sentences += [*_declared_support(document), *(f"{capital(pair['words'])}." for pair in document["bounded_pairs"])]
    sentences += _silent_directions(document)
    informative = [p for p in document["pairs"] if not p["silent"] and p["log_bayes_factor"] is not None]
    if informative:
        strongest = max(informative, key=lambda p: abs(p["log_bayes_factor"]))
        sentences.append(f"The strongest evidence: {strongest['words']}.")
    dangerous = _dangerous(document["dangerous_pairs"] or [])
    sentences.extend(f"Dangerous: {words}." for words in dangerous[:2])
    if len(dangerous) > 2:
        sentences.append(f"({len(dangerous) - 2} more dangerous pairs stand in results.json.)")
    return sentences


def _declared_support(document: Document) -> list[str]:
    """Return hypotheses that no declared item distinguishes, and items that would."""
    support = document["support"]
    if support is None:
        return []
    declared = f"what is declared of them ({support['table']}, {counted(support['items'], 'item')})"
    groups = [listed(members) for members in silent_groups(support["silent_pairs"])]
    sentences = [f"Nor {group}." for group in groups]
    if groups:
        sentences[0] = f"No amount of such data, whatever the items are by {declared}, would tell {groups[0]} apart."
    for pair in support["told_apart"][:3]:
        item = plainly([f"{feature} = {value}" for feature, value in pair["item"].items()])
        sentences.append(
            f"Training happens to be silent between {listed(pair['pair'])}: by {declared}, {pair['feedback']} on an item of {item} would "
            "tell them apart."
        )
    return sentences


def _silent_directions(document: Document) -> list[str]:
    """Return the directions of weights that training does not inform, by hypothesis."""
    sentences, test = [], document["test_table"]
    for name, silent in document["silent_directions"].items():
        directions = [f"{direction['words']!r}" for direction in silent["directions"]]
        if not directions:
            continue
        on_test = ""
        if test is not None:
            on_test = f" On the test {percent(silent['share'][test])} of the differences in reward that its prior expects are of this kind."
        sentences.append(
            f"Among the weights of {name!r} training cannot see {plainly(directions)}: what is held of that is the prior.{on_test}"
        )
    return sentences


def _dangerous(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return dangerous pairs in words.

    Two pairs that are as dangerous for one another are listed once.
    """
    risks = {(pair["agent"], pair["truth"]): pair["risk"] for pair in pairs}
    words: dict[tuple[str, str], str] = {}
    for pair in pairs:
        key = (pair["agent"], pair["truth"])
        mutual = risks.get(key[::-1]) == pair["risk"]
        if key[::-1] not in words or not mutual:
            words[key] = pair["words"] + (", and the other way round" if mutual else "")
    return list(words.values())


def sampling(document: Document) -> list[str]:
    """Return the sampled evidence, its diagnostics, and its Monte Carlo error.

    The list is empty where all evidence is exact.
    """
    methods, sampler, risk = document["fit"]["methods"], document["fit"]["sampler"], document["risk"]
    error = max((p["mcse"] for p in document["pairs"]), default=0.0)
    by_method: dict[str, list[str]] = {}
    for name, method in methods.items():
        if method in INTEGRATED:
            by_method.setdefault(method, []).append(name)
    if sampler is None and not by_method:
        return []
    if sampler is None:
        how = [f"Evidence of {plainly(names)}: {INTEGRATED[method]}" for method, names in by_method.items()]
        return [f"{'. '.join(how)}. Monte Carlo error: of a log Bayes factor at most {error:.2g} nats."]
    sampled = ", ".join(name for name, method in methods.items() if method == "nuts")
    sentence = (
        f"Sampled: {sampled}, by {sampler['name']}, {sampler['chains']} chains of {sampler['draws']:,} draws, no divergence, R-hat at "
        f"most {sampler['r_hat']:.3f}, effective sample size at least {sampler['ess']:,.0f}. Monte Carlo error: of a log Bayes "
        f"factor at most {error:.2g} nats"
    )
    return [sentence + (f", of the risk {100 * risk['mcse']:.2g} percentage points." if risk else ".")]


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
    tested = ", and the risk of catastrophe were the hypothesis true" if risk else ""
    caption = f"Prior, log evidence and posterior weight of each hypothesis, the agent's own weight{tested}."
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
        "Logarithms of the odds of the first hypothesis over the second: by the prior, by the evidence of training, and by "
        "both. Silent: training cannot tell them apart, whatever its size."
    )
    ranks = pair_ranks(document, [p["pair"] for p in document["pairs"]])
    return PaperTable("pairs", "Evidence or prior?", caption, columns, rows, ranks=ranks)


def _features(document: Document) -> list[Part]:
    """Return the posterior of the weights of features, reward by reward."""
    parts = []
    for name, posterior in document["reward_weights"].items():
        prior = posterior["prior"]
        words = (
            "every direction alike"
            if prior == "sphere"
            else f"independent normals of standard deviation {prior['normal']:g}"
        )
        about = f"{100 * posterior['prob']:g}% intervals; prior: {words}, {posterior['source']}"
        entries = [
            (feature, f"{w['mean']:.2f} ({w['lower']:.2f} to {w['upper']:.2f}) for each {w['unit']:.3g} of it")
            for feature, w in posterior["features"].items()
        ]
        parts += texts(f"The weights of {name!r} after the data ({about}):")
        parts.append(Part("terms", entries=entries[:LISTED]))
        if stated := _stated(posterior):
            parts += texts(f"Stated about these weights of {name!r}, by assumption:")
            parts.append(Part("terms", entries=stated))
    return parts


def _stated(posterior: Document) -> list[tuple[str, str]]:
    """Return what was stated about weights, with its source: sign, mean, ratio."""
    words = {"+": "positive: more is better", "-": "negative: more is worse"}
    out = [(f, f"weight {words[s['value']]} ({s['source']})") for f, s in posterior.get("sign", {}).items()]
    out += [(f, f"prior mean {m['value']:g} ({m['source']})") for f, m in posterior.get("mean", {}).items()]
    for pair, ratio in posterior.get("ratio", {}).items():
        quantiles = ", ".join(
            f"{q['stated']:g} with probability {p} below it (fitted {q['fitted']:.3g})"
            for p, q in ratio["quantiles"].items()
        )
        out.append((pair, f"{quantiles} ({ratio['source']})"))
    return out


def _features_table(document: Document) -> PaperTable:
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("feature", "feature"),
        Column("mean", "mean weight", "number", error="mcse"),
        *(Column(key, key, "number") for key in ("sd", "lower", "upper")),
        Column("for_each", "for each", "number"),
        Column("mcse"),
    )
    rows = tuple(
        (name, feature, *(weight[key] for key in ("mean", "sd", "lower", "upper", "unit", "mcse")))
        for name, posterior in document["reward_weights"].items()
        for feature, weight in posterior["features"].items()
    )
    caption = (
        "Posterior of the weights of features, where a hypothesis has continuous ones: each weighs so much of its feature as "
        "the column 'for each' says, its standard deviation over what was fitted."
    )
    return PaperTable("reward_weights", "Weights of features", caption, columns, rows)


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


def _weights_caption(document: Document) -> tuple[str, str]:
    weights, agent, lead = document["weights"], document["agent_weights"], leading(document)
    top = [name for name, weight in agent.items() if weight >= max(agent.values()) * (1 - 1e-9)]
    most = percent(agent[top[0]])
    if len(top) > 1:
        other = f"; the agent believes {listed(top, 3)} alike, at {most}."
    elif top != [lead]:
        other = f"; the agent believes {top[0]!r} at {most}."
    elif most == percent(weights[lead]):
        other = ", and so does the agent."
    else:
        other = f"; the agent believes it at {most}."
    return (
        f"The judge believes {lead!r} at {percent(weights[lead])}{other}",
        "Open: the human values alone. Full: with the training data; so believes the judge, by whom the risk is judged. "
        "Diamond, below: the agent, by its own prior and the same data.",
    )


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
    groups = silent_groups(document["silent_pairs"])
    caption = "What the values and what the data add to the log odds of one hypothesis over another; 1 nat is a factor of 2.7."
    if groups:
        return f"Between {listed(groups[0], 3)} the data add nothing: whatever prefers one is a prior.", caption
    return "The data tell every two hypotheses apart.", caption


WEIGHTS = Plot("weights", _draw_weights, _weights_caption)
PAIRS = Plot("evidence_against_prior", _draw_pairs, _pairs_caption)
