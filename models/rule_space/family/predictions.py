"""What rules of a space approve of, and rules drawn by their weights."""

import math
from collections.abc import Sequence

import numpy as np

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
    """Draw rules by their weights, in random order."""
    space = weights.space
    mass = [weights.set_mass(s) for s in space.sizes]
    ends = np.cumsum([len(m) for m in mass])
    flat = np.concatenate(mass)
    chosen, counts = np.unique(rng.choice(len(flat), n, p=flat / flat.sum()), return_counts=True)
    out: list[Rule] = []
    for at, times in zip(chosen.tolist(), counts.tolist(), strict=True):
        s = int(np.searchsorted(ends, at, side="right"))
        place = at - int(ends[s] - len(mass[s]))
        row = weights.block(s, place, place + 1)[0]
        tables = rng.choice(len(row), times, p=row / row.sum())
        out += [Rule(s, place, int(t), float(row[t])) for t in tables]
    return [out[k] for k in rng.permutation(n)]
