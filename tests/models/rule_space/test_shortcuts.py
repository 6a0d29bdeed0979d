"""Faster ways to the same numbers: patterns, signatures, counts, drawn rules, and the limit once."""

import time

import numpy as np
import pytest
from rule_studies import fits, space, tables

import reward_hypotheses as rh
from reward_hypotheses.models.rule_space.counts import count_cells
from reward_hypotheses.models.rule_space.family import endless
from reward_hypotheses.models.rule_space.outcomes.scenes import packed_rows, patterns_in
from reward_hypotheses.models.rule_space.outcomes.silence import Signatures
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import Rule
from reward_hypotheses.models.tree.read import posterior_of

SEED = int(time.time())


@pytest.mark.parametrize("rows", [1, 8, 15, 16, 17, 64, 65])
@pytest.mark.parametrize("items", [1, 3, 700])
def test_patterns(rows, items):
    """Every distinct column once; rows packed as numpy packs them."""
    table = np.random.default_rng(SEED).random((rows, items)) < 0.3
    found = patterns_in(table)
    assert sorted(map(tuple, found.T.tolist())) == sorted(set(map(tuple, table.T.tolist())))
    np.testing.assert_array_equal(packed_rows(table), np.packbits(table, axis=0))


def test_signatures_and_counts_by_numpy_and_numba():
    """Items in number neither a multiple of a byte nor of a word, and each signature as a sum over items."""
    rng = np.random.default_rng(SEED)
    wide = RuleSpace(tuple("abcdefghijklm"), 3, tuple(range(13)))
    items = patterns_in(rng.random((13, 4111)) < 0.5)[:, :3001]
    assert items.shape[1] == 3001
    slow, fast = (Signatures(wide, items, compiled=compiled, distinct=True) for compiled in (False, True))
    some = fast.block(3, np.array([7, 2]))  # before most sums are known
    for s in wide.sizes:
        every = slice(0, wide.n_sets(s))
        np.testing.assert_array_equal(slow.block(s, every), fast.block(s, every))
    np.testing.assert_array_equal(some, slow.block(3, slice(0, 8))[:, [7, 2]])
    both = [items[members].all(axis=0) for members in wide.sets(2)]
    by_item = [[random[where].sum(dtype=np.uint64) for where in both] for random in fast.random]
    np.testing.assert_array_equal(fast.sums(2, np.arange(len(both))), by_item)
    of = RuleSpace(tuple("abcdef"), 4, tuple(range(6)))
    items, label = rng.random((6, 4111)) < 0.5, rng.random(4111) < 0.5
    slow, fast = (count_cells(of, items, label, compiled=compiled).cells for compiled in (False, True))
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_array_equal(a, b)


def test_predictions_and_the_mass_of_the_prior():
    """Each truth table by hand, and the prior's mass of each set as the sum of its rules."""
    training, _ = tables(SEED)
    stated = space(at_most=3, prior=rh.Simplicity("rules"))
    fitted = posterior_of(fits({"any": stated}, rh.Uniform(source="a test"), training))[0].spaces[0]
    of, rng = fitted.literals.space, np.random.default_rng(SEED)
    literals = rng.random((len(of.literals), 3, 5)) < 0.5
    rules = [
        Rule(s, int(rng.integers(of.n_sets(s))), int(rng.integers(1 << (1 << s))), 0.0)
        for s in of.sizes
        for _ in range(30)
    ]
    for rule, found in zip(rules, fitted.predictions(rules, literals), strict=True):
        cell = sum(literals[m].astype(int) << q for q, m in enumerate(of.members(rule.size, rule.place)))
        np.testing.assert_array_equal(found, (rule.table >> cell + np.zeros((3, 5), int)) & 1 == 1)
    for s in of.sizes:
        np.testing.assert_allclose(
            fitted.before.set_mass(s), fitted.before.block(s, 0, of.n_sets(s)).sum(axis=1), rtol=1e-12
        )


def test_the_limit_is_computed_once(monkeypatch):
    """Monte Carlo errors move weights of hypotheses alone."""
    training, test = tables(SEED)
    tree = fits({"any": space()}, rh.Uniform(source="a test"), training)
    calls = []
    limit = endless.limit
    monkeypatch.setattr(endless, "limit", lambda *a, **k: calls.append(a) or limit(*a, **k))
    rh.catastrophe_risk(tree, test)
    assert len(calls) == 1
