"""Shifts of features: repaint, decorrelate, intervene and fade."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import share, whole
from reward_hypotheses.data.shifts.shift_base import (
    NOT_SHIFTED,
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


def repaint(
    data: Any, features: str | Iterable[str], *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Permute features among the options of each scene.

    ``x'[m, o] = x[m, s_m(o)]`` for each named feature x. ``s_m`` is a uniformly random permutation of the available
    options of scene m, one for all named features, and independent between scenes. So each scene keeps its number of
    each value. A failing option takes part like any other.

    Raises
    ------
    InputError
        No options, no scene with two available options, a feature with one value a scene, an unknown or reserved name,
        an invalid seed.
    """
    items = items_of("repaint", data, options=True)
    names = _features("repaint", features, items.table)
    seed = whole(seed, "repaint: seed")
    if np.diff(items.table.starts).max() < 2:
        raise InputError("repaint: no scene has two available options; paint moves from one to another")
    scene = items.takes_part.nonzero()[0]
    order = np.lexsort((stream(seed, items.data, f"repaint {sorted(names)}").random(len(scene)), scene))
    out = items.data
    for name in names:
        if "option" not in out[name].dims:
            raise InputError(f"repaint: features: {name!r} has one value a scene; name one that differs by option")
        values, part = _cells(items, name)
        values[part] = values[part][order]
        out = with_values(out, name, values)
    return recorded(out, "repaint", {"features": names}, chosen_by, why, seed)


def decorrelate(
    data: Any, features: str | Iterable[str], *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Permute each named feature over all items.

    ``x'[i] = x[s(i)]``, with s a uniformly random permutation. Items are the available options of all scenes, each
    counting once whatever its scene's weight. Every feature has its own permutation. The marginals are kept exactly;
    the association is lost. A feature over ``scene`` alone is permuted over the scenes that have an available option.

    Raises
    ------
    InputError
        An unknown or reserved name, an invalid seed.
    """
    items = items_of("decorrelate", data)
    names = _features("decorrelate", features, items.table)
    seed = whole(seed, "decorrelate: seed")
    out = items.data
    for name in names:
        values, part = _cells(items, name)
        values[part] = stream(seed, items.data, f"decorrelate {name}").permutation(values[part])
        out = with_values(out, name, values)
    return recorded(out, "decorrelate", {"features": names}, chosen_by, why, seed)


def intervene(
    data: Any, feature: str, value: Any, where: Any = None, *, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Set a feature, ``do(feature := value)``, on the items where ``where`` is true.

    Other features are unchanged.

    Parameters
    ----------
    data
        Table.
    feature : str
        A feature. A new feature is allowed where ``where`` is None. Afterwards the feature is over every dim of the
        table, and bool where all its values are true or false (0 and 1 count as such in a feature that was bool).
    value, where
        A number or bool, an array (scene,) or of the table's shape, a DataArray over its dims, an expression over its
        features, or a callable Dataset -> DataArray; ``where`` is boolean. The value is checked only where it is used.
    chosen_by, why : str, optional
        Who chose the shift, and why.

    Raises
    ------
    InputError
        An unknown, reserved or text feature, an expression that does not parse or names no column, a value that is not
        finite, numbers for ``where``, an array of another shape or of other scenes.
    """
    items = items_of("intervene", data)
    known = isinstance(feature, str) and feature in items.table.columns
    if where is not None or known or not isinstance(feature, str) or not feature.strip() or feature in NOT_SHIFTED:
        check_feature("intervene: feature", feature, items.table)
    elif feature in items.data.variables or feature in items.data.dims:
        raise InputError(f"intervene: feature: {feature!r} is a coordinate or has other dims; choose another name")
    used = items.takes_part
    if where is not None:
        chosen = grid("intervene: where", where, items, used)
        if chosen.dtype != bool:
            raise InputError("intervene: where: gives numbers; it must be true or false, as in slope > 10")
        used = used & chosen
    values = grid("intervene: value", value, items, used)
    if known:
        _refuse_text("intervene: feature", feature, items)
        old = np.broadcast_to(whole_grid(items, feature), used.shape)
        if old.dtype == bool and np.isin(values[used], (0, 1)).all():
            values = values == 1
    else:
        old = np.array(False if values.dtype == bool else np.nan)
    values = values if used.all() else np.where(used, values, old)
    out = with_values(items.data, feature, values)
    return recorded(out, "intervene", {"feature": feature, "value": value, "where": where}, chosen_by, why)


def fade(
    data: Any,
    features: str | Iterable[str],
    by: float,
    *,
    seed: int = 0,
    chosen_by: str | None = None,
    why: str | None = None,
) -> "xr.Dataset":
    """Weaken features by a share, ``0 < by <= 1``.

    Each true cell of a boolean feature (one that holds only 0/1 or true/false) becomes false with probability ``by``,
    independently of other cells. A number x becomes ``(1 - by) * x``. A feature over ``scene`` alone fades by scene.

    Raises
    ------
    InputError
        ``by`` out of range, an unknown or reserved name, a text or infinite feature, an invalid seed.
    """
    items = items_of("fade", data)
    names = _features("fade", features, items.table)
    seed = whole(seed, "fade: seed")
    lost = share(by, "fade: by", "give a share above 0 and at most 1")
    out = items.data
    for name in names:
        _refuse_text("fade: features", name, items)
        values, part = _cells(items, name)
        if items.table.columns[name].is_boolean():
            gone = stream(seed, items.data, f"fade {name}").random(int(part.sum())) < lost
            values[part] = np.where(gone & (values[part] == 1), 0, values[part])
        elif np.isinf(values[part]).any():
            raise InputError(f"fade: features: {name!r} is infinite somewhere; a share of it needs finite numbers")
        else:
            values = values.astype(values.dtype if values.dtype.kind == "f" else float)
            values[part] *= 1 - lost
        out = with_values(out, name, values)
    return recorded(out, "fade", {"features": names, "by": lost}, chosen_by, why, seed)


def _features(shift: str, features: Any, table: Table) -> list[str]:
    names = [features] if isinstance(features, str) else list(features) if isinstance(features, Iterable) else []
    if not names:
        raise InputError(f"{shift}: features: {shown(features)}; give the names of one or more features")
    for name in names:
        check_feature(f"{shift}: features", name, table)
    return list(dict.fromkeys(names))


def _refuse_text(place: str, name: str, items: Items) -> None:
    dtype = items.data[name].dtype
    if items.table.columns[name].is_text or dtype.kind not in "biuf":
        what = "text" if items.table.columns[name].is_text else dtype
        raise InputError(f"{place}: column {name!r} holds {what}; it must hold numbers or booleans")


def _cells(items: Items, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a copy of a column, and which of its cells take part.

    Both are (scene,), or on the grid.
    """
    if items.data[name].dims == ("scene",):
        return items.data[name].to_numpy().copy(), items.takes_part.reshape(items.table.n_scenes, -1).any(1)
    return whole_grid(items, name).copy(), items.takes_part
