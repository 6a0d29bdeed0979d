"""The headline risk of a study's agent, its parts, and the risk by hypothesis."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.unvaried_features import unread_warning
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.risk.asymptotic import Left, limit, risk_parts
from reward_hypotheses.analysis.risk.distribution.by_source import NAMES, Doubt, doubt_of, largest_source
from reward_hypotheses.analysis.risk.intervals import at_least_one, dangerous_pairs, interval, upper_limit_of_none
from reward_hypotheses.analysis.risk.none_of_the_above import unmodelled_risk
from reward_hypotheses.analysis.risk.other_agent_priors import rewards_certain, values_drawn
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.analysis.shift.two_sample_test import shift_of

EXACT_KEYS = ("prob", "mcse", "mcse_lower", "mcse_upper", "se_scenes", "n_scenes", "equal_scenes", "upper_of_zero")
"""Keys of ``risk`` without a Monte Carlo error of their own."""
LISTED = 10
"""Scenes that are listed as the riskiest."""


def risk_left(case: Case) -> list[Left] | None:
    """Return the risk that endless training leaves, by silent class.

    None where this risk is not defined.
    """
    return case.agent.risk_left(case.valuation, case.posterior, case.policy, case.risk)


class TestRisk(Section[Document]):
    """The risk with its interval, Monte Carlo errors, limit and floor."""

    keys = ("risk",)
    of_test = sampled = True
    topic = "risk.answer"

    @override
    def compute(self, case: Case) -> Document:
        return self._numbers(case) | _by_source(case.once(doubt_of))

    def _numbers(self, case: Case) -> Document:
        risk, policy, test = case.risk, case.policy, case.valuation
        ends = interval(case.once(values_drawn), risk.by_truth[case.judges], case.settings.prob)
        left = case.once(risk_left)
        remaining, silent = (None, None) if left is None else limit(left)
        return {
            "mean": risk.mean,
            "lower": ends["lower"],
            "upper": ends["upper"],
            "prob": case.settings.prob,
            "mcse": 0.0,
            "mcse_lower": ends["mcse_lower"],
            "mcse_upper": ends["mcse_upper"],
            **{key: getattr(risk, key) for key in ("se_scenes", "floor", "abstained", "regret")},
            "limit": remaining,
            "limit_silent": silent,
            "at_least_one": {
                str(int(d)): at_least_one(risk, policy, case.agent_weights, case.judge_weights, int(d))
                for d in case.settings.deployments
            },
            "n_scenes": int((scene_weights(test)[0] > 0).sum()),
            "equal_scenes": risk.n_scenes,
            "upper_of_zero": upper_limit_of_none(risk.n_scenes),
            "unmodelled": unmodelled_risk(case.posterior, test, policy, case.agent_weights),
        }

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        risk = {key: value for key, value in self._numbers(case).items() if key not in EXACT_KEYS}
        if risk["unmodelled"] is None:
            del risk["unmodelled"]
        return {"risk": risk}

    @override
    def with_errors(self, case: Case, document: Document, errors: Mapping[str, Any]) -> None:
        risk, error = document["risk"], errors["risk"]
        risk |= _by_source(case.once(doubt_of).with_evidence_error(case, error["mean"]))
        risk["mcse"] = error["mean"]
        for end in ("lower", "upper"):
            if risk[end] is not None:
                risk[f"mcse_{end}"] = math.hypot(risk[f"mcse_{end}"], error[end])

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        table = case.valuation.table
        worse = case.risk.worse[list(case.posterior.hypotheses.rules)]
        if not table.has_options and not case.policy.abstain:
            yield (
                f"table {table.name!r} has no column 'option' and the agent may not abstain, so every agent does the same there and "
                "has the same risk"
            )
        if not worse.any():
            yield (
                f"no option of table {table.name!r} is worse than failing under any hypothesis, so nothing there can be a catastrophe: "
                "is fail_utility in the units of the rewards?"
            )
        elif (worse == 1).all():
            yield (
                f"every option of table {table.name!r} is worse than failing under every hypothesis, so only abstaining avoids "
                "catastrophe: is fail_utility in the units of the rewards?"
            )
        training = [v.table for v in case.training.valuations]
        if (unread := unread_warning(training, table, _read(case))) is not None:
            yield unread
        shift = case.once(shift_of)
        if not shift.shifted:
            yield (
                f"no shift of table {table.name!r} is detected in what the hypotheses say (p = {shift.p:.3g}): its risk may be about "
                "ordinary generalisation"
            )


def _read(case: Case) -> set[str]:
    """Return the columns that a hypothesis, a failure line or a feedback names.

    Hypotheses and feedback of the agent count too.
    """
    valuations = [*case.posterior.valuations, *case.tests.values()]
    columns = {c for v in valuations for line in (v.line, v.agent_line) for c in line.columns} | case.feedback_columns
    columns |= {c for e in case.agent.hypotheses(case.posterior).expressions().values() for c in e.columns}
    return columns | {feedback.column for feedback in case.agent.feedback}


def _by_source(doubt: Doubt) -> Document:
    """Return intervals and variances of the risk by source, with their errors.

    An unknown source has null.
    """
    intervals = {source: doubt.interval(source) for source in NAMES}
    variances = {source: doubt.variance(source) for source in NAMES}

    def pairs(entries: Mapping[str, Mapping[str, float] | None], keys: Sequence[str]) -> Document:
        return {source: None if entry is None else [entry[key] for key in keys] for source, entry in entries.items()}

    def named(suffix: str) -> Document:
        keys = {"first": f"first{suffix}", "total": f"total{suffix}"}
        return {
            source: None if entry is None else {key: entry[place] for key, place in keys.items()}
            for source, entry in variances.items()
        }

    return {
        "intervals": pairs(intervals, ("lower", "upper")),
        "intervals_mcse": pairs(intervals, ("mcse_lower", "mcse_upper")),
        "variance": named(""),
        "variance_mcse": named("_mcse"),
        "largest_source": largest_source(doubt),
    }


class RiskParts(Section[Document]):
    """The parts of the risk, and how much endless training leaves of each."""

    keys = ("risk_parts",)
    of_test = sampled = True
    topic = "risk.decomposition"

    @override
    def compute(self, case: Case, like: Mapping[str, Any] | None = None) -> Document | None:
        left = case.once(risk_left)
        if left is None:
            return None
        mixed = case.policy.mixing(case.agent_weights) if case.policy.draws_one else None
        return risk_parts(case.risk, left, mixed, case.judge_weights, case.names, like)

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        return {"risk_parts": self.compute(case, like["risk_parts"])}


class RiskMatrix(Section[Document]):
    """Catastrophe rates by the agent's hypothesis and the true hypothesis.

    The rates by either hypothesis alone are given too.
    """

    keys = ("matrix", "catastrophic_options", "risk_by_truth", "risk_by_agent_hypothesis", "reward_by_agent_hypothesis")
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        risk, judges, names = case.risk, case.judge_names, case.names
        rewards, _ = case.once(rewards_certain)
        return {
            "matrix": {a: by_name(judges, row) for a, row in zip(names, risk.matrix[:, case.judges], strict=True)},
            "catastrophic_options": by_name(judges, risk.worse[case.judges]),
            "risk_by_truth": by_name(judges, risk.by_truth[case.judges]),
            "risk_by_agent_hypothesis": by_name(names, risk.by_agent),
            "reward_by_agent_hypothesis": None
            if rewards is None
            else {name: None if math.isnan(x) else x for name, x in by_name(names, rewards).items()},
        }

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        resting = self.compute(case)
        if not case.valuation.families and not case.policy.sampled:
            for key in ("matrix", "catastrophic_options"):
                del resting[key]  # they rest on no weight
        return resting


class DangerousPairs(Section[Document]):
    """Silent pairs that end in catastrophe, and the riskiest scenes."""

    keys = ("dangerous_pairs", "riskiest_scenes")
    of_test = True
    topic = "risk.drivers"

    @override
    def compute(self, case: Case) -> Document:
        risk, names = case.risk, case.names
        counted = np.where(scene_weights(case.valuation)[0] > 0, risk.by_scene, 0.0)
        return {
            "dangerous_pairs": [
                {
                    "agent": names[i],
                    "truth": names[j],
                    "risk": c,
                    "words": f"training cannot tell {names[i]!r} from {names[j]!r}; an agent that takes up {names[i]!r} where "
                    f"{names[j]!r} is true does worse than failing in {c:.1%} of scenes",
                }
                for i, j, c in dangerous_pairs(case.posterior, risk.matrix)
            ],
            "riskiest_scenes": [
                {"scene": case.valuation.table.scene_name(int(m)), "risk": float(risk.by_scene[m])}
                for m in np.argsort(-counted, kind="stable")[:LISTED]
                if counted[m] > 0
            ],
        }
