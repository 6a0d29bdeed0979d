"""Risk in MDPs against enumerated paths and policies; planning and acting by name; what is refused."""

import math
import re

import numpy as np
import oracles_mdp as oracle
import pytest

import reward_hypotheses as rh

REWARDS = {"x": "x", "y": "y", "mix": "x - y", "minus": "-x"}
LINE = {"x": -0.3, "y": 0.5, "mix": "0.1 * b", "minus": -0.5}


def refused(*wants):
    return pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants))


def a_case(seed):
    rng = np.random.default_rng(seed)
    p = oracle.random_mdp(rng)
    states = oracle.states_of(rng, p.shape[1]) | {"b": rng.normal(size=p.shape[1])}
    labels = {c: rng.normal(size=6) for c in ("x", "y", "b")} | {"good": rng.random(6) < 0.5}
    prior = rh.Elicited({"x": 3, "y": 2, "mix": 1, "minus": 1}, "a test", strength=10)
    tree = rh.fit(REWARDS, prior, [rh.Labels(labels, "good", noise=(1, 4))], LINE, draws=50, chains=2)
    return rng, p, states, rh.MDP(states, p, 0.9), tree


def rewards_and_lines(states):
    x, y, b = states["x"], states["y"], states["b"]
    return [x, y, x - y, -x], [np.full(len(x), -0.3), np.full(len(x), 0.5), 0.1 * b, np.full(len(x), -0.5)]


def best_policy(p, r, g):
    q = oracle.optimal_q(p, r, g)
    best = q >= q.max(axis=1, keepdims=True) - 1e-9 * np.abs(q).max()
    return best / best.sum(axis=1, keepdims=True)


def by_paths(p, policy, start, steps, bad):
    ever, often = 0.0, 0.0
    for path, chance in oracle.paths(p, policy, start, steps):
        hits = sum(bool(bad[s]) for s in path)
        ever, often = ever + chance * (hits > 0), often + chance * hits
    return ever, often


@pytest.mark.parametrize("seed", range(12))
def test_against_paths(seed):
    rng, p, states, mdp, tree = a_case(seed)
    start, steps = rng.dirichlet(np.ones(mdp.n_states)), int(rng.integers(1, 5))
    r, u = rewards_and_lines(states)
    policies = {
        rh.Commit(): [best_policy(p, one, 0.9) for one in r],
        rh.MostProbable(): [best_policy(p, one, 0.9) for one in r],
        rh.Boltzmann(1.5): [],
    }
    for one in r:
        unit = np.std(one) if np.ptp(one) > 0 else abs(one[0]) * (p.sum(axis=2) == 0).any()
        z = 1.5 * oracle.optimal_q(p, one, 0.9) / unit if unit else np.zeros((len(one), len(p)))
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        policies[rh.Boltzmann(1.5)].append(odds / odds.sum(axis=1, keepdims=True))
    w = tree["evidence"]["weight"].values
    for policy, acts in policies.items():
        got = rh.catastrophe_risk(tree, mdp, policy, start=start, horizon=steps)
        mixed = (w >= w.max() * (1 - 1e-9)) / (w >= w.max() * (1 - 1e-9)).sum() if policy.name[0] == "m" else w
        c = np.array([[by_paths(p, act, start, steps, r[j] < u[j]) for j in range(4)] for act in acts])
        assert got["matrix"].values == pytest.approx(c[:, :, 0], abs=1e-12)
        assert got["steps_matrix"].values == pytest.approx(c[:, :, 1], abs=1e-12)
        assert got["by_truth"].values == pytest.approx(mixed @ c[:, :, 0], abs=1e-12)
        assert got["by_agent"].values == pytest.approx(c[:, :, 0] @ w, abs=1e-12)
        assert float(got["mean"]) == pytest.approx(mixed @ c[:, :, 0] @ w, abs=1e-12)
        assert float(got["steps"]) == pytest.approx(mixed @ c[:, :, 1] @ w, abs=1e-12)
        ever = 1 - (1 - c[:, :, 0]) ** 10
        assert float(got["at_least_one"].sel(deployments=10)) == pytest.approx(mixed @ ever @ w, abs=1e-12)
        assert float(got["lower"]) <= float(got["mean"]) <= float(got["upper"])
    mean = sum(a * b for a, b in zip(w, r, strict=True))
    got = rh.catastrophe_risk(tree, mdp, rh.Expected(), start=start, horizon=steps)
    want = [by_paths(p, best_policy(p, mean, 0.9), start, steps, r[j] < u[j])[0] for j in range(4)]
    assert got["by_truth"].values == pytest.approx(want, abs=1e-12)
    assert np.isnan(got["value_bits"]).all() and np.isnan(got["limit"])


