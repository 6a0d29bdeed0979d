"""Score tests of Boltzmann-rational choices: does a feature explain them beyond the reward?"""

import numpy as np

from reward_hypotheses.data.numerics import within_one
from reward_hypotheses.models.feedback.boltzmann.likelihood import in_rows


def score(features: np.ndarray, said: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Rao's score of each feature, in standard errors: how far what was said goes with it beyond the model: (feature,).

    ``sum_u (x_said - E x) / sqrt(sum_u Var x)`` over units u, E and Var under the model's chances of each option.

    Parameters
    ----------
    features : ndarray (feature, unit, option)
    said, chance : ndarray (unit, option)
        Which option was chosen, and the model's chance of each.
    """
    features, _ = within_one(features, axis=(1, 2))  # the score has no unit
    mean = (features * chance).sum(axis=-1)
    variance = ((features**2 * chance).sum(axis=-1) - mean**2).sum(axis=-1)
    apart = ((features * said).sum(axis=-1) - mean).sum(axis=-1)
    return _standardised(apart, variance, (features**2).sum(axis=(1, 2)))


def score_by_unit(features: np.ndarray, unit: np.ndarray, said: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """`score` of features that all stages of a unit share, (feature, unit, option): (feature,).

    Parameters
    ----------
    unit : ndarray (stage,) of int
        Of each stage, in order.
    said, chance : ndarray (stage, option)
    """
    n = features.shape[1]
    chances = in_rows(chance, unit, n)
    squares = np.einsum("fuo,fuo->fuo", features, features)
    means = np.matmul(chances, np.moveaxis(features, 0, 2))  # (unit, stage, feature)
    whole, apart = chances.sum(axis=1), in_rows(said - chance, unit, n).sum(axis=1)
    variance = np.einsum("fuo,uo->f", squares, whole) - np.einsum("usf,usf->f", means, means)
    size = squares.sum(axis=2) @ np.bincount(unit, minlength=n)
    return _standardised(np.einsum("fuo,uo->f", features, apart), variance, size)


def _standardised(apart: np.ndarray, variance: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Scores in standard errors, 0 where the variance is a rounding error of the size."""
    varies = variance > 1e-12 * np.maximum(size, 1e-300)
    return np.where(varies, apart / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


def sharpness(chance: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """What to score to see whether noise is the same everywhere: (place, stage, option).

    With chances tempered to ``p^(1 + d z)`` the score of d at 0 is that of the feature ``z log p``. z is, stage by stage, the
    place in the table, how many options are left, and how sure the model is (the mean of log p), each less its mean so
    weighted that a change of all alike, which a rationality absorbs, does not count.
    """
    there = chance > 0
    log_chance = np.log(np.where(there, chance, 1.0))
    sure = (chance * log_chance).sum(axis=-1)
    room = (chance * log_chance**2).sum(axis=-1) - sure**2
    z = np.array([unit / max(int(unit.max(initial=0)), 1), there.sum(axis=-1), sure])
    if room.sum() > 0:
        z = z - (z @ room / room.sum())[:, None]
    return z[:, :, None] * log_chance
