"""The agent: its weights and policy in words, and other agents beside it.

Other agents have other priors or simplicity languages, or are inferred from their choices.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.risk import NARROW, draw_risk
from reward_hypotheses.analysis.report.claims import Claim, Read, Sentence, holds, paragraph, value
from reward_hypotheses.analysis.report.phrases import (
    at,
    does,
    error_of,
    own_policy,
    percent,
    permission,
    policy_name,
    value_in_words,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Grid, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sentences.comparisons import (
    about,
    claims_alike,
    claims_heaviest,
    claims_less,
    cut,
    greater,
    heaviest,
    weights_in_words,
)
from reward_hypotheses.analysis.report.sentences.inferred_agent import inferred, leading
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.models.priors.registry import prior_in_words

MOST = 12
"""Hypotheses whose failure line is mentioned."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the agent, and with a test its risk under other priors and languages."""
    if document["risk"] is not None:
        parts = texts(*policy_in_words(document))
        yield Presentation("policy", "agent", parts, finding=leading(document), more=texts(*_details(document)))
        figure = [Part("figure", name=BY_PRIOR.name)]
        yield Presentation("agents", "agent", figure, [_priors_table(document)], BY_PRIOR, [_grid(document)])
        languages = {name: language for name, language in document["languages"].items() if language is not None}
        tables = [_languages_table(document, languages)] if languages else []
        choice, landings = _landings(document)
        said = [text for text in (by_languages(document), *landings) if text]
        yield Presentation("languages", "agent", tables=tables, terminal=said, more=texts(choice))
    if document.get("agent_reading") is not None:
        yield inferred(document)


def policy_in_words(document: Document) -> list[Sentence]:
    """Return sentences on the agent's weights, prior, policy and failure line."""
    agent = document["agent"]
    inferred = document.get("agent_reading") is not None
    who = Sentence("The agent is a model: an ideal learner, not a trained network.")
    source = "its prior and training"
    if inferred:
        who = Sentence("The agent was inferred from its own choices in probe scenes.")
        source = "its prior, training and its choices"

    def prior_of(name: str) -> str:
        return f" (prior {percent(document['agent_prior'][name])})"

    beside = prior_of if not inferred else lambda name: ""
    weights = weights_in_words(document, ("agent_weights",), 3, beside)
    held = Sentence(
        f"The agent's weights, by {source}: {weights}.",
        "agent_weights",
        "agent_prior",
        *weights.reads,
        claims=list(weights.claims),
    )
    acts = Sentence(
        "The agent must act: failing on purpose is not on offer.", claims=[holds(lambda d: not d["agent"]["abstain"])]
    )
    if agent["abstain"]:
        acts = Sentence(
            "The agent may abstain, which means failing on purpose.", claims=[holds(lambda d: d["agent"]["abstain"])]
        )
    return [paragraph(who, held), paragraph(policy_in_short(document), acts)]


def _details(document: Document) -> list[Sentence]:
    """Return what few readers need of the agent.

    Its prior, own hypotheses, failure line and exchange rate.
    """
    agent, sentences = document["agent"], []
    meaning = _meaning(agent["prior"])
    if meaning:
        sentences.append(Sentence(f"The agent's prior is {agent['prior']!r}: {meaning}.", claims=meaning.claims))
    alone = [name for name in document["agent_weights"] if name not in document["weights"]]
    if alone:
        claims = [holds(lambda d: all(name not in d["weights"] for name in alone))]
        text = f"Hypotheses that the agent alone holds: {cut(alone)}."
        sentences.append(Sentence(text, len(alone) - 4, claims=claims))
    if agent["abstain"]:
        sentences.append(
            Sentence("Abstaining is never a catastrophe.", claims=[holds(lambda d: d["agent"]["abstain"])])
        )
        sentences.append(Sentence("An agent that may abstain knows a failure line."))
    sentences.append(_failure_line(document))
    policy = POLICIES.get(agent["policy"])
    if policy is not None and not policy.draws_one:
        text = f"The policy {policy.exchange} rewards of several hypotheses without rescaling them."
        sentences.append(Sentence(text, claims=[holds(lambda d: d["agent"]["policy"] == policy.name)]))
    return [sentence for sentence in sentences if sentence]


def policy_in_short(document: Document) -> Sentence:
    """Return the agent's own policy in a sentence.

    The text is empty for a policy that is not built in.
    """
    name, study_policy = document["agent"]["policy"], own_policy(document)
    kind = POLICIES.get(name)
    if kind is None:
        return Sentence("")
    clause, words = kind.clause, name.replace("_", " ")
    if study_policy is not None:
        clause, words = does(study_policy), policy_name(study_policy)
    return Sentence(f"The policy {words!r} {clause}.", claims=[holds(lambda d: d["agent"]["policy"] == name)])


