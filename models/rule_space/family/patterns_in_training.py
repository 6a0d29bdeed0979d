"""What training shows of the literals, and how it tells rules apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.rule_space.answers.inputs import approvals_of
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.family.literals import Literals
from reward_hypotheses.models.rule_space.family.patterns import Patterns
from reward_hypotheses.models.rule_space.outcomes.scenes import distinct_columns, patterns_in
from reward_hypotheses.models.rule_space.outcomes.silence import random_numbers


def patterns_of(
    rules: Rules,
    literals: Literals,
    feedback: Sequence[Feedback],
    line: float,
    listed: Mapping[str, int],
    over: Sequence[Valuation],
) -> Patterns:
    """Return the patterns of literals in the items of training.

    Parameters
    ----------
    listed : dict of str to int
        The listed hypotheses, and their places in the valuations.
    over : sequence of Valuation
        Of the listed hypotheses, by feedback.
    """
    used = [_told(data) for data in feedback]
    columns = [literals.on(data.items) for data in feedback]
    columns = [of if every.all() else of[:, every] for of, every in zip(columns, used, strict=True)]
    every = columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
    among_scenes = [isinstance(data, Choices) for data in feedback]
    if not listed and not any(among_scenes):
        return Patterns(patterns_in(every), None, {})
    first, pattern = distinct_columns(every)
    seen, ends = every[:, first], np.cumsum([of.shape[1] for of in columns])
    parts = np.split(pattern, ends[:-1])
    single = np.zeros(len(first), bool)
    for part, among in zip(parts, among_scenes, strict=True):
        single[part] |= not among
    own = np.where(single, random_numbers(len(first)), np.uint64(0))
    numbers, rows = own.copy(), {}
    for k, data in enumerate(feedback):
        if among_scenes[k]:
            assert isinstance(data, Choices)
            rows[k] = _within_scenes(data, used[k], k)
            for word, more in zip(numbers, rows[k], strict=True):
                np.add.at(word, parts[k], more)
    beside: dict[str, np.ndarray] = {}
    for name, i in listed.items():
        approved = [_approved(data, over[k], i, rules, line) for k, data in enumerate(feedback)]
        signature = _signature(approved, used, parts, own, rows)
        if signature is not None:
            beside[name] = signature
    return Patterns(seen, numbers if any(among_scenes) else None, beside)


def _told(data: Feedback) -> np.ndarray:
    """Return the items of which the answers tell something: bool (item,)."""
    failing = data.items.failing()
    real = np.ones(data.items.n_items, bool) if failing is None else ~failing
    if not isinstance(data, Choices):
        return real
    several = data.inside.sum(axis=1) >= 2
    return real & np.broadcast_to(several[:, None], data.inside.shape)[data.inside]


def _within_scenes(data: Choices, used: np.ndarray, k: int) -> np.ndarray:
    """Return random numbers of the options used: (2, item used).

    They add up to 0 modulo 2^64 in a scene without failing.
    """
    scene = np.broadcast_to(np.arange(len(data.inside))[:, None], data.inside.shape)[data.inside]
    n_failing = (data.inside & ~data.real).sum(axis=1)
    random = substream(k, "signatures of choices").integers(0, 1 << 64, (2, int(used.sum())), np.uint64)
    of = scene[used]
    last = np.flatnonzero(np.diff(of, append=-1) != 0)
    start = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    balanced = n_failing[of[last]] == 0
    if len(last):
        total = np.add.reduceat(random, start, axis=1)
        random[:, last[balanced]] -= total[:, balanced]
    return random


def _approved(data: Feedback, valuation: Valuation, i: int, rules: Rules, line: float) -> np.ndarray | None:
    """Return what a listed hypothesis approves of, as far as answers tell it."""
    if isinstance(data, Rational):
        return approvals_of(data, valuation, i, rules.reward, line)
    return np.asarray(data.at(valuation, i), bool)


def _signature(
    approved: Sequence[np.ndarray | None],
    used: Sequence[np.ndarray],
    parts: Sequence[np.ndarray],
    own: np.ndarray,
    rows: Mapping[int, np.ndarray],
) -> np.ndarray | None:
    """Return the signature of a listed hypothesis; None where no rule can have it."""
    total, told = np.zeros(2, np.uint64), np.full(own.shape[1], -1)
    for k, of in enumerate(approved):
        if of is None:
            return None
        some = of[used[k]]
        if k in rows:
            total += np.where(some, rows[k], np.uint64(0)).sum(axis=1, dtype=np.uint64)
            continue
        known = told[parts[k]]
        told[parts[k]] = some
        if ((known >= 0) & (known != some)).any() or (told[parts[k]] != some).any():
            return None
    return total + np.where(told == 1, own, np.uint64(0)).sum(axis=1, dtype=np.uint64)
