"""Gridworlds: every move of every cell, by another rule; what is refused."""

import re

import numpy as np
import pytest

import reward_hypotheses as rh


def test_every_move():
    rows = ["S..G", ".#.X", "...."]
    mdp = rh.MDP(*rh.gridworld(rows, {"S": "start", "G": "gold", "X": "pit, deep"}, ends="GX", slip=0.3), 0.9)
    free = {(i, j) for i in range(3) for j in range(4) if rows[i][j] != "#"}
    steps = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
    assert mdp.n_states == 11 and mdp.action.names == tuple(steps)
    p = mdp.transitions.dense()
    for i, j in free:
        s = mdp.state.place(f"{i},{j}")
        for a, action in enumerate(steps):
            want = dict.fromkeys(free, 0.0)
            for other, (down, right) in steps.items():
                to = (i + down, j + right) if (i + down, j + right) in free else (i, j)
                want[to] += 0.0 if rows[i][j] in "GX" else 0.7 if other == action else 0.1
            for (k, m), chance in want.items():
                assert p[a, s, mdp.state.place(f"{k},{m}")] == pytest.approx(chance, abs=1e-15)
    assert mdp.states["gold"].sel(state="0,3") and mdp.states["pit"].sel(state="1,3") and mdp.states["deep"].sum() == 1
    assert mdp.states["row"].sel(state="2,1") == 2 and mdp.states["column"].sel(state="2,1") == 1
    assert mdp.ended.sum() == 2


def test_arrays_and_staying():
    depth = np.arange(6.0).reshape(2, 3)
    states, moves = rh.gridworld({"depth": depth}, walls=depth == 4, ends=depth == 5, stay=True)
    mdp = rh.MDP(states, moves, 0.9)
    assert mdp.states["depth"].values.tolist() == [0, 1, 2, 3, 5]
    assert mdp.action.names[-1] == "stay" and mdp.transitions.dense()[4, :4, :4].tolist() == np.eye(4).tolist()
    assert rh.gridworld("..\n..")[0].sizes["state"] == 4


BAD = {
    "rows of different lengths": (lambda: rh.gridworld(["..", "."]), ["rows of lengths 2, 1"]),
    "a character unexplained": (lambda: rh.gridworld([".G"]), ["row 0, column 1: 'G' is not explained"]),
    "nothing but walls": (lambda: rh.gridworld(["##"]), ["every cell is a wall"]),
    "a slip above 1": (lambda: rh.gridworld([".."], slip=2), ["slip: 2", "from 0 to 1"]),
    "no rows": (lambda: rh.gridworld([]), ["give rows of characters"]),
    "a feature called row": (lambda: rh.gridworld([".G"], {"G": "row"}), ["'row' is the place"]),
    "arrays of two shapes": (lambda: rh.gridworld({"a": np.ones((2, 2)), "b": np.ones((1, 2))}), ["arrays of shapes"]),
    "walls of another shape": (lambda: rh.gridworld([".."], walls=np.zeros((2, 2), bool)), ["walls", "(1, 2)"]),
    "features twice": (lambda: rh.gridworld({"a": np.ones((2, 2))}, {"G": "gold"}), ["go with rows"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, wants = BAD[case]
    with pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants)):
        make()
