"""Ways in and out: odd files, bombs, broken streams, edited trees and folders, and text that others would run or obey."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import page
from studies import COMMAND, TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.output_folder import write_folder
from reward_hypotheses.analysis.report.table_model import Column, PaperTable
from reward_hypotheses.cli import main as cli
from reward_hypotheses.cli.main import main
from reward_hypotheses.data import atomic_write as aside
from reward_hypotheses.data.errors import visible
from reward_hypotheses.data.readers import memory
from reward_hypotheses.data.readers.files import read_any
from reward_hypotheses.models.feedback.boltzmann.score_check import score
from reward_hypotheses.models.hypotheses import callables
from reward_hypotheses.models.inference.nuisance_priors import InverseGamma
from reward_hypotheses.study.run import run_study

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def hurry():
    """A hang is a failure."""

    def stop(*_):
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study, and what its run computed."""
    path = write(tmp_path_factory.mktemp("ran"), small(), training=TRAINING, test=TEST)
    return run_study(path)


def test_the_posterior_needs_no_temporary_folder(ran, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for name in ("mkdtemp", "mkstemp", "TemporaryDirectory", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, full)
    tree, netcdf = cli._tree(ran)
    with xr.open_datatree(io.BytesIO(netcdf), engine="h5netcdf") as read:
        assert read.identical(tree)


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def bound(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # names of sockets are short
        one.bind(path.name)
        os.chdir(here)


ODD = {"a pipe": pipe, "a device": device, "a socket": bound}
NAMES = ["study.toml", "training.csv", "t.parquet", "t.nc", "t.zarr/zarr.json", "p.png", "a.csv", "l.jsonl", "s.csv"]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ODD)
def test_a_study_whose_file_is_no_regular_file(tmp_path, name, kind, capsys):
    study = small()
    if name.startswith("t."):
        study["tables"]["test"] = name.partition("/")[0]
        (tmp_path / "t.zarr").mkdir()
    elif name == "p.png":
        study["tables"]["test"] = {"path": "test.csv", "picture": name}
    elif name == "a.csv":
        study["values"] = {"judgements": name, "source": "a test"}
    elif name == "l.jsonl":
        study["analysis"] = {"ledger": name}
    elif name == "s.csv":
        study["mdps"] = {"m": {"states": name, "transitions": "training.csv", "discount": 0.9}}
    path = write(tmp_path, study, training=TRAINING, test=TEST)
    (tmp_path / name).unlink(missing_ok=True)
    ODD[kind](tmp_path / name)
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert f"is {kind}, not a regular file; give" in said.err and name.rpartition("/")[2] in said.err


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("kind", ODD)
def test_results_that_are_no_regular_file(tmp_path, kind, ran):
    folder = tmp_path / "study"
    folder.mkdir()
    ODD[kind](folder / "results.json")
    for read in (rh.report, lambda path: rh.compare(path, ran.document)):
        for given_path in (folder, folder / "results.json"):
            with pytest.raises(rh.InputError, match=f"is {kind}, not a regular file"):
                read(given_path)
    ODD[kind](folder / "manifest.json")
    for read in (rh.report, lambda path: rh.compare(path, ran.document)):
        with pytest.raises(rh.InputError, match=r"its manifest\.json cannot be read"):
            read(folder)


def test_links_to_regular_files_are_files(tmp_path):
    (tmp_path / "real").mkdir()
    write(tmp_path / "real", small(), training=TRAINING, test=TEST)
    for name in ("study.toml", "training.csv", "test.csv"):
        (tmp_path / name).symlink_to(tmp_path / "real" / name)
    assert rh.check(tmp_path / "study.toml").title == "small"


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


def ended(arguments, redirected):
    """Exit code and stderr of a command of the shell, its streams redirected as in sh."""
    command = f'"$@" {redirected}'
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}", "sh", *COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "redirected", "code", "said"),
    [
        (["check"], ">&-", 0, ""),
        (["check"], ">/dev/full", 0, ""),
        (["check"], "| true", 0, ""),
        (["check"], "2>&- >&-", 0, ""),
        (["run", "--json"], ">&-", 0, ""),
        (["run", "--json"], ">/dev/full", 2, "stdout: cannot be written (No space left on device)"),
        (["run", "--json"], "| head -c 1", 0, ""),
        (["--help"], ">/dev/full", 0, ""),
        (["check", "none.toml"], "2>/dev/full", 2, ""),
        (["check", "none.toml"], "2>&-", 2, ""),
    ],
)
def test_streams_that_are_closed_full_or_gone(tmp_path, arguments, redirected, code, said):
    study = write(tmp_path, small(), training=TRAINING, test=TEST)
    given_arguments = arguments if len(arguments) == 2 and "none" in arguments[1] else [*arguments, study]
    found, err = ended(given_arguments, redirected)
    assert found == code
    assert err.startswith(said) and err.count("\n") == bool(said)


