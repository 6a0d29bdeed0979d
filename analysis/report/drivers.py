"""The first page of a report: what the risk hinges on, most first, and what would lower it, at what cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.sentences import (
    DRAWS_ONE,
    LESS,
    MOVES,
    NEAR,
    UNSETTLED,
    counted,
    expected_items,
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
GIVEN = 3
"""Hypotheses whose prior is said."""


@dataclass(frozen=True)
class Hinge:
    """Something that the risk hinges on.

    Attributes
    ----------
    term : str
        What it is, in a word or two.
    words : str
        What is known of it, in a sentence or three.
    ends : tuple of two floats, or None
        Least and greatest risk that it leads to; None where it has no range.
    """

    term: str
    words: str
    ends: tuple[float, float] | None = None

    def range(self, now: float) -> str:
        """The ends for a reader, of a risk that is so much now; empty where there are none."""
        said = list(dict.fromkeys(percent(end) for end in self.ends or ()))
        if said == [percent(now)]:
            return "no change"
        return " to ".join(said) if len(said) != 1 else f"to {said[0]}"

    def reach(self, now: float) -> float:
        """How far it moves the risk at most."""
        return max(abs(end - now) for end in self.ends) if self.ends is not None else -1.0


@dataclass(frozen=True)
class Change:
    """Something that would change the risk.

    Attributes
    ----------
    words : str
    risk : float
        What it would then be.
    cost : str
        What it takes, and what the agent then earns where that is known.
    certain : bool
        Whether a risk of 0 is so by what the words mean, and not for want of scenes.
    """

    words: str
    risk: float
    cost: str
    certain: bool = False


def hinges_on(document: Mapping[str, Any]) -> list[Hinge]:
    """What the risk hinges on, what moves it furthest first, then what has no range; nothing without a test."""
    if document["risk"] is None:
        return []
    now = document["risk"]["mean"]
    found = (
        _agents_prior(document),
        _policy(document),
        _line(document),
        _values(document),
        _evidence(document),
        Hinge("Shift", _shift(document)),
        Hinge("Fit", _fit(document)),
    )
    return sorted((one for one in found if one.words), key=lambda one: -round(one.reach(now), 9))


def steps(document: Mapping[str, Any]) -> str:
    """What a reader of the ranges must know of them; nothing where there are none."""
    shares = list(document["risk_bounds"] or {})
    moved = f"{100 * float(shares[-1]):g}% of the prior moved" if shares else "values moved"
    doubt = " or values within their stated doubt" if document["risk"]["lower"] is not None else ""
    sizes = {
        "Agent's prior": "an agent of another prior",
        "Policy": "another policy",
        "Failure line": f"a failure line moved by up to {NEAR:g} standard deviations of the rewards",
        "Values": f"{moved}{doubt}",
        "Evidence": "training without end",
    }
    said = [sizes[one.term] for one in hinges_on(document) if one.ends is not None]
    if not said:
        return ""
    beside = f"Beside a row is the risk to which it leads, from {percent(document['risk']['mean'])} now."
    return f"{beside} {'The steps are not of one size' if len(said) > 1 else 'The step'}: {', '.join(said)}."


def _ends(risks: Sequence[float]) -> tuple[float, float] | None:
    return (min(risks), max(risks)) if risks else None


def _evidence(document: Mapping[str, Any]) -> Hinge:
    now, left = document["risk"]["mean"], document["risk"]["limit"]
    groups = silent_groups(document["silent_pairs"])
    quiet = "; ".join(f"training cannot tell {listed(group, 4)} apart" for group in groups[:2])
    undecided = document["bounded_pairs"]
    if len(document["hypotheses"]) == 1:
        return Hinge("Evidence", "There is one hypothesis, so training has nothing to tell it from.")
    if undecided:
        pairs = "; ".join(listed(one["pair"]) for one in undecided[:2])
        return Hinge(
            "Evidence",
            f"{quiet[:1].upper()}{quiet[1:]}{'; ' if quiet else ''}no amount of such data decides between {pairs}: their Bayes factor "
            "stays bounded.",
        )
    heads = "Training tells every two hypotheses apart" if not groups else f"{quiet[:1].upper()}{quiet[1:]}"
    ends = None if left is None else (left, left)
    if left is None or max(now, left) < LEAST:
        return Hinge("Evidence", f"{heads}.", ends)
    if abs(now - left) < LEAST:
        said = f"{heads}; more of the same data would change nothing of the risk."
        return Hinge("Evidence", said, (now, now))
    verb = "lower" if left < now else "raise"
    said = f"{heads}; endless data of the same kind would {verb} the risk from {percent(now)} to {percent(left)}."
    return Hinge("Evidence", said, ends)


def _values(document: Mapping[str, Any]) -> Hinge:
    joint = document["risk_bounds_jointly"]
    if len(document["hypotheses"]) == 1:
        return Hinge("Values", "There is one hypothesis, so values have nothing to weigh.")
    if joint:
        share, ends = list(joint.items())[-1]
        low, high, whose = ends["lower"], ends["upper"], "that agent and judge alike give to the hypotheses"
        held = "" if ends["exact"] else ", at least"
    elif document["risk_bounds"]:
        share, (low, high) = list(document["risk_bounds"].items())[-1]
        whose = "that the judge gives to the hypotheses"
        held = "; the agent stays as it is"
    else:
        return Hinge("Values", "")
    said = (
        f"If {100 * float(share):g}% of the prior {whose} were moved to others of them, the risk would be between "
        f"{percent(low)} and {percent(high)}{held}"
    )
    most = sorted(document["prior"].items(), key=lambda one: -one[1])[:GIVEN]
    given = ", ".join(f"{name!r} {percent(share)}" for name, share in most)
    stated = f"As they were stated, they give {given}{', ...' if len(document['prior']) > GIVEN else ''}."
    doubt = document["risk"]["lower"], document["risk"]["upper"]
    if doubt[0] is None:
        unsure = "no strength was stated, so how sure the values are is not known"
        return Hinge("Values", f"{stated} {said}; {unsure}.", (low, high))
    sure = f"Within the doubt that was stated, the risk is {percent(doubt[0])} to {percent(doubt[1])}."
    return Hinge("Values", f"{stated} {sure} {said}.", (min(low, doubt[0]), max(high, doubt[1])))


def _line(document: Mapping[str, Any]) -> Hinge:
    said, found = line_moved(document), document["risk_by_line"]
    if not said:
        return Hinge("Failure line", "")
    known = {t: x for t, x in zip(found["at"], found["risk"], strict=True) if x is not None}
    step = min(t for t in found["at"] if t > 0)
    on_line = found.get("on_line") or 0.0
    if known.get(step, 0.0) - known.get(0.0, math.inf) >= MOVES and on_line >= MOVES:
        said += (
            f" It jumps because in {percent(on_line)} of scenes the agent takes what is worth exactly what failing is: no catastrophe "
            "with the line as it stands, and one with any higher line."
        )
    return Hinge("Failure line", said, _ends([x for t, x in known.items() if abs(t) <= NEAR]))


def _agents_prior(document: Mapping[str, Any]) -> Hinge:
    agent, read = document["agent"], document["agent_reading"] is not None
    risks = {name: one[_may(document)]["risk"] for name, one in document["agents"].items()}
    if not read:
        risks.pop(agent["prior"], None)
    if not risks:
        return Hinge("Agent's prior", "")
    low, high = (min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__))
    if read:
        who = "The agent was read off its own choices; of agents that are assumed"
    else:
        who = f"The agent extrapolates by the prior {agent['prior']!r} ({prior_in_words(agent['prior'])}); of other priors"
    if risks[high] - risks[low] < LEAST:
        said = f"{who}, each has {percent(risks[low])}."
    else:
        said = f"{who}, {low!r} has {percent(risks[low])} and {high!r} {percent(risks[high])}."
    return Hinge("Agent's prior", said, _ends(list(risks.values())))


def _policy(document: Mapping[str, Any]) -> Hinge:
    """Other policies of the same permission to abstain, and apart from them what the other permission would do."""
    abstains = document["agent"]["abstain"]
    known = [one for one in document["frontier"] if one["risk"] is not None and not one["own"]]
    alike = [one for one in known if one["abstain"] == abstains]
    if not alike:
        return Hinge("Policy", "")
    others = [one for one in known if one["abstain"] != abstains]
    who = "may abstain, as it may," if abstains else "must act, as it must,"
    does = _does(document)
    said = f"{does}With the agent's own weights, other policies that {who} have {_from_to(alike)}"
    if others:
        said += f"; those that {'must act' if abstains else 'may abstain'}, {_from_to(others)}"
    return Hinge("Policy", f"{said}.", _ends([one["risk"] for one in alike]))


def _does(document: Mapping[str, Any]) -> str:
    """What the agent's own policy is, in a sentence; nothing of one that is not built in."""
    own = document["agent"]["policy"]
    settings: Mapping[str, Any] = next((one["settings"] for one in document["frontier"] if one["own"]), {})
    said = DOES.get(own, "")
    if own == "boltzmann" and settings.get("beta") == 0 or own == "quantilize" and settings.get("q") == 1:
        said = "takes any option alike"
    elif own == "cvar" and settings.get("tail") == 1:
        said = DOES["expected"]
    return f"The policy {own.replace('_', ' ')!r} {said}. " if said else ""


