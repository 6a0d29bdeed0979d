"""The results document: everything that summary, tables and report need, as plain numbers and text."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.agents.inferred import Reading
from reward_hypotheses.analysis.agents.inferred_document import contradiction, distances, document_of, untrusted
from reward_hypotheses.analysis.evidence.bayes_factors import MOST, Pair, pairs, silent_pairs
from reward_hypotheses.analysis.evidence.bounded_bayes_factors import bounded_in_words, bounded_pairs
from reward_hypotheses.analysis.evidence.by_feedback import contributions, contributions_document
from reward_hypotheses.analysis.evidence.identifiable_directions import silent_directions, silent_shares
from reward_hypotheses.analysis.evidence.identifiable_on_support import support_document
from reward_hypotheses.analysis.evidence.sample_size import telling_document
from reward_hypotheses.analysis.evidence.subgroups import subgroups_document
from reward_hypotheses.analysis.evidence.unread_features import unread_warning
from reward_hypotheses.analysis.monte_carlo import perturbations, standard_errors
from reward_hypotheses.analysis.risk import expected_reward, frontier
from reward_hypotheses.analysis.risk.asymptotic import Left, left_by_class, limit, risk_parts
from reward_hypotheses.analysis.risk.catastrophe import Risk, catastrophe_risk, scalar_risk
from reward_hypotheses.analysis.risk.intervals import (
    at_least_one,
    dangerous_pairs,
    interval,
    judges_weights,
    upper_limit_of_none,
)
from reward_hypotheses.analysis.risk.none_of_the_above import (
    unmodelled_document,
    unmodelled_risk,
    unmodelled_warnings,
)
from reward_hypotheses.analysis.risk.opinion import opinion
from reward_hypotheses.analysis.rollout import Outcomes, outcomes, scene_weights, usable_features
from reward_hypotheses.analysis.sensitivity.failure_line_refits import DRAWN_ERRORS
from reward_hypotheses.analysis.sensitivity.failure_line_shift import curve_document, failure_curve
from reward_hypotheses.analysis.sensitivity.failure_line_study import (
    Judged,
    add_errors,
    few,
    line_document,
    risk_document,
)
from reward_hypotheses.analysis.sensitivity.learning_curve import BAND, bits_curve
from reward_hypotheses.analysis.sensitivity.prior import (
    bounds_within_factor,
    risk_bound_unlisted,
    risk_bounds,
    slopes,
    tipping_point,
    weight_to_lead,
)
from reward_hypotheses.analysis.sensitivity.shared_prior import risk_bounds_jointly
from reward_hypotheses.analysis.sensitivity.value_bits import value_bits
from reward_hypotheses.analysis.shift.impact import Impact, agreement, impact_document, impact_of
from reward_hypotheses.analysis.shift.minimax import worst_case
from reward_hypotheses.analysis.shift.two_sample_test import Shift, shift_check
from reward_hypotheses.analysis.shift.worst_case import worst_document, worst_risks
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.ledger import Recorded
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Fitted, Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.special import log_normalised
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior, Product, named_judges
from reward_hypotheses.models.priors.judgements import Judgements
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.weights.reward_spreads import different_units, reward_spreads
from reward_hypotheses.models.weights.weigh import idle_warnings

SCHEMA_VERSION = 1
LEAST_DRAWS = 4000
LISTED = 10
BINS = 30
FACTORS = (2.0, 10.0)
"""By which the odds of the values may be off."""
ABSTAINING = (0.0, 0.1, 0.5)
"""Shares of scenes that an agent may refrain in, for which the impossibility is given."""
AROUND = 20_000_000  # hypotheses squared times items up to which policies that act on all weights get every interval

Document = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Question:
    """What a study asks of a posterior.

    Attributes
    ----------
    posterior : Posterior
    policy : Policy
    agent_prior : Prior or None
        What the agent itself extrapolates by; None: the judge's values.
    training : tuple of Valuation
        One a table, of all items that any feedback uses; one for each column of counts by which a table is used.
    counts : tuple of ndarray (item,) or None
        How often each item of these stands there; empty, or None, where once.
    tests : dict of str to Valuation
        The test first, then what else is asked about; empty where there is none.
    reading : Reading or None
        What the agent holds where it has hypotheses or feedback of its own; the tests are then valued under these too, after
        the judge's.
    judged : Judged or None
        What judgements say of the failure line.
    ledger : str or None
        The ledger of tests; ``recorded`` is what it held.
    support : Table or None
        Every item that training could have held, where somebody declared it.
    known : dict
        Kept from one answer to another, so that nothing is weighed twice.
    about : str
        What the study is about, in a sentence or three; empty where it does not say.
    study, origins : dict
        What is known of the study file and of where its tables came from, for whoever reads the results.
    """

    title: str
    seed: int
    posterior: Posterior
    policy: Policy
    agent_prior: Prior | None
    training: tuple[Valuation, ...]
    tests: Mapping[str, Valuation]
    targets: Sequence[float] = (0.1, 0.01, 0.001)
    contaminations: Sequence[float] = (0.01, 0.05, 0.1)
    prob: float = 0.95
    counts: tuple[np.ndarray | None, ...] = ()
    deployments: Sequence[int] = (1, 10, 100, 1000)
    languages: Sequence[Simplicity] = ()
    draws: int = LEAST_DRAWS
    values: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    study: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    reading: Reading | None = None
    judged: Judged | None = None
    ledger: str | None = None
    recorded: Recorded = Recorded()
    support: Table | None = None
    known: dict[Any, Any] = field(default_factory=dict)
    about: str = ""

    @property
    def agent(self) -> np.ndarray:
        """What the agent acts by: (hypothesis of the tests,)."""
        if self.reading is not None:
            return self.reading.weights
        return self.posterior.acting(self.agent_prior)

    @property
    def names(self) -> tuple[str, ...]:
        """The judge's hypotheses, then those that the agent alone may hold."""
        return self.posterior.hypotheses.names if self.reading is None else self.reading.names

    def whole(self, weights: np.ndarray) -> np.ndarray:
        """Weights of the judge's hypotheses, and 0 for those that the agent alone may hold."""
        return np.pad(weights, (0, len(self.names) - len(weights)))

    @property
    def exact(self) -> bool:
        """Whether nothing was sampled on which the numbers rest."""
        read = self.reading is None or self.reading.exact
        return self.posterior.exact and read and not self.policy.sampled


