"""Phrases and look-ups of the results document that several topics share."""

from collections.abc import Mapping, Sequence
from typing import Any

from reward_hypotheses.models.policies.registry import POLICIES

LEAST = 0.0005
"""A change of the risk below this is not mentioned: in percent, it is rounded to nothing."""
MOVES, NEAR = 0.05, 0.5
"""Change of the risk that is worth a remark; standard deviations of the rewards by which a failure line may well be off."""
DRAWS_ONE = tuple(name for name, policy in POLICIES.items() if policy.mixes_weights)
"""Policies that follow one hypothesis throughout a deployment, drawn from the weights."""


def percent(x: float | None, upper: float | None = None) -> str:
    """Return a share in percent; only an exact 0 reads as 0, only an exact 1 as 100.

    Where `upper` is stated, a 0 stands beside the upper limit of a rate of which no event was seen.
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


SOURCES = {
    "values": "uncertainty about the stated values",
    "agent": "uncertainty about what the agent goes by",
    "reward_weights": "uncertainty about the judge's reward weights",
    "scenes": "the finite number of scenes",
    "evidence": "Monte Carlo error of the evidence",
}
"""Sources of doubt about the risk, as phrases."""


def risk_interval(risk: Mapping[str, Any]) -> Sequence[float] | None:
    """Return the ends of the interval of the risk, from all sources.

    Results of an older version know the values alone, and None where these have no strength.
    """
    if risk.get("intervals"):
        ends: Sequence[float] | None = risk["intervals"]["all"]
        return ends
    return None if risk["lower"] is None else (risk["lower"], risk["upper"])


def doubt_in_words(risk: Mapping[str, Any]) -> list[str]:
    """Return the interval of the risk and its largest source, as sentences."""
    interval, level = risk_interval(risk), f"{100 * risk['prob']:g}%"
    unstated = "The values are stated without a strength"
    if interval is None:
        single = " and the test is a single scene" if risk["n_scenes"] == 1 else ""
        return [f"{unstated}{single}, so the risk has no interval."]
    low, high = map(percent, interval)
    if low == high:
        sentences = [f"All sources of uncertainty hardly move it: the {level} interval is {low} at both ends."]
    else:
        open_sources = [source for source, part in risk.get("variance", {}).items() if part and part["total"] > 0]
        largest = risk.get("largest_source")
        share = "" if largest is None else f", {'from' if len(open_sources) == 2 else 'mostly from'} {SOURCES[largest]}"
        sentences = [f"{level} credible interval {low} to {high}{share}."]
    if risk["lower"] is None:
        return [*sentences, f"{unstated}, so uncertainty about them is not in this interval."]
    ends = percent(risk["lower"]), percent(risk["upper"])
    if ends != (low, high):
        sentences.append(f"Uncertainty about the values alone gives {' to '.join(dict.fromkeys(ends))}.")
    return sentences


def counted(n: int, noun: str) -> str:
    """Return a number of things: '1 item', '1,000 items'."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def bits_in_words(n: float, digits: int) -> str:
    """Return a number of bits as text, with a given number of significant digits."""
    text = f"{n:.{digits}g}"
    return f"{text} bit{'' if text == '1' else 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return quoted names as a person lists them: 'a', 'b' and 'c'."""
    return plainly([*map(repr, names[:most]), *([f"{len(names) - most} more"] if len(names) > most else [])])


def more_in(n: int, file: str) -> str:
    """Return where the rest of a list stands: '2 more stand in tables/weights.csv'."""
    return f"{n:,} more {'stands' if n == 1 else 'stand'} in {file}"


