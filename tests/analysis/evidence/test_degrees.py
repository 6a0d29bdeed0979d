"""Cues that training tells apart by degree alone: which are listed, and the risk without that evidence."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from bench import degrees

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.evidence.degrees import degree_pairs, set_aside, sign_agreement
from reward_hypotheses.analysis.evidence.degrees.cues_by_degree_api import _weighed
from reward_hypotheses.analysis.evidence.degrees.sign_features import with_signs, without_feature
from reward_hypotheses.models.inference.trust import NotTrustedError

UNIFORM = rh.Uniform("a test")


def coinciding(n, together, seed, options=2):
    """Scenes with two cues that order the options alike, or the one against the other, and a third feature."""
    rng = np.random.default_rng(seed)
    order = rng.normal(size=(n, options))
    x, y = np.exp(order), (order if together else -order) ** 3
    return {"x": x, "y": y, "z": rng.normal(size=(n, options))}


def told(table, reward, seed):
    rng = np.random.default_rng([seed, 1])
    taken = (reward(table) + rng.gumbel(size=table["x"].shape)).argmax(axis=1)
    return {**table, "said": taken[:, None] == np.arange(table["x"].shape[1])}


@pytest.fixture(scope="module")
def study():
    """Choices by x, whose order is that of y, and a test on which the orders are opposite."""
    training = told(coinciding(60, True, 1), lambda t: 1.5 * t["x"] + 0.5 * t["z"], 1)
    return training, coinciding(20, False, 2)


def case_with(hypotheses, values, feedback, test, fail_utility=0, agent=UNIFORM):
    tree = rh.fit(hypotheses, values, feedback, fail_utility, random_seed=1)
    case = case_of(tree, test, rh.Commit(), agent, None, None)
    return case, _weighed(tree, feedback, None, case.posterior)


def by_hand(tables, first, second):
    """Agreement scene by scene: the share of pairs of options on which two cues have the same sign."""
    shares = []
    for a, b in zip(tables[first], tables[second], strict=True):
        signs = [
            (np.sign(a[i] - a[j]), np.sign(b[i] - b[j]))
            for i, j in combinations(range(len(a)), 2)
            if not any(math.isnan(v) for v in (a[i], a[j])) and a[i] != a[j] and b[i] != b[j]
        ]
        if signs:
            shares.append(np.mean([one == other for one, other in signs]))
    return np.mean(shares), len(shares)


def test_agreement_is_that_of_every_pair_of_options():
    rng = np.random.default_rng(3)
    n, options = 300, 4
    x = rng.integers(1, 6, (n, options)).astype(float)
    y = x**2 + 8 * (rng.random((n, options)) < 0.01)
    there, failing = rng.random((n, options)) < 0.8, rng.random((n, options)) < 0.1
    there[:, 0] = True
    failing[:, 0] = False
    said = np.zeros((n, options), bool)
    said[:, 0] = True
    table = {"x": x, "y": y, "available": there, "is_failing": failing, "said": said}
    test = {"x": rng.integers(0, 4, (200, 3)).astype(float), "y": rng.integers(0, 4, (200, 3)).astype(float)}
    case, posterior = case_with({"x": "x", "y": "y"}, UNIFORM, [rh.Choices(table, "said")], test)
    (pair,) = sign_agreement.listed_pairs(posterior, case.valuation, 32)
    seen = {name: np.where(there & ~failing, v, math.nan) for name, v in (("x", x), ("y", y))}
    assert (pair.training, pair.n_training) == pytest.approx(by_hand(seen, "x", "y"))
    assert (pair.test, pair.n_test) == pytest.approx(by_hand(test, "x", "y"))
    assert not pair.opposite


@pytest.mark.parametrize("options", [2, 3])
def test_features_may_point_in_opposite_directions_and_rewards_may_not(options):
    training = told(coinciding(60, True, 5, options), lambda t: t["x"], 5)
    test = coinciding(20, False, 6, options)
    for table in (training, test):
        table["minus"] = -table["y"]
    linear = {"m": rh.Linear(["x", "minus"], source="a test")}
    for hypotheses, number in (({"x": "x", "minus": "minus"}, 0), ({"x": "x", "y": "y"}, 1), (linear, 1)):
        tree = rh.fit(hypotheses, UNIFORM, [rh.Choices(training, "said")], 0, random_seed=1)
        found = rh.cues_by_degree(tree, [rh.Choices(training, "said")], test)
        assert found.sizes["pair"] == number
        if number:
            assert found["agreement"].values.tolist() == [[1.0, 0.0]]
            assert bool(found["opposite"][0]) == (hypotheses is linear)


def test_cues_without_degrees_and_silent_pairs_are_not_listed():
    """Of sx and sy, which is present, sy is not told of some scenes; w is x in training and y on the test."""
    training = told(coinciding(60, True, 7), lambda t: t["x"], 7)
    test = coinciding(20, False, 8)
    for table, w in ((training, "x"), (test, "y")):
        table |= {f"s{name}": (table[name] == table[name].max(axis=1, keepdims=True)) * 1 for name in "xy"}
        table["w"] = table[w]
    training["sy"][:12] = 0
    listed = {"sx": "sx", "sy": "sy", "x": "x", "w": "w"}
    linear = rh.Linear(["sx", "sy", "z"], prior={"normal": 2}, source="a test")
    feedback = [rh.Choices(training, "said")]
    tree = rh.fit({**listed, "m": linear}, UNIFORM, feedback, 0, random_seed=1)
    found = rh.cues_by_degree(tree, feedback, test)
    names = zip(found["first"].values.tolist(), found["second"].values.tolist(), strict=True)
    assert {frozenset(pair) for pair in names} == {frozenset(pair) for pair in (("sy", "x"), ("sx", "w"))}


@pytest.mark.parametrize(
    ("n", "options", "cues", "skewed"),
    [
        (4, 2, 2, 0.5),
        (6, 2, 4, 0.5),
        (10, 2, 2, 0.5),
        (17, 2, 2, 0.5),
        (30, 2, 4, 0.5),
        (17, 2, 2, 0.9),
        (40, 2, 2, 0.9),
        (17, 2, 2, 0.97),
        (20, 4, 3, 0.5),
    ],
)
def test_independent_signs_are_seldom_listed(n, options, cues, skewed):
    """At most 5 warnings in 100 studies, to 3 standard errors of 400; `skewed`: how often the first option has more."""
    rng, studies, warned = np.random.default_rng([n, options, cues, int(100 * skewed)]), 400, 0

    def table(m):
        signs = np.where(rng.random((cues, m)) < skewed, 1.0, -1.0)
        values = rng.lognormal(size=(cues, m, options))
        if options == 2:
            values = np.stack([values[..., 0] * signs, -values[..., 0] * signs], axis=-1)
        return values

    for _ in range(studies):
        before, after = (sign_agreement.Agreement(cues) for _ in range(2))
        for agreement, m in ((before, n), (after, 60)):
            values = table(m)
            apart = [sign_agreement.differences(v.T, np.zeros(v.T.shape), None) for v in values]
            agreement._add(np.sign(np.stack(apart)).transpose(2, 0, 1), np.ones(m))
            agreement.least, agreement.most = np.zeros(cues), np.ones(cues)
        found = sign_agreement.agreed_pairs(before, either_way=True)
        warned += any(
            (1 - after.share[i, j] if before.share[i, j] < 0.5 else after.share[i, j]) < sign_agreement.PARTED
            for i, j in found
        )
    assert warned / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)


def test_groups_keep_their_weight_and_other_evidence(study):
    training, test = study
    training = training | {
        "good": np.random.default_rng(9).random(training["x"].shape) < 0.5 + 0.3 * np.tanh(training["x"] - 1)
    }
    rules = {"x": "x - 1", "y": "y + 1", "cube": "x**3 - 4", "z": "z"}
    values = rh.Elicited({"x": 4, "y": 3, "cube": 2, "z": 1}, source="a test", strength=12)
    feedback = [rh.Choices(training, "said"), rh.Labels(training, "good", noise=(2, 2))]
    case, posterior = case_with(rules, values, feedback, test)
    before, after = posterior, set_aside.without_degrees(posterior, [[0, 1, 2]])
    pi = np.array([4, 3, 2, 1]) / 10
    choices, labels = (e.log_evidence for e in posterior.evidence)
    assert np.abs(np.diff(labels)).min() > 0.1
    shares = pi[:3] * np.exp(labels[:3] - labels[:3].max())
    assert after.weights[:3] == pytest.approx(before.weights[:3].sum() * shares / shares.sum(), rel=1e-9)
    assert after.weights[3] == pytest.approx(before.weights[3], rel=1e-9)
    mean = np.log(
        np.sum(pi[:3] * np.exp(labels[:3] + choices[:3] - choices.max())) / np.sum(pi[:3] * np.exp(labels[:3]))
    )
    assert after.log_evidence[:3] == pytest.approx(labels[:3] + mean + choices.max(), rel=1e-12)
    assert set_aside.groups_of([(0, 3), (4, 5), (3, 2), (6, 5)]) == [[0, 2, 3], [4, 5, 6]]


def test_risk_without_the_evidence_between_listed_hypotheses(study):
    training, test = study
    feedback = [rh.Choices(training, "said")]
    values = rh.Elicited({"x": 3, "y": 2}, source="a test", strength=10)
    tree = rh.fit({"x": "x", "y": "y"}, values, feedback, {"x": 0.7, "y": 0}, random_seed=1)
    agent = rh.Elicited({"x": 1, "y": 1}, source="a test")
    found = rh.cues_by_degree(tree, feedback, test, agent=agent)
    plain = rh.catastrophe_risk(tree, test, agent=agent)
    nats = tree["evidence"]["log_evidence"].to_numpy()
    assert float(found["nats"][0]) == pytest.approx(nats[0] - nats[1]) and abs(float(found["nats"][0])) > 3
    d = plain["by_truth"].to_numpy()
    assert float(found["risk"]) == pytest.approx(float(plain["mean"]))
    assert float(found["mean"]) == pytest.approx([0.6, 0.4] @ d)
    assert found["range"].values == pytest.approx([d.min(), d.max()])
    v = tree["evidence"]["weight"].to_numpy()
    moved, stake = abs(([0.6, 0.4] - v) @ d), max(v) * abs(d[0] - d[1])
    assert float(found["share"][0]) == pytest.approx(moved / stake)
    drawn = np.random.default_rng(5).beta(6, 4, 200_000)
    ends = np.quantile(drawn * d[0] + (1 - drawn) * d[1], [0.025, 0.975])
    lower, upper = found["interval"].sel(source="values").to_numpy()
    error = found["interval_mcse"].sel(source="values").to_numpy()
    assert abs(lower - ends[0]) < 5 * error[0] + 0.002 and abs(upper - ends[1]) < 5 * error[1] + 0.002


@pytest.mark.parametrize("stated", [{}, {"x": "+", "y": "+"}])
def test_a_linear_is_fitted_with_signs(study, stated):
    """As if the signs had been columns, and the evidence that of the two families with one feature less."""
    training, test = study
    training, test = dict(training), dict(test)

    def fitted(features):
        of_signs = {feature: stated[feature[-1]] for feature in features if feature[-1] in stated}
        linear = rh.Linear(features, prior={"normal": 2}, source="a test", sign=of_signs or None)
        return rh.fit({"m": linear}, UNIFORM, feedback, 0, random_seed=2)

    for table in (training, test):
        table |= {f"s{name}": np.sign(table[name] - table[name][:, ::-1]) for name in "xy"}
    feedback = [rh.Choices(training, "said")]
    tree = fitted(["x", "y", "z"])
    agent = rh.fit({"y": "y"}, UNIFORM, feedback, 0, random_seed=1)
    found = rh.cues_by_degree(tree, feedback, test, agent=agent)
    by_columns = rh.catastrophe_risk(fitted(["x", "y", "z", "sx", "sy"]), test, agent=agent)
    assert found.sizes["pair"] == 1 and found["hypothesis"].values.tolist() == ["m"]
    assert abs(float(found["mean"] - by_columns["mean"])) < 5 * math.hypot(
        float(found["mcse"]), float(by_columns["mcse"])
    )
    for bound in ("lower", "upper"):
        at = {"source": "all", "bound": bound}
        error = math.hypot(float(found["interval_mcse"].sel(at)), float(by_columns["interval_mcse"].sel(at)))
        assert abs(float(found["interval"].sel(at) - by_columns["interval"].sel(at))) < 5 * error + 0.01
    evidence = [fitted(features)["evidence"]["log_evidence"].item() for features in (["x", "z"], ["y", "z"])]
    assert float(found["nats"][0]) == pytest.approx(evidence[0] - evidence[1], abs=0.1)
    assert abs(float(found["nats"][0])) > 2


def test_the_contrast_of_signs_keeps_its_prior_and_the_agent_its_weights(study):
    training, test = study
    linear = {"m": rh.Linear(["x", "y"], prior={"normal": 2}, source="a test")}
    feedback = [rh.Choices(training, "said")]
    case, posterior = case_with(linear, UNIFORM, feedback, test, agent=None)
    case = replace(case, posterior=posterior)
    found = degree_pairs.guarded(case)
    drawn = found.case.valuation.hypotheses.rewards[0]
    v = drawn.judges[:, 2:] * [np.sign(training[name] - training[name][:, ::-1]).std() for name in "xy"]
    contrast = (v[:, 0] - v[:, 1]) / math.sqrt(2)
    assert abs(contrast.mean()) < 5 * 2 / math.sqrt(len(v)) and contrast.std() == pytest.approx(2, rel=0.1)
    assert (v.sum(axis=1) / math.sqrt(2)).std() < 1.9
    assert np.array_equal(drawn.agents[:, :2], case.valuation.hypotheses.rewards[0].agents)
    assert not drawn.agents[:, 2:].any()


def test_nothing_is_fitted_where_no_pair_is_listed(study, monkeypatch):
    training, _ = study
    test = coinciding(20, True, 11)
    feedback = [rh.Choices(training, "said")]
    linear = rh.Linear(["x", "y"], prior={"normal": 2}, source="a test")
    tree = rh.fit({"m": linear, "x": "x", "y": "y"}, UNIFORM, feedback, 0, random_seed=1)
    monkeypatch.setattr(degree_pairs, "refit", None)
    monkeypatch.setattr(degree_pairs, "guarded_case", None)
    found = rh.cues_by_degree(tree, feedback, test)
    assert found.sizes["pair"] == 0
    assert float(found["mean"]) == float(rh.catastrophe_risk(tree, test)["mean"])


def test_refusals(study, monkeypatch):
    training, test = study
    feedback = [rh.Choices(training, "said")]
    linear = {"m": rh.Linear(["x", "y"], prior={"normal": 2}, source="a test")}
    tree = rh.fit(linear, UNIFORM, feedback, 0, random_seed=1)
    other = [rh.Choices(told(coinciding(60, True, 12), lambda t: t["y"], 12), "said")]
    with pytest.raises(rh.InputError, match="fitted to other feedback"):
        rh.cues_by_degree(tree, other, test)
    monkeypatch.setattr(set_aside, "K_HAT", -10.0)
    with pytest.raises(NotTrustedError, match="'m' with signs"):
        rh.cues_by_degree(tree, feedback, test)


@pytest.mark.slow
def test_intervals_without_degrees_hold_where_people_go_by_signs():
    """Two studies of the bench, whose intervals with degrees do not hold the true risk."""
    for seed in (0, 4):
        row = degrees.simulated("signs", "normal", seed)
        assert row["pairs"] == 1
        assert not row["before"][0] <= row["risk"] <= row["before"][1]
        assert row["after"][0] <= row["risk"] <= row["after"][1]


def test_what_is_stated_of_a_feature_goes_with_it():
    ratio = {"x / y": {"quantiles": {0.1: 1, 0.9: 4}, "source": "asked"}}
    linear = rh.Linear(["x", "y", "z"], {"normal": 2}, "a test", {"z": 2.0}, {"x": "+", "y": "+"}, {"z": 1.0}, ratio)
    signed = with_signs(linear, {0: "sign_0", 2: "sign_2"})
    assert signed.names == ("x", "y", "z", "sign_0", "sign_2")
    assert signed.statements == {**linear.statements, "sign": {"x": "+", "y": "+", "sign_0": "+"}}
    without = without_feature(linear, 0)
    assert without.names == ("y", "z") and without.unit == {"z": 2.0}
    assert without.statements == {"sign": {"y": "+"}, "mean": {"z": 1.0}}
    assert without_feature(linear, 2).statements == {key: linear.statements[key] for key in ("sign", "ratio")}
