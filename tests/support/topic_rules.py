"""Which sentences the chapters on the agent, the evidence, more data and the shift must hold, and which not."""

import math

from rule_terms import LEAST, apart, assumed, at, groups, list_of, permission, seen_apart, shown, spent

from reward_hypotheses.models.priors.registry import prior_in_words

CLEAR = 0.01


MAXIMISES = ("commit", "most_probable", "expected", "cvar", "maximin")
ADDS_UP = {"expected": "adds up", "cvar": "adds up", "maximin": "compares"}


def none_of(d):
    """How a sentence begins that says that no pair is silent; rules of a space may be."""
    return "No two listed hypotheses are" if d.get("rule_spaces") else "No two hypotheses are"


def rules(d, said):
    """Yield (place, words, whether they must stand there) of the agent, the evidence, more data and the shift."""
    out = [*_evidence(d, said), *_dangerous(d), *_more_data(d, said)]
    return out if d["risk"] is None else [*out, *_agent(d), *_other_agents(d), *_languages(d), *_limit(d), *_shift(d)]


def _cut(names, most=4):
    """Return quoted names, all or the first few with the number of the rest."""
    kept = names if len(names) <= most + 1 else names[:most]
    return list_of([*map(repr, kept), *([f"{len(names) - most} more"] if kept != names else [])])


def _few(names, most):
    """Return quoted names, at most a number of them with the number of the rest."""
    return list_of([*map(repr, names[:most]), *([f"{len(names) - most} more"] if len(names) > most else [])])


def _heaviest(d, path):
    """Return the hypotheses whose weight is about the largest, by falling weight."""
    weights = at(d, path)
    order = sorted(weights, key=weights.get, reverse=True)
    return [name for name in order if not seen_apart(d, (*path, name), (*path, order[0]))]


def _agent(d):
    agent, inferred = d["agent"], d["agent_reading"] is not None
    where = "policy/parts"
    yield where, "The agent is a model: an ideal learner", not inferred
    yield where, "The agent was inferred from its own choices", inferred
    yield where, "by its prior and training:", not inferred
    yield where, "by its prior, training and its choices:", inferred
    yield where, "(prior ", not inferred
    yield where, "The agent must act", not agent["abstain"]
    yield where, "The agent may abstain", agent["abstain"]
    own = next((e for e in d["frontier"] or [] if e["own"]), None)
    words = agent["policy"].replace("_", " ") if own is None else own["words"].removesuffix(", may abstain")
    yield where, f"The policy {words!r} ", True
    alone = [name for name in d["agent_weights"] if name not in d["weights"]]
    yield "policy/more", f"that the agent alone holds: {_cut(alone) if alone else ''}", bool(alone)
    yield "policy/more", "Abstaining is never a catastrophe", agent["abstain"]
    yield "policy/more", "knows a failure line", agent["abstain"]
    yield "policy/more", f"The agent's prior is {agent['prior']!r}", bool(prior_in_words(agent["prior"]))
    yield "policy/more", "The agent's failure line differs", agent["fail_utility"] is not None
    adds = ADDS_UP.get(agent["policy"])
    yield "policy/more", "rewards of several hypotheses without rescaling", adds is not None
    yield "policy/more", f"The policy {adds} rewards", True if adds else None
    names, weights = _heaviest(d, ("agent_weights",)), d["agent_weights"]
    several, first = len(weights) > 1, names[0]
    clear, commits = several and len(names) == 1, agent["policy"] == "commit"
    nearly = weights[first] > 1 - LEAST
    where = "policy/finding"
    yield where, f"The agent holds one hypothesis, {first!r}", not several
    yield where, f"The agent gives {_cut(names, 2)} about the same weight", several and not clear
    yield where, f"The agent most often follows {first!r}", clear and commits and not nearly
    yield where, f"The agent follows {first!r} with probability", clear and commits and nearly
    yield where, f"The agent's largest weight is on {first!r}", clear and not commits


