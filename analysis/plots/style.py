"""Style and axes of figures: inks, colours, sizes, rows, legends and titles.

A figure is drawn in inks that name roles (`INK`, `MUTED`, `FAINT`), so that a page can give them the colours of its own
scheme; marks have the colours of Okabe and Ito (2008), which colour-blind readers tell apart, and differ in shape too.
matplotlib is imported when something is drawn, not before.
"""

import functools
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import InputError, shown, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of one column and of a page (89 and 183 mm)."""
WIDTH = 5.0
"""Width in inches of a figure in a notebook."""
ON_CELL = "#000000"  # dark on any page: the cells below it are light on any page
INK, MUTED, FAINT = "#1b1b1b", "#6b6b6b", "#dcdcdc"
BLUE, SKY, ORANGE, VERMILION, GREEN = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73"
MARKS = ((VERMILION, "o"), (BLUE, "s"), (GREEN, "^"), (ORANGE, "D"), (SKY, "v"))
"""Colours and markers of several series."""
MOST, MOST_LINES = 12, 6
"""Hypotheses in a figure; lines of a label."""
EQUAL = 0.01
"""Share of an axis within which marks look equal."""
SMALL = 7.5
"""Size of tick labels and legends, in points."""
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
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
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
ON_SCREEN: Any = STYLE | {"savefig.facecolor": "white", "figure.facecolor": "white", "axes.facecolor": "white"}
"""The style of a figure that no page gives its ground."""


@contextmanager
def canvas(ax: "Axes | None", figsize: Any, size: tuple[float, float]) -> "Iterator[Axes]":
    """Give axes to draw on: those of the caller, or those of a new figure.

    The style applies to these axes alone; matplotlib's settings are as before afterwards.

    Parameters
    ----------
    ax : Axes, optional
        The caller's.
    figsize : (float, float), optional
        Width and height of a new figure in inches; `size` unless given.

    Raises
    ------
    InputError
        An `ax` that is no Axes, a `figsize` that is no pair of positive numbers, or both at once.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    if ax is not None and not isinstance(ax, mpl.axes.Axes):
        raise InputError(f"ax: a {type(ax).__name__}; give matplotlib Axes, such as the second value of plt.subplots()")
    if ax is not None and figsize is not None:
        raise InputError("figsize: ax has a figure with a size of its own; give ax or figsize")
    with mpl.rc_context(ON_SCREEN):
        if ax is None:
            _, ax = plt.subplots(figsize=size if figsize is None else _inches(figsize), layout="constrained")
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set(edgecolor=MUTED, linewidth=0.6)
        ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK)
        yield ax


def _inches(figsize: Any) -> tuple[float, float]:
    try:
        width, height = (float(inches) for inches in figsize)
    except (TypeError, ValueError):
        width = height = math.nan
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise InputError(f"figsize: {shown(figsize)}; give a width and a height in inches, such as (5, 3)")
    return width, height


def titled(ax: "Axes", finding: str, columns: int = 4) -> None:
    """Write the finding above an axis, and the legend of its marks between both.

    Both begin where the labels of the rows begin, and are broken to the width of the axis with these labels.
    """
    drawing = ax.get_figure(root=True)
    assert drawing is not None
    drawing.draw_without_rendering()
    inside, outside = ax.get_window_extent(), ax.get_tightbbox()
    assert outside is not None
    start = (outside.x0 - inside.x0) / inside.width
    room = max(inside.x1, outside.x1) - outside.x0
    above = 6.0
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        for n in range(min(columns, len(handles)), 0, -1):
            legend = ax.legend(
                handles,
                labels,
                loc="lower left",
                bbox_to_anchor=(start, 1.0),
                ncols=n,
                borderaxespad=0.3,
                borderpad=0.2,
                **LEGEND,
            )
            box = legend.get_window_extent()
            if box.width <= room:
                break
        above += box.height * 72 / drawing.dpi + 2
    title = ax.set_title("", loc="left", x=start, pad=above, fontsize=9, color=INK)
    text = visible(finding)
    for characters in range(len(text), 11, -1):
        title.set_text(textwrap.fill(text, characters))
        if title.get_window_extent().width <= room:
            break


