"""The literals of a space of rules as hypotheses, for checks that look at what hypotheses say of an item."""

import numpy as np

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.rule_space.family.fitted import FittedRules


def with_literals(valuation: Valuation, posterior: Posterior) -> Valuation:
    """Return a valuation with each space of rules replaced by its literals, each the rule that approves where it is true.

    Items that are alike in all literals are alike under every rule.
    """
    if not posterior.spaces:
        return valuation
    names, rewards, at = [], [], []
    for h, (name, reward) in enumerate(zip(valuation.hypotheses.names, valuation.hypotheses.rewards, strict=True)):
        fitted = posterior.spaces.get(h)
        texts = (None,) if fitted is None else fitted.literals.space.literals
        for text in texts:
            names.append(name if text is None else f"{name}: {text}")
            rewards.append(reward if fitted is None else fitted.rules.of(str(text)))
            at.append(h)
    listed = Hypotheses(tuple(names), tuple(rewards), valuation.hypotheses.columns)
    agent_line = None if valuation.agent_line is valuation.line else valuation.agent_line.only(at)
    return Valuation(listed, valuation.table, valuation.line.only(at), agent_line)


def weights_of_literals(weights: np.ndarray, posterior: Posterior) -> np.ndarray:
    """Return weights with that of each space shared out over its literals, by the weight of the rules that read them."""
    if not posterior.spaces:
        return weights
    out: list[float] = []
    for h, weight in enumerate(weights.tolist()):
        fitted = posterior.spaces.get(h)
        out += [weight] if fitted is None else (weight * _read(fitted)).tolist()
    return np.array(out)


def _read(fitted: FittedRules) -> np.ndarray:
    """Return the share of each literal in what the rules read: (literal,), adding up to 1."""
    space = fitted.literals.space
    total = np.full(len(space.literals), 1e-300)
    for s in space.sizes:
        mass = fitted.weights.set_mass(s)
        for q in range(s):
            np.add.at(total, space.sets(s)[:, q], mass)
    return total / total.sum()
