"""The failure line inferred from a study's judgements, for the results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.intervals import add_errors_to_ends
from reward_hypotheses.analysis.sensitivity.failure_line_refits import (
    BOOTSTRAPS,
    Refits,
    evidence_off_the_line,
    exact_evidence_at,
    refitted,
    resting_on_the_line,
)
from reward_hypotheses.analysis.sensitivity.failure_line_risk import UnderLine, picks, risk_of_lines, risk_of_refits
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior

REFITS = 200
"""Draws of the line at which a study computes dependent evidence again."""
FEW = 20
"""Effective number of refits below which their errors are unreliable."""


@dataclass(frozen=True, eq=False)
class Judged:
    """The failure line inferred from a study's judgements.

    Attributes
    ----------
    lines : tuple of Line
        One per hypothesis of the judge.
    resting : tuple of int
        Numbers of the feedbacks that are weighed again: their evidence depends on the line, or they share a rationality
        with such feedback.
    refits : Refits or None
        Of these feedbacks alone; None where there are no such feedbacks, or they cannot be weighed again.
    why_not : str
        Why there is no risk under the line; empty where there is one.
    bootstraps : int
    """

    judgements: FailureJudgements
    lines: tuple[Line, ...]
    resting: tuple[int, ...]
    refits: Refits | None
    why_not: str = ""
    bootstraps: int = BOOTSTRAPS

    def without_errors(self) -> "Judged":
        """Return the judged line without bootstraps for Monte Carlo errors."""
        return replace(self, bootstraps=0)

    def all_refits(self, posterior: Posterior) -> Refits | None:
        """Return refits of all feedback; None where nothing was refitted.

        Evidence that does not depend on the line comes from `posterior`.
        """
        return None if self.refits is None else self.refits.plus(evidence_off_the_line(posterior, self.resting))

    def risk(
        self,
        posterior: Posterior,
        valuation: Valuation,
        policy: Policy,
        agent: np.ndarray,
        prob: float,
        n: int,
        seed: int,
    ) -> UnderLine:
        """Compute the risk of an agent on a test, if `why_not` is empty.

        Parameters
        ----------
        posterior : Posterior
            The judge's posterior in the study.
        valuation : Valuation
            Of the test, the judge's hypotheses first.
        agent : ndarray (hypothesis,)
            The agent's weights, which stay fixed: the agent learned with the stated line.
        """
        picked, refits = picks(valuation, policy, agent, len(posterior.weights)), self.all_refits(posterior)
        if refits is None:
            return risk_of_lines(posterior, self.lines, picked, prob, n, seed, self.bootstraps > 0)
        return risk_of_refits(posterior, refits, picked, prob, n, seed, self.bootstraps)

    def warnings(self, posterior: Posterior) -> list[str]:
        """Return warnings about the judged line."""
        out = [f"risk_under_judged_line is null: {self.why_not}"] if self.why_not else []
        line = posterior.valuations[0].line
        for h, name in enumerate(posterior.hypotheses.names):
            if (stated := line.only([h])).columns:
                out.append(
                    f"the judged failure line of {name!r} is one number, where fail_utility ({stated.written()[0]}) may differ "
                    "between scenes"
                )
        return out


def judged_of(posterior: Posterior, judgements: FailureJudgements, lines: Sequence[Line], seed: int) -> Judged:
    """Compute evidence that depends on the failure line again, at drawn lines.

    Parameters
    ----------
    posterior : Posterior
        The judge's posterior.
    lines : sequence of Line
        From `FailureJudgements.lines`.
    """
    resting = resting_on_the_line(posterior.feedback)
    about = (judgements, tuple(lines), tuple(resting))
    if not resting:
        return Judged(*about, None)
    sampled = [k for k in resting if posterior.evidence[k].method != "exact"]
    if sampled:
        names = ", ".join(repr(str(posterior.feedback[k].name)) for k in sampled)
        why = f"the evidence of feedback {names} depends on the failure line and was sampled, so it is not computed at other lines"
        return Judged(*about, None, why)
    feedback = [posterior.feedback[k] for k in resting]

    def log_evidence(u: np.ndarray) -> np.ndarray:
        return exact_evidence_at(posterior.hypotheses, feedback, FailureLine(tuple(u.tolist())))

    refits = refitted(lines, log_evidence, REFITS, seed)
    try:
        refits.plus(evidence_off_the_line(posterior, resting)).posterior(posterior)
    except InputError:
        why = f"the data are impossible at each of {REFITS} failure lines drawn from the judgements"
        return Judged(*about, None, why)
    return Judged(*about, refits)


def line_document(judged: Judged, names: Sequence[str], prob: float) -> dict[str, Any]:
    """Return the judged failure line of each hypothesis, for the results."""
    asked = judged.judgements.asked
    ends = [of_hypothesis.quantile([(1 - prob) / 2, (1 + prob) / 2]).tolist() for of_hypothesis in judged.lines]
    return {
        "by_hypothesis": {
            name: {
                **{"mean": line.mean, "sd": line.sd, "lower": lower, "upper": upper},
                **{"mcse": line.error, "rationality": line.rationality, "log_evidence": line.log_evidence},
            }
            for name, line, (lower, upper) in zip(names, judged.lines, ends, strict=True)
        },
        "prob": prob,
        "source": judged.judgements.source,
        "table": asked.table.name,
        "column": asked.column,
        "items": asked.items.n_items,
        "rather_nothing": int(asked.observed.sum()),
        "settings": {
            key: {name: judged.judgements.of_each(key, name) for name in names} for key in ("centre", "spread")
        }
        | {"rationality": asked.rationality},
    }


def risk_document(risk: UnderLine, names: Sequence[str]) -> dict[str, Any]:
    """Return the risk under the judged line, for the results."""
    arrays = ("by_truth", "mcse_by_truth", "weights", "mcse_weights")
    return (
        {"mean": risk.mean, "mcse": risk.mcse}
        | risk.ends
        | {key: dict(zip(names, getattr(risk, key).tolist(), strict=True)) for key in arrays}
        | {"refits": risk.refits, "effective_refits": risk.effective}
        | {"shares": None if risk.shares is None else risk.shares.document()}
    )


def add_errors(risk: dict[str, Any], error: dict[str, Any]) -> None:
    """Add the errors of sampled evidence to those of draws of line and values."""
    risk["mcse"] = float(np.hypot(risk["mcse"], error["mean"]))
    add_errors_to_ends(risk, error)
    for key in ("by_truth", "weights"):
        for name, value in error[key].items():
            risk[f"mcse_{key}"][name] = float(np.hypot(risk[f"mcse_{key}"][name], value))


def few(document: dict[str, Any] | None) -> list[str]:
    """Warn where the refits are too few for their errors."""
    if document is None or document["effective_refits"] is None or document["effective_refits"] >= FEW:
        return []
    return [
        f"the Monte Carlo errors of risk_under_judged_line are rough: the data say more of the line than the judgements, so "
        f"{document['refits']} refits are worth {document['effective_refits']:.2g}"
    ]
