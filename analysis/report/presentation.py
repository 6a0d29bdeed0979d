"""Presentations: the content of a report about one topic, as plain values.

The page, the terminal and the files lay these values out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from reward_hypotheses.analysis.report.tables.table_model import PaperTable

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import xarray

type Document = Mapping[str, Any]
type Tree = xarray.DataTree | None
type Figure = matplotlib.figure.Figure
type Axes = matplotlib.axes.Axes


@dataclass(frozen=True)
class Part:
    """One part of a chapter of the page.

    Attributes
    ----------
    kind : str
        ``text`` (a paragraph), ``list``, ``terms`` (pairs of a term and its explanation), ``figure`` (by `name`), ``frame``
        (a picture of the world: role in `name`, title and description in `entries`), ``tornado`` (finding in `text`, rows as
        mappings in `entries`), ``names`` (as ``terms``, folded away under `text`), ``changes``
        (risk, change, cost), ``copy`` (a text to copy, titled by `strong`), ``files`` (rows of the table of data)
        or ``study`` (file, text, whether it makes its tables).
    text : str
        The paragraph, the caption of a frame, or the remark on changes.
    entries : sequence
        Entries of the kinds that have several.
    name : str
        Name of a figure or role of a frame.
    strong : str
        Words before the text that stand out.
    """

    kind: Literal["text", "list", "terms", "figure", "frame", "tornado", "names", "changes", "copy", "files", "study"]
    text: str = ""
    entries: Sequence[Any] = ()
    name: str = ""
    strong: str = ""


@dataclass(frozen=True)
class Plot:
    """A figure that is drawn when a report asks for it.

    Attributes
    ----------
    name : str
        Name of its files.
    draw : function of (document, tree)
        Return the figure; the tree of the posterior (or None) has the draws for intervals of weights.
    caption : function of the document
        Return the finding in one sentence, and the explanation of the marks.
    informs : function of the document
        Return whether the figure shows a difference; a figure that does not is left out.
    """

    name: str
    draw: Callable[[Document, Tree], Figure]
    caption: Callable[[Document], tuple[str, str]]
    informs: Callable[[Document], bool] = lambda _: True


@dataclass(frozen=True)
class Grid:
    """A table on the terminal: texts, and shares that are drawn as bars.

    The first column is aligned to the left and no wider than `widest`, where that is stated. All others are aligned to the right,
    but for those that `left` names by their place.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    widest: int | None = None
    left: Sequence[int] = ()


@dataclass(frozen=True)
class Presentation:
    """The content of a report about one topic.

    Attributes
    ----------
    name : str
        The topic; a layout that names it decides its place in the chapter.
    chapter : str
        Id of the chapter of the page, and of the block on the terminal, to which it belongs. An id that a layout does not
        know becomes a chapter after the others, with the id, capitalised, as its title.
    parts : sequence of Part
        For the page.
    tables : sequence of PaperTable
        For files and the end of the page.
    figure : Plot or None
        For files; the page shows it where a part names it.
    terminal : sequence of str or Grid
        Sentences and small tables for the terminal, printed in full alone.
    finding : str
        The finding in one sentence, which heads the chapter. The first presentation of a chapter that has one gives it.
    more : sequence of Part
        For the page, folded away below the parts: lists and remarks that few readers need.
    files : mapping of str to bytes
        Path -> content of further files for a paper.
    """

    name: str
    chapter: str
    parts: Sequence[Part] = ()
    tables: Sequence[PaperTable] = ()
    figure: Plot | None = None
    terminal: Sequence[str | Grid] = ()
    finding: str = ""
    more: Sequence[Part] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def texts(*sentences: str) -> list[Part]:
    """Return a paragraph for every sentence that is not empty."""
    return [Part("text", sentence) for sentence in sentences if sentence]


def folded(sentences: Sequence[str], words: int = 60) -> tuple[list[str], list[str]]:
    """Return the first sentences, up to a number of words, and all others."""
    shown, taken = 0, 0
    for sentence in sentences:
        taken += len(sentence.split())
        if taken > words and shown:
            break
        shown += 1
    return list(sentences[:shown]), list(sentences[shown:])


def arranged(presentations: Iterable[Presentation], names: Sequence[str]) -> list[Presentation]:
    """Return presentations in the order of `names`, all others behind them."""
    return sorted(presentations, key=lambda p: names.index(p.name) if p.name in names else len(names))
