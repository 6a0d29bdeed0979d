"""Shifted tests: deliberate changes of a table, with a record of who chose them.

Each shift takes a Dataset over ``scene`` and, where it has options, ``option`` (or a DataFrame or a dict of arrays, as
`as_table` does). It returns a new Dataset, and leaves its input unchanged. Unavailable options keep their values: they are
neither moved nor drawn nor counted. Missing cells move like any other. ``features`` is one name or several.

A test whose results decide which agent comes next has become training data: the agent's behaviour on it no longer predicts
its behaviour on other shifts. So every shift takes ``chosen_by`` (who or what chose it) and ``why``, both text or None. It
appends itself to the attribute ``shifts``, JSON that NetCDF keeps; `shifts_of` reads the attribute.

Equal seeds give equal results. Each shift, each feature and each place in a chain has its own random stream, so that two
steps of a chain at one seed draw different numbers.
"""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import PLACE_COLUMNS, Table

if TYPE_CHECKING:
    import xarray as xr


NOT_SHIFTED = (*PLACE_COLUMNS, "option_name", "scene_weight")
"""Columns that shifts of features leave alone: places of items, and scene weights, which `reweight` sets."""


def shifts_of(data: Any) -> list[dict[str, Any]]:
    """Return the shifts of a table, in order.

    Dicts of name, arguments, seed (where random), chosen_by and why. The list is empty for a table without shifts.

    Raises
    ------
    InputError
        An attribute ``shifts`` that is no such record.
    """
    text = getattr(data, "attrs", {}).get("shifts", "[]")
    try:
        record = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        record = None
    if not isinstance(record, list) or not all(isinstance(entry, dict) and "name" in entry for entry in record):
        raise InputError(f"attribute 'shifts' is {shown(text)}; it must be the JSON that shifts leave, or absent")
    return record


class Items(NamedTuple):
    """A table on its grid and as its items.

    ``takes_part`` marks the cells of the grid that are items, in their order.
    """

    data: "xr.Dataset"
    table: Table
    takes_part: np.ndarray

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of the grid."""
        return ("scene", "option")[: self.takes_part.ndim]


def items_of(shift: str, data: Any, options: bool = False) -> Items:
    """Return a table on its grid and as its items.

    Parameters
    ----------
    shift : str
        Name of the shift, for messages.
    options : bool, optional
        Whether the table must have options.

    Raises
    ------
    InputError
        No table, or no options where they are needed.
    """
    with InputError.at(shift):
        dataset = data if hasattr(data, "data_vars") else as_table(data).to_dataset()
        table = as_table(dataset)
        if options and not table.has_options:
            raise InputError("the table has no options; it must be over 'scene' and 'option'")
        shifts_of(dataset)
    takes_part = np.zeros((table.n_scenes, dataset.sizes.get("option", 1)), bool)
    takes_part[np.repeat(np.arange(table.n_scenes), np.diff(table.starts)), table.positions] = True
    # How a file stored a variable (its dtype, its chunks) need not fit what becomes of it.
    return Items(dataset.drop_encoding(), table, takes_part if table.has_options else takes_part[:, 0])


def recorded(
    out: "xr.Dataset",
    name: str,
    arguments: Mapping[str, Any],
    chosen_by: str | None,
    why: str | None,
    seed: int | None = None,
) -> "xr.Dataset":
    """Return the table with one more shift in its record, `shifts_of`."""
    for key, text in (("chosen_by", chosen_by), ("why", why)):
        if text is not None and not isinstance(text, str):
            raise InputError(f"{name}: {key}: {shown(text)}; give a text, or None")
    entry: dict[str, Any] = {"name": name, "arguments": {k: _described(v) for k, v in arguments.items()}}
    entry |= {} if seed is None else {"seed": seed}
    entry |= {"chosen_by": chosen_by, "why": why}
    return out.assign_attrs(shifts=json.dumps([*shifts_of(out), entry]))


def _described(argument: Any) -> Any:
    """Return an argument as JSON can hold it.

    An array by its shape, a callable by its name.
    """
    if callable(argument):
        return getattr(argument, "__name__", type(argument).__name__)
    if argument is None or (isinstance(argument, list) and all(isinstance(item, (str, dict)) for item in argument)):
        return argument
    array = np.asarray(argument)
    if array.ndim:
        return f"array of shape {array.shape}"
    value = array.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def stream(seed: int, data: "xr.Dataset", purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose at one place in a chain.

    Independent of the generators of other purposes and places.
    """
    return substream(seed, f"{len(shifts_of(data))} {purpose}")


