"""Risk, bits, bounds and predictions of a fitted tree, as labelled Datasets: a thin layer over the arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis import risk as arrays
from reward_hypotheses.analysis import values
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.catastrophe import failure_line
from reward_hypotheses.models.expressions import Expression
from reward_hypotheses.models.hypotheses import check_columns
from reward_hypotheses.models.policies.base import Policy, View, within_scene_scale
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.seeds import substream
from reward_hypotheses.models.special import log_normalised
from reward_hypotheses.models.stored import posterior_of, tested
from reward_hypotheses.models.tree import LEAST_DRAWS
from reward_hypotheses.models.valuation import Valuation, empty_scenes

Agent = Prior | xr.DataTree | None


def catastrophe_risk(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    deployments: Sequence[int] = (1, 10, 100, 1000),
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Estimate how often the agent does on a test what is worse than failing completely.

    ``risk = mean_m sum_o A[m, o] sum_j v_j [r_j(m, o) < u_j]``, A the agent's choices and v the judge's weights.

    Parameters
    ----------
    tree : DataTree
        From `fit`: the judge's values and the evidence.
    test : Dataset, DataFrame or dict of arrays
        Over scene and, where there are options, option.
    policy : Policy
        ``Commit()`` unless given.
    agent : Prior or DataTree, optional
        What the agent extrapolates by: None, the judge's weights; a prior, weighed by the same evidence; another tree of
        the same hypotheses, its own weights.
    agent_fail_utility : float, str or dict, optional
        What the agent was told of the failure line; the judge's unless given.
    prob : float
        Of the equal-tailed interval over the judge's uncertainty; its ends come from at least 4,000 draws.
    hypotheses : dict, optional
        The hypotheses again, where some are callables.

    Returns
    -------
    Dataset
        ``risk`` (chain, draw); ``mean`` (from the exact weights, not from draws), ``lower``, ``upper``, ``mcse``,
        ``mcse_lower``, ``mcse_upper``, ``se_scenes``, ``floor``, ``abstained``, ``regret`` (reward units), ``limit``;
        ``matrix`` (agent_hypothesis, true_hypothesis), ``by_agent``, ``by_truth`` (hypothesis), ``by_scene`` (scene),
        ``at_least_one`` (deployments). NaN where there is none: the interval without a strength, the limit of an agent
        read from another tree.

    Raises
    ------
    InputError
        What is wrong with the tree, the test, or the failure line.
    """
    case = _case(tree, test, policy, agent, agent_fail_utility, hypotheses)
    posterior, valuation = case.posterior, case.valuation
    found = arrays.catastrophe_risk(valuation, case.policy, case.agent, posterior.weights)
    draws = tree["posterior"]["weight"].to_numpy()
    n = max(draws.shape[0] * draws.shape[1], LEAST_DRAWS)
    ends = arrays.interval(posterior, found.by_truth, prob, n, substream(int(tree.attrs["seed"]), "values")) or {}
    limit = np.nan
    if not isinstance(agent, xr.DataTree):
        limit = arrays.limit(valuation, posterior, case.policy, agent, found)
    names = list(posterior.hypotheses.names)
    ever = [arrays.at_least_one(found, case.policy, case.agent, posterior.weights, int(d)) for d in deployments]
    return xr.Dataset(
        {
            "risk": (("chain", "draw"), draws @ found.by_truth),
            "mean": found.mean,
            "lower": ends.get("lower", np.nan),
            "upper": ends.get("upper", np.nan),
            "mcse": 0.0,
            "mcse_lower": ends.get("mcse_lower", np.nan),
            "mcse_upper": ends.get("mcse_upper", np.nan),
            "se_scenes": found.se_scenes,
            "floor": found.floor,
            "abstained": found.abstained,
            "regret": found.regret,
            "limit": limit,
            "matrix": (("agent_hypothesis", "true_hypothesis"), found.matrix),
            "by_agent": ("hypothesis", found.by_agent),
            "by_truth": ("hypothesis", found.by_truth),
            "by_scene": ("scene", found.by_scene),
            "at_least_one": ("deployments", np.array(ever)),
        },
        coords={
            "chain": tree["posterior"]["chain"].to_numpy(),
            "draw": tree["posterior"]["draw"].to_numpy(),
            "hypothesis": names,
            "agent_hypothesis": names,
            "true_hypothesis": names,
            "scene": case.scene_coordinate(),
            "deployments": [int(d) for d in deployments],
        },
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": prob},
    )


