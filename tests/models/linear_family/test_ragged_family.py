"""Continuous weights over scenes of unlike numbers of options, against sums over a grid of weights."""

import math

import numpy as np
import pytest
from scipy import special

import reward_hypotheses as rh
from reward_hypotheses.models.linear_family import integrate, likelihood_terms

WIDTHS = [3, 1, 2, 4, 2, 3, 1, 4, 2, 2]


def scenes(seed):
    """Ragged scenes; what no scene offers is of a size that would show."""
    rng = np.random.default_rng(seed)
    there = np.arange(4) < np.array(WIDTHS)[:, None]
    x, y = rng.normal(size=(2, *there.shape))
    noisy = np.where(there, 1.5 * x - y + rng.gumbel(size=x.shape), -np.inf)
    order = (-noisy).argsort(axis=1).argsort(axis=1) + 1.0
    x, y = np.where(there, x, 1e3), np.where(there, y, -1e3)
    chosen = noisy == noisy.max(axis=1, keepdims=True)
    return {"x": x, "y": y, "available": there, "chosen": chosen & there, "rank": np.where(there, order, np.nan)}


def log_likelihoods(table, kind, w):
    """By loops over scenes and places: (point,)."""
    there = table["available"]
    f = [table[name] / table[name][there].std() for name in ("x", "y")]
    total = np.zeros(len(w))
    for m, width in enumerate(WIDTHS):
        z = w[:, :1] * f[0][m, :width] + w[:, 1:] * f[1][m, :width]
        order = np.argsort(table["rank"][m, :width])
        stages = 1 if kind == "choices" else width - 1
        for k in range(stages if width > 1 else 0):
            total += z[:, order[k]] - special.logsumexp(z[:, order[k:]], axis=1)
    return total


@pytest.mark.parametrize("at_once", [None, 37])
@pytest.mark.parametrize("kind", ["choices", "rankings"])
def test_ragged_scenes_by_a_grid(kind, at_once, monkeypatch):
    table, sd = scenes(3), 1.3
    one = rh.Choices(table, "chosen") if kind == "choices" else rh.Rankings(table, "rank")
    if at_once is not None:  # so few points of the likelihood are taken at once
        for module in (integrate, likelihood_terms):
            monkeypatch.setattr(module, "CELLS", 3 * at_once)
    linear = rh.Linear(["x", "y"], prior={"normal": sd}, source="a test")
    tree = rh.fit({"f": linear}, rh.Uniform("a test"), [one], 0.0, random_seed=2)
    grid = np.linspace(-7 * sd, 7 * sd, 161)
    w = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    joint = log_likelihoods(table, kind, w) - 0.5 * (w**2).sum(axis=1) / sd**2 - math.log(2 * math.pi * sd**2)
    want = special.logsumexp(joint) + 2 * math.log(grid[1] - grid[0])
    got, mcse = (float(tree["evidence"][name].values[0]) for name in ("log_evidence", "mcse"))
    assert abs(got - want) < 4.5 * mcse < 0.05
    share = np.exp(joint - special.logsumexp(joint))
    mean = share @ w
    spread = np.sqrt(share @ (w - mean) ** 2)
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 2)
    assert (np.abs(drawn.mean(axis=0) - mean) < 0.12 * spread).all()
    assert (np.abs(drawn.std(axis=0) / spread - 1) < 0.12).all()