def results_document(question: Question, progress: Callable[[str], None] = lambda _: None) -> Document:
    """Answer a question.

    Raises
    ------
    NotTrustedError
        What was sampled does not pass its gates, or a number that should be finite is not.
    """
    posterior, names = question.posterior, question.posterior.hypotheses.names
    _refuse_untrusted(question)
    spreads = reward_spreads(posterior.hypotheses, posterior.feedback)
    warnings = [*_warnings(question), *different_units(posterior.valuations[0].line, posterior.hypotheses, spreads)]
    progress("checking the model against the training data")
    checks: Document = {}
    misfit: list[str] = []
    rules = posterior.of_rules()
    for k, one in enumerate(posterior.feedback):
        check = rules.check(k, substream(question.seed, f"check {one.name}"))
        misfit.extend(check.misfit)
        checks[str(one.name)] = {
            "statistic": check.statistic,
            "p": check.p,
            "mcse": check.mcse,
            "replications": check.replications,
            "what": check.what,
            "replicated": _histogram(check.replicated, check.statistic),
        }
    subgroups, said = subgroups_document(rules, question.seed)
    misfit.extend(said)
    by_feedback: Document | None = None
    if len(posterior.feedback) > 1:
        progress("what each feedback says")
        by_feedback = contributions_document(posterior, contributions(posterior, question.seed))
        warnings[:0] = by_feedback["contradictions"]
    spent, said = _spent(question)
    warnings[:0] = [*misfit, *said]
    silent = silent_pairs(posterior)
    line = _line(posterior.hypotheses, posterior.valuations[0].line)
    own = range(len(names))
    told = next((_line(posterior.hypotheses, valuation.told.only(own)) for valuation in question.tests.values()), line)
    document: Document = {
        "title": question.title,
        "about": question.about or None,
        "study": dict(question.study) if question.study else None,
        "hypotheses": list(names),
        "rewards": {
            name: reward.text
            if isinstance(reward, (Expression, Linear, Unmodelled))
            else getattr(reward, "__name__", "callable")
            for name, reward in zip(names, posterior.hypotheses.rewards, strict=True)
        },
        "values": dict(question.values) | _inferred(question),
        "prior": _by_name(names, posterior.prior.weights_of(posterior.hypotheses)),
        "log_evidence": _by_name(names, posterior.log_evidence),
        "weights": _by_name(names, posterior.weights),
        "unmodelled": unmodelled_document(posterior),
        "agent": {
            "policy": question.policy.name,
            "abstain": question.policy.abstain,
            "prior": "values" if question.agent_prior is None else question.agent_prior.name,
            "fail_utility": None if told == line else told,
        },
        "fail_utility": line,
        "reward_sd": {n: None if np.isnan(sd) else sd for n, sd in zip(names, spreads.tolist(), strict=True)},
        "failure_line": None if question.judged is None else line_document(question.judged, names, question.prob),
        "agent_prior": _by_name(question.names, _agents_prior(question)),
        "agent_weights": _by_name(question.names, question.agent),
        "silent_pairs": [[names[i], names[j]] for i, j in silent],
        "support": None if question.support is None else support_document(rules, question.support),
        "bounded_pairs": [
            {
                "pair": [rules.hypotheses.names[h] for h in (p.first, p.second)],
                "factors": p.factors,
                "limit": p.limit,
                "words": bounded_in_words(p, *(rules.hypotheses.names[h] for h in (p.first, p.second))),
            }
            for p in bounded_pairs(rules)
        ],
        "silent_directions": {
            names[h]: _silent(fitted, {name: v for name, v in question.tests.items()}, h)
            for h, fitted in posterior.families.items()
        },
        "reward_weights": {
            names[h]: _reward_weights(fitted, question.prob) for h, fitted in posterior.families.items()
        },
        "pairs": [
            {
                "pair": [names[p.first], names[p.second]],
                "log_prior_odds": p.log_prior_odds,
                "log_bayes_factor": p.log_bayes_factor,
                "log_posterior_odds": p.log_posterior_odds,
                "mcse": p.mcse,
                "silent": p.silent,
                "words": _pair_in_words(names[p.first], names[p.second], p),
            }
            for p in pairs(posterior)
        ],
        "feedback": {
            str(f.name): {"kind": f.kind, "table": f.table.name, "column": f.column or None, "settings": f.settings()}
            for f in posterior.feedback
        },
        "fit": _fit(posterior),
        "n_items": {str(f.name): e.n_items for f, e in zip(posterior.feedback, posterior.evidence, strict=True)},
        "telling": telling_document(rules, question.seed),
        "predictive_check": checks,
        "subgroups": subgroups,
        "misfit": misfit,
        "evidence_by_feedback": by_feedback,
        "test_table": next(iter(question.tests), None),
        "ledger": _ledger(question),
        "spent": spent,
        "training_tables": list(dict.fromkeys(v.table.name for v in question.training)),
        "tables": {
            table.name: _shape(table) | {"origin": question.origins.get(table.name)} for table in _tables(question)
        },
    }
    for pair in document["bounded_pairs"]:
        warnings.append(
            f"risk.limit takes {pair['pair'][0]!r} and {pair['pair'][1]!r} to be told apart in the end, which no amount of such data "
            "does: their Bayes factor stays bounded (bounded_pairs)"
        )
    if len(names) > MOST:
        warnings.append(f"pairs lists the {MOST} hypotheses of greatest weight; silent_pairs lists every silent pair")
    answers: dict[str, Document] = {}
    for name, valuation in question.tests.items():
        progress(f"risk on {name!r}")
        about = "" if not answers else f"on {name!r}: "
        answers[name], said = _on_test(question, valuation, name)
        warnings.extend(about + w for w in said)
    if not question.exact:
        progress("Monte Carlo errors")
        document["mcse"] = _errors(question, answers)
    else:
        document["mcse"] = None
    first = next(iter(answers.values()), None)
    document |= dict.fromkeys(TEST_KEYS) if first is None else first
    if first is None:
        warnings.append("no test table: the run stops at the weights, and what needs a test is null")
    document["agent_reading"] = _reading(question, warnings)
    document["bits_by_size"] = None if first is None else _curve(question, first)
    document["also"] = {name: answers[name] for name in list(answers)[1:]}
    document |= {
        "warnings": warnings,
        "versions": dict(question.versions),
        "seed": question.seed,
        "schema_version": SCHEMA_VERSION,
        "data_sha256": dict(question.digests),
    }
    _refuse_what_is_not_finite(document)
    return _clean(document)


def mean_risk(question: Question) -> float:
    """Mean risk on the first test, as ``risk.mean`` of the results has it, and nothing else of them.

    Raises
    ------
    NotTrustedError
        What was sampled does not pass its gates.
    """
    _refuse_untrusted(question)
    valuation = next(iter(question.tests.values()))
    judge = question.whole(question.posterior.weights)
    return float(catastrophe_risk(valuation, question.policy, question.agent, judge).mean)


