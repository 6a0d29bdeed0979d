"""The risk: the answer, its interval and precision, and the riskiest scenes."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.report_figures.riskiest_scenes import EACH, draw_riskiest_scenes
from reward_hypotheses.analysis.report.claims import Sentence, alike, below, holds, value
from reward_hypotheses.analysis.report.phrases import (
    LEAST,
    counted,
    leading,
    misfits,
    percent,
    plainly,
    risk_interval,
    was_spent,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sections.asymptotics_and_sample_size import WORDS, hardest, more_data_in_one
from reward_hypotheses.analysis.report.sections.risk.decomposition import contributions
from reward_hypotheses.analysis.report.sections.risk.precision import (
    interval_in_words,
    n_scenes,
    precision,
    sources_in,
    spent,
)
from reward_hypotheses.analysis.report.sections.risk.remedies import first_choice
from reward_hypotheses.analysis.report.tables.table_model import MOST_ROWS, Column, PaperTable, share

TESTS = 3
"""Other tests whose risk stands in the answer."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the answer, headline numbers, and the riskiest scenes of the test."""
    yield Presentation("answer", "answer", _answer_of_page(document), terminal=answer(document))
    yield Presentation("facts", "facts", texts(*facts(document)))
    if document["risk"] is not None:
        yield from precision(document)
        yield _scenes(document)
    for name, test in document["also"].items():
        chosen = was_spent(document, name)
        sentences = [spent(document, name), risk_sentence(test["risk"], chosen, ("also", name, "risk"))]
        said = [text for text in sentences if text]
        yield Presentation(f"also {name}", "also", texts(*said), terminal=said)


def answer(document: Document) -> list[str]:
    """Return the answer in at most five sentences: risk, why, remedy, more data."""
    if document["risk"] is None:
        return _without_test(document)
    sentences = (
        risk_sentence(document["risk"], was_spent(document)),
        none_fits(document),
        reason(document),
        _remedy(document),
        more_data_in_one(document),
        _other_tests(document),
    )
    return [text for text in sentences if text]


def _other_tests(document: Document) -> Sentence | str:
    """Return the risk on the other tests; empty where there are none."""
    also = document["also"]
    if not also:
        return ""
    named = list(also)[:TESTS]
    risks = [
        f"{percent(also[name]['risk']['mean'], also[name]['risk']['upper_of_zero'])} on {name!r}" for name in named
    ]
    reads = [("also", name, "risk", key) for name in named for key in ("mean", "upper_of_zero")]
    more = f" ({len(also) - TESTS} more in the report)" if len(also) > TESTS else ""
    return Sentence(f"The risk on other tests: {plainly(risks)}{more}.", *reads, len(also) - TESTS)


def _without_test(document: Document) -> list[str]:
    lead = leading(document)
    most = holds(lambda d: all(d["weights"][lead] >= w for w in d["weights"].values()))
    first = Sentence(
        f"The hypothesis {lead!r} has the largest posterior weight, {percent(document['weights'][lead])}.",
        ("weights", lead),
        claims=[most],
    )
    second = Sentence("There is no test, so there is no risk.", claims=[holds(lambda d: d["risk"] is None)])
    return [first, second, *([text for text in [none_fits(document)] if text])]


def _answer_of_page(document: Document) -> list[Part]:
    """Return the answer for the page.

    A number with its interval, then three labelled sentences: the reason, a remedy, and what more data can do.
    """
    risk = document["risk"]
    if risk is None:
        return texts(*_without_test(document))
    labelled = [
        ("Why", reason(document)),
        ("What would lower the risk", _remedy(document)),
        ("More data", more_data_in_one(document)),
    ]
    parts = [Part("terms", entries=[(term, text) for term, text in labelled if text])]
    if risk["mean"] == 0 or was_spent(document):
        return [*texts(risk_sentence(risk, was_spent(document))), *parts]
    first = Sentence("of test scenes are predicted to end in a catastrophe.")
    lead = Part("text", first, strong=Sentence(percent(risk["mean"]), "risk.mean"))
    return [lead, Part("text", interval_in_words(risk)), *parts]


