"""The first page of a report: what the risk hinges on, a sentence each, and what would lower it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.words import (
    DRAWS_ONE,
    line_moved,
    listed,
    misfits,
    percent,
    prior_in_words,
    silent_groups,
    spent,
)

LEAST = 0.0005
"""A change of the risk below this is none."""
LISTED = 6
WORTH = 0.005
"""By how much abstaining must lower the risk to be worth a line of its own."""
FEW_BITS = 0.05


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
    """What the risk hinges on, each in a sentence or two: evidence, values, failure line, policy, shift, fit; empty without a test."""
    if document["risk"] is None:
        return []
    said = (
        ("Evidence", _evidence(document)),
        ("Values", _values(document)),
        ("Failure line", line_moved(document)),
        ("Policy", _policy(document)),
        ("Shift", _shift(document)),
        ("Fit", _fit(document)),
    )
    return [(term, sentence) for term, sentence in said if sentence]


def _evidence(document: Mapping[str, Any]) -> str:
    now, left = document["risk"]["mean"], document["risk"]["limit"]
    groups = silent_groups(document["silent_pairs"])
    quiet = "; ".join(f"training cannot tell {listed(group, 4)} apart" for group in groups[:2])
    undecided = document["bounded_pairs"]
    if len(document["hypotheses"]) == 1:
        return "There is one hypothesis, so training has nothing to tell it from."
    if undecided:
        pairs = "; ".join(listed(one["pair"]) for one in undecided[:2])
        return (
            f"{quiet[:1].upper()}{quiet[1:]}{'; ' if quiet else ''}no amount of such data decides between {pairs}: their Bayes factor "
            "stays bounded."
        )
    heads = "Training tells every two hypotheses apart" if not groups else f"{quiet[:1].upper()}{quiet[1:]}"
    if left is None or max(now, left) < LEAST:
        return f"{heads}."
    if abs(now - left) < LEAST:
        return f"{heads}; more of the same data would change nothing of the risk."
    verb = "lower" if left < now else "raise"
    return f"{heads}; endless data of the same kind would {verb} the risk from {percent(now)} to {percent(left)}."


def _values(document: Mapping[str, Any]) -> str:
    joint = document["risk_bounds_jointly"]
    if joint:
        share, ends = list(joint.items())[-1]
        low, high, whose = ends["lower"], ends["upper"], "that agent and judge alike give"
        held = "" if ends["exact"] else ", at least"
    elif document["risk_bounds"]:
        share, (low, high) = list(document["risk_bounds"].items())[-1]
        whose = "that the judge gives"
        held = ", the agent as it is"
    else:
        return ""
    said = (
        f"If {100 * float(share):g}% of the prior {whose} to the hypotheses lay on others of them, the risk would be between "
        f"{percent(low)} and {percent(high)}{held}"
    )
    if document["risk"]["lower"] is None:
        return f"{said}; no strength was stated, so how sure the values are is not known."
    return f"{said}."


def _policy(document: Mapping[str, Any]) -> str:
    agent = document["agent"]
    may = "may_abstain" if agent["abstain"] else "acts"
    read = document["agent_reading"] is not None
    risks = {name: one[may]["risk"] for name, one in document["agents"].items() if read or name != agent["prior"]}
    if not risks:
        return ""
    low, high = (min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__))
    if read:
        who = "The agent was read off its own choices; of agents that are assumed"
    else:
        who = f"The agent extrapolates by the prior {agent['prior']!r} ({prior_in_words(agent['prior'])}); of other priors"
    if risks[high] - risks[low] < LEAST:
        said = f"{who}, each has {percent(risks[low])}."
    else:
        said = f"{who}, {low!r} has {percent(risks[low])} and {high!r} {percent(risks[high])}."
    others = [one["risk"] for one in document["frontier"] if one["risk"] is not None and not one["own"]]
    if others and max(others) - min(others) >= LEAST:
        said += (
            f" With its own weights, other policies that ship have {percent(min(others))} to {percent(max(others))}."
        )
    return said


def _shift(document: Mapping[str, Any]) -> str:
    found = document["shift"]
    if spent(document):
        return "This test was used to choose an agent, so the risk on it is training evidence."
    if not document["shifted"]:
        return "The test is no shift from training that shows, so the risk says little of one."
    most = f"{found['indicator']}: {percent(found['training'])} in training, {percent(found['test'])} on the test"
    new = (
        f"; {percent(found['new_share'])} of its items are judged as none of training's is"
        if found["new_share"] > LEAST
        else ""
    )
    return f"The test is shifted (p = {found['p']:.3f}). {most[:1].upper()}{most[1:]}{new}."


def _fit(document: Mapping[str, Any]) -> str:
    if misfits(document):
        return "Something does not fit: see above."
    least = min((one["p"] for one in document["predictive_check"].values()), default=1.0)
    return f"Checks find no misfit in training (least p = {least:.3g}, a misfit below 0.01); they cannot see what training is silent about."


def would_lower(document: Mapping[str, Any]) -> list[Change]:
    """What would lower the risk, most first: what the agent knows, goes by, may do, or is trained on."""
    risk = document["risk"]
    if risk is None or risk["mean"] < LEAST:
        return []
    changes = [*_told(document), *_priors(document), *_policies(document)]
    if risk["limit"] is not None and not document["bounded_pairs"]:
        changes.append(Change("endless training of the same kind", risk["limit"]))
    lower = [one for one in changes if one.risk < risk["mean"] - LEAST]
    return sorted(lower, key=lambda one: one.risk)[:LISTED]


def _told(document: Mapping[str, Any]) -> list[Change]:
    """Knowing what is true, and what it takes; always going by one hypothesis."""
    matrix, weights = document["matrix"], document["weights"]
    found = document["unmodelled"]
    if document["agent"]["policy"] not in DRAWS_ONE or document["agent"]["abstain"]:
        return []
    out = []
    if found is None or found["weight"] < LEAST:
        known = sum(weight * matrix[name][name] for name, weight in weights.items() if name in matrix)
        out.append(Change(f"knowing which hypothesis is true{_takes(document)}", known))
    by_agent = {name: risk for name, risk in document["risk_by_agent_hypothesis"].items() if name in weights}
    best = min(by_agent, key=by_agent.__getitem__)
    if document["agent_weights"][best] < 1 - LEAST:
        out.append(Change(f"always going by {best!r}", by_agent[best]))
    return out


def _takes(document: Mapping[str, Any]) -> str:
    """What it takes to know: bits of human values, or items that tell."""
    bits = {t: b for t, b in (document["value_bits_of_agent"] or {}).items() if b}
    said = []
    if bits:
        target = sorted(bits, key=float)[len(bits) // 2]
        said.append(
            f"telling this agent {bits[target]:.2g} bits of human values for a risk of {100 * float(target):g}%"
        )
    curve = document["bits_by_size"]
    if curve is not None:
        mean = curve["telling"]["mean"]
        enough = [n for n, x in zip(curve["sizes"], mean, strict=True) if x is not None and x < FEW_BITS]
        if enough and mean[0] and mean[0] > FEW_BITS:
            said.append(f"at most about {enough[0]:,} items of the test, judged")
    return f" (takes {', or '.join(said)})" if said else ""


def _priors(document: Mapping[str, Any]) -> list[Change]:
    """The agent extrapolating by the judge's values."""
    if document["agent"]["prior"] == "values" and document["agent_reading"] is None:
        return []
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    return [Change("extrapolating by the judge's values", document["agents"]["values"][may]["risk"])]