def _refuse_untrusted(question: Question) -> None:
    posterior = question.posterior
    problems = posterior.untrusted(*([posterior.acting(question.agent_prior)] if question.reading is None else []))
    problems += [] if question.reading is None else untrusted(question.reading)
    if problems:
        raise NotTrustedError(problems)


TEST_KEYS = (
    "risk",
    "risk_parts",
    "risk_by_agent_prior",
    "risk_by_language",
    "risk_by_judge",
    "risk_under_judged_line",
    "agents",
    "frontier",
    "matrix",
    "catastrophic_options",
    "risk_by_truth",
    "risk_by_agent_hypothesis",
    "reward_by_agent_hypothesis",
    "dangerous_pairs",
    "riskiest_scenes",
    "value_bits",
    "value_bits_by_truth",
    "value_bits_of_agent",
    "risk_bounds",
    "risk_bounds_unlisted",
    "risk_bounds_within_factor",
    "risk_bounds_jointly",
    "risk_by_line",
    "languages",
    "tipping",
    "slopes",
    "impossible",
    "worst_case",
    "impact",
    "shifted",
    "shift",
)
"""Keys that are about one test."""


def _on_test(question: Question, valuation: Valuation, name: str) -> tuple[Document, list[str]]:
    posterior, policy = question.posterior, question.policy
    names, judge = question.names, posterior.weights
    warnings = []
    risk = catastrophe_risk(valuation, policy, question.agent, question.whole(judge))
    rules = list(posterior.hypotheses.rules)
    worse = risk.worse[rules]
    if not valuation.table.has_options and not policy.abstain:
        warnings.append(
            f"table {name!r} has no column 'option' and the agent may not abstain, so every agent does the same there and "
            "has the same risk"
        )
    if not worse.any():
        warnings.append(
            f"no option of table {name!r} is worse than failing under any hypothesis, so nothing there can be a catastrophe: "
            "is fail_utility in the units of the rewards?"
        )
    elif (worse == 1).all():
        warnings.append(
            f"every option of table {name!r} is worse than failing under every hypothesis, so only abstaining avoids "
            "catastrophe: is fail_utility in the units of the rewards?"
        )
    if (unread := unread_warning([v.table for v in question.training], valuation.table, _read(question))) is not None:
        warnings.append(unread)
    told_apart = _judges(valuation.typical(), len(judge)).of_rules()
    training = [v.of_rules() for v in question.training]
    shift = shift_check(training, told_apart, judge[rules], substream(question.seed, "shift"), question.counts)
    if not shift.shifted:
        warnings.append(
            f"table {name!r} does not differ from training in what the hypotheses say about it (p = {shift.p:.3g}): a risk "
            "on it is about ordinary generalisation, not about a shift"
        )
    acted = outcomes(valuation, policy, question.agent, question.whole(judge))
    measured, said = _measured(question, valuation, risk, acted)
    warnings.extend(said + few(measured["risk_under_judged_line"]))
    counted = np.where(scene_weights(valuation)[0] > 0, risk.by_scene, 0.0)
    document = measured | {
        "dangerous_pairs": [
            {
                "agent": names[i],
                "truth": names[j],
                "risk": c,
                "words": f"training cannot tell {names[i]!r} from {names[j]!r}; an agent that takes up {names[i]!r} where "
                f"{names[j]!r} is true does worse than failing in {c:.1%} of scenes",
            }
            for i, j, c in dangerous_pairs(posterior, risk.matrix)
        ],
        "riskiest_scenes": [
            {"scene": valuation.table.scene_name(int(m)), "risk": float(risk.by_scene[m])}
            for m in np.argsort(-counted, kind="stable")[:LISTED]
            if counted[m] > 0
        ],
        "impossible": _impossible(posterior, valuation),
        "worst_case": worst_document(
            acted,
            measured["worst_case"],
            usable_features([valuation.table], posterior.hypotheses, _said_columns(question)),
        ),
        "impact": _impact(question, valuation.table, acted, measured["impact"]),
        "shifted": shift.shifted,
        "shift": _shift(shift, told_apart.hypotheses.names),
    }
    return document, warnings


def _said_columns(question: Question) -> set[str]:
    """Columns that feedback names: observations and how often they were made, not features."""
    return {column for one in question.posterior.feedback for column in one.said_columns}


def _read(question: Question) -> set[str]:
    """Columns that a hypothesis, the agent's own among them, a failure line or a feedback names."""
    read = question.reading
    listed = question.posterior.hypotheses if read is None else read.listed
    valuations = [*question.posterior.valuations, *question.tests.values()]
    lines = [value for v in valuations for line in (v.line, v.told) for value in line.values]
    expressions = [*listed.expressions().values(), *(value for value in lines if isinstance(value, Expression))]
    probes = () if read is None else read.agent.feedback
    return {c for e in expressions for c in e.columns} | _said_columns(question) | {one.column for one in probes}


def _impacts(question: Question, test: Table) -> tuple[Impact, list[str]] | None:
    """Impact of every item of a test, and the features that it is measured by; None where training has none of them."""
    key = ("impact", test.name)  # it rests on no weight
    if key not in question.known:
        training = [valuation.table for valuation in question.training]
        features = usable_features([*training, test], question.posterior.hypotheses, _said_columns(question))
        found = impact_of(training, test, features, counts=question.counts) if features else None
        question.known[key] = None if found is None else (found, features)
    known: tuple[Impact, list[str]] | None = question.known[key]
    return known


def _impact(question: Question, test: Table, acted: Outcomes, measured: Document | None) -> Document | None:
    """What impact says of what the agent does, beside what the values say; None where it is not defined."""
    found = _impacts(question, test)
    if found is None or measured is None:
        return None
    return impact_document(acted, found[0], measured["table"], found[1])


