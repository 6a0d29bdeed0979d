"""The risk under each judge's values, and under the pool of the values."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, override

import numpy as np

from reward_hypotheses.analysis.case import LEAST_DRAWS, AgentLike, Case, case_of, probability
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.risk.intervals import interval, judges_weights
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior, named_judges

if TYPE_CHECKING:
    import xarray as xr


ENDS = ("mean", "lower", "upper")


def judges_risks(case: Case, prob: float, n: int) -> tuple[dict[str, Document], Document]:
    """Return the risk under each judge's values, and under their pool.

    Risks of judges are by the judge's name. Evidence and agent stay the same. A risk is its mean and the ends of
    its interval (`ENDS`); NaN if not defined.

    Parameters
    ----------
    n : int
        Draws of the values, for the interval.
    """
    posterior, by_truth = case.posterior, case.risk.by_truth[case.judges]

    def under(prior: Prior, purpose: str) -> Document:
        weights = weights_or_nan(posterior, prior)
        if np.isnan(weights).any():
            return dict.fromkeys(ENDS, math.nan)
        judge = replace(posterior, prior=prior, log_prior=prior.log_prior(posterior.hypotheses), weights=weights)
        ends = interval(judges_weights(judge, n, substream(case.seed, purpose)), by_truth, prob, math.nan)
        return {"mean": float(by_truth @ weights), "lower": ends["lower"], "upper": ends["upper"]}

    judges = named_judges(posterior.prior).items()
    return {name: under(judge, f"values of {name}") for name, judge in judges}, under(posterior.prior, "values")


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

    def measured(case: Case) -> dict[str, Any]:
        risks, pool = judges_risks(case, share, n)
        numbers = {key: np.array([risk[key] for risk in risks.values()]) for key in ENDS}
        return numbers | {f"pool_{key}": pool[key] for key in ENDS}

    error = case.standard_errors(measured)
    by_hypothesis = ("judge", "hypothesis")
    return xr.Dataset(
        {key: ("judge" if key in ENDS else (), value) for key, value in measured(case).items()}
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
        if len(named_judges(case.posterior.prior)) < 2:
            return None
        judges, pool = judges_risks(case, case.settings.prob, case.draws)

        def entry(risk: Document) -> Document:
            return {key: None if math.isnan(value) else value for key, value in risk.items()}

        return {"judges": {name: entry(risk) for name, risk in judges.items()}, "pool": entry(pool)}
