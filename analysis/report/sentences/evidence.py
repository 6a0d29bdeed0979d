"""Sentences on evidence and prior.

What training distinguishes, and what it does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.report.claims import Claim, Sentence, alike, below, exceeds, holds
from reward_hypotheses.analysis.report.phrases import (
    counted,
    error_of,
    listed,
    no_two,
    percent,
    plainly,
    silent_groups,
)
from reward_hypotheses.analysis.report.presentation import Document
from reward_hypotheses.analysis.report.sentences.quotations import whole_sentence

INTEGRATED = {
    "laplace": "Laplace's approximation, corrected by importance sampling",
    "prior": "importance sampling from the prior",
    "smc": "sequential Monte Carlo",
    "nuts": "NUTS, and a bridge",
}
"""Methods by which the evidence of a hypothesis with continuous weights is integrated."""
ONE = holds(lambda d: len(d["hypotheses"]) == 1)
NO_SILENCE = holds(lambda d: len(d["hypotheses"]) > 1 and not any(p["silent"] for p in d["pairs"]))


def evidence(document: Document) -> list[Sentence]:
    """Return sentences on evidence.

    Prior and dangerous pairs of hypotheses, the most important first.
    """
    several = len(document["hypotheses"]) > 1
    first = (
        [] if several else [Sentence("The study has one hypothesis, so no evidence compares hypotheses.", claims=[ONE])]
    )
    groups = [
        Sentence(
            f"Training cannot distinguish {listed(members)}: a preference between them comes from the prior.",
            len(members) - 8,
            claims=[equal_evidence(members)],
        )
        for members in silent_groups(document["silent_pairs"])
    ]
    if several and not groups:
        first = [Sentence(f"{no_two(document)} are observationally equivalent in training.", claims=[NO_SILENCE])]
    bounded = [whole_sentence(document, ("bounded_pairs", k, "words")) for k in range(len(document["bounded_pairs"]))]
    dangerous = _dangerous(document)
    return [
        *(first or groups[:1]),
        *_ruled_out(document),
        *strongest(document),
        *dangerous[:1],
        *_declared_support(document),
        *bounded,
        *_silent_directions(document),
        *groups[1:],
        *dangerous[1:],
    ]


def equal_evidence(names: Sequence[str]) -> Claim:
    """Claim that the data are equally probable under some hypotheses."""

    def equal(document: Document) -> bool:
        logs = [document["log_evidence"][name] for name in names]
        if any(log is None for log in logs):
            return all(log is None for log in logs)
        errors = [error_of(document, "log_evidence", name) or 0.0 for name in names]
        return max(logs) - min(logs) <= 1e-6 * max(1.0, abs(max(logs))) + 4 * max(errors)

    return holds(equal)


def _possible(document: Document) -> list[str]:
    """Return the hypotheses under which the data are possible, by evidence."""
    logs = document["log_evidence"]
    return sorted((name for name in logs if logs[name] is not None), key=lambda name: -logs[name])


def strongest(document: Document) -> list[Sentence]:
    """Return the largest difference between hypotheses that the data make.

    The result is empty where none exceeds its error.
    """
    logs, names = document["log_evidence"], _possible(document)
    if len(names) < 2 or not exceeds(document, ("log_evidence", names[0]), ("log_evidence", names[-1])):
        return []
    best, worst = names[0], names[-1]
    nats = f"{logs[best] - logs[worst]:.3g}"
    claims = [
        below(("log_evidence", worst), ("log_evidence", best)),
        holds(lambda d: d["log_evidence"][best] == max(x for x in d["log_evidence"].values() if x is not None)),
        holds(lambda d: d["log_evidence"][worst] == min(x for x in d["log_evidence"].values() if x is not None)),
    ]
    favours = "The data favour" if len(names) == 2 else "The strongest evidence favours"
    text = f"{favours} {best!r} over {worst!r}, by {nats} nats."
    return [Sentence(text, lambda d: d["log_evidence"][best] - d["log_evidence"][worst], claims=claims)]


def _ruled_out(document: Document) -> list[Sentence]:
    """Return the hypotheses under which the data are impossible."""
    names = [name for name in document["hypotheses"] if document["log_evidence"][name] is None]
    if not names or not _possible(document):
        return []
    claim = holds(lambda d: all(d["log_evidence"][name] is None for name in names))
    return [Sentence(f"The data are impossible under {listed(names)}.", len(names) - 8, claims=[claim])]


def finding(document: Document) -> Sentence:
    """Return the heading of the chapter."""
    groups, names, logs = silent_groups(document["silent_pairs"]), _possible(document), document["log_evidence"]
    if groups:
        members, more = groups[0][:2], len(groups[0]) - 2
        others = f" (and {more} more)" if more > 0 else ""
        text = f"Training cannot distinguish {listed(members)}{others}: the prior decides"
        return Sentence(text, more, claims=[equal_evidence(groups[0])])
    if len(document["hypotheses"]) == 1:
        return Sentence("The study has one hypothesis, so no evidence compares hypotheses", claims=[ONE])
    if len(names) > 1 and exceeds(document, ("log_evidence", names[0]), ("log_evidence", names[1])):
        best, second = names[:2]
        claims = [
            below(("log_evidence", second), ("log_evidence", best)),
            holds(lambda d: sum(x is not None and x >= logs[best] for x in d["log_evidence"].values()) == 1),
        ]
        return Sentence(f"The training data favour {best!r} over every other hypothesis", claims=claims)
    return Sentence(f"{no_two(document)} are observationally equivalent in training", claims=[NO_SILENCE])


def _not_declared(names: Sequence[str]) -> Claim:
    return holds(lambda d: list(names[:2]) in d["support"]["silent_pairs"])


def _uninformed(name: str) -> Claim:
    return holds(lambda d: len(d["silent_directions"][name]["directions"]) > 0)


def _declared_support(document: Document) -> list[Sentence]:
    """Return hypotheses that no declared item distinguishes, and items that would."""
    support = document["support"]
    if support is None:
        return []
    declared = f"of the declared support ({support['table']!r}, {counted(support['items'], 'item')})"
    sentences = [
        Sentence(
            f"No item {declared} distinguishes {listed(members, 5)}.",
            "support.items",
            len(members) - 5,
            claims=[_not_declared(members)],
        )
        for members in silent_groups(support["silent_pairs"])
    ]
    for k, pair in enumerate(support["told_apart"][:3]):
        item = plainly([f"`{feature} = {value}`" for feature, value in pair["item"].items()])
        text = f"Feedback {pair['feedback']!r} about the declared item {item} would distinguish {listed(pair['pair'])}."
        sentences.append(Sentence(text, ("support", "told_apart", k)))
    if len(support["told_apart"]) > 3:
        rest = len(support["told_apart"]) - 3
        claim = holds(lambda d: len(d["support"]["told_apart"]) == rest + 3)
        text = f"The declared items would distinguish {counted(rest, 'further pair')} (support.told_apart in results.json)."
        sentences.append(Sentence(text, lambda d: len(d["support"]["told_apart"]) - 3, claims=[claim]))
    return sentences


def _silent_directions(document: Document) -> list[Sentence]:
    """Return the directions of weights that training does not inform, by hypothesis."""
    sentences, test = [], document["test_table"]
    for name, silent in document["silent_directions"].items():
        directions = [direction["words"] for direction in silent["directions"]]
        if not directions:
            continue
        claim = _uninformed(name)
        more = len(directions) - 4
        text = f"Training does not inform these directions of the weights of {name!r}: {listed(directions, 4)}."
        sentences.append(Sentence(text, more, claims=[claim]))
        if test is not None:
            part = percent(silent["share"][test])
            text = f"They carry {part} of the prior variance of reward differences on the test under {name!r}."
            sentences.append(Sentence(text, ("silent_directions", name, "share", test)))
    return sentences


def _dangerous(document: Document) -> list[Sentence]:
    """Return silent pairs whose confusion is a catastrophe, the highest risk first.

    Two pairs that are as dangerous for one another make one sentence.
    """
    pairs: Sequence[Mapping[str, Any]] = document["dangerous_pairs"] or []
    risks = {(pair["agent"], pair["truth"]): pair["risk"] for pair in pairs}
    merged: list[tuple[int, bool]] = []
    for k, pair in enumerate(pairs):
        reverse = risks.get((pair["truth"], pair["agent"]))
        mutual = reverse is not None and percent(reverse) == percent(pair["risk"])
        if not (
            mutual and any(pairs[i]["agent"] == pair["truth"] and pairs[i]["truth"] == pair["agent"] for i, _ in merged)
        ):
            merged.append((k, mutual))
    sentences = []
    for k, mutual in merged[:2]:
        agent, truth = pairs[k]["agent"], pairs[k]["truth"]
        text = f"Dangerous: following {agent!r} where {truth!r} is true is catastrophic in {percent(pairs[k]['risk'])} of scenes"
        claims: list[Claim] = [below(0.0, ("dangerous_pairs", k, "risk"), 0.0)]
        if mutual:
            text += ", and the other way round"
            claims.append(alike(("matrix", agent, truth), ("matrix", truth, agent), 0.001))
        sentences.append(Sentence(f"{text}.", ("dangerous_pairs", k, "risk"), claims=claims))
    if len(merged) > 2:
        rest = len(merged) - 2
        claim = holds(lambda d: len(d["dangerous_pairs"]) >= rest + 2)
        noun = "pair is" if rest == 1 else "pairs are"
        text = f"{rest:,} further {noun} dangerous (dangerous_pairs in results.json)."
        sentences.append(Sentence(text, rest, claims=[claim]))
    return sentences


def sampling(document: Document) -> list[Sentence]:
    """Return the sampled evidence, its diagnostics, and its Monte Carlo error.

    The list is empty where all evidence is exact.
    """
    methods, sampler, risk = document["fit"]["methods"], document["fit"]["sampler"], document["risk"]
    by_method: dict[str, list[str]] = {}
    for name, method in methods.items():
        if method in INTEGRATED:
            by_method.setdefault(method, []).append(name)
    if sampler is None and not by_method:
        return []
    sentences = [
        Sentence(f"Evidence of {listed(names, len(names))}: {INTEGRATED[method]}.")
        for method, names in by_method.items()
        if sampler is None or method != "nuts"
    ]
    if sampler is not None:
        sampled = [name for name, method in methods.items() if method == "nuts"]
        text = (
            f"{sampler['name']} sampled {listed(sampled, len(sampled))}: {sampler['chains']} chains of {sampler['draws']:,} "
            f"draws, no divergence, R-hat at most {sampler['r_hat']:.3f}, effective sample size at least {sampler['ess']:,.0f}."
        )
        claim = holds(lambda d: d["fit"]["sampler"]["divergences"] == 0)
        sentences.append(Sentence(text, "fit.sampler", claims=[claim]))
    if document["pairs"]:
        error = max(pair["mcse"] for pair in document["pairs"])
        claim = holds(lambda d: all(pair["mcse"] <= error for pair in d["pairs"]))
        text = f"The Monte Carlo error of a log Bayes factor is at most {error:.2g} nats."
        sentences.append(Sentence(text, lambda d: max(pair["mcse"] for pair in d["pairs"]), claims=[claim]))
    if sampler is not None and risk:
        text = f"The Monte Carlo error of the risk is {100 * risk['mcse']:.2g} percentage points."
        sentences.append(Sentence(text, lambda d: 100 * d["risk"]["mcse"]))
    return sentences
