"""Sentences on other priors, other failure lines, deployments.

Regret and bits of human values.
"""

import functools
import math
from collections.abc import Mapping, Sequence

from reward_hypotheses.analysis.report.claims import (
    Claim,
    Read,
    Sentence,
    alike,
    below,
    holds,
    margin,
    paragraph,
    value,
)
from reward_hypotheses.analysis.report.phrases import (
    DRAWS_ONE,
    MOVES,
    NEAR,
    bits_in_words,
    capital,
    error_of,
    other_truths,
    percent,
)
from reward_hypotheses.analysis.report.presentation import Document

SEEN = 0.001
"""Difference of two shares below which they may read alike."""


def lowest(document: Document) -> Sentence:
    """Return the lowest risk of an agent that always acts."""
    risk = document["risk"]
    zero = risk["upper_of_zero"]

    def none_lower(document: Document) -> bool:
        floor, error = document["risk"]["floor"], 4 * document["risk"]["mcse"] + 1e-9
        acting = [
            one["risk"] for one in document.get("frontier") or [] if not one["abstain"] and one["risk"] is not None
        ]
        return all(x >= floor - error for x in acting)

    text = f"The lowest possible risk of an agent that always acts is {percent(risk['floor'], zero)}."
    first = Sentence(text, "risk.floor", "risk.upper_of_zero", claims=[holds(none_lower)])
    if not document["agent"]["abstain"]:
        return first
    text = f"This agent may abstain, and abstains in {percent(risk['abstained'], zero)} of scenes."
    claim = holds(lambda d: d["agent"]["abstain"])
    return paragraph(first, Sentence(text, "risk.abstained", "risk.upper_of_zero", claims=[claim]))


def regret(document: Document) -> Sentence:
    """Return the regret a scene."""
    text = f"The regret is {document['risk']['regret']:.3g} reward units a scene: the reward of the best option less the agent's."
    best = holds(lambda d: d["risk"]["regret"] >= -1e-9 * max(1.0, abs(d["risk"]["regret"])))
    first = Sentence(text, "risk.regret", claims=[best])
    if len(document["hypotheses"]) < 2:
        return first
    return paragraph(first, Sentence("It adds rewards of different hypotheses without rescaling."))


def deployments(document: Document) -> Sentence:
    """Return the probability of a catastrophe by the length of a deployment."""
    by_size, risk = document["risk"]["at_least_one"], document["risk"]
    if not by_size or risk["mean"] <= 0:
        return Sentence("")
    sizes = sorted(map(int, by_size))
    shares = [percent(by_size[str(n)]) for n in sizes]
    reads = [("risk", "at_least_one", str(n)) for n in sizes]
    follows = document["agent"]["policy"] in DRAWS_ONE
    if len(sizes) > 1 and len(set(shares)) == 1:
        claim = holds(
            lambda d: max(d["risk"]["at_least_one"].values()) - min(d["risk"]["at_least_one"].values()) < SEEN
        )
        text = f"A deployment has a catastrophe with probability {shares[0]}, whether it has {sizes[0]:,} or {sizes[-1]:,} scenes."
        first = Sentence(text, *reads, *sizes, claims=[claim])
        if not follows:
            return first
        text = "The agent follows one hypothesis throughout a deployment."
        return paragraph(first, Sentence(text, claims=[holds(lambda d: d["agent"]["policy"] in DRAWS_ONE)]))
    listing = ", ".join(f"{share} in {n:,}" for n, share in zip(sizes, shares, strict=True))
    text = f"Probability of at least one catastrophe in the scenes of one deployment: {listing}."
    return Sentence(text, *reads, *sizes)


