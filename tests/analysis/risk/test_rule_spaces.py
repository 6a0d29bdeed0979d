"""A space of rules asked about: its rules, what training cannot tell apart, and what is dangerous, by enumeration."""

import itertools

import claims_check
import numpy as np
import pytest
import xarray as xr
from rule_studies import fits, listed, reward, space, tables
from studies import csv_text, write

import reward_hypotheses as rh
from reward_hypotheses.data.expressions.operators import ALPHABET
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.tree.read import posterior_of

TRAINING, TEST = tables(5)
RULES = {"rules": ["red", "flags", "depth"], "at_most": 2, "prior": "uniform", "thresholds": 2, "source": "a test"}


@pytest.fixture(scope="module")
def tree():
    return fits({"any": space()}, rh.Uniform(source="a test"), TRAINING)


@pytest.fixture(scope="module")
def weights(tree):
    """Every rule of the space with its weight."""
    top = rh.top_rules(tree, 10_000)
    return dict(zip(top["rule"].to_numpy().tolist(), top["weight"].to_numpy().tolist(), strict=True))


def rows(table):
    return [dict(zip(table, (x.item() for x in row), strict=True)) for row in zip(*table.values(), strict=True)]


def approves(rule, table):
    return np.broadcast_to(np.asarray(parse(rule).evaluate(table.__getitem__), bool), len(table["red"]))


def rates(rules):
    """The catastrophe rate of an agent that goes by one rule where another is true: (agent's rule, true rule)."""
    shape = len(np.unique(TEST["scene"])), -1
    good = np.array([approves(rule, TEST).reshape(shape) for rule in rules])
    acts = np.where(good.any(axis=2, keepdims=True), good, True)
    acts = acts / acts.sum(axis=2, keepdims=True)
    return np.einsum("iso,jso->ij", acts, ~good) / good.shape[1]


def test_the_heaviest_come_first_and_read_back(tree, weights):
    top = rh.top_rules(tree, 5)
    assert top.sizes["rule"] == 5 and top["weight"].to_numpy().tolist() == sorted(weights.values())[:-6:-1]
    wrong = [int((approves(rule, TRAINING) != TRAINING["pad"]).sum()) for rule in top["rule"].to_numpy()]
    assert top["contradicted"].to_numpy()[0].tolist() == wrong
    assert top.attrs["rules"] == len(weights) and top.attrs["space_weight"] == 1.0
    symbol = np.log2(ALPHABET + 3 + 1)  # three features and a number
    assert top["bits"].to_numpy() == pytest.approx([symbol * len(parse(r).program) for r in top["rule"].to_numpy()])


@pytest.mark.parametrize("rule", ["flags", "red & flags", "red == red", "flags & (depth > 0.5)"])
def test_what_training_cannot_tell_from_a_rule(tree, weights, rule):
    same = {r: w for r, w in weights.items() if np.array_equal(approves(r, TRAINING), approves(rule, TRAINING))}
    found = rh.equivalent_rules(tree, rule, 1000)
    named = dict(zip(found["rule"].to_numpy().tolist(), found["weight"].to_numpy().tolist(), strict=True))
    assert named == pytest.approx(same)
    assert found.attrs["equivalent"] == len(same)
    assert found.attrs["equivalent_weight"] == pytest.approx(sum(same.values()))
    if same:
        shortest = min(len(parse(r).program) for r in same)
        assert len(parse(found.attrs["simplest"]).program) == shortest
    assert rh.equivalent_rules(tree, rule, 1).sizes["rule"] == min(len(same), 1)


def test_dangerous_pairs_and_features(tree, weights):
    names = list(weights)
    c, w = rates(names), np.array(list(weights.values()))
    whole = w @ c @ w
    assert float(rh.catastrophe_risk(tree, TEST)["mean"]) == pytest.approx(whole, abs=1e-12)
    features = rh.feature_dependence(tree, TEST)
    parts = sum(features[key] for key in ("agent_alone", "truth_alone", "both", "neither"))
    assert parts.to_numpy() == pytest.approx(whole, abs=1e-12)
    reads = np.array(["depth" in name for name in names])
    alone = (w * reads) @ c @ (w * ~reads)
    assert float(features["agent_alone"].sel(feature="depth")) == pytest.approx(alone, abs=1e-12)
    assert (np.diff(features["disputed"].to_numpy()) <= 0).all()
    found = rh.dangerous_rules(tree, TEST, n=10)
    kinds = [approves(name, TRAINING).tobytes() for name in names]
    looks = [approves(name, TEST).tobytes() for name in names]
    left = {}
    for i, j in itertools.product(range(len(names)), repeat=2):
        if kinds[i] == kinds[j] and looks[i] != looks[j]:
            mass = sum(w[k] for k in range(len(names)) if kinds[k] == kinds[i])
            key = kinds[i], looks[i], looks[j]
            left[key] = left.get(key, 0.0) + w[i] * w[j] * c[i, j] / mass
    assert found["left"].to_numpy() == pytest.approx(sorted(left.values())[:-11:-1], abs=1e-12)
    for a, t, rate in zip(*(found[key].to_numpy() for key in ("agent_rule", "true_rule", "rate")), strict=True):
        assert rates([a, t])[0, 1] == pytest.approx(rate, abs=1e-12)