def test_a_message_never_goes_where_results_go(tmp_path):
    """With standard error closed, `print` would write to standard output."""
    done = subprocess.run(
        ["bash", "-c", '"$@" 2>&-', "sh", *COMMAND, "check", str(tmp_path / "none.toml")],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2 and done.stdout == b""


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    code = "import os, sys; from reward_hypotheses.cli.streams import ready; ready(); sys.exit(os.open(sys.argv[1], os.O_RDONLY))"
    (tmp_path / "a").write_text("a")
    done = subprocess.run(
        ["bash", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code, tmp_path / "a"], check=False
    )
    assert done.returncode > 2


@pytest.mark.parametrize("text", [DEEP, '{"risk": ' + DEEP + "}", '{"schema_version": NaN}'])
def test_json_that_is_nested_deeply(tmp_path, text, ran):
    (tmp_path / "results.json").write_text(text)
    for read in (rh.report, lambda path: rh.compare(path, ran.document)):
        with pytest.raises(rh.InputError, match="not JSON"):
            read(tmp_path / "results.json")
    (tmp_path / "ledger.jsonl").write_text('{"sequence": ' + text + "}\n")
    with pytest.raises(rh.InputError, match=r"ledger\.jsonl: line 1: is no JSON"):
        rh.Ledger(tmp_path / "ledger.jsonl").read()


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(5)
    table = {"x": rng.random(40), "y": rng.random(40)}
    labels = rh.Labels(table | {"ok": table["x"] > 0.5}, "ok", noise=(1, 19))
    prior = rh.Elicited({"a": 1, "b": 2}, source="a test", strength=9)
    return rh.fit({"a": "x - 0.5", "b": "y - 0.5"}, prior, [labels], 0.0, draws=50)


SHAPED = {"x": np.arange(12.0).reshape(4, 3) / 12, "y": np.arange(12.0)[::-1].reshape(4, 3) / 12}
ASKED = {
    "risk": lambda tree: rh.catastrophe_risk(tree, SHAPED),
    "predict": lambda tree: rh.predict(tree, SHAPED, draws=20),
    "given": lambda tree: rh.given(tree, "a"),
    "index": rh.index_draws,
    "queries": lambda tree: rh.rank_queries(tree, SHAPED, SHAPED),
    "worst": lambda tree: rh.worst_case(tree, SHAPED),
}


def edits(tree):
    """Attributes of a tree, edited: (attribute, its text or None where it is gone)."""
    for key in ("study", "seed", "families"):
        for text in (None, "", "{", "[]", "null", DEEP):
            yield key, text
    study = json.loads(tree.attrs["study"])
    for key in study:
        for value in (None, [], {"a": [1]}, 3, [[]]):
            yield "study", json.dumps(study | {key: value})
        yield "study", json.dumps({k: v for k, v in study.items() if k != key})
    for key in study["feedback"][0]:
        for value in (None, {}, -3, "x", [3]):
            yield "study", json.dumps(study | {"feedback": [study["feedback"][0] | {key: value}]})


@pytest.mark.parametrize("asked", ASKED)
def test_edited_attributes_get_one_line(fitted, asked):
    refused = 0
    for key, text in list(edits(fitted))[:: 1 if asked == "risk" else 4]:
        edited = fitted.copy()
        edited.attrs = {k: v for k, v in fitted.attrs.items() if k != key} | ({} if text is None else {key: text})
        try:
            ASKED[asked](edited)
        except rh.InputError as error:
            assert not any("\n" in problem for problem in error.problems)
            refused += 1
    assert refused > 5
    ASKED[asked](fitted)


def saved(folder, ran, name="study"):
    write_folder(folder / name, {"results.json": json.dumps(ran.document).encode(), "tables/a.csv": b"a\n1\n"})
    return folder / name


@pytest.mark.parametrize("how", ["changed", "gone", "added", "manifest"])
def test_a_run_that_disagrees_with_its_manifest_is_not_read(tmp_path, ran, how):
    folder, other = saved(tmp_path, ran), saved(tmp_path, ran, "other")
    assert rh.compare(folder, other)["total"] == 0
    if how == "changed":
        text = (folder / "results.json").read_text()
        (folder / "results.json").write_text(text.replace('"small"', '"large"'))
    elif how == "gone":
        (folder / "tables" / "a.csv").unlink()
    elif how == "added":
        (folder / "mine.txt").write_text("mine")
    else:
        (folder / "manifest.json").write_text(DEEP)
    said = {
        "changed": "was changed after",
        "gone": "is gone",
        "added": "which no run wrote",
        "manifest": "cannot be read",
    }[how]
    for read in (rh.report, lambda path: rh.compare(path, other), lambda path: rh.compare(other, path)):
        for path in (folder, folder / "results.json"):
            with pytest.raises(rh.InputError, match=f"study.*: .*{said}.*; run its study again"):
                read(path)


def test_the_ledger_takes_no_risk_from_a_run_that_was_changed(tmp_path):
    study = write(tmp_path, small(analysis={"ledger": "l.jsonl"}), training=TRAINING, test=TEST)
    document = rh.run(study)
    folder = study.with_suffix("")
    write_folder(folder, {"results.json": json.dumps(document).encode()})
    document["risk"]["mean"] = 0.125
    (folder / "results.json").write_text(json.dumps(document))
    assert main(["ledger", "record", str(study), "--decided", "this"]) == 0
    (entry,) = rh.Ledger(tmp_path / "l.jsonl")
    assert entry.risk == pytest.approx(rh.run(study)["risk"]["mean"], abs=1e-12) and entry.risk != 0.125


KILLED = """
import os, signal, sys
from pathlib import Path
from reward_hypotheses.analysis.report.output_folder import write_folder
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
write_folder(Path(sys.argv[1]), {"a": b"1"})
"""


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "out"], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".run.") and left.name.endswith(".partial") and left.is_dir()
    mine = aside.aside_name("run").split(".")
    again = [*mine[:4], str(int(mine[4]) + 1), *mine[5:]]  # the number of a process that has ended, in use again
    elsewhere = [*mine[:2], "00000000", "999999999", *mine[4:]]
    kept = [".run.mine.partial", ".run.abcd1234.partial", ".".join(mine), ".".join(elsewhere), ".new.x.partial"]
    for name in [*kept, ".".join(again)]:
        (tmp_path / name).mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("kept")
    (tmp_path / ".".join([*again[:5], "feed", "partial"])).symlink_to(outside)
    kept += ["outside", ".".join([*again[:5], "feed", "partial"])]
    write_folder(tmp_path / "out", {"a": b"1"})
    assert {p.name for p in tmp_path.iterdir()} == {*kept, "out"}
    assert (outside / "a").read_text() == "kept"
    monkeypatch.setattr(aside, "_start", lambda _: None)  # a system that does not say when a process started
    write_folder(tmp_path / "out", {"a": b"2"})
    assert {p.name for p in tmp_path.iterdir()} == {*kept, "out"}


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\N{FULLWIDTH EQUALS SIGN}1"]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FORMULAS) | st.text(max_size=8), min_size=1, max_size=5))
def test_no_cell_of_a_table_is_a_formula(names):
    table = PaperTable("t", "", "", tuple(Column(name, "words") for name in names), (tuple(names), tuple(names)))
    for row in csv.reader(io.StringIO(table.csv().decode(errors="surrogatepass"), newline="")):
        for cell, name in zip(row, names, strict=True):
            number = cell.strip().lstrip("+-").replace(".", "", 1).isdecimal()
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or number or float(cell) is not None
            assert cell in (name, f"'{name}")


