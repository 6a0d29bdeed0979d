"""What must not change a fit by rater, and odd raters that must be given an answer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reward_hypotheses as rh

WITHIN = 5.0  # Monte Carlo errors
RULES = {"up": "x", "down": "-x"}
EVEN = rh.Elicited({"up": 1, "down": 1}, "an example")
NAME = st.text("ab1 é-", min_size=1, max_size=5).map(str.strip).filter(bool)


def scenes(each=(4, 6, 1, 5), seed=31):
    """Return scenes of two options, as arrays with the scene first."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(each)), each)
    x = rng.normal(size=(len(who), 2)).round(2)
    wants = np.where(who % 2, -2.0, 2.0)[:, None]
    worth = x * wants + rng.gumbel(size=x.shape)
    return {"x": x, "chosen": worth == worth.max(axis=1, keepdims=True), "who": np.array([f"p{w}" for w in who])}


def table(parts, order=None):
    n = len(parts["who"])
    order = np.arange(n) if order is None else np.asarray(order)
    return {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "x": parts["x"][order].ravel(),
        "chosen": parts["chosen"][order].ravel(),
        "who": np.repeat(parts["who"][order], 2),
    }


def fitted(rows, rules=RULES, prior=EVEN, **more):
    return rh.fit(rules, prior, [rh.Choices(rows, "chosen", rater="who", **more)], 0.0, draws=500)


@pytest.fixture(scope="module")
def plain():
    return fitted(table(scenes()))["raters"]


@given(st.lists(NAME, min_size=4, max_size=4, unique=True))
@settings(max_examples=4, deadline=None)
def test_names_change_nothing(plain, names):
    parts = scenes()
    parts["who"] = np.array([names[int(w[1:])] for w in parts["who"]])
    other = fitted(table(parts))["raters"]
    assert list(other["rater"].to_numpy()) == names
    for variable in plain.data_vars:
        np.testing.assert_array_equal(other[variable], plain[variable], err_msg=variable)


@given(st.permutations(range(16)))
@settings(max_examples=3, deadline=None)
def test_order_of_scenes_changes_nothing_but_noise(plain, order):
    other = fitted(table(scenes(), order))["raters"].sel(rater=plain["rater"])
    error = math.hypot(other.attrs["mcse"], plain.attrs["mcse"])
    assert abs(other.attrs["log_evidence"] - plain.attrs["log_evidence"]) < WITHIN * error + 1e-9
    np.testing.assert_array_equal(other["answers"], plain["answers"])
    ess = min(other.attrs["ess"], plain.attrs["ess"])
    p = plain["rater_weight"].to_numpy()
    error = np.sqrt(2 * p * (1 - p) / ess) + 1e-3
    assert (np.abs(other["rater_weight"].to_numpy() - p) < WITHIN * error).all()


def test_units_of_a_reward_and_of_a_feature_change_nothing(plain):
    parts = scenes()
    scaled = fitted(table(parts), {"up": "4 * x + 8", "down": "-4 * x"})["raters"]
    np.testing.assert_allclose(scaled["share"], plain["share"], rtol=1e-6)
    one, weights = rh.Uniform("one"), {"any": rh.Linear(["x"], prior={"normal": 1.5}, source="s")}
    first = fitted(table(parts), weights, one)
    other = fitted(table(parts | {"x": parts["x"] * 4}), weights, one)
    np.testing.assert_allclose(other["raters"]["reward_weight"], first["raters"]["reward_weight"], rtol=1e-6)


def test_whole_numbers_name_raters(plain):
    parts = scenes()
    parts["who"] = np.array([int(w[1:]) for w in parts["who"]])
    other = fitted(table(parts))["raters"]
    np.testing.assert_array_equal(other["share"], plain["share"])
    assert list(other["rater"].to_numpy()) == ["0", "1", "2", "3"]


def test_raters_are_the_same_people_in_every_feedback(plain):
    """Two feedbacks of one rationality given, cut from one table, are the table."""
    parts = scenes()
    whole = fitted(table(parts), rationality=1.5)["raters"]
    half = [{k: v[some] for k, v in parts.items()} for some in (slice(None, None, 2), slice(1, None, 2))]
    spread = [math.sqrt(part["x"].var(axis=1).mean()) for part in (parts, *half)]
    feedback = [
        rh.Choices(table(part), "chosen", rater="who", rationality=1.5 * s / spread[0], name=name)
        for part, s, name in zip(half, spread[1:], ("first", "second"), strict=True)
    ]
    both = rh.fit(RULES, EVEN, feedback, 0.0, draws=500)["raters"].sel(rater=whole["rater"])
    error = math.hypot(both.attrs["mcse"], whole.attrs["mcse"])
    assert abs(both.attrs["log_evidence"] - whole.attrs["log_evidence"]) < WITHIN * error + 1e-9
    np.testing.assert_array_equal(both["answers"], whole["answers"])


def test_odd_raters_are_given_an_answer():
    """A rater alone, and one answer alone."""
    weights = {"any": rh.Linear(["x"], prior={"normal": 1.5}, source="s")}
    for each in ((8,), (1,), (1, 1, 1)):
        parts = scenes(each)
        for rules, prior in ((RULES, EVEN), (weights, rh.Uniform("one"))):
            raters = fitted(table(parts), rules, prior)["raters"]
            assert raters.attrs["named"] == len(each)
            assert list(raters["answers"].to_numpy()) == list(each)
            assert all(np.isfinite(raters[v].to_numpy()).all() for v in raters.data_vars), each
            assert raters.attrs["k_hat"] < 0.7


def test_raters_of_the_test_alone_are_not_people_of_the_fit():
    test = {"scene": [0, 0], "option": ["a", "b"], "x": [1.0, -1.0], "who": ["somebody", "somebody"]}
    tree = fitted(table(scenes()))
    people = rh.people_risk(tree, test)
    assert list(people["rater"].to_numpy()) == ["p0", "p1", "p2", "p3"]
    with pytest.raises(rh.InputError, match="'somebody' gave no answer in training"):
        rh.with_judge(tree, rater="somebody")


def test_a_person_is_not_another_whose_name_the_code_gives():
    """A rater may be called as a feedback or a group is."""
    parts = scenes((3, 3, 3, 3))
    for taken in ("choices", "all"):
        here = dict(parts)
        here["who"] = np.where(parts["who"] == "p0", taken, parts["who"])
        here["who"] = np.where(parts["who"] == "p3", "", here["who"])
        raters = fitted(table(here))["raters"]
        assert raters.sizes["rater"] == 6
        assert int(raters["answers"].isel(rater=0)) == 3
        assert len(set(raters["rater"].to_numpy().tolist())) == 6, taken
