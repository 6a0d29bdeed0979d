"""What each figure says of the results at hand, in one sentence, and what is what in it."""

from collections.abc import Mapping
from typing import Any

from reward_hypotheses.analysis.report.sentences import line_moved, listed, percent, plainly, silent_groups


def point(name: str, document: Mapping[str, Any]) -> tuple[str, str]:
    """What a figure says of these results, and what is what in it."""
    return {
        "bits_by_size": _bits_point,
        "weights": _weights_point,
        "evidence_against_prior": _pairs_point,
        "evidence_by_feedback": _feedback_point,
        "risk_by_agent_prior": _priors_point,
        "matrix": _matrix_point,
        "risk_by_line": _line_point,
        "frontier": _frontier_point,
        "shift_check": _shift_point,
        "riskiest_scenes": _scenes_point,
        "predictive_check": _check_point,
    }[name](document)


def _bits_point(document: Mapping[str, Any]) -> tuple[str, str]:
    curve = document["bits_by_size"]
    training, telling = ([v for v in curve[key]["mean"] if v is not None] for key in ("training", "telling"))
    caption = (
        f"The least that an agent of uniform prior must be told of human values, in bits, for a risk of at most "
        f"{100 * curve['target']:g}%, by how many items it saw: items of training, or items of the test, each judged by a "
        f"hypothesis drawn from the human values. One bit is the answer to one even yes-or-no question. Means of "
        f"{curve['replications']} draws of the data; bands hold {100 * curve['band']:g}% of them."
    )
    if any(curve[key]["impossible"][k] for key in ("training", "telling") for k in range(len(curve["sizes"]))):
        caption += " Where even who knew the truth could not bring the risk so low, a draw is left out of the mean."
    left = curve["training"]["mean"][-1]
    if left is None:
        return "No amount of information about human values brings the risk so low.", caption
    own = (document["value_bits_of_agent"] or {}).get(repr(float(curve["target"])))
    this = "" if own is None or abs(own - left) < 0.005 else f" (this study's agent {own:.2f})"
    short = f"an agent of uniform prior {left:.2f} bits of human values short{this}"
    seen = f"{curve['sizes'][-1]:,} items of training leave {short}"
    flat = len(training) > 2 and abs(training[-1] - training[-3]) < 0.02
    if flat and document["silent_pairs"] and telling and left > telling[-1] + 0.05:
        stays = f"it leaves {short}, however much of it there is"
        return f"More of this training soon stops helping: {stays}. Items that tell would help.", caption
    return f"{seen}.", caption


def _line_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = (
        "The risk by what failing completely is worth, under every hypothesis so many standard deviations of its rewards on the "
        "test more (right) or less (left) than was stated. The judge's weights follow; the agent, and what it was told, stay as "
        "they are."
    )
    return line_moved(document), caption


def _weights_point(document: Mapping[str, Any]) -> tuple[str, str]:
    lead = max(document["weights"], key=document["weights"].get)
    said = f"The judge believes {lead!r} at {percent(document['weights'][lead])}"
    held = document["agent_weights"]
    top = [name for name, weight in held.items() if weight >= max(held.values()) * (1 - 1e-9)]
    other = f"; the agent believes {top[0]!r} at {percent(held[top[0]])}."
    if len(top) > 1:
        other = f"; the agent believes {listed(top, 3)} alike, at {percent(held[top[0]])}."
    elif top == [lead]:
        other = (
            ", and so does the agent."
            if percent(held[lead]) == percent(document["weights"][lead])
            else (f"; the agent believes it at {percent(held[lead])}.")
        )
    return (
        said + other,
        (
            "Open: the human values alone. Full: with the training data; so believes the judge, by whom the risk is judged. "
            "Diamond, below: the agent, by its own prior and the same data."
        ),
    )


def _pairs_point(document: Mapping[str, Any]) -> tuple[str, str]:
    groups = silent_groups(document["silent_pairs"])
    caption = "What the values and what the data add to the log odds of one hypothesis over another; 1 nat is a factor of 2.7."
    if groups:
        return f"Between {listed(groups[0], 3)} the data add nothing: whatever prefers one is a prior.", caption
    return "The data tell every two hypotheses apart.", caption


def _feedback_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = (
        "Each row by itself: 0 (bold) where it favours a hypothesis, and how many nats the others lie behind; 0 throughout where "
        "it tells nothing. 2.3 nats are a factor of 10, 4.6 of 100. The last row is the values and all feedback together."
    )
    found = document["evidence_by_feedback"]
    wrong = [name for name, one in found["given_others"].items() if one["contradicted"]]
    if wrong:
        return (
            f"The feedback contradicts itself: {plainly(wrong)} {'does' if len(wrong) == 1 else 'do'} not go with the rest.",
            caption,
        )
    quiet = [name for name, one in found["given_others"].items() if not one["favours"]]
    if quiet:
        return (
            f"{plainly(quiet)} {'tells' if len(quiet) == 1 else 'tell'} none of the hypotheses apart; the rest does.",
            caption,
        )
    return "No feedback contradicts the others.", caption


