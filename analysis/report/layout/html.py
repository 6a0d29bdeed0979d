"""The report as an HTML page: chapters in order, laid out from presentations.

The layout knows presentations only, and no topic of the report.
"""

import base64
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.phrases import capital
from reward_hypotheses.analysis.report.presentation import Document, Part, Plot, Presentation, arranged
from reward_hypotheses.analysis.report.tables.table_files import paper_tables
from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup
    from matplotlib.figure import Figure

TEMPLATE = Path(__file__).parent / "page.html.jinja"
PNG = b"\x89PNG\r\n\x1a\n"
OUTSIDE = ("question", "answer", "misfits", "drivers", "frames", "provenance")
"""Chapters to which the template gives a place of their own."""
CHAPTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "asked": ("What was asked", ("asked",)),
    "number": (
        "How the number comes about",
        ("policy", "risk_by_source", "risk_parts", "agents", "languages", "matrix", "frontier"),
    ),
    "agent": ("What the agent goes by", ("inferred_agent",)),
    "evidence": ("What is evidence, and what is prior", ("evidence", "pairs", "weights", "reward_weights", "sampling")),
    "feedback": ("What each feedback says", ("feedback",)),
    "values": ("Whose values", ("values", "failure_line")),
    "limit": ("What more data would change", ("limit", "bits_by_size")),
    "shift": ("Is the test a shift?", ("shift",)),
    "hinges": (
        "What else the risk hinges on",
        ("floor", "bounds", "tipping", "risk_by_line", "finite_test", "worst_case", "impact", "riskiest_scenes"),
    ),
    "fit": ("Does the model fit the training data?", ("subgroups", "predictive_check", "warnings")),
}
"""Id of a chapter -> its title, and the presentations that come first in it."""
COLOPHON = (
    "Made by reward_hypotheses, which gives reward hypotheses posterior weights under explicit human values, and "
    "the risk of catastrophe on a shifted test."
)


@dataclass(frozen=True)
class Chapter:
    """A chapter of the page."""

    id: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Drawing:
    """A figure on the page, with its finding and the explanation of its marks."""

    svg: "Markup"
    point: str
    caption: str


@dataclass(frozen=True)
class Frame:
    """A picture of a table's world."""

    data: str
    size: tuple[int, int] | None


def page(
    document: Document,
    presentations: Iterable[Presentation],
    figures: Mapping[str, "Figure"],
    frames: Mapping[str, bytes],
) -> str:
    """Write the page.

    Parameters
    ----------
    document : dict
        The results.
    presentations : iterable of Presentation
        Content of the page. Presentations that `CHAPTERS` names come first in their chapters.
    figures : dict of str to Figure
        As `figure_style.drawn` gives them.
    frames : dict of str to bytes
        Pictures (PNG or JPEG): ``training`` and ``test``.

    Returns
    -------
    str
        HTML that needs no network, script or other file. Every text in it that a study or table brought is escaped.
    """
    presentations = list(presentations)
    chapters = _chapters(presentations)
    shown = {part.name for chapter in chapters for part in chapter.parts if part.kind == "figure"}
    plots = [p.figure for p in presentations if p.figure is not None and p.figure.name in shown & figures.keys()]
    return _template().render(
        title=document["title"] or "A study of reward hypotheses",
        about=document.get("about") or "",
        version=document["versions"].get("reward_hypotheses", ""),
        outside={chapter: _parts(presentations, chapter) for chapter in OUTSIDE},
        frames={role: _frame(data) for role, data in frames.items()},
        figures={plot.name: _drawing(plot, figures[plot.name], document) for plot in plots},
        chapters=chapters,
        tables=[table.cut() for table in paper_tables(presentations) if table.on_page],
        colophon=COLOPHON,
    )


def _chapters(presentations: Sequence[Presentation]) -> list[Chapter]:
    """Return the chapters that have parts, unknown chapters last."""
    ids = dict.fromkeys([*CHAPTERS, *(p.chapter for p in presentations if p.chapter not in OUTSIDE)])
    chapters = []
    for chapter in ids:
        title, names = CHAPTERS.get(chapter, (capital(chapter), ()))
        parts = _parts(presentations, chapter, names)
        if parts:
            chapters.append(Chapter(re.sub(r"\W+", "-", chapter), title, parts))
    return chapters


def _parts(presentations: Iterable[Presentation], chapter: str, names: Sequence[str] = ()) -> list[Part]:
    inside = arranged((p for p in presentations if p.chapter == chapter), names)
    return [part for presentation in inside for part in presentation.parts]


@functools.cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """Return a value with control and bidirectional characters made visible."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _drawing(plot: Plot, figure: "Figure", document: Document) -> Drawing:
    from markupsafe import Markup

    from reward_hypotheses.analysis.report.figure_style import saved, themed

    point, caption = plot.caption(document)
    svg = themed(saved(figure, "svg"), plot.name, f"{point} {caption}")
    return Drawing(Markup(svg), point, caption)


def _frame(data: bytes) -> Frame:
    kind = "png" if data.startswith(PNG[:4]) else "jpeg"
    size = (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) if kind == "png" else None
    return Frame(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", size)