def test_numbers_of_a_table_stay_numbers():
    numbers = (-1.5, -0.0, 1e-300, -3, None, True, "-1.5", "+2", "-inf")
    table = PaperTable("t", "", "", tuple(Column(f"c{i}", "words") for i in range(len(numbers))), (numbers,))
    (_, row) = csv.reader(io.StringIO(table.csv().decode()))
    assert row == ["-1.5", "-0.0", "1e-300", "-3", "", "true", "-1.5", "+2", "-inf"]


OBEYED = ["\x1b[31m", "\x07", "\u202e", "\u2066", "\u200f", "\x9b", "\u061c", "\u2028"]


def test_controls_are_marks_in_the_report_and_on_the_terminal(tmp_path, capsys):
    assert visible("a\x1b[31m\u202eb\tc\r\nd\re") == "a<U+001B>[31m<U+202E>b\tc\nd<U+000D>e"
    name = "flags\u202eevil\u2066"
    study = small(title="on \u200fthe\u202e other hand", about="x\u2067y")
    study["hypotheses"] = {"red paint": "where(red_paint, 100, -100)", name: "where(flags, 100, -100)"}
    study["values"]["weights"] = {name: 8, "red paint": 1}
    path = write(tmp_path, study, training=TRAINING, test=TEST)
    document = rh.run(path)
    document["riskiest_scenes"] = [one | {"scene": "".join(OBEYED)} for one in document["riskiest_scenes"]]
    text = page(document, {}, {})
    assert not any(c in text for c in "\x1b\x07\u202e\u2066\u2067\u200f\x9b\u061c\u2028")
    assert "flags&lt;U+202E&gt;evil&lt;U+2066&gt;" in text and "&lt;U+202E&gt; other hand" in text
    assert main(["check", str(path)]) == 0
    from reports import print_summary

    print_summary(document)
    said = capsys.readouterr()
    assert not any(c in said.out + said.err for c in "\x1b\x07\u202e\u2066\u2067\u200f\x9b\u061c\u2028")
    assert main(["check", str(tmp_path / "\u202etlc.toml")]) == 2
    assert "<U+202E>tlc.toml" in capsys.readouterr().err


