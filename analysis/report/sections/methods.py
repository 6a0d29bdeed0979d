"""Methods, results and reproducibility, as paragraphs for a paper.

Their numbers are rounded as those of ``numbers.tex``. The paragraphs are written as Markdown, and as TeX made from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report.claims import Claim, Sentence, alike, holds, paragraph
from reward_hypotheses.analysis.report.paper.literature import bibtex
from reward_hypotheses.analysis.report.paper.markup import cite, cited, code, literal, tex
from reward_hypotheses.analysis.report.phrases import (
    SOURCES,
    counted,
    error_of,
    leading,
    misfits,
    more_in,
    other_truths,
    plainly,
    risk_interval,
    silent_groups,
    was_spent,
    weightiest,
)
from reward_hypotheses.analysis.report.presentation import Document, Part, Presentation
from reward_hypotheses.analysis.report.sections.value_sources import line_in_words
from reward_hypotheses.analysis.report.tables.headline_numbers import Uncertainty
from reward_hypotheses.analysis.report.tables.rounding import shown

FEW = 4
"""Hypotheses, or tables, that a sentence names."""
DIGITS = 12
"""Hexadecimal digits of a SHA-256 that a paragraph gives; results.json has all."""
LIKELIHOODS: dict[str, tuple[str, tuple[str, ...]]] = {
    "labels": ("a Bernoulli likelihood with label noise", ()),
    "rewards": ("a normal likelihood of observed rewards", ()),
    "choices": ("Boltzmann-rational choice", ("luce",)),
    "rankings": ("a Plackett-Luce likelihood of rankings", ("plackett",)),
    "ratings": ("ordered logistic regression", ("mccullagh",)),
    "stops": ("a Boltzmann-rational choice between stopping and going on", ("off-switch",)),
    "proxy": ("inverse reward design", ("inverse-reward-design",)),
    "demonstrations": ("Boltzmann-rational planning", ("birl",)),
}
"""Kind of feedback -> its likelihood, and literature."""
EVIDENCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "exact": ("in closed form or by quadrature", ()),
    "laplace": ("by Laplace's approximation with importance sampling", ("psis",)),
    "prior": ("by importance sampling from the prior", ()),
    "smc": ("by sequential Monte Carlo", ("smc",)),
    "nuts": ("by NUTS and bridge sampling", ("nuts", "bridge", "rhat", "pymc", "arviz")),
}
"""Method of the evidence -> words, and literature."""
POLICIES = {"cvar": ("cvar",), "quantilize": ("quantilizers",)}
"""Policy -> literature."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the paragraphs, with their files."""
    texts = {
        "Methods": methods(document),
        "Results": results(document),
        "Reproducibility": reproducibility(document),
    }
    version = document["versions"].get("reward_hypotheses", "")
    keys = [key for text in texts.values() for key in cited(text)]
    title = " ".join(document["title"].split()) or "A study"
    markdown = "\n\n".join(f"# {name}\n\n{text}" for name, text in texts.items()) + "\n"
    head = (
        f"% Study: {tex(literal(title))}\n"
        f"% Methods, results and reproducibility. Written by reward_hypotheses {version}; the entries are in methods.bib.\n"
        "% Numbers are rounded as those of numbers.tex.\n"
    )
    paragraphs = [rf"\paragraph{{{name}.}} {tex(text)}" for name, text in texts.items()]
    yield Presentation(
        "methods",
        "methods",
        [Part("copy", text, name=name.lower(), strong=Sentence(name)) for name, text in texts.items()],
        finding=Sentence("Methods, results and reproducibility are ready as paragraphs for a paper."),
        files={
            "tables/methods.md": markdown.encode(),
            "tables/methods.tex": (head + "\n\n".join(paragraphs) + "\n").encode(),
            "tables/methods.bib": bibtex(keys, version),
        },
    )


def methods(document: Document) -> Sentence:
    """Return model, prior and its source, data, agent and software."""
    names = weightiest(document, FEW)
    n = len(document["hypotheses"])
    rest = f"; {more_in(n - len(names), 'results.json')}" if n > len(names) else ""
    known = Sentence(
        f"We weighed {n} reward hypothes{'i' if n == 1 else 'e'}s by Bayes' rule: {_names(names)}{rest}.",
        "hypotheses",
        lambda d: len(d["hypotheses"]) - FEW,
    )
    return paragraph(
        known, *_prior(document), *_data(document), *_evidence(document), *_agent(document), *_software(document)
    )