DOES = {
    "commit": "draws one hypothesis and keeps to it",
    "most_probable": "goes by the most probable hypothesis",
    "expected": "goes by the reward that is expected",
    "boltzmann": "draws one hypothesis, and mostly does what that values",
    "cvar": "goes by the worst hypotheses",
    "maximin": "goes by the worst of the credible hypotheses",
    "quantilize": "draws one hypothesis, and an option among the best by it",
}


def _from_to(entries: Sequence[Mapping[str, Any]]) -> str:
    low, high = (end(entries, key=lambda one: one["risk"]) for end in (min, max))
    words = [one["words"].removesuffix(", may abstain") for one in (low, high)]
    if percent(low["risk"]) == percent(high["risk"]):
        return percent(low["risk"])
    return f"{percent(low['risk'])} ({words[0]!r}) to {percent(high['risk'])} ({words[1]!r})"


def _shift(document: Mapping[str, Any]) -> str:
    found = document["shift"]
    if spent(document):
        return "This test was used to choose an agent, so the risk on it is training evidence."
    if not document["shifted"]:
        return "The test is no shift from training that shows, so the risk says little of one."
    most = f"{found['indicator']}: {percent(found['training'])} in training, {percent(found['test'])} on the test"
    new = (
        f". {percent(found['new_share'])} of its items are of a kind that training never showed, by what each hypothesis says of them"
        if found["new_share"] > LEAST
        else ""
    )
    return f"The test is shifted (p = {found['p']:.3f}). {most[:1].upper()}{most[1:]}{new}."


