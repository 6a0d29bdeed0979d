"""What each shift changes: marginals, associations, weights, values and options."""

import itertools

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from shifted import GRID, OPTIONS, SCENES, as_dataset, by_depth

from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight

FALSE_ALARM = 1e-5
QUICK = hypothesis.settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def ragged(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(2, 5)))
    available = draw(hnp.arrays(bool, shape))
    available[0, :2] = True
    numbers = st.sampled_from([0.0, 1.5, 2.5, 7.0, np.nan])
    x, red = draw(hnp.arrays(float, shape, elements=numbers)), draw(hnp.arrays(bool, shape))
    variables = {"x": (GRID, x), "red": (GRID, red), "available": (GRID, available)}
    return xr.Dataset(variables | {"wind": ("scene", np.arange(shape[0]))})


@QUICK
@hypothesis.given(ragged(), st.integers(0, 2**70))
def test_repaint_keeps_the_joint_paint_of_each_scene(data, seed):
    out = repaint(data, ["x", "red"], seed=seed)
    part = data["available"].values
    for m in range(data.sizes["scene"]):
        old, new = (sorted(map(repr, zip(d["x"].values[m], d["red"].values[m], strict=True))) for d in (data, out))
        assert old == new
    for name in ("x", "red"):
        np.testing.assert_array_equal(out[name].values[~part], data[name].values[~part])


@QUICK
@hypothesis.given(ragged(), st.integers(0, 2**70))
def test_decorrelate_keeps_each_marginal(data, seed):
    out = decorrelate(data, ["x", "red", "wind"], seed=seed)
    part = data["available"].values
    for name in ("x", "red"):
        np.testing.assert_array_equal(np.sort(out[name].values[part]), np.sort(data[name].values[part]))
        np.testing.assert_array_equal(out[name].values[~part], data[name].values[~part])
    some = part.any(1)
    np.testing.assert_array_equal(np.sort(out["wind"].values[some]), np.sort(data["wind"].values[some]))
    np.testing.assert_array_equal(out["wind"].values[~some], data["wind"].values[~some])


def even(counts):
    """A chi-square test of equal frequencies would cry wolf once in 100,000."""
    return stats.chisquare(np.ravel(counts)).pvalue > FALSE_ALARM


def test_repaint_makes_each_permutation_equally_often_and_scenes_differ():
    n = 7200
    available = np.tile([True, False, True, True], (n, 1))  # three take part, the second never
    data = {"x": np.tile([0, 9, 1, 2], (n, 1)), "available": available}
    x = repaint(data, "x", seed=3)["x"].values[:, [0, 2, 3]].astype(int)
    order = {p: k for k, p in enumerate(itertools.permutations(range(3)))}
    codes = np.array([order[tuple(row)] for row in x.tolist()])
    assert even(np.bincount(codes, minlength=6))
    assert even(np.bincount(codes[:-1] * 6 + codes[1:], minlength=36))  # a scene says nothing of the next


def correlated(n=20_000):
    red = np.random.default_rng(1).random((n, 2)) < 0.4
    return {"red": red, "flags": red.copy(), "slope": red + np.random.default_rng(2).normal(size=(n, 2))}


def correlation(out, a, b):
    return np.corrcoef(out[a].values.ravel().astype(float), out[b].values.ravel().astype(float))[0, 1]


def test_decorrelate_cuts_association():
    data = correlated()
    bound = 5 / np.sqrt(data["red"].size)  # five standard errors
    assert correlation(as_table(data).to_dataset(), "red", "slope") > 10 * bound
    steps = decorrelate(decorrelate(data, "red", seed=4), "flags", seed=4)
    for out in (decorrelate(data, "red", seed=4), decorrelate(data, ["red", "flags"], seed=4), steps):
        assert abs(correlation(out, "red", "flags")) < bound
        assert abs(correlation(out, "red", "slope")) < bound
    assert correlation(decorrelate(data, "red", seed=4), "flags", "slope") > 10 * bound


def test_shifts_at_one_seed_have_streams_of_their_own():
    data = {"a": np.arange(600).reshape(1, 600), "b": np.arange(600).reshape(1, 600)}
    painted, cut = repaint(data, "a", seed=2), decorrelate(data, ["a", "b"], seed=2)
    rows = [painted["a"].values[0], cut["a"].values[0], cut["b"].values[0]]
    rows += [repaint(painted, "b", seed=2)["b"].values[0], decorrelate(painted, "b", seed=2)["b"].values[0]]
    for x, y in itertools.combinations(rows, 2):
        assert (x == y).sum() <= 12  # Poisson of mean 1: more than 12 less than once in a thousand million
    alone = decorrelate(data, "b", seed=2)["b"].values[0]
    np.testing.assert_array_equal(alone, rows[2])  # whatever else is named


