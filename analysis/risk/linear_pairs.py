"""Catastrophe rates between draws of continuous weights, pair by pair."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.models.hypotheses.block import GROUPS
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale

MATRIX_CELLS = 1_000_000  # hypotheses times items of which a block holds picks and catastrophes at once

LEAST_PAIRED, PAIRED_CELLS = 50, 1e9  # draws of a family of which every pair is looked at: squared, times items
KEPT_CELLS = 60_000_000  # of matrices between draws, of all agents and policies together


@dataclass(frozen=True, eq=False)
class Pairs:
    """C between single rewards: fixed ones, and draws of families, those of an agent against those that may be true.

    Draws come in groups, over which a function of C is averaged once; how groups are weighed is drawn anew for errors.

    Attributes
    ----------
    matrix : ndarray (agent's reward, true reward)
    by_truth : ndarray (true reward,)
    rows, columns : ndarray (group, reward)
        Share of each reward in its group.
    agents, truths : ndarray (hypothesis, group)
        Share of each group in its hypothesis.
    known : dict
        Averages over groups, by number of deployments.
    """

    matrix: np.ndarray
    by_truth: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    agents: np.ndarray
    truths: np.ndarray
    known: dict[int, np.ndarray]

    def ever(self, deployments: int, draws_one: bool) -> np.ndarray:
        """``E[1 - (1 - C)^D]`` between groups (group, group), or of groups of truths (group,)."""
        if deployments not in self.known:
            if draws_one:
                self.known[deployments] = self.rows @ _ever(self.matrix, deployments) @ self.columns.T
            else:
                self.known[deployments] = self.columns @ _ever(self.by_truth, deployments)
        return self.known[deployments]


def _ever(chance: np.ndarray, deployments: int) -> np.ndarray:
    """``1 - (1 - chance)^D``."""
    with np.errstate(divide="ignore"):
        return -np.expm1(deployments * np.log1p(-chance))


def _pairs(valuation: Valuation, policy: Policy, agent: np.ndarray) -> Pairs:
    """C between some draws of each family, and the fixed rewards."""
    key = ("pairs", policy, None if policy.draws_one else agent.tobytes())
    if key not in valuation.averages:
        matrix, by_truth, *numbers = _between(valuation, policy, agent)
        rows, columns = (_groups(valuation, some) for some in numbers)
        _make_room(valuation.averages, matrix.size)
        valuation.averages[key] = (matrix, by_truth, rows, columns, {})
    matrix, by_truth, rows, columns, known = valuation.averages[key]
    agents, truths = (_shares(valuation, role) for role in ("agents", "judges"))
    return Pairs(matrix, by_truth, rows, columns, agents, truths, known)


def _make_room(averages: dict[Any, Any], cells: int) -> None:
    """Forget the oldest pairs until so many cells more are not too many: other agents, other matrices."""
    held = {key: found[0].size for key, found in averages.items() if isinstance(key, tuple) and key[0] == "pairs"}
    over = sum(held.values()) + cells - KEPT_CELLS
    for key, size in held.items():
        if over <= 0:
            return
        del averages[key]
        over -= size


def _groups(valuation: Valuation, numbers: list[int]) -> np.ndarray:
    """Share of each reward in its group (group, reward), so many rewards a hypothesis."""
    owner: list[int] = []
    start = 0
    for h, n in enumerate(numbers):
        groups = min(GROUPS, n) if h in valuation.families else 1
        owner.extend((start + np.arange(n) * groups // n).tolist())
        start += groups
    member = np.arange(start)[:, None] == np.array(owner)
    return member / member.sum(axis=1, keepdims=True)


def _shares(valuation: Valuation, role: str) -> np.ndarray:
    """Share of each group in its hypothesis: (hypothesis, group)."""
    names = range(len(valuation.hypotheses))
    rows = []
    for h in names:
        reward = valuation.hypotheses.rewards[h]
        n = min(GROUPS, len(getattr(reward, role))) if isinstance(reward, Drawn) else 1
        rows.append(valuation.share(h, role, n) if isinstance(reward, Drawn) else np.ones(1))
    out = np.zeros((len(rows), sum(map(len, rows))))
    start = 0
    for h, row in enumerate(rows):
        out[h, start : start + len(row)] = row
        start += len(row)
    return out


def _between(
    valuation: Valuation, policy: Policy, agent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int], list[int]]:
    """Matrix and by_truth between rewards, and how many rewards each hypothesis has, of an agent's and of what may be true."""
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    names = range(len(valuation.hypotheses))
    paired = max(LEAST_PAIRED, int(math.sqrt(PAIRED_CELLS / max(valuation.table.n_items, 1))))
    n = {
        role: [
            min(paired, len(getattr(valuation.hypotheses.rewards[h], role))) if h in valuation.families else 1
            for h in names
        ]
        for role in ("agents", "judges")
    }
    matrix: Any = 0.0
    by_truth: Any = 0.0
    for block in valuation.blocks(MATRIX_CELLS // max(sum(n["judges"]), 1)):
        view = View(block, policy.abstain, scales)
        options, mass = block.shape[0], weight[block.scenes]
        bad = [
            block.worse_each(block.members(h, "judges", slice(0, n["judges"][h])))
            if h in valuation.families
            else block.worse(h)[None]
            for h in names
        ]
        worse = np.concatenate(bad).astype(float).reshape(sum(n["judges"]), -1)
        if not policy.draws_one:
            by_truth = by_truth + worse @ (np.asarray(policy.act(view, agent))[:options] * mass).ravel()
            continue
        picks = [
            policy.certain_each(view, block.members(h, "agents", slice(0, n["agents"][h])))
            if h in valuation.families
            else np.asarray(policy.certain(view, h), float)[None]
            for h in names
        ]
        chosen = np.concatenate(picks)[:, :options] * mass
        matrix = matrix + chosen.reshape(sum(n["agents"]), -1) @ worse.T
    if not policy.draws_one:
        matrix = np.zeros((sum(n["agents"]), sum(n["judges"])))
    matrix = np.clip(matrix / total, 0.0, 1.0)
    by_truth = np.clip(by_truth / total, 0.0, 1.0) if not policy.draws_one else np.zeros(len(matrix[0]))
    return matrix, by_truth, n["agents"], n["judges"]
