"""Agents read off their own choices: weights, rationality, populations, which scenes to ask, and what is warned of."""

import math

import numpy as np
import pytest
from agent_studies import FLAGS, MIX, RED, dataset, log_labels, log_probes, log_quad, probes_of, rows, scenes, study
from scipy.integrate import quad
from scipy.special import logsumexp
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh


@pytest.mark.parametrize("seed", range(20))
def test_weights_are_prior_times_training_times_probes(seed, tmp_path):
    rng = np.random.default_rng([7, seed])
    probes = probes_of(rng, int(rng.integers(2, 30)), int(rng.integers(2, 5)), "flags", rng.uniform(0, 3))
    training = scenes(int(rng.integers(3, 12)), 2, rng)
    training["is_pad"] = training["red_paint"] ^ (rng.random(training["red_paint"].shape) < 0.3)
    got = rh.run(
        study(
            tmp_path,
            probes,
            {"training": "training.csv", "probes": "probes.csv"},
            rows(training),
            hypotheses={"red paint": RED, "flags": FLAGS, "slope": "slope"},
            values={"weights": {"red paint": 2, "flags": 1, "slope": 3}, "source": "a test"},
            agent={"prior": "values"},
        )
    )
    rewards = {"red paint": 200.0 * probes["red_paint"], "flags": 200.0 * probes["flags"], "slope": probes["slope"]}
    said = {"red paint": training["red_paint"], "flags": training["flags"], "slope": training["slope"] > 0}
    by_probes = np.array([log_probes(rewards[n], probes["chosen"]) for n in rewards])
    by_labels = np.array([log_labels(int((said[n] != training["is_pad"]).sum()), said[n].size) for n in rewards])
    read = got["agent_reading"]
    assert list(read["log_evidence"].values()) == pytest.approx(by_probes, abs=1e-7)
    for key, evidence in (("with_training", by_probes + by_labels), ("without_training", by_probes)):
        log_weights = np.log([2, 1, 3]) + evidence
        want = np.exp(log_weights - logsumexp(log_weights))
        assert list(read[key]["weights"].values()) == pytest.approx(want, abs=1e-7)
    assert got["agent_weights"] == read["with_training"]["weights"]
    assert read["log_chance"] == pytest.approx(-len(probes["slope"]) * math.log(probes["slope"].shape[1]))
    assert got["risk"] is None and read["with_training"]["risk"] is None


def test_risk_and_distance_follow_from_the_weights(tmp_path):
    got = rh.run(study(tmp_path, probes_of(np.random.default_rng(3), 6, beta=1.0)))
    read, names = got["agent_reading"], got["hypotheses"]
    judge = np.array([got["weights"][n] for n in names])
    matrix = np.array([[got["matrix"][a][b] for b in names] for a in names])
    for key in ("with_training", "without_training"):
        w = np.array([read[key]["weights"][n] for n in names])
        assert read[key]["risk"] == pytest.approx(w @ matrix @ judge)
        for prior, foil in (("uniform", [0.5, 0.5]), ("simplicity", [0.5, 0.5]), ("values", judge)):
            assert read[key]["distance"][prior]["total_variation"] == pytest.approx(abs(w - foil).sum() / 2)
            assert read[key]["distance"][prior]["bits"] == pytest.approx((w * np.log2(w / foil)).sum(), abs=1e-12)
    assert got["risk"]["mean"] == pytest.approx(read["with_training"]["risk"])
    # endless training of this kind: it is silent between the two, and the agent's choices stay as they are
    assert got["risk"]["limit"] == pytest.approx(got["risk"]["mean"])
    assert got["risk_by_agent_prior"]["uniform"] == pytest.approx(np.array([0.5, 0.5]) @ matrix @ judge)
    assert rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))["agent_reading"] is None


def test_a_reward_with_weights_beside_named_ones(tmp_path):
    """As rh.fit has it on all feedback at once, and risks that are finite; the judge holds no such reward."""
    probes = probes_of(np.random.default_rng(4), 40, beta=1.5)
    got = rh.run(study(tmp_path, probes, agent={"hypotheses": {"mix": MIX, "flags": FLAGS}}))
    labels = {"red_paint": [True, False] * 10, "flags": [True, False] * 10, "slope": [0.5, 2.5] * 10}
    hypotheses = {"red paint": RED, "flags": FLAGS, "mix": rh.Linear(["red_paint", "flags"], source="a test")}
    training = rh.Labels(labels | {"is_pad": labels["flags"]}, "is_pad", noise=(1, 19))
    choices = rh.Choices(dataset(probes), "chosen", name="agent_choices")
    whole = rh.fit(hypotheses, rh.Uniform("a test"), [training, choices], 0, random_seed=1)
    alone = rh.fit(hypotheses, rh.Uniform("a test"), [choices], 0, random_seed=2)
    for key, tree in (("with_training", whole), ("without_training", alone)):
        w = tree["evidence"]["weight"].to_numpy()
        error = 5 * math.sqrt(2) * float(tree["evidence"]["mcse"].max()) * w * (1 - w) + 1e-9
        assert (np.abs(np.array(list(got["agent_reading"][key]["weights"].values())) - w) < error).all()
    assert list(got["agent_weights"]) == ["red paint", "flags", "mix"] and list(got["weights"]) == [
        "red paint",
        "flags",
    ]
    assert list(got["matrix"]) == ["red paint", "flags", "mix"] and list(got["matrix"]["mix"]) == ["red paint", "flags"]
    assert got["risk"]["mcse"] > 0 and 0 < got["risk"]["mean"] < 1
    assert (
        got["agent_reading"]["with_training"]["distance"]["uniform"]["bits"] is None
    )  # infinite: it holds a reward of its own
    judge = rh.fit(
        {"red paint": RED, "flags": FLAGS},
        rh.Elicited({"flags": 8, "red paint": 1}, "a test", 20),
        [training],
        0,
        random_seed=1,
    )
    test = rh.read_table(tmp_path / "test.csv")
    risk = rh.catastrophe_risk(judge, test, agent=whole)
    assert float(risk["mean"]) == pytest.approx(
        got["risk"]["mean"], abs=5 * (float(risk["mcse"]) + got["risk"]["mcse"])
    )


