"""Evidence between cues that rests on degrees alone, and the risk without it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.bayes_factors import MOST, difference
from reward_hypotheses.analysis.evidence.degrees.set_aside import (
    Refit,
    evidence_in_scenes,
    groups_of,
    guarded_case,
    judged_by,
    refit,
    without_degrees,
)
from reward_hypotheses.analysis.evidence.degrees.sign_agreement import SignPair, feature_pairs, listed_pairs
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.risk.catastrophe import scalar_risk
from reward_hypotheses.analysis.risk.distribution.by_source import doubt_of
from reward_hypotheses.analysis.risk.intervals import add_errors_to_ends, interval
from reward_hypotheses.analysis.risk.other_agent_priors import values_drawn

if TYPE_CHECKING:
    from reward_hypotheses.analysis.report.presentation import Presentation
    from reward_hypotheses.analysis.report.tables.table_model import PaperTable

LISTED = 3
"""Pairs that have a warning of their own, the strongest evidence first."""
MOST_SIGNS = 40
"""Features of a family that get a feature of their sign, at most."""


@dataclass(frozen=True)
class DegreePair:
    """Evidence between two cues that rests on degrees alone.

    Attributes
    ----------
    names : (str, str)
    family : int or None
        Place of the hypothesis whose features these are; None of two hypotheses.
    signs : SignPair
    nats : float
        Log Bayes factor of the first over the second. Of two hypotheses: by choices and rankings. Of two features: by
        all feedback, of the family without the second over the family without the first. NaN where it was not computed.
    mcse : float
        Its Monte Carlo error, nats.
    share : float
        Share of what is at stake that hangs on it; NaN where nothing is.
    """

    names: tuple[str, str]
    family: int | None
    signs: SignPair
    nats: float
    mcse: float
    share: float


@dataclass(frozen=True, eq=False)
class Guarded:
    """Pairs of cues that training tells apart by degree, and the case without.

    Attributes
    ----------
    pairs : tuple of DegreePair
    case : Case
        Without the evidence of these pairs; the case itself where there is no pair.
    groups : list of list of int
        Connected groups of listed hypotheses.
    unreliable : tuple of str
        Why the case without the evidence cannot be trusted; empty where it can.
    """

    pairs: tuple[DegreePair, ...]
    case: Case
    groups: Sequence[Sequence[int]] = ()
    unreliable: tuple[str, ...] = ()


def guarded(case: Case) -> Guarded:
    """Find the pairs of a case, and set their evidence aside."""
    listed = listed_pairs(case.posterior, case.valuation, MOST)
    judged = [h for h in case.posterior.families if case.posterior.weights[h] > 0]
    of_families = {h: pairs for h in judged if (pairs := feature_pairs(case.posterior, case.valuation, h))}
    if not listed and not of_families:
        return Guarded((), case)
    refits, found, unreliable = {}, _of_hypotheses(case, listed), []
    for h, pairs in of_families.items():
        features = sorted({k for pair in pairs for k in (pair.first, pair.second)})
        if len(features) > MOST_SIGNS:
            unreliable.append(
                f"{len(features)} features of {case.judge_names[h]!r} are in such pairs, and {MOST_SIGNS} can be"
            )
            names = case.posterior.families[h].linear.names
            found += [DegreePair((names[p.first], names[p.second]), h, p, math.nan, math.nan, math.nan) for p in pairs]
            continue
        refits[h] = refit(case, h, features)
        unreliable += refits[h].problems
        found += _of_features(case, h, refits, pairs)
    groups = groups_of((pair.first, pair.second) for pair in listed)
    return Guarded(tuple(found), guarded_case(case, groups, refits), groups, tuple(unreliable))


def _of_hypotheses(case: Case, pairs: Sequence[SignPair]) -> list[DegreePair]:
    """Return the evidence between listed hypotheses.

    The share of a pair is ``|risk without its evidence - risk|`` over the largest change that giving all of its
    weight to either of the two makes.
    """
    posterior, names = case.posterior, case.judge_names
    if not pairs:
        return []
    told, d = evidence_in_scenes(posterior), case.risk.by_truth
    found = []
    for pair in pairs:
        i, j = pair.first, pair.second
        v = posterior.weights
        aside = without_degrees(posterior, groups_of([(i, j)])).weights
        moved = abs(float((aside[[i, j]] - v[[i, j]]) @ d[[i, j]]))
        stake = abs(float(d[i] - d[j])) * float(max(v[i], v[j]))
        share = min(moved / stake, 1.0) if stake > 1e-12 else math.nan
        nats, mcse = difference(told[i], told[j]), posterior.mcse_between(i, j)
        found.append(DegreePair((names[i], names[j]), None, pair, nats, mcse, share))
    return found


def _of_features(case: Case, h: int, refits: Mapping[int, Refit], pairs: Sequence[SignPair]) -> list[DegreePair]:
    """Return the evidence between features of a family.

    The share of a pair is ``|risk with the signs - risk|`` over the larger of the two changes that leaving out either
    feature makes.
    """
    names, fitted = case.posterior.families[h].linear.names, refits[h]

    def change(judges: Any) -> float:
        test = judged_by(case, refits, {h: judges})
        risks, _ = scalar_risk(test, case.policy, case.agent_weights, case.judge_weights)
        return abs(float(risks[0]) - case.risk.mean)

    moved = change(fitted.weights)
    alone = {k: change(weights) for k, (_, _, weights) in fitted.without.items()}
    found = []
    for pair in pairs:
        (first, error, _), (second, other, _) = fitted.without[pair.second], fitted.without[pair.first]
        stake = max(alone[pair.first], alone[pair.second])
        share = min(moved / stake, 1.0) if stake > 1e-12 else math.nan
        nats = difference(first, second)
        found.append(
            DegreePair((names[pair.first], names[pair.second]), h, pair, nats, math.hypot(error, other), share)
        )
    return found


def risk_without(found: Guarded) -> Document:
    """Return the risk without the evidence, its intervals, and Monte Carlo errors.

    The interval of the values is ``lower`` to ``upper``; ``all`` is that of every source. ``range`` is the risk if each
    group of listed hypotheses had all of its weight on the one of lowest risk, and on the one of highest risk.
    """
    case = found.case

    def numbers(moved: Case) -> dict[str, Any]:
        risk = moved.risk
        ends = interval(moved.once(values_drawn), risk.by_truth[moved.judges], moved.settings.prob)
        return {"mean": risk.mean, **ends, "range": _range(moved, found.groups)}

    risk, errors = numbers(case), case.standard_errors(numbers)
    if risk["lower"] is not None:
        add_errors_to_ends(risk, errors)
    doubt = doubt_of(case)
    if errors["mean"]:
        doubt = doubt.with_evidence_error(case, errors["mean"])
    every = doubt.interval("all")
    return {
        **risk,
        "mcse": errors["mean"],
        "range_mcse": errors["range"],
        "all": None if every is None else [every["lower"], every["upper"]],
        "all_mcse": None if every is None else [every["mcse_lower"], every["mcse_upper"]],
    }


def _range(case: Case, groups: Sequence[Sequence[int]]) -> list[float]:
    """Return the risk with each group's weight on one hypothesis: lowest, highest."""
    d, v = case.risk.by_truth, case.judge_weights
    ends = [case.risk.mean, case.risk.mean]
    for group in groups:
        possible = [h for h in group if v[h] > 0]
        if possible:
            share = v[possible] / v[possible].sum()
            for k, extreme in enumerate((min, max)):
                ends[k] += float(v[possible].sum()) * (float(extreme(d[possible])) - float(share @ d[possible]))
    return ends


