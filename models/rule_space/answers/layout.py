"""Choices and stops of a feedback, laid out for the rules of a space."""

import numpy as np

from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.rule_space.answers.counted import Answers, Group
from reward_hypotheses.models.rule_space.answers.kinds import Kinds


def answers_of(data: Rational, literals: np.ndarray, reward: tuple[float, float], line: float) -> Answers:
    """Lay out choices or stops for the rules of a space.

    Parameters
    ----------
    literals : ndarray of bool (literal, item)
        Of the items that are used.
    reward, line : (float, float), float
        Rewards of approved and other items, and what failing is worth.
    """
    high, low = reward
    columns, real, chosen, n_failing = _laid_out(data, literals)
    chose_failing = ~np.take_along_axis(real, chosen[:, None], axis=1)[:, 0] if real.shape[1] else n_failing > 0
    if not isinstance(data, Choices):
        chose_failing = np.asarray(data.observed, bool) | ~real[:, 0]
    n_real = real.sum(axis=1)
    rank = np.where(real, 1, 2)
    rank[np.arange(len(rank)), chosen] -= ~chose_failing
    order = np.argsort(rank, axis=1, kind="stable")
    keys = np.stack([n_real, n_failing, chose_failing])
    w, measures_choices = (line - low) / (high - low), isinstance(data, Choices)
    groups: list[Group] = []
    shapes: list[tuple[int, int, int, float]] = []
    for n, m, failed in np.unique(keys, axis=1).T.tolist():
        units = np.flatnonzero((keys == np.array([[n], [m], [failed]])).all(axis=0))
        laid = np.take_along_axis(columns[:, units], order[None, units], axis=2)[:, :, :n]
        groups.append(Group(np.ascontiguousarray(laid), bool(failed), data.times[units], len(shapes)))
        chosen_worth = (w,) if failed or not n else (0.0, 1.0)
        shapes += [(a, n - a, m, worth) for a in range(n + 1) for worth in chosen_worth]
    approved, rejected, failing, worth = (np.array(of) for of in zip(*shapes, strict=True))
    n_options = approved + rejected
    share = approved / np.maximum(n_options, 1)
    kinds = Kinds(
        approved,
        rejected,
        failing,
        worth.astype(float),
        w,
        share * (1.0 - share) if measures_choices else np.square(approved - w),
        n_options >= 2 if measures_choices else n_options == 1,
    )
    if measures_choices and data.scale == "unit" and not kinds.measured.any() and (n_options + failing >= 2).any():
        data.refuse_no_spread()  # type: ignore[attr-defined]
    return Answers(tuple(groups), kinds, data.rationality, high - low if data.scale == "raw" else None, data.human)


def _laid_out(data: Rational, literals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the options of each unit, as the answers have them.

    Literals, which options are real, the chosen one, and how many are failing:

    bool (literal, unit, option), bool (unit, option), int (unit,) and int (unit,). A stop is a choice between failing and
    one option.
    """
    if isinstance(data, Choices):
        columns = np.array([data.grid(literal, False) for literal in literals])
        failing = (data.inside & ~data.real).sum(axis=1)
        return columns, data.real, np.asarray(data.observed).argmax(axis=1), failing
    real = data.real[:, None]
    return literals[:, :, None], real, np.zeros(len(real), int), np.where(real[:, 0], 1, 2)
