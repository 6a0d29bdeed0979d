"""Every rule of a space as the true one: its evidence, and the agent's risk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_hypotheses.data.numerics import each_in_threads
from reward_hypotheses.models.rule_space.counts import cells_of, subset_sums
from reward_hypotheses.models.rule_space.outcomes.choices import block_ranges
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import RuleWeights

ITEMS = 4096
"""Items whose conjunctions are held at once."""


@dataclass(frozen=True, eq=False)
class TrueRules:
    """What each rule f of a space would mean if it were true.

    ``d_f = mean_m sum_o A[m, o] K_f[m, o]``. An option is a catastrophe under f by its cell alone, so ``d_f`` is a sum over the
    cells that f approves, and no rule is evaluated on an option.

    Parameters
    ----------
    before, after : RuleWeights
        Weights before and after the feedback.
    chosen : ndarray (option, scene)
        A, the agent's choices.
    """

    before: RuleWeights
    after: RuleWeights
    chosen: np.ndarray
    scenes: Scenes
    stakes: Stakes

    @property
    def space(self) -> RuleSpace:
        """The space."""
        return self.before.space

    @cached_property
    def _cells(self) -> tuple[float, list[np.ndarray]]:
        """The risk of a rule that approves nothing, and what approval of each cell adds."""
        high, low = (np.broadcast_to(of, self.scenes.shape[1]) for of in self.stakes.catastrophic)
        often = np.where(self.scenes.choices, self.chosen, 0.0) * self.scenes.share
        added = (often * (high.astype(float) - low)).ravel()
        used = added != 0
        columns = self.scenes.columns.reshape(len(self.scenes.columns), -1)[:, used]
        return float((often * low).sum()), weighted_cells(self.space, columns, added[used])

    def each[T](self, work: Callable[[np.ndarray, np.ndarray, np.ndarray], T]) -> Iterator[T]:
        """Yield what is computed of prior, evidence and risk, some rules at a time.

        Logarithms in nats, (rule,) each. A log evidence may be -inf where the rule's weight would be below ``exp(-800)`` of the heaviest.
        """
        start, cells = self._cells

        def of_sets(sets: tuple[int, int, int]) -> T:
            s, lo, hi = sets
            before = self.before.log_block(*sets)
            rules = before > -np.inf
            prior = before[rules]
            evidence = self.after.log_block(*sets)[rules] - prior + self.after.log_normaliser
            return work(prior, evidence, np.clip(subset_sums(cells[s][lo:hi], start)[rules], 0.0, 1.0))

        yield from each_in_threads(of_sets, block_ranges(self.space))


def weighted_cells(space: RuleSpace, columns: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Return the sums of the weights of the items in each cell, by size: (set, 2^s).

    Sums over the items in which all literals of a set are true are matrix products; cells follow by inclusion and exclusion.

    Parameters
    ----------
    columns : ndarray of bool (literal, item)
    weights : ndarray (item,)
    """
    totals = [np.zeros(space.n_sets(s)) for s in space.sizes]
    for lo in range(0, max(len(weights), 1), ITEMS):
        some, weight = columns[:, lo : lo + ITEMS].astype(float), weights[lo : lo + ITEMS]
        totals[0] += weight.sum()
        conjunctions = weight[None]  # of the sets of one literal less, weighted
        for s in range(1, len(totals)):
            sets = space.sets(s)
            # in colexicographic order, the sets whose last literal is m are m and the first sets of one less
            products = conjunctions @ some.T
            at = np.arange(len(sets)) - np.searchsorted(sets[:, -1], sets[:, -1])
            totals[s] += products[at, sets[:, -1]]
            if s + 1 < len(totals):
                conjunctions = conjunctions[at] * some[sets[:, -1]]
    return [cells_of(space, s, totals) for s in space.sizes]
