"""Rewards less the mean of their scene, with bounds of rounding errors."""

import math

import numpy as np

from reward_hypotheses.data.rounding_error_bounds import EPS

NAIVE = 64  # numbers up to which a sum is taken one after the other; of more in pairs, whose error is no larger
SCALED = 40  # times a last place: the relative error of a division by a root of a sum of squares


def less_their_mean(rewards: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return rewards less the mean of their unit: (unit, option).

    Means are over the options that exist; the result is 0 elsewhere.

    The first option is subtracted before they are averaged, so that an offset of all of them takes no digit away.
    """
    if inside.all():
        apart = rewards - rewards[:, :1]
        total = np.einsum("ij->i", apart) if inside.shape[1] <= NAIVE else apart.sum(axis=1)
        return apart - (total / inside.shape[1])[:, None]
    some = np.where(inside, rewards - np.take_along_axis(rewards, inside.argmax(axis=1)[:, None], axis=1), 0.0)
    return np.where(inside, some - (some.sum(axis=1) / np.maximum(inside.sum(axis=1), 1))[:, None], 0.0)


def less_their_mean_error(rewards: np.ndarray, error: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bound the rounding errors of `less_their_mean`: (unit, option).

    `error` bounds the errors of the rewards.
    """
    n = np.maximum(inside.sum(axis=1), 1)[:, None]
    first = inside.argmax(axis=1)[:, None]
    apart = np.where(inside, np.abs(rewards - np.take_along_axis(rewards, first, axis=1)), 0.0)
    of_option = np.where(inside, error, 0.0) + EPS * apart
    of_mean = (of_option + EPS * np.minimum(n, NAIVE) * apart).sum(axis=1, keepdims=True) / n
    return np.where(inside, of_option + of_mean, 0.0)


def length(apart: np.ndarray) -> float:
    """Return the root of a sum of squares, scaled so that no square vanishes."""
    flat = np.ravel(apart)
    largest = max(float(flat.max()), -float(flat.min())) if flat.size else 0.0
    return largest * math.sqrt(float(np.square(flat / largest).sum())) if largest > 0 else 0.0
