"""Predicted numbers of catastrophes, against enumeration and moments, and how outcomes are compared with them."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError

RNG = np.random.default_rng(4)
SCENES = 6
TEST = {name: RNG.random((SCENES, 2)) < 0.5 for name in ("red", "flags", "deep")}
RULES = {name: f"where({name}, 1, -1)" for name in TEST}
VALUES = {"red": 1, "flags": 3, "deep": 2}


@pytest.fixture(scope="module")
def judge():
    silent = {name: [True, False] for name in TEST}
    labels = rh.Labels({**silent, "good": [True, False]}, "good", noise=(1, 9))
    return rh.fit(RULES, rh.Elicited(VALUES, source="t", strength=5), [labels], 0, draws=50, random_seed=2)


def chances(i, j):
    """Return the chance of a catastrophe in each scene for an agent certain of i where j is true."""
    out = []
    for m in range(SCENES):
        good = [o for o in (0, 1) if TEST[i][m, o]] or [0, 1]
        out.append(sum(not TEST[j][m, o] for o in good) / len(good))
    return out


def pairs():
    total = sum(VALUES.values())
    for i, j in itertools.product(RULES, RULES):
        yield VALUES[i] / total * VALUES[j] / total, chances(i, j)


def enumerated():
    """Return the distribution of the number of catastrophes when each scene is met once, event by event."""
    out = np.zeros(SCENES + 1)
    for weight, chance in pairs():
        for events in itertools.product((0, 1), repeat=SCENES):
            out[sum(events)] += weight * math.prod(p if e else 1 - p for e, p in zip(events, chance, strict=True))
    return out


def test_each_scene_once(judge):
    out = rh.predict_rate(judge, TEST, draws=20_000)
    exact = enumerated()
    error = out["probability_mcse"].to_numpy() + 1e-9
    assert (np.abs(out["probability"].to_numpy() - exact) < 4.5 * error).all()
    counts = np.bincount(out["catastrophes"].to_numpy().ravel(), minlength=SCENES + 1)
    assert stats.chisquare(counts[exact > 0], 20_000 * exact[exact > 0]).pvalue > 1e-4
    assert out.attrs["n_scenes"] == SCENES and float(out["probability"].sum()) == pytest.approx(1)
    below = np.cumsum(out["probability"].to_numpy())
    assert below[int(out["lower"])] >= 0.025 and (int(out["lower"]) == 0 or below[int(out["lower"]) - 1] < 0.025)
    assert below[int(out["upper"])] >= 0.975 > below[int(out["upper"]) - 1]


@pytest.mark.parametrize("n", [1, 40, 5000])
def test_scenes_like_the_tests(judge, n):
    out = rh.predict_rate(judge, TEST, n_scenes=n, draws=20_000 if n < 1000 else 4000)
    mean = square = 0.0
    for weight, chance in pairs():  # s ~ Dirichlet(1, ..., 1)
        c = np.array(chance)
        mean += weight * c.mean()
        square += weight * ((c**2).sum() + c.sum() ** 2) / (SCENES * (SCENES + 1))
    rate = out["rate"].to_numpy().ravel()
    assert abs(rate.mean() - mean) < 4.5 * rate.std() / math.sqrt(rate.size)
    squares = rate**2
    assert abs(squares.mean() - square) < 4.5 * squares.std() / math.sqrt(rate.size)
    counts = out["catastrophes"].to_numpy().ravel()
    assert abs(counts.mean() - n * mean) < 4.5 * counts.std() / math.sqrt(rate.size)
    table = out["probability"].to_numpy()
    assert table.sum() == pytest.approx(1) and out["count"].to_numpy()[-1] == n
    if n == 1:
        assert float(out["probability"].sel(count=1)) == pytest.approx(rate.mean())
    if n == 40:
        exact = np.mean(stats.binom.pmf(np.arange(41)[:, None], n, rate[None]), axis=1)
        assert np.allclose(table, exact, atol=1e-12)


def test_one_hypothesis_a_deployment_makes_two_humps():
    """Two silent rules that are each other's catastrophe: all scenes or none."""
    silent = {"a": [True, False], "b": [True, False], "good": [True, False]}
    rules = {"a": "where(a, 1, -1)", "b": "where(b, 1, -1)"}
    tree = rh.fit(rules, rh.Elicited({"a": 1, "b": 3}, source="t"), [rh.Labels(silent, "good", noise=0)], 0, draws=50)
    apart = {"a": np.tile([True, False], (5, 1)), "b": np.tile([False, True], (5, 1))}
    out = rh.predict_rate(tree, apart, rh.Commit(), rh.Uniform("t"), draws=10_000)
    assert (out["probability"].sel(count=slice(1, 4)) == 0).all()
    both = float(out["probability"].sel(count=5))
    assert abs(both - 0.5) < 4.5 * 0.5 / 100
    assert rh.predict_rate(tree, apart, rh.Expected(), n_scenes=3)["probability"].sel(count=0).item() == pytest.approx(
        0.75, abs=4.5 * math.sqrt(0.75 * 0.25 / 4000)
    )