def _other_agents(d):
    agents, key, where = d["agents"], permission(d), "agents/caption"
    places = {name: ("agents", name, key, "risk") for name in agents}
    low, high = (end(places, key=lambda name: at(d, places[name])) for end in (min, max))
    level, other = not seen_apart(d, places[low], places[high]), assumed(d)
    yield where, "With every prior, the risk is", level and not other
    yield where, "Agents with an assumed prior all have a risk of", level and other
    yield where, f"with the prior {low!r} and", not level and not other
    yield where, "Agents with an assumed prior have a risk of", not level and other
    narrow = any(a["lower"] is not None and a["upper"] - a["lower"] < 0.005 for a in agents.values())
    yield where, "Thick mark: a very narrow interval", narrow


def _languages(d):
    places = {name: ("languages", name, "risk") for name, x in d["languages"].items() if at(x, ("risk",)) is not None}
    where = "languages/terminal"
    yield "languages/more", "a simplicity language decides", bool(places)
    yield where, "simplicity prior", bool(places)
    if not places:
        return
    low, high = (end(places, key=lambda name: at(d, places[name])) for end in (min, max))
    level = not seen_apart(d, places[low], places[high])
    yield where, "An agent with the simplicity prior in the language", len(places) == 1
    yield where, "is about the same in every language", len(places) > 1 and level
    yield where, f"with the language {low!r} and", len(places) > 1 and not level
    for name in places:
        first = _heaviest(d, ("languages", name, "weights"))
        lead = "the largest weight on" if len(first) == 1 else "about the same weight on"
        yield where, f"Language {name!r}: {lead} {_cut(first, 3)}; risk {shown(at(d, places[name]))}.", True


def _evidence(d, said):
    logs, several = d["log_evidence"], len(d["hypotheses"]) > 1
    sentences = [text for place, text in said["evidence"] if place == "terminal"]
    first = d["silent_pairs"][0][:1] if d["silent_pairs"] else []
    found = [group for group in groups(d["silent_pairs"]) if {*first} <= group]
    in_heading = len(found[0]) == 2 if found else len(sentences) == 1
    opening = "The study has one hypothesis" if not several else none_of(d)
    opening = f"Training cannot distinguish {first[0]!r}" if found else opening
    for where in ("evidence/parts", "evidence/more"):
        yield where, opening, False if in_heading or where == "evidence/more" else True
    yield "evidence/terminal", opening, True
    yield "evidence/terminal", "The study has one hypothesis", not several
    yield "evidence/terminal", none_of(d), several and not found
    possible = sorted((name for name in logs if logs[name] is not None), key=lambda name: -logs[name])
    gone = [name for name in d["hypotheses"] if logs[name] is None]
    ruled_out = f"The data are impossible under {_few(gone, 8) if gone else ''}"
    yield "evidence/terminal", ruled_out, bool(gone) and bool(possible)
    place = {name: ("log_evidence", name) for name in possible}
    spread = len(possible) > 1 and apart(d, place[possible[-1]], place[possible[0]])
    yield "evidence/terminal", " nats.", spread
    lead = spread and apart(d, place[possible[1]], place[possible[0]])
    if spread:
        best, worst = possible[0], possible[-1]
        favours = "The data favour" if len(possible) == 2 else "The strongest evidence favours"
        words = f"{favours} {best!r} over {worst!r}, by {logs[best] - logs[worst]:.3g} nats."
        yield "evidence/terminal", words, True
        yield "pairs/caption", words, not found
    yield "evidence/finding", "Training cannot distinguish", bool(found)
    yield "evidence/finding", "The study has one hypothesis", not several
    yield "evidence/finding", "The training data favour", several and not found and lead
    if lead:
        yield "evidence/finding", f"favour {possible[0]!r} over every other", several and not found
    yield "evidence/finding", none_of(d), several and not found and not lead
    yield "pairs/caption", "The data add nothing to the log odds", bool(found)
    yield "pairs/caption", none_of(d), not found and not spread
    yield "pairs/caption", "", None if d["pairs"] else False
    for key, whose in (("weights", "the posterior"), ("agent_weights", "the agent's posterior")):
        top = max(d[key].values())
        name = max(d[key], key=d[key].get)
        tied = [n for n in d[key] if shown(d[key][n]) == shown(top) or not apart(d, (key, n), (key, name))]
        level = len({shown(d[key][n]) for n in tied}) == 1
        alone = len(tied) == 1
        yield "weights/caption", f"{name!r} leads {whose}, with {shown(top)}.", alone
        ends = shown(d[key][tied[0]]) if level else f"{shown(top)} or little less"
        yield "weights/caption", f"{_few(tied, 4)} lead {whose} together, at about {ends}.", not alone
    yield "weights/caption", "The figure shows the", len(d["hypotheses"]) > 12
    support = d["support"] or {"silent_pairs": [], "told_apart": [], "table": "", "items": 0}
    yield "evidence/terminal", "No item of the declared support", bool(support["silent_pairs"])
    yield "evidence/terminal", "about the declared item", bool(support["told_apart"])
    rest = len(support["told_apart"]) - 3
    words = f"The declared items would distinguish {rest} further pair{'s' if rest > 1 else ''} ("
    yield "evidence/terminal", words if rest > 0 else "The declared items would distinguish", rest > 0
    for name, silent in d["silent_directions"].items():
        yield "evidence/terminal", f"these directions of the weights of {name!r}", bool(silent["directions"])
        carried = bool(silent["directions"]) and d["test_table"] is not None
        yield "evidence/terminal", f"differences on the test under {name!r}", carried
    fit = d["fit"]
    integrated = {n: m for n, m in fit["methods"].items() if m in ("laplace", "prior", "smc", "nuts")}
    drawn = {n for n, m in integrated.items() if m != "nuts" or fit["sampler"] is None}
    sampled = fit["sampler"] is not None
    yield "sampling/more", "Evidence of ", bool(drawn)
    yield "sampling/more", "effective sample size", sampled
    names = [repr(name) for name, method in fit["methods"].items() if method == "nuts"]
    yield "sampling/more", f" sampled {list_of(names) if names else ''}: ", sampled
    yield "sampling/more", "Monte Carlo error of a log Bayes factor", bool(d["pairs"]) and (sampled or bool(integrated))
    yield "sampling/more", "Monte Carlo error of the risk", sampled and d["risk"] is not None


