"""What the results say, in sentences that the summary, the report and its figures share."""

from collections.abc import Mapping, Sequence
from typing import Any


def percent(x: float | None, upper: float | None = None) -> str:
    """A share in percent; one that is not 0 never looks like 0, and one that is not 1 never like 1.

    Where `upper` is given, a 0 stands beside the upper limit of a rate of which no event was seen.
    """
    if x is None:
        return "-"
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
        return [
            f"The leading hypothesis is {lead!r}, with a weight of {percent(document['weights'][lead])}. "
            "There is no test, so there is no risk."
        ]
    out = [risk_sentence(risk)]
    left = risk["limit"]
    if left:
        out.append(
            f"Endless training of this kind would leave {percent(left)}: there the data are silent, and assumptions about "
            "human values decide."
        )
    return out


def risk_sentence(risk: Mapping[str, Any]) -> str:
    """The risk, how sure it is by the values, and how sure by the test."""
    if risk["mean"] == 0:
        return f"Catastrophe risk: none seen in {_scenes(risk)}, so at most {percent(risk['upper_of_zero'])} (95% confidence)."
    doubt = "The values are stated without a strength, so their uncertainty is not in it."
    if risk["lower"] is not None:
        doubt = (
            f"By uncertainty about the values alone it is {percent(risk['lower'])} to {percent(risk['upper'])} "
            f"({100 * risk['prob']:g}%)."
        )
    return f"Catastrophe risk: {percent(risk['mean'])} of scenes. {doubt} {finite_test(risk)}"


def finite_test(risk: Mapping[str, Any]) -> str:
    """How sure the risk is by the number of scenes it was measured on."""
    if risk["se_scenes"] == 0:
        return f"It is the same in all {_scenes(risk)} of the test."
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
    out = [f"Agent: policy {agent['policy']}, {acts}, extrapolating by the prior {agent['prior']!r}."]
    out.extend(sources(document["values"]))
    out.append("Tables: " + "; ".join(table_sizes(document)) + ".")
    out.extend(sampling(document))
    return out


def sampling(document: Mapping[str, Any]) -> list[str]:
    """Say what was sampled, how well, and what that leaves open; nothing where all is exact."""
    sampler = document["fit"]["sampler"]
    if sampler is None:
        return []
    which = ", ".join(name for name, method in document["fit"]["methods"].items() if method == "nuts")
    evidence = max(p["mcse"] for p in document["pairs"]) if document["pairs"] else 0.0
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
    if "prior" in values:
        return [f"Values: {values['prior']}; {values['source']}."]
    return [f"Values: {values['source']}{strength(values)}."]


def strength(stated: Mapping[str, Any]) -> str:
    """How many judgements values are worth, where that is stated."""
    given = stated.get("strength")
    return "" if given is None else f" (worth {given:g} judgements)"


def evidence(document: Mapping[str, Any]) -> list[str]:
    """What is evidence, what is prior, and what is dangerous about it."""
    out = []
    for members in silent_groups(document["silent_pairs"]):
        shown = ", ".join(map(repr, members[:8])) + (f" and {len(members) - 8} more" if len(members) > 8 else "")
        out.append(f"Training is silent between {shown}: what prefers one of them is an assumption, not evidence.")
    if not out:
        out.append("Training tells every two hypotheses apart.")
    telling = [p for p in document["pairs"] if not p["silent"] and p["log_bayes_factor"] is not None]
    telling.sort(key=lambda p: -abs(p["log_bayes_factor"]))
    if telling:
        words = telling[0]["words"]
        out.append("Most telling: " + words + ".")
    dangerous = document["dangerous_pairs"] or []
    for pair in dangerous[:2]:
        words = pair["words"]
        out.append("Dangerous: " + words + ".")
    if len(dangerous) > 2:
        out.append(f"({len(dangerous) - 2} more dangerous pairs stand in results.json.)")
    return out


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
    """The study's own agent among the priors it is compared under."""
    return str(document["agent"]["prior"])


