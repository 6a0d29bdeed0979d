"""Scores of a registered prediction of choices on what was chosen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.predicted.choosers import rater_of_scene
from reward_hypotheses.analysis.agents.predicted.record import Record, digests_of_columns, option_names, read_record
from reward_hypotheses.data.errors import InputError, first_few, shown
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table

BINS = 10
"""Bins of the calibration table, of equal width."""


def score_choices(prediction: Any, outcomes: Any, rater: str | None = None) -> xr.Dataset:
    """Score a registered prediction of choices, as `compare_with_outcomes` says."""
    record = read_record(prediction)
    found = outcomes_of(record, outcomes, rater)
    out = _scores(found)
    out |= _calibration(found)
    out |= _shares(record, found)
    coords = {
        "scene": [entry["scene"] for entry in record["scenes"]],
        "bin": (np.arange(BINS) + 0.5) / BINS,
        "option": np.arange(out["share_observed"][1].size),
    }
    attrs = {"sha256": record["sha256"], "registered": record["registered"], "clusters": found.n_clusters}
    return xr.Dataset(out, coords=coords, attrs=attrs | {"clustered_by": found.clustered_by})


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What was chosen, beside what was predicted.

    Attributes
    ----------
    scene, position : ndarray (item,)
        Of each item, in the order of the registration.
    probability, mcse, base : ndarray (item,)
        Predicted, its Monte Carlo error, and by the base rates of training (NaN without).
    picked : ndarray (scene,) of int
        The item chosen in each scene.
    share : ndarray (scene,)
        Weights of the scenes, adding up to 1.
    cluster : ndarray (scene,) of int
        The rater of each scene; each scene is its own cluster where it is unknown.
    """

    scene: np.ndarray
    position: np.ndarray
    probability: np.ndarray
    mcse: np.ndarray
    base: np.ndarray
    picked: np.ndarray
    share: np.ndarray
    cluster: np.ndarray
    clustered_by: str

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    @property
    def chosen(self) -> np.ndarray:
        """Whether each item was chosen: (item,) of bool."""
        out = np.zeros(len(self.scene), bool)
        out[self.picked] = True
        return out

    def sum_over_options(self, values: np.ndarray) -> np.ndarray:
        """Return sums over the options of each scene: (scene,)."""
        return np.bincount(self.scene, values, len(self.picked))

    def mean(self, by_scene: np.ndarray) -> tuple[float, float]:
        """Return the weighted mean over scenes, and its standard error by cluster.

        ``se^2 = C/(C-1) sum_c (sum_{m in c} s_m (x_m - mean))^2`` over C clusters; NaN for one cluster.
        """
        mean = float(self.share @ by_scene)
        if not math.isfinite(mean):
            return mean, math.nan
        apart = np.bincount(self.cluster, self.share * (by_scene - mean))
        n = len(apart)
        return mean, math.sqrt(n / (n - 1) * float(apart @ apart)) if n > 1 else math.nan


def _scores(found: Outcomes) -> dict[str, Any]:
    """Return log scores, beside chance and base rates, with their standard errors."""
    n_options = np.bincount(found.scene)
    with np.errstate(divide="ignore"):
        by_scene = np.log(found.probability[found.picked])
        all_logs = np.where(found.probability > 0, np.log(np.maximum(found.probability, 1e-300)), 0.0)
        base = np.log(found.base[found.picked])
    chance = -np.log(n_options)
    expected = found.sum_over_options(found.probability * all_logs)
    spread = found.sum_over_options(found.probability * all_logs**2) - expected**2
    most = np.maximum.reduceat(found.probability, np.flatnonzero(np.diff(found.scene, prepend=-1)))
    best = found.probability >= most[found.scene] - 1e-9
    hit = best[found.picked] / found.sum_over_options(best)
    out: dict[str, Any] = {"log_score_by_scene": ("scene", by_scene)}
    out["log_score"], out["log_score_se"] = found.mean(by_scene)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["log_score_mcse"] = float(found.share @ (found.mcse[found.picked] / found.probability[found.picked]))
    out["chance"] = float(found.share @ chance)
    out["gain_over_chance"], out["gain_over_chance_se"] = found.mean(by_scene - chance)
    out["base_rates"] = float(found.share @ base)
    out["gain_over_base_rates"], out["gain_over_base_rates_se"] = found.mean(by_scene - base)
    out["expected_log_score"] = float(found.share @ expected)
    out["expected_log_score_sd"] = math.sqrt(max(float(found.share**2 @ spread), 0.0))
    out["accuracy"], out["accuracy_se"] = found.mean(hit)
    return out