def _measured(
    question: Question, valuation: Valuation, risk: Risk, acted: Outcomes, like: Document | None = None
) -> tuple[Document, list[str]]:
    """What is said of a test that rests on the evidence, as numbers by key, and warnings; its lists as in another answer."""
    posterior, policy = question.posterior, question.policy
    names, n = posterior.hypotheses.names, len(posterior.weights)
    agent, judge = question.agent, question.whole(posterior.weights)
    drawn = judges_weights(posterior, max(question.draws, LEAST_DRAWS), substream(question.seed, "values"))
    bounds = interval(drawn, risk.by_truth[:n], question.prob)
    priors = _foils(question)
    foils = {key: question.whole(posterior.acting(prior)) for key, prior in priors.items()}
    ours = _risks_of(valuation, policy, foils, judge, risk)
    other = replace(policy, abstain=not policy.abstain)
    flipped, flipped_abstained = _scalar(valuation, other, foils, judge)
    abstained = _abstained_of(valuation, policy, foils, judge, risk)
    earned, flipped_earned = _rewards(valuation, (policy, other), judge)
    bits, bits_by_truth, said = _bits(question, risk)
    impacts = _impacts(question, valuation.table)
    stays: list[Left] | None
    if question.reading is None:
        stays = left_by_class(valuation, posterior, policy, question.agent_prior, risk)
    else:
        stays = question.reading.left_by_class(posterior, policy, risk)
    left, silent = (None, None) if stays is None else limit(stays)
    document: Document = {
        "risk": {
            "mean": risk.mean,
            "lower": bounds["lower"] if bounds else None,
            "upper": bounds["upper"] if bounds else None,
            "prob": question.prob,
            "mcse": 0.0,
            "mcse_lower": bounds["mcse_lower"] if bounds else None,
            "mcse_upper": bounds["mcse_upper"] if bounds else None,
            "se_scenes": risk.se_scenes,
            "floor": risk.floor,
            "abstained": risk.abstained,
            "regret": risk.regret,
            "limit": left,
            "limit_silent": silent,
            "at_least_one": {
                str(int(d)): at_least_one(risk, policy, agent, judge, int(d)) for d in question.deployments
            },
            "n_scenes": int((scene_weights(valuation)[0] > 0).sum()),
            "equal_scenes": risk.n_scenes,
            "upper_of_zero": upper_limit_of_none(risk.n_scenes),
            "unmodelled": unmodelled_risk(posterior, valuation, policy, agent),
        },
        "risk_parts": None
        if stays is None
        else risk_parts(
            risk,
            stays,
            policy.mixing(agent) if policy.draws_one else None,
            judge,
            question.names,
            None if like is None else like["risk_parts"],
        ),
        "risk_by_agent_prior": {
            "uniform": ours["uniform"],
            "simplicity": ours.get(f"simplicity, {question.languages[0].language_name}")
            if question.languages
            else None,
            "values": ours["values"],
        },
        "risk_by_language": {
            language.language_name: ours.get(f"simplicity, {language.language_name}") for language in question.languages
        },
        "risk_by_judge": _by_judge(question, risk.by_truth),
        "risk_under_judged_line": _under_judged_line(question, valuation),
        "agents": {
            key: {
                "acts": {
                    "risk": flipped[key] if policy.abstain else ours[key],
                    "reward": _earned(policy, foils[key], flipped_earned if policy.abstain else earned),
                    "abstained": 0.0,
                },
                "may_abstain": {
                    "risk": ours[key] if policy.abstain else flipped[key],
                    "reward": _earned(policy, foils[key], earned if policy.abstain else flipped_earned),
                    "abstained": abstained[key] if policy.abstain else flipped_abstained[key],
                },
                **_around(question, valuation, risk, drawn, prior, foils[key]),
            }
            for key, prior in priors.items()
        },
        "frontier": frontier.document_of(frontier.frontier(valuation, policy, agent, judge)),
        "matrix": {a: _by_name(names, row) for a, row in zip(question.names, risk.matrix[:, :n], strict=True)},
        "catastrophic_options": _by_name(names, risk.worse[:n]),
        "risk_by_truth": _by_name(names, risk.by_truth[:n]),
        "risk_by_agent_hypothesis": _by_name(question.names, risk.by_agent),
        "reward_by_agent_hypothesis": None
        if earned is None
        else {name: None if math.isnan(x) else x for name, x in _by_name(question.names, earned).items()},
        "value_bits": bits,
        "value_bits_by_truth": bits_by_truth,
        "value_bits_of_agent": _bits_of_agent(question, risk),
        "risk_bounds": {
            repr(float(e)): list(risk_bounds(posterior.log_prior, posterior.log_evidence, risk.by_truth[:n], e))
            for e in question.contaminations
        },
        "risk_bounds_unlisted": {
            repr(float(e)): risk_bound_unlisted(posterior.log_prior, posterior.log_evidence, risk.by_truth[:n], e)
            for e in question.contaminations
        },
        "risk_bounds_jointly": _jointly(question, risk),
        "risk_by_line": curve_document(
            failure_curve(posterior, valuation, policy, agent, known=question.known), names, risk.mean
        ),
        "languages": _by_languages(question, ours),
        "worst_case": worst_risks(acted.share, acted.risk),
        "impact": None if impacts is None else {"table": agreement(acted, impacts[0].flagged)},
    }
    return document | _robust(question, risk.by_truth[:n]), said


def _under_judged_line(question: Question, valuation: Valuation) -> Document | None:
    """Risk with the failure line as judgements leave it; None without any, or where it is not computed."""
    if question.judged is None:
        return None
    n = max(question.draws, LEAST_DRAWS)
    about = (question.posterior, valuation, question.policy, question.agent)
    return risk_document(
        question.judged.risk(*about, question.prob, n, question.seed), question.posterior.hypotheses.names
    )


def _jointly(question: Question, risk: Risk) -> Document | None:
    """Bounds where agent and judge have the prior in common and it may be wrong; None for other agents and policies."""
    posterior = question.posterior
    shared = question.reading is None and question.agent_prior is None and posterior.learnt is None
    if not shared or not question.policy.mixes_weights:
        return None
    document: Document = {}
    for e in question.contaminations:
        found = risk_bounds_jointly(posterior.log_prior, posterior.log_evidence, risk.matrix, float(e))
        document[repr(float(e))] = dict(zip(("lower", "upper", "exact"), found, strict=True))
    return document


def _by_languages(question: Question, risks: Mapping[str, float]) -> Document:
    """The simplicity languages side by side: what each charges a hypothesis, which comes first, and what that does."""
    posterior = question.posterior.of_rules()
    names = posterior.hypotheses.names
    document: Document = {}
    for language in question.languages:
        try:
            bits = language.bits(posterior.hypotheses)
        except InputError:
            document[language.language_name] = None
            continue
        weights = posterior.reweighted(language)
        lead = weights >= (1 - 1e-9) * weights.max()
        document[language.language_name] = {
            "bits": _by_name(names, bits),
            "weights": _by_name(names, weights),
            "first": [name for name, first in zip(names, lead.tolist(), strict=True) if first],
            "risk": risks.get(language.name),
        }
    return document