def test_the_label_that_splits_the_heaviest_class(tree, weights):
    found = rh.telling_labels(tree, TEST, n=3)
    kinds = {}
    for name, weight in weights.items():
        kinds.setdefault(approves(name, TRAINING).tobytes(), {})[name] = weight
    heaviest = max(kinds.values(), key=lambda of: sum(of.values()))
    mass = sum(heaviest.values())
    assert found.attrs["class_weight"] == pytest.approx(mass)
    scene, option = int(found["scene"][0]), int(found["option"][0])
    at = np.flatnonzero((TEST["scene"] == scene) & (TEST["option"] == option))[0]
    yes = sum(w for name, w in heaviest.items() if approves(name, TEST)[at])
    assert float(found["approve"][0]) == pytest.approx(yes / mass)
    assert (found["left"].to_numpy() <= found.attrs["before"] + 1e-12).all()


def test_trees_are_saved_and_read_back(tree, tmp_path):
    tree.to_netcdf(tmp_path / "tree.nc")
    back = xr.open_datatree(tmp_path / "tree.nc")
    assert float(rh.catastrophe_risk(back, TEST)["limit"]) == float(rh.catastrophe_risk(tree, TEST)["limit"])
    xr.testing.assert_identical(rh.top_rules(back, 9), rh.top_rules(tree, 9))
    assert tree["rules"].to_dataset().nbytes < 10_000


def test_draws_of_the_index_are_over_rules():
    """Each of the heaviest rules has an index, and the rest one: prior and evidence give their posterior weights."""
    values = rh.Elicited({"flags": 1, "any": 3}, "a test")
    tree = fits({"any": space(), "flags": reward("flags")}, values, TRAINING, draws=4000)
    top, drawn = rh.top_rules(tree, 5), rh.index_draws(tree, rules=5)
    index = drawn["posterior"]["hypothesis_index"].to_numpy().ravel()
    names = drawn["posterior"]["hypothesis_index"].attrs["names"]
    assert names == [*(f"any: {rule}" for rule in top["rule"].to_numpy()), "any: other rules", "flags"]
    weights = tree["evidence"]["weight"].to_numpy()
    of_rules = weights[0] * top["weight"].to_numpy()
    expected = np.array([*of_rules, weights[0] - of_rules.sum(), weights[1]])
    shares = np.bincount(index, minlength=7) / len(index)
    assert shares == pytest.approx(expected, abs=4.5 * 0.5 / np.sqrt(len(index)))
    log = drawn["log_prior"]["hypothesis_index"].to_numpy().ravel() + drawn["log_likelihood"]["data"].to_numpy().ravel()
    known = {k: log[index == k][0] for k in np.unique(index).tolist()}
    first = next(iter(known))
    for k, value in known.items():
        assert value - known[first] == pytest.approx(np.log(expected[k] / expected[first]), abs=1e-9)


