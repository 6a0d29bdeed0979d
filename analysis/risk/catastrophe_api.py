"""Risk, bits, bounds and predictions of a fitted tree, as labelled Datasets: a thin layer over the arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.risk import intervals
from reward_hypotheses.analysis.risk.asymptotic import limit
from reward_hypotheses.analysis.risk.mdp import mdp_risk
from reward_hypotheses.analysis.risk.none_of_the_above import unmodelled_risk
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.draws import LEAST_DRAWS
from reward_hypotheses.models.tree.read import in_order


def catastrophe_risk(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    deployments: Sequence[int] = (1, 10, 100, 1000),
    hypotheses: Mapping[str, Any] | None = None,
    start: Any = None,
    horizon: int | None = None,
) -> xr.Dataset:
    """Estimate how often the agent does on a test what is worse than failing completely.

    ``risk = mean_m sum_o A[m, o] sum_j v_j [r_j(m, o) < u_j]``, A the agent's choices and v the judge's weights. In an MDP
    it is the probability of at least one step in a state of which ``r_j(s) < u_j``, among the first ``horizon``.

    Parameters
    ----------
    tree : DataTree
        From `fit`: the judge's values and the evidence.
    test : Dataset, DataFrame or dict of arrays, or MDP
        Over scene and, where there are options, option.
    policy : Policy
        ``Commit()`` unless given. In an MDP one that maximises plans optimally, ties split uniformly over actions
        (`Expected` for the mean reward), and `Boltzmann` takes ``softmax(beta Q_h / s_h)``, s_h over the MDP's states; none
        may abstain there.
    agent : Prior or DataTree, optional
        What the agent extrapolates by: None, the judge's weights; a prior, weighed by the same evidence; another tree,
        its own weights, of hypotheses of its own if it likes. Callables that have the same names in both trees are taken
        to be the same.
    agent_fail_utility : float, str or dict, optional
        What the agent was told of the failure line; the judge's unless given (for hypotheses of its own, its tree's).
    prob : float
        Of the equal-tailed interval over the judge's uncertainty; its ends come from at least 4,000 draws.
    hypotheses : dict, optional
        The hypotheses again, where some are callables and the tree was read from a file or copied.
    start : state, dict or array (state,), optional
        In an MDP, where deployments start; uniform over its states unless given.
    horizon : int, optional
        In an MDP, and needed there: how many steps a deployment takes, the one at the start counted.

    Returns
    -------
    Dataset
        ``risk`` (chain, draw); ``mean`` (from the exact weights, not from draws), ``lower``, ``upper``, ``mcse``,
        ``mcse_lower``, ``mcse_upper``, ``se_scenes``, ``floor``, ``abstained``, ``regret`` (reward units), ``limit``;
        ``matrix`` (agent_hypothesis, true_hypothesis), ``by_agent``, ``by_truth`` (hypothesis), ``by_scene`` (scene),
        (``by_agent`` over agent_hypothesis where the agent has hypotheses of its own, and the matrix is rectangular),
        ``at_least_one`` (deployments). NaN where there is none: the interval without a strength, the limit of an agent
        read from another tree. Where a hypothesis is unmodelled also ``unmodelled_weight``, ``unmodelled_unseen`` (how often
        the agent picks an item of a cell that training never saw), and the bounds that leaves, ``unmodelled_lower`` and
        ``unmodelled_upper``. Where evidence was sampled, ``mcse`` is the error that it leaves in the mean, and
        ``floor_mcse``, ``by_truth_mcse`` and so on say the same of the others.
        In an MDP without ``se_scenes``, ``floor``, ``abstained``, ``by_scene``, and with ``steps`` (expected number of
        catastrophic steps), ``steps_by_truth``, ``steps_matrix``; ``returns`` (agent_hypothesis, true_hypothesis),
        discounted; ``regret``, how much less than the best policy's return it has, expected; and ``value_bits`` (target),
        bits of human values that an agent of uniform prior needs for a risk of 0.1, 0.01 and 0.001.

    Raises
    ------
    InputError
        What is wrong with the tree, the test, or the failure line.
    """
    if isinstance(test, MDP):
        return mdp_risk(
            tree,
            test,
            policy,
            agent,
            start=start,
            horizon=horizon,
            agent_fail_utility=agent_fail_utility,
            prob=prob,
            deployments=deployments,
            hypotheses=hypotheses,
        )
    if start is not None or horizon is not None:
        raise InputError("start, horizon: they are of an MDP, and this test is a table; leave them out")
    share = finite(prob)
    if share is None or not 0 < share < 1:
        raise InputError(
            f"prob: {shown(prob)}; give the probability of the interval, above 0 and below 1, such as 0.95"
        )
    deployments = [whole(d, "deployments", 1) for d in deployments]
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    posterior = case.posterior
    seed = int(tree.attrs["seed"])
    drawn = in_order(tree, "posterior")
    draws = drawn["weight"].to_numpy()
    n = max(draws.shape[0] * draws.shape[1], LEAST_DRAWS)

    def measured(case: Case) -> dict[str, Any]:
        found, judge = case.risk, case.posterior
        by_truth = found.by_truth[case.judges]
        ends = intervals.interval(intervals.judges_weights(judge, n, substream(seed, "values")), by_truth, prob) or {}
        left = case.agent.risk_left(case.valuation, judge, case.policy, found)
        about = (found, case.policy, case.agent_weights, case.judge_weights)
        return {
            "mean": found.mean,
            "lower": ends.get("lower", np.nan),
            "upper": ends.get("upper", np.nan),
            "mcse_lower": ends.get("mcse_lower", np.nan),
            "mcse_upper": ends.get("mcse_upper", np.nan),
            "floor": found.floor,
            "abstained": found.abstained,
            "regret": found.regret,
            "limit": np.nan if left is None else limit(left)[0],
            "by_agent": found.by_agent[case.agents],
            "by_truth": by_truth,
            "by_scene": found.by_scene,
            "at_least_one": np.array([intervals.at_least_one(*about, int(d)) for d in deployments]),
        }

    found, numbers = case.risk, measured(case)
    error = case.standard_errors(measured)
    for end in ("lower", "upper"):
        numbers[f"mcse_{end}"] = np.hypot(numbers[f"mcse_{end}"], error[end] or 0.0)
    names = list(posterior.hypotheses.names)
    bounds = unmodelled_risk(posterior, case.valuation, case.policy, case.agent_weights) or {}
    dims = {
        "by_agent": "agent_hypothesis" if case.rectangular else "hypothesis",
        "by_truth": "hypothesis",
        "by_scene": "scene",
        "at_least_one": "deployments",
    }
    inexact = ("floor", "abstained", "regret", "limit", "by_agent", "by_truth", "by_scene", "at_least_one")
    missing = {k: np.nan if error[k] is None else error[k] for k in inexact}
    return xr.Dataset(
        {"risk": (("chain", "draw"), draws @ numbers["by_truth"])}
        | {key: (dims.get(key, ()), value) for key, value in numbers.items()}
        | {
            "mcse": error["mean"],
            "se_scenes": found.se_scenes,
            **{f"unmodelled_{key}": value for key, value in bounds.items()},
            "matrix": (("agent_hypothesis", "true_hypothesis"), found.matrix[case.agents, case.judges]),
        }
        | ({} if case.exact else {f"{key}_mcse": (dims.get(key, ()), value) for key, value in missing.items()}),
        coords={
            "chain": drawn["chain"].to_numpy(),
            "draw": drawn["draw"].to_numpy(),
            "hypothesis": names,
            "agent_hypothesis": list(case.agent_names),
            "true_hypothesis": names,
            "scene": case.scene_coordinate(),
            "deployments": [int(d) for d in deployments],
        },
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": prob},
    )