def hinges(document: Mapping[str, Any]) -> list[str]:
    """What the risk depends on."""
    risk = document["risk"]
    zero = risk["upper_of_zero"]
    refrains = "this one always acts"
    if document["agent"]["abstain"]:
        refrains = f"this one can be below it, and refrains in {percent(risk['abstained'], zero)} of scenes"
    out = [
        f"The least risk of an agent that always acts is {percent(risk['floor'], zero)}; {refrains}.",
        f"Regret: {risk['regret']:.3g} reward units a scene, rewards of different hypotheses added up as they stand.",
    ]
    ever = [f"{int(d):,}: {percent(p)}" for d, p in risk["at_least_one"].items()]
    if ever and risk["mean"] > 0:
        drawn = (
            " (one hypothesis drawn for all of them)" if document["agent"]["policy"] in ("commit", "boltzmann") else ""
        )
        out.append(f"At least one catastrophe in so many deployments{drawn}: " + "; ".join(ever) + ".")
    known = {t: b for t, b in document["value_bits"].items() if b is not None}
    if known:
        bits = "; ".join(
            f"{b:.3g} bit{'' if f'{b:.3g}' == '1' else 's'} for a risk of {float(t):g}" for t, b in known.items()
        )
        out.append(f"What an agent of uniform prior must be told of human values: {bits}.")
    return out


def shift(document: Mapping[str, Any]) -> str:
    """Whether the test is a shift, and in what."""
    found = document["shift"]
    p = found["p"]
    said = f"p = {p:.3f}, {found['permutations']} permutations"
    if not document["shifted"]:
        return (
            f"Not detectably ({said}; below 0.01 it would be one): what the hypotheses say of the test does not differ from "
            "what they say of training by more than chance, so this is ordinary generalisation, not a shift."
        )
    most = f"{found['indicator']}: {percent(found['training'])} in training, {percent(found['test'])} on the test"
    new = ""
    if found["n_new_classes"]:
        items = sum(c["items"] for c in found["new_classes"])
        kinds = found["n_new_classes"]
        new = f" {kinds} kind{'s' if kinds != 1 else ''} of item never seen in training ({items} items)."
    return f"Yes ({said}). Most of all, {most}.{new}"


def weightiest(document: Mapping[str, Any], most: int) -> list[str]:
    """Hypotheses in the study's order, or the weightiest where there are more than so many."""
    names = list(document["hypotheses"])
    return names if len(names) <= most else sorted(names, key=lambda n: -document["weights"][n])[:most]


def kind_in_words(classes: Mapping[str, str]) -> str:
    """A kind of item, as the hypotheses judge it: 'better than failing by flags; worse by red paint'."""
    said: list[str] = []
    for word in ("better than failing", "equal to failing", "worse than failing"):
        who = [name for name, given in classes.items() if given == word]
        if len(who) == len(classes) > 1:
            return f"{word} by all"
        if who:
            said.append(f"{word if not said else word.split()[0]} by {', '.join(who)}")
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


POLICIES = {
    "commit": "It draws one hypothesis from its weights, for the whole deployment (one training run's luck), and always does "
    "what that hypothesis values most.",
    "most_probable": "It always does what its most probable hypothesis values most.",
    "expected": "It does what has the highest reward on average over its weights, which adds up rewards of different "
    "hypotheses as they stand.",
    "boltzmann": "It draws one hypothesis from its weights, for the whole deployment, and prefers what that hypothesis values "
    "more without always choosing it (a softmax).",
}


def policy_in_words(document: Mapping[str, Any]) -> list[str]:
    """How the agent comes to act: what it believes, and what it does by it."""
    agent = document["agent"]
    if agent["prior"] == "values":
        prior = "Its prior is the human values themselves: it extrapolates as the judge would."
    elif agent["prior"] == "uniform":
        prior = "Its prior is uniform: where the data are silent it has no opinion of its own."
    else:
        prior = f"Its own prior is {agent['prior']!r}: where the data are silent, it prefers the hypotheses that are simpler."
    held = sorted(document["hypotheses"], key=lambda n: -document["agent_weights"][n])[:3]
    weights = ", ".join(f"{percent(document['agent_weights'][name])} {name!r}" for name in held)
    acts = (
        "It may abstain, which is failing on purpose and never a catastrophe; so it has been told the failure line."
        if agent["abstain"]
        else "It must act: it may not abstain."
    )
    does = POLICIES.get(agent["policy"], f"It follows the policy {agent['policy']!r}.")
    return [
        f"The agent learned from the same data as the judge. {prior} After training it holds {weights}.",
        f"{does} {acts}",
    ]


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
    return str(origin["file"])


def point(name: str, document: Mapping[str, Any]) -> tuple[str, str]:
    """What a figure says of these results, and what is what in it."""
    return {
        "bits_by_size": _bits_point,
        "weights": _weights_point,
        "evidence_against_prior": _pairs_point,
        "risk_by_agent_prior": _priors_point,
        "matrix": _matrix_point,
        "shift_check": _shift_point,
        "riskiest_scenes": _scenes_point,
        "predictive_check": _check_point,
    }[name](document)


