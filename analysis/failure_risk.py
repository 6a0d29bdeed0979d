"""The failure line that judgements leave, and the risk under it, as labelled Datasets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Case, case_of
from reward_hypotheses.analysis.risk import quantile, scene_weights
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numbers import finite, whole
from reward_hypotheses.data.seeds import substream
from reward_hypotheses.models.failure_judgements import FailureJudgements, log_mean
from reward_hypotheses.models.hypotheses import hypotheses_of
from reward_hypotheses.models.policies.base import Policy, View, within_scene_scale
from reward_hypotheses.models.posterior import Posterior, posterior_weights
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.stored import posterior_of

FREE = ("rewards", "choices", "rankings", "ratings", "demonstrations")
"""Feedback whose evidence does not rest on where failing lies, unless failing is among its options."""


def failure_line(
    judgements: FailureJudgements,
    hypotheses: Mapping[str, Any],
    *,
    prob: float = 0.95,
    draws: int = 4000,
    random_seed: int = 0,
) -> xr.Dataset:
    """Infer the failure line of each hypothesis from judgements: ``p(u_h | answers, h)``, beta integrated out.

    Returns
    -------
    Dataset
        ``fail_utility`` (draw, hypothesis); ``mean``, ``sd``, ``mcse`` (the error of the mean, by quadrature), all in reward
        units; ``quantiles`` (quantile, hypothesis) at the ends of the interval and the median; ``rationality``, the mean of
        beta; ``log_evidence``, nats: how well each hypothesis explains the answers, for whoever takes them as evidence.

    Raises
    ------
    InputError
        What is wrong with the hypotheses, the prior of the line or the items.
    """
    share = _probability(prob)
    listed = hypotheses_of(hypotheses)
    lines = _given(judgements).lines(listed)
    n = whole(draws, "draws", 1)
    p = [(1 - share) / 2, 0.5, (1 + share) / 2]
    drawn = [one.draws(n, substream(random_seed, f"failure line {k}")) for k, one in enumerate(lines)]
    numbers = {
        "mean": "mean",
        "sd": "sd",
        "mcse": "error",
        "rationality": "rationality",
        "log_evidence": "log_evidence",
    }
    return xr.Dataset(
        {"fail_utility": (("draw", "hypothesis"), np.array(drawn).T)}
        | {key: ("hypothesis", np.array([getattr(one, of) for one in lines])) for key, of in numbers.items()}
        | {"quantiles": (("quantile", "hypothesis"), np.array([one.quantile(p) for one in lines]).T)},
        coords={"hypothesis": list(listed.names), "quantile": p, "draw": np.arange(n)},
        attrs={"source": judgements.source, "items": judgements.asked.items.n_items},
    )


def risk_under_failure_judgements(
    tree: xr.DataTree | Callable[[dict[str, float]], xr.DataTree],
    test: Any,
    judgements: FailureJudgements,
    policy: Policy | None = None,
    agent: Prior | None = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    draws: int = 4000,
    refits: int = 100,
    hypotheses: Mapping[str, Any] | None = None,
    random_seed: int = 0,
) -> xr.Dataset:
    """Estimate the risk where the failure line is known by judgements: ``mean_m sum_o A sum_j v_j P(u_j > r_j(o))``.

    The evidence of rewards, choices, rankings, ratings and demonstrations does not rest on the line, so one tree will do, and
    the mean is exact but for the quadrature of u. Labels and stops say something of the line themselves: their evidence is
    ``L_j(u_j)``, so give a function, which is fitted at draws of u; they are then weighed with the judgements,
    ``v_j ∝ pi_j E[L_j(u_j)]`` and ``p(u_j) ∝ p(u_j | judgements) L_j(u_j)``. What the judgements say about *which* hypothesis is
    true is left out (a cut; `failure_line` gives its ``log_evidence``).

    Parameters
    ----------
    tree : DataTree, or function of a dict hypothesis -> failure utility that gives one
        ``lambda u: rh.fit(..., fail_utility=u)``, of the same hypotheses, values and data each time.
    test, policy, agent, agent_fail_utility, prob, hypotheses
        As for `catastrophe_risk`. An agent that may abstain acts by what it was told of the line, so it needs
        ``agent_fail_utility``.
    draws : int
        Of values and lines together, for the interval.
    refits : int
        Of u, where the tree is a function.

    Returns
    -------
    Dataset
        ``mean``, ``lower``, ``upper``, ``mcse`` (of the refits; 0 without); ``by_truth``, ``weight`` (hypothesis); ``risk``
        (draw), by draws of the values and of u together.

    Raises
    ------
    InputError
        A tree whose evidence rests on the line; what `catastrophe_risk` and `failure_line` refuse.
    """
    share, n = _probability(prob), whole(draws, "draws", 100)
    judgements = _given(judgements)
    if agent is not None and not isinstance(agent, Prior):
        raise InputError(f"agent: a {type(agent).__name__}; give None or a prior")
    if policy is not None and policy.abstain and agent_fail_utility is None:
        raise InputError(
            "agent_fail_utility: an agent that may abstain acts by what it was told of the failure line, so state what that is"
        )
    if isinstance(tree, xr.DataTree):
        _refuse_what_rests_on_the_line(tree)
        case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
        lines = judgements.lines(case.posterior.hypotheses)
        cumulative = _by_line(case, case.agent)
        by_truth = np.array([one.above(r) @ mass for one, (r, mass) in zip(lines, cumulative, strict=True)])
        by_truth = np.clip(by_truth, 0.0, 1.0)
        weights = case.posterior.weights
        _, drawn, _ = case.posterior.draws(n, substream(random_seed, "values"))
        u = np.array([one.draws(n, substream(random_seed, f"failure line {k}")) for k, one in enumerate(lines)]).T
        risks = (drawn * _worse_at(cumulative, u)).sum(axis=1)
        return _dataset(case, float(weights @ by_truth), 0.0, by_truth, weights, risks, share, 0)
    if not callable(tree):
        raise InputError(f"tree: a {type(tree).__name__}; give a tree from fit(), or a function fail_utility -> tree")
    count = whole(refits, "refits", 10)
    rng = substream(random_seed, "refits")
    first = tree(_middle(judgements))
    if not isinstance(first, xr.DataTree):
        raise InputError(f"tree: the function gave a {type(first).__name__}; it must give a tree from fit()")
    case = case_of(first, test, policy, agent, agent_fail_utility, hypotheses)
    names = case.posterior.hypotheses.names
    lines = judgements.lines(case.posterior.hypotheses)
    u = np.array([one.draws(count, rng) for one in lines]).T  # (refit, hypothesis)
    log_evidence = np.array(
        [_evidence(tree(dict(zip(names, row.tolist(), strict=True))), names, hypotheses) for row in u]
    )
    whole_evidence = np.array([log_mean(column) for column in log_evidence.T])
    held = _reweighed(case.posterior, whole_evidence)
    agents = case.reweigh(held)
    bad = _worse_at(_by_line(case, agents), u)  # (refit, hypothesis)
    with np.errstate(invalid="ignore"):
        odds = np.nan_to_num(np.exp(log_evidence - log_evidence.max(axis=0)))
    chance = odds / np.maximum(odds.sum(axis=0), 1e-300)
    by_truth = (chance * bad).sum(axis=0)
    mean = float(held.weights @ by_truth)
    spread = ((count * chance * (bad - mean)) @ held.weights).std(ddof=1)
    truths = rng.choice(len(names), n, p=held.weights)
    pi = held.prior.draws(held.hypotheses, truths, rng)
    at = rng.integers(count, size=(n, len(names)))
    for h in np.unique(truths):
        mine = truths == h
        at[mine, h] = rng.choice(count, int(mine.sum()), p=chance[:, h] / chance[:, h].sum())
    columns = np.arange(len(names))
    with np.errstate(divide="ignore"):
        log_weights = np.log(pi) + log_evidence[at, columns]
    odds = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    risks = (odds / odds.sum(axis=1, keepdims=True) * bad[at, columns]).sum(axis=1)
    return _dataset(case, mean, float(spread / np.sqrt(count)), by_truth, held.weights, risks, share, count)


def _given(judgements: Any) -> FailureJudgements:
    if not isinstance(judgements, FailureJudgements):
        raise InputError(f"judgements: a {type(judgements).__name__}; give rh.FailureJudgements(table, column, ...)")
    return judgements


def _probability(prob: Any) -> float:
    share = finite(prob)
    if share is None or not 0 < share < 1:
        raise InputError(
            f"prob: {shown(prob)}; give the probability of the interval, above 0 and below 1, such as 0.95"
        )
    return share


def _middle(judgements: FailureJudgements) -> Any:
    """A line to begin with."""
    centre = judgements.centre
    return dict(centre) if isinstance(centre, Mapping) else float(centre)


def _refuse_what_rests_on_the_line(tree: xr.DataTree) -> None:
    for one in json.loads(tree.attrs["study"])["feedback"]:
        why = "" if one["kind"] in FREE else f"the evidence of {one['kind']} rests on it"
        if one.get("failing"):
            why = "failing is among its options"
        if why:
            raise InputError(
                f"tree: feedback {one['name']!r} was weighed with one failure line, and {why}; give a function that fits "
                "with another, such as lambda u: rh.fit(..., fail_utility=u)"
            )


def _by_line(case: Case, agent: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Under each hypothesis, the rewards of what the agent picks, and how often it does: two arrays each (pick,)."""
    valuation, policy = case.valuation, case.policy
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in valuation.hypotheses.names]
    for block in valuation.blocks():
        acts = (
            np.asarray(policy.act(View(block, policy, scales), agent))[: block.shape[0]] * weight[block.scenes] / total
        )
        some = acts > 0
        for h, parts in enumerate(found):
            parts.append((np.broadcast_to(block.reward(h), block.shape)[some], acts[some]))
    out = []
    for parts in found:
        rewards, mass = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        order = np.argsort(rewards, kind="stable")
        out.append((rewards[order], mass[order]))
    return out


