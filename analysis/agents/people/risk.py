"""The risk by each rater's own reward: by rater, by group, of the worst-off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.rollout import Scenes, over_scenes, scene_weights
from reward_hypotheses.models.hypotheses.fitted_family import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.weights.raters.draws import RaterDraws

WORST_OFF = 0.1
HARMED = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
"""Shares of people: in how many scenes is the outcome a catastrophe for at least as many?"""
LEAST, MOST, WORK = 50, 200, 1_000_000_000  # joint draws of raters; values of options that they may take
CELLS = 4_000_000  # values of options that a block holds


@dataclass(frozen=True, eq=False)
class PeopleRisk:
    """The risk of an agent by the rewards of the raters, draw by draw.

    Attributes
    ----------
    people : RaterDraws
    by_rater : ndarray (draw, rater)
        Catastrophe risk by the reward of each rater.
    harmed : ndarray (draw, share)
        Share of the scenes in which the outcome is a catastrophe for at least that share of the raters.
    by_scene : ndarray (scene,)
        Mean share of the raters for whom the outcome is a catastrophe.
    """

    people: RaterDraws
    by_rater: np.ndarray
    harmed: np.ndarray
    by_scene: np.ndarray

    @property
    def by_group(self) -> np.ndarray:
        """Mean risk over the raters of each group: (draw, group)."""
        groups = range(max(1, len(self.people.groups)))
        return np.stack([self.by_rater[:, self.people.group_of == g].mean(axis=1) for g in groups], axis=1)

    @property
    def everyone(self) -> np.ndarray:
        """Mean risk over all raters: (draw,)."""
        return np.asarray(self.by_rater.mean(axis=1))

    def worst_off(self, share: float) -> np.ndarray:
        """Return the mean risk of a share of raters, the worst served: (draw,)."""
        n = max(1, round(share * self.by_rater.shape[1]))
        return np.asarray(np.sort(self.by_rater, axis=1)[:, -n:].mean(axis=1))

    def error(self, values: np.ndarray) -> np.ndarray:
        """Return the Monte Carlo error of the mean of draws (draw, ...)."""
        n = min(len(values), self.people.ess) if np.isfinite(self.people.ess) else len(values)
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(max(n, 1.0)))


def risk_of_people(case: Case, shares: Sequence[float] = HARMED) -> PeopleRisk:
    """Compute the risk by each rater's own reward.

    ``by_rater_ir = mean_m sum_o A[m, o] [r_ir(m, o) < u_ir]``, over joint draws i of what raters want; A is the agent's choices,
    which do not depend on who judges them.
    """
    people = case.posterior.people
    assert people is not None
    raters, items = people.follows.shape[1], case.valuation.table.n_items
    n = int(np.clip(WORK // max(raters * items, 1), LEAST, MOST))
    rows = np.unique(np.linspace(0, people.n - 1, min(n, people.n)).astype(int))
    follows = people.follows[rows]
    weights = {h: of[rows].reshape(-1, of.shape[-1]) for h, of in people.weights.items()}
    test = _valued(case, weights)
    weight, total = scene_weights(test)
    by_rater, by_scene = np.zeros(follows.shape), np.empty(test.n_scenes)
    reached = np.zeros((len(rows), len(shares)))

    def work(scenes: Scenes) -> tuple[slice, np.ndarray, np.ndarray]:
        block = scenes.block
        acts = scenes.acts(case.policy, case.agent_weights)[: scenes.n_options]
        out = np.zeros((*follows.shape, block.shape[1]))
        for h in range(case.posterior.weights.size):
            mine = follows == h
            if not mine.any():
                continue
            if h not in weights:
                out[mine] = (acts * block.worse(h)).sum(axis=0)
                continue
            drawn = np.flatnonzero(mine.ravel())
            for part in np.array_split(drawn, max(1, len(drawn) * acts.size // CELLS)):
                worse = block.worse_each(block.members(h, "judges", part))
                out.reshape(-1, block.shape[1])[part] = np.einsum("dom,om->dm", worse, acts, optimize=True)
        return block.scenes, out @ scenes.mass, out.mean(axis=1)

    for scenes, of_raters, harmed in over_scenes(test, work, case.policy, items=max(64, CELLS // follows.size)):
        by_rater += of_raters
        by_scene[scenes] = harmed.mean(axis=0)
        share = weight[scenes] / total
        reached += np.stack([(harmed >= q - 1e-12) @ share for q in shares], axis=1)
    return PeopleRisk(people, np.clip(by_rater / total, 0.0, 1.0), np.clip(reached, 0.0, 1.0), by_scene)


def _valued(case: Case, weights: dict[int, np.ndarray]) -> Valuation:
    """Return the test with the rewards of raters as what is true."""
    test = case.valuation
    own: dict[int, Any] = {}
    for h, drawn in weights.items():
        reward = test.hypotheses.rewards[h]
        assert isinstance(reward, Drawn)
        own[h] = replace(reward, judges=drawn / case.posterior.families[h].scale)
    return Valuation(test.hypotheses.instead(own), test.table, test.line, test.agent_line) if own else test
