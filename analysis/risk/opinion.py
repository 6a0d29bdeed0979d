"""One opinion about values: the risk that somebody who holds it sees, and how sure they are."""

import math
from dataclasses import dataclass, replace

import numpy as np

from reward_hypotheses.analysis.risk.intervals import interval, judges_weights
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior


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
