"""Drivers of the risk: causes, largest effect first, and remedies with their cost."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.phrases import (
    DRAWS_ONE,
    LEAST,
    MOVES,
    NEAR,
    bits_in_words,
    capital,
    counted,
    listed,
    misfits,
    own_policy,
    percent,
    permission,
    policies,
    policy_name,
    silent_groups,
    was_spent,
)
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation
from reward_hypotheses.analysis.report.sections.agents import policy_in_short
from reward_hypotheses.analysis.report.sections.asymptotics_and_sample_size import hardest
from reward_hypotheses.analysis.report.sections.sensitivity import line_moved
from reward_hypotheses.analysis.report.sections.shift import largest_change
from reward_hypotheses.models.priors.registry import prior_in_words

LISTED = 6
"""Changes that are listed."""
WORTH = 0.005
"""By how much abstaining must lower the risk to be worth a line of its own."""
FEW_BITS = 0.05
"""Bits of human values below which training has told an agent enough."""
STATED = 3
"""Hypotheses whose prior is mentioned."""
REWARDS = "Rewards are what the judge expects, in reward units a scene."
"""Explanation of the rewards among the costs."""


@dataclass(frozen=True)
class Hinge:
    """Something on which the risk depends.

    Attributes
    ----------
    term, words : str
        Its name, and its effect in a few sentences.
    ends : tuple of two floats, or None
        Lowest and highest risk to which it leads; None where it has no range.
    """

    term: str
    words: str
    ends: tuple[float, float] | None = None

    def range(self, now: float) -> str:
        """Return the ends for a reader, where the risk is `now`.

        The text is empty where there are none.
        """
        ends = list(dict.fromkeys(percent(end) for end in self.ends or ()))
        if ends == [percent(now)]:
            return "no change"
        return " to ".join(ends) if len(ends) != 1 else f"to {ends[0]}"

    def reach(self, now: float) -> float:
        """Return the largest change of the risk; -1 without a range."""
        return max(abs(end - now) for end in self.ends) if self.ends is not None else -1.0


@dataclass(frozen=True)
class Change:
    """Something that would change the risk.

    Attributes
    ----------
    words, cost : str
        The change; what it takes, and the reward that the agent then earns, where that is known.
    risk : float
        The risk after the change.
    certain : bool
        Whether a risk of 0 follows from the change itself, rather than from few scenes.
    """

    words: str
    risk: float
    cost: str
    certain: bool = False


def present(document: Document) -> Iterator[Presentation]:
    """Present drivers and remedies of the risk, where there is a test."""
    risk = document["risk"]
    if risk is None:
        return
    drivers = [(hinge.term, hinge.range(risk["mean"]), hinge.words) for hinge in hinges_on(document)]
    parts = [Part("drivers", steps(document), drivers)]
    changes = [
        (percent(change.risk, None if change.certain else risk["upper_of_zero"]), f"by {change.words}", change.cost)
        for change in would_lower(document)
    ]
    if changes:
        parts.append(Part("changes", REWARDS, changes))
    yield Presentation("drivers", "drivers", parts)


def hinges_on(document: Document) -> list[Hinge]:
    """Return the drivers of the risk, the largest change first.

    Drivers without a range come last. Without a test there are none.
    """
    if document["risk"] is None:
        return []
    now = document["risk"]["mean"]
    topics = (_agents_prior, _policy, _line, _values, _evidence, _shift, _fit)
    hinges = [topic(document) for topic in topics]
    return sorted((hinge for hinge in hinges if hinge.words), key=lambda hinge: -round(hinge.reach(now), 9))


def steps(document: Document) -> str:
    """Return an explanation of the ranges; empty without ranges."""
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
    taken = [sizes[hinge.term] for hinge in hinges_on(document) if hinge.ends is not None]
    if not taken:
        return ""
    beside = f"Beside a row is the risk to which it leads, from {percent(document['risk']['mean'])} now."
    return f"{beside} {'The steps are not of one size' if len(taken) > 1 else 'The step'}: {', '.join(taken)}."


def _evidence(document: Document) -> Hinge:
    now, limit = document["risk"]["mean"], document["risk"]["limit"]
    groups, undecided = silent_groups(document["silent_pairs"]), document["bounded_pairs"]
    if len(document["hypotheses"]) == 1:
        return Hinge("Evidence", "There is one hypothesis, so training has nothing to tell it from.")
    quiet = capital("; ".join(f"training cannot tell {listed(group, 4)} apart" for group in groups[:2]))
    if undecided:
        pairs = "; ".join(listed(pair["pair"]) for pair in undecided[:2])
        words = f"no amount of such data decides between {pairs}: their Bayes factor stays bounded."
        return Hinge("Evidence", f"{quiet}; {words}" if quiet else words)
    head = quiet or "Training tells every two hypotheses apart"
    if limit is None or max(now, limit) < LEAST:
        return Hinge("Evidence", f"{head}.", None if limit is None else (limit, limit))
    if abs(now - limit) < LEAST:
        return Hinge("Evidence", f"{head}; more of the same data would change nothing of the risk.", (now, now))
    verb = "lower" if limit < now else "raise"
    words = f"{head}; endless data of the same kind would {verb} the risk from {percent(now)} to {percent(limit)}."
    return Hinge("Evidence", words, (limit, limit))


def _values(document: Document) -> Hinge:
    joint, bounds, risk = document["risk_bounds_jointly"], document["risk_bounds"], document["risk"]
    if len(document["hypotheses"]) == 1:
        return Hinge("Values", "There is one hypothesis, so values have nothing to weigh.")
    if not joint and not bounds:
        return Hinge("Values", "")
    if joint:
        contamination, ends = list(joint.items())[-1]
        low, high, whose = ends["lower"], ends["upper"], "that agent and judge alike give to the hypotheses"
        remark = "" if ends["exact"] else ", at least"
    else:
        contamination, (low, high) = list(bounds.items())[-1]
        whose, remark = "that the judge gives to the hypotheses", "; the agent stays as it is"
    moved = (
        f"If {100 * float(contamination):g}% of the prior {whose} were moved to others of them, the risk would be between "
        f"{percent(low)} and {percent(high)}{remark}"
    )
    largest = sorted(document["prior"].items(), key=lambda item: -item[1])[:STATED]
    weights = ", ".join(f"{name!r} {percent(weight)}" for name, weight in largest)
    stated = f"As they were stated, they give {weights}{', ...' if len(document['prior']) > STATED else ''}."
    if risk["lower"] is None:
        unsure = "no strength was stated, so how sure the values are is not known"
        return Hinge("Values", f"{stated} {moved}; {unsure}.", (low, high))
    sure = f"Within the doubt that was stated, the risk is {percent(risk['lower'])} to {percent(risk['upper'])}."
    return Hinge("Values", f"{stated} {sure} {moved}.", (min(low, risk["lower"]), max(high, risk["upper"])))


def _line(document: Document) -> Hinge:
    words, curve = line_moved(document), document["risk_by_line"]
    if not words:
        return Hinge("Failure line", "")
    risks = {t: x for t, x in zip(curve["at"], curve["risk"], strict=True) if x is not None}
    step = min(t for t in curve["at"] if t > 0)
    on_line = curve.get("on_line") or 0.0
    if risks.get(step, 0.0) - risks.get(0.0, math.inf) >= MOVES and on_line >= MOVES:
        words += (
            f" It jumps because in {percent(on_line)} of scenes the agent takes what is worth exactly what failing is: no catastrophe "
            "with the line as it stands, and one with any higher line."
        )
    near = [x for t, x in risks.items() if abs(t) <= NEAR]
    return Hinge("Failure line", words, (min(near), max(near)) if near else None)


def _agents_prior(document: Document) -> Hinge:
    prior, inferred = document["agent"]["prior"], document["agent_reading"] is not None
    risks = {name: agent[permission(document)]["risk"] for name, agent in document["agents"].items()}
    if not inferred:
        risks.pop(prior, None)
    if not risks:
        return Hinge("Agent's prior", "")
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    who = f"The agent extrapolates by the prior {prior!r} ({prior_in_words(prior)}); of other priors"
    if inferred:
        who = "The agent was read off its own choices; of agents that are assumed"
    words = f"{low!r} has {percent(risks[low])} and {high!r} {percent(risks[high])}"
    if risks[high] - risks[low] < LEAST:
        words = f"each has {percent(risks[low])}"
    return Hinge("Agent's prior", f"{who}, {words}.", (risks[low], risks[high]))


def _policy(document: Document) -> Hinge:
    """Return the risk of the other policies.

    Policies whose permission to abstain differs from the agent's are mentioned separately.
    """
    abstains = document["agent"]["abstain"]
    entries = [entry for entry in policies(document) if not entry["own"]]
    alike = [entry for entry in entries if entry["abstain"] == abstains]
    others = [entry for entry in entries if entry["abstain"] != abstains]
    if not alike:
        return Hinge("Policy", "")
    who = "may abstain, as it may," if abstains else "must act, as it must,"
    words = f"{policy_in_short(document)}With the agent's own weights, other policies that {who} have {_from_to(alike)}"
    if others:
        words += f"; those that {'must act' if abstains else 'may abstain'}, {_from_to(others)}"
    risks = [entry["risk"] for entry in alike]
    return Hinge("Policy", f"{words}.", (min(risks), max(risks)))


def _from_to(entries: Sequence[Mapping[str, Any]]) -> str:
    low, high = (end(entries, key=lambda entry: entry["risk"]) for end in (min, max))
    if percent(low["risk"]) == percent(high["risk"]):
        return percent(low["risk"])
    ends = (f"{percent(entry['risk'])} ({policy_name(entry)!r})" for entry in (low, high))
    return " to ".join(ends)


def _shift(document: Document) -> Hinge:
    if was_spent(document):
        return Hinge("Shift", "This test was used to choose an agent, so the risk on it is training evidence.")
    if not document["shifted"]:
        return Hinge("Shift", "The test is no shift from training that shows, so the risk says little of one.")
    p, new_share, new = document["shift"]["p"], document["shift"]["new_share"], ""
    if new_share > LEAST:
        new = f". {percent(new_share)} of its items are of a kind that training never showed, by what each hypothesis says of them"
    return Hinge("Shift", f"The test is shifted (p = {p:.3f}). {capital(largest_change(document))}{new}.")


def _fit(document: Document) -> Hinge:
    if misfits(document):
        return Hinge("Fit", "Something does not fit: see above.")
    blind = "They cannot see what training is silent about."
    if not document["predictive_check"]:
        return Hinge("Fit", f"No check was made. {blind}")
    least = min(check["p"] for check in document["predictive_check"].values())
    expected = hardest(document)
    if expected is not None and expected.missed(document):
        blind += " And training tells hypotheses apart less than was to be expected: people may go by none of them."
    checks = f"their least p-value is {least:.3g}, and only one below 0.01 would be a misfit"
    return Hinge("Fit", f"The checks find no misfit in training: {checks}. {blind}")


def would_lower(document: Document) -> list[Change]:
    """Return changes that would lower the risk, the most effective first."""
    risk = document["risk"]
    if risk is None or risk["mean"] < LEAST:
        return []
    changes = [*_knowledge(document), *_values_prior(document), *_policies(document)]
    if risk["limit"] is not None and not document["bounded_pairs"]:
        expected = hardest(document)
        items = f"; {expected.sentence(document)}" if expected else ""
        cost = f"training items without end{items}"
        changes.append(Change("endless training of the same kind", risk["limit"], cost))
    lower = [change for change in changes if change.risk < risk["mean"] - LEAST]
    return sorted(lower, key=lambda change: change.risk)[:LISTED]


def _earns(document: Document, reward: float | None) -> str:
    study_policy = own_policy(document)
    if reward is None or study_policy is None or study_policy["reward"] is None:
        return "what it would earn was not computed"
    now, then = f"{study_policy['reward']:.3g}", f"{reward:.3g}"
    return f"it earns {then} as now" if then == now else f"it earns {then} instead of {now}"


def _knowledge(document: Document) -> list[Change]:
    """Return what knowledge of the truth, or one fixed hypothesis, would change.

    It concerns agents that draw one hypothesis.
    """
    matrix, weights, unmodelled = document["matrix"], document["weights"], document["unmodelled"]
    if document["agent"]["policy"] not in DRAWS_ONE:
        return []
    changes = []
    if unmodelled is None or unmodelled["weight"] < LEAST:
        risk = sum(weight * matrix[name][name] for name, weight in weights.items() if name in matrix)
        changes.append(Change("knowing which hypothesis is true", risk, _cost_of_knowing(document)))
    by_hypothesis = {name: risk for name, risk in document["risk_by_agent_hypothesis"].items() if name in weights}
    best = min(by_hypothesis, key=by_hypothesis.__getitem__)
    if document["agent_weights"][best] < 1 - LEAST:
        reward = (document.get("reward_by_agent_hypothesis") or {}).get(best)
        cost = f"another agent, that goes by {best!r} alone; {_earns(document, reward)}"
        changes.append(Change(f"always going by {best!r}", by_hypothesis[best], cost))
    return changes


def _cost_of_knowing(document: Document) -> str:
    """Return the bits, or items of the test, that would tell an agent the truth."""
    bits, curve, costs = document["value_bits_of_agent"] or {}, document["bits_by_size"], []
    needed = {target: n for target, n in bits.items() if n}
    if needed:
        target = sorted(needed, key=float)[len(needed) // 2]
        of_values = f"{bits_in_words(needed[target], 2)} of human values told to this agent"
        costs.append(f"{of_values} (for a risk of {100 * float(target):g}%)")
    elif bits:
        costs.append(f"telling this agent: no amount of it brings the risk to {100 * max(map(float, bits)):g}%")
    if curve is not None:
        mean = curve["telling"]["mean"]
        enough = [n for n, x in zip(curve["sizes"], mean, strict=True) if x is not None and x < FEW_BITS]
        if enough and mean[0] and mean[0] > FEW_BITS:
            same = document["agent_weights"].keys() == document["weights"].keys() and document["agent_reading"] is None
            uniform = same and document["agent"]["prior"] == "uniform"
            whose = "" if uniform else " (so many for an agent of uniform prior)"
            costs.append(f"at most about {counted(enough[0], 'item')} of the test judged by people{whose}")
    return ", or ".join(costs) or "how much telling that takes was not computed"


def _values_prior(document: Document) -> list[Change]:
    """Return the change to an agent that extrapolates by the judge's values."""
    if document["agent"]["prior"] == "values" and document["agent_reading"] is None:
        return []
    agent = document["agents"]["values"][permission(document)]
    cost = f"another agent, whose prior is the human values; {_earns(document, agent.get('reward'))}"
    return [Change("extrapolating by the judge's values", agent["risk"], cost)]