def _dangerous(d):
    """Yield what must stand of silent pairs whose confusion is a catastrophe."""
    pairs, kept = d["dangerous_pairs"] or [], []
    risks = {(p["agent"], p["truth"]): shown(p["risk"]) for p in pairs}
    for agent, truth in risks:
        mutual = risks.get((truth, agent)) == risks[agent, truth]
        if not (mutual and (truth, agent) in [key for key, _ in kept]):
            kept.append(((agent, truth), mutual))
    where, head = "evidence/terminal=", "Dangerous: following"
    yield "evidence/terminal", head, bool(kept)
    for (agent, truth), mutual in kept[:2]:
        start = f"{head} {agent!r} where {truth!r} is true is catastrophic in {risks[agent, truth]} of scenes"
        yield where, f"{start}{', and the other way round' if mutual else ''}.", True
    rest = len(kept) - 2
    words = f"{rest:,} further {'pair is' if rest == 1 else 'pairs are'} dangerous (dangerous_pairs in results.json)."
    yield where, words, rest > 0
    yield "evidence/terminal", " dangerous (dangerous_pairs", rest > 0


def _more_data(d, said):
    """Yield what must stand of the items that would settle pairs of hypotheses."""
    unsettled = [
        (name, pair)
        for name, simulated in d["telling"].items()
        for pair in ([] if simulated is None else simulated["pairs"])
        if min(d["weights"][pair["truth"]], d["weights"][pair["other"]]) > CLEAR
    ]
    bound = d["risk"] is not None and bool(((d["impossible"] or {}).get("risk") or {}).get("0.0"))
    yield "limit/parts", " training item", bool(unsettled) and not bound
    yield "limit/more", " training item", True if unsettled and bound else None if unsettled else False
    yield "limit/finding", "There is no test", d["risk"] is None
    for name in {name for name, _ in unsettled}:
        rest = sum(other == name for other, _ in unsettled) - 2
        yield "limit", f"more unsettled pair{'s' if rest > 1 else ''} for {name!r}", rest > 0


