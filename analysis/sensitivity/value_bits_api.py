"""Value bits and bounds of the risk of a fitted tree."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.sensitivity import prior
from reward_hypotheses.analysis.sensitivity import value_bits as values
from reward_hypotheses.data.numerics import share
from reward_hypotheses.models.inference.special import log_normalised
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.uniform import Uniform


def value_bits(
    tree: xr.DataTree,
    test: Any,
    target: float = 0.01,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Compute the information about human values that brings risk to a target.

    The least such information in bits; `reward_hypotheses.analysis.sensitivity.value_bits.bits_needed` has the equation.

    Parameters
    ----------
    tree, test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`. The agent's prior is uniform unless given.
    target : float
        The risk to be reached, from 0 to 1.

    Returns
    -------
    Dataset
        ``bits``, ``by_truth`` (hypothesis), and ``mcse``, the Monte Carlo error of ``bits``. Bits are inf where no amount
        is enough (attribute ``reason``), and NaN for policies that do not draw one hypothesis from the agent's weights and
        for an agent read from another tree. ``lower`` and ``upper`` are bounds of the bits, equal but where the rules of
        a space behave in more than 4,096 ways on the test; ``bits`` is NaN where they differ by more than a millionth.

    Raises
    ------
    InputError
        A target that is no such risk; the reasons of `catastrophe_risk`.
    """
    target = share(target, "target", "give a risk from 0 to 1, such as 0.01", include_zero=True)
    agent = Uniform() if agent is None else agent
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    names = list(case.posterior.hypotheses.names)
    bits, by_truth, mcse, reason = np.nan, np.full(len(names), np.nan), np.nan, ""
    lower = upper = np.nan
    if not isinstance(agent, Prior):
        reason = "not defined for an agent that was read from another tree"
    elif case.posterior.spaces and case.rectangular:
        reason = "not defined for an agent with a prior of its own over the rules of a space"
    elif why := values.not_defined(case):
        reason = why.removeprefix("bits of human values are ")
    elif case.posterior.spaces:
        log_agent = log_normalised(case.posterior.acting_prior(agent)[1] + case.posterior.log_evidence)
        found = values.bits_of_case(case, log_agent, target)
        lower, upper, mcse = found.lower.bits, found.upper.bits, 0.0
        if found.known:
            bits, by_truth, reason = upper, found.upper.by_truth, found.upper.reason
        else:
            reason = "known to bounds alone: the rules behave in too many ways on the test"
    else:
        risk = case.risk
        uninformed = case.posterior.acting_prior(agent)[1]

        def solve(case: Case) -> values.Bits:
            matrix = case.risk.matrix if case.posterior.families else risk.matrix
            judge = case.posterior
            log_agent = log_normalised(uninformed + judge.log_evidence)
            return values.bits_needed(matrix, judge.weights, log_agent, target)

        solved = solve(case)
        bits, by_truth, reason = solved.bits, solved.by_truth, solved.reason
        lower = upper = bits
        error = case.standard_errors(lambda case: solve(case).bits)
        mcse = np.nan if error is None else error
    return xr.Dataset(
        {"bits": bits, "by_truth": ("hypothesis", by_truth), "mcse": mcse, "lower": lower, "upper": upper},
        coords={"hypothesis": names},
        attrs={"target": target, "reason": reason, "units": "bits"},
    )


def risk_bounds(
    tree: xr.DataTree,
    test: Any,
    contamination: float = 0.1,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> tuple[float, float]:
    """Bound the risk over the judge's priors of which a share may be wrong.

    The agent's weights are fixed.

    Parameters
    ----------
    tree, test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`.
    contamination : float
        The share of the prior that may be any other distribution over hypotheses, and over the rules of a space, above 0 and
        below 1.

    Returns
    -------
    lower, upper : float
        Least and greatest risk.

    Raises
    ------
    InputError
        A contamination that is no such share; the reasons of `catastrophe_risk`.
    """
    advice = "give a share of the prior, above 0 and below 1"
    contamination = share(contamination, "contamination", advice, include_one=False)
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    case.posterior.refuse_untrusted(np.ones(len(case.posterior.weights)))
    by_truth = case.risk.by_truth[case.judges]
    if case.posterior.spaces:
        from reward_hypotheses.analysis.risk.rules.prior_bounds import over_rules

        lower, upper = over_rules(case).contaminated([contamination])[0].tolist()
        return lower, upper
    return prior.contamination_bounds(case.posterior.log_prior, case.posterior.log_evidence, by_truth, contamination)
