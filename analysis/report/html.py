"""The report: one page that a colleague reads without help, made of the results document alone (and the tree)."""

import base64
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.captions import point
from reward_hypotheses.analysis.report.drivers import REWARDS, hinges_on, steps, would_lower
from reward_hypotheses.analysis.report.figures import saved, themed
from reward_hypotheses.analysis.report.sentences import (
    INTEGRATED,
    answer,
    beside_impact,
    by_languages,
    contributions,
    counted,
    endless,
    evidence,
    feedback_in_words,
    finite_test,
    hinges,
    how_sure,
    impossible,
    judged_line,
    misfits,
    more_data,
    named_with_human,
    origin_in_words,
    other_values,
    percent,
    plainly,
    policy_in_words,
    prior_in_words,
    read_off,
    safest,
    sampling,
    shift,
    sources,
    spent,
    subgroups,
    table_sizes,
    takes_best,
    unmodelled_source,
    value_in_words,
    what_stays,
    worst_tenth,
)
from reward_hypotheses.analysis.report.tables import alike, paper_tables
from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup
    from matplotlib.figure import Figure

Document = Mapping[str, Any]
TEMPLATE = Path(__file__).parent / "page.html.jinja"
MOST_PARTS, LEAST_PART = 4, 0.0005
"""Parts of the risk that are named: so many, and none below this."""


@dataclass(frozen=True)
class Part:
    """One part of a section: a ``text``, a ``list``, ``terms`` with what is said of each, or a ``figure`` by name."""

    kind: str
    text: str = ""
    entries: Sequence[Any] = ()
    name: str = ""


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    id: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Drawing:
    """A figure on the page: what it shows in one sentence, and what is what in it."""

    svg: "Markup"
    point: str
    caption: str


@dataclass(frozen=True)
class Frame:
    """A picture of a table's world."""

    data: str
    title: str
    caption: str
    alt: str
    size: tuple[int, int] | None


def page(document: Document, figures: Mapping[str, "Figure"], frames: Mapping[str, bytes]) -> str:
    """Write the page.

    Parameters
    ----------
    document : dict
        The results.
    figures : dict of str to Figure
        As `figures.drawn` gives them.
    frames : dict of str to bytes
        Pictures (PNG or JPEG): ``training`` and ``test``.

    Returns
    -------
    str
        HTML that needs no network, script or other file. Every text in it that a study or table brought is escaped.
    """
    sections = [Section("asked", "What was asked", _asked(document))]
    if document["risk"] is not None:
        sections.append(Section("number", "How the number comes about", _number(document)))
    sections += [
        *_read(document),
        Section("evidence", "What is evidence, and what is prior", _evidence(document)),
        *_by_feedback(document),
        Section("values", "Whose values", _values(document)),
    ]
    if document["risk"] is not None:
        sections += [
            Section("limit", "What more data would change", _limit(document)),
            Section("shift", "Is the test a shift?", _shift(document)),
            Section("hinges", "What else the risk hinges on", _hinges(document)),
        ]
    sections.append(Section("fit", "Does the model fit the training data?", _fit(document)))
    return _template().render(
        title=document["title"] or "A study of reward hypotheses",
        about=document.get("about") or "",
        version=document["versions"].get("reward_hypotheses", ""),
        question=_question(document),
        headline=_headline(document),
        answer=_answer(document),
        misfits=misfits(document),
        hinges=[
            {"term": one.term, "range": one.range(document["risk"]["mean"]), "words": one.words}
            for one in hinges_on(document)
        ],
        steps=steps(document) if document["risk"] is not None else "",
        lower=[
            {
                "words": f"by {one.words}",
                "cost": one.cost,
                "risk": percent(one.risk, None if one.certain else document["risk"]["upper_of_zero"]),
            }
            for one in would_lower(document)
        ],
        rewards=REWARDS,
        frames=_frames(document, frames),
        figures={
            name: _drawing(name, figure, document)
            for name, figure in figures.items()
            if name != "riskiest_scenes" or not alike(document)
        },
        sections=sections,
        tables=[
            table.cut() for table in paper_tables(document) if table.name != "riskiest_scenes" or _varies(document)
        ],
        provenance=_provenance(document),
        data=_data(document),
        study=document["study"],
        made=all(
            (shape["origin"] or {}).keys() & {"landing_sites", "from", "combinations"}
            for shape in document["tables"].values()
        ),
        colophon="Made by reward_hypotheses, which gives reward hypotheses posterior weights under explicit human values, and "
        "the risk of catastrophe on a shifted test.",
    )


