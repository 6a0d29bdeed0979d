"""A population of agents: the share of agents that follow each hypothesis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import case_of, policy_of, probability
from reward_hypotheses.analysis.risk.distribution.by_source import doubt_of, with_sources
from reward_hypotheses.analysis.risk.distribution.open_sources import OpenSources, open_weights
from reward_hypotheses.data.errors import InputError, names_problems, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, weight_names
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Estimate, Posterior
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.tree.read import hypotheses_in, in_order
from reward_hypotheses.models.tree.write import about, evidence_of
from reward_hypotheses.models.weights.agent_population import Shares, agent_weights, shares_of
from reward_hypotheses.models.weights.weigh import weigh

FAMILY_DRAWS = 4000


def agents_read(
    hypotheses: Mapping[str, Any],
    alpha: Any,
    feedback: Sequence[Feedback],
    fail_utility: Any,
    *,
    source: str,
    by: str = "agent",
    draws: int = 4000,
    random_seed: int = 0,
) -> xr.DataTree:
    """Fit a population of agents to their own choices.

    Shares ``s ~ Dirichlet(alpha)``, likelihood ``prod_k sum_h s_h L_kh``. ``L_kh`` is the evidence of agent k's choices under
    h, with the agent's rationality integrated out. The sum over assignments of agents is exact up to 400,000 vectors of
    counts, else estimated by Gibbs sampling, whose Monte Carlo error is part of ``mcse``.

    Parameters
    ----------
    hypotheses : dict
        name -> expression, callable or `Linear`; at least two.
    alpha : float or dict of str to float
        Parameters of the Dirichlet prior of the shares, positive: one for all, or one for each hypothesis.
    feedback : list of Feedback
        The agents' choices in probe scenes; a column of their tables names the agent.
    fail_utility : float, str or dict
        Failure line, as for `fit`.
    source : str
        Reason for this alpha.
    by : str
        The column that names the agent of each scene.
    draws : int
    random_seed : int

    Returns
    -------
    DataTree
        ``posterior`` (chain, draw): ``share[hypothesis]``. ``shares`` (hypothesis): ``mean``, ``sd``, ``lower`` and ``upper``
        (95 %, of the draws), ``mcse``. ``agents`` (agent, hypothesis): ``log_evidence``, ``mcse`` and ``weight``, the posterior
        weights of each agent given all agents. As ``agent=`` of `catastrophe_risk` the tree is the next agent of the
        population, whose weights are the mean shares. `population_risk` includes the uncertainty of the shares. The weights
        of a linear family are those of the agents that follow it.

    Raises
    ------
    InputError
        Wrong hypotheses, alpha, feedback or column.
    NotTrustedError
        A sampled evidence that cannot be trusted, naming the agent.
    """
    draws, random_seed = whole(draws, "draws", 2), whole(random_seed, "random_seed")
    listed, line, feedbacks = prepared(hypotheses, feedback, fail_utility)
    names = listed.names
    _check_listed(listed)
    concentration = _alpha(alpha, names)
    prior = Elicited(dict(zip(names, concentration.tolist(), strict=True)), source, strength=float(concentration.sum()))
    agents: dict[str, Posterior] = {}
    for name, choices in _by_agent(feedbacks, by).items():
        agents[name] = weigh(listed, Uniform("not used"), choices, line, seed=random_seed)
        if problems := agents[name].untrusted():
            raise NotTrustedError([f"agent {name!r}: {p}" for p in problems])
    evidence = np.array([agent.log_evidence for agent in agents.values()])
    shares = shares_of(evidence, concentration, draws, substream(random_seed, "shares"))
    by_agent = agent_weights(evidence, shares.draws)
    posterior = _next_agent(listed, prior, concentration, list(agents.values()), shares, by_agent, random_seed)
    mcse = np.array([agent.mcse for agent in agents.values()])
    columns = {"log_evidence": evidence, "mcse": mcse, "weight": by_agent}
    groups = {
        "posterior": _drawn(posterior, shares.draws),
        "shares": _summary(posterior, shares),
        "agents": xr.Dataset(
            {name: (("agent", "hypothesis"), column) for name, column in columns.items()},
            coords={"agent": list(agents), "hypothesis": list(names)},
        ),
        "evidence": evidence_of(posterior),
        "constant_data": _constant(posterior),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = about(posterior, line, random_seed) | {"agents": len(agents), "log_evidence": shares.log_evidence}
    return tree


def _check_listed(listed: Hypotheses) -> None:
    """Raise InputError where agents could not follow these hypotheses."""
    listed.refuse_spaces("a population of agents")
    if listed.unmodelled is not None:
        name = listed.names[listed.unmodelled]
        raise InputError(f"hypothesis {name!r} is unmodelled, by which no agent acts; list rules alone")
    if len(listed) < 2:
        raise InputError("hypotheses: one alone has every agent; give at least two")


def _next_agent(
    listed: Hypotheses,
    prior: Elicited,
    concentration: np.ndarray,
    agents: Sequence[Posterior],
    shares: Shares,
    by_agent: np.ndarray,
    seed: int,
) -> Posterior:
    """Return the posterior of the next agent of the population.

    The weights are the mean shares. The Monte Carlo error combines the error of the shares and, independently for each
    agent, the error of sampled evidence.

    Parameters
    ----------
    by_agent : ndarray (agent, hypothesis)
        Weights of each agent given all agents.
    """
    mean = shares.mean
    with np.errstate(divide="ignore"):
        log_prior = np.log(concentration / concentration.sum())
        log_evidence = np.log(mean) - log_prior
        error = np.where(mean > 0, shares.mcse / np.where(mean > 0, mean, 1.0), 0.0)
    slopes = by_agent * (1 - by_agent) / (len(agents) + concentration.sum())
    moved = slopes * np.array([agent.mcse for agent in agents])
    error = np.hypot(error, np.sqrt((moved**2).sum(axis=0)) / np.maximum(mean, 1e-300))
    families = {
        h: _pooled([agent.families[h] for agent in agents], by_agent[:, h], substream(seed, listed.names[h]))
        for h in listed.families
    }
    return Posterior(
        hypotheses=listed.instead(families),
        prior=prior,
        log_prior=log_prior,
        log_evidence=log_evidence,
        classes=np.arange(len(mean)),
        weights=mean / mean.sum(),
        feedback=(),
        valuations=(),
        evidence=(),
        estimates=(Estimate("shares", shares.method, np.arange(len(mean)), error),),
    )


def _summary(posterior: Posterior, shares: Shares) -> xr.Dataset:
    """Return mean, sd, 95 % interval and Monte Carlo error of each share."""
    lower, upper = np.quantile(shares.draws, [0.025, 0.975], axis=0)
    error = posterior.estimates[0].mcse * shares.mean
    columns = {"mean": shares.mean, "sd": shares.sd, "lower": lower, "upper": upper, "mcse": error}
    return xr.Dataset(
        {name: ("hypothesis", column) for name, column in columns.items()},
        coords={"hypothesis": list(posterior.hypotheses.names)},
    )


def population_risk(
    tree: xr.DataTree,
    test: Any,
    population: xr.DataTree,
    policy: Policy | None = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Estimate the risk of the next agent of a population.

    The risk is ``sum_h s_h sum_j C_hj v_j``, for every draw from the posterior of the shares s.

    Parameters
    ----------
    tree : DataTree
        From `fit`: the judge's values and the evidence.
    test : Dataset, DataFrame or dict of arrays
    population : DataTree
        From `agents_read`.
    policy : Policy
        A policy that draws a hypothesis from the agent's weights; ``Commit()`` by default.
    agent_fail_utility, hypotheses
        As for `catastrophe_risk`.
    prob : float
        Probability of the equal-tailed interval over the shares.

    Returns
    -------
    Dataset
        ``risk`` (draw), ``mean``, ``sd``, ``lower``, ``upper``, ``mcse`` (of the mean), ``by_agent`` (agent_hypothesis);
        ``catastrophe_rate`` (draw), ``interval`` and ``variance`` by source, as of `catastrophe_risk`.

    Raises
    ------
    InputError
        A tree that `agents_read` did not make, a policy that acts on all hypotheses at once, or what `catastrophe_risk`
        refuses.
    """
    if not isinstance(population, xr.DataTree) or "shares" not in population.children:
        raise InputError("population: give what rh.agents_read returns")
    policy = policy_of(policy)
    if not policy.mixes_weights:
        raise InputError(
            f"policy: {policy.name!r} does not draw one hypothesis from the agent's weights; give one that does, such as "
            "rh.Commit()"
        )
    prob = probability(prob)
    case = case_of(tree, test, policy, population, agent_fail_utility, hypotheses)
    certain = case.risk.by_agent[case.agents]
    shares = in_order(population, "posterior")["share"].to_numpy().reshape(-1, len(certain))
    risk = shares @ certain
    case = replace(case, settings=replace(case.settings, draws=len(shares), prob=prob))
    error = float(case.standard_errors(lambda case: case.risk.mean))
    by_draw = np.pad(shares[np.arange(case.draws) % len(shares)], ((0, 0), (case.agents.start or 0, 0)))
    draws = OpenSources(case, by_draw, open_weights(case)[1]).drawn()
    distinct = {source: min(draws.distinct[source], len(shares)) for source in ("agent", "all")}
    doubt = doubt_of(case, replace(draws, distinct={**draws.distinct, **distinct}))
    lower, upper = np.quantile(risk, [(1 - prob) / 2, (1 + prob) / 2])
    names = list(hypotheses_in(population))
    out = xr.Dataset(
        {
            "risk": ("draw", risk),
            "mean": case.risk.mean,
            "sd": float(risk.std(ddof=1)),
            "lower": float(lower),
            "upper": float(upper),
            "mcse": error,
            "by_agent": ("agent_hypothesis", certain),
        },
        coords={"agent_hypothesis": names},
        attrs={"policy": policy.name, "prob": prob, "agents": population.attrs["agents"]},
    )
    return with_sources(out, doubt.with_evidence_error(case, error))


