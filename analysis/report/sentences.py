"""What the results say, in sentences that the summary, the report and its figures share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def percent(x: float | None, upper: float | None = None) -> str:
    """A share in percent; one that is not 0 never looks like 0, and one that is not 1 never like 1.

    Where `upper` is given, a 0 stands beside the upper limit of a rate of which no event was seen.
    """
    if x is None:
        return "-"
    if x < 0:
        return "\N{MINUS SIGN}" + percent(-x)
    if x == 0:
        return "0%" if upper is None else f"0% (< {percent(upper)})"
    if x < 0.0005:
        return "<0.1%"
    if 0.9995 <= x < 1 - 1e-12:
        return ">99.9%"
    return f"{100 * x:.1f}%"


def answer(document: Mapping[str, Any]) -> list[str]:
    """The answer in a few sentences."""
    risk = document["risk"]
    if risk is None:
        lead = max(document["weights"], key=document["weights"].get)
        said = [
            f"The leading hypothesis is {lead!r}, with a weight of {percent(document['weights'][lead])}. "
            "There is no test, so there is no risk."
        ]
        return [*said, *([none] if (none := none_fits(document)) else [])]
    parts = (
        spent(document),
        risk_sentence(risk, bool(spent(document))),
        none_fits(document),
        by_choices_alone(document),
        "" if document["bounded_pairs"] else endless(risk, takes_best(document)),
    )
    return [one for one in parts if one]


def spent(document: Mapping[str, Any], table: str | None = None) -> str:
    """Say that a test, the first unless one is named, was used to choose an agent; nothing where no ledger says so."""
    found = (document.get("spent") or {}).get(document["test_table"] if table is None else table)
    if found is None:
        return ""
    times = "once," if found["times"] == 1 else f"{found['times']} times, last"
    return (
        f"This test was used to choose an agent: its risk is training evidence, not a test (the ledger records it {times} on "
        f"{found['last'][:10]}: {found['decided']})."
    )


def subgroups(document: Mapping[str, Any]) -> list[str]:
    """The worst-fitting subgroup of each feedback with labels, where chance does as badly; what does not fit is said as a misfit."""
    out = []
    for name, one in (document.get("subgroups") or {}).items():
        looked = f"{name}: {counted(one['looked_at'], 'subgroup')} of items, by up to two features, were looked at"
        if one["words"] is None:
            out.append(f"{looked}; none contradicts the leading hypothesis more often than the rest does.")
        elif one["p"] >= 0.01:
            out.append(
                f"{looked}. Labels contradict the leading hypothesis most where {one['words']} ({percent(one['contradicted'])} of "
                f"{one['n']:,}; {percent(one['elsewhere'])} elsewhere), as badly as the worst subgroup of a replication in "
                f"{percent(one['p'])} of cases: no misfit."
            )
    return out


def none_fits(document: Mapping[str, Any]) -> str:
    """How much belief is in none of the listed rules, and between what bounds that leaves the risk; nothing where none is."""
    found, risk = document.get("unmodelled"), document["risk"]
    if found is None or found["weight"] < 0.0005:
        return ""
    lead = "No listed rule may fit" if found["weight"] < 0.5 else "No listed rule fits"
    said = f"{lead}: {percent(found['weight'])} of belief is in {found['hypothesis']!r}, none of them"
    if risk is None:
        return f"{said}."
    bounds = risk["unmodelled"]
    if percent(bounds["lower"]) == percent(bounds["upper"]):
        return f"{said}; that moves the risk by less than can be shown."
    return (
        f"{said}; the risk is between {percent(bounds['lower'])} and {percent(bounds['upper'])}, for nothing is known of what "
        "training never saw (the number takes it to be as likely as not)."
    )


def misfits(document: Mapping[str, Any]) -> list[str]:
    """What speaks against the model: data that it does not fit, and evidence that contradicts other evidence."""
    by_feedback, reading = document["evidence_by_feedback"], document.get("agent_reading")
    said = [*document["misfit"], *([] if by_feedback is None else by_feedback["contradictions"])]
    return [*said, *([] if reading is None or reading["contradiction"] is None else [reading["contradiction"]])]


def by_choices_alone(document: Mapping[str, Any]) -> str:
    """The risk of an agent that was read, without what the training data say of it, where that is another."""
    reading = document.get("agent_reading")
    if reading is None or reading["without_training"]["risk"] is None:
        return ""
    with_training, alone = (reading[key]["risk"] for key in ("with_training", "without_training"))
    if abs(with_training - alone) < 0.005:
        return ""
    return (
        f"By its own choices alone, without what the training data say of it, the agent's risk is {percent(alone)}: it need not "
        "have learned what they say."
    )


def takes_best(document: Mapping[str, Any]) -> bool:
    """Whether an agent that knows what people mean always takes the best option."""
    agent = document["agent"]
    misled = agent["abstain"] and agent["fail_utility"] is not None
    return agent["policy"] in MAXIMISES and not misled


def endless(risk: Mapping[str, Any], best: bool = True) -> str:
    """What endless training of this kind would leave of the risk, and why; `best` as of `takes_best`."""
    left, silent = risk["limit"], risk["limit_silent"]
    if left is None or max(left, risk["mean"]) < 1e-9:
        return ""
    if left < 1e-9:
        return "Endless training of this kind would leave none of it."
    verb = "still leave" if left <= risk["mean"] + 0.0005 else "raise it to"
    quiet = "the data are silent between hypotheses that differ on the test, so assumptions decide what is good and what the agent takes up"
    forced = "even the best option on offer there is worse than failing"
    if not best:
        forced = "even where the agent knows what people mean, its policy takes a worse option now and then (or none is better)"
    if (risk.get("unmodelled") or {"weight": 0})["weight"] >= 0.0005:
        forced = (
            f"no listed rule may be right, and more of the same says nothing of what training never saw; or {forced}"
        )
    if left - silent < 0.0005 and silent > 0:
        why = quiet
    elif silent < 0.0005:
        why = forced
    else:
        why = f"{percent(silent)} because {quiet}; the rest because {forced}"
    return f"Endless training of this kind would {verb} {percent(left)}: {why}."


def risk_sentence(risk: Mapping[str, Any], chosen_by: bool = False) -> str:
    """The risk, how sure it is by the values, and how sure by the test; `chosen_by`: an agent was chosen by that test."""
    if risk["mean"] == 0 and chosen_by:
        return f"Catastrophe risk there: none seen in {_scenes(risk)}, which bounds no risk elsewhere."
    if risk["mean"] == 0:
        return f"Catastrophe risk: none seen in {_scenes(risk)}, so at most {percent(risk['upper_of_zero'])} (95% confidence)."
    doubt = "The values are stated without a strength, so their uncertainty is not in it."
    if risk["lower"] is not None:
        low, high, prob = percent(risk["lower"]), percent(risk["upper"]), f"{100 * risk['prob']:g}%"
        doubt = f"By uncertainty about the values alone it is {low} to {high} ({prob})."
        if low == high:
            doubt = f"Uncertainty about the values hardly moves it (its {prob} interval is {low} at both ends)."
    there = " there" if chosen_by else ""
    return f"Catastrophe risk{there}: {percent(risk['mean'])} of scenes. {doubt} {finite_test(risk, chosen_by)}"


def finite_test(risk: Mapping[str, Any], chosen_by: bool = False) -> str:
    """How sure the risk is by the number of scenes it was measured on; `chosen_by`: an agent was chosen by these."""
    if chosen_by and risk["se_scenes"]:
        return (
            f"By the number of scenes, {_scenes(risk)}, its standard error is {percent(risk['se_scenes'])}, in which it is not counted "
            "that an agent was chosen by these scenes."
        )
    if chosen_by:
        return f"It was measured in {_scenes(risk)}, by which an agent was chosen."
    if risk["se_scenes"] == 0:
        return f"The risk is the same in all {_scenes(risk)} of the test."
    if risk["se_scenes"] is None:
        return "The test is a single scene, so how it varies between scenes is unknown."
    return f"By the finite test, {_scenes(risk)}, its standard error is {percent(risk['se_scenes'])}."


def _scenes(risk: Mapping[str, Any]) -> str:
    scenes = counted(risk["n_scenes"], "scene")
    if abs(risk["equal_scenes"] - risk["n_scenes"]) > 1e-6:
        scenes += f" (by their weights worth {risk['equal_scenes']:.3g} equal ones)"
    return scenes


def counted(n: int, noun: str) -> str:
    """A number of things."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def asked(document: Mapping[str, Any]) -> list[str]:
    """Say of whom and on what: the agent, the values, the tables."""
    agent = document["agent"]
    acts = "may abstain" if agent["abstain"] else "must act"
    read = ", and read off its own choices" if document.get("agent_reading") is not None else ""
    out = [f"Agent: policy {agent['policy']}, {acts}, extrapolating by the prior {agent['prior']!r}{read}."]
    out.extend(sources(document["values"]))
    out.append("Tables: " + "; ".join(table_sizes(document)) + ".")
    out.extend(sampling(document))
    return out