def _calibration(found: Outcomes) -> dict[str, Any]:
    """Return how often options were chosen, by bins of their probability."""
    where = np.minimum((found.probability * BINS).astype(int), BINS - 1)
    weight, chosen = found.share[found.scene], found.chosen.astype(float)
    mass, counts = np.bincount(where, weight, BINS), np.bincount(where, minlength=BINS)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(where, weight * found.probability, BINS) / mass
        observed = np.bincount(where, weight * chosen, BINS) / mass
    se = np.full(BINS, np.nan)
    for b in np.flatnonzero(mass > 0).tolist():
        here = np.where(where == b, weight * (chosen - observed[b]), 0.0) / mass[b]
        by_cluster = np.bincount(found.cluster[found.scene], here)
        n = len(np.unique(found.cluster[found.scene[where == b]]))
        if n > 1:
            se[b] = math.sqrt(n / (n - 1) * float(by_cluster @ by_cluster))
    columns = {"count": counts, "predicted": predicted, "observed": observed, "se": se}
    return {f"calibration_{key}": ("bin", values) for key, values in columns.items()}


def _shares(record: Record, found: Outcomes) -> dict[str, Any]:
    """Return the observed share of each position, and whether the interval holds it."""
    lower, upper = (np.array(record["summary"][f"share_{end}"], float) for end in ("lower", "upper"))
    picked = found.position[found.picked]
    observed = np.bincount(picked, found.share, len(lower))
    held = (lower - 1e-12 <= observed) & (observed <= upper + 1e-12)
    return {"share_observed": ("option", observed), "share_held": ("option", held)}


def outcomes_of(record: Record, outcomes: Any, rater: str | None) -> Outcomes:
    """Lay outcomes out as a prediction was registered.

    Raises
    ------
    InputError
        Outcomes of other scenes or options, or with other features; a scene without one choice.
    """
    table = _table(outcomes)
    scenes, column = record["scenes"], record["settings"]["chosen"]
    place = {table.scene_name(m): m for m in range(table.n_scenes)}
    _same_scenes(record, table, place)
    order = [place[entry["scene"]] for entry in scenes]
    starts = np.concatenate([[0], np.cumsum([len(entry["options"]) for entry in scenes])])
    if table.has_options:
        items = _items(record, table, order)
        _same_columns(record, table, items)
        chosen = table.booleans(column, what="true for the option that was chosen, else false")[items]
        counts = np.add.reduceat(chosen.astype(int), starts[:-1])
        if (counts != 1).any():
            m = int(np.argmax(counts != 1))
            raise InputError(
                f"{table.source}: scene {scenes[m]['scene']}: column {column!r} marks {int(counts[m])} options as chosen; mark exactly one"
            )
        picked = np.flatnonzero(chosen)
    else:
        picked = starts[:-1] + _named(record, table, order, column)
    sizes = np.diff(starts)
    position = np.array([p for entry in scenes for p in entry["positions"]], int)
    weight = np.array([entry.get("weight", 1.0) for entry in scenes])
    by, cluster = _clusters(record, table, order, rater)
    scene = np.repeat(np.arange(len(scenes)), sizes)
    base = np.full(len(scene), np.nan)
    if record["test"]["base_rates"] is not None:
        base = np.array(record["test"]["base_rates"])[position]
        base = base / np.bincount(scene, base)[scene]
    chance, mcse = (
        np.array([p for entry in scenes for p in entry[f"probability{end}"]], float) for end in ("", "_mcse")
    )
    return Outcomes(scene, position, chance, mcse, base, picked, weight / weight.sum(), cluster, by)


