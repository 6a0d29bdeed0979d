"""Choices of an agent as somebody exported them."""

import json

import numpy as np
import pandas as pd
import pytest
from probe_scenes import deepest, named, scenes, taken

import reward_hypotheses as rh

EXPORTS = {
    "taken": "scene,option\n7,right\nb,left\na,left\n",
    "chosen": "scene,option,chosen\nb,left,true\nb,right,false\na,left,1\n7,left,0\n7,right,1\na,right,0\n",
    "probability": "scene,option,probability\nb,left,1\nb,right,0\na,left,1\n7,right,1\na,right,0\n",
    "in order": "option\nleft\nleft\nright\n",
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
@pytest.mark.parametrize("form", ["csv", "frame", "columns", "parquet"])
def test_an_export(export, form, tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text(export)
    frame = pd.read_csv(path)
    frame.to_parquet(tmp_path / "choices.parquet")
    given = {
        "csv": path,
        "frame": frame,
        "columns": {c: frame[c].tolist() for c in frame},
        "parquet": str(tmp_path / "choices.parquet"),
    }[form]
    asked = rh.probe(given, named())
    assert taken(asked) == [0, 0, 1] and asked.scene.values.tolist() == ["b", "a", "7"]
    assert json.loads(asked.attrs["probe"])["agent"] == "exported"


def test_an_export_of_what_was_asked_comes_back():
    for probes in (scenes(), scenes().assign_coords(scene=[5, 3, 9, 1, 2, 4], option=["x", "y", "z"])):
        asked = rh.probe(deepest, probes)
        assert rh.probe(asked[["chosen"]], probes).chosen.equals(asked.chosen)
        frame = asked.chosen.to_dataframe().reset_index().sample(frac=1, random_state=1)
        assert rh.probe(frame, probes).chosen.equals(asked.chosen)
        assert rh.probe(frame[frame.chosen][["scene", "option"]], probes).chosen.equals(asked.chosen)


def test_names_come_before_numbers():
    probes = {"scene": [0, 0, 1, 1], "option": [1, 2, 1, 2], "red": [0, 1, 1, 0]}  # options are called 1 and 2
    for table in (probes, pd.DataFrame(probes)):
        assert taken(rh.probe({"scene": [0, 1], "option": [2, 1]}, table)) == [1, 0]
        with pytest.raises(rh.InputError, match="agent: row 0: scene '0': option '0' is none of its options"):
            rh.probe({"scene": [0, 1], "option": [0, 1]}, table)


def test_an_export_of_several_draws():
    asked = rh.probe({"scene": ["b", "a", "b", "7", "a", "7"], "option": ["left", "left", "right", "right", "left", "left"]},
                     named(), draws=2)  # fmt: skip
    assert taken(asked) == [0, 1, 0, 0, 1, 0] and asked.scene.values[1:3].tolist() == ["b, draw 1", "a, draw 0"]
    in_order = rh.probe({"option": ["left", "right", "left", "left", "right", "left"]}, named(), draws=2)
    assert in_order.identical(asked)


HEAD = {"one": "scene,option\n", "chosen": "scene,option,chosen\n", "p": "scene,option,probability\n"}


@pytest.mark.parametrize(
    "text, messages",
    [
        (HEAD["one"] + "b,left\na,left\n", ["scene '7': no row; there must be exactly one"]),
        (
            HEAD["one"] + "b,left\nb,right\na,left\n7,left\n",
            ["scene 'b': 2 rows; there must be exactly one; with draws=n it may have n"],
        ),
        (
            HEAD["one"] + "c,left\na,up\n7,left\nb,left\n",
            ["line 2: scene 'c' is none of those asked about; there is 'b', 'a', '7'",
             "line 3: scene 'a': option 'up' is none of its options; there is 'left'"],
        ),
        (HEAD["one"] + "b,left\na,left\n7,\n", ["line 4: scene '7': option '' is none of its options"]),
        ("option\nleft\nleft\n", ["2 rows for 3 choices; give one row for each, in the scenes' order"]),
        ("scene,choice\nb,left\n", ["no column 'option'"]),
        ("option,chosen\nleft,1\n", ["no column 'scene', which says what scene the options of a row are of"]),
        ("scene,option,chosen,probability\nb,left,1,1\n", ["columns 'chosen' and 'probability' both"]),
        (HEAD["one"], ["no rows"]),
        (HEAD["chosen"] + "b,left,1\na,left,yes\n7,left,1\n", ["line 3: column 'chosen' is 'yes'; it must be true or false"]),
        (HEAD["chosen"] + "b,left,1\na,left,1\n7,left,0\n", ["scene '7': no chosen option; there must be exactly one"]),
        (HEAD["chosen"] + "b,left,1\nb,right,1\na,left,1\n7,left,1\n", ["scene 'b': 2 chosen options"]),
        (HEAD["chosen"] + "b,left,1\nb,left,0\na,left,1\n7,left,1\n",
         ["line 3: scene 'b': option 'left' stands there twice, in line 2 already"]),
        (HEAD["p"] + "b,left,1\na,left,\n7,left,1\n", ["line 3: column 'probability' is missing; it must be a finite number"]),
        (HEAD["p"] + "b,left,1\na,left,x\n7,left,1\n", ["line 3: column 'probability' is 'x'; it must be a finite number"]),
        (HEAD["p"] + "b,left,1\na,left,1\n", ["scene '7': no row; give the probability of each of its options"]),
        (HEAD["p"] + "b,left,1\na,left,.4\n7,left,1\n", ["scene a: gives probabilities", "add up to 0.4"]),
        (HEAD["one"] + "b,-1\na,left\n7,left\n", ["scene b: abstains (-1); give abstain=True"]),
        (HEAD["p"] + "b,-1,1\na,left,1\n7,left,1\n", ["scene b: abstains with probability 1; give abstain=True"]),
    ],
)  # fmt: skip
def test_exports_that_do_not_match(text, messages, tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text(text)
    with pytest.raises(rh.InputError) as caught:
        rh.probe(path, named())
    assert len(caught.value.problems) == (2 if "is none of those" in str(caught.value) else 1)
    for message in messages:
        assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_exports_of_what_is_not_available(tmp_path):
    table = named()
    grid = rh.probe(lambda s: 0, table).drop_vars("chosen")  # 'right' of scene a has lost its name
    for probes in (table, grid):
        with pytest.raises(rh.InputError, match="scene 'a': option 'right' is none of its options"):
            rh.probe({"scene": ["b", "a", "7"], "option": ["left", "right", "left"]}, probes)
    numbered = scenes(available=(("scene", "option"), np.arange(18).reshape(6, 3) != 4))
    with pytest.raises(rh.InputError, match="agent: row 1: scene '1': option '1' is not available there"):
        rh.probe({"option": [0, 1, 0, 0, 0, 0]}, numbered)


def test_many_problems_are_counted():
    with pytest.raises(rh.InputError) as caught:
        rh.probe({"scene": np.arange(100, 150), "option": np.zeros(50, int)}, scenes())
    assert len(caught.value.problems) == 21 and caught.value.problems[-1] == "30 more problems of this kind"


def test_scenes_of_one_name_are_refused_to_an_export():
    twice = scenes().assign_coords(scene=[0, 0, 1, 2, 3, 4])
    with pytest.raises(rh.InputError, match="scenes: '0' stands several times"):
        rh.probe({"scene": np.arange(6), "option": np.zeros(6, int)}, twice)
    assert taken(rh.probe({"option": np.zeros(6, int)}, twice)) == [0] * 6
    with pytest.raises(rh.InputError, match=r"agent: columns of shapes"):
        rh.probe({"scene": np.arange(6), "option": np.zeros(5, int)}, scenes())
    with pytest.raises(rh.InputError, match="no such file"):
        rh.probe("nowhere.csv", scenes())
    with pytest.raises(rh.InputError, match="rows are needed here; give CSV or Parquet"):
        rh.probe("choices.nc", scenes())
