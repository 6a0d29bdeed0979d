"""Sentences on evidence, shift, sensitivity and fit where ties, errors and zeros make a comparison false."""

import copy
import json

import claims_check
import numpy as np
import pytest
import random_studies
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.evidence import _weights_caption, evidence, finding
from reward_hypotheses.analysis.report.sections.feedback import present as feedback
from reward_hypotheses.analysis.report.sections.fit import present as fit
from reward_hypotheses.analysis.report.sections.fit import subgroups
from reward_hypotheses.analysis.report.sections.sensitivity import bits, bounds, deployments, line_moved, other_values
from reward_hypotheses.analysis.report.sections.shift import beside_impact, largest_change, shift, worst_tenth
from reward_hypotheses.analysis.report.sentences.sensitivity import line_finding
from reward_hypotheses.analysis.results.document import presented

CHAPTERS = ("evidence", "feedback", "values", "line", "limit", "shift", "fit")
OTHERS = ("values", "failure_line", "limit", "bits_by_size", "riskiest_scenes")
"""Presentations of these chapters that other modules make."""
TELLING = "red_paint,flags,slope,is_pad\n" + "1,1,0.5,1\n0,0,2.5,0\n0,1,1,1\n1,0,1.5,0\n1,0,0.7,1\n" * 6


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    return json.loads(json.dumps(rh.run(write(folder, small(), training=TELLING, test=TEST))))


@pytest.fixture
def changed(document):
    """A copy of the results that a test may change, with Monte Carlo errors to set."""
    out = copy.deepcopy(document)
    out["mcse"] = {key: {n: 0.0 for n in out["hypotheses"]} for key in ("log_evidence", "weights", "agent_weights")}
    out["mcse"]["risk_by_line"] = {"risk": [0.0] * len(out["risk_by_line"]["at"])}
    return out


def true(document, *texts):
    """Return the texts joined, each of whose sentences the check finds true."""
    for text in texts:
        for part in text.parts:
            assert list(claims_check.problems_of(document, part)) == [], part
    return " ".join(texts)


def test_lengths_in_random_studies(tmp_path):
    """Headings, captions of tables, warnings, and the words of a chapter before anything is unfolded."""
    for results in random_studies.documents(tmp_path, 77, 12):
        shown = presented(results)
        assert all(len(text.split()) <= 40 for text in [*results["warnings"], *results["misfit"]])
        for chapter in CHAPTERS:
            inside = [p for p in shown if p.chapter == chapter and p.name not in OTHERS]
            figures = [p.figure for p in inside if p.figure is not None][:1]
            words = [w for figure in figures for text in figure.caption(results) for w in text.split()]
            words += [w for p in inside for part in p.parts for w in part.text.split()]
            assert len(words) <= 120, (chapter, words)
            assert all(len(p.finding.split()) <= 18 for p in inside)
            assert all(len(table.caption.split()) <= 40 for p in inside for table in p.tables)
        (alerts,) = (p for p in shown if p.name == "alerts")
        above = [text for p in shown if p.name in ("misfits", "alerts") for text in p.terminal]
        assert {text.casefold().strip(".") for text in above} >= {w.casefold().strip(".") for w in results["warnings"]}
        assert not alerts.parts or alerts.parts[0].entries == alerts.terminal


def test_evidence_below_its_error_favours_nothing(document, changed):
    said = true(document, *evidence(document))
    best, worst = sorted(document["log_evidence"], key=lambda n: -document["log_evidence"][n])
    nats = document["log_evidence"][best] - document["log_evidence"][worst]
    assert f"favour {best!r} over {worst!r}, by {nats:.3g} nats" in said and repr(best) in finding(document)
    changed["mcse"]["log_evidence"] = dict.fromkeys(document["hypotheses"], nats / 2.5)
    assert "favour" not in true(changed, *evidence(changed)) and repr(best) not in true(changed, finding(changed))


def test_hypotheses_that_the_data_rule_out_are_named(changed):
    changed["log_evidence"] = {"red paint": None, "flags": -3.0}
    said = true(changed, *evidence(changed))
    assert "The data are impossible under 'red paint'." in said and "favour" not in said
    changed["log_evidence"] = {"red paint": None, "flags": None}
    assert "impossible" not in true(changed, *evidence(changed))


def test_weights_that_tie_lead_together(changed):
    assert "lead the posterior together" not in true(changed, _weights_caption(changed)[0])
    changed["weights"] = {"red paint": 0.5002, "flags": 0.4998}
    assert "'red paint' and 'flags' lead the posterior together" in true(changed, _weights_caption(changed)[0])
    changed["weights"] = {"red paint": 0.6, "flags": 0.4}
    assert "'red paint' leads the posterior, with 60.0%" in true(changed, _weights_caption(changed)[0])
    changed["mcse"]["weights"] = {"red paint": 0.09, "flags": 0.09}
    assert "lead the posterior together" in _weights_caption(changed)[0]


