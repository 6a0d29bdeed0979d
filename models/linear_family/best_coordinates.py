"""The coordinates in which a family's integral is easiest."""

from collections.abc import Sequence

import numpy as np

from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.linear_family.coordinates import (
    Coordinates,
    Gaussian,
    StatedWeights,
    UnidentifiedWeights,
)
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.linear_family.sphere_coordinates import RationalityScaledSphere, Sphere
from reward_hypotheses.models.linear_family.term import LikelihoodTerm

RANK = 1e-13
"""Directions of weight along which the sum of squared rewards is less than this, relative to the most, do not move them."""


def coordinates_of(
    linear: Linear, scale: np.ndarray, terms: Sequence[LikelihoodTerm], seen: np.ndarray, unseen: np.ndarray
) -> Coordinates:
    """Return the coordinates in which the posterior is most like a Gaussian."""
    nuisances: dict[str, Nuisance] = {}
    for term in terms:
        nuisances |= term.nuisances
    if not seen.shape[1]:
        return UnidentifiedWeights(linear, scale, nuisances)
    stated = linear.stated_prior(scale)
    if stated is not None:
        return StatedWeights(stated, nuisances)
    if linear.sd is not None:
        return Gaussian(seen, unseen, linear.sd, nuisances)
    free = all(isinstance(term, SoftmaxTerm) and term.scale_free for term in terms)
    lead = next(
        (t for t in terms if isinstance(t, SoftmaxTerm) and t.feedback.variable("rationality") in nuisances), None
    )
    if free and lead is not None and relative(lead.spread[:-1, :-1]).any():
        sees = np.linalg.eigvalsh(seen.T @ relative(lead.spread[:-1, :-1]) @ seen)
        if len(sees) and sees[0] > RANK * sees[-1]:  # the lead sees all that anybody does
            return RationalityScaledSphere(seen, unseen, lead, nuisances)
    return Sphere(seen, unseen, nuisances)


def relative(gram: np.ndarray) -> np.ndarray:
    """Return a matrix divided by its largest absolute entry; zeros stay zeros."""
    top = float(np.abs(gram).max())
    return gram / top if top > 0 else gram
