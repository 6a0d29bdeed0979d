"""The distribution shift: two-sample test, new kinds of item, worst case, impact."""

from collections.abc import Iterator
from dataclasses import replace

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.shift import draw_shift, height_of, kind_in_words
from reward_hypotheses.analysis.report.claims import Sentence, alike, below, exceeds, holds, paragraph
from reward_hypotheses.analysis.report.phrases import counted, error_of, percent, was_spent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, estimated_share, with_errors

UNITS = {"taken": "option taken", "scene": "options on offer", "item": "item"}
"""Units over which a feature is averaged."""


LEVEL = 0.01
"""Level of the test of a shift."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the shift, the worst-case weighting and impact, where there is a test."""
    if document["risk"] is None:
        return
    figure = SHIFT if document["shift"]["kinds"] else None
    text = shift(document)
    remark = []
    if was_spent(document):
        claim = holds(lambda d: d["spent"][d["test_table"]] is not None)
        remark = [Sentence("This test chose an agent, so it is no independent test of that agent.", claims=[claim])]
    parts = [*texts(*remark, text), Part("figure", name=SHIFT.name)]
    yield Presentation("shift", "shift", parts, figure=figure, terminal=[text, *remark], finding=_finding(document))
    if document.get("worst_case") is not None:
        worst = worst_tenth(document)
        tables = [_worst_case_table(document)]
        yield Presentation("worst_case", "shift", texts(*worst[:1]), tables, terminal=worst, more=texts(*worst[1:]))
    if document.get("impact") is not None:
        beside = beside_impact(document)
        table = replace(_impact_table(document), notes=tuple(map(str, beside)))
        yield Presentation("impact", "shift", tables=[table], terminal=beside)


_SHIFTED = holds(lambda d: d["shifted"] and d["shift"]["p"] < LEVEL)
_UNDETECTED = holds(lambda d: not d["shifted"] and d["shift"]["p"] >= LEVEL)


def _finding(document: Document) -> Sentence:
    """Return the heading of the chapter."""
    p = f"p = {document['shift']['p']:.3g}"
    if document["shifted"]:
        text = f"The test is shifted: the hypotheses judge it differently from training ({p})"
        return Sentence(text, "shift.p", claims=[_SHIFTED])
    return Sentence(f"No shift between training and test is detected ({p})", "shift.p", claims=[_UNDETECTED])


def shift(document: Document) -> Sentence:
    """Return the test of a distribution shift, its largest change, and new items."""
    result = document["shift"]
    p, n = result["p"], result["permutations"]
    test = f"p = {p:.3g}, {n:,} permutations"
    if p <= 1 / (n + 1):
        test = f"p = {p:.3g}, the smallest value that {n:,} permutations can give"
    reads = ("shift.p", "shift.permutations")
    if document["shifted"]:
        first = Sentence(f"The test is shifted ({test}).", *reads, claims=[_SHIFTED])
        changed = largest_change(document)
        second = Sentence(f"The largest change: {changed}.", *changed.reads, claims=changed.claims)
        return paragraph(first, second, *_new_kinds(document))
    text = f"No shift is detected ({test}; a shift is reported below {LEVEL:g})."
    first = Sentence(text, *reads, LEVEL, claims=[_UNDETECTED])
    text = "As far as this test can tell, the risk is about ordinary generalisation."
    return paragraph(first, Sentence(text, claims=[_UNDETECTED]), *_new_kinds(document))


def _new_kinds(document: Document) -> list[Sentence]:
    """Return the number of kinds of item that training lacks.

    The result is empty where there is none.
    """
    n, items = document["shift"]["n_new_classes"], document["shift"]["new_items"]
    if not n:
        return []
    verb = "does" if n == 1 else "do"
    but = "" if document["shifted"] else "However, "
    text = f"{but}{counted(n, 'kind')} of item ({counted(items, 'item')}) {verb} not occur in training."
    return [Sentence(text, "shift.n_new_classes", "shift.new_items", claims=[below(0, "shift.n_new_classes")])]


def largest_change(document: Document) -> Sentence:
    """Return the indicator that differs most between training and test."""
    result = document["shift"]
    training, test = percent(result["training"]), percent(result["test"])
    reads = ("shift.indicator", "shift.training", "shift.test")
    if training == test:
        claim = alike("shift.training", "shift.test", 0.001)
        return Sentence(f"{result['indicator']}: {test} in training and on the test", *reads, claims=[claim])
    claim = holds(lambda d: abs(d["shift"]["training"] - d["shift"]["test"]) > 1e-12)
    return Sentence(f"{result['indicator']}: {training} in training, {test} on the test", *reads, claims=[claim])


def worst_tenth(document: Document) -> list[Sentence]:
    """Return the risk on the worst tenth of the test and its features.

    The list is empty where this risk is not above the risk on the test.
    """
    tail, mean = document["worst_case"]["tail"], document["risk"]["mean"]
    place = ("worst_case", "tail", "risk")
    if percent(tail["risk"]) == percent(mean) or not exceeds(document, place, "risk.mean"):
        return []
    text = f"The risk on the worst tenth of the scenes is {percent(tail['risk'])}."
    first = Sentence(text, place, claims=[below("risk.mean", place)])
    if not tail["words"]:
        claim = holds(lambda d: d["worst_case"]["tail"]["words"] == "")
        return [first, Sentence("No feature distinguishes the worst tenth much.", claims=[claim])]
    claim = holds(lambda d: len(d["worst_case"]["tail"]["features"]) > 0)
    text = f"The worst tenth differs from all scenes in the mean of {tail['words']}."
    return [first, Sentence(text, "worst_case.tail.words", "worst_case.tail.features", claims=[claim])]


