"""The precision of the risk.

Number of scenes, sources of uncertainty, headline numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report.claims import Sentence, holds, paragraph, value
from reward_hypotheses.analysis.report.phrases import (
    SOURCES,
    capital,
    counted,
    percent,
    plainly,
    risk_interval,
    was_spent,
    zeros_note,
)
from reward_hypotheses.analysis.report.presentation import Document, Presentation, texts
from reward_hypotheses.analysis.report.tables.headline_numbers import quantities
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable

DIFFERS = 0.005
"""Difference of two risks that is worth a sentence."""


def precision(document: Document) -> Iterator[Presentation]:
    """Present headline numbers, the finite test, and the sources of uncertainty."""
    yield _precision(document)
    yield Presentation("headline", "precision", tables=[_headline_table(document)])
    if document["risk"].get("intervals"):
        yield Presentation("risk_by_source", "precision", tables=[_sources_table(document["risk"])])


def interval_in_words(
    risk: Mapping[str, Any], place: tuple[str | int, ...] = ("risk",), sources: bool = True
) -> Sentence:
    """Return the interval of the risk, and what the interval contains, as a clause."""
    interval, level = risk_interval(risk), f"{100 * risk['prob']:g}%"
    stated = risk["lower"] is not None
    unstated = holds(lambda d: value(d, (*place, "lower")) is None)
    if interval is None:
        single = " and the test has a single scene" if risk["n_scenes"] == 1 else ""
        return Sentence(f"no interval, because the values have no stated strength{single}", claims=[unstated])
    low, high = map(percent, interval)
    ends = ("intervals", "all") if risk.get("intervals") else ()
    places = [(*place, *ends, i) for i in (0, 1)] if ends else [(*place, end) for end in ("lower", "upper")]
    moving = sources_in(risk)
    contents = holds(lambda d: sources_in(value(d, place)) == moving)
    only = " only" if len(moving) == 1 else ""
    known = (
        f", from uncertainty about {plainly([CONTAINED[s] for s in moving])}{only}"
        if moving
        else ", with no uncertain quantity"
    )
    remark = "" if stated else "; values without a stated strength are left out"
    ends_in_words = f"{low} to {high}" if low != high else f"{low} at both ends"
    in_order = holds(lambda d: value(d, places[0]) <= value(d, places[1]))
    claims = [contents, in_order, *([] if stated else [unstated])]
    return Sentence(
        f"{level} credible interval {ends_in_words}{known if sources else ''}{remark}",
        (*place, "prob"),
        *places,
        claims=claims,
    )


CONTAINED = {
    "values": "the stated values",
    "agent": "the agent",
    "reward_weights": "the judge's reward weights",
    "scenes": "the finite test",
    "evidence": "the Monte Carlo evidence",
}
"""Sources of uncertainty, as the object of "uncertainty about"."""


def sources_in(risk: Mapping[str, Any]) -> list[str]:
    """Return the sources of uncertainty that move the risk, the largest first."""
    if not risk.get("variance"):
        return ["values"]
    totals = {s: part["total"] for s, part in risk["variance"].items() if s in CONTAINED and part}
    most = max(totals.values(), default=0.0)
    return [s for s in sorted(totals, key=lambda s: -totals[s]) if totals[s] > max(1e-3 * most, 0.0)]


def _precision(document: Document) -> Presentation:
    """Return the presentation of the precision of the risk."""
    risk = document["risk"]
    sentences = [finite_test(risk, was_spent(document)), _by_choices_alone(document)]
    left_out = Sentence("No interval contains errors of the model, the failure line, or hypotheses that nobody listed.")
    terminal = [*(sentence for sentence in sentences if sentence), left_out]
    finding = _precision_finding(document)
    return Presentation("finite_test", "precision", texts(*sentences), terminal=terminal, finding=finding)


def _precision_finding(document: Document) -> Sentence:
    risk = document["risk"]
    interval = risk_interval(risk)
    if interval is None:
        return Sentence("The risk has no interval.", claims=[holds(lambda d: risk_interval(d["risk"]) is None)])
    largest = risk.get("largest_source")
    low, high = map(percent, interval)
    places = (
        [("risk", "intervals", "all", i) for i in (0, 1)] if risk.get("intervals") else ["risk.lower", "risk.upper"]
    )
    if largest is None or low == high:
        return Sentence(
            f"The risk is between {low} and {high} ({100 * risk['prob']:g}% interval).", *places, "risk.prob"
        )
    claims = [holds(lambda d: d["risk"]["largest_source"] == largest)]
    text = f"The largest source of uncertainty is {CONTAINED.get(largest, largest)}: {low} to {high} with all sources."
    return Sentence(text, *places, claims=claims)


def _by_choices_alone(document: Document) -> Sentence | str:
    """Return the risk of an inferred agent without the training data, if it differs."""
    inferred = document.get("agent_reading")
    if inferred is None or inferred["without_training"]["risk"] is None:
        return ""
    with_training, alone = (inferred[key]["risk"] for key in ("with_training", "without_training"))
    if abs(with_training - alone) < DIFFERS:
        return ""
    places = [("agent_reading", key, "risk") for key in ("without_training", "with_training")]
    differ = holds(lambda d: abs(value(d, places[0]) - value(d, places[1])) >= DIFFERS)
    text = f"Without the training data, the agent's own choices give a risk of {percent(alone)} instead of {percent(with_training)}."
    return Sentence(text, *places, claims=[differ])


def finite_test(risk: Mapping[str, Any], chosen_by: bool = False) -> Sentence:
    """Return the precision of the risk by its number of scenes.

    `chosen_by` states that an agent was chosen by these scenes.
    """
    scenes, error = n_scenes(risk), risk["se_scenes"]
    reads = ["risk.n_scenes", "risk.equal_scenes", "risk.se_scenes"]
    if chosen_by and error:
        text = f"The standard error of {scenes} is {percent(error)}. It does not count that an agent was chosen by these scenes."
        return Sentence(text, *reads)
    if chosen_by:
        return Sentence(f"The risk was measured in {scenes}, by which an agent was chosen.", *reads)
    if error == 0 and risk["n_scenes"] > 1:
        claims = [holds(lambda d: d["risk"]["se_scenes"] == 0)]
        return Sentence(f"The risk is the same in all {scenes} of the test.", *reads, claims=claims)
    if not error:
        claims = [holds(lambda d: d["risk"]["n_scenes"] == 1)]
        return Sentence(
            "The test is a single scene, so the variation between scenes is unknown.", *reads, claims=claims
        )
    return Sentence(f"The standard error from the finite test ({scenes}) is {percent(error)}.", *reads)


def n_scenes(risk: Mapping[str, Any]) -> str:
    """Return the number of scenes, and of equally informative ones."""
    scenes = counted(risk["n_scenes"], "scene")
    if abs(risk["equal_scenes"] - risk["n_scenes"]) > 1e-6:
        scenes += f" (as informative as {risk['equal_scenes']:.3g} equally weighted scenes)"
    return scenes


def spent(document: Document, table: str | None = None) -> Sentence | str:
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
    name = document["test_table"] if table is None else table
    record = document["spent"][name]
    times = "once," if record["times"] == 1 else f"{record['times']} times, last"
    recorded = Sentence(
        f"An agent was chosen by its risk on this test (recorded {times} on {record['last'][:10]}: {record['decided']}).",
        ("spent", name),
        claims=[holds(lambda d: d["spent"][name] is not None)],
    )
    return paragraph(recorded, Sentence("The risk on this test is therefore training evidence, not a test."))


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
