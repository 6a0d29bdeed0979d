"""Sensitivity of the risk to the judge's prior: bounds, tipping points and slopes."""

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.agents.agent import Extrapolating
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.priors.elicited import Elicited


def bounds_within_factor(
    log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray, factor: float
) -> tuple[float, float]:
    """Return bounds of the risk over priors whose odds are off by a factor.

    The odds of the judge's prior may be off by up to the factor, either way.

    Least and greatest ``sum g pi L d / sum g pi L`` over ``pi' ∝ g pi``, g from 1 to k, ``d = by_truth``, the agent's
    weights fixed. The greatest risk has ``g = k`` where d is above some threshold, and 1 below (the density-ratio class of
    DeRobertis and Hartigan 1981).

    Parameters
    ----------
    factor : float
        k, 1 or more.
    """
    lower, upper = (_extreme(log_prior, log_evidence, by_truth, factor, sign) for sign in (-1.0, 1.0))
    return lower, upper


def _extreme(
    log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray, factor: float, sign: float
) -> float:
    mass = _relative(log_prior + log_evidence)
    order = np.argsort(-sign * by_truth, kind="stable")
    mass, d = mass[order], by_truth[order]
    # the first k of them at the factor, the others at 1: (number at the factor, from none to all)
    up, value = (np.concatenate([[0.0], np.cumsum(x)]) for x in (mass, mass * d))
    risks = (value[-1] + (factor - 1) * value) / (up[-1] + (factor - 1) * up)
    return float(np.clip(sign * (sign * risks).max(), by_truth.min(), by_truth.max()))


def tipping_point(
    log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray, h: int, threshold: float
) -> float:
    """Return the prior weight of a hypothesis at which the risk is a threshold.

    NaN where the risk never is the threshold.

    The risk ``(x L_h d_h + (1-x) A) / (x L_h + (1-x) B)``, ``A = sum_{k != h} pi_k L_k d_k / (1 - pi_h)`` and B the same without d,
    is monotone from A / B at x = 0 to d_h at x = 1, so the risk passes each value between them once.
    """
    others = np.arange(len(log_prior)) != h
    if not np.max(log_prior[others], initial=-np.inf) > -np.inf:
        return math.nan
    rest = log_prior[others] - _log_sum(log_prior[others]) + log_evidence[others]
    top = max(float(np.max(rest)), float(log_evidence[h]))
    if not top > -np.inf:
        return math.nan
    mass, likelihood = np.exp(rest - top), math.exp(float(log_evidence[h]) - top)
    off, on = float(mass @ (threshold - by_truth[others])), likelihood * (float(by_truth[h]) - threshold)
    if off == 0 or on == 0 or (off > 0) != (on > 0):
        return math.nan
    return off / (off + on)


def weight_to_lead(log_prior: np.ndarray, log_evidence: np.ndarray, h: int) -> float:
    """Return the least prior weight at which a hypothesis is the most probable.

    NaN where the hypothesis never is. ``x L_h = (1 - x) max_{k != h} pi_k L_k / (1 - pi_h)``.
    """
    others = np.arange(len(log_prior)) != h
    if not np.max(log_prior[others], initial=-np.inf) > -np.inf or log_evidence[h] == -np.inf:
        return math.nan
    best = float(np.max(log_prior[others] - _log_sum(log_prior[others]) + log_evidence[others]))
    gap = best - float(log_evidence[h])
    return math.exp(-math.log1p(math.exp(-gap))) if gap > 0 else math.exp(gap) / (1 + math.exp(gap))


