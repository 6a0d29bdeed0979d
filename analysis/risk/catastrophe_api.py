"""Catastrophe risk of a fitted tree, as a labelled Dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of, probability
from reward_hypotheses.analysis.risk.asymptotic import limit
from reward_hypotheses.analysis.risk.intervals import add_errors_to_ends, at_least_one, interval_or_nan, judges_weights
from reward_hypotheses.analysis.risk.mdp import mdp_risk
from reward_hypotheses.analysis.risk.none_of_the_above import unmodelled_risk
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
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
    """Estimate how often an agent's choices on a test are worse than failing completely.

    ``risk = mean_m sum_o A[m, o] sum_j v_j [r_j(m, o) < u_j]``, A the agent's choices and v the judge's weights. In an MDP
    it is the probability of at least one step in a state with ``r_j(s) < u_j``, among the first ``horizon``.

    Parameters
    ----------
    tree : DataTree
        From `fit`: the judge's values and the evidence.
    test : Dataset, DataFrame or dict of arrays, or MDP
        Over scene and, where there are options, option.
    policy : Policy
        ``Commit()`` unless given. In an MDP one that maximises plans optimally, ties split uniformly over actions
        (`Expected` for the mean reward). `Boltzmann` takes ``softmax(beta Q_h / s_h)``, s_h over the MDP's states. None
        may abstain in an MDP.
    agent : Prior or DataTree, optional
        The agent's weights. None: the judge's. A prior: weighed by the same evidence. Another tree: that tree's, whose
        hypotheses may be others. Callables of the same name in both trees are taken to be the same.
    agent_fail_utility : float, str or dict, optional
        The failure line that the agent was told; the judge's unless given (for hypotheses of its own, its tree's).
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
        ``risk`` (chain, draw); ``mean`` (from the exact weights), ``lower``, ``upper``, ``mcse``, ``mcse_lower``,
        ``mcse_upper``, ``se_scenes``, ``floor``, ``abstained``, ``regret`` (reward units), ``limit``; ``matrix``
        (agent_hypothesis, true_hypothesis); ``by_agent`` (hypothesis, or agent_hypothesis where these differ); ``by_truth``
        (hypothesis), ``by_scene`` (scene), ``at_least_one`` (deployments). NaN where not defined: the interval without a
        strength, the limit of an agent read from another tree. With an unmodelled hypothesis also ``unmodelled_weight``,
        ``unmodelled_unseen`` (how often the agent picks an item of a cell that training never saw), and the bounds
        ``unmodelled_lower`` and ``unmodelled_upper``. Where evidence was sampled, ``floor_mcse``, ``by_truth_mcse`` and so
        on are the errors that it leaves. In an MDP without ``se_scenes``, ``floor``, ``abstained`` and ``by_scene``; with
        ``steps`` (expected number of catastrophic steps), ``steps_by_truth``, ``steps_matrix``; ``returns``
        (agent_hypothesis, true_hypothesis), discounted; ``regret``, the best policy's return less the agent's; and
        ``value_bits`` (target), the bits of human values that an agent of uniform prior needs for a risk of 0.1, 0.01 and
        0.001.

    Raises
    ------
    InputError
        A problem of the tree, the test, or the failure line.
    """
    if isinstance(test, MDP):
        about = (policy, agent, start, horizon, agent_fail_utility, prob, deployments)
        return mdp_risk(tree, test, *about, hypotheses=hypotheses)
    if start is not None or horizon is not None:
        raise InputError("start, horizon: they are of an MDP, and this test is a table; leave them out")
    share, deployments = probability(prob), [whole(d, "deployments", 1) for d in deployments]
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    return _dataset(tree, case, share, deployments)


def _dataset(tree: xr.DataTree, case: Case, prob: float, deployments: Sequence[int]) -> xr.Dataset:
    """Return the risk of a case and its errors, labelled."""
    drawn = in_order(tree, "posterior")
    draws = drawn["weight"].to_numpy()
    n = max(draws.shape[0] * draws.shape[1], LEAST_DRAWS)

    def measured(case: Case) -> dict[str, Any]:
        risk, by_truth = case.risk, case.risk.by_truth[case.judges]
        weights = judges_weights(case.posterior, n, substream(case.seed, "values"))
        left = case.agent.risk_left(case.valuation, case.posterior, case.policy, risk)
        about = (risk, case.policy, case.agent_weights, case.judge_weights)
        return {
            "mean": risk.mean,
            **interval_or_nan(weights, by_truth, prob),
            "floor": risk.floor,
            "abstained": risk.abstained,
            "regret": risk.regret,
            "limit": np.nan if left is None else limit(left)[0],
            "by_agent": risk.by_agent[case.agents],
            "by_truth": by_truth,
            "by_scene": risk.by_scene,
            "at_least_one": np.array([at_least_one(*about, d) for d in deployments]),
        }

    numbers, error = measured(case), case.standard_errors(measured)
    add_errors_to_ends(numbers, error)
    dims = {
        "by_agent": "agent_hypothesis" if case.rectangular else "hypothesis",
        "by_truth": "hypothesis",
        "by_scene": "scene",
        "at_least_one": "deployments",
    }
    sampled = ("floor", "abstained", "regret", "limit", "by_agent", "by_truth", "by_scene", "at_least_one")
    bounds = unmodelled_risk(case.posterior, case.valuation, case.policy, case.agent_weights) or {}
    variables: dict[str, Any] = {"risk": (("chain", "draw"), draws @ numbers["by_truth"])}
    variables |= {key: (dims.get(key, ()), value) for key, value in numbers.items()}
    variables |= {"mcse": error["mean"], "se_scenes": case.risk.se_scenes}
    variables |= {f"unmodelled_{key}": value for key, value in bounds.items()}
    variables["matrix"] = (("agent_hypothesis", "true_hypothesis"), case.risk.matrix[case.agents, case.judges])
    if not case.exact:
        missing = {key: np.nan if error[key] is None else error[key] for key in sampled}
        variables |= {f"{key}_mcse": (dims.get(key, ()), value) for key, value in missing.items()}
    return xr.Dataset(
        variables,
        coords={
            "chain": drawn["chain"].to_numpy(),
            "draw": drawn["draw"].to_numpy(),
            "hypothesis": list(case.judge_names),
            "agent_hypothesis": list(case.agent_names),
            "true_hypothesis": list(case.judge_names),
            "scene": case.scene_coordinate(),
            "deployments": list(deployments),
        },
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": prob},
    )