def reason(document: Document) -> Sentence | str:
    """Return why the risk is what it is: its largest part, or the worst truth."""
    risk = document["risk"]
    if risk["mean"] < LEAST:
        return ""
    parts = contributions(document)
    if parts:
        part = parts[0]
        place = ("matrix", part.agent, part.truth)

        def largest(d: Document) -> bool:
            pairs = (
                (d["agent_weights"][i] * d["weights"][j] * c) for i, row in d["matrix"].items() for j, c in row.items()
            )
            here = d["agent_weights"][part.agent] * d["weights"][part.truth] * d["matrix"][part.agent][part.truth]
            return bool(here >= max(pairs) - 1e-12)

        if part.agent == part.truth:
            text = (
                f"Largest part: even where {part.truth!r} is true and the agent follows {part.agent!r}, "
                f"{percent(part.share)} of scenes end in a catastrophe."
            )
            if part.truth in (document.get("rule_spaces") or {}):
                text = (
                    f"Largest part: where one rule of {part.truth!r} is true and the agent follows another one, "
                    f"{percent(part.share)} of scenes end in a catastrophe."
                )
            return Sentence(text, place, claims=[holds(largest), holds(lambda _: part.agent == part.truth)])
        text = (
            f"The agent follows {part.agent!r} (probability {percent(part.agent_weight)}), and where {part.truth!r} is true "
            f"(posterior weight {percent(part.weight)}), {percent(part.share)} of scenes then end in a catastrophe."
        )
        places = ("agent_weights", part.agent), ("weights", part.truth), place
        return Sentence(text, *places, claims=[holds(largest), holds(lambda _: part.agent != part.truth)])
    by_truth = {name: x for name, x in document["risk_by_truth"].items() if x is not None}
    worst = max(by_truth, key=by_truth.__getitem__)
    if len({percent(x) for x in by_truth.values()}) == 1:
        claims = [alike(("risk_by_truth", worst), ("risk_by_truth", name), 0.0011) for name in by_truth]
        text = f"The risk is {percent(by_truth[worst])} whichever hypothesis is true."
        return Sentence(text, ("risk_by_truth", worst), claims=claims)
    most = holds(lambda d: all(d["risk_by_truth"][worst] >= (x or 0.0) for x in d["risk_by_truth"].values()))
    text = f"The risk is largest, {percent(by_truth[worst])}, if {worst!r} is the true hypothesis."
    return Sentence(text, ("risk_by_truth", worst), claims=[most])


def _remedy(document: Document) -> Sentence | str:
    best = first_choice(document)
    return "" if best is None else best.sentence(document)