@functools.cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _shown(value: Any) -> Any:
    """What a template writes: text that users brought with its control and bidirectional characters made visible."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _question(document: Document) -> str:
    if document["risk"] is None:
        return "Which reward do people mean, by the data they gave and the values that were stated?"
    where = "on scenes by which an agent was chosen" if spent(document) else "on the test"
    return f"How often would an agent that learned from the training data do, {where}, what is worse than failing completely (a catastrophe)?"


def _headline(document: Document) -> str:
    """The number, to stand out; empty where there is none, or where it is no test's."""
    risk = document["risk"]
    return "" if risk is None or risk["mean"] == 0 or spent(document) else percent(risk["mean"])


def _answer(document: Document) -> list[str]:
    """The answer in one sentence with its interval (after the headline), then what is needed to read it."""
    risk = document["risk"]
    if risk is None or risk["mean"] == 0 or spent(document):
        return answer(document)
    ends = "no interval, for the values were stated without a strength"
    if risk["lower"] is not None:
        low, high = percent(risk["lower"]), percent(risk["upper"])
        ends = (
            f"{100 * risk['prob']:g}% interval {low} to {high}, which counts doubt about the human values alone, "
            f"{how_sure(document['values'])}; not the agent, "
            "the model, the failure line, which test and how few scenes, or hypotheses that nobody listed"
        )
        if low == high:
            ends = f"doubt about the human values hardly moves it: the {100 * risk['prob']:g}% interval is {low} at both ends"
    over = "over what people may mean"
    if contributions(document):
        over = "over what the agent may have learned to go by and what people may mean"
    out = [f"of test scenes end in a catastrophe, on average {over} ({ends})."]
    ever = risk["at_least_one"]
    if (
        contributions(document)
        and ever
        and abs(ever[max(ever, key=int)] - risk["mean"]) < 1e-6
        and max(map(int, ever)) > 1
    ):
        out.append("It is all scenes of a deployment or none, for the agent keeps to what it learned.")
    elif len(ever) > 1 and max(ever.values()) > risk["mean"] + 0.005:
        most = max(ever, key=int)
        out.append(f"A deployment of {int(most):,} scenes meets at least one with a chance of {percent(ever[most])}.")
    risks = _risks_by_prior(document)
    if risks and max([*risks, risk["mean"]]) - min([*risks, risk["mean"]]) >= 0.005:
        ends = " to ".join(dict.fromkeys(percent(x) for x in (min(risks), max(risks))))
        out.append(f"With the same data, agents of other priors have {ends}.")
    return [*out, *answer(document)[1:]]


def _risks_by_prior(document: Document) -> list[float]:
    """Of agents of other priors than the study's own."""
    may = "may_abstain" if document["agent"]["abstain"] else "acts"
    own = None if document["agent_reading"] is not None else document["agent"]["prior"]
    return [one[may]["risk"] for name, one in document["agents"].items() if name != own]


def _varies(document: Document) -> bool:
    """Whether scenes differ in risk."""
    scenes = document["riskiest_scenes"]
    return bool(scenes) and scenes[0]["risk"] - document["risk"]["mean"] > 1e-6


