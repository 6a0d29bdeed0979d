"""What is warned of and refused where an agent is read off its choices, and what the report says."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from agent_studies import MIX, PROBES, chosen, log_labels, log_probes, probes_of, rows, scenes, study
from scipy.special import logsumexp
from studies import TEST, TRAINING, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main


def told_apart(n, rng):
    """Training that speaks for flags: (labels, rewards of each hypothesis)."""
    made = scenes(n, 2, rng)
    made["is_pad"] = made["flags"]
    return made


def test_choices_that_contradict_training(tmp_path, capsys):
    """An agent that goes by red, after training that speaks for flags: both weights, both risks, and a warning."""
    from reward_hypotheses.analysis.report.sections.agents import BY_PRIOR

    rng = np.random.default_rng(41)
    training, probes = told_apart(40, rng), probes_of(rng, 40)
    got = rh.run(study(tmp_path, probes, training=rows(training), agent={"prior": "uniform"}))
    read = got["agent_reading"]
    wrong = {
        name: int((training["is_pad"] != (training[c])).sum())
        for name, c in (("red paint", "red_paint"), ("flags", "flags"))
    }
    labels = np.array([log_labels(wrong[h], training["is_pad"].size) for h in ("red paint", "flags")])
    picks = np.array([log_probes(200.0 * probes[c], probes["chosen"]) for c in ("red_paint", "flags")])
    half = math.log(2)
    expected = logsumexp(labels + picks) - half - (logsumexp(labels) - half) - (logsumexp(picks) - half)
    against = read["training_and_choices"]
    assert against["agreement"] == pytest.approx(expected, abs=1e-7) and against["contradicted"]
    assert against["chance_at_most"] == pytest.approx(math.exp(expected), rel=1e-6)
    assert read["with_training"]["weights"]["flags"] > 0.99 > 0.5 > read["without_training"]["weights"]["flags"]
    assert read["contradiction"] == read["warnings"][0] and read["contradiction"] in got["warnings"]
    assert "(its choices alone favour 'red paint', both together 'flags')" in read["contradiction"]
    chance = len(probes["chosen"]) * -math.log(3)
    assert picks[1] < chance and any("random choice makes the agent's own choices" in w for w in read["warnings"])
    assert main(["run", str(tmp_path / "study.toml"), "--full", "--out", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The agent's choices and the training data contradict each other" in said
    assert "Without the training data, the agent's own choices give a risk of" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("contradict each other") >= 1
    fig = BY_PRIOR.draw(got, None)
    assert "its choices, training aside" in [tick.get_text() for tick in fig.axes[0].get_yticklabels()]


def test_choices_that_agree_with_training(tmp_path):
    rng = np.random.default_rng(42)
    probes = probes_of(rng, 40, follow="flags")
    read = rh.run(study(tmp_path, probes, training=rows(told_apart(40, rng))))["agent_reading"]
    assert not read["training_and_choices"]["contradicted"] and read["training_and_choices"]["agreement"] > 0
    assert read["contradiction"] is None
    assert read["predictive_check_with_training"]["agent_choices"]["p"] > 0.01


@pytest.mark.parametrize(
    "values",
    [
        {
            "judges": [
                {"name": "a", "weights": {"red paint": 1, "flags": 3}, "source": "a", "strength": 9},
                {"name": "b", "weights": {"red paint": 3, "flags": 1}, "source": "b", "strength": 4},
            ]
        },
        {"judgements": "answers.csv", "source": "a test"},
    ],
)
def test_several_judges_of_an_agent_with_hypotheses_of_its_own(values, tmp_path):
    """Risk under each judge, the agent holding a hypothesis that no judge does."""
    (tmp_path / "answers.csv").write_text(
        "judge,left,right,answer\na,flags,red paint,left much\nb,flags,red paint,left a little\n"
    )
    probes = probes_of(np.random.default_rng(43), 30)
    agent = {"hypotheses": {"slope": "slope"}, "prior": "uniform"}
    got = rh.run(study(tmp_path, probes, values=values, agent=agent))
    judges = got["risk_by_judge"]["judges"]
    assert set(judges) == {"a", "b"}
    truths = got["risk_by_truth"]
    low, high = min(truths.values()), max(truths.values())
    assert all(low - 1e-12 <= one["mean"] <= high + 1e-12 for one in judges.values())
    assert got["risk_by_judge"]["pool"]["mean"] == pytest.approx(got["risk"]["mean"], abs=1e-12)


def test_probes_that_cannot_tell(tmp_path):
    probes = probes_of(np.random.default_rng(16), 20)
    probes["flags"] = probes["red_paint"]
    got = rh.run(study(tmp_path, probes))["agent_reading"]
    assert got["pairs"][0]["silent"] and got["pairs"][0]["log_bayes_factor"] == 0
    assert [w for w in got["warnings"] if "cannot tell 'red paint' from 'flags'" in w]
    probes["flags"] = probes["red_paint"].copy()
    probes["flags"][0] = ~probes["flags"][0]
    got = rh.run(study(tmp_path, probes))["agent_reading"]
    assert not got["pairs"][0]["silent"] and [w for w in got["warnings"] if "hardly tell" in w]


def test_a_mixture_is_found_out_by_its_columns(tmp_path):
    rng = np.random.default_rng(17)
    probes = scenes(70, 3, rng)
    probes["chosen"] = chosen(3.0 * probes["red_paint"] + 2.5 * probes["flags"], rng)
    got = rh.run(study(tmp_path, probes))
    assert [w for w in got["agent_reading"]["warnings"] if "agent_choices: choices depend on column" in w]
    beside = rh.run(study(tmp_path, probes, agent={"hypotheses": {"mix": MIX}}))["agent_reading"]
    assert beside["with_training"]["weights"]["mix"] > 0.99 and not beside["warnings"]


BAD = {
    "agent.feedback without a table": (
        {"feedback": [{"kind": "choices", "column": "chosen"}]},
        r"\[\[agent\.feedback\]\] table: missing; name the table",
    ),
    "a table that there is not": (
        {"feedback": [PROBES | {"table": "probs"}]},
        r"\[\[agent\.feedback\]\] table: 'probs' is no table; did you mean 'probes'\?",
    ),
    "a column that is missing": (
        {"feedback": [PROBES | {"column": "chose"}]},
        r"\[\[agent\.feedback\]\] probes\.csv: no column 'chose'; did you mean 'chosen'",
    ),
    "an unknown kind": (
        {"feedback": [PROBES | {"kind": "choice"}]},
        r"\[\[agent\.feedback\]\] kind: 'choice' is no kind of this version; did you mean 'choices'",
    ),
    "one section instead of a list": (
        {"feedback": PROBES},
        r"\[\[agent\.feedback\]\]: write each feedback below a line \[\[agent\.feedback\]\]",
    ),
    "a hypothesis of the judge's with another reward": (
        {"hypotheses": {"flags": "where(flags, 1, 0)"}},
        r"\[agent\] hypotheses: 'flags' is another reward in \[hypotheses\]; .* another name",
    ),
    "a hypothesis that does not parse": (
        {"hypotheses": {"new": "where(flags, 1"}},
        r"\[agent\] hypotheses 'new': at position",
    ),
    "a hypothesis of an unknown column": (
        {"hypotheses": {"new": "flag"}},
        r"\[agent\] hypotheses 'new': no column 'flag' in .*did you mean 'flags'",
    ),
    "values for what the agent alone holds": (
        {"hypotheses": {"new": "slope"}, "prior": "values"},
        r"\[agent\] prior: the values say nothing of 'new', .*prior = \"uniform\"",
    ),
    "simplicity of a reward with weights": (
        {"hypotheses": {"mix": MIX}, "prior": "simplicity"},
        r"\[agent\] prior: .*mix",
    ),
    "inferred rationality without choices": (
        {"policy": {"name": "boltzmann", "beta": "inferred"}, "feedback": []},
        r"\[agent\] policy: beta = \"inferred\" is read from the agent's own choices; give \[\[agent\.feedback\]\]",
    ),
    "inferred rationality of labels": (
        {
            "policy": {"name": "boltzmann", "beta": "inferred"},
            "feedback": [{"kind": "labels", "table": "probes", "column": "chosen", "noise": [1, 19]}],
        },
        r"\[agent\] policy: beta = \"inferred\"",
    ),
    "no failure line to abstain by": (
        {
            "policy": {"name": "commit", "abstain": True},
            "hypotheses": {"new": "slope"},
            "fail_utility": {"flags": 0, "red paint": 0},
        },
        r"\[agent\] hypotheses: 'new' has no failure line, .*state it in \[agent\] fail_utility",
    ),
    "a beta that is neither": (
        {"policy": {"name": "boltzmann", "beta": "guessed"}},
        r"\[agent\] policy: beta: 'guessed'; give the agent's rationality",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, tmp_path):
    agent, pattern = BAD[name]
    with pytest.raises(rh.InputError, match=pattern) as caught:
        rh.check(study(tmp_path, probes_of(np.random.default_rng(18), 4), agent=agent))
    assert len(caught.value.problems) == 1, caught.value.problems


def test_two_feedbacks_of_one_agent_and_its_human(tmp_path):
    """A human of the training data is not the agent, whatever it is called."""
    probes = probes_of(np.random.default_rng(19), 20)
    twice = [PROBES | {"human": "Ann"}, PROBES | {"human": "Ann", "name": "again"}]
    changes = {"feedback": [PROBES | {"human": "Ann"}], "agent": {"feedback": twice}}
    got = rh.run(study(tmp_path, probes, **changes))
    read = got["agent_reading"]
    assert list(read["feedback"]) == ["agent_choices", "agent_again"] and list(got["n_items"]) == ["choices"]
    assert list(read["rationality"]) == ["agent_Ann_rationality"]
    assert list(read["weights_by_feedback"]) == ["agent_choices", "agent_again"]
    reward = {"red paint": 200.0 * probes["red_paint"], "flags": 200.0 * probes["flags"]}
    doubled = {k: np.concatenate([v, v]) for k, v in (reward | {"chosen": probes["chosen"]}).items()}
    for name in reward:
        assert read["log_evidence"][name] == pytest.approx(log_probes(doubled[name], doubled["chosen"]), abs=1e-7)


def test_run_writes_the_reading_and_stays_quick(tmp_path):
    path = study(tmp_path, probes_of(np.random.default_rng(20), 30))
    code = (
        "import sys, json\nfrom reward_hypotheses.cli.main import main\n"
        f"assert main(['run', {str(path)!r}, '--json']) == 0\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    heavy = {"scipy", "xarray", "pandas", "pymc", "arviz", "matplotlib"}
    assert not heavy & set(json.loads(done.stderr.strip().splitlines()[-1]))
    assert json.loads(done.stdout)["agent_reading"]["log_evidence"]["flags"] < 0
    assert shell("check", path).returncode == 0


def test_the_report_says_what_the_agent_goes_by(tmp_path):
    from reports import paper_tables

    from reward_hypotheses.analysis.report.sections.agents import policy_in_words, present
    from reward_hypotheses.analysis.report.sentences.inferred_agent import read_off

    got = json.loads(json.dumps(rh.run(study(tmp_path, probes_of(np.random.default_rng(21), 40)))))
    said = " ".join(read_off(got))
    assert "The agent's weights, by its choices and training: " in said and "'red paint'" in said
    assert "its rationality ('agent_choices_rationality') is" in said and "an assumed prior has elsewhere" in said
    assert "inferred from its own choices" in policy_in_words(got)[0]
    tables = {table.name: table for table in paper_tables(got)}
    assert b"red paint" in tables["agent_reading"].csv() and b"simplicity" in tables["agent_distance"].csv()
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert "inferred_agent" not in {part.name for part in present(plain)} and "agent_reading" not in {
        table.name for table in paper_tables(plain)
    }
    path = study(tmp_path, probes_of(np.random.default_rng(21), 40))
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The inferred agent" in page and (tmp_path / "out" / "tables" / "agent_reading.tex").exists()


def test_an_mdp_takes_a_number():
    mdp = rh.MDP(*rh.gridworld(["..P"], {"P": "goal"}), discount=0.9)
    walk = rh.Demonstrations(mdp, rh.demonstrate(mdp, "goal", 2.0, n=2, steps=4))
    tree = rh.fit({"goal": "goal", "not": "-goal"}, rh.Uniform("a test"), [walk], 0)
    with pytest.raises(rh.InputError, match="in an MDP give beta a number"):
        rh.catastrophe_risk(tree, mdp, rh.Boltzmann("inferred"), tree, horizon=3)
