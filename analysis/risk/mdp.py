"""Catastrophe risk in an MDP: what the agent plans, how probably it enters a state that is worse than failing, how often."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of, policy_of
from reward_hypotheses.analysis.risk import catastrophe as arrays
from reward_hypotheses.analysis.risk import intervals
from reward_hypotheses.analysis.risk.asymptotic import limit
from reward_hypotheses.analysis.sensitivity import value_bits as values
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.inference.special import log_normalised
from reward_hypotheses.models.mdp import occupancy, planning
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.tree.draws import LEAST_DRAWS
from reward_hypotheses.models.tree.read import in_order

AT_ONCE = 8_000_000  # action values held at once


class StateView(View):
    """An MDP as a policy sees it: the states are its scenes, the actions its options, worth what is planned for each."""

    mask = None
    abstain = False

    def __init__(self, plans: planning.Plans, scales: np.ndarray) -> None:
        self._plans = plans
        self.shape = (plans.q.shape[2], plans.q.shape[1])
        self.scales = scales

    def worth(self, h: int) -> np.ndarray:
        """``Q_h`` (action, state)."""
        return self._plans.q[h].T

    def error(self, h: int) -> np.ndarray:
        """Bounds of the errors of ``Q_h``: (action, state)."""
        return self._plans.error[h].T


@dataclass(frozen=True, eq=False)
class Acting:
    """What agents do in an MDP, and what comes of it.

    Attributes
    ----------
    rewards, errors : ndarray (hypothesis, state)
        And bounds of their rounding errors.
    bad : ndarray (hypothesis, state) of bool
        States that are worse than failing under each.
    """

    mdp: MDP
    policy: Policy
    rewards: np.ndarray
    errors: np.ndarray
    bad: np.ndarray
    start: np.ndarray
    horizon: int

    def of(self, rewards: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Agents certain of these rewards (agent, state), under each hypothesis as the truth.

        Probability of at least one catastrophic step, and expected number of them, over the horizon; return, discounted:
        three arrays (agent, truth); and what the best policy for each of the rewards returns (agent,).
        """
        n, mdp = len(rewards), self.mdp
        risk, steps, returns = np.empty((3, n, len(self.bad)))
        best = np.empty(n)
        size = max(1, AT_ONCE // (mdp.n_states * mdp.n_actions))
        for lo in range(0, n, size):
            some = slice(lo, min(lo + size, n))
            plans = planning.optimal(mdp, rewards[some], errors[some])
            view: Any = StateView(plans, planning.scales(mdp, rewards[some], errors[some]))
            acts = np.array([np.asarray(self.policy.certain(view, h)).T for h in range(len(plans.q))])
            steps[some] = occupancy.visits(mdp, acts, self.start, self.horizon) @ self.bad.T
            returns[some] = occupancy.discounted(mdp, acts, self.start) @ self.rewards.T
            best[some] = plans.v @ self.start
            risk[some] = self._reached(acts)
        return risk, steps, returns, best

    def _reached(self, acts: np.ndarray) -> np.ndarray:
        known: dict[bytes, int] = {}
        place = np.array([known.setdefault(one.tobytes(), len(known)) for one in acts])
        which = [int(np.argmax(place == k)) for k in range(len(known))]  # of agents that do the same, one

        def work(i: int) -> np.ndarray:
            return occupancy.reached(self.mdp, acts[i], self.bad, self.start, self.horizon)

        if len(which) < 2 or (os.cpu_count() or 1) < 2:
            return np.array([work(i) for i in which])[place]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
            return np.array(list(pool.map(work, which)))[place]

    @cached_property
    def certain(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same of agents certain of each hypothesis."""
        return self.of(self.rewards, self.errors)

    def together(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of an agent with these weights: risk, steps and return by truth, three arrays (truth,)."""
        if self.policy.draws_one:
            mixed = self.policy.mixing(weights)
            risk, steps, returns, _ = self.certain
            return mixed @ risk, mixed @ steps, mixed @ returns
        blend = self.policy.blend(weights)
        risk, steps, returns, _ = self.of((blend @ self.rewards)[None], EQUAL * (blend @ np.abs(self.rewards))[None])
        return risk[0], steps[0], returns[0]


def mdp_risk(
    tree: xr.DataTree,
    mdp: MDP,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    start: Any = None,
    horizon: int | None = None,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    deployments: Sequence[int] = (1, 10, 100, 1000),
    targets: Sequence[float] = (0.1, 0.01, 0.001),
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Compute what `catastrophe_risk` does of an MDP as the test; see there."""
    share = finite(prob)
    if share is None or not 0 < share < 1:
        raise InputError(
            f"prob: {shown(prob)}; give the probability of the interval, above 0 and below 1, such as 0.95"
        )
    if horizon is None:
        raise InputError("horizon: missing; say over how many steps, such as horizon=100, a catastrophe counts")
    horizon = whole(horizon, "horizon", 1)
    deployments = [whole(d, "deployments", 1) for d in deployments]
    wanted = [finite(t) for t in targets]
    if not all(t is not None and 0 <= t <= 1 for t in wanted):
        raise InputError(f"targets: {shown(list(targets))}; give risks from 0 to 1")
    where = mdp.start(start)
    policy = policy_of(policy)
    if policy.asks_rationality:
        raise InputError(
            f"policy: {policy.name}: beta = 'inferred' is of choices within scenes, as their rewards were scaled; in an MDP give beta "
            "a number"
        )
    case = case_of(tree, mdp.table, policy, agent, agent_fail_utility, hypotheses)
    if case.policy.abstain:
        raise InputError(
            f"policy: {case.policy.name} that may abstain; what failing is worth is compared with a state here, not with all "
            "that follows, so an agent cannot refrain in an MDP; leave abstain out"
        )
    if case.valuation.hypotheses.unmodelled is not None:
        raise InputError("hypotheses: one is unmodelled, and says nothing of the states of an MDP; list rules alone")
    if case.valuation.hypotheses.families or case.valuation.families:
        raise InputError("hypotheses: one has continuous weights, which are not planned for; list named rewards")
    acting = Acting(mdp, case.policy, *_of_states(case), where, horizon)
    posterior, seed = case.posterior, int(tree.attrs["seed"])
    drawn = in_order(tree, "posterior")["weight"].to_numpy()
    n = max(drawn.shape[0] * drawn.shape[1], LEAST_DRAWS)
    matrix, steps, returns, best = acting.certain
    agents, judges = case.agents, case.judges
    uninformed = Uniform().log_prior(posterior.hypotheses)

    def measured(case: Case) -> dict[str, Any]:
        judge, weights, v = case.posterior, case.agent_weights, case.judge_weights
        by_truth, often, earned = acting.together(weights)
        ends = (
            intervals.interval(intervals.judges_weights(judge, n, substream(seed, "values")), by_truth[judges], prob)
            or {}
        )
        found = _as_risk(matrix, by_truth, v)
        left = np.nan
        if case.agent.learns_with_judge and case.policy.draws_one:
            remaining = case.agent.risk_left(case.valuation, judge, case.policy, found)
            left = np.nan if remaining is None else limit(remaining)[0]
        bits = np.full(len(wanted), np.nan)
        if case.agent.learns_with_judge and case.policy.mixes_weights:
            log_agent = log_normalised(uninformed + judge.log_evidence)
            bits = np.array([values.value_bits(matrix, judge.weights, log_agent, float(t or 0)).bits for t in wanted])
        return {
            "mean": float(by_truth @ v),
            "lower": ends.get("lower", np.nan),
            "upper": ends.get("upper", np.nan),
            "mcse_lower": ends.get("mcse_lower", np.nan),
            "mcse_upper": ends.get("mcse_upper", np.nan),
            "steps": float(often @ v),
            "regret": float(np.maximum(best - earned, 0.0) @ v),
            "limit": left,
            "by_agent": (matrix @ v)[agents],
            "by_truth": by_truth[judges],
            "steps_by_truth": often[judges],
            "at_least_one": np.array([intervals.at_least_one(found, case.policy, weights, v, d) for d in deployments]),
            "value_bits": bits,
        }

    numbers = measured(case)
    error = case.standard_errors(measured)
    for end in ("lower", "upper"):
        numbers[f"mcse_{end}"] = np.hypot(numbers[f"mcse_{end}"], error[end] or 0.0)
    dims = {
        "by_agent": "agent_hypothesis" if case.rectangular else "hypothesis",
        "by_truth": "hypothesis",
        "steps_by_truth": "hypothesis",
        "at_least_one": "deployments",
        "value_bits": "target",
    }
    pair = ("agent_hypothesis", "true_hypothesis")
    names = list(posterior.hypotheses.names)
    inexact = ("steps", "regret", "limit", "by_agent", "by_truth", "steps_by_truth", "at_least_one", "value_bits")
    errors = (
        {}
        if case.exact
        else {f"{k}_mcse": (dims.get(k, ()), np.nan if error[k] is None else error[k]) for k in inexact}
    )
    return xr.Dataset(
        {"risk": (("chain", "draw"), drawn @ numbers["by_truth"])}
        | {key: (dims.get(key, ()), value) for key, value in numbers.items()}
        | {
            "mcse": error["mean"],
            "matrix": (pair, matrix[agents, judges]),
            "steps_matrix": (pair, steps[agents, judges]),
            "returns": (pair, returns[agents, judges]),
        }
        | errors,
        coords={
            "chain": tree["posterior"]["chain"].to_numpy(),
            "draw": tree["posterior"]["draw"].to_numpy(),
            "hypothesis": names,
            "agent_hypothesis": list(case.agent_names),
            "true_hypothesis": names,
            "deployments": list(deployments),
            "target": [float(t or 0) for t in wanted],
        },
        attrs={"policy": case.policy.name, "prob": prob, "horizon": horizon, "discount": mdp.discount},
    )


def _of_states(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rewards, bounds of their rounding errors, and what is worse than failing: three arrays (hypothesis, state)."""
    n = len(case.valuation.hypotheses)
    blocks = list(case.valuation.blocks())

    def whole(what: Callable[[Any, int], np.ndarray]) -> np.ndarray:
        return np.array(
            [np.concatenate([np.broadcast_to(what(block, h), block.shape)[0] for block in blocks]) for h in range(n)]
        )

    return (
        whole(lambda block, h: block.reward(h)),
        whole(lambda block, h: block.error(h)),
        whole(lambda block, h: block.worse(h)),
    )


_NONE = arrays.Risk(
    mean=np.nan,
    by_truth=np.zeros(0),
    by_agent=np.zeros(0),
    by_scene=np.zeros(0),
    matrix=np.zeros((0, 0)),
    floor=np.nan,
    abstained=0.0,
    abstained_by_agent=np.zeros(0),
    regret=np.nan,
    worse=np.zeros(0),
    se_scenes=np.nan,
    n_scenes=np.nan,
)


def _as_risk(matrix: np.ndarray, by_truth: np.ndarray, judge: np.ndarray) -> arrays.Risk:
    """What deployments and silence ask of a risk."""
    return replace(_NONE, mean=float(by_truth @ judge), by_truth=by_truth, by_agent=matrix @ judge, matrix=matrix)
