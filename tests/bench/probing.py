"""How many probe choices are enough, and chosen against random ones: ``python tests/bench/probing.py SEED...``.

Catastrophes are choices of craters here, as flights end where they are sent; training rewards the pad.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402

import reward_hypotheses as rh  # noqa: E402
from reward_hypotheses.analysis.validation import predict, reading  # noqa: E402
from reward_hypotheses.data.expressions.parser import products  # noqa: E402
from reward_hypotheses.data.worlds.episode_simulation import one_step  # noqa: E402
from reward_hypotheses.data.worlds.lander import agents as landers  # noqa: E402
from reward_hypotheses.data.worlds.lander.flight_bank import Bank, Pilots  # noqa: E402
from reward_hypotheses.data.worlds.lander.validation_world import MeasuredLander  # noqa: E402

AGENTS, CANDIDATES = 12, 800


def rows_of(world, agents, probes, columns=None):
    """Predicted and measured, agent by agent and test by test, from these probes."""
    if columns is not None:
        world = type("Described", (), {k: getattr(world, k) for k in dir(world) if not k.startswith("__")})()
        world.columns, world.features = columns, products(columns)
    units, judge = np.ones(len(world.features)), reading.judge_of(world)
    rows = []
    for k, agent in enumerate(agents):
        steps = one_step(agent.choose(world.crops("probes"))[probes])
        found = reading.fit_agent(world, judge, world.scenes("probes").isel(scene=probes), steps, units, k)
        for test in world.tests:
            scenes = world.scenes(test)
            bad = scenes["crater"].to_numpy() > 0
            told = predict.predicted_rate(judge, scenes, rh.Boltzmann("inferred"), found.tree, (0, 10**6), k)
            measured = bad[np.arange(len(bad)), agent.choose(world.crops(test))].mean()
            rows.append(predict.prediction_row(str(k), test, told) | {"measured": float(measured)})
    return rows


def main(seeds):
    """Print a line a way of probing, over all seeds."""
    found = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder, Pilots() as pilots:
            world = MeasuredLander(200, seed, Bank(Path(folder)), pilots, lambda _: None)
            world.many["probes"] = CANDIDATES
            for which in ("training", "probes", *world.tests):
                world.scenes(which)
        rewards = (world.scenes("training")["flags"].to_numpy() == 1) * 1.0
        agents = [landers.train_lander(world.crops("training"), rewards, seed * 1000 + k)[0] for k in range(AGENTS)]
        for n in (30, 60, 120, 200, 400, 800):
            found.setdefault(f"{n} random", []).extend(rows_of(world, agents, np.arange(n)))
        table = world.scenes("probes")[[*world.columns]].isel(scene=slice(0, 400))
        mixture = rh.Linear(world.features, prior={"normal": 3.0}, source=world.source)
        for n in (30, 60, 120):
            some = rh.choose_probes({**world.rules, "a mixture": mixture}, table, n, random_seed=seed).position.values
            found.setdefault(f"{n} chosen", []).extend(rows_of(world, agents, np.sort(some)))
        without = rows_of(world, agents, np.arange(400), ("red", "flags", "nearness"))
        found.setdefault("400 random, no column for craters", []).extend(without)
    print(f"{'probes':34} {'error':>6} {'coverage':>8} {'width':>6}  error by shift")
    for name, rows in found.items():
        width = np.mean([r["upper"] - r["lower"] for r in rows])
        shifts = dict.fromkeys(r["shift"] for r in rows)
        by = ", ".join(f"{s} {predict.mean_error([r for r in rows if r['shift'] == s]):.3f}" for s in shifts)
        print(f"{name:34} {predict.mean_error(rows):6.3f} {predict.coverage(rows):8.2f} {width:6.3f}  {by}")


if __name__ == "__main__":
    main([int(s) for s in sys.argv[1:]] or [11, 12, 13])
