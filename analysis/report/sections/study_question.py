"""The question: hypotheses, data, feedback and failure line, with their sources."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.phrases import counted, percent, plainly, value_in_words, was_spent
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation, texts
from reward_hypotheses.analysis.report.sections.evidence import INTEGRATED, sampling
from reward_hypotheses.analysis.report.sections.value_sources import sources

MOST = 12
"""Hypotheses that are listed on the page."""
TERMS = (
    (
        "The judge",
        "whoever holds the human values that are stated here and accepts the data; the risk is judged by these beliefs.",
    ),
    (
        "The agent",
        "what learns from the data and acts on the test; where the data are silent, it extrapolates by a prior of its own.",
    ),
    ("Silent", "training is silent between two hypotheses where both predict the same of every item in it."),
    ("Catastrophe", "an outcome worse than failing completely."),
)
"""Terms that the page uses, with their definitions."""
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
SCENES = {
    "together": "the pad is red and between flags",
    "apart": "the pad is only between flags, and a faraway crater is red",
    "decoy": "the pad is only between flags, and another flat site is red",
    "independent": "paint, flags and craters have nothing to do with one another",
}
MADE = {"landing_sites", "from", "combinations"}
"""Origins of tables that a study makes itself."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the question, the data behind it, and how to reproduce the answer."""
    yield Presentation("question", "question", texts(_question(document)))
    yield Presentation("frames", "frames", _frames(document))
    yield Presentation("asked", "asked", _asked(document), terminal=asked(document))
    yield Presentation("provenance", "provenance", _provenance(document))


def _question(document: Document) -> str:
    if document["risk"] is None:
        return "Which reward do people mean, by the data they gave and the values that were stated?"
    where = "on scenes by which an agent was chosen" if was_spent(document) else "on the test"
    return f"How often would an agent that learned from the training data do, {where}, what is worse than failing completely (a catastrophe)?"


def asked(document: Document) -> list[str]:
    """Return sentences on the agent, the values and the tables."""
    agent = document["agent"]
    acts = "may abstain" if agent["abstain"] else "must act"
    read = ", and read off its own choices" if document.get("agent_reading") is not None else ""
    return [
        f"Agent: policy {agent['policy']}, {acts}, extrapolating by the prior {agent['prior']!r}{read}.",
        *sources(document["values"]),
        "Tables: " + "; ".join(_table_sizes(document)) + ".",
        *sampling(document),
    ]


def _table_sizes(document: Document) -> list[str]:
    sizes = []
    for name, shape in document["tables"].items():
        text = f"{name}: {counted(shape['scenes'], 'scene') if shape['options'] else counted(shape['items'], 'item')}"
        if shape["options"]:
            low, high = shape["options"]
            text += f" of {low}" + (f" to {high}" if high > low else "") + " option" + ("" if high == 1 else "s")
        sizes.append(text + (", weighted" if shape["weighted"] else ""))
    return sizes


def _asked(document: Document) -> list[Part]:
    rewards = [(name, f"reward {document['rewards'][name]}") for name in document["hypotheses"]]
    feedback = [feedback_in_words(entry, name) for name, entry in document["feedback"].items()]
    origins = [
        f"{size}; {origin_in_words(shape['origin'])}"
        for shape, size in zip(document["tables"].values(), _table_sizes(document), strict=True)
    ]
    return [
        *texts("The data:"),
        Part("list", entries=origins),
        *(
            texts(f"What was said of the training data: {feedback[0]}.")
            if len(feedback) == 1
            else [*texts("What was said of the training data:"), Part("list", entries=feedback)]
        ),
        *texts("Whoever said it wants something. It is taken to be one of these rewards of an item:"),
        Part("terms", entries=rewards[:MOST]),
        *texts(f"and {len(rewards) - MOST} more, which stand in tables/weights.csv." if len(rewards) > MOST else ""),
        *texts(_failure_line(document), "Words used below:"),
        Part("terms", entries=TERMS),
    ]


def _failure_line(document: Document) -> str:
    lines = list(document["fail_utility"].items())
    if len({repr(value) for _, value in lines}) == 1:
        worth = f"{value_in_words(lines[0][1])} under each of them"
    else:
        worth = "; ".join(f"{value_in_words(value)} under {name!r}" for name, value in lines[:MOST])
    text = f"The failure line, which is a human value too: failing completely is worth {worth}."
    spreads = [(name, sd) for name, sd in document.get("reward_sd", {}).items() if sd is not None]
    if spreads and any(value != 0 for _, value in lines):
        stated = ", ".join(f"{sd:.4g} under {name!r}" for name, sd in spreads[:MOST])
        text += f" For comparison, the standard deviation of the rewards over the training items is {stated}."
    return text + " An outcome is a catastrophe where it is worse than that, under the reward that is true."


def feedback_in_words(feedback: Mapping[str, Any], name: str) -> str:
    """Return a feedback's name, kind and model of how people choose."""
    words = _feedback_in_words(feedback)
    return words if name == feedback["kind"] else f"{name}: {words}"


