"""The distribution shift: two-sample test, new kinds of item, worst case, impact."""

from collections.abc import Iterator, Mapping

from reward_hypotheses.analysis.report.phrases import LEAST, counted, error_of, percent, plainly, was_spent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sections.risk import spent
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, estimated_share, with_errors

UNITS = {"taken": "option taken", "scene": "options on offer", "item": "item"}
"""Units over which a feature is averaged."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the shift, the worst-case weighting and impact, where there is a test."""
    if document["risk"] is None:
        return
    figure = SHIFT if document["shift"]["kinds"] else None
    text = shift(document)
    remark = (
        ["Shift or not, it was used to choose an agent, and is no test of that agent."] if was_spent(document) else []
    )
    parts = [*texts(spent(document), text), Part("figure", name=SHIFT.name)]
    yield Presentation("shift", "shift", parts, figure=figure, terminal=[text, *remark])
    if document.get("worst_case") is not None:
        yield Presentation("worst_case", "hinges", texts(worst_tenth(document)), [_worst_case_table(document)])
    if document.get("impact") is not None:
        parts = texts(" ".join(beside_impact(document)))
        yield Presentation("impact", "hinges", parts, [_impact_table(document)])


def shift(document: Document) -> str:
    """Return the test of a distribution shift, its largest change, and new items."""
    result = document["shift"]
    p, permutations = result["p"], result["permutations"]
    test = f"p = {p:.3f}, {permutations} permutations"
    if p <= 1 / (permutations + 1):
        test = f"p = {p:.3f}, the least that {permutations} permutations can show"
    new = ""
    if result["n_new_classes"]:
        new = f" {counted(result['n_new_classes'], 'kind')} of item never seen in training ({counted(result['new_items'], 'item')})."
    if not document["shifted"]:
        return (
            f"Not detectably ({test}; below 0.01 it would be one): what the hypotheses say of the test does not differ from "
            f"what they say of training by more than chance may do, so this is ordinary generalisation, not a shift.{new}"
        )
    return f"Yes ({test}). The largest change: {largest_change(document)}.{new}"


def largest_change(document: Document) -> str:
    """Return the indicator that differs most between training and test."""
    result = document["shift"]
    return f"{result['indicator']}: {percent(result['training'])} in training, {percent(result['test'])} on the test"


def worst_tenth(document: Document) -> str:
    """Return the risk on the worst tenth of the test and its features.

    The text is empty where this risk equals the risk on the test.
    """
    tail = document["worst_case"]["tail"]
    if tail["risk"] - document["risk"]["mean"] < LEAST:
        return ""
    text = f"On the worst tenth of these scenes the risk is {percent(tail['risk'])}"
    if tail["words"]:
        return f"{text}; what sets them apart: {tail['words']}."
    return f"{text}; no feature sets them apart by much."


def beside_impact(document: Document) -> list[str]:
    """Return sentences that compare a measure of impact with the values."""
    impact = document["impact"]
    flagged, passed = impact["table"]["flagged"], impact["table"]["passed"]
    everything = passed["catastrophe"] + passed["fine"] == 0
    sentences = [
        "By a measure of impact that knows no values (is an outcome farther from the centre of training than "
        f"{100 * impact['level']:g}% of it?), {percent(flagged['catastrophe'] + flagged['fine'])} of what the agent does here is "
        f"flagged: {percent(flagged['catastrophe'])} a catastrophe, {percent(flagged['fine'])} not. It passes "
        f"{percent(passed['catastrophe'])} that is a catastrophe, and {percent(passed['fine'])} that is not."
        + (" It flags everything here, so it tells nothing apart." if everything else "")
    ]
    heads = {"flagged": "Flagged, though probably fine", "passed": "Passed, though probably a catastrophe"}
    examples = ((head, impact["examples"][row]) for row, head in heads.items())
    return [*sentences, *(f"{head}: {example['words']}." for head, example in examples if example is not None)]


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
        "The worst weighting of the test's scenes for the agent: its worst tenth, and the worst within so many nats of "
        "divergence; how many equal scenes that is worth, and the features that set it apart, the largest difference first, in "
        "standard deviations over the test."
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
        "What the agent does on the test, by a measure of impact that knows no values (flagged: farther from the centre of "
        f"training than {100 * impact['level']:g}% of it) and by the values."
    )
    return PaperTable("impact", "Impact and the values", caption, with_errors(*columns), rows, over="by the values")


def kind_in_words(classes: Mapping[str, str]) -> str:
    """Return the judgements of a kind of item by the hypotheses.

    For example 'better than failing under flags; worse under red paint'.
    """
    judgements: list[str] = []
    for word in ("better than failing", "equal to failing", "worse than failing"):
        names = [name for name, judged in classes.items() if judged == word]
        if len(names) == len(classes) > 1:
            return f"{word} under all"
        if names:
            judgements.append(f"{word.split()[0] if judgements else word} under {plainly(names)}")
    return "; ".join(judgements)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    from reward_hypotheses.analysis.report import figure_style as style

    kinds = document["shift"]["kinds"]
    labels = [style.wrapped(kind_in_words(kind["classes"]), 64) for kind in kinds]
    lines = max(label.count("\n") + 1 for label in labels)
    fig, ax = style.labelled_rows([""] * len(kinds), style.PAGE * 0.6, each=0.32 + 0.13 * lines)
    y = np.arange(len(kinds))
    for row, label in enumerate(labels):
        ax.annotate(label, (0, row), (0, 4.5), textcoords="offset points", ha="left", va="bottom", fontsize=7)
    ax.set_ylim(len(kinds) - 0.5, -1)
    training, test = (np.array([kind[key] for kind in kinds]) for key in ("training", "test"))
    ends = np.minimum(training, test), np.maximum(training, test)
    ax.hlines(y, *ends, color=style.MUTED, linewidth=0.8, zorder=1)
    ax.plot(training, y, "o", markerfacecolor="white", markeredgecolor=style.BLUE, label="training", zorder=2)
    ax.plot(test, y, "D", color=style.VERMILION, markersize=4, label="test", zorder=3)
    style.shares_axis(ax, "share of items (%)", most=float(ends[1].max()))
    style.legend(fig)
    return fig


def _caption(document: Document) -> tuple[str, str]:
    caption = "Kinds of item, by what the hypotheses say of them, and how common each is."
    share = document["shift"]["new_share"]
    if share > 0:
        return f"{percent(share)} of the test's items are of kinds that training never showed.", caption
    if document["shifted"]:
        return "Training and test differ in what the hypotheses say about them.", caption
    p = document["shift"]["p"]
    return f"No change is detectable in what the hypotheses say of the items (p = {p:.3g}).", caption


SHIFT = Plot("shift_check", _draw, _caption)
