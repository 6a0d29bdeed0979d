"""The same study as a person would write it in PyMC and ArviZ, marginalising the hypothesis by hand.

Reads the tables, samples the noise with the hypothesis summed out, checks convergence, and prints weights and risk.
It is kinder to PyMC than the first draft of most people would be, which samples the hypothesis too.
"""

import csv
import sys
from pathlib import Path

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt


def read(path: Path) -> dict[str, np.ndarray]:
    """Read columns of numbers."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(r[name]) for r in rows]) for name in rows[0]}


def main(folder: Path) -> None:
    """Sample, check, weigh, and print the risk."""
    training, test = read(folder / "training.csv"), read(folder / "test.csv")
    predicted = np.array([training["red_paint"], training["flags"]]) > 0.5
    labels = training["is_pad"] > 0.5
    prior = np.array([1.0, 8.0]) / 9
    coords = {"hypothesis": ["red paint", "flags"], "item": np.arange(len(labels))}
    with pm.Model(coords=coords):
        eps = pm.Truncated("eps", pm.Beta.dist(1, 19), lower=0, upper=0.5)
        right = pm.Data("right", predicted == labels, dims=("hypothesis", "item"))
        log_likelihood = pt.where(right, pt.log1p(-eps), pt.log(eps)).sum(axis=1)
        log_weight = pt.log(prior) + log_likelihood
        pm.Deterministic("weight", pt.exp(log_weight - pt.logsumexp(log_weight)), dims="hypothesis")
        pm.Potential("labels", pt.logsumexp(log_weight))
        tree = pm.sample(1000, chains=4, random_seed=1, progressbar=False)
    print(az.summary(tree, var_names=["eps"]))
    judge = tree["posterior"]["weight"].mean(("chain", "draw")).to_numpy()
    scene = test["scene"].astype(int)
    rewards = np.array([test["red_paint"], test["flags"]]).reshape(2, scene.max() + 1, -1)
    picks = rewards == rewards.max(axis=2, keepdims=True)
    picks = picks / picks.sum(axis=2, keepdims=True)
    matrix = np.einsum("imo,jmo->ij", picks, rewards < 0.5) / rewards.shape[1]
    agent = np.array([0.5, 0.5])
    print(judge, agent @ matrix @ judge)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
