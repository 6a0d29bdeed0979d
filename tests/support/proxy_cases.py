"""Hypotheses and candidates of proxies, for several tests."""

import re

import pytest

import reward_hypotheses as rh

HYPOTHESES = {"x": "x", "twice x": "2*x", "y": "y", "mix": "x - 2*y", "minus x": "-x", "nothing": "0*x + 3"}


def refused(*wants):
    return pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants))


def fitted(feedback, hypotheses=HYPOTHESES, line=0.3, **options):
    return rh.fit(hypotheses, rh.Uniform("a test"), feedback, line, draws=50, chains=1, random_seed=1, **options)


SCENES = {  # in the first scene x is best at 0, y at 1; in the second both at 1; in the third x at 2, y at 0
    "x": [[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 1.0, 2.0]],
    "y": [[0.0, 2.0, 1.0], [1.0, 2.0, 0.0], [1.0, 0.0, 0.0]],
    "on": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}
WRITTEN = {"x": "x", "on": "where(on, 5, 0)", "y": "y", "away": "-x"}


def lava(rows=("S..G", ".LL."), g=0.9):
    return rh.MDP(*rh.gridworld(list(rows), {"S": "start", "G": "goal", "L": "lava"}, ends="G"), g)


STATES = "state,flags,red_paint,slope\n" + "".join(f"s{i},{int(i == 4)},{int(i == 0)},{i / 10}\n" for i in range(5))
MOVES = [(a, i, min(max(i + d, 0), 4)) for a, d in (("left", -1), ("right", 1)) for i in range(4)]
TRANSITIONS = "action,state,next_state,probability\n" + "".join(f"{a},s{i},s{j},1\n" for a, i, j in MOVES)
