"""Ways in and out: odd files, bombs, broken streams, edited trees and folders, and text that others would run or obey."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from studies import COMMAND, TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout.output_folder import write_folder
from reward_hypotheses.cli import main as cli
from reward_hypotheses.cli.main import main
from reward_hypotheses.data import atomic_write as aside
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
from reward_hypotheses.analysis.report.layout.output_folder import write_folder
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
