"""Agents with weights of their own over the rules of the judge's space, by enumeration."""

import itertools

import numpy as np
import pytest
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.tree.read import posterior_of

TRAINING, TEST = tables(5)
OTHER = TRAINING | {"pad": TRAINING["depth"] > 0.4}
CUTS = {"thresholds": {"depth": [0.3, 0.7]}}


@pytest.fixture(scope="module")
def tree():
    return fits({"any": space(**CUTS)}, rh.Uniform(source="a test"), TRAINING)


AGENTS = {
    "the judge's weights": (lambda: None, {}, TRAINING),
    "a simplicity prior": (lambda: rh.Simplicity("rules"), {"prior": rh.Simplicity("rules")}, TRAINING),
    "a tree of another prior": (
        lambda: fits({"any": space(prior="feature sets", **CUTS)}, rh.Uniform(source="a test"), TRAINING),
        {"prior": "feature sets"},
        TRAINING,
    ),
    "a tree of the same space": (
        lambda: fits({"any": space(**CUTS)}, rh.Uniform(source="a test"), OTHER),
        {},
        OTHER,
    ),
}


def weights(changes, training):
    """Return every rule with its weight, from a space alone."""
    top = rh.top_rules(fits({"any": space(**CUTS, **changes)}, rh.Uniform(source="a test"), training), 10_000)
    return dict(zip(top["rule"].to_numpy().tolist(), top["weight"].to_numpy().tolist(), strict=True))


def approves(rule, table):
    return np.broadcast_to(np.asarray(parse(rule).evaluate(table.__getitem__), bool), len(table["red"]))


@pytest.mark.parametrize("who", AGENTS)
def test_dangers_by_the_agents_own_weights(tree, who):
    make, changes, training = AGENTS[who]
    agent = make()
    judged, acting = weights({}, TRAINING), weights(changes, training)
    names = list(judged)
    w, v = (np.array([of[name] for name in names]) for of in (acting, judged))
    good = np.array([approves(name, TEST).reshape(len(np.unique(TEST["scene"])), -1) for name in names])
    acts = np.where(good.any(axis=2, keepdims=True), good, True)
    c = np.einsum("iso,jso->ij", acts / acts.sum(axis=2, keepdims=True), ~good, optimize=True) / good.shape[1]
    assert float(rh.catastrophe_risk(tree, TEST, agent=agent)["mean"]) == pytest.approx(w @ c @ v, abs=1e-12)
    features = rh.feature_dependence(tree, TEST, agent=agent)
    reads = np.array(["flags" in name for name in names])
    for key, i, j in (("agent_alone", reads, ~reads), ("truth_alone", ~reads, reads), ("both", reads, reads)):
        assert float(features[key].sel(feature="flags")) == pytest.approx((w * i) @ c @ (v * j), abs=1e-12), key
    assert float(features["read_by_agent"].sel(feature="flags")) == pytest.approx(w @ reads, abs=1e-12)
    kinds = [approves(name, TRAINING).tobytes() for name in names]
    looks = [approves(name, TEST).tobytes() for name in names]
    left = {}
    for i, j in itertools.product(range(len(names)), repeat=2):
        if kinds[i] == kinds[j] and looks[i] != looks[j]:
            mass = sum(w[k] for k in range(len(names)) if kinds[k] == kinds[i])
            key = kinds[i], looks[i], looks[j]
            left[key] = left.get(key, 0.0) + w[i] * v[j] * c[i, j] / mass
    found = rh.dangerous_rules(tree, TEST, agent=agent, n=8)
    assert found["left"].to_numpy() == pytest.approx(sorted(left.values())[:-9:-1], abs=1e-12)
    of_class = max(set(kinds), key=lambda kind: sum(v[k] for k in range(len(names)) if kinds[k] == kind))
    inside = np.array([kind == of_class for kind in kinds])
    p = w * inside / (w @ inside)
    asked = rh.telling_labels(tree, TEST, agent=agent, n=1)
    assert asked.attrs["before"] == pytest.approx(p @ c @ (v * inside), abs=1e-12)


def test_two_trees_of_one_space_are_two_agents(tree):
    """As listed: the agent's tree says how it weighs the rules, although both spaces are declared alike."""
    agent = fits({"any": space(**CUTS)}, rh.Uniform(source="a test"), OTHER)
    each = {text: reward(text) for text in listed(posterior_of(tree)[0].spaces[0])}
    many = fits(each, rh.Uniform(source="a test"), TRAINING)
    theirs = fits(each, rh.Uniform(source="a test"), OTHER)
    for policy in (rh.Commit(), rh.Expected(), rh.Boltzmann(2)):
        found, want = (
            float(rh.catastrophe_risk(a, TEST, policy, b)["mean"]) for a, b in ((tree, agent), (many, theirs))
        )
        assert found == pytest.approx(want, abs=1e-10)


def test_an_agent_of_other_rules_is_refused(tree):
    other = fits({"any": space(["red", "flags"], at_most=1)}, rh.Uniform(source="a test"), TRAINING)
    named = fits({"red": reward("red")}, rh.Uniform(source="a test"), TRAINING)
    for agent in (other, named):
        for ask in (rh.feature_dependence, rh.dangerous_rules, rh.telling_labels):
            with pytest.raises(rh.InputError, match="agent: it has no space of the rules of 'any'; give a tree"):
                ask(tree, TEST, agent=agent)
