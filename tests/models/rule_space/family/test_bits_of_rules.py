"""Bits of human values beside a space of rules, against the same rules listed, and their bounds."""

import numpy as np
import pytest
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.sensitivity.value_bits import average_bits
from reward_hypotheses.models.rule_space.family.unfolded import unfolded
from reward_hypotheses.models.tree.read import posterior_of

NAMED = {"flags": reward("flags"), "deep": reward("depth > 0.31")}


@pytest.fixture(scope="module", params=[{}, {"ragged": True}, {"failing": True}], ids=["plain", "ragged", "failing"])
def both(request):
    training, test = tables(1, **request.param)
    tree = fits(NAMED | {"any": space()}, rh.Elicited({"flags": 1, "deep": 1, "any": 3}, "a test"), training)
    names = listed(posterior_of(tree)[0].spaces[2])
    inside = {f"any: {name}": 3 / len(names) for name in names}
    every = NAMED | {f"any: {name}": reward(name) for name in names}
    return tree, fits(every, rh.Elicited({"flags": 1, "deep": 1} | inside, "a test"), training), test, names


@pytest.mark.parametrize(
    "policy", [rh.Commit(), rh.Boltzmann(2.0), rh.Commit(abstain=True)], ids=lambda policy: policy.words
)
@pytest.mark.parametrize("target", [0.02, 0.3])
def test_bits_are_those_of_the_rules_listed(both, policy, target):
    tree, every, test, names = both
    agent = rh.Elicited({"flags": 1, "deep": 1, "any": 1}, "a test")
    of_rules = {f"any: {name}": 1 / len(names) for name in names}
    found = rh.value_bits(tree, test, target, policy=policy, agent=agent)
    wanted = rh.value_bits(
        every, test, target, policy=policy, agent=rh.Elicited({"flags": 1, "deep": 1} | of_rules, "t")
    )
    assert float(found["bits"]) == pytest.approx(float(wanted["bits"]), abs=1e-12)
    assert float(found["lower"]) == float(found["upper"]) == float(found["bits"])
    for name in NAMED:
        one, other = (float(of["by_truth"].sel(hypothesis=name)) for of in (found, wanted))
        assert one == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("most", [1, 3, 12])
def test_rules_that_are_not_listed_leave_bounds(both, most):
    tree, _, test, _ = both
    case = case_of(tree, test, rh.Commit(), None, None, None)
    judge = case.posterior.weights

    def bits(rows, matrix):
        return average_bits(matrix, rows.over_rows(judge), rows.log_over_rows(np.log(np.full(3, 1 / 3))), 0.1)

    whole = unfolded(case.valuation, case.policy, range(3))
    rows = unfolded(case.valuation, case.policy, range(3), most)
    assert whole.exact and not rows.exact and len(rows.share) == 2 + most + 1
    assert bits(rows, rows.least) <= bits(whole, whole.matrix) + 1e-9 <= bits(rows, rows.matrix) + 2e-9
    for of in (whole, rows):  # the risk itself is the same, whatever is listed
        weights = of.over_rows(judge)
        assert weights @ of.matrix @ weights == pytest.approx(float(case.risk.mean), abs=1e-12)
