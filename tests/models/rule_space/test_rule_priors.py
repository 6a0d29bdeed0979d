"""Priors over rules against sums over all rules, and against the prior of the same rules as named hypotheses."""

import itertools
import math

import numpy as np
import pytest

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.priors.languages import LANGUAGES, StatedCosts
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.rule_space.prior import feature_sets_prior, simplicity_prior, symbol_costs, uniform_prior
from reward_hypotheses.models.rule_space.space import RuleSpace

MIXED = RuleSpace(("flags", "depth > 1", "depth > 2", "wide", "depth > 3"), 3, (0, 1, 1, 2, 1))


def listed(space, prior):
    """(members, table) -> prior weight, of all rules; tables that are not rules weigh nothing."""
    out = {}
    for s in space.sizes:
        rows = np.exp(prior.rows(s, slice(None)))
        for members, row in zip(space.sets(s).tolist(), rows, strict=True):
            tables = space.canonical(space.layout(members))
            assert not np.delete(row, tables).any()
            out |= {
                (tuple(members), f): weight for f, weight in zip(tables.tolist(), row[tables].tolist(), strict=True)
            }
    assert sum(out.values()) == pytest.approx(1, rel=1e-12) and len(out) == space.n_rules
    return out


def features(members):
    return frozenset(MIXED.feature[i] for i in members)


def test_uniform_and_multipliers():
    factor = {frozenset(): 1.0} | {
        frozenset(f): math.prod({1: 8.0, 2: 0.5}.get(i, 1.0) for i in f)
        for n in (1, 2, 3)
        for f in itertools.combinations(range(3), n)
    }
    got = listed(MIXED, uniform_prior(MIXED, {1: 8.0, 2: 0.5}))
    total = sum(factor[features(members)] for members, _ in got)
    for (members, _), weight in got.items():
        assert weight == pytest.approx(factor[features(members)] / total, rel=1e-12)
    never = listed(MIXED, uniform_prior(MIXED, {1: 0.0}))
    assert all((weight > 0) == (1 not in features(members)) for (members, _), weight in never.items())
    assert len(set(listed(MIXED, uniform_prior(MIXED)).values())) == 1


def test_feature_sets():
    got = listed(MIXED, feature_sets_prior(MIXED))
    of_set = {}
    for members, _ in got:
        of_set[features(members)] = of_set.get(features(members), 0) + 1
    assert len(of_set) == 8
    for (members, _), weight in got.items():
        assert weight == pytest.approx(1 / 8 / of_set[features(members)], rel=1e-12)


@pytest.mark.parametrize("language", ["rules", {"name": "mine", "costs": {"flags": 1.0, "wide": 2.5}}])
def test_simplicity_is_that_of_the_same_rules_by_name(language):
    """2^-bits of ``where(formula, 1, -1)``: what is around the formula costs the same for all."""
    prior = Simplicity(language)
    got = listed(MIXED, simplicity_prior(MIXED, prior.as_language, (), {0: 8.0}))
    names = {MIXED.expression(*rule): rule for rule in got}
    assert len(names) == len(got)
    bits = prior.bits(hypotheses_of({name: f"where({name}, 1, -1)" for name in names}))
    expected = np.array([8.0 if 0 in rule[0] else 1.0 for rule in names.values()]) * 2.0 ** -(bits - bits.min())
    ours = np.array([got[rule] for rule in names.values()])
    if language == "rules":
        np.testing.assert_allclose(ours, expected / expected.sum(), rtol=1e-12)
    else:  # the name has the fewest symbols, and another formula may have fewer bits
        assert (ours / ours[0] >= expected / expected[0] * (1 - 1e-12)).all()
        assert (ours / ours[0] > expected / expected[0] * (1 + 1e-12)).any()


def test_costs_of_symbols():
    operator, literal = symbol_costs(MIXED, LANGUAGES["rules"])
    assert operator == pytest.approx(math.log2(22 + 3 + 1))
    assert literal == pytest.approx([operator * n for n in (1, 3, 3, 1, 3)])
    operator, literal = symbol_costs(MIXED, LANGUAGES["columns"], ["other", "depth", "wide", "flags"])
    assert literal == pytest.approx([5, 3 + 2 * operator, 3 + 2 * operator, 3, 3 + 2 * operator])
    operator, literal = symbol_costs(MIXED, StatedCosts("mine", {"depth": 0.0}))
    assert literal[1] == pytest.approx(2 * operator)


def test_simplicity_of_few_rules_by_hand():
    """One symbol costs log2 25: a, ~a, a & b, 0 == 0 have 1, 2, 3 and 3."""
    space = RuleSpace(("a", "b"), 2, (0, 1))
    got = listed(space, simplicity_prior(space, LANGUAGES["rules"]))
    relative = [got[rule] / got[(0,), 2] for rule in (((0,), 1), ((0, 1), 8), ((), 1), ((0, 1), 6), ((0, 1), 1))]
    assert relative == pytest.approx([1 / 25, 1 / 25**2, 1 / 25**2, 1 / 25**2, 1 / 25**3])


def test_messages():
    with pytest.raises(InputError, match="no feature number 7"):
        uniform_prior(MIXED, {7: 2.0})
    with pytest.raises(InputError, match="multipliers: -1.0"):
        uniform_prior(MIXED, {0: -1.0})