def _meaning(prior: str) -> Sentence:
    """Return what a prior assumes, as a clause.

    The result is empty for a prior that somebody stated.
    """
    known = holds(lambda d: prior in d["agents"] or prior == d["agent"]["prior"])
    return Sentence(prior_in_words(prior), claims=[known])


def _failure_line(document: Document) -> Sentence:
    lines = document["agent"]["fail_utility"]
    if lines is None:
        return Sentence("")
    shown_lines = dict(list(lines.items())[: MOST if len(lines) > MOST + 1 else MOST + 1])
    rest = len(lines) - len(shown_lines)
    stated = "; ".join(f"{value_in_words(value)} under {name!r}" for name, value in shown_lines.items())
    more = f"; and {rest} more" if rest else ""
    claims = [holds(lambda d: d["agent"]["fail_utility"] != d["fail_utility"])]
    places = [("agent", "fail_utility", name) for name in shown_lines]
    return Sentence(f"The agent's failure line differs from the judge's: {stated}{more}.", *places, rest, claims=claims)


def own_prior(document: Document) -> str:
    """Return the study's own prior among those that are compared.

    The text is empty for an agent that was inferred from its choices, or has hypotheses of its own: the agents that are
    compared have neither.
    """
    alone = document["agent_weights"].keys() - document["weights"].keys()
    return "" if document.get("agent_reading") is not None or alone else str(document["agent"]["prior"])


def by_languages(document: Document) -> Sentence:
    """Return the risk to which the simplicity languages lead.

    The text is empty where no hypothesis has a length.
    """
    risks = _language_risks(document)
    if not risks:
        return Sentence("")
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    places: list[Read] = [("languages", name, "risk") for name in (low, high)]
    every: list[Read] = [("languages", name, "risk") for name in risks]
    if len(risks) == 1:
        text = f"An agent with the simplicity prior in the language {low!r} has a risk of {percent(risks[low])}."
        return Sentence(text, places[0])
    if not greater(document, places[1], places[0]):
        text = f"With a simplicity prior, the risk is about the same in every language: {percent(risks[high])}."
        return Sentence(text, places[1], claims=claims_alike(places[1], *every))
    text = (
        f"The risk of an agent with a simplicity prior is {percent(risks[low])} with the language {low!r} and {percent(risks[high])} with "
        f"{high!r}."
    )
    return Sentence(text, *places, claims=[*claims_less(*places), *(_between(place, *places) for place in every)])


def _between(place: Read, low: Read, high: Read) -> Claim:
    return holds(lambda d: value(d, low) <= value(d, place) <= value(d, high))


def _language_risks(document: Document) -> dict[str, float]:
    languages = document["languages"].items()
    return {name: language["risk"] for name, language in languages if at(language, ["risk"]) is not None}


def _landings(document: Document) -> tuple[str, list[Sentence]]:
    """Return that languages decide, and the hypotheses and risk to which each leads."""
    entries = []
    for name, risk in _language_risks(document).items():
        path = ("languages", name, "weights")
        first = heaviest(document, path)
        alike = "about the same weight on" if len(first) > 1 else "the largest weight on"
        text = f"Language {name!r}: {alike} {cut(first, 3)}; risk {percent(risk)}."
        reads = (("languages", name, "risk"), len(first) - 3)
        entries.append(Sentence(text, *reads, claims=claims_heaviest(path, first)))
    choice = "Where training is silent, a simplicity language decides, and its choice is a value judgement."
    return (Sentence(choice) if entries else ""), entries


def _grid(document: Document) -> Grid:
    zero, study_prior = document["risk"]["upper_of_zero"], own_prior(document)
    rows = [
        [
            prior + ("  <- this study" if prior == study_prior else ""),
            percent(agent["acts"]["risk"], zero),
            percent(agent["may_abstain"]["risk"], zero),
            percent(agent["may_abstain"]["abstained"], zero),
        ]
        for prior, agent in document["agents"].items()
    ]
    return Grid(["agent's prior", "must act", "may abstain", "then abstains"], rows, widest=34)


def _priors_table(document: Document) -> PaperTable:
    zero, agent, own = document["risk"]["upper_of_zero"], document["agent"], own_prior(document)
    numbers = (
        ("risk_if_it_must_act", "risk if it must act", ("acts", "risk")),
        ("risk_if_it_may_abstain", "risk if it may abstain", ("may_abstain", "risk")),
        ("abstained", "then abstains", ("may_abstain", "abstained")),
    )
    columns = (
        Column("agent_prior", "agent's prior"),
        *(estimated_share(key, words, zero) for key, words, _ in numbers),
        Column("meaning", "before any data"),
    )
    rows = tuple(
        (
            prior,
            *(at(entry, path) for _, _, path in numbers),
            str(_meaning(prior)),
            *(error_of(document, "agents", prior, *path) for _, _, path in numbers),
        )
        for prior, entry in document["agents"].items()
    )
    may = "may abstain" if agent["abstain"] else "must act"
    title, caption = (
        "The same agent with a different prior",
        f"Risk of the same agent with different priors. The study's agent has the prior {own!r} and {may}.",
    )
    if not own:
        title = "Agents with an assumed prior"
        caption = (
            "Risk of agents with the judge's hypotheses and an assumed prior. The study's agent is of another kind: it was "
            f"inferred from its choices or has hypotheses of its own, and {may}."
        )
    return PaperTable("agents", title, caption, with_errors(*columns), rows)