PAIRS = {"left_cost": [1.0, 2.0, 3.0], "right_cost": [3.0, 1.0, 4.0], "weather": ["wet", "dry", "wet"]}


def test_comparisons_of_a_frame_and_of_a_test(tmp_path):
    chosen = pd.DataFrame(PAIRS | {"chosen": ["left", "right", "left"]})
    chosen.to_csv(tmp_path / "p.csv", index=False)
    expected = rh.read_comparisons(tmp_path / "p.csv")
    for given_table in (chosen, {k: v.to_numpy() for k, v in chosen.items()}):
        xr.testing.assert_equal(rh.read_comparisons(given_table), expected)
    xr.testing.assert_equal(rh.read_comparisons(pd.DataFrame(PAIRS)), expected.drop_vars("chosen"))
    with pytest.raises(rh.InputError, match="is not a table"):
        rh.read_comparisons(3)
    with pytest.raises(rh.InputError, match="column 'chosen' is 'neither'; it must be left or right"):
        rh.read_comparisons(chosen.replace("left", "neither"))


def test_a_study_whose_test_is_of_comparisons_that_nobody_made(tmp_path):
    rng = np.random.default_rng(2)
    cost = rng.normal(size=(30, 2))
    frame = pd.DataFrame({"left_cost": cost[:, 0], "right_cost": cost[:, 1]})
    side = np.where(cost[:, 0] < cost[:, 1], "left", "right")
    study = small(
        tables={name: {"path": f"{name}.csv", "comparisons": True} for name in ("training", "test")},
        hypotheses={"cheap": "-cost", "dear": "cost"},
        values={"weights": {"cheap": 1, "dear": 1}, "source": "a test"},
        feedback=[{"kind": "choices", "table": "training", "column": "chosen"}],
    )
    csvs = {"training": frame.assign(chosen=side).to_csv(index=False), "test": frame.to_csv(index=False)}
    document = rh.run(write(tmp_path, study, **csvs))
    assert document["weights"]["cheap"] > 0.99
    lacking = write(tmp_path, study, training=csvs["test"], test=csvs["test"])
    with pytest.raises(rh.InputError, match=r"training\.csv: no column 'chosen'"):
        rh.run(lacking)


