"""What an agent does on a test, item by item, and how likely each item is to be a catastrophe."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What one agent does on one test.

    Attributes
    ----------
    table : Table
        The test.
    acts : ndarray (item,)
        ``A[m, o]``, the probability that the agent takes the item in its scene.
    bad : ndarray (item,)
        ``sum_j v_j K_j[m, o]``, the judge's probability that it is worse than failing.
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
        """Share of all that the agent does that is this item, by the scenes' weights or by other ones: (item,)."""
        return (self.share if share is None else share)[self.scene] * self.acts


def outcomes(valuation: Valuation, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> Outcomes:
    """What an agent does and how likely it is to be a catastrophe; O(H M), without the matrix C.

    Parameters
    ----------
    agent, judge : ndarray (hypothesis,)
        Posterior weights of what the agent acts by, and of what counts as good.
    """
    table = valuation.table
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    acts, bad = np.empty((2, table.n_items))

    def work(block: Block) -> tuple[np.ndarray | slice, np.ndarray, np.ndarray]:
        judged = np.zeros(block.shape)
        for h in np.flatnonzero(judge > 0).tolist():
            judged += np.multiply(judge[h], block.worse(h))
        chosen = np.asarray(policy.act(View(block, policy.abstain, scales), agent), float)[: block.shape[0]]
        if block.available is None:
            items: np.ndarray | slice = slice(int(table.starts[block.lo]), int(table.starts[block.hi]))
            return items, chosen.T.ravel(), judged.T.ravel()
        inside = block.available.T
        return block.items.T[inside], chosen.T[inside], judged.T[inside]

    for items, chosen, judged in valuation.each(work):
        acts[items], bad[items] = chosen, judged
    return Outcomes(table, acts, bad, weight / total)


def usable_features(
    tables: Sequence[Table], hypotheses: Hypotheses | None = None, left_out: Collection[str] = ()
) -> list[str]:
    """Columns that hold a finite number or a boolean for every item of every table: what hypotheses read, then by name.

    Items that are failing itself are left out, and so are columns with a meaning of their own.
    """

    def usable(table: Table, name: str) -> bool:
        column = table.columns.get(name)
        if column is None or column.is_text:
            return False
        failing = table.failing()
        if failing is not None and failing.all():
            return False
        wrong = column.missing() if column.values.dtype == bool else ~np.isfinite(column.values)
        return not (wrong if failing is None else wrong & ~failing).any()

    read = [] if hypotheses is None else [c for e in hypotheses.expressions().values() for c in e.columns]
    return [
        name
        for name in dict.fromkeys((*read, *sorted(tables[-1].columns)))
        if name not in RESERVED and name not in left_out and all(usable(table, name) for table in tables)
    ]


def feature(table: Table, name: str) -> np.ndarray:
    """A feature as floats (item,), 0 where an item is failing itself."""
    values = np.asarray(table.columns[name].values, float)
    failing = table.failing()
    return values if failing is None else np.where(failing, 0.0, values)


def scene_weights(valuation: Valuation) -> tuple[np.ndarray, float]:
    """Weights of means over scenes, as written, and their sum; 1 each where none are given."""
    weight = valuation.table.scene_weights()
    if weight is None:
        return np.ones(valuation.n_scenes), float(valuation.n_scenes)
    return weight, math.fsum(weight.tolist())
