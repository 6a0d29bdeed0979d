"""Risk, bits, bounds and predictions of a fitted tree, as labelled Datasets: a thin layer over the arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Agent, Case, case_of
from reward_hypotheses.analysis.evidence import identifiable_directions as silence
from reward_hypotheses.analysis.risk import catastrophe as arrays
from reward_hypotheses.analysis.risk.asymptotic import left_by_class, limit
from reward_hypotheses.analysis.risk.mdp import mdp_risk
from reward_hypotheses.analysis.risk.none_of_the_above import unmodelled_risk
from reward_hypotheses.analysis.sensitivity import value_bits as values
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.special import log_normalised
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.posterior import Posterior, on_test
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.tree.draws import LEAST_DRAWS
from reward_hypotheses.models.tree.read import hypotheses_in, in_order, posterior_of, tested
from reward_hypotheses.models.tree.variable_names import storable

APART = 1e-11
"""The largest tie breaker: below every digit that matters."""


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

    def measured(case: Case, judge: Posterior, weights: np.ndarray) -> tuple[arrays.Risk, dict[str, Any]]:
        found = case.risk(judge, weights)
        by_truth = found.by_truth[case.judges]
        ends = arrays.interval(arrays.judges_weights(judge, n, substream(seed, "values")), by_truth, prob) or {}
        left = np.nan
        if case.other is None:
            left, _ = limit(left_by_class(case.valuation, judge, case.policy, case.prior, found))
        ever = [arrays.at_least_one(found, case.policy, weights, case.judge(judge), int(d)) for d in deployments]
        return found, {
            "mean": found.mean,
            "lower": ends.get("lower", np.nan),
            "upper": ends.get("upper", np.nan),
            "mcse_lower": ends.get("mcse_lower", np.nan),
            "mcse_upper": ends.get("mcse_upper", np.nan),
            "floor": found.floor,
            "abstained": found.abstained,
            "regret": found.regret,
            "limit": left,
            "by_agent": found.by_agent[case.agents],
            "by_truth": by_truth,
            "by_scene": found.by_scene,
            "at_least_one": np.array(ever),
        }

    found, numbers = measured(case, posterior, case.agent)
    error = case.standard_errors(lambda *moved: measured(*moved)[1], seed)
    for end in ("lower", "upper"):
        numbers[f"mcse_{end}"] = np.hypot(numbers[f"mcse_{end}"], error[end] or 0.0)
    names = list(posterior.hypotheses.names)
    bounds = unmodelled_risk(posterior, case.valuation, case.policy, case.agent) or {}
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

    See `reward_hypotheses.analysis.sensitivity.value_bits.value_bits` for the equation. The agent is uniform unless given.

    Returns
    -------
    Dataset
        ``bits``, ``by_truth`` (hypothesis), and ``mcse``, what sampled evidence leaves open of ``bits``; inf where no
        amount is enough (attribute ``reason``), NaN for policies that do not draw one hypothesis from the agent's weights
        and for an agent read from another tree.
    """
    wanted = finite(target)
    if wanted is None or not 0 <= wanted <= 1:
        raise InputError(f"target: {shown(target)}; give a risk from 0 to 1, such as 0.01")
    agent = Uniform() if agent is None else agent
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    names = list(case.posterior.hypotheses.names)
    bits, by_truth, mcse, reason = np.nan, np.full(len(names), np.nan), np.nan, ""
    if not isinstance(agent, Prior):
        reason = "not defined for an agent that was read from another tree"
    elif not case.policy.mixes_weights:
        reason = f"not defined for the policy {case.policy.name!r}, which does not draw one hypothesis"
    else:
        found = case.risk()
        uninformed = case.posterior.acting_log_prior(agent)

        def solve(case: Case, judge: Posterior) -> values.Bits:
            matrix = case.risk().matrix if case.posterior.families else found.matrix
            log_agent = log_normalised(uninformed + judge.log_evidence)
            return values.value_bits(matrix, judge.weights, log_agent, float(target))

        solved = solve(case, case.posterior)
        bits, by_truth, reason = solved.bits, solved.by_truth, solved.reason
        error = case.standard_errors(lambda case, judge, _: solve(case, judge).bits, int(tree.attrs["seed"]))
        mcse = np.nan if error is None else error
    return xr.Dataset(
        {"bits": bits, "by_truth": ("hypothesis", by_truth), "mcse": mcse},
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
    share = finite(contamination)
    if share is None or not 0 < share < 1:
        raise InputError(f"contamination: {shown(contamination)}; give a share of the prior, above 0 and below 1")
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    by_truth = case.risk().by_truth[case.judges]
    return values.risk_bounds(case.posterior.log_prior, case.posterior.log_evidence, by_truth, contamination)


def silent_directions(tree: xr.DataTree, test: Any = None, hypothesis: str | None = None) -> xr.Dataset:
    """Say what training cannot see of a reward with continuous weights: the directions of weight about which it is silent.

    They are the null space of the within-scene differences of features seen in training (of the features themselves, for
    kinds that compare with failing). What is held of them is the prior, however much was said.

    Parameters
    ----------
    test : Dataset, DataFrame or dict of arrays, optional
        A test, to say how much of what is at stake there is of this kind.
    hypothesis : str, optional
        Which one, where several have continuous weights.

    Returns
    -------
    Dataset
        ``coefficients`` (direction, feature), a basis in standard deviations of the features; coordinate ``direction``:
        each in words, "red_paint minus flags". With a test ``share``: of the variance that the prior gives to differences
        in reward there, the share that lies in these directions, ``tr(P S) / tr(S)``; and ``shares`` (direction), that of
        each alone.

    Raises
    ------
    InputError
        A tree in which no hypothesis has continuous weights, or the one that is named has none.
    """
    posterior, line = posterior_of(
        tree, {n: ("0" if str(r).startswith("callable ") else r) for n, r in hypotheses_in(tree).items()}
    )
    names = {posterior.hypotheses.names[h]: h for h in posterior.families}
    if not names:
        raise InputError("no hypothesis of this tree has continuous weights; give one as rh.Linear(features, ...)")
    if hypothesis is None and len(names) > 1:
        raise InputError(f"hypothesis: several have continuous weights; name one of {', '.join(map(repr, names))}")
    name = next(iter(names)) if hypothesis is None else hypothesis
    if name not in names:
        raise InputError(f"hypothesis {name!r} has no continuous weights; {suggestion(str(name), names)}")
    fitted = posterior.families[names[name]]
    found = silence.silent_directions(fitted)
    out = xr.Dataset(
        {"coefficients": (("direction", "feature"), found.directions.reshape(-1, len(fitted.scale)))},
        coords={"direction": np.array(found.words, dtype=str), "feature": list(fitted.linear.names)},
    )
    if test is not None:
        h = names[name]
        table = tested(test, tree)
        listed, lines = posterior.hypotheses.only([h]), line.only([h])
        problems = check_columns([(table, listed.expressions())])
        if problems:
            raise InputError(problems)
        valuation = on_test(listed, {0: fitted}, table, lines)
        shares = silence.silent_shares(valuation, 0, fitted)
        out["share"], out["shares"] = shares.together, ("direction", shares.each)
    return out


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
        ``predictions_constant_data``: the test; its attribute ``columns`` names columns that are spelt otherwise there,
        such as ``km%2Fh``.
    """
    draws = whole(draws, "draws", 1)
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    seed = int(tree.attrs["seed"]) if random_seed is None else whole(random_seed, "random_seed")
    rng = substream(seed, "predictions")
    posterior, n_scenes = case.posterior, case.valuation.n_scenes
    truths = rng.choice(len(posterior.weights), draws, p=posterior.weights)
    if case.policy.draws_one:
        taken = rng.choice(len(case.agent), draws, p=case.policy.mixing(case.agent))
    else:
        taken = np.zeros(draws, int)
    held, real = (_members(case.valuation, drawn, role, rng) for drawn, role in ((taken, "agents"), (truths, "judges")))
    option = np.empty((draws, n_scenes), np.int64)
    bad = np.zeros((draws, n_scenes), bool)
    scales = within_scene_scale(case.valuation) if case.policy.needs_scale else None
    for block in case.valuation.blocks():
        view = View(block, case.policy.abstain, scales)
        options = block.shape[0]
        columns = np.arange(block.lo, block.hi)
        for i, member in sorted(set(zip(taken.tolist(), held.tolist(), strict=True))):
            mine = np.flatnonzero((taken == i) & (held == member))
            if not case.policy.draws_one:
                chosen = case.policy.act(view, case.agent)
            elif member < 0:
                chosen = case.policy.certain(view, i)
            else:
                chosen = case.policy.certain_each(view, block.members(i, "agents", slice(member, member + 1)))[0]
            below = np.cumsum(np.asarray(chosen, float), axis=0)
            u = rng.random((len(mine), len(columns))) * below[-1]
            pick = (u[:, None, :] >= below[None, :-1]).sum(axis=1)
            option[np.ix_(mine, columns)] = np.where(pick == options, -1, pick)
        for j, member in sorted(set(zip(truths.tolist(), real.tolist(), strict=True))):
            mine = np.flatnonzero((truths == j) & (real == member))
            found = (
                block.worse(j)
                if member < 0
                else block.worse_each(block.members(j, "judges", slice(member, member + 1)))[0]
            )
            if j == posterior.hypotheses.unmodelled:  # of which only a probability is known
                found = rng.random((len(mine), *found.shape)) < found
                where = (np.arange(len(mine))[:, None], option[np.ix_(mine, columns)], np.arange(len(columns)))
                bad[np.ix_(mine, columns)] = found[where] & (option[np.ix_(mine, columns)] >= 0)
                continue
            worse = np.vstack([found, np.zeros((1, len(columns)), bool)])  # the last row: abstaining, -1
            bad[np.ix_(mine, columns)] = worse[option[np.ix_(mine, columns)], np.arange(len(columns))]
    table = case.valuation.table  # from places among what is available to positions in the scene
    place = np.maximum(option, 0) + table.starts[:-1]
    option = np.where(option < 0, -1, table.positions[place])
    coords = {"chain": [0], "draw": np.arange(draws), "scene": case.scene_coordinate()}
    dims = ("chain", "draw", "scene")
    predictions = xr.Dataset({"option": (dims, option[None]), "catastrophe": (dims, bad[None])}, coords=coords)
    return xr.DataTree.from_dict(
        {"predictions": predictions, "predictions_constant_data": storable(table.to_dataset())}
    )


def _members(valuation: Valuation, drawn: np.ndarray, role: str, rng: np.random.Generator) -> np.ndarray:
    """Which draw of its family each hypothesis drawn stands for; -1 of a fixed reward: (draw,)."""
    out = np.full(len(drawn), -1)
    for h in valuation.families:
        reward = valuation.hypotheses.rewards[h]
        assert isinstance(reward, Drawn)
        mine = np.flatnonzero(drawn == h)
        out[mine] = rng.integers(len(reward.agents if role == "agents" else reward.judges), size=len(mine))
    return out


def index_draws(tree: xr.DataTree) -> xr.DataTree:
    """Give draws of the hypothesis index with its log prior and log evidence: the tree for ``az.psense_*``.

    Power-scaling the value prior by draws of a Dirichlet would scale something else; by draws of the index,
    ``log_prior = log pi_h`` and ``log_likelihood = log L_h``, it is ``d risk / d a = Cov_v(d, log pi)``. Both groups
    hold a ``tie_breaker`` of at most 1e-11 beside, which ArviZ adds to them, for its Pareto smoothing refuses ties.
    """
    posterior, _ = posterior_of_tree(tree)
    chains, draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    rng = substream(int(tree.attrs["seed"]), "index")
    index = rng.choice(len(posterior.weights), (chains, draws), p=posterior.weights)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    dims = ("chain", "draw")
    ties = substream(int(tree.attrs["seed"]), "index ties")
    apart = [xr.DataArray(APART * ties.random(index.shape), dims=dims) for _ in range(2)]
    prior = xr.DataArray(posterior.log_prior[index], dims=dims)
    likelihood = xr.DataArray(posterior.log_evidence[index][..., None], dims=(*dims, "observation"))
    groups = {
        "posterior": {"hypothesis_index": xr.DataArray(index, dims=dims)},
        "log_prior": {"hypothesis_index": prior, "tie_breaker": apart[0]},
        "log_likelihood": {"data": likelihood, "tie_breaker": apart[1]},
    }
    return xr.DataTree.from_dict({name: xr.Dataset(held, coords=coords) for name, held in groups.items()})


def given(tree: xr.DataTree, hypothesis: str) -> xr.DataTree:
    """Give the tree of one hypothesis, as if it were known to be true: what ``az.loo`` and ``az.compare`` ask for.

    Given a hypothesis the observations are independent, given its nuisances, so leaving one out means something. In the
    mixture they are not: each says something about the hypothesis, and so about the others.

    Parameters
    ----------
    tree : DataTree
        From `fit`; with ``log_likelihood=True`` for ``az.loo``.
    hypothesis : str

    Returns
    -------
    DataTree
        ``posterior`` and ``prior`` hold its nuisances alone, ``log_likelihood`` and ``log_prior`` what they hold of it;
        ``observed_data``, ``constant_data`` and ``sample_stats`` as they are. Silent hypotheses have the same draws.

    Raises
    ------
    InputError
        A tree that `fit` did not make, or a hypothesis that it does not have.
    """
    names = list(hypotheses_in(tree))
    if hypothesis not in names:
        raise InputError(f"{hypothesis!r} is no hypothesis; {suggestion(str(hypothesis), names)}")
    listed = posterior_of_tree(tree)[0].hypotheses
    others = [weight_names(listed, h)[0] for h in listed.families if listed.names[h] != hypothesis]
    others += [str(v) for v in tree["posterior"].data_vars if str(v).endswith("_rationality_marginal")]
    groups: dict[str, xr.Dataset] = {}
    for name in ("posterior", "prior", "log_likelihood", "log_prior", "observed_data", "constant_data", "sample_stats"):
        if name in tree.children:
            held = tree[name].to_dataset().drop_vars(("weight", "value_prior"), errors="ignore")
            held = held.drop_vars(others, errors="ignore")
            groups[name] = held.sel(hypothesis=hypothesis, drop=True) if "hypothesis" in held.dims else held
    out = xr.DataTree.from_dict(groups)
    out.attrs = {"creation_library": "reward_hypotheses", "seed": tree.attrs["seed"], "given": hypothesis}
    return out


def posterior_of_tree(tree: xr.DataTree) -> tuple[Posterior, Any]:
    """Give the posterior of a tree whose rewards are not needed."""
    names = hypotheses_in(tree)
    return posterior_of(tree, {n: (r if not str(r).startswith("callable ") else "0") for n, r in names.items()})
