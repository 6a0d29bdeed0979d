"""MDPs and demonstrations in study files."""

import html
import json

import pytest
from mdp_studies import DEMOS, MOVES, STATES, TRANSITIONS, study, written

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main


def test_a_study_says_what_python_does(tmp_path):
    path = written(tmp_path)
    document = json.loads(json.dumps(rh.run(path)))
    names = [f"s{i}" for i in range(5)]
    made = {"state": names, "flags": [i == 4 for i in range(5)], "red_paint": [i == 0 for i in range(5)]}
    columns = {k: [row[i] for row in MOVES] for i, k in enumerate(("action", "state", "next_state"))}
    columns = {k: v if k == "action" else [f"s{i}" for i in v] for k, v in columns.items()}
    mdp = rh.MDP(made, columns | {"probability": [1] * 8}, 0.9)
    walks = [[("s2", "right"), ("s3", "right"), ("s4", None)], [("s1", "right"), ("s2", "left")]]
    given = study()["hypotheses"]
    prior = rh.Elicited(study()["values"]["weights"], "a test")
    tree = rh.fit(given, prior, [rh.Demonstrations(mdp, walks)], study()["catastrophe"]["fail_utility"])
    for name in given:
        assert document["log_evidence"][name] == pytest.approx(
            float(tree["evidence"]["log_evidence"].sel(hypothesis=name)), abs=1e-12
        )
    assert document["feedback"]["demonstrations"]["settings"]["discount"] == 0.9
    assert set(document["data_sha256"]) == {"demos", "test", "corridor", "corridor transitions"}
    assert document["n_items"] == {"demonstrations": 4} and document["training_tables"] == ["corridor"]
    assert rh.check(path).feedback[0].planner == "optimal"


def test_a_report_says_who_planned_what(tmp_path):
    entry = study()["feedback"][0] | {"planner": "soft", "human": "Ann", "rationality": 2.0}
    assert main(["run", str(written(tmp_path, study(feedback=[entry]))), "--out", str(tmp_path / "out")]) == 0
    page = html.unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "2 trajectories were recorded by 'Ann'" in page and "for the value of equally noisy later steps" in page


def mdps(**changes):
    given = {"states": "states.csv", "transitions": "transitions.csv", "discount": 0.9} | changes
    return study(mdps={"corridor": {k: v for k, v in given.items() if v is not None}})


def demos(**changes):
    entry = {"kind": "demonstrations", "mdp": "corridor", "table": "demos"} | changes
    return study(feedback=[{k: v for k, v in entry.items() if v is not None}])


BAD = {
    "no transitions": (mdps(transitions=None), {}, ["[mdps] corridor: no transitions"]),
    "an unknown key": (mdps(gamma=0.9), {}, ["[mdps] corridor: gamma: unknown key"]),
    "a discount above 1": (mdps(discount=1.5), {}, ["[mdps] corridor: discount: 1.5"]),
    "a file that there is not": (mdps(states="stats.csv"), {}, ["[mdps] corridor states: stats.csv: no such file"]),
    "no path": (mdps(states=3), {}, ["[mdps] corridor states: 3 is no path"]),
    "no table of keys": (study(mdps={"corridor": "states.csv"}), {}, ["[mdps] corridor: 'states.csv'; give { states"]),
    "a row that does not add up": (
        None,
        {"transitions": TRANSITIONS + "left,s4,s3,0.5\n"},
        ["[mdps] corridor: transitions: action 'left' in state 's4': the probabilities add up to 0.5"],
    ),
    "a state that there is not": (
        None,
        {"transitions": TRANSITIONS + "left,s4,s33,1\n"},
        ["transitions.csv: line 10: column 'next_state': state 's33'", "did you mean 's3'?"],
    ),
    "an action in words": (
        None,
        {"demos": DEMOS.replace("s1,right", "s1,rigth")},
        ["[[feedback]] demos.csv: trajectory 'Bob', step 0: action 'rigth'", "did you mean 'right'?"],
    ),
    "a jump": (
        None,
        {"demos": DEMOS.replace("s4,", "s1,left")},
        ["demos.csv: trajectory 'Ann', step 1: action 'right' in state 's3' cannot lead to state 's1'"],
    ),
    "a column missing": (None, {"demos": "trajectory,step,state\n0,0,s1\n"}, ["demos.csv: no column 'action'"]),
    "no mdp": (demos(mdp=None), {}, ["[[feedback]] mdp: missing; name the MDP"]),
    "an unknown mdp": (demos(mdp="coridor"), {}, ["[[feedback]] mdp: 'coridor' is no MDP; did you mean 'corridor'?"]),
    "an unknown table": (demos(table="demo"), {}, ["[[feedback]] table: 'demo' is no table; did you mean 'demos'?"]),
    "a column where there is none": (demos(column="action"), {}, ["[[feedback]] column: unknown key"]),
    "another planner": (demos(planner="best"), {}, ["[[feedback]] planner: 'best'"]),
    "a table of the same name": (
        study(tables={"corridor": "demos.csv", "demos": "demos.csv", "test": "test.csv"}),
        {},
        ["[mdps] corridor: a table has this name"],
    ),
    "a feature that the states lack": (
        None,
        {"states": STATES.replace("red_paint", "paint")},
        ["'red_paint'"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, tmp_path, capsys):
    document, tables, wants = BAD[case]
    assert main(["run", str(written(tmp_path, document, **tables)), "--json"]) == 2
    out, said = capsys.readouterr()
    assert out == ""
    for want in wants:
        assert want in said, said
    assert len(said.strip().splitlines()) <= 2, said
