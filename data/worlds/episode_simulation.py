"""Episodes: chains of scenes, each reached by the option taken before.

A table of scenes may hold transitions: ``next`` (scene, option), the position of the scene that an option leads to, -1
where the option ends the episode; ``first`` (scene,), whether an episode starts there; and the attr ``most``, the
largest number of steps of an episode. In a table without them every episode has one step, and every scene is an
episode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

REPEATED = 200  # episodes that are run again


@dataclass(frozen=True, eq=False)
class EpisodeSteps:
    """Steps of episodes: scenes, and the options taken in them.

    Attributes
    ----------
    episode, scene, option : ndarray (step,) of int
        Steps of an episode stand together and in order.
    """

    episode: np.ndarray
    scene: np.ndarray
    option: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """Last step of each episode: (episode,) of int."""
        return np.flatnonzero(np.append(np.diff(self.episode) != 0, True))


def one_step(option: np.ndarray) -> EpisodeSteps:
    """Return options taken, one a scene, as episodes of one step."""
    scene = np.arange(len(option))
    return EpisodeSteps(scene, scene, np.asarray(option))


def goes_on(scenes: xr.Dataset) -> bool:
    """Return whether episodes may have more than one step."""
    return "next" in scenes


def starting_scenes(scenes: xr.Dataset) -> np.ndarray:
    """Return the scenes in which an episode starts: (episode,) of int."""
    return np.flatnonzero(scenes["first"].to_numpy()) if goes_on(scenes) else np.arange(scenes.sizes["scene"])


def picked(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw options by their probabilities (..., option): (...) of int."""
    below = np.cumsum(chance, axis=-1)
    return (rng.random((*chance.shape[:-1], 1)) * below[..., -1:] >= below[..., :-1]).sum(axis=-1)


def simulated(
    chance: np.ndarray, scenes: xr.Dataset, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the end of each episode.

    Parameters
    ----------
    chance : ndarray (draw, scene, option)
        Probabilities of the options.

    Returns
    -------
    three ndarrays (draw, episode)
        The last scene, the option taken there, and whether that option ended the episode.
    """
    first = starting_scenes(scenes)
    draw = np.arange(len(chance))[:, None]
    scene = np.tile(first, (len(chance), 1))
    option = np.zeros_like(scene)
    after = scenes["next"].to_numpy() if goes_on(scenes) else np.full(chance.shape[1:], -1)
    going = np.ones(scene.shape, bool)
    for _ in range(scenes.attrs.get("most", 1)):
        d, e = np.nonzero(going)
        here = scene[d, e]
        taken = picked(chance[draw[d, 0], here], rng)
        option[d, e] = taken
        to = after[here, taken]
        going[d, e] = to >= 0
        scene[d[to >= 0], e[to >= 0]] = to[to >= 0]
        if not going.any():
            break
    return scene, option, ~going


def repeated_episodes(
    lived: dict[tuple[str, str], tuple[EpisodeSteps, np.ndarray]],
    live: Callable[[str, str], tuple[EpisodeSteps, np.ndarray]],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Run at least `REPEATED` episodes again, and compare their ends.

    Returns the numbers of ``episodes``, of those ``repeated``, and of those that ``ended_otherwise``.

    Parameters
    ----------
    lived : dict
        Agent and purpose -> steps, and ends (episode,). Entries are removed before they are run again.
    live : callable
        Runs the episodes of an agent and a purpose, and keeps them in ``lived``.
    """
    keys = sorted(lived)
    n = sum(len(ends) for _, ends in lived.values())
    again, otherwise = 0, 0
    for agent, which in (keys[int(k)] for k in rng.permutation(len(keys))):
        steps, ends = lived.pop((agent, which))
        repeated, ends_again = live(agent, which)
        same_steps = len(steps.scene) == len(repeated.scene) and (steps.scene == repeated.scene).all()
        otherwise += int((ends != ends_again).sum()) if same_steps else len(ends)
        again += len(ends)
        if again >= REPEATED:
            break
    return {"episodes": n, "repeated": again, "ended_otherwise": otherwise}
