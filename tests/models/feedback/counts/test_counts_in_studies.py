"""Counts of answers in tables and study files, right and wrong."""

import json
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from counted_cases import IN_ITEMS, IN_SCENES, ITEM_TIMES, KINDS, N_ITEMS, OPTIONS, SCENES, TIMES, WALKS, WORLD
from mdp_studies import DEMOS, written
from mdp_studies import study as study_of_demos
from studies import csv_text, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main


def test_a_column_that_is_called_count_is_a_feature_unless_named():
    table = {"count": [3.0, -1.0, 2.0, -2.0], "n": [2, 1, 1, 3], "good": [True, False, True, True]}
    plain = rh.fit({"count": "count"}, rh.Uniform("a test"), [rh.Labels(table, "good", noise=0.1)], 0)
    assert plain["evidence"]["log_evidence"].item() == pytest.approx(3 * math.log(0.9) + math.log(0.1), rel=1e-14)
    counted = rh.fit({"count": "count"}, rh.Uniform("a test"), [rh.Labels(table, "good", noise=0.1, count="n")], 0)
    assert counted["evidence"]["log_evidence"].item() == pytest.approx(4 * math.log(0.9) + 3 * math.log(0.1), rel=1e-14)
    assert "count" not in json.loads(plain.attrs["study"])["feedback"][0]
    assert json.loads(counted.attrs["study"])["feedback"][0]["count"] == "n"


def test_counts_of_one_are_no_counts():
    table = {k: v for k, v in IN_ITEMS.items()} | {"n": np.ones(N_ITEMS, int)}
    assert KINDS["labels"][1](table, count="n").counts is None


def test_missing_counts_are_dropped_where_that_is_asked():
    n = np.where(np.arange(N_ITEMS) == 3, np.nan, ITEM_TIMES.astype(float))
    table = {k: v for k, v in IN_ITEMS.items() if k != "is_failing"} | {"n": n}
    one = rh.Labels(table, "good", noise=(2, 8), count="n", missing="drop")
    assert (one.dropped, one.n_answers) == (1, int(np.nansum(n)))
    with pytest.raises(rh.InputError, match="column 'n' is missing"):
        _ = rh.Labels(table, "good", noise=(2, 8), count="n").counts
    lacking = IN_SCENES | {"n": np.where(np.arange(OPTIONS) == 1, [[np.nan]] + [[1.0]] * 6, 1.0) * IN_SCENES["n"]}
    for make in (lambda: rh.Choices(lacking, "chosen", count="n", missing="drop"),
                 lambda: rh.Rankings(lacking, "rank", count="n", missing="drop")):  # fmt: skip
        assert len(make().units) == SCENES - 1 and make().n_answers == TIMES[1:].sum()


