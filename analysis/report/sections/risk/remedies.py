"""Remedies: changes that would lower the risk, and the cost of each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reward_hypotheses.analysis.report.claims import Read, Sentence, below, exceeds, holds, margin, paragraph, value
from reward_hypotheses.analysis.report.phrases import (
    DRAWS_ONE,
    LEAST,
    bits_in_words,
    counted,
    own_policy,
    percent,
    permission,
    policies,
    policy_name,
)
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation
from reward_hypotheses.analysis.report.sections.asymptotics_and_sample_size import hardest

LISTED = 6
"""Changes that are listed."""
WORTH = 0.005
"""By how much abstaining must lower the risk to be worth a line of its own."""
FEW_BITS = 0.05
"""Bits of human values below which training has told an agent enough."""


@dataclass(frozen=True)
class Remedy:
    """A change that would lower the risk.

    Attributes
    ----------
    change : Sentence
        What is changed, as the condition of a sentence: "an agent with the prior 'values'".
    cost : Sentence
        What the change takes, and the reward that the agent then earns.
    place : Read
        Place of the risk after the change.
    risk : float
    certain : bool
        Whether a risk of 0 follows from the change itself, rather than from few scenes.
    kind : str
        ``knowledge``, ``agent``, ``policy``, ``abstain`` or ``data``.
    """

    change: Sentence
    cost: Sentence
    place: Read
    risk: float
    kind: str
    certain: bool = field(default=False)

    def sentence(self, document: Document) -> Sentence:
        """Return the change with the risk that it leads to."""
        zero = None if self.certain else document["risk"]["upper_of_zero"]
        return Sentence(
            f"The risk would be {percent(self.risk, zero)} with {self.change}.",
            self.place,
            "risk.upper_of_zero",
            *self.change.reads,
            claims=[below(self.place, "risk.mean"), *self.change.claims],
        )


def remedies(document: Document) -> Presentation:
    """Present the changes that would lower the risk, the most effective first."""
    changes = would_lower(document)
    if not changes:
        none = Sentence("No change that was tried lowers the risk.", claims=[holds(_nothing_lowers)])
        if document["risk"]["mean"] < LEAST:
            small = [holds(lambda d: d["risk"]["mean"] < LEAST)]
            none = Sentence("The risk is too small to compare changes of it.", claims=small)
        return Presentation("remedies", "lower", [Part("text", none)], finding=none, terminal=[none])
    zero = document["risk"]["upper_of_zero"]
    entries = [(percent(c.risk, None if c.certain else zero), c.change, c.cost) for c in changes]
    what = Sentence(
        "Rewards are expected rewards under the judge's weights, in reward units a scene. This adds rewards of different "
        "hypotheses without rescaling them."
    )
    parts = [Part("changes", what, entries)]
    best = first_choice(document)
    finding = changes[0].sentence(document) if best is None else best.sentence(document)
    terminal = [paragraph(change.sentence(document), Sentence("Cost:"), change.cost) for change in changes]
    return Presentation("remedies", "lower", parts, finding=finding, terminal=terminal)


def first_choice(document: Document) -> Remedy | None:
    """Return the remedy that lowers the risk most with an agent that still acts.

    Knowledge of the true hypothesis comes last: nobody can buy it whole.
    """
    changes = would_lower(document)
    acting = [change for change in changes if change.kind in ("agent", "policy", "data")]
    return min(acting or changes, key=lambda change: change.risk, default=None)


def would_lower(document: Document) -> list[Remedy]:
    """Return changes that would lower the risk, the most effective first."""
    risk = document["risk"]
    if risk is None or risk["mean"] < LEAST:
        return []
    changes = [c for c in _tried(document) if percent(c.risk) != percent(risk["mean"])]
    lower = [change for change in changes if exceeds(document, "risk.mean", change.place)]
    return sorted(lower, key=lambda change: change.risk)[:LISTED]


def _tried(document: Document) -> list[Remedy]:
    return [*_knowledge(document), *_values_prior(document), *_policies(document), *_more_data(document)]


def _nothing_lowers(document: Document) -> bool:
    now = document["risk"]["mean"]
    apart = ((change, now - margin(document, change.place, "risk.mean")) for change in _tried(document))
    return all(change.risk >= least or percent(change.risk) == percent(now) for change, least in apart)


def _more_data(document: Document) -> list[Remedy]:
    limit = document["risk"]["limit"]
    if limit is None or document["bounded_pairs"]:
        return []
    expected = hardest(document)
    cost = Sentence("training items without end")
    if expected:
        items = expected.sentence(document)
        cost = paragraph(Sentence("training items without end:"), items)
    return [Remedy(Sentence("unlimited training data of this kind"), cost, "risk.limit", limit, "data")]


def _earns(document: Document, place: Read) -> Sentence:
    """Return the reward after a change, beside the reward now."""
    study_policy, reward = own_policy(document), value(document, place)
    if reward is None or study_policy is None or study_policy["reward"] is None:
        unknown = holds(lambda d: value(d, place) is None or (own_policy(d) or {"reward": None})["reward"] is None)
        return Sentence("its reward was not computed", claims=[unknown])
    k = document["frontier"].index(study_policy)
    now, then = f"{study_policy['reward']:.3g}", f"{reward:.3g}"
    own = ("frontier", k, "reward")
    if then == now or abs(reward - study_policy["reward"]) <= margin(document, own, place, 0.0):
        return Sentence(f"reward {then}, about as now", place)
    return Sentence(f"reward {then}, now {now}", place, own)


def _knowledge(document: Document) -> list[Remedy]:
    """Return what knowledge of the truth, or one fixed hypothesis, would change.

    It concerns agents that draw one hypothesis.
    """
    matrix, weights, unmodelled = document["matrix"], document["weights"], document["unmodelled"]
    if document["agent"]["policy"] not in DRAWS_ONE:
        return []
    changes = []
    if (unmodelled is None or unmodelled["weight"] < LEAST) and all(name in matrix for name in weights):

        def known(d: Document) -> float:
            return float(sum(w * d["matrix"][name][name] for name, w in d["weights"].items()))

        change = Sentence("an agent that knows the true hypothesis")
        changes.append(Remedy(change, _cost_of_knowing(document), known, known(document), "knowledge"))
    by_hypothesis = {name: risk for name, risk in document["risk_by_agent_hypothesis"].items() if name in weights}
    best = min(by_hypothesis, key=by_hypothesis.__getitem__)
    if document["agent_weights"][best] < 1 - LEAST:
        earns = Sentence("its reward was not computed")
        if document.get("reward_by_agent_hypothesis"):
            earns = _earns(document, ("reward_by_agent_hypothesis", best))
        change = Sentence(f"an agent that always follows {best!r}")
        place = ("risk_by_agent_hypothesis", best)
        changes.append(
            Remedy(change, paragraph(Sentence("another agent;"), earns), place, by_hypothesis[best], "agent")
        )
    return changes


def _cost_of_knowing(document: Document) -> Sentence:
    """Return the bits, or items of the test, that would tell an agent the truth."""
    bits, curve, costs = document["value_bits_of_agent"] or {}, document["bits_by_size"], []
    needed = {target: n for target, n in bits.items() if n}
    if needed:
        target = sorted(needed, key=float)[len(needed) // 2]
        text = f"{bits_in_words(needed[target], 2)} of information about human values (for a risk of {100 * float(target):g}%)"
        costs.append(Sentence(text, ("value_bits_of_agent", target), float(target)))
    elif bits and all(n is None for n in bits.values()) and max(map(float, bits)) < document["risk"]["mean"]:
        target = max(bits, key=float)
        never = holds(lambda d: d["value_bits_of_agent"][target] is None and d["risk"]["mean"] > float(target))
        text = f"no amount of information about human values lowers the risk to {100 * float(target):g}%"
        costs.append(Sentence(text, float(target), claims=[never]))
    if curve is not None:
        mean = curve["telling"]["mean"]
        enough = [k for k, x in enumerate(mean) if x is not None and x < FEW_BITS]
        if enough and mean[0] and mean[0] > FEW_BITS:
            same = document["agent_weights"].keys() == document["weights"].keys() and document["agent_reading"] is None
            uniform = same and document["agent"]["prior"] == "uniform"
            whose = "" if uniform else " (computed for an agent with a uniform prior)"
            size = curve["sizes"][enough[0]]
            text = f"at most about {counted(size, 'test item')} judged by people{whose}"
            claims = [
                holds(lambda d: d["bits_by_size"]["telling"]["mean"][enough[0]] < FEW_BITS),
                holds(lambda d: uniform == (d["agent"]["prior"] == "uniform" and same)),
            ]
            costs.append(Sentence(text, ("bits_by_size", "sizes", enough[0]), claims=claims))
    if not costs:
        return Sentence("how much information that takes was not computed")
    return paragraph(*(part for cost in costs for part in (Sentence("or"), cost)[cost is costs[0] :]))


def _values_prior(document: Document) -> list[Remedy]:
    """Return the change to an agent whose prior is the judge's values."""
    if document["agent"]["prior"] == "values" and document["agent_reading"] is None:
        return []
    key = permission(document)
    entry = document["agents"]["values"][key]
    cost = Sentence("another agent; its reward was not computed")
    if "reward" in entry:
        cost = paragraph(Sentence("another agent;"), _earns(document, ("agents", "values", key, "reward")))
    place = ("agents", "values", key, "risk")
    return [Remedy(Sentence("an agent whose prior is the human values"), cost, place, entry["risk"], "agent")]


