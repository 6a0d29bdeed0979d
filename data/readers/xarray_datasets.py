"""Datasets and dicts of arrays over (scene, option) as Tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of, names_column
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.table import PLACE_COLUMNS, WRITTEN, Table, what_is_available, with_names

if TYPE_CHECKING:
    import xarray as xr


def table_of_grids(name: str, arrays: Mapping[str, Any], shape: tuple[int, int]) -> Table:
    """Return a Table of arrays over (scene, option) or over scene alone.

    The arrays ``scene`` and ``option`` are names of scenes and options.
    """
    columns, places = {}, {}
    for c, v in arrays.items():
        if c in ("scene", "option") and len(np.shape(v)) == 1:
            places[c] = names_column(v)
            if len(places[c].values) != shape[c == "option"]:
                raise InputError(f"{name}: column {c!r} has {len(places[c].values)} names for {shape[c == 'option']}")
        elif np.ndim(v) == 2:
            values = v if hasattr(v, "mask") else np.asarray(v)
            columns[c] = column_of(values.reshape(-1), c)
        else:
            columns[c] = column_of(v, c).take(np.repeat(np.arange(shape[0]), shape[1]))
    return _from_grid(name, columns, shape, places.get("scene"), places.get("option"), True)


def table_of_dataset(data: "xr.Dataset", name: str) -> Table:
    """Return a Table of a Dataset over ``scene`` and, optionally, ``option``.

    Raises
    ------
    InputError
        A Dataset without the dimension ``scene``.
    """
    if "scene" not in data.dims:
        raise InputError(
            f"{name}: dimensions {tuple(data.dims)}; a table needs 'scene', and 'option' where it has options"
        )
    has_options = "option" in data.dims
    dims = ("scene", "option") if has_options else ("scene",)
    shape = tuple(data.sizes[d] for d in dims)

    def cells(variable: "xr.DataArray") -> np.ndarray:
        lacking = [d for d in dims if d not in variable.dims]
        grid = variable.expand_dims({d: data.sizes[d] for d in lacking}).transpose(*dims)
        values = grid.to_numpy().reshape(-1)
        # text of a Dataset has no missing cell but the empty one
        if values.dtype.kind in "OUT":
            values = values.astype(object)
            values[values == ""] = None
        return values

    columns = {}
    for key, variable in data.data_vars.items():
        if set(variable.dims) <= set(dims) and variable.dims:
            columns[str(key)] = column_of(cells(variable), str(key))
    for key, variable in data.coords.items():
        if str(key).endswith(WRITTEN) and set(variable.dims) <= set(dims):
            columns[str(key)] = column_of(cells(variable))
    scenes, options = (names_column(data[d].to_numpy()) if d in data.coords else None for d in ("scene", "option"))
    return _from_grid(name, columns, shape, scenes, options if has_options else None, has_options)


def _from_grid(
    name: str,
    columns: Mapping[str, Column],
    shape: tuple[int, ...],
    scenes: Column | None,
    options: Column | None,
    has_options: bool,
) -> Table:
    if not columns:
        raise InputError(f"{name}: no variables over 'scene'; a table needs at least one")
    n_scenes, width = shape[0], shape[1] if has_options else 1
    if n_scenes * width == 0:
        raise InputError(f"{name}: no items; a table needs at least one")
    if scenes is not None and scenes.missing().any():
        raise InputError(f"{name}: scene {int(np.argmax(scenes.missing()))} has no name; name every scene or none")
    if options is not None and options.vocabulary == tuple(map(str, range(width))):
        options = None  # their positions
    table = Table(
        name=name,
        source=name,
        columns=columns,
        starts=np.arange(n_scenes + 1) * width,
        has_options=has_options,
        scene_names=None if scenes is None else tuple(scenes.text(m) for m in range(n_scenes)),
        option_names=None if options is None else options.take(np.tile(np.arange(width), n_scenes)),
        column_order=tuple(c for c in columns if c not in (*PLACE_COLUMNS, "option_name")),
    )
    return what_is_available(with_names(table))
