"""The first page: what the risk hinges on, and what would lower it, against studies that were changed so."""

import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.opening import LISTED, hinges_on, most, would_lower

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
    assert "50.0%" not in said["Shift"] and "The test is shifted" in said["Shift"]
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
    never = next(words for words in by if words.startswith("never acting"))
    cautious = ran(tmp_path, agent=agent | {"policy": {"name": "cvar", "tail": 0.05, "abstain": True}})
    assert by[never] == cautious["risk"]["mean"] == 0 and cautious["risk"]["abstained"] == 1
    assert by["always going by 'flags'"] == found["risk_by_agent_hypothesis"]["flags"]
    known = next(words for words in by if words.startswith("knowing which"))
    assert by[known] == sum(found["weights"][n] * found["matrix"][n][n] for n in found["weights"])
    assert most(found).endswith("from 73.3% to 0%.") and "bits of human values" in most(found)
    bits = found["value_bits_of_agent"]["0.01"]
    assert f"takes {bits:.2g} bits of human values for a risk of 1%" in known


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
