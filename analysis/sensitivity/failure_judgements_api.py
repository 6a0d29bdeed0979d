"""The failure line inferred from judgements, and its risk, as Datasets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Case, case_of, probability
from reward_hypotheses.analysis.sensitivity.failure_line_refits import (
    Draws,
    Picks,
    Refits,
    drawn_lines,
    refit_lines,
    why_it_rests,
)
from reward_hypotheses.analysis.sensitivity.failure_line_risk import UnderLine, picks, risk_of_lines, risk_of_refits
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.read import as_made, posterior_of, study_in


def failure_line(
    judgements: FailureJudgements,
    hypotheses: Mapping[str, Any],
    *,
    prob: float = 0.95,
    draws: int = 4000,
    random_seed: int = 0,
) -> xr.Dataset:
    """Infer the failure line of each hypothesis from judgements.

    The posterior is ``p(u_h | answers, h)``, beta integrated out.

    Returns
    -------
    Dataset
        In reward units: ``fail_utility`` (draw, hypothesis); ``mean``, ``sd``, ``mcse`` (hypothesis), the last the error of
        the mean by quadrature; ``quantiles`` (quantile, hypothesis) at the ends of the interval and the median. Also
        ``rationality`` (hypothesis), the mean of beta, and ``log_evidence`` (hypothesis), nats, of the answers.

    Raises
    ------
    InputError
        A problem of the hypotheses, the prior of the line or the items.
    """
    share = probability(prob)
    listed = hypotheses_of(hypotheses)
    listed.refuse_spaces("an inferred failure line")
    lines = _checked(judgements).lines(listed)
    n = whole(draws, "draws", 1)
    p = [(1 - share) / 2, 0.5, (1 + share) / 2]
    numbers = {"mean": "mean", "sd": "sd", "mcse": "error"} | {key: key for key in ("rationality", "log_evidence")}
    return xr.Dataset(
        {"fail_utility": (("draw", "hypothesis"), drawn_lines(lines, n, random_seed))}
        | {key: ("hypothesis", [getattr(line, name) for line in lines]) for key, name in numbers.items()}
        | {"quantiles": (("quantile", "hypothesis"), np.array([line.quantile(p) for line in lines]).T)},
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
    """Estimate the risk with a failure line that is known from judgements.

    The risk is ``mean_m sum_o A sum_j v_j P(u_j > r_j(o))``.

    The evidence of rewards, choices, rankings, ratings, proxies and demonstrations does not depend on the line. One tree is
    then enough, and the mean is exact but for the quadrature of u. The evidence of labels and stops depends on the line,
    ``L_j(u_j)``. Give a function instead, which is called at draws of u; its evidence is combined with the judgements,
    ``v_j ∝ pi_j E[L_j(u_j)]`` and ``p(u_j) ∝ p(u_j | judgements) L_j(u_j)``. The judgements are no evidence about *which*
    hypothesis is true (a cut; `failure_line` gives their ``log_evidence``).

    Parameters
    ----------
    tree : DataTree, or function of a dict hypothesis -> failure utility that gives one
        ``lambda u: rh.fit(..., fail_utility=u)``, of the same hypotheses, values and data each time.
    test, policy, agent, agent_fail_utility, prob, hypotheses
        As for `catastrophe_risk`. An agent that may abstain acts by the failure line that it was told, and needs
        ``agent_fail_utility``.
    draws : int
        Number of draws of values and lines together, for the interval.
    refits : int
        Number of draws of u, where the tree is a function.

    Returns
    -------
    Dataset
        ``mean``, ``lower``, ``upper``, ``mcse`` (of the refits; 0 without), ``mcse_lower``, ``mcse_upper``; ``by_truth``,
        ``weight``, and their errors ``mcse_by_truth``, ``mcse_weight`` (hypothesis); ``risk`` (draw), by draws of the values
        and of u together. Attribute ``effective_refits``: the least effective number of refits under a hypothesis that
        matters.

    Raises
    ------
    InputError
        A tree whose evidence depends on the line; the reasons of `catastrophe_risk` and `failure_line`.
    """
    share, n = probability(prob), whole(draws, "draws", 100)
    judgements = _checked(judgements)
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
        risk = risk_of_lines(case.posterior, lines, _picks(case, case.agent_weights), share, n, random_seed)
        return _dataset(case, risk, share)
    if not callable(tree):
        raise InputError(f"tree: a {type(tree).__name__}; give a tree from fit(), or a function fail_utility -> tree")
    count = whole(refits, "refits", 10)
    first = tree(_middle(judgements))
    if not isinstance(first, xr.DataTree):
        raise InputError(f"tree: the function gave a {type(first).__name__}; it must give a tree from fit()")
    case = case_of(first, test, policy, agent, agent_fail_utility, hypotheses)
    names = case.posterior.hypotheses.names
    lines = judgements.lines(case.posterior.hypotheses)
    u = refit_lines(lines, count, random_seed)
    log_evidence = np.array(
        [_evidence(tree(dict(zip(names, row.tolist(), strict=True))), names, hypotheses) for row in u]
    )
    drawn = Draws(u, log_evidence, np.zeros(len(names)))
    fitted = Refits(drawn, drawn)
    picked = _picks(case, case.agent.weights(fitted.posterior(case.posterior)))
    return _dataset(case, risk_of_refits(case.posterior, fitted, picked, share, n, random_seed), share)


def _picks(case: Case, agent: np.ndarray) -> Picks:
    return picks(case.valuation, case.policy, agent, len(case.posterior.weights))


def _checked(judgements: Any) -> FailureJudgements:
    if not isinstance(judgements, FailureJudgements):
        raise InputError(f"judgements: a {type(judgements).__name__}; give rh.FailureJudgements(table, column, ...)")
    return judgements


def _middle(judgements: FailureJudgements) -> Any:
    """Return the failure line of the first fit: the centre of its prior."""
    centre = judgements.centre
    return dict(centre) if isinstance(centre, Mapping) else float(centre)


@as_made
def _refuse_what_rests_on_the_line(tree: xr.DataTree) -> None:
    for feedback in study_in(tree)["feedback"]:
        why = why_it_rests(feedback["kind"], bool(feedback.get("failing")))
        if why:
            raise InputError(
                f"tree: feedback {feedback['name']!r} was weighed with one failure line, and {why}; give a function that fits "
                "with another, such as lambda u: rh.fit(..., fail_utility=u)"
            )


def _evidence(tree: Any, names: tuple[str, ...], hypotheses: Mapping[str, Any] | None) -> np.ndarray:
    posterior, _ = posterior_of(tree, hypotheses)
    if posterior.hypotheses.names != names:
        raise InputError("tree: the function gave trees of different hypotheses; fit the same ones each time")
    return posterior.log_evidence


def _dataset(case: Case, risk: UnderLine, share: float) -> xr.Dataset:
    numbers = {"mean": risk.mean, "mcse": risk.mcse} | risk.ends
    by_hypothesis = {"by_truth": risk.by_truth, "weight": risk.weights}
    by_hypothesis |= {"mcse_by_truth": risk.mcse_by_truth, "mcse_weight": risk.mcse_weights}
    return xr.Dataset(
        {key: ((), value) for key, value in numbers.items()}
        | {key: ("hypothesis", values) for key, values in by_hypothesis.items()}
        | {"risk": ("draw", risk.risks)},
        coords={"hypothesis": list(case.posterior.hypotheses.names), "draw": np.arange(len(risk.risks))},
        attrs={
            "policy": case.policy.name,
            "abstain": int(case.policy.abstain),
            "prob": share,
            "refits": risk.refits,
            **({} if risk.effective is None else {"effective_refits": risk.effective}),
        },
    )
