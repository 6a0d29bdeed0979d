"""The first page: what the risk hinges on, and what would lower it, against studies that were changed so."""

import json
import math

import pytest
from reports import point
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.phrases import NEAR, percent
from reward_hypotheses.analysis.report.sections.risk import answer
from reward_hypotheses.analysis.report.sections.risk_drivers import LISTED, hinges_on, steps, would_lower
from reward_hypotheses.analysis.report.sections.sensitivity import line_moved
from reward_hypotheses.cli.main import main

TERMS = ["Agent's prior", "Policy", "Values", "Failure line", "Evidence", "Shift", "Fit"]


def ran(folder, test=TEST, **changes):
    return rh.run(write(folder, small(**changes), training=TRAINING, test=test))


def sentences(found):
    return {one.term: one.words for one in hinges_on(found)}


def test_a_sentence_for_each_and_nothing_without_a_test(tmp_path):
    found = ran(tmp_path, agent={"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}})
    said = sentences(found)
    assert list(said) == TERMS
    assert "cannot tell 'red paint' and 'flags' apart; more of the same data would change nothing" in said["Evidence"]
    low, high = (f"{100 * end:.1f}%" for end in found["risk_bounds"]["0.1"])
    assert f"between {low} and {high}" in said["Values"]
    prior = said["Agent's prior"]
    assert "'simplicity, letters' has 11.1% and 'uniform' 50.0%" in prior and "73.3%" not in prior
    assert said["Shift"].startswith("The test is shifted (p = 0.0") and "on the test" in said["Shift"]
    untested = ran(tmp_path, tables={"training": "training.csv"})
    assert hinges_on(untested) == would_lower(untested) == []


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
    known = "knowing which hypothesis is true"
    assert by[known] == sum(found["weights"][n] * found["matrix"][n][n] for n in found["weights"])
    assert (percent(found["risk"]["mean"]), percent(changes[0].risk)) == ("73.3%", "0%")
    assert "bits of human values" in changes[0].cost
    bits = found["value_bits_of_agent"]["0.01"]
    cost = {one.words: one.cost for one in changes}
    assert f"{bits:.2g} bits of human values told to this agent (for a risk of 1%)" in cost[known]
    own = next(one["reward"] for one in found["frontier"] if one["own"])
    flags = found["reward_by_agent_hypothesis"]["flags"]
    assert (own, flags) == (pytest.approx(-46.667, abs=1e-3), pytest.approx(77.778, abs=1e-3))
    assert cost["always going by 'flags'"] == (
        "another agent, that goes by 'flags' alone; it earns 77.8 instead of -46.7"
    )
    assert cost["extrapolating by the judge's values"] == (
        "another agent, whose prior is the human values; it earns 60.5 instead of -46.7"
    )
    assert cost[never].startswith(
        "the task is never done, and the agent must be allowed to abstain, and choose as cautio"
    )
    assert [one.words for one in changes if one.certain] == [never]  # a 0 for want of scenes is no 0
    assert (
        "it earns 0 instead of -46.7 (of agents that always act, always going by 'flags' earns most: 77.8)"
        in cost[never]
    )


def test_endless_training_is_named_where_it_helps(tmp_path):
    telling = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2.5,0\n0,1,1.0,1\n"
    study = small(values={"weights": {"flags": 1, "red paint": 1}, "source": "a test"})
    found = rh.run(write(tmp_path, study, training=telling, test=TEST))
    by = {one.words: one for one in would_lower(found)}
    endless = by["endless training of the same kind"]
    assert endless.risk == found["risk"]["limit"] < found["risk"]["mean"]
    pair = next(p for p in found["telling"]["labels"]["pairs"] if p["truth"] == "flags")
    needed, factor = pair["items"]["20.0"], math.exp(found["pairs"][0]["log_bayes_factor"])
    favoured = found["pairs"][0]["pair"][0]
    assert endless.cost == (
        f"training items without end; about {needed} in all are expected to favour 'flags' over 'red paint' at 20 to 1; the 3 "
        f"of training do so at {factor if favoured == 'flags' else 1 / factor:.2g} to 1"
    )
    said = sentences(found)
    assert "tells every two hypotheses apart; endless data of the same kind would lower the risk" in said["Evidence"]
    assert "no strength was stated" in said["Values"]


@pytest.mark.parametrize("abstain", [False, True])
def test_what_moves_the_risk_furthest_comes_first_with_what_it_moves_it_to(tmp_path, abstain):
    agent = {"policy": {"name": "commit", "abstain": abstain}, "prior": {"name": "simplicity", "language": "columns"}}
    found = ran(tmp_path, agent=agent)
    now, told = found["risk"]["mean"], {one.term: one.ends for one in hinges_on(found)}
    assert sorted(told) == sorted(TERMS) and list(told)[-2:] == ["Shift", "Fit"]
    assert told["Shift"] is told["Fit"] is None
    moved = [max(abs(end - now) for end in ends) for ends in told.values() if ends]
    assert moved == pytest.approx(sorted(moved, reverse=True), abs=1e-9)
    may = "may_abstain" if abstain else "acts"
    priors = [one[may]["risk"] for name, one in found["agents"].items() if name != "simplicity, columns"]
    assert told["Agent's prior"] == (min(priors), max(priors))
    alike = [one["risk"] for one in found["frontier"] if one["abstain"] == abstain and not one["own"]]
    assert told["Policy"] == (min(alike), max(alike))
    curve = found["risk_by_line"]
    near = [x for t, x in zip(curve["at"], curve["risk"], strict=True) if abs(t) <= NEAR]
    assert told["Failure line"] == (min(near), max(near))
    low, high = found["risk_bounds"]["0.1"]
    assert told["Values"] == (min(low, found["risk"]["lower"]), max(high, found["risk"]["upper"]))
    assert told["Evidence"] == pytest.approx((found["risk"]["limit"],) * 2)
    ranges = {one.term: one.range(now) for one in hinges_on(found)}
    assert ranges["Evidence"] == "no change" and ranges["Fit"] == "" and " to " in ranges["Agent's prior"]
    assert "those that " + ("must act, " if abstain else "may abstain, ") in sentences(found)["Policy"]
    assert "not of one size" in steps(found) and "10% of the prior" in steps(found)


def test_a_line_on_which_the_agent_acts_is_said_to_be_why_the_risk_jumps(tmp_path):
    choices = [{"kind": "choices", "table": "training", "column": "is_pad"}]
    training = "scene,option,red_paint,flags,slope,is_pad\n0,0,1,1,0.5,1\n0,1,0,0,2.5,0\n"
    study = small(feedback=choices, catastrophe={"fail_utility": 100})
    on = rh.run(write(tmp_path, study, training=training, test=TEST))
    assert "jumps because in 50.0% of scenes the agent takes what is worth exactly" in sentences(on)["Failure line"]
    assert next(one for one in hinges_on(on) if one.term == "Failure line").ends[1] == pytest.approx(1)
    assert "jumps" not in sentences(ran(tmp_path))["Failure line"]


def test_what_is_not_known_of_a_cost_is_not_made_up(tmp_path):
    found = ran(tmp_path, agent={"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}})
    less = found | {"reward_by_agent_hypothesis": None, "value_bits_of_agent": None, "bits_by_size": None}
    less["agents"] = {  # as results were before rewards stood in them
        name: one | {may: {k: v for k, v in one[may].items() if k != "reward"} for may in ("acts", "may_abstain")}
        for name, one in json.loads(json.dumps(found["agents"])).items()
    }
    cost = {one.words: one.cost for one in would_lower(less)}
    assert cost["always going by 'flags'"].endswith("; what it would earn was not computed")
    assert cost["extrapolating by the judge's values"].endswith("; what it would earn was not computed")
    assert cost["knowing which hypothesis is true"] == "how much telling that takes was not computed"
    assert all(one.cost for one in would_lower(found))


def test_no_shift_and_no_risk_are_called_that(tmp_path):
    safe = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,0.5\n{m},1,0,0,2.5\n" for m in range(10))
    found = ran(tmp_path, test=safe)
    assert found["risk"]["mean"] == 0 and would_lower(found) == []
    said = sentences(found)
    assert "no shift" in said["Shift"] or "shifted" in said["Shift"]
    assert "endless" not in said["Evidence"] and "each has 0%" in said["Agent's prior"]


def test_joint_values_are_told_where_agent_and_judge_share_them(tmp_path):
    found = ran(tmp_path, agent={"policy": "commit", "prior": "values"})
    assert "that agent and judge alike give" in sentences(found)["Values"]


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
    assert "no amount of such data decides between 'one' and 'two'" in sentences(found)["Evidence"]
    assert not any("endless" in one.words for one in would_lower(found))
    assert not any("Endless training" in sentence for sentence in answer(found))
    assert any(w.startswith("risk.limit takes 'one' and 'two'") for w in found["warnings"])


def test_one_hypothesis_has_nothing_to_be_told_from(tmp_path):
    found = ran(tmp_path, hypotheses={"flags": "where(flags, 1, -1)"}, values={"prior": "uniform", "source": "s"})
    assert sentences(found)["Evidence"].startswith("There is one hypothesis")


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


def test_one_hypothesis_has_nothing_to_move(tmp_path):
    found = ran(
        tmp_path,
        hypotheses={"flags": "where(flags, 100, -100)"},
        values={"weights": {"flags": 1}, "source": "a test"},
    )
    said = {one.term: one.words for one in hinges_on(found)}
    assert said["Values"] == "There is one hypothesis, so values have nothing to weigh."
    assert "moved to others" not in steps(found)


def test_steps_are_those_of_the_rows_that_have_a_range(tmp_path):
    found = ran(tmp_path)
    assert "an agent of another prior" in steps(found) and "a failure line moved by up to 0.5" in steps(found)
    none = {
        "flags": "where(flags, 100, -100)",
        "red paint": "where(red_paint, 100, -100)",
        "none": {"unmodelled": 1, "source": "a test"},
    }
    values = {"weights": {"flags": 4, "red paint": 4, "none": 2}, "source": "a test"}
    found = ran(tmp_path, hypotheses=none, values=values)
    terms = {one.term for one in hinges_on(found) if one.ends is not None}
    assert ("Failure line" in terms) == ("failure line" in steps(found))


def test_policies_at_the_ends_of_their_settings(tmp_path):
    for policy, said in (
        ({"name": "boltzmann", "beta": 0}, "The policy 'boltzmann' takes any option alike."),
        (
            {"name": "boltzmann", "beta": 2},
            "The policy 'boltzmann' draws one hypothesis, and mostly does what that values.",
        ),
        ({"name": "quantilize", "q": 1}, "The policy 'quantilize' takes any option alike."),
        ({"name": "cvar", "tail": 1}, "The policy 'cvar' goes by the reward that is expected."),
    ):
        found = ran(tmp_path, agent={"policy": policy, "prior": "uniform"})
        assert dict((one.term, one.words) for one in hinges_on(found))["Policy"].startswith(said)


def test_items_that_tell_an_agent_of_uniform_prior_are_said_to_be_that(tmp_path):
    own = ran(tmp_path, agent={"policy": "commit", "prior": "uniform"})
    other = ran(tmp_path, agent={"policy": "commit", "prior": "uniform", "hypotheses": {"steep": "slope"}})
    costs = [next(one.cost for one in would_lower(found) if one.words.startswith("knowing")) for found in (own, other)]
    assert "judged by people" in costs[0] and "uniform prior" not in costs[0]
    assert "(so many for an agent of uniform prior)" in costs[1]


def test_a_noisy_agent_cannot_be_told_enough(tmp_path):
    found = ran(tmp_path, agent={"policy": {"name": "boltzmann", "beta": 0.2}, "prior": "uniform"})
    assert not any(found["value_bits_of_agent"].values())
    known = [one for one in would_lower(found) if one.words.startswith("knowing")]
    assert all("no amount of it brings the risk to 10%" in one.cost for one in known)


def test_any_other_failure_line_may_be_impossible(tmp_path):
    slopes = [0.5, 0.7, 0.9, 0.99, 1.01, 1.1, 1.3, 1.5]
    training = "slope,is_pad\n" + "".join(f"{x},{int(x > 1)}\n" for x in slopes)
    test = "scene,option,slope\n" + "".join(f"{m},0,0.5\n{m},1,1.5\n" for m in range(10))
    study = small(
        hypotheses={"steep": "slope", "square": "slope * slope"},
        values={"weights": {"steep": 1, "square": 1}, "source": "a test"},
        catastrophe={"fail_utility": 1},
        feedback=[{"kind": "labels", "table": "training", "column": "is_pad", "noise": 0}],
    )
    path = write(tmp_path, study, training=training, test=test)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "With the failure line moved at all, as far as was tried, the data are impossible" in page
