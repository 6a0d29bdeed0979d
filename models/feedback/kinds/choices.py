"""Choices: which option of a scene somebody took; of two options, a comparison."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.boltzmann.model import OneOfOptions
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice


@dataclass(frozen=True, eq=False)
class Choices(OneOfOptions, SceneChoice):
    """Choices: the column marks the option chosen in each scene.

    ``p(o) = exp(beta r_h(o) / s_h) / sum over available options``, Luce's choice rule (Luce 1959); of two options,
    the model of Bradley and Terry (1952).

    ``s_h`` is the root of the mean, over scenes with at least two available options, of the population variance of
    r_h among these options. An option that *is* failing is worth u_h, and does not enter ``s_h``.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback. The table has options, and the column holds true (or 1) for one available option of
        every scene.
    rationality, scale
        As for every rational kind.
    """

    kind: ClassVar[str] = "choices"
    by_rater: ClassVar[bool] = True

    @override
    def usable(self) -> np.ndarray | None:
        """Leave out whole scenes without a known choice or chosen option.

        For ``missing="drop"``.
        """
        items = super().usable()
        if items is None:
            return None
        table = self.table
        column = table.column(self.column)
        scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
        lost = column.missing() | self.uncounted | (~items & (np.nan_to_num(column.values.astype(float)) == 1))
        items &= ~np.isin(scene, scene[lost])
        if not items.any():
            raise InputError(
                f"{table.source}: no scene in which column {self.column!r} and the chosen option's features are given"
            )
        return items

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        """The option chosen: (unit, option) of bool."""
        table = self.items
        chosen = table.booleans(self.column, what="true for the option that was chosen, else false")
        grid = self.grid(chosen, False)
        count = grid.sum(axis=1)
        if (count != 1).any():
            unit = int(np.argmax(count != 1))
            scene = int(self.units[unit])
            rows = np.flatnonzero(chosen[table.starts[scene] : table.starts[scene + 1]]) + table.starts[scene]
            what = "no available option is chosen"
            if count[unit] > 1:
                what = f"{count[unit]} options are chosen ({', '.join(table.where(int(r)) for r in rows[:3])})"
            raise InputError(
                f"{table.source}: scene {table.scene_name(scene)}: column {self.column!r}: {what}; mark exactly one that is available"
            )
        return grid

    @override
    def as_stages(self, answers: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:
        return Stages(2.0 - answers, inside, counts)