def _prior(document: Document) -> Iterator[Sentence]:
    values, prior, u = document["values"], document["prior"], Uncertainty(document).values
    names = sorted(weightiest(document, FEW), key=lambda name: -prior[name])
    rest = len(prior) - len(names)
    shares = plainly([f"{_share(prior[name], uncertainty=u)} for {_quoted(name)}" for name in names])
    more = f"; {more_in(rest, 'results.json')}" if rest else ""
    yield Sentence(f"The prior was {shares}{more}.", "prior", lambda d: rest)
    if "judges" in values:
        yield Sentence(
            f"It is the {values['pool']} pool of {counted(len(values['judges']), 'judge')}{cite('pools')}.",
            "values.judges",
            "values.pool",
        )
        for k, judge in enumerate(values["judges"][:FEW]):
            yield from _stated(judge, ("values", "judges", k), f"Values of judge {_quoted(judge['name'])}")
        if len(values["judges"]) > FEW:
            left = len(values["judges"]) - FEW
            yield Sentence(f"Of judges, {more_in(left, 'results.json')}.", lambda d: left)
        return
    if "judgements" in values:
        judged = values["judgements"]
        yield Sentence(
            f"It was inferred from {counted(len(judged['answers']), 'judgement')} between pairs of "
            f"hypotheses{cite('bradley-terry')}.",
            "values.judgements.answers",
        )
    yield from _stated(values, ("values",), "Its source")


def _stated(values: Mapping[str, Any], place: tuple[str | int, ...], what: str) -> Iterator[Sentence]:
    source = values["source"].strip()
    end = "" if source.endswith((".", "!", "?")) else "."
    said = f"{literal(source)}{end}" if '"' in source else f'"{literal(source)}".'
    yield Sentence(f"{what}: {said}", (*place, "source"))
    if values.get("strength") is not None:
        n = values["strength"]
        noun = "judgement" if n == 1 else "judgements"
        yield Sentence(f"Prior strength: equivalent to {n:g} {noun}.", (*place, "strength"))


def _data(document: Document) -> Iterator[Sentence]:
    for name, entry in document["feedback"].items():
        kind = entry["kind"]
        likelihood, keys = LIKELIHOODS.get(kind, (kind, ()))
        if kind == "demonstrations" and entry["settings"].get("planner") == "soft":
            keys = ("maxent-irl",)
        yield Sentence(
            f"Training data {_quoted(name)}: {counted(document['n_items'][name], 'answer')} on table {_quoted(entry['table'])}, "
            f"with {likelihood}{cite(*keys)}.",
            ("n_items", name),
        )
    test = document["test_table"]
    if test is not None:
        yield Sentence(
            f"The test, table {_quoted(test)}, has {counted(document['risk']['n_scenes'], 'scene')}.", "risk.n_scenes"
        )


def _evidence(document: Document) -> Iterator[Sentence]:
    used = sorted(set(document["fit"]["methods"].values()))
    how = plainly([f"{words}{cite(*keys)}" for words, keys in (EVIDENCE.get(m, (f"by {m}", ())) for m in used)])
    yield Sentence(f"The marginal likelihood was computed {how}.", "fit.methods")


def _agent(document: Document) -> Iterator[Sentence]:
    agent = document["agent"]
    abstains = bool(agent["abstain"])
    acts = "may abstain" if abstains else "must act"
    keys = POLICIES.get(agent["policy"], ())
    yield Sentence(
        f"The agent follows the policy {_quoted(agent['policy'])}{cite(*keys)}, {acts}, and has the prior {_quoted(agent['prior'])}.",
        "agent",
        claims=[holds(lambda d: bool(d["agent"]["abstain"]) is abstains)],
    )
    if document.get("agent_reading") is not None:
        inferred = holds(lambda d: d["agent_reading"] is not None)
        yield Sentence("Its weights were inferred from its own choices too.", claims=[inferred])
    lines = {name: value for name, value in document["fail_utility"].items() if value is not None}
    values = list({repr(value): value for value in lines.values()}.values())
    line = ""
    if len(values) == 1:
        line = (
            f", here {code(values[0])}"
            if isinstance(values[0], str)
            else f", here {line_in_words(values[0])} reward units"
        )
    yield Sentence(f"A catastrophe is an outcome below the value of failing completely{line}.", "fail_utility")


