"""The agent's leading hypothesis, and an agent inferred from its own choices."""

from reward_hypotheses.analysis.report.claims import Sentence, holds, paragraph, quoted
from reward_hypotheses.analysis.report.phrases import LEAST, other_warnings, percent
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation, texts
from reward_hypotheses.analysis.report.sentences.comparisons import claims_heaviest, cut, heaviest, weights_in_words
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, share, with_errors


def leading(document: Document) -> Sentence:
    """Return the hypothesis to which the agent gives the largest weight."""
    names, weights = heaviest(document, ("agent_weights",)), document["agent_weights"]
    first = ("agent_weights", names[0])
    claims = claims_heaviest(("agent_weights",), names)
    if len(weights) == 1:
        return Sentence(
            f"The agent holds one hypothesis, {names[0]!r}.", claims=[holds(lambda d: len(d["agent_weights"]) == 1)]
        )
    if len(names) > 1:
        text = f"The agent gives {cut(names, 2)} about the same weight, {percent(weights[names[0]])}."
        return Sentence(text, first, len(names) - 2, claims=claims)
    if document["agent"]["policy"] == "commit":
        text = f"The agent most often follows {names[0]!r}: with probability {percent(weights[names[0]])}."
        if weights[names[0]] > 1 - LEAST:
            text = f"The agent follows {names[0]!r} with probability {percent(weights[names[0]])}."
        return Sentence(text, first, claims=[*claims, holds(lambda d: d["agent"]["policy"] == "commit")])
    return Sentence(
        f"The agent's largest weight is on {names[0]!r}: {percent(weights[names[0]])}.", first, claims=claims
    )


def inferred(document: Document) -> Presentation:
    """Return the presentation of an agent that was inferred from its own choices."""
    sentences, warnings = read_off(document), document["agent_reading"]["warnings"]
    first = 0 if document["risk"] is None else 1  # with a test, the chapter has begun with these weights
    parts, more = texts(*sentences[first:2]), texts(*sentences[:first])
    said = [quoted(f"Warning: {warning}.", ("agent_reading", "warnings", k)) for k, warning in enumerate(warnings)]
    if said:
        more.append(Part("list", entries=said))
    remarks = [
        quoted(f"Warning: {warning}.", "warnings", "agent_reading.warnings")
        for warning in other_warnings(document, warnings)
    ]
    tables = [_inferred_table(document), _distance_table(document)]
    more += texts(*sentences[2:])
    finding = "" if document["risk"] is not None else leading(document)
    return Presentation(
        "inferred_agent", "agent", parts, tables, terminal=[*sentences, *remarks], finding=finding, more=more
    )


def read_off(document: Document) -> list[Sentence]:
    """Return sentences on the inference from an agent's own choices.

    First its weights and risk with the training data and without them; then distances and rationality.
    """
    reading = document["agent_reading"]
    with_training = reading["with_training"]
    sentences = []
    for key, source in (
        ("with_training", "its choices and training"),
        ("without_training", "its choices alone"),
    ):
        weights = weights_in_words(document, ("agent_reading", key, "weights"))
        held = Sentence(f"The agent's weights, by {source}: {weights}.", *weights.reads, claims=weights.claims)
        risk = reading[key]["risk"]
        then = "" if risk is None else Sentence(f"The risk is then {percent(risk)}.", ("agent_reading", key, "risk"))
        sentences.append(paragraph(held, then))
    distances = {
        prior: distance["total_variation"]
        for prior, distance in with_training["distance"].items()
        if distance["total_variation"] is not None
    }
    if distances:
        shares = ", ".join(f"{percent(x)} ({prior!r})" for prior, x in distances.items())
        places = [("agent_reading", "with_training", "distance", prior, "total_variation") for prior in distances]
        text = f"Share of the agent's weight that an agent with an assumed prior has elsewhere: {shares}."
        sentences.append(Sentence(text, *places))
    lead = max(with_training["weights"], key=with_training["weights"].get)
    for nuisance, by_hypothesis in reading["rationality"].items():
        beta = by_hypothesis.get(lead)
        if beta is not None:
            of_agent = Sentence(
                f"If the agent follows {lead!r}, its rationality ('{nuisance}') is {beta['mean']:.2f} (credible interval "
                f"{beta['lower']:.2f} to {beta['upper']:.2f}).",
                ("agent_reading", "rationality", nuisance, lead),
            )
            sentences.append(paragraph(of_agent, Sentence("A rationality of 0 is choice at random.", 0)))
    return sentences


def _inferred_table(document: Document) -> PaperTable:
    reading = document["agent_reading"]
    weights = reading["with_training"]["weights"]
    columns = with_errors(
        Column("hypothesis", "hypothesis"),
        share("agent_prior", "agent's prior"),
        Column("log_evidence_of_choices", "log evidence", "nats", "nats", error="log_evidence_of_choices_mcse"),
        share("without_training", "by its choices alone"),
        share("with_training", "and training"),
    )
    rows = tuple(
        (
            name,
            reading["prior"].get(name),
            reading["log_evidence"].get(name),
            reading["without_training"]["weights"].get(name),
            weight,
            reading["log_evidence_mcse"].get(name),
        )
        for name, weight in weights.items()
    )
    caption = (
        "The agent's weights, inferred from its own choices: its prior, how well a hypothesis explains the choices, and "
        "weights. A dash: the agent does not hold the hypothesis."
    )
    ranks = tuple(weights[row[0]] for row in rows)
    return PaperTable("agent_reading", "The inferred agent", caption, columns, rows, ranks=ranks)


def _distance_table(document: Document) -> PaperTable:
    with_training, risks = document["agent_reading"]["with_training"], document["risk_by_agent_prior"] or {}
    columns = (
        Column("agent_prior", "agent's prior"),
        share("weight_elsewhere", "weight elsewhere"),
        share("risk", "risk"),
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
        "The inferred agent beside agents with an assumed prior: the share of its weight on other hypotheses (total variation), and "
        "the divergence of its weights from theirs."
    )
    return PaperTable("agent_distance", "The inferred agent and assumed agents", caption, columns, rows)
