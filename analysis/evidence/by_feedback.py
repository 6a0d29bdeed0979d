"""Evidence of each feedback, and contradictions between feedbacks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.bayes_factors import difference, top
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.evidence import Check
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.inference.special import log_sum_exp
from reward_hypotheses.models.posterior import Posterior, posterior_weights
from reward_hypotheses.models.weights.leave_out import Parts
from reward_hypotheses.models.weights.predictive_check import predictive_check

CONTRADICTION = 0.01
"""Bound of the probability below which feedbacks are said to contradict each other."""


@dataclass(frozen=True, eq=False)
class GivenOthers:
    """One feedback compared with all the others.

    Attributes
    ----------
    agreement : float
        ``log p(D_k | the others) - log p(D_k)``, nats: how much likelier the others make the data of the feedback than the
        values alone do; negative where the others make these data less likely.
    mcse : float
    weights : ndarray (hypothesis,)
        Posterior weights by the values and the other feedbacks.
    check : Check or None
        Predictive check of the feedback by these weights; None with continuous weights, which the feedback moved too.
    """

    agreement: float
    mcse: float
    weights: np.ndarray
    check: Check | None

    @property
    def chance(self) -> float:
        """Upper bound of the probability of so little agreement.

        The bound holds if the others are right (Markov's inequality).
        """
        return math.exp(min(self.agreement, 0.0))

    @property
    def contradicted(self) -> bool:
        """Whether the bound is so low that one of the feedbacks must be wrong."""
        return self.chance < CONTRADICTION


@dataclass(frozen=True, eq=False)
class Contributions:
    """Log evidence, feedback by feedback.

    Attributes
    ----------
    names : tuple of str
        Of the feedbacks.
    alone, mcse : ndarray (feedback, hypothesis)
        ``log p(D_k | h)``, nats, of each feedback without the others, and its Monte Carlo error.
    together : ndarray (hypothesis,)
        ``log p(D | h) - sum_k log p(D_k | h)``, from sharing a human's rationality, weights of features, or cells.
    agreement, agreement_mcse : ndarray (feedback, feedback)
        ``log p(D_k, D_l) - log p(D_k) - log p(D_l)``, nats, averaged over the hypotheses by the values: pointwise mutual
        information. NaN on the diagonal.
    given_others : tuple of GivenOthers
        One per feedback; empty for a single feedback.
    """

    names: tuple[str, ...]
    alone: np.ndarray
    mcse: np.ndarray
    together: np.ndarray
    agreement: np.ndarray
    agreement_mcse: np.ndarray
    given_others: tuple[GivenOthers, ...]


def contributions(posterior: Posterior, seed: int = 0, checked: bool = True) -> Contributions:
    """Split the evidence of a posterior by feedback.

    ``e = p(D_k) / p(D_k | the others)`` is 1 on average over the predictions of the others, so that ``e >= x`` has a
    probability of at most 1/x (Markov). This is a predictive check of the whole feedback with every nuisance integrated
    out, without replications or a large sample (an e-value: Shafer 2021; Vovk and Wang 2021). The logarithm
    of e is the weight of evidence (Good 1950) that the values alone produced the feedback. The feedback's own predictive check, by the weights
    that the others leave, is given too.

    Parameters
    ----------
    posterior : Posterior
        From `weigh`.
    checked : bool
        Whether to make the predictive checks.
    """
    parts, n = Parts(posterior, seed), len(posterior.feedback)
    evidence = [parts.log_evidence([k]) for k in range(n)]
    alone, mcse = (np.array([of_feedback[i] for of_feedback in evidence]) for i in (0, 1))
    with np.errstate(invalid="ignore"):  # impossible data, by one feedback alone
        together = posterior.log_evidence - alone.sum(axis=0)
    if len(parts.groups) == n and len(posterior.hypotheses.fixed) == alone.shape[1]:
        together = np.zeros(alone.shape[1])
    between, between_mcse = np.full((2, n, n), np.nan)
    for m, k in combinations(range(n), 2):
        between[[k, m], [m, k]], between_mcse[[k, m], [m, k]] = agreement(parts, [k], [m])
    given_others = tuple(_given_others(posterior, parts, k, seed, checked) for k in tracked(range(n)) if n > 1)
    names = tuple(str(feedback.name) for feedback in posterior.feedback)
    return Contributions(names, alone, mcse, together, between, between_mcse, given_others)


def _given_others(posterior: Posterior, parts: Parts, k: int, seed: int, checked: bool) -> GivenOthers:
    """Compare one feedback with all the others."""
    others = [m for m in range(len(posterior.feedback)) if m != k]
    value, error = agreement(parts, [k], others)
    prior = posterior.prior.weights_of(posterior.hypotheses)
    weights = posterior_weights(prior, posterior.log_prior, parts.log_evidence(others)[0])
    check = None
    if checked and not posterior.families:
        rng = substream(seed, f"check {posterior.feedback[k].name} given the others")
        check = predictive_check(replace(posterior, weights=weights), k, rng)
    return GivenOthers(value, error, weights, check)


def agreement(parts: Parts, some: Sequence[int], others: Sequence[int]) -> tuple[float, float]:
    """Return the log agreement of two sets of feedback, and its error.

    ``log p(D_some, D_others) - log p(D_some) - log p(D_others)``, nats, with its Monte Carlo error.
    """
    log_prior = parts.posterior.log_prior
    total, variance = 0.0, 0.0
    apart = parts.separate(some, others)
    shares = []
    for which, sign in (([*some, *others], 1.0), (some, -1.0), (others, -1.0)):
        log_evidence, error = parts.log_evidence(which)
        joint = log_prior + log_evidence
        value = log_sum_exp(joint)
        total += sign * value
        shares.append((sign * np.exp(joint - value), error))
    if apart:  # the same estimates stand in the sum and in its parts
        for k in (*some, *others):
            of_side = 1 if k in some else 2
            variance += float((((shares[0][0] + shares[of_side][0]) * parts.log_evidence([k])[1]) ** 2).sum())
    else:
        variance = sum(float(((share * error) ** 2).sum()) for share, error in shares)
    return total, math.sqrt(variance)


def contributions_document(posterior: Posterior, parts: Contributions) -> dict[str, Any]:
    """Return contributions as plain numbers by name, nats."""
    names, log_weights = posterior.hypotheses.names, posterior.log_prior + posterior.log_evidence
    document: dict[str, Any] = {
        "nats": {name: by_name(names, row) for name, row in zip(parts.names, parts.alone, strict=True)},
        "mcse": {name: by_name(names, row) for name, row in zip(parts.names, parts.mcse, strict=True)},
        "together": by_name(names, parts.together),
        "pairs": [
            {
                "pair": [names[i], names[j]],
                "values": difference(posterior.log_prior[i], posterior.log_prior[j]),
                "feedback": {
                    name: difference(row[i], row[j]) for name, row in zip(parts.names, parts.alone, strict=True)
                },
                "together": difference(parts.together[i], parts.together[j]),
                "all": difference(log_weights[i], log_weights[j]),
            }
            for i, j in combinations(top(posterior), 2)
        ],
        "agreement": _by_other(parts.names, parts.agreement),
        "agreement_mcse": _by_other(parts.names, parts.agreement_mcse),
        "given_others": {},
    }
    for k, (name, others) in enumerate(zip(parts.names, parts.given_others, strict=False)):
        best, theirs = favoured(posterior.log_prior, parts.alone[k], parts.mcse[k]), weightiest(others.weights)
        document["given_others"][name] = {
            "agreement": others.agreement,
            "mcse": others.mcse,
            "chance_at_most": others.chance,
            "contradicted": others.contradicted,
            "favours": [names[h] for h in best],
            "others_favour": [names[h] for h in theirs],
            "weights": by_name(names, others.weights),
            "p": None if others.check is None else others.check.p,
            "p_mcse": None if others.check is None else others.check.mcse,
            "words": _in_words(name, others, names, best, theirs, posterior.log_prior),
        }
    document["contradictions"] = contradictions(document)
    return document


def contradictions(document: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each contradiction between feedbacks.

    A contradiction is between two feedbacks, or between one feedback and all others.
    """
    out, reported = [], set()
    limit = math.log(CONTRADICTION)
    for name, row in document["agreement"].items():
        for other, value in row.items():
            if value < limit and (other, name) not in reported:
                reported.add((name, other))
                bound = value + 2 * document["agreement_mcse"][name][other]
                out.append(
                    f"{name} and {other} contradict each other: if both follow one listed hypothesis, so little agreement occurs in at "
                    f"most {share_of_cases(bound)}"
                )
    pairs = {name for pair in reported for name in pair}
    for name, others in document["given_others"].items():
        if others["contradicted"] and name not in pairs:
            out.append(others["words"])
    return out


def favoured(log_prior: np.ndarray, log_evidence: np.ndarray, mcse: np.ndarray | None = None) -> list[int]:
    """Return the possible hypotheses that a feedback makes likeliest.

    Ties are included, and differences below twice the Monte Carlo error `mcse`; empty where all hypotheses tie.
    """
    possible = log_prior > -np.inf
    at = int(np.argmax(np.where(possible, log_evidence, -np.inf)))
    top, error = float(log_evidence[at]), np.zeros(len(log_evidence)) if mcse is None else np.hypot(mcse, mcse[at])
    best = possible & (log_evidence >= top - np.maximum(EQUAL * max(abs(top), 1.0), 2 * error))
    return [] if best[possible].all() else np.flatnonzero(best).tolist()


def weightiest(weights: np.ndarray) -> list[int]:
    """Return the hypotheses of the greatest weight, ties included."""
    return np.flatnonzero(weights >= weights.max() * (1 - EQUAL)).tolist()


def _in_words(
    name: str,
    others: GivenOthers,
    names: Sequence[str],
    best: Sequence[int],
    theirs: Sequence[int],
    log_prior: np.ndarray,
) -> str:
    if not best:
        return f"{name}: does not distinguish the hypotheses"
    rest = [h for h in range(len(names)) if h not in best and log_prior[h] > -np.inf]
    says = f"speaks {'for' if len(best) <= len(rest) else 'against'} {_listed(names, best if len(best) <= len(rest) else rest)}"
    if others.contradicted:
        return (
            f"{name}: {says}, and contradicts the other feedback ({_listed(names, theirs)}): if all follow one listed hypothesis, so "
            f"little agreement occurs in at most {share_of_cases(others.agreement + 2 * others.mcse)}"
        )
    if abs(others.agreement) <= max(2 * others.mcse, 0.005):
        return f"{name}: {says}; the other feedback makes its data neither likelier nor less likely"
    verb = "likelier" if others.agreement > 0 else "less likely"
    return f"{name}: {says}; the other feedback makes its data {times(abs(others.agreement))} {verb}"


def _listed(names: Sequence[str], some: Sequence[int]) -> str:
    quoted = [repr(names[h]) for h in some]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _count(nats: float) -> str:
    """Return a factor in three figures."""
    if nats >= math.log(1e6):
        return f"10^{nats / math.log(10):.1f}"
    return f"{float(f'{math.exp(nats):.3g}'):,.10g}"


def times(nats: float) -> str:
    """Return a factor in words."""
    return f"{_count(nats)} times"


def share_of_cases(nats: float) -> str:
    """Return a chance of ``exp(nats)`` in words."""
    return f"{100 * math.exp(nats):.2g}% of cases" if nats > math.log(1e-3) else f"one case in {_count(-nats)}"


def _by_other(names: Sequence[str], values: np.ndarray) -> dict[str, dict[str, float]]:
    """Return a number for each ordered pair of feedbacks."""
    return {
        name: {other: float(value) for other, value in zip(names, row, strict=True) if other != name}
        for name, row in zip(names, values, strict=True)
    }


class ByFeedback(Section[Document]):
    """Evidence of each feedback, and contradictions between feedbacks.

    None for a single feedback.
    """

    keys = ("evidence_by_feedback",)
    topic = "feedback"
    urgency = 70

    @override
    def progress(self, case: Case) -> str:
        return "what each feedback says" if len(case.posterior.feedback) > 1 else ""

    @override
    def compute(self, case: Case) -> Document | None:
        if len(case.posterior.feedback) < 2:
            return None
        return contributions_document(case.posterior, contributions(case.posterior, case.seed))

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        yield from result["contradictions"]