def test_a_line_that_moves_the_risk_by_its_error_alone_does_not_move_it(changed):
    now, curve = changed["risk"]["mean"], changed["risk_by_line"]
    curve["at"], curve["risk"] = [-0.5, -0.25, 0.0, 0.25, 0.5], [now + 0.3, now + 0.06, now, now + 0.01, now - 0.049]
    changed["mcse"]["risk_by_line"]["risk"] = [0.0] * 5
    assert (
        f"0.25 standard deviations of the rewards lower (the smallest step tried), the risk is {now + 0.06:.1%}"
        in true(changed, line_moved(changed))
    )
    changed["mcse"]["risk_by_line"]["risk"] = [0.02, 0.04, 0.0, 0.0, 0.0]
    assert f"0.5 standard deviations of the rewards lower, the risk is {now + 0.3:.1%}" in true(
        changed, line_moved(changed)
    )
    changed["mcse"]["risk_by_line"]["risk"] = [0.2, 0.04, 0.0, 0.0, 0.0]
    assert "changes the risk by less than 5 percentage points" in line_moved(changed)
    assert "hardly depends" in line_finding(changed)
    curve["risk"] = [None, now, now, now, None]
    said = true(changed, line_moved(changed))
    assert "0.25 standard deviations lower or 0.25 standard deviations higher" in said and "Beyond that" in said


def test_a_tipping_point_that_is_not_seen_in_the_digits_is_a_slight_change(changed):
    changed["tipping"] = {
        "flags": {"leads_from": None, "risk_at": {"0.1": 0.8893}},
        "red paint": {"leads_from": None, "risk_at": {"0.1": None}},
    }
    changed["prior"] = {"flags": 0.8889, "red paint": 0.1111}
    assert true(changed, *other_values(changed)).startswith("A slight change of the prior of 'flags', 88.9%")
    changed["tipping"]["flags"]["risk_at"]["0.1"] = 0.95
    rise = "fall" if changed["risk"]["mean"] > 0.1 else "rise"
    said = f"The risk would {rise} to 10% if the prior of 'flags' rose from 88.9% to 95.0%."
    assert true(changed, *other_values(changed)).startswith(said)
    changed["tipping"]["flags"]["risk_at"]["0.1"] = 0.99999
    assert "if the prior of" not in true(changed, *other_values(changed))


def test_targets_that_no_information_reaches_are_named(changed):
    changed["value_bits_of_agent"] = {"0.1": 0.0, "0.01": None, "0.001": None}
    changed["value_bits"] = {"0.1": 0.5, "0.01": None, "0.001": None}
    said = true(changed, *bits(changed))
    assert "This agent needs 0 bits of information about human values for a risk of 10%." in said
    assert "No information about the listed hypotheses brings this agent to a risk of 1% or 0.1%." in said
    assert "An agent of uniform prior needs 0.5 bits" in said


def test_bounds_that_coincide_are_not_a_range(changed):
    changed["risk_bounds"]["0.1"] = [changed["risk"]["mean"]] * 2
    assert "leaves the risk at about" in true(changed, *bounds(changed))


def test_a_deployment_that_ends_alike_at_every_size(changed):
    changed["risk"] |= {"mean": 0.2, "at_least_one": dict.fromkeys(["1", "10", "1000"], 0.2)}
    said = "A deployment has a catastrophe with probability 20.0%, whether it has 1 or 1,000 scenes."
    assert true(changed, deployments(changed)).startswith(said)
    changed["risk"]["at_least_one"]["1000"] = 0.3
    assert "20.0% in 1, 20.0% in 10, 30.0% in 1,000" in true(changed, deployments(changed))
    changed["risk"]["mean"] = 0.0
    assert deployments(changed) == ""


def test_a_worst_tenth_within_the_error_is_not_called_worse(changed):
    tail = changed["worst_case"]["tail"]
    tail |= {"risk": changed["risk"]["mean"] + 0.1, "words": ""}
    assert "The risk on the worst tenth" in true(changed, *worst_tenth(changed))
    changed["risk"]["mcse"] = 0.06
    assert worst_tenth(changed) == []
    changed["risk"]["mcse"], tail["risk"] = 0.0, changed["risk"]["mean"]
    assert worst_tenth(changed) == []


def test_an_undetected_shift_does_not_deny_new_kinds(changed):
    changed["shifted"] = False
    changed["shift"] |= {"p": 0.2, "n_new_classes": 1, "new_items": 3, "training": 0.1001, "test": 0.1004}
    said = true(changed, shift(changed))
    assert (
        said.startswith("No shift is detected (p = 0.2") and "However, 1 kind of item (3 items) does not occur" in said
    )
    assert "10.0% in training and on the test" in true(changed, largest_change(changed))


