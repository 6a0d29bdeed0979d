"""Registered predictions of choices: what is written, what is refused, and how they are scored."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError

RNG = np.random.default_rng(8)
N, K = 30, 3
TRAIN = RNG.normal(size=(20, K)).round(2)
TEST = RNG.normal(size=(N, K)).round(2)


def marked(which, k=K):
    out = np.zeros((len(which), k), bool)
    out[np.arange(len(which)), which] = True
    return out


@pytest.fixture(scope="module")
def tree():
    which = (1.5 * TRAIN / TRAIN.std() + RNG.gumbel(size=TRAIN.shape)).argmax(axis=1)
    train = {"a": TRAIN, "b": TRAIN[:, ::-1].copy(), "y": marked(which)}
    prior = rh.Uniform(source="t")
    return rh.fit({"a": "a", "b": "b"}, prior, [rh.Choices(train, "y", rationality=1.0)], 0.0, draws=50, random_seed=1)


def rows(which=None, raters=None, order=None):
    """Return the test as rows, with outcomes where they are given."""
    frame = pd.DataFrame(
        {
            "scene": np.repeat([f"s{m}" for m in range(N)], K),
            "option": np.tile(["x", "y", "z"], N),
            "a": TEST.ravel(),
            "b": TEST[:, ::-1].ravel(),
            "place": np.repeat(np.where(np.arange(N) % 2, "north", "south"), K),
        }
    )
    if which is not None:
        frame["chosen"] = marked(which).ravel()
    if raters is not None:
        frame["rater"] = np.repeat(raters, K)
    return frame if order is None else frame.iloc[order].reset_index(drop=True)


@pytest.fixture
def registered(tree, tmp_path):
    path = tmp_path / "prediction.json"
    return rh.register_prediction(tree, rows(), path, chosen="chosen"), path


def outcomes(predicted, seed=3):
    p = predicted["probability"].to_numpy()
    return (RNG.random((N, 1)) > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1) if seed is None else _drawn(p, seed)


def _drawn(p, seed):
    u = np.random.default_rng(seed).random((len(p), 1))
    return (u > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)


def test_the_file_holds_the_prediction(registered, tree):
    predicted, path = registered
    record = json.loads(path.read_text())
    assert record["sha256"] == predicted.attrs["sha256"] and record["registered"].endswith("Z")
    assert predicted["probability"].equals(rh.predict_choices(tree, rows())["probability"])
    np.testing.assert_array_equal([s["probability"] for s in record["scenes"]], predicted["probability"])
    assert [s["scene"] for s in record["scenes"]][:2] == ["s0", "s1"] and record["scenes"][0]["options"] == [
        "x",
        "y",
        "z",
    ]
    assert record["settings"]["chosen"] == "chosen" and record["settings"]["who"] == "population"
    assert predicted["option_name"].to_numpy().tolist() == ["x", "y", "z"]
    mixed = rows().assign(option=rows()["option"] + rows()["scene"])
    assert "option_name" not in rh.predict_choices(tree, mixed).coords
    assert set(record["test"]["columns_sha256"]) == {"a", "b", "place"}
    assert record["versions"]["reward_hypotheses"] == rh.__version__


def test_it_is_not_replaced(registered, tree, tmp_path):
    predicted, path = registered
    before = path.read_bytes()
    again = rh.register_prediction(tree, rows(), path, chosen="chosen")
    assert path.read_bytes() == before and again.attrs["sha256"] == predicted.attrs["sha256"]
    with pytest.raises(InputError, match="holds another prediction"):
        rh.register_prediction(tree, rows(), path, chosen="other")
    other = tmp_path / "notes.json"
    other.write_text("{}")
    with pytest.raises(InputError, match=r"holds no registered prediction.*nothing was written"):
        rh.register_prediction(tree, rows(), other, chosen="chosen")
    assert path.read_bytes() == before and other.read_text() == "{}"


def test_a_test_with_outcomes_is_refused(tree, tmp_path):
    path = tmp_path / "prediction.json"
    with pytest.raises(InputError, match=r"has a column 'chosen', which is to hold the choices"):
        rh.register_prediction(tree, rows(np.zeros(N, int)), path, chosen="chosen")
    with pytest.raises(InputError, match="chosen: ''; name the column"):
        rh.register_prediction(tree, rows(), path, chosen="")
    assert not path.exists()


def test_scores_by_hand(registered):
    predicted, path = registered
    which = outcomes(predicted)
    p = predicted["probability"].to_numpy()
    out = rh.compare_with_outcomes(path, rows(which))
    logs = np.log(p[np.arange(N), which])
    np.testing.assert_allclose(out["log_score_by_scene"], logs)
    assert float(out["log_score"]) == pytest.approx(logs.mean())
    assert float(out["log_score_se"]) == pytest.approx(logs.std(ddof=1) / math.sqrt(N))
    assert float(out["chance"]) == pytest.approx(-math.log(K))
    assert float(out["gain_over_chance"]) == pytest.approx(logs.mean() + math.log(K))
    record = json.loads(path.read_text())
    base = np.array(record["test"]["base_rates"])
    assert base.sum() == pytest.approx(1) and (base * 23 % 1 < 1e-9).sum() + (base * 23 % 1 > 1 - 1e-9).sum() == K
    assert float(out["base_rates"]) == pytest.approx(np.log(base[which]).mean())
    gain = logs - np.log(base[which])
    assert float(out["gain_over_base_rates_se"]) == pytest.approx(gain.std(ddof=1) / math.sqrt(N))
    assert float(out["expected_log_score"]) == pytest.approx((p * np.log(p)).sum(axis=1).mean())
    assert float(out["accuracy"]) == pytest.approx((p.argmax(axis=1) == which).mean())
    assert float(out["log_score_mcse"]) == 0.0
    np.testing.assert_allclose(out["share_observed"], np.bincount(which, minlength=K) / N)
    where = np.minimum((p * 10).astype(int), 9)
    for b in range(10):
        assert int(out["calibration_count"][b]) == (where == b).sum()
        if (where == b).any():
            assert float(out["calibration_predicted"][b]) == pytest.approx(p[where == b].mean())
            assert float(out["calibration_observed"][b]) == pytest.approx(marked(which)[where == b].mean())


def test_outcomes_in_any_order_and_form(registered, tmp_path):
    predicted, path = registered
    which = outcomes(predicted)
    first = rh.compare_with_outcomes(path, rows(which))
    order = np.random.default_rng(2).permutation(N * K)
    shuffled = tmp_path / "outcomes.csv"
    rows(which, order=order).to_csv(shuffled, index=False)
    by_scene = pd.DataFrame(
        {"scene": [f"s{m}" for m in range(N)][::-1], "chosen": np.array(["x", "y", "z"])[which][::-1]}
    )
    bare = rows(which)[["scene", "option", "chosen"]]
    for given in (shuffled, str(shuffled), by_scene, bare):
        xr.testing.assert_equal(rh.compare_with_outcomes(path, given), first)
    xr.testing.assert_equal(rh.compare_with_outcomes(json.loads(path.read_text()), bare), first)


def test_errors_clustered_by_rater(registered, tree, tmp_path):
    predicted, path = registered
    which = outcomes(predicted)
    raters = np.array(["Ann", "Bob", "Cid", "Dee", "Eve", ""])[np.arange(N) % 6]
    logs = np.log(predicted["probability"].to_numpy()[np.arange(N), which])
    keys = [r or m for m, r in enumerate(raters)]
    sums = pd.Series((logs - logs.mean()) / N).groupby(pd.Series(keys, dtype=object)).sum()
    se = math.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())
    out = rh.compare_with_outcomes(path, rows(which, raters), rater="rater")
    assert float(out["log_score_se"]) == pytest.approx(se) and out.attrs["clusters"] == len(sums) == 10
    named = tmp_path / "named.json"
    rh.register_prediction(tree, rows(raters=raters), named, chosen="chosen", rater="rater")
    assert float(rh.compare_with_outcomes(named, rows(which))["log_score_se"]) == pytest.approx(se)


def test_what_is_refused(registered, tmp_path):
    predicted, path = registered
    which = outcomes(predicted)
    record = json.loads(path.read_text())
    record["scenes"][0]["probability"] = [0.9, 0.05, 0.05]
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps(record))
    other = rows(which)
    other.loc[4, "a"] += 0.01
    renamed = rows(which).replace({"scene": {"s3": "t3"}})
    less = rows(which)[lambda f: f["scene"] != "s7"]
    options = rows(which).replace({"option": {"z": "w"}})
    twice = rows(which)
    twice.loc[twice["scene"] == "s5", "chosen"] = True
    wrong = pd.DataFrame({"scene": [f"s{m}" for m in range(N)], "chosen": "q"})
    cases = {
        lambda: rh.compare_with_outcomes(altered, rows(which)): "was altered after it was registered",
        lambda: rh.compare_with_outcomes(record, rows(which)): "was altered after it was registered",
        lambda: rh.compare_with_outcomes(path, other): "column 'a' differs",
        lambda: rh.compare_with_outcomes(path, renamed): "no outcome of scene 's3'",
        lambda: rh.compare_with_outcomes(path, less): "no outcome of scene 's7'",
        lambda: rh.compare_with_outcomes(path, options): r"scene s0: options \['w', 'x', 'y'\]",
        lambda: rh.compare_with_outcomes(path, twice): "scene s5: column 'chosen' marks 3",
        lambda: rh.compare_with_outcomes(path, wrong): "column 'chosen' is 'q'; name the option",
        lambda: rh.compare_with_outcomes(path, rows()): "no column 'chosen'",
        lambda: rh.compare_with_outcomes(tmp_path / "none.json", rows(which)): "none.json",
        lambda: rh.compare_with_outcomes({"kind": "else"}, rows(which)): "holds no registered prediction",
        lambda: rh.compare_with_outcomes(xr.Dataset(), 3, rater="rater"): "rater: it is of predicted choices",
    }
    for call, message in cases.items():
        with pytest.raises(InputError, match=message):
            call()


def test_scores_of_true_predictions(tree, tmp_path):
    """Over 200 deployments of choices drawn as predicted: z-scores and intervals are as they should be."""
    path = tmp_path / "prediction.json"
    predicted = rh.register_prediction(tree, rows(), path, chosen="chosen")
    record = json.loads(path.read_text())
    p = predicted["probability"].to_numpy()
    outs = [rh.compare_with_outcomes(record, rows(_drawn(p, seed))) for seed in range(200)]
    expected, sd = float(outs[0]["expected_log_score"]), float(outs[0]["expected_log_score_sd"])
    z = (np.array([float(out["log_score"]) for out in outs]) - expected) / sd
    assert abs(z.mean()) < 4 / math.sqrt(200)
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], 199) / 199
    assert low < z.var(ddof=1) < high
    held = np.mean([out["share_held"].to_numpy() for out in outs], axis=0)
    assert (held > 0.95 - 4.5 * math.sqrt(0.95 * 0.05 / 200)).all()


def test_agents_and_weights(tree, tmp_path):
    """An agent's prediction is registered too; scenes count by their weights."""
    weighted = rows().assign(scene_weight=np.repeat(np.arange(1.0, N + 1), K))
    path = tmp_path / "agent.json"
    predicted = rh.register_prediction(tree, weighted, path, rh.Uniform(), policy=rh.Boltzmann(1.0), chosen="chosen")
    which = outcomes(predicted)
    out = rh.compare_with_outcomes(path, rows(which))
    logs = np.log(predicted["probability"].to_numpy()[np.arange(N), which])
    assert float(out["log_score"]) == pytest.approx(np.average(logs, weights=np.arange(1.0, N + 1)))
    assert json.loads(path.read_text())["settings"]["who"] == "agent"
