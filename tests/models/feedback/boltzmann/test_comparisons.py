"""Comparisons, and feedback that is refused."""

import re

import numpy as np
import pytest
from rational_cases import ROWS, evidence
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main


def test_comparisons(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("left_cost,right_cost,left_kind,right_kind,chosen,who\n1,2,a,b,left,Ann\n3,1.5,b,b,Right,Bob\n")
    table = rh.read_comparisons(path)
    assert dict(table.sizes) == {"scene": 2, "option": 2}
    assert table["cost"].values.tolist() == [[1, 2], [3, 1.5]] and table["kind"].values.tolist() == [
        ["a", "b"],
        ["b", "b"],
    ]
    assert table["chosen"].values.tolist() == [[True, False], [False, True]]
    assert table["who"].values.tolist() == [["Ann", "Ann"], ["Bob", "Bob"]]
    study = small(
        hypotheses={"cheap": "-cost", "dear": "cost"}, tables={"training": {"path": "x.csv", "comparisons": True}}
    )
    study["values"] = {"weights": {"cheap": 1, "dear": 1}, "source": "a test"}
    study["feedback"] = [{"kind": "choices", "table": "training", "column": "chosen"}]
    document = rh.run(write(tmp_path, study))
    tree = rh.fit({"cheap": "-cost", "dear": "cost"}, rh.Uniform("u"), [rh.Choices(table, "chosen")], 0)
    assert list(document["log_evidence"].values()) == pytest.approx(tree["evidence"]["log_evidence"].values.tolist())
    assert document["weights"]["cheap"] > 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("left_x,right_x,chosen\n1,2,middle\n", "x.csv: line 2: column 'chosen' is 'middle'; it must be left or right"),
        ("left_x,right_x,chosen\n1,2,\n", "line 2: column 'chosen' is ''; it must be left or right"),
        ("left_x,right_y,chosen\n1,2,left\n", "column 'left_x' has no 'right_x' beside it"),
        ("x,chosen\n1,left\n", "no features of the two sides"),
        (
            "scene,left_x,right_x,chosen\n1,1,2,left\n",
            "comparisons have one row each, and no columns 'scene' and 'option'",
        ),
        ("left_x,right_x,x,chosen\n1,2,3,left\n", "would become 'x', which there is already"),
        ("left_option,right_option,chosen\n1,2,left\n", "would become 'option', which there is already"),
    ],
)
def test_wrong_comparisons(text, says, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(rh.InputError, match=re.escape(says)):
        rh.read_comparisons(path)


WRONG = {
    "two chosen": ("choices", ROWS.replace("0,1,2,0,2,0", "0,1,2,1,2,0"), {}, "scene 0: column 'c': 2 options are chosen (line 2, line 3)"),
    "none chosen": ("choices", ROWS.replace("1,1,1,1,1,0", "1,1,1,0,1,0"), {}, "scene 1: column 'c': no available option is chosen"),
    "chosen and not available": (
        "choices",
        ROWS.replace("stop\n", "stop,available\n").replace(",1\n", ",1,1\n").replace(",0\n", ",0,1\n").replace("0,0,1,1,1,1,1", "0,0,1,1,1,1,0"),
        {},
        "scene 0: column 'c': no available option is chosen; mark exactly one that is available",
    ),
    "a choice that is a word": ("choices", ROWS.replace("0,0,1,1", "0,0,1,yes"), {}, "column 'c'"),
    "a choice that is missing": ("choices", ROWS.replace("0,0,1,1", "0,0,1,"), {}, "line 2: column 'c' is missing"),
    "a rank of 0": ("rankings", ROWS.replace("0,0,1,1,1", "0,0,1,1,0"), {}, "line 2: column 'r' is 0; a rank is a whole number from 1"),
    "a rank of a half": ("rankings", ROWS.replace("0,0,1,1,1", "0,0,1,1,1.5"), {}, "column 'r' is 1.5; a rank is a whole number"),
    "no ranks": ("rankings", re.sub(r"(\d,\d,\d,\d),\d", r"\1,", ROWS), {}, "column 'r' is empty in every row"),
    "a stop that is a number": ("stops", ROWS.replace("0,1,2,0,2,0", "0,1,2,0,2,7"), {}, "it must be true where a human stopped this"),
    "no grades": ("ratings", ROWS, {}, "grades: missing; list the grades, the lowest first"),
    "one grade": ("ratings", ROWS, {"grades": ["good"]}, "grades: ['good']; list two to 10"),
    "a grade twice": ("ratings", ROWS, {"grades": [1, 2, 1.0]}, "each grade once"),
    "a grade that is a list": ("ratings", ROWS, {"grades": [[1], 2]}, "a grade is a text or a number"),
    "a grade never defined": ("ratings", ROWS, {"grades": [0, 1]}, "line 3: column 'r' is '2', which is no grade; there is '0', '1'"),
    "a grade that is missing": ("ratings", ROWS.replace("0,0,1,1,1", "0,0,1,1,"), {"grades": [1, 2]}, "line 2: column 'r' is missing"),
    "no options": ("choices", "x,c,r,stop\n1,1,1,1\n", {}, "choices need options to choose from"),
    "rationality 0": ("choices", ROWS, {"rationality": 0}, "rationality: 0; give a positive number, or its prior"),
    "rationality in words": ("stops", ROWS, {"rationality": "high"}, "rationality: 'high'"),
    "another prior": ("rankings", ROWS, {"rationality": {"dist": "gamma"}}, "rationality: dist: 'gamma'; give 'lognormal'"),
    "a prior misspelt": ("choices", ROWS, {"rationality": {"sigmma": 1}}, "'sigmma' is unknown; did you mean 'sigma'?"),
    "no spread": ("choices", ROWS, {"rationality": {"sigma": 0}}, "rationality: sigma: 0"),
    "a scale": ("stops", ROWS, {"scale": "log"}, "scale: 'log'; give 'unit' or 'raw'"),
    "a human": ("stops", ROWS, {"human": 3}, "human: 3; give a name in quotes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_feedback(case, tmp_path, capsys):
    kind, training, options, says = WRONG[case]
    column = {"choices": "c", "rankings": "r", "stops": "stop", "ratings": "r"}[kind]
    study = small(hypotheses={"x": "x", "-x": "-x"}, tables={"training": "training.csv"})
    study["values"] = {"weights": {"x": 1, "-x": 1}, "source": "a test"}
    study["feedback"] = [{"kind": kind, "table": "training", "column": column} | options]
    assert main(["run", str(write(tmp_path, study, training=training)), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err, err


def test_thirteen_in_a_tie_are_too_many():
    data = {"x": np.zeros((1, 14)), "r": [[1.0] * 13 + [2.0]]}
    with pytest.raises(rh.InputError, match="13 options tie before the last place; up to 12 can"):
        evidence([rh.Rankings(data, "r")], {"x": "x"})


def test_comparisons_are_no_scenes_of_one(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("left_x,right_x,chosen\n1,2,left\n3,1,right\n")
    study = small(hypotheses={"x": "x", "-x": "-x"}, tables={"training": {"path": "x.csv", "comparisons": True}})
    study["values"] = {"weights": {"x": 1, "-x": 1}, "source": "a test"}
    study["feedback"] = [{"kind": "choices", "table": "training", "column": "chosen"}]
    assert not any("scene with one option" in w for w in rh.run(write(tmp_path, study))["warnings"])


def test_scenes_of_one_option_are_warned_of(tmp_path):
    rows = "scene,option,red_paint,flags,slope,chosen\n0,0,1,1,0,1\n1,0,0,1,0,1\n"
    chosen = [{"kind": "choices", "table": "training", "column": "chosen"}]
    got = rh.run(write(tmp_path, small(feedback=chosen), training=rows, test=TEST))
    assert any("no scene of 'training' has two options" in w for w in got["warnings"])
