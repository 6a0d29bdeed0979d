"""Shifts: each changes what it says and nothing else, and leaves a record of who chose it."""

import copy
import itertools
import json
import subprocess
import sys

import hypothesis
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.shifts.base import shifts_of
from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.registry import SHIFTS
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight

GRID = ("scene", "option")
SCENES, OPTIONS = 30, 4
FALSE_ALARM = 1e-5
QUICK = hypothesis.settings(max_examples=60, deadline=None, derandomize=True)


def arrays():
    rng = np.random.default_rng(5)
    shape = (SCENES, OPTIONS)
    available = rng.random(shape) < 0.8
    available[:, 0] |= ~available.any(1)
    available[:, -1] |= np.arange(SCENES) == 0  # so that every position is some scene's
    slope = rng.gamma(4.0, 4.0, shape)
    slope[3, 0] = np.nan
    return {
        "red": rng.random(shape) < 0.5,
        "flags": rng.random(shape) < 0.5,
        "slope": slope,
        "depth": rng.normal(size=shape),
        "count": rng.integers(0, 9, shape),
        "kind": rng.choice(np.array(["rock", "sand", "ice"], object), shape),
        "wind": rng.random(SCENES),
        "scene_weight": rng.gamma(2.0, 1.0, SCENES),
        "is_failing": np.zeros(shape, bool),
        "available": available,
        "option_name": np.broadcast_to(np.array(["a", "b", "c", "d"], object), shape),
    }


def as_dataset():
    variables = {name: (GRID[: a.ndim], a.copy(), {"units": name}) for name, a in arrays().items()}
    coords = {
        "scene": [f"m{k}" for k in range(SCENES)],
        "option": [10, 20, 30, 40],
        "place": ("scene", np.arange(SCENES) * 2.0),
        "side": ("option", np.array(["l", "m", "r", "s"], object)),
    }
    data = xr.Dataset(variables, coords=coords, attrs={"source": "made", "more": 3})
    data["depth"] = data["depth"].transpose("option", "scene")
    data["depth"].encoding = {"dtype": "int16"}  # a file's packing, which the changed values would not fit
    return data


def as_dict():
    return {name: a.copy() for name, a in arrays().items() if name != "option_name"}


def as_frame():
    scene, option = np.divmod(np.arange(SCENES * OPTIONS), OPTIONS)
    grids = {n: np.broadcast_to(a if a.ndim == 2 else a[:, None], (SCENES, OPTIONS)) for n, a in as_dict().items()}
    return pd.DataFrame({"scene": scene, "option": option, **{n: g.reshape(-1) for n, g in grids.items()}})


def by_depth(data):
    data["red"].values[:] = True  # a callable that spoils what it is given spoils a copy
    return data["depth"] > 0


CALLS = {  # name -> (its arguments, what it changes)
    "repaint": (dict(features=["red", "slope", "kind"]), {"red", "slope", "kind"}),
    "decorrelate": (dict(features=["red", "depth", "count"]), {"red", "depth", "count"}),
    "intervene": (dict(feature="red", value=by_depth, where="count > 2"), {"red"}),
    "reweight": (dict(weight=np.arange(1.0, SCENES + 1)), {"scene_weight"}),
    "resample": (dict(n=50), {"scene_weight", "scene", "resampled_from"}),
    "add_options": (dict(options=[{"red": True, "count": 3}, {"red": False, "kind": "sand"}]), set()),
    "fade": (dict(features=["red", "depth"], by=0.4), {"red", "depth"}),
}
RECORDED = {
    "repaint": {"features": ["red", "slope", "kind"]},
    "decorrelate": {"features": ["red", "depth", "count"]},
    "intervene": {"feature": "red", "value": "by_depth", "where": "count > 2"},
    "reweight": {"weight": "array of shape (30,)"},
    "resample": {"n": 50},
    "add_options": {"options": [{"red": True, "count": 3}, {"red": False, "kind": "sand"}]},
    "fade": {"features": ["red", "depth"], "by": 0.4},
}
RANDOM = {"repaint", "decorrelate", "resample", "fade"}


def unchanged(a, b):
    if isinstance(a, xr.Dataset):
        xr.testing.assert_identical(a, b)
        assert a["depth"].encoding == b["depth"].encoding
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    else:
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def same_items(a, b):
    a, b = as_table(a), as_table(b)
    assert set(a.columns) == set(b.columns)
    np.testing.assert_array_equal(a.starts, b.starts)
    for name, column in a.columns.items():
        x, y = column, b.columns[name]
        assert [x.text(i) for i in range(a.n_items)] == [y.text(i) for i in range(b.n_items)], name


def test_every_shift_is_listed():
    assert set(SHIFTS) == set(CALLS) == set(RECORDED)
    assert all(SHIFTS[name].__name__ == name for name in SHIFTS)


