"""What to ask next: the label, the choice or the judgement about values from which most is expected."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, case_of
from reward_hypotheses.analysis.design.query_kinds import Queries, _noise, _rationality, _values, choices, labels
from reward_hypotheses.analysis.design.query_value import Risks, Worth, best_first, measure
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import study_in, tested


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
    """Rank questions by how much an answer is expected to lower the judge's regret.

    For an answer y to a question, ``v^y`` is proportional to ``v_h p(y | h, data)``. The judge's best policy does in each
    scene what is best on average, so that its regret is ``R(v) = mean_m [sum_j v_j max_o r_j - max_o sum_j v_j r_j]``
    (failing among the options where the policy may abstain). What a question is worth is the expected fall of that,
    ``R(v) - sum_y p(y) R(v^y)``, which is never negative (the expected value of sample information: Raiffa and
    Schlaifer 1961); beside it ``I(h; y)``, the expected information, and ``sum_y p(y) risk(w^y, v^y) - risk(w, v)``, the expected
    change in the risk of an agent that learns from the answer as well, which can be positive: an agent that is not the
    judge's best can come to act more surely on what is wrong.

    Three kinds of question: a *label* of each item ("is it better than failing?"), a *choice* in each scene of two options
    or more ("which would you take?"; two are a comparison), and a judgement about *values* ("which of the two is likelier
    to be what people mean?"), worth one of the judgements that the strength of the values counts: with ``pi`` drawn from
    the values, i is preferred to j with chance ``pi_i / (pi_i + pi_j)``. Values without a strength take nothing from it.

    Parameters
    ----------
    tree : DataTree
        From `fit`; all hypotheses fixed rewards.
    candidates : Dataset, DataFrame or dict of arrays
        What can be asked about; no column of answers is needed.
    test : Dataset, DataFrame or dict of arrays
        Where the agent will act.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`. An agent that is a tree is taken as it was read: it does not learn from answers; nor does
        an agent of a prior of its own learn from judgements about values.
    noise : (a, b) or float, optional
        Of labels, as of `Labels`. Unless given, what the tree knows of the noise of its own labels; no labels are asked for
        where it has none.
    rationality : float or dict, optional
        Of choices, as of `Choices`. Unless given, what the tree knows of the rationality of its own choices; no choices
        are asked for where it has none.

    Returns
    -------
    Dataset
        Over ``query``, the best first (of equals, the more informative, then the earlier): ``kind``, ``words``, ``scene``
        and ``option`` ("" where there is none); ``regret_fall`` (reward units), ``information`` (nats) and ``risk_change``
        (share of scenes), each with its Monte Carlo error ``<name>_mcse`` (0 where exact). Attributes ``regret`` and
        ``risk`` (before any answer) and ``entropy`` (nats, of the judge's weights).

    Raises
    ------
    InputError
        A tree with continuous weights, candidates that lack a column, or nothing that could be asked.
    """
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    posterior = case.posterior
    if posterior.learnt is not None or case.valuation.hypotheses.unmodelled is not None:
        raise InputError("rank_queries: an unmodelled hypothesis, under which no answer is predicted; give rules alone")
    if posterior.families or case.valuation.families:
        raise InputError("rank_queries: a hypothesis with continuous weights; give hypotheses that are fixed rewards")
    names = posterior.hypotheses.names
    table = tested(candidates, tree)
    if problems := check_columns([(table, posterior.hypotheses.expressions())]):
        raise InputError(problems)
    listed = Valuation(posterior.hypotheses, table, case.valuation.line.only(range(len(names))))
    said = {one["kind"]: one for one in reversed(study_in(tree)["feedback"])}
    asked: list[Queries] = []
    wrong = _noise(tree, said.get("labels"), noise, len(names))
    if wrong is not None:
        asked.append(labels(listed, table, wrong))
    betas = _rationality(tree, said.get("choices"), rationality, len(names))
    if betas is not None and table.has_options and (np.diff(table.starts) > 1).any():
        asked.append(choices(listed, table, *betas))
    if len(names) > 1:
        asked.append(_values(posterior, agent is None))
    asked = [one for one in asked if len(one.words)]
    if not asked:
        raise InputError("rank_queries: nothing to ask; give noise= for labels, or rationality= for choices")
    worth = Worth(case)
    risk = Risks(case)
    measured = [measure(one, posterior, worth, risk) for one in asked]
    value = np.concatenate([m[0] for m in measured], axis=1)  # (number, query)
    error = np.concatenate([m[1] for m in measured], axis=1)
    order = best_first(value[0], value[1], worth.unit)
    held = posterior.weights[posterior.weights > 0]

    def over(values: Sequence[Any]) -> tuple[str, np.ndarray]:
        return "query", np.array(values)[order]

    kinds = [one.kind for one in asked for _ in one.words]
    numbers = {}
    for k, name in enumerate(("regret_fall", "information", "risk_change")):
        numbers[name] = over(value[k])
        numbers[f"{name}_mcse"] = over(error[k])
    return xr.Dataset(
        {
            "kind": over(kinds),
            "words": over([w for one in asked for w in one.words]),
            "scene": over([w for one in asked for w in one.scene]),
            "option": over([w for one in asked for w in one.option]),
            **numbers,
        },
        coords={"query": np.arange(len(order))},
        attrs={
            "regret": worth.regret(posterior.weights),
            "risk": float(risk(case.agent_weights[None], posterior.weights[None])[0]),
            "entropy": float(-(held * np.log(held)).sum()),
            "policy": case.policy.name,
        },
    )