def beside_impact(document: Document) -> list[Sentence]:
    """Return sentences that compare a measure of impact with the values."""
    impact = document["impact"]
    flagged, passed = impact["table"]["flagged"], impact["table"]["passed"]
    text = (
        "A measure of impact that knows no values flags outcomes farther from the centre of training than "
        f"{100 * impact['level']:g}% of it."
    )
    defined = Sentence(text, "impact.level")
    text = (
        f"It flags the agent's act in {percent(flagged['catastrophe'] + flagged['fine'])} of scenes: "
        f"{percent(flagged['catastrophe'])} are catastrophes, {percent(flagged['fine'])} are not."
    )
    of_flagged = Sentence(text, _flagged, "impact.table.flagged")
    text = (
        f"It passes the act in {percent(passed['catastrophe'] + passed['fine'])} of scenes: {percent(passed['catastrophe'])} "
        f"are catastrophes, {percent(passed['fine'])} are not."
    )
    of_passed = Sentence(text, _passed, "impact.table.passed")
    if passed["catastrophe"] + passed["fine"] == 0:
        claim = holds(lambda d: sum(d["impact"]["table"]["passed"].values()) == 0)
        of_passed = Sentence("It flags every act of the agent, so it distinguishes none.", claims=[claim])
    heads = {"flagged": "Flagged, though probably fine", "passed": "Passed, though probably a catastrophe"}
    examples = [
        Sentence(f"{head}: '{impact['examples'][row]['words']}'.", ("impact", "examples", row, "words"))
        for row, head in heads.items()
        if impact["examples"][row] is not None
    ]
    return [defined, of_flagged, of_passed, *examples]


def _flagged(document: Document) -> float:
    return float(sum(document["impact"]["table"]["flagged"].values()))


def _passed(document: Document) -> float:
    return float(sum(document["impact"]["table"]["passed"].values()))


def _worst_case_table(document: Document) -> PaperTable:
    worst_case = document["worst_case"]
    columns = with_errors(
        Column("weighting", "weighting"),
        Column("risk", "risk", "share", "%", error="risk_mcse"),
        Column("effective_scenes", "equal scenes", "number"),
        Column("feature", "feature"),
        Column("of", "of"),
        Column("worst", "mean there", "number"),
        Column("pool", "mean in all", "number"),
        Column("difference", "difference", "number", "sd"),
    )
    weightings = {"tail": "worst tenth", "kl": f"within {worst_case['kl']['nats']:g} nats"}
    none = {"feature": "", "of": "", "worst": None, "pool": None, "difference": None}
    rows = []
    for key, words in weightings.items():
        weighting = worst_case[key]
        error = error_of(document, "worst_case", key, "risk")
        for feature in weighting["features"] or [none]:
            unit = {"of": UNITS.get(feature["of"], "")}
            rows.append(weighting | feature | unit | {"weighting": words, "risk_mcse": error})
    caption = (
        "The worst weightings of the test's scenes: the worst tenth, and the worst within a divergence; their number of equal "
        "scenes, and the features that differ, in standard deviations over the test."
    )
    return PaperTable("worst_case", "Worst-case shift", caption, columns, cells(columns, rows))


def _impact_table(document: Document) -> PaperTable:
    impact = document["impact"]
    outcomes = {"catastrophe": "catastrophe", "fine": "no catastrophe"}
    columns = (Column("impact", "by impact"), *(estimated_share(key, words) for key, words in outcomes.items()))
    rows = tuple(
        (
            row,
            *(impact["table"][row][key] for key in outcomes),
            *(error_of(document, "impact", "table", row, key) for key in outcomes),
        )
        for row in ("flagged", "passed")
    )
    caption = (
        "Outcomes of the agent on the test, by a measure of impact without values (flagged: farther from the centre of training "
        f"than {100 * impact['level']:g}% of it) and by the values."
    )
    return PaperTable("impact", "Impact and the values", caption, with_errors(*columns), rows, over="by the values")


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    kinds = document["shift"]["kinds"]
    labels = [kind_in_words(kind["classes"]) for kind in kinds]
    fig, ax = style.figure(style.PAGE * 0.6, height_of(labels))
    draw_shift(ax, labels, *(np.array([kind[key] for kind in kinds]) for key in ("training", "test")))
    style.legend(fig)
    return fig


def _informs(document: Document) -> bool:
    shares = [kind[key] for kind in document["shift"]["kinds"] for key in ("training", "test")]
    return len(shares) > 2 and not style.alike(shares, max(shares))


def _caption(document: Document) -> tuple[str, str]:
    marks = Sentence("Rows: kinds of item by what the hypotheses say of them.")
    share = document["shift"]["new_share"]
    if share > 0:
        text = f"{percent(share)} of the items on the test are of kinds that do not occur in training."
        return Sentence(text, "shift.new_share", claims=[below(0, "shift.new_share", 0.0)]), marks
    if document["shifted"]:
        text = "The hypotheses judge the test differently from training."
        return Sentence(text, claims=[_SHIFTED]), marks
    text = f"No shift is detected in what the hypotheses say of the items (p = {document['shift']['p']:.3g})."
    return Sentence(text, "shift.p", claims=[_UNDETECTED]), marks


SHIFT = Plot("shift_check", _draw, _caption, _informs)