ONE_SCENE = {"scene": [0, 0], "option": [0, 1], "x": [1, 0], "chosen": [1, 0], "good": [1, 0]}
WEIGHTED = {"scene": [0, 0, 1, 1], "option": [0, 1, 0, 1], "x": [1, 0, 1, 0], "chosen": [1, 0, 0, 1], "r": [1, 2, 2, 1]}
WEIGHTED |= {"scene_weight": [9, 9, 1, 1]}
STEPS = {"trajectory": [0, 0], "step": [0, 1], "state": [0, 0], "action": ["up", "up"], "n": [1, 2]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rh.Labels(ONE_SCENE | {"n": [0, 1]}, "good", noise=0.1, count="n"), r"scene 0, option 0: column 'n' is 0; .* from 1"),
        (lambda: rh.Labels(ONE_SCENE | {"n": [1, 1.5]}, "good", noise=0.1, count="n"), r"option 1: column 'n' is 1\.5; "),
        (lambda: rh.Labels(ONE_SCENE | {"n": [1, 1e13]}, "good", noise=0.1, count="n"), r"1e\+13; .* to 10\^12"),
        (lambda: rh.Labels(ONE_SCENE | {"n": ["a", "b"]}, "good", noise=0.1, count="n"), r"column 'n' is 'a', which is not a number"),
        (lambda: rh.Labels(ONE_SCENE, "good", noise=0.1, count="m"), r"no column 'm'"),
        (lambda: rh.Labels(ONE_SCENE, "good", noise=0.1, count=3), r"^count: 3; name the column .* in quotes"),
        (lambda: rh.Choices(ONE_SCENE | {"n": [2, 3]}, "chosen", count="n"), r"option 1: column 'n' differs .* constant in a scene"),
        (lambda: rh.Choices(WEIGHTED, "chosen"), r"'scene_weight' is not the same .* count = \"scene_weight\""),
        (lambda: rh.Rankings(WEIGHTED, "r"), r"count = \"scene_weight\""),
        (lambda: rh.Labels(WEIGHTED, "chosen", noise=0.1), r"count = \"scene_weight\""),
        (lambda: rh.Rewards(WEIGHTED, "r", sigma2=(1, 1)), r"count = \"scene_weight\""),
        (lambda: rh.Stops(WEIGHTED, "chosen"), r"count = \"scene_weight\""),
        (lambda: rh.Ratings(WEIGHTED, "r", grades=[1, 2]), r"count = \"scene_weight\""),
        (lambda: rh.Proxy(WEIGHTED, chosen="a", candidates={"a": "x", "b": "-x"}), r"'scene_weight' .* rh\.resample .*count says"),
        (lambda: rh.Proxy(IN_SCENES, chosen="a", candidates={"a": "x", "b": "-x"}, count="n"), r"^count: 'n'; a proxy is one answer"),
        (lambda: rh.Proxy(IN_SCENES, chosen="a", candidates={"a": "x", "b": "-x"}, count=0), r"^count: 0; a proxy"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count=[1, 2]), r"^count: 2 numbers; give one .* of the 3"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count=[1, 2, 0.5]), r"^count: trajectory 2: 0\.5; give one"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count="n"), r"^count: 'n'; .* a column can be named where"),
        (lambda: rh.Demonstrations(WORLD, STEPS, count="m"), r"no column 'm'"),
        (lambda: rh.Demonstrations(WORLD, STEPS, count="n"), r"trajectory '0': column 'n' is '1' and '2'; .* constant in a traj"),
        (lambda: rh.Demonstrations(WORLD, STEPS | {"n": [0, 0]}, count="n"), r"column 'n' is '0'; .* whole number"),
        (lambda: rh.Demonstrations(WORLD, STEPS | {"scene_weight": [1, 2]}), r"count = \"scene_weight\""),
        (lambda: rh.FailureJudgements(WEIGHTED, "chosen", centre=0, spread=1, source="s"), r"'scene_weight' .* a row for each"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(rh.InputError, match=message) as error:
        _ = make().counts
    assert len(str(error.value).splitlines()) == 1


def test_equal_weights_say_nothing_and_may_stay():
    third = WEIGHTED | {"scene_weight": [1 / 3, 1 / 3, 1 - 2 / 3, 1 - 2 / 3]}
    for weights in (
        third,
        WEIGHTED | {"scene_weight": [None] * 4},
        {k: v for k, v in WEIGHTED.items() if k != "scene_weight"},
    ):
        assert rh.Choices(weights, "chosen").n_answers == 2
    assert rh.Choices(WEIGHTED, "chosen", count="scene_weight").n_answers == 10


def test_a_study_counts(tmp_path, capsys):
    """By counts and by rows: the same evidence, weights, checks, shift and risk; what is wrong names the feedback."""
    rng = np.random.default_rng(4)
    rows, times = [], []
    for k in range(8):
        red, slope = k % 2, round(float(rng.gamma(2.0)), 2)
        times.append(int(rng.integers(1, 9)))
        rows.append(
            {"red_paint": red, "flags": red, "slope": slope, "is_pad": red if k else 1 - red, "times": times[-1]}
        )
    test = [
        {"scene": m, "option": o, "red_paint": int(o == 0), "flags": int(o == 1), "slope": 0.5 + o, "times": o, "scene_weight": 1 + m % 2}
        for m in range(6)
        for o in range(3)
    ]  # fmt: skip
    documents = []
    entry = small()["feedback"][0]
    plain = [{k: v for k, v in row.items() if k != "times"} for row in rows]
    repeated = [row for row, n in zip(plain, times, strict=True) for _ in range(n)]
    for name, training, extra in (("counts", rows, {"count": "times"}), ("rows", repeated, {})):
        folder = tmp_path / name
        folder.mkdir()
        study = small(feedback=[entry | extra])
        documents.append(rh.run(write(folder, study, training=csv_text(training), test=csv_text(test))))
    a, b = documents
    for key in ("log_evidence", "weights", "n_items", "silent_pairs", "training_tables"):
        assert a[key] == (b[key] if key != "log_evidence" else pytest.approx(b[key], rel=1e-12)), key
    assert a["n_items"] == {"labels": sum(times)}
    assert a["risk"]["mean"] == pytest.approx(b["risk"]["mean"], rel=1e-12)
    assert a["shift"]["statistic"] == pytest.approx(b["shift"]["statistic"], rel=1e-9)
    assert a["predictive_check"]["labels"]["p"] == b["predictive_check"]["labels"]["p"]
    assert a["impact"]["features"] == b["impact"]["features"] and "times" not in a["impact"]["features"]
    path = tmp_path / "counts" / "study.toml"
    assert main(["check", str(path)]) == 0
    assert f"labels: {sum(times)} answers, counted by 'times'" in capsys.readouterr().out
    weighted = csv_text([row | {"scene_weight": n} for row, n in zip(plain, times, strict=True)])
    write(tmp_path / "counts", small(), training=weighted, test=csv_text(test))
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "[[feedback]]" in said[0] and 'count = "scene_weight"' in said[0]


def test_a_study_counts_trajectories(tmp_path):
    demos = DEMOS.splitlines()
    times = ["times"] + ["3" if line.startswith("Ann") else "2" for line in demos[1:]]
    entry = study_of_demos()["feedback"][0] | {"count": "times"}
    text = "\n".join(",".join(row) for row in zip(demos, times, strict=True)) + "\n"
    one = rh.check(written(tmp_path, study_of_demos(feedback=[entry]), demos=text)).feedback[0]
    assert one.n_answers == 2 * 3 + 2 * 2  # of Ann's three steps the last is after the end
    with pytest.raises(rh.InputError, match=r"\[\[feedback\]\] .*trajectory 'Bob': column 'times' is '2' and '5'"):
        rh.check(written(tmp_path, study_of_demos(feedback=[entry]), demos=text[:-2] + "5\n"))


@dataclass(frozen=True, eq=False)
class Careless(rh.Labels):
    kind: ClassVar[str] = "careless"

    def evidence(self, valuation):
        return rh.Labels.evidence(replace(self, count=None), valuation)


def test_a_kind_that_loses_its_counts_does_not_conform():
    table = {k: IN_ITEMS[k] for k in ("x", "y", "good")}
    with pytest.raises(AssertionError, match=r"weigh each answer by self\.counts"):
        rh.conforms(Careless(table, "good", noise=0.2), {"x": "x", "y": "y"}, fail_utility=0.3, replications=300)