def test_a_family_that_judge_and_agent_hold(tmp_path):
    """What the agent's choices say of its weights is said of the agent alone."""
    changes = {
        "hypotheses": {"red paint": RED, "mix": MIX},
        "values": {"weights": {"red paint": 1, "mix": 1}, "source": "a test"},
    }
    got = rh.run(study(tmp_path, probes_of(np.random.default_rng(5), 30), **changes))
    assert list(got["agent_weights"]) == ["red paint", "mix", "the agent's mix"]
    assert got["agent_weights"]["mix"] == 0 < got["agent_weights"]["the agent's mix"]
    assert got["matrix"]["mix"] != got["matrix"]["the agent's mix"]


def test_boltzmann_of_inferred_rationality(tmp_path):
    """By quad; and in Python from a tree, by draws, within its Monte Carlo error."""
    probes = probes_of(np.random.default_rng(6), 25, beta=1.0)
    policy = {"name": "boltzmann", "beta": "inferred"}
    got = rh.run(study(tmp_path, probes, agent={"policy": policy}))
    reward = 200.0 * probes["red_paint"]
    s = math.sqrt(reward.var(axis=1).mean())

    def log_joint(t):
        z = math.exp(t) * reward / s
        return float((z[probes["chosen"]] - logsumexp(z, axis=1)).sum()) - t * t / 2 - math.log(2 * math.pi) / 2

    evidence = log_quad(log_joint)

    def mean(of):
        return quad(lambda t: of(math.exp(t)) * math.exp(log_joint(t) - evidence), -8, 5, limit=400, epsrel=1e-9)[0]

    of_red = mean(lambda beta: math.exp(200 * beta / s) / (math.exp(200 * beta / s) + 2))  # of three sites one is red
    assert got["matrix"]["red paint"]["flags"] == pytest.approx(1 - (1 - of_red) / 2, abs=2e-6)  # kept at 257 nodes
    known = got["agent_reading"]["rationality"]["agent_choices_rationality"]["red paint"]
    assert known["mean"] == pytest.approx(mean(lambda beta: beta), abs=1e-6)
    assert known["sd"] == pytest.approx(math.sqrt(mean(lambda beta: (beta - known["mean"]) ** 2)), abs=1e-5)
    inside = quad(lambda t: math.exp(log_joint(t) - evidence), math.log(known["lower"]), math.log(known["upper"]))[0]
    assert inside == pytest.approx(0.95, abs=2e-3)
    hypotheses = {"red paint": RED, "flags": FLAGS}
    agent = rh.fit(hypotheses, rh.Uniform("x"), [rh.Choices(dataset(probes), "chosen")], 0)
    labels = {"red_paint": [True, False], "flags": [True, False], "is_pad": [True, False]}
    judge = rh.fit(
        hypotheses, rh.Elicited({"flags": 8, "red paint": 1}, "x"), [rh.Labels(labels, "is_pad", noise=(1, 19))], 0
    )
    test = rh.read_table(tmp_path / "test.csv")
    risk = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent)
    without = got["agent_reading"]["without_training"]["risk"]
    assert 0 < float(risk["mcse"]) < 0.01
    assert float(risk["mean"]) == pytest.approx(without, abs=5 * float(risk["mcse"]))
    assert got["risk"]["mcse"] == 0
    for agents in (None, rh.Uniform(), judge):
        with pytest.raises(rh.InputError, match="read from the agent's own choices"):
            rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agents)
    fixed = rh.fit(hypotheses, rh.Uniform("x"), [rh.Choices(dataset(probes), "chosen", rationality=1.3)], 0)
    beta = 1.3 * float(np.sqrt((200.0**2) * 2 / 9)) / s  # s of the test, where one of three sites is red, instead
    stored = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), fixed)["matrix"].to_numpy()[0]
    given = rh.catastrophe_risk(judge, test, rh.Boltzmann(beta), fixed)["matrix"].to_numpy()[0]
    assert stored == pytest.approx(given, abs=1e-12)


def test_who_follows_no_hypothesis_is_found_out(tmp_path):
    """Agents that go by something else are flagged; of those that go by a hypothesis, few are."""
    rng = np.random.default_rng(15)
    flagged = {"slope": 0, "red_paint": 0}
    for follow in flagged:
        for k in range(10):
            folder = tmp_path / f"{follow}{k}"
            folder.mkdir()
            tables = {"training": "training.csv", "probes": "probes.csv"}
            got = rh.run(study(folder, probes_of(rng, 50, 3, follow, 2.0), tables))
            said = got["agent_reading"]["warnings"]
            assert all(w in got["warnings"] for w in said)
            flagged[follow] += any("no hypothesis" in w or "may fit" in w for w in said)
    assert flagged["slope"] == 10
    assert flagged["red_paint"] <= 3  # at 1 in 100 each, four or more of ten come in 2 of a million
