"""Expected reward against risk over every policy, against enumeration in fractions."""

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import SHOWN, TEST, TRAINING, small, write
from worlds import share, world

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk import expected_reward
from reward_hypotheses.analysis.risk.catastrophe import compute_risk
from reward_hypotheses.analysis.risk.expected_reward import Outcome, prune_weights, rewards_by_hypothesis
from reward_hypotheses.analysis.risk.frontier import candidates, efficient, frontier
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation


def enumerated(policy, exact):
    """Risk, reward, regret and abstention by loops over scenes, options and truths, in fractions (or mpmath)."""
    said = oracles.risk_report(
        policy.name,
        exact["agent"],
        exact["judge"],
        exact["rewards"],
        exact["available"],
        exact["judge_u"],
        exact["agent_u"],
        policy.abstain,
        scene_weights=exact["weights"],
        beta=getattr(policy, "beta", None),
        share=share(policy),
    )
    scenes = range(len(exact["available"]))
    mass = [Fraction(1)] * len(scenes) if exact["weights"] is None else exact["weights"]
    best = Fraction(0)
    for m, j in itertools.product(scenes, range(len(exact["judge"]))):
        there = [r for r, here in zip(exact["rewards"][j][m], exact["available"][m], strict=True) if here]
        best += mass[m] / sum(mass) * exact["judge"][j] * max([exact["judge_u"][j][m], *there])
    return said["mean"], float(best) - said["regret"], said["regret"], said["abstained"]


def dominated(one, others):
    """Whether another has no more risk and no less reward, and one of the two better, by its definition."""
    return any(o[0] <= one[0] and o[1] >= one[1] and (o[0] < one[0] or o[1] > one[1]) for o in others)


@pytest.mark.parametrize("kind", ["ragged", "weights", "failing"])
@pytest.mark.parametrize("seed", range(5))
def test_every_policy_against_enumeration(seed, kind):
    valuation, exact = world(seed + 60, scenes=5, weights=kind == "weights", failing=kind == "failing")
    if kind == "failing":
        exact["available"] = [here if any(here) else [True, *here[1:]] for here in exact["available"]]
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    found = frontier(valuation, rh.Commit(abstain=bool(seed % 2)), agent, judge)
    assert len(found) == 18 and [one.of_agent for one in found].count(True) == 1
    want = [enumerated(one.policy, exact) for one in found]
    for k, (one, (risk, reward, regret, abstained)) in enumerate(zip(found, want, strict=True)):
        got = one.outcome
        assert got.risk == pytest.approx(float(risk), abs=1e-12), one.policy.words
        assert got.reward == pytest.approx(float(reward), abs=1e-11)
        assert got.regret == pytest.approx(float(regret), abs=1e-11)
        assert got.abstained == pytest.approx(float(abstained), abs=1e-12)
        if one.policy.abstain:
            assert replace(one.policy, abstain=False) == found[k - 1].policy
            assert one.price == pytest.approx(float(want[k - 1][1] - reward), abs=1e-11)
        else:
            assert one.price is None and got.abstained == 0
    points = [(round(float(w[0]), 10), round(float(w[1]), 10)) for w in want]
    assert [one.efficient for one in found] == [not dominated(p, points) for p in points]


DRAWING = [rh.Commit(), rh.MostProbable(), rh.Boltzmann(2.0), rh.Quantilize(0.3)]


