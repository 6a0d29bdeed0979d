"""Ranking of questions by the expected fall in regret.

A question asks for a label, a choice, or a judgement about values.
"""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.design.query_kinds import (
    Queries,
    choices,
    judgements,
    labels,
    noise_of,
    rationality_points,
    valued,
)
from reward_hypotheses.analysis.design.query_value import Risks, Worth, best_first, measure
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import study_in


def rank_queries(
    tree: xr.DataTree,
    candidates: Any,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    noise: Any = None,
    rationality: Any = None,
    agent_fail_utility: Any = None,
    hypotheses: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Rank questions by the expected fall in the judge's regret.

    After an answer y, the posterior weights are ``v^y`` proportional to ``v_h p(y | h, data)``. The judge's best policy takes
    in each scene the option with the highest expected reward. Its regret is
    ``R(v) = mean_m [sum_j v_j max_o r_j - max_o sum_j v_j r_j]``; failing is among the options where the policy may abstain.
    The value of a question is the expected fall, ``R(v) - sum_y p(y) R(v^y)``, which is at least 0 (the expected value of
    sample information: Raiffa and Schlaifer 1961). Two other numbers stand beside it. The expected information is
    ``I(h; y)``. The expected change in risk is ``sum_y p(y) risk(w^y, v^y) - risk(w, v)``, for an agent that learns from the
    answer too. It can be positive: such an agent may become more certain of a wrong hypothesis.

    There are three kinds of question. A *label* asks of each item "is it better than failing?". A *choice* asks in each scene
    of two or more options "which would you take?"; two options are a comparison. A judgement about *values* asks "which of
    the two is likelier to be what people mean?". It counts as one of the judgements that the strength of the values counts:
    with ``pi`` drawn from the values, i is preferred to j with chance ``pi_i / (pi_i + pi_j)``. Values without a strength
    learn nothing from it.

    Parameters
    ----------
    tree : DataTree
        From `fit`; every hypothesis is a fixed reward.
    candidates : Dataset, DataFrame or dict of arrays
        Items to ask about; columns of answers are not needed.
    test : Dataset, DataFrame or dict of arrays
        Scenes where the agent will act.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`. An agent that is a tree does not learn from answers. An agent with its own prior does not
        learn from judgements about values.
    noise : (a, b) or float, optional
        Noise of labels, as for `Labels`. By default the posterior of the tree's labels, if it has any.
    rationality : float or dict, optional
        Rationality of choices, as for `Choices`. By default the posterior of the tree's choices, if it has any.

    Returns
    -------
    Dataset
        Over ``query``, best first (ties by information, then by place): ``kind``, ``words``, ``scene`` and ``option`` ("" where
        there is none); ``regret_fall`` (reward units), ``information`` (nats) and ``risk_change`` (share of scenes), each with
        its Monte Carlo error ``<name>_mcse`` (0 where exact). Attributes ``regret`` (reward units) and ``risk`` before any
        answer, and ``entropy`` of the judge's weights (nats).

    Raises
    ------
    InputError
        A tree with continuous weights, candidates that lack a column, or nothing to ask.
    """
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    kinds = _kinds_of_queries(case, tree, candidates, noise, rationality, informs_agent=agent is None)
    posterior, worth, risk = case.posterior, Worth(case), Risks(case)
    measured = [measure(queries, posterior, worth, risk) for queries in tracked(kinds, what="queries")]
    value = np.concatenate([v for v, _ in measured], axis=1)  # (number, query)
    error = np.concatenate([e for _, e in measured], axis=1)
    order = best_first(value[0], value[1], worth.unit)
    columns: dict[str, Any] = {"kind": [queries.kind for queries in kinds for _ in queries.words]}
    for name in ("words", "scene", "option"):
        columns[name] = [text for queries in kinds for text in getattr(queries, name)]
    for k, name in enumerate(("regret_fall", "information", "risk_change")):
        columns |= {name: value[k], f"{name}_mcse": error[k]}
    positive = posterior.weights[posterior.weights > 0]
    return xr.Dataset(
        {name: ("query", np.array(column)[order]) for name, column in columns.items()},
        coords={"query": np.arange(len(order))},
        attrs={
            "regret": worth.regret(posterior.weights),
            "risk": float(risk(case.agent_weights[None], posterior.weights[None])[0]),
            "entropy": float(-(positive * np.log(positive)).sum()),
            "policy": case.policy.name,
        },
    )


def _kinds_of_queries(
    case: Case, tree: xr.DataTree, candidates: Any, noise: Any, rationality: Any, informs_agent: bool
) -> list[Queries]:
    """Return the possible questions, one entry for each kind.

    Raises InputError where there is nothing.
    """
    posterior, n = case.posterior, len(case.posterior.hypotheses.names)
    if case.valuation.hypotheses.unmodelled is not None:
        raise InputError("rank_queries: an unmodelled hypothesis, under which no answer is predicted; give rules alone")
    posterior.hypotheses.refuse_spaces("rh.rank_queries")
    if posterior.families or case.valuation.families:
        raise InputError("rank_queries: a hypothesis with continuous weights; give hypotheses that are fixed rewards")
    valuation = valued(case, tree, candidates)
    table = valuation.table
    settings = {feedback["kind"]: feedback for feedback in reversed(study_in(tree)["feedback"])}
    kinds: list[Queries] = []
    wrong = noise_of(tree, settings.get("labels"), noise, n)
    if wrong is not None:
        kinds.append(labels(valuation, wrong))
    betas = rationality_points(tree, settings.get("choices"), rationality, n)
    if betas is not None and table.has_options and (np.diff(table.starts) > 1).any():
        kinds.append(choices(valuation, *betas))
    if n > 1:
        kinds.append(judgements(posterior, informs_agent))
    kinds = [queries for queries in kinds if len(queries.words)]
    if not kinds:
        raise InputError("rank_queries: nothing to ask; give noise= for labels, or rationality= for choices")
    return kinds
