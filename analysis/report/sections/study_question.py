"""The question: hypotheses, data, feedback and failure line, with their sources."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.claims import Read, Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import counted, listed, more_in, percent, plainly, was_spent, weightiest
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation, texts
from reward_hypotheses.analysis.report.sections.evidence import INTEGRATED, sampling
from reward_hypotheses.analysis.report.sections.value_sources import line_in_words, sources

MOST, FEW = 12, 4
"""Hypotheses that are listed on the page, and in a sentence."""
TERMS = (
    (
        "Judge",
        Sentence("Holds the stated values and accepts the data. The risk is computed from the judge's beliefs."),
    ),
    (
        "Agent",
        Sentence("Learns from the training data and acts on the test."),
    ),
    (
        "Silent",
        Sentence(
            "Training is silent between hypotheses whose predictions coincide on it (observationally equivalent in training)."
        ),
    ),
)
"""Terms that the page uses, with their definitions."""
CHOSEN = {
    "choices": "one option of a scene was chosen",
    "rankings": "the options of a scene were put in order",
    "stops": "an action was stopped or not",
    "proxy": "a proxy reward was written",
    "demonstrations": "trajectories were recorded",
}
PLANS = {
    "optimal": "A step is chosen for the value of optimal later steps.",
    "soft": "A step is chosen for the value of equally noisy later steps.",
}
SCENES = {
    "together": "the pad is red and between flags",
    "apart": "the pad is between flags but not red, and a faraway crater is red",
    "decoy": "the pad is between flags but not red, and another flat site is red",
    "independent": "paint, flags and craters have nothing to do with one another",
}
MADE = {"landing_sites", "from", "combinations"}
"""Origins of tables that a study makes itself."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the question, the data behind it, and how to reproduce the answer."""
    yield Presentation("question", "question", texts(_question(document)))
    yield Presentation("frames", "frames", _frames(document))
    n, sets = len(document["hypotheses"]), len(document["feedback"])
    finding = Sentence(
        f"The study weighs {n} reward hypothes{'i' if n == 1 else 'e'}s by {counted(sets, 'set')} of feedback.",
        "hypotheses",
        lambda d: len(d["feedback"]),
    )
    parts, more = _asked(document), _asked_in_full(document)
    yield Presentation("asked", "asked", parts, terminal=asked(document), finding=finding, more=more)
    seed = Sentence(f"The study file and the seed, {document['seed']}, reproduce these results.", "seed")
    yield Presentation("provenance", "provenance", _provenance(document), finding=seed)


def _question(document: Document) -> Sentence:
    if document["risk"] is None:
        return Sentence("Which reward do people mean, according to their data and the stated values?")
    where = "on scenes by which an agent was chosen" if was_spent(document) else "on the test"
    return Sentence(
        f"How often, {where}, would an agent that learned from the training data do something worse than failing completely "
        "(a catastrophe)?",
        claims=[holds(lambda d: d["risk"] is not None)],
    )


def asked(document: Document) -> list[str]:
    """Return sentences on the agent, the values and the tables."""
    return [
        _agent(document),
        *sources(document["values"]),
        paragraph(*(_table_size(document, name) for name in document["tables"])),
        *sampling(document),
    ]


def _agent(document: Document) -> Sentence:
    agent = document["agent"]
    acts, abstains = ("may abstain", True) if agent["abstain"] else ("must act", False)
    permission = holds(lambda d: d["agent"]["abstain"] is abstains)
    policy = Sentence(
        f"The agent follows the policy {agent['policy']!r}, {acts}, and has the prior {agent['prior']!r}.",
        "agent.policy",
        "agent.prior",
        claims=[permission],
    )
    if document.get("agent_reading") is None:
        return policy
    read = holds(lambda d: d["agent_reading"] is not None)
    return paragraph(policy, Sentence("Its weights were inferred from its own choices too.", claims=[read]))


def _table_size(document: Document, name: str) -> Sentence:
    return Sentence(f"Table {name!r}: {_size(document['tables'][name])}.", ("tables", name))


def _size(shape: Mapping[str, Any]) -> str:
    """Return how many scenes or items a table has, and how many options a scene."""
    if not shape["options"]:
        text = counted(shape["items"], "item")
    else:
        low, high = shape["options"]
        options = f"{low}" + (f" to {high}" if high > low else "") + " option" + ("" if high == 1 else "s")
        text = f"{counted(shape['scenes'], 'scene')} of {options}"
    return text + (", weighted" if shape["weighted"] else "")


