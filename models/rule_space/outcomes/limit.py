"""The risk that endless training leaves, within silent classes of rules."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import in_threads
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.rule_space.outcomes.acting import Acting, Odds
from reward_hypotheses.models.rule_space.outcomes.choices import SMALL, expected, shares_of, spreads
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Alike, Scenes, as_masks
from reward_hypotheses.models.rule_space.outcomes.silence import Classes, NamedRules
from reward_hypotheses.models.rule_space.space import RuleSpace

BUDGET = 1e9
"""Pairs of a rule and an option that are gone through, about 1e9 a second."""
NEGLIGIBLE = 1e-13
"""Weight of classes that are neither gone through nor drawn."""
DRAWS = 400_000
SLAB = 512  # distinct scenes at a time
TABLES = 1 << 22


@dataclass(frozen=True, eq=False)
class RuleLimit:
    """The risk that endless training of one kind leaves.

    ``sum_S v(S) sum_{i, j in S} p_i v_j C_ij`` over silent classes S, p and v the agent's and judge's weights within S.
    The classes that are heaviest by the judge are exact; the others are drawn, or bounded by their weight.

    Attributes
    ----------
    mean : float
        The limit; where nothing was drawn, what the exact classes leave.
    alone : float
        Its part with ``i = j``, which silence does not cause.
    mcse : float
        Monte Carlo error of `mean`; 0 where nothing was drawn. ``mcse_alone`` of `alone`.
    lower, upper : float
        Bounds that hold without draws.
    rest : float
        The judge's weight of the classes that are not exact.
    by_class : ndarray (exact class, 2)
        Risk left in each exact class, and its part with ``i = j``.
    groups : ndarray (group, 2)
        The means of groups of draws, from which the Monte Carlo error of what depends on the limit follows; none where
        nothing was drawn.
    """

    mean: float
    alone: float
    mcse: float
    mcse_alone: float
    lower: float
    upper: float
    rest: float
    by_class: np.ndarray
    groups: np.ndarray

    def by_groups(self, share: np.ndarray) -> tuple[float, float]:
        """Return the limit and its part with ``i = j`` by other weights of groups."""
        if not len(self.groups):
            return self.mean, self.alone
        mean, alone = (self.rest * (share @ self.groups - self.groups.mean(axis=0))).tolist()
        return self.mean + mean, self.alone + alone


def limit(
    classes: Classes,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    *,
    policy: str = "commit",
    budget: float = BUDGET,
    draws: int = DRAWS,
    n_groups: int = 20,
    seed: int = 0,
    compiled: bool | None = None,
) -> RuleLimit:
    """Return the risk that endless training leaves.

    Parameters
    ----------
    classes : Classes
        Of the training items, by the agent's own weights.
    policy : {"commit", "most_probable", "expected"}, optional
        Whether the agent draws a rule, takes its most probable one, or maximises the mean reward, in the true class. By
        mean rewards no class is drawn, and `alone` is what classes of one rule leave.
    budget : float, optional
        Pairs of a rule and an option for the exact classes.
    draws : int, optional
        Draws of a true rule, a rule of the agent from its class, and a scene, for the other classes. 0: bounds alone.
    n_groups : int, optional
        Groups of draws whose means are kept.
    """
    items = max(scenes.shape[0] * scenes.shape[1], 1)
    cost = np.cumsum(classes.size * float(items))
    n = int(np.searchsorted(cost, budget, side="right"))
    mass = classes.mass(classes.judge)
    after = mass.sum() - np.cumsum(mass)
    n = min(n, int(np.count_nonzero(after > NEGLIGIBLE)) + 1)
    if compiled is None:
        compiled = bool(n and cost[n - 1] > SMALL)
    p = classes.most_probable if policy == "most_probable" else classes.within
    if policy == "expected":
        by_class, draws = expected_risks(classes, n, scenes, acting, stakes), 0
    else:
        by_class = class_risks(classes, n, p, scenes, acting, stakes, compiled)
    rest = float(mass[n:].sum())
    exact, alone = by_class.sum(axis=0).tolist()
    moved = _moved(classes.mass(classes.agent)[:n], mass[:n], classes.dropped[0])
    lower, upper = max(exact - moved, 0.0), exact + moved + classes.dropped[1]
    mean, error, error_alone, groups = exact, 0.0, 0.0, np.zeros((0, 2))
    if rest > NEGLIGIBLE and draws:
        drawn = _drawn(classes, n, p, scenes, acting, stakes, draws, seed, compiled)
        means, errors = drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(draws)
        groups = np.array([some.mean(axis=0) for some in np.array_split(drawn, n_groups)])
        mean, alone = exact + rest * float(means[0]), alone + rest * float(means[1])
        error, error_alone = (rest * errors).tolist()
    return RuleLimit(mean, alone, error, error_alone, lower, min(upper + rest, 1.0), rest, by_class, groups)


def _moved(agent: np.ndarray, judge: np.ndarray, dropped: float) -> float:
    """Bound by how much rules of the agent that are not held can move the limit.

    The largest ``sum_S v(S) d_S / (p(S) + d_S)`` with ``sum_S d_S`` at most the weight dropped: a concave program, whose
    dual is a bound at every multiplier.
    """
    if not dropped > 0:
        return 0.0
    unheld = float(judge[agent <= 0].sum())
    p, v = agent[agent > 0], judge[agent > 0]
    if not (v > 0).any():
        return unheld
    low, high = -700.0, float(np.log((v / p).max()))
    least = float(v.sum())
    for _ in range(60):
        multiplier = np.exp(at := (low + high) / 2)
        d = np.maximum(np.sqrt(v * p / multiplier) - p, 0.0)
        least = min(least, float((v * d / (p + d)).sum() + multiplier * (dropped - d.sum())))
        low, high = (at, high) if d.sum() > dropped else (low, at)
    return unheld + least


def class_risks(
    classes: Classes, n: int, p: np.ndarray, scenes: Scenes, acting: Acting, stakes: Stakes, compiled: bool = False
) -> np.ndarray:
    """Return the risk within the first n classes, and its part with ``i = j``: (n, 2).

    ``sum_{i, j in S} p_i v_j C_ij``.

    p is normalised within the class, v is not.

    Parameters
    ----------
    p : ndarray (rule,)
        The probability that each rule is drawn in its class.
    """
    start = classes.start[: n + 1]
    rules, p, v = classes.rules[: start[-1]], p[: start[-1]], classes.judge[: start[-1]]
    spread = rule_spreads(classes.space, rules, scenes, compiled) if acting.beta is not None else None
    members, tables = rules.members(classes.space), rules.table.astype(np.uint32)
    out = np.zeros((n, 2))
    for group, high, low in judged_groups(scenes, acting, stakes):
        if not (group.n_options and n):
            continue
        inside, outside = by_count(acting.odds(group.key, spread), group.n_options)
        mass = shares_of(group, scenes)
        if not compiled:
            out += _summed(classes.space, rules, start, p, v, group, mass, inside, outside, high, low)
            continue
        from reward_hypotheses.models.rule_space.outcomes import kernels

        def work(
            lo: int,
            columns: np.ndarray = group.columns,
            mass: np.ndarray = mass,
            rest: tuple[np.ndarray, ...] = (members, tables, p, v, inside, outside),
            levels: tuple[float, float] = (high, low),
        ) -> np.ndarray:
            some = as_masks(columns[:, :, lo : lo + SLAB], 0)
            of = [np.full(some.shape[2], level) for level in levels]
            sums = np.zeros((n, 2))
            arguments = (some, *rest, start, *of, mass[lo : lo + SLAB], sums)
            kernels.add_classes(*arguments)
            return sums

        for sums in in_threads(work, range(0, group.n_distinct, SLAB)):
            out += sums
    return out


def expected_risks(classes: Classes, n: int, scenes: Scenes, acting: Acting, stakes: Stakes) -> np.ndarray:
    """Return the risk, by class, of an agent that maximises the mean reward.

    Shape (n, 2): ``sum_{j in S} v_j K_j`` of its choices, and the same in classes of one rule alone.
    """
    start, p, v = classes.start, classes.within, classes.judge
    out = np.zeros((n, 2))
    size = max(scenes.shape[0] * scenes.shape[1], 1)
    for c in range(n):
        at = classes.members(c)
        approved = np.zeros((2, *scenes.shape))
        for lo in range(at.start, at.stop, step := max(TABLES // size, 1)):
            some = slice(lo, min(lo + step, at.stop))
            approve = classes.rules[some].approve(classes.space, scenes.columns)
            approved += np.tensordot(np.stack([p[some], v[some]]), approve, 1)
        chosen = expected(approved[0], scenes, acting.reward, acting.failing)
        out[c, 0] = scenes.mean((chosen * stakes.bad(approved[1], float(v[at].sum()), scenes)).sum(axis=0))
    out[:, 1] = np.where(np.diff(start[: n + 1]) == 1, out[:, 0], 0.0)
    return out


def judged_groups(scenes: Scenes, acting: Acting, stakes: Stakes) -> list[tuple[Alike, float, float]]:
    """Return scenes that share odds and stakes.

    With whether approved and rejected options are catastrophes there.
    """
    m = scenes.shape[1]
    keys = acting.keys(m)
    groups = scenes.groups([*keys, *(np.broadcast_to(k, m) for k in stakes.catastrophic)])
    out = []
    for group in groups:
        *key, high, low = group.key
        alike = Alike(group.columns, group.scene, group.distinct, group.option, tuple(key))
        out.append((alike, high, low))
    return out


def by_count(odds: Odds, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of an approved and of a rejected option.

    By the number of approved options, (rule or 1, n + 1) each.
    """
    rows = [np.atleast_1d(np.asarray(odds.inside(p, n), float)) for p in range(1, n + 1)]
    others = [np.atleast_1d(np.asarray(odds.outside(p, n), float)) for p in range(n)]
    none = np.zeros(len(rows[0]))
    return np.stack([none, *rows], axis=1), np.stack([*others, none], axis=1)


