"""How often intervals of the risk from all sources hold the true risk. `make coverage`; it goes on where it was stopped.

A study is simulated whole: values, the truth, what people say, an agent and its choices, and a test drawn from a population
of scenes. The true risk is that of the agent on the whole population, under the weights that the true values give. Its place
among the draws of the risk (its PIT) is uniform if the intervals are calibrated.
"""

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from bench import coverage_studies as simulate
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.models.tree import draws as draws_of_trees

LEVELS = (0.5, 0.8, 0.95)
ERROR = 0.001
"""Probability that a study fails the test of uniformity although all are calibrated."""


@dataclass(frozen=True)
class Study:
    """A simulation, and its number of runs: fewer where evidence, reward weights or a rationality are sampled."""

    run: Callable[[int], simulate.Run]
    sampled: bool = False

    @property
    def runs(self) -> int:
        return 300 if self.sampled else 1000


def _studies() -> dict[str, Study]:
    rules, mdp, read, weights = simulate.by_rules, simulate.in_mdp, simulate.agent_read, simulate.judges_weights
    out = {kind: Study(partial(rules, kinds=(kind,)), kind == "ratings") for kind in simulate.KINDS}
    out |= {f"labels, {name}": Study(partial(rules, policy=policy)) for name, policy in simulate.POLICIES.items()}
    out |= {
        "labels and choices": Study(partial(rules, kinds=("labels", "choices"))),
        "labels, two judges": Study(partial(rules, judges=True)),
        "labels, scenes with weights": Study(partial(rules, weighted=True)),
        "agent's prior with a strength": Study(partial(rules, agent_strength=simulate.STRENGTH)),
        "agent's own labels and strength": Study(simulate.own_evidence),
        "MDP, commit, agent's strength": Study(partial(mdp, policy=rh.Commit())),
        "MDP, expected": Study(partial(mdp, policy=rh.Expected())),
        "population of agents": Study(simulate.population),
    }
    for prior in ("normal", "sphere", "rules"):
        for policy in simulate.READ if prior != "rules" else ("boltzmann, inferred",):
            out[f"agent read, {prior}, {policy}"] = Study(partial(read, prior=prior, policy=policy), sampled=True)
    out |= {f"judge's reward weights, {k}": Study(partial(weights, kind=k), True) for k in ("choices", "stops")}
    return out | {"judge's rule and reward weights": Study(partial(weights, kind="choices", rule=True), True)}


STUDIES = _studies()


def simulated(study: str, seed: int) -> dict[str, float]:
    """Simulate a study; return the PIT of the true risk, the width of its 95 % interval, and the true risk."""
    fewer = patch.object(draws_of_trees, "MOST_PREDICTIVE", 4)  # replicated answers, which no risk needs
    with warnings.catch_warnings(), fewer:
        warnings.filterwarnings("ignore", "the failure line is", UserWarning)  # these rewards are in one unit
        risk, draws = STUDIES[study].run(seed)
    tied = np.abs(draws - risk) < 1e-12
    u = np.random.default_rng([seed, 4]).random()
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return {
        "pit": float(((draws < risk) & ~tied).mean() + u * tied.mean()),
        "width": float(upper - lower),
        "risk": float(risk),
    }


def table(runs: dict[str, list[dict[str, float]]]) -> str:
    """Return the table of coverage by study."""
    lines = [
        "| study | runs | " + " | ".join(f"{level:.0%}" for level in LEVELS) + " | width of 95 % | p (uniform PIT) |"
    ]
    lines.append("| --- " * (len(LEVELS) + 4) + "|")
    fails = []
    for study, rows in runs.items():
        pits = np.array([row["pit"] for row in rows])
        held = [f"{100 * np.mean(np.abs(pits - 0.5) < level / 2):.1f}" for level in LEVELS]
        p = stats.kstest(pits, "uniform").pvalue
        width = np.mean([row["width"] for row in rows])
        lines.append(f"| {study} | {len(rows)} | {' | '.join(held)} | {width:.3f} | {p:.3f} |")
        fails += [study] if p < ERROR / len(runs) else []
    verdict = f"not uniform: {', '.join(fails)}" if fails else "every PIT is uniform"
    return "\n".join([*lines, "", f"Tested at {ERROR} / {len(runs)} studies: {verdict}."])


def main(out: str = "coverage.jsonl", most: str = "1000") -> None:
    """Simulate the runs of every study, those in the file aside, and print the table."""
    path, done = Path(out), {study: [] for study in STUDIES}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        row = json.loads(line)
        done[row.pop("study")].append(row)
    runs = {study: min(STUDIES[study].runs, int(most)) for study in STUDIES}
    with path.open("a", encoding="utf-8") as file:
        while True:  # the study that is furthest behind, so that a run that is stopped has runs of each
            study = min(done, key=lambda study: len(done[study]) / runs[study])
            if len(done[study]) >= runs[study]:
                break
            row = simulated(study, len(done[study]))
            done[study].append(row)
            file.write(json.dumps({"study": study, **row}) + "\n")
            file.flush()
    print(table({study: rows[: runs[study]] for study, rows in done.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
