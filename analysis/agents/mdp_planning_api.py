"""Planning and acting in an MDP, as labelled Datasets over plain arrays."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, log_softmax, whole
from reward_hypotheses.data.rounding_error_bounds import CALLABLE
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import EQUAL, stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.mdp import occupancy as arrays
from reward_hypotheses.models.mdp import planning
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.trajectories import sampled


def plan(mdp: MDP, reward: Any, beta: float | None = None, planner: str = "optimal") -> xr.Dataset:
    """Plan in an MDP for a reward.

    Values: ``Q(s, a) = r(s) + discount * sum_s' P(s' | s, a) V(s')``.

    Parameters
    ----------
    mdp : MDP
    reward : str, callable or array (state,)
        An expression over the states' features, like a hypothesis.
    beta : float, optional
        Rationality of the policy ``softmax(beta Q / s)``, s the standard deviation of the reward over the states. For a
        reward that is equal in all states, s is its absolute value where episodes end; where none ends, choices are
        uniform. By default the policy maximises, with ties (values equal up to rounding) split uniformly.
    planner : {"optimal", "soft"}
        ``V = max_a Q``; or ``V = (s/beta) log sum_a exp(beta Q / s)``, which needs beta.

    Returns
    -------
    Dataset
        ``q`` (state, action) and ``v`` (state), in reward units; ``policy`` (state, action), probabilities.

    Raises
    ------
    InputError
        A reward that is invalid or not finite; "soft" without beta or at discount 1.
    """
    if planner not in ("optimal", "soft"):
        raise InputError(f"planner: {shown(planner)}; give 'optimal' or 'soft'")
    number = None if beta is None else finite(beta)
    if (beta is not None and (number is None or number < 0)) or (planner == "soft" and not number):
        raise InputError(f"beta: {shown(beta)}; give the rationality, a positive number")
    r = _reward(mdp, reward)
    s = float(planning.scales(mdp, r[None], CALLABLE * np.abs(r[None]))[0])
    if planner == "soft" and number and s > 0:
        planned = planning.soft(mdp, number * r[None] / s)
        q, v = planned.q[0] * s / number, planned.v[0] * s / number
    else:
        planned = planning.optimal(mdp, r[None])
        q, v = planned.q[0], planned.v[0]
    if number is None:
        policy = planning.greedy(q, planned.error[0])
    elif s > 0:
        policy = np.exp(log_softmax(number * (q - q.max(axis=1, keepdims=True)) / s))
    else:
        policy = np.full(q.shape, 1.0 / mdp.n_actions)
    dims = ("state", "action")
    return xr.Dataset(
        {"q": (dims, q), "v": ("state", v), "policy": (dims, policy)},
        coords={"state": mdp.state.coordinate, "action": mdp.action.coordinate},
        attrs={"planner": planner, "discount": mdp.discount} | ({} if number is None else {"beta": number}),
    )


def occupancy(mdp: MDP, policy: Any, start: Any = None, horizon: int | None = None) -> xr.DataArray:
    """Return how often a policy is expected to take each action in each state.

    By default the occupancy is discounted, ``sum_t discount^t P(s_t = s, a_t = a)``, with sum ``1 / (1 - discount)`` where no
    episode ends. With ``horizon`` it counts the first steps without discount. The sum of occupancy times reward is the
    policy's return.

    Parameters
    ----------
    mdp : MDP
    policy : array (state, action), or what `plan` returns
        Probabilities.
    start : state, dict or array (state,), optional
        Where episodes start; uniform over the states unless given.
    horizon : int, optional

    Returns
    -------
    DataArray
        (state, action).

    Raises
    ------
    InputError
        Probabilities that do not add up to 1, naming the state; a start that there is not.
    """
    policy = policy["policy"] if isinstance(policy, xr.Dataset) else policy
    chances = np.asarray(mdp.by_label("policy", policy, ("state", "action")), float)
    if chances.shape != (mdp.n_states, mdp.n_actions):
        raise InputError(f"policy: shape {chances.shape}; give (state, action), {(mdp.n_states, mdp.n_actions)}")
    wrong = ~(np.abs(chances.sum(axis=1) - 1) <= EQUAL) | (chances < 0).any(axis=1)
    if wrong.any():
        state = int(np.argmax(wrong))
        raise InputError(
            f"policy: in state {mdp.state.name(state)!r} the probabilities are {shown(chances[state].tolist())}; they must be 0 or "
            "more and add up to 1"
        )
    where = mdp.start(start)
    if horizon is None:
        visits = arrays.discounted(mdp, chances[None], where)[0]
    else:
        visits = arrays.visits(mdp, chances[None], where, whole(horizon, "horizon", 1))[0]
    return xr.DataArray(
        visits[:, None] * chances,
        dims=("state", "action"),
        coords={"state": mdp.state.coordinate, "action": mdp.action.coordinate},
        name="occupancy",
    )


def demonstrate(
    mdp: MDP,
    reward: Any,
    beta: float,
    n: int = 1,
    steps: int = 100,
    *,
    start: Any = None,
    planner: str = "optimal",
    random_seed: int = 0,
) -> list[list[tuple[Any, Any]]]:
    """Draw trajectories of an agent that follows a reward with rationality beta.

    As in `Demonstrations`, the agent acts by ``softmax(beta Q / s)`` on each step, until the episode ends or for at most
    ``steps`` steps.

    Parameters
    ----------
    mdp, reward, beta, planner
        As for `plan`.
    n, steps : int
        Number of trajectories, and the greatest length of each.
    start : state, dict or array (state,), optional
        Where each starts; uniform over the states unless given.

    Returns
    -------
    list of list
        One list of (state, action) by name for each trajectory.
    """
    policy = plan(mdp, reward, beta, planner)["policy"].to_numpy()
    rng = np.random.default_rng(whole(random_seed, "random_seed"))
    made = sampled(mdp, policy, mdp.start(start), whole(n, "n", 1), whole(steps, "steps", 1), rng)
    states, actions = mdp.state.coordinate, mdp.action.coordinate
    return [[(states[s], actions[a]) for s, a in trajectory] for trajectory in made]


def _reward(mdp: MDP, reward: Any) -> np.ndarray:
    """Return a reward (state,) from an expression, a callable or an array."""
    if not isinstance(reward, str) and not callable(reward):
        reward = mdp.by_label("reward", reward, ("state",))
        try:
            values = np.asarray(reward, float)
        except (TypeError, ValueError):
            raise InputError(f"reward: {shown(reward)}; give an expression, or a number for each state") from None
        if values.shape != (mdp.n_states,) or not np.isfinite(values).all():
            raise InputError(
                f"reward: an array of shape {values.shape}; give a finite number for each of {mdp.n_states} states, or an expression"
            )
        return values
    listed = hypotheses_of({"reward": reward})
    table = mdp.table.with_booleans(c for c, v in mdp.table.columns.items() if v.is_boolean())
    if problems := check_columns([(table, listed.expressions())]):
        raise InputError(problems)
    valuation = Valuation(listed, table, stated_line(0.0, listed.names))
    return np.concatenate([block.reward(0)[0] for block in valuation.blocks()])
