"""Intervals and limits of the risk, and the risk of several deployments."""

import math
from collections.abc import Sequence

import numpy as np

from reward_hypotheses.analysis.risk.catastrophe import Risk
from reward_hypotheses.analysis.risk.linear_pairs import at_least_once
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior


def at_least_one(risk: Risk, policy: Policy, agent: np.ndarray, judge: np.ndarray, deployments: int) -> float:
    """Probability of at least one catastrophe in D deployments, scenes drawn independently from the test.

    ``sum_ij w_i v_j (1 - (1 - C_ij)^D)`` where one hypothesis is drawn for all of them, else
    ``sum_j v_j (1 - (1 - by_truth_j)^D)``; ``1 - (1 - risk)^D`` would forget that deployments share their truth. Of a
    hypothesis with continuous weights the average over these is outside of the power.
    """
    if deployments == 1:
        return risk.mean
    pairs = risk.members
    if pairs is not None:
        found = pairs.ever(deployments, policy.draws_one)
        if policy.draws_one:
            return float((policy.mixing(agent) @ pairs.agents) @ found @ (judge @ pairs.truths))
        return float((judge @ pairs.truths) @ found)
    if policy.draws_one:
        return float(policy.mixing(agent) @ at_least_once(risk.matrix, deployments) @ judge)
    return float(judge @ at_least_once(risk.by_truth, deployments))


def interval(weights: np.ndarray | None, by_truth: np.ndarray, prob: float) -> dict[str, float] | None:
    """Interval of the risk over the judge's uncertainty about values: equal-tailed, with Monte Carlo errors.

    The agent's weights are held. None where nobody stated a strength.

    Parameters
    ----------
    weights : ndarray (draw, hypothesis) or None
        The judge's, from `judges_weights`.
    """
    if weights is None:
        return None
    risks = np.sort(weights @ by_truth)
    lo, hi = (1 - prob) / 2, (1 + prob) / 2
    lower, mcse_lower = quantile(risks, lo)
    upper, mcse_upper = quantile(risks, hi)
    return {"lower": lower, "upper": upper, "mcse_lower": mcse_lower, "mcse_upper": mcse_upper}


def judges_weights(posterior: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
    """Draw the judge's weights from ``p(pi | data)``: (draw, hypothesis); None where nobody stated a strength."""
    return posterior.draws(n, rng)[1] if posterior.prior.uncertain else None


def quantile(sorted_draws: np.ndarray, p: float) -> tuple[float, float]:
    """Quantile of independent draws, and its standard error from the order statistics around it."""
    n = len(sorted_draws)
    spread = math.sqrt(p * (1 - p) / n)
    at = np.clip(np.array([p, p - spread, p + spread]), 0.0, 1.0) * (n - 1)
    value, below, above = np.interp(at, np.arange(n), sorted_draws).tolist()
    return value, (above - below) / 2


def upper_limit_of_none(n: float, confidence: float = 0.95) -> float:
    """Upper confidence limit of a rate of which n independent scenes showed no event: ``1 - (1 - c)^(1/n)``, about 3/n."""
    return -math.expm1(math.log1p(-confidence) / n)


def dangerous_pairs(posterior: Posterior, matrix: np.ndarray, most: int = 100) -> Sequence[tuple[int, int, float]]:
    """Pairs (agent, truth) between which training is silent and ``C_ij > 0`` on the test, most dangerous first."""
    pairs = [
        (int(i), int(j), float(matrix[i, j]))
        for members in posterior.members()
        for i in members
        for j in members
        if i != j and matrix[i, j] > 0
    ]
    return sorted(pairs, key=lambda p: (-p[2], p[0], p[1]))[:most]
