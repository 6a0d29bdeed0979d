"""More data: asymptotic risk, items needed, bits of human values, minimax bounds."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.value_bits import curves, draw_bits_by_size
from reward_hypotheses.analysis.report.claims import Sentence, holds, paragraph, quoted
from reward_hypotheses.analysis.report.phrases import LEAST, counted, error_of, pair_ranks, percent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sentences.comparisons import claims_alike, claims_less, cut, greater
from reward_hypotheses.analysis.report.sentences.expected_items import hardest as hardest
from reward_hypotheses.analysis.report.sentences.expected_items import more_data
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable
from reward_hypotheses.models.policies.registry import POLICIES

WORDS = 30
"""Words of a sentence, at most."""
LIMIT_ERRORS = 3.0
"""Monte Carlo error of the asymptotic risk, at most, in errors of the risk itself."""


def present(document: Document) -> Iterator[Presentation]:
    """Present what more training data would change."""
    simulated = {name: entry for name, entry in document["telling"].items() if entry is not None and entry["pairs"]}
    tables = [_table(document, simulated)] if simulated else []
    more = texts(*more_data(document))
    if document["risk"] is None:
        yield Presentation("limit", "limit", more[:1], tables, finding=_without_test(document), more=more[1:])
        return
    bound = _minimax(document)
    shown, folded = (more[:0], more) if bound else (more[:1], more[1:])
    parts = [*texts(*_limit(document), *bound[:1]), *shown]
    folded = [*texts(*bound[1:]), *folded]
    yield Presentation("limit", "limit", parts, tables, finding=more_training(document), more=folded)
    if document.get("bits_by_size"):
        figure = [Part("figure", name=BY_SIZE.name)]
        yield Presentation("bits_by_size", "limit", figure, figure=BY_SIZE, more=texts(*_about_bits(document)))


def _without_test(document: Document) -> Sentence:
    return Sentence(
        "There is no test, so the risk after more training data is unknown.",
        claims=[holds(lambda d: d["risk"] is None)],
    )


def more_training(document: Document) -> Sentence:
    """Return the risk after unlimited training data, in one sentence."""
    risk = document["risk"]
    if document["bounded_pairs"]:
        claims = [holds(lambda d: bool(d["bounded_pairs"]))]
        return Sentence("The risk after unlimited training data of this kind is unknown.", claims=claims)
    if risk["limit"] is None:
        claims = [holds(lambda d: d["risk"]["limit"] is None)]
        return Sentence("The risk after unlimited training data of this kind was not computed.", claims=claims)
    head = endless(risk, takes_best(document), error_of(document, "risk", "limit"))
    if head:
        return head.parts[0]
    zero = risk["upper_of_zero"]
    text = f"Unlimited training data of this kind would leave the risk at {percent(risk['limit'], zero)}."
    return Sentence(text, "risk.limit", "risk.upper_of_zero", claims=claims_alike("risk.limit", "risk.mean"))


def _limit(document: Document) -> list[Sentence]:
    """Return why unlimited training data leaves a risk, and what else helps."""
    if document["bounded_pairs"]:
        words = quoted(
            f"Such data leave hypotheses undecided: {document['bounded_pairs'][0]['words']}.",
            ("bounded_pairs", 0, "words"),
        )
        n = len(document["bounded_pairs"]) - 1
        if not n:
            return [words]
        more = f"{counted(n, 'more pair')} of hypotheses stay{'s' if n == 1 else ''} undecided."
        return [paragraph(words, Sentence(more, n, claims=[holds(lambda d: len(d["bounded_pairs"]) == n + 1)]))]
    error = error_of(document, "risk", "limit")
    sentences = list(endless(document["risk"], takes_best(document), error).parts[1:])
    if document["silent_pairs"]:
        text = "Other data, or information about human values, can still change the agent's weights."
        sentences.append(Sentence(text, claims=[holds(lambda d: bool(d["silent_pairs"]))]))
    return [paragraph(*sentences)]


def takes_best(document: Document) -> bool:
    """Return whether an agent that knows the truth always takes the best option."""
    agent = document["agent"]
    misled = agent["abstain"] and agent["fail_utility"] is not None
    policy = POLICIES.get(agent["policy"])
    return policy is not None and policy.maximises and not misled


def endless(risk: Mapping[str, Any], best: bool = True, limit_error: float | None = None) -> Sentence:
    """Return the asymptotic risk, and its reasons.

    `best` is the value of `takes_best`, `limit_error` the Monte Carlo error of the limit, where it is known. The text is empty
    where the risk is and stays 0, or is not known.
    """
    limit = risk["limit"]
    if limit is None or max(limit, risk["mean"]) < 1e-9:
        return Sentence("")
    error = risk.get("mcse") or 0.0
    document = {
        "risk": {"mcse": error} | dict(risk),
        "mcse": {"risk": {"limit": LIMIT_ERRORS * error if limit_error is None else limit_error}} if error else None,
    }
    now, then = percent(risk["mean"]), percent(limit, risk.get("upper_of_zero"))
    lower, higher = (greater(document, *pair) for pair in (("risk.mean", "risk.limit"), ("risk.limit", "risk.mean")))
    reads = ("risk.mean", "risk.limit", "risk.upper_of_zero")
    if lower or higher:
        verb, places = ("lower", ("risk.limit", "risk.mean")) if lower else ("raise", ("risk.mean", "risk.limit"))
        text = f"Unlimited training data of this kind would {verb} the risk from {now} to {then}."
        head = Sentence(text, *reads, claims=claims_less(*places))
    elif limit - risk["limit_silent"] < LEAST and risk["limit_silent"] > 0:
        text = f"More training data of this kind cannot reduce the risk below {percent(limit)}."
        silence = holds(lambda d: d["risk"]["limit"] - d["risk"]["limit_silent"] < LEAST)
        head = Sentence(text, *reads, claims=[*claims_alike("risk.limit", "risk.mean"), silence])
    else:
        text = f"Unlimited training data of this kind would leave the risk at {then}."
        head = Sentence(text, *reads, claims=claims_alike("risk.limit", "risk.mean"))
    return paragraph(head, *(_reasons(risk, best) if limit >= LEAST else ()))


def more_data_in_one(document: Document) -> Sentence | str:
    """Return the asymptotic risk and its main reason; empty where it is not known."""
    if document["bounded_pairs"]:
        return ""
    said = endless(document["risk"], takes_best(document), error_of(document, "risk", "limit"))
    if len(said.parts) == 1:
        return said
    head, reason = said.parts[:2]
    falls = " lower the risk from " in head
    start = head[:-1].replace(" lower the risk from ", " lower the risk only from ")
    if len(said.parts) == 2:
        text = f"{start}, because {reason.removeprefix('Reason: ')}"
    else:
        text = f"{start if falls else head[:-1]}; of this, {reason.removeprefix('Of this risk, ')}"
    return (
        head
        if len(text.split()) > WORDS
        else Sentence(text, *head.reads, *reason.reads, claims=[*head.claims, *reason.claims])
    )


def _reasons(risk: Mapping[str, Any], best: bool) -> list[Sentence]:
    """Return why unlimited training data leaves a risk.

    Silence, or a worse option that is taken.
    """
    limit, silent = risk["limit"], risk["limit_silent"]
    quiet = "training cannot separate hypotheses that differ on the test"
    forced = "even the best option in some scenes is worse than failing"
    if not best:
        forced = "an agent that knows the true hypothesis may still take a worse option, or has no better one"
    if (risk.get("unmodelled") or {"weight": 0})["weight"] >= LEAST:
        forced = f"perhaps no listed hypothesis is right, or {forced}"
    by_silence = holds(lambda d: d["risk"]["limit_silent"] > 0)
    otherwise = holds(lambda d: d["risk"]["limit"] - d["risk"]["limit_silent"] > 0)
    if limit - silent < LEAST and silent > 0:
        return [Sentence(f"Reason: {quiet}.", claims=[by_silence])]
    if silent < LEAST:
        return [Sentence(f"Reason: {forced}.", claims=[otherwise])]
    rest = Sentence(
        f"The other {percent(limit - silent)} remains because {forced}.",
        lambda d: d["risk"]["limit"] - d["risk"]["limit_silent"],
        claims=[otherwise],
    )
    return [
        Sentence(f"Of this risk, {percent(silent)} remains because {quiet}.", "risk.limit_silent", claims=[by_silence]),
        rest,
    ]


def _minimax(document: Document) -> list[Sentence]:
    """Return the minimax lower bound of the risk.

    The list is empty where training tells all hypotheses apart.
    """
    minimax = document["impossible"]
    least = None if minimax is None else minimax["risk"].get("0.0")
    if minimax is None or not least:
        return []
    names = minimax["hypotheses"]
    first = Sentence(
        f"Any agent that learns from this kind of data alone and always acts has a risk of at least {percent(least)} under one of {cut(names)}.",
        ("impossible", "risk", "0.0"),
        len(names) - 4,
        claims=[holds(lambda d: d["impossible"]["risk"]["0.0"] > 0)],
    )
    half = minimax["risk"].get("0.5")
    if half is None:
        return [first]
    second = Sentence(
        f"If the agent abstains in half of the scenes, the bound is {percent(half)}.", ("impossible", "risk", "0.5")
    )
    return [first, second]


def _table(document: Document, simulated: Mapping[str, Mapping[str, Any]]) -> PaperTable:
    odds = list(next(iter(simulated.values()))["pairs"][0]["items"])
    columns = (
        Column("feedback", "feedback"),
        Column("truth", "true hypothesis"),
        Column("other", "other hypothesis"),
        *(Column(f"items_{o}", f"items for {float(o):g} to 1", "count", error=f"items_{o}_mcse") for o in odds),
        *(Column(f"items_{o}_mcse") for o in odds),
        Column("at_most"),
    )
    rows = tuple(
        (
            name,
            pair["truth"],
            pair["other"],
            *(pair[key][o] for key in ("items", "items_mcse") for o in odds),
            entry["sizes"][-1],
        )
        for name, entry in simulated.items()
        for pair in entry["pairs"]
    )
    caption = (
        "Fewest items in total, by simulation, at which the expected log Bayes factor favours the true hypothesis by these odds. "
        "A dash: not reached."
    )
    ranks = pair_ranks(document, [row[1:3] for row in rows])
    return PaperTable("telling", "Items needed to separate two hypotheses", caption, columns, rows, ranks=ranks)


def _draw(document: Document, _: Tree) -> Figure:
    sizes, (training, telling) = curves(document["bits_by_size"])
    fig, ax = style.figure(style.COLUMN, 2.5)
    draw_bits_by_size(ax, sizes, training, telling)
    style.legend(fig)
    return fig


def _informs(document: Document) -> bool:
    means = [bits for key in ("training", "telling") for bits in document["bits_by_size"][key]["mean"]]
    return not style.alike(means, max((bits for bits in means if bits is not None), default=1.0))


def _caption(document: Document) -> tuple[str, str]:
    curve = document["bits_by_size"]
    explanation = Sentence(
        f"Information needed by items seen: means, and bands with {100 * curve['band']:g}% of simulations.",
        "bits_by_size.band",
    )
    target = f"for a risk of {100 * curve['target']:g}%"
    sizes, needed, last = curve["sizes"], curve["training"]["mean"][-1], len(curve["sizes"]) - 1
    items = ("bits_by_size", "sizes", last)
    if needed is None:
        claims = [holds(lambda d: d["bits_by_size"]["training"]["mean"][-1] is None)]
        text = f"No amount of information about human values lowers the risk of an agent with a uniform prior to {100 * curve['target']:g}%."
        return Sentence(text, "bits_by_size.target", claims=claims), explanation
    place = ("bits_by_size", "training", "mean", last)
    who = f"{needed:.2f} bits of information about human values"
    if _flat(document):
        text = (
            f"More training data of this kind stops helping: an agent with a uniform prior still needs {who} {target}."
        )
        return Sentence(text, place, "bits_by_size.target", claims=[holds(_stays)]), explanation
    text = f"After {counted(sizes[-1], 'training item')}, an agent with a uniform prior needs {who} {target}."
    return Sentence(text, items, place, "bits_by_size.target"), explanation


def _flat(document: Document) -> bool:
    """Return whether the curve of training ends flat above that of judged items."""
    curve = document["bits_by_size"]
    training, judged = ([v for v in curve[key]["mean"] if v is not None] for key in ("training", "telling"))
    flat = len(training) > 2 and abs(training[-1] - training[-3]) < 0.02
    return bool(flat and document["silent_pairs"] and judged and training[-1] > judged[-1] + 0.05)


def _stays(document: Document) -> bool:
    """Return whether the last mean of the curve is positive and no smaller."""
    means = [v for v in document["bits_by_size"]["training"]["mean"] if v is not None]
    return bool(document["silent_pairs"] and means[-1] > 0.05 and means[-3] - means[-1] < 0.02)


def _about_bits(document: Document) -> list[Sentence]:
    """Return how the curve of bits was made."""
    curve = document["bits_by_size"]
    sentences = [
        Sentence(
            f"The items seen are training items, or test items judged by a hypothesis drawn from the human values ({curve['replications']} "
            "simulations).",
            "bits_by_size.replications",
        ),
        Sentence("One bit is the answer to one even yes-or-no question."),
    ]
    if any(any(curve[key]["impossible"]) for key in ("training", "telling")):
        out = holds(lambda d: any(any(d["bits_by_size"][key]["impossible"]) for key in ("training", "telling")))
        text = "Simulations in which no amount of information suffices are left out of the mean."
        sentences.append(Sentence(text, claims=[out]))
    return sentences


BY_SIZE = Plot("bits_by_size", _draw, _caption, _informs)
