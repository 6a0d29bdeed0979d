"""Figures of the results document: one function a figure, each for a journal's column and for a page.

A figure is drawn in inks that name roles (`INK`, `MUTED`, `FAINT`), so that a page can give them the colours of its own
scheme; marks have the colours of Okabe and Ito (2008), which colour-blind readers tell apart, and differ in shape too.
"""

import io
import math
import re
import textwrap
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reward_hypotheses.analysis.report.captions import no_wider_than_a_point
from reward_hypotheses.analysis.report.sentences import (
    kind_in_words,
    named_with_human,
    own_prior,
    percent,
    weightiest,
)
from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    import xarray as xr

Document = Mapping[str, Any]

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of one column and of a page (89 and 183 mm)."""
ON_CELL = "#000000"  # dark on any page: the cells below it are light on any page
INK, MUTED, FAINT = "#1b1b1b", "#6b6b6b", "#dcdcdc"
BLUE, SKY, ORANGE, VERMILION, GREEN = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73"
DARKENING = LinearSegmentedColormap.from_list("pale to vermilion", ["#fff8f2", "#f0b58a", VERMILION])
MOST, MOST_LINES = 12, 6
FAR = 30.0
"""Nats from which on a cell is no darker."""
LAYOUT_TABLES = ("GDEF", "GPOS", "GSUB", "MATH", "kern")
"""Tables of an OpenType font by which a program lays out text."""
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "text.hinting": "none",  # texts are as wide at every resolution, so the layout holds in every form
    "text.parse_math": False,  # a dollar sign in a hypothesis's name is a dollar sign
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "reward_hypotheses",
    "savefig.facecolor": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Plot:
    """A figure by name: how it is drawn, and whether the results have what it shows."""

    name: str
    draw: Callable[..., Figure]
    has: Callable[[Document], bool]


def weights(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Prior and posterior weight of each hypothesis, and the agent's; intervals from the tree, where values are uncertain."""
    names = _leading(document)
    fig, ax = _rows(names, COLUMN)
    y = np.arange(len(names))
    prior, weight, agent = (np.array([document[k][n] for n in names]) for k in ("prior", "weights", "agent_weights"))
    ax.hlines(y, np.minimum(prior, weight), np.maximum(prior, weight), color=MUTED, linewidth=0.8, zorder=1)
    ax.plot(prior, y, "o", markerfacecolor="white", markeredgecolor=BLUE, label="values alone", zorder=3)
    ax.plot(weight, y, "o", color=BLUE, markersize=3.5, label="values and data", zorder=4)
    ax.plot(agent, y + 0.26, "D", color=VERMILION, markersize=4, label="the agent", zorder=3)
    prob = 0.95 if document["risk"] is None else document["risk"]["prob"]
    ends = _weight_intervals(tree, names, prob)
    if ends is not None:
        ax.hlines(y, ends[0], ends[1], color=BLUE, linewidth=3.5, alpha=0.5, zorder=1)
        _band(ax, f"{100 * prob:g}% by the values")
    _shares(ax, "weight (%)", most=1.0)
    _legend(fig, columns=2)
    return fig


