"""Planning in an MDP for many rewards, optimally or noisily rationally."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import in_threads, log_softmax, threads
from reward_hypotheses.data.rounding_error_bounds import CALLABLE, all_equal
from reward_hypotheses.models.mdp.mdp import MDP

FIRST, SWEEPS = 40, 16  # of value iteration, before the first policy is evaluated and before each of the others
ROUNDS = 1000  # of policy iteration, at most
IMPROVES = 1e-13  # relative to the largest value: a policy is changed only for more
GROUP = 64  # rewards planned for at once
SETTLED = 1e-14  # of the soft planner: what is left after a step, relative to the largest value
STEPS = 200  # of Newton, at most


@dataclass(frozen=True, eq=False)
class Plans:
    """Values of actions and states of an MDP under each reward.

    Attributes
    ----------
    q : ndarray (reward, state, action)
        ``Q(s, a) = r(s) + discount * sum_s' P(s' | s, a) V(s')``, in reward units.
    v : ndarray (reward, state)
    error : ndarray (reward, state, action)
        For optimal plans, bounds of the errors of `q`: 64 eps times the expected discounted sum of ``|r|`` from there
        on, the errors of the rewards themselves, and the convergence error of the planner. Unreachable states add
        nothing.
    """

    q: np.ndarray
    v: np.ndarray
    error: np.ndarray


def optimal(mdp: MDP, rewards: np.ndarray, errors: np.ndarray | float = 0.0) -> Plans:
    """Plan optimally: ``V(s) = max_a Q(s, a)``.

    Value iteration to a good first policy, then policy iteration (Howard 1960) with exact evaluation, all rewards of a
    group at once. The iteration stops when no other action is better by 1e-13 of the discounted sum of ``|r|`` from
    that state on.

    Parameters
    ----------
    rewards : ndarray (reward, state)
    errors : float or ndarray (reward, state), optional
        Bounds of the rewards' rounding errors.
    """
    sizes = np.abs(rewards) + errors / CALLABLE
    rows = np.concatenate([rewards, sizes], axis=1)
    return _together(mdp, rows, lambda some: _policy_iteration(mdp, some[:, : mdp.n_states], some[:, mdp.n_states :]))


def soft(mdp: MDP, scaled: np.ndarray, start: np.ndarray | None = None, *, alone: bool = True) -> Plans:
    """Plan as a noisily rational agent: ``V(s) = log sum_a exp Q(s, a)``.

    That is ``V = (s/beta) log sum_a exp(beta Q / s)`` (Ziebart 2010) in units of ``s / beta``, with the choice in a
    state ``softmax(Q)``. Newton's method in logs: each step evaluates exactly the policy ``softmax(Q)``, paid its
    reward and its entropy (soft policy iteration, which is monotone). No exponential of a positive number is taken.

    Parameters
    ----------
    scaled : ndarray (reward, state)
        ``beta r / s``.
    start : ndarray (reward, state), optional
        A guess of V, such as V at a nearby beta. Default: the optimal V.
    alone : bool
        Whether the planner may use every core.

    Raises
    ------
    InputError
        The MDP has discount 1.
    """
    if mdp.discount >= 1:
        raise InputError("planner: 'soft' needs a discount below 1: what noise adds on each step would have no bound")
    guess = optimal(mdp, scaled).v if start is None else start
    rows = np.concatenate([scaled, guess], axis=1)
    return _together(mdp, rows, lambda some: _newton(mdp, some[:, : mdp.n_states], some[:, mdp.n_states :]), alone)


def greedy(q: np.ndarray, error: np.ndarray | float = 0.0) -> np.ndarray:
    """Return probabilities of the best actions: (..., state, action).

    Actions that are equal up to their errors are tied, and split the probability uniformly.
    """
    top = q.max(axis=-1, keepdims=True)
    best = q >= top - 2 * (error + np.where(q == top, error, 0.0).max(axis=-1, keepdims=True))
    return best / best.sum(axis=-1, keepdims=True)


def action_values(mdp: MDP, rewards: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return ``r(s) + discount * sum_s' P(s' | s, a) V(s')``: (reward, state, action)."""
    ahead = mdp.transitions.ahead(np.ascontiguousarray(v.T))
    return rewards[:, :, None] + mdp.discount * np.moveaxis(ahead, (2, 1, 0), (0, 1, 2))


def scales(mdp: MDP, rewards: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return ``s``, the unit of a rationality in an MDP, of each reward: (reward,).

    ``s`` is the population standard deviation over the states. For a reward that is equal in every state it is 0. Where
    episodes end, such a reward still makes returns differ, and its ``s`` is its absolute value. Where no episode ends,
    its ``s`` is 0, and the choices are at chance.

    Parameters
    ----------
    rewards : ndarray (reward, state)
    errors : ndarray (reward, state)
        Bounds of the rounding errors of the rewards, up to which they are equal.
    """
    varies = ~all_equal(rewards, errors, axis=1)
    level = np.abs(rewards[:, 0]) if mdp.ends else np.zeros(len(rewards))
    return np.where(varies, (rewards - rewards[:, :1]).std(axis=1), level)  # no offset takes a digit away


def _together(mdp: MDP, rows: np.ndarray, work: Callable[[np.ndarray], Plans], alone: bool = True) -> Plans:
    """Plan for rewards in groups, in several threads where `alone`."""
    n = len(rows)
    q, v = np.empty((n, mdp.n_states, mdp.n_actions)), np.empty((n, mdp.n_states))
    error = np.empty(q.shape)
    size = max(1, min(GROUP, -(-n // (threads() if alone else 1))))

    def plan(some: slice) -> None:
        plans = work(rows[some])
        q[some], v[some], error[some] = plans.q, plans.v, plans.error

    mdp.transitions.order, mdp.transitions._matrix  # noqa: B018, once, before several threads ask for them
    groups = [slice(lo, lo + size) for lo in range(0, n, size)]
    in_threads(plan, groups, worthwhile=alone and n * mdp.n_states >= 4000)
    return Plans(q, v, error)


def _policy_iteration(mdp: MDP, rewards: np.ndarray, sizes: np.ndarray) -> Plans:
    transitions, g = mdp.transitions, mdp.discount
    paid = np.ascontiguousarray(rewards.T)  # (state, reward)
    v = paid.copy()
    for _ in range(FIRST):
        v = paid + g * transitions.ahead(v).max(axis=0)
    policy = transitions.ahead(v).argmax(axis=0).T  # (reward, state)
    values, added = np.empty(rewards.shape), np.empty(rewards.shape)
    left = np.arange(len(rewards))
    for _ in range(ROUNDS):
        values[left] = transitions.solve(policy[left], g, rewards[left])
        v = np.ascontiguousarray(values[left].T)
        ahead = transitions.ahead(v)
        gain = paid[:, left] + g * ahead.max(axis=0) - v
        better = gain.max(axis=0) > IMPROVES * np.abs(v).max(axis=0)
        near = left[~better]  # beside the largest value nothing is better; is it beside what each state adds up itself?
        if near.size:
            added[near] = transitions.solve(policy[near], g, sizes[near])
            better[~better] = (gain[:, ~better] > IMPROVES * added[near].T).any(axis=0)
        left = left[better]
        if not left.size:
            break
        v, ahead = v[:, better], ahead[:, :, better]
        # V of a policy is below what a sweep makes of it, and that below V of the policy that is greedy to it
        for _ in range(SWEEPS):
            v = paid[:, left] + g * ahead.max(axis=0)
            ahead = transitions.ahead(v)
        policy[left] = ahead.argmax(axis=0).T
    if left.size:  # cycling among what rounding cannot tell apart
        added[left] = transitions.solve(policy[left], g, sizes[left])
    undone = IMPROVES * np.maximum(transitions.solve(policy, g, added), 0.0)
    q = action_values(mdp, rewards, values)
    error = CALLABLE * action_values(mdp, sizes, added) + mdp.discount * np.moveaxis(
        transitions.ahead(np.ascontiguousarray(undone.T)), (2, 1, 0), (0, 1, 2)
    )
    return Plans(q, q.max(axis=2), error)


def _newton(mdp: MDP, scaled: np.ndarray, start: np.ndarray) -> Plans:
    transitions, g = mdp.transitions, mdp.discount
    v = start.copy()
    left = np.arange(len(scaled))
    for _ in range(STEPS):
        log_policy = log_softmax(action_values(mdp, scaled[left], v[left]))
        policy = np.exp(log_policy)
        moved = transitions.solve(policy, g, scaled[left] - (policy * log_policy).sum(axis=2))
        step = np.abs(moved - v[left])
        v[left] = moved
        # the second derivative of log sum exp is a variance, so that an error e leaves e^2 / 2 (1 - g) at most
        rest = step * np.minimum(step / (1 - g), 1.0)
        left = left[(rest > SETTLED * np.maximum(np.abs(moved), 1.0)).any(axis=1)]
        if not left.size:
            break
    q = action_values(mdp, scaled, v)
    top = q.max(axis=2)
    return Plans(q, top + np.log(np.exp(q - top[:, :, None]).sum(axis=2)), np.zeros(q.shape))