class DegreePairs(Section[Document]):
    """Pairs of cues that training tells apart by degree, and the risk without."""

    keys = ("degree_pairs",)
    of_test = True
    urgency = 20

    @override
    def compute(self, case: Case) -> Document:
        found = guarded(case)
        pairs = [_document(case, pair) for pair in sorted(found.pairs, key=_by_evidence)]
        risk = None if not pairs or found.unreliable else risk_without(found)
        return {"pairs": pairs, "risk": risk, "unreliable": list(found.unreliable)}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        pairs, risk = result["pairs"], result["risk"]
        if not pairs:
            return
        yield from (pair["words"] for pair in pairs[:LISTED])
        if len(pairs) > LISTED:
            yield f"degree_pairs lists {len(pairs) - LISTED} more pairs of cues that training distinguishes by degree alone"
        if risk is None:
            yield f"the risk without evidence by degree alone is not given: {'; '.join(result['unreliable'])}"
        else:
            yield in_words(case.risk.mean, risk, case.settings.prob)

    @override
    def present(self, document: Mapping[str, Any]) -> "Iterator[Presentation]":
        from reward_hypotheses.analysis.report.claims import Sentence, holds
        from reward_hypotheses.analysis.report.phrases import capital
        from reward_hypotheses.analysis.report.presentation import Presentation, folded, texts
        from reward_hypotheses.analysis.report.sentences.quotations import whole_sentence

        found = document.get("degree_pairs")
        if not found or not found["pairs"]:
            return
        n = len(found["pairs"][:LISTED])
        sentences = [whole_sentence(document, ("degree_pairs", "pairs", k, "words")) for k in range(n)]
        if found["risk"] is not None:
            before, prob = document["risk"]["mean"], document["risk"]["prob"]
            text = f"{capital(in_words(before, found['risk'], prob))}."
            claim = holds(
                lambda d: ("with it too" in text) == (f"{d['risk']['mean']:.1%}" == f"{found['risk']['mean']:.1%}")
            )
            reads = ("degree_pairs.risk.mean", "degree_pairs.risk.all", "risk.mean", "risk.prob")
            sentences.insert(1, Sentence(text, *reads, claims=[claim]))
        shown, more = folded(sentences, 50)
        yield Presentation(
            "degree_pairs", "evidence", texts(*shown), [_table(found)], terminal=sentences, more=texts(*more)
        )