def _asked(document: Document) -> list[Part]:
    """Return hypotheses, feedback, test and failure line in a few sentences."""
    names = weightiest(document, FEW)
    n = len(document["hypotheses"])
    rest = f"; {more_in(n - len(names), 'tables/weights.csv')}" if n > len(names) else ""
    one = f"The true reward is assumed to be {'one of these: ' if n > 1 else ''}{listed(names)}{rest}."
    rewards = Sentence(one, "hypotheses", lambda d: len(d["hypotheses"]) - len(names))
    test = document["test_table"]
    answers = [
        Sentence(
            f"Feedback {name!r}: {counted(document['n_items'][name], 'answer')} on table {entry['table']!r}.",
            ("n_items", name),
        )
        for name, entry in document["feedback"].items()
    ]
    on = (
        []
        if test is None
        else [Sentence(f"Test: table {test!r}, {_size(document['tables'][test])}.", ("tables", test))]
    )
    return texts(rewards, paragraph(*answers, *on), _failure_line(document))


def _asked_in_full(document: Document) -> list[Part]:
    """Return rewards and feedback as stated, and terms of the page."""
    names = weightiest(document, MOST)
    rewards = [(name, Sentence(f"Reward `{document['rewards'][name]}`", ("rewards", name))) for name in names]
    feedback = [feedback_in_words(entry, name) for name, entry in document["feedback"].items()]
    return [
        Part("terms", entries=rewards),
        Part("list", entries=feedback),
        *_reward_sd(document),
        Part("terms", entries=TERMS),
    ]


def _failure_line(document: Document) -> Sentence:
    lines = {name: value for name, value in document["fail_utility"].items() if value is not None}
    names = [name for name in weightiest(document, FEW) if name in lines]
    alike = len({repr(value) for value in lines.values()}) == 1
    first = next(iter(lines), None)
    reads: list[Read] = ["fail_utility"]
    claims = []
    if first is None:
        worth = "No failure line is stated."
    elif alike and len(lines) > 1:
        which = "" if len(lines) == len(document["fail_utility"]) else " that has a reward"
        worth = f"Failing completely is worth {line_in_words(lines[first])} under each hypothesis{which}."
        claims = [holds(lambda d: len({repr(v) for v in d["fail_utility"].values() if v is not None}) == 1)]
    else:
        worth = plainly([f"{line_in_words(lines[name])} under {name!r}" for name in names])
        rest = len(lines) - len(names)
        more = f"; {more_in(rest, 'results.json')}" if rest else ""
        worth = f"Failing completely is worth {worth}{more}."
        reads.append(lambda d: rest)
    line = Sentence(worth, *reads, claims=claims)
    return paragraph(line, Sentence("A catastrophe is an outcome below this failure line, under the true reward."))


def _reward_sd(document: Document) -> list[Part]:
    """Return standard deviations of rewards, for comparison with the line."""
    spreads = {name: sd for name, sd in document.get("reward_sd", {}).items() if sd is not None}
    if not spreads or not any(value != 0 for value in document["fail_utility"].values()):
        return []
    names = [name for name in weightiest(document, MOST) if name in spreads]
    entries = [
        Sentence(
            f"{name!r}: standard deviation of the rewards over the training items {spreads[name]:.4g}.",
            ("reward_sd", name),
        )
        for name in names
    ]
    rest = len(spreads) - len(names)
    more = Sentence(f"{more_in(rest, 'results.json')}.", lambda d: rest) if rest else ""
    return [Part("list", entries=entries), *texts(more)]


def feedback_in_words(feedback: Mapping[str, Any], name: str, *place: str) -> Sentence:
    """Return a feedback's name, kind and model of how people choose, as a paragraph.

    Parameters
    ----------
    feedback : dict
        As ``feedback.<name>`` of the results has it.
    name : str
    place : str
        Where the entry stands in the document; ``feedback`` and the name by default.
    """
    place = place or ("feedback", name)
    kind, settings = feedback["kind"], feedback["settings"]
    known = f"{name!r} ({kind}" if name != kind else f"{name!r} ("
    if feedback["column"] is None:
        table = f"{known}{'; ' if name != kind else ''}table {feedback['table']!r})"
    else:
        table = f"{known}{'; ' if name != kind else ''}column {feedback['column']!r} of {feedback['table']!r})"
    said: list[Sentence] = []
    if kind == "labels":
        said = [
            Sentence(f"{table}: is this item above the failure line?", place),
            _label_noise(settings["noise"], place),
        ]
    elif kind == "rewards":
        a, b = settings["sigma2"]
        said = [
            Sentence(f"{table}: observed rewards with normal noise.", place),
            Sentence(f"Prior of the noise variance: InverseGamma({a:g}, {b:g}).", place),
        ]
    elif kind in CHOSEN:
        said = _choice_in_words(feedback, table, place)
    elif kind == "ratings":
        grades, human = settings["grades"], settings.get("human")
        said = [Sentence(f"{table}: grades from {grades[0]} to {grades[-1]}.", place)]
        if human:
            said.append(Sentence(f"Rater {human!r} has one rationality for everything that {human!r} stated.", place))
    else:
        said = [Sentence(f"{table}.", place)]
    return paragraph(*said)


