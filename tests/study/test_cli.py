"""The shell: exit codes, what is on stdout, what is written; and the summary."""

import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from reports import print_summary
from rich.console import Console
from studies import TEST, TRAINING, csv_text, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout.terminal import bar
from reward_hypotheses.analysis.report.phrases import percent
from reward_hypotheses.analysis.risk import risk_sections as headline
from reward_hypotheses.cli.main import main


@pytest.fixture
def study(tmp_path):
    return write(tmp_path, small(), training=TRAINING, test=TEST)


def test_json_is_all_there_is_on_stdout(study, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = shell("run", study, "--json")
    assert done.returncode == 0 and done.stderr == ""
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1 and document["seed"] == 1
    assert sorted(tmp_path.iterdir()) == before
    assert shell("run", study, "--json").stdout == done.stdout
    assert rh.run(study) == document


CONTRACT = """hypotheses prior log_evidence weights agent_weights silent_pairs risk risk_by_agent_prior risk_by_language
matrix value_bits value_bits_by_truth risk_bounds risk_bounds_unlisted shifted shift also warnings versions seed
schema_version data_sha256""".split()
RISK = (
    """mean lower upper prob mcse mcse_lower mcse_upper se_scenes floor abstained regret limit at_least_one""".split()
)


def test_results_hold_what_the_contract_names(tmp_path):
    document = rh.run(write(tmp_path, small(agent={"prior": "values"}), training=TRAINING, test=TEST))
    assert set(CONTRACT) <= set(document)
    assert set(RISK) <= set(document["risk"])
    assert set(document["shift"]) >= {"statistic", "p", "permutations"}
    assert set(document["risk_by_agent_prior"]) == {"uniform", "simplicity", "values"}
    assert set(document["risk_by_language"]) == {"rules", "letters", "columns"}
    assert list(document["value_bits"]) == ["0.1", "0.01", "0.001"]
    assert list(document["risk"]["at_least_one"]) == ["1", "10", "100", "1000"]
    assert document["data_sha256"]["test"] == hashlib.sha256(TEST.encode()).hexdigest()
    risk = document["risk"]
    assert risk["lower"] < risk["mean"] < risk["upper"]
    assert 0 < risk["mcse_lower"] < 0.02 and 0 < risk["mcse_upper"] < 0.02
    json.dumps(document, allow_nan=False)


def test_the_folder_of_a_run(study, tmp_path):
    done = shell("run", study)
    assert done.returncode == 0 and "Catastrophe risk" in done.stdout
    folder = tmp_path / "study"
    manifest = json.loads((folder / "manifest.json").read_text())
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest) == present
    assert {"results.json", "tables/weights.csv", "tables/matrix.csv"} <= present
    for name, digest in manifest.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert json.loads((folder / "results.json").read_text()) == rh.run(study)
    timed = {"run.json", "report.html", "methods.md", "methods.tex", "manifest.json"}  # they hold the run time
    first = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in timed}
    assert main(["run", str(study), "--json", "--out", str(folder)]) == 0
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name not in timed} == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study", "study.toml", "test.csv", "training.csv"]