def _table(outcomes: Any) -> Table:
    if isinstance(outcomes, (str, Path)):
        from reward_hypotheses.data.readers.files import read_any

        return read_any(Path(outcomes), Path(outcomes).stem)[0]
    return as_table(outcomes, "outcomes")


def _same_scenes(record: Record, table: Table, place: Mapping[str, int]) -> None:
    names = [entry["scene"] for entry in record["scenes"]]
    known = set(names)
    lacking, others = [n for n in names if n not in place], [n for n in place if n not in known]
    problems = first_few(
        lacking,
        lambda name: (
            f"{table.source}: no outcome of scene {name!r}; the prediction is for it, so give what was chosen there"
        ),
        lambda n: f"{table.source}: {n:,} more scenes have no outcome",
    ) + first_few(
        others,
        lambda name: f"{table.source}: scene {name!r} is not in the prediction; give outcomes of its scenes alone",
        lambda n: f"{table.source}: {n:,} more scenes are not in the prediction",
    )
    if problems:
        raise InputError(problems)


def _items(record: Record, table: Table, order: list[int]) -> np.ndarray:
    """Return the item of each registered option."""
    names, out = option_names(table), []
    for entry, m in zip(record["scenes"], order, strict=True):
        lo, hi = int(table.starts[m]), int(table.starts[m + 1])
        there = {names[i]: i for i in range(lo, hi)}
        if sorted(there) != sorted(entry["options"]):
            raise InputError(
                f"{table.source}: scene {entry['scene']}: options {sorted(there)}; the prediction is for {sorted(entry['options'])}"
            )
        out += [there[option] for option in entry["options"]]
    return np.array(out, int)


def _same_columns(record: Record, table: Table, items: np.ndarray) -> None:
    """Refuse outcomes whose features differ from those of the registered test."""
    registered = record["test"]["columns_sha256"]
    now = digests_of_columns(table, items, [c for c in table.columns if c not in registered])
    wrong = [column for column, digest in now.items() if digest != registered[column]]
    if wrong:
        raise InputError(
            [
                f"{table.source}: column {column!r} differs from that of the test that was registered; give the outcomes of that test"
                for column in wrong
            ]
        )


def _named(record: Record, table: Table, order: list[int], column: str) -> np.ndarray:
    """Return the chosen place of each scene, where a table of scenes names it."""
    names, out = table.column(column).names, []
    for entry, m in zip(record["scenes"], order, strict=True):
        name = names.text(int(table.starts[m]))
        if name not in entry["options"]:
            raise InputError(
                f"{table.source}: {table.where(int(table.starts[m]))}: column {column!r} is {shown(name)}; name the option that was "
                f"chosen in scene {entry['scene']}, one of {entry['options']}"
            )
        out.append(entry["options"].index(name))
    return np.array(out, int)


def _clusters(record: Record, table: Table, order: list[int], rater: str | None) -> tuple[str, np.ndarray]:
    """Return what choices are clustered by, and the cluster of each scene."""
    column = record["settings"]["rater"] if rater is None else rater
    if column is None:
        return "scene", np.arange(len(order))
    if rater is None:
        names = [entry["rater"] for entry in record["scenes"]]
    else:
        by_scene = rater_of_scene(table, rater)
        names = [by_scene[m] for m in order]
    number: dict[Any, int] = {}
    keys = [("scene", m) if name is None else name for m, name in enumerate(names)]
    return column, np.array([number.setdefault(key, len(number)) for key in keys])
