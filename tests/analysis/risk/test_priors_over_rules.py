"""Bounds over priors that differ rule by rule, against the same rules listed one by one."""

import numpy as np
import pytest
from rule_studies import fits, listed, reward, rng_of_now, space, tables

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.sensitivity.prior import OtherPriors, RiskBounds
from reward_hypotheses.analysis.sensitivity.shared_prior_misspecification import JointRiskBounds
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.rule_space.counts import count_cells
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.outcomes.true_rules import ITEMS, TrueRules, weighted_cells
from reward_hypotheses.models.rule_space.prior import uniform_prior
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import RuleWeights
from reward_hypotheses.models.tree.read import posterior_of

KEYS = ("risk_bounds", "risk_bounds_unlisted", "risk_bounds_within_factor", "slopes")


def bounds(tree, test, policy, agent=None):
    case = case_of(tree, test, policy, agent, None, None)
    document = RiskBounds().compute(case) | OtherPriors().compute(case)
    return {key: document[key] for key in KEYS}


def compare(found, want):
    for key in KEYS:
        for at, numbers in want[key].items():
            np.testing.assert_allclose(found[key][at], numbers, rtol=0, atol=1e-10, err_msg=f"{key} {at}")


@pytest.mark.parametrize(
    ("policy", "line", "changes"),
    [
        (rh.Commit(), 0, {}),
        (rh.Commit(abstain=True), 0, {"ragged": True}),
        (rh.Boltzmann(1.5), 0, {"failing": True}),
        (rh.Expected(), -100, {"ragged": True}),  # nothing is a catastrophe by a rule
        (rh.MostProbable(), 50, {}),
    ],
)
def test_the_same_rules_listed(policy, line, changes):
    rng = rng_of_now()
    training, test = tables(int(rng.integers(1 << 30)), **changes)
    named, of = {"red": reward("red")}, space(prior="feature sets", at_most=2)
    values = {"red": 2.0, "any": 3.0}
    one = fits(named | {"any": of}, rh.Elicited(values, source="a test"), training, fail_utility=line)
    fitted = posterior_of(one)[0].spaces[1]
    texts = listed(fitted)
    prior = np.concatenate([fitted.before.block(s, 0, fitted.literals.space.n_sets(s)).ravel() for s in (0, 1, 2)])
    each = {f"rule {k}": reward(text) for k, text in enumerate(texts)}
    weights = {"red": 2.0} | dict(zip(each, (3.0 * prior[prior > 0]).tolist(), strict=True))
    many = fits(named | each, rh.Elicited(weights, source="a test"), training, fail_utility=line)
    compare(bounds(one, test, policy), bounds(many, test, policy))
    assert rh.risk_bounds(one, test, 0.3, policy) == pytest.approx(rh.risk_bounds(many, test, 0.3, policy), abs=1e-10)


def test_a_space_alone_and_an_agent_of_its_own():
    training, test = tables(11)
    one = fits({"any": space(at_most=1)}, rh.Uniform("a test"), training)
    agent = fits({"any": space(at_most=1, prior=rh.Simplicity("rules"))}, rh.Uniform("a test"), training)
    fitted = posterior_of(one)[0].spaces[0]
    each = {text: reward(text) for text in listed(fitted)}
    many = fits(each, rh.Uniform("a test"), training)
    weights = posterior_of(agent)[0].spaces[0].before
    shares = np.concatenate([weights.block(s, 0, fitted.literals.space.n_sets(s)).ravel() for s in (0, 1)])
    own = rh.Elicited(dict(zip(each, shares[shares > 0].tolist(), strict=True)), source="a test")
    compare(bounds(one, test, rh.Commit(), agent), bounds(many, test, rh.Commit(), fits(each, own, training)))
    joint = JointRiskBounds().compute(case_of(one, test, rh.Commit(), None, None, None))
    assert not any(of["exact"] for of in joint.values())


def test_cells_by_weights_are_counts_where_weights_are_one():
    rng = np.random.default_rng(3)
    of = RuleSpace(tuple("abcde"), 4, (0, 0, 1, 2, 3))
    columns = rng.random((5, ITEMS + 7)) < 0.5
    weights = rng.integers(0, 5, columns.shape[1])
    for found, want in zip(
        weighted_cells(of, columns, weights.astype(float)), count_cells(of, columns, counts=weights).cells, strict=True
    ):
        np.testing.assert_array_equal(found, want)


def test_the_risk_of_each_true_rule():
    """Choices of any kind, a line by scene, and failing options, which are no catastrophe."""
    rng = rng_of_now()
    of = RuleSpace(tuple("abcd"), 2, (0, 1, 2, 3))
    weights = RuleWeights(of, uniform_prior(of, {}))
    columns, failing = rng.random((4, 3, 9)) < 0.5, rng.random((3, 9)) < 0.2
    scenes = Scenes(columns, failing=failing, weights=rng.integers(0, 4, 9) + 0.5)
    chosen, line = rng.dirichlet(np.ones(3), 9).T, rng.choice([-2.0, 0.0, 5.0], 9)
    rules = TrueRules(weights, weights, chosen, scenes, Stakes((3.0, -1.0), line))
    found = np.concatenate(list(rules.each(lambda prior, evidence, risk: risk)))
    features, want = dict(zip("abcd", columns, strict=True)), []
    sets = [(s, place) for s in of.sizes for place in range(of.n_sets(s))]
    for s, place in sets:
        for table in of.canonical(tuple(range(s))).tolist():
            approves = np.asarray(
                parse(of.expression(of.members(s, place), table)).evaluate(features.__getitem__), bool
            )
            bad = (np.where(np.broadcast_to(approves, (3, 9)), 3.0, -1.0) < line) & ~failing
            want.append(float(scenes.share @ (chosen * bad).sum(axis=0)))
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-14)
