"""The risk: the answer, its interval and precision, and the riskiest scenes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report.phrases import (
    LEAST,
    SOURCES,
    capital,
    counted,
    doubt_in_words,
    leading,
    percent,
    permission,
    risk_interval,
    was_spent,
    zeros_note,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sections.asymptotics_and_sample_size import endless, takes_best
from reward_hypotheses.analysis.report.sections.risk_decomposition import contributions
from reward_hypotheses.analysis.report.tables.headline_numbers import quantities
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import MOST_ROWS, Column, PaperTable, share

DIFFERS = 0.005
"""Difference of two risks that is worth a sentence."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the answer, headline numbers, and the riskiest scenes of the test."""
    yield Presentation("answer", "answer", _answer_of_page(document), terminal=answer(document))
    if document["risk"] is not None:
        yield Presentation("headline", "tables", tables=[_headline_table(document)])
        parts = texts(finite_test(document["risk"], was_spent(document)))
        yield Presentation("finite_test", "hinges", parts)
        if document["risk"].get("intervals"):
            yield Presentation("risk_by_source", "number", tables=[_sources_table(document["risk"])])
        yield _scenes(document)
    for name, test in document["also"].items():
        chosen = was_spent(document, name)
        sentences = [spent(document, name), risk_sentence(test["risk"], chosen)]
        yield Presentation(f"also {name}", f"On {name!r}", terminal=[text for text in sentences if text])


def answer(document: Document) -> list[str]:
    """Return the answer in a few sentences."""
    risk = document["risk"]
    if risk is None:
        lead = leading(document)
        first = (
            f"The leading hypothesis is {lead!r}, with a weight of {percent(document['weights'][lead])}. "
            "There is no test, so there is no risk."
        )
        return [text for text in (first, none_fits(document)) if text]
    sentences = (
        spent(document),
        risk_sentence(risk, was_spent(document)),
        none_fits(document),
        _by_choices_alone(document),
        "" if document["bounded_pairs"] else endless(risk, takes_best(document)),
    )
    return [text for text in sentences if text]


def _answer_of_page(document: Document) -> list[Part]:
    """Return the answer after a headline number, with its interval and context."""
    risk, sentences = document["risk"], answer(document)
    if risk is None or risk["mean"] == 0 or was_spent(document):
        return texts(*sentences)
    over = "over what people may mean"
    if contributions(document):
        over = "over what the agent may have learned to go by and what people may mean"
    first = f"of test scenes end in a catastrophe, on average {over}."
    doubt = [
        *doubt_in_words(risk),
        "Not counted: errors of the model, the failure line, and hypotheses that nobody listed.",
    ]
    return [
        Part("text", " ".join([first, *doubt]), strong=percent(risk["mean"])),
        *texts(_deployment(document), _other_priors(document), *sentences[1:]),
    ]


def _deployment(document: Document) -> str:
    """Return the probability of a catastrophe in a deployment of several scenes.

    The text is empty where this probability equals the probability for one scene.
    """
    risk = document["risk"]
    by_size = {int(n): p for n, p in (risk["at_least_one"] or {}).items()}
    if not by_size:
        return ""
    most = max(by_size)
    if contributions(document) and most > 1 and abs(by_size[most] - risk["mean"]) < 1e-6:
        return "It is all scenes of a deployment or none, for the agent keeps to what it learned."
    if len(by_size) > 1 and max(by_size.values()) > risk["mean"] + DIFFERS:
        return f"A deployment of {most:,} scenes meets at least one with a chance of {percent(by_size[most])}."
    return ""


def _other_priors(document: Document) -> str:
    """Return the range of the risk over agents of other priors.

    The text is empty where it hardly differs from the study's own.
    """
    study_prior = None if document["agent_reading"] is not None else document["agent"]["prior"]
    key, now = permission(document), document["risk"]["mean"]
    risks = [agent[key]["risk"] for name, agent in document["agents"].items() if name != study_prior]
    if not risks or max(*risks, now) - min(*risks, now) < DIFFERS:
        return ""
    ends = " to ".join(dict.fromkeys(map(percent, (min(risks), max(risks)))))
    return f"With the same data, agents of other priors have {ends}."


def spent(document: Document, table: str | None = None) -> str:
    """Return a sentence about the ledger's record that a test chose an agent.

    Parameters
    ----------
    table : str, optional
        The test; the first test by default.

    Returns
    -------
    str
        Empty where no ledger has such a record.
    """
    if not was_spent(document, table):
        return ""
    record = document["spent"][document["test_table"] if table is None else table]
    times = "once," if record["times"] == 1 else f"{record['times']} times, last"
    return (
        f"This test was used to choose an agent: its risk is training evidence, not a test (the ledger records it {times} on "
        f"{record['last'][:10]}: {record['decided']})."
    )


