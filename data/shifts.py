"""Shifted tests: what is changed about a table on purpose, and who chose to.

Each shift takes a Dataset over ``scene`` and, where it has options, ``option`` (or a DataFrame or a dict of arrays, as
`as_table` does) and gives a new Dataset; its input is left as it was. Options that are not available never take part:
nothing is moved, drawn or counted of them, and they keep their values. Missing cells move like any other. ``features``
is one name or several.

Who chose a test matters as much as what it is. If results on a test decide which agent comes next, that test has become
training data: what the agent does there no longer says what it would do on a shift that nobody chose by it. So every
shift takes ``chosen_by`` (who or what picked it) and ``why`` (both text, or None), and appends itself to the attribute
``shifts``, JSON that outlives NetCDF; `shifts_of` reads it.

Randomness: equal seeds give equal results. Each shift, each feature and each place in a chain has a stream of its own,
so that two steps of a chain at one seed do not repeat each other's draws.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions import Expression, Symbol, parse
from reward_hypotheses.data.numbers import finite, whole
from reward_hypotheses.data.seeds import substream
from reward_hypotheses.data.table import PLACES, Table, as_table

if TYPE_CHECKING:
    import xarray as xr

MOST_SCENES = 10_000_000
NOT_SHIFTED = (*PLACES, "option_name", "scene_weight")
"""Names that are no features: the places of items, and the weights, which `reweight` alone sets."""


def repaint(
    data: Any, features: str | Iterable[str], *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Let the paint land elsewhere in its scene: ``x'[m, o] = x[m, s_m(o)]`` for each named feature x.

    ``s_m`` is a uniformly random permutation of the available options of scene m, one for all named features and
    independent of every other scene's, so that each scene keeps as much of each as it had. An option that is failing
    takes part like any other.

    Raises
    ------
    InputError
        No options, no scene with two that are available, a feature with one value a scene, an unknown or reserved
        name, a wrong seed.
    """
    found = _items("repaint", data, options=True)
    names = _features("repaint", features, found.table)
    seed = whole(seed, "repaint: seed")
    if np.diff(found.table.starts).max() < 2:
        raise InputError("repaint: no scene has two available options; paint moves from one to another")
    scene = found.takes_part.nonzero()[0]
    order = np.lexsort((_stream(seed, found.data, f"repaint {sorted(names)}").random(len(scene)), scene))
    out = found.data
    for name in names:
        if "option" not in out[name].dims:
            raise InputError(f"repaint: features: {name!r} has one value a scene; name one that differs by option")
        values, part = _cells(found, name)
        values[part] = values[part][order]
        out = _with(out, name, values)
    return recorded(out, "repaint", {"features": names}, chosen_by, why, seed)


