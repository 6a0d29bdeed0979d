"""What the risk depends on: its range for each assumption, widest first."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EACH = 0.42
"""Height of a row, inches."""
ADVICE = "give (name, lowest risk, highest risk), such as ('policy', 0.1, 0.4)"


def draw_sensitivity(
    ax: "Axes",
    labels: Sequence[tuple[str, str]],
    lower: np.ndarray,
    upper: np.ndarray,
    now: float,
    ranges: Sequence[str] | None = None,
) -> None:
    """Draw a bar for every assumption, from the lowest to the highest risk.

    Parameters
    ----------
    labels : sequence of (str, str)
        Each assumption, and what is varied; the first is on top.
    lower, upper : ndarray (assumption,)
        The lowest and highest risk to which other assumptions lead.
    now : float
        The risk by the assumptions as stated.
    ranges : sequence of str, optional
        Texts beside the bars; both ends unless given.
    """
    style.label_rows(ax, ["\n".join(filter(None, (name, style.short(varied, 40)))) for name, varied in labels], 80)
    y = np.arange(len(labels))
    below, above = np.minimum(lower, now), np.maximum(upper, now)
    ax.barh(y, now - below, left=below, height=0.5, color=style.BLUE, label="lower risk")
    ax.barh(y, above - now, left=now, height=0.5, color=style.VERMILION, label="higher risk")
    for row, end in enumerate(above):
        text = _range(float(lower[row]), float(upper[row]), now) if ranges is None else ranges[row]
        ax.annotate(text, (end, row), (4, 0), textcoords="offset points", va="center", fontsize=7)
    ax.axvline(now, color=style.INK, linewidth=1, label=f"as stated: {style.percent(now)}")
    style.shares_axis(ax, "catastrophe risk (% of scenes)", max(0.01, float(above.max())))


def _range(lower: float, upper: float, now: float) -> str:
    ends = list(dict.fromkeys(style.percent(end) for end in (lower, upper)))
    return "no change" if ends == [style.percent(now)] else " to ".join(ends)


def plot_sensitivity(
    results: Any, now: float | None = None, *, ax: "Axes | None" = None, figsize: tuple[float, float] | None = None
) -> "Axes":
    """Plot what the risk depends on, the largest effect first.

    A row is an assumption, and its bar reaches from the lowest to the highest risk to which other assumptions of this kind
    lead. The rows of a results document are those of the report.

    Parameters
    ----------
    results : dict, or sequence of (str, float, float)
        The results document of `run`; or rows of your own: name, lowest risk, highest risk.
    now : float, optional
        The risk by the assumptions as stated: needed with rows, known of a document.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Risks in percent of the test's scenes.

    Raises
    ------
    InputError
        Rows of another form, no row, or results without a test.
    """
    from reward_hypotheses.analysis.results.results import is_results, results_of
    from reward_hypotheses.data.numerics import share

    if is_results(results):
        if now is not None:
            raise InputError("now: the results document has the risk; leave now out")
        rows, now = _of_document(results_of(results, "risk", "risk")), float(results["risk"]["mean"])
    else:
        if now is None:
            raise InputError("now: missing; give the risk by the assumptions as stated, such as now=0.3")
        now = share(now, "now", "give the risk by the assumptions as stated, from 0 to 1", include_zero=True)
        rows = _sorted(_rows(results), now)
    if not rows:
        raise InputError(f"results: no row; {ADVICE}")
    labels = [row[:2] for row in rows]
    lower, upper = (np.array([row[k] for row in rows], float) for k in (2, 3))
    with style.canvas(ax, figsize, (style.WIDTH + 0.8, style.height_of(len(rows), EACH) + 0.3)) as drawing:
        draw_sensitivity(drawing, labels, lower, upper, now)
        style.titled(drawing, _finding(labels[0][0], float(lower[0]), float(upper[0]), now))
    return drawing


type Row = tuple[str, str, float, float]


def _of_document(document: Mapping[str, Any]) -> list[Row]:
    from reward_hypotheses.analysis.results.document import presented

    parts = [part for presentation in presented(document) for part in presentation.parts]
    rows = next((part.entries for part in parts if part.kind == "tornado"), ())
    return [(str(row["name"]), str(row["varied"]), row["lower"], row["upper"]) for row in rows]


def _sorted(rows: list[Row], now: float) -> list[Row]:
    """Return rows with the largest effect on the risk first."""
    return sorted(rows, key=lambda row: -max(abs(row[2] - now), abs(row[3] - now)))


def _rows(rows: Any) -> list[Row]:
    if isinstance(rows, (str, Mapping)) or not hasattr(rows, "__iter__"):
        what = f"a {type(rows).__name__}"
        raise InputError(
            f"results: {what}; give the results document that rh.run() returns, or a list of rows: {ADVICE}"
        )
    read: list[Row] = []
    for k, row in enumerate(rows):
        try:
            name, lower, upper = row
            ends = float(lower), float(upper)
        except (TypeError, ValueError):
            raise InputError(f"results: row {k} is {shown(row)}; {ADVICE}") from None
        if not 0 <= ends[0] <= ends[1] <= 1:
            raise InputError(f"results: row {k} has a risk from {ends[0]:g} to {ends[1]:g}; {ADVICE}")
        read.append((str(name), "", *ends))
    return read


def _finding(top: str, lower: float, upper: float, now: float) -> str:
    if max(abs(upper - now), abs(lower - now)) < style.EQUAL / 2:
        return f"The risk stays at {style.percent(now)} whatever is assumed"
    ends = " to ".join(dict.fromkeys((style.percent(lower), style.percent(upper))))
    return f"Largest effect on the risk, {style.percent(now)} as stated: {top[:1].lower() + top[1:]}, {ends}"