def value_bits(
    tree: xr.DataTree,
    test: Any,
    target: float = 0.01,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Compute the least information about human values that brings the agent's risk to the target.

    See `reward_hypotheses.analysis.values.value_bits` for the equation. The agent is uniform unless given.

    Returns
    -------
    Dataset
        ``bits``, ``by_truth`` (hypothesis); inf where no amount is enough (attribute ``reason``), NaN for policies that
        do not draw one hypothesis from the agent's weights and for an agent read from another tree.
    """
    agent = Uniform() if agent is None else agent
    case = _case(tree, test, policy, agent, agent_fail_utility, hypotheses)
    names = list(case.posterior.hypotheses.names)
    bits, by_truth, reason = np.nan, np.full(len(names), np.nan), ""
    if not isinstance(agent, Prior):
        reason = "not defined for an agent that was read from another tree"
    elif not case.policy.mixes_weights:
        reason = f"not defined for the policy {case.policy.name!r}, which does not draw one hypothesis"
    else:
        found = arrays.catastrophe_risk(case.valuation, case.policy, case.agent, case.posterior.weights)
        log_agent = log_normalised(agent.log_prior(case.posterior.hypotheses) + case.posterior.log_evidence)
        solved = values.value_bits(found.matrix, case.posterior.weights, log_agent, float(target))
        bits, by_truth, reason = solved.bits, solved.by_truth, solved.reason
    return xr.Dataset(
        {"bits": bits, "by_truth": ("hypothesis", by_truth)},
        coords={"hypothesis": names},
        attrs={"target": float(target), "reason": reason, "units": "bits"},
    )


def risk_bounds(
    tree: xr.DataTree,
    test: Any,
    contamination: float = 0.1,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> tuple[float, float]:
    """Bound the risk over judge's priors of which a share may be anything, the agent's weights held: (lower, upper)."""
    if not 0 < contamination < 1:
        raise InputError(f"contamination: {contamination!r}; give a share of the prior, above 0 and below 1")
    case = _case(tree, test, policy, agent, agent_fail_utility, hypotheses)
    found = arrays.catastrophe_risk(case.valuation, case.policy, case.agent, case.posterior.weights)
    return values.risk_bounds(case.posterior.log_prior, case.posterior.log_evidence, found.by_truth, contamination)


def predict(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
    draws: int = 1000,
    random_seed: int | None = None,
) -> xr.DataTree:
    """Draw what the agent does on a test, and whether it is a catastrophe.

    Each draw is one deployment over all scenes: a hypothesis for the agent (from its weights, for policies that draw
    one), a truth from the judge's weights, and an option a scene.

    Returns
    -------
    DataTree
        ArviZ's ``predictions``: ``option`` (-1 for abstaining) and ``catastrophe``, over (chain, draw, scene); and
        ``predictions_constant_data``: the test.
    """
    case = _case(tree, test, policy, agent, agent_fail_utility, hypotheses)
    rng = substream(int(tree.attrs["seed"]) if random_seed is None else random_seed, "predictions")
    posterior, n_scenes = case.posterior, case.valuation.n_scenes
    truths = rng.choice(len(posterior.weights), draws, p=posterior.weights)
    if case.policy.draws_one:
        taken = rng.choice(len(posterior.weights), draws, p=case.policy.mixing(case.agent))
    else:
        taken = np.zeros(draws, int)
    option = np.empty((draws, n_scenes), np.int64)
    bad = np.zeros((draws, n_scenes), bool)
    scales = within_scene_scale(case.valuation) if case.policy.needs_scale else None
    for block in case.valuation.blocks():
        view = View(block, case.policy, scales)
        options = block.shape[0]
        columns = np.arange(block.lo, block.hi)
        for i in sorted(set(taken.tolist())):
            mine = np.flatnonzero(taken == i)
            chosen = case.policy.certain(view, i) if case.policy.draws_one else case.policy.act(view, case.agent)
            below = np.cumsum(np.asarray(chosen, float), axis=0)
            u = rng.random((len(mine), len(columns))) * below[-1]
            pick = (u[:, None, :] >= below[None, :-1]).sum(axis=1)
            option[np.ix_(mine, columns)] = np.where(pick == options, -1, pick)
        for j in sorted(set(truths.tolist())):
            mine = np.flatnonzero(truths == j)
            worse = np.vstack([block.worse(j), np.zeros((1, len(columns)), bool)])  # the last row: abstaining, -1
            bad[np.ix_(mine, columns)] = worse[option[np.ix_(mine, columns)], np.arange(len(columns))]
    table = case.valuation.table  # from places among what is available to positions in the scene
    place = np.maximum(option, 0) + table.starts[:-1]
    option = np.where(option < 0, -1, table.positions[place])
    coords = {"chain": [0], "draw": np.arange(draws), "scene": case.scene_coordinate()}
    dims = ("chain", "draw", "scene")
    predictions = xr.Dataset({"option": (dims, option[None]), "catastrophe": (dims, bad[None])}, coords=coords)
    return xr.DataTree.from_dict(
        {"predictions": predictions, "predictions_constant_data": case.valuation.table.to_dataset()}
    )


def index_draws(tree: xr.DataTree) -> xr.DataTree:
    """Give draws of the hypothesis index with its log prior and log evidence: the tree for ``az.psense_*``.

    Power-scaling the value prior by draws of a Dirichlet would scale something else; by draws of the index,
    ``log_prior = log pi_h`` and ``log_likelihood = log L_h``, it is ``d risk / d a = Cov_v(d, log pi)``.
    """
    posterior, _ = posterior_of_tree(tree)
    chains, draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    rng = substream(int(tree.attrs["seed"]), "index")
    index = rng.choice(len(posterior.weights), (chains, draws), p=posterior.weights)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    dims = ("chain", "draw")
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"hypothesis_index": (dims, index)}, coords=coords),
            "log_prior": xr.Dataset({"hypothesis_index": (dims, posterior.log_prior[index])}, coords=coords),
            "log_likelihood": xr.Dataset(
                {"data": (("chain", "draw", "observation"), posterior.log_evidence[index][..., None])},
                coords=coords | {"observation": [0]},
            ),
        }
    )


def posterior_of_tree(tree: xr.DataTree) -> tuple[Posterior, Any]:
    """Give the posterior of a tree whose rewards are not needed."""
    import json

    names = json.loads(tree.attrs["study"])["hypotheses"] if "study" in tree.attrs else {}
    return posterior_of(tree, {n: (r if not str(r).startswith("callable ") else "0") for n, r in names.items()})


@dataclass(frozen=True, eq=False)
class _Case:
    """An agent on a test."""

    posterior: Posterior
    valuation: Valuation
    policy: Policy
    agent: np.ndarray

    def scene_coordinate(self) -> np.ndarray:
        names = self.valuation.table.scene_names
        return np.arange(self.valuation.n_scenes) if names is None else np.array(names)


def _case(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None,
    agent: Agent,
    agent_fail_utility: Any,
    hypotheses: Mapping[str, Any] | None,
) -> _Case:
    posterior, line = posterior_of(tree, hypotheses)
    names = posterior.hypotheses.names
    told = None if agent_fail_utility is None else failure_line(agent_fail_utility, names, "agent_fail_utility")
    table = tested(tree, test)
    if len(list(empty_scenes(table))):
        scene = table.scene_name(int(list(empty_scenes(table))[0]))
        raise InputError(f"{table.source}: scene {scene} has no available option; every scene of a test needs one")
    expressions: dict[str, Any] = {
        f"hypothesis {n!r}": r for n, r in zip(names, posterior.hypotheses.rewards, strict=True)
    }
    expressions |= {f"fail_utility of {n!r}": v for n, v in zip(names, line.values, strict=True)}
    if told is not None:
        expressions |= {f"agent_fail_utility of {n!r}": v for n, v in zip(names, told.values, strict=True)}
    problems = check_columns([(table, {who: e for who, e in expressions.items() if isinstance(e, Expression)})])
    if problems:
        raise InputError(problems)
    if isinstance(agent, xr.DataTree):
        other, _ = posterior_of_tree(agent)
        if other.hypotheses.names != names:
            raise InputError(
                f"agent: its hypotheses are {other.hypotheses.names}; in this version they must be {names}"
            )
        weights = other.weights
    elif agent is None or isinstance(agent, Prior):
        weights = posterior.reweighted(agent)
    else:
        raise InputError(f"agent: a {type(agent).__name__}; give None, a prior, or a tree from fit()")
    return _Case(posterior, Valuation(posterior.hypotheses, table, line, told), policy or Commit(), weights)
