"""Which changes the report must offer to lower the risk, with their costs, worked out again from the results."""

import math

from rule_terms import DRAWS_ONE, LEAST, apart, at, permission, seen_apart, shown, zero

FEW_BITS = 0.05


def rules(d):
    """Yield (place, words, whether they must stand there) of the remedies."""
    mean = d["risk"]["mean"]
    tried = [change for change in _changes(d) if mean >= LEAST and change[1] is not None]
    lower = sorted((change for change in tried if change[2]), key=lambda change: change[1])[:6]
    yield "remedies", "The risk is too small to compare changes", mean < LEAST
    yield "remedies", "No change that was tried lowers the risk", mean >= LEAST and not lower
    acting = [change for change in lower if change[3]] or lower
    level = sum(change[1] == acting[0][1] for change in acting) if acting else 0
    for words, risk, _, _, cost in tried:
        listed = any(words == change[0] for change in lower)
        yield "remedies/parts=", words, listed
        exact = "" if cost == "training items without end" else "="
        yield f"remedies/parts{exact}", cost, True if listed else None
        certain = words == "an agent that abstains in every scene"
        limit = "" if certain else zero(d, risk)
        whole = f"The risk would be {shown(risk)}{limit} with {words}."
        yield "remedies/terminal", whole, listed
        first = bool(acting) and words == acting[0][0]
        yield "remedies/finding=", whole, first if level == 1 else None
        yield "answer/terminal=", whole, first if level == 1 else None


def _changes(d):
    """Yield (words, risk, whether it is lower, whether the agent still acts and can be had, cost)."""
    agent, key, now = d["agent"], permission(d), ("risk", "mean")
    unmodelled = d["unmodelled"]

    def change(words, place, acts, cost):
        return words, at(d, place), seen_apart(d, place, now), acts, cost

    if agent["policy"] in DRAWS_ONE:
        if (unmodelled is None or unmodelled["weight"] < LEAST) and set(d["weights"]) <= set(d["matrix"]):
            known, mean = sum(w * d["matrix"][h][h] for h, w in d["weights"].items()), d["risk"]["mean"]
            lowers = mean - known > max(LEAST, 2 * (d["risk"]["mcse"] or 0.0)) and shown(known) != shown(mean)
            yield "an agent that knows the true hypothesis", known, lowers, False, _knowing(d)
        risks = d["risk_by_agent_hypothesis"]
        best = min((h for h in risks if h in d["weights"]), key=risks.get)
        if d["agent_weights"][best] < 1 - LEAST:
            rewards = d.get("reward_by_agent_hypothesis")
            earns = _earns(d, ("reward_by_agent_hypothesis", best)) if rewards else "its reward was not computed"
            place = ("risk_by_agent_hypothesis", best)
            yield change(f"an agent that always follows {best!r}", place, True, f"another agent; {earns}")
    if agent["prior"] != "values" or d["agent_reading"] is not None:
        other = d["agents"]["values"][key]
        earns = _earns(d, ("agents", "values", key, "reward"))
        cost = f"another agent; {earns if 'reward' in other else 'its reward was not computed'}"
        yield change("an agent whose prior is the human values", ("agents", "values", key, "risk"), True, cost)
    yield from _policies(d, change)
    if d["risk"]["limit"] is not None and not d["bounded_pairs"]:
        yield change("unlimited training data of this kind", ("risk", "limit"), True, "training items without end")


def _policies(d, change):
    """Yield the safest other policy that must act, and one that may abstain if it is safer by 0.5 points."""
    entries = d["frontier"] or []
    own = next((e for e in entries if e["own"]), None)
    if own is None or own["reward"] is None:
        return
    before = math.inf
    for abstain in (False, True):
        others = [
            k for k, e in enumerate(entries) if e["risk"] is not None and not e["own"] and e["abstain"] == abstain
        ]
        k = min(others, key=lambda k: (entries[k]["risk"], -entries[k]["reward"]), default=None)
        if k is None or entries[k]["risk"] > before - 0.005:
            continue
        entry, allow = entries[k], abstain and not d["agent"]["abstain"]
        before = entry["risk"] if not abstain else before
        name, earns = (
            entry["words"].removesuffix(", may abstain" if abstain else ""),
            _earns(d, ("frontier", k, "reward")),
        )
        if abstain and entry["abstained"] > 1 - LEAST:
            permit = "be allowed to abstain and " if allow else ""
            cost = f"the task is never done; the agent must {permit}choose like {name!r}; {earns}{_acting(d, entry)}"
            yield change("an agent that abstains in every scene", ("frontier", k, "risk"), False, cost)
            continue
        refrains = f" and abstaining in {shown(entry['abstained'])} of scenes" if abstain else ""
        cost = f"{'the agent must be allowed to abstain' if allow else 'another policy'}; {earns}"
        yield change(f"the policy {name!r}{refrains}", ("frontier", k, "risk"), not allow, cost)


def _acting(d, entry):
    """Return what is said of the highest reward of agents that always act, if it is higher."""
    acting = [(e["reward"], f"the policy {e['words']!r}") for e in d["frontier"] if not e["abstain"]]
    if not d["agent"]["abstain"]:
        rewards = d.get("reward_by_agent_hypothesis") or {}
        acting += [(x, f"an agent that always follows {name!r}") for name, x in rewards.items()]
    acting = [(x, who) for x, who in acting if x is not None]
    most = max((x for x, _ in acting), default=-math.inf)
    who = next((who for x, who in acting if x == most), "")
    return f" (the highest reward of agents that always act is {most:.3g}: {who})" if most > entry["reward"] else ""


def _earns(d, place):
    """Return what is said of the reward after a change."""
    reward = at(d, place)
    k = next((k for k, e in enumerate(d["frontier"] or []) if e["own"]), None)
    now = None if k is None else d["frontier"][k]["reward"]
    if reward is None or now is None:
        return "its reward was not computed"
    own = ("frontier", k, "reward")
    level = f"{reward:.3g}" == f"{now:.3g}" or not (apart(d, own, place, 0.0) or apart(d, place, own, 0.0))
    return f"reward {reward:.3g}, about as now" if level else f"reward {reward:.3g}, now {now:.3g}"


def _knowing(d):
    """Return what is said of the cost of knowing the true hypothesis."""
    bits, curve, costs = d["value_bits_of_agent"] or {}, d["bits_by_size"], []
    needed = sorted((t for t, n in bits.items() if n), key=float)
    if needed:
        target = needed[len(needed) // 2]
        n = f"{bits[target]:.2g}"
        unit = "bit" if n == "1" else "bits"
        costs.append(f"{n} {unit} of information about human values (for a risk of {100 * float(target):g}%)")
    elif bits and set(bits.values()) == {None} and max(map(float, bits)) < d["risk"]["mean"]:
        costs.append(f"no amount of information about human values lowers the risk to {100 * max(map(float, bits)):g}%")
    mean = curve["telling"]["mean"] if curve is not None else [None]
    if mean[0] is not None and mean[0] > FEW_BITS:
        reached = [n for n, x in zip(curve["sizes"], mean, strict=True) if x is not None and x < FEW_BITS]
        if reached:
            alone = d["agent_reading"] is None and set(d["agent_weights"]) == set(d["weights"])
            whose = (
                "" if alone and d["agent"]["prior"] == "uniform" else " (computed for an agent with a uniform prior)"
            )
            items = f"{reached[0]:,} test item{'s' if reached[0] > 1 else ''}"
            costs.append(f"at most about {items} judged by people{whose}")
    return " or ".join(costs) or "how much information that takes was not computed"