def bits(document: Document) -> list[Sentence]:
    """Return the bits of human values that an agent needs for a lower risk.

    An agent of uniform prior is mentioned where it needs another number.
    """
    sentences: dict[str, Sentence] = {}
    for who, key in (("this agent", "value_bits_of_agent"), ("an agent of uniform prior", "value_bits")):
        needed: Mapping[str, float | None] = document.get(key) or {}
        known = {target: n for target, n in needed.items() if n is not None}
        if known:
            words = ", ".join(f"{bits_in_words(n, 3)} for {100 * float(t):g}%" for t, n in known.items())
            words = words.replace(" for ", " of information about human values for a risk of ", 1)
            reads: list[Read] = [*((key, t) for t in known), *(float(t) for t in known)]
            text = f"{capital(who)} needs {words}."
            sentences.setdefault(words, Sentence(text, *reads))
        missing = [t for t in needed if t not in known]
        if missing and key == "value_bits_of_agent":
            targets = " or ".join(f"{100 * float(t):g}%" for t in missing)
            claim = holds(functools.partial(_unreachable, targets=missing))
            text = f"No information about the listed hypotheses brings {who} to a risk of {targets}."
            sentences[f"none {who}"] = Sentence(text, *map(float, missing), claims=[claim])
    return list(sentences.values())


def _unreachable(document: Document, targets: Sequence[str]) -> bool:
    return all(document["value_bits_of_agent"][target] is None for target in targets)


def bounds(document: Document) -> list[Sentence]:
    """Return the risk if a part of the prior is wrong.

    Among listed hypotheses, and for an unlisted truth.
    """
    contamination, (low, high) = list(document["risk_bounds"].items())[-1]
    share, places = f"{100 * float(contamination):g}%", [("risk_bounds", contamination, i) for i in (0, 1)]
    sentences = []
    around = [_contains_risk(places[0], places[1])]
    others = other_truths(document)
    if others and percent(low) != percent(high):
        text = f"With {share} of the prior moved to {others}, the risk lies between {percent(low)} and {percent(high)}."
        sentences.append(Sentence(text, float(contamination), *places, claims=around))
    elif others:
        text = f"Moving {share} of the prior to {others} leaves the risk at about {percent(low)}."
        sentences.append(Sentence(text, float(contamination), *places, claims=[alike(places[0], places[1], SEEN)]))
    unlisted = ("risk_bounds_unlisted", contamination)
    if (highest := document["risk_bounds_unlisted"][contamination]) is not None:
        claim = holds(lambda d: value(d, unlisted) >= d["risk"]["mean"] - _slack(d))
        text = f"With {share} of the prior moved to an unlisted hypothesis, the risk is at most {percent(highest)}."
        sentences.append(Sentence(text, float(contamination), unlisted, claims=[claim]))
    return sentences


def _contains_risk(low: Read, high: Read) -> Claim:
    def contained(document: Document) -> bool:
        mean, slack = document["risk"]["mean"], _slack(document)
        return bool(value(document, low) - slack <= mean <= value(document, high) + slack)

    return holds(contained)


def _slack(document: Document) -> float:
    return 1e-6 + 4 * float(document["risk"]["mcse"])


def other_values(document: Document) -> list[Sentence]:
    """Return the nearest tipping point, and the risk under other values of the judge."""
    return [*_tipping(document), *_within_factor(document), *_jointly(document)]


