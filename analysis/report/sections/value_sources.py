"""Human values: their sources, their strength, and judgements on the failure line."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.claims import Read, Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import (
    at,
    counted,
    leading,
    more_in,
    percent,
    value_in_words,
    weightiest,
)
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation, texts
from reward_hypotheses.analysis.report.tables.rounding import shown
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, with_errors

MOST, MOST_LINES = 4, 8
"""Hypotheses whose prior, and whose judged failure line, is mentioned."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the prior over the hypotheses, and the judged failure line."""
    judges = "judges" in document["values"]
    said = sources(document["values"])
    parts = texts(*said[: 1 if judges else None], prior_of(document))
    more, doubt = texts(*(said[1:] if judges else ()), *unmodelled_source(document)), _doubt(document)
    terminal = [*said, *([doubt] if doubt else [])]
    yield Presentation("values", "values", parts, terminal=terminal, finding=_highest_prior(document), more=more)
    if document.get("failure_line") is not None:
        sentences = judged_line(document)
        asked = Sentence(
            f"Judges were asked about {counted(document['failure_line']['items'], 'item')} to estimate the failure line.",
            "failure_line.items",
        )
        lines = [Part("list", entries=_judged_by_hypothesis(document))]
        yield Presentation(
            "failure_line",
            "line",
            texts(paragraph(*sentences[1:]) if len(sentences) > 1 else sentences[0]),
            [_table(document)],
            finding=asked,
            more=[*texts(*(sentences[:1] if len(sentences) > 1 else ())), *lines],
        )


def sources(values: Mapping[str, Any]) -> list[Sentence]:
    """Return whose values the prior holds, and how strong they are, as paragraphs."""
    if "judges" in values:
        n = len(values["judges"])
        first = Sentence(
            f"The prior is the {values['pool']} pool of the values of {counted(n, 'judge')}.",
            "values.judges",
            "values.pool",
        )
        return [first, *(_judge(judge, k) for k, judge in enumerate(values["judges"]))]
    if "judgements" in values:
        answers, judges = (len(values["judgements"][key]) for key in ("answers", "judges"))
        first = Sentence(
            f"The prior was inferred from {counted(answers, 'judgement')} of {counted(judges, 'judge')} between pairs of "
            "hypotheses.",
            "values.judgements.answers",
            "values.judgements.judges",
        )
    elif "prior" in values:
        prior = values["prior"]
        name = prior if isinstance(prior, str) else prior["name"]
        first = Sentence(f"The baseline prior {name!r} stands in for human values.", "values.prior")
    else:
        first = Sentence("The prior holds the values that the study states.")
    return [paragraph(first, _source(values["source"], "values", "source"), _strength(values, "values"))]


def _judge(judge: Mapping[str, Any], k: int) -> Sentence:
    named = Sentence(f"Judge {judge['name']!r}.", ("values", "judges", k, "name"))
    place = ("values", "judges", k)
    return paragraph(named, _source(judge["source"], *place, "source"), _strength(judge, *place))


def _source(source: str, *path: str | int) -> Sentence:
    """Return the source of values as the study states it."""
    text = source.strip()
    end = "" if text.endswith((".", "!", "?")) else "."
    return Sentence(f"Source: {text}{end}" if '"' in text else f'Source: "{text}".', path)


def _strength(values: Mapping[str, Any], *path: str | int) -> str:
    strength = values.get("strength")
    if strength is None:
        return ""
    return Sentence(f"Prior strength: equivalent to {_judgements(strength)}.", (*path, "strength"))


def _judgements(strength: float) -> str:
    return "1 judgement" if strength == 1 else f"{strength:g} judgements"


def how_sure(values: Mapping[str, Any]) -> str:
    """Return the strength of the values: 'prior strength equivalent to 20 judgements'."""
    if "judgements" in values:
        return f"prior inferred from {counted(len(values['judgements']['answers']), 'judgement')}"
    strengths = [judge.get("strength") for judge in values.get("judges", [values])]
    stated = sorted({float(x) for x in strengths if x is not None})
    if not stated:
        return "no prior strength stated"
    ends = _judgements(stated[-1])
    if len(stated) > 1:
        ends = f"{stated[0]:g} to {ends}"
    which = "by judge, where stated" if None in strengths else "by judge"
    return f"prior strength equivalent to {ends}" + (f" ({which})" if len(strengths) > 1 else "")


def prior_of(document: Document) -> Sentence:
    """Return the prior of at most four hypotheses, the weightiest among them."""
    prior = document["prior"]
    names = _by_prior(document)
    listed = ", ".join(f"{name!r} {percent(prior[name])}" for name in names)
    more = len(prior) - len(names)
    rest = f"; {more_in(more, 'tables/weights.csv')}" if more else ""
    return Sentence(f"Prior: {listed}{rest}.", "prior", lambda d: len(d["prior"]) - len(names))


def _by_prior(document: Document) -> list[str]:
    prior = document["prior"]
    names = sorted(prior, key=lambda name: -prior[name])
    first = names[:MOST]
    favourite = leading(document)
    return first if favourite in first else [*first[:-1], favourite]


