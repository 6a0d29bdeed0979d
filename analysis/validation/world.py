"""World: all that a validation study needs of an environment."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr

from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, goes_on


def steps_of(scenes: xr.Dataset) -> int | None:
    """Return the most steps of an episode; None where every scene is one."""
    return int(scenes.attrs["most"]) if goes_on(scenes) else None


class World(Protocol):
    """An environment of a validation study.

    Scenes are asked for by what they are for: ``training``, ``probes``, ``probes without`` (probes in which no option is bad),
    ``telling`` (training scenes in which the rules part), ``ordinary`` (a test like training), or one of the tests.
    """

    tests: ClassVar[tuple[str, ...]]
    """The shifted tests."""
    columns: ClassVar[tuple[str, ...]]
    """Columns that describe an option."""
    features: ClassVar[tuple[str, ...]]
    """Expressions over columns that a fitted reward weighs, such as the columns and their products."""
    rules: ClassVar[Mapping[str, str]]
    """Named rules, the baseline: name -> reward, an expression over columns, above 1/2 for approved options."""
    bad: ClassVar[str]
    """Column that marks options whose outcome is a catastrophe, as far as can be seen beforehand."""
    source: ClassVar[str]
    """Reason for these columns."""
    counted: ClassVar[str]
    """Unit that is counted when a test is carried out, such as flights."""
    lacking: ClassVar[str]
    """What ``probes without`` lack, such as craters."""

    def scenes(self, which: str) -> xr.Dataset:
        """Return columns over (scene, option).

        Where an episode has several steps, the columns include successors (`data.episodes`).
        """

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents, by name and seed; return their mean reward, batch by batch."""

    def saved(self, agent: str) -> bytes:
        """Return the weights of an agent as npz."""

    def steps(self, agent: str, which: str) -> EpisodeSteps:
        """Return an agent's steps, its demonstrations."""

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Let agents act; return whether episodes (agent, episode) end in catastrophe."""

    def slips(self) -> tuple[int, int]:
        """Return counts (catastrophes, outcomes) of harmless options in training."""

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return ``repeated`` outcomes, and how many of them ``ended_otherwise``."""