def rule_spreads(space: RuleSpace, rules: NamedRules, scenes: Scenes, compiled: bool) -> np.ndarray:
    """Return the mean variance of some rules' approval within scenes: (rule,).

    See `spreads`.
    """
    tests = [(g, shares_of(g, scenes)) for g in scenes.groups() if g.n_options > 1]
    out = np.zeros(len(rules))
    for s in space.sizes:
        at = np.flatnonzero(rules.size == s)
        place, which = np.unique(rules.place[at], return_inverse=True)
        step = max(TABLES >> (1 << s), 1)
        for lo in range(0, len(place), step):
            here = (which >= lo) & (which < lo + step)
            found = spreads(np.ascontiguousarray(space.sets(s)[place[lo : lo + step]]), tests, compiled)
            out[at[here]] = found[which[here] - lo, rules.table[at[here]]]
    return out


def _summed(
    space: RuleSpace,
    rules: NamedRules,
    start: np.ndarray,
    p: np.ndarray,
    v: np.ndarray,
    group: Alike,
    mass: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    high: float,
    low: float,
) -> np.ndarray:
    """Return `class_risks` of some scenes, in numpy."""
    n, scenes = group.n_options, group.n_distinct
    out = np.zeros((len(start) - 1, 2))
    cuts = [0]
    for c in range(len(start) - 1):
        if (start[c + 1] - start[cuts[-1]]) * n * scenes > TABLES and c > cuts[-1]:
            cuts.append(c)
    for first, last in zip(cuts, [*cuts[1:], len(start) - 1], strict=True):
        here = slice(int(start[first]), int(start[last]))
        at = start[first:last] - start[first]
        approve = rules[here].approve(space, group.columns)
        count = approve.sum(axis=1)
        row = np.arange(here.start, here.stop)[:, None] if len(inside) > 1 else np.zeros((len(approve), 1), int)
        a, z = p[here, None] * inside[row, count], p[here, None] * outside[row, count]
        chosen = np.add.reduceat(np.where(approve, a[:, None], z[:, None]), at, axis=0)
        true = np.add.reduceat(approve * v[here, None, None], at, axis=0)
        whole = np.add.reduceat(v[here], at)[:, None, None]
        own = v[here, None] * (high * count * a + low * (n - count) * z)
        out[first:last, 0] = (chosen * (high * true + low * (whole - true))).sum(axis=1) @ mass
        out[first:last, 1] = np.add.reduceat(own @ mass, at)
    return out