def _table(found: Mapping[str, Any]) -> "PaperTable":
    from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, share, with_errors

    columns = with_errors(
        Column("first", "first"),
        Column("second", "second"),
        Column("hypothesis", "features of"),
        share("training", "in training"),
        share("test", "on the test"),
        Column("nats", "for the first", "number", "nats", error="mcse"),
        share("share", "of the stake"),
    )
    rows = [
        pair
        | pair["agreement"]
        | {"first": pair["pair"][0], "second": pair["pair"][1], "hypothesis": pair["hypothesis"] or ""}
        for pair in found["pairs"]
    ]
    caption = (
        "Cues that training distinguishes by degree alone: the share of scenes with the same order, the log Bayes factor, and the "
        "share of the risk's range between them that depends on it."
    )
    return PaperTable("degree_pairs", "Cues told apart by degree", caption, columns, cells(columns, rows))


def _by_evidence(pair: DegreePair) -> float:
    return 0.0 if math.isnan(pair.nats) else -abs(pair.nats)


def _document(case: Case, pair: DegreePair) -> Document:
    favoured = pair.names[0 if pair.nats > 0 else 1] if abs(pair.nats) > 2 * pair.mcse else None
    return {
        "pair": list(pair.names),
        "hypothesis": None if pair.family is None else case.judge_names[pair.family],
        "opposite": pair.signs.opposite,
        "agreement": {"training": pair.signs.training, "test": pair.signs.test},
        "scenes": {"training": pair.signs.n_training, "test": pair.signs.n_test},
        "favours": favoured,
        "nats": pair.nats,
        "mcse": pair.mcse,
        "share": None if math.isnan(pair.share) else pair.share,
        "words": _in_words(pair, favoured),
    }


def in_words(before: float, risk: Mapping[str, Any], prob: float) -> str:
    """Return the risk without the evidence that rests on degrees, as a sentence."""
    ends = risk["all"]
    interval_words = "" if ends is None else f" ({prob:.0%} interval {ends[0]:.1%} to {ends[1]:.1%})"
    mean = f"{risk['mean']:.1%}"
    against = "with it too" if mean == f"{before:.1%}" else f"against {before:.1%} with it"
    return f"without the evidence that rests on degrees alone, the risk is {mean}{interval_words}, {against}"


def _in_words(pair: DegreePair, favoured: str | None) -> str:
    first, second = map(repr, pair.names)
    size = abs(pair.nats)
    verdict = "size unknown" if math.isnan(size) else f"{size:.1f} nats" + (f" for {favoured!r}" if favoured else "")
    order = "opposite orders" if pair.signs.opposite else "the same order"
    return (
        f"{first} and {second} put options in {order} in {pair.signs.training:.1%} of training scenes, and in "
        f"{pair.signs.test:.1%} of test scenes: only how far options differ distinguishes them ({verdict})"
    )