@pytest.mark.parametrize("make", [as_dataset, as_frame, as_dict])
@pytest.mark.parametrize("name", SHIFTS)
def test_conformance(name, make, tmp_path):
    arguments, changed = CALLS[name]
    seeded = {"seed": 7} if name in RANDOM else {}

    def shift(data, **more):
        return SHIFTS[name](data, **arguments, **{**seeded, **more})

    data = make()
    before = data if isinstance(data, xr.Dataset) else as_table(data).to_dataset()
    kept = copy.deepcopy(data)
    out = shift(data, chosen_by="the test team", why="paint fades")
    unchanged(data, kept)
    xr.testing.assert_identical(out, shift(data, chosen_by="the test team", why="paint fades"))
    if name in RANDOM:
        other = shift(data, seed=8)
        assert not out.drop_attrs().identical(other.drop_attrs())
        for feature in (changed & set(before.data_vars) & set(out.data_vars)) - (
            {"depth"} if name == "fade" else set()
        ):
            assert not out[feature].identical(other[feature]), feature  # numbers fade without a draw

    entry = {"name": name, "arguments": RECORDED[name], **seeded, "chosen_by": "the test team", "why": "paint fades"}
    assert shifts_of(data) == [] and shifts_of(out) == [entry] == json.loads(out.attrs["shifts"])
    again = shift(out)
    assert shifts_of(again) == [entry, {**entry, "chosen_by": None, "why": None}]
    assert shifts_of(out) == [entry]
    assert {k: v for k, v in out.attrs.items() if k != "shifts"} == before.attrs

    part, whole = out, before
    if name == "add_options":
        part = out.isel(option=slice(OPTIONS))
    elif name == "resample":
        where = {scene: m for m, scene in enumerate(before["scene"].values.tolist())}
        whole = before.isel(scene=[where[scene] for scene in out["resampled_from"].values.tolist()])
    assert set(part.variables) | changed == set(whole.variables) | changed
    for variable in set(part.data_vars) - ({"scene_weight"} if name == "reweight" else set()):
        assert part[variable].dims == whole[variable].dims
    for variable in set(part.variables) - changed:
        x, y = part[variable], whole[variable]
        np.testing.assert_array_equal(x.values, y.values, err_msg=variable)
        assert x.attrs == y.attrs
        if name != "add_options":  # where the added options lack it, whole numbers become float
            assert x.dtype == y.dtype, variable
    if name != "resample":
        gone = ~before["available"].values
        assert gone.any()
        for feature in changed - {"scene_weight"}:
            x, y = (d[feature].transpose(*GRID).values[gone] for d in (out, before))
            np.testing.assert_array_equal(x, y)

    assert as_table(out).has_options
    out.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    read = xr.load_dataset(tmp_path / "t.nc", engine="h5netcdf")
    assert read.attrs == out.attrs and shifts_of(read) == [entry]
    assert set(read.coords) == set(out.coords)
    same_items(read, out)


def test_a_shift_does_not_depend_on_how_the_table_is_held():
    held = as_dataset().drop_vars("option_name")
    for name, (arguments, _) in CALLS.items():
        results = [SHIFTS[name](data, **arguments) for data in (held, as_frame(), as_dict())]
        if name == "add_options":  # over scene alone it holds for the added options too; by option it is missing there
            results = [out.drop_vars("wind") for out in results]
        same_items(results[0], results[1])
        same_items(results[0], results[2])


def test_tables_without_options():
    data = {"red": np.arange(40) % 2 == 0, "x": np.arange(40.0)}
    for out in (
        decorrelate(data, ["red", "x"]),
        intervene(data, "red", "x > 3"),
        reweight(data, "x"),
        resample(data, 5),
        fade(data, "red", 0.5),
    ):
        assert set(out.dims) == {"scene"} and not as_table(out).has_options


def test_importing_shifts_leaves_xarray_alone():
    code = "import sys, reward_hypotheses.data.shifts.base; sys.exit('xarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_feature_named_twice_is_one():
    data = as_dataset()
    for name in ("repaint", "decorrelate", "fade"):
        arguments = {"by": 0.5} if name == "fade" else {}
        one, two = (SHIFTS[name](data, features, **arguments) for features in ("red", ["red", "red"]))
        xr.testing.assert_identical(one, two)


# What each shift says of itself


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


# Wrong input

