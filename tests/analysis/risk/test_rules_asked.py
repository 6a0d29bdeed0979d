"""Spaces of rules that a study asks about, against a fit of the same space, and what is refused."""

import copy

import claims_check
import numpy as np
import pytest
from rule_studies import fits, reward, space, tables
from studies import csv_text, write

import reward_hypotheses as rh
from reward_hypotheses.data.expressions.parser import parse

TRAINING, TEST = tables(9, n=60)
ASKED = {
    "rules": ["red", "flags", "depth"],
    "at_most": 2,
    "prior": "uniform",
    "thresholds": 2,
    "source": "a test",
    "outcome": "red & ~flags",
}
STUDY = {
    "title": "All the rules",
    "tables": {"training": "training.csv", "test": "test.csv"},
    "hypotheses": {"flags": reward("flags"), "red": reward("red")},
    "values": {"weights": {"flags": 1, "red": 3}, "source": "a test", "strength": 20},
    "agent": {"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}},
    "catastrophe": {"fail_utility": 0},
    "feedback": [{"kind": "labels", "table": "training", "column": "pad", "noise": [1, 19]}],
    "analysis": {"rules": {"any rule": ASKED}},
}
FILES = {
    name: csv_text(
        [dict(zip(table, (x.item() for x in row), strict=True)) for row in zip(*table.values(), strict=True)]
    )
    for name, table in (("training", TRAINING), ("test", TEST))
}


def study(**changes):
    return copy.deepcopy(STUDY) | changes


@pytest.mark.parametrize("policy", ["commit", "boltzmann"])
def test_numbers_are_those_of_a_fit(tmp_path, policy):
    stated = {"name": "boltzmann", "beta": 2.0} if policy == "boltzmann" else policy
    results = rh.run(write(tmp_path, study(agent=STUDY["agent"] | {"policy": stated}), **FILES))
    found = results["rule_spaces"]["any rule"]
    assert not found["hypothesis"] and found["outcome"] == "red & ~flags"
    judge = fits(STUDY["hypotheses"], rh.Elicited(STUDY["values"]["weights"], "a test"), TRAINING)
    of_red = fits({"o": reward("red & ~flags", -100, 100)}, rh.Uniform(source="a test"), TRAINING)
    policies = {"commit": rh.Commit(), "boltzmann": rh.Boltzmann(2.0)}
    priors = ["uniform", "feature sets", *map(rh.Simplicity, ("rules", "letters", "columns"))]
    assert list(found["priors"]) == [getattr(prior, "name", prior) for prior in priors]
    for prior in priors:
        own = fits({"its": space(prior=prior)}, rh.Uniform(source="a test"), TRAINING)
        risk = rh.catastrophe_risk(judge, TEST, agent=own, policy=policies[policy])
        entry = found["priors"][getattr(prior, "name", prior)]
        assert entry["risk"] == pytest.approx(float(risk["mean"]), abs=1e-12)
        top = rh.top_rules(own, 1000)
        heaviest = float(top["weight"][0])
        first = top["rule"].to_numpy()[top["weight"].to_numpy() >= heaviest * (1 - 1e-9)].tolist()
        assert entry["weight"] == pytest.approx(heaviest) and entry["tied"] == len(first)
        assert entry["first"] == first[:10]
        lands = rh.catastrophe_risk(of_red, TEST, agent=own, policy=policies[policy])
        assert entry["outcome"] == pytest.approx(float(lands["mean"]), abs=1e-12)
    assert claims_check.problems(results) == []


def test_an_agent_that_weighs_all_rules_has_no_share(tmp_path):
    results = rh.run(write(tmp_path, study(agent={"policy": "expected", "prior": "uniform"}), **FILES))
    found = results["rule_spaces"]["any rule"]
    assert found["features"] is None and all(
        of["risk"] is None and of["outcome"] is None for of in found["priors"].values()
    )
    fit = [np.array_equal(parse(rule["rule"]).evaluate(TRAINING.__getitem__), TRAINING["pad"]) for rule in found["top"]]
    assert [rule["contradicted"] == 0 for rule in found["top"]] == fit
    assert claims_check.problems(results) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"analysis": {"rules": ["red"]}}, r"\[analysis\] rules: .*name a space of rules, such as"),
        ({"analysis": {"rules": {"any": {"at_most": 2}}}}, r"'any': .*give rules = \[...\]"),
        ({"analysis": {"rules": {"any": {"rules": ["red"], "prior": "uniform"}}}}, "'any': rules: no source"),
        (
            {"analysis": {"rules": {"any": ASKED | {"outcom": "red"}}}},
            "'outcom' is unknown here; did you mean 'outcome'",
        ),
        ({"analysis": {"rules": {"any": ASKED | {"outcome": "red +"}}}}, "outcome: .*it ends where a number"),
        (
            {"analysis": {"rules": {"any": ASKED | {"outcome": "depth"}}}},
            "outcome: 'depth' is a number; give a condition",
        ),
        ({"analysis": {"rules": {"any": ASKED | {"outcome": "craters"}}}}, "no column 'craters' in test.csv"),
        ({"analysis": {"rules": {"any": ASKED | {"rules": ["reed"]}}}}, r"no column 'reed'.*did you mean 'red'"),
        ({"analysis": {"rules": {"flags": ASKED}}}, "'flags': a hypothesis has this name"),
        ({"catastrophe": {"fail_utility": {"flags": 0, "red": 5}}}, "failing is worth a number"),
        ({"catastrophe": {"fail_utility": 150}}, "say nothing of its rules"),
    ],
)
def test_what_is_refused(tmp_path, changes, message):
    path = write(tmp_path, study(**changes), **FILES)
    for call in (rh.check, rh.run):
        with pytest.raises(rh.InputError, match=message):
            call(path)


def test_an_agent_whose_language_names_no_feature(tmp_path):
    language = {"name": "mine", "costs": {"blue": 1}}
    hypotheses = {"flags": reward("flags"), "any rule": {k: v for k, v in ASKED.items() if k != "outcome"}}
    values = {"weights": {"flags": 1, "any rule": 3}, "source": "a test"}
    agent = {"policy": "commit", "prior": {"name": "simplicity", "language": language}}
    path = write(tmp_path, study(hypotheses=hypotheses, values=values, agent=agent, analysis={}), **FILES)
    for call in (rh.check, rh.run):
        with pytest.raises(rh.InputError, match=r"\[agent\] prior.* no hypothesis names 'blue'"):
            call(path)


def test_a_study_whose_agent_prefers_simple_rules(tmp_path):
    """The study's numbers are those of the same call in Python, with the judge's space and the agent's."""
    hypotheses = {"flags": reward("flags"), "any rule": {k: v for k, v in ASKED.items() if k != "outcome"}}
    values = {"weights": {"flags": 1, "any rule": 3}, "source": "a test", "strength": 20}
    results = rh.run(write(tmp_path, study(hypotheses=hypotheses, values=values, analysis={}), **FILES))
    tree = fits(
        {"flags": reward("flags"), "any rule": space()}, rh.Elicited(values["weights"], "a test", strength=20), TRAINING
    )
    risk = rh.catastrophe_risk(tree, TEST, agent=rh.Simplicity("columns"))
    assert results["risk"]["mean"] == pytest.approx(float(risk["mean"]), abs=1e-12)
    assert results["agents"]["simplicity, columns"]["acts"]["risk"] == pytest.approx(float(risk["mean"]), abs=1e-12)
    assert claims_check.problems(results) == []
