"""Style, axes and files of figures, each for a journal's column and for a page.

A figure is drawn in inks that name roles (`INK`, `MUTED`, `FAINT`), so that a page can give them the colours of its own
scheme; marks have the colours of Okabe and Ito (2008), which colour-blind readers tell apart, and differ in shape too.
"""

import io
import re
import textwrap
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reward_hypotheses.analysis.report.presentation import Document, Presentation
from reward_hypotheses.data.errors import visible
from reward_hypotheses.data.progress import tracked

if TYPE_CHECKING:
    import xarray as xr

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of one column and of a page (89 and 183 mm)."""
ON_CELL = "#000000"  # dark on any page: the cells below it are light on any page
INK, MUTED, FAINT = "#1b1b1b", "#6b6b6b", "#dcdcdc"
BLUE, SKY, ORANGE, VERMILION, GREEN = "#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73"
DARKENING = LinearSegmentedColormap.from_list("pale to vermilion", ["#fff8f2", "#f0b58a", VERMILION])
MOST, MOST_LINES = 12, 6
"""Hypotheses in a figure; lines of a label."""
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


def drawn(
    document: Document, presentations: Iterable[Presentation], tree: "xr.DataTree | None" = None
) -> dict[str, Figure]:
    """Draw the figure of every presentation that has one.

    Returns
    -------
    dict of str to Figure
        By name; their layouts are settled, so the order in which they are saved changes nothing.
    """
    plots = [p.figure for p in presentations if p.figure is not None]
    with mpl.rc_context(STYLE), _missing_glyphs():
        figures = {plot.name: plot.draw(document, tree) for plot in tracked(plots, what="figures")}
        for drawing in figures.values():
            engine = drawing.get_layout_engine()
            if engine is not None:
                engine.execute(drawing)
            drawing.set_layout_engine("none")
    return figures


def saved(drawing: Figure, form: str) -> bytes:
    """Return a figure as the bytes of a ``png``, ``pdf`` or ``svg`` file.

    A ``png`` has 300 dots an inch and a white ground; a ``pdf`` has no ground and embeds its fonts.

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
        drawing.savefig(stream, format=form, metadata=metadata[form], **options)
    return stream.getvalue()


@contextmanager
def _missing_glyphs() -> Iterator[None]:
    """Show characters that the font lacks as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


_FONTS = threading.Lock()


@contextmanager
def _outlines_alone() -> Iterator[None]:
    """Embed fonts without the tables for layout (ligatures, kerning, formulae).

    A PDF states where each glyph stands, so nothing reads these tables there. To cut them to the glyphs at hand is most of the
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


def figure(
    width: float, height: float, rows: int | None = None, ratios: Sequence[float] | None = None
) -> tuple[Figure, Any]:
    """Make a figure of a given size in inches, with one axis or several stacked axes."""
    fig = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
    axes = fig.subplots(rows or 1, 1, squeeze=False, height_ratios=ratios)[:, 0]
    return fig, axes if rows else axes[0]


def labelled_rows(labels: Sequence[str], width: float, each: float = 0.36, most: int = 34) -> tuple[Figure, Axes]:
    """Make a figure of one axis with a row for every label, the first on top."""
    fig, ax = figure(width, 0.95 + each * len(labels))
    ax.set_yticks(range(len(labels)), [short(label, most) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig, ax


def cell_labels(ax: Axes, columns: Sequence[str], rows: Sequence[str], slanted: bool, **options: Any) -> None:
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


def shares_axis(ax: Axes, label: str, most: float = 1.0) -> None:
    """Lay the horizontal axis out for shares between 0 and `most`, in percent."""
    ax.set_xlabel(label)
    ax.set_xlim(-0.03 * most, 1.03 * most)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}"))
    ax.grid(axis="x")
    ax.set_axisbelow(True)


def fixed_ticks(ax: Axes, ticks: Sequence[float], form: str) -> None:
    """Place the ticks of the horizontal axis, with numbers in a format."""
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format(x, form)))


def key(ax: Axes, marker: str, color: str, label: str, hollow: bool = False) -> None:
    """Add an entry to the legend that belongs to no single mark."""
    face = "none" if hollow else color
    ax.plot([], [], marker, markerfacecolor=face, markeredgecolor=color, label=label)


def band_key(ax: Axes, prob: float) -> None:
    """Add an entry for credible intervals to the legend."""
    ax.plot([], [], "-", color=BLUE, linewidth=3.5, alpha=0.5, label=f"{100 * prob:g}% by the values")


def legend(fig: Figure, ax: Axes | None = None, columns: int = 3) -> None:
    """Put the legend of an axis, the first by default, above the figure."""
    ax = fig.axes[0] if ax is None else ax
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside upper left", ncols=columns, handletextpad=0.6, columnspacing=1.4, handlelength=1.6
    )


def short(text: str, most: int = 26) -> str:
    """Return a label cut to a greatest number of characters."""
    text = visible(text.strip())
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def wrapped(text: str, width: int) -> str:
    """Return a label in at most `MOST_LINES` lines of limited width."""
    lines = textwrap.wrap(visible(text), width)
    return "\n".join(lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1] + " ..."])


def themed(svg: bytes, name: str, label: str) -> str:
    """Return an SVG in the inks of a page, with a label for screen readers.

    Ids inside it begin with `name`, so that several drawings stand on one page.
    """
    text = svg.decode()
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, role in ((INK, "ink"), (MUTED, "muted"), (FAINT, "faint"), (BLUE, "blue"), ("#ffffff", "paper")):
        text = text.replace(color, f"var(--{role})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(visible(label))}" ', 1)
