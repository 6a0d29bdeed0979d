"""MDPs: what is read and refused; planners and occupancies against enumeration."""

import math
import re

import numpy as np
import oracles_mdp as oracle
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import reward_hypotheses as rh
from reward_hypotheses.models.mdp import occupancy, planning
from reward_hypotheses.models.mdp.transitions import Transitions


def refused(*wants):
    return pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants))


def ring(n, g=0.9):
    """A ring of states: action 0 stays, action 1 goes on."""
    p = np.stack([np.eye(n), np.roll(np.eye(n), 1, axis=1)])
    return rh.MDP({"x": np.arange(float(n))}, p, g)


def a_grid(n, slip, rng):
    """A square of cells, moves that slip; band n."""
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    p = np.zeros((4, n * n, n * n))
    for i in range(n):
        for j in range(n):
            for a in range(4):
                for b in range(4):
                    x, y = i + steps[b][0], j + steps[b][1]
                    x, y = (x, y) if 0 <= x < n and 0 <= y < n else (i, j)
                    p[a, i * n + j, x * n + y] += 1 - slip if a == b else slip / 3
    return p[:, rng.permutation(n * n)][:, :, rng.permutation(n * n)]


@pytest.mark.parametrize("seed", range(24))
def test_optimal_against_every_policy(seed):
    rng = np.random.default_rng(seed)
    episodic = seed % 4 == 0
    p = oracle.random_episodic(rng) if episodic else oracle.random_mdp(rng)
    g = 1.0 if episodic else float(rng.choice([0.0, 0.5, 0.9, 0.999]))
    mdp = rh.MDP(oracle.states_of(rng, p.shape[1]), p, g)
    rewards = rng.normal(size=(3, p.shape[1])) * 10 ** rng.uniform(-3, 3)
    found = planning.optimal(mdp, rewards)
    for r, q, v in zip(rewards, found.q, found.v, strict=True):
        want = oracle.optimal_q(p, r, g)
        assert np.abs(q - want).max() <= 1e-11 * np.abs(want).max()
        assert np.abs(v - want.max(axis=1)).max() <= 1e-11 * np.abs(want).max()


@pytest.mark.parametrize("seed", range(20))
def test_soft_against_value_iteration(seed):
    rng = np.random.default_rng(50 + seed)
    p = oracle.random_mdp(rng)
    g, beta = float(rng.choice([0.0, 0.5, 0.9])), float(np.exp(rng.normal() * 2))
    mdp = rh.MDP(oracle.states_of(rng, p.shape[1]), p, g)
    r = rng.normal(size=p.shape[1])
    found = planning.soft(mdp, beta * r[None]).q[0] / beta
    want = oracle.soft_q(p, r, g, beta)
    assert np.abs(found - want).max() <= 1e-10 * max(np.abs(want).max(), 1 / beta)
    again = planning.soft(mdp, beta * r[None], rng.normal(size=(1, len(r))) * 10).q[0] / beta  # from a bad guess
    assert np.abs(again - want).max() <= 1e-10 * max(np.abs(want).max(), 1 / beta)


def test_soft_does_not_overflow():
    """At ``beta V = 1e5`` and beyond, where a noisy choice is all but the best one."""
    rng = np.random.default_rng(1)
    p = oracle.random_mdp(rng, ends=False)
    mdp = rh.MDP(oracle.states_of(rng, p.shape[1]), p, 0.99)
    r = rng.normal(size=p.shape[1])
    for beta in (1e-6, 1e3, 1e5, 1e9):
        with np.errstate(over="raise", invalid="raise"):
            q = planning.soft(mdp, beta * r[None]).q[0] / beta
        assert np.isfinite(q).all()
        if beta >= 1e5:
            assert np.abs(q - planning.optimal(mdp, r[None]).q[0]).max() < 2 * math.log(3) / beta / 0.01