WORDS = (
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


def _asked(document: Document) -> list[Part]:
    rewards = [(name, f"reward {document['rewards'][name]}") for name in document["hypotheses"]]
    said = [feedback_in_words(one, name) for name, one in document["feedback"].items()]
    origins = [
        f"{size}; {origin_in_words(document['tables'][name]['origin'])}"
        for name, size in zip(document["tables"], table_sizes(document), strict=True)
    ]
    parts = [
        Part("text", "The data:"),
        Part("list", entries=origins),
        *(
            [Part("text", f"What was said of the training data: {said[0]}.")]
            if len(said) == 1
            else [Part("text", "What was said of the training data:"), Part("list", entries=said)]
        ),
        Part("text", "Whoever said it wants something. It is taken to be one of these rewards of an item:"),
        Part("terms", entries=rewards[:12]),
    ]
    if len(rewards) > 12:
        parts.append(Part("text", f"and {len(rewards) - 12} more, which stand in tables/weights.csv."))
    lines = list(document["fail_utility"].items())
    if len({repr(value) for _, value in lines}) == 1:
        worth = f"{value_in_words(lines[0][1])} under each of them"
    else:
        worth = "; ".join(f"{value_in_words(value)} under {name!r}" for name, value in lines[:12])
    told = f"The failure line, which is a human value too: failing completely is worth {worth}."
    spreads = [(name, sd) for name, sd in document.get("reward_sd", {}).items() if sd is not None]
    if spreads and any(value != 0 for _, value in lines):
        listed = ", ".join(f"{sd:.4g} under {name!r}" for name, sd in spreads[:12])
        told += f" For comparison, the standard deviation of the rewards over the training items is {listed}."
    parts.append(
        Part("text", told + " An outcome is a catastrophe where it is worse than that, under the reward that is true.")
    )
    return [*parts, Part("text", "Words used below:"), Part("terms", entries=WORDS)]


def _evidence(document: Document) -> list[Part]:
    return [
        *(Part("text", sentence) for sentence in evidence(document)),
        Part("figure", name="evidence_against_prior"),
        Part("figure", name="weights"),
        *_weights_known(document),
        *(Part("text", sentence) for sentence in sampling(document)),
    ]


def _by_feedback(document: Document) -> list[Section]:
    """What each feedback says, and which contradict each other, where there are several."""
    found = document["evidence_by_feedback"]
    if found is None:
        return []
    said = [
        f"{_capital(one['words'].replace(name, named_with_human(name, document['feedback'][name]), 1))}."
        for name, one in found["given_others"].items()
    ]
    parts = [
        Part("figure", name="evidence_by_feedback"),
        Part("text", "Each held against all the others:"),
        Part("list", entries=said),
    ]
    return [Section("feedback", "What each feedback says", parts)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _weights_known(document: Document) -> list[Part]:
    """What is known of the weights of each reward that has continuous ones."""
    parts = []
    for name, known in document["reward_weights"].items():
        entries = [
            (feature, f"{one['mean']:.2f} ({one['lower']:.2f} to {one['upper']:.2f}) for each {one['unit']:.3g} of it")
            for feature, one in known["features"].items()
        ]
        told = f"{100 * known['prob']:g}% intervals; prior: {_prior_of_weights(known['prior'])}, {known['source']}"
        parts.append(Part("text", f"The weights of {name!r} after the data ({told}):"))
        parts.append(Part("terms", entries=entries[:12]))
    return parts


def _prior_of_weights(prior: Any) -> str:
    return (
        "every direction alike"
        if prior == "sphere"
        else f"independent normals of standard deviation {prior['normal']:g}"
    )


def _read(document: Document) -> list[Section]:
    """What the agent's own choices say of it, where there are some."""
    said = read_off(document)
    if not said:
        return []
    parts = [Part("text", sentence) for sentence in said]
    warnings = document["agent_reading"]["warnings"]
    if warnings:
        parts.append(Part("list", entries=[f"{w[0].upper()}{w[1:]}." for w in warnings]))
    return [Section("agent", "What the agent goes by", parts)]


def _values(document: Document) -> list[Part]:
    parts = [Part("text", sentence) for sentence in [*sources(document["values"]), *unmodelled_source(document)]]
    shares = sorted(document["prior"].items(), key=lambda item: -item[1])[:12]
    parts.append(
        Part("text", "Before any data: " + ", ".join(f"{percent(share)} {name!r}" for name, share in shares) + ".")
    )
    if document["risk"] is not None:
        parts.append(
            Part(
                "text",
                (
                    "Those shares were inferred from the answers, and the interval of the risk is the doubt that so many answers, and "
                    "the disagreement of the judges, leave about them. "
                    if "judgements" in document["values"]
                    else "The strength was declared with the values. It says how many judgements those shares are worth, and the "
                    "interval of the risk is the doubt that this leaves about them. "
                )
                + "Not counted in it: hypotheses that nobody listed, how the agent extrapolates, and the model.",
            )
            if document["risk"]["lower"] is not None
            else Part("text", "No strength is stated, so the risk carries no interval: the shares are taken as given.")
        )
    return parts + [Part("text", sentence) for sentence in judged_line(document)]


def _limit(document: Document) -> list[Part]:
    risk = document["risk"]
    parts = []
    if document["bounded_pairs"]:
        said = "What endless training of this kind would leave is not known, for it leaves hypotheses undecided that it is not silent about"
        parts.append(Part("text", f"{said}: {document['bounded_pairs'][0]['words']}."))
    elif risk["limit"] is not None:
        gone = risk["mean"] - risk["limit"]
        said = f"The risk is {percent(risk['mean'])}. {endless(risk, takes_best(document))}"
        if abs(gone) < 0.0005:
            said += " More of the same data changes nothing."
        else:
            verb = "remove" if gone > 0 else "add"
            said += f" More of the same data can {verb} a catastrophe in {percent(abs(gone))} of scenes."
        if document["silent_pairs"]:
            said += " Where the data are silent, only other data, or telling the agent more of human values, changes what it takes up."
        parts.append(Part("text", said))
    parts += [Part("text", said) for said in (impossible(document), *more_data(document)) if said]
    parts.append(Part("figure", name="bits_by_size"))
    return parts


def _number(document: Document) -> list[Part]:
    agent = document["agent"]
    parts = [Part("text", sentence) for sentence in policy_in_words(document)]
    if agent["fail_utility"] is not None:
        told = "; ".join(f"{value_in_words(v)} under {n!r}" for n, v in list(agent["fail_utility"].items())[:12])
        parts.append(Part("text", f"It was told another failure line than the judge's: {told}."))
    found = contributions(document)
    if found:
        parts.append(Part("text", f"So the risk of {percent(document['risk']['mean'])} is made of:"))
        large = [p for p in found if p[2] * p[3] * p[4] >= LEAST_PART][:MOST_PARTS] or found[:1]
        entries = [
            f"{percent(w * v * c)}: the agent took up {i!r} ({percent(w)}) while people mean {j!r} ({percent(v)}), which ends "
            f"in a catastrophe in {percent(c)} of scenes{what_stays(document, i, j)}"
            for i, j, w, v, c in large
        ]
        rest = found[len(large) :]
        if rest:
            smaller = percent(sum(w * v * c for _, _, w, v, c in rest))
            entries.append(f"{smaller}: {counted(len(rest), 'smaller part')}")
        parts.append(Part("list", entries=entries))
    meanings = [(key, prior_in_words(key)) for key in document["agents"]]
    return [
        *parts,
        Part("figure", name="risk_by_agent_prior"),
        Part("text", "What an agent of each prior finds likelier before any data:"),
        Part("terms", entries=meanings),
        *([Part("text", by_languages(document))] if by_languages(document) else []),
        Part("figure", name="matrix"),
        *(Part("text", sentence) for sentence in safest(document)),
        Part("figure", name="frontier"),
    ]


def _shift(document: Document) -> list[Part]:
    used = spent(document)
    return [
        *([Part("text", used)] if used else []),
        Part("text", shift(document)),
        Part("figure", name="shift_check"),
    ]


def _hinges(document: Document) -> list[Part]:
    parts = [Part("text", sentence) for sentence in hinges(document)]
    bounds = list(document["risk_bounds"].items())
    if bounds:
        share, (low, high) = bounds[-1]
        unlisted = document["risk_bounds_unlisted"][share]
        parts.append(
            Part(
                "text",
                f"Were {100 * float(share):g}% of the human-value prior moved to other hypotheses of the list, and the agent's own "
                f"weights as they are, the risk would lie between {percent(low)} and {percent(high)}; were it moved to a truth that "
                "nobody listed, which fits the training data as well as the best and finds every outcome catastrophic, at most "
                f"{percent(unlisted)}.",
            )
        )
    parts += [Part("text", sentence) for sentence in other_values(document)]
    parts.append(Part("figure", name="risk_by_line"))
    parts.append(Part("text", finite_test(document["risk"], bool(spent(document)))))
    if worst := worst_tenth(document):
        parts.append(Part("text", worst))
    if said := beside_impact(document):
        parts.append(Part("text", " ".join(said)))
    if _varies(document) and alike(document):
        return [*parts, Part("text", point("riskiest_scenes", document)[0])]
    return [*parts, Part("figure", name="riskiest_scenes")]


def _fit(document: Document) -> list[Part]:
    parts = [Part("text", f"{misfit[0].upper()}{misfit[1:]}.") for misfit in document["misfit"]]
    if not parts:
        parts = [
            Part(
                "text",
                "The check that was made finds no misfit: the training data look like replications of them by the fitted model. "
                "It cannot see what the data are silent about.",
            )
        ]
    parts += [Part("text", sentence) for sentence in subgroups(document)]
    parts.append(Part("figure", name="predictive_check"))
    told = misfits(document)
    rest = [w for w in document["warnings"] if w not in told]
    if rest:
        parts += [Part("text", "Mind, too:"), Part("list", entries=rest)]
    return parts


def _drawing(name: str, figure: "Figure", document: Document) -> Drawing:
    from markupsafe import Markup

    said, caption = point(name, document)
    svg = themed(saved(figure, "svg"), name, f"{said} {caption}")
    return Drawing(Markup(svg), said, caption)


def _frames(document: Document, frames: Mapping[str, bytes]) -> list[Frame]:
    found = []
    for role, data in frames.items():
        name = document["test_table"] if role == "test" else next(iter(document["training_tables"]), None)
        if name is None:
            continue
        kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
        size = (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) if kind == "png" else None
        origin = document["tables"][name]["origin"]
        where = "A scene of training" if role == "training" else "A scene of the test"
        text = origin_in_words(origin)
        caption = text[text.index(": ") + 2 :].capitalize() + "." if origin and "landing_sites" in origin else ""
        found.append(
            Frame(
                data=f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
                title=where,
                caption=caption,
                alt=f"{where}, table {name}: {text}",
                size=size,
            )
        )
    return found


def _provenance(document: Document) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    methods = sorted(set(document["fit"]["methods"].values()))
    how = {"exact": "exact", "nuts": "sampled by NUTS"} | {m: f"by {words}" for m, words in INTEGRATED.items()}
    by_method = [
        how[m] + " of " + plainly([n for n, own in document["fit"]["methods"].items() if own == m]) for m in methods
    ]
    fitted = f"The evidence is {how[methods[0]]}." if len(methods) == 1 else f"The evidence is {plainly(by_method)}."
    risk = document["risk"]
    ends = ""
    if risk is not None and risk["lower"] is not None:
        ends = (
            f" The interval is from draws of the values; the Monte Carlo error of its ends is {percent(risk['mcse_lower'])} "
            f"and {percent(risk['mcse_upper'])}."
        )
    return [f"{fitted}{ends}", f"Seed {document['seed']}. Versions: {versions}."]


def _data(document: Document) -> list[tuple[str, str, str, str]]:
    digests = document["data_sha256"]
    sizes = {
        name: counted(shape["scenes"], "scene") + f", {shape['items']:,} items"
        if shape["options"]
        else counted(shape["items"], "item")
        for name, shape in document["tables"].items()
    }
    return [
        (name, origin_in_words(document["tables"][name]["origin"]), sizes[name], digests.get(name, ""))
        for name in document["tables"]
    ]
