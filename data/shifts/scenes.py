"""Shifts of scenes: reweight and resample scenes, and add options to them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.shifts.shift_base import (
    Items,
    check_feature,
    grid,
    items_of,
    recorded,
    stream,
    whole_grid,
    with_values,
)
from reward_hypotheses.data.table import Table

if TYPE_CHECKING:
    import xarray as xr


MOST_RESAMPLED = 10_000_000


def reweight(data: Any, weight: Any, *, chosen_by: str | None = None, why: str | None = None) -> "xr.Dataset":
    """Multiply scene weights by given factors.

    ``scene_weight'[m] = c * scene_weight[m] * weight[m]``, with mean 1. ``weight`` is an array (scene,), an expression
    or a callable Dataset -> DataArray. Over options, the mean over the scene's available options counts. A scene
    without available options has weight 0; without ``scene_weight`` all other scenes have weight 1.

    Raises
    ------
    InputError
        A weight that is not finite or is negative, no positive weight, or a value that `intervene` refuses.
    """
    items = items_of("reweight", data)
    part = items.takes_part.reshape(items.table.n_scenes, -1)
    factors = grid("reweight: weight", weight, items, items.takes_part).reshape(part.shape).astype(float)
    count = part.sum(1)
    # Deviations from the first option of the scene: their mean is exact where the options of a scene agree.
    first = np.where(count, factors[np.arange(len(factors)), part.argmax(1)], 0.0)
    with np.errstate(all="ignore"):
        apart = np.where(part, factors - first[:, None], 0.0).sum(1)
        mean = first + apart / np.maximum(count, 1)
    right = (mean >= 0) & np.isfinite(mean)
    if not right.all():
        scene = int(np.argmin(right))
        what = f"scene {items.table.scene_name(scene)} gets {mean[scene]:g}"
        raise InputError(f"reweight: weight: {what}; it must be a finite number of 0 or more")
    new = _scene_weights("reweight", items.table) * (mean / (mean.max() or 1.0))
    if not new.max() > 0:
        raise InputError("reweight: weight: no scene would have a positive weight; one at least must")
    new = new / new.max()
    out = items.data.assign(scene_weight=("scene", new / new.mean()))
    return recorded(out, "reweight", {"weight": weight}, chosen_by, why)


def resample(
    data: Any, n: int | None = None, *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Draw n scenes with replacement, by their weights.

    ``P(m) = w[m] / sum w``, with w = ``scene_weight``; by default n is the number of scenes. The result has no
    ``scene_weight``. Scenes are numbered from 0; the coordinate ``resampled_from`` (scene,) holds the name of each
    scene before the first resampling of a chain. A scene without available options is never drawn.

    Raises
    ------
    InputError
        n that is no positive whole number, an invalid seed, weights that are negative or nowhere positive.
    """
    items = items_of("resample", data)
    n = items.table.n_scenes if n is None else whole(n, "resample: n", 1)
    if n > MOST_RESAMPLED:
        raise InputError(f"resample: n: {shown(n)}; give at most {MOST_RESAMPLED:,} scenes")
    seed = whole(seed, "resample: seed")
    if "resampled_from" in items.data.data_vars:
        raise InputError("resample: the table has a column 'resampled_from', which would be overwritten; rename it")
    weights = _scene_weights("resample", items.table)
    drawn = stream(seed, items.data, "resample").choice(len(weights), size=n, p=weights / weights.sum())
    origin = items.data["resampled_from" if "resampled_from" in items.data.coords else "scene"].to_numpy()[drawn]
    out = items.data.isel(scene=drawn).drop_vars("scene_weight", errors="ignore")
    out = out.assign_coords(scene=np.arange(n), resampled_from=("scene", origin))
    return recorded(out, "resample", {"n": n}, chosen_by, why, seed)


