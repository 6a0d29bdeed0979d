"""MineSweeper boards, agents that learn to open their cells, and the study of predicted against measured catastrophes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pytest
from popgym.envs.minesweeper import MineSweeper

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.distribution.episodes import episodes_of
from reward_hypotheses.analysis.validation import predict, reading
from reward_hypotheses.analysis.validation.minesweeper import minesweeper_study
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.worlds import episode_simulation as episodes
from reward_hypotheses.data.worlds.minesweeper import agents as sweepers
from reward_hypotheses.data.worlds.minesweeper import boards
from reward_hypotheses.data.worlds.minesweeper import validation_world as swept
from reward_hypotheses.data.worlds.minesweeper.boards import CELLS, MOVES, OPENED, OPTIONS
from reward_hypotheses.data.worlds.minesweeper.validation_world import MeasuredBoards

SMALL = (
    "from reward_hypotheses.data.worlds.minesweeper import validation_world as swept, agents as sweepers\n"
    "swept.TRAINING_BOARDS, swept.PROBE_BOARDS, sweepers.TRAINING_BATCHES = 60, 30, 60\n"
)


def beside(cell):
    row, column = divmod(cell, 4)
    near = {(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} - {(row, column)}
    return {4 * r + c for r, c in near if 0 <= r < 4 and 0 <= c < 4}


def touch_zero(board, opened):
    zeros = {cell for cell in opened if board.numbers[cell] == 0}
    return {cell for cell in set(range(CELLS)) - set(opened) if beside(cell) & zeros}


@pytest.mark.parametrize("kind", boards.BOARD_KINDS)
def test_kinds_of_board(kind):
    env = MineSweeper("easy")
    made = [boards.board_of(env, 5, number, kind) for number in range(60)]
    assert made[:5] == [boards.board_of(env, 5, number, kind) for number in range(5)]
    left = {cell for cell in range(CELLS) if cell % 4 < 2}
    upper = set(range(8))
    for board in made:
        mines, hidden = set(board.mines), set(range(CELLS)) - set(board.opened)
        assert len(board.opened) == OPENED and not mines & set(board.opened)
        assert board.options.tolist() == sorted(hidden) and len(hidden) == OPTIONS
        assert len(mines) == (0 if kind == "bare" else 2)
        assert board.numbers == tuple(len(({cell} | beside(cell)) & mines) for cell in range(CELLS))
        clear = touch_zero(board, board.opened)
        assert len(clear) >= MOVES and not clear & mines
        halves = {"together": [left], "mirrored": [set(range(CELLS)) - left], "turned": [upper, set(range(8, CELLS))]}
        if kind in halves:
            assert any(clear == hidden & half and not mines & half for half in halves[kind])
        assert kind != "split" or len(mines & left) == 1


def test_the_environment_does_what_a_board_says():
    env = MineSweeper("easy")
    for number in range(8):
        board = boards.board_of(env, 3, number, "anywhere")
        opened, made, to = boards.openings(board)
        assert len(opened) == 1 + (1 + 7) + (1 + 7 + 21) and (made == np.sort(made)).all()
        for path in combinations(board.options.tolist(), MOVES):
            boards.dealt(env, board.seed, "anywhere")
            for cell in board.opened:
                assert env.step(divmod(cell, 4))[1] == env.success_reward_scale
            scene = 0
            for move, cell in enumerate((path[0], path[0], path[1])):  # the second opens nothing new
                assert {c for c in range(CELLS) if env.get_state()[c] == 2} == set(np.flatnonzero(opened[scene]))
                number, reward, over, _, _ = env.step(divmod(cell, 4))
                after = to[scene, board.options.tolist().index(cell)]
                assert number == board.numbers[cell] and (reward == env.fail_reward_scale) == (cell in board.mines)
                assert (after < 0) == (cell in board.mines or move == MOVES - 1) and over == (cell in board.mines)
                if after < 0:
                    break
                assert made[after] == move + 1
                scene = after


def test_a_mine_is_worse_than_failing_completely():
    env = MineSweeper("easy")
    best_with_mine = (MOVES - 1) * env.success_reward_scale + env.fail_reward_scale
    assert best_with_mine < MOVES * env.bad_action_reward_scale < 0


def test_the_chance_of_a_mine_by_every_placement():
    env = MineSweeper("easy")
    for number in range(5):
        board = boards.board_of(env, 4, number, "anywhere")
        opened, _, _ = boards.openings(board)
        found = boards.chance_of_mine(opened, np.array(board.numbers))
        for scene in range(0, len(opened), 7):
            shown = set(np.flatnonzero(opened[scene]).tolist())
            agree = [
                set(pair)
                for pair in combinations(range(CELLS), 2)
                if not shown & set(pair) and all(len(beside(c) & set(pair)) == board.numbers[c] for c in shown)
            ]
            expected = [sum(cell in pair for pair in agree) / len(agree) for cell in range(CELLS)]
            assert found[scene] == pytest.approx(expected) and found[scene].sum() == pytest.approx(2)


def test_what_is_seen_of_a_cell():
    opened, numbers = np.zeros(CELLS, bool), np.zeros(CELLS, int)
    opened[[0, 5]], numbers[5] = True, 2
    views = boards.seen(opened, numbers)
    about = views[:, :36].reshape(CELLS, 9, 4)
    assert about[5, 0].tolist() == [0, 1, 0, 0]  # above it on the left: open, 0
    assert about[5, 4].tolist() == [0, 0, 0, 1] and about[5, 8].tolist() == [1, 0, 0, 0]
    assert about[0, 8].tolist() == [0, 0, 0, 1] and about[0, 0].sum() == 0
    assert views[6, 36:44].tolist() == [0, 1, 0, 0, 0, 0, 1, 0]
    assert views[:, 44:].sum(axis=1).tolist() == [8 - len(beside(cell)) for cell in range(CELLS)]


@pytest.fixture(scope="module")
def world():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(swept, "TRAINING_BOARDS", 150)
        patched.setattr(swept, "PROBE_BOARDS", 60)
        patched.setattr(sweepers, "TRAINING_BATCHES", 200)
        made = MeasuredBoards(40, 9, lambda _: None, 10)
        made.train({"0": 1, "1": 2, "2": 3, "3": 4})
    return made


def test_agents_learn_and_come_apart(world):
    names = list(world.sweepers)
    assert world.catastrophes("ordinary", names).mean() < 0.03
    hit = world.catastrophes("mirrored", names).mean(axis=1)
    assert hit.min() < 0.3 and hit.max() > 0.5 and hit.max() - hit.min() > 0.3


def test_an_episode_and_its_columns(world):
    scenes, made = world.scenes("anywhere"), world.boards("anywhere")
    table = {column: scenes[column].to_numpy() for column in (*world.columns, "mine")}
    for name in ("0", "1"):
        steps, hit = world.steps(name, "anywhere"), world.catastrophes("anywhere", [name])[0]
        for k, board in enumerate(made):
            mine, opened = steps.episode == k, set(board.opened)
            cells = board.options[steps.option[mine]].tolist()
            assert hit[k] == (cells[-1] in board.mines) and (hit[k] or len(cells) == MOVES)
            for scene, option, cell in zip(steps.scene[mine], steps.option[mine], cells, strict=True):
                row = {column: values[scene, option] for column, values in table.items()}
                closed = cell not in opened
                assert row["open"] == (not closed) and row["mine"] == (cell in board.mines)
                assert row["clear"] == (cell in touch_zero(board, opened))
                assert row["warned"] == closed * sum(board.numbers[c] > 0 for c in beside(cell) & opened)
                assert row["left"] == closed * (cell % 4 < 2) and row["down"] == closed * (cell // 4)
                assert row["inner"] == closed * len(beside(cell)) / 8
                opened.add(cell)
    assert world.controller(np.random.default_rng(0))["ended_otherwise"] == 0
    failed, of = world.slips()
    assert failed == 0 and of > 5_000


def test_a_reading_of_known_choices_predicts_episodes(world):
    probes, test, features = world.scenes("probes"), world.scenes("mirrored"), world.features
    judge, bad = reading.judge_of(world), (test["mine"].to_numpy() > 0).T[None]
    for k, known in enumerate(({"clear": 2.0, "open": -4.0}, {"left": 3.0, "warned": -0.5, "open": -4.0})):
        weights = np.array([[known.get(name, 0.0) for name in features]])
        chance = reading.chances(weights, reading.featured(probes, features))[0]
        rng, done, after = np.random.default_rng(k), [], probes["next"].to_numpy()
        for episode, scene in enumerate(episodes.starting_scenes(probes).tolist()):
            while scene >= 0:
                option = int(rng.choice(OPTIONS, p=chance[scene]))
                done.append((episode, scene, option))
                scene = int(after[scene, option])
        steps = episodes.EpisodeSteps(*np.array(done).T)
        found = reading.fit_agent(world, judge, probes, steps, np.ones(len(features)), k)
        assert found.fits and not found.unprobed
        drawn = predict.drawn_rates(
            predict.predicted_rate(judge, test, rh.Boltzmann("inferred"), found.tree, (0, 10**6), k)
        )
        true = np.moveaxis(reading.chances(weights, reading.featured(test, features)), 1, 2)
        expected = episodes_of(test, MOVES, test.sizes["scene"]).chance(true, bad).mean()
        assert abs(drawn.mean() - expected) < 4 * drawn.std()


@pytest.mark.slow
def test_a_study_and_the_same_after_it_was_killed(tmp_path, monkeypatch):
    for module, name, value in (
        (swept, "TRAINING_BOARDS", 60),
        (swept, "PROBE_BOARDS", 30),
        (sweepers, "TRAINING_BATCHES", 60),
    ):
        monkeypatch.setattr(module, name, value)
    whole, cut, first = tmp_path / "whole", tmp_path / "cut", []

    def seen(self, agent, which, live=MeasuredBoards._live):
        if which in MeasuredBoards.tests and not first:
            first.append((whole / "prediction.json").read_bytes())
        return live(self, agent, which)

    with monkeypatch.context() as patched:
        patched.setattr(MeasuredBoards, "_live", seen)
        document = minesweeper_study(2, 20, 3, whole)
    assert hashlib.sha256(first[0]).hexdigest() == document["digest"]  # written before any test was carried out
    rates = [row["measured"] for row in document["agents"]]
    assert document["measured"]["episodes"] == 120 and document["measured"]["mean"] == pytest.approx(np.mean(rates))
    assert document["controller"]["ended_otherwise"] == 0 and document["controller"]["repeated"] >= 20
    code = SMALL + "import sys\nfrom reward_hypotheses.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
    command = [sys.executable, "-c", code, "minesweeper", "study", "--agents", "2", "--scenes", "20", "--seed", "3"]
    with subprocess.Popen([*command, "--out", str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        time.sleep(2)
        one.send_signal(signal.SIGKILL)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    again = [*command, "--out", str(cut), "--json"]
    done = subprocess.run(again, capture_output=True, timeout=300, check=True, env=env)
    assert done.stdout == (whole / "results.json").read_bytes() == (cut / "results.json").read_bytes()
    for pattern in ("agents/*.npz", "*.json"):
        files = [{p.name: p.read_bytes() for p in folder.glob(pattern)} for folder in (whole, cut)]
        assert files[0] == files[1] and files[0]
    (cut / "prediction.json").write_bytes(first[0].replace(b"0.", b"1.", 1))
    with pytest.raises(InputError, match="not what this study predicts"):
        minesweeper_study(2, 20, 3, cut)


def test_a_missing_extra(tmp_path, capsys, monkeypatch):
    for name in ("boards", "validation_world"):
        monkeypatch.delitem(sys.modules, f"reward_hypotheses.data.worlds.minesweeper.{name}")
    monkeypatch.setitem(sys.modules, "popgym.envs.minesweeper", None)
    assert main(["minesweeper", "study", "--out", str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "pip install 'reward-hypotheses[minesweeper]'" in err
    assert not (tmp_path / "new").exists()
