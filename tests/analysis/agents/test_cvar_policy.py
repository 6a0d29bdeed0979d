"""Hedging policies of MDPs: against the game between policies and weights of the samples, and closed forms."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

import reward_hypotheses as rh


def random_mdp(rng, states=3, actions=2, ends=False):
    transitions = rng.dirichlet(np.ones(states), size=(actions, states))
    if ends:
        transitions[:, -1] = 0
    return rh.MDP({"x": np.arange(states)}, transitions, 0.8), transitions


def occupancies(transitions, discount, start):
    """Of every deterministic policy: (policy, state, action)."""
    actions, states, _ = transitions.shape
    found = []
    for policy in itertools.product(range(actions), repeat=states):
        p = np.array([transitions[policy[s], s] for s in range(states)])
        visits = np.linalg.solve(np.eye(states) - discount * p.T, start)
        found.append(np.array([[visits[s] * (policy[s] == a) for a in range(actions)] for s in range(states)]))
    return np.array(found)


def worst_weights(weights, tail):
    """Corners of {q: 0 <= q <= w / tail, sum q = 1}: filled in every order."""
    corners = set()
    for order in itertools.permutations(range(len(weights))):
        q, left = [0.0] * len(weights), 1.0
        for k in order:
            q[k] = min(weights[k] / tail, left)
            left -= q[k]
        corners.add(tuple(np.round(q, 12)))
    return np.array(sorted(corners))


def game(returns, weights, mean_weight, tail):
    """max over mixtures of deterministic policies of min over q of the objective, by another program."""
    corners = worst_weights(weights, tail)
    gains = mean_weight * (weights @ returns)[None] + (1 - mean_weight) * corners @ returns  # (corner, policy)
    n = gains.shape[1]
    solved = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.hstack([-gains, np.ones((len(gains), 1))]),
        b_ub=np.zeros(len(gains)),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, 1)] * n + [(None, None)],
    )
    return -solved.fun


@pytest.mark.parametrize("seed", range(24))
def test_against_the_game(seed):
    rng = np.random.default_rng(seed)
    mdp, transitions = random_mdp(rng, ends=seed % 3 == 0)
    rewards, weights = rng.normal(size=(4, 3, 2)), rng.dirichlet(np.ones(4))
    start = rng.dirichlet(np.ones(3))
    mean_weight, tail = rng.choice([0.0, 0.3, 1.0]), rng.choice([0.05, 0.4, 1.0])
    found = rh.cvar_policy(mdp, rewards, 7 * weights, mean_weight, tail, start)
    corners = occupancies(transitions, 0.8, start)
    returns = np.einsum("ksa,psa->kp", rewards, corners)
    want = game(returns, weights, mean_weight, tail)
    got = mean_weight * float(found["mean"]) + (1 - mean_weight) * float(found["cvar"])
    assert got == pytest.approx(want, abs=1e-7)
    occupancy = found["occupancy"].values
    np.testing.assert_allclose(found["returns"], np.einsum("ksa,sa->k", rewards, occupancy), atol=1e-9)
    assert float(found["mean"]) == pytest.approx(float(weights @ found["returns"].values))
    assert (worst_weights(weights, tail) @ found["returns"].values).min() == pytest.approx(
        float(found["cvar"]), abs=1e-9
    )
    if seed % 3:
        assert occupancy.sum() == pytest.approx(1 / (1 - 0.8))
    again = rh.occupancy(mdp, found["policy"].values, start)
    np.testing.assert_allclose(again, occupancy, atol=1e-7)


def test_of_one_sample_it_is_the_optimal_policy():
    mdp = rh.MDP(*rh.gridworld(["A..B", ".##.", "...."], {"A": "a", "B": "b"}), 0.9)
    worth = mdp.table.columns["a"].values + 0.5 * mdp.table.columns["b"].values
    found = rh.cvar_policy(mdp, worth[None], start="2,1")
    best = rh.plan(mdp, "a + 0.5*b")["v"].sel(state="2,1")
    assert float(found["mean"]) == pytest.approx(float(best), rel=1e-9) == float(found["cvar"])


def test_it_hedges_between_paint_and_flags():
    """Two pads as far away, one right under each hypothesis, and level ground that is neither: the tail stays away from both."""
    mdp = rh.MDP(
        *rh.gridworld(["R.S.F", "##O##"], {"R": "red", "F": "flags", "O": "ground", "S": "start"}, ends="RFO"), 0.9
    )
    red, flags, ground = (mdp.table.columns[name].values for name in ("red", "flags", "ground"))
    rewards = np.array([10.0 * red - 10.0 * flags + ground, 10.0 * flags - 10.0 * red + ground])
    state = mdp.table.columns["start"].values.argmax()
    name = mdp.state.name(int(state))
    greedy = rh.cvar_policy(mdp, rewards, [2, 1], mean_weight=1.0, start=name)
    wary = rh.cvar_policy(mdp, rewards, [2, 1], mean_weight=0.0, tail=0.1, start=name)
    assert greedy["returns"].values == pytest.approx([8.1, -8.1]) and float(greedy["cvar"]) == pytest.approx(-8.1)
    assert wary["returns"].values == pytest.approx([0.9, 0.9]) and float(wary["mean"]) == pytest.approx(0.9)


MDP = rh.MDP({"x": [0, 1]}, np.full((2, 2, 2), 0.5), 0.5)
GOOD = np.zeros((3, 2, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, GOOD), "mdp: a NoneType; give an rh.MDP"),
        ((MDP, "x"), "rewards: 'x'; give numbers"),
        ((MDP, np.zeros((3, 2, 3))), r"rewards: shape \(3, 2, 3\); give \(sample, state, action\)"),
        ((MDP, np.zeros((0, 2, 2))), "rewards: shape"),
        (
            (MDP, np.where(np.arange(4).reshape(1, 2, 2) == 2, np.nan, 0)),
            "not finite in sample 0, state '1', action '0'",
        ),
        ((MDP, GOOD, [1, 2]), "weights: give one a sample of the 3"),
        ((MDP, GOOD, [1, -1, 1]), "weights: give one"),
        ((MDP, GOOD, ["a", 1, 1]), "weights: .*; give a number a sample"),
        ((MDP, GOOD, None, 1.5), "mean_weight: 1.5; give a share, from 0 up to 1"),
        ((MDP, GOOD, None, 0.5, 0), "tail: 0; give a share, above 0 and up to 1"),
        ((MDP, GOOD, None, 0.5, 0.1, "far"), "start: state 'far'"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(rh.InputError, match=words):
        rh.cvar_policy(*arguments)
