"""The summary on the terminal: the answer first, then what it rests on."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reward_hypotheses.analysis.report.sentences import (
    answer,
    asked,
    evidence,
    hinges,
    misfits,
    own_prior,
    percent,
    read_off,
    risk_sentence,
    shift,
    spent,
)
from reward_hypotheses.data.errors import visible

WIDTH = 80
BAR = 16
BLOCKS = " ▏▎▍▌▋▊▉█"
LISTED = 12


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would leave with a code of its own


def print_summary(
    document: Mapping[str, Any], out: Path | None = None, console: Console | None = None, whole: bool = True
) -> None:
    """Print what a results document says, readable at 80 columns and without colour; the answer alone unless `whole`."""
    console = _Terminal(markup=False, highlight=False, emoji=False) if console is None else console
    page = _Page(console)
    if document["title"]:
        page.line(document["title"], style="bold")
        page.gap()
    for sentence in answer(document):
        page.line(sentence)
    for misfit in misfits(document):
        page.line(f"But {misfit}.", style="bold")
    if whole:
        _print_why(page, document)
    if out is not None:
        page.gap()
        console.print(f"Report: {visible(str(out / 'report.html'))}", soft_wrap=True)
        beside = "results.json, posterior.nc (for ArviZ), figures and tables for a paper"
        console.print(f"Beside it: {beside}", soft_wrap=True)


def _print_why(page: "_Page", document: Mapping[str, Any]) -> None:
    page.gap()
    page.heading("What was asked")
    for sentence in asked(document):
        page.line(sentence)
    page.gap()
    page.heading("Hypotheses")
    page.table(_weights(document, unicode=page.console.encoding.startswith("utf")))
    if read := read_off(document):
        page.heading("What the agent goes by")
        for sentence in [
            *read,
            *(f"Mind: {w}." for w in document["agent_reading"]["warnings"] if w not in misfits(document)),
        ]:
            page.line(sentence)
        page.gap()
    page.heading("Evidence or prior?")
    for sentence in evidence(document):
        page.line(sentence)
    if document["risk"] is not None:
        page.gap()
        page.heading("The same agent, did it extrapolate by another prior")
        page.table(_agents(document))
        page.heading("What the risk hinges on")
        for sentence in hinges(document):
            page.line(sentence)
        page.gap()
        if document["risk_bounds"]:
            page.table(_bounds(document))
            if document["agent"]["prior"] == "values":
                page.line("There the agent's weights are held, although its prior is these values.")
                page.gap()
        page.heading("Is the test a shift?")
        page.line(shift(document))
        if spent(document):
            page.line("Shift or not, it was used to choose an agent, and is no test of that agent.")
    for name, other in document["also"].items():
        page.gap()
        page.heading(f"On {name!r}")
        for sentence in (spent(document, name), risk_sentence(other["risk"], bool(spent(document, name)))):
            page.line(sentence)
    warnings = [w for w in document["warnings"] if w not in misfits(document)]
    if warnings:
        page.gap()
        page.heading("Mind")
        for warning in warnings:
            page.line("- " + warning)


class _Page:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = min(WIDTH, console.width)

    def line(self, text: str, style: str = "") -> None:
        for row in textwrap.wrap(visible(" ".join(text.split())), self.width, break_on_hyphens=False):
            self.console.print(Text(row, style=style))

    def heading(self, text: str) -> None:
        self.line(text, style="bold")

    def gap(self) -> None:
        self.console.print()

    def table(self, table: Table) -> None:
        with self.console.capture() as captured:
            self.console.print(table, width=self.width)
        for line in captured.get().rstrip("\n").split("\n"):
            self.console.file.write(line.rstrip() + "\n")
        self.gap()


def bar(x: float, width: int = BAR) -> str:
    """A bar of eighths of a character; any x above 0 shows at least a sliver."""
    eighths = round(x * width * 8)
    if x > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (BLOCKS[rest] if rest else "")


def _weights(document: Mapping[str, Any], unicode: bool) -> Table:
    names = document["hypotheses"]
    tested = document["risk"] is not None
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("", overflow="ellipsis", max_width=24, no_wrap=True)
    for head in ("prior", "weight"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", width=BAR, no_wrap=True)
    table.add_column("agent", justify="right", no_wrap=True)
    if tested:
        table.add_column("risk if true", justify="right", no_wrap=True)
    shown = sorted(names, key=lambda n: -document["weights"][n])[:LISTED] if len(names) > LISTED else names
    for name in shown:
        weight = document["weights"][name]
        drawn = bar(weight) if unicode else "#" * round(weight * BAR)
        cells = [name, percent(document["prior"][name]), percent(weight), drawn]
        cells.append(percent(document["agent_weights"][name]))
        if tested:
            cells.append(percent(document["risk_by_truth"][name], document["risk"]["upper_of_zero"]))
        table.add_row(*(Text(visible(c), style="cyan" if i == 3 else "") for i, c in enumerate(cells)))
    if len(names) > len(shown):
        table.add_row(Text(f"and {len(names) - len(shown)} more"))
    return table


def _agents(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("its prior", overflow="ellipsis", max_width=34, no_wrap=True)
    table.add_column("must act", justify="right", no_wrap=True)
    table.add_column("may abstain", justify="right", no_wrap=True)
    table.add_column("then abstains", justify="right", no_wrap=True)
    for key, one in document["agents"].items():
        may, zero = one["may_abstain"], document["risk"]["upper_of_zero"]
        table.add_row(
            Text(visible(key) + ("  <- this one" if key == own_prior(document) else "")),
            percent(one["acts"]["risk"], zero),
            percent(may["risk"], zero),
            percent(may["abstained"], zero),
        )
    return table


def _bounds(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for head in ("prior that may be wrong", "least risk", "greatest", "or by an unlisted truth"):
        table.add_column(head, justify="right", no_wrap=True)
    zero = document["risk"]["upper_of_zero"]
    for e, (lower, upper) in document["risk_bounds"].items():
        unlisted = document["risk_bounds_unlisted"][e]
        table.add_row(f"{100 * float(e):g}%", percent(lower, zero), percent(upper, zero), percent(unlisted, zero))
    return table
