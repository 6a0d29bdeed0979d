"""A space of rules by its literals, for checks of what hypotheses say of items."""

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior

if TYPE_CHECKING:
    from reward_hypotheses.models.rule_space.family.fitted import FittedRules

MOST_PAIRED = 8


def with_literals(valuation: Valuation, posterior: Posterior) -> Valuation:
    """Return a valuation with each space of rules replaced by its literals.

    A literal is the rule that approves where it is true.

    Items that are alike in all literals are alike under every rule. Then follow rules that approve where two literals
    differ, for the literals that most weight reads: literals that coincide in training may be as frequent on a test, and
    come apart there.
    """
    if not posterior.spaces:
        return valuation
    names, rewards, at = [], [], []
    for h, (name, reward) in enumerate(zip(valuation.hypotheses.names, valuation.hypotheses.rewards, strict=True)):
        fitted = posterior.spaces.get(h)
        texts = (None,) if fitted is None else (*fitted.literals.space.literals, *_apart(fitted))
        for text in texts:
            names.append(name if text is None else f"{name}: {text}")
            rewards.append(reward if fitted is None else fitted.rules.of(str(text)))
            at.append(h)
    listed = Hypotheses(tuple(names), tuple(rewards), valuation.hypotheses.columns)
    agent_line = None if valuation.agent_line is valuation.line else valuation.agent_line.only(at)
    return Valuation(listed, valuation.table, valuation.line.only(at), agent_line)


def weights_of_literals(weights: np.ndarray, posterior: Posterior) -> np.ndarray:
    """Return weights with that of each space shared out over its literals.

    By the weight of the rules that read them.

    Rules that approve where two literals differ have weight 0.
    """
    if not posterior.spaces:
        return weights
    out: list[float] = []
    for h, weight in enumerate(weights.tolist()):
        fitted = posterior.spaces.get(h)
        out += [weight] if fitted is None else (weight * _read(fitted)).tolist() + [0.0] * len(_apart(fitted))
    return np.array(out)


def _apart(fitted: "FittedRules") -> list[str]:
    """Return the rules that approve where two of the most read literals differ.

    The literals are of different features.
    """
    space = fitted.literals.space
    if space.at_most < 2:
        return []
    heaviest = sorted(np.argsort(-_read(fitted), kind="stable")[:MOST_PAIRED].tolist())
    pairs = [(i, j) for i, j in combinations(heaviest, 2) if space.feature[i] != space.feature[j]]
    return [f"({space.literals[i]}) != ({space.literals[j]})" for i, j in pairs]


def _read(fitted: "FittedRules") -> np.ndarray:
    """Return the share of each literal in what the rules read: (literal,)."""
    space = fitted.literals.space
    total = np.full(len(space.literals), 1e-300)
    for s in space.sizes:
        mass = fitted.weights.set_mass(s)
        for q in range(s):
            np.add.at(total, space.sets(s)[:, q], mass)
    return total / total.sum()
