"""Spaces of rules as lists of behaviours, for bits of human values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.rule_space.family.fitted import RulesOnTest
from reward_hypotheses.models.rule_space.outcomes.limit import by_count, judged_groups, rule_spreads
from reward_hypotheses.models.rule_space.outcomes.pairs import real_items
from reward_hypotheses.models.rule_space.outcomes.silence import NamedRules, silent_classes

MOST = 4096
"""Behaviours that are listed."""
CELLS = 1 << 23
"""Of a behaviour and an option, at once."""
WORK = 4e10
"""Behaviours squared times options of the test."""


@dataclass(frozen=True, eq=False)
class Unfolded:
    """Hypotheses with the rules of their spaces by what they approve of on a test.

    Attributes
    ----------
    matrix : ndarray (row, row)
        ``C_ij``, the risk of an agent that follows row i if row j is true. A row is a listed hypothesis, a behaviour of a
        space, or the rules of a space that are not listed by behaviour, drawn by their weights.
    least : ndarray (row, row)
        The same, with 0 where a row stands for rules that are not listed.
    hypothesis : ndarray of int (row,)
    share : ndarray (row,)
        Weight of the row within its hypothesis.
    """

    matrix: np.ndarray
    least: np.ndarray
    hypothesis: np.ndarray
    share: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether every behaviour is listed."""
        return self.matrix is self.least

    def over_rows(self, weights: np.ndarray) -> np.ndarray:
        """Return weights of hypotheses as weights of rows: (..., row)."""
        return np.asarray(weights[..., self.hypothesis] * self.share)

    def log_over_rows(self, log_weights: np.ndarray) -> np.ndarray:
        """Return log weights of hypotheses as log weights of rows: (row,)."""
        with np.errstate(divide="ignore"):
            return np.asarray(log_weights[self.hypothesis] + np.log(self.share))


@dataclass(frozen=True, eq=False)
class _Space:
    """Behaviours of a space: a rule each, their weights, and that of all others."""

    h: int
    reward: RulesOnTest
    rules: NamedRules
    share: np.ndarray
    rest: float
    spread: np.ndarray | None


def unfolded(valuation: Valuation, policy: Policy, hypotheses: Sequence[int], most: int = MOST) -> Unfolded:
    """Return some hypotheses of a test, the rules of their spaces by behaviour.

    Parameters
    ----------
    policy : Policy
        That draws one hypothesis by its weight.
    hypotheses : sequence of int
        Positions among those of the test.
    most : int, optional
        Behaviours of all spaces that are listed; of more, the heaviest.
    """
    most = max(1, min(most, int((WORK / max(valuation.table.n_items, 1)) ** 0.5)))
    spaces = [h for h in hypotheses if isinstance(valuation.hypotheses.rewards[h], RulesOnTest)]
    listed = [h for h in hypotheses if h not in spaces]
    whole = Block(valuation, 0, valuation.n_scenes)
    found = [_behaviours(whole, policy, h, most // len(spaces)) for h in spaces]
    rows = [(h, 1.0) for h in listed]
    open_rows: list[int] = []
    for space in found:
        rows += [(space.h, share) for share in space.share.tolist()]
        if space.rest > 0:
            open_rows.append(len(rows))
            rows.append((space.h, space.rest))
    matrix = _matrix(valuation, policy, listed, found, len(rows))
    least = matrix
    if open_rows:
        least = matrix.copy()
        least[open_rows] = 0.0
        least[:, open_rows] = 0.0
    of, share = zip(*rows, strict=True)
    place = {h: k for k, h in enumerate(hypotheses)}
    return Unfolded(matrix, least, np.array([place[h] for h in of]), np.array(share))


def _behaviours(made: Block, policy: Policy, h: int, most: int) -> _Space:
    reward = made.valuation.hypotheses.rewards[h]
    assert isinstance(reward, RulesOnTest)
    space, weights, scenes = reward.fitted.literals.space, reward.fitted.weights, reward.scenes(made)
    classes = silent_classes(space, weights, weights, real_items(scenes))
    mass = classes.mass(classes.judge)
    n = min(most, len(mass))
    rules = classes.rules[classes.start[:n]]
    acting = reward.acting(made, policy, h)
    spread = rule_spreads(space, rules, scenes, False) if acting.beta is not None else None
    return _Space(h, reward, rules, mass[:n], float(mass[n:].sum()) + classes.dropped[1], spread)


def _matrix(
    valuation: Valuation, policy: Policy, listed: Sequence[int], spaces: Sequence[_Space], n_rows: int
) -> np.ndarray:
    out = np.zeros((n_rows, n_rows))
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    widest = Block(valuation, 0, 1).shape[0]
    share = valuation.table.scene_weights()
    share = np.full(valuation.n_scenes, 1.0 / valuation.n_scenes) if share is None else share / np.sum(share)
    step = max(1, CELLS // (n_rows * max(widest, 1)))
    for lo in range(0, valuation.n_scenes, step):
        made = Block(valuation, lo, min(lo + step, valuation.n_scenes))
        view = View(made, policy.abstain, scales)
        options, n_scenes = made.shape
        acts, bad = np.zeros((2, n_rows, options, n_scenes))
        for row, h in enumerate(listed):
            acts[row] = policy.chances(view, h)[:options]
            bad[row] = made.worse(h)
        at = len(listed)
        for space in spaces:
            n = len(space.rules)
            _of_rules(made, policy, space, acts[at : at + n], bad[at : at + n])
            if space.rest > 0:
                every = policy.chances(view, space.h)[:options], made.worse(space.h)
                for of_row, whole in zip((acts, bad), every, strict=True):
                    some = np.tensordot(space.share, of_row[at : at + n], axes=1)
                    of_row[at + n] = np.clip((whole - some) / space.rest, 0.0, 1.0)
            at += n + (space.rest > 0)
        of_scenes = share[lo : lo + n_scenes]
        out += (acts * of_scenes).reshape(n_rows, -1) @ bad.reshape(n_rows, -1).T
    return np.clip(out, 0.0, 1.0)


def _of_rules(made: Block, policy: Policy, space: _Space, acts: np.ndarray, bad: np.ndarray) -> None:
    """Write what an agent by each rule chooses, and what is bad if it is true."""
    scenes, of = space.reward.scenes(made), space.reward.fitted.literals.space
    acting, stakes = space.reward.acting(made, policy, space.h), space.reward.stakes(made, space.h)
    rules = np.arange(len(space.rules))[:, None]
    for group, high, low in judged_groups(scenes, acting, stakes):
        n = group.n_options
        if not n:
            continue
        inside, outside = by_count(acting.odds(group.key, space.spread), n)
        row = rules if len(inside) > 1 else np.zeros_like(rules)
        approve = space.rules.approve(of, group.columns[:, :, group.distinct])
        count = approve.sum(axis=1)
        chosen = np.where(approve, inside[row, count][:, None], outside[row, count][:, None])
        acts[:, group.option, group.scene] = chosen
        bad[:, group.option, group.scene] = np.where(approve, high, low)