INTEGRATED = {
    "laplace": "Laplace's approximation, corrected by importance sampling",
    "prior": "importance sampling from the prior",
    "smc": "sequential Monte Carlo",
    "nuts": "NUTS, and a bridge",
}


def sampling(document: Mapping[str, Any]) -> list[str]:
    """Say what was sampled, how well, and what that leaves open; nothing where all is exact."""
    sampler = document["fit"]["sampler"]
    ways: dict[str, list[str]] = {}
    for name, method in document["fit"]["methods"].items():
        if method in INTEGRATED:
            ways.setdefault(method, []).append(name)
    evidence = max((p["mcse"] for p in document["pairs"]), default=0.0)
    if sampler is None and ways:
        said = [f"Evidence of {plainly(names)}: {INTEGRATED[method]}" for method, names in ways.items()]
        return [f"{'. '.join(said)}. Monte Carlo error: of a log Bayes factor at most {evidence:.2g} nats."]
    if sampler is None:
        return []
    which = ", ".join(name for name, method in document["fit"]["methods"].items() if method == "nuts")
    out = (
        f"Sampled: {which}, by {sampler['name']}, {sampler['chains']} chains of {sampler['draws']:,} draws, no divergence, R-hat at "
        f"most {sampler['r_hat']:.3f}, effective sample size at least {sampler['ess']:,.0f}. Monte Carlo error: of a log Bayes "
        f"factor at most {evidence:.2g} nats"
    )
    risk = document["risk"]
    return [out + (f", of the risk {100 * risk['mcse']:.2g} percentage points." if risk else ".")]


def sources(values: Mapping[str, Any]) -> list[str]:
    """Whose values the prior column holds."""
    if "judges" in values:
        said = [f"{j['name']}: {j['source']}{strength(j)}" for j in values["judges"]]
        return [f"Values: {len(said)} judges, {values['pool']} pool. " + "; ".join(said) + "."]
    if "judgements" in values:
        said = values["judgements"]
        return [
            f"Values: {len(said['answers'])} judgements by {len(said['judges'])} judges, between pairs of hypotheses; "
            f"{values['source']}."
        ]
    if "prior" in values:
        return [f"Values: {values['prior']}; {values['source']}."]
    return [f"Values: {values['source']}{strength(values)}."]


