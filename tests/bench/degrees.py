"""How often intervals of the risk hold the true risk where two cues coincide in training, and people go by signs or by degrees.

A study is simulated whole: people choose between two options by reward weights, drawn from their prior, of two cues and a third
feature. In training the two cues order the options alike; on the test their orders are independent. The agent goes by one of the
two cues. With ``signs``, the two cues enter the reward by their sign alone; with ``degrees``, by their amount, as the model has it.
The true risk is that on a population of scenes. ``python tests/bench/degrees.py [RUNS]`` prints the table of the docs.
"""

import json
import sys

import numpy as np

import reward_hypotheses as rh

SCENES, TEST, POPULATION, SD = 60, 60, 4000, 2.0
WORLDS = ("signs", "degrees")
WIDTHS = ("before", "after")


def scenes(n: int, together: bool, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return scenes of two options; a cue is worth as much to the one as it costs the other."""
    sign = rng.choice([-1.0, 1.0], size=(2, n))
    if together:
        sign[1] = sign[0]
    two = np.array([1.0, -1.0])
    near, party = (sign * rng.lognormal(0, 0.7, (2, n)))[..., None] * two
    return {"near": near, "party": party, "third": rng.normal(size=(n, 1)) * two}


def simulated(world: str, prior: str, seed: int) -> dict[str, float]:
    """Simulate a study; return its true risk, and the ends of the 95 % interval before and after setting aside."""
    rng = np.random.default_rng([seed, 7])
    weights = rng.normal(0, SD, 3)
    if prior == "sphere":
        weights = rng.lognormal() * weights / np.linalg.norm(weights)
    training = scenes(SCENES, True, rng)
    population = scenes(POPULATION, False, rng)
    test = {name: values[:TEST] for name, values in population.items()}
    unit = {name: (np.sign(v) if world == "signs" and name != "third" else v).std() for name, v in training.items()}

    def rewards(table: dict[str, np.ndarray]) -> np.ndarray:
        seen = {name: np.sign(v) if world == "signs" and name != "third" else v for name, v in table.items()}
        return np.asarray(sum(w * v / unit[name] for w, (name, v) in zip(weights, seen.items(), strict=True)))

    worth = rewards(training)
    if prior == "sphere":
        worth = rng.lognormal() * worth / worth.std()
    training["chosen"] = (worth + rng.gumbel(size=worth.shape)).argmax(axis=1)[:, None] == np.arange(2)
    family = rh.Linear(
        ["near", "party", "third"], prior="sphere" if prior == "sphere" else {"normal": SD}, source="a simulation"
    )
    choices = rh.Choices(training, "chosen")
    judge = rh.fit({"mix": family}, rh.Uniform("s"), [choices], 0, draws=250, random_seed=seed)
    agent = rh.fit({"party": "party"}, rh.Uniform("s"), [choices], 0, draws=50, random_seed=seed)
    risk = rh.catastrophe_risk(judge, test, agent=agent)
    without = rh.cues_by_degree(judge, [choices], test, agent=agent)
    taken = population["party"].argmax(axis=1)
    before, after = (ends["interval"].sel(source="all").to_numpy().tolist() for ends in (risk, without))
    return {
        "risk": float((rewards(population)[np.arange(POPULATION), taken] < 0).mean()),
        "before": before,
        "after": after,
        "pairs": int(without.sizes["pair"]),
        "nats": float(np.abs(without["nats"]).max()) if without.sizes["pair"] else 0.0,
    }


def main(runs: str = "60") -> None:
    """Print the table of coverage and widths."""
    print("| people go by | prior | studies | coverage with degrees | without | width with degrees | without |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for world in WORLDS:
        for prior in ("normal", "sphere"):
            rows = [simulated(world, prior, seed) for seed in range(int(runs))]
            print(json.dumps(rows), file=sys.stderr)
            held, width = [], []
            for key in WIDTHS:
                ends = np.array([row[key] for row in rows])
                truth = np.array([row["risk"] for row in rows])
                held.append(float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()))
                width.append(float((ends[:, 1] - ends[:, 0]).mean()))
            print(
                f"| {world} | {prior} | {len(rows)} | {held[0]:.0%} | {held[1]:.0%} | {width[0]:.2f} | {width[1]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