def figure(
    width: float, height: float, rows: int | None = None, ratios: Sequence[float] | None = None
) -> "tuple[Figure, Any]":
    """Make a figure of a given size in inches, with one axis or several stacked axes."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    fig = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
    axes = fig.subplots(rows or 1, 1, squeeze=False, height_ratios=ratios)[:, 0]
    return fig, axes if rows else axes[0]


def height_of(rows: int, each: float = 0.36) -> float:
    """Return the height in inches of a figure with so many rows."""
    return 0.95 + each * rows


def label_rows(ax: "Axes", labels: Sequence[str], most: int = 34) -> None:
    """Give an axis a row for every label, the first on top."""
    ax.set_yticks(range(len(labels)), [short(label, most) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def cell_labels(ax: "Axes", columns: Sequence[str], rows: Sequence[str], slanted: bool, **options: Any) -> None:
    """Name the columns and rows of a grid of cells, the first row on top."""
    ax.set_xticks(
        [i + 0.5 for i in range(len(columns))],
        columns,
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
        **options,
    )
    ax.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def shares_axis(ax: "Axes", label: str, most: float = 1.0, axis: str = "x") -> None:
    """Lay an axis out for shares between 0 and `most`, in percent."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    along = ax.xaxis if axis == "x" else ax.yaxis
    along.set_label_text(label)
    (ax.set_xlim if axis == "x" else ax.set_ylim)(-0.03 * most, 1.03 * most)
    along.set_major_locator(MaxNLocator(5))
    along.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}"))
    along.grid(True, color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def fixed_ticks(ax: "Axes", ticks: Sequence[float], form: str) -> None:
    """Place the ticks of the horizontal axis, with numbers in a format."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format(x, form)))


def key(ax: "Axes", marker: str, color: str, label: str, hollow: bool = False) -> None:
    """Add an entry to the legend that belongs to no single mark."""
    face = "none" if hollow else color
    ax.plot([], [], marker, markerfacecolor=face, markeredgecolor=color, label=label)


def band_key(ax: "Axes", prob: float) -> None:
    """Add an entry for credible intervals to the legend."""
    ax.plot([], [], "-", color=BLUE, linewidth=3.5, alpha=0.5, label=f"{level(prob)} interval")


LEGEND: Any = {"handletextpad": 0.6, "columnspacing": 1.4, "handlelength": 1.6}


def legend(fig: "Figure", ax: "Axes | None" = None, columns: int = 3) -> None:
    """Put the legend of an axis, the first by default, above the figure."""
    handles, labels = (fig.axes[0] if ax is None else ax).get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper left", ncols=columns, **LEGEND)


@functools.cache
def darkening() -> "Colormap":
    """Return the colours of cells, from pale to vermilion."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pale to vermilion", ["#fff8f2", "#f0b58a", VERMILION])


def short(text: str, most: int = 26) -> str:
    """Return a label cut to a greatest number of characters."""
    text = visible(text.strip())
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def wrapped(text: str, width: int) -> str:
    """Return a label in at most `MOST_LINES` lines of limited width."""
    lines = textwrap.wrap(visible(text), width)
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1] + " ..."])


def quoted(name: str, most: int = 26) -> str:
    """Return a name in quotes, cut to a greatest number of characters."""
    return repr(short(name, most))


def level(prob: float) -> str:
    """Return the probability of an interval in percent, as stated."""
    return f"{100 * prob:g}%"


def percent(share: float) -> str:
    """Return a share in percent, as the report writes it."""
    from reward_hypotheses.analysis.report.phrases import percent

    return percent(share)


def alike(values: Iterable[float | None], axis: float = 1.0) -> bool:
    """Return whether marks look equal: within 1 % of the length of their axis.

    A missing value (None) looks equal to other missing values alone.
    """
    values = list(values)
    there = [value for value in values if value is not None]
    return len(there) in (0, len(values)) and max(there, default=0.0) - min(there, default=0.0) <= EQUAL * axis


BACKENDS = ("matplotlib", "plotly", "bokeh")


def check_backend(backend: Any, ax: "Axes | None", figsize: Any) -> None:
    """Refuse a backend that is unknown, not installed, or at odds with `ax`.

    Raises
    ------
    InputError
        Naming what to give or to install.
    """
    from importlib import import_module

    if backend not in BACKENDS:
        raise InputError(f"backend: {shown(backend)}; give one of {', '.join(map(repr, BACKENDS))}")
    if backend == "matplotlib":
        return
    if ax is not None or figsize is not None:
        raise InputError(f"backend: {backend!r} draws on no matplotlib Axes; leave out ax and figsize")
    try:
        import_module(f"arviz_plots.backend.{backend}")
    except ModuleNotFoundError as error:
        advice = f"pip install 'arviz-plots[{backend}]'"
        raise InputError(f"backend: {backend!r} needs {error.name}, which is not installed: {advice}") from None