def add_options(
    data: Any,
    options: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    chosen_by: str | None = None,
    why: str | None = None,
) -> "xr.Dataset":
    """Add options to every scene, available beside its own.

    Parameters
    ----------
    data
        Table over (scene, option).
    options : mapping or sequence of mappings
        Feature -> value, for each option. A feature without a value is missing in that option (booleans then become 0,
        1 and NaN, whole numbers float). ``is_failing`` is false unless given, and the weight is the scene's. Columns
        over ``scene`` alone hold for every option. A column over options is missing in the options added, even where a
        scene's options agree on it.
    chosen_by, why : str, optional
        Who chose the shift, and why.

    Raises
    ------
    InputError
        No options in the table or to add, an unknown or reserved name, a value that does not fit its column.
    """
    items = items_of("add_options", data, options=True)
    scenes, width = items.takes_part.shape
    added = [options] if isinstance(options, Mapping) else options
    right = "give a mapping feature -> value, or a list of such"
    if not isinstance(added, Sequence) or isinstance(added, str) or not all(isinstance(o, Mapping) for o in added):
        raise InputError(f"add_options: options: {shown(options)}; {right}")
    if not added or not all(added):
        raise InputError(f"add_options: options: none, or one without features; {right}")
    for option in added:
        for name, value in option.items():
            _check_value("add_options: options", name, value, items)
    _scene_weights("add_options", items.table)  # refuses weights that differ in a scene
    wide = scenes, len(added)
    out = items.data.pad(option=(0, len(added)), keep_attrs=True)
    for name in (*items.table.columns, "option_name"):
        if name not in out or "option" not in out[name].dims:
            continue
        old = whole_grid(items, name)
        if name == "scene_weight":  # the new options are of the same scenes
            new = old[np.arange(scenes), items.takes_part.argmax(1)][:, None]
        else:
            is_text = name == "option_name" or items.table.columns[name].is_text
            missing = "" if is_text else False if name == "is_failing" else np.nan
            new = _like(old, [option.get(name, missing) for option in added])
        out = with_values(out, name, np.hstack([old, np.broadcast_to(new, wide)]))
    if "available" in out:
        out = with_values(out, "available", np.hstack([items.takes_part, np.ones(wide, bool)]))
    if "option" in items.data.coords:
        labels = items.data["option"].to_numpy()
        numbers = labels.dtype.kind in "iuf"
        more = [labels.max() + 1 + k if numbers else f"added {width + k}" for k in range(len(added))]
        out = out.assign_coords(option=np.array([*labels.tolist(), *more], labels.dtype if numbers else object))
    described = [{name: np.asarray(value).item() for name, value in option.items()} for option in added]
    return recorded(out, "add_options", {"options": described}, chosen_by, why)


def _check_value(place: str, name: Any, value: Any, items: Items) -> None:
    """Refuse a value that cannot be a cell of its column in an added option."""
    check_feature(place, name, items.table)
    if "option" not in items.data[name].dims:
        raise InputError(f"{place}: {name!r} has one value a scene, for all of its options; leave it out")
    is_text = items.table.columns[name].is_text
    if not (isinstance(value, str) if is_text else isinstance(value, (bool, np.bool_)) or finite(value) is not None):
        right = "a text" if is_text else "a finite number or a bool"
        raise InputError(f"{place}: {name!r} = {shown(value)}; give {right}, or leave it out where it is missing")


def _like(old: np.ndarray, cells: list[Any]) -> np.ndarray:
    """Return an array of cells, with the type of the old cells if possible.

    Another type where the old type would lose something.
    """
    if old.dtype.kind not in "biuf":
        return np.array(cells, object if old.dtype == object else None)
    new = np.array(cells, float)
    with np.errstate(invalid="ignore"):
        cast = new.astype(old.dtype)
    return cast if old.dtype.kind == "f" or (cast == new).all() else new


def _scene_weights(shift: str, table: Table) -> np.ndarray:
    """Return the weights of scenes, of any scale: (scene,).

    0 where no option is available.
    """
    with InputError.at(shift):
        weights = table.scene_weights()
    return (np.diff(table.starts) > 0).astype(float) if weights is None else weights
