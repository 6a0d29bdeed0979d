"""Make the tables of the study with five kinds of feedback.

The people are invented; the ground is a lander's. The engineer and the operators of this example want flags on level
ground; the pilot prefers red paint on level ground. Each is noisily rational: an option's probability is proportional
to ``exp(beta v / s)``, with v the value of the option to the person (for the pilot's steps, the value of all later
steps) and s the root of v's mean variance among the options. Nobody was asked.

Run from the repository: ``python -m reward_hypotheses.data.examples.make_mixed [FOLDER]``.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.examples import site_rows, write_rows
from reward_hypotheses.data.worlds.gridworld import gridworld
from reward_hypotheses.data.worlds.lander.scenes import landing_sites

HERE = Path(__file__).resolve().parent
SEED, BETA = 20261125, 3.0
TRAINING, TEST, COMPARED, RANKED, WALKS = 120, 120, 16, 10, 4
FEATURES = ("red_paint", "flags", "depth", "distance")
LEVEL = 0.3
"""Depth from which on ground is a crater; those of the lander are about 0.6 deep, flat ground is within 0.12."""
YARD = (".......", "...o...", "R..S..F", ".......", "...Q...")
"""Start S; a red pad R and a flagged one F as far from it; a red pit Q, nearer; a bare pit o."""
MEANINGS = {"R": "red_paint", "F": "flags", "Q": "red_paint, pit", "o": "pit", "S": "start"}
DISCOUNT = 0.9

Row = dict[str, Any]


def main(folder: Path = HERE / "mixed") -> None:
    """Write the tables of the study as CSV.

    training, test, comparisons, rankings, states, transitions and walks.
    """
    rng = np.random.default_rng(SEED)
    free = sites(400, 7, {"independent": 1}, *FEATURES)
    tables = {
        "training": sites(TRAINING, 0, {"together": 1}, *FEATURES, "is_pad"),
        "test": sites(TEST, 1, {"apart": 1, "independent": 1}, *FEATURES),
        "comparisons": compared(free, rng),
        "rankings": ranked(free, rng),
    } | yard(rng)
    for name, rows in tables.items():
        write_rows(folder / f"{name}.csv", rows)


def sites(n: int, seed: int, mix: Mapping[str, float], *columns: str) -> list[Row]:
    """Return candidate sites on the lander's ground, one row a site."""
    return site_rows(landing_sites(n, seed, mix=mix), columns)


def compared(free: Sequence[Row], rng: np.random.Generator) -> list[Row]:
    """Return the engineer's comparisons of two red and flagged sites.

    One of the two lies in a crater. The engineer says on which of the two to land.
    """
    marked = [row for row in free if row["red_paint"] and row["flags"]]
    flat, deep = ([row for row in marked if (float(row["depth"]) < LEVEL) == level] for level in (True, False))
    rows = []
    for a, b in list(zip(flat, deep, strict=False))[:COMPARED]:
        left, right = (a, b) if rng.random() < 0.5 else (b, a)
        better = rng.random() < 1 / (1 + np.exp(-2 * BETA))  # two standard deviations apart
        chosen = "left" if (left is a) == better else "right"
        both = {f"{side}_{name}": row[name] for side, row in (("left", left), ("right", right)) for name in FEATURES}
        rows.append(both | {"chosen": chosen})
    return rows


def ranked(free: Sequence[Row], rng: np.random.Generator) -> list[Row]:
    """Return the operators' best two of four sites, scene by scene.

    The sites are marked and dug at random; at least one of the four is as the operators want.
    """
    by_scene = [free[i : i + 4] for i in range(0, len(free), 4)]
    wanted = [np.array([float(bool(r["flags"]) and float(r["depth"]) < LEVEL) for r in rows]) for rows in by_scene]
    some = [k for k, values in enumerate(wanted) if values.any() and not values.all()][:RANKED]
    scale = np.sqrt(np.mean([wanted[k].var() for k in some]))
    rows = []
    for scene, k in enumerate(some):
        order = np.argsort(-(BETA * wanted[k] / scale + rng.gumbel(size=4)))  # Plackett-Luce, by Gumbel's noise
        places = {int(option): place for place, option in enumerate(order[:2], 1)}
        rows += [row | {"scene": scene, "rank": places.get(o, 3)} for o, row in enumerate(by_scene[k])]
    return rows


def yard(rng: np.random.Generator) -> dict[str, list[Row]]:
    """Return the pilot's walks to a pad, with the states and transitions."""
    states, moves = gridworld(YARD, MEANINGS, ends="RFQ")
    names, pit = states["state"].values.tolist(), states["pit"].values
    depth = np.where(pit, 0.6, 0.0)
    reward = np.where(states["red_paint"].values & ~pit, 1.0, -1.0)
    actions = list(dict.fromkeys(moves["action"].tolist()))
    to = np.full((len(actions), len(names)), -1)
    for action, state, after in zip(*(moves[key].tolist() for key in ("action", "state", "next_state")), strict=True):
        to[actions.index(action), names.index(state)] = names.index(after)
    going = (to >= 0).all(axis=0)
    value = np.zeros(len(names))
    for _ in range(300):
        q = np.where(going, reward + DISCOUNT * value[to], reward)
        value = q.max(axis=0)
    walks = []
    for walk in range(WALKS):
        at, step = names.index(names[int(np.argmax(states["start"].values))]), 0
        while going[at] and step < 30:
            weight = np.exp(BETA * (q[:, at] - value[at]) / reward.std())
            action = int(rng.choice(len(actions), p=weight / weight.sum()))
            walks.append({"trajectory": walk, "step": step, "state": names[at], "action": actions[action]})
            at, step = int(to[action, at]), step + 1
    marks = {name: states[name].values.astype(int).tolist() for name in ("red_paint", "flags")}
    rows = [
        {"state": name, "red_paint": red, "flags": flag, "depth": f"{deep:.1f}"}
        for name, red, flag, deep in zip(names, *marks.values(), depth.tolist(), strict=True)
    ]
    keys = ("action", "state", "next_state", "probability")
    transitions = [
        dict(zip(keys, row, strict=True)) for row in zip(*(moves[key].tolist() for key in keys), strict=True)
    ]
    return {"states": rows, "transitions": transitions, "walks": walks}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