def _policies(document: Mapping[str, Any]) -> list[Change]:
    """The safest other policy that acts, and the safest that may abstain where that is safer, with what they earn."""
    own = next((one for one in document["frontier"] if one["own"]), None)
    found: list[Change] = []
    for abstain in (False, True):
        others = [
            one
            for one in document["frontier"]
            if one["risk"] is not None and one["abstain"] == abstain and not one["own"]
        ]
        if not others or own is None or own["reward"] is None:
            continue
        best = min(others, key=lambda one: (one["risk"], -one["reward"]))
        if found and best["risk"] > found[0].risk - WORTH:
            continue
        earns = f"an expected reward of {best['reward']:.3g} a scene instead of {own['reward']:.3g}"
        if abstain and best["abstained"] > 1 - LEAST:
            may = "" if document["agent"]["abstain"] else ", which this agent may not"
            words = f"failing on purpose in every scene{may}: {earns}"
        else:
            refrains = f", which refrains in {percent(best['abstained'])} of scenes" if abstain else ""
            words = f"the policy {best['words']!r}{refrains}, {earns}"
        found.append(Change(words, best["risk"]))
    return found


def most(document: Mapping[str, Any]) -> str:
    """What would lower the risk most, in a sentence; nothing where nothing listed would."""
    changes = would_lower(document)
    if not changes:
        return ""
    now = document["risk"]["mean"]
    return f"What would lower it most: {changes[0].words}; from {percent(now)} to {percent(changes[0].risk)}."
