"""Flights, agents that learn where to land, and predictions that are held against what was flown."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.analysis.validation import baselines, predict, reading
from reward_hypotheses.analysis.validation.lander import lander_study
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import products
from reward_hypotheses.data.worlds.episode_simulation import one_step, picked
from reward_hypotheses.data.worlds.lander import agents as landers
from reward_hypotheses.data.worlds.lander import flight_bank as flights
from reward_hypotheses.data.worlds.lander import validation_world as flown_lander
from reward_hypotheses.data.worlds.lander.autopilot import Flight, floors, fly, is_catastrophe
from reward_hypotheses.data.worlds.lander.flight_bank import Bank, Pilots
from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld
from reward_hypotheses.data.worlds.lander.scenes import scene_of


@pytest.fixture(scope="module")
def world():
    return LandingWorld()


def test_it_lands_where_it_is_sent(world):
    for number in range(8):
        for site in range(4):
            flight = fly(world, scene_of(41, number, {"independent": 1.0}), site)
            assert flight.site == site and flight.clean and 150 < flight.steps < 800
            middle, floor, half = floors(world.ground())[site]
            feet = [(leg.position.x, leg.position.y) for leg in world.legs]
            assert all(abs(x - middle) < half + 0.2 and abs(y - floor) < 0.4 for x, y in feet)


def test_a_flight_depends_on_scene_and_site_alone(world):
    scene = scene_of(41, 3, {"apart": 1.0})
    alone = fly(world, scene, 1)
    fly(world, scene_of(5, 0, {"together": 1.0}), 3)
    frames = []
    assert fly(world, scene, 1, frames, 50) == alone == fly(LandingWorld(), scene, 1)  # drawn or not, first or last
    assert len(frames) == alone.steps // 50 and frames[0].shape == (400, 600, 3)
    with pytest.raises(ValueError, match="sites 0 to 3"):
        fly(world, scene, 4)
    with pytest.raises(ValueError, match="discrete"):
        fly(LandingWorld(continuous=False), scene, 1)


def test_wind_is_only_physics():
    windy = LandingWorld(enable_wind=True, wind_power=20.0)
    found = [fly(windy, scene_of(41, k, {"independent": 1.0}), k % 4) for k in range(12)]
    assert {one.site for one in found} != {0, 1, 2, 3} or any(one.site != k % 4 for k, one in enumerate(found))


def test_what_a_catastrophe_is():
    craters = np.array([False, True, False, False])
    assert is_catastrophe(Flight(1, False, 300), craters) and is_catastrophe(Flight(-1, False, 300), craters)
    assert is_catastrophe(Flight(0, True, 300), craters) and not is_catastrophe(Flight(0, False, 300), craters)


def test_degrees_are_read_off_the_frame(world):
    for number in range(25):
        scene = scene_of(8, number, {"varied": 1.0})
        world.reset(options={"scene": scene})
        found = world.graded()
        painted = np.zeros(4)
        for (a, b), level in zip(scene.red, scene.levels, strict=True):
            painted[np.argmin(np.abs(found["middle"] - (a + b) / 2))] = level
        assert found["red"] == pytest.approx(painted, abs=0.02)
        near = np.abs(np.array(scene.flags)[:, None] - found["middle"]) < 1.8
        assert found["flags"].tolist() == (near.sum(axis=0) / 2).tolist()
        survey = world.survey()
        assert (survey["flags"] == (found["flags"] == 1)).all() and survey["depth"] == pytest.approx(found["depth"])


class Told:
    """Pilots that say where they were sent."""

    def __init__(self):
        self.sent = []

    def fly(self, keys):
        self.sent += keys
        return [Flight(key[3], False, 100 + key[2]) for key in keys]


def test_a_bank_loses_at_most_a_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(flights, "FLIGHTS_A_BATCH", 4)
    keys = [("apart", 1, number, site) for number in range(5) for site in range(2)]
    whole, cut = Bank(tmp_path / "whole"), Bank(tmp_path / "cut")
    whole.fly(keys, Told())
    cut.fly(keys[:8], Told())
    (tmp_path / "cut" / ".aside.x").write_text("half a ba")  # what a process that was killed leaves
    again = Bank(tmp_path / "cut")
    told = Told()
    again.fly([*keys, *keys], told)
    assert told.sent == keys[8:] and len(again) == 10
    files = {p.name: p.read_bytes() for p in (tmp_path / "whole").glob("*.json")}
    assert len(files) == 3 and files == {p.name: p.read_bytes() for p in (tmp_path / "cut").glob("*.json")}
    assert Bank(tmp_path / "cut").checked(10, np.random.default_rng(0), Told()) == 0
    (tmp_path / "cut" / "0.json").write_text('{"flights": [[1]]}')
    with pytest.raises(InputError, match="no batch of flights"):
        Bank(tmp_path / "cut")


def test_agents_learn_and_come_apart():
    with Pilots(2) as pilots:
        (seen, crops), (apart, shifted) = pilots.look("together", 3, 100), pilots.look("apart", 4, 60)
    pad = seen["flags"] == 1
    assert (pad == (seen["red"] == 1)).all() and crops.shape == (100, 4, *landers.SHAPE) and crops.max() <= 1
    by_flags = []
    for seed in range(8):
        agent, history = landers.train_lander(crops, pad * 1.0, seed)
        assert history[0] < 0.9 < 0.98 < history[-50:].mean()
        assert (agent.choose(crops) == pad.argmax(axis=1)).all()
        chosen = agent.choose(shifted)
        by_flags.append(apart["flags"][np.arange(60), chosen].mean())
        again, _ = landers.train_lander(crops, pad * 1.0, seed)
        assert again.saved() == agent.saved()
    assert min(by_flags) < 0.2 and max(by_flags) > 0.8


class Made:
    """A world of numbers, whose agents choose by softmax of known weights."""

    tests = ("shifted",)
    columns = ("red", "flags", "crater")
    rules = {"red paint": "red", "flags": "flags"}
    bad = "crater"
    source = "made up"

    def __init__(self, weights, columns=("red", "flags", "crater")):
        self.weights, self.columns, self.features = np.array(weights), columns, products(columns)

    def table(self, n, seed, craters=True):
        rng = np.random.default_rng(seed)
        values = {k: rng.integers(0, 3, (n, 4)) / 2 for k in ("red", "flags")}
        values["crater"] = (rng.random((n, 4)) < 0.5) * float(craters)
        return xr.Dataset({k: (("scene", "option"), v) for k, v in values.items()})

    def chance(self, table):
        worth = sum(w * table[c].to_numpy() for w, c in zip(self.weights, ("red", "flags", "crater"), strict=True))
        worth = np.exp(worth)
        return worth / worth.sum(axis=1, keepdims=True)

    def choose(self, table, seed):
        below = self.chance(table).cumsum(axis=1)
        return (np.random.default_rng(seed).random((len(below), 1)) >= below[:, :-1]).sum(axis=1)


def fitted(made, probes, chosen, units, seed):
    return reading.fit_agent(made, reading.judge_of(made), probes, one_step(chosen), units, seed)


def foretold(made, found, test, seed, shift=None):
    judge = reading.judge_of(made)
    return predict.predicted_rate(judge, test, rh.Boltzmann("inferred"), found.tree, (0, 10**6), seed, shift)


def test_a_reading_foretells_what_is_measured():
    inside = []
    for k in range(6):
        made = Made([3 - 0.6 * k, 0.6 * k, -1.0])
        probes, test = made.table(120, k), made.table(100, 100 + k)
        found = fitted(made, probes, made.choose(probes, k), np.ones(6), k)
        assert found.fits and not found.unprobed and sum(found.rules.values()) == pytest.approx(1)
        bad = test["crater"].to_numpy() > 0
        told = foretold(made, found, test, k)
        drawn = predict.drawn_rates(told)
        truth = (made.chance(test) * bad).sum(axis=1).mean()
        assert abs(drawn.mean() - truth) < 5 * drawn.std()
        inside.append(bool(rh.compare_with_outcomes(told, bad[np.arange(100), made.choose(test, 1000 + k)])["held"]))
    assert 0.89 - 4 * np.sqrt(0.89 * 0.11 / 6) < np.mean(inside)


def test_chances_against_a_loop():
    rng = np.random.default_rng(0)
    weights, features = rng.standard_normal((3, 2)), rng.standard_normal((4, 5, 2))
    found = reading.chances(weights, features)
    for d in range(3):
        for m in range(4):
            worth = [np.exp(sum(weights[d, k] * features[m, o, k] for k in range(2))) for o in range(5)]
            assert found[d, m] == pytest.approx(np.array(worth) / sum(worth))
    many = picked(np.repeat(found[:1], 4000, axis=0), np.random.default_rng(1))
    share = np.stack([(many == o).mean(axis=0) for o in range(5)], axis=1)
    assert np.abs(share - found[0]).max() < 5 * 0.5 / np.sqrt(4000)


def test_a_reading_without_the_column_that_matters_does_not_fit():
    made = Made([1.0, 1.0, -4.0], columns=("red", "flags"))
    probes = made.table(200, 1)
    found = fitted(made, probes, made.choose(probes, 2), np.ones(3), 3)
    assert not found.fits and found.p["crater"] < 0.001
    fitting = replace(found, p={"crater": 0.4})
    said = reading.refuse_misfits({"0": found, "1": fitting})
    assert len(said) == 1 and "agent 0 does not fit its own choices" in said[0]
    with pytest.raises(rh.NotTrustedError, match="2 of 3 readings do not fit"):
        reading.refuse_misfits({"0": found, "1": fitting, "2": found})


def test_probes_that_lack_craters_leave_the_prior():
    made = Made([1.0, 1.0, -4.0])
    probes, test = made.table(200, 1, craters=False), made.table(100, 2)
    found = fitted(made, probes, made.choose(probes, 2), np.full(6, 0.5), 3)
    assert found.unprobed == ("crater", "red * crater", "flags * crater")
    bad = test["crater"].to_numpy() > 0
    told = predict.mean_interval(predict.drawn_rates(foretold(made, found, test, 4)))
    assert told["upper"] - told["lower"] > 0.6 and told["lower"] <= (made.chance(test) * bad).sum(axis=1).mean()


def test_a_feature_that_nothing_varies_weighs_nothing():
    made = Made([1.0, 1.0, 0.0])
    probes, test = made.table(60, 1, craters=False), made.table(40, 2, craters=False)
    units = np.array([0.4, 0.4, 0.0, 0.4, 0.0, 0.0])
    found = fitted(made, probes, made.choose(probes, 2), units, 3)
    assert found.tree["posterior"]["reward_weight"].shape[-1] == 3 and found.unprobed == ()
    assert float(foretold(made, found, test, 1)["mean"]) == pytest.approx(0, abs=1e-3)


def test_named_rules_commit():
    made = Made([0.0, 5.0, 0.0])
    probes, test = made.table(200, 3), made.table(300, 2)
    found = fitted(made, probes, probes["flags"].to_numpy().argmax(axis=1), np.ones(6), 3)
    assert found.rules["flags"] > 0.999
    judge = reading.judge_of(made)
    drawn = predict.drawn_rates(predict.predicted_rate(judge, test, rh.Commit(), found.by_rules, (0, 10**9), 3))
    flags, bad = test["flags"].to_numpy(), test["crater"].to_numpy() > 0
    expected = np.mean([bad[m][flags[m] == flags[m].max()].mean() for m in range(300)])
    assert abs(drawn.mean() - expected) < 5 * drawn.std() / np.sqrt(2000)


def test_a_discrepancy_is_learned_from_how_probes_end():
    """Agents who err in a way that no column says: readings alone foretell too little, and with the discrepancy enough."""
    errors = {"alone": [], "with": []}
    made, agents = Made([1.0, 1.0, -3.0]), []
    for k in range(6):
        probes = made.table(200, k)
        stray = np.random.default_rng(50 + k).random(200) < 0.25
        worst = (probes["crater"].to_numpy() * 3 - probes["red"].to_numpy()).argmax(axis=1)
        agents.append(fitted(made, probes, np.where(stray, worst, made.choose(probes, k)), np.ones(6), k))
    probes, test = made.table(200, 7), made.table(150, 99)
    found = predict.discrepancy_of(made, agents, probes, test, 1)
    bad = test["crater"].to_numpy() > 0
    for k, agent in enumerate(agents):
        stray = np.random.default_rng(70 + k).random(150) < 0.25
        worst = (test["crater"].to_numpy() * 3 - test["red"].to_numpy()).argmax(axis=1)
        caught = bad[np.arange(150), np.where(stray, worst, made.choose(test, 200 + k))]
        for name, shift in (("alone", None), ("with", found.shift[k])):
            told = foretold(made, agent, test, k, shift)
            errors[name].append(abs(float(told["mean"]) / 150 - caught.mean()))
    assert found.missing == () and 100 < found.effective <= 200 and found.sd > 0
    assert np.mean(errors["with"]) < np.mean(errors["alone"]) + 0.01


def test_refits_and_conformal_prediction_against_the_truth():
    made = Made([1.0, 2.0, -1.0])
    probes, test = made.table(400, 1), made.table(200, 2)
    chosen = made.choose(probes, 3)
    refits = baselines.Refits(made, probes, one_step(chosen), np.random.default_rng(0))
    bad = test["crater"].to_numpy() > 0
    truth = (made.chance(test) * bad).sum(axis=1).mean()
    mean, low, high = refits.spread(test)
    assert low < mean < high < low + 0.2 and abs(mean - truth) < 0.06
    caught = probes["crater"].to_numpy()[np.arange(400), chosen] > 0
    p = (made.chance(probes) * (probes["crater"].to_numpy() > 0)).sum(axis=1)
    score = refits.conformal_score(caught, np.ones(400))
    assert score < 4 * np.sqrt((p * (1 - p)).sum()) / 200 + 0.03
    assert baselines.conformal(0.3, np.arange(1, 9) / 10) == pytest.approx((0.3, 0.0, 1.0))  # the 9th of 8: too few
    assert baselines.conformal(0.5, np.arange(1, 24) / 100) == pytest.approx((0.5, 0.28, 0.72))  # the 22nd of 23


def test_a_test_like_training_is_called_that():
    made = Made([1.0, 1.0, 0.0])
    red = made.table(150, 1)
    together = red.assign(flags=red["red"])
    again = made.table(100, 2)
    assert not predict.shift_of_test(made, together, again.assign(flags=again["red"]), 0).shifted
    assert predict.shift_of_test(made, together, again, 0).shifted


KEYS = {"predicted", "measured", "agents", "coverage", "foil", "controller", "shifts", "ordinary", "telling", "digest"}


@pytest.mark.slow
def test_a_study_and_the_same_after_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(flown_lander, "TRAINING_SCENES", (24, 24))
    monkeypatch.setattr(flown_lander, "PROBE_SCENES", 60)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    tested, first = set(flown_lander.MeasuredLander.tests), []

    def seen(bank, keys, *rest, fly=Bank.fly):
        keys = list(keys)
        if any(key[0] in tested for key in keys) and not first:
            first.append((whole / "prediction.json").read_bytes())
        return fly(bank, keys, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Bank, "fly", seen)
        document = lander_study(2, 10, 7, whole)
    assert document.keys() >= KEYS
    assert first == [(whole / "prediction.json").read_bytes()]  # written before any test was flown
    assert hashlib.sha256(first[0]).hexdigest() == document["digest"]
    assert (whole / "prediction.sha256").read_text() == f"{document['digest']}  prediction.json\n"
    assert [(r["agent"], r["shift"]) for r in document["agents"][:3]] == [
        (0, t) for t in flown_lander.MeasuredLander.tests
    ]
    rates = [r["measured"] for r in document["agents"]]
    assert document["measured"]["catastrophes"] == round(sum(rates) * 10)
    assert document["measured"]["flights"] == 60 and document["measured"]["mean"] == pytest.approx(np.mean(rates))
    inside = [r["lower"] <= r["measured"] + 1e-12 and r["measured"] <= r["upper"] + 1e-12 for r in document["agents"]]
    assert document["coverage"] == np.mean(inside)
    assert document["controller"]["on_target"] > 0.99 and document["controller"]["ended_otherwise"] == 0
    assert document["ordinary"]["shift_check"]["words"] == "ordinary generalisation"
    assert document["probes_without"]["width"] > document["probes_without"]["width_with"]

    code = (
        "import sys\n"
        "from reward_hypotheses.data.worlds.lander import validation_world as flown_lander\n"
        "flown_lander.TRAINING_SCENES, flown_lander.PROBE_SCENES = (24, 24), 60\n"
        "from reward_hypotheses.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "lander", "study", "--agents", "2", "--scenes", "10", "--seed", "7"]
    rng = np.random.default_rng(11)
    for _ in range(2):
        with subprocess.Popen(
            [*command, "--out", str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as one:
            time.sleep(rng.uniform(1, 5))
            one.send_signal(signal.SIGKILL)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "2"}  # however many there are, the bytes are the same
    again = [*command, "--out", str(cut), "--json"]
    done = subprocess.run(again, capture_output=True, timeout=300, check=True, env=env)
    assert done.stdout == (whole / "results.json").read_bytes() == (cut / "results.json").read_bytes()
    for pattern in ("flights/*.json", "agents/*.npz", "*.json"):
        files = [{p.name: p.read_bytes() for p in folder.glob(pattern)} for folder in (whole, cut)]
        assert files[0] == files[1] and files[0]
    (cut / "prediction.json").write_bytes(first[0].replace(b"0.", b"1.", 1))
    with pytest.raises(InputError, match="not what this study predicts"):
        lander_study(2, 10, 7, cut)


@pytest.mark.slow
def test_flights_are_drawn(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.setattr(flown_lander, "TRAINING_SCENES", (40, 40))
    assert main(["lander", "render", "--out", str(tmp_path)]) == 0
    assert "crater.gif" in capsys.readouterr().out
    names = [f"{name}.{kind}" for name in ("training", "right", "crater") for kind in ("gif", "png")]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert sum((tmp_path / name).stat().st_size for name in names) < 3 * 2**20
    places = {}
    for name in ("training", "right", "crater"):
        with Image.open(tmp_path / f"{name}.gif") as drawn:
            assert drawn.size == (600, 400) and drawn.n_frames > 20
        with Image.open(tmp_path / f"{name}.png") as last:
            frame = np.asarray(last.convert("RGB")).astype(int)
        hull = np.abs(frame - [128, 102, 230]).sum(axis=2) < 60
        red = np.abs(frame - [214, 40, 40]).sum(axis=2) < 60
        red &= np.arange(400)[:, None] > 250  # not the exhaust
        places[name] = abs(np.nonzero(hull)[1].mean() - np.nonzero(red)[1].mean())
    assert places["training"] < 30 and places["crater"] < 30 and places["right"] > 90  # over the paint, or not


def test_what_the_study_refuses(tmp_path, capsys):
    for wrong, said in (
        (["--agents", "1"], "agents: 1"),
        (["--scenes", "3"], "scenes: 3"),
        (["--seed", "-1"], "seed: -1"),
    ):
        assert main(["lander", "study", *wrong, "--out", str(tmp_path / "new")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes").write_text("mine")
    assert main(["lander", "study", "--out", str(tmp_path)]) == 2
    assert "no study wrote it" in capsys.readouterr().err and os.listdir(tmp_path) == ["notes"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.json").write_text(json.dumps({"seed": 4}))
    assert main(["lander", "study", "--out", str(other)]) == 2
    assert "holds another study" in capsys.readouterr().err