def _priors_point(document: Mapping[str, Any]) -> tuple[str, str]:
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    risks = {key: one[may]["risk"] for key, one in document["agents"].items()}
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    caption = "The same data and the same policy; only what the agent itself extrapolates by differs. Thin ticks: what endless training would leave."
    if any(no_wider_than_a_point(one) for one in document["agents"].values()):
        caption += " A short thick tick: the interval is a point."
    if document.get("agent_reading") is not None:
        assumed = f"{percent(risks[low])} to {percent(risks[high])}"
        return (
            f"The agent that was read has a risk of {percent(document['risk']['mean'])}; one assumed by a prior, {assumed}.",
            caption,
        )
    if risks[high] - risks[low] < 0.005:
        return f"Whatever the agent's prior, the risk is about {percent(risks[high])}.", caption
    return f"The risk is {percent(risks[low])} by the prior {low!r} and {percent(risks[high])} by {high!r}.", caption


def no_wider_than_a_point(one: Mapping[str, Any]) -> bool:
    """Whether the interval of an agent's risk is too narrow to be seen as a bar."""
    return one["lower"] is not None and one["upper"] - one["lower"] < NARROW


NARROW = 0.005
"""Width of an interval below which it is drawn as a point."""


def _frontier_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = (
        "Every built-in policy, by the agent's own weights: what it risks, and what the judge expects it to earn, rewards of "
        "different hypotheses added up as they stand. A dotted line joins a policy that must act to the same that may abstain."
    )
    found = [one for one in document["frontier"] if one["risk"] is not None]
    if len({(round(one["risk"], 9), one["reward"]) for one in found if one["efficient"]}) > 1:
        caption += " On the stairs: no other is safer and earns as much."
    own = next(one for one in found if one["own"])
    if own["efficient"]:
        return "No built-in policy is safer than the study's own and earns as much.", caption
    safer = [one for one in found if one["risk"] < own["risk"] - SAME and one["reward"] >= own["reward"] - SAME]
    if not safer:
        best = max((one for one in found if one["risk"] <= own["risk"] + SAME), key=lambda one: one["reward"])
        return f"{best['words']!r} is as safe as the study's own policy, and is expected to earn more.", caption
    best = min(safer, key=lambda one: (round(one["risk"], 9), -one["reward"]))
    more = "earns more" if best["reward"] > own["reward"] + SAME else "earns as much"
    said = f"{best['words']!r} is safer than the study's own policy and {more}: {percent(best['risk'])} against {percent(own['risk'])}."
    return said[:1].upper() + said[1:], caption


SAME = 1e-9


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
    if not document["silent_pairs"]:
        return "What an agent does that takes up one of them, were another true.", caption
    return "No two hypotheses that training cannot tell apart are dangerous for one another.", caption


def _shift_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = "Kinds of item, by what the hypotheses say of them, and how common each is."
    share = document["shift"]["new_share"]
    if share > 0:
        return f"{percent(share)} of the test's items are of kinds that training never showed.", caption
    if document["shifted"]:
        return "Training and test differ in what the hypotheses say about them.", caption
    return (
        f"No change is detectable in what the hypotheses say of the items (p = {document['shift']['p']:.3g}).",
        caption,
    )


def _scenes_point(document: Mapping[str, Any]) -> tuple[str, str]:
    scenes, mean = document["riskiest_scenes"], document["risk"]["mean"]
    if abs(scenes[0]["risk"] - mean) < 1e-6:
        return "The risk is the same in every scene.", "The first of the test's scenes."
    if len(scenes) > 1 and scenes[0]["risk"] - scenes[-1]["risk"] < 1e-9:
        said = f"At least {len(scenes)} scenes have the highest risk, {percent(scenes[0]['risk'])}, against {percent(mean)} on average."
        return said, "Scenes of highest risk on the test, the first of them."
    return (
        f"The riskiest scene, {scenes[0]['scene']}, has a risk of {percent(scenes[0]['risk'])}, against {percent(mean)} on average.",
        "The scenes of highest risk on the test.",
    )


def _check_point(document: Mapping[str, Any]) -> tuple[str, str]:
    caption = (
        "The data beside replications of them by the fitted model; p is the share of replications at least as extreme as the "
        "data: near 0 it is a misfit."
    )
    if document["misfit"]:
        return "The training data do not look like what the model would make.", caption
    return "The training data look like what the model would make.", caption
