"""The matrix of a whole rule space, of few behaviours: exact, or with bounds."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import RuleChoices, shares_of
from reward_hypotheses.models.rule_space.outcomes.limit import by_count, judged_groups, rule_spreads
from reward_hypotheses.models.rule_space.outcomes.pairs import CELLS, Behaviours, rule_matrix
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Alike, Scenes
from reward_hypotheses.models.rule_space.outcomes.silence import NamedRules
from reward_hypotheses.models.rule_space.space import RuleSpace


def rule_risks(
    space: RuleSpace,
    rules: NamedRules,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    agent: RuleChoices,
    judge: RuleChoices,
    compiled: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the risk by rule of the agent, and by true rule.

    Parameters
    ----------
    agent, judge : RuleChoices
        By the weights of agent and judge, over all rules.

    Returns
    -------
    by_agent, by_truth : ndarray (rule,)
        ``sum_j C_ij v_j`` and ``sum_i w_i C_ij``.
    """
    bad = stakes.bad(judge.approved, judge.weight, scenes)
    spread = rule_spreads(space, rules, scenes, compiled) if acting.beta is not None else None
    h = len(rules)
    by_agent, by_truth = np.zeros((2, h))
    for group, high, low in judged_groups(scenes, acting, stakes):
        n = group.n_options
        if not n:
            continue
        inside, outside = by_count(acting.odds(group.key, spread), n)
        row = np.arange(h)[:, None] if len(inside) > 1 else np.zeros((h, 1), int)
        share = shares_of(group, scenes)
        first = _first(group)
        worse, taken = (x[group.option[:, first], group.scene[first]] * share for x in (bad, agent.chosen))
        step = max(CELLS // (h * n), 1)
        for lo in range(0, group.n_distinct, step):
            at = slice(lo, lo + step)
            approve = rules.approve(space, group.columns[:, :, at])
            count = approve.sum(axis=1)
            chosen = np.where(approve, inside[row, count][:, None], outside[row, count][:, None])
            by_agent += np.einsum("hox,ox->h", chosen, worse[:, at])
            by_truth += low * taken[:, at].sum() + (high - low) * np.einsum("hox,ox->h", approve, taken[:, at])
    return by_agent, by_truth


def _first(group: Alike) -> np.ndarray:
    """Return the place, in the group, of the first scene of each distinct one."""
    out = np.zeros(group.n_distinct, np.int64)
    out[group.distinct[::-1]] = np.arange(len(group.scene))[::-1]
    return out


@dataclass(frozen=True, eq=False)
class Lumped:
    """Matrices of behaviours, the last being all that are not listed.

    Bits of human values lie between those of the matrices: in `least` the behaviours that are not listed are never
    catastrophic, as agent or as truth; in `mean` they are drawn by their weights, as agent and as truth, which no agent
    must do. Where nothing is lumped, the two are equal and the bits exact.

    Attributes
    ----------
    least, mean : ndarray (agent behaviour, true behaviour)
    agent, judge : ndarray (behaviour,)
        Weights, adding up to 1.
    exact : bool
        Whether every behaviour is listed, which leaves out the last.
    """

    least: np.ndarray
    mean: np.ndarray
    agent: np.ndarray
    judge: np.ndarray
    exact: bool


def lumped_matrix(
    space: RuleSpace,
    some: Behaviours,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    agent: RuleChoices,
    judge: RuleChoices,
) -> Lumped:
    """Return the matrix of a rule space, with unlisted behaviours as one.

    ``w' C v`` of `mean` is the risk.

    Parameters
    ----------
    some : Behaviours
        Those listed.
    agent, judge : RuleChoices
        By the weights of agent and judge, over all rules.
    """
    matrix = rule_matrix(space, some.rules, scenes, acting, stakes)
    p, v = np.append(some.agent, max(some.rest[0], 0.0)), np.append(some.judge, max(some.rest[1], 0.0))
    p, v = p / p.sum(), v / v.sum()
    if max(some.rest) <= 0:
        return Lumped(matrix, matrix, p[:-1], v[:-1], True)
    least = np.pad(matrix, (0, 1))
    by_agent, by_truth = rule_risks(space, some.rules, scenes, acting, stakes, agent, judge)
    bad = stakes.bad(judge.approved, judge.weight, scenes)
    risk = scenes.mean((agent.chosen * bad).sum(axis=0))
    mean = least.copy()
    if p[-1] > 0:
        mean[-1, :-1] = (by_truth - p[:-1] @ matrix) / p[-1]
    if v[-1] > 0:
        mean[:-1, -1] = (by_agent - matrix @ v[:-1]) / v[-1]
    if p[-1] * v[-1] > 0:
        rest = risk - p[:-1] @ by_agent - by_truth @ v[:-1] + p[:-1] @ matrix @ v[:-1]
        mean[-1, -1] = rest / (p[-1] * v[-1])
    return Lumped(least, np.clip(mean, 0.0, 1.0), p, v, False)
