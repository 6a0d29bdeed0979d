"""The risk under each judge's values, and under the pool of the values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, override

import numpy as np

from reward_hypotheses.analysis.case import LEAST_DRAWS, AgentLike, Case, case_of, probability
from reward_hypotheses.analysis.risk.intervals import interval_or_nan, judges_weights
from reward_hypotheses.analysis.section import Document, Section
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior, named_judges

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class JudgeRisk:
    """Risk under the values of one judge, and its interval; NaN if not defined."""

    mean: float
    lower: float
    upper: float


def judge_risk(
    posterior: Posterior, prior: Prior, purpose: str, by_truth: np.ndarray, prob: float, n: int, seed: int
) -> JudgeRisk:
    """Return the risk under another prior, with the same evidence and agent.

    Parameters
    ----------
    by_truth : ndarray (hypothesis,)
    n : int
        Draws of the values, for the interval.
    """
    weights = weights_or_nan(posterior, prior)
    if np.isnan(weights).any():
        return JudgeRisk(math.nan, math.nan, math.nan)
    judge = replace(posterior, prior=prior, log_prior=prior.log_prior(posterior.hypotheses), weights=weights)
    ends = interval_or_nan(judges_weights(judge, n, substream(seed, purpose)), by_truth, prob)
    return JudgeRisk(float(by_truth @ weights), ends["lower"], ends["upper"])


def weights_or_nan(posterior: Posterior, prior: Prior) -> np.ndarray:
    """Return posterior weights under a prior: (hypothesis,).

    NaN where the data are impossible under every hypothesis of the prior.
    """
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
    """Estimate the risk of one agent by each judge's values, and by their pool.

    ``sum_j v_kj by_truth_j`` with ``v_k`` proportional to ``pi_k L``, pi_k the values of judge k and L the evidence that all
    judges accept. The agent stays the same, with the pool's weights unless given. Only the judge's values vary.

    Parameters
    ----------
    tree, test, policy, agent, agent_fail_utility, prob, hypotheses
        As for `catastrophe_risk`. The judges are those of a pool, or those who answered `Judgements`.

    Returns
    -------
    Dataset
        ``mean``, ``lower``, ``upper``, ``mcse`` (judge); ``prior``, ``weight`` (judge, hypothesis); ``pool_mean``,
        ``pool_lower``, ``pool_upper``, ``pool_mcse``. NaN: the interval of a judge without a strength, and every number of
        a judge under whose values the data are impossible.

    Raises
    ------
    InputError
        For the reasons of `catastrophe_risk`.
    """
    import xarray as xr

    share = probability(prob, "the intervals")
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    judges = named_judges(case.posterior.prior)
    draws = tree["posterior"]["weight"]
    n = max(draws.sizes["chain"] * draws.sizes["draw"], LEAST_DRAWS)
    ends = ("mean", "lower", "upper")

    def measured(case: Case) -> dict[str, Any]:
        by_truth = case.risk.by_truth[case.judges]

        def under(prior: Prior, purpose: str) -> JudgeRisk:
            return judge_risk(case.posterior, prior, purpose, by_truth, share, n, case.seed)

        pool = under(case.posterior.prior, "values")
        risks = [under(judge, f"values of {name}") for name, judge in judges.items()]
        numbers = {key: np.array([getattr(of_judge, key) for of_judge in risks]) for key in ends}
        return numbers | {f"pool_{key}": getattr(pool, key) for key in ends}

    error = case.standard_errors(measured)
    by_hypothesis = ("judge", "hypothesis")
    return xr.Dataset(
        {key: ("judge" if key in ends else (), value) for key, value in measured(case).items()}
        | {
            "mcse": ("judge", np.broadcast_to(0.0 if error["mean"] is None else error["mean"], len(judges)).copy()),
            "pool_mcse": 0.0 if error["pool_mean"] is None else error["pool_mean"],
            "prior": (by_hypothesis, np.array([p.weights_of(case.posterior.hypotheses) for p in judges.values()])),
            "weight": (by_hypothesis, np.array([weights_or_nan(case.posterior, p) for p in judges.values()])),
        },
        coords={"judge": list(judges), "hypothesis": list(case.judge_names)},
        attrs={"policy": case.policy.name, "abstain": int(case.policy.abstain), "prob": share},
    )


class RiskByJudge(Section[Document]):
    """Risk under each judge's values and under their pool.

    None for a single judge.
    """

    keys = ("risk_by_judge",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document | None:
        judges = named_judges(case.posterior.prior)
        if len(judges) < 2:
            return None
        by_truth = case.risk.by_truth[case.judges]

        def entry(prior: Prior, purpose: str) -> Document:
            risk = judge_risk(case.posterior, prior, purpose, by_truth, case.settings.prob, case.draws, case.seed)
            return {key: None if math.isnan(value) else value for key, value in vars(risk).items()}

        return {
            "judges": {name: entry(judge, f"values of {name}") for name, judge in judges.items()},
            "pool": entry(case.posterior.prior, "values"),
        }