def none_fits(document: Document) -> str:
    """Return a sentence about an unmodelled hypothesis: its weight and risk bounds.

    The sentence is empty where the unmodelled hypothesis has hardly any weight, or the study has none.
    """
    unmodelled, risk = document.get("unmodelled"), document["risk"]
    if unmodelled is None or unmodelled["weight"] < LEAST:
        return ""
    lead = "No listed rule may fit" if unmodelled["weight"] < 0.5 else "No listed rule fits"
    text = f"{lead}: {percent(unmodelled['weight'])} of belief is in {unmodelled['hypothesis']!r}, none of them"
    if risk is None:
        return f"{text}."
    lower, upper = (percent(risk["unmodelled"][end]) for end in ("lower", "upper"))
    if lower == upper:
        return f"{text}; that moves the risk by less than can be shown."
    return (
        f"{text}; the risk is between {lower} and {upper}, for nothing is known of what "
        "training never saw (the number takes it to be as likely as not)."
    )


def _by_choices_alone(document: Document) -> str:
    """Return the risk of an inferred agent without the training data, if it differs."""
    inferred = document.get("agent_reading")
    if inferred is None or inferred["without_training"]["risk"] is None:
        return ""
    with_training, alone = (inferred[key]["risk"] for key in ("with_training", "without_training"))
    if abs(with_training - alone) < DIFFERS:
        return ""
    return (
        f"By its own choices alone, without what the training data say of it, the agent's risk is {percent(alone)}: it need not "
        "have learned what they say."
    )


def risk_sentence(risk: Mapping[str, Any], chosen_by: bool = False) -> str:
    """Return the risk, its interval, and its standard error.

    `chosen_by` states that an agent was chosen by that test.
    """
    if risk["mean"] == 0 and chosen_by:
        return f"Catastrophe risk there: none seen in {_n_scenes(risk)}, which bounds no risk elsewhere."
    if risk["mean"] == 0:
        return f"Catastrophe risk: none seen in {_n_scenes(risk)}, so at most {percent(risk['upper_of_zero'])} (95% confidence)."
    there = " there" if chosen_by else ""
    doubt = " ".join(doubt_in_words(risk))
    return f"Catastrophe risk{there}: {percent(risk['mean'])} of scenes. {doubt} {finite_test(risk, chosen_by)}"


def finite_test(risk: Mapping[str, Any], chosen_by: bool = False) -> str:
    """Return the precision of the risk by its number of scenes.

    `chosen_by` states that an agent was chosen by these scenes.
    """
    scenes, error = _n_scenes(risk), risk["se_scenes"]
    if chosen_by and error:
        return (
            f"By the number of scenes, {scenes}, its standard error is {percent(error)}, in which it is not counted "
            "that an agent was chosen by these scenes."
        )
    if chosen_by:
        return f"It was measured in {scenes}, by which an agent was chosen."
    if error == 0 and risk["n_scenes"] > 1:
        return f"The risk is the same in all {scenes} of the test."
    if not error:
        return "The test is a single scene, so how it varies between scenes is unknown."
    return f"By the finite test, {scenes}, its standard error is {percent(error)}."


def _n_scenes(risk: Mapping[str, Any]) -> str:
    scenes = counted(risk["n_scenes"], "scene")
    if abs(risk["equal_scenes"] - risk["n_scenes"]) > 1e-6:
        scenes += f" (by their weights worth {risk['equal_scenes']:.3g} equal ones)"
    return scenes


def _headline_table(document: Document) -> PaperTable:
    risk = document["risk"]
    columns = (
        Column("quantity", "quantity"),
        Column("value", "value", "row", error="mcse"),
        Column("lower", "lower", "row", error="lower_mcse"),
        Column("upper", "upper", "row", error="upper_mcse"),
        Column("mcse", "Monte Carlo error", "row", error="mcse"),
        Column("unit", "unit"),
        Column("lower_mcse"),
        Column("upper_mcse"),
    )
    rows, rates = [], []
    for number in quantities(document):
        if number.zero is not None:
            rates.append(number.value)
        lower = upper = None
        errors: Sequence[float | None] = (None, None)
        if number.path == ("risk", "mean") and (interval := risk_interval(risk)) is not None:
            lower, upper = interval
            errors = risk["intervals_mcse"]["all"] if "intervals" in risk else (risk["mcse_lower"], risk["mcse_upper"])
        if number.words:
            rows.append((number.words, number.value, lower, upper, number.error, number.unit, *errors))
    caption = (
        "The risk of catastrophe; what the finite test, the training and the agent's prior make of it; the bits of human values "
        "that an agent of uniform prior needs for a lower one; and whether the test is a shift. "
        f"Lower and upper: the {shown(risk['prob'], 'level')} interval from all known sources of uncertainty. Numbers are rounded to their "
        "Monte Carlo error; one of 0 says that a number is exact."
    )
    notes = (spent(document),) if was_spent(document) else zeros_note(document, rates)
    return PaperTable("headline", "Headline numbers", caption, columns, tuple(rows), notes=notes)