def risks_by_prior_weight(case: Case, h: int, at: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the risk by the prior weight of one hypothesis, the others in proportion.

    The prior is ``x`` for h and ``(1 - x) pi_k / (1 - pi_h)`` for every other k. With the agent's weights kept, the risk is
    ``sum_k v_k(x) d_k``, d the risk by truth and v the judge's posterior weights.

    Parameters
    ----------
    h : int
        Position among the judge's hypotheses.
    at : ndarray (point,)
        Prior weights x, from 0 to 1.

    Returns
    -------
    kept, moving : ndarray (point,)
        The risk with the agent's weights kept, and of an agent that has the same prior as the judge; None for an agent
        with a prior, or a posterior, of its own. NaN where the data are impossible under that prior.
    """
    posterior, moves = case.posterior, isinstance(case.agent, Extrapolating) and case.agent.prior is None
    pi = posterior.prior.weights_of(posterior.hypotheses)
    others = np.where(np.arange(len(pi)) == h, 0.0, pi)
    others /= others.sum()
    kept, moving = np.full((2, len(at)), np.nan)
    for k, x in enumerate(at):
        moved = np.where(np.arange(len(pi)) == h, x, (1 - x) * others)
        prior = Elicited(
            dict(zip(posterior.hypotheses.names, moved.tolist(), strict=True)), "a prior weight in a sweep"
        )
        with suppress(InputError):
            weights = posterior.reweighted(prior)
            kept[k] = float(weights @ case.risk.by_truth[case.judges])
            if moves:
                judge = replace(
                    posterior, prior=prior, log_prior=prior.log_prior(posterior.hypotheses), weights=weights
                )
                moving[k] = replace(case, posterior=judge).risk.mean
    return kept, moving if moves else None


def slopes(log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray) -> tuple[float, float]:
    """Return the slopes of the risk in powers of the prior and the likelihood.

    The slopes are ``d risk / d a`` at a = 1, with the prior or the likelihood to the power a. They equal
    ``Cov_v(d, log pi)`` and ``Cov_v(d, log L)``.

    In shares of scenes; the agent's weights are fixed (Kallioinen, Paananen, Bürkner and Vehtari 2024).
    """
    v = _relative(log_prior + log_evidence)
    v /= math.fsum(v.tolist())
    some = v > 0
    v, d = v[some], by_truth[some] - float(v @ by_truth)
    return tuple(float(v[some[some]] @ (d * (x[some] - x[some].max()))) for x in (log_prior, log_evidence))  # type: ignore[return-value]


def _relative(log_mass: np.ndarray) -> np.ndarray:
    return np.exp(log_mass - np.max(log_mass))


def _log_sum(x: np.ndarray) -> float:
    top = float(np.max(x))
    return top + math.log(float(np.exp(x - top).sum()))


def contamination_bounds(
    log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray, contamination: float
) -> tuple[float, float]:
    """Return bounds of the risk over the judge's priors ``(1 - e) pi + e q``.

    Least and greatest risk over any q.

    ``((1-e) sum pi L d + e sum q L d) / ((1-e) sum pi L + e sum q L)`` with ``d = by_truth`` is attained at a q that is
    certain of one hypothesis (Berger and Berliner 1986).
    """
    about = (log_prior, log_evidence, by_truth, contamination)
    values = [_contaminated(*about, *q) for q in zip(log_evidence, by_truth, strict=True)]
    return min(values), max(values)


def risk_bound_unlisted(
    log_prior: np.ndarray,
    log_evidence: np.ndarray,
    by_truth: np.ndarray,
    contamination: float,
    log_fit: float | None = None,
) -> float:
    """Return the greatest risk if the truth is not listed.

    The unlisted truth fits as well as the best hypothesis, and finds every choice catastrophic.

    ``((1-e) sum pi L d + e max L) / ((1-e) sum pi L + e max L)``.

    Parameters
    ----------
    log_fit : float, optional
        ``log max L``, where a rule of a space has the best fit.
    """
    best = float(np.max(log_evidence)) if log_fit is None else log_fit
    return _contaminated(log_prior, log_evidence, by_truth, contamination, best, 1.0)


def _contaminated(
    log_prior: np.ndarray, log_evidence: np.ndarray, by_truth: np.ndarray, e: float, log_fit: float, d: float
) -> float:
    """Return the risk where a share e of the prior goes to one truth.

    The truth has log evidence `log_fit` and risk d.
    """
    log_base = log_prior + log_evidence
    top = float(np.max(log_base))
    base = np.exp(log_base - top)
    keep, extra = (1.0 - e) * math.exp(min(0.0, top - log_fit)), e * math.exp(min(0.0, log_fit - top))
    return (keep * float(base @ by_truth) + extra * float(d)) / (keep * math.fsum(base.tolist()) + extra)


FACTORS = (2.0, 10.0)
"""Factors by which the odds of the values may be off."""


def _about(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log prior, log evidence and risk by truth: each (hypothesis,)."""
    return case.posterior.log_prior, case.posterior.log_evidence, case.risk.by_truth[case.judges]


def _over_rules(case: Case) -> dict[str, Any] | None:
    """Return bounds over priors of every rule; None without a space of rules."""
    if not case.posterior.spaces:
        return None
    from reward_hypotheses.analysis.risk.rules.prior_bounds import bounds_over_rules

    return bounds_over_rules(case, [float(e) for e in case.settings.contaminations], FACTORS)


class RiskBounds(Section[Document]):
    """Bounds of the risk where a share of the prior is wrong.

    Once over listed truths, once with an unlisted truth.
    """

    keys = ("risk_bounds", "risk_bounds_unlisted")
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        about, shares = _about(case), [float(e) for e in case.settings.contaminations]
        rules = _over_rules(case)
        bounds = [contamination_bounds(*about, e) for e in shares] if rules is None else rules["contaminated"].tolist()
        fit = None if rules is None else rules["best_fit"]
        return {
            "risk_bounds": {repr(e): list(ends) for e, ends in zip(shares, bounds, strict=True)},
            "risk_bounds_unlisted": {repr(e): risk_bound_unlisted(*about, e, fit) for e in shares},
        }


class OtherPriors(Section[Document]):
    """The risk under other priors of the judge.

    Bounds within a factor, tipping points, and slopes.
    """

    keys = ("risk_bounds_within_factor", "tipping", "slopes")
    of_test = sampled = True
    topic = "sensitivity"

    @override
    def compute(self, case: Case) -> Document:
        log_prior, log_evidence, by_truth = about = _about(case)
        rules = _over_rules(case)
        within = (
            [bounds_within_factor(*about, k) for k in FACTORS] if rules is None else rules["within_factor"].tolist()
        )
        return {
            "risk_bounds_within_factor": {repr(k): list(ends) for k, ends in zip(FACTORS, within, strict=True)},
            "tipping": {
                name: {
                    "leads_from": weight_to_lead(log_prior, log_evidence, h),
                    "risk_at": {repr(float(t)): tipping_point(*about, h, float(t)) for t in case.settings.targets},
                }
                for h, name in enumerate(case.judge_names)
            },
            "slopes": dict(
                zip(("values", "evidence"), slopes(*about) if rules is None else rules["slopes"], strict=True)
            ),
        }
