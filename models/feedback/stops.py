"""Stops: a human stopped this, or let it go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.rounding import EPS
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import OfItems
from reward_hypotheses.models.feedback.boltzmann.sequential import Stages
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation


@dataclass(frozen=True, eq=False)
class Stops(OfItems):
    """True where a human stopped this: ``p(stop) = 1 / (1 + exp(-beta (u_h - r_h) / s_h))``.

    Stopping is failing on purpose, a noisy choice between the two (the off-switch of Hadfield-Menell et al. 2017), so stops
    say where failing lies. ``s_h`` is the root mean square of ``r_h - u_h`` over the items.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds true/false or 1/0.
    rationality, scale
        As for every rational kind.
    """

    kind: ClassVar[str] = "stops"

    @cached_property
    def observed(self) -> np.ndarray:  # noqa: D102
        return self.items.booleans(self.column, what="true where a human stopped this, else false")

    def inputs(self, block: Block, h: int) -> np.ndarray:
        """How much better failing would be: ``u_h - r_h``."""
        gap = np.broadcast_to(block.failure(h), block.shape) - block.reward(h)
        return np.where(np.abs(gap) <= block.unequal(h), 0.0, gap)  # equal is equal, to the last bit

    def input_error(self, block: Block, h: int) -> np.ndarray | float:
        """That of both, and of their difference."""
        unequal = block.unequal(h)
        exact = isinstance(unequal, float) and unequal == 0.0
        return 0.0 if exact else unequal / 2 + EPS * np.abs(self.inputs(block, h))

    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """``u_h - r_h`` (unit,)."""
        return Feedback.at(self, valuation, h)

    @cached_property
    def real(self) -> np.ndarray:
        """Items that are not failing themselves: (unit,)."""
        failing = self.items.failing()
        return self.inside if failing is None else ~failing

    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:  # noqa: D102
        return self.errors(valuation, h)

    @property
    def root_share(self) -> np.ndarray:  # noqa: D102
        times = np.where(self.real, self.times, 0.0)
        return np.sqrt(times / max(float(times.sum()), 1.0))

    def deviations(self, rewards: np.ndarray) -> np.ndarray:  # noqa: D102
        return (rewards * self.root_share)[self.real]

    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:  # noqa: D102
        return error

    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:  # noqa: D102
        return rewards

    def options(self, inputs: np.ndarray) -> np.ndarray:
        """Stopping, and going on: (unit, 2)."""
        return np.stack([inputs, np.zeros(len(inputs))], axis=1)

    def as_stages(self, said: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:  # noqa: D102
        return Stages(np.stack([2.0 - said, 1.0 + said], axis=1), np.stack([inside, inside], axis=1), counts)

    def stages(self, inputs: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stopping is a choice between stopping and going on: (unit, 2)."""
        stopped = said.astype(float)
        return self.options(inputs), np.stack([stopped, 1 - stopped], axis=1), np.arange(len(inputs))

    def features(self, columns: list[np.ndarray]) -> np.ndarray:  # noqa: D102
        grids = [np.stack([column, np.zeros(len(column))], axis=1) for column in columns]
        return np.array(grids).reshape(len(columns), len(self.units), 2)

    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:  # noqa: D102
        z = self.beta(theta) * inputs * (1 - 2 * observed)  # log(1 + exp(z)), without overflow
        return -(xp.maximum(z, 0) + xp.log1p(xp.exp(-abs(z))))

    @property
    def tally(self) -> np.ndarray:
        """With counts: how often each item was stopped, (unit,)."""
        return self.observed if self.counts is None else (self.observed * self.counts).astype(np.int64)

    def tallies(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self.counts is None:
            return self.replicate(inputs, theta, n, rng)
        z = np.reshape(np.broadcast_to(self.beta(theta), n), (n, 1)) * inputs
        return rng.binomial(self.counts.astype(np.int64), np.exp(-np.logaddexp(0.0, -z)))

    def replicate(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        z = np.reshape(np.broadcast_to(self.beta(theta), n), (n, 1)) * inputs
        return rng.logistic(size=z.shape) < z
