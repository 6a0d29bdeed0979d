"""The risk under each judge's values, and under their pool."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, override

import numpy as np

from reward_hypotheses.analysis.case import LEAST_DRAWS, AgentLike, Case, case_of
from reward_hypotheses.analysis.risk.intervals import interval, judges_weights
from reward_hypotheses.analysis.section import Document, Section
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior, named_judges

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Opinion:
    """Risk under somebody's values, and its interval; NaN where there is none."""

    mean: float
    lower: float
    upper: float


def opinion(
    posterior: Posterior, prior: Prior, purpose: str, by_truth: np.ndarray, prob: float, n: int, seed: int
) -> Opinion:
    """Risk under a prior that accepts the same evidence, the agent being what it is.

    Parameters
    ----------
    by_truth : ndarray (hypothesis,)
    n : int
        Draws of the values, for the interval.
    """
    weights = weights_or_nan(posterior, prior)
    if np.isnan(weights).any():
        return Opinion(math.nan, math.nan, math.nan)
    held = replace(posterior, prior=prior, log_prior=prior.log_prior(posterior.hypotheses), weights=weights)
    ends = interval(judges_weights(held, n, substream(seed, purpose)), by_truth, prob) or {}
    return Opinion(float(by_truth @ weights), ends.get("lower", math.nan), ends.get("upper", math.nan))


def weights_or_nan(posterior: Posterior, prior: Prior) -> np.ndarray:
    """Posterior weights under a prior, NaN where the data are impossible under all that it gives weight."""
    try:
        return posterior.reweighted(prior)
    except InputError:
        return np.full(len(posterior.weights), np.nan)


def risk_by_judge(
    tree: "xr.DataTree",
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
) -> "xr.Dataset":
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
    import xarray as xr

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

    def measured(case: Case) -> dict[str, Any]:
        judge = case.posterior
        by_truth = case.risk.by_truth[case.judges]
        pool = opinion(judge, judge.prior, "values", by_truth, share, n, seed)
        found = [opinion(judge, one, f"values of {name}", by_truth, share, n, seed) for name, one in judges.items()]
        return {key: np.array([getattr(one, key) for one in found]) for key in ("mean", "lower", "upper")} | {
            f"pool_{key}": getattr(pool, key) for key in ("mean", "lower", "upper")
        }

    numbers = measured(case)
    error = case.standard_errors(measured)
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


class RiskByJudge(Section[Document]):
    """Risk under each judge's values, and under their pool; None where there is one judge."""

    keys = ("risk_by_judge",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document | None:
        judges = named_judges(case.posterior.prior)
        if len(judges) < 2:
            return None
        by_truth = case.risk.by_truth[case.judges]

        def entry(prior: Prior, purpose: str) -> Document:
            found = opinion(case.posterior, prior, purpose, by_truth, case.settings.prob, case.draws, case.seed)
            return {key: None if math.isnan(value) else value for key, value in vars(found).items()}

        return {
            "judges": {name: entry(judge, f"values of {name}") for name, judge in judges.items()},
            "pool": entry(case.posterior.prior, "values"),
        }