def test_soft_and_optimal_meet_where_nothing_is_chosen():
    """With one action there is nothing to be noisy about."""
    p = np.array([[[0.5, 0.5], [0.2, 0.8]]])
    mdp = rh.MDP({"x": [0.0, 1.0]}, p, 0.9)
    r = np.array([[1.0, -2.0]])
    assert planning.soft(mdp, r).v == pytest.approx(planning.optimal(mdp, r).v, rel=1e-13)


@pytest.mark.parametrize("n", [4, 9, 12])
def test_planning_along_a_band_is_planning_as_a_whole(n, monkeypatch):
    from reward_hypotheses.models.mdp import transitions

    rng = np.random.default_rng(n)
    p = a_grid(n, 0.2, rng)
    p[:, rng.integers(n * n)] = 0.0
    rewards = rng.normal(size=(5, n * n))
    policies = rng.dirichlet(np.ones(4), (5, n * n))
    answers = []
    for share in (0.0, 2.0):
        monkeypatch.setattr(transitions, "BAND", share)
        mdp = rh.MDP({"x": np.arange(float(n * n))}, p, 0.97)
        solved = [mdp.transitions.solve(policies, 0.97, rewards, transposed) for transposed in (False, True)]
        answers.append(np.concatenate([planning.optimal(mdp, rewards).v, planning.soft(mdp, rewards).v, *solved]))
    assert np.abs(answers[0] - answers[1]).max() <= 1e-11 * np.abs(answers[0]).max()
    under = np.einsum("ksa,ast->kst", policies, p)
    plain = np.array([np.linalg.solve(np.eye(n * n) - 0.97 * u.T, r) for u, r in zip(under, rewards, strict=True)])
    assert np.abs(solved[1] - plain).max() <= 1e-11 * np.abs(plain).max()


def test_states_far_apart_are_ordered_near():
    rng = np.random.default_rng(0)
    order = rng.permutation(200)
    p = np.zeros((1, 200, 200))
    p[0, order[:-1], order[1:]] = 1.0  # a chain, its states shuffled; the last one ends
    mdp = rh.MDP({"x": np.arange(200.0)}, p, 1.0)
    assert mdp.transitions.order[1] == 1
    assert planning.optimal(mdp, np.ones((1, 200))).v[0][order] == pytest.approx(np.arange(200, 0, -1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-50, 50))
def test_values_move_with_their_units(seed, a, b):
    """``a r + b`` is worth ``a V + b / (1 - g)`` where no episode ends, and the same is best."""
    rng = np.random.default_rng(seed)
    p = oracle.random_mdp(rng, ends=False)
    mdp = rh.MDP(oracle.states_of(rng, p.shape[1]), p, 0.8)
    r = rng.normal(size=p.shape[1])
    q, moved = planning.optimal(mdp, np.array([r, a * r + b])).q
    assert moved == pytest.approx(a * q + b / 0.2, rel=1e-9, abs=1e-9 * (a + abs(b)))


@pytest.mark.parametrize("seed", range(20))
def test_occupancies_against_paths(seed):
    rng = np.random.default_rng(80 + seed)
    p = oracle.random_mdp(rng)
    n = p.shape[1]
    mdp = rh.MDP(oracle.states_of(rng, n), p, 0.9)
    policy, start = rng.dirichlet(np.ones(len(p)), n), rng.dirichlet(np.ones(n))
    bad = rng.random((3, n)) < 0.4
    steps = int(rng.integers(1, 6))
    visits, ever, total = np.zeros(n), np.zeros(3), 0.0
    for path, chance in oracle.paths(p, policy, start, steps):
        total += chance
        for s in path:
            visits[s] += chance
        ever += chance * bad[:, path].any(axis=1)
    assert total == pytest.approx(1)
    assert occupancy.visits(mdp, policy[None], start, steps)[0] == pytest.approx(visits, abs=1e-12)
    assert occupancy.reached(mdp, policy, bad, start, steps) == pytest.approx(ever, abs=1e-12)
    under = np.einsum("sa,ast->st", policy, p)
    forever, now = np.zeros(n), start
    for t in range(800):
        forever, now = forever + 0.9**t * now, now @ under
    assert occupancy.discounted(mdp, policy[None], start)[0] == pytest.approx(forever, rel=1e-10)
    r = rng.normal(size=(2, n))
    returns = occupancy.behaviour(mdp, r, start) @ r.T  # of what is best for each, under each
    assert np.diag(returns) == pytest.approx(planning.optimal(mdp, r).v @ start, rel=1e-10)
    assert (returns.max(axis=0) <= np.diag(returns) + 1e-9).all()


