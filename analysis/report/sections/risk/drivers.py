"""Drivers of the risk.

What it depends on, largest effect first, as a tornado plot.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.sensitivity import EACH, draw_sensitivity
from reward_hypotheses.analysis.report.claims import (
    Claim,
    Read,
    Sentence,
    alike,
    below,
    exceeds,
    holds,
    margin,
    paragraph,
    value,
)
from reward_hypotheses.analysis.report.phrases import (
    MOVES,
    NEAR,
    capital,
    does,
    holds_space,
    listed,
    other_truths,
    percent,
    permission,
    policies,
    policy_name,
    silent_groups,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Grid, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sections.risk.remedies import remedies
from reward_hypotheses.models.priors.registry import prior_in_words

ROWS = 5
"""Drivers that the terminal shows."""
PHRASES = {
    "agent_prior": "the agent's prior",
    "policy": "the policy",
    "values": "the values",
    "prior": "the choice of prior",
    "line": "the failure line",
    "data": "the amount of training data",
}
"""Drivers as objects of a sentence."""
VARIED = 31
"""Characters of what is varied, on the terminal."""


@dataclass(frozen=True)
class Driver:
    """Something on which the risk depends.

    Attributes
    ----------
    key, name : str
        Id, and name of at most 40 characters.
    varied : Sentence
        What is varied, in a few words.
    ends : tuple of two floats
        Lowest and highest risk, the present one among them.
    places : tuple of Read
        Places of both ends in the document.
    alternatives : tuple of str
        Priors or policies that `varied` names.
    """

    key: str
    name: str
    varied: Sentence
    ends: tuple[float, float]
    places: tuple[Read, Read]
    alternatives: tuple[str, ...] = ()

    def moves(self, document: Document) -> bool:
        """Return whether an end differs from the risk by more than the Monte Carlo errors."""
        now = document["risk"]["mean"]
        ends = zip(self.ends, self.places, strict=True)
        apart = any(abs(end - now) > margin(document, place, "risk.mean") for end, place in ends)
        return apart and {percent(end) for end in self.ends} != {percent(now)}

    def range(self, document: Document) -> Sentence:
        """Return both ends, or that the risk hardly changes."""
        if not self.moves(document):
            claims = [alike(place, "risk.mean", 0.0011) for place in self.places]
            apart = max(abs(end - document["risk"]["mean"]) for end in self.ends)
            return Sentence("no change" if apart < 0.0011 else "within Monte Carlo error", claims=claims)
        low, high = self.places
        zero = document["risk"]["upper_of_zero"]
        text = " to ".join(percent(end, zero) for end in self.ends)
        return Sentence(text, low, high, "risk.upper_of_zero", claims=[below(low, high, 0.0)])

    def reach(self, document: Document) -> float:
        """Return the largest change of the risk; 0 where it hardly changes."""
        now = document["risk"]["mean"]
        return max(abs(end - now) for end in self.ends) if self.moves(document) else 0.0


def present(document: Document) -> Iterator[Presentation]:
    """Present what the risk depends on, and what would lower it."""
    if document["risk"] is None:
        return
    rows = drivers(document)
    parts = [Part("tornado", finding(document), rows_of(document)), names_used(document, rows)] if rows else []
    figure = SENSITIVITY if rows else None
    yield Presentation("risk_drivers", "drivers", parts, figure=figure, terminal=[_grid(document)])
    yield remedies(document)
    yield Presentation("line_jump", "line", texts(jump(document)))


def drivers(document: Document) -> list[Driver]:
    """Return what the risk depends on, largest effect first; empty without a test."""
    if document["risk"] is None:
        return []
    found = [
        driver
        for make in (_agent_prior, _policy, _values, _misspecified, _failure_line, _more_data)
        if (driver := make(document)) is not None
    ]
    return sorted(found, key=lambda driver: -round(driver.reach(document), 9))


def names_used(document: Document, rows: Sequence[Driver]) -> Part:
    """Return what the priors and policies do that the rows name."""
    priors, named = (
        [n for row in rows if row.key == key for n in row.alternatives] for key in ("agent_prior", "policy")
    )
    permitted = [e for e in document.get("frontier") or [] if e["abstain"] == document["agent"]["abstain"]]
    known = {policy_name(entry): entry for entry in permitted}
    meanings = {name: (prior_in_words(name), _is_prior(name)) for name in priors}
    meanings |= {name: (does(known[name]), _is_policy(name)) for name in named}
    entries = [
        (name, Sentence(f"{capital(text)}.", claims=[claim])) for name, (text, claim) in meanings.items() if text
    ]
    return Part("names", Sentence("What the names mean"), entries)


def _is_prior(name: str) -> Claim:
    return holds(lambda d: name in d["agents"] or name == d["agent"]["prior"])


def _is_policy(name: str) -> Claim:
    return holds(lambda d: any(e["words"].removesuffix(", may abstain") == name for e in d["frontier"]))


def rows_of(document: Document) -> list[dict[str, Any]]:
    """Return the rows of the tornado plot as plain values."""
    return [
        {
            "key": driver.key,
            "name": driver.name,
            "varied": driver.varied,
            "lower": driver.ends[0],
            "upper": driver.ends[1],
            "now": document["risk"]["mean"],
            "range": driver.range(document),
        }
        for driver in drivers(document)
    ]


def finding(document: Document) -> Sentence:
    """Return what the risk depends on most, and what training cannot separate."""
    rows, now = drivers(document), document["risk"]["mean"]
    moving = [driver for driver in rows if driver.moves(document)]
    if not moving:
        claims = [alike(place, "risk.mean", 0.0011) for driver in rows for place in driver.places]
        first = Sentence("Nothing that was varied changes the risk.", claims=claims)
    else:
        top = PHRASES[moving[0].key]
        ends = list(moving[0].places)
        reads = [*ends, "risk.mean"]
        if len(moving) == 1:
            still = [place for driver in rows if driver is not moving[0] for place in driver.places]
            claims = [_apart(ends, now), *(alike(place, "risk.mean", 0.0011) for place in still)]
            text = f"Of what was varied, only {top} changes the risk."
        else:
            text, claims = f"The risk depends most on {top}.", [_farther(ends, moving[1].places, now)]
        first = Sentence(text, *reads, claims=claims)
    return paragraph(first, silent(document))


def silent(document: Document) -> Sentence | str:
    """Return which hypotheses training cannot separate; empty where there are none."""
    groups = silent_groups(document["silent_pairs"])
    if not groups:
        return ""
    pair = document["dangerous_pairs"] or []
    group = [pair[0]["agent"], pair[0]["truth"]] if pair else groups[0]
    inside = next((members for members in groups if set(group) <= set(members)), groups[0])
    names = group if set(group) <= set(inside) else inside

    def never(d: Document) -> bool:
        return any(set(names[:2]) == set(p) for p in d["silent_pairs"])

    return Sentence(
        f"Training cannot separate {listed(names, 3)}.", "silent_pairs", len(names) - 3, claims=[holds(never)]
    )


def jump(document: Document) -> Sentence | str:
    """Return why the least step of the failure line changes the risk.

    The result is empty where it does not.

    It does where the agent takes options that are worth exactly as much as failing.
    """
    curve = document["risk_by_line"]
    if curve is None or curve["at"] is None:
        return ""
    risks = {t: k for k, t in enumerate(curve["at"]) if curve["risk"][k] is not None}
    step = min((t for t in risks if t > 0), default=None)
    if step is None or 0.0 not in risks or (curve.get("on_line") or 0.0) < MOVES:
        return ""
    stated, moved = (("risk_by_line", "risk", risks[t]) for t in (0.0, step))
    if not exceeds(document, moved, stated, MOVES):
        return ""
    on_line = (
        f"In {percent(curve['on_line'])} of scenes the agent takes an option that is worth exactly as much as failing."
    )
    higher = "Any higher failure line makes these options catastrophes."
    claims = [below(stated, moved, MOVES)]
    often = [holds(lambda d: d["risk_by_line"]["on_line"] >= MOVES)]
    return paragraph(Sentence(on_line, "risk_by_line.on_line", claims=often), Sentence(higher, claims=claims))


def _apart(places: Sequence[Read], now: float) -> Claim:
    return holds(lambda d: any(abs(value(d, place) - now) > 1e-9 for place in places))


def _farther(first: Sequence[Read], second: Sequence[Read], now: float) -> Claim:
    """Claim that the first ends reach at least as far from the risk as the second."""

    def reach(d: Document, places: Sequence[Read]) -> float:
        return max(abs(value(d, place) - now) for place in places)

    return holds(lambda d: reach(d, first) >= reach(d, second) - 1e-9)


def _with_now(document: Document, low: Read, high: Read) -> tuple[tuple[float, float], tuple[Read, Read]]:
    """Return two places as ends around the present risk, and their places."""
    places = sorted((low, high, "risk.mean"), key=lambda place: float(value(document, place)))
    ends = float(value(document, places[0])), float(value(document, places[-1]))
    return ends, (places[0], places[-1])


def _driver(document: Document, key: str, name: str, varied: Sentence, low: Read, high: Read) -> Driver:
    ends, places = _with_now(document, low, high)
    return Driver(key, name, varied, ends, places)


def _agent_prior(document: Document) -> Driver | None:
    """Vary the agent's prior.

    Not of an agent whose weights are not from a prior over these hypotheses.
    """
    own, key = document["agent"]["prior"], permission(document)
    if document.get("agent_reading") is not None or len(document["agent_weights"]) > len(document["weights"]):
        return None
    places = {name: ("agents", name, key, "risk") for name in document["agents"] if name != own}
    return _alternatives(document, "agent_prior", "Agent's prior", places) if places else None


def _policy(document: Document) -> Driver | None:
    """Vary the policy among those with the agent's permission to abstain."""
    abstains = document["agent"]["abstain"]
    places = {
        policy_name(entry): ("frontier", k, "risk")
        for k, entry in enumerate(document.get("frontier") or [])
        if entry in policies(document) and not entry["own"] and entry["abstain"] == abstains
    }
    return _alternatives(document, "policy", "Policy", places) if places else None


