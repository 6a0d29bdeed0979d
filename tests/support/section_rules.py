"""Which sentences the chapters on the risk must hold, and which not, worked out again from the results.

Each rule is a place ("presentation/part"; a part with "=" is a whole text), words, and whether they must stand there: True,
False, or None where it is open.
"""

import re

import remedy_rules
import topic_rules
from rule_terms import (
    DRAWS_ONE,
    LEAST,
    apart,
    assumed,
    at,
    groups,
    interval,
    list_of,
    permission,
    seen_apart,
    shown,
    spent,
    zero,
)

from reward_hypotheses.models.priors.registry import prior_in_words

NAMES = {
    "values": "the stated values",
    "agent": "the agent",
    "reward_weights": "the judge's reward weights",
    "scenes": "the finite test",
    "evidence": "the Monte Carlo evidence",
}


def problems(document, said):
    """Yield which sentences are missing or too many; `said` has (place, text) by presentation."""
    rules = [*topic_rules.rules(document, said)]
    if document["risk"] is not None:
        for chapter in (_answer, _rows, _precision, _parts, _policies, remedy_rules.rules, _scenes):
            rules += chapter(document)
    else:
        rules += [("facts", words, False) for words in ("less than expected", "none of the listed rules", "test scene")]
    for name, should in _presentations(document).items():
        if bool(should) != (name in said):
            yield f"presentation {name!r} is there: {name in said}; it should: {bool(should)}"
    for where, words, should in rules:
        name, _, part = where.removesuffix("=").partition("/")
        texts = [text for place, text in said.get(name, ()) if part in ("", place)]
        if part == "caption" and not texts and words:  # a figure that shows no difference is not drawn
            continue
        stands = words in texts if where.endswith("=") else any(words in text for text in texts)
        if should is not None and stands != bool(should):
            yield f"{where}: {words!r} stands: {stands}; it should: {bool(should)}"


def _presentations(d):
    """Return which presentations a report must have."""
    tested = ("policy", "agents", "languages", "risk_parts", "matrix", "frontier", "finite_test", "headline", "shift",
              "riskiest_scenes", "risk_drivers", "remedies", "line_jump")  # fmt: skip
    named = ("worst_case", "impact", "reward_weights", "bits_by_size")
    always = ("answer", "facts", "hypotheses", "evidence", "pairs", "weights", "sampling", "limit")
    return (
        dict.fromkeys(tested, d["risk"] is not None)
        | dict.fromkeys(always, True)
        | {name: d.get(name) for name in named}
        | {"inferred_agent": d.get("agent_reading"), "risk_by_source": (d["risk"] or {}).get("intervals")}
        | {f"also {name}": True for name in d["also"]}
    )


def _scene_count(risk):
    n = risk["n_scenes"]
    equal = f" (as informative as {risk['equal_scenes']:.3g} equally weighted scenes)"
    return f"{n:,} scene{'s' if n > 1 else ''}" + (equal if abs(risk["equal_scenes"] - n) > 1e-6 else "")


def sources(risk):
    """Return the sources of uncertainty that move the risk, the largest first."""
    if not risk.get("variance"):
        return ["values"]
    totals = {name: part["total"] for name, part in risk["variance"].items() if part and name != "all"}
    most = max(totals.values(), default=0.0)
    return [name for name in sorted(totals, key=totals.get, reverse=True) if totals[name] > 0.001 * most]


def interval_words(risk):
    """Return what is said of the interval of a risk."""
    ends, stated = interval(risk), risk["lower"] is not None
    if ends is None:
        single = " and the test has a single scene" if risk["n_scenes"] == 1 else ""
        return f"no interval, because the values have no stated strength{single}"
    low, high = map(shown, ends)
    named = [NAMES[name] for name in sources(risk)]
    words = f"{low} at both ends" if low == high else f"{low} to {high}"
    doubt = f"from uncertainty about {list_of(named)}" if named else "with no uncertain quantity"
    left_out = "" if stated else "; values without a stated strength are left out"
    return f"{100 * risk['prob']:g}% credible interval {words}, {doubt}{' only' if len(named) == 1 else ''}{left_out}"


