"""Impact beside the values: the essay's footnote planted, distances by a plain formula, and what is refused."""

import math

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.analysis.shift.impact_measure import impact_of
from reward_hypotheses.data.readers.in_memory import as_table

TRAINING = np.random.default_rng(81).normal(size=(200, 2)) * [1.0, 10.0] + [0.0, 50.0]


def tree_of(extra=()):
    train = {"speed": TRAINING[:, 0], "people": TRAINING[:, 1], "harm": np.zeros(200), "benefit": np.zeros(200)}
    train |= {name: np.ones(200) for name in extra}
    train["harm"][:20] = 0.5
    train["benefit"][20:40] = 0.5
    train["said"] = train["harm"] < 0.2
    hypotheses = {"no harm": "0.1 + benefit - 5*harm", "people": "people - 40"}
    prior = rh.Elicited({"no harm": 99, "people": 1}, source="a test")
    return rh.fit(hypotheses, prior, [rh.Labels(train, "said", noise=0.1)], 0), train


def test_the_essays_footnote():
    """A large beneficial outcome is flagged and a small terrible one passes; the values say the opposite."""
    tree, train = tree_of()
    test = {
        "scene": ["great", "small", "usual", "both"],
        "option": ["all of it"] * 4,
        "speed": [0.1, 0.0, 0.3, 0.0],
        "people": [50000.0, 50.0, 52.0, 51.0],  # 50,000 people are helped
        "harm": [0.0, 0.5, 0.0, 0.5],
        "benefit": [0.5, 0.0, 0.3, 0.2],
        "scene_weight": [1.0, 2.0, 4.0, 1.0],
    }
    found = rh.impact(tree, test, train)
    judge = float(tree["evidence"]["weight"].sel(hypothesis="no harm"))
    bad = {"great": 0.0, "small": judge, "usual": 0.0, "both": judge}
    share = {"great": 1 / 8, "small": 2 / 8, "usual": 4 / 8, "both": 1 / 8}
    flagged = {"great": True, "small": False, "usual": False, "both": False}
    for row in ("flagged", "passed"):
        mine = [s for s in share if flagged[s] == (row == "flagged")]
        want = [sum(share[s] * bad[s] for s in mine), sum(share[s] * (1 - bad[s]) for s in mine)]
        np.testing.assert_allclose(found["agreement"].sel(impact=row), want, atol=1e-12)
    assert float(found["agreement"].sum()) == pytest.approx(1) and float(found["abstained"]) == 0
    assert float(found["agreement"].sel(values="catastrophe").sum()) == pytest.approx(
        float(rh.catastrophe_risk(tree, test)["mean"])
    )
    assert float(found["missed"]) == 1 and float(found["false_alarms"]) == 1
    said = list(zip(found["impact_says"].values, found["scene"].values, strict=True))
    assert said[0] == ("flagged", "great") and set(said[1:]) == {("passed", "small"), ("passed", "both")}
    words = found["words"].values[0]
    assert "option all of it of scene great" in words and "people 5e+04" in words
    assert float(found["as_far"][0]) == 0 and float(found["distance"][0]) > 1000


def plain(rows, weight, x):
    """Mahalanobis distances by the inverse of the covariance."""
    share = weight / weight.sum()
    centre = share @ rows
    covariance = sum(s * np.outer(r - centre, r - centre) for s, r in zip(share, rows, strict=True))
    inverse = np.linalg.inv(covariance)
    return np.array([math.sqrt((r - centre) @ inverse @ (r - centre)) for r in x])


@pytest.mark.parametrize("seed", range(6))
def test_distances_by_a_plain_formula(seed):
    rng = np.random.default_rng([82, seed])
    rows = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3)) * [1, 1e-6, 1e5] + [5, 1e-5, -1e6]
    weight = rng.integers(1, 4, 60).astype(float)
    new = np.concatenate([rows[:10] * 1.01, rows[:5]])
    names = ["a", "b", "c"]
    training = as_table({n: rows[:, k] for k, n in enumerate(names)} | {"scene_weight": weight})
    test = as_table({n: new[:, k] for k, n in enumerate(names)})
    found = impact_of([training], test, names)
    np.testing.assert_allclose(found.distance, plain(rows, weight, new), rtol=1e-6)
    seen = plain(rows, weight, rows)
    for d, far in zip(found.distance, found.as_far, strict=True):
        assert far == pytest.approx(weight[seen >= d * (1 - 1e-6)].sum() / weight.sum())
    np.testing.assert_array_equal(found.flagged, found.as_far < 0.05 - 1e-12)
    own = impact_of([training], training, names)
    assert weight[own.flagged].sum() / weight.sum() <= 0.05
    # another scale, and two halves of training: all the same
    scaled = {n: np.array([3.0, -1e4, 1e-8])[k] for k, n in enumerate(names)}

    def part(some, x):
        return {n: x[some, k] * scaled[n] for k, n in enumerate(names)}

    halves = [part(slice(0, 30), rows), part(slice(30, 60), rows)]
    even = impact_of([as_table(half) for half in halves], as_table(part(slice(None), new)), names)
    np.testing.assert_allclose(even.distance, plain(rows, np.ones(60), new), rtol=1e-6)