def _alternatives(document: Document, key: str, name: str, places: Mapping[str, tuple[str | int, ...]]) -> Driver:
    """Return a driver with named alternatives: the safest and the least safe."""
    risks = {alternative: float(value(document, place)) for alternative, place in places.items()}
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    said: list[str] = []
    named: list[str] = []
    claims: list[Claim] = []
    if exceeds(document, "risk.mean", places[low]):
        said.append(f"lowest: {low!r}")
        named.append(low)
        claims += [
            below(places[low], "risk.mean"),
            holds(lambda d: all(value(d, p) >= value(d, places[low]) for p in places.values())),
        ]
    if exceeds(document, places[high], "risk.mean"):
        said.append(f"highest: {high!r}")
        named.append(high)
        claims += [
            below("risk.mean", places[high]),
            holds(lambda d: all(value(d, p) <= value(d, places[high]) for p in places.values())),
        ]
    if not said:
        said.append(repr(low) if len(risks) == 1 else f"{len(risks)} others")
        named += [low] if len(risks) == 1 else []
        claims += [alike(place, "risk.mean") for place in places.values()]
    varied = Sentence("; ".join(said), len(risks), claims=claims)
    return replace(_driver(document, key, name, varied, places[low], places[high]), alternatives=tuple(named))


def _values(document: Document) -> Driver | None:
    """Vary the values within their stated strength."""
    risk = document["risk"]
    if risk["lower"] is None:
        return None
    varied = Sentence(f"within the stated strength ({100 * risk['prob']:g}%)", "risk.prob")
    return _driver(document, "values", "Values", varied, "risk.lower", "risk.upper")