def _languages_table(document: Document, languages: Mapping[str, Mapping[str, Any]]) -> PaperTable:
    columns = (
        Column("hypothesis", "hypothesis"),
        *(Column(f"bits {language}", f"{language}, bits", "number", "bits") for language in languages),
        *(share(f"weight {key}", f"{key}, weight", error=f"weight {key} mcse") for key in languages),
    )
    rows = tuple(
        (
            name,
            *(language["bits"].get(name) for language in languages.values()),
            *(language["weights"].get(name) for language in languages.values()),
            *(_error(document, "languages", key, "weights", name) for key in languages),
        )
        for name in document["hypotheses"]
    )
    risks = "; ".join(f"{key}, {shown(language['risk'], 'share')}" for key, language in languages.items())
    caption = f"Bits that a simplicity language charges, and the posterior weight of an agent with this prior. Risk by language: {risks}."
    ranks = tuple(document["weights"][name] for name in document["hypotheses"])
    return PaperTable("languages", "Simplicity languages", caption, with_errors(*columns), rows, ranks=ranks)


def _error(document: Document, *path: str) -> float | None:
    """Return the Monte Carlo error of a number.

    The result is None where the number itself is missing.
    """
    return None if at(document, path) is None else error_of(document, *path)


def _draw(document: Document, _: Tree) -> Figure:
    agents, this = _drawn_agents(document)
    permitted, otherwise = _permissions(document)
    labels = {name: name + (" (this agent)" if name == this else "") for name in agents}
    fig, ax = style.figure(style.COLUMN, style.height_of(len(agents)))
    draw_risk(
        ax,
        list(labels.values()),
        [agent[permitted]["risk"] for agent in agents.values()],
        [None if agent["lower"] is None else (agent["lower"], agent["upper"]) for agent in agents.values()],
        [agent["limit"] for agent in agents.values()],
        [agent[otherwise]["risk"] for agent in agents.values()],
        labels.get(this),
        (PERMISSIONS[permitted], PERMISSIONS[otherwise]),
        f"{style.level(document['risk']['prob'])} interval (values)",
    )
    style.legend(fig, columns=2)
    return fig


PERMISSIONS = {"may_abstain": "may abstain", "acts": "must act"}
"""Keys of an agent's numbers, in words."""


def _permissions(document: Document) -> tuple[str, str]:
    """Return the keys of numbers with the agent's permission and with the other."""
    permitted = permission(document)
    return permitted, next(key for key in PERMISSIONS if key != permitted)


def _informs(document: Document) -> bool:
    agents = list(_drawn_agents(document)[0].values())
    risks = ([agent[key]["risk"] for agent in agents] for key in PERMISSIONS)
    return not all(map(style.alike, (*risks, [agent["limit"] for agent in agents])))


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
    key = permission(document)
    risks = {name: agent[key]["risk"] for name, agent in document["agents"].items()}
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    places: list[Read] = [("agents", name, key, "risk") for name in (low, high)]
    every: list[Read] = [("agents", name, key, "risk") for name in risks]
    marks = [Sentence("Thin tick: risk after unlimited training data.")]
    if any(map(_narrow, document["agents"].values())):
        marks.append(Sentence("Thick mark: a very narrow interval."))
    explanation = paragraph(*marks)
    if not greater(document, places[1], places[0]):
        text = f"With every prior, the risk is {about(risks[high])}."
        if not own_prior(document):
            text = f"Agents with an assumed prior all have a risk of {about(risks[high])}."
        return Sentence(text, places[1], claims=claims_alike(places[1], *every)), explanation
    text = f"The risk is {percent(risks[low])} with the prior {low!r} and {percent(risks[high])} with {high!r}."
    if not own_prior(document):
        text = f"Agents with an assumed prior have a risk of {percent(risks[low])} ({low!r}) to {percent(risks[high])} ({high!r})."
    claims = [*claims_less(*places), *(_between(place, *places) for place in every)]
    return Sentence(text, *places, claims=claims), explanation


BY_PRIOR = Plot("risk_by_agent_prior", _draw, _caption, _informs)
