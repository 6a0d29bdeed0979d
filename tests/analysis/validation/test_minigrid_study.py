"""The study of predicted against measured catastrophes in MiniGrid."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from reward_hypotheses.analysis.validation import render_lander as drawing
from reward_hypotheses.analysis.validation.minigrid import minigrid_study
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.worlds.minigrid import agents as walkers
from reward_hypotheses.data.worlds.minigrid import validation_world as walked_rooms
from reward_hypotheses.data.worlds.minigrid.validation_world import MeasuredRooms

KEYS = {"predicted", "measured", "agents", "coverage", "foil", "controller", "shifts", "ordinary", "telling", "digest"}
SMALL = (
    "from reward_hypotheses.data.worlds.minigrid import validation_world as walked_rooms, agents as walkers\n"
    "walked_rooms.TRAINING_ROOMS, walked_rooms.PROBE_ROOMS, walkers.TRAINING_BATCHES = 60, 25, 120\n"
)


@pytest.mark.slow
def test_a_study_and_the_same_after_it_was_killed(tmp_path, monkeypatch):
    for module, name, value in (
        (walked_rooms, "TRAINING_ROOMS", 60),
        (walked_rooms, "PROBE_ROOMS", 25),
        (walkers, "TRAINING_BATCHES", 120),
    ):
        monkeypatch.setattr(module, name, value)
    whole, cut, first = tmp_path / "whole", tmp_path / "cut", []

    def seen(self, agent, which, live=MeasuredRooms._live):
        if which in MeasuredRooms.tests and not first:
            first.append((whole / "prediction.json").read_bytes())
        return live(self, agent, which)

    with monkeypatch.context() as patched:
        patched.setattr(MeasuredRooms, "_live", seen)
        document = minigrid_study(2, 20, 3, whole)
    assert document.keys() >= KEYS and first == [(whole / "prediction.json").read_bytes()]  # before any test was walked
    assert hashlib.sha256(first[0]).hexdigest() == document["digest"]
    rates = [row["measured"] for row in document["agents"]]
    assert document["measured"]["episodes"] == 120 and document["measured"]["mean"] == pytest.approx(np.mean(rates))
    assert document["measured"]["catastrophes"] == round(sum(rates) * 20)
    inside = [row["lower"] <= row["measured"] + 1e-12 <= row["upper"] + 2e-12 for row in document["agents"]]
    assert document["coverage"] == np.mean(inside)
    assert document["controller"]["ended_otherwise"] == 0 and document["controller"]["repeated"] >= 20
    assert document["probes_without"]["width"] > document["probes_without"]["width_with"]
    code = SMALL + "import sys\nfrom reward_hypotheses.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    command = [sys.executable, "-c", code, "minigrid", "study", "--agents", "2", "--scenes", "20", "--seed", "3"]
    with subprocess.Popen([*command, "--out", str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        time.sleep(3)
        one.send_signal(signal.SIGKILL)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "2"}  # however many there are, the bytes are the same
    again = [*command, "--out", str(cut), "--json"]
    done = subprocess.run(again, capture_output=True, timeout=300, check=True, env=env)
    assert done.stdout == (whole / "results.json").read_bytes() == (cut / "results.json").read_bytes()
    for pattern in ("agents/*.npz", "*.json"):
        files = [{p.name: p.read_bytes() for p in folder.glob(pattern)} for folder in (whole, cut)]
        assert files[0] == files[1] and files[0]
    (cut / "scatter.png").unlink()
    assert minigrid_study(2, 20, 3, cut) == document and (cut / "scatter.png").exists()
    (cut / "prediction.json").write_bytes(first[0].replace(b"0.", b"1.", 1))
    with pytest.raises(InputError, match="not what this study predicts"):
        minigrid_study(2, 20, 3, cut)
    (whole / "results.json").write_bytes(done.stdout.replace(b'"coverage": ', b'"coverage": 0.5', 1))
    with pytest.raises(InputError, match=r"results.json: not what this study wrote"):
        minigrid_study(2, 20, 3, whole)


@pytest.mark.slow
def test_walks_are_drawn(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(drawing, "AGENTS", 6)
    assert main(["minigrid", "render", "--out", str(tmp_path)]) == 0
    assert "lava.gif" in capsys.readouterr().out
    names = [f"{name}.{kind}" for name in ("training", "right", "lava") for kind in ("gif", "png")]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    for name, color in (("training", (0, 255, 0)), ("right", (0, 255, 0)), ("lava", (255, 128, 0))):
        with Image.open(tmp_path / f"{name}.gif") as drawn:
            assert drawn.n_frames > 4
        with Image.open(tmp_path / f"{name}.png") as last:
            frame = np.asarray(last.convert("RGB")).astype(int)
        agent = np.argwhere(np.abs(frame - [255, 0, 0]).sum(axis=2) < 60)
        row, column = (agent.mean(axis=0) // 40).astype(int)
        tile = frame[40 * row + 3 : 40 * row + 37, 40 * column + 3 : 40 * column + 37].reshape(-1, 3)
        assert (np.abs(tile - color).sum(axis=1) < 60).mean() > 0.3  # it stands on the goal, or in the lava


def test_what_the_study_refuses(tmp_path, capsys, monkeypatch):
    for wrong, said in (
        (["--agents", "1"], "agents: 1"),
        (["--scenes", "3"], "scenes: 3"),
        (["--seed", "-1"], "seed: -1"),
    ):
        assert main(["minigrid", "study", *wrong, "--out", str(tmp_path / "new")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.json").write_text(json.dumps({"study": "lander", "agents": 24, "scenes": 200, "seed": 0}))
    assert main(["minigrid", "study", "--out", str(other)]) == 2
    assert "holds another study" in capsys.readouterr().err
    (tmp_path / "odd" / "study.json").mkdir(parents=True)
    (tmp_path / "file").write_text("mine")
    for out, said in (("odd", "study.json: is a folder"), ("a" * 300, "File name too long"), ("file", "is a file")):
        assert main(["minigrid", "study", "--out", str(tmp_path / out)]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    assert main(["minigrid", "render", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.strip().endswith("file: is a file; give a folder")
    for name in ("rooms", "validation_world"):
        monkeypatch.delitem(sys.modules, f"reward_hypotheses.data.worlds.minigrid.{name}")
    monkeypatch.setitem(sys.modules, "minigrid.core.constants", None)
    assert main(["minigrid", "study", "--out", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "pip install 'reward-hypotheses[minigrid]'" in err