def _limit(d):
    risk, bounded = d["risk"], d["bounded_pairs"]
    limit, now, finding = risk["limit"], risk["mean"], "limit/finding"
    known = limit is not None and not bounded
    yield finding, "is unknown", bool(bounded)
    yield finding, "was not computed", limit is None and not bounded
    yield "limit/parts", "Such data leave hypotheses undecided", bool(bounded)
    n = len(bounded) - 1
    yield "limit/parts", f"{n:,} more pair{'s' if n > 1 else ''} of hypotheses stay", n > 0
    yield "limit/parts", "Other data, or information about human values", bool(d["silent_pairs"]) and not bounded
    silent = risk["limit_silent"] if known else 0.0
    some = known and max(limit, now) >= 1e-9
    error = at(d, ("mcse", "risk", "limit"))
    error = 3 * (risk["mcse"] or 0.0) if error is None and d["mcse"] is not None else error or 0.0
    margin = max(LEAST, 2 * math.hypot(error, risk["mcse"] or 0.0))
    moves = some and shown(limit) != shown(now)
    lower, higher = moves and now - limit > margin, moves and limit - now > margin
    floor = some and not lower and not higher and limit - silent < LEAST and silent > 0
    yield finding, f"would lower the risk from {shown(now)} to", lower
    yield finding, f"would raise the risk from {shown(now)} to", higher
    yield finding, "of this kind cannot reduce the risk below", floor
    yield finding, "would leave the risk at", known and not lower and not higher and not floor
    why = some and limit >= LEAST
    quiet, forced = why and limit - silent < LEAST and silent > 0, why and silent < LEAST
    both, part = why and not quiet and not forced, "limit/parts"
    best = d["agent"]["policy"] in MAXIMISES and not (d["agent"]["abstain"] and d["agent"]["fail_utility"] is not None)
    other = (risk.get("unmodelled") or {"weight": 0})["weight"] >= LEAST
    words = "even the best option in some scenes is worse than failing"
    words = (
        words if best else "an agent that knows the true hypothesis may still take a worse option, or has no better one"
    )
    words = f"perhaps no listed hypothesis is right, or {words}" if other else words
    yield part, "Reason: training cannot separate", quiet
    yield part, f"Reason: {words}", forced
    yield part, "Of this risk, ", both
    yield part, f"remains because {words}", both
    answer = "answer/terminal"
    yield answer, "this kind would lower the risk only from", None if lower and why else False
    for joint in ("; ", ", because "):
        yield answer, f"would lower the risk from {shown(now)} to {shown(limit or 0.0)}{joint}", False
    yield answer, "because Of this risk", False
    yield answer, "of this, ", None if both else False
    yield answer, f"because {words}", None if forced else False
    for reason in ("training cannot separate hypotheses", words):
        length = len(
            f"Unlimited training data of this kind would lower the risk only from 10% to 10%, because {reason}".split()
        )
        says = quiet if "separate" in reason else forced
        yield answer, f"because {reason}", True if says and length <= 29 else None if both else False
    minimax = d["impossible"] or {"risk": {}, "hypotheses": []}
    least, half = minimax["risk"].get("0.0"), minimax["risk"].get("0.5")
    yield "limit", "Any agent that learns from this kind of data alone", bool(least)
    yield "limit", "If the agent abstains in half of the scenes", bool(least) and half is not None
    yield from _bits(d)


def _bits(d):
    curve, where = d["bits_by_size"], "bits_by_size/caption"
    if not curve:
        return
    training, judged = ([x for x in curve[key]["mean"] if x is not None] for key in ("training", "telling"))
    never = curve["training"]["mean"][-1] is None
    still = len(training) > 2 and abs(training[-1] - training[-3]) < 0.02 and training[-1] > 0.05
    stays = still and bool(d["silent_pairs"]) and bool(judged) and training[-1] > judged[-1] + 0.05
    yield where, "No amount of information about human values", never
    yield where, "stops helping", stays and not never
    yield where, f"After {curve['sizes'][-1]:,} training item", not stays and not never
    out = any(any(curve[key]["impossible"]) for key in ("training", "telling"))
    yield "bits_by_size/more", "are left out of the mean", out


