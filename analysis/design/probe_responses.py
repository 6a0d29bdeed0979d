"""Checked responses of an agent in probe scenes.

A response is the position of an option, or a probability of each option.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.column import name_of
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.readers.agent_choices import Places
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table

TOLERANCE = 1e-3
"""How far from 1 probabilities may add up (half precision rounds so), before they are rescaled."""
NEGLIGIBLE_CHANCE = 1e-6
"""Probability of an unavailable option, up to which it is removed without an error."""
WHO_ABSTAINS = "give abstain=True where the agent may abstain, or the scene an option that is failing (is_failing)"


@dataclass(frozen=True, eq=False)
class Probes:
    """Scenes in which an agent is probed.

    Attributes
    ----------
    data : Dataset
    places : Places
        Names of scenes and options, and which are available.
    failing : ndarray (scene,) of int
        Position of the first available option that is failing; -1 where there is none.
    abstain : bool
        Whether each scene is given one.
    """

    data: xr.Dataset
    places: Places
    failing: np.ndarray
    abstain: bool

    @property
    def width(self) -> int:
        """Number of options of a scene, including unavailable options."""
        return self.places.available.shape[1]

    @property
    def widest(self) -> int:
        """Greatest number of probabilities that an agent may give."""
        return self.width + (1 if self.abstain or (self.failing >= 0).any() else 0)

    @property
    def wanted(self) -> str:
        """The kinds of answer that are allowed, for messages."""
        also = ", and of abstaining if it may" if self.widest > self.width else ""
        return f"the position of an option, 0 to {self.width - 1}, or {self.width} probabilities{also}"


@dataclass(frozen=True, eq=False)
class ProbeResponses:
    """A checker of the answers in probe scenes.

    Attributes
    ----------
    probes : Probes
    which : slice
        The scenes.
    source : str
        Who answered, for messages.
    """

    probes: Probes
    which: slice = slice(None)
    source: str = "agent"

    def refuse(self, wrong: np.ndarray, what: Callable[[int], str], right: str) -> None:
        """Raise InputError about the first scene with an invalid answer."""
        if wrong.any():
            m = int(np.argmax(wrong))
            raise InputError(f"{self.source}: scene {self.names[m]}: {what(m)}; {right}")

    @property
    def names(self) -> Any:
        """Names of the scenes."""
        return self.probes.places.scenes[self.which]

    def checked(self, answer: np.ndarray) -> np.ndarray:
        """Return checked positions (scene,) or probabilities (scene, option).

        Abstaining is the last option.
        """
        probes, names = self.probes, self.names
        if answer.dtype.kind not in "iufb" or (answer.ndim == 1 and answer.dtype.kind not in "iu"):
            first = np.atleast_1d(answer)[:1].tolist()
            raise InputError(
                f"{self.source}: scene {names[0]}: answers {shown(first[0] if len(first) == 1 else first)}; give {probes.wanted}"
            )
        if answer.ndim == 1 and len(answer) == len(names):
            return self.positions(answer)
        if answer.ndim == 2 and len(answer) == len(names) and probes.width <= answer.shape[1] <= probes.widest:
            return self.probabilities(answer)
        if len(names) == 1:
            raise InputError(
                f"{self.source}: scene {names[0]}: answers an array of shape {answer.shape[1:]}; give {probes.wanted}"
            )
        raise InputError(
            f"{self.source}: answers an array of shape {answer.shape} for {len(names)} scenes at once; give for each {probes.wanted}: an "
            f"array ({len(names)},) or ({len(names)}, {probes.width})"
        )

    def positions(self, options: np.ndarray) -> np.ndarray:
        """Return positions of available options.

        Returns -1 for abstaining, which takes the failing option where there is one.
        """
        width, available = self.probes.width, self.probes.places.available[self.which]
        self.refuse(
            (options < -1) | (options >= width),
            lambda m: f"takes option {options[m]}",
            f"there are options 0 to {width - 1}",
        )
        picks = np.where(options < 0, self.probes.failing[self.which], options.astype(np.int64))
        self.refuse((picks < 0) & (not self.probes.abstain), lambda m: "abstains (-1)", WHO_ABSTAINS)
        self.refuse(
            (picks >= 0) & ~available[np.arange(len(picks)), picks],
            lambda m: f"takes option {picks[m]}, which is not available",
            "take one that is",
        )
        return picks

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Return probabilities that add up to 1, 0 for unavailable options.

        Shape (scene, option), abstaining last.
        """
        width, available = self.probes.width, self.probes.places.available[self.which]
        chance = np.zeros((len(values), width + 1))
        chance[:, : values.shape[1]] = values

        def text(m: int) -> str:
            return f"gives probabilities {shown(values[m].tolist())}"

        self.refuse(~np.isfinite(chance).all(axis=1), text, "all must be finite")
        self.refuse((chance < 0).any(axis=1), text, "none may be negative")
        total = chance.sum(axis=1)
        self.refuse(
            np.abs(total - 1) > TOLERANCE,
            lambda m: f"{text(m)}, which add up to {total[m]:.6g}",
            "they must add up to 1 (of scores take the softmax)",
        )
        lost = np.where(available, 0.0, chance[:, :width])
        self.refuse(
            (lost > NEGLIGIBLE_CHANCE).any(axis=1),
            lambda m: f"gives option {int(lost[m].argmax())}, which is not available, probability {lost[m].max():.3g}",
            "give 0 to what is not",
        )
        chance[:, :width] -= lost
        if not self.probes.abstain:
            failing = self.probes.failing[self.which]
            self.refuse(
                (chance[:, width] > 0) & (failing < 0),
                lambda m: f"abstains with probability {chance[m, width]:.3g}",
                WHO_ABSTAINS,
            )
            some = np.flatnonzero(failing >= 0)
            chance[some, failing[some]] += chance[some, width]
            chance[some, width] = 0.0
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def probes_of(scenes: Any, abstain: bool) -> Probes:
    """Return a table with options as probe scenes."""
    table = as_table(scenes, "scenes")
    data = scenes if hasattr(scenes, "data_vars") else table.to_dataset()
    if not table.has_options:
        raise InputError("scenes: there are no options to choose from; give a column 'option' (and 'scene')")
    if "chosen" in data.variables:
        raise InputError(
            "scenes: there is a column 'chosen', which the agent could read; leave it out, as in scenes.drop_vars('chosen')"
        )
    scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))

    def grid(of_items: np.ndarray) -> np.ndarray:
        out = np.zeros((table.n_scenes, data.sizes["option"]), bool)
        out[scene, table.positions] = of_items
        return out

    available = grid(np.ones(table.n_items, bool))
    names = [table.scene_name(m) for m in range(table.n_scenes)]
    if not available.any(axis=1).all():
        raise InputError(f"scenes: scene {names[int(np.argmin(available.any(axis=1)))]}: no option is available")
    fails = table.failing()
    failing = grid(np.zeros(table.n_items, bool) if fails is None else fails)
    if abstain and failing.any():
        raise InputError(
            "abstain: the scenes have an option that is failing (is_failing), which -1 takes; leave it out"
        )
    places = Places(names, _options(scenes, table), available)
    return Probes(data, places, np.where(failing.any(axis=1), failing.argmax(axis=1), -1), abstain)


def _options(scenes: Any, table: Table) -> list[dict[str, int]]:
    """Return positions of options by name, or by number without names, for each scene."""
    if hasattr(scenes, "data_vars"):
        width = scenes.sizes["option"]
        names = scenes.get("option_name", scenes["option"]).transpose(..., "option").to_numpy()
        rows = np.broadcast_to(names, (table.n_scenes, width)).tolist()
        listed: list[list[tuple[Any, int]]] = [list(zip(row, range(width), strict=True)) for row in rows]
    elif table.option_names is None:
        width = int(table.positions.max()) + 1
        listed = [[(o, o) for o in range(width)]] * table.n_scenes
    else:
        named = [(table.option_names.text(i), int(table.positions[i])) for i in range(table.n_items)]
        listed = [named[a:b] for a, b in zip(table.starts[:-1], table.starts[1:], strict=True)]
    each = [[(name_of(name), position) for name, position in row] for row in listed]
    return [{name: position for name, position in row if name} for row in each]