def facts(document: Document) -> list[Sentence]:
    """Return facts of a few words each: scenes, what is fixed, shift, fit, tests."""
    out: list[Sentence] = []
    if document["risk"] is not None:
        out.append(Sentence(f"{counted(document['risk']['n_scenes'], 'test scene')}", "risk.n_scenes"))
        if risk_interval(document["risk"]) is not None:
            varies = "agent" in sources_in(document["risk"])
            fixed = [holds(lambda d: ("agent" in sources_in(d["risk"])) == varies)]
            out.append(Sentence(f"Held fixed: {'' if varies else "agent's prior, "}policy, failure line", claims=fixed))
    if document["shifted"] is not None:
        p, shifted = document["shift"]["p"], document["shifted"]
        words = "Distribution shift detected" if shifted else "No distribution shift detected"
        claims = [holds(lambda d: d["shifted"] == shifted)]
        out.append(Sentence(f"{words} (p = {p:.3f})", "shift.p", claims=claims))
    checks = document["predictive_check"]
    if misfits(document):
        out.append(Sentence("Misfit: see above", claims=[holds(lambda d: bool(misfits(d)))]))
    elif checks:
        least = min(checks, key=lambda name: checks[name]["p"])
        claims = [
            holds(
                lambda d: not d["misfit"] and all(c["p"] >= checks[least]["p"] for c in d["predictive_check"].values())
            )
        ]
        text = f"No misfit found (smallest p = {checks[least]['p']:.3g})"
        out.append(Sentence(text, ("predictive_check", least, "p"), claims=claims))
    expected = hardest(document) if document["risk"] is not None else None
    if expected is not None and expected.missed(document):
        text = "But training separates the hypotheses less than expected: people may follow none of them"
        claims = [holds(lambda d: (closest := hardest(d)) is not None and closest.missed(d))]
        out.append(Sentence(text, claims=claims))
    last = (none_fits(document), _other_tests(document)) if document["risk"] is not None else ()
    return [*out, *(text for text in last if isinstance(text, Sentence))]


def none_fits(document: Document) -> Sentence | str:
    """Return a sentence about an unmodelled hypothesis: its weight and risk bounds.

    The sentence is empty where the unmodelled hypothesis has hardly any weight, or the study has none.
    """
    unmodelled, risk = document.get("unmodelled"), document["risk"]
    if unmodelled is None or unmodelled["weight"] < LEAST:
        return ""
    said = (
        f"{unmodelled['hypothesis']!r} (none of the listed rules) has posterior weight {percent(unmodelled['weight'])}"
    )
    large = holds(lambda d: d["unmodelled"]["weight"] >= LEAST)
    if risk is None:
        return Sentence(f"{said}.", "unmodelled.weight", claims=[large])
    lower, upper = (percent(risk["unmodelled"][end]) for end in ("lower", "upper"))
    if lower == upper:
        claims = [alike("risk.unmodelled.lower", "risk.unmodelled.upper", 0.0011)]
        text = f"{said}, which changes the risk by less than 0.1%."
        return Sentence(text, "unmodelled.weight", 0.001, claims=[large, *claims])
    return Sentence(
        f"{said}: the risk is between {lower} and {upper}, because training never showed some items of the test.",
        "unmodelled.weight",
        "risk.unmodelled.lower",
        "risk.unmodelled.upper",
        claims=[large, below("risk.unmodelled.lower", "risk.unmodelled.upper", 0.0)],
    )


def risk_sentence(
    risk: Mapping[str, Any], chosen_by: bool = False, place: tuple[str | int, ...] = ("risk",)
) -> Sentence:
    """Return the risk and its interval.

    `chosen_by` states that an agent was chosen by that test; `place` is that of the risk in the document.
    """
    scenes = n_scenes(risk)
    reads = [(*place, key) for key in ("n_scenes", "equal_scenes", "upper_of_zero")]
    zero = [holds(lambda d: value(d, (*place, "mean")) == 0)]
    if risk["mean"] == 0 and chosen_by:
        text = f"Catastrophe risk: none in {scenes} by which an agent was chosen, so no upper limit follows."
        return Sentence(text, *reads, claims=zero)
    if risk["mean"] == 0:
        text = f"Catastrophe risk: none in {scenes}, so at most {percent(risk['upper_of_zero'])} (95% confidence)."
        return Sentence(text, *reads, 0.95, claims=zero)
    where = "of the scenes by which an agent was chosen" if chosen_by else "of test scenes"
    for sources in (True, False):
        interval = interval_in_words(risk, place, sources)
        text = f"Catastrophe risk: {percent(risk['mean'])} {where} ({interval})."
        if len(text.split()) <= WORDS:
            break
    return Sentence(text, (*place, "mean"), *interval.reads, claims=interval.claims)


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
    return Presentation("riskiest_scenes", "shift", parts, [table], SCENES if scenes else None)


def _draw(document: Document, _: Tree) -> Figure:
    scenes, risk = document["riskiest_scenes"], document["risk"]
    fig, ax = style.figure(style.COLUMN, style.height_of(len(scenes), EACH))
    names, risks = ([scene[key] for scene in scenes] for key in ("scene", "risk"))
    draw_riskiest_scenes(ax, names, risks, risk["mean"], risk["n_scenes"])
    style.legend(fig)
    return fig


def _informs(document: Document) -> bool:
    return not style.alike(scene["risk"] for scene in document["riskiest_scenes"])


def _caption(document: Document) -> tuple[str, str]:
    scenes, mean = document["riskiest_scenes"], document["risk"]["mean"]
    explanation = Sentence("Scenes of the test in the order of their risk.")
    first, highest = ("riskiest_scenes", 0, "risk"), percent(scenes[0]["risk"])
    if highest == percent(mean):
        claims = [alike(first, "risk.mean", 0.0011)]
        return Sentence("The risk is about the same in every scene.", claims=claims), explanation
    if len(scenes) > 1 and scenes[0]["risk"] - scenes[-1]["risk"] < 1e-9:
        claims = [holds(lambda d: len({round(s["risk"], 8) for s in d["riskiest_scenes"]}) == 1)]
        text = f"At least {len(scenes)} scenes have the highest risk, {highest}; the mean risk is {percent(mean)}."
        return Sentence(
            text, len(scenes), first, "risk.mean", claims=[*claims, below("risk.mean", first, 0.0)]
        ), explanation
    tied = len(scenes) > 1 and scenes[0]["risk"] - scenes[1]["risk"] < 1e-9
    text = (
        f"{'A' if tied else 'The'} scene with the highest risk, {scenes[0]['scene']!r}, has {highest}; "
        f"the mean risk is {percent(mean)}."
    )
    return Sentence(text, first, "risk.mean", claims=[below("risk.mean", first, 0.0)]), explanation


SCENES = Plot("riskiest_scenes", _draw, _caption, _informs)
