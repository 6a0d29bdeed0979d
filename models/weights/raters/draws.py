"""Draws of raters, of the mean person and of persons of each group."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.inference.laplace import K_HAT

FEWEST = 50
"""Effective number of draws of a population from which it is trusted."""


@dataclass(frozen=True, eq=False)
class FittedPeople(Fitted):
    """A linear reward whose weights differ between people.

    `weights` are draws of persons, each of its own population.
    """

    def redrawn(self, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return weights of other persons: no training says what the next one wants."""
        return self.weights[rng.integers(len(self.weights), size=len(weights))]


@dataclass(frozen=True, eq=False)
class RaterDraws:
    """Joint draws of a population of raters.

    Attributes
    ----------
    column : str
        The column that names the rater.
    names : tuple of str
        Named raters; the raters after these gave one answer each, without a name.
    groups : tuple of str
        Empty without groups.
    group_of : ndarray (rater,) of int
    answers : ndarray (rater,) of int
        Number of answers of each rater.
    follows : ndarray (draw, rater) of int
        The hypothesis that each rater follows.
    shares : ndarray (draw, group, hypothesis)
        Share of each hypothesis in each group; one group without groups.
    weights : dict of int to ndarray (draw, rater, feature)
        Of each linear hypothesis, the weights of each rater, should the rater follow it.
    means : dict of int to ndarray (draw, group, feature)
        The mean person of each group.
    persons : dict of int to ndarray (draw, group, feature)
        A person of each group, drawn from it.
    nuisances : dict of str to ndarray (draw, rater)
        By variable, under the hypothesis that the rater follows.
    nuisances_of_persons : dict of str to ndarray (draw, group, hypothesis)
    log_evidence, mcse : float
        Of all answers, nats.
    k_hat, ess : float
        Pareto shape and effective number of the draws of populations.
    """

    column: str
    names: tuple[str, ...]
    groups: tuple[str, ...]
    group_of: np.ndarray
    answers: np.ndarray
    follows: np.ndarray
    shares: np.ndarray
    weights: Mapping[int, np.ndarray]
    means: Mapping[int, np.ndarray]
    persons: Mapping[int, np.ndarray]
    nuisances: Mapping[str, np.ndarray]
    nuisances_of_persons: Mapping[str, np.ndarray]
    log_evidence: float = np.nan
    mcse: float = np.nan
    k_hat: float = np.nan
    ess: float = np.nan

    @property
    def n(self) -> int:
        """Number of draws."""
        return len(self.follows)

    @property
    def labels(self) -> list[str]:
        """A name for every rater, ``unnamed 1`` and on for those without one."""
        free = (f"unnamed {k + 1}" for k in range(len(self.group_of) + len(self.names)))
        others = [name for name in free if name not in self.names]
        return [*self.names, *others[: len(self.group_of) - len(self.names)]]

    @property
    def problems(self) -> list[str]:
        """Why the draws cannot be trusted; empty where they can."""
        if self.k_hat <= K_HAT and self.ess >= FEWEST:
            return []
        return [
            f"the population of raters rests on few draws (Pareto k-hat {self.k_hat:.2f}, trusted up to {K_HAT}; effective number "
            f"{self.ess:.0f}, trusted from {FEWEST}); take fewer features, leave correlated = true out, or give one reward to all "
            "raters"
        ]

    @property
    def group_shares(self) -> np.ndarray:
        """Share of the raters in each group: (group,)."""
        return np.bincount(self.group_of, minlength=self.shares.shape[1]) / len(self.group_of)

    @property
    def share(self) -> np.ndarray:
        """Share of people who follow each hypothesis: (draw, hypothesis)."""
        return np.asarray((self.shares * self.group_shares[:, None]).sum(axis=1))

    @property
    def rater_weights(self) -> np.ndarray:
        """Probability that each rater follows each hypothesis: (rater, hypothesis)."""
        return np.stack([(self.follows == h).mean(axis=0) for h in range(self.shares.shape[2])], axis=-1)