def matrix(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Risk of an agent certain of one hypothesis where another is true."""
    del tree
    names = _leading(document)
    cells = np.array([[document["matrix"][a][b] for b in names] for a in names])
    size = max(2.2, 0.45 * len(names) + 1.4)
    fig, ax = _figure(min(PAGE, max(COLUMN, size + 0.6)), size)
    ax.pcolormesh(cells, cmap=DARKENING, vmin=0, vmax=1, edgecolors=MUTED, linewidth=0.4)
    ax.invert_yaxis()
    if len(names) <= 8:
        for (i, j), share in np.ndenumerate(cells):
            said = percent(float(share))
            ax.text(j + 0.5, i + 0.5, said, ha="center", va="center", color=ON_CELL, fontsize=7)
    ax.set_xticks(
        np.arange(len(names)) + 0.5,
        [_short(n, 18) for n in names],
        rotation=30 if len(names) > 2 else 0,
        ha="right" if len(names) > 2 else "center",
    )
    ax.set_yticks(np.arange(len(names)) + 0.5, [_short(n) for n in names])
    ax.set_xlabel("... where this one is true")
    ax.set_ylabel("an agent certain of this one ...")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return fig


def risk_by_agent_prior(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Catastrophe risk were the agent to extrapolate by another prior: intervals, and what endless training would leave."""
    del tree
    own, may = own_prior(document), document["agent"]["abstain"]
    agents = dict(document["agents"])
    if document.get("agent_reading") is not None:  # what it goes by is none of those priors
        own, risk = "read off its choices", document["risk"]
        does = {"risk": risk["mean"]}
        read = {own: {"acts": does, "may_abstain": does} | {k: risk[k] for k in ("lower", "upper", "limit")}}
        alone = document["agent_reading"]["without_training"]["risk"]
        if abs(alone - risk["mean"]) >= 0.005:
            does = {"risk": alone}
            nothing = dict.fromkeys(("lower", "upper", "limit"))
            read["its choices, training aside"] = {"acts": does, "may_abstain": does} | nothing
        agents = read | agents
    keys = list(agents)
    fig, ax = _rows([k + (" (this agent)" if k == own else "") for k in keys], COLUMN)
    apart = False
    for row, key in enumerate(keys):
        one = agents[key]
        risk, other = (one[k]["risk"] for k in (("may_abstain", "acts") if may else ("acts", "may_abstain")))
        color = VERMILION if key == own else BLUE
        if no_wider_than_a_point(one):
            ax.plot(one["lower"], row, "|", color=color, alpha=0.55, markersize=12, markeredgewidth=4.5, zorder=1)
        elif one["lower"] is not None:
            ax.hlines(row, one["lower"], one["upper"], color=color, linewidth=3.5, alpha=0.5)
        if one["limit"] is not None:
            ax.plot(one["limit"], row, "|", color=INK, markersize=13, markeredgewidth=1.2, zorder=2)
        if abs(other - risk) > 0.005:
            apart = True
            ax.plot(other, row, "s", markerfacecolor="none", markeredgecolor=MUTED, markersize=6, zorder=2)
        ax.plot(risk, row, "o", color=color, zorder=3)
        ax.annotate(percent(risk), (risk, row), (0, 8), textcoords="offset points", ha="center", fontsize=7)
    if apart:
        _key(ax, "o", MUTED, "may abstain" if may else "must act")
        _key(ax, "s", MUTED, "must act" if may else "may abstain", hollow=True)
    _key(ax, "|", INK, "after endless training")
    if document["risk"]["lower"] is not None:
        _band(ax, f"{100 * document['risk']['prob']:g}% by the values")
    _shares(ax, "risk (% of test scenes)", most=1.0)
    _legend(fig, columns=2)
    return fig


def evidence_against_prior(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Log odds of each pair: what the values bring, and what the data add."""
    del tree
    pairs = _shown_pairs(document)
    labels = []
    for p in pairs:
        first, second = p["pair"]
        labels.append(f"{_short(first, 20)}\nover {_short(second, 20)}")
    fig, ax = _rows(labels, PAGE * 0.62, each=0.42, most=60)
    reach = 1.0
    for row, pair in enumerate(pairs):
        for key, offset, color in (("log_prior_odds", -0.17, ORANGE), ("log_bayes_factor", 0.17, BLUE)):
            value = pair[key]
            if value is None:
                ax.text(0, row + offset, "  beyond any bound", va="center", fontsize=7, color=MUTED)
                continue
            reach = max(reach, abs(value))
            ax.barh(row + offset, value, height=0.3, color=color)
            said = "0, silent" if key == "log_bayes_factor" and pair["silent"] else f"{value:.3g}"
            side = "left" if value >= 0 else "right"
            ax.annotate(
                said,
                (value, row + offset),
                (3 if value >= 0 else -3, 0),
                textcoords="offset points",
                va="center",
                ha=side,
                fontsize=7,
            )
    ax.axvline(0, color=MUTED, linewidth=0.6)
    if reach > 12:
        ax.set_xscale("symlog", linthresh=3, linscale=0.8)
        ticks = [0, *(s * 10**k for k in range(int(math.log10(reach)) + 1) for s in (-1, 1))]
        ax.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.margins(x=0.25)
    ax.set_xlabel("log odds for the first (nats)" + (", logarithmic beyond 3" if reach > 12 else ""))
    _key(ax, "s", ORANGE, "human values")
    _key(ax, "s", BLUE, "training data")
    _legend(fig)
    return fig


def evidence_by_feedback(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """How far each hypothesis lies behind the best, by the values and by each feedback alone."""
    del tree
    found, names = document["evidence_by_feedback"], weightiest(document, 8)
    rows = [("the values", {n: document["prior"][n] for n in names}), *found["nats"].items()]
    behind = []
    for k, (_, values) in enumerate(rows):
        logs = [math.log(v) if v else None for v in values.values()] if k == 0 else [values[n] for n in names]
        best = max((v for v in logs if v is not None), default=0.0)
        behind.append([math.inf if v is None else best - v for v in logs])
    total = [document["log_evidence"][n] for n in names]
    total = [None if v is None or not p else v + math.log(p) for v, p in zip(total, rows[0][1].values(), strict=True)]
    best = max((v for v in total if v is not None), default=0.0)
    behind.append([math.inf if v is None else best - v for v in total])
    who = [named_with_human(name, document["feedback"][name]) for name in found["nats"]]
    labels = [_short(name, 24) for name in ("the values", *who, "all together")]
    cells = np.array(behind)
    height, width = 0.34 * len(labels) + 1.1, 0.72 * len(names) + 1.7
    fig, ax = _figure(min(PAGE, max(COLUMN, width)), height)
    ax.pcolormesh(np.log1p(np.minimum(cells, FAR)), cmap=DARKENING, vmin=0, vmax=math.log1p(FAR))
    ax.invert_yaxis()
    for (i, j), far in np.ndenumerate(cells):
        said = "0" if far < 5e-4 else "impossible" if math.isinf(far) else f"\N{MINUS SIGN}{_nats(far)}"
        alike = far < 5e-4 and bool((cells[i] < 5e-4).all())
        weight = "bold" if far < 5e-4 and not alike else "normal"
        ax.text(j + 0.5, i + 0.5, said, ha="center", va="center", color=ON_CELL, fontsize=7, fontweight=weight)
    for i in (1, len(labels) - 1):
        ax.axhline(i, color=INK, linewidth=1)
    ax.set_xticks(
        np.arange(len(names)) + 0.5,
        [_wrapped(n, 14) if len(names) <= 5 else _short(n, 18) for n in names],
        rotation=30 if len(names) > 5 else 0,
        ha="right" if len(names) > 5 else "center",
        va="top",
    )
    ax.set_yticks(np.arange(len(labels)) + 0.5, labels)
    ax.set_xlabel("nats behind the hypothesis that the row favours (0)")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return fig


def _nats(x: float) -> str:
    return f"{x:.2g}" if x < 0.1 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def predictive_check(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """The data beside replications of them by the fitted model, a panel a feedback."""
    del tree
    checks = document["predictive_check"]
    lines = sum(_wrapped(check["what"], 46).count("\n") for check in checks.values())
    fig, axes = _figure(COLUMN, 0.55 + 1.1 * len(checks) + 0.12 * lines, rows=len(checks))
    for ax, (name, check) in zip(axes, checks.items(), strict=True):
        made = check["replicated"]
        edges = np.linspace(made["low"], made["high"], len(made["counts"]) + 1)
        share = np.array(made["counts"]) / check["replications"]
        ax.stairs(share, edges, fill=True, color=SKY, label="replications by the model")
        ax.axvline(check["statistic"], color=VERMILION, linewidth=2, label="the data")
        ax.set_ylabel("share of\nreplications")
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.set_title(f"{_short(name)}: p = {check['p']:.3g}", loc="left")
        ax.set_xlabel(_wrapped(check["what"], 46))
    _legend(fig, axes[0])
    return fig


def riskiest_scenes(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """The test's scenes of highest risk beside the mean of all."""
    del tree
    scenes = document["riskiest_scenes"]
    fig, ax = _rows([f"scene {_short(s['scene'], 20)}" for s in scenes], COLUMN, each=0.22)
    ax.barh(range(len(scenes)), [s["risk"] for s in scenes], height=0.62, color=VERMILION)
    mean = document["risk"]["mean"]
    ax.axvline(
        mean,
        color=INK,
        linewidth=1,
        linestyle=(0, (3, 2)),
        label=f"mean of all {document['risk']['n_scenes']:,} scenes",
    )
    _shares(ax, "catastrophe risk of the scene (%)", most=1.0)
    _legend(fig)
    return fig


def bits_by_size(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Bits of human values needed against the size of the data: training as it is, against items that tell."""
    del tree
    curve = document["bits_by_size"]
    fig, ax = _figure(COLUMN, 2.5)
    sizes = np.array(curve["sizes"], float)
    for key, color, style, label in (
        ("training", VERMILION, "-", "items of training"),
        ("telling", BLUE, "--", "items of the test, judged"),
    ):
        mean, lower, upper = (
            np.array([np.nan if v is None else v for v in curve[key][k]]) for k in ("mean", "lower", "upper")
        )
        ax.fill_between(sizes, lower, upper, color=color, alpha=0.18, linewidth=0)
        ax.plot(sizes, mean, style, color=color, marker="o", markersize=3, label=label)
    ax.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0.0, *(10.0**k for k in range(int(math.log10(max(sizes[-1], 1))) + 1))]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("items seen")
    ax.set_ylabel(f"bits that an agent of uniform prior\nneeds for a risk of {100 * curve['target']:g}%")
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    _legend(fig)
    return fig


def shift_check(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Kinds of item, as the hypotheses judge them, by their share in training and on the test."""
    del tree
    kinds = document["shift"]["kinds"]
    labels = [_wrapped(kind_in_words(kind["classes"]), 64) for kind in kinds]
    lines = max(label.count("\n") + 1 for label in labels)
    fig, ax = _rows([""] * len(kinds), PAGE * 0.6, each=0.32 + 0.13 * lines)
    y = np.arange(len(kinds))
    for row, label in enumerate(labels):
        ax.annotate(label, (0, row), (0, 4.5), textcoords="offset points", ha="left", va="bottom", fontsize=7)
    ax.set_ylim(len(kinds) - 0.5, -1)
    training, test = (np.array([kind[k] for kind in kinds]) for k in ("training", "test"))
    ax.hlines(y, np.minimum(training, test), np.maximum(training, test), color=MUTED, linewidth=0.8, zorder=1)
    ax.plot(training, y, "o", markerfacecolor="white", markeredgecolor=BLUE, label="training", zorder=2)
    ax.plot(test, y, "D", color=VERMILION, markersize=4, label="test", zorder=3)
    _shares(ax, "share of items (%)", most=float(max(training.max(), test.max())))
    _legend(fig)
    return fig


def risk_by_line(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """The risk by how far the failure line is from where it was stated."""
    del tree
    found, now = document["risk_by_line"], document["risk"]["mean"]
    fig, ax = _figure(COLUMN, 1.9)
    at = np.array(found["at"])
    risk = np.array([math.nan if x is None else x for x in found["risk"]])
    ax.plot(at, risk, "o", color=BLUE, markersize=3, label="the line moved")
    just_above = now + (found.get("on_line") or 0.0)  # what is worth just what failing is counts from there on
    for side, first in ((at <= 0, risk), (at >= 0, np.where(at == 0, just_above, risk))):
        ax.plot(at[side], first[side], color=BLUE, linewidth=1)
    ax.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.plot([0], [now], "D", color=VERMILION, markersize=6, label="as it was stated", zorder=4)
    ax.set_xlabel("failing worth so much more (sd of rewards)")
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}"))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(True, axis="y")
    ax.set_axisbelow(True)
    ax.set_ylabel("catastrophe risk (%)")
    _legend(fig, ax)
    return fig


def frontier(document: Document, tree: "xr.DataTree | None" = None) -> Figure:
    """Expected reward against risk of every built-in policy, and which of them no other beats on both."""
    del tree
    found = [one for one in document["frontier"] if one["risk"] is not None]
    span = max(float(np.ptp([one["reward"] for one in found])), 1e-12)
    spots: list[list[Mapping[str, Any]]] = []  # marks that would lie on one another are one
    for one in found:
        for spot in spots:
            far = (one["risk"] - spot[0]["risk"]) / 0.012, (one["reward"] - spot[0]["reward"]) / (0.015 * span)
            if math.hypot(*far) < 1:
                spot.append(one)
                break
        else:
            spots.append([one])
    spots.sort(key=lambda spot: -spot[0]["reward"])
    labels = [textwrap.wrap(_of_spot(spot), 62) for spot in spots]
    lines = sum(map(len, labels)) + 0.35 * len(labels)
    fig, (ax, below) = _figure(PAGE * 0.62, 3.0 + EACH_LINE * lines, rows=2, ratios=(2.4, EACH_LINE * lines))
    acting = {(one["policy"], str(one["settings"])): one for one in found if not one["abstain"]}
    for one in found:
        other = acting.get((one["policy"], str(one["settings"])))
        if one["abstain"] and other is not None:
            ends = [other["risk"], one["risk"]], [other["reward"], one["reward"]]
            ax.plot(*ends, color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    stairs = sorted({(one["risk"], one["reward"]) for one in found if one["efficient"]})
    ax.step(*zip(*stairs, strict=True), where="post", color=BLUE, linewidth=1.2, zorder=2)
    marks = []
    for spot in spots:
        own = any(one["own"] for one in spot)
        one = next((o for o in spot if o["own"]), spot[0])
        color = VERMILION if own else BLUE if any(o["efficient"] for o in spot) else MUTED
        face = "white" if all(o["abstain"] for o in spot) else color
        at = one["risk"], one["reward"]
        ax.plot(*at, "D" if own else "o", markerfacecolor=face, markeredgecolor=color, zorder=4 + own)
        marks.append(at)
    _shares(ax, "risk (% of test scenes)", most=max(max(one["risk"] for one in found), 0.01))
    ax.set_ylabel("expected reward\n(the judge's, units a scene)")
    ax.margins(y=0.1)
    ax.grid(visible=False)
    _listed_below(below, spots, labels, lines)
    _key(ax, "o", MUTED, "must act")
    _key(ax, "o", MUTED, "may abstain", hollow=True)
    _key(ax, "D", VERMILION, "this study's")
    ax.plot([], [], color=BLUE, marker="o", label="no other is safer and earns as much")
    _legend(fig, columns=2)
    fig.draw_without_rendering()  # so that it is known where the marks are
    _numbered(ax, spots, marks)
    return fig


def _of_spot(spot: Sequence[Mapping[str, Any]]) -> str:
    """Which policies a mark stands for."""
    acts = [one["words"] for one in spot if not one["abstain"]]
    may = [one["words"].removesuffix(", may abstain") for one in spot if one["abstain"]]
    own = next((one["words"].removesuffix(", may abstain") for one in spot if one["own"]), None)
    either = [name for name in acts if name in may]
    said = [
        (either, " (abstaining or not)"),
        ([name for name in acts if name not in either], ""),
        ([name for name in may if name not in either], " + abstaining"),
    ]
    named = [([n + " (this study's)" if n == own else n for n in names], after) for names, after in said]
    return "; ".join(", ".join(names) + after for names, after in named if names)


EACH_LINE = 0.135
"""Inches from one line of the policies' names to the next."""


def _numbered(ax: Axes, spots: Sequence[Sequence[Mapping[str, Any]]], marks: Sequence[tuple[float, float]]) -> None:
    """Number the marks, each number as near to its mark as it is clear of the other marks and numbers."""
    scale = 72 / ax.figure.dpi
    at = ax.transData.transform(np.array(marks)) * scale
    low, high = ax.get_window_extent().get_points() * scale
    half = np.array([5.5, 5.0])  # of a number of two digits, in points
    taken = [(mark, np.array([4.0, 4.0])) for mark in at]
    for number, (spot, mark) in enumerate(zip(spots, at, strict=True), start=1):
        places = [
            r * np.array([math.cos(angle), math.sin(angle)])
            for r in (10.0, 12.0, 15.0, 20.0, 26.0, 33.0, 41.0, 50.0, 60.0, 75.0)
            for angle in np.pi / 4 + np.pi / 8 * np.arange(16)
        ]

        def clear(by: np.ndarray, mark: np.ndarray = mark) -> bool:
            where = mark + by
            inside = bool((where - half > low).all() and (where - half < high + (2, 0)).all())
            return inside and all((np.abs(where - other) >= half + size).any() for other, size in taken)

        by = next((place for place in places if clear(place)), places[0])
        taken.append((mark + by, half))
        own = any(one["own"] for one in spot)
        line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}
        said = ax.annotate(
            str(number),
            marks[number - 1],
            tuple(by),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            color=_ink(spot),
            fontweight="bold" if own else "normal",
            arrowprops=line if np.hypot(*by) > 13 else None,
            annotation_clip=False,
            zorder=6,
        )
        said.set_in_layout(False)


def _ink(spot: Sequence[Mapping[str, Any]]) -> str:
    """The colour in which a mark is named."""
    return VERMILION if any(one["own"] for one in spot) else INK if any(one["efficient"] for one in spot) else MUTED


def _listed_below(
    ax: Axes, spots: Sequence[Sequence[Mapping[str, Any]]], labels: Sequence[Sequence[str]], lines: float
) -> None:
    """Name every mark by its number, in a list."""
    ax.set_axis_off()
    done = 0.0
    for number, (spot, label) in enumerate(zip(spots, labels, strict=True), start=1):
        own = any(one["own"] for one in spot)
        style: Any = {"fontsize": 7.5, "color": _ink(spot), "fontweight": "bold" if own else "normal", "va": "top"}
        for x, text in ((0.045, str(number)), (0.065, "\n".join(label))):
            ha = "right" if x < 0.05 else "left"
            said = ax.text(x - 0.08, 1 - done / lines, text, transform=ax.transAxes, ha=ha, linespacing=1.25, **style)
            said.set_in_layout(False)
        done += len(label) + 0.35


PLOTS = (
    Plot("bits_by_size", bits_by_size, lambda d: bool(d.get("bits_by_size"))),
    Plot("weights", weights, lambda d: True),
    Plot("evidence_against_prior", evidence_against_prior, lambda d: bool(d["pairs"])),
    Plot("evidence_by_feedback", evidence_by_feedback, lambda d: bool(d.get("evidence_by_feedback"))),
    Plot("risk_by_agent_prior", risk_by_agent_prior, lambda d: d["risk"] is not None),
    Plot("matrix", matrix, lambda d: d["risk"] is not None),
    Plot("risk_by_line", risk_by_line, lambda d: bool(d.get("risk_by_line")) and d["risk_by_line"]["at"] is not None),
    Plot("frontier", frontier, lambda d: any(one["risk"] is not None for one in d.get("frontier") or [])),
    Plot("shift_check", shift_check, lambda d: d["risk"] is not None and bool(d["shift"]["kinds"])),
    Plot("riskiest_scenes", riskiest_scenes, lambda d: d["risk"] is not None and bool(d["riskiest_scenes"])),
    Plot("predictive_check", predictive_check, lambda d: bool(d["predictive_check"])),
)
"""Every figure, in the order of a report."""


def drawn(document: Document, tree: "xr.DataTree | None" = None) -> dict[str, Figure]:
    """Draw every figure for which the results have something to show: name -> figure."""
    with mpl.rc_context(STYLE), _missing_glyphs():
        figures = {plot.name: plot.draw(document, tree) for plot in PLOTS if plot.has(document)}
        for figure in figures.values():  # once and for all, so that what is drawn first changes nothing
            engine = figure.get_layout_engine()
            if engine is not None:
                engine.execute(figure)
            figure.set_layout_engine("none")
    return figures


def saved(figure: Figure, form: str) -> bytes:
    """Give a figure as ``png`` (300 dots an inch, on white), ``pdf`` (on nothing, fonts embedded) or ``svg``.

    The same figure gives the same bytes.
    """
    stream = io.BytesIO()
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    }
    options: dict[str, Any] = {"dpi": 300, "facecolor": "white"} if form == "png" else {}
    bare = _outlines_alone() if form == "pdf" else nullcontext()
    with mpl.rc_context(STYLE), _missing_glyphs(), bare:
        figure.savefig(stream, format=form, metadata=metadata[form], **options)
    return stream.getvalue()


@contextmanager
def _missing_glyphs() -> Iterator[None]:
    """Characters that the font lacks are shown as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


_FONTS = threading.Lock()


@contextmanager
def _outlines_alone() -> Iterator[None]:
    """Fonts are embedded without the tables by which text is laid out (ligatures, kerning, formulae).

    A PDF says where each glyph stands, so nothing reads them there, and to cut them to the glyphs at hand is most of the
    work of embedding a font.
    """
    from fontTools import subset  # type: ignore[import-untyped]

    with _FONTS:  # one at a time: the library's own function is another one meanwhile
        load = subset.load_font

        def bare(*args: Any, **options: Any) -> Any:
            font = load(*args, **options)
            for tag in LAYOUT_TABLES:
                if tag in font:
                    del font[tag]
            return font

        subset.load_font = bare
        try:
            yield
        finally:
            subset.load_font = load


def _figure(
    width: float, height: float, rows: int | None = None, ratios: Sequence[float] | None = None
) -> tuple[Figure, Any]:
    fig = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
    axes = fig.subplots(rows or 1, 1, squeeze=False, height_ratios=ratios)[:, 0]
    return fig, axes if rows else axes[0]


def _rows(labels: Sequence[str], width: float, each: float = 0.36, most: int = 34) -> tuple[Figure, Axes]:
    """An axis with one row a label, the first on top."""
    fig, ax = _figure(width, 0.95 + each * len(labels))
    ax.set_yticks(range(len(labels)), [_short(label, most) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig, ax


def _shares(ax: Axes, label: str, most: float) -> None:
    ax.set_xlabel(label)
    ax.set_xlim(-0.03 * most, 1.03 * most)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}"))
    ax.grid(axis="x")
    ax.set_axisbelow(True)


def _key(ax: Axes, marker: str, color: str, label: str, hollow: bool = False) -> None:
    """An entry of the legend that belongs to no single mark."""
    face = "none" if hollow else color
    ax.plot([], [], marker, markerfacecolor=face, markeredgecolor=color, label=label)


def _band(ax: Axes, label: str) -> None:
    """An entry of the legend for intervals."""
    ax.plot([], [], "-", color=BLUE, linewidth=3.5, alpha=0.5, label=label)


def _legend(fig: Figure, ax: Axes | None = None, columns: int = 3) -> None:
    ax = fig.axes[0] if ax is None else ax
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside upper left", ncols=columns, handletextpad=0.6, columnspacing=1.4, handlelength=1.6
    )


def _leading(document: Document) -> list[str]:
    return weightiest(document, MOST)


def _shown_pairs(document: Document) -> list[Mapping[str, Any]]:
    """Silent pairs of the weightiest first, then the most telling."""
    leading = set(_leading(document)[:5])
    pairs = [p for p in document["pairs"] if set(p["pair"]) <= leading]
    pairs.sort(key=lambda p: (not p["silent"], -abs(p["log_bayes_factor"] or math.inf)))
    return pairs[:8]


def _weight_intervals(tree: "xr.DataTree | None", names: Sequence[str], prob: float) -> np.ndarray | None:
    if tree is None:
        return None
    weight = tree["posterior"]["weight"].sel(hypothesis=list(names))
    drawn = weight.transpose("chain", "draw", "hypothesis").to_numpy().reshape(-1, len(names))
    ends = np.quantile(drawn, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return ends if np.ptp(drawn, axis=0).max() > 1e-12 else None


def _short(text: str, most: int = 26) -> str:
    text = visible(text.strip())
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _wrapped(text: str, width: int) -> str:
    lines = textwrap.wrap(visible(text), width)
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1] + " ..."])


def themed(svg: bytes, name: str, label: str) -> str:
    """An SVG for a page: its inks become the page's own (``var(--ink)``), and a reader of the screen is told what it is.

    Names inside it are made its own, so that several stand on one page.
    """
    from html import escape

    text = svg.decode()
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, role in ((INK, "ink"), (MUTED, "muted"), (FAINT, "faint"), (BLUE, "blue"), ("#ffffff", "paper")):
        text = text.replace(color, f"var(--{role})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(visible(label))}" ', 1)
