"""Proxies in study files, and proxies that are refused."""

import html
import json

import numpy as np
import pytest
from proxy_cases import MOVES, SCENES, STATES, TRANSITIONS, WRITTEN, fitted, lava, refused
from studies import small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main

TRAINING = "scene,option,flags,red_paint,slope\n0,0,1,1,0\n0,1,0,0,0.9\n1,0,0,0,0.5\n1,1,1,1,0.2\n"
TEST = "scene,option,flags,red_paint,slope\n0,0,1,0,0\n0,1,0,1,0\n1,0,0,0,0.5\n1,1,1,1,0.2\n"
NAMES = {"red paint": "where(red_paint, 100, -100)", "steep": "slope"}


def entry(**changes):
    given = {"kind": "proxy", "table": "training", "chosen": "red paint", "candidates": NAMES} | changes
    return {k: v for k, v in given.items() if v is not None}


def study(**changes):
    return small(
        tables={"training": "training.csv", "test": "test.csv"},
        mdps={"corridor": {"states": "states.csv", "transitions": "transitions.csv", "discount": 0.9}},
        feedback=[entry(**changes)],
    )


def written(folder, document):
    return write(folder, document, training=TRAINING, test=TEST, states=STATES, transitions=TRANSITIONS)


def mdp_of_the_study():
    names = [f"s{i}" for i in range(5)]
    states = {"state": names, "flags": [i == 4 for i in range(5)], "red_paint": [i == 0 for i in range(5)]}
    columns = {"action": [m[0] for m in MOVES], "probability": [1] * 8}
    columns |= {k: [f"s{m[j]}" for m in MOVES] for k, j in (("state", 1), ("next_state", 2))}
    return rh.MDP(states | {"slope": [i / 10 for i in range(5)]}, columns, 0.9)


@pytest.mark.parametrize("world", ["table", "mdp", "mdp, start"])
def test_a_study_says_what_python_does(tmp_path, world):
    changes = {} if world == "table" else {"table": None, "mdp": "corridor"}
    changes |= {"start": "s1"} if world == "mdp, start" else {}
    document = json.loads(json.dumps(rh.run(written(tmp_path, study(**changes)))))
    start = {k: changes[k] for k in ("start",) if k in changes}
    (tmp_path / "t.csv").write_text(TRAINING)
    place = rh.read_table(tmp_path / "t.csv") if world == "table" else mdp_of_the_study()
    one = rh.Proxy(place, chosen="red paint", candidates=NAMES, **start)
    given = study()["hypotheses"]
    tree = rh.fit(given, rh.Uniform("a test"), [one], study()["catastrophe"]["fail_utility"])
    want = dict(zip(given, tree["evidence"]["log_evidence"].values.tolist(), strict=True))
    assert document["log_evidence"] == pytest.approx(want, abs=1e-12)
    settings = document["feedback"]["proxy"]["settings"]
    assert settings["chosen"] == "red paint" and dict(settings["candidates"]) == NAMES
    assert document["n_items"] == {"proxy": 1} and document["feedback"]["proxy"]["column"] is None
    assert document["training_tables"] == ["training" if world == "table" else "corridor"]
    if world == "table":  # paint and flags are one thing there, so a proxy for the one is a proxy for the other
        assert document["silent_pairs"] == [["red paint", "flags"]]


def test_a_report_says_what_was_written(tmp_path):
    path = written(tmp_path, study(human="Ann", rationality=2.0))
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    page = html.unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "was written by 'Ann', out of 2 candidates. Boltzmann-rational choice, with rationality 2." in page