def _policies(document: Document) -> list[Remedy]:
    """Return the safest other policy that acts, and a safer one that may abstain."""
    study_policy, may_abstain = own_policy(document), document["agent"]["abstain"]
    changes: list[Remedy] = []
    if study_policy is None or study_policy["reward"] is None:
        return []
    for abstain in (False, True):
        others = {
            k: entry
            for k, entry in enumerate(document["frontier"])
            if entry in policies(document) and entry["abstain"] == abstain and not entry["own"]
        }
        if not others:
            continue
        k = min(others, key=lambda k: (others[k]["risk"], -others[k]["reward"]))
        best = others[k]
        if changes and best["risk"] > changes[0].risk - WORTH:
            continue
        changes.append(_to_policy(document, k, best, allow=abstain and not may_abstain))
    return changes


def _to_policy(document: Document, k: int, best: Mapping[str, Any], allow: bool) -> Remedy:
    """Return the change to another policy of the frontier."""
    name, place = policy_name(best), ("frontier", k, "risk")
    earns = _earns(document, ("frontier", k, "reward"))
    named = ("frontier", k, "words")
    if best["abstain"] and best["abstained"] > 1 - LEAST:
        allowed = "be allowed to abstain and " if allow else ""
        always = [holds(lambda d: d["frontier"][k]["abstained"] > 1 - LEAST)]
        head = Sentence(f"the task is never done; the agent must {allowed}choose like {name!r};", named, claims=always)
        cost = paragraph(head, earns, _best_acting(document, best["reward"]))
        return Remedy(
            Sentence("an agent that abstains in every scene", claims=always),
            cost,
            place,
            best["risk"],
            "abstain",
            certain=True,
        )
    refrains, reads = "", [named]
    if best["abstain"]:
        refrains = f" and abstaining in {percent(best['abstained'])} of scenes"
        reads.append(("frontier", k, "abstained"))
    permitted = [holds(lambda d: allow == (d["frontier"][k]["abstain"] and not d["agent"]["abstain"]))]
    words = "the agent must be allowed to abstain;" if allow else "another policy;"
    kind = "abstain" if allow else "policy"
    acts = [holds(lambda d: d["frontier"][k]["abstain"] == bool(refrains))]
    change, must = Sentence(f"the policy {name!r}{refrains}", *reads, claims=acts), Sentence(words, claims=permitted)
    return Remedy(change, paragraph(must, earns), place, best["risk"], kind)


def _best_acting(document: Document, reward: float) -> Sentence | str:
    """Return the best rewarded agent that always acts, in brackets.

    The text is empty where it earns no more than `reward`.
    """
    acting: list[tuple[float, str, Read]] = [
        (entry["reward"], f"the policy {entry['words']!r}", ("frontier", k, "reward"))
        for k, entry in enumerate(document["frontier"])
        if not entry["abstain"] and entry["reward"] is not None
    ]
    if not document["agent"]["abstain"]:
        rewards = document.get("reward_by_agent_hypothesis") or {}
        acting += [
            (x, f"an agent that always follows {name!r}", ("reward_by_agent_hypothesis", name))
            for name, x in rewards.items()
            if x is not None
        ]
    most, who, place = max(acting, key=lambda agent: agent[0], default=(-math.inf, "", 0.0))
    if most <= reward:
        return ""
    places = [agent[2] for agent in acting]
    claims = [holds(lambda d: all(value(d, place) >= value(d, other) for other in places) and value(d, place) > reward)]
    return Sentence(f"(the highest reward of agents that always act is {most:.3g}: {who})", place, claims=claims)
