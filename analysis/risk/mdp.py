"""Catastrophe risk in an MDP: how often planned policies enter bad states.

A bad state is worse than failing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.risk.asymptotic import limit
from reward_hypotheses.analysis.risk.catastrophe import Risk
from reward_hypotheses.analysis.risk.distribution.by_source import Doubt
from reward_hypotheses.analysis.risk.distribution.open_sources import open_weights
from reward_hypotheses.analysis.risk.distribution.risk_draws import draws_of_matrix
from reward_hypotheses.analysis.risk.intervals import at_least_one, interval, judges_weights
from reward_hypotheses.analysis.sensitivity.value_bits import average_bits
from reward_hypotheses.data.numerics import in_threads, numbered
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.inference.special import log_normalised
from reward_hypotheses.models.mdp import occupancy, planning
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View
from reward_hypotheses.models.priors.uniform import Uniform

AT_ONCE = 8_000_000  # action values in memory at once
TARGETS = (0.1, 0.01, 0.001)
"""Risks for which the bits of human values are computed."""


class StateView(View):
    """An MDP as a policy sees it: states as scenes, actions as options.

    An option is worth its planned return.
    """

    mask = None
    abstain = False

    def __init__(self, plans: planning.Plans, scales: np.ndarray) -> None:
        self._plans = plans
        self.shape = (plans.q.shape[2], plans.q.shape[1])
        self.scales = scales

    @override
    def worth(self, h: int) -> np.ndarray:
        return self._plans.q[h].T

    @override
    def error(self, h: int) -> np.ndarray:
        return self._plans.error[h].T


type Measures = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Risk, steps and returns by agent and truth (agent, truth), and the best policy's return for each agent (agent,)."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A policy in an MDP, and the risk and returns of agents that follow it.

    Attributes
    ----------
    rewards, errors : ndarray (hypothesis, state)
        Rewards, and bounds of their rounding errors.
    bad : ndarray (hypothesis, state) of bool
        States that are worse than failing under each hypothesis.
    """

    mdp: MDP
    policy: Policy
    rewards: np.ndarray
    errors: np.ndarray
    bad: np.ndarray
    start: np.ndarray
    horizon: int

    def measures(self, rewards: np.ndarray, errors: np.ndarray) -> Measures:
        """Return the measures of agents certain of these rewards (agent, state).

        Each hypothesis is true in turn. The risk is the probability of at least one catastrophic step over
        the horizon. The steps are the expected number of catastrophic steps. Returns are discounted.
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
        """Return the risk of each agent: (agent, truth).

        Agents that act alike are computed once.
        """
        place = numbered(of_agent.tobytes() for of_agent in acts)
        _, first = np.unique(place, return_index=True)

        def work(i: int) -> np.ndarray:
            return occupancy.reached(self.mdp, acts[i], self.bad, self.start, self.horizon)

        return np.array(in_threads(work, first.tolist()))[place]

    @cached_property
    def certain(self) -> Measures:
        """The measures of agents certain of each hypothesis."""
        return self.measures(self.rewards, self.errors)

    def together(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return risk, steps and return by truth of an agent with these weights.

        Three arrays (truth,).
        """
        if self.policy.draws_one:
            mixed = self.policy.mixing(weights)
            risk, steps, returns, _ = self.certain
            return mixed @ risk, mixed @ steps, mixed @ returns
        blend = self.policy.blend(weights)
        errors = EQUAL * (blend @ np.abs(self.rewards))[None]
        risk, steps, returns, _ = self.measures((blend @ self.rewards)[None], errors)
        return risk[0], steps[0], returns[0]


def mdp_numbers(
    case: Case, behaviour: Behaviour, draws: int, prob: float, deployments: Sequence[int]
) -> dict[str, Any]:
    """Return the numbers of a case that depend on its weights.

    `draws` is the number of draws for the interval.
    """
    matrix, _, _, best = behaviour.certain
    judge, weights, v = case.posterior, case.agent_weights, case.judge_weights
    by_truth, steps, returns = behaviour.together(weights)
    risk = Risk(float(by_truth @ v), by_truth, matrix @ v, matrix)
    remaining, bits = None, np.full(len(TARGETS), np.nan)
    if case.agent.learns_with_judge and case.policy.draws_one:
        remaining = case.agent.risk_left(case.valuation, judge, case.policy, risk)
    if case.agent.learns_with_judge and case.policy.mixes_weights:
        log_agent = log_normalised(Uniform().log_prior(judge.hypotheses) + judge.log_evidence)
        bits = np.array([average_bits(matrix, judge.weights, log_agent, target) for target in TARGETS])
    values = judges_weights(judge, draws, substream(case.seed, "values"))
    return {
        "mean": risk.mean,
        **interval(values, by_truth[case.judges], prob, np.nan, judge.worth(draws)),
        "steps": float(steps @ v),
        "regret": float(np.maximum(best - returns, 0.0) @ v),
        "limit": np.nan if remaining is None else limit(remaining)[0],
        "by_agent": risk.by_agent[case.agents],
        "by_truth": by_truth[case.judges],
        "steps_by_truth": steps[case.judges],
        "at_least_one": np.array([at_least_one(risk, case.policy, weights, v, d) for d in deployments]),
        "value_bits": bits,
    }


def behaviour_doubt(case: Case, behaviour: Behaviour, evidence_error: float) -> Doubt:
    """Return the draws of the risk in an MDP.

    The sources are the values, the agent's weights, and sampled evidence.
    """
    by_truth, agent, (agents, judges) = behaviour.together(case.agent_weights)[0], np.ones(1), open_weights(case)
    matrix = by_truth[None]
    if agents is not None:
        matrix, agent = behaviour.certain[0], case.agent_weights
    draws = draws_of_matrix(
        matrix, agent, agents, case.judge_weights, judges, case.draws, case.posterior.worth(case.draws)
    )
    unknown = ("scenes",) if judges is not None else ("values", "scenes")
    mean = float(by_truth @ case.judge_weights)
    return Doubt(draws, mean, case.settings.prob, unknown).with_evidence_error(case, evidence_error)


def rewards_of_states(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rewards, their error bounds, and the states worse than failing.

    Three arrays (hypothesis, state).
    """
    n = len(case.valuation.hypotheses)
    blocks = list(case.valuation.blocks())

    def over_states(quantity: Callable[[Block, int], np.ndarray | float]) -> np.ndarray:
        by_block = [[np.broadcast_to(quantity(block, h), block.shape)[0] for block in blocks] for h in range(n)]
        return np.array([np.concatenate(of_hypothesis) for of_hypothesis in by_block])

    return over_states(Block.reward), over_states(Block.error), over_states(Block.worse)
