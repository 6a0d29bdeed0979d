"""Evidence of all feedback together, and the posterior of hypotheses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.numerics import numbered
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled, cell_posterior
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.linear_family.integrate import MOST_NUTS, Nuts, fit_family
from reward_hypotheses.models.linear_family.likelihood_terms import in_steps
from reward_hypotheses.models.posterior import METHODS, Estimate, Posterior, posterior_weights
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.weights.shared_nuisances import check_shared, exactly

if TYPE_CHECKING:
    from reward_hypotheses.models.inference.trust import Sampler
    from reward_hypotheses.models.rule_space.family.fitted import FittedRules

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
    """Return the posterior of hypotheses given feedback.

    ``w_h`` is proportional to ``pi_h prod_k p(D_k | r_h)``, with nuisances integrated out.

    Parameters
    ----------
    method : {"auto", "exact", "nuts"}
        "auto": exact where there is an exact form, else NUTS. "exact": refuse feedback without an exact form. "nuts":
        NUTS for every nuisance.
    draws, chains, seed : int
        Of NUTS, which samples at least 4 chains of 1,000.

    Raises
    ------
    InputError
        A refusal by a prior or feedback, impossible data, or no exact evidence under ``method="exact"``.
    NotTrustedError
        A sampled evidence that is not a number.
    """
    if method not in METHODS:
        raise InputError(f"method: {method!r}; {suggestion(str(method), METHODS)}")
    if problems := method_problems(hypotheses, feedback, method) or (
        unmodelled_problems(hypotheses, feedback) + space_problems(hypotheses, feedback, line)
    ):
        raise InputError(problems)
    fixed = hypotheses.fixed
    check_shared(feedback, "auto")
    if any(data.rater for data in feedback):
        from reward_hypotheses.models.weights.raters.posterior import weigh_raters

        return weigh_raters(hypotheses, prior, feedback, line, method, draws, chains, seed)
    if len(fixed) == len(hypotheses):
        if valuations is None:
            valuations = [Valuation(hypotheses, data.items, line, for_labels=True) for data in feedback]
        evidence, estimates, sampler = _evidence(feedback, valuations, method, draws, chains, seed)
        return _posterior(hypotheses, prior, feedback, valuations, evidence, estimates, sampler)
    evidence, estimates, sampler = [], [], None
    over: list[Valuation] = []
    if fixed:
        listed, at = hypotheses.only(fixed), line.only(fixed)
        over = [Valuation(listed, data.items, at, for_labels=True) for data in feedback]
        evidence, estimates, sampler = _evidence(feedback, over, method, draws, chains, seed)
    evidence = [_among(evidence[k] if fixed else None, data, fixed, len(hypotheses)) for k, data in enumerate(feedback)]
    estimates = [replace(e, classes=w.classes, mcse=w.mcse) for e, w in zip(estimates, evidence, strict=bool(fixed))]
    if hypotheses.spaces:
        hypotheses, evidence = _with_spaces(hypotheses, feedback, line, over, evidence)
        if not fixed:
            estimates = [
                Estimate(str(d.name), "exact", e.classes, e.mcse) for d, e in zip(feedback, evidence, strict=True)
            ]
    if hypotheses.unmodelled is not None:
        hypotheses, evidence = _with_cells(hypotheses, feedback, over, evidence)
    elif hypotheses.families:
        nuts = Nuts(method == "nuts", draws, chains, seed)
        hypotheses, evidence, of_families = _with_families(hypotheses, feedback, line, evidence, nuts)
        estimates += of_families
        reports = [r for r in (sampler, *(f.sampler for f in hypotheses.fitted.values())) if r is not None]
        if reports:
            from reward_hypotheses.models.weights.sampled_evidence import together

            sampler = together(reports)
    typical = hypotheses.typical()
    valuations = [Valuation(typical, data.items, line, for_labels=True) for data in feedback]
    return _posterior(hypotheses, prior, feedback, valuations, evidence, estimates, sampler)


def _evidence(
    feedback: Sequence[Feedback], valuations: Sequence[Valuation], method: str, draws: int, chains: int, seed: int
) -> "tuple[list[Evidence], list[Estimate], Sampler | None]":
    """Return the evidence of fixed rewards, and how it was computed.

    One Evidence and one Estimate for each feedback, and the report of NUTS where it ran.
    """
    exact = exactly(feedback, valuations, method)
    pairs = list(zip(feedback, exact, strict=True))
    inexact = [data for data, e in pairs if data.nuisances and (e is None or e.method != "exact")]
    if inexact and method == "exact":  # a kind that says otherwise
        raise InputError(_no_exact_form(inexact))
    to_sample = [k for k, (data, e) in enumerate(pairs) if e is None or (method == "nuts" and data.nuisances)]
    sampler = None
    if to_sample:
        from reward_hypotheses.models.weights.sampled_evidence import sample_evidence

        some, over = [feedback[k] for k in to_sample], [valuations[k] for k in to_sample]
        classes = [
            data.classes(valuation) if (e := exact[k]) is None else e.classes
            for k, data, valuation in zip(to_sample, some, over, strict=True)
        ]
        sampled, sampler = sample_evidence(some, over, classes, draws, chains, seed)
        for k, e in zip(to_sample, sampled, strict=True):
            before = exact[k]
            exact[k] = e if before is None else replace(e, statistics=before.statistics, density=before.density)
    evidence = [e for e in exact if e is not None]
    estimates = [
        Estimate(str(data.name), e.method, e.classes, e.mcse) for data, e in zip(feedback, evidence, strict=True)
    ]
    return evidence, estimates, sampler


def _with_families(
    hypotheses: Hypotheses, feedback: Sequence[Feedback], line: FailureLine, evidence: Sequence[Evidence], nuts: Nuts
) -> tuple[Hypotheses, list[Evidence], list[Estimate]]:
    """Fit the hypotheses with continuous weights, and add their evidence.

    Feedbacks multiply inside the integral over the weights, so their log evidence does not add up over feedbacks: the
    first feedback holds all of it, and the others hold 0.
    """
    n = len(hypotheses)
    size = max(nuts.draws * nuts.chains, LEAST_FAMILY_DRAWS)
    fitted: dict[int, Fitted] = {}
    total, error = np.zeros(n), np.zeros(n)
    for h in tracked(hypotheses.families):
        name = hypotheses.names[h]
        rng = substream(nuts.seed, f"weights of {name}")
        fitted[h], total[h], error[h] = fit_family(
            name, hypotheses.family(h), feedback, line.values[h], size, rng, nuts=nuts
        )
    first = evidence[0]
    first = replace(first, log_evidence=first.log_evidence + total, mcse=np.hypot(first.mcse, error))
    estimates = []
    for h, family in fitted.items():
        alone = (np.arange(n) == h).astype(int)
        estimates.append(Estimate(hypotheses.names[h], family.method, alone, error * alone))
    return hypotheses.instead(fitted), [first, *evidence[1:]], estimates


def _with_spaces(
    hypotheses: Hypotheses,
    feedback: Sequence[Feedback],
    line: FailureLine,
    over: Sequence[Valuation],
    evidence: Sequence[Evidence],
) -> tuple[Hypotheses, list[Evidence]]:
    """Fit the spaces of rules, and add their evidence.

    Feedbacks multiply inside the sum over the rules, so each adds ``log p(D_k | D_1 ... D_(k-1))`` to the log evidence.
    """
    from reward_hypotheses.models.rule_space.family.fit import fit_rules

    fitted: dict[int, FittedRules] = {}
    out: list[Evidence] = []
    listed = {hypotheses.names[h]: i for i, h in enumerate(hypotheses.fixed)}
    for h in tracked(hypotheses.spaces):
        worth = line.values[h]
        assert isinstance(worth, float)  # `rule_problems`
        about = hypotheses.names[h], hypotheses.rule_space(h), feedback, hypotheses.columns, worth
        fitted[h] = fit_rules(*about, listed, over)
        before, top = 0.0, fitted[h].weights.top(1)
        for k, e in enumerate(evidence):
            until = fitted[h].log_evidence(range(k + 1))
            e.log_evidence[h] = until - before if before > -np.inf else 0.0
            before = until
            if isinstance(feedback[k], Labels):
                if not e.statistics.shape[1]:
                    e = replace(e, statistics=np.zeros((len(hypotheses), 1)))
                e.statistics[h] = fitted[h].wrong(k, top)  # checks look at the heaviest rule
            out.append(e)
        evidence, out = out, []
    return hypotheses.instead(fitted), list(evidence)


def _with_cells(
    hypotheses: Hypotheses, feedback: Sequence[Feedback], over: Sequence[Valuation], evidence: Sequence[Evidence]
) -> tuple[Hypotheses, list[Evidence]]:
    """Fit the unmodelled hypothesis, and add its evidence.

    All feedbacks share the label probabilities, so each adds ``log p(D_k | D_1 ... D_(k-1))`` to the log evidence.

    Parameters
    ----------
    over : sequence of Valuation
        The rules' valuations, one for each feedback.
    """
    from reward_hypotheses.models.weights.label_cells import cells_of

    none, rules = hypotheses.unmodelled, hypotheses.rules
    assert none is not None
    unmodelled = hypotheses.rewards[none]
    assert isinstance(unmodelled, Unmodelled)
    fixed, spaces = hypotheses.fixed, hypotheses.fitted_spaces
    listed = [(n, fixed.index(h)) for n, h in enumerate(rules) if h in fixed]
    of_spaces = [(n, spaces[h]) for n, h in enumerate(rules) if h in spaces]
    codes = [cells_of(d.items, over[k] if over else None, listed, of_spaces) for k, d in enumerate(feedback)]
    labels, counts = [data.observed for data in feedback], [data.counts for data in feedback]
    cells = cell_posterior(unmodelled, none, rules, codes, labels, counts)
    before = 0.0
    for k, e in enumerate(evidence):
        until = cells.log_evidence(range(k + 1))
        e.log_evidence[none] = until - before
        before = until
    return hypotheses.instead({none: cells}), list(evidence)


def method_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback], method: str) -> list[str]:
    """Return why a method cannot weigh hypotheses by feedback, without trying."""
    if method == "auto":
        return []
    families = ", ".join(repr(hypotheses.names[h]) for h in hypotheses.families)
    if method == "nuts":
        if len(hypotheses.spaces) == len(hypotheses):
            return ["method: 'nuts', but every hypothesis is a space of rules, whose evidence is exact; use 'auto'"]
        named = [data for data in feedback if data.nuisances] if len(hypotheses.families) < len(hypotheses) else []
        return (
            [problem for data in named if (problem := data.sampling_problem) is not None]
            + [
                f"method: 'nuts', but {data.name}: {data.kind} are steps in the weights of {families}, which NUTS cannot climb; "
                "use 'auto', which integrates them by sequential Monte Carlo"
                for data in feedback
                if families and in_steps(data)
            ]
            + _too_much_for_nuts(hypotheses, feedback)
        )
    if families:
        how = "importance sampling, sequential Monte Carlo or NUTS"
        return [f"method: {method!r}, but the weights of {families} are integrated by {how}; use 'auto' or 'nuts'"]
    together = {data.shares for data in feedback if data.shares is not None and not data.exact}
    inexact = [data for data in feedback if data.nuisances and (not data.exact or data.shares in together)]
    return [_no_exact_form(inexact)] if inexact else []


def _too_much_for_nuts(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    items = sum(data.items.n_items for data in feedback)
    return [
        f"method: 'nuts', but {hypotheses.names[h]!r} has {k:,} features and feedback {items:,} items: NUTS takes up to "
        f"{MOST_NUTS:,} features times items; use 'auto'"
        for h in hypotheses.families
        if (k := len(hypotheses.family(h).features)) * items > MOST_NUTS
    ]


def _no_exact_form(feedback: Sequence[Feedback]) -> str:
    names = ", ".join(str(data.name or data.kind) for data in feedback)
    return f"method: 'exact', but the evidence of {names} has no exact form; use 'auto' or 'nuts'"


def idle_warnings(feedback: Sequence[Feedback], valuations: Sequence[Valuation]) -> list[str]:
    """Return a warning for each feedback at chance under every hypothesis."""
    return [
        idle_warning(data)
        for data, valuation in zip(feedback, valuations, strict=True)
        if isinstance(data, Rational) and not any(data.compares(valuation, h) for h in valuation.hypotheses.rules)
    ]


def idle_warning(data: Rational) -> str:
    """Return the warning that a feedback leaves nothing to compare."""
    return f"{data.name}: {data.nothing_to_compare}, so this feedback leaves the prior as it stands"


def unmodelled_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    """Return the problems of an unmodelled hypothesis: feedback other than labels.

    An unmodelled hypothesis gives a probability to labels alone.
    """
    none = hypotheses.unmodelled
    if none is None:
        return []
    return [
        f"{data.name or data.kind}: hypothesis {hypotheses.names[none]!r} is unmodelled, and gives labels alone a probability, not "
        f"{data.kind}; leave the one or the other out"
        for data in feedback
        if not isinstance(data, Labels)
    ]


def space_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback], line: FailureLine) -> list[str]:
    """Return why the spaces of rules cannot be fitted to feedback."""
    if not hypotheses.spaces:
        return []
    from reward_hypotheses.models.rule_space.family.fit import rule_problems

    pairs = ((hypotheses.names[h], hypotheses.rule_space(h), line.values[h]) for h in hypotheses.spaces)
    return [problem for name, rules, value in pairs for problem in rule_problems(name, rules, feedback, value)]


def check_lines(hypotheses: Hypotheses, line: FailureLine, prior: Prior) -> None:
    """Refuse a judge who gives weight to a hypothesis without a failure line."""
    weights = prior.weights_of(hypotheses)
    problems = [
        f"fail_utility: hypothesis {hypotheses.names[h]!r} has none, so it says nothing of what is catastrophic; give it one, or "
        "weight 0 in the values (an agent may hold it)"
        for h in hypotheses.families
        if line.values[h] is None and weights[h] > 0
    ]
    if problems:
        raise InputError(problems)


def _among(evidence: Evidence | None, data: Feedback, fixed: Sequence[int], n: int) -> Evidence:
    """Return the evidence of the fixed hypotheses, with room for the others.

    Each other hypothesis is a class of its own, with evidence 0.
    """
    at = np.array(fixed, int)
    rest = np.setdiff1d(np.arange(n), at)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((n, *values.shape[1:]))
        out[at] = values
        return out

    if evidence is None:
        evidence = Evidence(np.zeros(0), np.zeros(0, int), data.n_answers)
    classes = np.zeros(n, int)
    classes[at] = evidence.classes
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
    """Return the posterior of a prior and evidence."""
    log_prior = prior.log_prior(hypotheses)
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
        classes=numbered(zip(*(e.classes.tolist() for e in evidence), strict=True)),
        weights=posterior_weights(prior.weights_of(hypotheses), log_prior, log_evidence),
        feedback=tuple(feedback),
        valuations=tuple(valuations),
        evidence=tuple(evidence),
        estimates=tuple(estimates),
        sampler=sampler,
    )
