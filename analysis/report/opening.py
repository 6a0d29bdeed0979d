"""The first page of a report: what the risk hinges on, a sentence each, and what would lower it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.words import DRAWS_ONE, line_moved, listed, percent, silent_groups, spent

LEAST = 0.0005
"""A change of the risk below this is none."""
LISTED = 5


@dataclass(frozen=True)
class Change:
    """Something that would change the risk.

    Attributes
    ----------
    words : str
    risk : float
        What it would then be.
    """

    words: str
    risk: float


def hinges_on(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the risk hinges on: evidence, values, failure line, policy, shift, each in a sentence; empty without a test."""
    if document["risk"] is None:
        return []
    said = (
        ("Evidence", _evidence(document)),
        ("Values", _values(document)),
        ("Failure line", line_moved(document)),
        ("Policy", _policy(document)),
        ("Shift", _shift(document)),
    )
    return [(term, sentence) for term, sentence in said if sentence]


def _evidence(document: Mapping[str, Any]) -> str:
    now, left = document["risk"]["mean"], document["risk"]["limit"]
    groups = silent_groups(document["silent_pairs"])
    quiet = "; ".join(f"training is silent between {listed(group, 4)}" for group in groups[:2])
    heads = "Training tells every two hypotheses apart" if not groups else f"{quiet[:1].upper()}{quiet[1:]}"
    if left is None or now < LEAST:
        return f"{heads}."
    if abs(now - left) < LEAST:
        return f"{heads}; more of the same data would change nothing of the risk."
    verb = "remove" if left < now else "add"
    return f"{heads}; endless data of the same kind would {verb} {percent(abs(now - left))} of the {percent(now)}."


def _values(document: Mapping[str, Any]) -> str:
    joint = document["risk_bounds_jointly"]
    if joint:
        share, ends = list(joint.items())[-1]
        low, high, whose = ends["lower"], ends["upper"], "of the values that agent and judge have in common were others"
    elif document["risk_bounds"]:
        share, (low, high) = list(document["risk_bounds"].items())[-1]
        whose = "of the judge's values were others"
    else:
        return ""
    said = f"If {100 * float(share):g}% {whose}, the risk would be between {percent(low)} and {percent(high)}"
    if document["risk"]["lower"] is None:
        return f"{said}; no strength was stated, so how sure they are is not known."
    return f"{said}."


def _policy(document: Mapping[str, Any]) -> str:
    own = document["agent"]["prior"]
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    risks = {name: one[may]["risk"] for name, one in document["agents"].items()}
    low, high = (min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__))
    if document["agent_reading"] is not None:
        return (
            f"The agent was read off its own choices; agents that are assumed have {percent(risks[low])} ({low!r}) to "
            f"{percent(risks[high])} ({high!r})."
        )
    if risks[high] - risks[low] < LEAST:
        return "By whichever prior the agent extrapolates, it is the same."
    return (
        f"Where the data are silent the agent extrapolates by a prior of its own, {own!r}. By {low!r} the risk would be "
        f"{percent(risks[low])}, by {high!r} {percent(risks[high])}."
    )


def _shift(document: Mapping[str, Any]) -> str:
    found = document["shift"]
    if spent(document):
        return "This test was used to choose an agent, so the risk on it is training evidence."
    if not document["shifted"]:
        return "The test is no shift from training that shows, so the risk says little of one."
    new = found["new_share"]
    much = f"{percent(new)} of its items are of kinds that training never showed" if new > LEAST else found["indicator"]
    return f"The test is shifted: {much}."


def would_lower(document: Mapping[str, Any]) -> list[Change]:
    """What would lower the risk, most first: what the agent knows, extrapolates by, may do, or is trained on."""
    risk = document["risk"]
    if risk is None or risk["mean"] < LEAST:
        return []
    changes = [*_told(document), *_priors(document), *_policies(document)]
    if risk["limit"] is not None:
        changes.append(Change("endless training of the same kind", risk["limit"]))
    lower = [one for one in changes if one.risk < risk["mean"] - LEAST]
    return sorted(lower, key=lambda one: one.risk)[:LISTED]


def _told(document: Mapping[str, Any]) -> list[Change]:
    """Data that tell, or being told outright."""
    matrix, weights = document["matrix"], document["weights"]
    if document["agent"]["policy"] not in DRAWS_ONE or document["agent"]["abstain"]:
        return []
    known = sum(weight * matrix[name][name] for name, weight in weights.items() if name in matrix)
    found = document["unmodelled"]
    if found is not None and found["weight"] > LEAST:
        return []
    return [Change("knowing which hypothesis is true, from data that tell them apart or by being told", known)]


def _priors(document: Mapping[str, Any]) -> list[Change]:
    """The agent extrapolating by the judge's values."""
    if document["agent"]["prior"] == "values" and document["agent_reading"] is None:
        return []
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    return [Change("extrapolating by the judge's values", document["agents"]["values"][may]["risk"])]


def _policies(document: Mapping[str, Any]) -> list[Change]:
    """The safest other policy that acts, and the safest that may abstain, by what they cost."""
    own = next((one for one in document["frontier"] if one["own"]), None)
    found = []
    for abstain in (False, True):
        others = [
            one
            for one in document["frontier"]
            if one["risk"] is not None and one["abstain"] == abstain and not one["own"]
        ]
        if not others or own is None or own["reward"] is None:
            continue
        best = min(others, key=lambda one: (one["risk"], -one["reward"]))
        price = own["reward"] - best["reward"]
        cost = f"an expected reward {abs(price):.3g} {'lower' if price > 0 else 'higher'}"
        refrains = f", which refrains in {percent(best['abstained'])} of scenes" if abstain else ""
        found.append(Change(f"the policy {best['words']!r}{refrains}, at {cost}", best["risk"]))
    return found


def most(document: Mapping[str, Any]) -> str:
    """What would lower the risk most, in a sentence; nothing where nothing listed would."""
    changes = would_lower(document)
    if not changes:
        return ""
    now = document["risk"]["mean"]
    return f"What would lower it most: {changes[0].words}, from {percent(now)} to {percent(changes[0].risk)}."
