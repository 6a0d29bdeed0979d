"""The agent: its policy and prior in words, and other agents beside it.

Other agents have other priors or simplicity languages, or are inferred from their choices.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.phrases import (
    at,
    capital,
    error_of,
    listed,
    other_warnings,
    own_policy,
    percent,
    permission,
    plainly,
    value_in_words,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Grid, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.models.priors.registry import prior_in_words

NARROW = 0.005
"""Width of an interval below which it is drawn as a point, and difference of two risks below which they are alike."""
MOST = 12
"""Hypotheses whose failure line is mentioned."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the agent, and with a test its risk under other priors and languages."""
    if document["risk"] is not None:
        yield Presentation("policy", "number", texts(*policy_in_words(document), _failure_line(document)))
        meanings = [(name, prior_in_words(name)) for name in document["agents"]]
        parts = [
            Part("figure", name=BY_PRIOR.name),
            *texts("What an agent of each prior finds likelier before any data:"),
            Part("terms", entries=meanings),
        ]
        yield Presentation("agents", "number", parts, [_priors_table(document)], BY_PRIOR, [_grid(document)])
        languages = {name: language for name, language in document["languages"].items() if language is not None}
        tables = [_languages_table(document, languages)] if languages else []
        yield Presentation("languages", "number", texts(by_languages(document)), tables)
    if document.get("agent_reading") is not None:
        yield _inferred(document)


def policy_in_words(document: Document) -> list[str]:
    """Return sentences on the agent's beliefs and on its policy."""
    agent, weights = document["agent"], document["agent_weights"]
    beliefs = ", ".join(
        f"{percent(document['agent_prior'][name])} {name!r} (then {percent(weights[name])})"
        for name in sorted(weights, key=lambda n: -weights[n])[:3]
    )
    acts = "It must act: failing on purpose is not on offer."
    if agent["abstain"]:
        acts = (
            "It may abstain, which is failing on purpose and never a catastrophe; so it has been told the failure line."
        )
    policy = POLICIES.get(agent["policy"])
    does = f"It follows the policy {agent['policy']!r}." if policy is None else policy.sentence
    who = (
        "The agent here is a model, not a network that was trained: an ideal learner that weighs the hypotheses by a prior of "
        "its own and by the same training data."
    )
    if document.get("agent_reading") is not None:
        who = (
            "The agent was read off its own choices in probe scenes: its weights are a prior of its own, times how well each "
            "hypothesis explains the training data, times how well it explains those choices."
        )
    return [
        f"{who} Its prior, {agent['prior']!r}, is: {prior_in_words(agent['prior'])}. Before the data (and after) it holds {beliefs}.",
        f"{does} {acts}",
    ]


def policy_in_short(document: Document) -> str:
    """Return the agent's own policy in a sentence.

    The text is empty for one that is not built in.
    """
    name, study_policy = document["agent"]["policy"], own_policy(document)
    kind = POLICIES.get(name)
    if kind is None:
        return ""
    does = kind(**study_policy["settings"]).does if study_policy else kind.clause
    return f"The policy {name.replace('_', ' ')!r} {does}. "


def _failure_line(document: Document) -> str:
    lines = document["agent"]["fail_utility"]
    if lines is None:
        return ""
    stated = "; ".join(f"{value_in_words(value)} under {name!r}" for name, value in list(lines.items())[:MOST])
    return f"It was told another failure line than the judge's: {stated}."


def own_prior(document: Document) -> str:
    """Return the study's own prior among those that are compared.

    The text is empty for an agent that was inferred from its choices.
    """
    return "" if document.get("agent_reading") is not None else str(document["agent"]["prior"])


def by_languages(document: Document) -> str:
    """Return the hypothesis and risk to which each simplicity language leads.

    The text is empty where none has a length.
    """
    languages = {
        name: language for name, language in document["languages"].items() if at(language, ["risk"]) is not None
    }
    if not languages:
        return ""
    landings = [
        f"{name!r} would make it go by {listed(language['first'], 3)}{' alike' if len(language['first']) > 1 else ''}, a risk of "
        f"{percent(language['risk'])}"
        for name, language in languages.items()
    ]
    if len({tuple(language["first"]) for language in languages.values()}) == 1:
        return f"Where the data are silent and simplicity decides, every language says the same: {landings[0]}."
    return (
        f"Where the data are silent and simplicity decides, the language matters: {'; '.join(landings)}; the choice of a language "
        "is a choice of values by another name."
    )


def _grid(document: Document) -> Grid:
    zero, study_prior = document["risk"]["upper_of_zero"], own_prior(document)
    rows = [
        [
            prior + ("  <- this one" if prior == study_prior else ""),
            percent(agent["acts"]["risk"], zero),
            percent(agent["may_abstain"]["risk"], zero),
            percent(agent["may_abstain"]["abstained"], zero),
        ]
        for prior, agent in document["agents"].items()
    ]
    return Grid(["its prior", "must act", "may abstain", "then abstains"], rows, widest=34)


