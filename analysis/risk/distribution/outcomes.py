"""Comparison of a predicted number of catastrophes with the number observed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.predicted.scores import score_choices
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream


def compare_with_outcomes(
    prediction: Any, outcomes: Any, *, random_seed: int | None = None, rater: str | None = None
) -> xr.Dataset:
    """Compare a predicted number of catastrophes, or predicted choices, with outcomes.

    Parameters
    ----------
    prediction : Dataset, or str, Path or dict
        From `predict_rate`; or a file of `register_prediction`, or what it holds.
    outcomes : int, or array of bool (scene,), or a table or the path of one
        The number of catastrophes in a deployment of as many scenes as the prediction is for, or whether each scene ended in
        one. Of choices: a table of the registered scenes with the registered column, over scene and option (true for the
        chosen option), or one row a scene (the chosen option's name). Columns that the registered test has must be equal.
    random_seed : int, optional
        Of the randomised PIT; the prediction's unless given.
    rater : str, optional
        Of choices: the column of the outcomes that names who chose, for standard errors; the registered one unless given.

    Returns
    -------
    Dataset
        Of choices: ``log_score``, the mean log probability of what was chosen, nats a choice; ``chance``, that of equal
        probabilities, and ``base_rates``, that of how often training chose each position (NaN where unknown);
        ``gain_over_chance`` and ``gain_over_base_rates``. ``..._se`` are standard errors, clustered by rater;
        ``log_score_mcse`` is an upper bound of the Monte Carlo error. ``expected_log_score`` and ``expected_log_score_sd``:
        if the probabilities were right and choices independent. ``accuracy``: how often the most probable option was
        chosen. ``calibration_predicted``, ``_observed``, ``_se`` and ``_count`` (bin), over options by their probability;
        ``share_observed`` and ``share_held`` (option), whether the predictive interval holds it.

        Of catastrophes:
        ``observed``; ``pit = P(N < observed) + U P(N = observed)``, uniform between 0 and 1 over many deployments if predictions
        are calibrated, with ``pit_lower`` and ``pit_upper`` its ends; ``held``, whether the interval holds the number;
        ``log_score = log p(N = observed)``, nats; ``crps = sum_k (P(N <= k) - [k >= observed])^2``, in scenes (Gneiting and
        Raftery, 2007). A greater log score and a smaller CRPS are better.

    Raises
    ------
    InputError
        Something that is no prediction, or was altered after it was registered; outcomes of other scenes.
    """
    if isinstance(prediction, (str, Path, Mapping)) and not isinstance(prediction, xr.Dataset):
        return score_choices(prediction, outcomes, rater)
    if rater is not None:
        raise InputError("rater: it is of predicted choices; leave it out for a number of catastrophes")
    if not isinstance(prediction, xr.Dataset) or "probability" not in prediction or "n_scenes" not in prediction.attrs:
        raise InputError("prediction: no prediction; give what rh.predict_rate returns")
    n = int(prediction.attrs["n_scenes"])
    observed = _number(outcomes, n)
    at, chance = prediction["count"].to_numpy(), prediction["probability"].to_numpy()
    place = int(np.searchsorted(at, observed))
    width = int(at[place] - (at[place - 1] if place else -1))
    before, here = float(chance[:place].sum()), float(chance[place])
    seed = int(prediction.attrs["seed"]) if random_seed is None else whole(random_seed, "random_seed")
    u = float(substream(seed, "randomised PIT").random())
    below = np.cumsum(chance)
    widths = np.diff(at, append=at[-1] + 1)
    held = int(prediction["lower"]) <= observed <= int(prediction["upper"])
    with np.errstate(divide="ignore"):
        log_score = float(np.log(here / width))
    return xr.Dataset(
        {
            "observed": observed,
            "pit": before + u * here,
            "pit_lower": before,
            "pit_upper": before + here,
            "held": held,
            "log_score": log_score,
            "crps": float(widths @ (below - (at >= observed)) ** 2),
        },
        attrs={"n_scenes": n, "prob": prediction.attrs["prob"]},
    )


def _number(outcomes: Any, n: int) -> int:
    """Return the number of catastrophes among n scenes; InputError where it is none."""
    if np.ndim(outcomes) == 0:
        observed = whole(np.asarray(outcomes).item(), "outcomes")
        if observed > n:
            raise InputError(
                f"outcomes: {observed} catastrophes, and the prediction is for {n} scenes; give at most {n}"
            )
        return observed
    values = np.asarray(outcomes)
    if values.dtype != bool or values.ndim != 1:
        raise InputError(
            f"outcomes: {shown(outcomes)}; give the number of catastrophes, or true or false for each scene"
        )
    if len(values) != n:
        raise InputError(f"outcomes: of {len(values)} scenes, and the prediction is for {n}; give one for each scene")
    return int(values.sum())
