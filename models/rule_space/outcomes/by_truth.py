"""The risk of an agent's choices if each rule is true: all rules, set by set."""

from collections.abc import Iterator

import numpy as np

from reward_hypotheses.data.numerics import in_threads
from reward_hypotheses.models.rule_space.counts import subset_sums
from reward_hypotheses.models.rule_space.outcomes.choices import block_ranges
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes, distinct_columns
from reward_hypotheses.models.rule_space.outcomes.silence import places
from reward_hypotheses.models.rule_space.space import RuleSpace

CELLS = 1 << 22  # of a set and an item, at once


class RiskByTruth:
    """``by_truth[j] = mean_m sum_o A[m, o] K_j[m, o]`` of every rule j.

    It adds up over the cells of a set that the rule approves, so that no rule is gone through scene by scene.

    Parameters
    ----------
    space : RuleSpace
    chosen : ndarray (option, scene)
        A.
    """

    def __init__(self, space: RuleSpace, chosen: np.ndarray, scenes: Scenes, stakes: Stakes) -> None:
        high, low = (np.broadcast_to(k.astype(float), scenes.shape[1]) for k in stakes.catastrophic)
        taken = np.where(scenes.choices, chosen, 0.0) * scenes.share
        self.space = space
        self.rejected = float((taken * low).sum())  # of a rule that approves nothing
        there = scenes.choices
        items, weight = scenes.columns[:, there], (taken * (high - low))[there]
        first, of = distinct_columns(items)
        items, weight = items[:, first], np.bincount(of, weight, len(first))
        self._sums = [_conjunctions(space.sets(s), items, weight) for s in space.sizes]

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return the risk if each rule of some sets is true: (set, 2^(2^s)).

        Also at tables that are not canonical, which are rules of fewer literals.
        """
        members = self.space.sets(s)[lo:hi]
        cells = np.empty((hi - lo, 1 << s))
        for cell in range(1 << s):
            some = members[:, [q for q in range(s) if (cell >> q) & 1]]
            cells[:, cell] = self._sums[some.shape[1]][places(some, len(self.space.literals))]
        for q in range(s):
            halves = cells.reshape(hi - lo, 1 << (s - 1 - q), 2, 1 << q)
            halves[..., 0, :] -= halves[..., 1, :]
        return np.clip(subset_sums(cells) + self.rejected, 0.0, 1.0)

    def blocks(self) -> Iterator[tuple[int, int, int, np.ndarray]]:
        """Yield size, first set, end, and `block`, through the space."""
        for s, lo, hi in block_ranges(self.space):
            yield s, lo, hi, self.block(s, lo, hi)


def _conjunctions(members: np.ndarray, items: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weight of the items in which all literals of a set are true: (set,)."""
    step = max(CELLS // max(items.shape[1], 1), 1)

    def work(lo: int) -> np.ndarray:
        every = np.ones((len(members[lo : lo + step]), items.shape[1]), bool)
        for q in range(members.shape[1]):
            every &= items[members[lo : lo + step, q]]
        return np.einsum("tx,x->t", every, weight)

    return np.concatenate(in_threads(work, range(0, len(members), step)))