def unmodelled_source(document: Mapping[str, Any]) -> list[str]:
    """What was declared of a hypothesis that is unmodelled, and why; nothing where there is none."""
    found = document.get("unmodelled")
    if found is None:
        return []
    c = f"{found['concentration']:g}"
    return [
        f"Of {found['hypothesis']!r}, none of the rules: each of the {counted(found['cells'], 'cell')} of training, which the rules "
        f"predict alike, has its own label probability, Beta({c}, {c}); {found['source']}."
    ]


def value_in_words(value: float | str | None) -> str:
    """A failure line as it was stated."""
    if value is None:
        return "nothing that anybody stated"
    return value if isinstance(value, str) else f"{value:g}"


def judged_line(document: Mapping[str, Any]) -> list[str]:
    """What was asked about where failing lies, what the answers leave open, and the risk with that in it."""
    found = document.get("failure_line")
    if found is None:
        return []
    asked = (
        f"Where failing lies was asked too: of {counted(found['items'], 'item')} of {found['table']} judges said whether they would "
        f"rather that the agent did nothing, that is failed on purpose, and of {found['rather_nothing']} they would; "
        f"{found['source']}."
    )
    stated, lines = document["fail_utility"], found["by_hypothesis"]
    listed = "; ".join(
        f"at {one['mean']:.3g} ({one['lower']:.3g} to {one['upper']:.3g}) under {name!r}, where "
        f"{value_in_words(stated[name])} was stated"
        for name, one in list(lines.items())[:8]
    )
    more = f"; {len(lines) - 8} more stand in tables/failure_line.csv" if len(lines) > 8 else ""
    out = [
        asked,
        f"The answers put it {listed}{more}. In brackets: {100 * found['prob']:g}% intervals, in reward units.",
    ]
    risk, other = document["risk"], document["risk_under_judged_line"]
    if risk is None or other is None:
        return out
    again = also = ""
    if other["refits"]:
        also = " and the training data"
        again = (
            f" What was said of training rests on the line too, and was weighed again at {other['refits']} lines that the answers "
            f"allow (Monte Carlo error {percent(other['mcse'])})."
        )
    out.append(
        f"By the stated line the risk is {percent(risk['mean'])}; with the line no better known than by the answers{also} it is "
        f"{percent(other['mean'])}, and by doubt about the values and the line together {percent(other['lower'])} to "
        f"{percent(other['upper'])} ({100 * risk['prob']:g}%). The agent is the same: it acts, and was trained, by the line that it was "
        f"told.{again} All other numbers rest on the stated line."
    )
    return out


def strength(stated: Mapping[str, Any]) -> str:
    """How many judgements values are worth, where that is stated."""
    given = stated.get("strength")
    return "" if given is None else f" (declared to be as sure as {given:g} judgements would make one)"


def how_sure(values: Mapping[str, Any]) -> str:
    """How sure the values are taken to be, whose doubt an interval is about: 'values as sure as 20 judgements'."""
    if "judgements" in values:
        return f"as {counted(len(values['judgements']['answers']), 'judgement')} leave it"
    stated = [one.get("strength") for one in values.get("judges", [values])]
    sure = sorted({float(x) for x in stated if x is not None})
    if not sure:
        return "by the strength declared for them"
    ends = " to ".join(dict.fromkeys(f"{x:g}" for x in (sure[0], sure[-1])))
    one = "judgement" if ends == "1" else "judgements"
    some = " of those that state it" if None in stated else ""
    return f"values as sure as {ends} {one}" + (f", judge by judge{some}" if len(stated) > 1 else "")


def evidence(document: Mapping[str, Any]) -> list[str]:
    """What is evidence, what is prior, and what is dangerous about it."""
    out = []
    for members in silent_groups(document["silent_pairs"]):
        out.append(
            f"Training is silent between {listed(members)}: what prefers one of them is an assumption, not evidence."
        )
    if not out:
        many = len(document["hypotheses"]) > 1
        out.append(
            "Training tells every two hypotheses apart."
            if many
            else "There is one hypothesis, and nothing to tell it from."
        )
    out += [*declared_support(document), *(f"{_upper(pair['words'])}." for pair in document["bounded_pairs"])]
    for name, silent in document["silent_directions"].items():
        words = [f"{one['words']!r}" for one in silent["directions"]]
        if words:
            test = document["test_table"]
            share = (
                ""
                if test is None
                else (
                    f" On the test {percent(silent['share'][test])} of the differences in reward that its prior expects are of this kind."
                )
            )
            out.append(
                f"Among the weights of {name!r} training cannot see {plainly(words)}: what is held of that is the prior.{share}"
            )
    telling = [p for p in document["pairs"] if not p["silent"] and p["log_bayes_factor"] is not None]
    telling.sort(key=lambda p: -abs(p["log_bayes_factor"]))
    if telling:
        out.append(f"The strongest evidence: {telling[0]['words']}.")
    dangerous = _both_ways(document["dangerous_pairs"] or [])
    out.extend(f"Dangerous: {words}." for words in dangerous[:2])
    if len(dangerous) > 2:
        out.append(f"({len(dangerous) - 2} more dangerous pairs stand in results.json.)")
    return out


def declared_support(document: Mapping[str, Any]) -> list[str]:
    """What is silent on every item that training could hold, where that was declared."""
    found = document["support"]
    if found is None:
        return []
    out: list[str] = []
    what = f"what is declared of them ({found['table']}, {counted(found['items'], 'item')})"
    for members in silent_groups(found["silent_pairs"]):
        out.append(
            f"No amount of such data, whatever the items are by {what}, would tell {listed(members)} apart."
            if not out
            else f"Nor {listed(members)}."
        )
    for one in found["told_apart"][:3]:
        item = plainly([f"{feature} = {value}" for feature, value in one["item"].items()])
        out.append(
            f"Training happens to be silent between {listed(one['pair'])}: by {what}, {one['feedback']} on an item of {item} would "
            "tell them apart."
        )
    return out