def _alpha(alpha: Any, names: tuple[str, ...]) -> np.ndarray:
    """Return concentrations (hypothesis,); InputError where the prior is improper."""
    values = alpha if isinstance(alpha, Mapping) else dict.fromkeys(names, alpha)
    problems = names_problems(values, names, "alpha", "alpha", "give one for every hypothesis, or one number for all")
    for name, value in values.items():
        number = finite(value)
        if number is None or not 0 < number <= 1e9:
            where = f"alpha: {name!r}" if isinstance(alpha, Mapping) else "alpha"
            problem = (
                f"{where}: {shown(value)}; give a positive number, such as 1: the prior of the shares must be proper"
            )
            problems += [problem] if problem not in problems else []
    if problems:
        raise InputError(problems)
    return np.array([float(values[name]) for name in names])


def _by_agent(feedback: Sequence[Feedback], by: str) -> dict[str, list[Feedback]]:
    """Return the feedbacks of each agent, in order of appearance."""
    out: dict[str, list[Feedback]] = {}
    for choices in feedback:
        table = choices.table
        if not isinstance(table, Table) or "mdp" in choices.asks:
            raise InputError(
                f"{choices.name}: {choices.kind} are not told apart by a column; read such agents one by one"
            )
        if by not in table.columns:
            raise InputError(f"{table.source}: no column {by!r}, which says whose choices these are; "
                             f"{suggestion(by, table.columns)}")  # fmt: skip
        column = table.columns[by].names
        gone = column.missing()
        if gone.any():
            raise InputError(
                f"{table.source}: {table.where(int(np.argmax(gone)))}: column {by!r} is empty; name the agent"
            )
        values = column.values
        scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
        uneven = values != values[np.minimum(table.starts[:-1], table.n_items - 1)][scene]
        if uneven.any():
            name = table.scene_name(int(scene[int(np.argmax(uneven))]))
            raise InputError(f"{table.source}: scene {name}: column {by!r} names two agents; a scene is one agent's")
        for value in dict.fromkeys(values.tolist()):
            rows = values == value
            who = column.text(int(np.argmax(rows)))
            out.setdefault(who, []).append(replace(choices, table=table.subset(rows)))
    return out


