"""Rewards that are the same in every state of an MDP: a scale where episodes end, and chance where none does."""

import math

import numpy as np
import oracles_mdp as oracle
import pytest

import reward_hypotheses as rh

SOURCE = "a test"


def linear(features):
    return rh.Linear(features, prior="sphere", source=SOURCE)


def fitted(hypotheses, feedback, line=0.0, **options):
    return rh.fit(hypotheses, rh.Uniform(SOURCE), feedback, line, random_seed=1, **options)


def corridor(end, n=4):
    p = np.zeros((2, n, n))
    p[0, np.arange(n), np.maximum(np.arange(n) - 1, 0)] = 1
    p[1, np.arange(n), np.minimum(np.arange(n) + 1, n - 1)] = 1
    if end:
        p[:, -1] = 0
    return p, rh.MDP({"place": np.arange(float(n)), "one": np.ones(n)}, p, 0.9)


STEPS = [(0, 1), (1, 1), (2, 0), (1, 1), (2, 1)]


@pytest.mark.parametrize("planner", ["optimal", "soft"])
@pytest.mark.parametrize("scale", ["unit", "raw"])
def test_a_time_penalty_has_a_scale_where_episodes_end(planner, scale):
    p, mdp = corridor(end=True)
    listed = {"-1": "-one", "-5": "-5 * one", "2": "2 * one", "0": "0 * one"}
    made = rh.Demonstrations(mdp, [STEPS], rationality=1.3, planner=planner, scale=scale)
    tree = fitted(listed, [made], draws=50)
    got, classes = tree["evidence"]["log_evidence"].values, tree["evidence"]["silent_class"].values.tolist()
    assert classes == ([0, 0, 1, 2] if scale == "unit" else [0, 1, 2, 3])
    for value, level in zip(got, (-1.0, -5.0, 2.0, 0.0), strict=True):
        r = np.full(4, np.sign(level) if scale == "unit" else level)
        q = oracle.optimal_q(p, r, 0.9) if planner == "optimal" else oracle.soft_q(p, r, 0.9, 1.3)
        want = oracle.log_likelihood(q if level else 0 * q, STEPS, 1.3)
        assert value == pytest.approx(want, abs=1e-10)
    assert got[0] > got[3] > got[2]
    wanted = [1.0, 5.0, 2.0, 0.0] if scale == "unit" else [1.0] * 4
    assert tree["constant_data"]["demonstrations_scale"].values.tolist() == wanted


def test_where_no_episode_ends_it_stays_at_chance():
    _, mdp = corridor(end=False)
    with pytest.warns(UserWarning, match="demonstrations: no hypothesis makes one action better"):
        tree = fitted({"-1": "-one", "0": "0 * one"}, [rh.Demonstrations(mdp, [STEPS])], draws=50)
    assert tree["evidence"]["log_evidence"].values == pytest.approx([5 * math.log(0.5)] * 2, abs=1e-12)
    assert (rh.plan(mdp, "-one", beta=2.0)["policy"] == 0.5).all()


def test_an_intercept_is_a_time_penalty():
    """A family of one constant is -1 or 1 with equal chances on the sphere: the mean of both likelihoods."""
    p, mdp = corridor(end=True)
    made = rh.Demonstrations(mdp, [STEPS], rationality=1.3)
    found = fitted({"m": linear(["1"])}, [made])["evidence"].to_dataset().isel(hypothesis=0)
    each = [oracle.log_likelihood(oracle.optimal_q(p, np.full(4, r), 0.9), STEPS, 1.3) for r in (-1.0, 1.0)]
    want = np.logaddexp(*each) - math.log(2)
    assert float(found["log_evidence"]) == pytest.approx(want, abs=5 * float(found["mcse"]) + 1e-6)


def test_one_action_says_nothing():
    mdp = rh.MDP({"place": [0.0, 1.0, 2.0]}, [[[0, 1, 0], [0, 0, 1], [0, 0, 0]]], 0.9)
    for planner in ("optimal", "soft"):
        with pytest.warns(UserWarning, match="the MDP has a single action"):
            tree = fitted(
                {"m": linear(["place"]), "a": "place"}, [rh.Demonstrations(mdp, [[(0, 0), (1, 0)]], planner=planner)]
            )
        assert tree["evidence"]["log_evidence"].values.tolist() == [0.0, 0.0]


def test_agents_hurry_under_a_time_penalty():
    """Boltzmann in an MDP: chance of entering the pit at the left end, by the policy of an independent planner."""
    p, mdp = corridor(end=True)
    q = oracle.optimal_q(p, np.full(4, -1.0), 0.9)
    policy = np.exp(1.5 * q) / np.exp(1.5 * q).sum(axis=1, keepdims=True)
    assert rh.plan(mdp, "-3 * one", beta=1.5)["policy"].values == pytest.approx(policy, abs=1e-12)
    table = {"place": [0.0, 3.0], "one": [1.0, 1.0], "good": [False, True]}
    tree = fitted(
        {"hurry": "-3 * one", "right": "place"}, [rh.Labels(table, "good", noise=(1, 9))], {"hurry": -9, "right": 0.5}
    )
    got = rh.catastrophe_risk(tree, mdp, policy=rh.Boltzmann(1.5), start=1, horizon=3)
    ever = sum(c for path, c in oracle.paths(p, policy, np.eye(4)[1], 3) if 0 in path)
    assert float(got["matrix"].sel(agent_hypothesis="hurry", true_hypothesis="right")) == pytest.approx(ever, abs=1e-12)
