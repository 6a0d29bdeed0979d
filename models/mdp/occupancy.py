"""Behaviour of policies in an MDP: visits to states, and sets reached."""

import numpy as np

from reward_hypotheses.data.numerics import distinct, numbered
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.planning import greedy, optimal
from reward_hypotheses.models.mdp.transitions import Transitions


def under(mdp: MDP, policy: np.ndarray) -> Transitions:
    """Return the transitions under a policy, as of an MDP with one action.

    Parameters
    ----------
    policy : ndarray (state, action)
        Probabilities of the actions.
    """
    index, weight = mdp.transitions.mixed(policy[None])
    there, n = weight[0] > 0, mdp.n_states
    pairs, _, place, _ = distinct((np.arange(n)[:, None] * n + index[0])[there])  # several actions lead to one state
    starts = np.searchsorted(pairs, np.arange(n + 1) * n)
    return Transitions(1, n, starts, pairs % n, np.bincount(place, weight[0][there], minlength=len(pairs)))


def discounted(mdp: MDP, policies: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return ``sum_t discount^t P(s_t = s)`` under each policy: (policy, state).

    The visits of a policy sum to ``1 / (1 - discount)`` where no episode ends. Visits times the rewards of the states
    give the policy's return.

    Parameters
    ----------
    policies : ndarray (policy, state, action)
        Probabilities of the actions.
    start : ndarray (state,)
    """
    from_start = np.broadcast_to(start, (len(policies), mdp.n_states))
    return np.maximum(mdp.transitions.solve(policies, mdp.discount, from_start, transposed=True), 0.0)


def behaviour(mdp: MDP, rewards: np.ndarray, start: np.ndarray, errors: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the discounted visits of each reward's optimal policy: (reward, state).

    Ties are split uniformly. The return of a proxy's optimal policy under a hypothesis h is ``behaviour(...) @ r_h``;
    its discounted sum of a feature is ``behaviour(...) @ feature``.

    Parameters
    ----------
    rewards : ndarray (reward, state)
    start : ndarray (state,)
    errors : float or ndarray (reward, state), optional
        Bounds of the rewards' rounding errors.
    """
    plans = optimal(mdp, rewards, errors)
    return discounted(mdp, greedy(plans.q, plans.error), start)


def visits(mdp: MDP, policies: np.ndarray, start: np.ndarray, horizon: int) -> np.ndarray:
    """Return ``sum_{t < horizon} P(s_t = s)`` under each policy: (policy, state).

    Parameters
    ----------
    policies : ndarray (policy, state, action)
        Probabilities of the actions.
    start : ndarray (state,)
    horizon : int
        Number of steps.
    """
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
    """Return the probability that a policy visits each set of states: (set,).

    ``f_k(s) = 1`` inside the set, else ``sum_s' P_pi(s' | s) f_{k-1}(s')``: the probability from s in k steps.

    Parameters
    ----------
    policy : ndarray (state, action)
    sets : ndarray (set, state) of bool
    start : ndarray (state,)
    horizon : int
        Number of steps, including the step spent at the start.
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
