"""An agent that extrapolates by simplicity over a space of rules, against one for which every rule is listed."""

import numpy as np
import pytest
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.models.tree.read import posterior_of

MINE = {"name": "mine", "costs": {"red": 3, "flags": 1}}
NAMED = {"flags": reward("flags"), "deep": reward("(depth > 0.31) & level")}
WEIGHTS = {"flags": 3.0, "deep": 1.0}
BY_FLAGS = {"flags": {"value": 8, "source": "a test"}}
TRAINING, TEST = tables(7)


@pytest.fixture(scope="module")
def both():
    """Fit a space with a uniform prior and multipliers beside two rules, and the same with every rule listed."""
    values = rh.Elicited(WEIGHTS | {"any": 2}, "a test")
    tree = fits(NAMED | {"any": space(multipliers=BY_FLAGS)}, values, TRAINING)
    names = listed(posterior_of(tree)[0].spaces[2])
    prior = rh.top_rules(tree, len(names))["prior"].to_series()
    inside = {f"any: {name}": 2 * prior[name] for name in names}
    every = fits(
        NAMED | {f"any: {name}": reward(name) for name in names}, rh.Elicited(WEIGHTS | inside, "a test"), TRAINING
    )
    return tree, every


@pytest.mark.parametrize("language", ["rules", "columns", MINE], ids=str)
@pytest.mark.parametrize(
    "policy", [rh.Commit(), rh.Commit(abstain=True), rh.Expected()], ids=lambda policy: policy.words
)
def test_is_that_of_all_rules_listed(both, language, policy):
    found, wanted = (rh.catastrophe_risk(tree, TEST, policy=policy, agent=rh.Simplicity(language)) for tree in both)
    for key in ("mean", "abstained", "regret", "by_scene", "limit"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=1e-12, err_msg=key)


def test_letters_weigh_rules_by_their_shortest_text(both):
    """In letters an agent weighs a rule by the characters of its shortest text, 8 bits each."""
    tree = fits(
        {"any": space(["red", "flags", "level"], prior=rh.Simplicity("letters"))}, rh.Uniform(source="a test"), TRAINING
    )
    top = rh.top_rules(tree, 30)["prior"].to_series()
    assert top["red"] / top["flags"] == pytest.approx(2.0**16)
    assert top["red"] / top["red & level"] == pytest.approx(2.0**48)
    agent = rh.catastrophe_risk(both[0], TEST, agent=rh.Simplicity("letters"))
    assert float(agent["mean"]) != float(rh.catastrophe_risk(both[0], TEST, agent=rh.Simplicity("rules"))["mean"])


def test_a_power_of_simplicity_is_refused(both):
    with pytest.raises(rh.InputError, match="give the agent a tree with rules of its own"):
        rh.catastrophe_risk(both[0], TEST, agent=rh.Simplicity("rules") ** 0.5)


def test_letters_and_four_features():
    tree = fits({"any": space(at_most=4)}, rh.Uniform(source="a test"), TRAINING)
    with pytest.raises(rh.InputError, match="in 'letters' shortest formulas are known for at most 3 features"):
        rh.catastrophe_risk(tree, TEST, agent=rh.Simplicity("letters"))
