"""The shell: `new` and `demo`."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from studies import shell

from reward_hypotheses.cli.main import main


def test_new_makes_a_study_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "first study"]) == 0
    assert "reward-hypotheses run 'first study/study.toml'" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first study"]
    names = ["study.toml", "test.csv", "test.png", "training.csv", "training.png"]
    assert sorted(p.name for p in Path("first study").iterdir()) == names
    assert main(["run", "first study/study.toml"]) == 0
    assert "Report: first study/study/report.html" in capsys.readouterr().out
    report = Path("first study/study/report.html").read_text()
    assert report.count("data:image/png;base64,") == 2
    document = json.loads(Path("first study/study/results.json").read_text())
    assert document["silent_pairs"] == [["red paint", "flags"]] and document["risk"]["lower"] is not None
    assert document["misfit"] == []


def test_what_the_new_study_offers_in_comments_runs(tmp_path):
    assert main(["new", str(tmp_path / "x")]) == 0
    path = tmp_path / "x" / "study.toml"
    text = path.read_text()
    made = re.search(r"test = \{ from = .*\}$", text, re.M).group(0)
    text = re.sub(r"^test = \{ path.*$", made, text, flags=re.M)
    text = text.replace('policy = "commit"', 'policy = { name = "commit", abstain = true }')
    path.write_text(text)
    document = json.loads(shell("run", path, "--json").stdout)
    assert document["tables"]["test"]["origin"]["chosen_by"] == "you" and document["agent"]["abstain"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("there", "there: exists already; give the name of a new folder"),
        ("file", "file: exists already"),
        ("file/x", "is a file, so no folder can be made in it"),
        (".", "exists already"),
        ("", "exists already"),
        ("x" * 300, "cannot be made"),
    ],
)
def test_new_refuses(name, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("mine")
    assert main(["new", name]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "there"]


def test_the_template_is_what_its_script_makes(tmp_path):
    from reward_hypotheses.data.examples import make_template_tables as make_template

    make_template.main(tmp_path)
    for name in ("training.csv", "test.csv"):
        rows, shipped = (
            list(csv.reader((folder / name).read_text().splitlines())) for folder in (tmp_path, make_template.TEMPLATE)
        )
        assert rows[0] == shipped[0] and len(rows) == len(shipped) == 241
        for got, want in zip(rows[1:], shipped[1:], strict=True):
            assert [float(x) for x in got] == pytest.approx([float(x) for x in want], abs=0.0011)
        assert (make_template.TEMPLATE / name.replace("csv", "png")).stat().st_size > 1000


def test_demo_prints_the_answer_and_where_the_report_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Red paint or flags?\n\nCatastrophe risk: 73.3% of test scenes (95% credible")
    assert "Report: demo-report/report.html" in out and len(out.rstrip("\n").split("\n")) <= 24
    assert (tmp_path / "demo-report" / "report.html").exists()
    (tmp_path / "demo-report" / "mine.txt").write_text("mine")
    before = (tmp_path / "demo-report" / "results.json").read_bytes()
    assert main(["demo"]) == 2
    assert "holds 'mine.txt', which no run wrote" in capsys.readouterr().err
    assert (tmp_path / "demo-report" / "results.json").read_bytes() == before


def test_demo_without_the_extra_names_it(tmp_path, monkeypatch, capsys):
    from reward_hypotheses.data.worlds.lander import scenes as landing_sites

    landing_sites._world.cache_clear()
    monkeypatch.setitem(sys.modules, "reward_hypotheses.data.worlds.lander.landing_world", None)
    assert main(["demo", "--out", str(tmp_path / "d")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and not list(tmp_path.iterdir())
    assert err.count("\n") == 1 and "pip install 'reward-hypotheses[lander]'" in err
