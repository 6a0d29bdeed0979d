"""The report as an HTML page: a first screen, then sections that open on demand.

The layout knows presentations only, and no topic of the report.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.explorer.explorer_section import (
    PAGE_BYTES,
    explorer_section,
    in_script,
    without_cells,
)
from reward_hypotheses.analysis.report.layout.chapters import ALERTS, CHAPTERS, OUTSIDE
from reward_hypotheses.analysis.report.phrases import capital, percent
from reward_hypotheses.analysis.report.presentation import Document, Part, Plot, Presentation, arranged
from reward_hypotheses.analysis.report.tables.table_files import paper_tables
from reward_hypotheses.analysis.report.tables.table_model import PaperTable
from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
FILES = "SHA-256 of each file's bytes, or of the columns of a generated table."
"""Caption of the table of data files."""
SMALL = 0.3
"""Highest risk of a tornado plot up to which its axis ends there."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class TableView:
    """A table on the page: cut to fit, with the whole of it as a CSV file in a link."""

    table: PaperTable
    link: str

    @property
    def inline(self) -> bool:
        """Whether the page shows the table beside the link."""
        return self.table.on_page


@dataclass(frozen=True)
class Chapter:
    """A section of the page that opens on demand.

    Attributes
    ----------
    id, title, finding : str
        The finding heads the section; the title where there is none.
    parts, more : sequence of Part
        What shows when the section is open, and what folds away in it.
    tables : sequence of TableView
    """

    id: str
    title: str
    finding: str
    parts: Sequence[Part]
    more: Sequence[Part]
    tables: Sequence[TableView]


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
    explorer: Mapping[str, Any] | str | None = None,
) -> str:
    """Write the page.

    Parameters
    ----------
    document : dict
        The results.
    presentations : iterable of Presentation
        Content of the page. Presentations that `CHAPTERS` names come first in their chapters.
    figures : dict of str to Figure
        As `figure_files.drawn` gives them.
    frames : dict of str to bytes
        Pictures (PNG or JPEG): ``training`` and ``test``.
    explorer : dict, str or None
        As for `explorer_section`. Above 1 MB, the page leaves out the cells of the test.

    Returns
    -------
    str
        HTML that needs no network and no other file. Every text in it that a study or table brought is escaped, and the only
        scripts that run are the page's own, named by their digests.
    """
    presentations = list(presentations)
    chapters = _chapters(presentations, figures)
    plots = [p.figure for p in presentations if p.figure is not None and p.figure.name in figures]
    shown = {part.name for chapter in chapters for part in [*chapter.parts, *chapter.more] if part.kind == "figure"}
    outside = {chapter: _parts(presentations, chapter) for chapter in OUTSIDE}
    controls = explorer_section(explorer)
    scripts = [_asset("page.js"), *([controls.script] if controls.script else [])]
    words = _template().render(
        title=document["title"] or "A study of reward hypotheses",
        about=document.get("about") or "",
        version=document["versions"].get("reward_hypotheses", ""),
        style=_markup(_asset("page.css")),
        scripts=[_markup(script) for script in scripts],
        digests=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        outside=outside,
        alerts=_alerts(outside["misfits"]),
        most_alerts=ALERTS,
        frames={role: _frame(data) for role, data in frames.items()},
        figures={plot.name: _drawing(plot, figures[plot.name], document) for plot in plots if plot.name in shown},
        chapters=chapters,
        tables=_tables_json(chapters),
        scale=_scale(outside["drivers"]),
        explorer=controls.markup,
    )
    if isinstance(explorer, Mapping) and explorer.get("cells") and len(words.encode()) > PAGE_BYTES:
        return page(document, presentations, figures, frames, without_cells(explorer))
    return words


def _chapters(presentations: Sequence[Presentation], figures: Mapping[str, Any]) -> list[Chapter]:
    """Return the chapters that have content, unknown chapters last."""
    ids = dict.fromkeys([*CHAPTERS, *(p.chapter for p in presentations if p.chapter not in OUTSIDE)])
    rank = {table.name: k for k, table in enumerate(paper_tables(presentations))}
    chapters = []
    for chapter in ids:
        title, names = CHAPTERS.get(chapter, (capital(chapter), ()))
        inside = arranged((p for p in presentations if p.chapter == chapter), names)
        parts = [part for p in inside for part in p.parts if part.kind != "figure"]
        drawn = [part for p in inside for part in [*p.parts, *p.more] if part.kind == "figure" and part.name in figures]
        more = [*drawn[1:], *(part for p in inside for part in p.more if part.kind != "figure")]
        tables = sorted((table for p in inside for table in p.tables), key=lambda table: rank[table.name])
        finding = next((p.finding for p in inside if p.finding), "")
        if parts or drawn or more or tables:
            views = [TableView(table.cut(), _csv_link(table)) for table in tables]
            id_ = re.sub(r"\W+", "-", chapter)
            chapters.append(Chapter(id_, title, finding, [*drawn[:1], *parts], more, views))
    return chapters


def _parts(presentations: Iterable[Presentation], chapter: str) -> list[Part]:
    return [part for presentation in presentations if presentation.chapter == chapter for part in presentation.parts]


def _alerts(parts: Iterable[Part]) -> list[str]:
    """Return misfits and warnings, the most urgent first."""
    return [text for part in parts for text in (part.entries if part.kind == "list" else [part.text]) if text]


def _scale(parts: Iterable[Part]) -> float:
    """Return the right end of the axis of the tornado plot.

    1, or the highest risk where all are small.
    """
    ends = [row["upper"] for part in parts if part.kind == "tornado" for row in part.entries]
    highest = max(ends, default=1.0)
    return 1.0 if highest > SMALL else max(highest, 1e-3)


def _tables_json(chapters: Sequence[Chapter]) -> "Markup":
    """Return the tables that the page shows on demand, as JSON for its script."""
    tables: dict[str, Any] = {}
    for chapter in chapters:
        for view in chapter.tables:
            if view.inline:
                header = [[f"{c.words} ({c.unit})" if c.unit else c.words, c.align] for c in view.table.header]
                tables[view.table.name] = [view.table.caption, header, view.table.body, view.table.notes]
        for part in chapter.parts:
            if part.kind == "files":
                header = [[name, "left"] for name in ("table", "from", "size", "SHA-256")]
                tables["data"] = [FILES, header, part.entries, []]
    return _markup(in_script(_readable(tables)))


def _readable(value: Any) -> Any:
    """Return nested texts with control and bidirectional characters made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {key: _readable(inner) for key, inner in value.items()}
    return [_readable(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _csv_link(table: PaperTable) -> str:
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(table.csv()).decode()}"


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _markup(text: str) -> "Markup":
    from markupsafe import Markup

    return Markup(text)


@functools.cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    environment.filters["percent"] = percent
    environment.filters["encoded"] = lambda text: base64.b64encode(text.encode()).decode()
    return environment.from_string(_asset("page.html.jinja"))


def _visible(value: Any) -> Any:
    """Return a value with control and bidirectional characters made visible."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _drawing(plot: Plot, figure: "Figure", document: Document) -> Drawing:
    from reward_hypotheses.analysis.report.figure_files import saved, themed

    point, caption = plot.caption(document)
    svg = themed(saved(figure, "svg"), plot.name, f"{point} {caption}")
    return Drawing(_markup(svg), point, caption)


def _frame(data: bytes) -> Frame:
    kind = "png" if data.startswith(PNG[:4]) else "jpeg"
    size = (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) if kind == "png" else None
    return Frame(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", size)
