"""Parquet files that are damaged, and files that would not fit in memory."""

import sys
import zlib

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.data.readers import memory
from reward_hypotheses.data.readers.files import read_any


@pytest.fixture(scope="module")
def items():
    rng = np.random.default_rng(11)
    n = 120
    return pd.DataFrame(
        {
            "scene": np.repeat(np.arange(n // 3), 3),
            "option": list("abc") * (n // 3),
            "x": rng.normal(size=n),
            "flag": rng.random(n) < 0.5,
            "grade": rng.choice(["low", "mid", "h\N{LATIN SMALL LETTER E WITH ACUTE}"], n),
            "gap": np.where(rng.random(n) < 0.1, np.nan, 1.5),
        }
    )


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("compression", ["snappy", "none", "zstd"])
def test_damaged_parquet_is_right_or_refused_in_one_line(tmp_path, items, checksum, compression):
    path, rng = tmp_path / "t.parquet", np.random.default_rng([3, checksum, len(compression)])
    items.to_parquet(path, compression=compression, write_page_checksum=checksum)
    whole, right = path.read_bytes(), read_any(path, "t")[0].digest
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=rng.integers(1, 9)):
            data[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(data[: rng.integers(len(data))]) if rng.random() < 0.1 else bytes(data))
        try:
            found = read_any(path, "t")[0]
        except rh.InputError as error:
            assert len(error.problems) == 1 and "\n" not in str(error)
            refused += 1
        else:  # without a checksum nothing tells a number that was changed
            assert found.digest == right or not checksum
    assert refused > 30


def test_parquet_gives_what_was_written(tmp_path, items):
    path = tmp_path / "t.parquet"
    items.to_parquet(path)
    categories = tmp_path / "c.parquet"
    items.astype({"grade": "category"}).to_parquet(categories)
    (tmp_path / "t.csv").write_text(items.to_csv(index=False), encoding="utf-8")
    expected = rh.read_table(tmp_path / "t.csv").drop_attrs()
    xr.testing.assert_equal(rh.read_table(path).drop_attrs(), expected)
    xr.testing.assert_equal(rh.read_table(categories).drop_attrs(), expected)


def declaring(path, n):
    """A file of few bytes whose metadata declare n items."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"x": np.zeros(n, np.int64)}), path)
    elif path.suffix == ".nc":
        with h5py.File(path, "w") as file:
            for name in ("scene", "x"):
                one = file.create_dataset(name, shape=(n,), dtype="f8", chunks=(10_000,), compression="gzip")
                one.make_scale(name) if name == "scene" else one.dims[0].attach_scale(file["scene"])
    else:
        import zarr

        group = zarr.create_group(path)
        for name in ("scene", "x"):
            group.create_array(name, shape=(n,), chunks=(10_000,), dtype="f8", dimension_names=["scene"])


@pytest.mark.parametrize("suffix", [".parquet", ".nc", ".zarr"])
def test_what_would_not_fit_in_memory_is_refused_by_its_metadata(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"t{suffix}"
    n = 3_000_000 if suffix == ".parquet" else 10**13
    declaring(path, n)
    monkeypatch.setattr(memory, "memory_there", lambda: 5e7)
    with pytest.raises(
        rh.InputError, match=rf"t\{suffix}: its table of {n:,} .* would take about .*B of memory, and there are 50 MB"
    ):
        read_any(path, "t")


def test_a_text_that_a_million_rows_repeat_is_held_once(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"x": np.arange(20_000), "s": text}), path, store_schema=False)
    monkeypatch.setattr(memory, "memory_there", lambda: 4e8)  # written out, it would be 20 GB
    found = read_any(path, "t")[0]
    assert found.n_items == 20_000 and found.columns["s"].vocabulary == ("x" * 1_000_000,)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_compressed_data_that_are_more_than_declared_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.nc"
    pack = zlib.compressobj(1)
    bomb = b"".join(pack.compress(bytes(10**7)) for _ in range(25)) + pack.flush()
    with h5py.File(path, "w") as file:
        file.create_dataset("scene", data=np.arange(1000.0)).make_scale("scene")
        x = file.create_dataset("x", shape=(1000,), dtype="f8", chunks=(1000,), compression="gzip")
        x.dims[0].attach_scale(file["scene"])
        x.id.write_direct_chunk((0,), bomb)
    monkeypatch.setattr(memory, "memory_there", lambda: 1e8)
    with pytest.raises(rh.InputError, match=r"t\.nc: cannot be read as nc"):
        read_any(path, "t")
    assert np.ones(4 * 10**7).sum() == 4e7  # the limit is gone


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "t.csv"
    with path.open("wb") as stream:
        stream.truncate(2**42)  # holds nothing on disk
    with pytest.raises(rh.InputError, match=r"t\.csv: the file would take about 4.4 TB of memory, and there are"):
        read_any(path, "t")


def test_memory_by_the_limits_of_control_groups(tmp_path, monkeypatch):
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (groups / "box").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    (proc / "self" / "cgroup").write_text("0::/box\n")
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CGROUPS", groups)
    assert memory.memory_there() == 8000 * 1024
    for limit, there in (("max", 8000 * 1024), ("5000000", 5_000_000 - 2_000_000 + 500_000)):
        (groups / "box" / "memory.max").write_text(limit)
        (groups / "box" / "memory.current").write_text("2000000")
        (groups / "box" / "memory.stat").write_text("anon 7\ninactive_file 500000\n")
        assert memory.memory_there() == there