def decorrelate(
    data: Any, features: str | Iterable[str], *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Cut each named feature from all else: ``x'[i] = x[s(i)]``, s a uniformly random permutation of all items.

    Items are the available options of all scenes, each counting once whatever its scene's weight; every feature has a
    permutation of its own. The marginals stay exactly, association goes. A feature over ``scene`` alone is permuted
    over the scenes that have an available option.

    Raises
    ------
    InputError
        An unknown or reserved name, a wrong seed.
    """
    found = _items("decorrelate", data)
    names = _features("decorrelate", features, found.table)
    seed = whole(seed, "decorrelate: seed")
    out = found.data
    for name in names:
        values, part = _cells(found, name)
        values[part] = _stream(seed, found.data, f"decorrelate {name}").permutation(values[part])
        out = _with(out, name, values)
    return recorded(out, "decorrelate", {"features": names}, chosen_by, why, seed)


def intervene(
    data: Any, feature: str, value: Any, where: Any = None, *, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Set a feature: ``do(feature := value)`` on the items where ``where`` is true; nothing follows from it.

    Parameters
    ----------
    data
        Table.
    feature : str
        A feature; a new one may be made where ``where`` is None. Afterwards it is over every dim of the table, and bool
        where all it holds is true or false (0 and 1 count as such in a feature that was bool).
    value, where
        A number or bool, an array (scene,) or of the table's shape, a DataArray over its dims, an expression over its
        features, or a callable Dataset -> DataArray; ``where`` is boolean. The value is judged only where it is used.
    chosen_by, why : str, optional
        Who chose the shift, and why.

    Raises
    ------
    InputError
        An unknown, reserved or text feature, an expression that does not parse or names no column, a value that is not
        finite, numbers for ``where``, an array of another shape or of other scenes.
    """
    found = _items("intervene", data)
    known = isinstance(feature, str) and feature in found.table.columns
    if where is not None or known or not isinstance(feature, str) or not feature.strip() or feature in NOT_SHIFTED:
        _check_feature("intervene: feature", feature, found.table)
    elif feature in found.data.variables or feature in found.data.dims:
        raise InputError(f"intervene: feature: {feature!r} is a coordinate or has other dims; choose another name")
    used = found.takes_part
    if where is not None:
        chosen = _grid("intervene: where", where, found, used)
        if chosen.dtype != bool:
            raise InputError("intervene: where: gives numbers; it must be true or false, as in slope > 10")
        used = used & chosen
    values = _grid("intervene: value", value, found, used)
    if known:
        _refuse_text("intervene: feature", feature, found)
        old = np.broadcast_to(_whole_grid(found, feature), used.shape)
        if old.dtype == bool and np.isin(values[used], (0, 1)).all():
            values = values == 1
    else:
        old = np.array(False if values.dtype == bool else np.nan)
    values = values if used.all() else np.where(used, values, old)
    out = _with(found.data, feature, values)
    return recorded(out, "intervene", {"feature": feature, "value": value, "where": where}, chosen_by, why)


def reweight(data: Any, weight: Any, *, chosen_by: str | None = None, why: str | None = None) -> "xr.Dataset":
    """Let some kinds of scene count for more: ``scene_weight'[m] = c * scene_weight[m] * weight[m]``, of mean 1.

    ``weight`` is an array (scene,), an expression or a callable Dataset -> DataArray; over options, the mean over the
    scene's available ones counts. A scene without any has weight 0; without ``scene_weight`` all others have 1.

    Raises
    ------
    InputError
        A weight that is not finite or is negative, none that is positive, and what `intervene` refuses in a value.
    """
    found = _items("reweight", data)
    part = found.takes_part.reshape(found.table.n_scenes, -1)
    given = _grid("reweight: weight", weight, found, found.takes_part).reshape(part.shape).astype(float)
    count = part.sum(1)
    # Deviations from the first option of the scene: their mean is exact where the options of a scene agree.
    first = np.where(count, given[np.arange(len(given)), part.argmax(1)], 0.0)
    with np.errstate(all="ignore"):
        apart = np.where(part, given - first[:, None], 0.0).sum(1)
        mean = first + apart / np.maximum(count, 1)
    right = (mean >= 0) & np.isfinite(mean)
    if not right.all():
        scene = int(np.argmin(right))
        what = f"scene {found.table.scene_name(scene)} gets {mean[scene]:g}"
        raise InputError(f"reweight: weight: {what}; it must be a finite number of 0 or more")
    new = _scene_weights("reweight", found.table) * (mean / (mean.max() or 1.0))
    if not new.max() > 0:
        raise InputError("reweight: weight: no scene would have a positive weight; one at least must")
    new = new / new.max()
    out = found.data.assign(scene_weight=("scene", new / new.mean()))
    return recorded(out, "reweight", {"weight": weight}, chosen_by, why)


def resample(
    data: Any, n: int | None = None, *, seed: int = 0, chosen_by: str | None = None, why: str | None = None
) -> "xr.Dataset":
    """Draw n scenes (by default as many as there are) with replacement: ``P(m) = w[m] / sum w``, w = ``scene_weight``.

    ``scene_weight`` has then done its work and goes. Scenes are numbered from 0; the coordinate ``resampled_from``
    (scene,) holds the name of the scene that each was before the first resampling of a chain. A scene without available
    options is never drawn.

    Raises
    ------
    InputError
        n that is no positive whole number, a wrong seed, weights that are negative or nowhere positive.
    """
    found = _items("resample", data)
    n = found.table.n_scenes if n is None else whole(n, "resample: n", 1)
    if n > MOST_SCENES:
        raise InputError(f"resample: n: {shown(n)}; give at most {MOST_SCENES:,} scenes")
    seed = whole(seed, "resample: seed")
    if "resampled_from" in found.data.data_vars:
        raise InputError("resample: the table has a column 'resampled_from', which would be overwritten; rename it")
    weights = _scene_weights("resample", found.table)
    drawn = _stream(seed, found.data, "resample").choice(len(weights), size=n, p=weights / weights.sum())
    origin = found.data["resampled_from" if "resampled_from" in found.data.coords else "scene"].to_numpy()[drawn]
    out = found.data.isel(scene=drawn).drop_vars("scene_weight", errors="ignore")
    out = out.assign_coords(scene=np.arange(n), resampled_from=("scene", origin))
    return recorded(out, "resample", {"n": n}, chosen_by, why, seed)


def add_options(
    data: Any,
    options: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    chosen_by: str | None = None,
    why: str | None = None,
) -> "xr.Dataset":
    """Offer more in every scene: the given options stand beside its own, available.

    Parameters
    ----------
    data
        Table over (scene, option).
    options : mapping or sequence of mappings
        Feature -> value, for each option. What is not given is missing there (booleans then become 0, 1 and NaN, whole
        numbers float); ``is_failing`` is false unless given, and the weight is the scene's. Columns over ``scene`` alone
        hold for every option; one held by option is missing in those added, even where a scene's options agree on it.
    chosen_by, why : str, optional
        Who chose the shift, and why.

    Raises
    ------
    InputError
        No options in the table or to add, an unknown or reserved name, a value that is not of its column's kind.
    """
    found = _items("add_options", data, options=True)
    scenes, width = found.takes_part.shape
    added = [options] if isinstance(options, Mapping) else options
    right = "give a mapping feature -> value, or a list of such"
    if not isinstance(added, Sequence) or isinstance(added, str) or not all(isinstance(o, Mapping) for o in added):
        raise InputError(f"add_options: options: {shown(options)}; {right}")
    if not added or not all(added):
        raise InputError(f"add_options: options: none, or one without features; {right}")
    for option in added:
        for name, value in option.items():
            _check_value("add_options: options", name, value, found)
    _scene_weights("add_options", found.table)  # refuses weights that differ in a scene
    wide = scenes, len(added)
    out = found.data.pad(option=(0, len(added)), keep_attrs=True)
    for name in (*found.table.columns, "option_name"):
        if name not in out or "option" not in out[name].dims:
            continue
        old = _whole_grid(found, name)
        if name == "scene_weight":  # the new options are of the same scenes
            new = old[np.arange(scenes), found.takes_part.argmax(1)][:, None]
        else:
            is_text = name == "option_name" or found.table.columns[name].is_text
            missing = "" if is_text else False if name == "is_failing" else np.nan
            new = _like(old, [option.get(name, missing) for option in added])
        out = _with(out, name, np.hstack([old, np.broadcast_to(new, wide)]))
    if "available" in out:
        out = _with(out, "available", np.hstack([found.takes_part, np.ones(wide, bool)]))
    if "option" in found.data.coords:
        labels = found.data["option"].to_numpy()
        numbers = labels.dtype.kind in "iuf"
        more = [labels.max() + 1 + k if numbers else f"added {width + k}" for k in range(len(added))]
        out = out.assign_coords(option=np.array([*labels.tolist(), *more], labels.dtype if numbers else object))
    described = [{name: np.asarray(value).item() for name, value in option.items()} for option in added]
    return recorded(out, "add_options", {"options": described}, chosen_by, why)


def fade(
    data: Any,
    features: str | Iterable[str],
    by: float,
    *,
    seed: int = 0,
    chosen_by: str | None = None,
    why: str | None = None,
) -> "xr.Dataset":
    """Let features wear off by a share, ``0 < by <= 1``.

    Each true cell of a boolean feature (one that holds only 0/1 or true/false) becomes false with probability ``by``,
    independently of every other; a number x becomes ``(1 - by) * x``. A feature over ``scene`` alone fades by scene.

    Raises
    ------
    InputError
        ``by`` out of range, an unknown or reserved name, a text or infinite feature, a wrong seed.
    """
    found = _items("fade", data)
    names = _features("fade", features, found.table)
    seed = whole(seed, "fade: seed")
    share = finite(by)
    if share is None or not 0 < share <= 1:
        raise InputError(f"fade: by: {shown(by)}; give a share above 0 and at most 1")
    out = found.data
    for name in names:
        _refuse_text("fade: features", name, found)
        values, part = _cells(found, name)
        if found.table.columns[name].is_boolean():
            gone = _stream(seed, found.data, f"fade {name}").random(int(part.sum())) < share
            values[part] = np.where(gone & (values[part] == 1), 0, values[part])
        elif np.isinf(values[part]).any():
            raise InputError(f"fade: features: {name!r} is infinite somewhere; a share of it needs finite numbers")
        else:
            values = values.astype(values.dtype if values.dtype.kind == "f" else float)
            values[part] *= 1 - share
        out = _with(out, name, values)
    return recorded(out, "fade", {"features": names, "by": share}, chosen_by, why, seed)


SHIFTS: Mapping[str, Callable[..., "xr.Dataset"]] = {
    shift.__name__: shift for shift in (repaint, decorrelate, intervene, reweight, resample, add_options, fade)
}
"""Every shift by its name."""


def shifts_of(data: Any) -> list[dict[str, Any]]:
    """Give what was done to a table, in order: dicts of name, arguments, seed (where random), chosen_by, why.

    Empty for a table that was never shifted. Raises InputError where the attribute ``shifts`` is no such record.
    """
    text = getattr(data, "attrs", {}).get("shifts", "[]")
    try:
        record = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        record = None
    if not isinstance(record, list) or not all(isinstance(entry, dict) and "name" in entry for entry in record):
        raise InputError(f"attribute 'shifts' is {shown(text)}; it must be the JSON that shifts leave, or absent")
    return record


class _Items(NamedTuple):
    """A table on its grid, as its items, and which cells of the grid those are (in the order of the items)."""

    data: "xr.Dataset"
    table: Table
    takes_part: np.ndarray

    @property
    def dims(self) -> tuple[str, ...]:
        return ("scene", "option")[: self.takes_part.ndim]


@contextmanager
def _said_by(place: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError([f"{place}: {problem}" for problem in error.problems]) from None


def _items(shift: str, data: Any, options: bool = False) -> _Items:
    with _said_by(shift):
        dataset = data if hasattr(data, "data_vars") else as_table(data).to_dataset()
        table = as_table(dataset)
        if options and not table.has_options:
            raise InputError("the table has no options; it must be over 'scene' and 'option'")
        shifts_of(dataset)
    takes_part = np.zeros((table.n_scenes, dataset.sizes.get("option", 1)), bool)
    takes_part[np.repeat(np.arange(table.n_scenes), np.diff(table.starts)), table.positions] = True
    # How a file stored a variable (its dtype, its chunks) need not fit what becomes of it.
    return _Items(dataset.drop_encoding(), table, takes_part if table.has_options else takes_part[:, 0])


def recorded(
    out: "xr.Dataset",
    name: str,
    arguments: Mapping[str, Any],
    chosen_by: str | None,
    why: str | None,
    seed: int | None = None,
) -> "xr.Dataset":
    """Add a shift to the record that a table carries, `shifts_of`."""
    for key, text in (("chosen_by", chosen_by), ("why", why)):
        if text is not None and not isinstance(text, str):
            raise InputError(f"{name}: {key}: {shown(text)}; give a text, or None")
    entry: dict[str, Any] = {"name": name, "arguments": {k: _described(v) for k, v in arguments.items()}}
    entry |= {} if seed is None else {"seed": seed}
    entry |= {"chosen_by": chosen_by, "why": why}
    return out.assign_attrs(shifts=json.dumps([*shifts_of(out), entry]))


def _described(argument: Any) -> Any:
    """Give an argument as JSON can hold it: an array by its shape, a callable by its name."""
    if callable(argument):
        return getattr(argument, "__name__", type(argument).__name__)
    if argument is None or (isinstance(argument, list) and all(isinstance(one, (str, dict)) for one in argument)):
        return argument
    array = np.asarray(argument)
    if array.ndim:
        return f"array of shape {array.shape}"
    value = array.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _stream(seed: int, data: "xr.Dataset", purpose: str) -> np.random.Generator:
    """Give the generator of one purpose at one place in a chain of shifts, independent of every other's."""
    return substream(seed, f"{len(shifts_of(data))} {purpose}")


def _check_feature(place: str, name: Any, table: Table) -> None:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{place}: {shown(name)}; give the name of a feature, as text")
    if name in NOT_SHIFTED:
        right = "reweight sets it" if name == "scene_weight" else "name a feature"
        raise InputError(f"{place}: {name!r} is reserved; {right}")
    if name not in table.columns:
        known = [column for column in table.columns if column not in NOT_SHIFTED]
        raise InputError(f"{place}: no column {name!r}; {suggestion(name, known)}")


def _features(shift: str, features: Any, table: Table) -> list[str]:
    names = [features] if isinstance(features, str) else list(features) if isinstance(features, Iterable) else []
    if not names:
        raise InputError(f"{shift}: features: {shown(features)}; give the names of one or more features")
    for name in names:
        _check_feature(f"{shift}: features", name, table)
    return list(dict.fromkeys(names))


def _refuse_text(place: str, name: str, found: _Items) -> None:
    dtype = found.data[name].dtype
    if found.table.columns[name].is_text or dtype.kind not in "biuf":
        what = "text" if found.table.columns[name].is_text else dtype
        raise InputError(f"{place}: column {name!r} holds {what}; it must hold numbers or booleans")


def _check_value(place: str, name: Any, value: Any, found: _Items) -> None:
    """Refuse what cannot be a cell of this column in an added option."""
    _check_feature(place, name, found.table)
    if "option" not in found.data[name].dims:
        raise InputError(f"{place}: {name!r} has one value a scene, for all of its options; leave it out")
    is_text = found.table.columns[name].is_text
    if not (isinstance(value, str) if is_text else isinstance(value, (bool, np.bool_)) or finite(value) is not None):
        right = "a text" if is_text else "a finite number or a bool"
        raise InputError(f"{place}: {name!r} = {shown(value)}; give {right}, or leave it out where it is missing")


def _like(old: np.ndarray, cells: list[Any]) -> np.ndarray:
    """Make an array of cells, of the type of the old ones where that loses nothing."""
    if old.dtype.kind not in "biuf":
        return np.array(cells, object if old.dtype == object else None)
    new = np.array(cells, float)
    with np.errstate(invalid="ignore"):
        kept = new.astype(old.dtype)
    return kept if old.dtype.kind == "f" or (kept == new).all() else new


def _cells(found: _Items, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Give a column, as a copy, (scene,) where it is over that alone and else on the grid, and which cells take part."""
    if found.data[name].dims == ("scene",):
        return found.data[name].to_numpy().copy(), found.takes_part.reshape(found.table.n_scenes, -1).any(1)
    return _whole_grid(found, name).copy(), found.takes_part


def _whole_grid(found: _Items, name: str) -> np.ndarray:
    return _spread(found.data[name].variable, found)


def _spread(variable: "xr.Variable", found: _Items) -> np.ndarray:
    return variable.set_dims(dict(zip(found.dims, found.takes_part.shape, strict=True))).to_numpy()


def _with(data: "xr.Dataset", name: str, values: np.ndarray) -> "xr.Dataset":
    """Give the Dataset with other values of a variable, its attributes and the order of its dims as they were."""
    dims = ("scene", "option")[: values.ndim]
    attrs = data[name].attrs if name in data else {}
    out = data.assign({name: (dims, values, attrs)})
    if name in data and set(data[name].dims) == set(dims):
        out[name] = out[name].transpose(*data[name].dims)
    return out


def _scene_weights(shift: str, table: Table) -> np.ndarray:
    """Weights (scene,) of any scale, 0 where no option is available."""
    with _said_by(shift):
        weights = table.scene_weights()
    return (np.diff(table.starts) > 0).astype(float) if weights is None else weights


def _grid(place: str, given: Any, found: _Items, used: np.ndarray) -> np.ndarray:
    """Numbers or booleans on the whole grid, finite where used: of a text, a callable, an array or a number."""
    with _said_by(place):
        if callable(given):
            given = given(found.data.copy(deep=True))
            if isinstance(given, str):
                raise InputError(f"the callable gave {shown(given)}; it must give a DataArray")
        is_text = isinstance(given, str)
        values, boolean = _evaluated(given, found, used) if is_text else (_broadcast(given, found), False)
        if values.dtype.kind not in "biuf":
            raise InputError(f"holds {values.dtype}; give numbers or booleans")
        wrong = (used & ~np.isfinite(values))[found.takes_part]
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InputError(
                f"{found.table.where(item)}: is {values[found.takes_part][item]}; it must be finite on every available "
                "item that it is used on"
            )
    return values == 1 if boolean else values


def _evaluated(text: str, found: _Items, used: np.ndarray) -> tuple[np.ndarray, bool]:
    """Values of an expression (NaN where undefined, and off the items), and whether they are true and false."""
    expression, table = parse(text), found.table
    for name in expression.columns:
        if name not in table.columns:
            raise InputError(f"no column {name!r}; {suggestion(name, table.columns)}")
    # As in a study, what holds nothing but 0 and 1 is boolean.
    table = table.with_booleans(name for name in expression.columns if table.columns[name].is_boolean())
    columns = {name: table.numbers(name, used[found.takes_part]) for name in expression.columns}

    def is_boolean(name: str) -> bool:
        return columns[name].dtype == bool

    expression.check(is_boolean)
    values = np.full(used.shape, np.nan)
    values[found.takes_part] = expression.evaluate(columns.__getitem__)
    try:  # what can be negated is true or false
        Expression(text, (*expression.program, Symbol("not", 0, name="not", arguments=1))).check(is_boolean)
    except InputError:
        return values, False
    return values, True


def _broadcast(given: Any, found: _Items) -> np.ndarray:
    import xarray as xr

    shape = found.takes_part.shape
    if isinstance(given, xr.DataArray):
        if not set(given.dims) <= set(found.dims):
            raise InputError(f"is over {given.dims}; it must be over {found.dims} or some of them")
        try:
            xr.align(given, found.data, join="exact", copy=False)
        except ValueError:
            raise InputError(f"has other scenes or options than the table, of sizes {dict(given.sizes)}") from None
        return _spread(given.variable, found)
    try:
        values = np.asarray(given)
    except (TypeError, ValueError):  # a list of uneven lists, a Dataset
        raise InputError(f"a {type(given).__name__} that is no array; give numbers or booleans") from None
    if values.ndim == 1 and len(shape) == 2:  # one value a scene stands for all of its options, as in a dict of arrays
        values = values[:, None] if values.shape == shape[:1] else np.empty((0, 0))
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        right = " or ".join(map(str, dict.fromkeys((shape[:1], shape))))
        raise InputError(f"shape {np.shape(given)}; give one number, or an array of shape {right}") from None
