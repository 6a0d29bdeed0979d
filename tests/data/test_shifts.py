"""Shifts: each changes what it says and nothing else, and leaves a record of who chose it."""

import copy
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shifted import CALLS, GRID, OPTIONS, RANDOM, SCENES, arrays, as_dataset

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene
from reward_hypotheses.data.shifts.registry import SHIFTS
from reward_hypotheses.data.shifts.scenes import resample, reweight
from reward_hypotheses.data.shifts.shift_base import shifts_of


def as_dict():
    return {name: a.copy() for name, a in arrays().items() if name != "option_name"}


def as_frame():
    scene, option = np.divmod(np.arange(SCENES * OPTIONS), OPTIONS)
    grids = {n: np.broadcast_to(a if a.ndim == 2 else a[:, None], (SCENES, OPTIONS)) for n, a in as_dict().items()}
    return pd.DataFrame({"scene": scene, "option": option, **{n: g.reshape(-1) for n, g in grids.items()}})


RECORDED = {
    "repaint": {"features": ["red", "slope", "kind"]},
    "decorrelate": {"features": ["red", "depth", "count"]},
    "intervene": {"feature": "red", "value": "by_depth", "where": "count > 2"},
    "reweight": {"weight": "array of shape (30,)"},
    "resample": {"n": 50},
    "add_options": {"options": [{"red": True, "count": 3}, {"red": False, "kind": "sand"}]},
    "fade": {"features": ["red", "depth"], "by": 0.4},
}


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
    for name, shift in SHIFTS.items():
        assert shift.name == name and shift.is_random == (name in RANDOM)
        assert set(CALLS[name][0]) <= set(shift.arguments)
        shift.check(CALLS[name][0])
        needed = next(key for key in shift.arguments if key in CALLS[name][0])
        with pytest.raises(InputError, match=f"{name} takes no 'how'"):
            shift.check(CALLS[name][0] | {"how": 1})
        if name != "resample":  # n has a default
            with pytest.raises(InputError, match=f"{name} needs '{needed}'"):
                shift.check({})


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
    code = "import sys, reward_hypotheses.data.shifts.shift_base; sys.exit('xarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_feature_named_twice_is_one():
    data = as_dataset()
    for name in ("repaint", "decorrelate", "fade"):
        arguments = {"by": 0.5} if name == "fade" else {}
        one, two = (SHIFTS[name](data, features, **arguments) for features in ("red", ["red", "red"]))
        xr.testing.assert_identical(one, two)
