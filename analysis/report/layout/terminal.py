"""The summary on the terminal: the answer, then the blocks that explain it.

The layout knows presentations only, and no topic of the report.
"""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import override

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reward_hypotheses.analysis.report.phrases import capital
from reward_hypotheses.analysis.report.presentation import Document, Grid, Presentation, arranged
from reward_hypotheses.data.errors import visible

WIDTH = 80
BAR = 16
BLOCKS = " ▏▎▍▌▋▊▉█"
TITLES = {
    "asked": "What was asked",
    "hypotheses": "Hypotheses",
    "agent": "What the agent goes by",
    "evidence": "Evidence or prior?",
    "number": "The same agent, did it extrapolate by another prior",
    "hinges": "What the risk hinges on",
    "shift": "Is the test a shift?",
}
"""Id of a chapter -> title of its block, in the order of the blocks."""
LAST = {"warnings": "Mind"}
"""Blocks after those of chapters that `TITLES` does not know."""
FIRST = ("floor", "bounds")
"""Presentations that come first in their block."""


class _Terminal(Console):
    @override
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would leave with a code of its own


def print_summary(
    document: Document,
    presentations: Iterable[Presentation],
    out: Path | None = None,
    console: Console | None = None,
    full: bool = True,
) -> None:
    """Print the results, readable at 80 columns and without colour.

    Without `full`, the answer alone is printed.
    """
    console = _Terminal(markup=False, highlight=False, emoji=False) if console is None else console
    page = _Page(console)
    if document["title"]:
        page.line(document["title"], style="bold")
        page.gap()
    blocks: dict[str, list[str | Grid]] = dict.fromkeys(("answer", "misfits", *TITLES), [])  # in their order
    for presentation in arranged(presentations, FIRST):
        blocks[presentation.chapter] = [*blocks.get(presentation.chapter, []), *presentation.terminal]
    page.block(blocks.pop("answer"))
    page.block(blocks.pop("misfits"), style="bold")
    blocks |= {chapter: blocks.pop(chapter, []) for chapter in LAST}
    for chapter, entries in blocks.items() if full else ():
        if entries:
            page.gap()
            page.line((TITLES | LAST).get(chapter, capital(chapter)), style="bold")
            page.block(entries)
    if out is not None:
        page.gap()
        console.print(f"Report: {visible(str(out / 'report.html'))}", soft_wrap=True)
        beside = "results.json, posterior.nc (for ArviZ), figures and tables for a paper"
        console.print(f"Beside it: {beside}", soft_wrap=True)


class _Page:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = min(WIDTH, console.width)

    def block(self, entries: Sequence[str | Grid], style: str = "") -> None:
        """Print sentences and small tables, with an empty line between the two."""
        for before, entry in zip([None, *entries], entries, strict=False):
            if before is not None and (isinstance(before, Grid) or isinstance(entry, Grid)):
                self.gap()
            if isinstance(entry, Grid):
                self.grid(entry)
            else:
                self.line(entry, style)

    def line(self, text: str, style: str = "") -> None:
        for row in textwrap.wrap(visible(" ".join(text.split())), self.width, break_on_hyphens=False):
            self.console.print(Text(row, style=style))

    def gap(self) -> None:
        self.console.print()

    def grid(self, grid: Grid) -> None:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
        bars = {i for row in grid.rows for i, cell in enumerate(row) if not isinstance(cell, str)}
        for i, head in enumerate(grid.heads):
            if i == 0 and grid.widest is not None:
                table.add_column(head, overflow="ellipsis", max_width=grid.widest, no_wrap=True)
            elif i in bars:
                table.add_column(head, width=BAR, no_wrap=True)
            else:
                table.add_column(head, justify="right", no_wrap=True)
        for row in grid.rows:
            table.add_row(*map(self.cell, row))
        with self.console.capture() as captured:
            self.console.print(table, width=self.width)
        for line in captured.get().rstrip("\n").split("\n"):
            self.console.file.write(line.rstrip() + "\n")

    def cell(self, cell: str | float) -> Text:
        if isinstance(cell, str):
            return Text(visible(cell))
        unicode = self.console.encoding.startswith("utf")
        return Text(bar(cell) if unicode else "#" * round(cell * BAR), style="cyan")


def bar(x: float, width: int = BAR) -> str:
    """Return a bar of eighths of a character; any x above 0 shows at least a sliver."""
    eighths = round(x * width * 8)
    if x > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (BLOCKS[rest] if rest else "")
