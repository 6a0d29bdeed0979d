"""The section [prediction] of a study, and the commands predict and score."""

import json
import math

import numpy as np
import pytest
from studies import shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main

RNG = np.random.default_rng(6)


def table(n, seed, chosen=None, rater=False):
    rng = np.random.default_rng(seed)
    lines = ["scene,option,cost,time" + (",chosen" if chosen is not None else "") + (",rater" if rater else "")]
    for m in range(n):
        for o in range(2):
            cells = [f"s{m}", "left right".split()[o], *(str(x) for x in rng.normal(size=2).round(2))]
            cells += [] if chosen is None else [str(int(chosen[m] == o))]
            lines.append(",".join(cells + ([f"r{m % 4}"] if rater else [])))
    return "\n".join(lines) + "\n"


TRAINING = table(10, 1, chosen=RNG.integers(0, 2, 10))
PICKED = RNG.integers(0, 2, 20)


def document(**changes):
    choices = {"kind": "choices", "table": "training", "column": "chosen", "rationality": 1.0}
    plain = {
        "tables": {"training": "training.csv", "new": "new.csv"},
        "hypotheses": {"cheap": "-cost", "fast": "-time"},
        "values": {"weights": {"cheap": 2, "fast": 1}, "source": "a test"},
        "feedback": [choices],
        "prediction": {"test": "new", "chosen": "chosen"},
    }
    return small(**plain | changes)


@pytest.fixture
def study(tmp_path):
    return write(tmp_path, document(), training=TRAINING, new=table(20, 2), outcomes=table(20, 2, PICKED, rater=True))


def test_predict_then_score(study, capsys):
    folder = study.parent
    assert main(["predict", str(study)]) == 0
    said = capsys.readouterr().out
    record = json.loads((folder / "study.prediction.json").read_text())
    assert record["sha256"] in said and "20 scenes of 'new'" in said and "  right: " in said
    data = rh.read_table(folder / "training.csv")
    prior = rh.Elicited({"cheap": 2, "fast": 1}, source="a test")
    hypotheses = {"cheap": "-cost", "fast": "-time"}
    tree = rh.fit(hypotheses, prior, [rh.Choices(data, "chosen", rationality=1.0)], 0.0, random_seed=1)
    expected = rh.predict_choices(tree, rh.read_table(folder / "new.csv"))
    got = [scene["probability"] for scene in record["scenes"]]
    np.testing.assert_allclose(got, expected["probability"], rtol=1e-12)
    assert main(["score", str(folder / "study.prediction.json"), str(folder / "outcomes.csv")]) == 0
    said = capsys.readouterr().out
    score = np.log(np.array(got)[np.arange(20), PICKED]).mean()
    assert f"Log score: {score:.3f} (standard error" in said and "standard errors by scene, 20 clusters" in said
    arguments = ["score", str(folder / "study.prediction.json"), str(folder / "outcomes.csv"), "--rater", "rater"]
    assert main([*arguments, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["log_score"] == pytest.approx(score) and scores["clusters"] == 4
    assert scores["chance"] == pytest.approx(-math.log(2)) and scores["clustered_by"] == "rater"
    assert sum(scores["calibration_count"]) == 40


def test_the_same_again_and_another(study, capsys):
    """The same study leaves the file as it is; another prediction does not replace it."""
    out = study.parent / "mine.json"
    assert main(["predict", str(study), "--out", str(out)]) == 0
    before = out.read_bytes()
    assert main(["predict", str(study), "--out", str(out)]) == 0 and out.read_bytes() == before
    capsys.readouterr()
    write(study.parent, document(values={"weights": {"cheap": 1, "fast": 9}, "source": "a test"}))
    assert main(["predict", str(study), "--out", str(out)]) == 2
    done = capsys.readouterr()
    assert done.out == "" and "holds another prediction" in done.err and out.read_bytes() == before


@pytest.mark.parametrize("who", ["population", "agent"])
def test_settings(tmp_path, who):
    prediction = {"test": "new", "chosen": "chosen", "who": who, "path": "here.json", "draws": 200}
    prediction |= {"policy": {"name": "boltzmann", "beta": 2}} | ({"feedback": "choices"} if who != "agent" else {})
    study = write(
        tmp_path, document(prediction=prediction, analysis={"prob": 0.8}), training=TRAINING, new=table(20, 2)
    )
    assert main(["predict", str(study)]) == 0
    settings = json.loads((tmp_path / "here.json").read_text())["settings"]
    expected = {"who": who, "draws": 200, "prob": 0.8, "policy": "boltzmann", "chosen": "chosen"}
    assert {key: settings[key] for key in expected} == expected


def test_problems_of_the_section(tmp_path, capsys):
    wrong = {"who": "everyone", "test": "nwe", "draws": 3, "chose": "x", "policy": "commits"}
    study = write(tmp_path, document(prediction=wrong), training=TRAINING, new=table(20, 2))
    for command in ("check", "predict"):
        assert main([command, str(study)]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        for message in (
            "[prediction] who: 'everyone'",
            "[prediction] test: 'nwe' is no table; did you mean 'new'?",
            "[prediction] draws: 3; give a whole number",
            "[prediction] chose: unknown key; did you mean 'chosen'?",
            "[prediction] policy: 'commits' is no policy of this version; did you mean 'commit'?",
        ):
            assert message in told.err, message
    cases = {
        "chosen: missing": {"test": "new"},
        "test: missing": {"chosen": "chosen"},
        "which is to hold the choices": {"test": "training", "chosen": "chosen"},
        "fitted without raters": {"test": "new", "chosen": "chosen", "who": "rater"},
        'beta = "inferred" is of an agent': {
            **{"test": "new", "chosen": "chosen"},
            "policy": {"name": "boltzmann", "beta": "inferred"},
        },
    }
    for message, prediction in cases.items():
        study = write(tmp_path, document(prediction=prediction))
        assert main(["predict", str(study)]) == 2
        told = capsys.readouterr()
        assert message in told.err and told.out == "" and len(told.err.splitlines()) == 1, told.err
    assert not list(tmp_path.glob("*.json"))


def test_a_run_is_as_it_was(tmp_path):
    """The section changes nothing of a run."""
    study = write(tmp_path, document(), training=TRAINING, new=table(20, 2))
    with_section = rh.run(study)
    write(tmp_path, document(prediction={}))
    without = rh.run(study)
    for key in ("weights", "log_evidence", "warnings", "risk"):
        assert with_section[key] == without[key]


def test_score_refuses_in_the_shell(study):
    done = shell("predict", study)
    assert done.returncode == 0 and done.stderr == ""
    path = study.parent / "study.prediction.json"
    path.write_text(path.read_text().replace('"prob": 0.95', '"prob": 0.9'))
    done = shell("score", path, study.parent / "outcomes.csv")
    assert done.returncode == 2 and done.stdout == "" and "was altered after it was registered" in done.stderr
    done = shell("score", study.parent / "none.json", study.parent / "outcomes.csv")
    assert done.returncode == 2 and "none.json" in done.stderr and len(done.stderr.splitlines()) == 1
