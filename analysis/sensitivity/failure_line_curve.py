"""Sensitivity of the risk to the failure line, moved up and down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.sensitivity.failure_line_refits import (
    evidence_off_the_line,
    exact_evidence_at,
    resting_on_the_line,
)
from reward_hypotheses.analysis.sensitivity.failure_line_risk import chosen
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior, posterior_weights

STEPS = tuple(k / 4 for k in range(-8, 9))
"""Shifts of the line, in standard deviations of the rewards."""
CELLS = 30_000_000
"""Hypotheses times items times steps up to which evidence that depends on the line is computed again."""


@dataclass(frozen=True, eq=False)
class FailureCurve:
    """The risk with the failure line of every hypothesis moved, the agent fixed.

    Attributes
    ----------
    at : tuple of float
        Shifts of each line, in multiples of `unit`.
    unit : ndarray (hypothesis,)
        Reward units.
    risk : ndarray (step,)
        NaN where the data are impossible under every hypothesis.
    weights : ndarray (step, hypothesis)
        The judge's weights at each step.
    refitted : tuple of str
        Names of the feedbacks that were weighed again.
    on_line : float
        Share of scenes in which the agent takes an option exactly at the stated line, ``sum_j v_j mean_m sum_o A[m, o]
        [r_j(m, o) = u_j]``. These choices become catastrophes with any step up.
    log_evidence : ndarray (step, hypothesis)
        Nats.
    """

    at: tuple[float, ...]
    unit: np.ndarray
    risk: np.ndarray
    weights: np.ndarray
    refitted: tuple[str, ...]
    on_line: float
    log_evidence: np.ndarray


def failure_curve(
    posterior: Posterior,
    valuation: Valuation,
    policy: Policy,
    agent: np.ndarray,
    at: Sequence[float] = STEPS,
    known: dict[Any, Any] | None = None,
) -> FailureCurve | str:
    """Compute the risk with every failure line moved.

    The line is ``u_h + t sd_h`` for every h, and the risk ``sum_j v_j(t) d_j(t)``.

    The unit is the standard deviation of r_h over the test's options, or over the training items where r_h is constant on
    the test. The judge's weights v follow where evidence depends on the line: with labels, stops, or failing among the
    options. The agent's weights, and the line that the agent was told, stay fixed. At t = 0 the result is the risk.

    Parameters
    ----------
    valuation : Valuation
        Of the test, the judge's hypotheses first.
    known : dict, optional
        Keeps evidence at moved lines, for calls with the same test and another agent or moved evidence.

    Returns
    -------
    FailureCurve or str
        The reason where there is no curve.
    """
    n = len(posterior.weights)
    if posterior.families:
        return "a hypothesis has continuous weights"
    if posterior.spaces:
        return "a hypothesis is a space of rules"
    if posterior.hypotheses.unmodelled is not None:
        return "a hypothesis is unmodelled, and knows no failure line"
    resting = resting_on_the_line(posterior.feedback)
    if any(posterior.evidence[k].method != "exact" for k in resting):
        return "evidence that rests on the failure line was sampled"
    items = sum(posterior.feedback[k].items.n_items for k in resting)
    if items * n * len(at) > CELLS:
        return f"weighing {items:,} items again by {len(at)} lines of {n:,} hypotheses would take too long"
    unit = _spread(valuation, n)
    for h in np.flatnonzero(unit == 0):
        rewards = np.concatenate([_rewards(block, int(h)) for v in posterior.valuations for block in v.blocks()])
        unit[h] = float((rewards - rewards[0]).std())
    by_truth, equal = _worse(valuation, policy, agent, np.array(at)[:, None] * unit)
    line = posterior.valuations[0].line
    feedback = [posterior.feedback[k] for k in resting]
    rest = evidence_off_the_line(posterior, resting)
    known = {} if known is None else known
    prior = posterior.prior.weights_of(posterior.hypotheses)
    risk, weights = np.full(len(at), np.nan), np.full((len(at), n), np.nan)
    evidence = np.tile(posterior.log_evidence, (len(at), 1))
    for k, t in tracked(enumerate(at), len(at)):
        if resting and t:
            key = ("failure line", valuation.table.name, t)
            if key not in known:
                known[key] = exact_evidence_at(posterior.hypotheses, feedback, line.raised(t * unit))
            evidence[k] = rest + known[key]
        try:
            weights[k] = posterior_weights(prior, posterior.log_prior, evidence[k])
        except InputError:
            continue
        risk[k] = float(weights[k] @ by_truth[k])
    names = tuple(str(of_kind.name) for of_kind in feedback)
    return FailureCurve(tuple(at), unit, risk, weights, names, float(posterior.weights @ equal), evidence)


def _rewards(block: Block, h: int) -> np.ndarray:
    """Return ``r_h`` of every option of a block that is not failing itself: (item,)."""
    reward = np.broadcast_to(block.reward(h), block.shape)
    return reward.ravel() if block.options is None else reward[block.options]


def _spread(valuation: Valuation, n: int) -> np.ndarray:
    """Return the standard deviation of ``r_h`` over all options: (hypothesis,).

    Options that are failing itself are left out.
    """
    count, mean, squares = np.zeros((3, n))
    for block in valuation.blocks():
        for h in range(n):
            rewards = _rewards(block, h)
            if rewards.size:  # Chan, Golub and LeVeque 1979
                here, both = float(rewards.mean()), count[h] + rewards.size
                apart = here - mean[h]
                squares[h] += float(((rewards - here) ** 2).sum()) + apart**2 * count[h] * rewards.size / both
                mean[h] += apart * rewards.size / both
                count[h] = both
    spread = np.sqrt(squares / np.maximum(count, 1)).tolist()
    return np.array([float(f"{sd:.12g}") for sd in spread])  # without its rounding, so that u + t sd meets ties


def _worse(
    valuation: Valuation, policy: Policy, agent: np.ndarray, limits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how often the agent's choices lie below each limit, and at the line.

    Limits are of ``r_h - u_h``. Two arrays: (limit, hypothesis) and (hypothesis,).

    Parameters
    ----------
    limits : ndarray (limit, hypothesis)
        Ascending.
    """
    mass, equal = np.zeros((len(limits) + 1, limits.shape[1])), np.zeros(limits.shape[1])
    for block, some, chance in chosen(valuation, policy, agent):
        for h in range(limits.shape[1]):
            gap = np.broadcast_to(block.reward(h) - block.failure(h), block.shape)[some]
            near = np.broadcast_to(block.unequal(h), block.shape)[some]
            place = np.searchsorted(limits[:, h], gap + near, side="right")  # the first limit above it
            mass[:, h] += np.bincount(place, chance, len(mass))
            equal[h] += chance[np.abs(gap) <= near].sum()
    return np.asarray(np.minimum(np.cumsum(mass, axis=0)[:-1], 1.0)), np.minimum(equal, 1.0)


def curve_document(curve: FailureCurve | str, names: Sequence[str], stated: float) -> dict[str, Any]:
    """Return the curve as plain numbers, or why there is no curve.

    Parameters
    ----------
    stated : float
        The risk with the line as it was stated.
    """
    if isinstance(curve, str):
        return {"why_not": curve} | dict.fromkeys(("unit", "at", "risk", "on_line", "refitted", "lead"))
    risk = [stated if t == 0 else float(x) for t, x in zip(curve.at, curve.risk, strict=True)]
    lead = [None if np.isnan(w).any() else names[int(np.argmax(w))] for w in curve.weights]
    return {
        "why_not": None,
        "unit": by_name(names, curve.unit),
        "at": list(curve.at),
        "risk": risk,
        "on_line": curve.on_line,
        "refitted": list(curve.refitted),
        "lead": lead,
    }


class RiskByLine(Section[Document]):
    """The risk with every failure line moved by the same number of units.

    The unit is the standard deviation of each reward.
    """

    keys = ("risk_by_line",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        curve = failure_curve(case.posterior, case.valuation, case.policy, case.agent_weights, known=case.known)
        return curve_document(curve, case.judge_names, case.risk.mean)
