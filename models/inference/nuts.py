"""A density sampled by NUTS, and its integral by bridge sampling."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from reward_hypotheses.data.progress import counted
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
Variables = Mapping[str, np.ndarray]
TUNE = 500  # draws: the space is round already
DEPTH = 7  # doublings of a trajectory at most, for each step takes a millisecond or so
NEAR = 0.5  # of standard deviations around the mode: where chains begin


def sampled(
    model: Any,
    variables: Callable[[Variables], Variables],
    *,
    draws: int,
    chains: int,
    rng: np.random.Generator,
    place: str = "",
    hopeless: Callable[[Variables], bool] = lambda _: False,
    **settings: Any,
) -> tuple[dict[str, np.ndarray], Sampler]:
    """Sample a compiled model by NUTS, in attempts until the draws pass the gates.

    Parameters
    ----------
    model
        Compiled by nutpie.
    variables : callable
        Maps draws to the variables (chain, draw) that are judged, by their names in messages.
    draws, chains : int
        At least 4 chains of 1,000 are sampled.
    place : str, optional
        Start of the message where NUTS does not run.
    hopeless : callable, optional
        Whether no further attempt can help, given the draws.
    settings
        Other settings of nutpie.

    Returns
    -------
    dict of str to ndarray (chain, draw, ...), Sampler
        Draws of the last attempt, and their diagnostics.

    Raises
    ------
    NotTrustedError
        The sampler did not run.
    """
    import nutpie

    seed, chains = int(rng.integers(2**31)), max(chains, LEAST_CHAINS)
    settings |= {"cores": min(chains, os.cpu_count() or 1), "save_warmup": False, "progress_bar": False}
    for accept, factor in ATTEMPTS:
        n = max(draws, LEAST_DRAWS) * factor
        try:
            with counted(1, "sampling by NUTS") as reached:
                settings["progress_callback"] = None if reached is None else partial(_report, reached)
                tree = nutpie.sample(model, draws=n, chains=chains, seed=seed, target_accept=accept, **settings)
        except RuntimeError as error:
            raise NotTrustedError(f"{place}NUTS did not run: {str(error).splitlines()[0]}") from error
        posterior = {str(name): values.to_numpy() for name, values in tree["posterior"].data_vars.items()}
        stats = {ours: tree["sample_stats"][theirs].to_numpy() for theirs, ours in STATS.items()}
        sampler = judged(variables(posterior), stats, accept)
        if not sampler.problems or hopeless(posterior):
            break
    return posterior, sampler


def _report(reached: Callable[[float], None], chains: list[Any]) -> None:
    """Note the share of the draws that are done, warm-up included."""
    reached(sum(chain.finished_draws for chain in chains) / max(sum(chain.total_draws for chain in chains), 1))


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
    drawn, sampler = sampled(
        model,
        lambda posterior: {f"coordinate {k} of the weights of {name!r}": posterior["at"][..., k] for k in range(d)},
        draws=draws,
        chains=chains,
        rng=substream(seed, f"nuts of {name}"),
        place=f"{name}: ",
        tune=TUNE,
        maxdepth=DEPTH,
    )
    y = drawn["at"]
    value, mcse = bridge(round_target, y, substream(seed, f"bridge of {name}"))
    value += float(np.log(np.diag(bell.root)).sum())
    points = at(y.reshape(-1, d))
    return Weighted(value, mcse, np.nan, points, np.full(len(points), 1 / len(points))), sampler
