"""Weigh hypotheses by feedback: the evidence of every feedback together, and the posterior."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Fitted
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled, learnt_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.linear_family.integrate import MOST_NUTS, Nuts, fit_family
from reward_hypotheses.models.linear_family.likelihood_terms import in_steps
from reward_hypotheses.models.posterior import METHODS, Estimate, Posterior, cells_of, posterior_weights
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.weights.shared_nuisances import exactly

if TYPE_CHECKING:
    from reward_hypotheses.models.inference.trust import Sampler


LEAST_FAMILY_DRAWS = 4000


def weigh(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    valuations: Sequence[Valuation] | None = None,
    *,
    method: str = "auto",
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
) -> Posterior:
    """Weigh hypotheses by feedback: ``w_h`` proportional to ``pi_h prod_k p(D_k | r_h)``, nuisances integrated out.

    Parameters
    ----------
    method : {"auto", "exact", "nuts"}
        Exactly where it can be, else by NUTS; exactly or not at all; by NUTS wherever there is a nuisance.
    draws, chains, seed : int
        Of NUTS, which samples at least 4 chains of 1,000.

    Raises
    ------
    InputError
        What a prior or feedback refuses, data that are impossible under every hypothesis, or feedback without an exact
        evidence where that was asked for.
    NotTrustedError
        A sampled evidence that is not a number.
    """
    if method not in METHODS:
        raise InputError(f"method: {method!r}; {suggestion(str(method), METHODS)}")
    if problems := method_problems(hypotheses, feedback, method):
        raise InputError(problems)
    if hypotheses.unmodelled is not None:
        return _with_unmodelled(
            hypotheses, prior, feedback, line, valuations, method=method, draws=draws, chains=chains, seed=seed
        )
    if hypotheses.families:
        return _with_families(hypotheses, prior, feedback, line, method=method, draws=draws, chains=chains, seed=seed)
    if valuations is None:
        valuations = [Valuation(hypotheses, one.items, line, for_labels=True) for one in feedback]
    evidence, estimates, sampler = _evidence(feedback, valuations, method, draws, chains, seed)
    return _posterior(hypotheses, prior, feedback, valuations, evidence, estimates, sampler)


def _evidence(
    feedback: Sequence[Feedback], valuations: Sequence[Valuation], method: str, draws: int, chains: int, seed: int
) -> "tuple[list[Evidence], list[Estimate], Sampler | None]":
    """Evidence of hypotheses that are fixed rewards, one a feedback."""
    found = exactly(feedback, valuations, method)
    inexact = [
        one for one, e in zip(feedback, found, strict=True) if one.nuisances and (e is None or e.method != "exact")
    ]
    if inexact and method == "exact":  # a kind that says otherwise
        raise InputError(_no_exact_form(inexact))
    to_sample = [
        k
        for k, (one, e) in enumerate(zip(feedback, found, strict=True))
        if e is None or (method == "nuts" and one.nuisances)
    ]
    sampler = None
    if to_sample:
        from reward_hypotheses.models.weights.sampled_evidence import sample_evidence

        some = [feedback[k] for k in to_sample]
        over = [valuations[k] for k in to_sample]
        known = [found[k] for k in to_sample]
        classes = [
            one.classes(valuation) if e is None else e.classes
            for one, valuation, e in zip(some, over, known, strict=True)
        ]
        sampled, sampler = sample_evidence(some, over, classes, draws, chains, seed)
        for k, e, exact in zip(to_sample, sampled, known, strict=True):
            found[k] = e if exact is None else replace(e, statistics=exact.statistics, density=exact.density)
    evidence = [e for e in found if e is not None]
    estimates = [
        Estimate(str(one.name), e.method, e.classes, e.mcse) for one, e in zip(feedback, evidence, strict=True)
    ]
    return evidence, estimates, sampler


def _with_families(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    *,
    method: str,
    draws: int,
    chains: int,
    seed: int,
) -> Posterior:
    """Weigh hypotheses some of which have continuous weights.

    Feedbacks multiply inside the integral over these, so their log evidence does not add up over feedbacks: the whole of it
    stands with the first feedback, and 0 with the others.
    """
    families = hypotheses.families
    named = [h for h in range(len(hypotheses)) if h not in families]
    n = len(hypotheses)
    evidence: list[Evidence] = []
    estimates: list[Estimate] = []
    sampler = None
    if named:
        some = hypotheses.only(named)
        over = [Valuation(some, one.items, line.only(named), for_labels=True) for one in feedback]
        evidence, estimates, sampler = _evidence(feedback, over, method, draws, chains, seed)
    fitted: dict[int, Fitted] = {}
    total, error = np.zeros(n), np.zeros(n)
    for h in families:
        linear = hypotheses.family(h)
        rng = substream(seed, f"weights of {hypotheses.names[h]}")
        size = max(draws * chains, LEAST_FAMILY_DRAWS)
        nuts = Nuts(method == "nuts", draws, chains, seed)
        fitted[h], total[h], error[h] = fit_family(
            hypotheses.names[h], linear, feedback, line.values[h], size, rng, nuts=nuts
        )
    ran = [one for one in (sampler, *(f.sampler for f in fitted.values())) if one is not None]
    if ran:
        from reward_hypotheses.models.weights.sampled_evidence import together

        sampler = together(ran)
    place = {h: k for k, h in enumerate(named)}
    whole = [_among(evidence[k] if named else None, one, place, n) for k, one in enumerate(feedback)]
    of_named, first = whole.copy(), whole[0]
    whole[0] = replace(first, log_evidence=first.log_evidence + total, mcse=np.hypot(first.mcse, error))
    every = [replace(e, classes=w.classes, mcse=w.mcse) for e, w in zip(estimates, of_named, strict=bool(named))]
    every += [
        Estimate(hypotheses.names[h], fitted[h].method, (np.arange(n) == h).astype(int), error * (np.arange(n) == h))
        for h in families
    ]
    typical = hypotheses.instead({h: one.typical for h, one in fitted.items()})
    valuations = [Valuation(typical, one.items, line, for_labels=True) for one in feedback]
    found = _posterior(hypotheses, prior, feedback, valuations, whole, every, sampler)
    return replace(found, families=fitted)


def method_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback], method: str) -> list[str]:
    """Say why a method cannot weigh hypotheses by feedback, without trying."""
    if method == "auto":
        return []
    families = ", ".join(repr(hypotheses.names[h]) for h in hypotheses.families)
    if method == "nuts":
        named = [one for one in feedback if one.nuisances] if len(hypotheses.families) < len(hypotheses) else []
        return (
            [problem for one in named if (problem := one.sampling_problem) is not None]
            + [
                f"method: 'nuts', but {one.name}: {one.kind} are steps in the weights of {families}, which NUTS cannot climb; "
                "use 'auto', which integrates them by sequential Monte Carlo"
                for one in feedback
                if families and in_steps(one)
            ]
            + _too_much_for_nuts(hypotheses, feedback)
        )
    if families:
        how = "importance sampling, sequential Monte Carlo or NUTS"
        return [f"method: {method!r}, but the weights of {families} are integrated by {how}; use 'auto' or 'nuts'"]
    together = {one.shares for one in feedback if one.shares is not None and not one.exact}
    inexact = [one for one in feedback if one.nuisances and (not one.exact or one.shares in together)]
    return [_no_exact_form(inexact)] if inexact else []


def _too_much_for_nuts(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    items = sum(one.items.n_items for one in feedback)
    return [
        f"method: 'nuts', but {hypotheses.names[h]!r} has {k:,} features and feedback {items:,} items: NUTS takes up to "
        f"{MOST_NUTS:,} features times items; use 'auto'"
        for h in hypotheses.families
        if (k := len(hypotheses.family(h).features)) * items > MOST_NUTS
    ]


def _no_exact_form(feedback: Sequence[Feedback]) -> str:
    names = ", ".join(str(one.name or one.kind) for one in feedback)
    return f"method: 'exact', but the evidence of {names} has no exact form; use 'auto' or 'nuts'"


def idle_warnings(feedback: Sequence[Feedback], valuations: Sequence[Valuation]) -> list[str]:
    """Name the feedbacks that say nothing, for under every hypothesis what was said is at chance."""
    return [
        idle_warning(one)
        for one, valuation in zip(feedback, valuations, strict=True)
        if isinstance(one, Rational) and not any(one.compares(valuation, h) for h in valuation.hypotheses.rules)
    ]


def idle_warning(one: Rational) -> str:
    """Say that a feedback leaves nothing to compare."""
    return (
        f"{one.name}: {one.nothing_to_compare}; every hypothesis has the same evidence from it, that of chance, and it leaves "
        "the prior as it stands"
    )


def unmodelled_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    """Name the feedbacks that a hypothesis which is unmodelled says nothing of: all but labels."""
    none = hypotheses.unmodelled
    if none is None:
        return []
    return [
        f"{one.name or one.kind}: hypothesis {hypotheses.names[none]!r} is unmodelled, and gives labels alone a probability, not "
        f"{one.kind}; leave the one or the other out"
        for one in feedback
        if not isinstance(one, Labels)
    ]


def _with_unmodelled(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    valuations: Sequence[Valuation] | None,
    *,
    method: str,
    draws: int,
    chains: int,
    seed: int,
) -> Posterior:
    """Weigh hypotheses of which one is unmodelled.

    Its label probabilities are shared by all feedbacks, so each adds ``log p(D_k | D_1 ... D_(k-1))`` to its log evidence.
    """
    if problems := unmodelled_problems(hypotheses, feedback):
        raise InputError(problems)
    none, rules = hypotheses.unmodelled, list(hypotheses.rules)
    assert none is not None
    unmodelled = hypotheses.rewards[none]
    assert isinstance(unmodelled, Unmodelled)
    if valuations is None:
        valuations = [Valuation(hypotheses, one.items, line, for_labels=True) for one in feedback]
    evidence, estimates, sampler = _evidence(feedback, [v.of_rules() for v in valuations], method, draws, chains, seed)
    codes = [cells_of(valuation, rules) for valuation in valuations]
    learnt = learnt_of(
        unmodelled, none, rules, codes, [one.observed for one in feedback], [one.counts for one in feedback]
    )
    place, n = {h: k for k, h in enumerate(rules)}, len(hypotheses)
    whole, before = [], 0.0
    for k, (one, found) in enumerate(zip(feedback, evidence, strict=True)):
        spread, until = _among(found, one, place, n), learnt.log_evidence(range(k + 1))
        spread.log_evidence[none] = until - before
        whole.append(spread)
        before = until
    every = [replace(e, classes=w.classes, mcse=w.mcse) for e, w in zip(estimates, whole, strict=True)]
    return replace(_posterior(hypotheses, prior, feedback, valuations, whole, every, sampler), learnt=learnt)


def check_lines(hypotheses: Hypotheses, line: FailureLine, prior: Prior) -> None:
    """Refuse a judge who gives weight to a hypothesis without a failure line."""
    given = prior.weights_of(hypotheses)
    problems = [
        f"fail_utility: hypothesis {hypotheses.names[h]!r} has none, so it says nothing of what is catastrophic; give it one, or "
        "weight 0 in the values (an agent may hold it)"
        for h in hypotheses.families
        if line.values[h] is None and given[h] > 0
    ]
    if problems:
        raise InputError(problems)


def _among(evidence: Evidence | None, one: Feedback, place: Mapping[int, int], n: int) -> Evidence:
    """Evidence of the fixed hypotheses with room for the others, which are each a class of their own and add nothing yet."""
    at, named = np.array(list(place), int), np.array(list(place.values()), int)
    rest = np.setdiff1d(np.arange(n), at)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((n, *values.shape[1:]))
        out[at] = values[named]
        return out

    if evidence is None:
        evidence = Evidence(np.zeros(0), np.zeros(0, int), one.n_answers)
    classes = np.zeros(n, int)
    classes[at] = evidence.classes[named]
    classes[rest] = (int(evidence.classes.max()) + 1 if len(at) else 0) + np.arange(len(rest))
    draws = evidence.draws
    if draws is not None:
        draws = {key: np.moveaxis(spread(np.moveaxis(v, -1, 0)), 0, -1) for key, v in draws.items()}
    statistics = spread(evidence.statistics) if len(evidence.statistics) else np.zeros((n, 0))
    return replace(
        evidence,
        log_evidence=spread(evidence.log_evidence),
        classes=classes,
        statistics=statistics,
        mcse=spread(evidence.mcse),
        draws=draws,
        density=None if evidence.density is None else evidence.density.map(spread),
    )


def _posterior(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    valuations: Sequence[Valuation],
    evidence: Sequence[Evidence],
    estimates: Sequence[Estimate],
    sampler: "Sampler | None",
) -> Posterior:
    """Put a prior and evidence together."""
    log_prior = prior.log_prior(hypotheses)
    together: dict[tuple[int, ...], int] = {}
    by_hypothesis = zip(*(e.classes.tolist() for e in evidence), strict=True)
    classes_of_all = np.array([together.setdefault(key, len(together)) for key in by_hypothesis])
    log_evidence = np.array([e.log_evidence for e in evidence]).sum(axis=0)
    if np.isnan(log_evidence).any():
        bad = [repr(n) for n, v in zip(hypotheses.names, log_evidence, strict=True) if np.isnan(v)]
        raise NotTrustedError(
            f"the sampled evidence of {', '.join(bad)} is not a number: a nuisance reaches values that no float holds; where "
            "there is a closed form, method = 'auto' takes it"
        )
    return Posterior(
        hypotheses=hypotheses,
        prior=prior,
        log_prior=log_prior,
        log_evidence=log_evidence,
        classes=classes_of_all,
        weights=posterior_weights(prior.weights_of(hypotheses), log_prior, log_evidence),
        feedback=tuple(feedback),
        valuations=tuple(valuations),
        evidence=tuple(evidence),
        estimates=tuple(estimates),
        sampler=sampler,
    )