@pytest.mark.parametrize("kind", ["ragged", "weights", "failing"])
@pytest.mark.parametrize("policy", DRAWING, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_what_agents_of_one_hypothesis_earn_by_enumeration(seed, policy, kind):
    valuation, exact = world(seed + 90, scenes=5, weights=kind == "weights", failing=kind == "failing")
    if kind == "failing":
        exact["available"] = [here if any(here) else [True, *here[1:]] for here in exact["available"]]
    both = (policy, replace(policy, abstain=True))
    judge = np.array(exact["judge"], float)
    found = rewards_by_hypothesis(valuation, both, judge)
    for one, got in zip(both, found, strict=True):
        want = oracles.certain_rewards(
            one.name,
            exact["judge"],
            exact["rewards"],
            exact["available"],
            exact["judge_u"],
            exact["agent_u"],
            one.abstain,
            scene_weights=exact["weights"],
            beta=getattr(one, "beta", None),
            share=share(one),
        )
        np.testing.assert_allclose(got, np.array(want, float), rtol=0, atol=1e-12)
        agent = np.array(exact["agent"], float)
        mixed = float(one.mixing(agent) @ got)
        assert expected_reward.policy_outcomes(valuation, [one], agent, judge)[0].reward == pytest.approx(
            mixed, abs=1e-12
        )


@pytest.mark.parametrize("name", ["commit", "most_probable", "quantilize", "boltzmann", "expected"])
@pytest.mark.parametrize("abstain", [False, True])
def test_rewards_in_the_results_are_those_of_studies_so_changed(tmp_path, name, abstain):
    """Of an agent of another prior, and of the other permission, as its own study's frontier has it."""
    policy = {"name": name, "abstain": abstain} | {"quantilize": {"q": 0.3}, "boltzmann": {"beta": 2}}.get(name, {})
    changes = {"catastrophe": {"fail_utility": {"flags": 10, "red paint": -5}}}

    def ran(prior, **other):
        agent = {"policy": policy | other, "prior": prior}
        return rh.run(write(tmp_path, small(agent=agent, **changes), training=TRAINING, test=TEST))

    found = ran("uniform")
    if name == "expected":
        assert found["reward_by_agent_hypothesis"] is None
        assert all(one["acts"]["reward"] is one["may_abstain"]["reward"] is None for one in found["agents"].values())
        return
    priors = {"uniform": "uniform", "values": "values"}
    priors["simplicity, columns"] = {"name": "simplicity", "language": "columns"}
    for key, prior in priors.items():
        for word, may in (("acts", False), ("may_abstain", True)):
            own = next(one for one in ran(prior, abstain=may)["frontier"] if one["own"])
            assert found["agents"][key][word]["reward"] == pytest.approx(own["reward"], abs=1e-11)
            assert found["agents"][key][word]["risk"] == pytest.approx(own["risk"], abs=1e-12)
    if name == "commit":
        mean = sum(found["agent_weights"][n] * found["reward_by_agent_hypothesis"][n] for n in found["hypotheses"])
        assert mean == pytest.approx(found["agents"]["uniform"]["may_abstain" if abstain else "acts"]["reward"])


def test_what_is_unknown_of_what_an_agent_earns_is_null(monkeypatch):
    table = as_table({"x": np.array([[1.0, -1.0], [2.0, 0.5]]), "z": np.array([[0.0, 1.0], [1.0, 0.0]])})
    listed = hypotheses_of({"x": "x", "z": "z"})
    told = stated_line({"x": 0.0}, ("x", "z"), may_lack=["z"])
    valuation = Valuation(listed, table, stated_line(0.0, ("x", "z")), told)
    acts, may = rewards_by_hypothesis(valuation, (rh.Commit(), rh.Commit(abstain=True)), np.array([0.5, 0.5]))
    assert acts.tolist() == [1.0, 0.75] and may[0] == 1.0 and np.isnan(may[1])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-6, 6)), min_size=1, max_size=12))
def test_efficient_is_what_nothing_dominates(points):
    found = efficient([Outcome(a / 6, b * 7.0, 0.0, 0.0, 42.0) for a, b in points])
    assert found == [not dominated(p, points) for p in points]
    assert any(found)


def test_what_differs_by_rounding_alone_is_alike():
    near = [
        Outcome(0.1, 5.0, 0, 0, 5.0),
        Outcome(0.1 + 1e-15, 5.0 + 1e-14, 0, 0, 5.0),
        Outcome(0.1, 5.0 - 1e-6, 0, 0, 5.0),
    ]
    assert efficient(near) == [True, True, False]