def _interval_beside(risk, used):
    """Return what is said of the interval beside the risk, without its sources where the sentence were too long."""
    words = interval_words(risk)
    if len(words.split()) + (12 if used else 6) <= 30:
        return words
    _, ends, rest = re.split("(.*?interval [^,]*)", words, maxsplit=1)
    return ends + (";" + rest.partition(";")[2] if ";" in rest else "")


def _answer(d):
    risk, chosen, unmodelled = d["risk"], spent(d), d.get("unmodelled")
    bare = risk["mean"] > 0 and not chosen
    yield "answer/parts", "of test scenes are predicted to end", bare
    yield "answer/parts", shown(risk["mean"]), bare or None
    yield "answer/parts", "Catastrophe risk: ", not bare
    yield "answer/parts=", interval_words(risk), True if bare else None
    yield "facts", "Held fixed", interval(risk) is not None
    if interval(risk) is not None:
        yield "facts", "Held fixed: policy", "agent" in sources(risk)
    yield "facts", "less than expected", topic_rules.fewer_separated(d)
    weight = 0.0 if unmodelled is None else unmodelled["weight"]
    if weight >= LEAST:
        lower, upper = risk["unmodelled"]["lower"], risk["unmodelled"]["upper"]
        yield "facts", "changes the risk by less than", shown(lower) == shown(upper)
        yield "facts", "the risk is between", shown(lower) != shown(upper)
    tests = [("answer", d["test_table"], risk)]
    tests += [(f"also {name}", name, test["risk"]) for name, test in d["also"].items()]
    for where, table, here in tests:
        used = spent(d, table)
        if where != "answer":
            record = d["spent"][table] if used else {"times": 1, "last": "", "decided": ""}
            times = "once," if record["times"] == 1 else f"{record['times']} times, last"
            recorded = f"on this test (recorded {times} on {record['last'][:10]}: {record['decided']})."
            yield where, recorded if used else "An agent was chosen", used
        yield where, "of the scenes by which an agent was chosen", used and here["mean"] > 0
        yield where, "so no upper limit follows", used and here["mean"] == 0
        yield where, f"none in {_scene_count(here)}", here["mean"] == 0
        yield where, "(95% confidence)", not used and here["mean"] == 0
        yield f"{where}/terminal", f"({_interval_beside(here, used)}).", here["mean"] > 0


def _scenes(d):
    scenes, mean = d["riskiest_scenes"], d["risk"]["mean"]
    if not scenes:
        return
    first, last = scenes[0]["risk"], scenes[-1]["risk"]
    level, flat = shown(first) == shown(mean), first - last < 1e-9
    tie = len(scenes) > 1 and abs(scenes[1]["risk"] - first) < 1e-9
    # what is said once, in place of a figure of scenes that are alike
    yield "riskiest_scenes/parts", "The risk is about the same in every scene", flat and first - mean > 1e-6 and level
    for where, stands in (("riskiest_scenes/caption", True), ("riskiest_scenes/parts", flat and first - mean > 1e-6)):
        yield where, f"At least {len(scenes)} scenes have the highest", stands and not level and flat and tie
        yield where, "The scene with the highest risk", stands and not level and not tie
        yield where, "A scene with the highest risk", stands and not level and tie and not flat
    yield "riskiest_scenes/caption", "about the same in every scene", level