def _software(document: Document) -> Iterator[Sentence]:
    version = document["versions"].get("reward_hypotheses", "")
    yield Sentence(
        f"Software: {code(f'reward_hypotheses {version}'.strip())}{cite('reward-hypotheses')}, NumPy{cite('numpy')}.",
        "versions",
    )


def results(document: Document) -> Sentence:
    """Return risk, interval, silence, shift check and limits."""
    risk = document["risk"]
    if risk is None:
        lead, u = leading(document), Uncertainty(document).values
        weight = _share(document["weights"][lead], error_of(document, "weights", lead), u)
        most = holds(lambda d: all(w <= d["weights"][lead] for w in d["weights"].values()))
        first = [
            Sentence(
                f"The highest posterior weight is that of {_quoted(lead)}, {weight}.", ("weights", lead), claims=[most]
            ),
            Sentence("There is no test, so there is no risk.", claims=[holds(lambda d: d["risk"] is None)]),
        ]
    else:
        first = [*_risk(document), *_bounds(document), *_limit(document)]
    return paragraph(*first, *_silence(document), *_shift(document), *_limits(document))


def _risk(document: Document) -> Iterator[Sentence]:
    risk, u = document["risk"], Uncertainty(document).risk
    number = _share(risk["mean"], risk["mcse"], u, risk["upper_of_zero"])
    interval, of = risk_interval(risk), ""
    if interval is not None:
        errors = risk["intervals_mcse"]["all"] if "intervals" in risk else (risk["mcse_lower"], risk["mcse_upper"])
        low, high = (_share(x, error, u) for x, error in zip(interval, errors or (None, None), strict=True))
        of = f" ({100 * risk['prob']:g}% credible interval {low} to {high})"
    yield Sentence(
        f"The predicted catastrophe rate on the test is {number} of scenes{of}.",
        "risk.mean",
        "risk.prob",
        "risk.upper_of_zero",
        lambda d: risk_interval(d["risk"]),
    )
    source = risk.get("largest_source")
    if source is not None:
        most = holds(
            lambda d: all(
                part["total"] <= d["risk"]["variance"][source]["total"]
                for name, part in d["risk"]["variance"].items()
                if part and name != "all"
            )
        )
        yield Sentence(
            f"The largest source of its variance is {SOURCES[source]}{cite('sobol')}.",
            "risk.largest_source",
            claims=[most],
        )


def _bounds(document: Document) -> Iterator[Sentence]:
    """Return the risk under contaminated priors."""
    bounds, u, others = document["risk_bounds"], Uncertainty(document).risk, other_truths(document)
    if not bounds or not others:
        return
    key = "0.1" if "0.1" in bounds else next(iter(bounds))
    errors: Any = error_of(document, "risk_bounds", key) or (None, None)
    low, high = (_share(x, error, u) for x, error in zip(bounds[key], errors, strict=True))
    yield Sentence(
        f"With {100 * float(key):g}% of the prior on {others}, it lies between {low} and {high}{cite('contamination')}.",
        ("risk_bounds", key),
        lambda d: float(key),
    )


def _limit(document: Document) -> Iterator[Sentence]:
    risk, u = document["risk"], Uncertainty(document).risk
    if risk["limit"] is None or document["bounded_pairs"]:
        return
    limit = _share(risk["limit"], error_of(document, "risk", "limit"), u)
    same_text = limit == _share(risk["mean"], risk["mcse"], u)
    if same_text and risk["mean"] > 0:
        yield Sentence(
            f"With unlimited training data of this kind, the rate would stay at about {limit}.",
            "risk.limit",
            claims=[alike("risk.mean", "risk.limit", 0.1)],
        )
    else:
        yield Sentence(f"With unlimited training data of this kind, the rate would be {limit}.", "risk.limit")


def _silence(document: Document) -> Iterator[Sentence]:
    groups = silent_groups(document["silent_pairs"])
    for group in groups[:2]:
        names = group[:FEW]
        more = f" and {len(group) - FEW} more" if len(group) > FEW else ""
        yield Sentence(
            f"Training is silent between {_names(names)}{more}, so their posterior odds equal their prior odds.",
            "silent_pairs",
            len(group) - FEW,
            claims=[_silent(group)],
        )
    if len(groups) > 2:
        left = len(groups) - 2
        yield Sentence(f"Of such groups, {more_in(left, 'results.json')}.", lambda d: left)
    if not groups and len(document["hypotheses"]) > 1:
        told = holds(lambda d: not d["silent_pairs"])
        yield Sentence("No pair of hypotheses is observationally equivalent in training.", claims=[told])


