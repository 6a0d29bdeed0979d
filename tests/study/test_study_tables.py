"""Tables of a study that are made: on the lunar lander, or from another table by shifts; and pictures of them."""

import json

import numpy as np
import pytest
from studies import TEST, TRAINING, small, toml_value, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main

SITES = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}


def study(tables, **changes):
    return small(hypotheses=SITES, tables=tables, **changes)


def test_landing_sites_in_a_study(tmp_path):
    tables = {"training": {"landing_sites": 30, "seed": 3}, "test": {"landing_sites": 20, "seed": 4, "shifted": True}}
    path = write(tmp_path, study(tables))
    document = rh.run(path)
    assert json.dumps(rh.run(path)) == json.dumps(document)
    assert document["tables"]["training"]["origin"] == {"landing_sites": 30, "seed": 3, "mix": {"together": 1.0}}
    assert document["tables"]["test"]["origin"]["mix"] == {"apart": 1.0}
    assert document["versions"]["gymnasium"]
    assert document["silent_pairs"] == [["red paint", "flags"]] and document["shifted"]
    for name, made in (("training", rh.landing_sites(30, 3)), ("test", rh.landing_sites(20, 4, shifted=True))):
        made.to_netcdf(tmp_path / f"{name}.nc")
    saved = rh.run(write(tmp_path, study({"training": "training.nc", "test": "test.nc"})))
    for key in ("weights", "risk", "matrix", "value_bits", "shift", "agents"):
        assert saved[key] == document[key]
    assert len(document["data_sha256"]["test"]) == 64
    tables["test"]["mix"] = {"apart": 1, "decoy": 1}
    mixed = rh.run(write(tmp_path, study(tables)))
    assert mixed["data_sha256"]["test"] != document["data_sha256"]["test"]
    assert mixed["tables"]["test"]["origin"]["mix"] == {"apart": 0.5, "decoy": 0.5}


def test_a_test_made_by_shifts(tmp_path):
    shift = [{"name": "decorrelate", "features": ["red_paint"]}, {"name": "resample", "n": 40, "seed": 9}]
    made = {"from": "training", "shift": shift, "chosen_by": "Ann", "why": "to part them"}
    sites = rh.landing_sites(30, 3)
    sites.to_netcdf(tmp_path / "training.nc")
    path = write(tmp_path, study({"training": "training.nc", "test": made}, seed=7))
    document = rh.run(path)
    origin = document["tables"]["test"]["origin"]
    assert origin["from"] == "training" and origin["chosen_by"] == "Ann" and origin["why"] == "to part them"
    assert [(s["name"], s["seed"], s["chosen_by"]) for s in origin["shift"]] == [
        ("decorrelate", 7, "Ann"),
        ("resample", 9, "Ann"),
    ]
    assert not any("chosen_by" in w for w in document["warnings"])
    by_hand = rh.read_table(tmp_path / "training.nc")
    by_hand = rh.resample(rh.decorrelate(by_hand, ["red_paint"], seed=7), 40, seed=9)
    by_hand.to_netcdf(tmp_path / "test.nc")
    saved = rh.run(write(tmp_path, study({"training": "training.nc", "test": "test.nc"}, seed=7)))
    assert saved["risk"] == document["risk"] and saved["matrix"] == document["matrix"]
    assert np.isclose(sum(document["matrix"]["flags"].values()), 1, atol=0.5)


def test_shifts_of_shifts_in_any_order_and_who_chose_them(tmp_path):
    tables = {
        "again": {"from": "test", "shift": [{"name": "fade", "features": ["flags"], "by": 0.5}]},
        "test": {"from": "training", "shift": [{"name": "intervene", "feature": "flags", "value": "~red_paint"}]},
        "training": {"landing_sites": 20, "seed": 3},
    }
    document = rh.run(write(tmp_path, study(tables, analysis={"also": ["again"]})))
    assert document["matrix"]["red paint"]["flags"] == 1
    assert [s["name"] for s in document["tables"]["again"]["origin"]["shift"]] == ["fade"]
    said = [w for w in document["warnings"] if "chosen_by" in w]
    assert len(said) == 2 and "'again'" in said[1]