def check_feature(place: str, name: Any, table: Table) -> None:
    """Refuse a name that is no feature of the table."""
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{place}: {shown(name)}; give the name of a feature, as text")
    if name in NOT_SHIFTED:
        right = "reweight sets it" if name == "scene_weight" else "name a feature"
        raise InputError(f"{place}: {name!r} is reserved; {right}")
    if name not in table.columns:
        known = [column for column in table.columns if column not in NOT_SHIFTED]
        raise InputError(f"{place}: no column {name!r}; {suggestion(name, known)}")


def whole_grid(items: Items, name: str) -> np.ndarray:
    """Return a column on the whole grid, unavailable options included."""
    return spread(items.data[name].variable, items)


def spread(variable: "xr.Variable", items: Items) -> np.ndarray:
    """Return a variable on the whole grid."""
    return variable.set_dims(dict(zip(items.dims, items.takes_part.shape, strict=True))).to_numpy()


def with_values(data: "xr.Dataset", name: str, values: np.ndarray) -> "xr.Dataset":
    """Return the Dataset with new values of a variable.

    The variable's attributes and order of dims are kept.
    """
    dims = ("scene", "option")[: values.ndim]
    attrs = data[name].attrs if name in data else {}
    out = data.assign({name: (dims, values, attrs)})
    if name in data and set(data[name].dims) == set(dims):
        out[name] = out[name].transpose(*data[name].dims)
    return out


def grid(place: str, value: Any, items: Items, used: np.ndarray) -> np.ndarray:
    """Return numbers or booleans on the whole grid.

    Parameters
    ----------
    value : str, callable, array or number
        An expression, a callable Dataset -> DataArray, an array (scene,) or of the grid's shape, or one number.
    used : ndarray of bool
        Cells of the grid where the values are used.

    Raises
    ------
    InputError
        Values of another kind or shape, or not finite where ``used``.
    """
    with InputError.at(place):
        if callable(value):
            value = value(items.data.copy(deep=True))
            if isinstance(value, str):
                raise InputError(f"the callable gave {shown(value)}; it must give a DataArray")
        is_text = isinstance(value, str)
        values, boolean = _evaluated(value, items, used) if is_text else (_broadcast(value, items), False)
        if values.dtype.kind not in "biuf":
            raise InputError(f"holds {values.dtype}; give numbers or booleans")
        wrong = (used & ~np.isfinite(values))[items.takes_part]
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InputError(
                f"{items.table.where(item)}: is {values[items.takes_part][item]}; it must be finite on every available "
                "item that it is used on"
            )
    return values == 1 if boolean else values


def _evaluated(text: str, items: Items, used: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return values of an expression, and whether they are true or false.

    NaN where the value is undefined, and off the items.
    """
    expression, table = parse(text), items.table
    for name in expression.columns:
        if name not in table.columns:
            raise InputError(f"no column {name!r}; {suggestion(name, table.columns)}")
    # As in a study, a column of 0 and 1 alone is boolean.
    table = table.with_booleans(name for name in expression.columns if table.columns[name].is_boolean())
    columns = {name: table.numbers(name, used[items.takes_part]) for name in expression.columns}

    def is_boolean(name: str) -> bool:
        return columns[name].dtype == bool

    expression.check(is_boolean)
    values = np.full(used.shape, np.nan)
    values[items.takes_part] = expression.evaluate(columns.__getitem__)
    return values, expression.is_truth(is_boolean)


def _broadcast(value: Any, items: Items) -> np.ndarray:
    import xarray as xr

    shape = items.takes_part.shape
    if isinstance(value, xr.DataArray):
        if not set(value.dims) <= set(items.dims):
            raise InputError(f"is over {value.dims}; it must be over {items.dims} or some of them")
        try:
            xr.align(value, items.data, join="exact", copy=False)
        except ValueError:
            raise InputError(f"has other scenes or options than the table, of sizes {dict(value.sizes)}") from None
        return spread(value.variable, items)
    try:
        values = np.asarray(value)
    except (TypeError, ValueError):  # a list of uneven lists, a Dataset
        raise InputError(f"a {type(value).__name__} that is no array; give numbers or booleans") from None
    if values.ndim == 1 and len(shape) == 2:  # one value a scene stands for all of its options, as in a dict of arrays
        values = values[:, None] if values.shape == shape[:1] else np.empty((0, 0))
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        right = " or ".join(map(str, dict.fromkeys((shape[:1], shape))))
        raise InputError(f"shape {np.shape(value)}; give one number, or an array of shape {right}") from None
