"""Predicted against measured catastrophe rates, and the distribution of PITs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS: Mapping[str, Any] = {"markersize": 3.5, "elinewidth": 0.7, "alpha": 0.8, "zorder": 3}
SIMULATIONS = 1000
"""Samples of uniform numbers behind the simultaneous band."""
ADVICE = (
    "give rows with 'predicted', 'lower', 'upper' and 'measured', the document of a validation study, or PIT values"
)


def draw_calibration(
    ax: "Axes",
    predicted: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    measured: np.ndarray,
    groups: Sequence[str] | None = None,
) -> None:
    """Draw a point for every prediction, with its interval, against the measured rate.

    Parameters
    ----------
    predicted, lower, upper, measured : ndarray (prediction,)
        Rates from 0 to 1.
    groups : sequence of str (prediction,), optional
        Each group has a colour, and an entry in the legend.
    """
    ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.6, zorder=1)
    names = [""] * len(predicted) if groups is None else list(groups)
    for k, group in enumerate(dict.fromkeys(names)):
        color, mark = style.MARKS[k % len(style.MARKS)]
        some = np.array([name == group for name in names])
        at, low, high = predicted[some], lower[some], upper[some]
        ends = [np.maximum(at - low, 0), np.maximum(high - at, 0)]
        ax.errorbar(at, measured[some], xerr=ends, fmt=mark, color=color, label=group or None, **POINTS)
    style.shares_axis(ax, "predicted rate of catastrophes (%)")
    style.shares_axis(ax, "measured rate of catastrophes (%)", axis="y")
    ax.set_aspect("equal")


def draw_pit(ax: "Axes", pit: np.ndarray, prob: float = 0.95) -> None:
    """Draw the ECDF of PIT values less the uniform CDF, with a simultaneous band.

    If predictions are calibrated, the whole curve is inside the band with probability `prob` (Säilynoja, Bürkner and
    Vehtari 2022).

    Parameters
    ----------
    pit : ndarray (prediction,)
        Numbers from 0 to 1.
    """
    at, below, lower, upper = _band(pit, prob)
    ax.fill_between(
        at, lower - at, upper - at, step="post", color=style.SKY, alpha=0.35, linewidth=0, label=_band_words(prob)
    )
    ax.axhline(0, color=style.MUTED, linewidth=0.6)
    ax.step(at, below - at, where="post", color=style.VERMILION, label=f"{len(pit)} predictions")
    ax.set_xlim(0, 1)
    ax.set_xlabel("place of the outcome (PIT)")
    ax.set_ylabel("ECDF less uniform CDF")


def _band(pit: np.ndarray, prob: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return points from 0 to 1, the ECDF there, and both ends of the band."""
    from arviz_stats.ecdf_utils import ecdf_pit

    at, ecdf, lower, upper = ecdf_pit(np.asarray(pit, float), prob, SIMULATIONS, rng=np.random.default_rng(0))
    return at, ecdf, lower, upper


def _band_words(prob: float) -> str:
    return f"{style.level(prob)} band if calibrated"


