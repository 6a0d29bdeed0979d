"""Human values: their sources, their strength, and judgements on the failure line."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.phrases import at, counted, percent, value_in_words
from reward_hypotheses.analysis.report.presentation import Document, Presentation, texts
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, with_errors

MOST, MOST_LINES = 12, 8
"""Hypotheses whose prior, and whose judged failure line, is mentioned."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the prior over the hypotheses, and the judged failure line."""
    shares = sorted(document["prior"].items(), key=lambda item: -item[1])[:MOST]
    prior = "Before any data: " + ", ".join(f"{percent(share)} {name!r}" for name, share in shares) + "."
    parts = texts(*sources(document["values"]), *unmodelled_source(document), prior, _doubt(document))
    yield Presentation("values", "values", parts)
    if document.get("failure_line") is not None:
        yield Presentation("failure_line", "values", texts(*judged_line(document)), [_table(document)])


def sources(values: Mapping[str, Any]) -> list[str]:
    """Return whose values the prior holds."""
    if "judges" in values:
        judges = [f"{judge['name']}: {judge['source']}{_strength(judge)}" for judge in values["judges"]]
        return [f"Values: {len(judges)} judges, {values['pool']} pool. " + "; ".join(judges) + "."]
    if "judgements" in values:
        judgements = values["judgements"]
        return [
            f"Values: {len(judgements['answers'])} judgements by {len(judgements['judges'])} judges, between pairs of hypotheses; "
            f"{values['source']}."
        ]
    if "prior" in values:
        return [f"Values: {values['prior']}; {values['source']}."]
    return [f"Values: {values['source']}{_strength(values)}."]


def _strength(values: Mapping[str, Any]) -> str:
    strength = values.get("strength")
    return "" if strength is None else f" (declared to be as sure as {strength:g} judgements would make one)"


def how_sure(values: Mapping[str, Any]) -> str:
    """Return the strength of the values: 'values as sure as 20 judgements'."""
    if "judgements" in values:
        return f"as {counted(len(values['judgements']['answers']), 'judgement')} leave it"
    strengths = [judge.get("strength") for judge in values.get("judges", [values])]
    stated = sorted({float(x) for x in strengths if x is not None})
    if not stated:
        return "by the strength declared for them"
    ends = " to ".join(dict.fromkeys(f"{x:g}" for x in (stated[0], stated[-1])))
    noun = "judgement" if ends == "1" else "judgements"
    some = " of those that state it" if None in strengths else ""
    return f"values as sure as {ends} {noun}" + (f", judge by judge{some}" if len(strengths) > 1 else "")


def unmodelled_source(document: Document) -> list[str]:
    """Return the declared prior of an unmodelled hypothesis and its source.

    The list is empty where there is none.
    """
    unmodelled = document.get("unmodelled")
    if unmodelled is None:
        return []
    c = f"{unmodelled['concentration']:g}"
    return [
        f"Of {unmodelled['hypothesis']!r}, none of the rules: each of the {counted(unmodelled['cells'], 'cell')} of training, which the rules "
        f"predict alike, has its own label probability, Beta({c}, {c}); {unmodelled['source']}."
    ]


def _doubt(document: Document) -> str:
    """Return the meaning of the interval of the risk; empty without a test."""
    if document["risk"] is None:
        return ""
    if document["risk"]["lower"] is None:
        return "No strength is stated, so the interval of the risk takes these shares as given."
    if "judgements" in document["values"]:
        origin = (
            "Those shares were inferred from the answers. The interval of the risk counts the doubt that so many answers, and "
            "the disagreement of the judges, leave about them. "
        )
    else:
        origin = (
            "The strength was declared with the values. It says how many judgements those shares are worth. The interval "
            "of the risk counts the doubt that this leaves about them. "
        )
    return origin + "It does not count hypotheses that nobody listed, or errors of the model."


def judged_line(document: Document) -> list[str]:
    """Return the judgements on the failure line, its posterior, and the risk by it."""
    judged = document["failure_line"]
    stated, lines = document["fail_utility"], judged["by_hypothesis"]
    listed = "; ".join(
        f"at {line['mean']:.3g} ({line['lower']:.3g} to {line['upper']:.3g}) under {name!r}, where "
        f"{value_in_words(stated[name])} was stated"
        for name, line in list(lines.items())[:MOST_LINES]
    )
    more = f"; {len(lines) - MOST_LINES} more stand in tables/failure_line.csv" if len(lines) > MOST_LINES else ""
    sentences = [
        f"Where failing lies was asked too: of {counted(judged['items'], 'item')} of {judged['table']} judges said whether they would "
        f"rather that the agent did nothing, that is failed on purpose, and of {judged['rather_nothing']} they would; "
        f"{judged['source']}.",
        f"The answers put it {listed}{more}. In brackets: {100 * judged['prob']:g}% intervals, in reward units.",
    ]
    risk, other = document["risk"], document["risk_under_judged_line"]
    if risk is None or other is None:
        return sentences
    again = also = ""
    if other["refits"]:
        also = " and the training data"
        again = (
            f" What was said of training rests on the line too, and was weighed again at {other['refits']} lines that the answers "
            f"allow (Monte Carlo error {percent(other['mcse'])})."
        )
    sentences.append(
        f"By the stated line the risk is {percent(risk['mean'])}; with the line no better known than by the answers{also} it is "
        f"{percent(other['mean'])}, and by doubt about the values and the line together {percent(other['lower'])} to "
        f"{percent(other['upper'])} ({100 * risk['prob']:g}%). The agent is the same: it acts, and was trained, by the line that it was "
        f"told.{again} All other numbers rest on the stated line."
    )
    return sentences


def _table(document: Document) -> PaperTable:
    judged, risk = document["failure_line"], document.get("risk_under_judged_line")
    columns = (
        Column("hypothesis", "hypothesis"),
        Column("declared", "stated"),
        *(Column(key, words, "number") for key, words in (("mean", "judged"), ("lower", "lower"), ("upper", "upper"))),
        Column("sd", "sd", "number"),
        estimated_share("risk_if_true", "risk if true" if risk else None),
        Column("mcse"),
    )
    rows = tuple(
        (
            name,
            value_in_words(document["fail_utility"][name]),
            *(line[key] for key in ("mean", "lower", "upper", "sd")),
            at(risk, ["by_truth", name]),
            line["mcse"],
            at(risk, ["mcse_by_truth", name]),
        )
        for name, line in judged["by_hypothesis"].items()
    )
    tested = ", and the risk of catastrophe were the hypothesis true, its line known no better" if risk else ""
    caption = (
        "Where failing lies, in the reward units of each hypothesis: as it was stated, and as judges' answers leave it, with the "
        f"{shown(judged['prob'], 'level')} interval{tested}."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    return PaperTable("failure_line", "Where failing lies", caption, with_errors(*columns), rows, ranks=ranks)