def _misspecified(document: Document) -> Driver | None:
    """Replace a share of the prior; the agent follows where its prior is the same."""
    bounds = document["risk_bounds"]
    joint = None if holds_space(document) else document["risk_bounds_jointly"]  # which leaves rules their shares
    if not other_truths(document) or not (joint or bounds):
        return None
    share = list(joint or bounds)[-1]
    ends: Sequence[str | int] = ("lower", "upper") if joint else (0, 1)
    places = [("risk_bounds_jointly" if joint else "risk_bounds", share, end) for end in ends]
    varied = Sentence(f"{100 * float(share):g}% of the prior replaced", float(share))
    return _driver(document, "prior", "Prior misspecification", varied, *places)


def _failure_line(document: Document) -> Driver | None:
    """Move the failure line by up to half a standard deviation of the rewards."""
    curve = document["risk_by_line"]
    if curve is None or curve["at"] is None:
        return None
    near = {
        k: x
        for k, (t, x) in enumerate(zip(curve["at"], curve["risk"], strict=True))
        if x is not None and t and abs(t) <= NEAR
    }
    if not near:
        return None
    places = [("risk_by_line", "risk", end(near, key=near.__getitem__)) for end in (min, max)]
    varied = Sentence(f"moved by up to {NEAR:g} sd of the rewards", NEAR)
    return _driver(document, "line", "Failure line", varied, *places)


def _more_data(document: Document) -> Driver | None:
    """Go on training without end."""
    if document["risk"]["limit"] is None or document["bounded_pairs"]:
        return None
    groups = silent_groups(document["silent_pairs"])
    every = "some rules may stay undecided" if document.get("rule_spaces") else "separates all hypotheses"
    words = f"cannot separate {listed(groups[0], 3)}" if groups else every
    claims = [holds(lambda d: bool(d["silent_pairs"]) == bool(groups))]
    varied = Sentence(words, "silent_pairs", *(len(group) - 3 for group in groups[:1]), claims=claims)
    return _driver(document, "data", "More training data", varied, "risk.limit", "risk.limit")


def _grid(document: Document) -> Grid:
    rows = [[row["name"], row["range"], _cut(row["varied"])] for row in rows_of(document)[:ROWS]]
    return Grid(["What the risk depends on", "risk", "varied"], rows, widest=24, left=(1, 2))


def _cut(text: str) -> str:
    if len(text) <= VARIED:
        return text
    first, more, _ = text.partition("; ")
    kept = first if more and len(first) < VARIED else text[: VARIED - 1]
    return kept + "\N{HORIZONTAL ELLIPSIS}"


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    rows, now = drivers(document), document["risk"]["mean"]
    fig, ax = style.figure(style.PAGE * 0.7, style.height_of(len(rows), EACH))
    lower, upper = (np.array([driver.ends[end] for driver in rows]) for end in (0, 1))
    labels = [(driver.name, driver.varied) for driver in rows]
    draw_sensitivity(ax, labels, lower, upper, now, [driver.range(document) for driver in rows])
    return fig


def _caption(document: Document) -> tuple[str, str]:
    explanation = "Lowest and highest risk where one setting varies and all others stay. Line: the study's risk."
    return finding(document), Sentence(explanation, claims=[holds(lambda d: d["risk"] is not None)])


def _informs(document: Document) -> bool:
    """Return whether some driver moves the risk."""
    return any(driver.moves(document) for driver in drivers(document))


SENSITIVITY = Plot("sensitivity", _draw, _caption, _informs)
