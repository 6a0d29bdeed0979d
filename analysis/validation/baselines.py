"""Baselines: an ensemble of refits, and conformal prediction alone.

Both refit an agent's weights by penalised maximum likelihood, ``sum log p(choice) - |w / sd|^2 / 2``.
"""

import math

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.episodes import Episodes, episodes_of
from reward_hypotheses.analysis.risk.distribution.probe_overlap import probe_overlap
from reward_hypotheses.analysis.validation.predict import PROB
from reward_hypotheses.analysis.validation.reading import PRIOR_SD, chances, featured
from reward_hypotheses.analysis.validation.world import World, steps_of
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps

REFITS = 5
Z = 1.598
"""Standard normal quantile of (1 + 0.89) / 2."""
NEWTON_STEPS = 100


class Refits:
    """Refits of one agent to samples of its probes.

    Parameters
    ----------
    world : World
    probes : Dataset
    steps : EpisodeSteps
        The agent's steps in the probes.
    """

    def __init__(self, world: World, probes: xr.Dataset, steps: EpisodeSteps, rng: np.random.Generator) -> None:
        self.world, self.probes = world, probes
        phi = featured(probes.isel(scene=steps.scene), world.features)
        scale = phi.std(axis=(0, 1))
        self.scale = np.where(scale > 1e-9, scale, np.inf)
        self.count = int(steps.episode.max()) + 1
        first = np.arange(self.count) < self.count // 2
        samples = [np.bincount(rng.integers(self.count, size=self.count), minlength=self.count) for _ in range(REFITS)]
        self.ensemble, self.half = (
            np.array([_refit(phi / self.scale, steps.option, times[steps.episode]) for times in some])
            for some in (samples, [first * 1])
        )

    def chance(self, weights: np.ndarray, scenes: xr.Dataset) -> np.ndarray:
        """Return the chance that an episode ends badly: (refit, episode)."""
        acts = np.moveaxis(chances(weights / self.scale, featured(scenes, self.world.features)), 1, 2)
        bad = (scenes[self.world.bad].to_numpy() > 0).T[None]
        return _episodes(scenes).chance(acts, bad)

    def spread(self, scenes: xr.Dataset) -> tuple[float, float, float]:
        """Return the ensemble's mean rate, and its 89 % interval by a normal."""
        rates = self.chance(self.ensemble, scenes).mean(axis=1)
        mean, half = float(rates.mean()), Z * float(rates.std(ddof=1))
        return mean, max(0.0, mean - half), min(1.0, mean + half)

    def conformal_score(self, bad: np.ndarray, weight: np.ndarray) -> float:
        """Return the weighted error of the refit to the first half, on the second half."""
        second = np.arange(self.count) >= self.count // 2
        w = weight * second
        return abs(float(w @ (bad - self.chance(self.half, self.probes)[0]) / w.sum()))


def conformal(rate: float, scores: np.ndarray) -> tuple[float, float, float]:
    """Return a rate with its conformal interval, from the scores of other agents.

    The half width is the ``ceil((n + 1) 0.89)``-th smallest of n scores, 1 where there are too few (Tibshirani et al., 2019,
    with the weights of the probes in the scores).
    """
    place = math.ceil((len(scores) + 1) * PROB)
    half = float(np.sort(scores)[place - 1]) if place <= len(scores) else 1.0
    return rate, max(0.0, rate - half), min(1.0, rate + half)


def overlap_weights(world: World, probes: xr.Dataset, test: xr.Dataset) -> np.ndarray:
    """Return the weights by which the probes resemble a test: (probe,)."""
    return probe_overlap(probes, test, list(world.columns), steps=steps_of(test))["weight"].to_numpy()


def _episodes(scenes: xr.Dataset) -> Episodes:
    steps, (n, options) = steps_of(scenes), (scenes.sizes["scene"], scenes.sizes["option"])
    if steps is None:
        return Episodes(np.full((n, options), -1), np.arange(n), 1)
    return episodes_of(scenes, steps, n)


def _refit(phi: np.ndarray, chosen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return weights of penalised maximum likelihood: (feature,).

    Parameters
    ----------
    phi : ndarray (step, option, feature)
        In standard deviations.
    times : ndarray (step,)
        How often each step counts.
    """
    weights = np.zeros(phi.shape[2])
    took = phi[np.arange(len(chosen)), chosen]
    for _ in range(NEWTON_STEPS):
        p = chances(weights[None], phi)[0]
        mean = (p[..., None] * phi).sum(axis=1)
        slope = times @ (took - mean) - weights / PRIOR_SD**2
        curvature = np.einsum("n,no,noi,noj->ij", times, p, phi, phi, optimize=True)
        curvature += np.eye(len(weights)) / PRIOR_SD**2 - (times[:, None] * mean).T @ mean
        step = np.linalg.solve(curvature, slope)
        weights = weights + step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-8:
            break
    return weights