def _robust(question: Question, by_truth: np.ndarray) -> Document:
    """What other values of the judge would make of the risk."""
    posterior = question.posterior
    names, held = posterior.hypotheses.names, (posterior.log_prior, posterior.log_evidence)
    return {
        "risk_bounds_within_factor": {repr(k): list(bounds_within_factor(*held, by_truth, k)) for k in FACTORS},
        "tipping": {
            name: {
                "leads_from": weight_to_lead(*held, h),
                "risk_at": {repr(float(t)): tipping_point(*held, by_truth, h, float(t)) for t in question.targets},
            }
            for h, name in enumerate(names)
        },
        "slopes": dict(zip(("values", "evidence"), slopes(*held, by_truth), strict=True)),
    }


def _impossible(posterior: Posterior, valuation: Valuation) -> Document | None:
    """The silent class between whose hypotheses no agent can do well; None where training tells all apart."""
    classes = [members.tolist() for members in posterior.members() if len(members) > 1]
    if not classes:
        return None
    least = [float(worst_case(valuation, members, ABSTAINING[:1])[0]) for members in classes]
    worst = max(range(len(classes)), key=lambda k: -1.0 if math.isnan(least[k]) else least[k])
    rest = worst_case(valuation, classes[worst], ABSTAINING[1:]).tolist()
    return {
        "hypotheses": [posterior.hypotheses.names[h] for h in classes[worst]],
        "risk": {repr(rho): x for rho, x in zip(ABSTAINING, [least[worst], *rest], strict=True)},
    }


EXACT_KEYS = ("prob", "mcse", "mcse_lower", "mcse_upper", "se_scenes", "n_scenes", "equal_scenes", "upper_of_zero")
"""Of ``risk``: what has no Monte Carlo error of its own."""


def _errors(question: Question, answers: Mapping[str, Document]) -> Document:
    """Monte Carlo errors of the numbers that rest on sampled evidence, under the keys of those numbers.

    Those of each test's risk are also put where the contract has them, beside the risk.
    """
    posterior, names = question.posterior, question.posterior.hypotheses.names

    def compute(asked: Question, over: Mapping[str, Valuation]) -> Document:
        moved = asked.posterior
        tests: Document = {}
        for name, valuation in over.items():
            about = (valuation, asked.policy, asked.agent, asked.whole(moved.weights))
            measured, _ = _measured(asked, valuation, catastrophe_risk(*about), outcomes(*about), answers[name])
            if not valuation.families and not question.policy.sampled:
                for key in ("matrix", "catastrophic_options"):
                    del measured[key]  # they rest on no weight
            for key in EXACT_KEYS:
                del measured["risk"][key]
            if measured["risk"]["unmodelled"] is None:
                del measured["risk"]["unmodelled"]
            for key in DRAWN_ERRORS if measured["risk_under_judged_line"] else ():
                del measured["risk_under_judged_line"][key]
            tests[name] = measured
        return {
            "weights": _by_name(names, moved.weights),
            "agent_weights": _by_name(question.names, asked.agent),
            "tests": tests,
            "agent_reading": _acts(asked, next(iter(over.values()), None)),
        }

    items = sum(v.table.n_items for v in question.tests.values())
    rng = substream(question.seed, "errors of evidence")
    draws = substream(question.seed, "errors of draws")
    n = perturbations(posterior, items)
    agents: Iterable[Reading | None] = [None] * n
    if question.reading is not None:
        agents = question.reading.moved(n, substream(question.seed, "errors of the agent's evidence"))
    judged = None if question.judged is None else question.judged.without_errors()
    found = standard_errors(
        compute,
        (
            (
                replace(
                    question, posterior=moved, reading=agent, policy=question.policy.resampled(draws), judged=judged
                ),
                {name: valuation.resampled(draws) for name, valuation in question.tests.items()},
            )
            for moved, agent in zip(posterior.perturbed(n, rng), agents, strict=True)
        ),
    )
    for name, answer in answers.items():
        risk, error = answer["risk"], found["tests"][name]["risk"]
        risk["mcse"] = error["mean"]
        for end in ("lower", "upper"):
            if risk[end] is not None:
                risk[f"mcse_{end}"] = math.hypot(risk[f"mcse_{end}"], error[end])
        if answer["risk_under_judged_line"]:
            add_errors(answer["risk_under_judged_line"], found["tests"][name]["risk_under_judged_line"])
    tests = list(answers)
    document = {
        "log_evidence": _by_name(names, posterior.mcse),
        "weights": found["weights"],
        "agent_weights": found["agent_weights"],
        "agent_reading": found["agent_reading"],
    }
    errors = found["tests"]
    return document | (errors[tests[0]] if tests else {}) | {"also": {name: errors[name] for name in tests[1:]}}


def _tables(question: Question) -> list[Table]:
    """Every table that is used, once: of training, of the tests, of the agent's own choices."""
    tables = {v.table.name: v.table for v in [*question.training, *question.tests.values()]}
    if question.support is not None:
        tables.setdefault(question.support.name, question.support)
    if question.judged is not None:
        shown = question.judged.judgements.asked.table
        tables.setdefault(shown.name, shown)
    if question.reading is not None and question.reading.alone is not None:
        for valuation in question.reading.alone.valuations:
            tables.setdefault(valuation.table.name, valuation.table)
    return list(tables.values())


def _judges(valuation: Valuation, n: int) -> Valuation:
    """A test under the judge's hypotheses alone, the first n."""
    if len(valuation.hypotheses) == n:
        return valuation
    own = range(n)
    return Valuation(
        valuation.hypotheses.only(own), valuation.table, valuation.line.only(own), valuation.told.only(own)
    )


def _agents_prior(question: Question) -> np.ndarray:
    """What the agent finds likely before any data: (hypothesis of the tests,)."""
    read = question.reading
    if read is not None:
        return read.spread(read.agent.prior.weights_of(read.agent.hypotheses))
    if question.posterior.learnt is not None:
        return np.exp(question.posterior.acting_log_prior(question.agent_prior))
    return (question.agent_prior or question.posterior.prior).weights_of(question.posterior.hypotheses)


def _reading(question: Question, warnings: list[str]) -> Document | None:
    """What the agent's own choices say of it; None where there are none. What to mind is also put among the warnings."""
    if question.reading is None or question.reading.alone is None:
        return None
    found = document_of(question.reading, question.seed, question.prob)
    found |= _acts(question, next(iter(question.tests.values()), None))
    found["contradiction"] = contradiction(found)
    if found["contradiction"] is not None:
        found["warnings"].insert(0, found["contradiction"])
    warnings.extend(found["warnings"])
    return found


