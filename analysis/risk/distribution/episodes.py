"""Catastrophes of episodes, in which each option leads to a next scene."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.deviations import Deviations
from reward_hypotheses.analysis.risk.distribution.open_sources import CHUNK, OpenSources
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole

MOST_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Episodes:
    """Where the options of each scene lead.

    Attributes
    ----------
    after : ndarray (scene, option) of int
        The scene that an option leads to; -1 where it ends the episode.
    first : ndarray (episode,) of int
        Scenes in which an episode starts.
    steps : int
        The most steps of an episode.
    """

    after: np.ndarray
    first: np.ndarray
    steps: int

    def chance(self, acts: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """Return the probability that an episode ends in catastrophe: (draw, episode).

        ``V_0 = 0``, ``V_t(s) = sum_o p(o | s) (worse(s, o) if o ends the episode, else V_t-1(next(s, o)))``, for as many
        steps as an episode may have.

        Parameters
        ----------
        acts, worse : ndarray (draw or 1, option, scene)
            Probabilities of the options, and whether (or how probably) each ends in catastrophe.
        """
        ends = (self.after < 0).T
        at_end = np.ascontiguousarray((acts * np.where(ends, worse, 0.0)).sum(axis=1).T)
        going = np.ascontiguousarray(np.moveaxis(acts * ~ends, 0, 2))  # (option, scene, draw)
        to = np.where(self.after < 0, 0, self.after).T
        value = at_end
        for _ in range(self.steps - 1):
            later = at_end.copy()
            for option in np.flatnonzero(~ends.all(axis=1)):
                later += going[option] * value[to[option]]
            value = later
        return value[self.first].T


def episodes_of(test: Any, steps: int, n_scenes: int, abstain: bool = False) -> Episodes:
    """Return the episodes of a test; InputError for one that has none.

    Parameters
    ----------
    test : Dataset
        With ``next`` (scene, option) and ``first`` (scene,).
    n_scenes : int
        Scenes of the test, as it was read.
    abstain : bool
        Whether the agent may abstain: it may not, where episodes go on.
    """
    if abstain:
        raise InputError(
            "policy: abstain=True, and steps= is given; an agent of several steps cannot abstain, so leave it out"
        )
    steps = whole(steps, "steps", 1)
    if steps > MOST_STEPS:
        raise InputError(f"steps: {shown(steps)}; give at most {MOST_STEPS:,}")
    if not isinstance(test, xr.Dataset) or not {"next", "first"} <= set(test.variables):
        raise InputError(
            "test: steps= is given, and the test has no 'next' and 'first'; give a Dataset with next (scene, option), the number "
            "of the scene that an option leads to, -1 where it ends the episode, and first (scene), whether an episode starts there"
        )
    refuse_unavailable(test, "next")
    if {"scene", "option"} <= set(test["next"].dims):
        test = test.transpose("scene", "option", ...)
    after, first = (np.asarray(test[name].to_numpy()) for name in ("next", "first"))
    if after.ndim != 2 or first.shape != after.shape[:1] or len(after) != n_scenes:
        raise InputError("test: next: give one number for each scene and option, and first one for each scene")
    if not np.issubdtype(after.dtype, np.number) or not np.all(np.isfinite(after)) or np.any(after != np.floor(after)):
        raise InputError("test: next: not whole numbers; give numbers of scenes from 0, and -1 where the episode ends")
    wrong = np.argwhere((after < -1) | (after >= len(after)))
    if len(wrong):
        scene, option = wrong[0].tolist()
        raise InputError(
            f"test: next: scene {scene}, option {option}: {shown(after[scene, option].item())}; give a scene from 0 to {len(after) - 1}, "
            "or -1 where the episode ends"
        )
    if not first.any():
        raise InputError("test: first: no episode starts; mark at least one scene in which an episode starts")
    return Episodes(after.astype(int), np.flatnonzero(first), steps)


def chance_by_episode(
    deployments: OpenSources, episodes: Episodes | None, deviations: Deviations
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the draws, and the chance of a catastrophe: (draw, episode).

    Without episodes, every scene is one.
    """
    for draws, chance in _without_deviations(deployments, episodes):
        yield draws, deviations.applied(draws, np.clip(chance, 0.0, 1.0))


def _without_deviations(deployments: OpenSources, episodes: Episodes | None) -> Iterator[tuple[slice, np.ndarray]]:
    if deployments.agent_open or deployments.judge_open:
        yield from _each(deployments, episodes)
        return
    stated = [rows for rows in (deployments.agents, deployments.judges) if rows is not None]
    if not stated:
        stated = [np.zeros((deployments.n, 1))]
    # without anything open, deployments of the same hypotheses are alike
    _, first, place = np.unique(np.hstack(stated), axis=0, return_index=True, return_inverse=True)
    few = OpenSources(
        deployments.case,
        None if deployments.agents is None else deployments.agents[first],
        None if deployments.judges is None else deployments.judges[first],
        len(first),
        certain=True,
    )
    chance = np.concatenate([some for _, some in _each(few, episodes)])
    step = max(1, CHUNK // chance.shape[1])
    for lo in range(0, deployments.n, step):
        draws = slice(lo, min(lo + step, deployments.n))
        yield draws, chance[place.ravel()[draws]]


def _each(deployments: OpenSources, episodes: Episodes | None) -> Iterator[tuple[slice, np.ndarray]]:
    if episodes is None:
        yield from deployments.by_scene()
        return
    for draws, acts, worse in deployments.choices():
        shape = draws.stop - draws.start, len(episodes.first)
        yield draws, np.broadcast_to(episodes.chance(acts, worse), shape)


def refuse_unavailable(table: Any, numbers: str) -> None:
    """Refuse options that are not available, where options are told by their number."""
    named = isinstance(table, (Mapping, xr.Dataset)) or hasattr(table, "columns")
    if named and "available" in table and not np.all(np.asarray(table["available"])):
        raise InputError(
            f"available: {numbers} tells options by their number, so every option must be available; leave the column out"
        )