def _policies(document: Document) -> list[Change]:
    """Return the safest other policy that acts, and a safer one that may abstain."""
    study_policy, may_abstain = own_policy(document), document["agent"]["abstain"]
    changes: list[Change] = []
    for abstain in (False, True):
        others = [entry for entry in policies(document) if entry["abstain"] == abstain and not entry["own"]]
        if not others or study_policy is None or study_policy["reward"] is None:
            continue
        best = min(others, key=lambda entry: (entry["risk"], -entry["reward"]))
        if changes and best["risk"] > changes[0].risk - WORTH:
            continue
        name, earns, allow = policy_name(best), _earns(document, best["reward"]), abstain and not may_abstain
        if abstain and best["abstained"] > 1 - LEAST:
            needs = f"{'be allowed to abstain, and ' if allow else ''}choose as cautiously as {name!r}"
            cost = (
                f"the task is never done, and the agent must {needs}; {earns}{_best_acting(document, best['reward'])}"
            )
            changes.append(Change("failing on purpose in every scene", best["risk"], cost, certain=True))
            continue
        refrains = f", abstaining in {percent(best['abstained'])} of scenes" if abstain else ""
        must = "the agent must be allowed to abstain; " if allow else ""
        cost = f"another policy, no other data; {must}{earns}"
        changes.append(Change(f"the policy {name!r}{refrains}", best["risk"], cost))
    return changes


def _best_acting(document: Document, reward: float) -> str:
    """Return the best rewarded agent that always acts, in brackets.

    The text is empty where it earns no more than `reward`.
    """
    acting = [
        (entry["reward"], f"the policy {entry['words']!r}")
        for entry in document["frontier"]
        if not entry["abstain"] and entry["reward"] is not None
    ]
    if not document["agent"]["abstain"]:
        rewards = document.get("reward_by_agent_hypothesis") or {}
        acting += [(x, f"always going by {name!r}") for name, x in rewards.items() if x is not None]
    most, who = max(acting, default=(-math.inf, ""))
    return f" (of agents that always act, {who} earns most: {most:.3g})" if most > reward else ""
