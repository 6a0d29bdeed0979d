"""Seconds of the sources of uncertainty on a test, after those of the risk alone: values and agent, or an agent that was read."""

import json
import sys
import time

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.risk.distribution.open_sources import risk_draws

SCENES, OPTIONS, HYPOTHESES, FEATURES = 1000, 4, 8, 12


def main(which: str) -> None:
    """Print seconds of the risk alone and of all its sources beyond it."""
    rng = np.random.default_rng(1)
    names = [f"x{k}" for k in range(FEATURES)]

    def scenes(n: int) -> dict[str, np.ndarray]:
        return {name: rng.random((n, OPTIONS)) for name in names}

    rules = {f"h{k}": f"where(x{k} > 0.3, 1, -1)" for k in range(HYPOTHESES)}
    items = {name: rng.random(30) for name in names} | {"good": rng.random(30) > 0.5}
    values = rh.Elicited(dict.fromkeys(rules, 1), source="a bench", strength=20)
    judge = rh.fit(rules, values, [rh.Labels(items, "good", noise=(1, 4))], 0, random_seed=1)
    policy: rh.Policy = rh.Commit()
    agent: object = rh.Elicited(dict.fromkeys(rules, 1), source="a bench", strength=10)
    if which == "read":
        probes = scenes(300)
        worth = np.tensordot(rng.normal(0, 3, FEATURES), np.array([*probes.values()]), axes=1)
        chosen = (worth + rng.gumbel(size=worth.shape)).argmax(axis=1)[:, None] == np.arange(OPTIONS)
        mixture = rh.Linear(names, prior={"normal": 3}, source="a bench")
        choices = rh.Choices({**probes, "chosen": chosen}, "chosen")
        agent = rh.fit({"mix": mixture}, rh.Uniform("a bench"), [choices], 0, random_seed=1)
        policy = rh.Boltzmann("inferred")
    test = scenes(SCENES)
    alone, beyond = [], []
    for _ in range(3):
        start = time.perf_counter()
        case = case_of(judge, test, policy, agent, None, None)  # type: ignore[arg-type]
        _ = case.risk
        middle = time.perf_counter()
        risk_draws(case)
        alone.append(middle - start)
        beyond.append(time.perf_counter() - middle)
    print(json.dumps({"alone": sorted(alone)[1], "beyond": sorted(beyond)[1]}))


if __name__ == "__main__":
    main(sys.argv[1])
