"""Behaviours on a test, dangerous pairs and telling labels, against all pairs of rules."""

import numpy as np
import pytest
from rule_cases import TIGHT, case_of
from rule_oracle import Given, approvals

from reward_hypotheses.models.rule_space.outcomes.pairs import (
    dangerous_pairs,
    labels_within_class,
    real_items,
)
from reward_hypotheses.models.rule_space.outcomes.silence import silent_classes

NAMES = ["one option", "commit", "of five", "abstains", "noisy", "by scene"]


def named(case, rules):
    index = {rule: h for h, rule in enumerate(case.rules)}
    rows = zip(rules.members(case.space), rules.size, rules.table, strict=True)
    return np.array([index[tuple(m[:s].tolist()), int(f)] for m, s, f in rows])


def codes(case):
    """Return the behaviour of each rule on the options of the test."""
    rows = np.packbits(case.approves[:, case.scenes.choices], axis=1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def pairs_by_hand(case):
    """Return class, behaviours and risk left of each pair, over rules one by one."""
    of, which, left = codes(case), case.classes(), {}
    for c in np.unique(which):
        at = np.flatnonzero((which == c) & ((case.w > 0) | (case.v > 0)))
        if not len(at) or case.v[at].sum() == 0:
            continue
        p = case.w[at] if case.w[at].sum() else np.ones(len(at))
        terms = (p / p.sum())[:, None] * case.matrix[np.ix_(at, at)] * case.v[at]
        kinds, inverse = np.unique(of[at], return_inverse=True)
        sums = np.zeros((len(kinds), len(kinds)))
        np.add.at(sums, (inverse[:, None], inverse[None]), terms)
        np.fill_diagonal(sums, 0.0)
        for i, j in zip(*np.nonzero(sums), strict=True):
            left[c, kinds[i], kinds[j]] = sums[i, j]
    return left


@pytest.mark.parametrize("name", NAMES)
def test_dangerous_pairs_are_the_largest(name):
    case = case_of(name)
    classes = silent_classes(case.space, case.agent, case.judge, case.items)
    found = dangerous_pairs(classes, case.scenes, case.acting, case.stakes, n=12, n_classes=1000)
    known = pairs_by_hand(case)
    largest = np.sort(list(known.values()))[::-1][:12]
    np.testing.assert_allclose(found.left, largest, **TIGHT)
    agents, truths = named(case, found.agent), named(case, found.truth)
    of, which = codes(case), case.classes()
    assert np.array_equal(which[agents], which[truths])
    for k, (i, j) in enumerate(zip(agents, truths, strict=True)):
        np.testing.assert_allclose(found.rate[k], case.matrix[i, j], **TIGHT)
        np.testing.assert_allclose(found.left[k], known[which[i], of[i], of[j]], **TIGHT)
        same = [(which == which[i]) & (of == of[x]) for x in (i, j)]
        risk = case.w[same[0]].sum() * case.v[same[1]].sum() * case.matrix[i, j]
        np.testing.assert_allclose(found.risk[k], risk, **TIGHT)
    if len(largest) == 12:
        np.testing.assert_allclose(found.complete, largest[-1], **TIGHT)
    cut = dangerous_pairs(classes, case.scenes, case.acting, case.stakes, n=12, most=3, n_classes=1)
    listed = set(np.round(cut.left, 14))
    assert all(x <= cut.complete + 1e-12 for x in known.values() if np.round(x, 14) not in listed)


@pytest.mark.parametrize("name", ["commit", "of five", "noisy"])
def test_the_label_that_splits_a_class(name):
    case = case_of(name)
    items = real_items(case.scenes)
    approve, weights = approvals(case.rules, items), case.w.copy()
    heaviest = np.argmax(np.bincount(case.classes(), case.v))
    weights[(case.classes() == heaviest) & approve[:, 0]] = 0.0  # the agent gives one side no weight
    agent = Given(case.rules, weights / weights.sum())
    classes = silent_classes(case.space, agent, case.judge, case.items)
    found = labels_within_class(classes, 0, case.scenes, case.acting, case.stakes, most=4000)
    inside = named(case, classes.rules[classes.members(0)])
    np.testing.assert_array_equal(found.items, items)
    approve = approve[inside]
    w, v, c = weights[inside], case.v[inside], case.matrix[np.ix_(inside, inside)]
    np.testing.assert_allclose(found.before, w @ c @ v / w.sum(), **TIGHT)
    np.testing.assert_allclose(found.approve, v @ approve / v.sum(), **TIGHT)
    for x in range(0, items.shape[1], 3):
        left = 0.0
        for side in (approve[:, x], ~approve[:, x]):
            p = w * side if (w * side).sum() else side * 1.0
            left += p @ c @ (v * side) / max(p.sum(), 1e-300)
        np.testing.assert_allclose(found.left[x], left, **TIGHT)
