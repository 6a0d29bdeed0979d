"""Rollout: a policy's choices on a test, and the risk of each item.

Computed block by block of the test's scenes.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale


@dataclass(frozen=True, eq=False)
class Scenes:
    """Some scenes of a test, in which policies act.

    Attributes
    ----------
    block : Block
    mass : ndarray (scene,)
        Weights of the scenes, as written.
    scales : ndarray (hypothesis,), list or None
        ``s_h`` of the test, where a policy needs it.
    """

    block: Block
    mass: np.ndarray
    scales: Any

    @property
    def n_options(self) -> int:
        """Number of options; the choice after them is abstaining."""
        return self.block.shape[0]

    def view(self, policy: Policy) -> View:
        """Return the scenes as a policy sees them."""
        return View(self.block, policy.abstain, self.scales)

    def acts(self, policy: Policy, agent: np.ndarray) -> np.ndarray:
        """Return the choice probabilities of an agent: (choice, scene).

        The agent has these weights, (hypothesis,).
        """
        return np.asarray(policy.act(self.view(policy), agent), float)

    def worse(self, judge: np.ndarray) -> np.ndarray:
        """Return the probability that each option is worse than failing.

        ``sum_j v_j K_j``, shape (option, scene), v the judge's weights.
        """
        total = np.zeros(self.block.shape)
        for h in np.flatnonzero(judge > 0).tolist():
            total += np.multiply(judge[h], self.block.worse(h))
        return total


def scenes_of(valuation: Valuation, *policies: Policy, items: int | None = None) -> Iterator[Scenes]:
    """Yield the scenes of a test for some policies, block by block, in order.

    A block holds about `items` items.
    """
    return map(_scenes(valuation, policies), valuation.blocks(items))


def over_scenes[T](
    valuation: Valuation, work: Callable[[Scenes], T], *policies: Policy, items: int | None = None
) -> Iterator[T]:
    """Yield ``work(scenes)`` for all scenes of a test, in order, on every core."""
    scenes = _scenes(valuation, policies)
    return valuation.each(lambda block: work(scenes(block)), items)


def _scenes(valuation: Valuation, policies: tuple[Policy, ...]) -> Callable[[Block], Scenes]:
    weight, _ = scene_weights(valuation)
    scales = within_scene_scale(valuation) if any(policy.needs_scale for policy in policies) else None
    return lambda block: Scenes(block, weight[block.scenes], scales)


class Worth:
    """Expected rewards of the scenes of a block under a judge.

    The rewards are added up hypothesis by hypothesis.

    Attributes
    ----------
    value : ndarray (option, scene)
        ``sum_j v_j r_j``, reward units.
    best, failing : ndarray (scene,)
        ``sum_j v_j max(u_j, max_o r_j)`` and ``sum_j v_j u_j``.
    size, of_best, of_failing : ndarray
        Sums of the absolute values of these terms: the scale of the rounding errors.
    """

    def __init__(self, block: Block, judge: np.ndarray | None = None) -> None:
        self.block = block
        self.value, self.size = np.zeros((2, *block.shape))
        self.best, self.failing, self.of_best, self.of_failing = np.zeros((4, block.shape[1]))
        if judge is not None:
            for h in np.flatnonzero(judge).tolist():
                self.add(judge[h], h)

    def add(self, weight: float, h: int) -> None:
        """Add a hypothesis that has this weight."""
        reward, best, failing = (weight * part(h) for part in (self.block.reward, self.block.best, self.block.failure))
        self.value += reward
        self.size += np.abs(reward)
        self.best += best
        self.of_best += np.abs(best)
        self.failing += failing
        self.of_failing += np.abs(failing)


@dataclass(frozen=True, eq=False)
class Rollout:
    """The choices of one agent on one test, and their risk.

    Attributes
    ----------
    table : Table
        The test.
    acts : ndarray (item,)
        ``A[m, o]``, the probability that the agent takes the item in its scene.
    bad : ndarray (item,)
        ``sum_j v_j K_j[m, o]``, the judge's probability that the item is worse than failing.
    share : ndarray (scene,)
        Weights of the scenes, adding up to 1.
    """

    table: Table
    acts: np.ndarray
    bad: np.ndarray
    share: np.ndarray

    @property
    def scene(self) -> np.ndarray:
        """The scene of each item: (item,)."""
        return np.repeat(np.arange(self.table.n_scenes), np.diff(self.table.starts))

    @property
    def risk(self) -> np.ndarray:
        """Risk of each scene: (scene,)."""
        return np.bincount(self.scene, self.acts * self.bad, self.table.n_scenes)

    @property
    def floor(self) -> np.ndarray:
        """``min_o bad`` of each scene, 0 where it offers nothing but failing: (scene,)."""
        failing = self.table.failing()
        bad = self.bad if failing is None else np.where(failing, np.inf, self.bad)
        least = np.zeros(self.table.n_scenes)
        filled = np.diff(self.table.starts) > 0
        least[filled] = np.minimum.reduceat(bad, self.table.starts[:-1][filled])
        return np.where(np.isfinite(least), least, 0.0)

    def mass(self, share: np.ndarray | None = None) -> np.ndarray:
        """Return the share of each item among the agent's choices: (item,).

        Scenes count by the given shares (scene,), else by their own weights.
        """
        return (self.share if share is None else share)[self.scene] * self.acts


def rollout(valuation: Valuation, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> Rollout:
    """Return an agent's choices on a test, and the risk of each item.

    Costs O(H M): the matrix C is left out.

    Parameters
    ----------
    agent, judge : ndarray (hypothesis,)
        Posterior weights by which the agent acts, and by which its choices are judged.
    """
    table = valuation.table
    weight, total = scene_weights(valuation)
    acts, bad = np.empty((2, table.n_items))

    def work(scenes: Scenes) -> tuple[np.ndarray | slice, np.ndarray, np.ndarray]:
        block, worse = scenes.block, scenes.worse(judge)
        chosen = scenes.acts(policy, agent)[: scenes.n_options]
        if block.available is None:
            items: np.ndarray | slice = slice(int(table.starts[block.lo]), int(table.starts[block.hi]))
            return items, chosen.T.ravel(), worse.T.ravel()
        inside = block.available.T
        return block.items.T[inside], chosen.T[inside], worse.T[inside]

    for items, chosen, worse in over_scenes(valuation, work, policy):
        acts[items], bad[items] = chosen, worse
    return Rollout(table, acts, bad, weight / total)


def scene_weights(valuation: Valuation) -> tuple[np.ndarray, float]:
    """Return the weights of the scenes, as written or 1 each, and their sum."""
    weight = valuation.table.scene_weights()
    if weight is None:
        return np.ones(valuation.n_scenes), float(valuation.n_scenes)
    return weight, math.fsum(weight.tolist())
