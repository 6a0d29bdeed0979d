"""Predictions of catastrophe rates of trained agents on shifted tests.

Predictions rest on the agents' choices in probe scenes. The module is independent of any environment: an environment is
any object with the attributes and methods of `World`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.discrepancy import estimate_discrepancy, shifted
from reward_hypotheses.analysis.risk.distribution.predict_rate import predict_rate
from reward_hypotheses.analysis.risk.distribution.probe_overlap import probe_overlap
from reward_hypotheses.analysis.shift.two_sample_test import Shift, shift_check
from reward_hypotheses.analysis.validation.reading import PATHS, READING_DRAWS, FittedAgent
from reward_hypotheses.analysis.validation.world import World, steps_of
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.worlds.episode_simulation import goes_on, starting_scenes
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy

PROB = 0.89


@dataclass(frozen=True, eq=False)
class Discrepancy:
    """What readings leave out of a test, as far as the probes show.

    Attributes
    ----------
    shift : ndarray (agent, draw)
        Of the log odds of catastrophes.
    mean, sd : float
        Posterior means of the shifts' mean and standard deviation.
    effective : float
        Number of probes that resemble the test.
    missing : tuple of str
        Columns whose values on the test lie outside the probes.
    """

    shift: np.ndarray
    mean: float
    sd: float
    effective: float
    missing: tuple[str, ...]

    @property
    def numbers(self) -> dict[str, Any]:
        """The numbers of the results document."""
        return {"mean": self.mean, "sd": self.sd, "effective": self.effective, "without_overlap": list(self.missing)}


def discrepancy_of(
    world: World, fitted: Sequence[FittedAgent], probes: xr.Dataset, test: xr.Dataset, seed: int
) -> Discrepancy:
    """Estimate what readings leave out of a test, from the probes."""
    overlap = probe_overlap(probes, test, list(world.columns), steps=steps_of(test))
    found = estimate_discrepancy(
        [agent.held_out for agent in fitted],
        [agent.bad for agent in fitted],
        overlap["weight"],
        draws=n_draws(test),
        random_seed=seed,
    )
    missing = overlap["feature"][overlap["without_overlap"]].to_numpy()
    return Discrepancy(
        shift=found["shift"].to_numpy(),
        mean=float(found["mean"].mean()),
        sd=float(found["sd"].mean()),
        effective=float(overlap["effective"]),
        missing=tuple(str(name) for name in missing),
    )


def n_draws(scenes: xr.Dataset) -> int:
    """Return the number of deployments that are drawn."""
    return PATHS if goes_on(scenes) else READING_DRAWS


def predicted_rate(
    judge: xr.DataTree,
    scenes: xr.Dataset,
    policy: Policy,
    agent: xr.DataTree,
    slips: tuple[int, int],
    seed: int,
    shift: np.ndarray | None = None,
) -> xr.Dataset:
    """Predict the number of catastrophes among these scenes, as `predict_rate`."""
    return predict_rate(
        judge,
        scenes,
        policy,
        agent,
        steps=steps_of(scenes),
        slips=slips,
        discrepancy=shift,
        prob=PROB,
        draws=n_draws(scenes),
        random_seed=seed,
    )


def prediction_row(name: str, test: str, prediction: xr.Dataset) -> dict[str, Any]:
    """Return a row of the document: the predicted share, with its interval."""
    n = prediction.attrs["n_scenes"]
    mean, lower, upper = (float(prediction[key]) / n for key in ("mean", "lower", "upper"))
    return {"agent": int(name), "shift": test, "predicted": mean, "lower": lower, "upper": upper}


def drawn_rates(prediction: xr.Dataset) -> np.ndarray:
    """Return the drawn shares of catastrophes: (draw,)."""
    return prediction["catastrophes"].to_numpy().ravel() / prediction.attrs["n_scenes"]


def mean_interval(draws: np.ndarray) -> dict[str, float]:
    """Return the mean and the equal-tailed 89 % interval of draws."""
    lower, upper = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2])
    return {"mean": float(draws.mean()), "lower": float(lower), "upper": float(upper)}


def shared_variance(chance: np.ndarray, bad: np.ndarray) -> float:
    """Return the variance over scenes of prediction errors that agents share.

    The variance is ``mean_m (mean_k e_km)^2 - mean_m sum_k p_km (1 - p_km) / K^2``, at least 0. Here ``e_km`` is whether agent
    k took a bad option in probe scene m, less its probability ``p_km``. Agents that were trained alike have common errors,
    so the rate of a population varies more than that of independent agents.

    Parameters
    ----------
    chance, bad : ndarray (agent, scene)
    """
    apart = (bad - chance).mean(axis=0)
    alone = (chance * (1 - chance)).sum(axis=0) / len(chance) ** 2
    return max(0.0, float(np.mean(apart**2) - alone.mean()))


def shared_by(fitted: Sequence[FittedAgent], seed: int) -> float:
    """Return `shared_variance` of the agents' probes, beyond the discrepancy of each."""
    chance, bad = (np.array([getattr(agent, key) for agent in fitted]) for key in ("held_out", "bad"))
    shift = estimate_discrepancy(chance, bad, transfer=0, random_seed=seed)["shift"].to_numpy()
    moved = np.array([shifted(p, d[:, None]).mean(axis=0) for p, d in zip(chance, shift, strict=True)])
    return shared_variance(moved, bad)


def population(draws: Sequence[np.ndarray], variance: float, scenes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the rate of a population from its agents' rates: (draw,).

    Parameters
    ----------
    variance : float
        Of what they share, by scene.
    scenes : int
        Scenes that the rate is a mean over.
    """
    mean = np.mean(draws, axis=0)
    return np.clip(mean + rng.standard_normal(len(mean)) * np.sqrt(variance / scenes), 0.0, 1.0)


def shift_of_test(world: World, training: xr.Dataset, test: xr.Dataset, seed: int) -> Shift:
    """Test for distribution shift by the named rules' rewards in training and test."""
    listed = hypotheses_of(dict(world.rules))
    line = stated_line(0.5, listed.names)
    columns = [*world.columns]
    before, after = (
        Valuation(listed, as_table(table[columns].isel(scene=starting_scenes(table)), name), line)
        for table, name in ((training, "training"), (test, "test"))
    )
    weights = np.full(len(listed), 1 / len(listed))
    return shift_check([before], after, weights, substream(seed, "shift"))


def coverage(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of rows whose interval contains the measured rate."""
    return float(np.mean([r["lower"] - 1e-12 <= r["measured"] <= r["upper"] + 1e-12 for r in rows]))


def mean_error(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean absolute difference between predicted and measured rates."""
    return float(np.mean([abs(r["predicted"] - r["measured"]) for r in rows]))


def mean_width(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean width of the intervals."""
    return float(np.mean([r["upper"] - r["lower"] for r in rows]))