def more_data(document: Mapping[str, Any]) -> list[str]:
    """How many items, in all, would settle what is not settled, by feedback."""
    out = []
    weights = document["weights"]
    for name, one in document["telling"].items():
        if one is None:
            continue
        open_pairs = [p for p in one["pairs"] if min(weights[p["truth"]], weights[p["other"]]) > UNSETTLED]
        open_pairs.sort(key=lambda p: -weights[p["truth"]])
        for pair in open_pairs[:2]:
            odds, needed = next(iter(pair["items"].items()))
            what = f"if {pair['truth']!r} is true, to favour it over {pair['other']!r} at {float(odds):g} to 1"
            if needed is None:
                out.append(
                    f"More than {one['sizes'][-1]:,} items of {name} such as these would be needed in all, {what}."
                )
                continue
            said = f"About {counted(needed, 'item')} of {name} such as these in all can be expected, {what}"
            out.append(f"{said}{_so_far(document, name, pair['truth'], pair['other'], float(odds), needed)}.")
    return out


def _so_far(document: Mapping[str, Any], feedback: str, truth: str, other: str, odds: float, needed: float) -> str:
    """What the items that there are say between two hypotheses, to follow what was to be expected of how many."""
    n = document["n_items"][feedback]
    if len(document["n_items"]) > 1:
        return f"; training has {n:,}"
    for pair in document["pairs"]:
        factor = pair["log_bayes_factor"]
        if factor is not None and set(pair["pair"]) == {truth, other}:
            if pair["pair"][0] == other:
                factor = -factor
            if factor < 0:
                return f"; the {n:,} of training favour {other!r}"
            short = f", {LESS}: people may go by neither" if n >= needed and factor < math.log(odds) else ""
            return f"; the {n:,} of training do so at {_odds(factor)} to 1{short}"
    return f"; training has {n:,}"


def expected_items(document: Mapping[str, Any], least: float) -> str:
    """How many items in all are expected to favour the leading hypothesis over the one that is hardest to tell from it.

    Only hypotheses that agent or judge give more weight than ``least`` count, and of each the feedback that tells it soonest;
    nothing where no number was simulated for any of them.
    """
    weights, agent = document["weights"], document["agent_weights"]
    lead = max(weights, key=weights.__getitem__)
    soonest: dict[str, tuple[float, str, str, str, Mapping[str, Any]]] = {}
    for name, one in document["telling"].items():
        classes = {} if one is None else {h: members for members in one["classes"] for h in members}
        for pair in () if one is None else one["pairs"]:
            held = max((max(weights[h], agent.get(h, 0.0)) for h in classes.get(pair["other"], ())), default=0.0)
            if lead not in classes.get(pair["truth"], ()) or held <= least:
                continue
            odds, needed = next(iter(pair["items"].items()))
            found = (math.inf if needed is None else needed, name, odds, pair["truth"], one)
            other = pair["other"]
            if other not in soonest or found[0] < soonest[other][0]:
                soonest[other] = found
    if not soonest:
        return ""
    other, (needed, name, odds, truth, one) = max(soonest.items(), key=lambda item: item[1][0])
    which = f" of {name}" if len(document["telling"]) > 1 else ""
    many = f"more than {one['sizes'][-1]:,}" if math.isinf(needed) else f"about {needed:,}"
    said = f"{many}{which} in all are expected to favour {truth!r} over {other!r} at {float(odds):g} to 1"
    return said + ("" if math.isinf(needed) else _so_far(document, name, truth, other, float(odds), needed))


def _odds(log_odds: float) -> str:
    """Odds that are not below 1, in two digits."""
    if log_odds > math.log(1e6):
        return "more than 1,000,000"
    x = float(f"{math.exp(log_odds):.2g}")
    return f"{x:,.0f}" if x >= 10 else f"{x:g}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


LESS = "less than expected"
UNSETTLED = 0.01
"""Posterior weight of either hypothesis above which a pair is not settled."""