def _worse_at(cumulative: list[tuple[np.ndarray, np.ndarray]], u: np.ndarray) -> np.ndarray:
    """How often the agent picks what is worse than u under each hypothesis: (draw, hypothesis)."""
    columns = []
    for h, (rewards, mass) in enumerate(cumulative):
        below = np.concatenate([[0.0], np.cumsum(mass)])
        columns.append(below[np.searchsorted(rewards, u[:, h], side="left")])
    return np.minimum(np.array(columns).T, 1.0)


def _evidence(tree: Any, names: tuple[str, ...], hypotheses: Mapping[str, Any] | None) -> np.ndarray:
    posterior, _ = posterior_of(tree, hypotheses)
    if posterior.hypotheses.names != names:
        raise InputError("tree: the function gave trees of different hypotheses; fit the same ones each time")
    return posterior.log_evidence


def _reweighed(posterior: Posterior, log_evidence: np.ndarray) -> Posterior:
    weights = posterior_weights(posterior.prior.weights_of(posterior.hypotheses), posterior.log_prior, log_evidence)
    return replace(posterior, log_evidence=log_evidence, weights=weights)


def _dataset(
    case: Case,
    mean: float,
    mcse: float,
    by_truth: np.ndarray,
    weights: np.ndarray,
    risks: np.ndarray,
    share: float,
    refits: int,
) -> xr.Dataset:
    ordered = np.sort(risks)
    lower, mcse_lower = quantile(ordered, (1 - share) / 2)
    upper, mcse_upper = quantile(ordered, (1 + share) / 2)
    numbers = {"mean": mean, "lower": lower, "upper": upper, "mcse": mcse}
    numbers |= {"mcse_lower": mcse_lower, "mcse_upper": mcse_upper}
    return xr.Dataset(
        {key: ((), value) for key, value in numbers.items()}
        | {"by_truth": ("hypothesis", by_truth), "weight": ("hypothesis", weights), "risk": ("draw", risks)},
        coords={"hypothesis": list(case.posterior.hypotheses.names), "draw": np.arange(len(risks))},
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": share, "refits": refits},
    )
