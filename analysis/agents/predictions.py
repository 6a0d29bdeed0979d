"""Posterior predictions of an agent's choices on a test, as a tree."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.rollout import Scenes, scenes_of
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.name_escaping import storable


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
    """Draw an agent's choices on a test, and whether each is a catastrophe.

    Each draw is one deployment over all scenes: a hypothesis for the agent (from its weights, for policies that draw one),
    a true hypothesis from the judge's weights, and an option for each scene.

    Returns
    -------
    DataTree
        ArviZ's ``predictions``: ``option`` (-1 for abstaining) and ``catastrophe``, over (chain, draw, scene).
        ``predictions_constant_data``: the test. Its attribute ``columns`` names columns whose names are escaped there, such as
        ``km%2Fh``.
    """
    draws = whole(draws, "draws", 1)
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    case.valuation.hypotheses.refuse_spaces("rh.predict")
    seed = int(tree.attrs["seed"]) if random_seed is None else whole(random_seed, "random_seed")
    rng = substream(seed, "predictions")
    posterior, n_scenes = case.posterior, case.valuation.n_scenes
    truths = rng.choice(len(posterior.weights), draws, p=posterior.weights)
    if case.policy.draws_one:
        taken = rng.choice(len(case.agent_weights), draws, p=case.policy.mixing(case.agent_weights))
    else:
        taken = np.zeros(draws, int)
    agents_member = _members(case.valuation, taken, "agents", rng)
    judges_member = _members(case.valuation, truths, "judges", rng)
    option = np.empty((draws, n_scenes), np.int64)
    bad = np.zeros((draws, n_scenes), bool)
    for scenes in scenes_of(case.valuation, case.policy):
        columns = np.arange(scenes.block.lo, scenes.block.hi)
        for i, member, rows in _alike(taken, agents_member):
            below = np.cumsum(_choices(case, scenes, i, member), axis=0)
            u = rng.random((len(rows), len(columns))) * below[-1]
            pick = (u[:, None, :] >= below[None, :-1]).sum(axis=1)
            option[np.ix_(rows, columns)] = np.where(pick == scenes.n_options, -1, pick)
        for j, member, rows in _alike(truths, judges_member):
            picked = option[np.ix_(rows, columns)]
            worse = _worse(scenes.block, j, member)
            if j == posterior.hypotheses.unmodelled:  # only a probability is known
                worse = rng.random((len(rows), *worse.shape)) < worse
                drawn = worse[np.arange(len(rows))[:, None], picked, np.arange(len(columns))]
                bad[np.ix_(rows, columns)] = drawn & (picked >= 0)
                continue
            worse = np.vstack([worse, np.zeros((1, len(columns)), bool)])  # the last row: abstaining, -1
            bad[np.ix_(rows, columns)] = worse[picked, np.arange(len(columns))]
    table = case.valuation.table  # from places among the available options to positions in the scene
    place = np.maximum(option, 0) + table.starts[:-1]
    option = np.where(option < 0, -1, table.positions[place])
    coords = {"chain": [0], "draw": np.arange(draws), "scene": case.scene_coordinate()}
    dims = ("chain", "draw", "scene")
    predictions = xr.Dataset({"option": (dims, option[None]), "catastrophe": (dims, bad[None])}, coords=coords)
    return xr.DataTree.from_dict(
        {"predictions": predictions, "predictions_constant_data": storable(table.to_dataset())}
    )


def _alike(hypotheses: np.ndarray, members: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield each drawn pair of hypothesis and member, with the draws of the pair.

    The draws are indices, shape (draw,).
    """
    for h, member in sorted(set(zip(hypotheses.tolist(), members.tolist(), strict=True))):
        yield h, member, np.flatnonzero((hypotheses == h) & (members == member))


def _choices(case: Case, scenes: Scenes, h: int, member: int) -> np.ndarray:
    """Return the choices (choice, scene) of an agent that follows a hypothesis.

    Parameters
    ----------
    member : int
        Member of a linear family; -1 for a fixed reward.
    """
    policy, view = case.policy, scenes.view(case.policy)
    if not policy.draws_one:
        return scenes.acts(policy, case.agent_weights)
    if member < 0:
        return np.asarray(policy.certain(view, h), float)
    members = scenes.block.members(h, "agents", slice(member, member + 1))
    return np.asarray(policy.certain_each(view, members)[0], float)


def _worse(block: Block, h: int, member: int) -> np.ndarray:
    """Return which options (option, scene) are worse than failing if `h` is true.

    Parameters
    ----------
    member : int
        Member of a linear family; -1 for a fixed reward.
    """
    return block.worse(h) if member < 0 else block.worse_each(block.members(h, "judges", slice(member, member + 1)))[0]


def _members(valuation: Valuation, drawn: np.ndarray, role: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a family member for each drawn hypothesis: shape (draw,).

    The member of a fixed reward is -1.
    """
    out = np.full(len(drawn), -1)
    for h in valuation.families:
        rows = np.flatnonzero(drawn == h)
        out[rows] = rng.integers(valuation.n_draws(h, role), size=len(rows))
    return out
