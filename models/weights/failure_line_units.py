"""Spreads of rewards over the training items, a unit for failure lines."""

import math
from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.rounding_error_bounds import all_equal
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.feedback_names import by_table, rows_used
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, InSd
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear, combination
from reward_hypotheses.models.hypotheses.reward import Reward, reward_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.weights.feature_units import deviation, feature_scale

ALIKE_SPREADS = 1.2
"""Times by which spreads of rewards may differ under one number."""


def reward_spreads(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> np.ndarray:
    """Return each reward's standard deviation over the training items: (hypothesis,).

    The population standard deviation of ``r_h``, in reward units. Training items are the rows that some feedback uses,
    those of one table once, or as often as its count says; options that are failing are left out. For a `Linear`, the
    root mean square over the prior of its weights, ``sqrt(E[w^2] sum_k var_k / unit_k^2)``; with stated signs, means or
    ratios ``sqrt(sum_jk E[w_j w_k] cov_jk / (unit_j unit_k))``. NaN for an unmodelled hypothesis.

    Raises
    ------
    InputError
        A reward that is not finite, or a feature without a unit.
    """
    families = {h: hypotheses.family(h) for h in hypotheses.families}
    fixed = list(hypotheses.fixed)
    features = tuple(
        reward for h, family in families.items() for reward in _spanning(hypotheses.names[h], family, feedback)
    )
    names = tuple(f"feature {k}" for k in range(len(features)))
    listed = hypotheses.only(fixed).beside(Hypotheses(names, features))
    items = [rows_used([feedback[k] for k in group]) for group in by_table(feedback)] if len(listed) else []
    line = FailureLine((0.0,) * len(listed))
    spreads = _over([(Valuation(listed, table, line), counts) for table, counts in items], len(listed))
    out = np.full(len(hypotheses), math.nan)
    out[fixed] = spreads[: len(fixed)]
    at = len(fixed)
    for h, family in families.items():
        n = len(family.features)
        scaled = spreads[at : at + n]
        mean_square = 1.0
        if not family.statements:
            scaled = scaled / feature_scale(hypotheses.names[h], family, feedback)
            mean_square = 1 / n if family.sd is None else family.sd**2
        out[h] = math.sqrt(mean_square * float(scaled @ scaled))
        at += n
    return np.array([float(f"{sd:.12g}") for sd in out.tolist()])  # without its rounding, so that u_h meets ties


def _spanning(name: str, family: Linear, feedback: Sequence[Feedback]) -> list[Reward]:
    """Return rewards whose squared spreads add up to that of a family.

    The features; with stated signs, means or ratios, combinations of them: ``E[w w'] = sum_i v_i v_i'``, each reward
    has the weights ``v_i``.
    """
    if not family.statements:
        return [reward_of(feature) for feature in family.features]
    scale = feature_scale(name, family, feedback)
    prior = family.stated_prior(scale)
    assert prior is not None
    squares, vectors = np.linalg.eigh(prior.second_moments())
    roots = vectors * np.sqrt(np.maximum(squares, 0.0))
    return [combination(family.features, root / scale) for root in roots.T]


def _over(items: Sequence[tuple[Valuation, np.ndarray]], n: int) -> np.ndarray:
    """Return the standard deviation of the first n rewards over items: (reward,).

    0 for a reward that is equal in all items.

    Parameters
    ----------
    items : sequence of (Valuation, ndarray (item,))
        Rewards of each table, and how often each item counts.
    n : int
    """
    rewards: list[list[np.ndarray]] = [[] for _ in range(n)]
    times: list[np.ndarray] = []
    for valuation, counts in items:
        for block in valuation.blocks():
            real = np.ones(block.shape, bool) if block.options is None else block.options
            times.append(counts[block.items[real]])
            for h, values_of_h in enumerate(rewards):
                both = np.stack([block.reward(h), np.broadcast_to(block.error(h), block.shape)])
                values_of_h.append(both[:, real])
    weight = np.concatenate([np.zeros(0), *times])
    every = [np.hstack(values_of_h) for values_of_h in rewards]
    return np.array([0.0 if all_equal(values, error) else deviation(values, weight) for values, error in every])


def in_reward_units(line: FailureLine, hypotheses: Hypotheses, spreads: np.ndarray) -> FailureLine:
    """Return a failure line whose every value is in reward units.

    Parameters
    ----------
    spreads : ndarray (hypothesis,)
        Standard deviation of the rewards of each hypothesis, from `reward_spreads`.

    Raises
    ------
    InputError
        A hypothesis whose rewards are all equal in training, so that their standard deviation is no unit.
    """
    problems, values = [], []
    for name, value, spread in zip(hypotheses.names, line.values, spreads.tolist(), strict=True):
        if isinstance(value, InSd) and math.isnan(spread):
            value = None  # of a hypothesis that is unmodelled, under which nothing is better than failing
        elif isinstance(value, InSd):
            if not spread > 0:
                problems.append(
                    f"fail_utility of {name!r}: in standard deviations, but its rewards are the same for every training item; give "
                    "its failure line in reward units"
                )
            value = value.sd * spread
        values.append(value)
    if problems:
        raise InputError(problems)
    return FailureLine(tuple(values))


def one_number(line: FailureLine) -> bool:
    """Return whether one number was stated for several hypotheses.

    0 does not count, for 0 is equal in every unit.
    """
    stated = [value for value in line.values if value is not None]
    return line.for_all and len(stated) > 1 and isinstance(stated[0], float) and stated[0] != 0


def different_units(line: FailureLine, hypotheses: Hypotheses, spreads: np.ndarray) -> list[str]:
    """Return a warning where one failure line serves rewards of different spreads.

    The spreads differ by more than 1.2 times. An empty list where there is nothing to warn of.
    """
    some = [
        (spread, name)
        for spread, name, value in zip(spreads.tolist(), hypotheses.names, line.values, strict=True)
        if value is not None and spread > 0
    ]
    if not one_number(line) or not some or max(some)[0] <= ALIKE_SPREADS * min(some)[0]:
        return []
    value = next(value for value in line.values if value is not None)
    (least, narrow), (most, wide) = min(some), max(some)
    return [
        f"the failure line is {value:g} under every hypothesis, but rewards vary {most / least:.3g} times as much under {wide!r} as "
        f"under {narrow!r}; if units differ, state a line each, or fail_utility_sd"
    ]
