"""Files of figures, each for a journal's column and for a page."""

import io
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from reward_hypotheses.analysis.plots.style import BLUE, FAINT, INK, MUTED, STYLE
from reward_hypotheses.analysis.report.presentation import Document, Presentation
from reward_hypotheses.data.errors import visible
from reward_hypotheses.data.progress import tracked

if TYPE_CHECKING:
    import xarray as xr

DPI = 300
"""Dots an inch of a ``png``."""
LAYOUT_TABLES = ("GDEF", "GPOS", "GSUB", "MATH", "kern")
"""Tables of an OpenType font by which a program lays out text."""


def drawn(
    document: Document, presentations: Iterable[Presentation], tree: "xr.DataTree | None" = None
) -> dict[str, Figure]:
    """Draw the figure of every presentation that has one and informs.

    Returns
    -------
    dict of str to Figure
        By name; their layouts are settled, so the order in which they are saved changes nothing.
    """
    plots = [p.figure for p in presentations if p.figure is not None and p.figure.informs(document)]
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
    options: dict[str, Any] = {"dpi": DPI, "facecolor": "white"} if form == "png" else {}
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