def test_what_training_never_varied_in():
    """A constant feature, and two that always go together, cost nothing as long as they stay so; else it is infinitely far."""
    rng = np.random.default_rng(83)
    x, red = rng.normal(size=50), rng.random(50) < 0.3
    training = {"x": x, "red": red, "flags": red, "one": np.full(50, 0.1), "zero": np.zeros(50)}
    cases = {"x": [0.1, 0.1, 0.1, 0.1, 0.1], "red": [1, 1, 1, 1, 0], "flags": [1, 0, 1, 1, 0]}
    cases |= {"one": [0.1, 0.1, 0.2, 0.1, 0.1], "zero": [0, 0, 0, 1e-3, 0]}
    found = impact_of([as_table(training)], as_table(cases), list(training))
    assert np.isinf(found.distance).tolist() == [False, True, True, True, False]
    assert found.as_far[[1, 2, 3]].tolist() == [0, 0, 0] and found.flagged.tolist() == [False, True, True, True, False]
    bare = impact_of([as_table(training)], as_table(cases), ["x", "red"])
    np.testing.assert_allclose(found.distance[[0, 4]], bare.distance[[0, 4]], rtol=1e-9)
    still = impact_of([as_table({"one": [0.1] * 5})], as_table({"one": [0.1, 0.1 + 1e-16, 0.3, 1e308]}), ["one"])
    assert still.distance.tolist() == [0, 0, math.inf, math.inf]
    assert still.as_far.tolist() == [1, 1, 0, 0]


def test_by_a_column_and_where_the_agent_may_abstain():
    tree, train = tree_of(["push"])
    test = xr.Dataset(
        {
            "people": (("scene", "option"), [[60.0, 30.0], [20.0, 10.0]]),
            "benefit": (("scene", "option"), [[0.1, 0.0], [0.0, -0.1]]),
            "harm": (("scene", "option"), [[0.0, 0.0], [0.1, 0.1]]),
            "push": (("scene", "option"), [[3.0, 0.5], [1.0, 2.0]]),
        }
    )
    acts = rh.impact(tree, test, column="push", threshold=2)
    np.testing.assert_allclose(acts["agreement"].sel(impact="flagged"), [0, 0.5], atol=1e-12)  # the first scene's best
    np.testing.assert_allclose(acts["agreement"].sel(impact="passed"), [0.5, 0], atol=1e-12)
    assert np.isnan(acts["as_far"]).all() and acts.attrs["features"] == ["push"]
    train["push"] = np.linspace(0, 1, 200)
    by_training = rh.impact(tree, test, [train, train], column="push")
    assert float(by_training["agreement"].sel(impact="flagged").sum()) == pytest.approx(1)
    refrains = rh.impact(tree, test, policy=rh.Commit(abstain=True), column="push", threshold=2)
    assert float(refrains["abstained"]) == pytest.approx(0.5)
    np.testing.assert_allclose(refrains["agreement"], [[0, 0.5], [0, 0]], atol=1e-12)
    assert np.isnan(refrains["missed"]) and float(refrains["false_alarms"]) == 1


def test_a_family_carries_its_error():
    rng = np.random.default_rng(84)
    train = xr.Dataset({f"x{k}": (("scene", "option"), rng.normal(size=(20, 2))) for k in range(2)})
    train["chosen"] = train["x0"] == train["x0"].max("option")
    mix = rh.Linear(["x0", "x1"], prior="sphere", source="a test")
    tree = rh.fit({"h1": "x1", "mix": mix}, rh.Uniform("x"), [rh.Choices(train, "chosen")], {"h1": 0, "mix": 0})
    found = rh.impact(tree, train, train, agent=rh.Uniform())
    assert float(found["agreement"].sum()) == pytest.approx(1)
    assert found["agreement_mcse"].shape == (2, 2) and (found["agreement_mcse"] > 0).any()
    assert found.attrs["features"] == ["x1", "x0"]  # as the hypotheses name them; not what was observed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": 3.0}, "threshold: it is of a column"),
        ({"column": "people", "threshold": "high"}, "threshold: 'high'"),
        ({"level": 1}, "level: 1; give a share"),
        ({"training": None}, "training: give the table"),
        ({"column": "peple"}, "did you mean 'people'"),
        ({"features": ["nothing"]}, "features: no column 'nothing'"),
        ({"features": []}, "none are given"),
        ({"features": ["people"], "column": "people"}, "both are given"),
        ({"features": ["gone"]}, "'gone' is missing"),
        ({"training": {"other": [1.0]}}, "share no column"),
    ],
)
def test_what_is_refused(change, said):
    tree, train = tree_of()
    train["gone"] = np.full(200, np.nan)
    with pytest.raises(rh.InputError, match=said):
        rh.impact(tree, train, **({"training": train} | change))
