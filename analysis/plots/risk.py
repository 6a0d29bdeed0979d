"""Catastrophe risks and intervals: by source of uncertainty, or side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NARROW = 0.005
"""Width of an interval below which it is drawn as a point, and difference of two risks below which they are alike."""
SOURCES = {
    "all": "all sources",
    "values": "the values",
    "agent": "what the agent learned",
    "reward_weights": "reward weights",
    "scenes": "number of scenes",
    "evidence": "Monte Carlo error",
}
"""Sources of uncertainty, as rows."""


def draw_risk(
    ax: "Axes",
    labels: Sequence[str],
    risk: Sequence[float],
    ends: Sequence[Sequence[float] | None],
    limit: Sequence[float | None] | None = None,
    otherwise: Sequence[float] | None = None,
    highlighted: str | None = None,
    keys: tuple[str, str] = ("must act", "may abstain"),
    interval: str = "95% interval",
) -> None:
    """Draw a row for every risk, with its interval, its limit, and a second risk.

    Parameters
    ----------
    risk, otherwise : sequence of float
        Shares of scenes; `otherwise` is drawn where it differs, and `keys` names the two.
    ends : sequence of (float, float) or None
        Ends of the interval of each risk; a short thick tick where the interval is a point.
    limit : sequence of float or None, optional
        What unlimited training would leave of each risk: thin ticks.
    highlighted : str, optional
        The label that stands out.
    interval : str
        What the intervals are, for the legend.
    """
    style.label_rows(ax, labels)
    apart = False
    for row, (label, value) in enumerate(zip(labels, risk, strict=True)):
        color = style.VERMILION if label == highlighted else style.BLUE
        if ends[row] is not None:
            lower, upper = ends[row]  # type: ignore[misc]
            if upper - lower < NARROW:
                ax.plot(lower, row, "|", color=color, alpha=0.55, markersize=12, markeredgewidth=4.5, zorder=1)
            else:
                ax.hlines(row, lower, upper, color=color, linewidth=3.5, alpha=0.5)
        left = None if limit is None else limit[row]
        if left is not None:
            ax.plot(left, row, "|", color=style.INK, markersize=13, markeredgewidth=1.2, zorder=2)
        if otherwise is not None and abs(otherwise[row] - value) > NARROW:
            apart = True
            ax.plot(
                otherwise[row], row, "s", markerfacecolor="none", markeredgecolor=style.MUTED, markersize=6, zorder=2
            )
        ax.plot(value, row, "o", color=color, zorder=3)
        place: Any = {"textcoords": "offset points", "ha": "center", "fontsize": 7}
        ax.annotate(style.percent(value), (value, row), (0, 8), **place)
    if apart:
        style.key(ax, "o", style.MUTED, keys[0])
        style.key(ax, "s", style.MUTED, keys[1], hollow=True)
    if limit is not None and any(value is not None for value in limit):
        style.key(ax, "|", style.INK, "after unlimited training")
    if any(pair is not None for pair in ends):
        ax.plot([], [], "-", color=style.BLUE, linewidth=3.5, alpha=0.5, label=interval)
    style.shares_axis(ax, "catastrophe risk (% of scenes)")


def plot_risk(risk: Any, *, ax: "Axes | None" = None, figsize: tuple[float, float] | None = None) -> "Axes":
    """Plot a catastrophe risk by source of uncertainty, or several side by side.

    Of one risk: its interval from all sources, and, where several leave something open, the interval of each alone. Of
    several: the interval of each from all sources.

    Parameters
    ----------
    risk : Dataset, or dict
        From `catastrophe_risk`, or the results document of `run`; or a dict of several by name.
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
        An argument of another kind, or results without a test.
    """
    from reward_hypotheses.analysis.results.results import is_results

    several = isinstance(risk, Mapping) and not is_results(risk) and not hasattr(risk, "data_vars")
    if several and not risk:
        raise InputError("risk: an empty dict; give a Dataset that rh.catastrophe_risk() returns under each name")
    read = {str(name): _numbers(one, f"risk[{name!r}]") for name, one in risk.items()} if several else {}
    one = None if several else _numbers(risk, "risk")
    if one is None:
        labels, means = list(read), [numbers["mean"] for numbers in read.values()]
        ends = [numbers["ends"]["all"] for numbers in read.values()]
        limits = [numbers["limit"] for numbers in read.values()]
        probs = {numbers["prob"] for numbers in read.values()}
        finding = _of_several(dict(zip(labels, means, strict=True)))
    else:
        open_sources = [s for s in SOURCES if s != "all" and _open(one["ends"].get(s))]
        rows = ["all", *open_sources] if len(open_sources) > 1 else ["all"]
        labels, means = [SOURCES[s] for s in rows], [one["mean"]] * len(rows)
        ends, limits = [one["ends"][s] for s in rows], [one["limit"], *[None] * (len(rows) - 1)]
        probs, finding = {one["prob"]}, _of_one(one)
    interval = f"{style.level(probs.pop())} interval" if len(probs) == 1 else "interval"
    with style.canvas(ax, figsize, (style.WIDTH, style.height_of(len(labels)) + 0.4)) as drawing:
        highlighted = labels[0] if one is not None else None
        draw_risk(drawing, labels, means, ends, limits, highlighted=highlighted, interval=interval)
        style.titled(drawing, finding)
    return drawing


def _numbers(risk: Any, name: str) -> dict[str, Any]:
    """Return mean, limit, probability and intervals by source of a risk."""
    from reward_hypotheses.analysis.results.results import dataset_of, is_results, results_of

    if is_results(risk):
        numbers = results_of(risk, "risk", "risk")["risk"]
        ends = numbers.get("intervals") or {
            "all": None if numbers["lower"] is None else [numbers["lower"], numbers["upper"]]
        }
        return {"mean": numbers["mean"], "limit": numbers["limit"], "prob": numbers["prob"], "ends": dict(ends)}
    data = dataset_of(risk, ("mean", "interval", "limit"), name, "rh.catastrophe_risk()")
    ends = {}
    for source in data["source"].to_numpy():
        pair = data["interval"].sel(source=source).to_numpy()
        ends[str(source)] = None if np.isnan(pair).any() else pair.tolist()
    limit = float(data["limit"])
    found = {"mean": float(data["mean"]), "limit": None if np.isnan(limit) else limit, "prob": data.attrs["prob"]}
    return found | {"ends": ends}


def _open(ends: Sequence[float] | None) -> bool:
    return ends is not None and ends[1] - ends[0] > 1e-9


def _of_one(numbers: Mapping[str, Any]) -> str:
    text, ends = f"The catastrophe risk is {style.percent(numbers['mean'])}", numbers["ends"]["all"]
    if ends is None:
        return f"{text}; it has no interval, for the values have no strength"
    if not _open(ends):
        return f"{text}; no source of uncertainty moves it"
    text += f", with an interval from {style.percent(ends[0])} to {style.percent(ends[1])}"
    width = {s: e[1] - e[0] for s, e in numbers["ends"].items() if s != "all" and _open(e)}
    if not width:
        return text
    most = SOURCES[max(width, key=width.__getitem__)]
    return f"{text}, {'all' if len(width) == 1 else 'most'} of it from {most}"


def _of_several(risks: Mapping[str, float]) -> str:
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    if risks[high] - risks[low] < NARROW:
        return f"The risk is about {style.percent(risks[high])} for each"
    low_text, high_text = style.percent(risks[low]), style.percent(risks[high])
    return f"The risk is lowest for {style.quoted(low)} ({low_text}) and highest for {style.quoted(high)} ({high_text})"
