"""The risk under each judge's values, and under their pool."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Agent, Case, case_of
from reward_hypotheses.analysis.risk.opinion import opinion, weights_or_nan
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import named_judges
from reward_hypotheses.models.tree.draws import LEAST_DRAWS


def risk_by_judge(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Estimate the risk of one agent under the values of each judge, and under their pool.

    ``sum_j v_kj by_truth_j`` with ``v_k`` proportional to ``pi_k L``, pi_k the values of judge k and L the evidence that all
    accept. The agent is the same throughout (unless given, it holds the pool's weights): whose values judge it is what varies.

    Parameters
    ----------
    tree, test, policy, agent, agent_fail_utility, prob, hypotheses
        As for `catastrophe_risk`. The judges are those of a pool, and those who answered `Judgements`.

    Returns
    -------
    Dataset
        ``mean``, ``lower``, ``upper``, ``mcse`` (judge); ``prior``, ``weight`` (judge, hypothesis); ``pool_mean``,
        ``pool_lower``, ``pool_upper``, ``pool_mcse``. NaN where there is none: the interval of a judge without a strength, and
        everything of a judge under whose values the data are impossible.

    Raises
    ------
    InputError
        As `catastrophe_risk` does.
    """
    share = finite(prob)
    if share is None or not 0 < share < 1:
        raise InputError(
            f"prob: {shown(prob)}; give the probability of the intervals, above 0 and below 1, such as 0.95"
        )
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    judges = named_judges(case.posterior.prior)
    seed = int(tree.attrs["seed"])
    draws = tree["posterior"]["weight"]
    n = max(draws.sizes["chain"] * draws.sizes["draw"], LEAST_DRAWS)

    def measured(case: Case, judge: Posterior, weights: np.ndarray) -> dict[str, Any]:
        by_truth = case.risk(judge, weights).by_truth[case.judges]
        pool = opinion(judge, judge.prior, "values", by_truth, share, n, seed)
        found = [opinion(judge, one, f"values of {name}", by_truth, share, n, seed) for name, one in judges.items()]
        return {key: np.array([getattr(one, key) for one in found]) for key in ("mean", "lower", "upper")} | {
            f"pool_{key}": getattr(pool, key) for key in ("mean", "lower", "upper")
        }

    numbers = measured(case, case.posterior, case.agent)
    error = case.standard_errors(measured, seed)
    listed = case.posterior.hypotheses
    dims = {"mean": ("judge",), "lower": ("judge",), "upper": ("judge",)}
    return xr.Dataset(
        {key: (dims.get(key, ()), value) for key, value in numbers.items()}
        | {
            "mcse": ("judge", np.broadcast_to(0.0 if error["mean"] is None else error["mean"], len(judges)).copy()),
            "pool_mcse": 0.0 if error["pool_mean"] is None else error["pool_mean"],
            "prior": (("judge", "hypothesis"), np.array([one.weights_of(listed) for one in judges.values()])),
            "weight": (
                ("judge", "hypothesis"),
                np.array([weights_or_nan(case.posterior, one) for one in judges.values()]),
            ),
        },
        coords={"judge": list(judges), "hypothesis": list(listed.names)},
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": share},
    )
