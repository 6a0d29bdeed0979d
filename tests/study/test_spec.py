"""The declared sections of a study file: defaults, problems in order, and combining by replacing parts."""

from dataclasses import fields, replace

import pytest
from studies import TEST, TRAINING, small, write

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.study.load import load
from reward_hypotheses.study.replace_parts import PARTS, combine
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.sections.analysis import AnalysisSpec, FitSpec
from reward_hypotheses.study.spec import REPORT_ORDER, StudySpec, read_spec


def read(document):
    problems = Problems("study.toml", REPORT_ORDER)
    return read_spec(document, problems), problems.messages


def test_every_section_has_a_place_in_the_report():
    assert sorted(REPORT_ORDER) == sorted(f.name for f in fields(StudySpec))
    assert {name for names in PARTS.values() for name in names} < set(REPORT_ORDER)


def test_what_is_left_out_has_its_default():
    spec, problems = read(small())
    assert problems == []
    assert spec.fit == FitSpec(method="auto", draws=1000, chains=4)
    assert spec.analysis == AnalysisSpec() and spec.analysis.deployments == (1, 10, 100, 1000)
    assert spec.values.strength == 20 and spec.values.judges is None


def test_problems_are_reported_by_section_and_leave_the_default():
    document = small(fit={"draws": 0, "chain": 2}, seed="x", analysis={"prob": 2}, values={"weight": 1}, agnet={})
    spec, problems = read(document | {"title": ""})
    assert problems == [
        "agnet: unknown key; did you mean 'agent'?",
        "title: '' says nothing; write some text in quotes",
        "seed: 'x'; give a whole number from 0 to 9223372036854775807",
        "[values] weight: unknown key; did you mean 'weights'?",
        "[fit] chain: unknown key; did you mean 'chains'?",
        "[fit] draws: 0; give a whole number from 1 to 100000",
        "[analysis] prob: 2; give the probability of the interval, above 0 and below 1",
    ]
    assert (spec.seed, spec.fit.draws, spec.analysis.prob) == (0, 1000, 0.95)


def test_problems_of_files_stand_with_their_section(tmp_path):
    document = small(tables={"training": "nope.csv", "test": "test.csv"}, fit={"draws": 0})
    document["agent"] = {"policy": "obey"}
    with pytest.raises(InputError) as refused:
        load(write(tmp_path, document, test=TEST))
    heads = [problem.removeprefix("study.toml: ").split(":")[0] for problem in refused.value.problems]
    assert heads == ["[tables] training", "[agent] policy", "[fit] draws"]


def test_combining_replaces_parts_of_the_spec(tmp_path):
    (tmp_path / "b").mkdir()
    a = load(write(tmp_path, small(), training=TRAINING, test=TEST))
    other = small(seed=5, fit={"draws": 2000}, catastrophe={"fail_utility": -1}, agent={"policy": "expected"})
    b = load(write(tmp_path / "b", other, training=TRAINING, test=TEST))
    both = combine(a, b, ["fit", "failure line"])
    assert both.spec == replace(a.spec, fit=b.spec.fit, seed=5, catastrophe=b.spec.catastrophe)
    assert both.line.values == (-1.0, -1.0) and both.policy == a.policy
    assert combine(a, b, PARTS).policy == b.policy
