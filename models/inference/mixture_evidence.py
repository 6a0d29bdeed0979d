"""Evidence of the components of a mixture, from draws of its posterior."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.laplace import pareto_k

ROUNDS, TOLERANCE, STEP = 100, 1e-11, 5.0


@dataclass(frozen=True, eq=False)
class MixtureEvidence:
    """Log evidence of every component, up to a constant common to all.

    Attributes
    ----------
    value, mcse : ndarray (component,)
        Nats, relative to the most probable component, whose error is 0.
    k_hat : ndarray (component,)
        Pareto shape of the largest weights of each component.
    """

    value: np.ndarray
    mcse: np.ndarray
    k_hat: np.ndarray


def mixture_evidence(log_shares: np.ndarray, log_weights: np.ndarray) -> MixtureEvidence:
    """Estimate the evidence of the components of a mixture.

    With draws t of shares pi and parameters theta from ``p(pi) p(theta) sum_h pi_h L_h(theta)``, and
    ``w_h(t) = pi_h L_h / sum_k pi_k L_k``, the evidence ``E_h = integral p(theta) L_h`` solves::

        mean_t w_h(t) = mean_t pi_h(t) E_h / sum_k pi_k(t) E_k        for every h

    because given pi alone the component is h with the probability on the right. No importance weights are needed.

    Parameters
    ----------
    log_shares, log_weights : ndarray (chain, draw, component)
        ``log pi_h(t)`` and ``log w_h(t)``. A component whose weight is 0 in every draw has evidence -inf.
    """
    chains, draws, n = log_weights.shape
    log_pi, log_w = log_shares.reshape(-1, n), log_weights.reshape(-1, n)
    mean = log_mean(log_w)
    possible = np.flatnonzero(mean > -np.inf)
    most = int(np.argmax(mean))
    others = possible[possible != most]
    value = np.where(mean > -np.inf, mean - log_mean(log_pi), -np.inf)
    value -= value[most]
    for _ in range(ROUNDS):
        log_p = _normalised(log_pi + value)
        gap = log_mean(log_p)[others] - mean[others]
        step = np.clip(np.linalg.lstsq(_slopes(log_p, mean, others), gap, rcond=None)[0], -STEP, STEP)
        value[others] -= step
        if not np.abs(step).max(initial=0.0) > TOLERANCE:
            break
    log_p = _normalised(log_pi + value)
    apart = np.exp(log_w[:, others] - mean[others]) - np.exp(log_p[:, others] - mean[others])
    influence = np.linalg.lstsq(_slopes(log_p, mean, others), apart.T, rcond=None)[0]
    mcse, k_hat = np.zeros(n), np.full(n, -np.inf)
    for h, by_draw in zip(others.tolist(), influence, strict=True):
        mcse[h] = standard_error(by_draw.reshape(chains, draws))
    for h in possible.tolist():
        k_hat[h] = pareto_k(log_w[:, h])
    return MixtureEvidence(value, mcse, k_hat)


def standard_error(draws: np.ndarray) -> float:
    """Return the Monte Carlo error of the mean of draws (chain, draw)."""
    return 0.0 if np.ptp(draws) == 0 else float(draws.std()) / effective(draws, "mean") ** 0.5


def effective(draws: np.ndarray, method: str) -> float:
    """Return the effective sample size of draws (chain, draw), at most their number."""
    from arviz_stats.base import array_stats

    of_tail = {"prob": 0.9} if method == "tail" else {}
    size = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method=method, **of_tail))
    return min(size, draws.size) if np.isfinite(size) else float(draws.size)


def log_mean(logs: np.ndarray) -> np.ndarray:
    """Return ``log mean exp`` over the draws: (component,)."""
    top = logs.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - safe).mean(axis=0)) + safe)


def _normalised(logs: np.ndarray) -> np.ndarray:
    return np.asarray(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))


def _slopes(log_p: np.ndarray, mean: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return ``d log mean p_h / d value_k``: (component, component)."""
    relative, p = np.exp(log_p[:, others] - mean[others]), np.exp(log_p[:, others])
    return np.diag(relative.mean(axis=0)) - relative.T @ p / len(p)
