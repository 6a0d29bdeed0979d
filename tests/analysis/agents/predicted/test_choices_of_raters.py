"""Predicted choices of named people, against sums over the joint draws that the tree holds."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy.special import softmax

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError

NAMES = ("Ann", "Bob", "Cid", "Dee")
ANSWERS = 15
RULES = {"a": "a", "b": "b"}
N = 4 * ANSWERS


def scenes(n, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n, 3)).round(2) for name in RULES}


def spread(rewards):
    return math.sqrt(np.mean([np.var(row) for row in rewards]))


TRAIN, TEST = scenes(N, 1), scenes(8, 2)
WHO = np.repeat(NAMES, ANSWERS)


def picked():
    """Ann and Bob follow a, Cid and Dee follow b; Ann and Cid closely."""
    rng = np.random.default_rng(3)
    out = np.zeros((N, 3), bool)
    for m, name in enumerate(WHO):
        beta = 4.0 if name in ("Ann", "Cid") else 1.0
        reward = TRAIN["a" if name in ("Ann", "Bob") else "b"]
        out[m, rng.choice(3, p=softmax(beta * reward[m] / spread(reward)))] = True
    return out


def fitted(rules, rationality=None):
    data = {k: (("scene", "option"), v) for k, v in TRAIN.items()} | {"y": (("scene", "option"), picked())}
    table = xr.Dataset(data | {"who": ("scene", WHO)})
    choices = rh.Choices(table, "y", rater="who", rationality=rationality)
    return rh.fit(rules, rh.Uniform(source="t"), [choices], 0.0, draws=500, random_seed=5)


def answered_by(who, **more):
    data = {k: (("scene", "option"), v) for k, v in TEST.items()}
    return xr.Dataset(data | {"who": ("scene", list(who))} | more)


@pytest.fixture(scope="module")
def listed():
    return fitted(RULES)


def of_rater(tree, name, rewards, scales):
    """Return the mean over joint draws of a rater's hypothesis and rationality: (scene, option)."""
    r = tree["raters"]["rater"].to_numpy().tolist().index(name)
    follows = tree["raters"]["follows"].to_numpy()[:, r]
    betas = tree["raters"]["choices_rationality"].to_numpy()[:, r]
    each = [softmax(beta * rewards[h] / scales[h], axis=1) for h, beta in zip(follows, betas, strict=True)]
    return np.mean(each, axis=0)


def test_listed_rewards_by_rater(listed):
    who = ["Ann", "Bob", "Cid", "Dee", "Ann", "Bob", "Cid", "Dee"]
    out = rh.predict_choices(listed, answered_by(who), "rater")
    rewards, scales = list(TEST.values()), [spread(r) for r in TRAIN.values()]
    for m, name in enumerate(who):
        expected = of_rater(listed, name, rewards, scales)[m]
        np.testing.assert_allclose(out["probability"][m], expected, rtol=1e-9)
    assert out.attrs["who"] == "rater" and out.attrs["rater"] == "who"
    assert float(out["probability_mcse"].max()) < 0.05


def test_people_differ(listed):
    """Whoever follows a is predicted by a, and whoever follows it closely has clearer choices."""
    out = {name: rh.predict_choices(listed, answered_by([name] * 8), "rater", draws=200) for name in NAMES}
    best = {h: TEST[h].argmax(axis=1) for h in RULES}
    often = {name: out[name]["probability"].to_numpy()[np.arange(8), best["a"]].mean() for name in NAMES}
    assert min(often["Ann"], often["Bob"]) > max(often["Cid"], often["Dee"])
    assert out["Ann"]["probability"].max("option").mean() > out["Bob"]["probability"].max("option").mean()


