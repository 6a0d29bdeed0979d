"""Scenes whose risk no open reward moves; those of one risk are drawn together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ALIKE = 1e-12
"""Risks that differ by less are one risk."""


@dataclass(frozen=True, eq=False)
class FixedScenes:
    """The risk of some scenes, or groups of scenes, by hypothesis.

    Attributes
    ----------
    concentration : ndarray (scene,)
        Shape of the gamma distribution of each scene's weight.
    mass : ndarray (scene,)
        Share of the test.
    seen : ndarray (hypothesis, scene)
        The risk on average over the agent, by truth.
    pairs : ndarray (scene, agent_hypothesis, true_hypothesis) or None
        The risk by pair, where the agent's weights are open.
    """

    concentration: np.ndarray
    mass: np.ndarray
    seen: np.ndarray
    pairs: np.ndarray | None

    @property
    def cells(self) -> int:
        """Numbers that each draw holds at once."""
        return max(self.mass.size, 1 if self.pairs is None else self.pairs[0].size)

    def sums(
        self, weights: np.ndarray, judges: np.ndarray, judge: np.ndarray, agents: np.ndarray | None, agent: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return sums of the risk over the scenes, by draw.

        Under the name of a source every other source is drawn; under ``only`` and a source, this source alone.

        Parameters
        ----------
        weights : ndarray (draw, scene)
        judges, agents : ndarray (draw or 1, hypothesis), and (draw, hypothesis) or None
        judge, agent : ndarray (hypothesis,)
            Their means.
        """
        if self.pairs is None:
            drawn = weights @ self.seen.T
            held = np.broadcast_to(judges @ (self.seen @ self.mass), len(weights))
            return {
                "all": (drawn * judges).sum(axis=1),
                "values": drawn @ judge,
                "only scenes": drawn @ judge,
                "scenes": held,
            }
        assert agents is not None
        n = len(judge)
        drawn = (weights @ self.pairs.reshape(len(self.mass), -1)).reshape(-1, n, n)
        matrix = np.tensordot(self.mass, self.pairs, axes=1)
        by_agents, by_mean = np.matmul(agents[:, None], drawn)[:, 0], agent @ drawn
        return {
            "all": (by_agents * judges).sum(axis=1),
            "values": by_agents @ judge,
            "agent": (by_mean * judges).sum(axis=1),
            "scenes": ((agents @ matrix) * judges).sum(axis=1),
            "only agent": agents @ (matrix @ judge),
            "only scenes": by_mean @ judge,
        }


def alike(parts: Iterable[FixedScenes | None], most: int) -> FixedScenes | None:
    """Return groups of scenes of one risk each.

    None where there are more than `most`, or where a part is open.

    Weights of the Bayesian bootstrap are gamma distributed, and the sum over a group is gamma distributed with the sum of
    the shapes: draws of groups are draws of scenes. A rate of 0 is alike to 0 alone.
    """
    keys, sums = np.zeros((0, 0), np.int64), np.zeros((0, 0))
    shape: tuple[int, ...] | None = None
    for part in parts:
        if part is None:
            return None
        shape = None if part.pairs is None else part.pairs.shape[1:]
        risks = part.seen.T if part.pairs is None else np.hstack([part.seen.T, part.pairs.reshape(len(part.mass), -1)])
        key = np.where(risks == 0, -1, np.rint(risks / ALIKE)).astype(np.int64)
        columns = np.column_stack([np.ones(len(key)), part.concentration, part.mass, risks])
        if not len(keys):
            keys, sums = key[:0], columns[:0]
        keys, of = np.unique(np.concatenate([keys, key]), axis=0, return_inverse=True)
        if len(keys) > most:
            return None
        before, sums = np.concatenate([sums, columns]), np.zeros((len(keys), columns.shape[1]))
        np.add.at(sums, of.ravel(), before)
    n, concentration, mass = sums[:, :3].T
    n_hypotheses = keys.shape[1] if shape is None else shape[0]
    risks = np.where(keys < 0, 0.0, sums[:, 3:] / n[:, None])
    pairs = None if shape is None else risks[:, n_hypotheses:].reshape(-1, *shape)
    return FixedScenes(concentration, mass, risks[:, :n_hypotheses].T, pairs)
