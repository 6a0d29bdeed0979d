"""Discrepancy between what was inferred of agents and how their probes ended."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.inference.trust import NotTrustedError

SHIFTS = np.linspace(-6.0, 6.0, 241)
MEANS = np.linspace(-2.5, 2.5, 51)
SPREADS = np.linspace(0.05, 3.0, 60)
LITTLE = 1e-4
"""Relative likelihood of no shift below which an agent whose shift is off the grid is refused."""
TRANSFER = 0.25
"""Share of tau by which the shift on a test differs from that on the probes; set on MiniGrid, seeds 100 to 104."""
FLOOR = 1e-4
"""Chances are taken to be at least this far from 0 and 1: what was inferred of an agent is not so certain."""


def log_odds(chance: np.ndarray) -> np.ndarray:
    """Return ``log(p / (1 - p))``, with p at least `FLOOR` from 0 and 1."""
    p = np.clip(chance, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(p) - np.log1p(-p))


def shifted(chance: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return chances whose log odds are moved by a shift.

    A chance of 0 or 1 stays, if the shift is 0.
    """
    moved = 1 / (1 + np.exp(-np.clip(log_odds(chance) + shift, -500.0, 500.0)))
    return np.where(shift == 0, chance, moved)


def estimate_discrepancy(
    chance: Any, caught: Any, weights: Any = None, *, transfer: float = TRANSFER, draws: int = 400, random_seed: int = 0
) -> xr.Dataset:
    """Estimate how predictions of agents err, from how their probes ended.

    The log odds of agent k's catastrophes are moved by a shift of its own::

        b_km ~ Bernoulli(logistic(logit(p_km) + d_k)),   d_k ~ Normal(mu, tau),   mu ~ Normal(0, 1),   tau ~ HalfNormal(1)

    with p the chance predicted of probe m, and b whether it ended in catastrophe. On a test the shift is not quite that on the
    probes: it is drawn from ``Normal(d_k, transfer tau)``. Probes count by their weights, such as those by which they resemble
    a test (`probe_overlap`): the likelihood of probe m is taken to the power w_m. Where the weights are small, the shifts keep
    their prior, and predictions widen. A chance is taken to be at least 1e-4 from 0 and 1. The integral is a sum over a grid, d
    from -6 to 6, mu from -2.5 to 2.5 and tau up to 3.

    Parameters
    ----------
    chance : array of float (agent, probe)
        Predicted chance of a catastrophe, best from `predict_held_out`.
    caught : array of bool (agent, probe)
        Whether the probe ended in catastrophe.
    weights : array of float (probe,), optional
        0 or more; 1 unless given.
    transfer : float
        0 or more: how far a test is from the probes, in standard deviations tau of the agents' shifts.
    draws : int
    random_seed : int

    Returns
    -------
    Dataset
        ``shift`` (agent, draw), on the test, in nats of log odds, for `predict_rate`; ``mean`` and ``sd`` (draw,), mu and tau. The draws
        of all agents belong together.

    Raises
    ------
    InputError
        Arrays of different shapes; a chance that is not between 0 and 1; a negative weight or transfer.
    NotTrustedError
        Probes that ended so differently from the predictions that no shift on the grid explains it.
    """
    p, b = _chances(chance, caught)
    w = np.ones(p.shape[1]) if weights is None else _between(weights, "weights", np.inf)
    if w.shape != p.shape[1:]:
        raise InputError(f"weights: of shape {w.shape}; give one for each of the {p.shape[1]} probes")
    n, seed = whole(draws, "draws", 1), whole(random_seed, "random_seed")
    further = finite(transfer)
    if further is None or further < 0:
        raise InputError(f"transfer: {shown(transfer)}; give 0 or more, such as {TRANSFER}")
    rng = substream(seed, "discrepancy")
    likelihood = _likelihood(p, b, w)
    _refuse_far(likelihood)
    shift, mean, spread = _drawn(likelihood, n, rng)
    shift = shift + further * spread * rng.standard_normal(shift.shape)
    return xr.Dataset(
        {"shift": (("agent", "draw"), shift), "mean": ("draw", mean), "sd": ("draw", spread)},
        coords={"agent": np.arange(len(p)), "draw": np.arange(n)},
    )


def _chances(chance: Any, caught: Any) -> tuple[np.ndarray, np.ndarray]:
    p, b = _between(chance, "chance"), np.asarray(caught)
    if p.ndim != 2 or p.shape != b.shape or not p.size:
        raise InputError(f"chance, caught: of shapes {p.shape} and {b.shape}; give both over (agent, probe)")
    if b.dtype != bool:
        raise InputError(f"caught: {shown(caught)}; give true or false for each agent and probe")
    return p, b


def _between(stated: Any, name: str, most: float = 1.0) -> np.ndarray:
    try:
        values = np.asarray(stated, float)
    except (TypeError, ValueError):
        raise InputError(f"{name}: {shown(stated)}; give numbers {_range(most)}") from None
    wrong = ~((values >= 0) & (values <= most) & (values < np.inf))
    if np.any(wrong):
        raise InputError(f"{name}: {shown(values[wrong][0].item())}; give numbers {_range(most)}")
    return values


def _range(most: float) -> str:
    return "between 0 and 1" if most == 1 else "from 0"


def _likelihood(p: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return ``prod_m p(b_km | d)^w_m`` on the grid, at most 1: (agent, shift)."""
    odds = log_odds(p)
    signed = np.where(b, 1.0, -1.0)
    log = np.array(
        [
            [-(w * np.logaddexp(0.0, -s * (z + shift))).sum() for shift in SHIFTS]
            for z, s in zip(odds, signed, strict=True)
        ]
    )
    return np.exp(log - log.max(axis=1, keepdims=True))


def _refuse_far(likelihood: np.ndarray) -> None:
    """Refuse an agent whose likelihood is greatest at an end of the grid.

    It is also far less without a shift; probes without a catastrophe are not refused.
    """
    at = likelihood.argmax(axis=1)
    far = (at == len(SHIFTS) - 1) & (likelihood[:, len(SHIFTS) // 2] < LITTLE)
    if far.any():
        raise NotTrustedError(
            [
                f"agent {int(np.flatnonzero(far)[0])}: its probes ended in catastrophe so much more often than predicted that a shift of "
                f"{SHIFTS[-1]:g} nats does not explain it; what was inferred of the agent is not how it acts"
            ]
        )


def _drawn(likelihood: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw shifts (agent, draw), and their mean and standard deviation (draw,)."""
    prior = np.exp(-0.5 * ((SHIFTS - MEANS[:, None, None]) / SPREADS[:, None]) ** 2)  # (mean, spread, shift)
    prior /= prior.sum(axis=2, keepdims=True)
    log = np.log(np.maximum(prior @ likelihood.T, 1e-300)).sum(axis=2) - 0.5 * (MEANS[:, None] ** 2 + SPREADS**2)
    mass = np.exp(log - log.max()).ravel()
    at = rng.choice(mass.size, n, p=mass / mass.sum())
    mean, spread = np.unravel_index(at, log.shape)
    drawn = []
    for row in likelihood:
        below = (prior[mean, spread] * row).cumsum(axis=1)
        drawn.append(SHIFTS[(below < rng.random((n, 1)) * below[:, -1:]).sum(axis=1)])
    half = SHIFTS[1] - SHIFTS[0]
    return np.array(drawn) + half * (rng.random((len(drawn), n)) - 0.5), MEANS[mean], SPREADS[spread]