def _highest_prior(document: Document) -> Sentence:
    """Return which hypothesis has the highest prior."""
    prior = document["prior"]
    if len(prior) == 1:
        return Sentence("There is 1 hypothesis, so the prior has nothing to weigh.", "prior")
    top = max(prior.values())
    names = [name for name in prior if percent(prior[name]) == percent(top)]
    share = lambda d: max(d["prior"].values())  # noqa: E731
    if len(names) == len(prior):
        every = holds(lambda d: max(d["prior"].values()) - min(d["prior"].values()) < 0.001)
        n = len(prior)
        return Sentence(
            f"The prior gives each of the {n} hypotheses {percent(top)}.",
            lambda d: len(d["prior"]),
            share,
            claims=[every],
        )
    first = names[0]
    most = holds(lambda d: all(d["prior"][first] >= w - 0.001 for w in d["prior"].values()))
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Sentence(
        f"The prior is highest, {percent(top)}, for {first!r}{others}.",
        "prior",
        lambda d: sum(percent(w) == percent(d["prior"][first]) for w in d["prior"].values()) - 1,
        claims=[most],
    )


def unmodelled_source(document: Document) -> list[str]:
    """Return the declared prior of an unmodelled hypothesis and its source.

    The list is empty where there is none.
    """
    unmodelled = document.get("unmodelled")
    if unmodelled is None:
        return []
    c, name = f"{unmodelled['concentration']:g}", unmodelled["hypothesis"]
    return [
        paragraph(
            Sentence(f"{name!r} stands for a reward that is not among the listed rules.", "unmodelled.hypothesis"),
            Sentence(
                f"Under {name!r}, a cell of training has its own label probability, with the prior Beta({c}, {c}).",
                "unmodelled.concentration",
            ),
            Sentence(
                f"Training has {counted(unmodelled['cells'], 'cell')}; within a cell, the predictions of a listed rule coincide.",
                "unmodelled.cells",
            ),
            _source(unmodelled["source"], "unmodelled", "source"),
        )
    ]


def _doubt(document: Document) -> str:
    """Return the meaning of the interval of the risk; empty without a test."""
    if document["risk"] is None:
        return ""
    left_out = Sentence("The interval does not include errors of the model, or hypotheses that nobody listed.")
    if document["risk"]["lower"] is None:
        exact = holds(lambda d: d["risk"]["lower"] is None)
        unstated = Sentence(
            "No prior strength is stated, so the interval of the risk treats the prior as exact.", claims=[exact]
        )
        return paragraph(unstated, left_out)
    if "judgements" in document["values"]:
        counts = Sentence(
            "The interval of the risk includes the uncertainty that the judgements, and disagreement of the judges, leave about "
            "the prior."
        )
    else:
        counts = Sentence(
            "The interval of the risk includes the uncertainty that the prior strength leaves about the prior."
        )
    return paragraph(counts, left_out)


def judged_line(document: Document) -> list[Sentence]:
    """Return the judgements on the failure line, and the risk by that line."""
    judged = document["failure_line"]
    asked = Sentence(
        f"Judges said of {counted(judged['items'], 'item')} of table {judged['table']!r} whether the agent should fail on purpose "
        "instead.",
        "failure_line.items",
    )
    rather = Sentence(
        f"They preferred failure for {counted(judged['rather_nothing'], 'item')}.", "failure_line.rather_nothing"
    )
    sentences = [paragraph(asked, rather, _source(judged["source"], "failure_line", "source"))]
    risk, other = document["risk"], document["risk_under_judged_line"]
    if risk is None or other is None:
        return sentences
    level = f"{100 * risk['prob']:g}%"
    both = [
        Sentence(f"With the stated failure line, the risk is {percent(risk['mean'])}.", "risk.mean"),
        Sentence(
            f"With the judged failure line, the risk is {percent(other['mean'])} ({level} credible interval "
            f"{percent(other['lower'])} to {percent(other['upper'])}, from uncertainty about the values and the line).",
            "risk_under_judged_line",
            "risk.prob",
        ),
    ]
    if other["refits"]:
        both += [
            Sentence(
                f"The training evidence was computed again at {counted(other['refits'], 'line')} that the judgements allow.",
                "risk_under_judged_line.refits",
            ),
            Sentence(f"Monte Carlo error of the second risk: {percent(other['mcse'])}.", "risk_under_judged_line.mcse"),
        ]
    kept = Sentence("The agent keeps the stated line, and so do the other results of this report.")
    return [*sentences, paragraph(*both, kept)]


def _judged_by_hypothesis(document: Document) -> list[Sentence]:
    """Return the judged failure line of the weightiest hypotheses."""
    judged = document["failure_line"]
    lines, level = judged["by_hypothesis"], f"{100 * judged['prob']:g}%"
    names = [name for name in weightiest(document, MOST_LINES) if name in lines]
    entries = []
    for name in names:
        line, place = lines[name], ("failure_line", "by_hypothesis", name)
        reads: list[Read] = [place, ("fail_utility", name), "failure_line.prob"]
        entries.append(
            Sentence(
                f"{name!r}: judged line {line['mean']:.3g} ({level} credible interval {line['lower']:.3g} to {line['upper']:.3g}), stated "
                f"line {line_in_words(document['fail_utility'][name])}, in reward units.",
                *reads,
            )
        )
    more = len(lines) - len(names)
    if more:
        entries.append(Sentence(f"{more_in(more, 'tables/failure_line.csv')}.", lambda d: more))
    return entries


def line_in_words(value: float | str | None) -> str:
    """Return a stated failure line; an expression stands as code."""
    return f"`{value}`" if isinstance(value, str) else value_in_words(value)


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
    tested = ", and the risk under the judged line if the hypothesis is true" if risk else ""
    caption = (
        f"In the reward units of each hypothesis: the stated line, and the judged line with its {shown(judged['prob'], 'level')} credible "
        f"interval{tested}."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    return PaperTable("failure_line", "The failure line", caption, with_errors(*columns), rows, ranks=ranks)
