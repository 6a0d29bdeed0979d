"""An agent's rationality, inferred from choices, for the `Boltzmann` policy."""

from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.policies.base import Rationality
from reward_hypotheses.models.policies.boltzmann import NOT_READ
from reward_hypotheses.models.posterior import Posterior

MOST = 1000
"""Draws of a rationality that are used, of a fixed reward."""
NEGLIGIBLE = 1e-12


def rationality_of(posterior: Posterior) -> list[Rationality]:
    """Return the posterior of an agent's beta under each hypothesis.

    The choices are those of the first feedback with a rationality; ``s_h`` is that of its scenes. The posterior is
    given by the nodes of the quadrature where there are any, else by draws.

    Raises
    ------
    InputError
        No feedback has a rationality.
    """
    k = next((k for k, data in enumerate(posterior.feedback) if isinstance(data, Rational)), None)
    if k is None:
        raise InputError(NOT_READ)
    data, valuation, evidence = posterior.feedback[k], posterior.valuations[k], posterior.evidence[k]
    assert isinstance(data, Rational)
    return [
        of_family(posterior.families[h], data.variable("rationality"))
        if h in posterior.families
        else _fixed(data, evidence, h, data.scale_of(valuation, h))
        for h in range(len(posterior.weights))
    ]


def nodes_of(data: Rational, evidence: Evidence, h: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return points of the posterior of beta under a fixed reward.

    Returns
    -------
    ndarray (point,), ndarray (point,), bool
        Betas, their shares, and whether the points are draws.
    """
    if not isinstance(data.rationality, tuple):
        return np.array([float(data.rationality)]), np.ones(1), False
    if evidence.draws is not None:
        drawn = evidence.draws["rationality"][..., h].ravel()
        return drawn, np.full(len(drawn), 1 / len(drawn)), True
    assert evidence.density is not None
    density = evidence.density.of(h)
    return np.exp(density.nodes), density.shares(), False


def _fixed(data: Rational, evidence: Evidence, h: int, scale: float) -> Rationality:
    betas, shares, sampled = nodes_of(data, evidence, h)
    if sampled:
        return of_draws(betas, scale)
    likely = shares > NEGLIGIBLE
    return Rationality(betas[likely], shares[likely] / shares[likely].sum(), np.full(int(likely.sum()), scale), False)


def of_draws(betas: np.ndarray, scale: float) -> Rationality:
    """Return the rationality by draws of beta, thinned evenly to at most 1,000."""
    betas = betas[:: max(1, len(betas) // MOST)][:MOST]
    return Rationality(betas, np.full(len(betas), 1 / len(betas)), np.full(len(betas), scale), True)


def of_family(fitted: Fitted, variable: str) -> Rationality:
    """Return beta and ``s(w)`` of a family, draw by draw.

    Under a normal prior the length of the weights is the rationality, so beta and ``s(w)`` are 1.

    Parameters
    ----------
    variable : str
        Variable of the rationality.
    """
    weights = fitted.weights[fitted.agent_draws]
    n = len(weights)
    if fitted.linear.sd is not None:
        return Rationality(np.ones(n), np.full(n, 1 / n), np.ones(n), True)
    if variable not in fitted.spreads or variable not in fitted.nuisances:
        raise InputError(no_rationality(variable))
    betas = fitted.nuisances[variable][fitted.agent_draws]
    return Rationality(betas, np.full(n, 1 / n), fitted.scales(variable, weights), True)


def among(rationality: Sequence[Rationality], places: Sequence[int], n: int) -> list[Rationality]:
    """Return rationalities by position among n hypotheses.

    Hypotheses without a rationality choose at chance.
    """
    unknown = Rationality(np.zeros(1), np.ones(1), np.zeros(1), False)
    out = [unknown] * n
    for place, known in zip(places, rationality, strict=True):
        out[place] = known
    return out


def no_rationality(variable: str) -> str:
    """Return the message that a linear reward has no inferred rationality."""
    return (
        f"policy: boltzmann: beta = 'inferred': of a reward with continuous weights {variable} is not inferred from choices "
        "within scenes; give beta a number"
    )
