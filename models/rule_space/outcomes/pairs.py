"""Pairs of rules that the test alone tells apart, and labels that would."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import shares_of
from reward_hypotheses.models.rule_space.outcomes.limit import by_count, judged_groups, rule_spreads
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes, distinct_columns
from reward_hypotheses.models.rule_space.outcomes.silence import Classes, NamedRules, Signatures
from reward_hypotheses.models.rule_space.space import RuleSpace

CELLS = 1 << 24  # of a rule and an option, at once


@dataclass(frozen=True, eq=False)
class Behaviours:
    """Rules by what they approve on a test, the judge's heaviest first.

    Attributes
    ----------
    rules : NamedRules
        The heaviest rule of each behaviour, by agent and judge together.
    agent, judge : ndarray (behaviour,)
        Weights of the rules that behave so.
    n_rules : ndarray of int64 (behaviour,)
    rest : (float, float)
        Weights of all other behaviours, by agent and judge.
    """

    rules: NamedRules
    agent: np.ndarray
    judge: np.ndarray
    n_rules: np.ndarray
    rest: tuple[float, float]

    def __len__(self) -> int:
        return len(self.rules)


def real_items(scenes: Scenes) -> np.ndarray:
    """Return the distinct options that an agent can choose: bool (K, item)."""
    items = scenes.columns[:, scenes.choices]
    return items[:, distinct_columns(items)[0]]


def _heaviest(weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the place of the largest weight of each stretch, the first of equal ones."""
    if len(start) < 2:
        return np.zeros(0, np.int64)
    weights = weights[: start[-1]]
    top = np.repeat(np.maximum.reduceat(weights, start[:-1]), np.diff(start))
    at = np.flatnonzero(weights == top)
    return at[np.searchsorted(at, start[:-1])]