def _silent(group: Sequence[str]) -> Claim:
    """Claim that training is silent in a group and leaves its prior odds."""

    def unmoved(d: Document, a: str, b: str) -> bool:
        odds = [{a, b} == set(pair["pair"]) and abs(pair["log_bayes_factor"] or 0) < 1e-6 for pair in d["pairs"]]
        return any({a, b} == set(pair) for pair in d["silent_pairs"]) and (any(odds) or not d["pairs"])

    return holds(lambda d: all(unmoved(d, a, b) for a, b in zip(group, group[1:], strict=False)))


def _shift(document: Document) -> Iterator[Sentence]:
    shift = document["shift"]
    if not shift:
        return
    p = shown(shift["p"], "number", 1 / (shift["permutations"] + 1))
    found = bool(document["shifted"])
    words = "detected a shift" if found else "detected no shift"
    yield Sentence(
        f"A permutation test of training against test{cite('permutations')} {words} (p = {p}, {counted(shift['permutations'], 'permutation')}).",
        "shift.p",
        "shift.permutations",
        claims=[holds(lambda d: bool(d["shifted"]) is found and (d["shift"]["p"] < 0.01) is found)],
    )


def _limits(document: Document) -> Iterator[Sentence]:
    risk = document["risk"]
    interval = "" if risk is None or risk_interval(risk) is None else ", and the interval does not include their errors"
    yield Sentence(f"The listed hypotheses, the failure line and the likelihood are assumptions{interval}.")
    if risk is not None and was_spent(document):
        chosen = [holds(lambda d: was_spent(d))]
        yield Sentence("An agent was chosen by its risk on this test, so the test is not independent.", claims=chosen)
    odd = len(misfits(document))
    if odd:
        yield Sentence(
            f"The model check reports {counted(odd, 'misfit')}.",
            lambda d: len(misfits(d)),
            claims=[holds(lambda d: misfits(d))],
        )
    elif document["predictive_check"]:
        yield Sentence("The posterior predictive check found no misfit.", claims=[holds(lambda d: not misfits(d))])


def reproducibility(document: Document) -> Sentence:
    """Return seed, digests, versions, and a run's machine and run time."""
    study, digests = document["study"], document["data_sha256"]
    sentences = [Sentence(f"Random seed: {document['seed']}.", "seed")]
    if study:
        name = f"{code(study['file'])}, {code(study['sha256'][:DIGITS])}"
        sentences.append(
            Sentence(f"Study file and the first {DIGITS} digits of its SHA-256: {name}.", "study", DIGITS, 256)
        )
    if digests:
        some = [f"{_quoted(name)} {code(digest[:DIGITS])}" for name, digest in list(digests.items())[:FEW]]
        rest = len(digests) - len(some)
        more = f"; {more_in(rest, 'results.json')}" if rest else ""
        sentences.append(Sentence(f"Digests of tables: {', '.join(some)}{more}.", "data_sha256", lambda d: rest))
    versions = ", ".join(code(f"{name} {version}") for name, version in document["versions"].items())
    sentences.append(Sentence(f"Versions: {versions}.", "versions"))
    run = document.get("run")
    if run:
        machine = code(f"{run['system']} {run['machine']}")
        seconds = f"{run['seconds']:.2g}" if run["seconds"] < 10 else f"{run['seconds']:.0f}"
        sentences.append(
            Sentence(
                f"Hardware: {machine}, {counted(run['processors'], 'processor')}; run time {seconds} s.",
                "run.processors",
                "run.seconds",
            )
        )
    sentences.append(Sentence("On this kind of machine, a rerun gives an identical `results.json`."))
    return paragraph(*sentences)


def _share(
    value: float, error: float | None = None, uncertainty: float | None = None, zero: float | None = None
) -> str:
    """Return a share as `numbers.tex` rounds it, a power of ten as in 1e-9."""
    text = shown(value, "share", error, zero, uncertainty if value else None)
    return f"{100 * value:.1e}%" if "\N{MULTIPLICATION SIGN}" in text else text


def _quoted(name: str) -> str:
    return f"'{literal(name)}'"


def _names(names: list[str]) -> str:
    return plainly([_quoted(name) for name in names])