def test_the_agents_own_settings_are_among_them():
    def said(own):
        return [policy.words for policy in candidates(own)]

    assert len(said(rh.Commit())) == 18 and said(rh.Commit()) == said(rh.Cvar(0.2, abstain=True))
    assert said(rh.Boltzmann(3.0)).count("boltzmann (rationality 3), may abstain") == 1
    assert len(said(rh.Boltzmann(3.0))) == 18
    more = said(rh.Cvar(0.3))
    assert len(more) == 20 and more[12:14] == ["cvar (worst 30%)", "cvar (worst 30%), may abstain"]
    assert "maximin (80% credible)" in said(rh.Maximin(0.8)) and "quantilize (best 50%)" in said(rh.Quantilize(0.5))


@pytest.mark.parametrize("rationality", [1.3, {"mu": 0.0, "sigma": 0.5}])
def test_the_row_of_an_inferred_rationality_says_so(tmp_path, rationality):
    """Also where it was declared: what the agent was asked for is what it was read from."""
    probes = "scene,option,red_paint,flags,chosen\n0,0,1,0,1\n0,1,0,1,0\n1,0,1,0,1\n1,1,0,1,0\n"
    said = {"kind": "choices", "table": "probes", "column": "chosen", "rationality": rationality}
    agent = {"policy": {"name": "boltzmann", "beta": "inferred"}, "prior": "uniform", "feedback": [said]}
    study = small(agent=agent, tables={"training": "training.csv", "test": "test.csv", "probes": "probes.csv"})
    found = rh.run(write(tmp_path, study, training=TRAINING, test=TEST, probes=probes))["frontier"]
    rows = [one for one in found if one["policy"] == "boltzmann"]
    assert [one["settings"] for one in rows] == [{"beta": "inferred"}] * 2 and [r["own"] for r in rows] == [True, False]
    assert rows[0]["words"] == "boltzmann (rationality inferred)"


def test_one_of_its_own_kind_is_held_against_the_rest():
    class Timid(rh.Policy):
        """Takes the first option, whatever is true."""

        def certain(self, view, h):
            out = np.zeros(view.shape)
            out[0] = 1.0
            return out

    valuation, exact = world(9)
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    found = frontier(valuation, Timid(), agent, judge)
    assert len(found) == 20 and [one.policy.words for one in found if one.of_agent] == ["timid"]
    own = compute_risk(valuation, Timid(), agent, judge)
    assert next(one.outcome.risk for one in found if one.of_agent) == pytest.approx(own.mean, abs=1e-14)