def _pooled(each: Sequence[Fitted], shares: np.ndarray, rng: np.random.Generator) -> Fitted:
    """Return pooled weights of the agents that follow a linear family.

    The weights are in reward units per unit of the original feature.
    """
    mass = shares / shares.sum() if shares.sum() > 0 else np.full(len(shares), 1 / len(shares))
    agents = rng.choice(len(each), FAMILY_DRAWS, p=mass)
    rows = rng.integers(min(len(fitted.weights) for fitted in each), size=FAMILY_DRAWS)
    drawn = np.array([each[k].weights[row] / each[k].scale for k, row in zip(agents, rows, strict=True)])
    width = drawn.shape[1]
    return Fitted(each[0].linear, np.ones(width), drawn.mean(axis=0), drawn, method="pooled", seen=np.eye(width))


def _drawn(posterior: Posterior, draws: np.ndarray) -> xr.Dataset:
    names = list(posterior.hypotheses.names)
    values = (("chain", "draw", "hypothesis"), draws[None])
    out = xr.Dataset(
        {"share": values, "weight": values}, coords={"chain": [0], "draw": np.arange(len(draws)), "hypothesis": names}
    )
    for h, fitted in posterior.families.items():
        variable, dim = weight_names(posterior.hypotheses, h)
        rows = np.resize(np.arange(len(fitted.weights)), len(draws))
        out[variable] = (("chain", "draw", dim), fitted.weights[rows][None])
        out = out.assign_coords({dim: list(fitted.linear.names)})
    return out


def _constant(posterior: Posterior) -> xr.Dataset:
    listed: Hypotheses = posterior.hypotheses
    out = {}
    for h, fitted in posterior.families.items():
        variable, dim = weight_names(listed, h)
        out[f"{variable}_scale"] = (dim, fitted.scale)
    return xr.Dataset(out)
