"""Inputs of the likelihood of choices and stops under one rule."""

import numpy as np

from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.hypotheses.valuation import Valuation


def inputs_of(data: Rational, approved: np.ndarray, reward: tuple[float, float], line: float) -> np.ndarray:
    """Return the inputs of the likelihood under a rule, as for a listed reward.

    Parameters
    ----------
    approved : ndarray of bool (item,)
        What the rule approves of, of the items that are used.
    """
    failing = data.items.failing()
    rewards = np.where(approved, *reward)
    if failing is not None:
        rewards = np.where(failing, line, rewards)
    rewards = data.grid(rewards, 0.0) if isinstance(data, Choices) else line - rewards
    spread = 1.0 if data.scale == "raw" else data.spread(rewards)
    inputs = data.centred(rewards) / spread if spread > 0 else np.zeros(rewards.shape)
    return inputs if data.full else np.where(data.inside, inputs, -np.inf)


def approvals_of(
    data: Rational, valuation: Valuation, h: int, reward: tuple[float, float], line: float
) -> np.ndarray | None:
    """Return the approvals of a rule that answers as a listed hypothesis does.

    bool (item,).

    None where there is no such rule. In scenes whose options are all alike under the hypothesis, any rule does that has
    no preference either; the one returned approves of none.
    """
    inputs = data.at(valuation, h)
    if isinstance(data, Choices):
        inside = np.where(data.real, inputs, np.nan)
        low, high = (np.nan_to_num(of(inside, axis=1, keepdims=True, initial=x, where=data.real)) for of, x in ENDS)
        differ = data.real & (high > low)
        grid = differ & (inputs > (low + high) / 2)
        failing = data.inside & ~data.real
        if failing.any():  # failing tells approval of all options from approval of none
            of_failing = np.where(failing, inputs, -np.inf).max(axis=1, keepdims=True)
            grid |= data.real & ~differ & (inputs > of_failing) & failing.any(axis=1, keepdims=True)
        approved = grid[data.inside]
    else:
        approved = inputs < 0
    found = inputs_of(data, approved, reward, line)
    there = data.inside if isinstance(data, Choices) else np.ones(found.shape, bool)
    size = max(1.0, float(np.abs(found[there]).max(initial=0.0)))
    return approved if np.abs(found[there] - inputs[there]).max(initial=0.0) <= EQUAL_INPUTS * size else None


ENDS = (np.min, np.inf), (np.max, -np.inf)
EQUAL_INPUTS = 1e-9
"""Relative difference of inputs that counts as none."""