def _label_noise(noise: Any, place: tuple[str, ...]) -> Sentence:
    if isinstance(noise, (int, float)):
        return Sentence(f"Share of labels assumed to be wrong: {percent(noise)}.", place)
    a, b = noise
    return Sentence(
        f"Share of labels assumed to be wrong: unknown, about {percent(a / (a + b))}, with the prior Beta({a:g}, {b:g}) below 0.5.",
        place,
        lambda d: a / (a + b),
        0.5,
    )


def _choice_in_words(feedback: Mapping[str, Any], table: str, place: tuple[str, ...]) -> list[Sentence]:
    """Return in words a feedback of choices with a rationality."""
    kind, settings = feedback["kind"], feedback["settings"]
    beta, who = settings["rationality"], settings.get("human")
    by = f" by {who!r}" if who else ""
    if kind == "proxy":
        n = len(settings["candidates"])
        said = [
            Sentence(
                f"{table}: the proxy reward {settings['chosen']!r} was written{by}, out of {counted(n, 'candidate')}.",
                (*place, "settings", "candidates"),
                (*place, "settings", "chosen"),
            )
        ]
    elif feedback["column"] is None:
        n = settings["trajectories"]
        said = [
            Sentence(f"{table}: {n} trajector{'y was' if n == 1 else 'ies were'} recorded{by}.", place),
            Sentence(PLANS[settings["planner"]]),
        ]
    else:
        said = [Sentence(f"{table}: {CHOSEN[kind]}{by}.", place)]
    if isinstance(beta, (int, float)):
        how = f"Boltzmann-rational choice, with rationality {beta:g}."
    else:
        how = f"Boltzmann-rational choice; the log of the rationality has the prior Normal({beta[1]:g}, {beta[2]:g})."
    return [*said, Sentence(how, (*place, "settings", "rationality"))]


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
        return f"combinations of {features}" + ("" if origin["where"] is None else f" with {origin['where']}")
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
    parts = texts(paragraph(*_methods(document), *_interval_error(document)))
    rows = []
    for name, shape in document["tables"].items():
        size = counted(shape["items"], "item")
        if shape["options"]:
            size = counted(shape["scenes"], "scene") + f", {shape['items']:,} items"
        rows.append((name, origin_in_words(shape["origin"]), size, document["data_sha256"].get(name, "")))
    parts.append(Part("files", entries=rows))
    if document["study"]:
        made = all((shape["origin"] or {}).keys() & MADE for shape in document["tables"].values())
        parts.append(Part("study", entries=(document["study"]["file"], document["study"]["text"], made)))
    return parts


def _methods(document: Document) -> list[Sentence]:
    """Return how the evidence of each feedback and linear hypothesis was computed."""
    how = {"exact": "exactly", "nuts": "from NUTS draws"} | {m: f"by {words}" for m, words in INTEGRATED.items()}
    by_method: dict[str, list[str]] = {}
    for name, method in document["fit"]["methods"].items():
        by_method.setdefault(method, []).append(name)
    sentences = []
    for method, names in sorted(by_method.items()):
        left = len(names) - FEW
        said = f"The evidence of {listed(names, FEW)} was computed {how[method]}."
        sentences.append(Sentence(said, "fit.methods", left))
    return sentences


def _interval_error(document: Document) -> list[Sentence]:
    """Return the Monte Carlo errors of the ends of the interval."""
    risk = document["risk"]
    if risk is None or "intervals" not in risk or risk["intervals_mcse"]["all"] is None:
        return []
    errors = plainly([percent(error) for error in risk["intervals_mcse"]["all"]])
    return [
        Sentence(f"Monte Carlo errors of the ends of the interval of the risk: {errors}.", "risk.intervals_mcse.all")
    ]
