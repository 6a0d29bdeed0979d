"""Behaviour of policies in an MDP: visits to each state, and the probability of reaching a set of states."""

import numpy as np

from reward_hypotheses.data.numerics import distinct, numbered
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.planning import greedy, optimal
from reward_hypotheses.models.mdp.transitions import Transitions


def under(mdp: MDP, policy: np.ndarray) -> Transitions:
    """Return the transitions under a policy (state, action), as of an MDP of one action."""
    index, weight = mdp.transitions.mixed(policy[None])
    there, n = weight[0] > 0, mdp.n_states
    pairs, _, place, _ = distinct((np.arange(n)[:, None] * n + index[0])[there])  # several actions lead to one state
    starts = np.searchsorted(pairs, np.arange(n + 1) * n)
    return Transitions(1, n, starts, pairs % n, np.bincount(place, weight[0][there], minlength=len(pairs)))


def discounted(mdp: MDP, policies: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return ``sum_t discount^t P(s_t = s)`` under each policy: (policy, state).

    It sums to ``1 / (1 - discount)`` where nothing ends. The return of a policy is this times the rewards of the states.

    Parameters
    ----------
    policies : ndarray (policy, state, action)
        Probabilities of the actions.
    start : ndarray (state,)
    """
    from_start = np.broadcast_to(start, (len(policies), mdp.n_states))
    return np.maximum(mdp.transitions.solve(policies, mdp.discount, from_start, transposed=True), 0.0)


def behaviour(mdp: MDP, rewards: np.ndarray, start: np.ndarray, errors: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the discounted visits of the optimal policy of each reward, ties split uniformly: (reward, state).

    What a proxy's optimal policy is worth under a hypothesis h is ``behaviour(...) @ r_h``; what it makes of a feature,
    ``behaviour(...) @ feature``.

    Parameters
    ----------
    errors : float or ndarray (reward, state), optional
        Bounds of the rewards' rounding errors.
    """
    plans = optimal(mdp, rewards, errors)
    return discounted(mdp, greedy(plans.q, plans.error), start)


def visits(mdp: MDP, policies: np.ndarray, start: np.ndarray, horizon: int) -> np.ndarray:
    """Return ``sum_{t < horizon} P(s_t = s)`` under each policy (policy, state, action): (policy, state)."""
    n, some = mdp.n_states, len(policies)
    index, weight = mdp.transitions.mixed(policies)
    flat = (index + np.arange(some)[:, None, None] * n).ravel()
    now = np.tile(start, (some, 1))
    total = now.copy()
    for _ in range(horizon - 1):
        now = np.bincount(flat, (weight * now[:, :, None]).ravel(), minlength=some * n).reshape(some, n)
        total += now
    return total


def reached(mdp: MDP, policy: np.ndarray, sets: np.ndarray, start: np.ndarray, horizon: int) -> np.ndarray:
    """Return the probability that a policy spends at least one of its first steps in each set: (set,).

    ``f_k(s) = 1`` inside the set, else ``sum_s' P_pi(s' | s) f_{k-1}(s')``: the probability from s in k steps.

    Parameters
    ----------
    sets : ndarray (set, state) of bool
    horizon : int
        Steps, the one spent at the start counted.
    """
    place = numbered(row.tobytes() for row in sets)
    _, first, _, _ = distinct(place)
    some = sets[first].T  # of equal sets, one
    transitions = under(mdp, policy)
    chance = some.astype(float)
    for _ in range(horizon - 1):
        moved = np.where(some, 1.0, transitions.ahead(chance)[0])
        if np.array_equal(moved, chance):
            break
        chance = moved
    return np.clip(start @ chance, 0.0, 1.0)[place]
