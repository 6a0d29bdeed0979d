"""A policy for an MDP that hedges against uncertainty about the reward.

The policy maximises a weighted sum of mean and conditional value at risk, by linear program.
"""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import share
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.mdp.mdp import MDP

GAP = 1e-7
"""Tolerance of duality gap and constraints, relative to the largest return."""


def cvar_policy(
    mdp: MDP, rewards: Any, weights: Any = None, mean_weight: float = 0.0, tail: float = 0.05, start: Any = None
) -> xr.Dataset:
    """Find the policy with the best mean and tail return over reward samples.

    The policy maximises ``mean_weight * E_k[R_k] + (1 - mean_weight) * CVaR_k[R_k]`` (Brown, Niekum and Petrik 2020).
    ``R_k = sum_sa x(s, a) r_k(s, a)`` is the discounted return under sample k. ``CVaR = max_t t - E_k[(t - R_k)^+] / tail`` is
    the mean return over the worst ``tail`` of the samples' weight. The occupancies x satisfy
    ``sum_a x(s, a) - discount * sum_s'a P(s | s', a) x(s', a) = start(s)``. HiGHS solves the linear program, and the dual
    program is checked. Returns under different hypotheses are added and compared without rescaling.

    Parameters
    ----------
    mdp : MDP
    rewards : array (sample, state, action) or (sample, state)
        Samples of the reward of each step, such as one for each hypothesis, in reward units.
    weights : array (sample,), optional
        Weights of the samples, normalised; equal by default.
    mean_weight : float
        From 0 (the tail alone) to 1 (the mean alone).
    tail : float
        The worst share of the samples' weight, above 0 and up to 1.
    start : state, dict or array (state,), optional
        Where episodes start, normalised; uniform over the states unless given.

    Returns
    -------
    Dataset
        ``occupancy`` (state, action), discounted, with sum ``1 / (1 - discount)`` where no episode ends. ``policy`` (state,
        action), probabilities, uniform in states that are never visited. ``mean`` and ``cvar`` of the return, and
        ``returns`` (sample,), in reward units.

    Raises
    ------
    InputError
        A shape, weight or share that is wrong.
    NotTrustedError
        The dual program does not confirm the solution.
    """
    if not isinstance(mdp, MDP):
        raise InputError(f"mdp: a {type(mdp).__name__}; give an rh.MDP")
    n, m = mdp.n_states, mdp.n_actions
    r = _rewards(mdp, rewards)
    mean_share = share(mean_weight, "mean_weight", "give a share, from 0 up to 1", include_zero=True)
    worst = share(tail, "tail", "give a share, above 0 and up to 1")
    w = _weights(weights, len(r))
    rows = np.moveaxis(r, 2, 1).reshape(len(r), m * n)  # as the transitions are: action by action
    x = _occupancy(mdp, rows, w, mean_share, worst, mdp.start(start))
    returns = rows @ x
    visited = x.reshape(m, n).T
    often = visited.sum(axis=1, keepdims=True)
    policy = np.where(often > EQUAL * often.max(), visited / np.maximum(often, 1e-300), 1.0 / m)
    dims = ("state", "action")
    return xr.Dataset(
        {
            "occupancy": (dims, visited),
            "policy": (dims, policy),
            "mean": float(w @ returns),
            "cvar": cvar(returns, w, worst),
            "returns": ("sample", returns),
        },
        coords={"state": mdp.state.coordinate, "action": mdp.action.coordinate, "sample": np.arange(len(r))},
        attrs={"mean_weight": mean_share, "tail": worst, "discount": mdp.discount},
    )


