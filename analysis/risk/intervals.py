"""Intervals and limits of the risk, and the risk of several deployments."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.catastrophe import Risk
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior

ENDS = ("lower", "upper", "mcse_lower", "mcse_upper")
"""Ends of an interval, and their Monte Carlo errors."""


def at_least_one(risk: Risk, policy: Policy, agent: np.ndarray, judge: np.ndarray, deployments: int) -> float:
    """Return the probability of at least one catastrophe in D deployments.

    Scenes are drawn independently from the test.

    ``sum_ij w_i v_j (1 - (1 - C_ij)^D)`` where one hypothesis is drawn for all deployments, else
    ``sum_j v_j (1 - (1 - by_truth_j)^D)``. Deployments share their truth, which ``1 - (1 - risk)^D`` would ignore. For a
    hypothesis with continuous weights the average over the weights is taken after the power.
    """
    if deployments == 1:
        return risk.mean

    def at_least_once(rate: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return -np.expm1(deployments * np.log1p(-rate))

    found = _averaged(risk, policy, agent, judge, deployments, at_least_once)
    return found if risk.members is None else max(found, risk.mean)  # which is exact where `found` is drawn


def never_any(risk: Risk, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> float:
    """Return the probability that no deployment ever meets a catastrophe.

    ``sum_ij w_i v_j [C_ij = 0]`` where one hypothesis is drawn for all deployments, else ``sum_j v_j [by_truth_j = 0]``.
    """
    return _averaged(risk, policy, agent, judge, "never", lambda rate: (rate == 0).astype(float))


def _averaged(
    risk: Risk,
    policy: Policy,
    agent: np.ndarray,
    judge: np.ndarray,
    key: Hashable,
    function: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Return the average of a function of the catastrophe rate over agent and truth.

    The key names the function.
    """
    if (pairs := risk.members) is not None:
        between = pairs.average(key, function, policy.draws_one)
        if policy.draws_one:
            return min(float((policy.mixing(agent) @ pairs.agents) @ between @ (judge @ pairs.truths)), 1.0)
        return float((judge @ pairs.truths) @ between)
    if policy.draws_one:
        return float(policy.mixing(agent) @ function(risk.matrix) @ judge)
    return float(judge @ function(risk.by_truth))


def interval(
    weights: np.ndarray | None,
    by_truth: np.ndarray,
    prob: float,
    missing: float | None = None,
    effective: int | None = None,
) -> dict[str, Any]:
    """Return the equal-tailed interval of the risk over uncertain values.

    The Monte Carlo errors of its ends are given too. The agent's weights are fixed. Every number is `missing` for values
    without a strength.

    Parameters
    ----------
    weights : ndarray (draw, hypothesis) or None
        The judge's weights, from `judges_weights`.
    effective : int, optional
        As for `ends_of`.
    """
    return dict.fromkeys(ENDS, missing) if weights is None else ends_of(weights @ by_truth, prob, effective)


def ends_of(risks: np.ndarray, prob: float, effective: int | None = None) -> dict[str, float]:
    """Return the ends of the equal-tailed interval of draws (draw,).

    The Monte Carlo errors of the ends are given too.

    Parameters
    ----------
    effective : int, optional
        Number of independent draws that these are worth. All draws are independent, unless given.
    """
    ordered = np.sort(risks)
    lower, mcse_lower = quantile(ordered, (1 - prob) / 2, effective)
    upper, mcse_upper = quantile(ordered, (1 + prob) / 2, effective)
    return dict(zip(ENDS, (lower, upper, mcse_lower, mcse_upper), strict=True))


def add_errors_to_ends(numbers: dict[str, Any], error: Mapping[str, Any]) -> None:
    """Add the errors of sampled evidence to the errors of an interval's ends."""
    for end in ("lower", "upper"):
        numbers[f"mcse_{end}"] = float(np.hypot(numbers[f"mcse_{end}"], error[end] or 0.0))


def judges_weights(posterior: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
    """Draw the judge's weights from ``p(pi | data)``: (draw, hypothesis).

    None for values without a strength.
    """
    return posterior.draws(n, rng)[1] if posterior.prior.uncertain else None


def quantile(sorted_draws: np.ndarray, p: float, effective: int | None = None) -> tuple[float, float]:
    """Return a quantile of draws, and its standard error.

    The error comes from the order statistics around the quantile.
    """
    n = len(sorted_draws)
    spread = math.sqrt(p * (1 - p) / (n if effective is None else effective))
    at = np.clip(np.array([p, p - spread, p + spread]), 0.0, 1.0) * (n - 1)
    value, below, above = np.interp(at, np.arange(n), sorted_draws).tolist()
    return value, (above - below) / 2


def upper_limit_of_none(n: float, confidence: float = 0.95) -> float:
    """Return the upper limit of a rate after n scenes without the event.

    A confidence limit for independent scenes: ``1 - (1 - c)^(1/n)``. For 95 % the limit is about 3/n.
    """
    return -math.expm1(math.log1p(-confidence) / n)


def dangerous_pairs(posterior: Posterior, matrix: np.ndarray, most: int = 100) -> Sequence[tuple[int, int, float]]:
    """Return the silent pairs (agent, truth) with ``C_ij > 0``, by falling risk."""
    pairs = [
        (i, j, float(matrix[i, j]))
        for members in posterior.members()
        for i, j in permutations(members.tolist(), 2)
        if matrix[i, j] > 0
    ]
    return sorted(pairs, key=lambda p: (-p[2], p[0], p[1]))[:most]