def _acts(question: Question, test: Valuation | None) -> Document:
    """Weights and risk of an agent that was read, with what the training data say of it and without, beside assumed ones."""
    read, posterior = question.reading, question.posterior
    if read is None or read.alone is None:
        return {}
    foils: dict[str, np.ndarray | None] = {"uniform": None, "simplicity": None, "values": None}
    for key, prior in _foils(question).items():
        simple = bool(question.languages) and key == question.languages[0].name
        if key in foils or simple:
            foils["simplicity" if simple else key] = question.whole(posterior.acting(prior))
    both = {"with_training": read.weights, "without_training": read.spread(read.alone.weights)}
    risks: list[float | None] = [None, None]
    if test is not None:
        judge = question.whole(posterior.weights)
        risks = scalar_risk(test, question.policy, np.array(list(both.values())), judge)[0].tolist()
    return {
        key: {"weights": _by_name(read.names, weights), "risk": risk, "distance": distances(weights, foils)}
        for (key, weights), risk in zip(both.items(), risks, strict=True)
    }


def _silent(fitted: Fitted, tests: Mapping[str, Valuation], h: int) -> Document:
    """Directions of weight that training cannot see, and how much of the rewards' variety on each test lies there."""
    found = silent_directions(fitted)
    shares = {name: silent_shares(valuation, h, fitted) for name, valuation in tests.items()}
    return {
        "directions": [
            {
                "words": words,
                "coefficients": dict(zip(fitted.linear.names, row.tolist(), strict=True)),
                "share": {name: float(share.each[k]) for name, share in shares.items()},
            }
            for k, (words, row) in enumerate(zip(found.words, found.directions, strict=True))
        ],
        "share": {name: share.together for name, share in shares.items()},
    }


