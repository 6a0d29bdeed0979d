"""Tables in every format, and what is taken as a table."""

import warnings

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table


def test_read_table(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("scene,option,red,depth\n0,a,1,0.5\n0,b,0,1.5\n1,a,0,2\n1,b,1,3\n")
    d = rh.read_table(path)
    assert isinstance(d, xr.Dataset) and d.sizes == {"scene": 2, "option": 2}
    assert d["red"].dtype == bool and d["depth"].dtype == float
    with pytest.raises(InputError, match="no such file"):
        rh.read_table(tmp_path / "y.csv")


RAGGED = "scene,option,red,count,depth,kind\n7,a,1,3,0.5,x\n7,b,0,4,NA,y\n9,a,0,5,2.5,\n11,a,1,6,3,z\n11,b,1,7,1e-9,x\n"


@pytest.mark.parametrize("text", [RAGGED, "red,count,depth,kind\n1,3,0.5,x\n0,4,1.5,y\n"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "nc", "zarr"])
def test_round_trips(text, kind, tmp_path):
    """A table keeps its values and types through every format."""
    (tmp_path / "first.csv").write_text(text)
    first = rh.read_table(tmp_path / "first.csv")
    path = tmp_path / f"t.{kind}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="zarr")
        if kind == "nc":
            first.to_netcdf(path, engine="h5netcdf")
        elif kind == "zarr":
            first.to_zarr(path)
        else:
            frame = first.to_dataframe().reset_index()
            if "available" in frame:
                frame = frame[frame["available"]].drop(columns="available")
            if "option_name" in frame:
                frame["option"] = frame.pop("option_name")
            frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False, lineterminator="\r\n")
        again = rh.read_table(path)
    assert {k: v.dtype.kind for k, v in again.data_vars.items()} == {
        k: v.dtype.kind for k, v in first.data_vars.items()
    }
    for name in first.data_vars:
        np.testing.assert_array_equal(again[name].to_numpy(), first[name].to_numpy(), err_msg=name)
    if "scene" in first.coords:
        assert again["scene"].to_numpy().tolist() == first["scene"].to_numpy().tolist()


@pytest.mark.parametrize("kind", ["parquet", "nc", "zarr"])
def test_a_study_on_other_formats(kind, tmp_path):
    from studies import TEST, TRAINING, small, write

    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    test = rh.read_table(tmp_path / "test.csv")
    path = tmp_path / f"test.{kind}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="zarr")
        if kind == "parquet":
            test.to_dataframe().reset_index().to_parquet(path)
        elif kind == "nc":
            test.to_netcdf(path, engine="h5netcdf")
        else:
            test.to_zarr(path)
    tables = {"training": "training.csv", "test": path.name}
    other = rh.run(write(tmp_path, small(tables=tables), training=TRAINING, test=TEST))
    apart = ("data_sha256", "study", "tables")
    assert {k: v for k, v in other.items() if k not in apart} == {k: v for k, v in plain.items() if k not in apart}
    assert other["tables"]["test"] == plain["tables"]["test"] | {"origin": {"file": path.name}}
    assert len(other["data_sha256"]["test"]) == 64


def test_what_is_taken_as_a_table():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"scene": [0, 0, 1], "option": [0, 1, 0], "x": [1.5, 2.5, 3.5], "red": [True, False, True]})
    t = as_table(frame)
    np.testing.assert_array_equal(t.starts, [0, 2, 3])
    assert t.columns["red"].values.dtype == bool
    t2 = as_table({c: frame[c].to_numpy() for c in frame})
    np.testing.assert_array_equal(t.columns["x"].values, t2.columns["x"].values)
    t3 = as_table({"x": np.arange(6.0).reshape(3, 2), "weight_of_scene": np.array([1.0, 2.0, 3.0])})
    assert t3.n_scenes == 3 and t3.has_options
    np.testing.assert_array_equal(t3.columns["weight_of_scene"].values, [1, 1, 2, 2, 3, 3])
    for bad, words in (
        (3, "is not a table"),
        ({"a": [1, 2], "b": [1]}, "different shapes"),
        ({}, "no columns"),
        (xr.Dataset({"x": ("time", [1.0])}), "needs 'scene'"),
    ):
        with pytest.raises(InputError, match=words):
            as_table(bad)


def test_a_column_that_stands_twice():
    import pandas as pd

    frame = pd.DataFrame([[1, 0, 1], [0, 1, 0]], columns=["flags", "said", "flags"])
    with pytest.raises(rh.InputError, match="column 'flags' stands twice"):
        rh.Labels(frame, "said", noise=(1, 19))


@pytest.mark.parametrize("call", [rh.read_table, rh.run, rh.check])
@pytest.mark.parametrize("given", [3, None, {}])
def test_what_is_no_path(call, given):
    with pytest.raises(rh.InputError, match="is no path; give the path of a"):
        call(given)