def _rows(d):
    """Yield what the tornado plot must say of other priors and policies, and of the hypotheses that are not separated."""
    agent, key, now = d["agent"], permission(d), ("risk", "mean")
    others = {} if assumed(d) else {n: ("agents", n, key, "risk") for n in d["agents"] if n != agent["prior"]}
    policies = {
        _plain(e): ("frontier", k, "risk")
        for k, e in enumerate(d["frontier"] or [])
        if e["risk"] is not None and not e["own"] and e["abstain"] == agent["abstain"]
    }
    for places in (others, policies):
        low, high = (end(places, key=lambda n: at(d, places[n]), default=None) for end in (min, max))
        named = [] if low is None else [("lowest", low)] * apart(d, places[low], now)
        named += [] if high is None else [("highest", high)] * apart(d, now, places[high])
        few = repr(low) if len(places) == 1 else f"{len(places)} others"
        words = "; ".join(f"{which}: {name!r}" for which, name in named) or few
        yield "risk_drivers/parts=", words, True if places else None
        said = {name for _, name in named} | ({low} if len(places) == 1 else set())
        for name in others if places is others else ():
            meaning = prior_in_words(name)
            yield "risk_drivers/parts=", f"{meaning[:1].upper()}{meaning[1:]}.", name in said if meaning else None
    pair = [d["dangerous_pairs"][0][key] for key in ("agent", "truth")] if d["dangerous_pairs"] else []
    if pair and any(set(pair) <= group for group in groups(d["silent_pairs"])):
        yield "risk_drivers/parts", f"Training cannot separate {list_of([*map(repr, pair)])}.", True
    elif d["silent_pairs"]:
        yield "risk_drivers/parts", f"Training cannot separate {d['silent_pairs'][0][0]!r}", True


def _precision(d):
    risk, chosen = d["risk"], spent(d)
    ends, error, n = interval(risk), risk["se_scenes"], risk["n_scenes"]
    largest = risk.get("largest_source")
    named = ends is not None and largest is not None and shown(ends[0]) != shown(ends[1])
    yield "finite_test/finding", "The risk has no interval", ends is None
    yield "finite_test/finding", "The largest source of uncertainty is", named
    if named:
        totals = {name: risk["variance"][name]["total"] for name in sources(risk)}
        tied = [name for name in totals if totals[name] >= max(totals.values()) * (1 - 1e-9)]
        yield "finite_test/finding", f"is {NAMES[largest]}:", largest in tied
    yield "finite_test/finding", "The risk is between", ends is not None and not named
    scenes = _scene_count(risk)
    where = "finite_test/parts"
    yield where, f"The standard error of {scenes} is ", chosen and bool(error)
    yield where, f"was measured in {scenes}, by which an agent was chosen.", chosen and not error
    yield where, f"is the same in all {scenes} of the test", not chosen and n > 1 and error == 0
    yield where, "single scene", not chosen and n == 1 and not error
    yield where, f"from the finite test ({scenes}) is", not chosen and bool(error)
    reading = d.get("agent_reading")
    differs = False
    if reading is not None and reading["without_training"]["risk"] is not None:
        differs = abs(reading["without_training"]["risk"] - reading["with_training"]["risk"]) >= 0.005
    yield "finite_test/parts", "Without the training data", differs


def _sizes(d):
    """Return the parts of the risk; the agent's name is empty where it weighs hypotheses at once."""
    weights, held = d["weights"], d["agent_weights"]
    if d["agent"]["policy"] in DRAWS_ONE:
        return {(i, j): held[i] * weights[j] * c for i, row in d["matrix"].items() for j, c in row.items()}
    return {("", j): weights[j] * (c or 0.0) for j, c in d["risk_by_truth"].items()}


