"""The first page: what the risk hinges on, and what would lower it, against studies that were changed so."""

import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.opening import LISTED, hinges_on, most, would_lower
from reward_hypotheses.analysis.report.points import point
from reward_hypotheses.analysis.report.words import answer, line_moved
from reward_hypotheses.cli import main

TERMS = ["Evidence", "Values", "Failure line", "Policy", "Shift", "Fit"]


def ran(folder, test=TEST, **changes):
    return rh.run(write(folder, small(**changes), training=TRAINING, test=test))


def test_a_sentence_for_each_and_nothing_without_a_test(tmp_path):
    found = ran(tmp_path, agent={"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}})
    said = dict(hinges_on(found))
    assert list(said) == TERMS
    assert "cannot tell 'red paint' and 'flags' apart; more of the same data would change nothing" in said["Evidence"]
    low, high = (f"{100 * end:.1f}%" for end in found["risk_bounds"]["0.1"])
    assert f"between {low} and {high}" in said["Values"]
    assert "'simplicity, letters' has 11.1% and 'uniform' 50.0%" in said["Policy"] and "73.3%" not in said["Policy"]
    assert said["Shift"].startswith("The test is shifted (p = 0.0") and "on the test" in said["Shift"]
    untested = ran(tmp_path, tables={"training": "training.csv"})
    assert hinges_on(untested) == would_lower(untested) == [] and most(untested) == ""


def test_what_would_lower_it_is_what_studies_so_changed_have(tmp_path):
    agent = {"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}}
    found = ran(tmp_path, agent=agent)
    changes = would_lower(found)
    assert [one.risk for one in changes] == sorted(one.risk for one in changes) and len(changes) <= LISTED
    assert all(one.risk < found["risk"]["mean"] for one in changes)
    by = {one.words: one.risk for one in changes}
    values = ran(tmp_path, agent=agent | {"prior": "values"})["risk"]["mean"]
    assert by["extrapolating by the judge's values"] == pytest.approx(values, abs=1e-12)
    never = next(words for words in by if words.startswith("failing on purpose"))
    cautious = ran(tmp_path, agent=agent | {"policy": {"name": "cvar", "tail": 0.05, "abstain": True}})
    assert by[never] == cautious["risk"]["mean"] == 0 and cautious["risk"]["abstained"] == 1
    assert by["always going by 'flags'"] == found["risk_by_agent_hypothesis"]["flags"]
    known = next(words for words in by if words.startswith("knowing which"))
    assert by[known] == sum(found["weights"][n] * found["matrix"][n][n] for n in found["weights"])
    assert most(found).endswith("from 73.3% to 0%.") and "bits of human values" in most(found)
    bits = found["value_bits_of_agent"]["0.01"]
    assert f"takes telling this agent {bits:.2g} bits of human values for a risk of 1%" in known


def test_endless_training_is_named_where_it_helps(tmp_path):
    telling = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2.5,0\n0,1,1.0,1\n"
    study = small(values={"weights": {"flags": 1, "red paint": 1}, "source": "a test"})
    found = rh.run(write(tmp_path, study, training=telling, test=TEST))
    by = {one.words: one.risk for one in would_lower(found)}
    assert by["endless training of the same kind"] == found["risk"]["limit"] < found["risk"]["mean"]
    said = dict(hinges_on(found))
    assert "tells every two hypotheses apart; endless data of the same kind would lower the risk" in said["Evidence"]
    assert "no strength was stated" in said["Values"]


def test_no_shift_and_no_risk_are_called_that(tmp_path):
    safe = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,0.5\n{m},1,0,0,2.5\n" for m in range(10))
    found = ran(tmp_path, test=safe)
    assert found["risk"]["mean"] == 0 and would_lower(found) == []
    said = dict(hinges_on(found))
    assert "no shift" in said["Shift"] or "shifted" in said["Shift"]
    assert "endless" not in said["Evidence"] and "each has 0%" in said["Policy"]


def test_joint_values_are_told_where_agent_and_judge_share_them(tmp_path):
    found = ran(tmp_path, agent={"policy": "commit", "prior": "values"})
    assert "that agent and judge alike give" in dict(hinges_on(found))["Values"]


def undecided():
    rows = "scene,option,x,z,took\n" + "".join(
        f"{m},{o},{((7 * m + 3 * o) % 11) / 5 - 1},0,{int(o == 0)}\n" for m in range(20) for o in range(3)
    )
    test = "scene,option,x,z\n" + "".join(
        f"{m},{o},{0.1 * (m % 3)},{(0.5, -1, 1)[o]}\n" for m in range(6) for o in range(3)
    )
    study = small(
        hypotheses={"one": "x + 10*z", "two": "3*x - 10*z"},
        values={"weights": {"one": 1, "two": 1}, "source": "s"},
        feedback=[{"kind": "choices", "table": "training", "column": "took", "scale": "raw"}],
    )
    return study, rows, test


def test_what_no_data_decide_is_not_said_to_be_decided(tmp_path):
    study, rows, test = undecided()
    found = rh.run(write(tmp_path, study, training=rows, test=test))
    assert found["bounded_pairs"] and not found["silent_pairs"] and found["risk"]["mean"] > 0.1
    assert "no amount of such data decides between 'one' and 'two'" in dict(hinges_on(found))["Evidence"]
    assert not any("endless" in one.words for one in would_lower(found))
    assert not any("Endless training" in sentence for sentence in answer(found))
    assert any(w.startswith("risk.limit takes 'one' and 'two'") for w in found["warnings"])


def test_one_hypothesis_has_nothing_to_be_told_from(tmp_path):
    found = ran(tmp_path, hypotheses={"flags": "where(flags, 1, -1)"}, values={"prior": "uniform", "source": "s"})
    assert dict(hinges_on(found))["Evidence"].startswith("There is one hypothesis")


def test_a_line_beyond_which_nothing_is_possible_is_called_that(tmp_path):
    labels = {"kind": "labels", "table": "training", "column": "is_pad", "noise": 0}
    found = ran(tmp_path, feedback=[labels])
    assert None in found["risk_by_line"]["risk"]
    assert "Beyond that the data are impossible under every hypothesis" in line_moved(found)


def test_a_report_of_a_study_that_none_of_the_rules_may_fit(tmp_path):
    hypotheses = small()["hypotheses"] | {"other": {"unmodelled": 1, "source": "s"}}
    values = {"weights": {"flags": 8, "red paint": 1, "other": 1}, "source": "s"}
    path = write(tmp_path, small(hypotheses=hypotheses, values=values), training=TRAINING, test=TEST)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").exists()
    with pytest.raises(rh.InputError, match="nobody can act by anything else"):
        alone = values | {"weights": {"flags": 0, "red paint": 0, "other": 1}}
        rh.run(write(tmp_path, small(hypotheses=hypotheses, values=alone), training=TRAINING, test=TEST))


def test_the_frontier_is_not_said_to_be_better_than_it_is(tmp_path):
    """Beaten on one count alone is beaten on one."""
    even = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,0,0.5\n{m},1,0,1,0.5\n" for m in range(8))
    found = ran(tmp_path, test=even, values={"weights": {"flags": 3, "red paint": 1}, "source": "s", "strength": 9})
    said, _ = point("frontier", found)
    entries = [one for one in found["frontier"] if one["risk"] is not None]
    own = next(one for one in entries if one["own"])
    if "is safer" in said:
        assert any(one["risk"] < own["risk"] and one["words"] in said for one in entries)
    if "earns more" in said:
        assert any(one["reward"] > own["reward"] and one["words"] in said for one in entries)
    assert "beaten on both" not in said
