"""Boltzmann-rational kinds about scenes, and about single items."""

from dataclasses import dataclass
from functools import cached_property
from typing import override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.centring import less_their_mean
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.hypotheses.valuation import Valuation


@dataclass(frozen=True, eq=False)
class SceneChoice(Rational):
    """Kinds about the options of a scene.

    Only differences of rewards within a scene matter. ``s_h`` is the root of the mean, over scenes with at least two
    available options, of the population variance of r_h among these options. An option that *is* failing is worth
    u_h, and does not enter ``s_h``.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.table.has_options:
            raise InputError(
                f"{self.table.source}: {self.kind} need options to choose from; give a column 'option' (and 'scene')"
            )

    @cached_property
    @override
    def counts(self) -> np.ndarray | None:
        """How often each scene's answer was given: (unit,).

        The count is constant within a scene. None where each answer was given once.
        """
        by_item = self.item_counts
        if by_item is None:
            return None
        table = self.items
        starts = table.starts[:-1][self.units]
        by_scene = by_item[starts]
        differs = by_item != np.repeat(by_scene, np.diff(table.starts)[self.units])
        if differs.any():
            item = int(np.argmax(differs))
            raise InputError(
                f"{table.source}: {table.where(item)}: column {self.count!r} differs from the first option of its scene; it says how "
                "often the scene's answer was given, so it must be constant in a scene"
            )
        return by_scene

    @property
    @override
    def uncounted(self) -> np.ndarray:
        """Items of scenes that lack their count somewhere: (item,) of bool."""
        lacking = super().uncounted
        if not lacking.any():
            return lacking
        scene = np.repeat(np.arange(self.table.n_scenes), np.diff(self.table.starts))
        return np.isin(scene, scene[lacking])

    @cached_property
    def _root_weight(self) -> np.ndarray:
        """Root of the weight of each option of a scene in ``s_h ** 2``: (unit, 1)."""
        count = self.real.sum(axis=1)
        if not (count >= 2).any() and (self.inside.sum(axis=1) >= 2).any():
            raise InputError(
                f"{self.table.source}: {self.name}: no scene has two options besides failing, so rewards have no spread to be "
                "measured by; give scale = 'raw'"
            )
        share = (count >= 2) * self.times
        share = share / share.sum() if share.any() else share
        return np.asarray(np.sqrt(share / np.maximum(count, 1))[:, None])

    @property
    @override
    def root_share(self) -> np.ndarray:
        return np.where(self.real, self._root_weight, 0.0)

    @property
    @override
    def nothing_to_compare(self) -> str:
        if self.inside.shape[1] < 2:
            return f"no scene of {self.table.name!r} has two options that are available"
        if self.idle.all():
            return f"no scene of {self.table.name!r} has one option ranked above another"
        return f"no hypothesis makes one option better than another in any scene of {self.table.name!r}"

    def refuse_no_spread(self) -> None:
        """Refuse a scale by spread where no scene gives a spread.

        Raises InputError if ``scale = "unit"``.
        """
        if self.scale == "unit":
            _ = self._root_weight

    @override
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        return less_their_mean(rewards, self.real) * self._root_weight

    @override
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        return less_their_mean(rewards, self.inside)


@dataclass(frozen=True, eq=False)
class ItemChoice(Rational):
    """Kinds about items one by one: every array is (unit,), a unit being an item."""

    @cached_property
    @override
    def units(self) -> np.ndarray:
        return np.arange(self.items.n_items)

    @cached_property
    @override
    def inside(self) -> np.ndarray:
        return np.ones(self.items.n_items, bool)

    @override
    def laid_out(self, values: np.ndarray) -> np.ndarray:
        return values

    @override
    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        return Feedback.at(self, valuation, h)

    @override
    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        return self.errors(valuation, h)