def _feedback_in_words(feedback: Mapping[str, Any]) -> str:
    kind, settings = feedback["kind"], feedback["settings"]
    source = f"{kind} (column {feedback['column']!r} of {feedback['table']})"
    if kind == "labels":
        noise = settings["noise"]
        if isinstance(noise, (int, float)):
            wrong = f"{percent(noise)} of them"
        else:
            wrong = f"an unknown share of them, about {percent(noise[0] / sum(noise))} (Beta({noise[0]:g}, {noise[1]:g}) below 1/2)"
        return f"{source}: is this item better than failing? Taken to be wrong: {wrong}"
    if kind == "rewards":
        a, b = settings["sigma2"]
        return f"{source}: the reward seen, with normal noise of variance ~ InverseGamma({a:g}, {b:g})"
    if kind in CHOSEN:
        return _choice_in_words(feedback, source)
    if kind == "ratings":
        grades, human = settings["grades"], settings.get("human")
        by = f", by {human}, as rational as in what else {human} said" if human else ""
        return f"{source}: each item graded, from {grades[0]} to {grades[-1]}{by}"
    return source


def _choice_in_words(feedback: Mapping[str, Any], source: str) -> str:
    """Return in words a feedback of choices with a rationality."""
    kind, settings = feedback["kind"], feedback["settings"]
    beta, who = settings["rationality"], settings.get("human") or "somebody"
    if isinstance(beta, (int, float)):
        how = f"of rationality {beta:g}"
    else:
        how = f"whose rationality is inferred (its logarithm ~ Normal({beta[1]:g}, {beta[2]:g}))"
    if kind == "proxy":
        n = len(settings["candidates"])
        return (
            f"proxy (for {feedback['table']}): the reward {settings['chosen']!r} was written, of {n} that might have been, by {who} "
            f"{how}"
        )
    if feedback["column"] is None:
        n = settings["trajectories"]
        where = f"{n} trajector{'y' if n == 1 else 'ies'} in {feedback['table']}"
        return f"{kind} ({where}): {CHOSEN[kind]}, by {who} {how}, {PLANS[settings['planner']]}"
    return f"{source}: {CHOSEN[kind]}, by {who} {how}"


def origin_in_words(origin: Mapping[str, Any] | None) -> str:
    """Return where a table came from."""
    if origin is None:
        return "given as data"
    if "landing_sites" in origin:
        return f"landing sites on Gymnasium's lunar lander, seed {origin['seed']}: {_scenes_in_words(origin)}"
    if "from" in origin:
        names = ", then ".join(shift["name"] for shift in origin["shift"])
        chosen = f"chosen by {origin['chosen_by']}" if origin["chosen_by"] else "by whom it was chosen is not stated"
        why = f", because {origin['why']}" if origin["why"] else ""
        return f"made from {origin['from']} by {names} ({chosen}{why})"
    if "combinations" in origin:
        features = plainly(list(origin["combinations"]))
        return f"every combination of {features}" + ("" if origin["where"] is None else f" with {origin['where']}")
    return str(origin["file"])


def _scenes_in_words(origin: Mapping[str, Any]) -> str:
    return "; ".join(
        (f"in {percent(share)} of scenes " if share < 1 else "") + SCENES.get(kind, kind)
        for kind, share in origin["mix"].items()
    )


def _frames(document: Document) -> list[Part]:
    tables = {"training": next(iter(document["training_tables"]), None), "test": document["test_table"]}
    titles = {"training": "A scene of training", "test": "A scene of the test"}
    parts = []
    for role, name in tables.items():
        if name is None:
            continue
        origin = document["tables"][name]["origin"]
        caption = _scenes_in_words(origin).capitalize() + "." if origin and "landing_sites" in origin else ""
        about = f"{titles[role]}, table {name}: {origin_in_words(origin)}"
        parts.append(Part("frame", caption, (titles[role], about), role))
    return parts


def _provenance(document: Document) -> list[Part]:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    by_hypothesis, tables = document["fit"]["methods"], document["tables"]
    how = {"exact": "exact", "nuts": "sampled by NUTS"} | {m: f"by {words}" for m, words in INTEGRATED.items()}
    methods = sorted(set(by_hypothesis.values()))
    evidence = how[methods[0]]
    if len(methods) > 1:
        evidence = plainly(
            [
                how[m] + " of " + plainly([name for name, method in by_hypothesis.items() if method == m])
                for m in methods
            ]
        )
    risk = document["risk"]
    ends = ""
    if risk is not None and "intervals" in risk and risk["intervals_mcse"]["all"] is not None:
        ends = (
            " The interval is from draws of every source of uncertainty; the Monte Carlo error of its ends is "
            f"{plainly([percent(error) for error in risk['intervals_mcse']['all']])}."
        )
    parts = texts(f"The evidence is {evidence}.{ends}", f"Seed {document['seed']}. Versions: {versions}.")
    rows = []
    for name, shape in tables.items():
        size = counted(shape["items"], "item")
        if shape["options"]:
            size = counted(shape["scenes"], "scene") + f", {shape['items']:,} items"
        rows.append((name, origin_in_words(shape["origin"]), size, document["data_sha256"].get(name, "")))
    parts.append(Part("files", entries=rows))
    if document["study"]:
        made = all((shape["origin"] or {}).keys() & MADE for shape in tables.values())
        parts.append(Part("study", entries=(document["study"]["file"], document["study"]["text"], made)))
    return parts