def _priors_table(document: Document) -> PaperTable:
    zero, agent = document["risk"]["upper_of_zero"], document["agent"]
    numbers = (
        ("risk_if_it_must_act", "risk if it must act", ("acts", "risk")),
        ("risk_if_it_may_abstain", "risk if it may abstain", ("may_abstain", "risk")),
        ("abstained", "then abstains", ("may_abstain", "abstained")),
    )
    columns = (
        Column("agent_prior", "agent's prior"),
        *(estimated_share(key, words, zero) for key, words, _ in numbers),
    )
    rows = tuple(
        (
            prior,
            *(at(entry, path) for _, _, path in numbers),
            *(error_of(document, "agents", prior, *path) for _, _, path in numbers),
        )
        for prior, entry in document["agents"].items()
    )
    caption = (
        "Risk of the same agent, did it extrapolate by another prior. The study's own has the prior "
        f"{agent['prior']!r} and {'may abstain' if agent['abstain'] else 'must act'}."
    )
    return PaperTable("agents", "The same agent by another prior", caption, with_errors(*columns), rows)


def _languages_table(document: Document, languages: Mapping[str, Mapping[str, Any]]) -> PaperTable:
    names = [name for name in document["hypotheses"] if name in next(iter(languages.values()))["bits"]]
    columns = (
        Column("hypothesis", "hypothesis"),
        *(Column(f"bits {language}", f"{language}, bits", "number", "bits") for language in languages),
        *(share(f"weight {key}", f"{key}, weight", error=f"weight {key} mcse") for key in languages),
    )
    rows = tuple(
        (
            name,
            *(language["bits"][name] for language in languages.values()),
            *(language["weights"][name] for language in languages.values()),
            *(error_of(document, "languages", key, "weights", name) for key in languages),
        )
        for name in names
    )
    risks = "; ".join(f"{key}, {shown(language['risk'], 'share')}" for key, language in languages.items())
    caption = (
        "Bits that each simplicity language charges a hypothesis, and the weight that an agent which extrapolates by it gives the "
        f"hypothesis after training. Risk by language: {risks}."
    )
    ranks = tuple(document["weights"][name] for name in names)
    return PaperTable("languages", "Simplicity in every language", caption, with_errors(*columns), rows, ranks=ranks)


def _draw(document: Document, _: Tree) -> Figure:
    from reward_hypotheses.analysis.report import figure_style as style

    agents, this = _drawn_agents(document)
    may = document["agent"]["abstain"]
    permitted, other = ("may_abstain", "acts") if may else ("acts", "may_abstain")
    words = {"may_abstain": "may abstain", "acts": "must act"}
    fig, ax = style.labelled_rows([name + (" (this agent)" if name == this else "") for name in agents], style.COLUMN)
    apart = False
    for row, (name, agent) in enumerate(agents.items()):
        risk, otherwise = agent[permitted]["risk"], agent[other]["risk"]
        color = style.VERMILION if name == this else style.BLUE
        if _narrow(agent):
            ax.plot(agent["lower"], row, "|", color=color, alpha=0.55, markersize=12, markeredgewidth=4.5, zorder=1)
        elif agent["lower"] is not None:
            ax.hlines(row, agent["lower"], agent["upper"], color=color, linewidth=3.5, alpha=0.5)
        if agent["limit"] is not None:
            ax.plot(agent["limit"], row, "|", color=style.INK, markersize=13, markeredgewidth=1.2, zorder=2)
        if abs(otherwise - risk) > NARROW:
            apart = True
            ax.plot(otherwise, row, "s", markerfacecolor="none", markeredgecolor=style.MUTED, markersize=6, zorder=2)
        ax.plot(risk, row, "o", color=color, zorder=3)
        ax.annotate(percent(risk), (risk, row), (0, 8), textcoords="offset points", ha="center", fontsize=7)
    if apart:
        style.key(ax, "o", style.MUTED, words[permitted])
        style.key(ax, "s", style.MUTED, words[other], hollow=True)
    style.key(ax, "|", style.INK, "after endless training")
    if document["risk"]["lower"] is not None:
        style.band_key(ax, document["risk"]["prob"])
    style.shares_axis(ax, "risk (% of test scenes)")
    style.legend(fig, columns=2)
    return fig


def _drawn_agents(document: Document) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Return the agents of the figure by name, and the name of the study's own.

    An agent inferred from its choices comes first.
    """
    agents, inferred = dict(document["agents"]), document.get("agent_reading")
    if inferred is None:
        return agents, own_prior(document)
    risk, alone = document["risk"], inferred["without_training"]["risk"]
    ends = {key: risk[key] for key in ("lower", "upper", "limit")}
    first = {"read off its choices": dict.fromkeys(("acts", "may_abstain"), {"risk": risk["mean"]}) | ends}
    if abs(alone - risk["mean"]) >= NARROW:
        both = dict.fromkeys(("acts", "may_abstain"), {"risk": alone})
        first["its choices, training aside"] = both | dict.fromkeys(ends)
    return first | agents, "read off its choices"


def _narrow(agent: Mapping[str, Any]) -> bool:
    """Return whether the interval of an agent's risk is too narrow for a bar."""
    return agent["lower"] is not None and agent["upper"] - agent["lower"] < NARROW