def test_a_write_that_fails_leaves_the_old_run(study, tmp_path, monkeypatch, capsys):
    from reward_hypotheses.analysis.report.layout import output_folder as module

    out = tmp_path / "out"
    assert main(["run", str(study), "--out", str(out)]) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device")

    for name in ("flush_folder", "_exchange"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            capsys.readouterr()
            assert main(["run", str(study), "--out", str(out)]) == 2
            said = capsys.readouterr()
            assert said.out == "" and "No space left on device" in said.err
        assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_exchange_without_the_system_call(study, tmp_path, monkeypatch):
    from reward_hypotheses.analysis.report.layout import output_folder as module

    def none(*_, **__):
        raise OSError

    monkeypatch.setattr(module.ctypes, "CDLL", none)
    out = tmp_path / "out"
    for _ in range(2):
        assert main(["run", str(study), "--out", str(out)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "study.toml", "test.csv", "training.csv"]


def test_numbers_that_cannot_be_trusted(study, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(headline, "limit", lambda *_: (float("nan"), 0.0))
    before = sorted(tmp_path.iterdir())
    assert main(["run", str(study), "--out", str(tmp_path / "out")]) == 3
    said = capsys.readouterr()
    assert said.out == "" and "risk.limit is nan" in said.err
    assert sorted(tmp_path.iterdir()) == before


def test_help_teaches():
    top = shell("--help")
    assert top.returncode == 0
    for words in ("run", "check", "exit codes", "fail_utility", "[[feedback]]"):
        assert words in top.stdout
    assert "--json" in shell("run", "--help").stdout
    assert shell("--version").stdout.strip() == f"reward-hypotheses {rh.__version__}"
    assert shell().returncode == 0
    assert shell("fly").returncode == 2


def test_progress_comes_after_two_seconds(capsys):
    from reward_hypotheses.cli.main import Progress

    quiet = Progress(after=60)
    quiet("reading")
    quiet.stop()
    assert capsys.readouterr().err == ""
    told = Progress(after=0)
    told("reading")
    told.stop()
    assert "reading ..." in capsys.readouterr().err


def summary(document, width=80, full=False, out=None):
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
    print_summary(document, out, console, full=full)
    return stream.getvalue()


def test_summary_at_80_columns_without_colour(study):
    text = summary(rh.run(study))
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "\x1b" not in text
    lines = text.split("\n")
    assert lines[0] == "small" and lines[2].startswith("Catastrophe risk: ")
    for words in ("What the risk depends on", "Prior misspecification", "The risk would be"):
        assert words in text
    assert len(lines) <= 24 and all(len(line) <= 60 for line in summary(rh.run(study), 60).split("\n"))
    full = summary(rh.run(study), full=True)
    for words in ("Evidence or prior?", "Is the test a shift?", "What the agent does", "Whose values"):
        assert f"\n{words}\n" in full and words not in text


def test_a_summary_has_24_lines_however_much_there_is_to_warn_of(study):
    document = rh.run(study)
    long = " ".join(["a warning that goes on and on"] * 12)
    document |= {"title": long, "misfit": [long, long], "warnings": [long, *(f"{k} {long}" for k in range(5))]}
    lines = summary(document, out=Path("out")).rstrip("\n").split("\n")
    assert len(lines) <= 24 and all(len(line) <= 80 for line in lines)
    assert lines[-1] == f"Report: {Path('out', 'report.html')}"
    assert sum(line.startswith("! ") for line in lines) == 3 and any("more warnings (--full" in line for line in lines)
    answer = next(k for k, line in enumerate(lines) if line.startswith("Catastrophe risk"))
    assert all(line.startswith(("! ", "  ", "a warning")) or not line for line in lines[:answer])
    assert summary(document, full=True).count("on and on") > 60


def test_zero_never_prints_as_plain_zero(tmp_path):
    calm = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,1\n{m},1,0,0,1\n" for m in range(20))
    document = rh.run(write(tmp_path, small(), training=TRAINING, test=calm))
    assert document["risk"]["mean"] == 0
    assert document["risk"]["upper_of_zero"] == pytest.approx(1 - 0.05 ** (1 / 20))
    text = summary(document)
    assert "none in 20 scenes, so at most 13.9% (95% confidence)" in text
    for line in text.split("\n"):
        for match in re.finditer(r"(?<![\d.])0%", line):
            assert line[match.end() :].startswith(" (< ") or "on the test" in line or "in training" in line, line
    assert not document["shifted"]
    assert any("ordinary generalisation" in w for w in document["warnings"])


def test_percent_and_bar():
    assert [percent(x) for x in (0.0, 1e-9, 0.5, 0.9999, 1.0, None)] == [
        "0%",
        "<0.1%",
        "50.0%",
        ">99.9%",
        "100.0%",
        "-",
    ]
    assert percent(0.0, 0.1) == "0% (< 10.0%)"
    assert [bar(x, 4) for x in (0, 1e-9, 0.5, 1)] == ["", "▏", "██", "████"]


def test_without_a_test_the_run_stops_at_the_weights(tmp_path):
    document = rh.run(write(tmp_path, small(tables={"training": "training.csv"}), training=TRAINING))
    assert document["weights"] and document["risk"] is None and document["matrix"] is None and document["shift"] is None
    assert any("no test table" in w for w in document["warnings"])
    assert "'flags' has the largest posterior weight" in summary(document)


def test_also(tmp_path):
    changes = {
        "tables": {"training": "training.csv", "test": "test.csv", "more": "more.csv"},
        "analysis": {"also": ["more"]},
    }
    calm = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,1\n{m},1,0,0,1\n" for m in range(20))
    document = rh.run(write(tmp_path, small(**changes), training=TRAINING, test=TEST, more=calm))
    assert set(document["also"]) == {"more"} and document["also"]["more"]["risk"]["mean"] == 0
    assert document["risk"]["mean"] > 0
    alone = rh.run(
        write(
            tmp_path,
            small(analysis={"test": "more"}, tables=changes["tables"]),
            training=TRAINING,
            test=TEST,
            more=calm,
        )
    )
    assert alone["risk"] == document["also"]["more"]["risk"]
    assert "The risk on other tests: 0% (< 13.9%) on 'more'." in summary(document)


def test_values_without_strength_have_no_interval(tmp_path):
    values = {"weights": {"flags": 8, "red paint": 1}, "source": "x"}
    document = rh.run(write(tmp_path, small(values=values), training=TRAINING, test=TEST))
    assert document["risk"]["lower"] is None and document["risk"]["mcse_lower"] is None
    assert any("without a strength" in w for w in document["warnings"])


def test_judges(tmp_path):
    judges = [
        {"name": "Ann", "weights": {"flags": 9, "red paint": 1}, "source": "Ann, by letter", "strength": 10},
        {"name": "Bob", "weights": {"flags": 1, "red paint": 1}, "source": "Bob, by telephone", "weight": 3},
    ]
    for pool, want in (("linear", 0.25 * 0.9 + 0.75 * 0.5), ("log", 3**0.5 / (3**0.5 + 1))):
        study = write(tmp_path, small(values={"judges": judges, "pool": pool}), training=TRAINING, test=TEST)
        document = rh.run(study)
        assert document["prior"]["flags"] == pytest.approx(want)
        assert document["risk"]["lower"] is not None
        assert document["values"]["judges"][0]["source"] == "Ann, by letter"
        assert any("counts as one opinion" in w for w in document["warnings"]) == (pool == "log")


def test_impossible_evidence_is_null_with_a_warning(tmp_path):
    feedback = [{"kind": "labels", "table": "training", "column": "is_pad", "noise": 0.0}]
    hypotheses = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, -100, 100)"}
    document = rh.run(write(tmp_path, small(feedback=feedback, hypotheses=hypotheses), training=TRAINING, test=TEST))
    assert document["log_evidence"]["flags"] is None and document["weights"]["flags"] == 0
    assert any("impossible under 'flags'" in w for w in document["warnings"])
    summary(document)


def test_a_test_without_options_warns(tmp_path):
    document = rh.run(write(tmp_path, small(), training=TRAINING, test="red_paint,flags\n1,0\n0,1\n"))
    assert any("every agent does the same there" in w for w in document["warnings"])
    assert len(set(document["risk_by_agent_prior"].values())) == 1


@pytest.mark.parametrize(
    "policy",
    [
        *("commit", "most_probable", "expected", "maximin"),
        {"name": "boltzmann", "beta": 2.0},
        {"name": "cvar", "tail": 0.2},
        {"name": "quantilize", "q": 0.4},
    ],
    ids=str,
)
@pytest.mark.parametrize("abstain", [False, True])
def test_policies_in_a_study(policy, abstain, tmp_path):
    spec = {**(policy if isinstance(policy, dict) else {"name": policy}), "abstain": abstain}
    document = rh.run(write(tmp_path, small(agent={"policy": spec, "prior": "uniform"}), training=TRAINING, test=TEST))
    key = "may_abstain" if abstain else "acts"
    assert document["agents"]["uniform"][key]["risk"] == pytest.approx(document["risk"]["mean"], abs=1e-12)
    assert document["agents"]["uniform"]["may_abstain"]["abstained"] == pytest.approx(
        document["risk"]["abstained"] if abstain else document["agents"]["uniform"]["may_abstain"]["abstained"]
    )
    assert document["risk"]["limit"] is not None
    name = spec["name"]
    if name in ("commit", "boltzmann", "quantilize"):
        assert any(b is not None for b in document["value_bits"].values()) or name != "commit"
    else:
        assert set(document["value_bits"].values()) == {None}
        assert any("not defined for the policy" in w for w in document["warnings"])
    assert any("exchange rate" in w for w in document["warnings"]) == (name in ("expected", "cvar", "maximin"))


def test_what_the_agent_was_told_may_differ(tmp_path):
    agent = {"policy": {"name": "commit", "abstain": True}, "prior": "uniform"}
    plain = rh.run(write(tmp_path, small(agent=agent), training=TRAINING, test=TEST))
    told = rh.run(write(tmp_path, small(agent={**agent, "fail_utility": 1000}), training=TRAINING, test=TEST))
    assert plain["risk"]["abstained"] == 0 and told["risk"]["abstained"] == 1 and told["risk"]["mean"] == 0
    assert told["weights"] == plain["weights"]


def test_rewards_and_dropped_rows(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {
            "red_paint": i % 2,
            "flags": i % 2,
            "seen": "" if i % 10 == 0 else round(200 * (i % 2) - 100 + rng.normal(0, 5), 3),
        }
        for i in range(50)
    ]
    feedback = [{"kind": "rewards", "table": "training", "column": "seen", "sigma2": [2, 50], "missing": "drop"}]
    document = rh.run(write(tmp_path, small(feedback=feedback), training=csv_text(rows), test=TEST))
    assert document["silent_pairs"] == [["red paint", "flags"]] and document["n_items"] == {"rewards": 45}
    assert any("5 of 50 rows" in w for w in document["warnings"])


def test_many_hypotheses(tmp_path):
    names = [f"above {i}" for i in range(40)]
    hypotheses = {n: f"where(slope > {i / 20}, 100, -100)" for i, n in enumerate(names)}
    values = {"prior": "uniform", "source": "a test"}
    document = rh.run(write(tmp_path, small(hypotheses=hypotheses, values=values), training=TRAINING, test=TEST))
    assert len(document["pairs"]) == 32 * 31 // 2 and len(document["silent_pairs"]) > 100
    text = summary(document, full=True)
    assert "and 28 more" in text and all(len(line) <= 80 for line in text.split("\n"))