def _shift(d):
    shift, shifted, chosen = d["shift"], d["shifted"], spent(d)
    p, n, new, items = (shift[key] for key in ("p", "permutations", "n_new_classes", "new_items"))
    yield "shift/finding", "The test is shifted", shifted
    yield "shift/finding", "No shift between training and test is detected", not shifted
    where = "shift/parts"
    yield where, "This test chose an agent", chosen
    yield where, "the smallest value that", p <= 1 / (n + 1)
    yield where, "No shift is detected (p = ", not shifted
    yield where, "is about ordinary generalisation", not shifted
    alike = shown(shift["training"]) == shown(shift["test"])
    yield where, f"{shown(shift['test'])} in training and on the test", shifted and alike
    yield where, f"{shown(shift['training'])} in training, {shown(shift['test'])} on the test", shifted and not alike
    kinds = f"{new:,} kind{'s' if new > 1 else ''} of item ({items:,} item{'s' if items > 1 else ''}) do"
    yield where, f"{kinds}{'es' if new == 1 else ''} not occur in training", new > 0
    yield where, "not occur in training", new > 0
    yield where, "However, ", new > 0 and not shifted
    unseen = shift["new_share"] > 0
    shares = [kind[key] for kind in shift["kinds"] for key in ("training", "test")]
    yield "shift/caption", "", len(shares) > 2 and max(shares) - min(shares) > 0.01 * max(shares)
    yield "shift/caption", f"{shown(shift['new_share'])} of the items on the test are of kinds", unseen
    yield "shift/caption", "The hypotheses judge the test differently", shifted and not unseen
    yield "shift/caption", "No shift is detected in what the hypotheses say", not shifted and not unseen
    tail = at(d["worst_case"], ("tail",))
    worse = tail is not None and seen_apart(d, ("risk", "mean"), ("worst_case", "tail", "risk"))
    yield "worst_case/terminal", "The risk on the worst tenth of the scenes is", worse
    yield "worst_case/terminal", "No feature distinguishes the worst tenth", worse and not tail["words"]
    yield "worst_case/terminal", "The worst tenth differs from all scenes", worse and bool(tail["words"])
    impact = d["impact"]
    passed = None if impact is None else sum(impact["table"]["passed"].values())
    yield "impact/terminal", "A measure of impact that knows no values", impact is not None
    yield "impact/terminal", "It flags every act of the agent", passed == 0
    yield "impact/terminal", "It passes the act in", passed is not None and passed > 0
    for row, words in (("flagged", "Flagged, though"), ("passed", "Passed, though")):
        yield "impact/terminal", words, at(impact, ("examples", row)) is not None


def fewer_separated(d):
    """Return whether training has the expected items for the closest rival, and too little evidence against it."""
    lead = max(d["weights"], key=d["weights"].get)
    soonest = {}
    for name, simulated in d["telling"].items():
        members = {} if simulated is None else {h: group for group in simulated["classes"] for h in group}
        for pair in [] if simulated is None else simulated["pairs"]:
            rivals = members.get(pair["other"], ())
            held = max((max(d["weights"][h], d["agent_weights"].get(h, 0.0)) for h in rivals), default=0.0)
            if lead in members.get(pair["truth"], ()) and held > CLEAR:
                odds, items = next(iter(pair["items"].items()))
                entry = (math.inf if items is None else items, float(odds), name, pair["truth"], pair["other"])
                soonest.setdefault(pair["other"], []).append(entry)
    if not soonest or len(d["n_items"]) > 1:
        return False
    first = [min(entries, key=lambda entry: entry[0]) for entries in soonest.values()]
    items, odds, name, truth, other = max(first, key=lambda entry: entry[0])
    factors = {tuple(p["pair"]): p["log_bayes_factor"] for p in d["pairs"]}
    factor, back = factors.get((truth, other)), factors.get((other, truth))
    factor = factor if factor is not None else None if back is None else -back
    return factor is not None and d["n_items"][name] >= items and 0 <= factor < math.log(odds)