def _caption(document: Document) -> tuple[str, str]:
    risks = {name: agent[permission(document)]["risk"] for name, agent in document["agents"].items()}
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    caption = "The same data and the same policy; only what the agent itself extrapolates by differs. Thin ticks: what endless training would leave."
    if any(map(_narrow, document["agents"].values())):
        caption += " A short thick tick: the interval is a point."
    if document.get("agent_reading") is not None:
        assumed, risk = f"{percent(risks[low])} to {percent(risks[high])}", percent(document["risk"]["mean"])
        return f"The agent that was read has a risk of {risk}; one assumed by a prior, {assumed}.", caption
    if risks[high] - risks[low] < NARROW:
        return f"Whatever the agent's prior, the risk is about {percent(risks[high])}.", caption
    return f"The risk is {percent(risks[low])} by the prior {low!r} and {percent(risks[high])} by {high!r}.", caption


BY_PRIOR = Plot("risk_by_agent_prior", _draw, _caption)


def _inferred(document: Document) -> Presentation:
    """Return the presentation of an agent that was inferred from its own choices."""
    sentences, warnings = read_off(document), document["agent_reading"]["warnings"]
    parts = texts(*sentences)
    if warnings:
        parts.append(Part("list", entries=[f"{capital(warning)}." for warning in warnings]))
    remarks = [f"Mind: {warning}." for warning in other_warnings(document, warnings)]
    tables = [_inferred_table(document), _distance_table(document)]
    return Presentation("inferred_agent", "agent", parts, tables, terminal=[*sentences, *remarks])


def read_off(document: Document) -> list[str]:
    """Return sentences on the inference from an agent's own choices."""
    inferred = document["agent_reading"]
    with_training = inferred["with_training"]
    sentences = []
    for key, source in (
        ("with_training", "With what the training data say"),
        ("without_training", "By its own choices alone"),
    ):
        heaviest = sorted(inferred[key]["weights"].items(), key=lambda item: -item[1])[:3]
        weights = ", ".join(f"{name!r} at {percent(w)}" for name, w in heaviest if w > 0)
        risk = inferred[key]["risk"]
        end = "." if risk is None else f"; its risk is {percent(risk)}."
        sentences.append(f"{source}, the agent goes by {weights}{end}")
    distances = [
        f"{100 * distance['total_variation']:.0f}% of the prior {prior!r}"
        for prior, distance in with_training["distance"].items()
        if distance["total_variation"] is not None
    ]
    if distances:
        sentences.append(
            f"Share of its weight that lies on other hypotheses than that of an agent that is assumed: {plainly(distances)}."
        )
    lead = max(with_training["weights"], key=with_training["weights"].get)
    for nuisance, by_hypothesis in inferred["rationality"].items():
        beta = by_hypothesis.get(lead)
        if beta is not None:
            sentences.append(
                f"If it goes by {lead!r}, its rationality ({nuisance}) is {beta['mean']:.2f} ({beta['lower']:.2f} to "
                f"{beta['upper']:.2f}); 0 is chance."
            )
    return sentences


def _inferred_table(document: Document) -> PaperTable:
    inferred = document["agent_reading"]
    weights = inferred["with_training"]["weights"]
    columns = with_errors(
        Column("hypothesis", "hypothesis"),
        share("agent_prior", "its prior"),
        Column("log_evidence_of_choices", "log evidence", "nats", "nats", error="log_evidence_of_choices_mcse"),
        share("without_training", "by its choices alone"),
        share("with_training", "and training"),
    )
    rows = tuple(
        (
            name,
            inferred["prior"][name],
            inferred["log_evidence"].get(name),
            inferred["without_training"]["weights"][name],
            weight,
            inferred["log_evidence_mcse"].get(name),
        )
        for name, weight in weights.items()
        if name in inferred["prior"]
    )
    caption = "What the agent goes by, read off its own choices: its prior, how well each hypothesis explains them, and its weights."
    ranks = tuple(weights[row[0]] for row in rows)
    return PaperTable("agent_reading", "What the agent goes by", caption, columns, rows, ranks=ranks)


def _distance_table(document: Document) -> PaperTable:
    with_training, risks = document["agent_reading"]["with_training"], document["risk_by_agent_prior"] or {}
    columns = (
        Column("agent_prior", "agent's prior"),
        share("weight_elsewhere", "weight elsewhere"),
        share("risk", "its risk"),
        Column("bits", "divergence", "number", "bits"),
    )
    rows = (
        ("read off its choices", 0.0, with_training["risk"], 0.0),
        *(
            (prior, distance["total_variation"], risks.get(prior), distance["bits"])
            for prior, distance in with_training["distance"].items()
        ),
    )
    caption = (
        "The agent that was read beside agents that are assumed: the weight that it has elsewhere than they (total variation), "
        "and the bits by which its weights diverge from theirs."
    )
    return PaperTable("agent_distance", "The agent beside assumed ones", caption, columns, rows)