def _rewards(mdp: MDP, rewards: Any) -> np.ndarray:
    """Return samples of the reward, (sample, state, action)."""
    rewards = mdp.by_label("rewards", rewards, ("sample", "state", "action"))
    try:
        r = np.asarray(rewards, float)
    except (TypeError, ValueError):
        raise InputError(f"rewards: {shown(rewards)}; give numbers (sample, state, action)") from None
    n, m = mdp.n_states, mdp.n_actions
    if r.ndim == 2:
        r = np.repeat(r[:, :, None], m, axis=2)
    if r.ndim != 3 or r.shape[1:] != (n, m) or not len(r):
        raise InputError(f"rewards: shape {np.shape(rewards)}; give (sample, state, action), (..., {n}, {m})")
    if not np.isfinite(r).all():
        k, s, a = np.argwhere(~np.isfinite(r))[0].tolist()
        raise InputError(
            f"rewards: not finite in sample {k}, state {mdp.state.name(s)!r}, action {mdp.action.name(a)!r}"
        )
    return r


def cvar(values: np.ndarray, weights: np.ndarray, tail: float) -> float:
    """Return the mean over the worst ``tail`` of the mass, the boundary in part.

    Weights add up to 1.
    """
    order = np.argsort(values, kind="stable")
    mass = weights[order]
    taken = np.clip(tail - (np.cumsum(mass) - mass), 0.0, mass)
    return float(taken @ values[order] / taken.sum())


def _occupancy(
    mdp: MDP, rows: np.ndarray, weights: np.ndarray, mean_share: float, tail: float, start: np.ndarray
) -> np.ndarray:
    """Solve the linear program for the occupancy: (action * state,)."""
    from scipy import sparse
    from scipy.optimize import linprog

    n, m, k = mdp.n_states, mdp.n_actions, len(rows)
    unit = max(float(np.abs(rows).max()), 1e-300)
    rows = rows / unit
    t = mdp.transitions
    ahead = sparse.csr_matrix((t.probability, t.next_state, t.starts), shape=(m * n, n))
    stay = sparse.vstack([sparse.identity(n)] * m, format="csr")
    flow = (stay - mdp.discount * ahead).T.tocsr()
    # variables: x (action * state), t, z (sample); z_k >= t - R_k
    none = sparse.csr_matrix((n, 1 + k))
    equal = sparse.hstack([flow, none], format="csr")
    below = sparse.hstack([sparse.csr_matrix(-rows), np.ones((k, 1)), -sparse.identity(k)], format="csr")
    cost = np.concatenate([-mean_share * (weights @ rows), [-(1 - mean_share)], (1 - mean_share) * weights / tail])
    bounds = [(0, None)] * (m * n) + [(None, None)] + [(0, None)] * k
    solution = linprog(cost, A_ub=below, b_ub=np.zeros(k), A_eq=equal, b_eq=start, bounds=bounds, method="highs")
    if not solution.success:
        raise NotTrustedError(f"cvar_policy: the linear program was not solved: {solution.message}")
    y, multipliers = solution.eqlin.marginals, solution.ineqlin.marginals
    reduced = cost - equal.T @ y - below.T @ multipliers
    size = max(1.0, abs(solution.fun), float(np.abs(y).max(initial=0.0)))
    wrong = {
        "duality gap": abs(solution.fun - float(start @ y)),
        "reduced cost": float(
            max(-np.delete(reduced, m * n).min(), abs(reduced[m * n]), multipliers.max(initial=0.0), 0.0)
        ),
        "flow": float(np.abs(flow @ solution.x[: m * n] - start).max()),
    }
    worst = max(wrong, key=wrong.__getitem__)
    if wrong[worst] > GAP * size:
        raise NotTrustedError(
            f"cvar_policy: the dual program does not confirm the solution: {worst} {wrong[worst]:.2g}"
        )
    return np.maximum(solution.x[: m * n], 0.0)


def _weights(weights: Any, n: int) -> np.ndarray:
    """Return weights of the samples, (sample,), adding up to 1."""
    if weights is None:
        return np.full(n, 1.0 / n)
    try:
        w = np.asarray(weights, float)
    except (TypeError, ValueError):
        raise InputError(f"weights: {shown(weights)}; give a number a sample") from None
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        raise InputError(
            f"weights: give one a sample of the {n}: finite, 0 or more, not all 0; the array has shape {w.shape}"
        )
    return w / w.sum()