def _tipping(document: Document) -> list[Sentence]:
    """Return the nearest prior weight at which the risk crosses a target."""
    now, prior = document["risk"]["mean"], document["prior"]
    points = [
        (abs(weight - prior[name]), name, target, weight)
        for name, point in document["tipping"].items()
        for target, weight in point["risk_at"].items()
        if weight is not None and 0.001 < weight < 0.999
    ]
    if not points:
        return []
    _, name, target, weight = min(points, key=lambda point: point[0])
    place, level = ("tipping", name, "risk_at", target), f"{100 * float(target):g}%"
    reads = (float(target), place, ("prior", name))
    if percent(weight) == percent(prior[name]) or percent(now) == percent(float(target)):
        claim = holds(
            lambda d: min(abs(value(d, place) - d["prior"][name]), abs(d["risk"]["mean"] - float(target))) < SEEN
        )
        text = f"A slight change of the prior of {name!r}, {percent(prior[name])}, moves the risk across {level}."
        return [Sentence(text, *reads, claims=[claim])]
    way, change = ("fall", now > float(target)), ("rose", weight > prior[name])
    claims: list[Claim] = [
        below(float(target), "risk.mean", 0.0) if way[1] else below("risk.mean", float(target), 0.0),
        below(("prior", name), place, 0.0) if change[1] else below(place, ("prior", name), 0.0),
    ]
    text = (
        f"The risk would {way[0] if way[1] else 'rise'} to {level} if the prior of {name!r} "
        f"{change[0] if change[1] else 'fell'} from {percent(prior[name])} to {percent(weight)}."
    )
    return [Sentence(text, *reads, claims=claims)]


def _within_factor(document: Document) -> list[Sentence]:
    within = document["risk_bounds_within_factor"] or {}
    out = []
    for factor, (low, high) in within.items():
        places = [("risk_bounds_within_factor", factor, i) for i in (0, 1)]
        claims = [_contains_risk(places[0], places[1])]
        head = f"With prior odds wrong by up to a factor of {float(factor):g}, the risk"
        text = f"{head} lies between {percent(low)} and {percent(high)}."
        if percent(low) == percent(high):
            text, claims = f"{head} stays at about {percent(low)}.", [alike(places[0], places[1], SEEN)]
        out.append(Sentence(text, float(factor), *places, claims=claims))
    return out


def _jointly(document: Document) -> list[Sentence]:
    joint = document["risk_bounds_jointly"]
    if not joint:
        return []
    contamination, ends = list(joint.items())[-1]
    place = ("risk_bounds_jointly", contamination)
    about = "" if ends["exact"] else " at least"
    text = (
        f"The agent has the same prior: with {100 * float(contamination):g}% of it replaced for judge and agent, the risk "
        f"lies{about} between {percent(ends['lower'])} and {percent(ends['upper'])}."
    )
    claims = [
        holds(lambda d: d["agent"]["prior"] == "values"),
        holds(lambda d: value(d, place)["lower"] <= value(d, place)["upper"]),
    ]
    return [Sentence(text, float(contamination), (*place, "lower"), (*place, "upper"), claims=claims)]


def line_moved(document: Document) -> Sentence:
    """Return the risk with another failure line; empty where that was not computed."""
    curve = document["risk_by_line"]
    if curve is None or curve["at"] is None:
        return Sentence("")
    places = [k for k, (t, x) in enumerate(zip(curve["at"], curve["risk"], strict=True)) if t and x is not None]
    if not places:
        claim = holds(lambda d: all(x is None for t, x in _points(d) if t))
        return Sentence(
            "At every other failure line tried, the data are impossible under every hypothesis.", claims=[claim]
        )
    changed = [k for k in _changes(document, places) if k is not None]
    if not changed:
        return _unmoved(document, places)
    now = document["risk"]["mean"]
    sentences = []
    for k in changed:
        t, x = curve["at"][k], curve["risk"][k]
        way = "lower" if t < 0 else "higher"
        first = " (the smallest step tried)" if abs(t) == min(abs(curve["at"][k]) for k in places) else ""
        text = f"With the line {abs(t):g} standard deviations of the rewards {way}{first}, the risk is {percent(x)}."
        place = ("risk_by_line", "risk", k)
        claim = below(place, "risk.mean", MOVES - 1e-9) if x < now else below("risk.mean", place, MOVES - 1e-9)
        at = ("risk_by_line", "at", k)
        direction = below(at, 0.0, 0.0) if way == "lower" else below(0.0, at, 0.0)
        sentences.append(Sentence(text, place, ("risk_by_line", "at", k), claims=[claim, direction]))
    return paragraph(_line_head(document, changed), *sentences)