def test_a_study_with_a_space(tmp_path):
    study = {
        "title": "All the rules",
        "tables": {"training": "training.csv", "test": "test.csv"},
        "hypotheses": {"flags": reward("flags"), "any rule": RULES},
        "values": {"weights": {"flags": 1, "any rule": 3}, "source": "a test", "strength": 20},
        "agent": {"policy": "commit", "prior": "uniform"},
        "catastrophe": {"fail_utility": 0},
        "feedback": [{"kind": "labels", "table": "training", "column": "pad", "noise": [1, 19]}],
    }
    files = {"training": csv_text(rows(TRAINING)), "test": csv_text(rows(TEST))}
    results = rh.run(write(tmp_path, study, **files))
    values = rh.Elicited({"flags": 1, "any rule": 3}, "a test", strength=20)
    tree = fits({"flags": reward("flags"), "any rule": space()}, values, TRAINING)
    risk = rh.catastrophe_risk(tree, TEST, agent=rh.Uniform())
    assert results["risk"]["mean"] == pytest.approx(float(risk["mean"]), abs=1e-12)
    assert results["risk"]["limit"] == pytest.approx(float(risk["limit"]), abs=1e-12)
    found = results["rule_spaces"]["any rule"]
    names = listed(posterior_of(tree)[0].spaces[1])
    fit = [name for name in names if np.array_equal(approves(name, TRAINING), TRAINING["pad"])]
    assert (found["rules"], found["fitting"]) == (len(names), len(fit))
    languages = {f"simplicity, {language}" for language in ("rules", "letters", "columns")}
    assert set(found["priors"]) == {"uniform", "feature sets"} | languages
    for prior, name in ((rh.Simplicity("columns"), "simplicity, columns"), ("feature sets", "feature sets")):
        own = fits({"its rule": space(prior=prior)}, rh.Uniform(source="a test"), TRAINING)
        other = float(rh.catastrophe_risk(tree, TEST, agent=own)["mean"])
        assert found["priors"][name]["risk"] == pytest.approx(other, abs=1e-12)
        assert found["priors"][name]["first"][0] == rh.top_rules(own, 1)["rule"].item()
    assert any("count in both" in warning for warning in results["warnings"])
    assert claims_check.problems(results) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at_most": 5}, "from 1 to 4"),
        ({"features": []}, "list the features"),
        ({"features": ["red", "red"]}, "stands twice"),
        ({"features": ["depth > 0.5", "(depth>0.50)"]}, r"feature '\(depth>0.50\)' stands twice"),
        ({"features": [f"f{k}" for k in range(200)]}, "at most 128"),
        ({"prior": None}, "prior: missing"),
        ({"prior": rh.Simplicity("letters"), "at_most": 4}, "at most 3 features"),
        ({"source": " "}, "no source"),
        ({"reward": (1, 1)}, "the lower one"),
        ({"multipliers": {"blue": 2}}, "'blue' is no feature"),
        ({"multipliers": {"red": -1}}, "from 0 to 1e9"),
        ({"thresholds": {"depth": [0.3, 0.3]}}, "0.3 stands twice"),
        ({"thresholds": 0}, "from 1 to 64"),
        ({"thresholds": {}}, "give a number of cuts from 1 to 64"),
        (
            {"multipliers": {"red": {"value": 2, "source": "s", "sorce": 1}}},
            "'sorce' is unknown; give value and source",
        ),
        ({"prior": rh.Simplicity}, "prior: .*; give 'uniform'"),
    ],
)
def test_what_is_no_space(changes, message):
    stated = {"features": ["red", "flags", "depth"], "prior": "uniform", "source": "a test"} | changes
    with pytest.raises(rh.InputError, match=message):
        rh.Rules(stated.pop("features"), **stated)


@pytest.mark.parametrize(
    ("of", "changes", "message"),
    [
        (["red"], {"fail_utility": 200}, "say nothing of its rules"),
        (["red"], {"fail_utility": "scene mean"}, "failing is worth a number"),
        (["mode"], {}, "not a number"),
        (["constant"], {}, "no quantiles to cut at"),
        (["depth / 0"], {}, "not finite"),
        (["nothing"], {}, "no column 'nothing'"),
    ],
)
def test_what_a_space_cannot_be_fitted_to(of, changes, message):
    training = TRAINING | {"mode": np.where(TRAINING["red"], "car", "bus"), "constant": np.full(40, 3.5)}
    with pytest.raises(rh.InputError, match=message):
        fits({"any": space(of)}, rh.Uniform(source="a test"), training, **changes)


@pytest.mark.parametrize("policy", [rh.Maximin(), rh.Quantilize(0.2), rh.Cvar(0.1), rh.Boltzmann("inferred")])
def test_policies_that_need_every_rule_are_refused(tree, policy):
    with pytest.raises(rh.InputError, match="space of rules|inferred"):
        rh.catastrophe_risk(tree, TEST, policy=policy)


def test_what_does_not_take_a_space(tree):
    for ask in (rh.predict, rh.predict_rate):
        with pytest.raises(rh.InputError, match="does not take"):
            ask(tree, TEST)
    listed_alone = fits({"flags": reward("flags")}, rh.Uniform(source="a test"), TRAINING)
    with pytest.raises(rh.InputError, match="no hypothesis is a space of rules"):
        rh.top_rules(listed_alone)


def test_a_rule_that_does_not_parse(tree):
    with pytest.raises(rh.InputError, match="rule: at position"):
        rh.equivalent_rules(tree, "red &")
