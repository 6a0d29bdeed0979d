"""Catastrophe risk of a fitted tree, as a labelled Dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of, policy_of, probability
from reward_hypotheses.analysis.risk.asymptotic import limit
from reward_hypotheses.analysis.risk.distribution.by_source import doubt_of, with_sources
from reward_hypotheses.analysis.risk.intervals import add_errors_to_ends, at_least_one, interval, judges_weights
from reward_hypotheses.analysis.risk.mdp import TARGETS, Behaviour, behaviour_doubt, mdp_numbers, rewards_of_states
from reward_hypotheses.analysis.risk.none_of_the_above import unmodelled_risk
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.draws import LEAST_DRAWS
from reward_hypotheses.models.tree.read import in_order

DIMS = {
    "by_truth": "hypothesis",
    "steps_by_truth": "hypothesis",
    "by_scene": "scene",
    "at_least_one": "deployments",
    "value_bits": "target",
}
"""Dimensions of the numbers that are arrays."""
ENDS = ("mean", "lower", "upper", "mcse_lower", "mcse_upper")
"""Numbers whose errors are in ``mcse``, ``mcse_lower`` and ``mcse_upper``."""


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
    """Estimate how often an agent's choices on a test are worse than failing.

    ``risk = mean_m sum_o A[m, o] sum_j v_j [r_j(m, o) < u_j]``, A the agent's choices and v the judge's weights. In an MDP
    the risk is the probability of at least one of the first ``horizon`` steps in a state with ``r_j(s) < u_j``.

    Parameters
    ----------
    tree : DataTree
        From `fit`: the judge's values and the evidence.
    test : Dataset, DataFrame or dict of arrays, or MDP
        Over scene and, where there are options, option.
    policy : Policy
        ``Commit()`` unless given. In an MDP a maximising policy plans optimally, ties split uniformly over actions
        (`Expected` for the mean reward). `Boltzmann` takes ``softmax(beta Q_h / s_h)``, s_h over the MDP's states. No
        policy may abstain in an MDP.
    agent : Prior or DataTree, optional
        The agent's weights. None: the judge's weights. A prior: weighed by the same evidence. Another tree: that tree's
        weights, also over other hypotheses. Callables of the same name in both trees are taken to be equal.
    agent_fail_utility : float, str or dict, optional
        The failure line that the agent was told. Unless given: the judge's line, or the line of the agent's tree for
        hypotheses that the agent alone holds.
    prob : float
        Probability of the equal-tailed interval over the judge's uncertainty, from at least 4,000 draws.
    hypotheses : dict, optional
        The hypotheses again, needed where some are callables and the tree was read from a file or copied.
    start : state, dict or array (state,), optional
        In an MDP, where deployments start; uniform over its states unless given.
    horizon : int, optional
        Needed in an MDP: the number of steps of a deployment, the first step included.

    Returns
    -------
    Dataset
        ``risk`` (chain, draw); ``mean`` (from the exact weights), ``lower``, ``upper``, ``mcse``, ``mcse_lower``,
        ``mcse_upper``, ``se_scenes``, ``floor``, ``abstained``, ``regret`` (reward units), ``limit``; ``matrix``
        (agent_hypothesis, true_hypothesis); ``by_agent`` (hypothesis, or agent_hypothesis where these differ); ``by_truth``
        (hypothesis), ``by_scene`` (scene), ``at_least_one`` (deployments). ``lower`` and ``upper`` are of the values
        alone: where one hypothesis has all weight they are a point, and ``interval`` has what its open weights say. NaN
        where not defined: the interval without a strength, the limit of an agent read from another tree.

        With an unmodelled hypothesis also ``unmodelled_weight``, ``unmodelled_unseen`` (how often the agent picks an item
        of a cell that training never saw), and the bounds ``unmodelled_lower`` and ``unmodelled_upper``. With sampled
        evidence also the Monte Carlo errors ``floor_mcse``, ``by_truth_mcse`` and so on.

        In an MDP without ``se_scenes``, ``floor``, ``abstained`` and ``by_scene``; with ``steps`` (expected number of
        catastrophic steps), ``steps_by_truth``, ``steps_matrix``; ``returns`` (agent_hypothesis, true_hypothesis),
        discounted; ``regret``, the best policy's return less the agent's; and ``value_bits`` (target), the bits of human
        values that an agent of uniform prior needs for a risk of 0.1, 0.01 and 0.001.

    Raises
    ------
    InputError
        A problem of the tree, the test, or the failure line.
    """
    about = (policy, agent, agent_fail_utility, hypotheses)
    if isinstance(test, MDP):
        return _in_mdp(tree, test, about, start, horizon, prob, deployments)
    if start is not None or horizon is not None:
        raise InputError("start, horizon: they are of an MDP, and this test is a table; leave them out")
    share, deployments = probability(prob), [whole(d, "deployments", 1) for d in deployments]
    return _on_table(tree, case_of(tree, test, *about), share, deployments)


def _on_table(tree: xr.DataTree, case: Case, prob: float, deployments: Sequence[int]) -> xr.Dataset:
    """Return the risk on a table, labelled."""
    case = replace(case, settings=replace(case.settings, draws=_draws(tree), prob=prob))

    def numbers(case: Case, draws: int) -> dict[str, Any]:
        risk, by_truth = case.risk, case.risk.by_truth[case.judges]
        values = judges_weights(case.posterior, draws, substream(case.seed, "values"))
        left = case.agent.risk_left(case.valuation, case.posterior, case.policy, risk)
        about = (risk, case.policy, case.agent_weights, case.judge_weights)
        return {
            "mean": risk.mean,
            **interval(values, by_truth, prob, np.nan, case.posterior.worth(draws)),
            "floor": risk.floor,
            "abstained": risk.abstained,
            "regret": risk.regret,
            "limit": np.nan if left is None else limit(left)[0],
            "by_agent": risk.by_agent[case.agents],
            "by_truth": by_truth,
            "by_scene": risk.by_scene,
            "at_least_one": np.array([at_least_one(*about, d) for d in deployments]),
        }

    bounds = unmodelled_risk(case.posterior, case.valuation, case.policy, case.agent_weights) or {}
    exact = {"se_scenes": case.risk.se_scenes} | {f"unmodelled_{key}": value for key, value in bounds.items()}
    out = _dataset(tree, case, numbers, exact, {"matrix": case.risk.matrix})
    coords = {"scene": case.scene_coordinate(), "deployments": list(deployments)}
    attrs = {"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": prob}
    doubt = doubt_of(case).with_evidence_error(case, float(out["mcse"]))
    return with_sources(out, doubt).assign_coords(coords).assign_attrs(attrs)


def _draws(tree: xr.DataTree) -> int:
    """Return the number of draws behind intervals: those of the tree, or more."""
    return max(tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"], LEAST_DRAWS)


def _in_mdp(
    tree: xr.DataTree,
    mdp: MDP,
    about: tuple[Any, ...],
    start: Any,
    horizon: int | None,
    prob: float,
    deployments: Sequence[int],
) -> xr.Dataset:
    """Return the risk in an MDP, labelled.

    `about` holds the policy, the agent, the agent's failure line and the hypotheses.
    """
    share = probability(prob)
    if horizon is None:
        raise InputError("horizon: missing; say over how many steps, such as horizon=100, a catastrophe counts")
    horizon = whole(horizon, "horizon", 1)
    deployments = [whole(d, "deployments", 1) for d in deployments]
    where, policy = mdp.start(start), policy_of(about[0])
    if policy.asks_rationality:
        raise InputError(
            f"policy: {policy.name}: beta = 'inferred' is of choices within scenes, as their rewards were scaled; in an MDP give beta "
            "a number"
        )
    case = case_of(tree, mdp.table, policy, *about[1:])
    case.valuation.hypotheses.refuse_spaces("an MDP")
    case = replace(case, settings=replace(case.settings, draws=_draws(tree), prob=share))
    if case.policy.abstain:
        raise InputError(
            f"policy: {case.policy.name} that may abstain; what failing is worth is compared with a state here, not with all "
            "that follows, so an agent cannot refrain in an MDP; leave abstain out"
        )
    if case.valuation.hypotheses.unmodelled is not None:
        raise InputError("hypotheses: one is unmodelled, and says nothing of the states of an MDP; list rules alone")
    if case.valuation.families:
        raise InputError("hypotheses: one has continuous weights, which are not planned for; list named rewards")
    behaviour = Behaviour(mdp, case.policy, *rewards_of_states(case), where, horizon)

    def numbers(case: Case, draws: int) -> dict[str, Any]:
        return mdp_numbers(case, behaviour, draws, share, deployments)

    matrices = dict(zip(("matrix", "steps_matrix", "returns"), behaviour.certain, strict=False))
    coords = {"deployments": list(deployments), "target": list(TARGETS)}
    attrs = {"policy": case.policy.name, "prob": share, "horizon": horizon, "discount": mdp.discount}
    out = _dataset(tree, case, numbers, {}, matrices)
    return (
        with_sources(out, behaviour_doubt(case, behaviour, float(out["mcse"])))
        .assign_coords(coords)
        .assign_attrs(attrs)
    )


def _dataset(
    tree: xr.DataTree,
    case: Case,
    compute: Callable[[Case, int], dict[str, Any]],
    exact: Mapping[str, float],
    matrices: Mapping[str, np.ndarray],
) -> xr.Dataset:
    """Return numbers of a case and their Monte Carlo errors, labelled.

    The labels are the hypotheses of the tree.

    Parameters
    ----------
    compute : callable
        Of a case and a number of draws for the interval.
    exact : dict
        Numbers without a Monte Carlo error.
    matrices : dict of str to ndarray (hypothesis of the test, hypothesis of the test)
    """
    drawn = in_order(tree, "posterior")
    weight, draws = drawn["weight"].to_numpy(), _draws(tree)
    numbers, error = compute(case, draws), case.standard_errors(lambda case: compute(case, draws))
    add_errors_to_ends(numbers, error)
    dims = DIMS | {"by_agent": "agent_hypothesis" if case.rectangular else "hypothesis"}
    variables: dict[str, Any] = {"risk": (("chain", "draw"), weight @ numbers["by_truth"])}
    variables |= {key: (dims.get(key, ()), value) for key, value in numbers.items()}
    variables |= {"mcse": error["mean"], **exact}
    for key, matrix in matrices.items():
        variables[key] = (("agent_hypothesis", "true_hypothesis"), matrix[case.agents, case.judges])
    if not case.exact:
        for key in (key for key in numbers if key not in ENDS):
            variables[f"{key}_mcse"] = (dims.get(key, ()), np.nan if error[key] is None else error[key])
    return xr.Dataset(
        variables,
        coords={
            "chain": drawn["chain"].to_numpy(),
            "draw": drawn["draw"].to_numpy(),
            "hypothesis": list(case.judge_names),
            "agent_hypothesis": list(case.agent_names),
            "true_hypothesis": list(case.judge_names),
        },
    )