def test_strangers_are_the_population(listed):
    """A new name, and an empty cell: the same probabilities; a name is one person, so its shares vary more."""
    same = answered_by(["new"] * 8), answered_by([""] * 8)
    new, empty = (rh.predict_choices(listed, test, "rater") for test in same)
    everybody = rh.predict_choices(listed, same[0])
    for out in (new, empty):
        np.testing.assert_allclose(out["probability"], everybody["probability"], rtol=1e-12)
    repeated = {k: np.tile([[1.0, 0, 0]] if k == "a" else [[0, 1.0, 0]], (40, 1)) for k in RULES}
    widths = []
    for name in ("new", ""):
        data = {k: (("scene", "option"), v) for k, v in repeated.items()} | {"who": ("scene", [name] * 40)}
        out = rh.predict_choices(listed, xr.Dataset(data), "rater")
        widths.append(float((out["share_upper"] - out["share_lower"])[0]))
    assert widths[0] > 1.5 * widths[1]


@pytest.mark.parametrize("prior", ["sphere", {"normal": 2}])
def test_continuous_weights_by_rater(prior):
    """By the joint draws of the tree: weights and rationality of one draw belong together."""
    tree = fitted({"mixed": rh.Linear(["a", "b"], prior=prior, source="t")})
    group = tree["raters"]
    unit = np.array([TRAIN[name].std() for name in RULES])
    for name in ("Ann", "Dee"):
        out = rh.predict_choices(tree, answered_by([name] * 8), "rater")
        r = group["rater"].to_numpy().tolist().index(name)
        weights = next(v for k, v in group.data_vars.items() if v.ndim == 3 and v.dims[1] == "rater")
        each = []
        for i, w in enumerate(weights.to_numpy()[:, r]):
            test, train = (w[0] / unit[0] * d["a"] + w[1] / unit[1] * d["b"] for d in (TEST, TRAIN))
            beta = 1.0 if prior != "sphere" else float(group["choices_rationality"][i, r]) / spread(train)
            each.append(softmax(beta * test, axis=1))
        error = 5 * np.std(each, axis=0) / math.sqrt(len(each) / 2)
        assert (np.abs(out["probability"] - np.mean(each, axis=0)) < error).all()


def test_known_rationality_by_rater():
    tree = fitted(RULES, rationality=2.0)
    out = rh.predict_choices(tree, answered_by(["Bob"] * 8), "rater")
    w = tree["raters"]["rater_weight"].sel(rater="Bob").to_numpy()
    expected = sum(w[k] * softmax(2 * TEST[h] / spread(TRAIN[h]), axis=1) for k, h in enumerate(RULES))
    np.testing.assert_allclose(out["probability"], expected, rtol=1e-9)


def test_registered_and_clustered_by_rater(listed, tmp_path):
    who, path = [NAMES[m % 4] for m in range(8)], tmp_path / "prediction.json"
    predicted = rh.register_prediction(listed, answered_by(who), path, "rater", chosen="y")
    assert json.loads(path.read_text())["settings"]["rater"] == "who"
    which = predicted["probability"].to_numpy().argmax(axis=1)
    outcomes = answered_by(who, y=(("scene", "option"), np.arange(3) == which[:, None]))
    scored = rh.compare_with_outcomes(path, outcomes)
    assert scored.attrs["clusters"] == 4 and scored.attrs["clustered_by"] == "who"
    assert float(scored["accuracy"]) == 1.0
    with pytest.raises(InputError, match="column 'who' differs"):
        other = answered_by(who[::-1], y=(("scene", "option"), np.arange(3) == which[:, None]))
        rh.compare_with_outcomes(path, other)


def test_columns_that_name_nobody(listed):
    two = answered_by(NAMES * 2)
    two["who"] = (("scene", "option"), np.array([[n, n, "Bob"] for n in NAMES * 2], dtype=object))
    with pytest.raises(InputError, match="scene 0: column 'who' names several raters"):
        rh.predict_choices(listed, two, "rater")
    with pytest.raises(InputError, match="no column 'who'"):
        rh.predict_choices(listed, TEST, "rater")
