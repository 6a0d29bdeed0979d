"""How far probes resemble a test: weights of probes, and features without overlap."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.episodes import Episodes, episodes_of
from reward_hypotheses.analysis.shift.numeric_features import check_features, feature, usable_features
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.data.table import Table

RIDGE = 10.0
"""Precision of the coefficients of the logistic regression, per standard deviation."""
ITERATIONS = 100
OUTSIDE = 0.05
"""Share of the test outside the probes' range above which a feature is without overlap."""
TOLERANCE = 1e-9


def probe_overlap(
    probes: Any, test: Any, features: Sequence[str] | None = None, *, steps: int | None = None
) -> xr.Dataset:
    """Weigh probes by how far they resemble a test, and find features without overlap.

    A logistic regression (ridge, classes weighed equally) tells the scenes of the test from the probes by the means of
    features and of their products over a scene's options. The weight of probe m is its relative density ratio (Yamada et al.,
    2013)::

        w_m = p_test(x_m) / (p_test(x_m) / 2 + p_probes(x_m) / 2) = 2 P(test | x_m),

    at most 2. What the probes cannot say of the test is taken away: the weights are scaled to the sum
    ``(sum w)^2 / sum w^2``, times the share of the test that lies in the range of the probes.

    Parameters
    ----------
    probes, test : table
        As the functions that take a test read them.
    features : sequence of str, optional
        Columns, measured from a zero that means something (products are formed); all columns of numbers that both tables have, unless given.
    steps : int, optional
        The most steps of an episode, as for `predict_rate`: the weights are then those of episodes.

    Returns
    -------
    Dataset
        ``weight`` (probe,), 0 to 1 on average at most, and ``effective``, their sum; ``outside`` (feature,), the share of the
        test's scenes in which an option lies outside the range of the feature in the probes; ``without_overlap``
        (feature,), whether that share is above 5 %.

    Raises
    ------
    InputError
        A table that cannot be read, a feature that a table lacks, no feature.
    """
    if isinstance(features, str):
        raise InputError(f"features: {features!r}; list the columns, such as [{features!r}]")
    tables = [as_table(_columns(table), name) for table, name in ((probes, "probes"), (test, "test"))]
    if features is None:
        features = [name for name in usable_features(tables) if name not in ("next", "first")]
    else:
        check_features(tables, features, "features")
    if not features:
        raise InputError("features: none; give columns of numbers that the probes and the test have")
    values = [np.array([feature(table, name) for name in features]) for table in tables]
    low, high = values[0].min(axis=1, keepdims=True), values[0].max(axis=1, keepdims=True)
    slack = TOLERANCE * (high - low) + EPS * (np.abs(high) + np.abs(low))
    beyond = (values[1] < low - slack) | (values[1] > high + slack)
    episodes = [
        None if steps is None else episodes_of(made, steps, table.n_scenes)
        for made, table in zip((probes, test), tables, strict=True)
    ]
    met = [_met(table, some) for table, some in zip(tables, episodes, strict=True)]
    out = np.array([np.maximum.reduceat(row, tables[1].starts[:-1]) for row in beyond])[:, met[1].any(axis=0)]
    outside = out.mean(axis=1)
    means = [
        _moments(v, table)[some[0]] if each is None else (some @ _moments(v, table)) / some.sum(axis=1, keepdims=True)
        for v, table, some, each in zip(values, tables, met, episodes, strict=True)
    ]
    ratio = _relative_ratio(*means)
    effective = ratio.sum() ** 2 / (ratio**2).sum() * (1 - out.any(axis=0).mean())
    return xr.Dataset(
        {
            "weight": ("probe", ratio / ratio.sum() * effective),
            "outside": ("feature", outside),
            "without_overlap": ("feature", outside > OUTSIDE),
            "effective": float(effective),
        },
        coords={"feature": list(features)},
    )


def _columns(table: Any) -> Any:
    """Return a table without its transitions."""
    return table.drop_vars(["next", "first"], errors="ignore") if isinstance(table, xr.Dataset) else table


def _moments(values: np.ndarray, table: Table) -> np.ndarray:
    """Return mean features and products over a scene's options: (scene, moment)."""
    rows, columns = np.triu_indices(len(values))
    moments = np.concatenate([values, values[rows] * values[columns]])
    return (np.add.reduceat(moments, table.starts[:-1], axis=1) / np.diff(table.starts)).T


def _met(table: Table, episodes: Episodes | None) -> np.ndarray:
    """Return the scenes that each episode can come to: (episode, scene) of bool.

    Without episodes one row, of the scenes of positive weight.
    """
    if episodes is None:
        weights = table.scene_weights()
        return np.ones((1, table.n_scenes), bool) if weights is None else weights[None] > 0
    out = np.zeros((len(episodes.first), table.n_scenes), bool)
    episode, scene = np.arange(len(out)), episodes.first
    out[episode, scene] = True
    for _ in range(episodes.steps - 1):
        to = episodes.after[scene]
        episode, to = np.repeat(episode, to.shape[1])[(to >= 0).ravel()], to[to >= 0]
        new = ~out[episode, to]
        if not new.any():
            break
        episode, scene = np.unique(np.stack([episode[new], to[new]]), axis=1)
        out[episode, scene] = True
    return out


def _relative_ratio(probes: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return ``2 P(test | x)`` of the probes, by logistic regression: (probe,)."""
    n = len(probes)
    x = np.concatenate([probes, test])
    spread, size = x.std(axis=0), np.abs(x).max(axis=0)
    x = np.column_stack([np.ones(len(x)), ((x - x.mean(axis=0)) / np.where(spread > TOLERANCE * size, spread, np.inf))])
    y = np.repeat([0.0, 1.0], [n, len(test)])
    mass = np.repeat([1.0, n / len(test)], [n, len(test)])
    penalty = np.full(x.shape[1], RIDGE)
    penalty[0] = 0.0
    coefficients = np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        p = 1 / (1 + np.exp(-x @ coefficients))
        slope = x.T @ (mass * (y - p)) - penalty * coefficients
        curvature = (x * (mass * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        coefficients = coefficients + step * min(1.0, 5.0 / max(np.abs(x @ step).max(), 1e-300))
        if np.abs(step).max() < TOLERANCE:
            break
    return 2 / (1 + np.exp(-x[:n] @ coefficients))
