"""The failure line in the results: stated, judged, and the risk under both."""

from collections.abc import Iterator, Mapping
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.sensitivity.failure_line_refits import DRAWN_ERRORS
from reward_hypotheses.analysis.sensitivity.judged_failure_line import add_errors, few, line_document, risk_document
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.weights.failure_line_units import different_units, reward_spreads


def line_as_written(hypotheses: Hypotheses, line: FailureLine) -> Document:
    """Return the failure line as written, by hypothesis.

    None for an unmodelled hypothesis.
    """
    none = hypotheses.unmodelled
    return dict(zip(hypotheses.names, (line if none is None else line.instead({none: None})).written(), strict=True))


def _spreads(case: Case) -> np.ndarray:
    """Return the standard deviation of every reward: (hypothesis,).

    Over the training items, in reward units.
    """
    return reward_spreads(case.posterior.hypotheses, case.posterior.feedback)


class StatedFailureLine(Section[Document]):
    """The stated failure line, and the standard deviation of each reward.

    Both are in the units of the hypothesis's reward.
    """

    keys = ("fail_utility", "reward_sd")
    urgency = 25

    @override
    def compute(self, case: Case) -> Document:
        spreads = case.once(_spreads).tolist()
        return {
            "fail_utility": line_as_written(case.posterior.hypotheses, case.posterior.valuations[0].line),
            "reward_sd": {n: None if np.isnan(sd) else sd for n, sd in zip(case.judge_names, spreads, strict=True)},
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        line = case.posterior.valuations[0].line
        yield from different_units(line, case.posterior.hypotheses, case.once(_spreads))


class JudgedFailureLine(Section[Document]):
    """The failure line of every hypothesis, inferred from judgements.

    None without judgements.
    """

    keys = ("failure_line",)
    urgency = 60

    @override
    def compute(self, case: Case) -> Document | None:
        if case.judged is None:
            return None
        return line_document(case.judged, case.judge_names, case.settings.prob)

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        if case.judged is not None:
            yield from case.judged.warnings(case.posterior)


class RiskUnderJudgedLine(Section[Document]):
    """The risk with the failure line inferred from judgements."""

    keys = ("risk_under_judged_line",)
    of_test = sampled = True
    urgency = -1

    @override
    def compute(self, case: Case) -> Document | None:
        if case.judged is None or case.judged.why_not:
            return None
        about = (case.posterior, case.valuation, case.policy, case.agent_weights)
        return risk_document(case.judged.risk(*about, case.settings.prob, case.draws, case.seed), case.judge_names)

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        result = self.compute(case)
        return self.written(case, result and {key: v for key, v in result.items() if key not in DRAWN_ERRORS})

    @override
    def with_errors(self, case: Case, document: Document, errors: Mapping[str, Any]) -> None:
        if document["risk_under_judged_line"]:
            add_errors(document["risk_under_judged_line"], errors["risk_under_judged_line"])

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        yield from few(result)