def test_fade():
    n = 40_000
    values = np.array([1.0, np.nan, -3.0] * 10)
    data = {
        "red": np.arange(n) % 4 != 0,
        "x": np.resize(values, n),
        "k": np.arange(n),
        "z": np.resize([1, 0, np.nan], n),
    }
    once = fade(data, ["red", "x", "k", "z"], 0.3, seed=6)
    true = data["red"].sum()
    for out, by in ((once, 0.3), (fade(once, "red", 0.3, seed=6), 0.51), (fade(data, "red", 1), 1.0)):
        rate = 1 - out["red"].values.sum() / true
        assert abs(rate - by) <= 5 * np.sqrt(by * (1 - by) / true)
        assert out["red"].dtype == bool and not out["red"].values[~data["red"]].any()
    np.testing.assert_array_equal(once["x"], (1 - 0.3) * data["x"])
    np.testing.assert_array_equal(once["k"], (1 - 0.3) * np.arange(n))
    z = once["z"].values  # 0, 1 and missing: a boolean
    np.testing.assert_array_equal(np.isnan(z), np.isnan(data["z"]))
    assert set(z[~np.isnan(z)]) == {0.0, 1.0}
    ones = (data["z"] == 1).sum()
    assert abs(1 - np.nansum(z) / ones - 0.3) < 5 * np.sqrt(0.3 * 0.7 / ones)


def test_resample_follows_the_weights():
    weight = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    data = {"x": np.arange(5.0), "scene_weight": weight}
    out = resample(data, 20_000, seed=9)
    counts = np.bincount(out["resampled_from"].values, minlength=5)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], 20_000 * weight[1:] / weight.sum()).pvalue > FALSE_ALARM
    np.testing.assert_array_equal(out["x"], out["resampled_from"])
    np.testing.assert_array_equal(out["scene"], np.arange(20_000))
    assert "scene_weight" not in out and resample(data).sizes["scene"] == 5
    twice = resample(resample(as_dataset(), 20), 200)
    np.testing.assert_array_equal(  # the first names are followed through the chain
        twice["wind"], as_dataset()["wind"].sel(scene=twice["resampled_from"].values)
    )
    assert even(np.bincount(resample({"x": np.arange(8)}, 16_000)["resampled_from"].values, minlength=8))


def test_a_scene_without_options_is_never_drawn():
    data = {"x": np.ones((3, 2)), "available": np.array([[1, 1], [0, 0], [0, 1]], bool)}
    table = xr.Dataset({name: (GRID, values) for name, values in data.items()})
    assert set(resample(table, 400)["resampled_from"].values) == {0, 2}
    np.testing.assert_array_equal(reweight(table, np.array([1.0, 5.0, 3.0]))["scene_weight"], [0.75, 0, 2.25])


def test_reweight():
    data = as_dataset()
    part, w = data["available"].values, data["scene_weight"].values
    count = data["count"].values
    means = np.array([count[m][part[m]].mean() for m in range(SCENES)])
    for given_, want in (
        ("count", means),
        (lambda d: d["count"], means),
        (count, means),
        (data["count"], means),
        ("wind", data["wind"].values),
        (data["wind"].values, data["wind"].values),
        ("count > 3", np.array([(count[m] > 3)[part[m]].mean() for m in range(SCENES)])),
        (2, np.ones(SCENES)),
    ):
        out = reweight(data, given_)["scene_weight"]
        assert out.dims == ("scene",) and out.values.mean() == pytest.approx(1, rel=1e-12)
        np.testing.assert_allclose(out.values, w * want / (w * want).mean(), rtol=1e-12)
    plain = reweight(data.drop_vars("scene_weight"), "wind")["scene_weight"].values
    np.testing.assert_allclose(plain, data["wind"].values / data["wind"].values.mean(), rtol=1e-12)
    flat = {"x": np.array([1e-300, 3e-300]), "scene_weight": np.array([1e300, 1e300])}
    np.testing.assert_allclose(reweight(flat, "x")["scene_weight"], [0.5, 1.5], rtol=1e-12)


def test_resampling_agrees_with_weighting_in_the_mean():
    x = np.random.default_rng(3).gamma(2.0, 1.0, 500)
    weighted = reweight({"x": x}, "x")
    w = weighted["scene_weight"].values
    mean = np.average(x, weights=w)
    drawn = resample(weighted, 20_000, seed=1)["x"].values
    five = 5 * np.sqrt(np.average((x - mean) ** 2, weights=w) / 20_000)
    assert abs(drawn.mean() - mean) < five < abs(x.mean() - mean)