def test_the_essays_thesis_on_foot():
    """A corridor whose two ends look alike where people walked: flags at one end, red paint at the other."""
    states = {"flags": [1.0, 0, 0, 0, 0], "red": [0.0, 0, 0, 0, 1]}
    move = np.zeros((2, 5, 5))
    move[0, np.arange(5), np.maximum(np.arange(5) - 1, 0)] = 1
    move[1, np.arange(5), np.minimum(np.arange(5) + 1, 4)] = 1
    mdp = rh.MDP(states, move, 0.9, actions=["left", "right"])
    given = {"flags": "100 * flags - 100 * red", "red": "100 * red - 100 * flags"}
    training = {"flags": [1, 0], "red": [1, 0], "pad": [True, False]}
    prior = rh.Elicited({"flags": 8, "red": 1}, "a test")
    tree = rh.fit(given, prior, [rh.Labels(training, "pad", noise=(1, 19))], -50)
    assert tree["evidence"]["silent_class"].values.tolist() == [0, 0]
    got = rh.catastrophe_risk(tree, mdp, start=2, horizon=10)
    assert got["matrix"].values.tolist() == [[0, 1], [1, 0]]
    assert float(got["mean"]) == pytest.approx(2 * 8 / 81) == pytest.approx(float(got["limit"]))
    h = -0.01 * math.log2(0.01) - 0.99 * math.log2(0.99)
    assert float(got["value_bits"].sel(target=0.01)) == pytest.approx(1 - h, abs=1e-9)
    assert float(got["steps_matrix"].sel(agent_hypothesis="red", true_hypothesis="flags")) == 8
    assert float(rh.catastrophe_risk(tree, mdp, start=2, horizon=2)["mean"]) == 0
    v = 100 * 0.9**2 / 0.1
    assert got["returns"].values == pytest.approx(np.array([[v, -v], [-v, v]]))
    assert float(got["regret"]) == pytest.approx(2 * v * 2 * 8 / 81)
    demos = rh.Demonstrations(mdp, rh.demonstrate(mdp, given["flags"], beta=2.0, n=3, steps=10, start=2))
    more = rh.fit(given, prior, [rh.Labels(training, "pad", noise=(1, 19)), demos], -50)
    assert float(rh.catastrophe_risk(more, mdp, start=2, horizon=10)["mean"]) < 1e-3
    agent = rh.catastrophe_risk(tree, mdp, agent=more, start=2, horizon=10)
    assert float(agent["mean"]) == pytest.approx(1 / 9, abs=1e-3) and np.isnan(agent["limit"])
    other = rh.fit({"both": "flags + red"}, rh.Uniform("a test"), [rh.Labels(training, "pad", noise=0.1)], 0.5)
    wide = rh.catastrophe_risk(tree, mdp, agent=other, start=2, horizon=10)
    assert wide["matrix"].shape == (1, 2) and wide["matrix"].values[0] == pytest.approx([0.5, 0.5])


def test_planning_by_name():
    states, moves = rh.gridworld(["...G"], {"G": "gold"}, ends="G")
    mdp = rh.MDP(states, moves, 0.5)
    found = rh.plan(mdp, "gold")
    assert found["v"].sel(state="0,0") == pytest.approx(0.125)
    assert found["policy"].sel(state="0,1", action="right") == 1
    assert (found["policy"].sel(state="0,3") == 0.25).all()
    made = rh.occupancy(mdp, found, start="0,0")
    assert float((made.sum("action") * mdp.states["gold"]).sum()) == pytest.approx(0.125)
    assert float(rh.occupancy(mdp, found, "0,0", horizon=3).sum()) == 3
    walks = rh.demonstrate(mdp, "gold", beta=1e6, n=2, steps=9, start="0,0")
    assert [s for s, _ in walks[0]] == ["0,0", "0,1", "0,2", "0,3"]
    noisy = rh.plan(mdp, lambda d: d["gold"] * 1.0, beta=2.0, planner="soft")
    assert float(noisy["v"].sel(state="0,0")) > 0.125 and noisy["policy"].sum("action").values == pytest.approx(
        np.ones(4)
    )
    assert (rh.plan(mdp, np.zeros(4), beta=3.0)["policy"] == 0.25).all()


WORLD = rh.MDP({"x": [0.0, 1.0]}, np.stack([np.eye(2), 1 - np.eye(2)]), 0.9)
TREE = rh.fit({"x": "x"}, rh.Uniform("a test"), [rh.Labels({"x": [0, 1], "l": [0, 1]}, "l", noise=0.1)], 0.5)
BAD = {
    "no horizon": (lambda: rh.catastrophe_risk(TREE, WORLD), ["horizon: missing"]),
    "a horizon of 0": (lambda: rh.catastrophe_risk(TREE, WORLD, horizon=0), ["horizon: 0", "from 1 on"]),
    "a start that there is not": (lambda: rh.catastrophe_risk(TREE, WORLD, horizon=2, start=5), ["start: state 5"]),
    "abstaining": (lambda: rh.catastrophe_risk(TREE, WORLD, rh.Commit(abstain=True), horizon=2), ["cannot refrain"]),
    "a horizon of a table": (lambda: rh.catastrophe_risk(TREE, {"x": [1.0]}, horizon=2), ["horizon", "of an MDP"]),
    "a feature that it lacks": (
        lambda: rh.catastrophe_risk(TREE, rh.MDP({"y": [0.0]}, np.ones((1, 1, 1)), 0.5), horizon=1),
        ["no column 'x'"],
    ),
    "an MDP where a table is asked": (lambda: rh.value_bits(TREE, WORLD), ["test: an MDP", "rh.catastrophe_risk"]),
    "a policy that is none": (lambda: rh.occupancy(WORLD, [[1, 1], [0, 1]]), ["policy: in state '0'", "add up to 1"]),
    "a policy of another shape": (lambda: rh.occupancy(WORLD, [1, 1]), ["policy: shape (2,)", "(2, 2)"]),
    "a reward of another shape": (lambda: rh.plan(WORLD, [1.0]), ["reward: an array of shape (1,)", "2 states"]),
    "a reward that is none": (lambda: rh.plan(WORLD, "z"), ["no column 'z'"]),
    "soft without beta": (lambda: rh.plan(WORLD, "x", planner="soft"), ["beta: None"]),
    "another planner": (lambda: rh.plan(WORLD, "x", planner="hard"), ["planner: 'hard'"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, wants = BAD[case]
    with refused(*wants):
        make()