def test_pictures(tmp_path):
    picture = b"\xff\xd8\xff" + b"a picture" * 10
    (tmp_path / "world.jpg").write_bytes(picture)
    tables = {"training": {"path": "training.csv", "picture": "world.jpg"}, "test": {"path": "test.csv"}}
    path = write(tmp_path, small(tables=tables), training=TRAINING, test=TEST)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/figures/frame_training.jpg").read_bytes() == picture
    html = (tmp_path / "out/report.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 1 and "A scene of the test" not in html
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    document = json.loads((tmp_path / "out/results.json").read_text())
    assert plain["risk"] == document["risk"] and plain["data_sha256"] == document["data_sha256"]


def test_pictures_stand_for_their_own_tables(tmp_path):
    (tmp_path / "world.jpg").write_bytes(b"\xff\xd8\xff" + b"a picture" * 10)
    tables = {"training": {"path": "training.csv", "picture": "world.jpg"}, "other": "test.csv"}
    study = small(tables=tables, analysis={"test": "training", "also": ["other"]})
    training = TEST.replace("red_paint", "is_pad,red_paint", 1).split("\n")
    training = "\n".join([training[0], *(_with_label(line) for line in training[1:] if line)]) + "\n"
    path = write(tmp_path, study, training=training, test=TEST)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    html = (tmp_path / "out/report.html").read_text()
    assert "table other" not in html and html.count("table training: ") == 2


def _with_label(line):
    scene, option, *rest = line.split(",")
    return ",".join([scene, option, "1", *rest])


def test_what_a_shift_does_not_use_may_be_no_number(tmp_path):
    shift = {"name": "intervene", "feature": "slope", "value": float("nan"), "where": "slope > 1e9"}
    made = {"from": "test", "shift": [shift], "chosen_by": "Ann"}
    path = write(
        tmp_path,
        small(tables={"training": "training.csv", "test": "test.csv", "again": made}),
        training=TRAINING,
        test=TEST,
    )
    path.write_text(path.read_text() + '[analysis]\nalso = ["again"]\n')
    document = rh.run(path)
    assert document["tables"]["again"]["origin"]["shift"][0]["arguments"]["value"] == "nan"


def test_scenes_of_any_name(tmp_path):
    lines = TEST.strip().split("\n")
    first = lines[1].split(",")[0]
    test = "\n".join(
        [lines[0], *(line.replace(first, "7" * 5000, 1) if line.split(",")[0] == first else line for line in lines[1:])]
    )
    assert (
        main(["run", str(write(tmp_path, small(), training=TRAINING, test=test + "\n")), "--out", str(tmp_path / "o")])
        == 0
    )


DECORRELATE = {"name": "decorrelate", "features": ["red_paint"]}


def by(*shifts, **more):
    return {"from": "training", "shift": list(shifts)} | more


WRONG = {
    "nothing said": ({}, "test: does not say where the table comes from; give one of"),
    "two ways": ({"path": "test.csv", "landing_sites": 3}, "test: path and landing_sites together"),
    "an unknown key": ({"path": "test.csv", "pictures": "x"}, "test: pictures: unknown key; did you mean 'picture'?"),
    "comparisons that are none": ({"path": "test.csv", "comparisons": True}, "comparisons have one row each"),
    "comparisons that is a word": (
        {"path": "test.csv", "comparisons": "yes"},
        "comparisons: 'yes'; give true or false",
    ),
    "a path that is none": ({"path": 3}, "test: 3 is no path"),
    "no sites": ({"landing_sites": 0}, "landing_sites: n: 0; give a whole number from 1 on"),
    "shifted that is none": ({"landing_sites": 3, "shifted": 1}, "shifted: 1; give true or false"),
    "a kind of scene": ({"landing_sites": 3, "mix": {"appart": 1}}, "did you mean 'apart'"),
    "a picture that is none": ({"path": "test.csv", "picture": "test.csv"}, "test.csv: is neither PNG nor JPEG"),
    "a picture that is not there": (
        {"path": "test.csv", "picture": "x.png"},
        "picture: x.png: no such file; give the path of a PNG or JPEG file",
    ),
    "a picture that is a number": ({"path": "test.csv", "picture": 1}, "picture: 1 is no path"),
    "a picture that is empty": ({"path": "test.csv", "picture": ""}, "picture: '' is no path"),
    "too many sites": ({"landing_sites": 10**10}, "give at most 100,000 scenes"),
    "from nowhere": (
        {"from": "trainig", "shift": [DECORRELATE]},
        "from: 'trainig' is no table; did you mean 'training'?",
    ),
    "from a list": ({"from": ["training"], "shift": [DECORRELATE]}, "from: ['training'] is no table"),
    "from itself": ({"from": "test", "shift": [DECORRELATE]}, "test: made from one another"),
    "no shift": ({"from": "training"}, "shift: give a list of shifts"),
    "an empty shift": (by(), "shift: give a list of shifts"),
    "a shift that is text": (by("decorrelate"), "shift: give a list of shifts"),
    "an unknown shift": (by({"name": "decorelate"}), "'decorelate' is no shift; did you mean 'decorrelate'?"),
    "a name that is a list": (by({"name": ["fade"]}), "['fade'] is no shift"),
    "an unknown argument": (
        by(DECORRELATE | {"feature": 1}),
        "decorrelate takes no 'feature'; did you mean 'features'?",
    ),
    "a missing argument": (by({"name": "fade", "features": ["flags"]}), "fade needs 'by'"),
    "an unknown feature": (
        by({"name": "decorrelate", "features": ["red_pain"]}),
        "no column 'red_pain'; did you mean 'red_paint'?",
    ),
    "the second of two": (by(DECORRELATE, {"name": "fade", "features": ["flags"], "by": 2}), "shift 2: fade: by: 2"),
    "no options": (by({"name": "repaint", "features": ["flags"]}), "repaint"),
    "an expression": (by({"name": "intervene", "feature": "flags", "value": "~"}), "intervene"),
    "chosen by a number": (by(DECORRELATE, chosen_by=3), "chosen_by: 3 is no text"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tables(case, tmp_path, capsys):
    given, says = WRONG[case]
    path = write(tmp_path, small(tables={"training": "training.csv", "test": given}), training=TRAINING, test=TEST)
    for command in ("check", "run"):
        assert main([command, str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.strip().split("\n")
        assert len(lines) == 1 and says in lines[0] and lines[0].startswith("study.toml: [tables] test"), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.toml", "test.csv", "training.csv"], toml_value(given)


def test_tables_made_from_one_another(tmp_path, capsys):
    tables = {
        "training": "training.csv",
        "test": {"from": "b", "shift": [DECORRELATE]},
        "b": {"from": "test", "shift": [DECORRELATE]},
    }
    assert main(["check", str(write(tmp_path, small(tables=tables), training=TRAINING))]) == 2
    assert "[tables] test, b: made from one another; one of them needs a file" in capsys.readouterr().err
