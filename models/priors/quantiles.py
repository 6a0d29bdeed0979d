"""elicit(): a Dirichlet prior from stated quantiles of the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.value_source import source_problems
from reward_hypotheses.models.inference.special import log_beta, log_incomplete_beta, normal_quantile
from reward_hypotheses.models.priors.elicited import Elicited

LEAST, MOST = 1e-2, 1e6
"""Strengths among which the nearest is looked for."""
STEPS, HALVINGS = 60, 100


@dataclass(frozen=True)
class Elicitation:
    """The Dirichlet prior nearest to stated quantiles.

    Attributes
    ----------
    prior : Elicited
        Weights and strength: ``pi ~ Dirichlet(strength * weights)``.
    stated, fitted : dict of str to dict of float to float
        Quantiles by hypothesis and probability: as stated, and of the Dirichlet.
    misfit : float
        The greatest difference between a stated and a fitted quantile. A Dirichlet has one strength for all
        hypotheses, and its weights add up to 1, so it cannot fit arbitrary quantiles.
    """

    prior: Elicited
    stated: Mapping[str, Mapping[float, float]]
    fitted: Mapping[str, Mapping[float, float]]
    misfit: float

    def to_preliz(self) -> Any:
        """Return the prior as a distribution of PreliZ, for plots.

        Needs the extra ``elicit``.
        """
        try:
            import preliz
        except ImportError:
            raise InputError("PreliZ is not installed; pip install 'reward-hypotheses[elicit]'") from None
        assert self.prior.strength is not None
        return preliz.Dirichlet([self.prior.strength * w for w in self.prior.weights.values()])


def elicit(quantiles: Mapping[str, Mapping[float, float]], source: str, label: str | None = None) -> Elicitation:
    """Return the Dirichlet prior nearest to stated quantiles of weights.

    A statement is, for example, "the weight of flags is below 0.6 with 5 %, below 0.95 with 95 %". The weight of h
    under ``Dirichlet(s w)`` is ``Beta(s w_h, s (1 - w_h))``; s and w minimise the sum of squared differences between
    the stated quantiles and those of these betas (Gauss-Newton steps).

    Parameters
    ----------
    quantiles : dict of str to dict of float to float
        For every hypothesis, probability -> the quantile of its weight at that probability:
        ``{"flags": {0.05: 0.6, 0.95: 0.95}, "red paint": {0.5: 0.15}}``. An empty dict for a hypothesis without a
        statement. In total at least as many quantiles as hypotheses, and two for at least one hypothesis.
    source : str
        Who was asked, when, and how.
    label : str, optional
        The judge's name.

    Returns
    -------
    Elicitation
        The prior, the quantiles as stated and as fitted, and their largest difference.

    Raises
    ------
    InputError
        No source; probabilities or weights that are not between 0 and 1, or do not rise together; too few quantiles.
    """
    if problems := _problems(quantiles) + source_problems(source):
        raise InputError(problems)
    stated = {
        name: {float(p): float(x) for p, x in sorted(stated_of_h.items())} for name, stated_of_h in quantiles.items()
    }
    alpha = _nearest(stated)
    strength = math.fsum(alpha.tolist())
    fitted = _quantiles(stated, alpha)
    misfit = max(abs(fitted[n][p] - x) for n, stated_of_h in stated.items() for p, x in stated_of_h.items())
    weights = dict(zip(stated, (alpha / strength).tolist(), strict=True))
    return Elicitation(Elicited(weights, source, strength, label), stated, fitted, misfit)


def _problems(quantiles: Any) -> list[str]:
    if not isinstance(quantiles, Mapping) or len(quantiles) < 2:
        return ["quantiles: give hypothesis = { probability: weight } for every hypothesis, two at least"]
    problems = []
    for name, stated_of_h in quantiles.items():
        where = f"quantiles: {name!r}"
        if not isinstance(stated_of_h, Mapping):
            problems.append(
                f"{where}: {shown(stated_of_h)}; give {{ probability: weight }}, such as {{0.05: 0.6, 0.95: 0.95}}"
            )
            continue
        wrong = [pair for pair in stated_of_h.items() if not all(0 < (finite(v) or 0) < 1 for v in pair)]
        if wrong:
            p, x = wrong[0]
            problems.append(f"{where}: {shown(p)}: {shown(x)}; probabilities and weights are above 0 and below 1")
        elif any(np.diff([x for _, x in sorted(stated_of_h.items())]) <= 0):
            problems.append(f"{where}: a weight does not rise with its probability; quantiles do")
    if not problems:
        n = sum(len(stated_of_h) for stated_of_h in quantiles.values())
        if n < len(quantiles) or max(len(stated_of_h) for stated_of_h in quantiles.values()) < 2:
            problems.append(
                f"quantiles: {n} of {len(quantiles)} hypotheses; give at least as many as hypotheses, and two of one of them"
            )
    return problems


def _nearest(stated: Mapping[str, Mapping[float, float]]) -> np.ndarray:
    """Return the parameters of the nearest Dirichlet: (hypothesis,).

    By damped Gauss-Newton steps in the logarithms of the parameters.
    """
    at = np.log(_start(stated))

    def gap(log_alpha: np.ndarray) -> np.ndarray:
        fitted = _quantiles(stated, np.exp(log_alpha))
        return np.array([fitted[n][p] - x for n, stated_of_h in stated.items() for p, x in stated_of_h.items()])

    here, damping = gap(at), 1e-3
    for _ in range(STEPS):
        slope = np.array([(gap(at + 1e-4 * e) - gap(at - 1e-4 * e)) / 2e-4 for e in np.eye(len(at))]).T
        bend = slope.T @ slope
        while damping < 1e6:
            step = np.linalg.solve(bend + damping * np.diag(np.diag(bend) + 1e-12), -slope.T @ here)
            tried = np.clip(at + np.clip(step, -1, 1), math.log(LEAST / 10), math.log(MOST))
            there = gap(tried)
            if there @ there < here @ here:
                break
            damping *= 4
        else:
            break
        moved = float(np.abs(tried - at).max())
        at, here, damping = tried, there, damping / 8
        if moved < 1e-8:
            break
    return np.exp(at)


def _start(stated: Mapping[str, Mapping[float, float]]) -> np.ndarray:
    """Return initial Dirichlet parameters: (hypothesis,).

    Means come from the middles of the stated quantiles, the strength from their spreads.
    """
    middles: dict[str, float] = {}
    strengths = []
    for name, stated_of_h in stated.items():
        if stated_of_h:
            p, x = np.array(list(stated_of_h)), np.array(list(stated_of_h.values()))
            middles[name] = float(np.interp(0.5, p, x))
        if len(stated_of_h) > 1:
            score = [normal_quantile(q) for q in (p[0], p[-1])]
            sd = float(x[-1] - x[0]) / (score[1] - score[0])
            strengths.append(middles[name] * (1 - middles[name]) / sd**2)
    rest = max(1.0 - math.fsum(middles.values()), 0.02)
    missing = len(stated) - len(middles)
    means = np.array([middles.get(name, rest / max(missing, 1)) for name in stated])
    strength = float(np.clip(np.exp(np.mean(np.log(strengths))), 10 * LEAST, MOST / 10))
    return strength * means / means.sum()


def _quantiles(stated: Mapping[str, Mapping[float, float]], alpha: np.ndarray) -> dict[str, dict[float, float]]:
    total = float(alpha.sum())
    return {
        name: {p: beta_quantile(p, float(a), total - float(a)) for p in stated_of_h}
        for (name, stated_of_h), a in zip(stated.items(), alpha, strict=True)
    }


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return the x at which ``I_x(a, b) = p``.

    By Newton's steps in the logit of x, within a bracket that is halved.
    """
    log_beta_ab, target = float(log_beta(a, b)), math.log(p)
    low, high = -700.0, 36.0
    at = min(max(math.log(a / b), -600.0), 30.0)
    for _ in range(HALVINGS):
        x = 1.0 / (1.0 + math.exp(-at))
        off = float(log_incomplete_beta(x, a, b)) - log_beta_ab - target
        low, high = (at, high) if off < 0 else (low, at)
        # of log I, in the logit
        log_slope = a * math.log(x) - b * math.log1p(math.exp(at)) - log_beta_ab - target - off
        step = -off * math.exp(min(-log_slope, 50.0))
        tried = at + step if low < at + step < high else (low + high) / 2
        if abs(tried - at) < 1e-12 * max(1.0, abs(at)):
            break
        at = tried
    return 1.0 / (1.0 + math.exp(-at))