def test_intervene():
    data = as_dataset()
    part, count, depth = data["available"].values, data["count"].values, data["depth"].transpose(*GRID).values
    flags, wind = data["flags"].values, data["wind"].values
    everywhere = np.ones_like(part)
    for value, want in (
        (True, everywhere),
        (1, everywhere),
        ("flags & (count > 3)", flags & (count > 3)),
        ("not flags", ~flags),
        ("where(flags, red, depth > 0)", np.where(flags, data["red"], depth > 0)),
        (by_depth, depth > 0),
        (lambda d: True, everywhere),
        (data["depth"] > 0, depth > 0),
        (depth > 0, depth > 0),
        (wind > 0.5, np.tile(wind[:, None] > 0.5, OPTIONS)),
        (data["wind"] > 0.5, np.tile(wind[:, None] > 0.5, OPTIONS)),
        (depth[:1] > 0, np.tile(depth[:1] > 0, (SCENES, 1))),
    ):
        for where, chosen in ((None, everywhere), ("count > 2", count > 2), (count > 2, count > 2)):
            out = intervene(data, "red", value, where)["red"]
            assert out.dtype == bool and out.dims == GRID
            np.testing.assert_array_equal(out, np.where(part & chosen, want, data["red"]))
    out = intervene(data, "depth", "2*depth - count/2")["depth"]
    assert out.dims == data["depth"].dims and out.attrs == data["depth"].attrs
    np.testing.assert_allclose(out.transpose(*GRID), np.where(part, 2 * depth - count / 2, depth))
    assert intervene(data, "count", 3)["count"].dtype == int
    assert intervene(data, "count", 0.5)["count"].values[part].tolist() == [0.5] * part.sum()
    assert intervene(data, "red", 0.5)["red"].values[part].tolist() == [0.5] * part.sum()
    wide = intervene(data, "wind", 0.0, "count > 2")["wind"]
    np.testing.assert_array_equal(wide, np.where(part & (count > 2), 0.0, wind[:, None]))


def test_intervene_makes_new_features():
    data = as_dataset()
    part, count = data["available"].values, data["count"].values
    new = intervene(data, "crater", "count > 3")["crater"]
    assert new.dtype == bool
    np.testing.assert_array_equal(new, part & (count > 3))
    np.testing.assert_array_equal(intervene(data, "more", 2)["more"], np.where(part, 2, np.nan))
    assert intervene({"x": np.arange(3)}, "more", 2)["more"].dtype == int


def test_a_value_is_judged_only_where_it_is_used():
    data = {"red": np.array([1, 0, np.nan]), "x": np.array([1.0, 0.0, 2.0]), "is_failing": np.array([0, 0, 1])}
    out = intervene(data, "red", "~red", where="~is_failing")["red"]
    np.testing.assert_array_equal(out, [0, 1, np.nan])
    np.testing.assert_array_equal(intervene(data, "x", "1/x", where="x > 0")["x"], [1, 0, 0.5])


def test_added_options():
    data = as_dataset()
    data["is_failing"][0, 0] = True
    options = [{"red": True, "count": 3, "depth": 0.5, "kind": "tar"}, {"red": 0, "slope": 2}]
    out = add_options(data, options)
    assert out.sizes == {"scene": SCENES, "option": 6} and out["option"].values.tolist() == [10, 20, 30, 40, 41, 42]
    new = out.isel(option=[4, 5])
    assert new["available"].values.all() and not new["is_failing"].values.any()
    assert {n: out[n].dtype.kind for n in ("red", "is_failing", "available", "flags", "count")} == {
        "red": "b",
        "is_failing": "b",
        "available": "b",
        "flags": "f",
        "count": "f",
    }
    for name, want in {
        "red": [True, False],
        "flags": [np.nan, np.nan],
        "count": [3, np.nan],
        "slope": [np.nan, 2],
        "kind": ["tar", ""],
        "option_name": ["", ""],
    }.items():
        np.testing.assert_array_equal(new[name].transpose(*GRID), np.tile(np.array(want, new[name].dtype), (SCENES, 1)))
    np.testing.assert_array_equal(new["depth"].transpose(*GRID), np.tile([0.5, np.nan], (SCENES, 1)))
    assert out["depth"].dims == ("option", "scene") and out["wind"].dims == ("scene",)
    assert as_table(out).n_items == as_table(data).n_items + 2 * SCENES
    both = add_options(data, [{"count": 3}, {"count": 4}])
    assert both["count"].dtype == data["count"].dtype
    assert add_options(data, {"count": 3.5})["count"].dtype == float


def test_added_options_have_the_weight_of_their_scene():
    weight = np.array([[9.0, 2.0], [1.0, 1.0]])
    table = xr.Dataset({"x": (GRID, np.ones((2, 2))), "scene_weight": (GRID, weight)})
    table["available"] = (GRID, np.array([[False, True], [True, True]]))
    table = table.assign_coords(option=["near", "far"])
    out = add_options(table, {"x": 3})
    np.testing.assert_array_equal(out["scene_weight"], [[9, 2, 2], [1, 1, 1]])
    assert out["option"].values.tolist() == ["near", "far", "added 2"]
    np.testing.assert_array_equal(as_table(out).scene_weights(), [1, 0.5])
    out = add_options(out, {"x": 4})
    assert out["option"].values.tolist() == ["near", "far", "added 2", "added 3"]