def _drawn(
    classes: Classes,
    n: int,
    p: np.ndarray,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    draws: int,
    seed: int,
    compiled: bool,
) -> np.ndarray:
    """Return draws of the risk if the truth is not in the first n classes.

    And of its part with ``i = j``.

    Shape (draw, 2): a true rule by its weight, the agent's rule from its class, and a scene by its weight.
    """
    rng = substream(seed, "limit over a rule space")
    first = int(classes.start[n])
    heaps = np.cumsum(classes.judge[first:])
    truth = first + np.minimum(np.searchsorted(heaps, rng.random(draws) * heaps[-1], side="right"), len(heaps) - 1)
    of = np.searchsorted(classes.start, truth, side="right") - 1
    low, high = classes.start[of], classes.start[of + 1]
    within = np.cumsum(p[first:])
    before = np.concatenate([[0.0], within])[low - first]
    agent = first + np.searchsorted(
        within, before + rng.random(draws) * (within[high - 1 - first] - before), side="right"
    )
    agent = np.clip(agent, low, high - 1)
    share = np.cumsum(scenes.share)
    scene = np.minimum(np.searchsorted(share, rng.random(draws) * share[-1], side="right"), len(share) - 1)
    spread = None
    if acting.beta is not None:
        some, which = np.unique(agent, return_inverse=True)
        spread = rule_spreads(classes.space, classes.rules[some], scenes, compiled)[which]
    out = np.zeros((draws, 2))
    place = np.empty(scenes.shape[1], np.int64)
    for group, bad, worse in judged_groups(scenes, acting, stakes):
        at = np.flatnonzero(np.isin(scene, group.scene))
        size = group.n_options
        if not (len(at) and size):
            continue
        place[group.scene] = group.distinct
        acts, true = (_at_scene(classes, rule[at], group, place[scene[at]]) for rule in (agent, truth))
        count = acts.sum(axis=1)
        inside, outside = by_count(acting.odds(group.key, None if spread is None else spread[at]), size)
        row = np.arange(len(at)) if len(inside) > 1 else np.zeros(len(at), int)
        chosen = np.where(acts, inside[row, count][:, None], outside[row, count][:, None])
        out[at, 0] = (chosen * np.where(true, bad, worse)).sum(axis=1)
    out[:, 1] = np.where(agent == truth, out[:, 0], 0.0)
    return out


def _at_scene(classes: Classes, which: np.ndarray, group: Alike, scene: np.ndarray) -> np.ndarray:
    """Return what rules approve in one scene each: bool (rule, option)."""
    rules = classes.rules[which]
    members = rules.members(classes.space)
    cell = np.zeros((len(rules), group.n_options), np.int64)
    for q in range(4):
        at = np.flatnonzero(members[:, q] >= 0)
        cell[at] |= group.columns[members[at, q], :, scene[at]].astype(np.int64) << q
    return ((rules.table[:, None] >> cell) & 1).astype(bool)
