"""Rules that matter over several scenes or feedbacks: deployments, places of options, people, lines, and draws."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.risk.intervals import at_least_one
from reward_hypotheses.analysis.risk.rules.on_test import documents
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.rule_space.family.predictions import draw_rules
from reward_hypotheses.models.tree.read import posterior_of

TRAINING, TEST = tables(5)
CUTS = {"thresholds": {"depth": [0.3, 0.7]}}
DEPLOYMENTS = (1, 3, 100)


@pytest.mark.parametrize("policy", [rh.Commit(), rh.MostProbable()])
@pytest.mark.parametrize("changes", [{"prior": "feature sets", "multipliers": {"red": 3}}, {"prior": "uniform"}])
def test_deployments_follow_one_rule(policy, changes):
    one = fits({"any": space(at_most=1, **CUTS, **changes)}, rh.Uniform("a test"), TRAINING)
    fitted = posterior_of(one)[0].spaces[0]
    rules = listed(fitted)
    prior = np.concatenate([fitted.before.block(s, 0, fitted.literals.space.n_sets(s)).ravel() for s in (0, 1)])
    shares = rh.Elicited(dict(zip(rules, prior[prior > 0].tolist(), strict=True)), source="a test")
    many = fits({rule: reward(rule) for rule in rules}, shares, TRAINING)
    found, want = (rh.catastrophe_risk(tree, TEST, policy, deployments=DEPLOYMENTS) for tree in (one, many))
    once, exact = found["at_least_one"].to_numpy(), want["at_least_one"].to_numpy()
    assert once[0] == pytest.approx(exact[0], abs=1e-12)
    assert (np.diff(once) >= 0).all()
    assert np.abs(once - exact).max() < 5 / 400  # each rule is drawn as often as its weight says, up to one draw in 400
    if policy.name == "most probable":
        np.testing.assert_allclose(once, exact, rtol=0, atol=1e-12)


def test_rules_are_drawn_as_often_as_they_weigh():
    fitted = posterior_of(fits({"any": space(**CUTS)}, rh.Uniform("a test"), TRAINING))[0].spaces[0]
    for weights in (fitted.weights, fitted.before):
        drawn = draw_rules(weights, 500, np.random.default_rng(3))
        for rule in set(drawn):
            assert abs(drawn.count(rule) - 500 * weights.weight(*rule[:3])) <= 1 + 1e-9
            assert rule.weight == pytest.approx(weights.weight(*rule[:3]))
    mean = np.mean(
        [[rule.table for rule in draw_rules(fitted.before, 3, np.random.default_rng(seed))] for seed in range(400)],
        axis=0,
    )
    assert mean.std() < 5 * np.std([r.table for r in drawn]) / 20  # in random order


def test_an_option_is_named_by_its_place_among_all():
    training = {"red": [True, False], "flags": [True, False], "pad": [True, False]}
    test = xr.Dataset(
        {
            "red": (("scene", "option"), [[True, False, True]]),
            "flags": (("scene", "option"), [[False, True, True]]),
            "available": (("scene", "option"), [[False, True, True]]),
        }
    )
    found = rh.telling_labels(fits({"any": space(["red", "flags"])}, rh.Uniform("a test"), training), test)
    assert sorted(found["option"].to_numpy().tolist()) == [1, 2]


@pytest.mark.parametrize("more", [{"rationality": 2.0}, {"scale": "raw"}])
@pytest.mark.parametrize("hypotheses", [{"any": space(["red"], at_most=1)}, {"mix": rh.Linear(["depth"], source="t")}])
def test_one_human_has_one_rationality(hypotheses, more):
    feedback = [rh.Stops(TRAINING, "pad", human="h"), rh.Stops(TRAINING, "pad", human="h", **more)]
    with pytest.raises(rh.InputError, match="feedbacks of one human share it"):
        fits(hypotheses, rh.Uniform("a test"), TRAINING, feedback=feedback)


@pytest.mark.parametrize(("pair", "told"), [((0.1 + 0.2, 0.1), False), ((1.0, 0.1 + 0.2), True)])
def test_a_line_that_equals_a_reward_up_to_rounding(pair, told):
    """As of a listed rule: an equal reward is not better than failing, and no catastrophe."""
    of = {"any": space(["red", "flags"], reward=pair)}
    if not told:
        with pytest.raises(rh.InputError, match="labels then say nothing of its rules"):
            fits(of, rh.Uniform("a test"), TRAINING, fail_utility=0.3)
        return
    one = fits(of, rh.Uniform("a test"), TRAINING, fail_utility=0.3)
    each = {rule: reward(rule, *pair) for rule in listed(posterior_of(one)[0].spaces[0])}
    many = fits(each, rh.Uniform("a test"), TRAINING, fail_utility=0.3)
    evidence = many["evidence"]["log_evidence"].to_numpy()
    want = evidence.max() + np.log(np.mean(np.exp(evidence - evidence.max())))
    assert float(one["evidence"]["log_evidence"][0]) == pytest.approx(want, abs=1e-9)
    for tree in (one, many):
        assert float(rh.catastrophe_risk(tree, TEST)["mean"]) == 0


def test_a_space_alone_is_not_sampled():
    with pytest.raises(rh.InputError, match="every hypothesis is a space of rules, whose evidence is exact"):
        fits({"any": space(["red"], at_most=1)}, rh.Uniform("a test"), TRAINING, method="nuts")


def test_no_chance_of_one_catastrophe_in_many_is_below_that_in_one():
    tree = fits({"any": space(at_most=1, **CUTS)}, rh.Uniform("a test"), TRAINING)
    case = case_of(tree, TEST, rh.Commit(), None, None, None)
    weights = case.agent_weights, case.judge_weights
    assert at_least_one(case.risk, case.policy, *weights, 3) > case.risk.mean
    assert at_least_one(replace(case.risk, mean=0.9999), case.policy, *weights, 3) == 0.9999  # exact, the other drawn


def test_rules_that_fit_and_the_risk_by_prior_of_weighted_scenes():
    """A rule that contradicts one label does not fit; scenes count by their weights."""
    some = {name: values[:7] for name, values in TRAINING.items()}
    _, test = tables(6, ragged=True)
    tree = fits({"any": space(prior="feature sets", **CUTS)}, rh.Uniform("a test"), some)
    case = case_of(tree, test, rh.Commit(), None, None, None)
    (found,) = documents(case).values()
    fitted = posterior_of(tree)[0].spaces[0]
    rules = listed(fitted)
    wrong = np.array([sum(np.broadcast_to(parse(r).evaluate(some.__getitem__), 7) != some["pad"]) for r in rules])
    weights = rh.top_rules(tree, len(rules))
    by_rule = dict(zip(weights["rule"].to_numpy().tolist(), weights["weight"].to_numpy().tolist(), strict=True))
    assert (wrong == 1).any() and found["fitting"] == (wrong == 0).sum()
    fits_all = [by_rule[rule] for rule, k in zip(rules, wrong, strict=True) if k == 0]
    assert found["fitting_weight"] == pytest.approx(sum(fits_all), abs=1e-12)
    assert found["priors"]["feature sets"]["risk"] == pytest.approx(
        float(rh.catastrophe_risk(tree, test)["mean"]), abs=1e-12
    )
    uniform = fits({"any": space(**CUTS)}, rh.Uniform("a test"), some)
    of_agent = float(rh.catastrophe_risk(tree, test, agent=uniform)["mean"])
    assert found["priors"]["uniform"]["risk"] == pytest.approx(of_agent, abs=1e-12)