def _both_ways(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Dangerous pairs in words; two that are as dangerous for one another are said once."""
    risks = {(pair["agent"], pair["truth"]): pair["risk"] for pair in pairs}
    said: dict[tuple[str, str], str] = {}
    for pair in pairs:
        back = (pair["truth"], pair["agent"])
        if back not in said or risks[back] != pair["risk"]:
            mutual = risks.get(back) == pair["risk"]
            said[back[::-1]] = pair["words"] + (", and the other way round" if mutual else "")
    return list(said.values())


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names as a person lists them: 'a', 'b' and 'c'."""
    return plainly([*map(repr, names[:most]), *([f"{len(names) - most} more"] if len(names) > most else [])])


def plainly(names: Sequence[str]) -> str:
    """Names without quotes: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def silent_groups(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Hypotheses that training cannot tell apart, group by group."""
    groups: dict[str, list[str]] = {}
    for a, b in pairs:
        group = groups.setdefault(a, [a])
        if b not in group:
            group.append(b)
        groups[b] = group
    return list({id(g): g for g in groups.values()}.values())


def own_prior(document: Mapping[str, Any]) -> str:
    """The study's own agent among the priors it is compared under; none of them is one that was read off its choices."""
    return "" if document.get("agent_reading") is not None else str(document["agent"]["prior"])


def hinges(document: Mapping[str, Any]) -> list[str]:
    """What the risk depends on."""
    risk = document["risk"]
    zero = risk["upper_of_zero"]
    refrains = "this one always acts"
    if document["agent"]["abstain"]:
        refrains = f"this one can be below it, and refrains in {percent(risk['abstained'], zero)} of scenes"
    out = [
        f"The least risk of an agent that always acts is {percent(risk['floor'], zero)}, by what the judge knows; {refrains}.",
        f"Regret, how much less reward than the best on offer: {risk['regret']:.3g} reward units a scene, rewards of different "
        "hypotheses added up as they stand.",
    ]
    if risk["at_least_one"] and risk["mean"] > 0:
        ever = risk["at_least_one"]
        what = "At least one catastrophe in so many scenes of one deployment"
        if document["agent"]["policy"] in DRAWS_ONE:
            what += ", which keeps to what it took up"
        shares = {int(d): percent(p) for d, p in ever.items()}
        if len(shares) > 1 and len(set(shares.values())) == 1:
            out.append(f"{what}: {shares[min(shares)]}, be it {min(shares):,} or {max(shares):,}.")
        else:
            out.append(f"{what}: " + "; ".join(f"{d:,}: {share}" for d, share in shares.items()) + ".")
    out += _bits_of_values(document)
    return out


def _bits_of_values(document: Mapping[str, Any]) -> list[str]:
    """What this agent must be told of human values, and one of uniform prior where that is another number."""
    said: dict[str, str] = {}
    for who, bits in (
        ("this agent", document.get("value_bits_of_agent") or {}),
        ("an agent of uniform prior", document["value_bits"]),
    ):
        known = {t: b for t, b in bits.items() if b is not None}
        words = "; ".join(
            f"{b:.3g} bit{'' if f'{b:.3g}' == '1' else 's'} for a risk of {100 * float(t):g}%" for t, b in known.items()
        )
        if words and words not in said.values():
            said[who] = words
    return [f"What {who} must be told of human values: {words}." for who, words in said.items()]


def other_values(document: Mapping[str, Any]) -> list[str]:
    """What other values of the judge would make of the risk, the agent's weights held."""
    out = []
    bounds = document["risk_bounds_within_factor"]
    if bounds:
        said = "; ".join(
            f"a factor of {float(k):g}, between {percent(low)} and {percent(high)}" for k, (low, high) in bounds.items()
        )
        out.append(f"Were the odds of the values off by up to so much, the risk would lie within: {said}.")
    joint = document["risk_bounds_jointly"]
    if joint:
        share, ends = list(joint.items())[-1]
        about = "" if ends["exact"] else " at least"
        out.append(
            f"The agent goes by the same values: were {100 * float(share):g}% of them any others, for both, the risk would lie{about} "
            f"between {percent(ends['lower'])} and {percent(ends['upper'])}."
        )
    nearest = None
    for name, one in document["tipping"].items():
        now = document["prior"][name]
        for target, weight in one["risk_at"].items():
            if weight is not None and (nearest is None or abs(weight - now) < abs(nearest[2] - nearest[3])):
                nearest = (name, target, weight, now)
    if nearest is not None:
        name, target, weight, now = nearest
        way = "above" if document["risk"]["mean"] < float(target) else "below"
        out.append(
            f"The risk is {way} {100 * float(target):g}% where the values give {name!r} {'more' if weight > now else 'less'} than "
            f"{percent(weight)}, the others in proportion; they give it {percent(now)}."
        )
    return out


def line_moved(document: Mapping[str, Any]) -> str:
    """What the risk would be with another failure line; nothing where that was not computed."""
    found, now = document["risk_by_line"], document["risk"]["mean"]
    if found is None or found["at"] is None:
        return ""
    known = [(t, x) for t, x in zip(found["at"], found["risk"], strict=True) if x is not None]
    moved = {
        way: next(
            ((t, x) for t, x in sorted(known, key=lambda one: abs(one[0])) if t * sign > 0 and abs(x - now) >= MOVES),
            None,
        )
        for way, sign in (("lower", -1), ("higher", 1))
    }
    if all(t == 0 for t, _ in known):
        return (
            "With the failure line moved at all, as far as was tried, the data are impossible under every hypothesis."
        )
    step = min(abs(t) for t, _ in known if t)
    said = [
        f"{abs(one[0]):g} standard deviations of the rewards {way}{' (the least step tried)' if abs(one[0]) == step else ''} it is "
        f"{percent(one[1])}"
        for way, one in moved.items()
        if one is not None
    ]
    if not said:
        low, high = (f"{abs(t):g}" for t in (known[0][0], known[-1][0]))
        beyond = (
            "" if len(known) == len(found["at"]) else " Beyond that the data are impossible under every hypothesis."
        )
        return (
            f"Where exactly failing lies hardly matters: moving the line by up to {low} standard deviations of the rewards down, or "
            f"{high} up, changes the risk by less than 5 percentage points.{beyond}"
        )
    nearest = min(abs(one[0]) for one in moved.values() if one is not None)
    head = (
        "The risk rests on where failing lies" if nearest <= NEAR else "Where exactly failing lies matters only far off"
    )
    return f"{head}: with the line {', '.join(said)}."


NEAR, MOVES = 0.5, 0.05
"""Standard deviations of the rewards by which a failure line may well be off; a change of the risk that is worth a word."""


def by_languages(document: Mapping[str, Any]) -> str:
    """Which language would make which landing; nothing where no hypothesis has a length."""
    found = {name: one for name, one in document["languages"].items() if one is not None and one["risk"] is not None}
    if not found:
        return ""
    said = [
        f"{name!r} would make it go by {listed(one['first'], 3)}{' alike' if len(one['first']) > 1 else ''}, a risk of {percent(one['risk'])}"
        for name, one in found.items()
    ]
    alike = len({tuple(one["first"]) for one in found.values()}) == 1
    end = "" if alike else "; the choice of a language is a choice of values by another name"
    return (
        f"Where the data are silent and simplicity decides, the language matters: {'; '.join(said)}{end}."
        if not alike
        else (f"Where the data are silent and simplicity decides, every language says the same: {said[0]}.")
    )


def worst_tenth(document: Mapping[str, Any]) -> str:
    """How much worse the worst tenth of the test is, and what sets it apart; nothing where it is not defined."""
    found = document.get("worst_case")
    if found is None or found["tail"]["risk"] - document["risk"]["mean"] < 5e-4:
        return ""
    tail = found["tail"]
    said = f"On the worst tenth of these scenes the risk is {percent(tail['risk'])}"
    if tail["words"]:
        return f"{said}; what sets them apart: {tail['words']}."
    return f"{said}; no feature sets them apart by much."


def beside_impact(document: Mapping[str, Any]) -> list[str]:
    """What a measure of impact, which knows no values, would have said; nothing where it is not defined."""
    found = document.get("impact")
    if found is None:
        return []
    flagged, passed = found["table"]["flagged"], found["table"]["passed"]
    everything = passed["catastrophe"] + passed["fine"] == 0
    out = [
        "By a measure of impact that knows no values (is an outcome farther from the centre of training than "
        f"{100 * found['level']:g}% of it?), {percent(flagged['catastrophe'] + flagged['fine'])} of what the agent does here is "
        f"flagged: {percent(flagged['catastrophe'])} a catastrophe, {percent(flagged['fine'])} not. It passes "
        f"{percent(passed['catastrophe'])} that is a catastrophe, and {percent(passed['fine'])} that is not."
        + (" It flags everything here, so it tells nothing apart." if everything else "")
    ]
    for row, what in (
        ("flagged", "Flagged, though probably fine"),
        ("passed", "Passed, though probably a catastrophe"),
    ):
        if found["examples"][row] is not None:
            out.append(f"{what}: {found['examples'][row]['words']}.")
    return out


def impossible(document: Mapping[str, Any]) -> str:
    """What no agent that sees only this training can do; nothing where training tells all apart."""
    found = document["impossible"]
    least = None if found is None else found["risk"].get("0.0")
    if found is None or not least:
        return ""
    half = found["risk"].get("0.5")
    wary = "" if half is None else f" If it refrains in half of the scenes, at least {percent(half)}."
    return (
        f"An agent that sees only such training does the same whichever of {listed(found['hypotheses'], 6)} is true. If it always "
        f"acts, the larger of its risks under them is at least {percent(least)}, whatever its prior and policy.{wary}"
    )


def shift(document: Mapping[str, Any]) -> str:
    """Whether the test is a shift, and in what."""
    found = document["shift"]
    p, permutations = found["p"], found["permutations"]
    said = f"p = {p:.3f}, {permutations} permutations"
    if p <= 1 / (permutations + 1):
        said = f"p = {p:.3f}, the least that {permutations} permutations can show"
    new = ""
    if found["n_new_classes"]:
        new = f" {counted(found['n_new_classes'], 'kind')} of item never seen in training ({counted(found['new_items'], 'item')})."
    if not document["shifted"]:
        return (
            f"Not detectably ({said}; below 0.01 it would be one): what the hypotheses say of the test does not differ from "
            f"what they say of training by more than chance may do, so this is ordinary generalisation, not a shift.{new}"
        )
    most = f"{found['indicator']}: {percent(found['training'])} in training, {percent(found['test'])} on the test"
    return f"Yes ({said}). The largest change: {most}.{new}"


def weightiest(document: Mapping[str, Any], most: int) -> list[str]:
    """Hypotheses in the study's order, or the weightiest where there are more than so many."""
    names = list(document["hypotheses"])
    return names if len(names) <= most else sorted(names, key=lambda n: -document["weights"][n])[:most]


def kind_in_words(classes: Mapping[str, str]) -> str:
    """A kind of item, as the hypotheses judge it: 'better than failing under flags; worse under red paint'."""
    said: list[str] = []
    for word in ("better than failing", "equal to failing", "worse than failing"):
        who = [name for name, given in classes.items() if given == word]
        if len(who) == len(classes) > 1:
            return f"{word} under all"
        if who:
            said.append(f"{word if not said else word.split()[0]} under {plainly(who)}")
    return "; ".join(said)


def table_sizes(document: Mapping[str, Any]) -> list[str]:
    """Every table and how large it is."""
    described = []
    for name, shape in document["tables"].items():
        size = counted(shape["scenes"], "scene") if shape["options"] else counted(shape["items"], "item")
        text = f"{name}: {size}"
        if shape["options"]:
            low, high = shape["options"]
            text += f" of {low}" + (f" to {high}" if high > low else "") + " option" + ("" if high == 1 else "s")
        described.append(text + (", weighted" if shape["weighted"] else ""))
    return described


MAXIMISES = ("commit", "most_probable", "expected", "cvar", "maximin")
"""Policies that take the best option where only one hypothesis has weight."""
DRAWS_ONE = ("commit", "boltzmann", "quantilize")
"""Policies that keep to one hypothesis for a whole deployment, drawn from the weights."""
POLICIES = {
    "commit": "It draws one hypothesis from its weights and keeps to it (one training run's luck): in every scene it does what "
    "that hypothesis values most.",
    "most_probable": "In every scene it does what its most probable hypothesis values most.",
    "expected": "In every scene it does what has the highest reward on average over its weights, which adds up rewards of "
    "different hypotheses as they stand.",
    "cvar": "In every scene it does what has the highest mean reward over the worst hypotheses, a share of its weights that the "
    "study states; that adds up rewards of different hypotheses as they stand.",
    "maximin": "In every scene it does what is best at worst, over the hypotheses that it finds credible; that compares rewards of "
    "different hypotheses as they stand.",
    "quantilize": "It draws one hypothesis from its weights and keeps to it, and takes an option at random among the best ones: "
    "a share of all options that the study states.",
    "boltzmann": "It draws one hypothesis from its weights and keeps to it, and prefers what that hypothesis values more "
    "without always choosing it (a softmax).",
}
PRIORS = {
    "uniform": "every hypothesis alike",
    "simplicity, rules": "simpler hypotheses first: the fewer symbols its reward is written with, the likelier",
    "simplicity, letters": "simpler hypotheses first: the fewer characters its reward is written with, the likelier",
    "simplicity, columns": "simpler hypotheses first: the fewer symbols, and a feature is the simpler the earlier its column stands in the "
    "training table",
    "values": "the human values themselves: it extrapolates as the judge does",
}


def prior_in_words(name: str) -> str:
    """What an agent of this prior finds likelier before any data."""
    return PRIORS.get(name, "simpler hypotheses first, by costs that the study gives")


def policy_in_words(document: Mapping[str, Any]) -> list[str]:
    """How the agent comes to act: what it believes, and what it does by it."""
    agent = document["agent"]
    held = ", ".join(
        f"{percent(document['agent_prior'][name])} {name!r} (then {percent(document['agent_weights'][name])})"
        for name in sorted(document["agent_weights"], key=lambda n: -document["agent_weights"][n])[:3]
    )
    acts = (
        "It may abstain, which is failing on purpose and never a catastrophe; so it has been told the failure line."
        if agent["abstain"]
        else "It must act: failing on purpose is not on offer."
    )
    does = POLICIES.get(agent["policy"], f"It follows the policy {agent['policy']!r}.")
    who = (
        "The agent here is a model, not a network that was trained: an ideal learner that weighs the hypotheses by a prior of "
        "its own and by the same training data."
    )
    if document.get("agent_reading") is not None:
        who = (
            "The agent was read off its own choices in probe scenes: its weights are a prior of its own, times how well each "
            "hypothesis explains the training data, times how well it explains those choices."
        )
    return [
        f"{who} Its prior, {agent['prior']!r}, is: {prior_in_words(agent['prior'])}. Before the data (and after) it holds {held}.",
        f"{does} {acts}",
    ]


def read_off(document: Mapping[str, Any]) -> list[str]:
    """What the agent's own choices say of it, in sentences; nothing where none were given."""
    reading = document.get("agent_reading")
    if reading is None:
        return []
    out = []
    for key, what in (
        ("with_training", "With what the training data say"),
        ("without_training", "By its own choices alone"),
    ):
        one = reading[key]
        held = sorted(one["weights"].items(), key=lambda item: -item[1])[:3]
        said = f"{what}, the agent goes by " + ", ".join(f"{name!r} at {percent(w)}" for name, w in held if w > 0)
        out.append(said + ("." if one["risk"] is None else f"; its risk is {percent(one['risk'])}."))
    far = [
        f"{100 * d['total_variation']:.0f}% of the prior {prior!r}"
        for prior, d in reading["with_training"]["distance"].items()
        if d["total_variation"] is not None
    ]
    if far:
        out.append(
            f"Share of its weight that lies on other hypotheses than that of an agent that is assumed: {plainly(far)}."
        )
    for of, known in reading["rationality"].items():
        lead = max(reading["with_training"]["weights"], key=reading["with_training"]["weights"].get)
        if known.get(lead) is not None:
            beta = known[lead]
            out.append(
                f"If it goes by {lead!r}, its rationality ({of}) is {beta['mean']:.2f} ({beta['lower']:.2f} to "
                f"{beta['upper']:.2f}); 0 is chance."
            )
    return out


def safest(document: Mapping[str, Any]) -> list[str]:
    """The safest built-in policy, what it earns, and whether the study's own is on the frontier of the two."""
    found = [one for one in document.get("frontier") or [] if one["risk"] is not None]
    own = next((one for one in found if one["own"]), None)
    if own is None:
        return []
    best = min(found, key=lambda one: (round(one["risk"], 9), -one["reward"]))
    alike = [one for one in found if _at_one_point(one, best)]
    who = repr(best["words"]) + (f" (and {len(alike) - 1} that do as well)" if len(alike) > 1 else "")
    out = [
        f"Of the built-in policies, by the same weights, the safest is {who}: a risk of {percent(best['risk'])} at an expected "
        f"reward of {best['reward']:.3g} a scene, refraining in {percent(best['abstained'])} of scenes. The study's own, "
        f"{own['words']!r}: {percent(own['risk'])} at {own['reward']:.3g}."
    ]
    if own["efficient"]:
        out.append("None of them is safer than the study's own and earns as much.")
    else:
        better = [one for one in found if one["risk"] <= own["risk"] + 1e-9 and one["reward"] >= own["reward"] - 1e-9]
        most = max(better, key=lambda one: (one["reward"], -one["risk"]))
        if most is not own and most is not best:
            out.append(
                f"No more risky than it, and earning most, is {most['words']!r}: {percent(most['risk'])} at {most['reward']:.3g}."
            )
        elif most is best:
            out.append("The safest earns no less.")
    out.append(
        "Expected reward is the judge's, and adds up rewards of different hypotheses as they stand, which sets an exchange rate "
        "between them: that is a human value too."
    )
    return out


def _at_one_point(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two policies come to the same risk and reward."""
    near = 1e-9 * max(abs(one["reward"]), abs(other["reward"]), 1e-300)
    return abs(one["risk"] - other["risk"]) <= 1e-9 and abs(one["reward"] - other["reward"]) <= near


def contributions(document: Mapping[str, Any]) -> list[tuple[str, str, float, float, float]]:
    """What the risk is the sum of, largest first: (taken up, true, chance of each, share of scenes that then go wrong).

    ``risk = sum_ij w_i v_j C_ij`` for an agent that draws one hypothesis from its weights; of others, nothing.
    """
    if document["risk"] is None or document["agent"]["policy"] not in DRAWS_ONE:
        return []
    parts = [
        (i, j, document["agent_weights"][i], document["weights"][j], c)
        for i, row in document["matrix"].items()
        for j, c in row.items()
    ]
    return sorted((p for p in parts if p[2] * p[3] * p[4] > 0), key=lambda p: -p[2] * p[3] * p[4])


def what_stays(document: Mapping[str, Any], agent: str, truth: str) -> str:
    """What endless training would do about a part of the risk, to follow it; nothing where that is not known."""
    found = document["risk_parts"]
    part = next((p for p in found["pairs"] if (p["agent"], p["truth"]) == (agent, truth)), None) if found else None
    if part is None:
        return ""
    if agent == truth:
        return "; nothing on offer there is better, or the policy does not take it"
    if part["silent"]:
        left = part["left"]
        stays = "removes none of this" if abs(left - part["risk"]) < 0.0005 else f"would leave {percent(left)} here"
        if left > part["risk"] + 0.0005:
            stays += " (more, because the weight of what it rules out moves to the others)"
        return f"; training is silent between the two, so endless training {stays}"
    if part["left"] > 0:
        return "; more training leaves it, for the agent goes by listed rules alone"
    return "; more training would tell the two apart"


CHOSEN = {
    "choices": "which option of a scene was taken",
    "rankings": "the options of a scene in order",
    "stops": "was this stopped",
    "proxy": "which reward was written",
    "demonstrations": "what was done, step by step",
}
PLANS = {
    "optimal": "who expects to choose best from the next step on",
    "soft": "who expects to choose as noisily from then on",
}


def named_with_human(name: str, one: Mapping[str, Any]) -> str:
    """What a feedback is called, and who said it, where that is known and not in its name."""
    human = one["settings"].get("human")
    return name if human is None or str(human).casefold() in name.casefold() else f"{name} ({human})"


def feedback_in_words(one: Mapping[str, Any], name: str) -> str:
    """What people said, and how it is taken to come about; by its name where that is not its kind."""
    return _feedback_in_words(one) if name == one["kind"] else f"{name}: {_feedback_in_words(one)}"


def _feedback_in_words(one: Mapping[str, Any]) -> str:
    noise = one["settings"].get("noise")
    if one["kind"] == "labels":
        if isinstance(noise, (int, float)):
            wrong = f"{percent(noise)} of them"
        else:
            wrong = f"an unknown share of them, about {percent(noise[0] / sum(noise))} (Beta({noise[0]:g}, {noise[1]:g}) below 1/2)"
        return f"labels (column {one['column']!r} of {one['table']}): is this item better than failing? Taken to be wrong: {wrong}"
    if one["kind"] == "rewards":
        a, b = one["settings"]["sigma2"]
        return f"rewards (column {one['column']!r} of {one['table']}): the reward seen, with normal noise of variance ~ InverseGamma({a:g}, {b:g})"
    if one["kind"] in CHOSEN:
        beta = one["settings"]["rationality"]
        if isinstance(beta, (int, float)):
            how = f"of rationality {beta:g}"
        else:
            how = f"whose rationality is inferred (its logarithm ~ Normal({beta[1]:g}, {beta[2]:g}))"
        who = one["settings"].get("human") or "somebody"
        if one["kind"] == "proxy":
            chosen, n = one["settings"]["chosen"], len(one["settings"]["candidates"])
            return f"proxy (for {one['table']}): the reward {chosen!r} was written, of {n} that might have been, by {who} {how}"
        if one["column"] is None:
            n, plans = one["settings"]["trajectories"], PLANS[one["settings"]["planner"]]
            where = f"{n} trajector{'y' if n == 1 else 'ies'} in {one['table']}"
            return f"{one['kind']} ({where}): {CHOSEN[one['kind']]}, by {who} {how}, {plans}"
        return f"{one['kind']} (column {one['column']!r} of {one['table']}): {CHOSEN[one['kind']]}, by {who} {how}"
    if one["kind"] == "ratings":
        grades, human = one["settings"]["grades"], one["settings"].get("human")
        by = f", by {human}, as rational as in what else {human} said" if human else ""
        return f"ratings (column {one['column']!r} of {one['table']}): each item graded, from {grades[0]} to {grades[-1]}{by}"
    return f"{one['kind']} (column {one['column']!r} of {one['table']})"


SCENES = {
    "together": "the pad is red and between flags",
    "apart": "the pad is only between flags, and a faraway crater is red",
    "decoy": "the pad is only between flags, and another flat site is red",
    "independent": "paint, flags and craters have nothing to do with one another",
}


def origin_in_words(origin: Mapping[str, Any] | None) -> str:
    """Where a table came from."""
    if origin is None:
        return "given as data"
    if "landing_sites" in origin:
        mix = "; ".join(
            (f"in {percent(share)} of scenes " if share < 1 else "") + SCENES.get(kind, kind)
            for kind, share in origin["mix"].items()
        )
        return f"landing sites on Gymnasium's lunar lander, seed {origin['seed']}: {mix}"
    if "from" in origin:
        names = ", then ".join(shift["name"] for shift in origin["shift"])
        chosen = f"chosen by {origin['chosen_by']}" if origin["chosen_by"] else "by whom it was chosen is not stated"
        why = f", because {origin['why']}" if origin["why"] else ""
        return f"made from {origin['from']} by {names} ({chosen}{why})"
    if "combinations" in origin:
        features = plainly(list(origin["combinations"]))
        return f"every combination of {features}" + ("" if origin["where"] is None else f" with {origin['where']}")
    return str(origin["file"])