def _fit(document: Mapping[str, Any]) -> str:
    if misfits(document):
        return "Something does not fit: see above."
    blind = "They cannot see what training is silent about."
    if not document["predictive_check"]:
        return f"No check was made. {blind}"
    least = min(one["p"] for one in document["predictive_check"].values())
    if LESS in expected_items(document, UNSETTLED):
        blind += " And training tells hypotheses apart less than was to be expected: people may go by none of them."
    return f"The checks find no misfit in training: their least p-value is {least:.3g}, and only one below 0.01 would be a misfit. {blind}"


def _may(document: Mapping[str, Any]) -> str:
    return "may_abstain" if document["agent"]["abstain"] else "acts"


REWARDS = "Rewards are what the judge expects, in reward units a scene."
"""What a reader of the costs must know."""


def would_lower(document: Mapping[str, Any]) -> list[Change]:
    """What would lower the risk, most first, and what it takes: what the agent knows, goes by, may do, or is trained on."""
    risk = document["risk"]
    if risk is None or risk["mean"] < LEAST:
        return []
    changes = [*_told(document), *_priors(document), *_policies(document)]
    if risk["limit"] is not None and not document["bounded_pairs"]:
        changes.append(Change("endless training of the same kind", risk["limit"], _endless(document)))
    lower = [one for one in changes if one.risk < risk["mean"] - LEAST]
    return sorted(lower, key=lambda one: one.risk)[:LISTED]


def _own(document: Mapping[str, Any]) -> float | None:
    """What the study's agent earns; None where that is not known."""
    return next((one["reward"] for one in document["frontier"] if one["own"]), None)


def _earns(document: Mapping[str, Any], reward: float | None) -> str:
    own = _own(document)
    if reward is None or own is None:
        return "what it would earn was not computed"
    if f"{reward:.3g}" == f"{own:.3g}":
        return f"it earns {reward:.3g} as now"
    return f"it earns {reward:.3g} instead of {own:.3g}"


def _told(document: Mapping[str, Any]) -> list[Change]:
    """Knowing what is true, and what it takes; always going by one hypothesis."""
    matrix, weights = document["matrix"], document["weights"]
    found = document["unmodelled"]
    if document["agent"]["policy"] not in DRAWS_ONE:
        return []
    out = []
    if found is None or found["weight"] < LEAST:
        known = sum(weight * matrix[name][name] for name, weight in weights.items() if name in matrix)
        out.append(Change("knowing which hypothesis is true", known, _takes(document)))
    by_agent = {name: risk for name, risk in document["risk_by_agent_hypothesis"].items() if name in weights}
    best = min(by_agent, key=by_agent.__getitem__)
    if document["agent_weights"][best] < 1 - LEAST:
        earned = (document.get("reward_by_agent_hypothesis") or {}).get(best)
        cost = f"another agent, that goes by {best!r} alone; {_earns(document, earned)}"
        out.append(Change(f"always going by {best!r}", by_agent[best], cost))
    return out