D = as_dataset()
ONE = {"x": np.arange(4.0)}
ERRORS = {
    "unknown": (lambda: decorrelate(D, ["redd"]), r"^decorrelate: features: no column 'redd'; did you mean 'red'\?$"),
    "unknown, repaint": (lambda: repaint(D, "redd"), r"^repaint: features: no column 'redd'; did you mean 'red'\?$"),
    "unknown, fade": (
        lambda: fade(D, ["red", "slop"], 0.5),
        r"^fade: features: no column 'slop'; did you mean 'slope'\?$",
    ),
    "none": (lambda: repaint(D, []), r"^repaint: features: \[\]; give the names of one or more"),
    "no list": (lambda: fade(D, 3, 0.5), r"^fade: features: 3; give the names"),
    "no text": (lambda: fade(D, [3], 0.5), r"^fade: features: 3; give the name of a feature, as text"),
    "blank": (lambda: fade(D, "", 0.5), r"^fade: features: ''; give the name"),
    "weight": (
        lambda: decorrelate(D, "scene_weight"),
        r"^decorrelate: features: 'scene_weight' is reserved; reweight sets",
    ),
    "by none": (lambda: fade(D, "red", 0), r"^fade: by: 0; give a share above 0 and at most 1"),
    "by more": (lambda: fade(D, "red", 1.01), r"^fade: by: 1.01; give"),
    "by nan": (lambda: fade(D, "red", float("nan")), r"^fade: by: nan; give"),
    "by bool": (lambda: fade(D, "red", True), r"^fade: by: True; give"),
    "fade text": (lambda: fade(D, "kind", 0.5), r"^fade: features: column 'kind' holds text; it must hold numbers"),
    "fade infinite": (lambda: fade({"x": [1.0, 2.0, np.inf]}, "x", 0.5), r"^fade: features: 'x' is infinite"),
    "n": (lambda: resample(D, 0), r"^resample: n: 0; give a whole number from 1 on"),
    "n float": (lambda: resample(D, 2.0), r"^resample: n: 2.0; give a whole"),
    "n bool": (lambda: resample(D, True), r"^resample: n: True; give a whole"),
    "resampled_from": (lambda: resample({"resampled_from": [1, 2]}), r"column 'resampled_from', which would"),
    "weights": (
        lambda: resample({"x": [1, 2], "scene_weight": [1, -2]}),
        r"^resample: table: scene 1: scene_weight is neg",
    ),
    "chosen_by": (lambda: reweight(D, "wind", chosen_by=3), r"^reweight: chosen_by: 3; give a text, or None"),
    "why": (lambda: repaint(D, "red", why=["a"]), r"^repaint: why: \['a'\]; give a text"),
    "parse": (lambda: intervene(D, "red", "red +"), r"^intervene: value: at position 6: it ends where"),
    "no column": (lambda: intervene(D, "red", "flag"), r"^intervene: value: no column 'flag'; did you mean 'flags'\?$"),
    "logic on numbers": (lambda: intervene(D, "red", "~depth"), r"^intervene: value: at position 1: .*compare first"),
    "text in arithmetic": (
        lambda: intervene(D, "red", "kind + 1"),
        r"^intervene: value: .*'kind' is .*, which is not a num",
    ),
    "missing": (
        lambda: intervene(D, "red", "slope"),
        r"^intervene: value: table: scene m3, option 0: column 'slope' is m",
    ),
    "undefined": (
        lambda: intervene(D, "red", "log(0 - 1 - count)"),
        r"^intervene: value: scene m0, option 2: is nan; it must",
    ),
    "undefined truth": (
        lambda: intervene(D, "red", "log(-1) > count"),
        r"^intervene: value: scene m0, option 2: is nan",
    ),
    "not finite": (
        lambda: intervene(D, "red", np.inf),
        r"^intervene: value: scene m0, option 2: is inf; it must be finite",
    ),
    "object": (lambda: intervene(D, "red", None), r"^intervene: value: holds object; give numbers or booleans"),
    "huge": (lambda: intervene(D, "red", 10**400), r"^intervene: value: holds object"),
    "shape": (
        lambda: intervene(D, "red", np.ones(4)),
        r"^intervene: value: shape \(4,\); give one number, or an array of",
    ),
    "shape 2": (lambda: intervene(D, "red", np.ones((3, 4))), r"^intervene: value: shape \(3, 4\); give .*\(30, 4\)$"),
    "no array": (lambda: intervene(D, "red", [[1], [1, 2]]), r"^intervene: value: a list that is no array; give"),
    "dims": (
        lambda: intervene(D, "red", xr.DataArray([1], dims="time")),
        r"^intervene: value: is over \('time',\); it must",
    ),
    "other scenes": (lambda: intervene(D, "red", D["wind"][::-1]), r"^intervene: value: has other scenes or options"),
    "callable text": (lambda: intervene(D, "red", lambda d: "red"), r"^intervene: value: the callable gave 'red'"),
    "callable Dataset": (lambda: intervene(D, "red", lambda d: d), r"^intervene: value: a Dataset that is no array"),
    "where numbers": (
        lambda: intervene(D, "red", 1, "count"),
        r"^intervene: where: gives numbers; it must be true or false",
    ),
    "where ones": (lambda: intervene(D, "red", 1, np.ones(SCENES)), r"^intervene: where: gives numbers"),
    "where column": (
        lambda: intervene(D, "red", 1, "coun > 1"),
        r"^intervene: where: no column 'coun'; did you mean 'count'",
    ),
    "new where": (lambda: intervene(D, "new", 1, "red"), r"^intervene: feature: no column 'new'"),
    "feature text": (lambda: intervene(D, "kind", 1), r"^intervene: feature: column 'kind' holds text"),
    "feature coordinate": (lambda: intervene(D, "place", 1), r"^intervene: feature: 'place' is a coordinate"),
    "feature no text": (lambda: intervene(D, 3, 1), r"^intervene: feature: 3; give the name"),
    "negative": (
        lambda: reweight(D, "wind - 2"),
        r"^reweight: weight: scene m0 gets -1.*; it must be a finite number of 0 or",
    ),
    "overflow": (
        lambda: reweight({"x": np.full((2, 3), 1e308) * [1, -1, -1]}, "x"),
        r"^reweight: weight: scene 0 gets -inf",
    ),
    "infinite": (lambda: reweight(ONE, "1/x"), r"^reweight: weight: scene 0: is inf"),
    "nowhere positive": (lambda: reweight(D, "0"), r"^reweight: weight: no scene would have a positive weight"),
    "weight shape": (lambda: reweight(D, np.ones(29)), r"^reweight: weight: shape \(29,\); give"),
    "repaint no options": (lambda: repaint(ONE, "x"), r"^repaint: the table has no options; it must be over"),
    "add no options": (lambda: add_options(ONE, {"x": 1}), r"^add_options: the table has no options"),
    "one option": (lambda: repaint({"x": np.ones((5, 1))}, "x"), r"^repaint: no scene has two available options"),
    "scene feature": (lambda: repaint(D, "wind"), r"^repaint: features: 'wind' has one value a scene"),
    "options none": (lambda: add_options(D, []), r"^add_options: options: none, or one without features; give"),
    "options empty": (lambda: add_options(D, [{"red": True}, {}]), r"^add_options: options: none, or one without"),
    "options no list": (lambda: add_options(D, 3), r"^add_options: options: 3; give a mapping"),
    "options text": (lambda: add_options(D, "red"), r"^add_options: options: 'red'; give a mapping"),
    "options unknown": (
        lambda: add_options(D, {"redd": 1}),
        r"^add_options: options: no column 'redd'; did you mean 'red'",
    ),
    "options scene": (lambda: add_options(D, {"wind": 1}), r"^add_options: options: 'wind' has one value a scene"),
    "options text cell": (
        lambda: add_options(D, {"red": "yes"}),
        r"^add_options: options: 'red' = 'yes'; give a finite num",
    ),
    "options number cell": (lambda: add_options(D, {"kind": 3}), r"^add_options: options: 'kind' = 3; give a text"),
    "options nan": (lambda: add_options(D, {"slope": np.nan}), r"^add_options: options: 'slope' = nan; give a finite"),
    "no table": (lambda: fade(3, "x", 0.5), r"^fade: table: a int is not a table"),
    "no scene": (
        lambda: fade(xr.Dataset({"x": ("time", [1])}), "x", 0.5),
        r"^fade: table: dimensions .*a table needs 'scene'",
    ),
    "options weights": (
        lambda: add_options({"x": np.ones((1, 2)), "scene_weight": np.array([[1, 2]])}, {"x": 1}),
        r"^add_options: table: scene 0, option 1: scene_weight differs",
    ),
    "record": (lambda: shifts_of(D.assign_attrs(shifts="{")), r"^attribute 'shifts' is '\{'; it must be the JSON"),
    "record kind": (lambda: fade(D.assign_attrs(shifts=3), "red", 0.5), r"^fade: attribute 'shifts' is 3; it must be"),
}
ERRORS |= {
    f"reserved {name}": (
        lambda name=name: decorrelate(D, name),
        rf"^decorrelate: features: '{name}' is reserved; name a f",
    )
    for name in ("scene", "option", "available", "option_name")
}
ERRORS |= {
    f"reserved {name}, intervene": (
        lambda name=name: intervene(D, name, 1),
        rf"^intervene: feature: '{name}' is reserved",
    )
    for name in ("scene", "option", "available", "option_name", "scene_weight")
}
ERRORS |= {
    f"seed {name} {seed!r}": (
        lambda name=name, seed=seed: SHIFTS[name](D, **CALLS[name][0], seed=seed),
        rf"^{name}: seed: {seed!r}; give a whole number from 0 on",
    )
    for name, seed in itertools.product(sorted(RANDOM), (-1, 1.5, True, None))
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    wrong, message = ERRORS[case]
    with pytest.raises(InputError, match=message) as caught:
        wrong()
    assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)