def _reward_weights(fitted: Fitted, prob: float) -> Document:
    """What is known of the weights of a family, feature by feature, with the unit of each."""
    ends = np.quantile(fitted.weights, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    error = fitted.weights.std(axis=0, ddof=1) / math.sqrt(min(fitted.ess, len(fitted.weights)))
    columns = (fitted.mean, fitted.weights.std(axis=0, ddof=1), *ends, error, fitted.scale)
    keys = ("mean", "sd", "lower", "upper", "mcse", "unit")
    return {
        "features": {
            name: dict(zip(keys, (float(c[k]) for c in columns), strict=True))
            for k, name in enumerate(fitted.linear.names)
        },
        "prob": prob,
        "prior": fitted.linear.prior,
        "source": fitted.linear.source,
        "method": fitted.method,
        "k_hat": fitted.k_hat,
        "ess": fitted.ess,
    }


def _line(hypotheses: Hypotheses, line: FailureLine) -> Document:
    """A failure line by hypothesis, as it was written; None of one that is unmodelled."""
    values = [value.text if isinstance(value, Expression) else value for value in line.values]
    if hypotheses.unmodelled is not None:
        values[hypotheses.unmodelled] = None
    return dict(zip(hypotheses.names, values, strict=True))


def _fit(posterior: Posterior) -> Document:
    """How the evidence was come by."""
    sampler = posterior.sampler
    return {
        "methods": {one.name: one.method for one in posterior.estimates},
        "sampler": None
        if sampler is None
        else {
            "name": "NUTS (nutpie)",
            "chains": sampler.stats["energy"].shape[0],
            "draws": sampler.stats["energy"].shape[1],
            "divergences": sampler.divergences,
            "r_hat": sampler.r_hat,
            "ess": sampler.ess,
            "target_accept": sampler.target_accept,
        },
    }


def _by_judge(question: Question, by_truth: np.ndarray) -> Document | None:
    """Risk under each judge's values, and under the pool; None where there is one judge."""
    posterior = question.posterior
    judges = named_judges(posterior.prior)
    if len(judges) < 2:
        return None
    n = max(question.draws, LEAST_DRAWS)

    def said(prior: Prior, purpose: str) -> Document:
        found = opinion(posterior, prior, purpose, by_truth[: len(posterior.weights)], question.prob, n, question.seed)
        return {key: None if math.isnan(value) else value for key, value in vars(found).items()}

    return {
        "judges": {name: said(judge, f"values of {name}") for name, judge in judges.items()},
        "pool": said(posterior.prior, "values"),
    }


def _inferred(question: Question) -> Document:
    """How values that were inferred from judgements were come by, and how sure the numbers are."""
    prior, names = question.posterior.prior, question.posterior.hypotheses.names
    if not isinstance(prior, Judgements):
        return {}
    found = prior.inferred(names)
    order = np.argsort(found.tau)
    below = np.cumsum(found.pool.chance[order])
    ends = [float(found.tau[order][np.searchsorted(below, p * below[-1])]) for p in (0.5, 0.025, 0.975)]
    return {
        "inferred": {
            "method": found.method,
            "k_hat": found.k_hat,
            "ess": found.ess,
            "mcse": _by_name(names, found.mcse),
            "disagreement": dict(zip(("median", "lower", "upper"), ends, strict=True)),
            "never_judged": prior.never_judged(names),
        }
    }


def _foils(question: Question) -> dict[str, Prior | None]:
    """Priors of the agent to compare with: uniform, every language, and the human values (None)."""
    foils: dict[str, Prior | None] = {"uniform": Uniform()}
    for language in question.languages:
        try:
            question.posterior.acting_log_prior(language)
        except InputError:
            continue  # a callable has no length in any language: null, as the warning says
        foils[language.name] = language
    own = question.agent_prior
    return foils | ({} if own is None else {own.name: own}) | {"values": None}


def _around(
    question: Question,
    valuation: Valuation,
    risk: Risk,
    drawn: np.ndarray | None,
    prior: Prior | None,
    weights: np.ndarray,
) -> Document:
    """Interval and limit of the agent under another prior, acting as the study's own does; null where too costly."""
    policy, posterior = question.policy, question.posterior
    if policy.draws_one:
        by_truth = policy.mixing(weights) @ risk.matrix
    elif len(weights) ** 2 * valuation.table.n_items <= AROUND:
        by_truth = catastrophe_risk(valuation, policy, weights, question.whole(posterior.weights)).by_truth
    else:
        return {"lower": None, "upper": None, "limit": None}
    ends = interval(drawn, by_truth[: len(posterior.weights)], question.prob) or {}
    return {
        "lower": ends.get("lower"),
        "upper": ends.get("upper"),
        "limit": limit(left_by_class(valuation, posterior, policy, prior, risk))[0],
    }


def _scalar(
    valuation: Valuation, policy: Policy, foils: Mapping[str, np.ndarray], judge: np.ndarray
) -> tuple[dict[str, float], dict[str, float]]:
    risks, abstained = scalar_risk(valuation, policy, np.array(list(foils.values())), judge)
    keys = list(foils)
    return dict(zip(keys, risks.tolist(), strict=True)), dict(zip(keys, abstained.tolist(), strict=True))


def _risks_of(
    valuation: Valuation, policy: Policy, foils: Mapping[str, np.ndarray], judge: np.ndarray, risk: Risk
) -> dict[str, float]:
    if policy.draws_one:  # the matrix is there already
        return {key: float(policy.mixing(w) @ risk.matrix @ judge) for key, w in foils.items()}
    return _scalar(valuation, policy, foils, judge)[0]


def _abstained_of(
    valuation: Valuation, policy: Policy, foils: Mapping[str, np.ndarray], judge: np.ndarray, risk: Risk
) -> dict[str, float]:
    if not policy.abstain:
        return dict.fromkeys(foils, 0.0)
    if policy.draws_one:
        return {key: float(policy.mixing(w) @ risk.abstained_by_agent) for key, w in foils.items()}
    return _scalar(valuation, policy, foils, judge)[1]


def _rewards(
    valuation: Valuation, policies: Sequence[Policy], judge: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """What agents certain of each hypothesis earn, by the policy and by the same of the other permission to abstain."""
    if not policies[0].draws_one:
        return None, None
    earned, flipped = expected_reward.rewards_by_hypothesis(valuation, policies, judge)
    return earned, flipped


def _earned(policy: Policy, weights: np.ndarray, by_hypothesis: np.ndarray | None) -> float | None:
    """What an agent of these weights earns, by what those certain of one hypothesis do; None where that is not known."""
    if by_hypothesis is None:
        return None
    mixed = policy.mixing(weights)
    drawn = mixed > 0
    earned = float(mixed[drawn] @ by_hypothesis[drawn])
    return None if math.isnan(earned) else earned


def _bits(question: Question, risk: Risk) -> tuple[Document, Document, list[str]]:
    posterior, names = question.posterior, question.posterior.hypotheses.names
    keys = [repr(float(t)) for t in question.targets]
    if not question.policy.mixes_weights:
        words = (
            f"bits of human values are not defined for the policy {question.policy.name!r}, which does not draw one "
            "hypothesis from the agent's weights"
        )
        return dict.fromkeys(keys), {k: dict.fromkeys(names) for k in keys}, [words]
    log_agent = log_normalised(posterior.acting_log_prior(Uniform()) + posterior.log_evidence)
    bits, by_truth = {}, {}
    beyond: dict[str, list[str]] = {}
    for key, target in zip(keys, question.targets, strict=True):
        found = value_bits(risk.matrix[: len(names), : len(names)], posterior.weights, log_agent, float(target))
        bits[key], by_truth[key] = found.bits, _by_name(names, found.by_truth)
        if found.reason:
            beyond.setdefault(found.reason, []).append(key)
    return (
        bits,
        by_truth,
        [
            f"no amount of information about human values brings the risk to {' or '.join(keys)}: {why}"
            for why, keys in beyond.items()
        ],
    )


def _bits_of_agent(question: Question, risk: Risk) -> Document | None:
    """Bits of human values that the study's own agent lacks, by target; None where they are not defined."""
    posterior, n = question.posterior, len(question.posterior.weights)
    if not question.policy.mixes_weights or len(question.names) > n:
        return None
    with np.errstate(divide="ignore"):
        log_agent = np.log(question.agent)
    return {
        repr(float(t)): value_bits(risk.matrix, posterior.weights, log_agent, float(t)).bits for t in question.targets
    }


def _curve(question: Question, answer: Document) -> Document | None:
    """Bits needed by size of the data, for the middle one of the targets; None where they are not defined."""
    if not question.policy.mixes_weights or not question.targets:
        return None
    posterior, names = question.posterior, question.posterior.hypotheses.names
    target = float(sorted(question.targets)[len(question.targets) // 2])
    matrix = np.array([[answer["matrix"][a][b] for b in names] for a in names])
    test = next(iter(question.tests.values()))
    curve = bits_curve(posterior, _judges(test, len(names)), matrix, target, substream(question.seed, "bits by size"))
    if curve is None:
        return None
    document: Document = {
        "target": target,
        "sizes": list(curve.sizes),
        "replications": len(curve.training),
        "band": BAND,
    }
    for name, bits in (("training", curve.training), ("telling", curve.telling)):
        document[name] = {"mean": [], "lower": [], "upper": [], "mcse": [], "impossible": []}
        for of_size in bits.T:
            possible, ordered = of_size[np.isfinite(of_size)], np.sort(of_size)
            ends = [float(ordered[round((len(ordered) - 1) * p)]) for p in ((1 - BAND) / 2, (1 + BAND) / 2)]
            error = possible.std(ddof=1) / math.sqrt(len(possible)) if len(possible) > 1 else math.nan
            mean = float(possible.mean()) if len(possible) else math.nan
            found = (mean, *ends, float(error), 1 - len(possible) / len(of_size))
            for key, value in zip(document[name], found, strict=True):
                document[name][key].append(value)
    return document


def _shift(shift: Shift, names: Sequence[str]) -> Document:
    return {
        "statistic": shift.statistic,
        "p": shift.p,
        "permutations": shift.permutations,
        "indicator": shift.indicator,
        "training": shift.training,
        "test": shift.test,
        "new_classes": [
            {"classes": dict(zip(names, classes, strict=True)), "items": items} for classes, items in shift.new_classes
        ],
        "n_new_classes": shift.n_new,
        "new_items": shift.new_items,
        "new_share": shift.new_share,
        "kinds": [
            {"classes": dict(zip(names, classes, strict=True)), "training": training, "test": test}
            for classes, training, test in shift.kinds
        ],
        "words": "a shift" if shift.shifted else "ordinary generalisation",
    }


def _warnings(question: Question) -> list[str]:
    posterior = question.posterior
    warnings = [] if question.judged is None else question.judged.warnings(posterior)
    warnings.extend(unmodelled_warnings(posterior))
    for name, origin in question.origins.items():
        if "shift" in origin and not origin.get("chosen_by"):
            warnings.append(f"table {name!r} was made by shifts, and who chose them is not stated: chosen_by = ...")
    for table in _tables(question):
        warnings.extend(table.odd_columns())
    said: set[tuple[int, str]] = set()
    for one in posterior.feedback:
        if one.in_column and (id(one.table), one.column) in said:
            warnings.append(
                f"{one.name}: column {one.column!r} of table {one.table.name!r} is used by another feedback too"
            )
        said.add((id(one.table), one.column))
        if one.dropped:
            warnings.append(
                f"{one.name}: {one.dropped} of {one.dropped + one.items.n_items} rows of {one.table.name!r} lack {one.column!r}"
                f"{'' if one.count is None else f', their {one.count!r}'} or a feature and were left out"
            )
    warnings.extend(idle_warnings(posterior.feedback, posterior.valuations))
    for name, value, prior in zip(posterior.hypotheses.names, posterior.log_evidence, posterior.log_prior, strict=True):
        if value == -np.inf:
            warnings.append(
                f"the data are impossible under {name!r}: its log evidence is minus infinity, given as null"
            )
        elif prior == -np.inf:
            warnings.append(f"the values give {name!r} a weight of 0, which no data can change")
    if isinstance(posterior.prior, Judgements):
        for name in posterior.prior.never_judged(posterior.hypotheses.names):
            warnings.append(
                f"nobody was asked about {name!r}: its weight among the values is what the prior of worths gives it"
            )
        worst = float(posterior.prior.inferred(posterior.hypotheses.names).mcse.max())
        warnings.append(
            f"the values were inferred from judgements; the Monte Carlo error of their weights, up to {worst:.2g}, is in no other "
            "error"
        )
    if isinstance(posterior.prior, Product) and posterior.prior.strength is not None:
        warnings.append(
            "the logarithmic pool of judges with strengths is taken as one opinion: the pool of their mean weights, worth "
            f"{posterior.prior.strength:.3g} judgements (1 / sum of share^2 / strength)"
        )
    if not posterior.prior.uncertain:
        warnings.append(
            f"the values are stated without a strength, so the risk carries no interval; {_remedy(question.values)}"
        )
    if not question.policy.draws_one:
        warnings.append(
            f"the policy {question.policy.name!r} {question.policy.exchange} rewards of different hypotheses, which sets an "
            "exchange rate between them: one unit of each counts as one unit of any other, and that is a human value too"
        )
    lacking: dict[str, list[str]] = {}
    for language in question.languages:
        try:
            posterior.acting_log_prior(language)
        except InputError as error:
            lacking.setdefault(str(error), []).append(repr(language.language_name))
    for why, languages in lacking.items():
        every = len(languages) == len(question.languages) > 1
        which = "any language" if every else f"the language{'s' * (len(languages) > 1)} {', '.join(languages)}"
        warnings.append(f"no simplicity prior in {which}: {why}")
    return warnings


def _remedy(values: Mapping[str, Any]) -> str:
    """What would give the risk an interval."""
    if "prior" in values:
        return f"the prior {values['prior']!r} has none; weights can have one"
    each = "each judge's weights" if "judges" in values else "the weights"
    return f"with strength = the number of judgements that {each} are worth, it does"


def _ledger(question: Question) -> Document | None:
    """Which ledger of tests was read, and what it held."""
    if question.ledger is None:
        return None
    found = question.recorded
    return {
        "file": question.ledger,
        "sha256": found.sha256,
        "entries": len(found.entries),
        "cut_off": list(found.cut_off),
    }


def _spent(question: Question) -> tuple[Document | None, list[str]]:
    """Which tests were used to choose an agent, and warnings that say so; None where no ledger says."""
    if question.ledger is None:
        return None, []
    found, warnings = question.recorded, []
    if found.sha256 is None and question.tests:
        warnings.append(
            f"the ledger {question.ledger!r} does not exist: nothing was recorded yet (reward-hypotheses ledger record makes it), or "
            "its path is another"
        )
    for number in found.cut_off:
        warnings.append(
            f"line {number} of the ledger {question.ledger!r} was cut off while it was written; which test it is about is not known"
        )
    spent: Document = {}
    for name in question.tests:
        entries = found.of(question.digests.get(name, ""))
        spent[name] = None
        if entries:
            last = entries[-1]
            spent[name] = {"times": len(entries), "last": last.time, "decided": last.decided}
            times = "once" if len(entries) == 1 else f"{len(entries)} times, last"
            warnings.append(
                f"table {name!r} was used to choose an agent, {times} on {last.time[:10]} ({last.decided}): its risk is training "
                "evidence, not a test"
            )
    return spent, warnings


def _shape(table: Table) -> Document:
    widths = np.diff(table.starts)
    return {
        "scenes": table.n_scenes,
        "items": table.n_items,
        "options": [int(widths.min()), int(widths.max())] if table.has_options else None,
        "weighted": "scene_weight" in table.columns,
    }


def _histogram(replicated: np.ndarray, statistic: float) -> Document:
    """Counts of a check's statistic over its replications, in bins that reach to the data's own."""
    low, high = min(float(replicated.min()), statistic), max(float(replicated.max()), statistic)
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(replicated, bins=BINS, range=(low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def _pair_in_words(first: str, second: str, pair: Pair) -> str:
    log_factor = pair.log_bayes_factor
    if pair.silent:
        return f"training is silent between {first!r} and {second!r}: whatever prefers one is an assumption"
    if math.isnan(log_factor):
        return f"the data are impossible under both {first!r} and {second!r}"
    if math.isinf(log_factor):
        better, worse = (first, second) if log_factor > 0 else (second, first)
        return f"the data rule out {worse!r} and leave {better!r}"
    if log_factor == 0:
        return f"the data happen to favour neither {first!r} nor {second!r}, though they could"
    if abs(log_factor) < 2 * pair.mcse:
        return f"the data favour neither {first!r} nor {second!r} by more than the Monte Carlo error of their evidence"
    better, worse = (first, second) if log_factor > 0 else (second, first)
    times = math.exp(min(abs(log_factor), 700.0))
    shown = f"{times:.3g}" if times < 1e6 else f"10^{abs(log_factor) / math.log(10):.1f}"
    return f"the data favour {better!r} over {worse!r} by a factor of {shown}"


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, np.asarray(values, float).tolist(), strict=True))


def _refuse_what_is_not_finite(document: Document) -> None:
    """Refuse numbers that must be finite and are not; bits, odds and log evidences may be infinite."""
    wrong = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in (
                    "log_evidence",
                    "evidence_by_feedback",
                    "tipping",
                    "impossible",
                    "risk_by_line",
                    "pairs",
                    "value_bits",
                    "value_bits_by_truth",
                    "value_bits_of_agent",
                    "se_scenes",
                    "bits_by_size",
                    "telling",
                    "bounded_pairs",
                    "k_hat",
                    "distance",
                ):
                    walk(inner, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                walk(inner, f"{path}[{i}]")
        elif isinstance(value, float) and not math.isfinite(value):
            wrong.append(f"{path} is {value}")

    walk(document, "")
    if wrong:
        raise NotTrustedError("these numbers are not finite, so none is given: " + ", ".join(wrong[:5]))


def _clean(value: Any) -> Any:
    """Numbers that are missing or infinite as None."""
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