def rule_matrix(
    space: RuleSpace, rules: NamedRules, scenes: Scenes, acting: Acting, stakes: Stakes, compiled: bool = False
) -> np.ndarray:
    """Return ``C_ij``, the risk of an agent certain of i if j is true: (rule, rule).

    Costs O(rules^2 scenes): for some hundreds or thousands of rules.
    """
    h = len(rules)
    out = np.zeros((h, h))
    spread = rule_spreads(space, rules, scenes, compiled) if acting.beta is not None else None
    for group, high, low in judged_groups(scenes, acting, stakes):
        n = group.n_options
        if not n or high == low == 0:
            continue
        inside, outside = by_count(acting.odds(group.key, spread), n)
        row = np.arange(h)[:, None] if len(inside) > 1 else np.zeros((h, 1), int)
        share = shares_of(group, scenes)
        step = max(CELLS // (h * n), 1)
        for lo in range(0, group.n_distinct, step):
            approve = rules.approve(space, group.columns[:, :, lo : lo + step])
            count = approve.sum(axis=1)
            a, z = inside[row, count] * share[lo : lo + step], outside[row, count] * share[lo : lo + step]
            chosen = np.where(approve, a[:, None], z[:, None]).reshape(h, -1)
            out += low * chosen.sum(axis=1)[:, None]
            out += (high - low) * (chosen @ approve.reshape(h, -1).T.astype(float))
    return np.clip(out, 0.0, 1.0)


def within_class(classes: Classes, which: int, signatures: Signatures, most: int) -> Behaviours:
    """Return the behaviours of one silent class, its heaviest by agent and judge.

    The agent's weights are normalised within the class; the judge's are not.

    Parameters
    ----------
    signatures : Signatures
        Of the test's options.
    """
    at = classes.members(which)
    p, v = classes.within[at], classes.judge[at]
    signed = signatures.of(classes.rules[at])
    _, of = np.unique(signed, axis=1, return_inverse=True)
    of = of.reshape(-1)
    agent, judge, n_rules = np.bincount(of, p), np.bincount(of, v), np.bincount(of)
    whole = max(float(v.sum()), 1e-300)
    order = np.argsort(-(agent + judge / whole), kind="stable")[:most]
    by = np.argsort(of, kind="stable")
    start = np.concatenate([[0], np.cumsum(n_rules)])
    first = by[_heaviest((p + v / whole)[by], start)] + at.start
    rest = (max(1.0 - float(agent[order].sum()), 0.0), max(float(v.sum() - judge[order].sum()), 0.0))
    return Behaviours(classes.rules[first[order]], agent[order], judge[order], n_rules[order], rest)


@dataclass(frozen=True, eq=False)
class DangerousPairs:
    """Pairs of behaviours that agree in training and differ on the test.

    The largest first.

    Attributes
    ----------
    agent, truth : NamedRules
        The heaviest rule of each behaviour.
    which : ndarray of int64 (pair,)
        The silent class.
    left : ndarray (pair,)
        ``p_i v_j C_ij``, p normalised in the class: the part of the limit.
    risk : ndarray (pair,)
        ``w_i v_j C_ij``, the part of the risk as it is.
    rate : ndarray (pair,)
        ``C_ij``, how often the agent's choice is a catastrophe if the true rule is true.
    n_agent, n_truth : ndarray of int64 (pair,)
        Number of rules that behave so in the class.
    complete : float
        No pair that is not listed leaves more than this.
    """

    agent: NamedRules
    truth: NamedRules
    which: np.ndarray
    left: np.ndarray
    risk: np.ndarray
    rate: np.ndarray
    n_agent: np.ndarray
    n_truth: np.ndarray
    complete: float


def dangerous_pairs(
    classes: Classes,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    n: int = 20,
    most: int = 1024,
    n_classes: int = 100,
) -> DangerousPairs:
    """Return the pairs of behaviours that leave the most risk within silent classes.

    Classes are visited by falling weight, until no pair of the next can be among the n largest.

    Parameters
    ----------
    most : int, optional
        Behaviours of a class of which a matrix is made.
    n_classes : int, optional
        The most classes that are visited.
    """
    signatures = Signatures(classes.space, real_items(scenes))
    mass, agent_mass = classes.mass(classes.judge), classes.mass(classes.agent)
    rows: list[tuple[np.ndarray, ...]] = []
    left = np.zeros(0)
    unseen = 0.0
    for c in range(len(classes)):
        least = float(np.sort(left)[-n]) if len(left) >= n else 0.0
        if mass[c] <= least or c == n_classes:
            unseen = max(unseen, float(mass[c]))
            break
        some = within_class(classes, c, signatures, most)
        unseen = max(unseen, some.rest[0] * float(mass[c]), some.rest[1])
        if len(some) < 2:
            continue
        rate = rule_matrix(classes.space, some.rules, scenes, acting, stakes)
        np.fill_diagonal(rate, 0.0)
        of = some.agent[:, None] * rate * some.judge
        best = np.argsort(-of, axis=None, kind="stable")[:n]
        i, j = np.unravel_index(best[of.ravel()[best] > 0], of.shape)
        a, t = some.rules[i], some.rules[j]
        of_class = (
            of[i, j],
            of[i, j] * agent_mass[c],
            rate[i, j],
            some.n_rules[i],
            some.n_rules[j],
            np.full(len(i), c),
        )
        rows.append((*of_class, a.size, a.place, a.table, t.size, t.place, t.table))
        left = np.concatenate([left, of[i, j]])
    if not rows:
        rows = [tuple(np.zeros(0) if k < 3 else np.zeros(0, np.int64) for k in range(12))]
    joined = [np.concatenate(x) for x in zip(*rows, strict=True)]
    order = np.argsort(-joined[0], kind="stable")[:n]
    left, risk, rate, n_agent, n_truth, which, *names = (x[order] for x in joined)
    complete = max(unseen, float(left[-1]) if len(left) == n else 0.0)
    return DangerousPairs(
        NamedRules(*names[:3]), NamedRules(*names[3:]), which, left, risk, rate, n_agent, n_truth, complete
    )


@dataclass(frozen=True, eq=False)
class TellingLabels:
    """What a correct label of each item would do to one silent class.

    Attributes
    ----------
    items : ndarray of bool (K, item)
        The distinct options of the test.
    approve : ndarray (item,)
        The judge's weight, within the class, of the rules that approve the item.
    left : ndarray (item,)
        Expected risk left in the class after the label, of `before`.
    before : float
    """

    items: np.ndarray
    approve: np.ndarray
    left: np.ndarray
    before: float


def labels_within_class(
    classes: Classes, which: int, scenes: Scenes, acting: Acting, stakes: Stakes, most: int = 512
) -> TellingLabels:
    """Return what a correct label of each option would leave of a silent class.

    A label splits the class S into the rules that approve the item and the others; what is left is
    ``sum_parts sum_{i, j in part} p_i v_j C_ij``, p normalised within each part (uniform over rules where the agent gives
    the part no weight). The best label to ask for has the least.

    Parameters
    ----------
    most : int, optional
        Behaviours of the class that are compared, the heaviest.
    """
    items = real_items(scenes)
    some = within_class(classes, which, Signatures(classes.space, items), most)
    rate = rule_matrix(classes.space, some.rules, scenes, acting, stakes)
    approve = some.rules.approve(classes.space, items)  # (behaviour, item)
    kinds, of = distinct_columns(approve)
    left = np.zeros(len(kinds))
    for side in (approve[:, kinds].T, ~approve[:, kinds].T):
        p = side * some.agent
        p = np.where(p.sum(axis=1, keepdims=True) > 0, p, side * some.n_rules.astype(float))
        p /= np.maximum(p.sum(axis=1, keepdims=True), 1e-300)
        left += ((p @ rate) * (side * some.judge)).sum(axis=1)
    v = some.judge / max(float(some.judge.sum()), 1e-300)
    before = float(some.agent / max(float(some.agent.sum()), 1e-300) @ rate @ some.judge)
    return TellingLabels(items, v @ approve, left[of], before)
