"""Posterior predictions of what an agent does on a test, as a tree."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, case_of
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.tree.variable_names import storable


def predict(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
    draws: int = 1000,
    random_seed: int | None = None,
) -> xr.DataTree:
    """Draw what the agent does on a test, and whether it is a catastrophe.

    Each draw is one deployment over all scenes: a hypothesis for the agent (from its weights, for policies that draw
    one), a truth from the judge's weights, and an option a scene.

    Returns
    -------
    DataTree
        ArviZ's ``predictions``: ``option`` (-1 for abstaining) and ``catastrophe``, over (chain, draw, scene); and
        ``predictions_constant_data``: the test; its attribute ``columns`` names columns that are spelt otherwise there,
        such as ``km%2Fh``.
    """
    draws = whole(draws, "draws", 1)
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    seed = int(tree.attrs["seed"]) if random_seed is None else whole(random_seed, "random_seed")
    rng = substream(seed, "predictions")
    posterior, n_scenes = case.posterior, case.valuation.n_scenes
    truths = rng.choice(len(posterior.weights), draws, p=posterior.weights)
    if case.policy.draws_one:
        taken = rng.choice(len(case.agent_weights), draws, p=case.policy.mixing(case.agent_weights))
    else:
        taken = np.zeros(draws, int)
    held, real = (_members(case.valuation, drawn, role, rng) for drawn, role in ((taken, "agents"), (truths, "judges")))
    option = np.empty((draws, n_scenes), np.int64)
    bad = np.zeros((draws, n_scenes), bool)
    scales = within_scene_scale(case.valuation) if case.policy.needs_scale else None
    for block in case.valuation.blocks():
        view = View(block, case.policy.abstain, scales)
        options = block.shape[0]
        columns = np.arange(block.lo, block.hi)
        for i, member in sorted(set(zip(taken.tolist(), held.tolist(), strict=True))):
            mine = np.flatnonzero((taken == i) & (held == member))
            if not case.policy.draws_one:
                chosen = case.policy.act(view, case.agent_weights)
            elif member < 0:
                chosen = case.policy.certain(view, i)
            else:
                chosen = case.policy.certain_each(view, block.members(i, "agents", slice(member, member + 1)))[0]
            below = np.cumsum(np.asarray(chosen, float), axis=0)
            u = rng.random((len(mine), len(columns))) * below[-1]
            pick = (u[:, None, :] >= below[None, :-1]).sum(axis=1)
            option[np.ix_(mine, columns)] = np.where(pick == options, -1, pick)
        for j, member in sorted(set(zip(truths.tolist(), real.tolist(), strict=True))):
            mine = np.flatnonzero((truths == j) & (real == member))
            found = (
                block.worse(j)
                if member < 0
                else block.worse_each(block.members(j, "judges", slice(member, member + 1)))[0]
            )
            if j == posterior.hypotheses.unmodelled:  # of which only a probability is known
                found = rng.random((len(mine), *found.shape)) < found
                where = (np.arange(len(mine))[:, None], option[np.ix_(mine, columns)], np.arange(len(columns)))
                bad[np.ix_(mine, columns)] = found[where] & (option[np.ix_(mine, columns)] >= 0)
                continue
            worse = np.vstack([found, np.zeros((1, len(columns)), bool)])  # the last row: abstaining, -1
            bad[np.ix_(mine, columns)] = worse[option[np.ix_(mine, columns)], np.arange(len(columns))]
    table = case.valuation.table  # from places among what is available to positions in the scene
    place = np.maximum(option, 0) + table.starts[:-1]
    option = np.where(option < 0, -1, table.positions[place])
    coords = {"chain": [0], "draw": np.arange(draws), "scene": case.scene_coordinate()}
    dims = ("chain", "draw", "scene")
    predictions = xr.Dataset({"option": (dims, option[None]), "catastrophe": (dims, bad[None])}, coords=coords)
    return xr.DataTree.from_dict(
        {"predictions": predictions, "predictions_constant_data": storable(table.to_dataset())}
    )


def _members(valuation: Valuation, drawn: np.ndarray, role: str, rng: np.random.Generator) -> np.ndarray:
    """Which draw of its family each hypothesis drawn stands for; -1 of a fixed reward: (draw,)."""
    out = np.full(len(drawn), -1)
    for h in valuation.families:
        reward = valuation.hypotheses.rewards[h]
        assert isinstance(reward, Drawn)
        mine = np.flatnonzero(drawn == h)
        out[mine] = rng.integers(len(reward.agents if role == "agents" else reward.judges), size=len(mine))
    return out
