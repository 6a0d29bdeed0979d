"""A density sampled by NUTS, and its integral by bridge sampling."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.inference.bridge_sampling import bridge
from reward_hypotheses.models.inference.laplace import Bell, Weighted
from reward_hypotheses.models.inference.trust import (
    ATTEMPTS,
    LEAST_CHAINS,
    LEAST_DRAWS,
    STATS,
    NotTrustedError,
    Sampler,
    judged,
)

Function = Callable[[np.ndarray], np.ndarray]
TUNE = 500  # draws: the space is round already
DEPTH = 7  # doublings of a trajectory at most, for each step takes a millisecond or so
NEAR = 0.5  # of standard deviations around the mode: where chains begin


class _OutsideError(ValueError):
    """A point at which the density is not a number; the sampler turns back."""

    is_recoverable = True


def nuts(
    name: str, log_target: Function, slopes: Function, bell: Bell, draws: int, chains: int, seed: int
) -> tuple[Weighted, Sampler]:
    """Sample ``exp(log_target)`` by NUTS, and estimate the integral by a bridge.

    Parameters
    ----------
    name : str
        Whose weights these are, for messages.
    log_target, slopes : callable
        Of points (point, dimension): (point,), and its gradient (point, dimension).
    bell : Bell
        An approximation: coordinates are those in which it is round.
    draws, chains : int
        At least 4 chains of 1,000 are sampled.
    seed : int

    Raises
    ------
    NotTrustedError
        The sampler did not run.
    """
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    d = len(bell.centre)

    def at(y: np.ndarray) -> np.ndarray:
        return bell.centre + y @ bell.root.T

    def round_target(y: np.ndarray) -> np.ndarray:
        return log_target(at(y))

    def density(y: np.ndarray) -> tuple[float, np.ndarray]:
        x = at(y[None])
        value, slope = float(log_target(x)[0]), slopes(x)[0] @ bell.root
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            raise _OutsideError
        return value, slope

    model = from_pyfunc(
        d,
        lambda: density,
        lambda *_: lambda y: {"at": y},
        [np.dtype(float)],
        [(d,)],
        ["at"],
        make_initial_point_fn=lambda seed: NEAR * np.random.default_rng(seed).standard_normal(d),
    )
    start = int(substream(seed, f"nuts of {name}").integers(2**31))
    chains = max(chains, LEAST_CHAINS)
    settings: dict[str, Any] = {"cores": min(chains, os.cpu_count() or 1), "save_warmup": False}
    settings |= {"progress_bar": False, "maxdepth": DEPTH}
    for accept, factor in ATTEMPTS:
        n = max(draws, LEAST_DRAWS) * factor
        try:
            tree = nutpie.sample(model, draws=n, tune=TUNE, chains=chains, seed=start, target_accept=accept, **settings)
        except RuntimeError as error:
            raise NotTrustedError(f"{name}: NUTS did not run: {str(error).splitlines()[0]}") from error
        y = tree["posterior"]["at"].to_numpy()
        stats = {ours: tree["sample_stats"][theirs].to_numpy() for theirs, ours in STATS.items()}
        sampler = judged({f"coordinate {k} of the weights of {name!r}": y[..., k] for k in range(d)}, stats, accept)
        if not sampler.problems:
            break
    value, mcse = bridge(round_target, y, substream(seed, f"bridge of {name}"))
    value += float(np.log(np.diag(bell.root)).sum())
    points = at(y.reshape(-1, d))
    return Weighted(value, mcse, np.nan, points, np.full(len(points), 1 / len(points))), sampler