def test_weights_that_change_nothing_are_left_out():
    """But not those of a hypothesis with much at stake."""
    table = as_table({"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]]), "c": np.array([[-1e20, 0.0]])})
    h = hypotheses_of({"a": "a", "b": "b", "c": "c"})
    valuation = Valuation(h, table, stated_line(0.0, h.names))
    agent = np.array([1 - 2e-15, 1e-15, 1e-15])
    assert prune_weights(valuation, agent).tolist() == [agent[0], 0.0, 1e-15]
    found = {one.policy.words: one for one in frontier(valuation, rh.Expected(), agent, agent)}
    whole = compute_risk(valuation, rh.Expected(), agent, agent)
    assert found["expected"].outcome.risk == whole.mean == pytest.approx(1e-15, abs=2e-15)
    assert found["expected"].outcome.reward == pytest.approx(1e-15, abs=1e-12)


def test_many_hypotheses_of_little_weight_give_what_all_do(monkeypatch):
    rng = np.random.default_rng(3)
    names = [f"h{h}" for h in range(40)]
    table = as_table({f"r{h}": rng.normal(size=(30, 4)) for h in range(40)})
    h = hypotheses_of({name: f"r{i}" for i, name in enumerate(names)})
    valuation = Valuation(h, table, stated_line(0.0, names))
    agent = np.exp(-2.0 * np.arange(40))
    agent /= agent.sum()
    judge = rng.dirichlet(np.ones(40))
    assert 5 < np.count_nonzero(prune_weights(valuation, agent)) < 30
    found = frontier(valuation, rh.Commit(), agent, judge)
    monkeypatch.setattr(expected_reward, "NEGLIGIBLE", -1.0)
    for one, other in zip(found, frontier(valuation, rh.Commit(), agent, judge), strict=True):
        for key in ("risk", "reward", "regret", "abstained"):
            assert getattr(one.outcome, key) == pytest.approx(getattr(other.outcome, key), abs=1e-12)


def results_of(folder, **changes):
    document = rh.run(write(folder, small(**changes), training=TRAINING, test=TEST, shown=SHOWN))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


def test_results_of_the_essays_study(tmp_path):
    """Two rules, even odds of the agent, 8 to 1 of the judge; on the test each has one good option among three."""
    document = results_of(tmp_path)
    found = {one["words"]: one for one in document["frontier"]}
    assert len(found) == 18
    own = found["commit"]
    assert own["own"] and [one["own"] for one in document["frontier"]].count(True) == 1
    assert own["risk"] == pytest.approx(document["risk"]["mean"]) == pytest.approx(1 / 2)
    assert own["regret"] == pytest.approx(document["risk"]["regret"])
    assert own["reward"] == pytest.approx(100 / 2 - 100 / 2) and own["settings"] == {} and own["price"] is None
    cautious = found["maximin (95% credible), may abstain"]
    assert (cautious["risk"], cautious["reward"], cautious["abstained"]) == (0, 0, 1)
    assert cautious["settings"] == {"credible": 0.95} and cautious["policy"] == "maximin" and cautious["efficient"]
    # of what must act, the third option is as bad as anything
    assert found["maximin (95% credible)"]["reward"] == pytest.approx(-100 / 3)
    assert cautious["price"] == pytest.approx(-100 / 3)
    assert all(one["lacking"] is None for one in document["frontier"])


def test_an_agent_that_cannot_be_held_against_all(tmp_path):
    family = {"linear": ["red_paint", "flags"], "prior": {"normal": 1}, "source": "x"}
    document = results_of(
        tmp_path,
        hypotheses={"flags": "where(flags, 100, -100)", "a mixture": family},
        values={"prior": "uniform", "source": "x"},
    )
    found = {one["words"]: one for one in document["frontier"]}
    for name in ("maximin (95% credible)", "cvar (worst 5%)", "cvar (worst 20%), may abstain"):
        assert found[name]["risk"] is None and not found[name]["efficient"] and found[name]["price"] is None
        assert "'a mixture' has continuous weights" in found[name]["lacking"]
    own = found["commit"]
    assert own["risk"] == pytest.approx(document["risk"]["mean"], abs=1e-12)
    assert own["regret"] == pytest.approx(document["risk"]["regret"], abs=1e-9)
    errors = document["mcse"]["frontier"]
    assert len(errors) == len(document["frontier"]) and errors[0]["words"] is None
    assert errors[0]["risk"] > 0 and errors[0]["reward"] > 0


def test_draws_on_very_many_items_are_left_to_the_agents_own_policy(tmp_path, monkeypatch):
    monkeypatch.setattr(expected_reward, "COSTLY", 1000)
    family = {"linear": ["red_paint", "flags"], "prior": {"normal": 1}, "source": "x"}
    document = results_of(
        tmp_path,
        hypotheses={"flags": "where(flags, 100, -100)", "a mixture": family},
        values={"prior": "uniform", "source": "x"},
    )
    for one in document["frontier"]:
        assert (one["risk"] is not None) == (one["policy"] == "commit")
        assert one["risk"] is not None or "'a mixture' has continuous weights" in one["lacking"]


def test_an_agent_that_was_told_nothing_of_failing():
    """One that has a reward of its own, without a line, can be held against others that must act."""
    table = as_table({"a": np.array([[1.0, -1.0]]), "b": np.array([[-1.0, 1.0]])})
    h = hypotheses_of({"a": "a", "mine": "b"})
    valuation = Valuation(h, table, stated_line({"a": 0.0}, h.names, may_lack=["mine"]))
    found = frontier(valuation, rh.Commit(), np.array([0.25, 0.75]), np.array([1.0, 0.0]))
    assert found[0].of_agent and found[0].outcome.risk == 0.75 and found[0].outcome.reward == -0.5
    for one in found:
        assert (one.outcome is None) == one.policy.abstain
        if one.policy.abstain:
            assert one.price is None and "'mine' has no failure line" in one.lacking


def test_nothing_without_a_test(tmp_path):
    assert results_of(tmp_path, tables={"training": "training.csv"})["frontier"] is None
