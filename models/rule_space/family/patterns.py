"""Patterns of literals in training, by which rules are silent or told apart."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patterns of literals in training, with the numbers that tell rules apart.

    The sum of the numbers of the patterns that a rule approves of is its signature; rules with one signature are silent.
    Labels and stops tell approval from rejection, so each pattern has random numbers. Choices tell it within a scene
    alone: the numbers of the options of a scene add up to 0 modulo 2^64, so that approval of all counts as of none.

    Attributes
    ----------
    seen : ndarray of bool (literal, pattern)
    numbers : ndarray of uint64 (2, pattern) or None
        None where every pattern has random numbers of its own.
    beside : dict of str to ndarray of uint64 (2,)
        The signature of each listed hypothesis that some rule could be silent with.
    """

    seen: np.ndarray
    numbers: np.ndarray | None
    beside: Mapping[str, np.ndarray]