def test_help_shows_comparisons_judges_linear_and_shift(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for words in ("comparisons = true", "judges = [", "{ linear = [", "shift = ["):
        assert words in shown


def test_callables_are_kept_while_their_tree_is_alive(tmp_path):
    rng = np.random.default_rng(4)
    x = rng.random(30)
    labels = rh.Labels({"x": x, "ok": x > 0.5}, "ok", noise=(1, 19))

    def fit(reward):
        return rh.fit({"a": reward, "b": "-x"}, rh.Uniform(source="a test"), [labels], 0.0, draws=20)

    def rising(data):
        return data["x"] - 0.5

    test = {"x": np.arange(12.0).reshape(4, 3) / 12}
    tree, held = fit(rising), len(callables._held)
    again = {"a": rising, "b": "-x"}
    risk = rh.catastrophe_risk(tree, test)
    xr.testing.assert_identical(risk, rh.catastrophe_risk(tree, test, hypotheses=again))
    tree.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "t.nc", engine="h5netcdf") as opened:
        read = opened.load()
    other = fit(lambda data: 0.5 - data["x"])
    other_too = fit(lambda data: data["x"] - 0.25)
    mixed = rh.catastrophe_risk(other, test, agent=other_too)
    written = rh.catastrophe_risk(fit("0.5 - x"), test, agent=fit("x - 0.25"))
    assert mixed["mean"] == pytest.approx(written["mean"].item(), abs=1e-12)  # not taken for the judge's
    xr.testing.assert_allclose(mixed["matrix"], written["matrix"])
    del tree
    import gc

    gc.collect()
    assert len(callables._held) == held + 1  # the two others, for the one that is gone
    with pytest.raises(rh.InputError, match="hypothesis 'a' was a callable .*; pass hypotheses= with it again"):
        rh.catastrophe_risk(read, test)
    xr.testing.assert_identical(rh.catastrophe_risk(read, test, hypotheses=again), risk)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_scores_of_features_have_no_unit(size):
    rng = np.random.default_rng(6)
    features = rng.normal(size=(3, 8, 4))
    said = np.eye(4)[rng.integers(4, size=8)]
    chance = rng.dirichlet(np.ones(4), 8)
    mean = [[sum(c * x for c, x in zip(chance[u], features[f, u], strict=True)) for u in range(8)] for f in range(3)]
    expected = []
    for f in range(3):
        variance = sum(chance[u] @ (features[f, u] - mean[f][u]) ** 2 for u in range(8))
        expected.append(sum(features[f, u] @ said[u] - mean[f][u] for u in range(8)) / variance**0.5)
    np.testing.assert_allclose(score(size * features, said, chance), expected, rtol=1e-9)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_extreme_legal_numbers_warn_of_nothing(fitted, tmp_path):
    huge = SHAPED | {"z": np.array([[1.7e308] * 3, [1.6e308] * 3, [5e-324] * 3, [0.0] * 3])}
    assert np.isfinite(rh.worst_case(fitted, huge, tail=0.5).features["difference"]).all()
    assert 0 <= rh.catastrophe_risk(fitted, SHAPED, policy=rh.Boltzmann(1.7e308))["mean"] <= 1
    wide = {"x": np.array([[0.0, 1e149, -1e149], [5e-324, 0.0, 1.0]]), "y": np.ones((2, 3))}
    assert 0 <= rh.catastrophe_risk(fitted, wide, policy=rh.Boltzmann(1e100))["mean"] <= 1
    draws = InverseGamma(1e-3, 1.0).draws((1000,), np.random.default_rng(1))
    assert np.isfinite(draws).all() and (draws == 1e300).mean() == pytest.approx(1e-300**1e-3, abs=0.08)
    xr.Dataset({"x": ("scene", np.arange(3.0))}).to_zarr(tmp_path / "t.zarr", consolidated=False)
    assert rh.read_table(tmp_path / "t.zarr").sizes["scene"] == 3


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_ratings_of_items_with_a_feature_of_any_size(tmp_path):
    rows = [f"{x},{big},{grade}" for x, big, grade in zip(range(8), [1.7e308, 1.6e308] * 4, "aabbabbb", strict=True)]
    study = small(
        tables={"training": "training.csv"},
        hypotheses={"up": "x", "down": "-x"},
        values={"weights": {"up": 1, "down": 1}, "source": "a test"},
        feedback=[{"kind": "ratings", "table": "training", "column": "grade", "grades": ["a", "b"]}],
    )
    document = rh.run(write(tmp_path, study, training="\n".join(["x,big,grade", *rows]) + "\n"))
    assert document["weights"]["up"] > 0.5