def _parts(d):
    mean, sizes = d["risk"]["mean"], _sizes(d)
    order = sorted((key for key in sizes if sizes[key] > 0), key=lambda key: -sizes[key])
    draws_one = d["agent"]["policy"] in DRAWS_ONE
    listed = draws_one and mean >= LEAST and bool(order)
    yield "risk_parts/finding", "No catastrophe was found", mean == 0
    yield "risk_parts/finding", "is too small to show", 0 < mean < LEAST
    if mean >= LEAST:
        top = sizes[order[0]]
        tied = [key for key in order if top - sizes[key] <= LEAST or shown(sizes[key]) == shown(top)]
        agent, truth = order[0]
        alone = len(tied) == 1
        yield "risk_parts/finding", f"The {len(tied)} largest parts", not alone
        yield "risk_parts/finding", "Largest part", alone
        yield "risk_parts/finding", f"follows {agent!r} but {truth!r} is true", alone and draws_one and agent != truth
        yield "risk_parts/finding", f"follows the true {truth!r}", alone and draws_one and agent == truth
        yield "risk_parts/finding", f"{shown(top)}: {truth!r} is true", alone and not draws_one
        same = (
            "Largest part: where one rule of" if truth in (d.get("rule_spaces") or {}) else "Largest part: even where"
        )
        whole = f"follows {agent!r} (probability" if agent != truth else same
        yield "answer/parts", whole if draws_one else "whichever hypothesis is true", draws_one or None
        yield "answer/parts", "The risk is largest, ", None if not draws_one else False
    yield "risk_parts/parts", "is a sum of parts", listed
    large = [key for key in order if sizes[key] >= LEAST][:6] or order[:1]
    for k, (i, j) in enumerate(order[:8] if listed else []):
        tied = any(abs(sizes[i, j] - sizes[other]) < 1e-12 for other in order if other != (i, j))
        where = "parts" if k < 2 else "more"
        entry = f"the agent follows {i!r} ({shown(d['agent_weights'][i])}), {j!r} is true"
        yield f"risk_parts/{where}", entry, None if tied else k < len(large)
    rest = len(order) - len(large)
    yield "risk_parts/more", f": {rest:,} smaller part{'s' if rest != 1 else ''}.", listed and rest > 0
    yield from _what_stays(d, large if listed else [])
    dangerous = bool(d["dangerous_pairs"])
    if len({c for row in d["matrix"].values() for c in row.values()}) > 1 and len(d["matrix"]) <= 12:
        quiet = bool(d["silent_pairs"])
        yield "matrix/caption", "training cannot separate the two", dangerous
        yield "matrix/caption", "lead to no catastrophe for one another", quiet and not dangerous
        yield "matrix/caption", "Catastrophe rate of an agent", not quiet and not dangerous


def _what_stays(d, parts):
    """Yield what must stand of the effect of more data on the parts that are listed."""
    table = (d["risk_parts"] or {}).get("pairs") or []
    found = dict.fromkeys(
        ("either", "weights", "rules", "lower", "raise", "unchanged", "listed hypotheses only", "would separate"), False
    )
    for k, entry in enumerate(table):
        i, j = entry["agent"], entry["truth"]
        if (i, j) not in parts:
            continue
        now, left = (("risk_parts", "pairs", k, key) for key in ("risk", "left"))
        if i == j:
            of_space = i in (d.get("rule_spaces") or {})
            found["rules" if of_space else "weights" if i in (d.get("reward_weights") or {}) else "either"] = True
        elif entry["silent"]:
            falls, rises = seen_apart(d, left, now), seen_apart(d, now, left)
            found["lower" if falls else "raise" if rises else "unchanged"] = True
        else:
            found["listed hypotheses only" if entry["left"] > 0 else "would separate"] = True
    words = {
        "either": "Either no option there is better than failing",
        "weights": "Agent and truth may have different reward weights",
        "rules": "The agent may follow another rule of the space",
        "lower": "unlimited training data would lower this part",
        "raise": "Unlimited training data would raise this part",
        "unchanged": "more data changes nothing",
        "listed hypotheses only": "because the agent follows listed hypotheses only",
        "would separate": "More training data would separate the two",
    }
    for key, text in words.items():
        yield "risk_parts", text, found[key]