def test_ties_are_split():
    mdp = ring(4)
    plans = planning.optimal(mdp, np.ones((1, 4)))
    assert (planning.greedy(plans.q, plans.error) == 0.5).all()


FORMS = {
    "array": lambda p: p,
    "nested lists": lambda p: p.tolist(),
    "sparse": lambda p: [sparse.csr_matrix(one) for one in p],
    "sparse arrays": lambda p: tuple(sparse.coo_array(one) for one in p),
    "columns": lambda p: dict(
        zip(("action", "state", "next_state", "probability"), (*np.nonzero(p), p[np.nonzero(p)]), strict=True)
    ),
    "DataArray": lambda p: xr.DataArray(p, dims=("action", "state", "next_state")),
}


@pytest.mark.parametrize("form", FORMS)
def test_transitions_in_every_form(form):
    rng = np.random.default_rng(2)
    p = oracle.random_mdp(rng)
    mdp = rh.MDP(oracle.states_of(rng, p.shape[1]), FORMS[form](p), 0.5)
    assert mdp.transitions.dense() == pytest.approx(p, abs=1e-15)
    assert (mdp.transitions.ends == (p.sum(axis=2) == 0)).all()


def test_names():
    states = xr.Dataset({"gold": ("state", [0.0, 1.0])}, coords={"state": ["start", "end"]})
    moves = {"action": ["go", "stay"], "state": ["start"] * 2, "next_state": ["end", "start"], "probability": [1, 1]}
    mdp = rh.MDP(states, moves, 0.9)
    assert mdp.action.names == ("go", "stay") and mdp.ended.tolist() == [False, True]
    assert mdp.states.identical(states.assign_attrs(source="states").astype({"gold": mdp.states["gold"].dtype}))
    assert mdp.start("end").tolist() == [0, 1] and mdp.start({"start": 3, "end": 1}).tolist() == [0.75, 0.25]
    with refused("action 'stya'", "did you mean 'stay'?"):
        mdp.action.place("stya")


def test_a_state_that_ends_by_one_action():
    """Quitting is worth this step's reward alone; staying, all that follow."""
    mdp = rh.MDP({"x": [1.0]}, np.array([[[0.0]], [[1.0]]]), 0.5)
    assert planning.optimal(mdp, np.array([[1.0], [-1.0]])).q.tolist() == [[[1.0, 2.0]], [[-1.0, -1.5]]]
    assert not mdp.ended.any()


def test_discount_of_one_needs_an_end():
    chain = np.zeros((2, 3, 3))
    chain[0, 0, 1] = chain[0, 1, 2] = chain[1, 0, 2] = 1.0
    chain[1, 1, [0, 2]] = 0.5
    assert rh.MDP({"x": [0.0, 1, 2]}, chain, 1).discount == 1
    chain[1, 1] = [1, 0, 0]
    with refused("discount: 1", "around state '0'", "below 1"):
        rh.MDP({"x": [0.0, 1, 2]}, chain, 1)