BAD_STUDY = {
    "chosen is no candidate": (
        study(chosen="red pain"),
        ["chosen: 'red pain' is no candidate; did you mean 'red paint'?"],
    ),
    "nothing chosen": (study(chosen=None), ["[[feedback]] chosen: missing; name the candidate"]),
    "no candidates": (study(candidates=None), ["[[feedback]] candidates: missing; state what might have been written"]),
    "one candidate": (study(candidates={"red paint": "red_paint"}), ["candidates: 1 given; give at least two"]),
    "all alike": (
        study(candidates={"red paint": "where(red_paint, 1, 0)", "flags": "where(flags, 9, 0)"}),
        ["[[feedback]] candidates: all 2 behave alike in training.csv"],
    ),
    "no expression": (study(candidates=NAMES | {"flags": "where(flags, 1"}), ["[[feedback]] candidate 'flags':"]),
    "no column": (
        study(candidates=NAMES | {"paint": "red_pain"}),
        ["candidate 'paint': no column 'red_pain' in training.csv; did you mean 'red_paint'?"],
    ),
    "an unknown table": (study(table="trainig"), ["table: 'trainig' is no table; did you mean 'training'?"]),
    "an unknown MDP": (study(table=None, mdp="coridor"), ["mdp: 'coridor' is no MDP; did you mean 'corridor'?"]),
    "both": (study(mdp="corridor"), ["[[feedback]] table and mdp: both are given; give one of them"]),
    "neither": (study(table=None), ["[[feedback]] table: missing; name the table"]),
    "a start that is none": (study(table=None, mdp="corridor", start="s9"), ["start: state 's9': there is none"]),
    "a start in a table": (study(start="s1"), ["start: 's1'; it goes with an MDP"]),
    "a column": (study(column="flags"), ["[[feedback]] column: unknown key"]),
    "rationality 0": (study(rationality=0), ["rationality: 0; give a positive number"]),
}


@pytest.mark.parametrize("case", BAD_STUDY)
def test_a_bad_study_is_refused(case, tmp_path, capsys):
    document, wants = BAD_STUDY[case]
    assert main(["run", str(written(tmp_path, document)), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and all(want in said.err.replace("\n", " ") for want in wants), said.err
    assert len([line for line in said.err.splitlines() if line.strip()]) == 1, said.err


def proxy(world=SCENES, **changes):
    return rh.Proxy(world, **({"chosen": "x", "candidates": WRITTEN} | changes))


ENDED = rh.MDP({"x": [0.0, 1.0]}, [[[0, 0], [0, 0]]], 0.9)
BAD = {
    "a table without options": (lambda: proxy({"x": [1.0, 2], "on": [0, 1], "y": [0.0, 1]}), ["proxy needs options"]),
    "chosen is no candidate": (
        lambda: proxy(chosen="z"),
        ["chosen: 'z' is no candidate; there is 'x', 'on', 'y', 'away'"],
    ),
    "chosen is no text": (lambda: proxy(chosen=None), ["chosen: None is no candidate"]),
    "one candidate": (lambda: proxy(candidates={"x": "x"}), ["candidates: 1 given; give at least two"]),
    "a list": (lambda: proxy(candidates=["x", "y"]), ["candidates: ['x', 'y']; give at least two"]),
    "a number": (lambda: proxy(candidates={"x": "x", "y": 3}), ["candidate 'y': 3 is no expression"]),
    "no name": (lambda: proxy(candidates={"x": "x", " ": "y"}), ["candidates: ' ': the name is empty"]),
    "all alike": (lambda: proxy(candidates={"x": "x", "on": "5*x"}), ["all 2 behave alike in table"]),
    "no expression": (lambda: proxy(candidates={"x": "x", "y": "y +"}), ["candidate 'y': "]),
    "no column": (lambda: proxy(candidates={"x": "x", "y": "why"}), ["candidate 'y': no column 'why' in table"]),
    "not finite": (lambda: proxy(candidates={"x": "x", "y": "1/y"}), ["scene 0, option 0: candidate 'y' is inf"]),
    "a condition of numbers": (lambda: proxy(candidates={"x": "x", "y": "where(y, 1, 0)"}), ["candidate 'y': "]),
    "a start in a table": (lambda: proxy(start=0), ["start: 0; it goes with an MDP"]),
    "no MDP": (lambda: proxy(None, mdp="corridor"), ["mdp: a str; give rh.MDP"]),
    "no such start": (lambda: proxy(lava(), chosen="g", candidates={"g": "goal", "l": "lava"}, start="9,9"), ["start"]),
    "no distribution": (
        lambda: proxy(lava(), chosen="g", candidates={"g": "goal", "l": "lava"}, start=np.full(8, -1.0)),
        ["start"],
    ),
    "everything has ended": (
        lambda: proxy(ENDED, chosen="x", candidates={"x": "x", "y": "-x"}),
        ["all 2 behave alike in states"],
    ),
    "no scale": (lambda: proxy(scale="none"), ["scale: 'none'"]),
    "text for a feature": (lambda: fitted([proxy()], {"a": "z"}), ["hypothesis 'a': no column 'z'"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case):
    make, wants = BAD[case]
    with refused(*wants):
        make()