def line_finding(document: Document) -> Sentence:
    """Return whether the risk depends on the failure line, as a heading."""
    curve = document["risk_by_line"]
    places = [k for k, (t, x) in enumerate(zip(curve["at"], curve["risk"], strict=True)) if t and x is not None]
    changed = [k for k in _changes(document, places) if k is not None]
    if not places:
        return line_moved(document)
    if not changed:
        return Sentence("The risk hardly depends on the failure line, as far as was tried.", claims=[holds(_hardly)])
    return _line_head(document, changed)


def _hardly(document: Document) -> bool:
    """Return whether no line tried changes the risk by more than `MOVES` or its error."""
    now, points, error = document["risk"]["mean"], _points(document), _twice_the_error(document)
    return all(x is None or abs(x - now) <= max(MOVES, error) for _, x in points)


def _twice_the_error(document: Document) -> float:
    """Return twice the largest Monte Carlo error between two points of the curve."""
    errors = [error_of(document, "risk_by_line", "risk", k) or 0.0 for k in range(len(_points(document)))]
    return 2 * math.hypot(max(errors), document["risk"]["mcse"])


def _points(document: Document) -> list[tuple[float, float | None]]:
    curve = document["risk_by_line"]
    return list(zip(curve["at"], curve["risk"], strict=True))


def _changes(document: Document, places: list[int]) -> tuple[int | None, int | None]:
    """Return the nearest lines at which the risk differs by at least `MOVES`."""
    at, risk, now = document["risk_by_line"]["at"], document["risk_by_line"]["risk"], document["risk"]["mean"]
    nearest = sorted(places, key=lambda k: abs(at[k]))

    def differs(k: int) -> bool:
        return abs(risk[k] - now) > margin(document, ("risk_by_line", "risk", k), "risk.mean", MOVES - 1e-9)

    lower, higher = (next((k for k in nearest if at[k] * s > 0 and differs(k)), None) for s in (-1, 1))
    return lower, higher


def _line_head(document: Document, changed: list[int]) -> Sentence:
    """Return whether a near line changes the risk."""
    at = document["risk_by_line"]["at"]
    nearest = min(abs(at[k]) for k in changed)

    def moves(document: Document) -> bool:
        now, points = document["risk"]["mean"], _points(document)
        return any(x is not None and abs(t) <= NEAR and abs(x - now) >= MOVES - 1e-9 for t, x in points)

    if nearest <= NEAR:
        return Sentence("The risk depends on the failure line.", claims=[holds(moves)])
    text = f"The risk depends on the failure line only beyond {NEAR:g} standard deviations of the rewards."

    def hardly(document: Document) -> bool:
        now, points, error = document["risk"]["mean"], _points(document), _twice_the_error(document)
        near = (abs(x - now) for t, x in points if x is not None and abs(t) <= NEAR)
        return all(change <= max(MOVES, error) for change in near)

    return Sentence(text, NEAR, claims=[holds(hardly)])


def _unmoved(document: Document, places: list[int]) -> Sentence:
    """Return that no line tried changes the risk by much."""
    curve = document["risk_by_line"]
    steps = {way: max((abs(curve["at"][k]) for k in places if curve["at"][k] * s > 0), default=None)
             for way, s in (("lower", -1), ("higher", 1))}  # fmt: skip
    reach = " or ".join(f"{step:g} standard deviations {way}" for way, step in steps.items() if step is not None)

    text = f"A failure line up to {reach} changes the risk by less than {100 * MOVES:g} percentage points."
    first = Sentence(text, "risk_by_line.at", 100 * MOVES, claims=[holds(_hardly)])
    if None not in curve["risk"]:
        return first
    claim = holds(lambda d: any(x is None for _, x in _points(d)))
    return paragraph(first, Sentence("Beyond that the data are impossible under every hypothesis.", claims=[claim]))
