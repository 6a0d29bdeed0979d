"""The summary on the terminal: at most 24 lines of 80 columns, or everything.

The layout knows presentations only, and no topic of the report.
"""

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import override

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reward_hypotheses.analysis.report.layout.chapters import ALERTS, CHAPTERS
from reward_hypotheses.analysis.report.phrases import capital, counted
from reward_hypotheses.analysis.report.presentation import Document, Grid, Presentation, arranged
from reward_hypotheses.data.errors import visible

WIDTH, LINES = 80, 24
BAR = 16
BLOCKS = " ▏▎▍▌▋▊▉█"
FIRST = ("answer", "drivers", "misfits")
"""Chapters that the summary holds, in full or not."""
TITLES = {chapter: title for chapter, (title, _) in CHAPTERS.items()}


class _Terminal(Console):
    @override
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would leave with a code of its own


def print_summary(
    document: Document,
    presentations: Iterable[Presentation],
    out: Path | None = None,
    console: Console | None = None,
    full: bool = False,
) -> None:
    """Print the results, readable at 80 columns and without colour.

    Without `full`, the summary has at most 24 lines: warnings, the answer, what the risk depends on, and the path of the
    report. With it, all chapters follow.
    """
    if console is None:
        plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))  # rich alone would keep bold type
        console = _Terminal(markup=False, highlight=False, emoji=False, color_system=None if plain else "auto")
    page, presentations = _Page(console), list(presentations)
    title = _wrapped(document["title"] or "", page.width)[:1]
    blocks = {chapter: [e for p in presentations if p.chapter == chapter for e in p.terminal] for chapter in FIRST}
    alerts = [str(entry) for entry in blocks["misfits"]]
    answer = [line for entry in blocks["answer"] for line in _wrapped(str(entry), page.width)]
    grids = [entry for entry in blocks["drivers"] if isinstance(entry, Grid)]
    below = 0 if out is None else 2
    rows = sum(len(grid.rows) + 2 for grid in grids)
    room = LINES - len(title) - rows - below - (2 if full else 1)
    shown = alerts if full else alerts[:ALERTS]
    warned = _alert_lines(shown, len(alerts) - len(shown), page.width, None if full else room - min(len(answer), 8))
    page.lines(title, "bold")
    page.lines(warned, "yellow")
    if title or warned:
        page.gap()
    page.lines(answer if full else _cut(answer, room - len(warned)), "")
    for grid in grids:
        page.gap()
        page.grid(grid)
    if full:
        page.chapters(presentations)
    if out is not None:
        page.gap()
        console.print(Text(f"Report: {visible(_short_path(out / 'report.html'))}", style="bold"), soft_wrap=True)


def _alert_lines(alerts: Sequence[str], more: int, width: int, room: int | None) -> list[str]:
    """Return warnings as lines, each cut to as many lines as there is room for."""
    if not alerts:
        return []
    remark = [f"  and {counted(more, 'more warning')} (--full prints all)"] if more else []
    each = None if room is None else max((room - len(remark)) // len(alerts), 1)
    lines = []
    for alert in alerts:
        wrapped = _wrapped(alert, width - 2)
        lines += [("! " if k == 0 else "  ") + line for k, line in enumerate(_cut(wrapped, each))]
    return lines + remark


def _cut(lines: Sequence[str], most: int | None) -> list[str]:
    """Return at most so many lines, the last with an ellipsis where it was cut."""
    if most is None or len(lines) <= most:
        return list(lines)
    width = max(map(cell_len, lines))
    return [*lines[: most - 1], chop_cells(lines[most - 1], max(width - 4, 1))[0] + " ..."]


def _wrapped(text: str, width: int) -> list[str]:
    lines = []
    for line in textwrap.wrap(visible(" ".join(text.split())), width, break_on_hyphens=False):
        lines += [line] if cell_len(line) <= width else chop_cells(line, width)  # wide characters
    return lines


def _short_path(path: Path) -> str:
    """Return the shorter of a path and the path from the working folder."""
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except ValueError:  # another drive
        return str(path)


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
        self.lines(_wrapped(text, self.width), style)

    def lines(self, lines: Sequence[str], style: str) -> None:
        """Print lines that are already cut to the width."""
        for row in lines:
            self.console.print(Text(row, style=style))

    def chapters(self, presentations: Sequence[Presentation]) -> None:
        """Print all other chapters, in the order of the page."""
        ids = dict.fromkeys([*CHAPTERS, *(p.chapter for p in presentations)])
        for chapter in ids:
            names = CHAPTERS.get(chapter, ("", ()))[1]
            inside = arranged((p for p in presentations if p.chapter == chapter), names)
            entries = [entry for p in inside for entry in p.terminal]
            if entries and chapter not in FIRST:
                self.gap()
                self.line(TITLES.get(chapter, capital(chapter)), style="bold")
                self.block(entries)

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
                table.add_column(head, justify="left" if i in grid.left else "right", no_wrap=True)
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
