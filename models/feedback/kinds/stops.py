"""Stops: whether a human stopped the agent."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.models.feedback.boltzmann.likelihood import softplus
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import ItemChoice
from reward_hypotheses.models.hypotheses.reward import all_exact
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.inference.nuisance_priors import Theta


@dataclass(frozen=True, eq=False)
class Stops(ItemChoice):
    """Stops: true where a human stopped the agent.

    ``p(stop) = 1 / (1 + exp(-beta (u_h - r_h) / s_h))``. Stopping is failing on purpose, so a stop is a noisy choice
    between failing and going on (the off-switch of Hadfield-Menell et al. 2017), and informs the failure line.
    ``s_h`` is the root mean square of ``r_h - u_h`` over the items.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds true/false or 1/0.
    rationality, scale
        As for every rational kind.
    """

    kind: ClassVar[str] = "stops"
    by_rater: ClassVar[bool] = True
    locates_failure: ClassVar[bool] = True

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        return self.items.booleans(self.column, what="true where a human stopped this, else false")

    @override
    def inputs(self, block: Block, h: int) -> np.ndarray:
        """Return the advantage of failing: ``u_h - r_h``, (option, scene)."""
        gap = np.broadcast_to(block.failure(h), block.shape) - block.reward(h)
        return np.where(np.abs(gap) <= block.unequal(h), 0.0, gap)  # equal is equal, to the last bit

    @override
    def input_error(self, block: Block, h: int) -> np.ndarray | float:
        """Bound the rounding error of `inputs`: (option, scene), or 0.0.

        The bound covers reward, failure line and their difference.
        """
        unequal = block.unequal(h)
        return 0.0 if all_exact(unequal) else unequal / 2 + EPS * np.abs(self.inputs(block, h))

    @cached_property
    @override
    def real(self) -> np.ndarray:
        """Items that are not failing themselves: (unit,)."""
        failing = self.items.failing()
        return self.inside if failing is None else ~failing

    @property
    @override
    def root_share(self) -> np.ndarray:
        times = np.where(self.real, self.times, 0.0)
        return np.sqrt(times / max(float(times.sum()), 1.0))

    @override
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        return (rewards * self.root_share)[self.real]

    @override
    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:
        return error

    @override
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        return rewards

    @override
    def options(self, inputs: np.ndarray) -> np.ndarray:
        """Return the worth of stopping, and of going on: (unit, 2)."""
        return np.stack([inputs, np.zeros(len(inputs))], axis=1)

    @override
    def as_stages(self, answers: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:
        return Stages(np.stack([2.0 - answers, 1.0 + answers], axis=1), np.stack([inside, inside], axis=1), counts)

    @override
    def stages(self, inputs: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each stop as a choice between stopping and going on: (unit, 2)."""
        stopped = answers.astype(float)
        return self.options(inputs), np.stack([stopped, 1 - stopped], axis=1), np.arange(len(inputs))

    @override
    def features(self, columns: list[np.ndarray]) -> np.ndarray:
        grids = [self.options(column) for column in columns]
        return np.array(grids).reshape(len(columns), len(self.units), 2)

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        return -softplus(self.beta(theta) * inputs * (1 - 2 * observed), xp)

    @override
    def counted_tally(self) -> np.ndarray:
        """Return how often each item was stopped: (unit,)."""
        return (self.observed * self.times).astype(np.int64)

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.binomial(self.times.astype(np.int64), np.exp(-np.logaddexp(0.0, -self._logits(inputs, theta, n))))

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        logits = self._logits(inputs, theta, n)
        return rng.logistic(size=logits.shape) < logits

    def _logits(self, inputs: np.ndarray, theta: Theta, n: int) -> np.ndarray:
        return np.reshape(np.broadcast_to(self.beta(theta), n), (n, 1)) * inputs