def _takes(document: Mapping[str, Any]) -> str:
    """What it takes to know: bits of human values, or items that tell."""
    bits = {t: b for t, b in (document["value_bits_of_agent"] or {}).items() if b}
    said = []
    if bits:
        target = sorted(bits, key=float)[len(bits) // 2]
        said.append(
            f"{_bits(bits[target])} of human values told to this agent (for a risk of {100 * float(target):g}%)"
        )
    curve = document["bits_by_size"]
    if curve is not None:
        mean = curve["telling"]["mean"]
        enough = [n for n, x in zip(curve["sizes"], mean, strict=True) if x is not None and x < FEW_BITS]
        if enough and mean[0] and mean[0] > FEW_BITS:
            whose = "" if _uniform(document) else " (so many for an agent of uniform prior)"
            said.append(f"at most about {counted(enough[0], 'item')} of the test judged by people{whose}")
    if document["value_bits_of_agent"] and not bits:
        most = max(document["value_bits_of_agent"], key=float)
        said.insert(0, f"telling this agent: no amount of it brings the risk to {100 * float(most):g}%")
    return ", or ".join(said) or "how much telling that takes was not computed"


def _uniform(document: Mapping[str, Any]) -> bool:
    """Whether the agent is the one of uniform prior over the study's hypotheses."""
    whole = document["agent_weights"].keys() == document["weights"].keys()
    return document["agent"]["prior"] == "uniform" and document["agent_reading"] is None and bool(whole)


def _bits(n: float) -> str:
    said = f"{n:.2g}"
    return f"{said} bit{'' if said == '1' else 's'}"


def _priors(document: Mapping[str, Any]) -> list[Change]:
    """The agent extrapolating by the judge's values."""
    if document["agent"]["prior"] == "values" and document["agent_reading"] is None:
        return []
    one = document["agents"]["values"][_may(document)]
    cost = f"another agent, whose prior is the human values; {_earns(document, one.get('reward'))}"
    return [Change("extrapolating by the judge's values", one["risk"], cost)]


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
        name, earns = best["words"].removesuffix(", may abstain"), _earns(document, best["reward"])
        allowed = abstain and not document["agent"]["abstain"]
        if abstain and best["abstained"] > 1 - LEAST:
            needs = f"{'be allowed to abstain, and ' if allowed else ''}choose as cautiously as {name!r}"
            cost = (
                f"the task is never done, and the agent must {needs}; {earns}{_best_acting(document, best['reward'])}"
            )
            found.append(Change("failing on purpose in every scene", best["risk"], cost, certain=True))
            continue
        refrains = f", abstaining in {percent(best['abstained'])} of scenes" if abstain else ""
        must = "the agent must be allowed to abstain; " if allowed else ""
        found.append(
            Change(f"the policy {name!r}{refrains}", best["risk"], f"another policy, no other data; {must}{earns}")
        )
    return found


def _best_acting(document: Mapping[str, Any], reward: float) -> str:
    """What earns most of all that always acts, where that is more than is earned; in brackets."""
    acting = [
        (one["reward"], f"the policy {one['words']!r}")
        for one in document["frontier"]
        if not one["abstain"] and one["reward"] is not None
    ]
    if not document["agent"]["abstain"]:
        earned = document.get("reward_by_agent_hypothesis") or {}
        acting += [(x, f"always going by {name!r}") for name, x in earned.items() if x is not None]
    most, who = max(acting, default=(-math.inf, ""))
    return f" (of agents that always act, {who} earns most: {most:.3g})" if most > reward else ""


def _endless(document: Mapping[str, Any]) -> str:
    """What endless training takes: how many items, of the feedback that tells most, leave the leading hypothesis over the rest."""
    said = "training items without end"
    needed = expected_items(document, UNSETTLED)
    return f"{said}; {needed}" if needed else said


def most(document: Mapping[str, Any]) -> str:
    """What would lower the risk most, in a sentence; nothing where nothing listed would."""
    changes = would_lower(document)
    if not changes:
        return ""
    now = document["risk"]["mean"]
    return f"What would lower it most: {changes[0].words} (it takes {changes[0].cost}); from {percent(now)} to {percent(changes[0].risk)}."