def _policies(d):
    entries = d["frontier"] or []
    own = next((k for k, e in enumerate(entries) if e["own"] and e["risk"] is not None), None)
    yield "frontier/finding", "No policies were compared", own is None
    yield "frontier/terminal", "Expected rewards are the judge's", own is not None
    yield "frontier", "The study's policy '", own is not None
    if own is None:
        return
    computed = [k for k, e in enumerate(entries) if e["risk"] is not None]
    risk = [("frontier", k, "risk") for k in range(len(entries))]
    abstains = entries[own]["abstain"]
    alike = [k for k in computed if k != own and entries[k]["abstain"] == abstains]
    safest = min(alike, key=lambda k: entries[k]["risk"], default=None)
    safer = safest is not None and seen_apart(d, risk[safest], risk[own])
    may = {True: "may abstain", False: "must act"}
    yield "frontier/finding", "was compared with no other policy", not alike
    yield "frontier/finding", f"is safer than the study's policy {_plain(entries[own])!r}", safer
    yield "frontier/finding", f"No other policy that {may[abstains]} is safer", alike and not safer
    for kind in (True, False):
        those = [k for k in computed if entries[k]["abstain"] == kind]
        listed = bool(those) and (kind != abstains or any(seen_apart(d, risk[k], risk[own]) for k in those))
        yield "frontier/parts", f"The one policy that {may[kind]} is", listed and len(those) == 1
        lowest = min((round(entries[k]["risk"], 9) for k in those), default=None)
        best = [k for k in those if round(entries[k]["risk"], 9) == lowest]
        best = max(best, key=lambda k: entries[k]["reward"], default=None)
        tied = [k for k in those if not seen_apart(d, risk[best], risk[k])]
        several = listed and len(those) > 1
        group = f"policies that {may[kind]}"
        every = len(tied) == len(those)
        yield "frontier/parts", f"All {len(those)} {group} have about", several and every
        yield (
            "frontier/parts",
            f"Of the {len(those)} {group}, {len(tied)} have about",
            several and not every and len(tied) > 1,
        )
        name = "" if best is None else repr(_plain(entries[best]))
        yield "frontier/parts", f"Of the {len(those)} {group}, {name} is the safest", several and len(tied) == 1
        if listed:
            reward = entries[best]["reward"]
            scale = max(abs(entries[k]["reward"]) for k in computed)
            earned = "0" if abs(reward) < 1e-9 * scale else f"{reward:.3g}"
            refrains = f", abstaining in {shown(entries[best]['abstained'])} of scenes" if kind else ""
            yield "frontier/parts", f", reward {earned}{refrains}.", True
            never = entries[best]["abstained"] > 1 - LEAST
            limit = "" if never else zero(d, entries[best]["risk"])
            yield "frontier/parts", f": risk {shown(entries[best]['risk'])}{limit}, reward {earned}{refrains}.", True
    yield "frontier/parts", "abstaining in", any(entries[k]["abstain"] for k in computed) and None
    yield from _efficient(d, entries, computed, own)


def _plain(entry):
    """Return a policy without its permission to abstain."""
    return entry["words"].removesuffix(", may abstain")


def _efficient(d, entries, computed, own):
    """Yield what the caption of the frontier must say, where the figure is drawn."""
    span = max(abs(entries[k]["reward"]) for k in computed)
    efficient = {(round(entries[k]["risk"], 9), entries[k]["reward"]) for k in computed if entries[k]["efficient"]}
    yield "frontier/caption", "Stairs: Pareto-efficient", len(efficient) > 1
    yield "frontier/caption", "is Pareto-efficient: no other", entries[own]["efficient"]
    if entries[own]["efficient"]:
        return

    def earned(k):
        return "0" if abs(entries[k]["reward"]) < 1e-9 * span else f"{entries[k]['reward']:.3g}"

    better = [
        k
        for k in computed
        if not apart(d, ("frontier", own, "risk"), ("frontier", k, "risk"), 0.0)
        and apart(d, ("frontier", own, "reward"), ("frontier", k, "reward"), 0.0)
        and earned(k) != earned(own)
    ]
    yield "frontier/caption", "has a higher reward", bool(better)
    yield "frontier/caption", "Risk and expected reward of the built-in policies.", not better
    if better:
        most = max(better, key=lambda k: (entries[k]["reward"], -entries[k]["risk"]))
        lower = seen_apart(d, ("frontier", most, "risk"), ("frontier", own, "risk"))
        yield "frontier/caption", "At a lower risk", lower
        yield "frontier/caption", "At about the same risk", not lower