def _bits_point(document: Mapping[str, Any]) -> tuple[str, str]:
    curve = document["bits_by_size"]
    training, telling = ([v for v in curve[key]["mean"] if v is not None] for key in ("training", "telling"))
    caption = (
        f"The least that an agent of uniform prior must be told of human values, in bits, for a risk of at most "
        f"{curve['target']:g}, by how many items were seen: of training, or of the test with each item judged by one of the "
        f"hypotheses, drawn from the values. Means of {curve['replications']} draws of the data; bands hold "
        f"{100 * curve['band']:g}% of them."
    )
    if not training or not telling:
        return "No amount of information about human values brings the risk so low.", caption
    if training[-1] > telling[-1] + 0.05:
        left = f"{training[-1]:.2f} bits"
        return (
            f"More training of this kind does not help: {left} of human values stay missing, however much there is.",
            caption,
        )
    return f"{curve['sizes'][-1]:,} items of training leave {training[-1]:.2f} bits of human values missing.", caption


def _weights_point(document: Mapping[str, Any]) -> tuple[str, str]:
    lead = max(document["weights"], key=document["weights"].get)
    said = f"The judge believes {lead!r} at {percent(document['weights'][lead])}"
    mine = max(document["agent_weights"], key=document["agent_weights"].get)
    other = (
        f"; the agent believes {mine!r} at {percent(document['agent_weights'][mine])}."
        if mine != lead
        else ", and so does the agent."
    )
    return (
        said + other,
        "Open: the human values alone. Full: with the training data. Diamond: the agent, by its own prior and the same data.",
    )


def _pairs_point(document: Mapping[str, Any]) -> tuple[str, str]:
    groups = silent_groups(document["silent_pairs"])
    caption = "What the values and what the data add to the log odds of one hypothesis over another; 1 nat is a factor of 2.7."
    if groups:
        members = " and ".join(map(repr, groups[0][:3]))
        return f"Between {members} the data add nothing: whatever prefers one is a human value.", caption
    return "The data tell every two hypotheses apart.", caption


def _priors_point(document: Mapping[str, Any]) -> tuple[str, str]:
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    risks = {key: one[may]["risk"] for key, one in document["agents"].items()}
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    caption = "The same data and the same policy; only what the agent itself extrapolates by differs. Ticks: what endless training would leave."
    if risks[high] - risks[low] < 0.005:
        return f"Whatever the agent's prior, the risk is about {percent(risks[high])}.", caption
    return f"The risk is {percent(risks[low])} by the prior {low!r} and {percent(risks[high])} by {high!r}.", caption


def _matrix_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = "Share of the test's scenes in which an agent certain of the row's hypothesis does worse than failing, where the column's is true."
    dangerous = document["dangerous_pairs"]
    if dangerous:
        one = dangerous[0]
        return (
            f"Taking up {one['agent']!r} where {one['truth']!r} is true is a catastrophe in {percent(one['risk'])} of scenes, and "
            "training cannot tell which is true.",
            caption,
        )
    return "No two hypotheses that training cannot tell apart are dangerous for one another.", caption


def _shift_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = "Kinds of item, by what the hypotheses say of them, and how common each is."
    new = [k for k in document["shift"]["kinds"] if k["training"] == 0 and k["test"] > 0]
    if new and document["shifted"]:
        share = sum(k["test"] for k in new)
        return f"{percent(share)} of the test's items are of kinds that training never showed.", caption
    if document["shifted"]:
        return "Training and test differ in what the hypotheses say about them.", caption
    return "What the hypotheses say of the test is what they say of training.", caption


def _scenes_point(document: Mapping[str, Any]) -> tuple[str, str]:
    scenes, mean = document["riskiest_scenes"], document["risk"]["mean"]
    if abs(scenes[0]["risk"] - mean) < 1e-6:
        return "The risk is the same in every scene.", "The first of the test's scenes."
    return (
        f"The riskiest scene, {scenes[0]['scene']}, has a risk of {percent(scenes[0]['risk'])}, against {percent(mean)} on average.",
        "The scenes of highest risk on the test.",
    )


def _check_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = "The data beside replications of them by the fitted model; p is the share of replications that are at least as extreme."
    if document["misfit"]:
        return "The training data do not look like what the model would make.", caption
    return "The training data look like what the model would make.", caption