TWO = {"x": [0.0, 1.0]}
STAY = np.stack([np.eye(2), np.eye(2)])
BAD = {
    "a row that adds up to 0.9": (
        lambda: rh.MDP(TWO, np.stack([np.eye(2), [[0.5, 0.4], [0, 1]]]), 0.9),
        ["action '1' in state '0'", "add up to 0.9;", "must add up to 1, or to 0"],
    ),
    "a negative probability": (
        lambda: rh.MDP(TWO, np.stack([np.eye(2), [[1.5, -0.5], [0, 1]]]), 0.9),
        ["action '1' in state '0', to state '0'", "1.5 is no probability", "from 0 to 1"],
    ),
    "not a number": (
        lambda: rh.MDP(TWO, np.stack([np.eye(2), [[np.nan, 1], [0, 1]]]), 0.9),
        ["action '1' in state '0'", "nan is no probability"],
    ),
    "another shape": (lambda: rh.MDP({"x": [0.0] * 3}, STAY, 0.9), ["shape (2, 2, 2)", "(action, 3, 3)"]),
    "a matrix": (lambda: rh.MDP(TWO, np.eye(2), 0.9), ["shape (2, 2)", "(action, state, next_state)"]),
    "words": (lambda: rh.MDP(TWO, "stay", 0.9), ["transitions: a str"]),
    "a sparse matrix of another shape": (
        lambda: rh.MDP(TWO, [sparse.eye(3)], 0.9),
        ["matrix of action 0 has shape (3, 3)", "(2, 2)"],
    ),
    "a discount above 1": (lambda: rh.MDP(TWO, STAY, 1.1), ["discount: 1.1", "from 0 to 1"]),
    "a discount in words": (lambda: rh.MDP(TWO, STAY, "high"), ["discount: 'high'"]),
    "discount 1 without end": (lambda: rh.MDP(TWO, STAY, 1), ["discount: 1, but", "around state '0'"]),
    "names of too few actions": (lambda: rh.MDP(TWO, STAY, 0.9, actions=["a"]), ["1 names for 2 actions"]),
    "one name for two actions": (lambda: rh.MDP(TWO, STAY, 0.9, actions=["a", "a"]), ["name each action once"]),
    "states named twice": (
        lambda: rh.MDP({"x": [0.0, 1.0], "state": ["a", "a"]}, STAY, 0.9),
        ["state 'a' stands twice", "name each state once"],
    ),
    "states without a feature": (lambda: rh.MDP({"state": ["a", "b"]}, STAY, 0.9), ["no feature"]),
    "states in scenes": (lambda: rh.MDP({"scene": [0, 1], "x": [0.0, 1]}, STAY, 0.9), ["'scene'"]),
    "a Dataset over something else": (
        lambda: rh.MDP(xr.Dataset({"x": ("place", [0.0, 1])}), STAY, 0.9),
        ["dimensions ('place',)", "'state'"],
    ),
    "a table without a column": (
        lambda: rh.MDP(TWO, {"action": [0], "state": [0], "to": [1], "probability": [1]}, 0.9),
        ["no column 'next_state'", "action, state, next_state, probability"],
    ),
    "a transition to nowhere": (
        lambda: rh.MDP(TWO, {"action": [0], "state": [0], "next_state": [7], "probability": [1]}, 0.9),
        ["row 1: column 'next_state'", "state '7': there is none"],
    ),
    "a transition twice": (
        lambda: rh.MDP(TWO, {"action": [0, 0], "state": [0, 0], "next_state": [1, 1], "probability": [0.5] * 2}, 0.9),
        ["row 1 and row 2", "twice"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, wants = BAD[case]
    with refused(*wants):
        make()


@pytest.mark.parametrize("start", ["x", 7, [0.5, 0.5, 0.5], [-1, 2], [0, 0], {"0": "much"}, object()])
def test_bad_start(start):
    with refused("start"):
        rh.MDP(TWO, STAY, 0.9).start(start)


def test_products_of_dense_and_sparse_rows_agree():
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(30), (3, 30))
    dense = rh.MDP({"x": np.arange(30.0)}, p, 0.9).transitions
    assert dense._matrix is not None
    same = Transitions(dense.n_actions, dense.n_states, dense.starts, dense.next_state, dense.probability)
    same.__dict__["_whole"] = None
    x = rng.normal(size=(30, 7))
    assert dense.ahead(x) == pytest.approx(same.ahead(x), rel=1e-13)
    assert dense.ahead(x) == pytest.approx(np.einsum("ast,tk->ask", p, x), rel=1e-13)