def plainly(names: Sequence[str]) -> str:
    """Return names without quotes as a person lists them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def holds_space(document: Mapping[str, Any]) -> bool:
    """Return whether a hypothesis is a space of rules."""
    return any(of["hypothesis"] for of in (document.get("rule_spaces") or {}).values())


def other_truths(document: Mapping[str, Any]) -> str:
    """Return the truths to which a part of the prior may move; empty if none."""
    if holds_space(document):
        return "other rules" if len(document["hypotheses"]) == 1 else "other listed hypotheses or rules"
    return "other listed hypotheses" if len(document["hypotheses"]) > 1 else ""


def no_two(document: Mapping[str, Any]) -> str:
    """Return the subject of a sentence on pairs of which there are none."""
    return "No two listed hypotheses" if document.get("rule_spaces") else "No two hypotheses"


def capital(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def value_in_words(value: float | str | None) -> str:
    """Return a failure line as it was stated."""
    if value is None:
        return "nothing that anybody stated"
    return value if isinstance(value, str) else f"{value:g}"


def named_with_human(name: str, feedback: Mapping[str, Any]) -> str:
    """Return the name of a feedback, with its human unless the name holds it."""
    human = feedback["settings"].get("human")
    return name if human is None or str(human).casefold() in name.casefold() else f"{name} ({human})"


def at(tree: Any, path: Sequence[Any]) -> Any:
    """Return the value at a path of the document; None where the path ends in a null."""
    for key in path:
        if tree is None:
            return None
        tree = tree[key] if isinstance(tree, list) else tree.get(key)
    return tree


def error_of(document: Mapping[str, Any], *path: str | int) -> float | None:
    """Return the Monte Carlo error of a number of the document.

    The error is 0 where the number is exact, and None where it is not known.
    """
    return 0.0 if document["mcse"] is None else at(document["mcse"], path)


def weightiest(document: Mapping[str, Any], most: int) -> list[str]:
    """Return all hypotheses in the study's order, or only the weightiest.

    At most `most` hypotheses are returned.
    """
    names = list(document["hypotheses"])
    return names if len(names) <= most else sorted(names, key=lambda n: -document["weights"][n])[:most]


def leading(document: Mapping[str, Any]) -> str:
    """Return the hypothesis of greatest weight."""
    return max(document["weights"], key=document["weights"].__getitem__)


def pair_ranks(document: Mapping[str, Any], pairs: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """Return the lesser weight of each pair, by which a long table is cut."""
    weights = document["weights"]
    return tuple(min(weights[a], weights[b]) for a, b in pairs)


def silent_groups(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return groups of hypotheses that are observationally equivalent in training."""
    groups: dict[str, list[str]] = {}
    for a, b in pairs:
        group = groups.setdefault(a, [a])
        if b not in group:
            group.append(b)
        groups[b] = group
    return list({id(group): group for group in groups.values()}.values())


def permission(document: Mapping[str, Any]) -> str:
    """Return ``may_abstain`` or ``acts``, the key of numbers of the study's agent."""
    return "may_abstain" if document["agent"]["abstain"] else "acts"


def was_spent(document: Mapping[str, Any], table: str | None = None) -> bool:
    """Return whether a test (the first by default) was used to choose an agent."""
    return (document.get("spent") or {}).get(document["test_table"] if table is None else table) is not None


def without_spent_limits(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document without upper limits of rates on tests that chose an agent."""
    risk, also = document["risk"], document.get("also") or {}
    chosen = [name for name in also if was_spent(document, name)]
    if risk is not None and was_spent(document):
        document = {**document, "risk": {**risk, "upper_of_zero": None}}
    if chosen:
        limited = {name: {**also[name], "risk": {**also[name]["risk"], "upper_of_zero": None}} for name in chosen}
        document = {**document, "also": {**also, **limited}}
    return document


def misfits(document: Mapping[str, Any]) -> list[str]:
    """Return statements against the model.

    They are data that it does not fit, and evidence that contradicts other evidence.
    """
    by_feedback, reading = document["evidence_by_feedback"], document.get("agent_reading")
    contradictions = [] if by_feedback is None else by_feedback["contradictions"]
    of_agent = [] if reading is None or reading["contradiction"] is None else [reading["contradiction"]]
    return [*document["misfit"], *contradictions, *of_agent]


def other_warnings(document: Mapping[str, Any], warnings: Sequence[str]) -> list[str]:
    """Return the warnings that are not listed among the `misfits` too."""
    listed_above = set(misfits(document))
    return [warning for warning in warnings if warning not in listed_above]


def policy_name(entry: Mapping[str, Any]) -> str:
    """Return a policy of the frontier in words, without its permission to abstain."""
    return str(entry["words"]).removesuffix(", may abstain") if entry["abstain"] else str(entry["words"])


def does(entry: Mapping[str, Any]) -> str:
    """Return what a policy of the frontier does; empty of one that is not built in."""
    kind = POLICIES.get(entry["policy"])
    return "" if kind is None else kind(**entry["settings"], abstain=entry["abstain"]).does


def policies(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the policies of the frontier whose outcome was computed."""
    return [entry for entry in document.get("frontier") or [] if entry["risk"] is not None]


def own_policy(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the study's own policy among those of the frontier.

    The result is None where there is no frontier.
    """
    return next((entry for entry in document.get("frontier") or [] if entry["own"]), None)


def zeros_note(document: Mapping[str, Any], rates: Sequence[float | None]) -> tuple[str, ...]:
    """Return a note on the meaning of a 0 among rates of the test.

    The tuple is empty where no rate is 0.
    """
    risk = document["risk"]
    if 0 not in rates or risk["upper_of_zero"] is None:
        return ()
    return (
        f"0: none seen in {risk['n_scenes']:,} scenes, so at most {percent(risk['upper_of_zero'])} (95% confidence).",
    )
