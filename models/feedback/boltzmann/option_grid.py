"""Choices laid out by unit, in a rectangle (unit, option).

A unit is a scene with its options, or a single item.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, override

import numpy as np

from reward_hypotheses.models.feedback.base import Feedback


@dataclass(frozen=True, eq=False)
class OptionGrid(Feedback):
    """Feedback laid out in a grid (unit, option).

    Units are scenes; a row holds the options of one scene.
    """

    @property
    @override
    def n_answers(self) -> int:
        return len(self.units) if self.counts is None else int(self.counts.sum())

    @cached_property
    def times(self) -> np.ndarray:
        """How often each answer was given: (unit,)."""
        return np.ones(len(self.units)) if self.counts is None else self.counts

    @cached_property
    def units(self) -> np.ndarray:
        """The scenes with an answer: (unit,).

        By default, every scene with an item that is used.
        """
        return np.flatnonzero(np.diff(self.items.starts) > 0)

    def grid(self, values: np.ndarray, empty: Any) -> np.ndarray:
        """Lay out values of the items used (item,) by scene: (unit, option)."""
        widest, places = self._places
        if places is None:
            return np.asarray(values).reshape(-1, widest)
        out = np.full(len(self.units) * widest, empty, np.asarray(values).dtype)
        out[places] = values
        return out.reshape(-1, widest)

    @cached_property
    def _places(self) -> tuple[int, np.ndarray | None]:
        """The number of columns of the grid, and the flat place of each item.

        The number of columns is the largest number of options of a scene. The places are None where items fill the
        grid.
        """
        starts = self.items.starts[:-1][self.units]
        lengths = np.diff(self.items.starts)[self.units]
        widest = int(lengths.max())
        if int(lengths.min()) == widest:
            return widest, None
        return widest, np.arange(self.items.n_items) + np.repeat(np.arange(len(starts)) * widest - starts, lengths)

    @cached_property
    def inside(self) -> np.ndarray:
        """Which places of the grid have an option: (unit, option)."""
        return self.grid(np.ones(self.items.n_items, bool), False)

    @cached_property
    def full(self) -> bool:
        """Whether every place of the grid has an option."""
        return bool(self.inside.all())

    @cached_property
    def real(self) -> np.ndarray:
        """Which places have an option that is not failing itself: (unit, option)."""
        failing = self.items.failing()
        return self.inside if failing is None else self.inside & ~self.grid(failing, False)

    @cached_property
    def idle(self) -> np.ndarray:
        """Units whose answer is certain under every reward: (unit,) of bool."""
        return np.zeros(len(self.units), bool)

    @property
    def effort(self) -> int:
        """Approximate number of floats that a likelihood works on.

        Many floats deserve a thread.
        """
        return int(self.inside.size)

    @override
    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Arrange by scene: (unit, option); NaN, or false, where there is no option."""
        return self.grid(values, False) if values.dtype == bool else self.grid(values.astype(float), np.nan)
