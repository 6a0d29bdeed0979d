"""How rational an agent is, as far as its own choices tell: what `Boltzmann` of inferred beta asks."""

from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.linear import Fitted
from reward_hypotheses.models.policies.base import Rationality
from reward_hypotheses.models.policies.boltzmann import NOT_READ
from reward_hypotheses.models.posterior import Posterior

MOST = 1000
"""Draws of a rationality that are used, of a fixed reward."""
NEGLIGIBLE = 1e-12


def rationality_of(posterior: Posterior) -> list[Rationality]:
    """What an agent's own choices say of its beta under each hypothesis, with the ``s_h`` of its scenes.

    Of the first feedback with a rationality. By the nodes of the quadrature where that was used, else by draws.

    Raises
    ------
    InputError
        No feedback has a rationality.
    """
    k = next((k for k, one in enumerate(posterior.feedback) if isinstance(one, Rational)), None)
    if k is None:
        raise InputError(NOT_READ)
    one, valuation, evidence = posterior.feedback[k], posterior.valuations[k], posterior.evidence[k]
    assert isinstance(one, Rational)
    return [
        of_family(posterior.families[h], one.variable("rationality"), one)
        if h in posterior.families
        else _fixed(one, evidence, h, one.scale_of(valuation, h))
        for h in range(len(posterior.weights))
    ]


def nodes_of(one: Rational, evidence: Evidence, h: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Points of the posterior of beta under a fixed reward, their shares, and whether they are draws."""
    if not isinstance(one.rationality, tuple):
        return np.array([float(one.rationality)]), np.ones(1), False
    if evidence.draws is not None:
        drawn = evidence.draws["rationality"][..., h].ravel()
        return drawn, np.full(len(drawn), 1 / len(drawn)), True
    assert evidence.density is not None
    found = evidence.density.of(h)
    return np.exp(found.nodes), found.shares(), False


def _fixed(one: Rational, evidence: Evidence, h: int, scale: float) -> Rationality:
    betas, shares, sampled = nodes_of(one, evidence, h)
    if sampled:
        return of_draws(betas, scale)
    kept = shares > NEGLIGIBLE
    return Rationality(betas[kept], shares[kept] / shares[kept].sum(), np.full(int(kept.sum()), scale), False)


def of_draws(betas: np.ndarray, scale: float) -> Rationality:
    """Of draws of beta, some of them evenly spaced."""
    betas = betas[:: max(1, len(betas) // MOST)][:MOST]
    return Rationality(betas, np.full(len(betas), 1 / len(betas)), np.full(len(betas), scale), True)


def of_family(fitted: Fitted, variable: str, one: Rational | None = None) -> Rationality:
    """Of a family: beta and ``s(w)`` draw by draw; under a normal prior its weights are its rationality.

    Parameters
    ----------
    variable : str
        Of the rationality.
    one : Rational, optional
        The feedback itself, where it is at hand: its beta may be a number, and rewards taken as they are.
    """
    weights = fitted.weights[fitted.held]
    n = len(weights)
    if fitted.linear.sd is not None:
        return Rationality(np.ones(n), np.full(n, 1 / n), np.ones(n), True)
    if variable not in fitted.spreads or variable not in fitted.nuisances:
        raise InputError(no_rationality(variable))
    betas = fitted.nuisances[variable][fitted.held]
    return Rationality(betas, np.full(n, 1 / n), fitted.scales(variable, weights), True)


def among(rationality: Sequence[Rationality], places: Sequence[int], n: int) -> list[Rationality]:
    """Rationalities by place among n hypotheses; those of which nothing is known choose at chance."""
    unknown = Rationality(np.zeros(1), np.ones(1), np.zeros(1), False)
    out = [unknown] * n
    for place, one in zip(places, rationality, strict=True):
        out[place] = one
    return out


def no_rationality(variable: str) -> str:
    """Say that of a reward with continuous weights no rationality is read."""
    return (
        f"policy: boltzmann: beta = 'inferred': of a reward with continuous weights {variable} is not inferred from choices "
        "within scenes; give beta a number"
    )
