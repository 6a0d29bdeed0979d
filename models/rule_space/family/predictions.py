"""What rules of a space approve of, and rules drawn by their weights."""

import math
from collections.abc import Sequence

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.choices import MostProbableRules, blocks
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import Rule, RuleWeights


def predictions(space: RuleSpace, rules: Sequence[Rule], literals: np.ndarray) -> np.ndarray:
    """Return whether rules approve of items: bool (rule, *shape).

    The literals are (literal, *shape).
    """
    size = math.prod(literals.shape[1:])
    out = np.empty((len(rules), size), bool)
    for i, rule in enumerate(rules):
        members = space.members(rule.size, rule.place)
        parts: list[np.ndarray | bool] = [bool(rule.table >> cell & 1) for cell in range(1 << rule.size)]
        for literal in members:  # of cells that differ in one literal, the one that it is in
            bits = np.packbits(literals[literal])
            parts = [_either(bits, *pair) for pair in zip(parts[1::2], parts[::2], strict=True)]
        found = parts[0]
        out[i] = found if isinstance(found, bool) else np.unpackbits(found, count=size)
    return out.reshape(len(rules), *literals.shape[1:])


def _either(condition: np.ndarray, yes: np.ndarray | bool, no: np.ndarray | bool) -> np.ndarray | bool:
    """Return the bits of `yes` where those of a condition are set, else of `no`."""
    if yes is no:
        return yes
    if isinstance(yes, bool):
        rest = condition if yes else ~condition
        return rest if isinstance(no, bool) else (rest | no if yes else rest & no)
    if isinstance(no, bool):
        return ~condition | yes if no else condition & yes
    return no ^ (condition & (yes ^ no))


def real_literals(literals: np.ndarray, failing: np.ndarray | None) -> np.ndarray:
    """Return what determines the predictions of all rules: (literal + 1, *shape).

    No rule predicts that an item is better than failing that is failing itself, and the constant rule predicts it of all
    others.
    """
    real = np.ones(literals.shape[1:], bool) if failing is None else ~failing
    return np.concatenate([literals & real, real[None]])


def draw_rules(weights: RuleWeights, n: int, rng: np.random.Generator) -> list[Rule]:
    """Draw rules by their weights, in random order.

    The draws are spread evenly over the rules in their order (systematic sampling), so that a rule of weight w is drawn n w
    times, up to 1.
    """
    space = weights.space
    mass = [weights.set_mass(s) for s in space.sizes]
    ends = np.cumsum([len(m) for m in mass])
    flat = np.concatenate(mass)
    below = np.cumsum(flat)
    points = (np.arange(n) + rng.random()) / n * below[-1]
    chosen = np.minimum(np.searchsorted(below, points, side="right"), len(flat) - 1)
    out: list[Rule] = []
    for at in dict.fromkeys(chosen.tolist()):
        s = int(np.searchsorted(ends, at, side="right"))
        place = at - int(ends[s] - len(mass[s]))
        row = weights.block(s, place, place + 1)[0]
        within = np.cumsum(row)
        inside = (points[chosen == at] - (below[at] - flat[at])) / flat[at] * within[-1]
        tables = np.minimum(np.searchsorted(within, inside, side="right"), np.flatnonzero(row)[-1])
        out += [Rule(s, place, int(t), float(row[t])) for t in tables]
    return [out[k] for k in rng.permutation(n)]


def draw_leaders(weights: RuleWeights, n: int, rng: np.random.Generator) -> list[Rule]:
    """Draw rules from the heaviest, which are tied, in random order."""
    most = MostProbableRules(weights.space, weights)
    found: list[Rule] = []
    for s, lo, _, shares in blocks(weights.space, most):
        sets, tables = np.nonzero(shares)
        found += [Rule(s, lo + t, f, 1 / most.n_tied) for t, f in zip(sets.tolist(), tables.tolist(), strict=True)]
    return [found[k] for k in (rng.permutation(n) % len(found)).tolist()]
