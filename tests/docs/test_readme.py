"""Everything that README shows is run, and what it shows as output is compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import blocks

from reward_hypotheses.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def same(a, b):
    return [line.rstrip() for line in a.strip().split("\n")] == [line.rstrip() for line in b.strip().split("\n")]


def demo_output(folder, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo", "--out", str(folder)]) == 0
    return capsys.readouterr().out


def test_the_study_file_is_the_one_shown():
    shown = [content for language, before, content in blocks(README.read_text()) if before.startswith("<!-- file:")]
    assert len(shown) == 1
    assert same(shown[0], (ROOT / "data" / "examples" / "essay" / "study.toml").read_text())


def test_the_output_of_demo_is_the_one_shown(tmp_path, monkeypatch, capsys):
    shown = [content for _, before, content in blocks(README.read_text()) if before == "<!-- output of: make demo -->"]
    got = demo_output(tmp_path / "r", monkeypatch, capsys)
    kept, got = ("\n".join(line for line in text.split("\n") if "Report:" not in line) for text in (shown[0], got))
    assert same(kept, got)


def test_the_study_with_every_key_runs(tmp_path):
    from studies import TEST

    import reward_hypotheses as rh

    shown = [content for _, before, content in blocks(README.read_text()) if before == "<!-- study -->"]
    (tmp_path / "study.toml").write_text(shown[0])
    header, *rows = TEST.strip().split("\n")
    (tmp_path / "test.csv").write_text("\n".join([header + ",wind", *(row + ",3" for row in rows)]) + "\n")
    rows = "".join("1,1,0.5,1,90,1\n0,0,2.5,0,-95.5,2\n" for _ in range(10))
    compared = "".join(f"{i % 2},{(i + 1) % 2},1,0,0.5,0.5,2,2,{'left' if i % 2 else 'right'}\n" for i in range(8))
    names = "left_red_paint,right_red_paint,left_flags,right_flags,left_slope,right_slope,left_wind,right_wind,chosen\n"
    (tmp_path / "compared.csv").write_text(names + compared)
    (tmp_path / "training.csv").write_text("red_paint,flags,slope,is_pad,score,wind\n" + rows + "0,0,1.5,,-80,3\n")
    results = rh.run(tmp_path / "study.toml")
    expected = {"policy": "commit", "abstain": True, "prior": "simplicity, letters"}
    assert {key: results["agent"][key] for key in expected} == expected
    assert results["n_items"] == {"labels": 20, "rewards": 21, "choices": 8}


def test_the_script_prints_what_is_shown():
    all_blocks = blocks(README.read_text())
    scripts = [i for i, (language, _, _) in enumerate(all_blocks) if language == "python"]
    assert scripts
    for i in scripts:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", all_blocks[i][2]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert all_blocks[i + 1][0] == "text" and same(all_blocks[i + 1][2], done.stdout), done.stdout


def test_the_commands_shown_exist():
    text = README.read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make (\w+)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for command in re.findall(r"^reward-hypotheses (\w+)", text, re.M):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link


def test_files_of_the_repository():
    for name in ("LICENSE", "CHANGELOG.md", "CITATION.cff", "reward_hypotheses/py.typed", ".ci/run", "pins.txt"):
        assert (ROOT / name).exists(), name
    for layer in ("models", "data", "analysis"):
        assert os.path.islink(ROOT / "reward_hypotheses" / layer)
    assert "http" not in (ROOT / "pins.txt").read_text()


def test_the_pictures_are_of_the_demo():
    from PIL import Image

    import reward_hypotheses as rh

    for name, sites in (("training", rh.landing_sites(1, 0)), ("test", rh.landing_sites(1, 1, shifted=True))):
        with Image.open(ROOT / "docs" / "readme" / f"{name}.png") as shown:
            assert (np.asarray(shown.convert("RGB")) == rh.landing_frame(sites, 0)).mean() > 0.999
    assert (ROOT / "docs" / "readme" / "bits.png").stat().st_size > 20_000
