"""Catastrophe rates between draws of continuous weights, pair by pair."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.rollout import Scenes, scene_weights, scenes_of
from reward_hypotheses.models.hypotheses.scene_block import GROUPS
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy

MATRIX_CELLS = 1_000_000  # hypotheses times items of which a block holds picks and catastrophes at once

LEAST_PAIRED, PAIRED_CELLS = 50, 1e9  # draws of a family of which every pair is looked at: squared, times items
KEPT_CELLS = 60_000_000  # of matrices between draws, of all agents and policies together


@dataclass(frozen=True, eq=False)
class Pairs:
    """The matrix C between single rewards, by agent and by truth.

    Single rewards are fixed rewards and draws of families. Draws come in groups, over which a function of C is
    averaged once. For Monte Carlo errors, the weights of the groups are drawn anew.

    Attributes
    ----------
    matrix : ndarray (agent's reward, true reward)
    by_truth : ndarray (true reward,)
    rows, columns : ndarray (group, reward)
        Share of each reward in its group.
    agents, truths : ndarray (hypothesis, group)
        Share of each group in its hypothesis.
    known : dict
        Averages over groups, by the name of the function that was averaged.
    """

    matrix: np.ndarray
    by_truth: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    agents: np.ndarray
    truths: np.ndarray
    known: dict[Hashable, np.ndarray]

    def average(self, key: Hashable, function: Callable[[np.ndarray], np.ndarray], draws_one: bool) -> np.ndarray:
        """Return the average of a function of C between groups: (group, group).

        For a policy that acts on all weights at once: of groups of truths, (group,). The average is computed once for
        each key.
        """
        if key not in self.known:
            if draws_one:
                self.known[key] = self.rows @ function(self.matrix) @ self.columns.T
            else:
                self.known[key] = self.columns @ function(self.by_truth)
        return self.known[key]


def pairs_of(valuation: Valuation, policy: Policy, agent: np.ndarray) -> Pairs:
    """Return C between some draws of each family, and the fixed rewards."""
    key = ("pairs", policy, None if policy.draws_one else agent.tobytes())
    if key not in valuation.averages:
        matrix, by_truth, *numbers = _between(valuation, policy, agent)
        rows, columns = (_groups(some) for some in numbers)
        _make_room(valuation.averages, matrix.size)
        valuation.averages[key] = (matrix, by_truth, rows, columns, {})
    matrix, by_truth, rows, columns, known = valuation.averages[key]
    agents, truths = (_shares(valuation, role) for role in ("agents", "judges"))
    return Pairs(matrix, by_truth, rows, columns, agents, truths, known)


def _make_room(averages: dict[Any, Any], cells: int) -> None:
    """Forget the oldest matrices until a new one of so many cells fits."""
    sizes = {
        key: averages_of_pairs[0].size
        for key, averages_of_pairs in averages.items()
        if isinstance(key, tuple) and key[0] == "pairs"
    }
    over = sum(sizes.values()) + cells - KEPT_CELLS
    for key, size in sizes.items():
        if over <= 0:
            return
        del averages[key]
        over -= size


def _groups(numbers: list[int]) -> np.ndarray:
    """Return the share of each reward in its group: (group, reward).

    `numbers` holds the number of rewards of each hypothesis.
    """
    owner: list[int] = []
    start = 0
    for n in numbers:
        groups = min(GROUPS, n)
        owner.extend((start + np.arange(n) * groups // n).tolist())
        start += groups
    member = np.arange(start)[:, None] == np.array(owner)
    return member / member.sum(axis=1, keepdims=True)


def _shares(valuation: Valuation, role: str) -> np.ndarray:
    """Return the share of each group in its hypothesis: (hypothesis, group)."""
    names = range(len(valuation.hypotheses))
    rows = [valuation.share(h, role, min(GROUPS, valuation.n_members(h, role))) for h in names]
    out = np.zeros((len(rows), sum(map(len, rows))))
    start = 0
    for h, row in enumerate(rows):
        out[h, start : start + len(row)] = row
        start += len(row)
    return out


def _between(
    valuation: Valuation, policy: Policy, agent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int], list[int]]:
    """Return C and the risk by truth between single rewards.

    The numbers of rewards by hypothesis follow: of rewards that an agent may act by, and of rewards that may be true.
    """
    _, total = scene_weights(valuation)
    names = range(len(valuation.hypotheses))
    paired = max(LEAST_PAIRED, int(math.sqrt(PAIRED_CELLS / max(valuation.table.n_items, 1))))

    def numbers(role: str) -> list[int]:
        return [min(paired, valuation.n_members(h, role)) for h in names]

    agents, judges = numbers("agents"), numbers("judges")
    single = valuation.families | set(valuation.hypotheses.spaces)
    leads = "agents" if policy.mixes_weights else "leaders"  # by which an agent acts that goes by its heaviest rule
    acting, true = (
        [valuation.hypotheses.rewards[h].distinct_members(role, n) for h, n in enumerate(several)]
        for role, several in ((leads, agents), ("judges", judges))
    )
    of_agents, of_judges = (_joined([of for _, of in found]) for found in (acting, true))

    def work(scenes: Scenes) -> np.ndarray:
        block = scenes.block
        bad = [
            block.worse_each(block.members(h, "judges", true[h][0])) if h in single else block.worse(h)[None]
            for h in names
        ]
        worse = np.concatenate(bad).astype(float).reshape(of_judges.max() + 1, -1)
        if not policy.draws_one:
            return np.asarray(worse @ (scenes.acts(policy, agent)[: scenes.n_options] * scenes.mass).ravel())
        view = scenes.view(policy)
        picks = [
            policy.certain_each(
                view, block.members(h, leads if h in valuation.hypotheses.spaces else "agents", acting[h][0])
            )
            if h in single
            else np.asarray(policy.certain(view, h), float)[None]
            for h in names
        ]
        chosen = np.concatenate(picks)[:, : scenes.n_options] * scenes.mass
        return np.asarray(chosen.reshape(of_agents.max() + 1, -1) @ worse.T)

    items = MATRIX_CELLS // max(sum(judges), 1)
    sums: Any = sum(work(scenes) for scenes in scenes_of(valuation, policy, items=items))
    rates = np.clip(sums / total, 0.0, 1.0)
    if policy.draws_one:
        return rates[np.ix_(of_agents, of_judges)], np.zeros(sum(judges)), agents, judges
    return np.zeros((sum(agents), sum(judges))), rates[of_judges], agents, judges


def _joined(members: Sequence[np.ndarray]) -> np.ndarray:
    """Return places among the distinct members of all hypotheses."""
    starts = np.cumsum([0, *(of.max() + 1 for of in members)])
    return np.concatenate([of + start for of, start in zip(members, starts, strict=False)])
