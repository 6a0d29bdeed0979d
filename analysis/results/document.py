"""The results document: numbers, warnings and Monte Carlo errors by section.

All entries are plain numbers and text.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.agents.agent_section import AgentStated, AgentWeights
from reward_hypotheses.analysis.agents.inferred_agent import Reading
from reward_hypotheses.analysis.agents.inferred_agent_document import untrusted
from reward_hypotheses.analysis.agents.inferred_agent_section import InferredAgent
from reward_hypotheses.analysis.agents.people.section import People
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.bayes_factor_limits import BoundedPairs
from reward_hypotheses.analysis.evidence.bayes_factors import Pairs, SilentPairs
from reward_hypotheses.analysis.evidence.by_feedback import ByFeedback
from reward_hypotheses.analysis.evidence.degrees.degree_pairs import DegreePairs
from reward_hypotheses.analysis.evidence.equivalent_on_declared_support import OnSupport
from reward_hypotheses.analysis.evidence.identifiable_directions import SilentDirectionsOfWeights
from reward_hypotheses.analysis.evidence.predictive_check_section import FeedbackListed, PredictiveCheck
from reward_hypotheses.analysis.evidence.provenance import LedgerOfTests, Tables, TestTable, Title
from reward_hypotheses.analysis.evidence.sample_size import SampleSize
from reward_hypotheses.analysis.evidence.weights import HypothesesListed, RewardWeights, Values, Weights
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.risk.first_catastrophe import ScenesToFirstCatastrophe
from reward_hypotheses.analysis.risk.frontier import Frontier
from reward_hypotheses.analysis.risk.none_of_the_above import NoneOfTheAbove
from reward_hypotheses.analysis.risk.other_agent_priors import Agents, Languages, RiskByAgentPrior
from reward_hypotheses.analysis.risk.risk_sections import DangerousPairs, RiskMatrix, RiskParts, TestRisk
from reward_hypotheses.analysis.risk.rules.section import RuleSpaces
from reward_hypotheses.analysis.sensitivity.by_human_judge import RiskByJudge
from reward_hypotheses.analysis.sensitivity.failure_line_curve import RiskByLine
from reward_hypotheses.analysis.sensitivity.failure_line_sections import (
    JudgedFailureLine,
    RiskUnderJudgedLine,
    StatedFailureLine,
)
from reward_hypotheses.analysis.sensitivity.prior import OtherPriors, RiskBounds
from reward_hypotheses.analysis.sensitivity.shared_prior_misspecification import JointRiskBounds
from reward_hypotheses.analysis.sensitivity.value_bits import ValueBits
from reward_hypotheses.analysis.sensitivity.value_bits_by_sample_size import BitsBySize
from reward_hypotheses.analysis.shift.impact_measure import ImpactOfChoices
from reward_hypotheses.analysis.shift.minimax_lower_bound import Impossible
from reward_hypotheses.analysis.shift.two_sample_test import ShiftCheck
from reward_hypotheses.analysis.shift.worst_case import WorstCases
from reward_hypotheses.data.progress import named
from reward_hypotheses.models.inference.trust import NotTrustedError

if TYPE_CHECKING:
    from reward_hypotheses.analysis.report.presentation import Presentation

SCHEMA_VERSION = 1

SECTIONS: tuple[Section[Any], ...] = (
    Title(),
    HypothesesListed(),
    Values(),
    Weights(),
    NoneOfTheAbove(),
    AgentStated(),
    StatedFailureLine(),
    JudgedFailureLine(),
    AgentWeights(),
    SilentPairs(),
    OnSupport(),
    BoundedPairs(),
    SilentDirectionsOfWeights(),
    RewardWeights(),
    Pairs(),
    FeedbackListed(),
    SampleSize(),
    PredictiveCheck(),
    ByFeedback(),
    TestTable(),
    LedgerOfTests(),
    Tables(),
    TestRisk(),
    RiskParts(),
    ScenesToFirstCatastrophe(),
    RiskByAgentPrior(),
    RiskByJudge(),
    RiskUnderJudgedLine(),
    Agents(),
    Frontier(),
    RiskMatrix(),
    ValueBits(),
    RiskBounds(),
    JointRiskBounds(),
    RiskByLine(),
    Languages(),
    WorstCases(),
    ImpactOfChoices(),
    OtherPriors(),
    DangerousPairs(),
    DegreePairs(),
    Impossible(),
    ShiftCheck(),
    InferredAgent(),
    BitsBySize(),
    RuleSpaces(),
    People(),
)
"""Every analysis, in the order of the document's keys: a new one is one file and one line here."""
OF_STUDY = tuple(section for section in SECTIONS if not section.of_test)
OF_TEST = tuple(section for section in SECTIONS if section.of_test)
MAY_BE_INFINITE = (
    "log_evidence",
    "evidence_by_feedback",
    "tipping",
    "impossible",
    "risk_by_line",
    "pairs",
    "value_bits",
    "value_bits_by_truth",
    "value_bits_of_agent",
    "value_bits_bounds",
    "se_scenes",
    "bits_by_size",
    "telling",
    "bounded_pairs",
    "degree_pairs",
    "k_hat",
    "distance",
)
"""Keys under which a number may be infinite or missing."""


