"""Every rule of a small space by itself, and choices and risks by brute force over rules and pairs of rules."""

from itertools import combinations
from math import comb

import numpy as np

from reward_hypotheses.models.rule_space.space import RuleSpace


def space_of(n, at_most, feature=None):
    feature = tuple(range(n)) if feature is None else feature
    return RuleSpace(tuple(f"x{i}" for i in range(n)), at_most, feature)


def functions(space):
    """Return the distinct rules as (set, table): a table that ignores one of its literals is a rule of fewer."""
    out = []
    for s in space.sizes:
        for members in sorted(combinations(range(len(space.literals)), s), key=lambda m: m[::-1]):
            cells = [dict(zip(members, ((c >> q) & 1 for q in range(s)), strict=True)) for c in range(1 << s)]
            possible = [
                all(
                    cell[a] >= cell[b]
                    for a in members
                    for b in members
                    if a < b and space.feature[a] == space.feature[b]
                )
                for cell in cells
            ]
            for table in range(1 << (1 << s)):
                values = [(table >> c) & 1 for c in range(1 << s)]
                if any(v and not p for v, p in zip(values, possible, strict=True)):
                    continue
                edges = [
                    any(
                        possible[c] and possible[c | 1 << q] and values[c] != values[c | 1 << q]
                        for c in range(1 << s)
                        if not (c >> q) & 1
                    )
                    for q in range(s)
                ]
                if all(edges):
                    out.append((members, table))
    return out


class Given:
    """Stated weights of the rules, as blocks of sets."""

    def __init__(self, rules, weights):
        self.tables = {}
        for (members, table), w in zip(rules, weights, strict=True):
            s, place = len(members), sum(comb(literal, q + 1) for q, literal in enumerate(members))
            self.tables.setdefault(s, {}).setdefault(place, np.zeros(1 << (1 << s)))[table] = w

    def block(self, s, lo, hi):
        none = np.zeros(1 << (1 << s))
        return np.array([self.tables.get(s, {}).get(place, none) for place in range(lo, hi)])


def random_weights(rng, n, share=0.3, zeros=0.2):
    weights = rng.gamma(share, size=n) * (rng.random(n) >= zeros)
    return weights / weights.sum()


def approvals(rules, columns):
    """Return what each rule approves: bool (rule, ...), of columns (K, ...)."""
    out = np.empty((len(rules), *columns.shape[1:]), bool)
    for h, (members, table) in enumerate(rules):
        cell = np.zeros(columns.shape[1:], int)
        for q, literal in enumerate(members):
            cell += columns[literal] * 2**q
        out[h] = np.array([(table >> c) & 1 for c in range(1 << len(members))], bool)[cell]
    return out


def acts(approves, there, reward, failing=None, beta=None, share=None):
    """Return the choices of agents certain of each rule: (rule, option + 1, scene), the last being abstaining."""
    h, options, scenes = approves.shape
    worth = np.full((h, options + 1, scenes), -np.inf)
    worth[:, :options] = np.where(there, np.where(approves, *map(float, reward)), -np.inf)
    if failing is not None:
        worth[:, options] = failing
    top = worth.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        apart = np.where(np.isfinite(worth), worth - top, -np.inf)
    if beta is None:
        odds = (apart == 0).astype(float)
    else:
        several = there.sum(axis=0) >= 2
        n = np.maximum(there.sum(axis=0), 1)
        seen = np.where(there, np.where(approves, *map(float, reward)), 0.0)
        mean = seen.sum(axis=1) / n
        variance = (np.where(there, seen - mean[:, None], 0.0) ** 2).sum(axis=1) / n
        share = np.full(scenes, 1.0) if share is None else share
        scale = np.sqrt((variance * several) @ share / (several @ share)) if several @ share else np.zeros(h)
        rate = np.where(scale > 1e-12, beta / np.where(scale > 1e-12, scale, 1.0), 0.0)
        with np.errstate(invalid="ignore"):
            odds = np.where(
                np.isfinite(apart), np.exp(rate[:, None, None] * np.where(np.isfinite(apart), apart, 0.0)), 0.0
            )
    total = odds.sum(axis=1, keepdims=True)
    return odds / np.where(total > 0, total, 1.0)


def worse(approves, there, reward, line):
    """Return where each rule finds an option worse than failing: (rule, option, scene)."""
    return there & (np.where(approves, *map(float, reward)) < np.broadcast_to(line, approves.shape[-1:]))


def matrix(chosen, bad, share):
    """Return ``C_ij`` (agent rule, true rule)."""
    h = len(chosen)
    return (chosen * share).reshape(h, -1) @ bad.reshape(h, -1).T.astype(float)