def test_a_pair_without_catastrophes_has_none_on_a_large_test_too(judge):
    rng = np.random.default_rng(2)
    cues = rng.random((3, 9000)) < 0.5
    test = {name: np.stack([cue, ~cue], axis=1) for name, cue in zip(RULES, cues, strict=True)}  # always a good option
    out = rh.predict_rate(judge, test, n_scenes=1000, draws=20_000)
    share = np.array([*VALUES.values()]) / sum(VALUES.values())
    assert abs(float(out["probability"].sel(count=0)) - share @ share) < 4.5 * float(
        out["probability_mcse"].sel(count=0)
    )


def test_counts_of_a_long_deployment():
    """Counts that stand for several: the ends hold what they say, and far tails keep their digits."""
    always = {"a": [True, False], "good": [True, False]}
    tree = rh.fit(
        {"a": "where(a, 1, -1)"}, rh.Elicited({"a": 1}, source="t"), [rh.Labels(always, "good", noise=0)], 0, draws=50
    )
    test = {"a": np.array([[True] * 9 + [False]])}
    long = rh.predict_rate(tree, test, rh.Boltzmann(0.0), n_scenes=3_000_000)
    for observed in (299_500, 300_000, 300_500):
        assert bool(rh.compare_with_outcomes(long, observed)["held"])
    short = rh.predict_rate(tree, test, rh.Boltzmann(0.0), n_scenes=1000)
    for observed in (0, 100, 200, 400):
        score = float(rh.compare_with_outcomes(short, observed)["log_score"])
        assert score == pytest.approx(stats.binom.logpmf(observed, 1000, 0.1), rel=1e-6)
    assert short.sizes["draw"] == 4000 and rh.predict_rate(tree, test, n_scenes=5, draws=150).sizes["draw"] == 150


def test_an_unmodelled_hypothesis_is_refused():
    rules = {**RULES, "none": rh.Unmodelled(1, source="t")}
    silent = {name: [True, False] for name in TEST}
    labels = rh.Labels({**silent, "good": [True, False]}, "good", noise=(1, 9))
    tree = rh.fit(rules, rh.Elicited({**VALUES, "none": 1}, source="t"), [labels], 0, draws=50)
    with pytest.raises(InputError, match="'none' is unmodelled"):
        rh.predict_rate(tree, TEST)


def test_comparison_with_outcomes(judge):
    prediction = rh.predict_rate(judge, TEST, draws=500)
    p = prediction["probability"].to_numpy()
    for observed in range(SCENES + 1):
        outcomes = np.arange(SCENES) < observed
        out = rh.compare_with_outcomes(prediction, outcomes)
        assert int(out["observed"]) == observed
        assert float(out["pit_lower"]) == pytest.approx(p[:observed].sum())
        assert float(out["pit_upper"]) == pytest.approx(p[: observed + 1].sum())
        assert out["pit_lower"] <= out["pit"] <= out["pit_upper"]
        assert bool(out["held"]) == (int(prediction["lower"]) <= observed <= int(prediction["upper"]))
        assert math.exp(float(out["log_score"])) == pytest.approx(p[observed])
        counts = np.arange(SCENES + 1)
        spread = np.abs(counts[:, None] - counts)
        crps = p @ np.abs(counts - observed) - p @ spread @ p / 2  # E|N - y| - E|N - N'| / 2
        assert float(out["crps"]) == pytest.approx(crps)
        assert rh.compare_with_outcomes(prediction, observed).equals(out)


def test_pits_of_calibrated_predictions_are_uniform(judge):
    prediction = rh.predict_rate(judge, TEST, draws=4000)
    numbers = rh.predict_rate(judge, TEST, draws=1000, random_seed=9)["catastrophes"].to_numpy().ravel()
    pits = [float(rh.compare_with_outcomes(prediction, int(n), random_seed=k)["pit"]) for k, n in enumerate(numbers)]
    assert stats.kstest(pits, "uniform").pvalue > 1e-4


def test_wrong_arguments(judge):
    prediction = rh.predict_rate(judge, TEST, draws=100)
    for call, message in {
        lambda: rh.predict_rate(judge, TEST, n_scenes=0): "n_scenes",
        lambda: rh.predict_rate(judge, TEST, n_scenes=10**19): "at most 1,000,000,000",
        lambda: rh.predict_rate(judge, TEST, prob=1): "prob",
        lambda: rh.predict_rate(judge, TEST, draws=10): "draws",
        lambda: rh.predict_rate(judge, {k: np.repeat(v, 500, axis=0) for k, v in TEST.items()}): "n_scenes=1000",
        lambda: rh.compare_with_outcomes(prediction, 7): "at most 6",
        lambda: rh.compare_with_outcomes(prediction, -1): "outcomes",
        lambda: rh.compare_with_outcomes(prediction, [True, False]): "of 2 scenes",
        lambda: rh.compare_with_outcomes(prediction, [1.0] * 6): "true or false",
        lambda: rh.compare_with_outcomes(xr.Dataset(), 1): "rh.predict_rate",
    }.items():
        with pytest.raises(InputError, match=message):
            call()