def plot_calibration(
    predictions: Any,
    *,
    pit: bool = False,
    prob: float = 0.95,
    backend: str = "matplotlib",
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> Any:
    """Plot predicted against measured rates, or how PIT values are distributed.

    Rates with intervals show which predictions miss. The ECDF of the PIT values less the uniform CDF shows whether the
    whole distributions are calibrated: a curve above the band in its left half says that outcomes are lower than predicted,
    one below it that they are higher; an S that they vary more or less than predicted.

    Parameters
    ----------
    predictions : dict, sequence or array
        Rates: the document of `lander_study`, `minigrid_study` or `minesweeper_study`; or rows, each a dict with
        ``predicted``, ``lower``, ``upper``, ``measured``, and ``shift`` or not. PIT values: numbers from 0 to 1, or Datasets
        from `compare_with_outcomes`; or a study's document, with ``pit=True``.
    pit : bool
        Of rows that have both: the PIT values.
    prob : float
        Probability of the simultaneous band of PIT values.
    backend : {"matplotlib", "plotly", "bokeh"}
        What draws PIT values. Another backend than matplotlib gives ArviZ's ``PlotCollection`` and takes no `ax`.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes or PlotCollection

    Raises
    ------
    InputError
        Predictions of another form, fewer than 2 PIT values, a backend that is not installed.
    """
    from reward_hypotheses.analysis.case import probability

    share, rows = probability(prob, "the band"), _rows(predictions)
    style.check_backend(backend, ax, figsize)
    if rows is not None and not pit:
        if backend != "matplotlib":
            raise InputError(f"backend: {backend!r} draws PIT values alone; leave backend out, or give pit=True")
        return _plot_rates(rows, ax, figsize)
    values = _pit_values(predictions if rows is None else [row.get("pit") for row in rows])
    if backend != "matplotlib":
        return _pit_elsewhere(values, share, backend)
    at, ecdf, lower, upper = _band(values, share)
    outside = bool(((ecdf < lower) | (ecdf > upper)).any())
    with style.canvas(ax, figsize, (style.WIDTH, 3.0)) as drawing:
        draw_pit(drawing, values, share)
        finding = f"{len(values)} predictions look calibrated: the curve stays inside the band"
        if outside:
            finding = f"{len(values)} predictions are not calibrated: the curve leaves the band"
        style.titled(drawing, finding)
    return drawing


def _plot_rates(rows: Sequence[Mapping[str, Any]], ax: "Axes | None", figsize: Any) -> "Axes":
    numbers = [np.array([row[key] for row in rows], float) for key in ("predicted", "lower", "upper", "measured")]
    predicted, lower, upper, measured = numbers
    groups = [str(row["shift"]) for row in rows] if all("shift" in row for row in rows) else None
    inside = int(((lower <= measured) & (measured <= upper)).sum())
    error = float(np.abs(predicted - measured).mean())
    with style.canvas(ax, figsize, (4.2, 4.6)) as drawing:
        draw_calibration(drawing, predicted, lower, upper, measured, groups)
        held = f"{inside} of {len(rows)} intervals hold the measured rate"
        style.titled(drawing, f"{held}; the mean error is {100 * error:.1f} percentage points")
    return drawing


def _rows(predictions: Any) -> list[Mapping[str, Any]] | None:
    """Return rows of predicted and measured rates; None of PIT values."""
    rows = predictions
    if isinstance(predictions, Mapping):
        rows = predictions.get("agents")
        if not rows:
            raise InputError(f"predictions: a dict without 'agents'; {ADVICE}")
    if isinstance(rows, str) or not hasattr(rows, "__len__") or not len(rows):
        raise InputError(f"predictions: {shown(predictions)}; {ADVICE}")
    if hasattr(rows, "data_vars") or not all(
        isinstance(row, Mapping) and not hasattr(row, "data_vars") for row in rows
    ):
        return None
    for k, row in enumerate(rows):
        for key in ("predicted", "lower", "upper", "measured"):
            value = row.get(key)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise InputError(f"predictions: row {k} has {key} = {shown(value)}; give a rate from 0 to 1")
    return list(rows)


def _pit_values(predictions: Any) -> np.ndarray:
    try:
        values = np.array([float(one["pit"] if hasattr(one, "data_vars") else one) for one in predictions])
    except (TypeError, ValueError, LookupError):
        raise InputError(f"predictions: {shown(predictions)}; {ADVICE}") from None
    if len(values) < 2 or not ((values >= 0) & (values <= 1)).all():
        raise InputError(
            "predictions: PIT values are two or more numbers from 0 to 1; give those of compare_with_outcomes"
        )
    return values


def _pit_elsewhere(values: np.ndarray, prob: float, backend: str) -> Any:
    """Draw PIT values by another backend of ArviZ."""
    import xarray as xr
    from arviz_plots import plot_ecdf_pit
    from arviz_plots.visuals import fill_between_y

    data = xr.Dataset({"pit": ("prediction", values)})
    hidden: Any = dict.fromkeys(("title", "suspicious_points", "p_value_text"), False)
    collection = plot_ecdf_pit(
        xr.DataTree.from_dict({"prior_sbc": data}),
        sample_dims=["prediction"],
        method="pot_c",
        envelope_prob=prob,
        backend=backend,
        visuals=hidden,
    )
    at, _, lower, upper = _band(values, prob)
    band = {"x": at, "y_bottom": lower - at, "y_top": upper - at, "step": True, "color": style.SKY, "alpha": 0.35}
    collection.map(fill_between_y, "band", data=data, ignore_aes="all", **band)
    return collection