def test_impact_that_flags_everything(changed):
    changed["impact"]["table"] = {
        "flagged": {"catastrophe": 0.25, "fine": 0.5},
        "passed": {"catastrophe": 0.125, "fine": 0.125},
    }
    said = true(changed, *beside_impact(changed))
    assert "in 75.0% of scenes: 25.0% are catastrophes" in said and "passes the act in 25.0% of scenes" in said
    changed["impact"]["table"]["passed"] = {"catastrophe": 0.0, "fine": 0.0}
    assert "distinguishes none" in true(changed, *beside_impact(changed))


def test_subgroups_that_read_alike_are_not_compared(changed):
    group = {"words": "slope above 1", "n": 10, "contradicted": 0.1001, "elsewhere": 0.1, "p": 0.4, "looked_at": 7}
    changed["subgroups"] = {"labels": group}
    assert "none contradicts the leading hypothesis noticeably more often" in true(changed, *subgroups(changed))
    group["elsewhere"] = 0.02
    said = true(changed, *subgroups(changed))
    assert "'slope above 1' fits worst (p = 0.4" in said and "10.0% of 10 labels" in said and "elsewhere 2.0%" in said


def test_misfits_stand_once_and_before_warnings(changed):
    changed |= {
        "misfit": ["labels: it does not fit"],
        "warnings": ["labels: it does not fit", "why? is it so?", "and so on"],
    }
    misfits, alerts, *_ = fit(changed)
    assert (misfits.name, misfits.chapter, list(misfits.terminal)) == (
        "misfits",
        "misfits",
        ["Labels: it does not fit."],
    )
    assert (alerts.name, alerts.chapter) == ("alerts", "misfits")
    assert list(alerts.parts[0].entries) == ["Why? is it so?", "And so on."]
    assert true(changed, *misfits.terminal, *alerts.terminal)


def test_one_feedback_has_no_chapter_and_several_have_a_true_heading(tmp_path, document):
    assert list(feedback(document)) == []
    training = TELLING.replace("is_pad", "is_pad,again", 1)
    rows = training.strip().split("\n")
    training = "\n".join([rows[0], *(f"{row},{row[0]}" for row in rows[1:])]) + "\n"
    both = [
        {"kind": "labels", "table": "training", "column": c, "name": c, "noise": [1, 19]} for c in ("is_pad", "again")
    ]
    results = rh.run(write(tmp_path, small(feedback=both), training=training, test=TEST))
    (shown,) = feedback(results)
    chance = [one["chance_at_most"] for one in results["evidence_by_feedback"]["given_others"].values()]
    contradict = min(chance) < 0.01
    assert ("contradict" in shown.finding and "No feedback" not in shown.finding) == contradict
    assert true(results, shown.finding, *shown.terminal)


def test_warnings_that_would_say_nothing_are_not_made(tmp_path):
    one = {"hypotheses": {"flags": "where(flags, 1, -1)"}, "values": {"weights": {"flags": 1}, "source": "a test"}}
    results = rh.run(write(tmp_path, small(**one), training=TRAINING, test=TEST))
    assert not any("strength" in warning for warning in results["warnings"])  # one hypothesis has no uncertain weight
    linear = {"mix": {"linear": ["flags", "slope"], "source": "a test"}, "flags": "where(flags, 1, -1)"}
    values = {"weights": {"mix": 1, "flags": 1}, "source": "a test", "strength": 5}
    study = small(hypotheses=linear, values=values, catastrophe={"fail_utility": {"mix": 0, "flags": 0}})
    said = rh.run(write(tmp_path, study, training=TRAINING, test=TEST))["warnings"]
    assert any("simplicity prior in any language are left out" in w for w in said)
    assert not any("write it as an expression" in w for w in said)


def test_a_misfit_is_said_of_the_leading_hypothesis_alone(tmp_path):
    """Labels that only a hypothesis of low weight fits are no misfit of every hypothesis."""
    rng = np.random.default_rng(4)
    cells = rng.integers(0, 2, (120, 2))
    rows = "".join(f"{a},{b},1,{a},{b}\n" for a, b in cells)
    sides = {"training": "by_flags", "more": "by_red"}
    feedback_of = [{"kind": "labels", "table": k, "column": c, "name": c, "noise": 0.02} for k, c in sides.items()]
    study = small(feedback=feedback_of, tables={name: f"{name}.csv" for name in ("training", "more", "test")})
    head = "red_paint,flags,slope,by_red,by_flags\n"
    results = rh.run(write(tmp_path, study, training=head + rows, more=head + 2 * rows, test=TEST))
    misfit = [words for words in results["misfit"] if words.startswith("by_flags")]
    assert misfit and all("the leading hypothesis 'red paint'" in words for words in misfit)
    assert all("another hypothesis, listed or not, may fit" in words for words in misfit)
    assert not any("no hypothesis" in words for words in results["misfit"])
