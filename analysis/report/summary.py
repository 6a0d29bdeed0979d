"""The summary on the terminal: the answer first, then what it rests on."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 80
BAR = 16
BLOCKS = " ▏▎▍▌▋▊▉█"
LISTED = 12


def print_summary(document: Mapping[str, Any], out: Path | None = None, console: Console | None = None) -> None:
    """Print what a results document says, readable at 80 columns and without colour."""
    console = Console(markup=False, highlight=False, emoji=False) if console is None else console
    page = _Page(console)
    if document["title"]:
        page.line(document["title"], style="bold")
        page.gap()
    for sentence in answer(document):
        page.line(sentence)
    for misfit in document["misfit"]:
        page.line(f"But {misfit}.", style="bold")
    page.gap()
    page.heading("What was asked")
    for sentence in _asked(document):
        page.line(sentence)
    page.gap()
    page.heading("Hypotheses")
    page.table(_weights(document, unicode=console.encoding.startswith("utf")))
    page.heading("Evidence or prior?")
    for sentence in _evidence(document):
        page.line(sentence)
    if document["risk"] is not None:
        page.gap()
        page.heading("The same agent, did it extrapolate by another prior")
        page.table(_agents(document))
        page.heading("What the risk hinges on")
        for sentence in _hinges(document):
            page.line(sentence)
        page.gap()
        if document["risk_bounds"]:
            page.table(_bounds(document))
            if document["agent"]["prior"] == "values":
                page.line("There the agent's weights are held, although its prior is these values.")
                page.gap()
        page.heading("Is the test a shift?")
        page.line(_shift(document))
    for name, other in document["also"].items():
        page.gap()
        page.heading(f"On {name!r}")
        page.line(_risk_sentence(other["risk"]))
    warnings = [w for w in document["warnings"] if w not in document["misfit"]]
    if warnings:
        page.gap()
        page.heading("Mind")
        for warning in warnings:
            page.line("- " + warning)
    if out is not None:
        page.gap()
        console.print(f"Written to {out}: results.json, posterior.nc (for ArviZ), tables/*.csv", soft_wrap=True)


class _Page:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = min(WIDTH, console.width)

    def line(self, text: str, style: str = "") -> None:
        for row in textwrap.wrap(text, self.width, break_on_hyphens=False):
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


def percent(x: float | None, upper: float | None = None) -> str:
    """A share in percent; one that is not 0 never looks like 0, and one that is not 1 never like 1.

    Where `upper` is given, a 0 stands beside the upper limit of a rate of which no event was seen.
    """
    if x is None:
        return "-"
    if x == 0:
        return "0%" if upper is None else f"0% (< {percent(upper)})"
    if x < 0.0005:
        return "<0.1%"
    if 0.9995 <= x < 1 - 1e-12:
        return ">99.9%"
    return f"{100 * x:.1f}%"


def answer(document: Mapping[str, Any]) -> list[str]:
    """The answer in a few sentences."""
    risk = document["risk"]
    if risk is None:
        lead = max(document["weights"], key=document["weights"].get)
        return [
            f"The leading hypothesis is {lead!r}, with a weight of {percent(document['weights'][lead])}. "
            "There is no test, so there is no risk."
        ]
    out = [_risk_sentence(risk)]
    left = risk["limit"]
    if left:
        out.append(
            f"Endless training of this kind would leave {percent(left)}: there the data are silent, and assumptions about "
            "human values decide."
        )
    return out


def _risk_sentence(risk: Mapping[str, Any]) -> str:
    scenes = _counted(risk["n_scenes"], "scene")
    if abs(risk["equal_scenes"] - risk["n_scenes"]) > 1e-6:
        scenes += f" (by their weights worth {risk['equal_scenes']:.3g} equal ones)"
    if risk["mean"] == 0:
        return f"Catastrophe risk: none seen in {scenes}, so at most {percent(risk['upper_of_zero'])} (95% confidence)."
    doubt = "The values are stated without a strength, so their uncertainty is not in it."
    if risk["lower"] is not None:
        doubt = (
            f"By uncertainty about the values alone it is {percent(risk['lower'])} to {percent(risk['upper'])} "
            f"({100 * risk['prob']:g}%)."
        )
    if risk["se_scenes"] == 0:
        finite = f"All {scenes} of the test are alike."
    elif risk["se_scenes"] is None:
        finite = "The test is a single scene, so how it varies between scenes is unknown."
    else:
        finite = f"By the finite test, {scenes}, its standard error is {percent(risk['se_scenes'])}."
    return f"Catastrophe risk: {percent(risk['mean'])} of scenes. {doubt} {finite}"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _asked(document: Mapping[str, Any]) -> list[str]:
    """Say of whom and on what: the agent, the values, the tables."""
    agent = document["agent"]
    acts = "may abstain" if agent["abstain"] else "must act"
    out = [f"Agent: policy {agent['policy']}, {acts}, extrapolating by the prior {agent['prior']!r}."]
    out.extend(_sources(document["values"]))
    described = []
    for name, shape in document["tables"].items():
        text = f"{name}: {_counted(shape['scenes'] if shape['options'] else shape['items'], 'scene' if shape['options'] else 'item')}"
        if shape["options"]:
            low, high = shape["options"]
            text += f" of {low}" + (f" to {high}" if high > low else "") + " option" + ("" if high == 1 else "s")
        described.append(text + (", weighted" if shape["weighted"] else ""))
    out.append("Tables: " + "; ".join(described) + ".")
    out.extend(_sampling(document))
    return out


def _sampling(document: Mapping[str, Any]) -> list[str]:
    """Say what was sampled, how well, and what that leaves open; nothing where all is exact."""
    sampler = document["fit"]["sampler"]
    if sampler is None:
        return []
    which = ", ".join(name for name, method in document["fit"]["methods"].items() if method == "nuts")
    evidence = max(p["mcse"] for p in document["pairs"]) if document["pairs"] else 0.0
    out = (
        f"Sampled: {which}, by {sampler['name']}, {sampler['chains']} chains of {sampler['draws']:,} draws, no divergence, R-hat at "
        f"most {sampler['r_hat']:.3f}, effective sample size at least {sampler['ess']:,.0f}. Monte Carlo error: of a log Bayes "
        f"factor at most {evidence:.2g} nats"
    )
    risk = document["risk"]
    return [out + (f", of the risk {100 * risk['mcse']:.2g} percentage points." if risk else ".")]


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
        table.add_row(*(Text(c, style="cyan" if i == 3 else "") for i, c in enumerate(cells)))
    if len(names) > len(shown):
        table.add_row(Text(f"and {len(names) - len(shown)} more"))
    return table


def _sources(values: Mapping[str, Any]) -> list[str]:
    """Whose values the prior column holds."""
    if "judges" in values:
        said = [f"{j['name']}: {j['source']}{_strength(j)}" for j in values["judges"]]
        return [f"Values: {len(said)} judges, {values['pool']} pool. " + "; ".join(said) + "."]
    if "prior" in values:
        return [f"Values: {values['prior']}; {values['source']}."]
    return [f"Values: {values['source']}{_strength(values)}."]


def _strength(stated: Mapping[str, Any]) -> str:
    strength = stated.get("strength")
    return "" if strength is None else f" (worth {strength:g} judgements)"


def _evidence(document: Mapping[str, Any]) -> list[str]:
    out = []
    for members in _silent_groups(document["silent_pairs"]):
        shown = ", ".join(map(repr, members[:8])) + (f" and {len(members) - 8} more" if len(members) > 8 else "")
        out.append(f"Training is silent between {shown}: what prefers one of them is an assumption, not evidence.")
    if not out:
        out.append("Training tells every two hypotheses apart.")
    telling = [p for p in document["pairs"] if not p["silent"] and p["log_bayes_factor"] is not None]
    telling.sort(key=lambda p: -abs(p["log_bayes_factor"]))
    if telling:
        words = telling[0]["words"]
        out.append("Most telling: " + words + ".")
    dangerous = document["dangerous_pairs"] or []
    for pair in dangerous[:2]:
        words = pair["words"]
        out.append("Dangerous: " + words + ".")
    if len(dangerous) > 2:
        out.append(f"({len(dangerous) - 2} more dangerous pairs stand in results.json.)")
    return out


def _silent_groups(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for a, b in pairs:
        group = groups.setdefault(a, [a])
        if b not in group:
            group.append(b)
        groups[b] = group
    return list({id(g): g for g in groups.values()}.values())


def _agents(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("its prior", overflow="ellipsis", max_width=34, no_wrap=True)
    table.add_column("must act", justify="right", no_wrap=True)
    table.add_column("may abstain", justify="right", no_wrap=True)
    table.add_column("then abstains", justify="right", no_wrap=True)
    for key, one in document["agents"].items():
        may, zero = one["may_abstain"], document["risk"]["upper_of_zero"]
        table.add_row(
            Text(key + ("  <- this one" if key == _own(document) else "")),
            percent(one["acts"]["risk"], zero),
            percent(may["risk"], zero),
            percent(may["abstained"], zero),
        )
    return table


def _own(document: Mapping[str, Any]) -> str:
    return str(document["agent"]["prior"])


def _hinges(document: Mapping[str, Any]) -> list[str]:
    risk = document["risk"]
    zero = risk["upper_of_zero"]
    refrains = "this one always acts"
    if document["agent"]["abstain"]:
        refrains = f"this one can be below it, and refrains in {percent(risk['abstained'], zero)} of scenes"
    out = [
        f"The least risk of an agent that always acts is {percent(risk['floor'], zero)}; {refrains}.",
        f"Regret: {risk['regret']:.3g} reward units a scene, rewards of different hypotheses added up as they stand.",
    ]
    ever = [f"{int(d):,}: {percent(p)}" for d, p in risk["at_least_one"].items()]
    if ever and risk["mean"] > 0:
        drawn = (
            " (one hypothesis drawn for all of them)" if document["agent"]["policy"] in ("commit", "boltzmann") else ""
        )
        out.append(f"At least one catastrophe in so many deployments{drawn}: " + "; ".join(ever) + ".")
    known = {t: b for t, b in document["value_bits"].items() if b is not None}
    if known:
        bits = "; ".join(
            f"{b:.3g} bit{'' if f'{b:.3g}' == '1' else 's'} for a risk of {float(t):g}" for t, b in known.items()
        )
        out.append(f"What an agent of uniform prior must be told of human values: {bits}.")
    return out


def _bounds(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for head in ("prior that may be wrong", "least risk", "greatest", "or by an unlisted truth"):
        table.add_column(head, justify="right", no_wrap=True)
    zero = document["risk"]["upper_of_zero"]
    for e, (lower, upper) in document["risk_bounds"].items():
        unlisted = document["risk_bounds_unlisted"][e]
        table.add_row(f"{100 * float(e):g}%", percent(lower, zero), percent(upper, zero), percent(unlisted, zero))
    return table


def _shift(document: Mapping[str, Any]) -> str:
    shift = document["shift"]
    p = shift["p"]
    said = f"p = {p:.3f}, {shift['permutations']} permutations"
    if not document["shifted"]:
        return (
            f"Not detectably ({said}; below 0.01 it would be one): what the hypotheses say of the test does not differ from "
            "what they say of training by more than chance, so this is ordinary generalisation, not a shift."
        )
    most = f"{shift['indicator']}: {percent(shift['training'])} in training, {percent(shift['test'])} on the test"
    new = ""
    if shift["n_new_classes"]:
        items = sum(c["items"] for c in shift["new_classes"])
        kinds = shift["n_new_classes"]
        new = f" {kinds} kind{'s' if kinds != 1 else ''} of item never seen in training ({items} items)."
    return f"Yes ({said}). Most of all, {most}.{new}"
