"""The first page: what the risk depends on, and what would lower it, against studies that were changed so."""

import json

import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.phrases import NEAR
from reward_hypotheses.analysis.report.sections.risk.answer import answer, facts
from reward_hypotheses.analysis.report.sections.risk.drivers import drivers, finding, jump, names_used
from reward_hypotheses.analysis.report.sections.risk.remedies import LISTED, _cost_of_knowing, first_choice, would_lower
from reward_hypotheses.analysis.report.sections.sensitivity import line_moved
from reward_hypotheses.cli.main import main

KEYS = ["agent_prior", "policy", "values", "prior", "line", "data"]
BY_COLUMNS = {"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}}


def ran(folder, test=TEST, **changes):
    return rh.run(write(folder, small(**changes), training=TRAINING, test=test))


def rows(found):
    return {driver.key: driver for driver in drivers(found)}


def by_change(found):
    return {str(one.change): one for one in would_lower(found)}


def test_a_row_for_each_and_nothing_without_a_test(tmp_path):
    found = ran(tmp_path, agent=BY_COLUMNS)
    by = rows(found)
    assert sorted(by) == sorted(KEYS)
    assert by["data"].varied == "cannot separate 'red paint' and 'flags'" and by["data"].range(found) == "no change"
    assert by["agent_prior"].varied == "lowest: 'simplicity, letters'"
    assert (
        finding(found)
        == "The risk depends most on the agent's prior. Training cannot separate 'red paint' and 'flags'."
    )
    names = dict(names_used(found, drivers(found)).entries)
    (low,) = by["agent_prior"].alternatives
    safest, worst = by["policy"].alternatives
    assert list(names) == [low, safest, worst]
    assert names[worst] == "Maximises the reward under the agent's most probable hypothesis."
    assert by["agent_prior"].ends == (found["agents"][low]["acts"]["risk"], found["risk"]["mean"])
    assert by["policy"].varied == f"lowest: {safest!r}; highest: {worst!r}"
    assert by["policy"].ends == tuple(
        next(e["risk"] for e in found["frontier"] if e["words"] == name) for name in (safest, worst)
    )
    untested = ran(tmp_path, tables={"training": "training.csv"})
    assert drivers(untested) == would_lower(untested) == []


def test_what_would_lower_it_is_what_studies_so_changed_have(tmp_path):
    found = ran(tmp_path, agent=BY_COLUMNS)
    changes = would_lower(found)
    assert [one.risk for one in changes] == sorted(one.risk for one in changes) and len(changes) <= LISTED
    assert all(one.risk < found["risk"]["mean"] for one in changes)
    by = by_change(found)
    values = ran(tmp_path, agent=BY_COLUMNS | {"prior": "values"})["risk"]["mean"]
    assert by["an agent whose prior is the human values"].risk == pytest.approx(values, abs=1e-12)
    never = by["an agent that abstains in every scene"]
    cautious = ran(tmp_path, agent=BY_COLUMNS | {"policy": {"name": "cvar", "tail": 0.05, "abstain": True}})
    assert never.risk == cautious["risk"]["mean"] == 0 and cautious["risk"]["abstained"] == 1
    always = by["an agent that always follows 'flags'"]
    assert always.risk == found["risk_by_agent_hypothesis"]["flags"]
    known = by["an agent that knows the true hypothesis"]
    assert known.risk == sum(found["weights"][n] * found["matrix"][n][n] for n in found["weights"])
    bits = found["value_bits_of_agent"]["0.01"]
    assert f"{bits:.2g} bits of information about human values (for a risk of 1%)" in known.cost
    own = next(one["reward"] for one in found["frontier"] if one["own"])
    flags = found["reward_by_agent_hypothesis"]["flags"]
    assert (own, flags) == (pytest.approx(-46.667, abs=1e-3), pytest.approx(77.778, abs=1e-3))
    assert always.cost == "another agent; reward 77.8, now -46.7"
    assert by["an agent whose prior is the human values"].cost == "another agent; reward 60.5, now -46.7"
    assert never.cost.startswith("the task is never done; the agent must be allowed to abstain and choose like")
    assert "(the highest reward of agents that always act is 77.8: an agent that always follows 'flags')" in never.cost
    assert [one for one in changes if one.certain] == [never]  # a 0 for want of scenes is no 0
    assert first_choice(found) is not None and first_choice(found).change == always.change


def test_endless_training_is_named_where_it_helps(tmp_path):
    telling = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2.5,0\n0,1,1.0,1\n"
    study = small(values={"weights": {"flags": 1, "red paint": 1}, "source": "a test"})
    found = rh.run(write(tmp_path, study, training=telling, test=TEST))
    more = by_change(found)["unlimited training data of this kind"]
    assert more.risk == found["risk"]["limit"] < found["risk"]["mean"]
    pair = next(p for p in found["telling"]["labels"]["pairs"] if p["truth"] == "flags")
    assert more.cost.startswith("training items without end:") and f"{pair['items']['20.0']}" in more.cost
    assert rows(found)["data"].varied == "separates all hypotheses" and "values" not in rows(found)


@pytest.mark.parametrize("abstain", [False, True])
def test_what_moves_the_risk_furthest_comes_first_with_what_it_moves_it_to(tmp_path, abstain):
    agent = {"policy": {"name": "commit", "abstain": abstain}, "prior": {"name": "simplicity", "language": "columns"}}
    found = ran(tmp_path, agent=agent)
    now, ends = found["risk"]["mean"], {key: driver.ends for key, driver in rows(found).items()}
    assert sorted(ends) == sorted(KEYS)
    moved = [max(abs(end - now) for end in pair) for pair in ends.values()]
    assert moved == pytest.approx(sorted(moved, reverse=True), abs=1e-3)
    may = "may_abstain" if abstain else "acts"

    def around(*risks):
        return min(*risks, now), max(*risks, now)

    priors = [one[may]["risk"] for name, one in found["agents"].items() if name != "simplicity, columns"]
    assert ends["agent_prior"] == around(*priors)
    alike = [one["risk"] for one in found["frontier"] if one["abstain"] == abstain and not one["own"]]
    assert ends["policy"] == around(*alike)
    curve = found["risk_by_line"]
    near = [x for t, x in zip(curve["at"], curve["risk"], strict=True) if abs(t) <= NEAR]
    assert ends["line"] == around(*near)
    assert ends["prior"] == around(*found["risk_bounds"]["0.1"])
    assert ends["values"] == (found["risk"]["lower"], found["risk"]["upper"])
    assert ends["data"] == pytest.approx(around(found["risk"]["limit"]))


def test_agents_of_another_kind_are_no_row(tmp_path):
    """An agent read off its choices, or with hypotheses of its own, is not compared with agents assumed by a prior."""
    own = ran(tmp_path, agent={"policy": "commit", "prior": "uniform", "hypotheses": {"steep": "slope"}})
    assert "agent_prior" not in rows(own) and "agent_prior" in rows(ran(tmp_path))
    values = ran(tmp_path, agent={"policy": "commit", "prior": "values"})
    assert rows(values)["prior"].places[0][0] == "risk_bounds_jointly" or rows(values)["prior"].places[0] == "risk.mean"


def test_a_line_on_which_the_agent_acts_is_said_to_be_why_the_risk_jumps(tmp_path):
    choices = [{"kind": "choices", "table": "training", "column": "is_pad"}]
    training = "scene,option,red_paint,flags,slope,is_pad\n0,0,1,1,0.5,1\n0,1,0,0,2.5,0\n"
    study = small(feedback=choices, catastrophe={"fail_utility": 100})
    on = rh.run(write(tmp_path, study, training=training, test=TEST))
    assert jump(on).startswith("In 50.0% of scenes the agent takes an option that is worth exactly as much as failing.")
    assert rows(on)["line"].ends[1] == pytest.approx(1) and jump(ran(tmp_path)) == ""


def test_what_is_not_known_of_a_cost_is_not_made_up(tmp_path):
    found = ran(tmp_path, agent=BY_COLUMNS)
    less = found | {"reward_by_agent_hypothesis": None, "value_bits_of_agent": None, "bits_by_size": None}
    less["agents"] = {  # as results were before rewards stood in them
        name: one | {may: {k: v for k, v in one[may].items() if k != "reward"} for may in ("acts", "may_abstain")}
        for name, one in json.loads(json.dumps(found["agents"])).items()
    }
    by = by_change(less)
    assert by["an agent that always follows 'flags'"].cost.endswith("its reward was not computed")
    assert by["an agent whose prior is the human values"].cost.endswith("its reward was not computed")
    known = "how much information that takes was not computed"
    assert by["an agent that knows the true hypothesis"].cost == known
    assert all(one.cost for one in would_lower(found))


def test_no_shift_and_no_risk_are_called_that(tmp_path):
    safe = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,0.5\n{m},1,0,0,2.5\n" for m in range(10))
    found = ran(tmp_path, test=safe)
    assert found["risk"]["mean"] == 0 and would_lower(found) == []
    assert any("shift detected" in fact for fact in facts(found))
    assert finding(found).startswith(("Of what was varied, only", "The risk depends", "Nothing that was varied"))
    assert answer(found)[0].startswith("Catastrophe risk: none in 10 scenes, so at most 25.9% (95% confidence).")


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
    study, training, test = undecided()
    found = rh.run(write(tmp_path, study, training=training, test=test))
    assert found["bounded_pairs"] and not found["silent_pairs"] and found["risk"]["mean"] > 0.1
    assert "data" not in rows(found) and not any(one.kind == "data" for one in would_lower(found))
    assert not any("ore training data" in sentence for sentence in answer(found))
    assert any(
        w.startswith("risk.limit assumes that endless training distinguishes 'one' and 'two'")
        for w in found["warnings"]
    )


def test_one_hypothesis_has_nothing_to_weigh(tmp_path):
    one = {"flags": "where(flags, 100, -100)"}
    found = ran(tmp_path, hypotheses=one, values={"weights": {"flags": 1}, "source": "s"})
    assert not {"values", "prior"} & set(rows(found)) and found["silent_pairs"] == []
    assert "cannot separate" not in finding(found)


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


def test_items_that_tell_an_agent_of_uniform_prior_are_said_to_be_that(tmp_path):
    own = ran(tmp_path, agent={"policy": "commit", "prior": "uniform"})
    other = ran(tmp_path, agent={"policy": "commit", "prior": "uniform", "hypotheses": {"steep": "slope"}})
    costs = [by_change(found)["an agent that knows the true hypothesis"].cost for found in (own, other)]
    assert "judged by people" in costs[0] and "uniform prior" not in costs[0]
    assert "(computed for an agent with a uniform prior)" in costs[1]


def test_no_amount_of_information_is_named_below_the_risk_alone(tmp_path):
    """A risk that is below the target already needs no information to come down to it."""
    noisy = ran(tmp_path, agent={"policy": {"name": "boltzmann", "beta": 0.2}, "prior": "uniform"})
    assert not any(noisy["value_bits_of_agent"].values()) and noisy["risk"]["mean"] > 0.1
    never = "no amount of information about human values lowers the risk to 10%"
    known = [one for one in would_lower(noisy) if one.kind == "knowledge"]
    assert known and all(never in one.cost for one in known)
    low = noisy | {"risk": noisy["risk"] | {"mean": 0.047}}
    assert never not in _cost_of_knowing(low) and never in _cost_of_knowing(noisy)


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
    assert "At every other failure line tried, the data are impossible under every hypothesis" in page