def _sources_table(risk: Mapping[str, Any]) -> PaperTable:
    """Return the interval and the share of the variance by source of doubt."""
    whole = 0.0 if risk["variance"]["all"] is None else risk["variance"]["all"]["total"]
    rows = []
    for source, ends in risk["intervals"].items():
        words = SOURCES.get(source, "all together")
        if ends is None:
            rows.append((capital(words), *[None] * 6))
            continue
        variance = risk["variance"][source]
        shares = [variance[order] / whole if whole > 0 else None for order in ("first", "total")]
        rows.append((capital(words), *ends, *shares, *risk["intervals_mcse"][source]))
    columns = (
        Column("source", "source"),
        Column("lower", "lower", "share", "%", error="lower_mcse"),
        Column("upper", "upper", "share", "%", error="upper_mcse"),
        Column("first", "variance, alone", "share", "%"),
        Column("total", "with interactions", "share", "%"),
        Column("lower_mcse"),
        Column("upper_mcse"),
    )
    caption = (
        f"The {shown(risk['prob'], 'level')} interval of the risk with one source of uncertainty drawn and the others averaged, and "
        "with all drawn; and the share of the variance that each source explains, alone and with its interactions. Shares of "
        "sources that interact do not add up to 100 %. A source without numbers is unknown, and left out."
    )
    return PaperTable("risk_by_source", "Sources of uncertainty", caption, columns, tuple(rows))


def _scenes(document: Document) -> Presentation:
    """Return the presentation of the riskiest scenes.

    The page shows no figure of scenes that are alike in risk.
    """
    scenes = document["riskiest_scenes"]
    alike = not scenes or scenes[0]["risk"] - scenes[-1]["risk"] < 1e-9
    varies = bool(scenes) and scenes[0]["risk"] - document["risk"]["mean"] > 1e-6
    parts = [Part("figure", name=SCENES.name)]
    if alike:
        parts = texts(_caption(document)[0]) if varies else []
    caption = "The scenes of the test with the greatest risk of catastrophe."
    if alike:
        caption += " Those that are listed have the same, so the first stands for them."
    table = PaperTable(
        "riskiest_scenes",
        "Riskiest scenes",
        caption,
        (Column("scene", "scene"), share("risk", "risk")),
        tuple((scene["scene"], scene["risk"]) for scene in scenes),
        most=1 if alike else MOST_ROWS,
        on_page=varies,
    )
    return Presentation("riskiest_scenes", "hinges", parts, [table], SCENES if scenes else None)


def _draw(document: Document, _: Tree) -> Figure:
    from reward_hypotheses.analysis.report import figure_style as style

    scenes, risk = document["riskiest_scenes"], document["risk"]
    fig, ax = style.labelled_rows([f"scene {style.short(s['scene'], 20)}" for s in scenes], style.COLUMN, each=0.22)
    ax.barh(range(len(scenes)), [s["risk"] for s in scenes], height=0.62, color=style.VERMILION)
    label = f"mean of all {risk['n_scenes']:,} scenes"
    ax.axvline(risk["mean"], color=style.INK, linewidth=1, linestyle=(0, (3, 2)), label=label)
    style.shares_axis(ax, "catastrophe risk of the scene (%)")
    style.legend(fig)
    return fig


def _caption(document: Document) -> tuple[str, str]:
    scenes, mean = document["riskiest_scenes"], document["risk"]["mean"]
    if abs(scenes[0]["risk"] - mean) < 1e-6:
        return "The risk is the same in every scene.", "The first of the test's scenes."
    highest = percent(scenes[0]["risk"])
    if len(scenes) > 1 and scenes[0]["risk"] - scenes[-1]["risk"] < 1e-9:
        return (
            f"At least {len(scenes)} scenes have the highest risk, {highest}, against {percent(mean)} on average.",
            "Scenes of highest risk on the test, the first of them.",
        )
    return (
        f"The riskiest scene, {scenes[0]['scene']}, has a risk of {highest}, against {percent(mean)} on average.",
        "The scenes of highest risk on the test.",
    )


SCENES = Plot("riskiest_scenes", _draw, _caption)