def results_document(case: Case, progress: Callable[[str], None] = lambda _: None) -> Document:
    """Return the results of a study.

    Raises
    ------
    NotTrustedError
        Sampling does not pass its gates, or a number that should be finite is not.
    """
    _refuse_untrusted(case)
    of_study, warnings = _computed(case, OF_STUDY, "analysing the feedback", progress)
    answers: dict[str, Document] = {}
    tested = {name: case.on(test) if k else case.first for k, (name, test) in enumerate(case.tests.items())}
    for name, on in tested.items():
        about = "" if not answers else f"on {name!r}: "
        answers[name], on_test = _computed(on, OF_TEST, f"risk on {name!r}", progress)
        warnings += [(0, about + text) for _, text in on_test]
    if not answers:
        warnings.append((0, "no test table: the run stops at the weights, and what needs a test is null"))
    errors = None
    if not case.exact:
        progress("Monte Carlo errors")
        errors = _errors(case, tested, of_study, answers)
    first = next(iter(answers.values()), {key: None for section in OF_TEST for key in section.keys})
    last = (*InferredAgent.keys, *BitsBySize.keys)
    document = {key: value for key, value in of_study.items() if key not in last}
    document |= {"mcse": errors} | first | {key: value for key, value in of_study.items() if key in last}
    document |= {
        "also": {name: answers[name] for name in list(answers)[1:]},
        "warnings": [text for _, text in sorted(warnings, key=lambda warning: -warning[0])],
        "versions": dict(case.source.versions),
        "seed": case.seed,
        "schema_version": SCHEMA_VERSION,
        "data_sha256": dict(case.source.digests),
    }
    _refuse_what_is_not_finite(document)
    return _clean(document)


def _computed(
    case: Case, sections: tuple[Section[Any], ...], doing: str, progress: Callable[[str], None]
) -> tuple[Document, list[tuple[int, str]]]:
    """Return the document of some sections of a case, and their warnings.

    Each warning comes with its urgency, the most urgent first.
    """
    document: Document = {}
    warnings: list[tuple[int, str]] = []
    said = ""
    for section in sections:
        words = section.progress(case)
        if (words or doing) != said:
            said = words or doing
            progress(said)
        with named("" if words else section.keys[0].replace("_", " ")):
            result = section.compute(case)
            document |= section.written(case, result)
            if result is not None:
                warnings += [(section.urgency, text) for text in section.warnings(case, result)]
    return document, sorted(warnings, key=lambda warning: -warning[0])


def _errors(case: Case, tested: Mapping[str, Case], of_study: Document, answers: Mapping[str, Document]) -> Document:
    """Return the Monte Carlo errors of numbers that depend on sampled evidence.

    The errors stand under the keys of those numbers. Errors that the contract has beside their numbers are also
    written there.
    """

    def numbers(moved: Case) -> Document:
        tests = {name: _perturbed(moved.on(test), OF_TEST, answers[name]) for name, test in moved.tests.items()}
        return {"study": _perturbed(moved, OF_STUDY, of_study), "tests": tests}

    errors = case.standard_errors(numbers)
    for name, answer in answers.items():
        for section in OF_TEST:
            section.with_errors(tested[name], answer, errors["tests"][name])
    tests = list(answers)
    document = {"log_evidence": by_name(case.judge_names, case.posterior.mcse)} | errors["study"]
    document |= errors["tests"][tests[0]] if tests else {}
    return document | {"also": {name: errors["tests"][name] for name in tests[1:]}}


def _perturbed(case: Case, sections: tuple[Section[Any], ...], like: Mapping[str, Any]) -> Document:
    document: Document = {}
    for section in sections:
        if section.sampled:
            document |= section.perturbed(case, like)
    return document


def presented(document: Mapping[str, Any]) -> "list[Presentation]":
    """Return the parts of the report of a results document, section by section.

    A rate of 0 on a test by which an agent was chosen has no upper limit, so none is presented.
    """
    from reward_hypotheses.analysis.report.phrases import without_spent_limits

    document = without_spent_limits(document)
    return [shown for section in SECTIONS for shown in section.present(document)]


def mean_risk(case: Case) -> float:
    """Return the mean risk on the first test, and compute nothing else.

    The number equals ``risk.mean`` of the results.

    Raises
    ------
    NotTrustedError
        Sampling does not pass its gates.
    """
    _refuse_untrusted(case)
    return float(case.first.risk.mean)


def _refuse_untrusted(case: Case) -> None:
    agent = case.agent
    weights = [] if isinstance(agent, Reading) else [case.agent_weights]
    problems = case.posterior.untrusted(*weights) + (untrusted(agent) if isinstance(agent, Reading) else [])
    if problems:
        raise NotTrustedError(problems)


def _refuse_what_is_not_finite(document: Document) -> None:
    wrong = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in MAY_BE_INFINITE:
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
    """Return a document in which numbers that are missing or infinite are None."""
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
