"""Posterior of the weights of features in a linear reward."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError, shown, suggestion

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def draw_reward_weights(
    ax: "Axes",
    features: Sequence[str],
    mean: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    series: Sequence[str] = ("",),
    prob: float = 0.95,
) -> None:
    """Draw a row for every feature: the mean and the interval of its weight.

    Parameters
    ----------
    mean, lower, upper : ndarray (series, feature)
        Reward units per standard deviation of the feature.
    series : sequence of str
        Names of the fits, such as one for each feedback.
    """
    style.label_rows(ax, features)
    n = len(series)
    for k, name in enumerate(series):
        color, mark = style.MARKS[(k + (n == 1)) % len(style.MARKS)]
        y = np.arange(len(features)) + (k - (n - 1) / 2) * 0.6 / n
        ax.hlines(y, lower[k], upper[k], color=color, linewidth=2.5, alpha=0.5)
        ax.plot(mean[k], y, mark, color=color, markersize=4, label=name or f"mean and {style.level(prob)} interval")
    ax.axvline(0, color=style.MUTED, linewidth=0.6)
    ax.grid(axis="x", color=style.FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel("weight (reward per sd of the feature)")


def plot_reward_weights(
    fitted: Any,
    hypothesis: str | None = None,
    *,
    prob: float = 0.95,
    backend: str = "matplotlib",
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> Any:
    """Plot the posterior of the feature weights of a linear hypothesis.

    Parameters
    ----------
    fitted : DataTree, or dict
        From `fit`; the results document of `run`; or a dict of several trees by name, such as one fit for each feedback,
        whose intervals then stand side by side.
    hypothesis : str, optional
        The `Linear` hypothesis; needed where there are several.
    prob : float
        Probability of the equal-tailed intervals. Those of a results document have its own.
    backend : {"matplotlib", "plotly", "bokeh"}
        Another backend than matplotlib draws ArviZ's ``plot_forest`` of trees, gives its ``PlotCollection``, and takes no
        `ax`.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes or PlotCollection
        Weights in reward units per standard deviation of the feature.

    Raises
    ------
    InputError
        No linear hypothesis, or several and none named; trees with other features; a backend that is not installed.
    """
    from reward_hypotheses.analysis.case import probability
    from reward_hypotheses.analysis.results.results import is_results

    share = probability(prob)
    style.check_backend(backend, ax, figsize)
    if is_results(fitted):
        if backend != "matplotlib":
            raise InputError(f"backend: {backend!r} needs draws, which a results document has none of; give a tree")
        name, features, ends, share = _of_document(fitted, hypothesis)
        series = [""]
    else:
        several = fitted if isinstance(fitted, Mapping) and not hasattr(fitted, "children") else {"": fitted}
        if not several:
            raise InputError("fitted: an empty dict; give the tree of each fit under its name")
        name, features, draws = _of_trees(several, hypothesis)
        if backend != "matplotlib":
            return _forest(draws, features, share, backend)
        series = list(draws)
        tails = [(1 - share) / 2, (1 + share) / 2]
        ends = np.array([[d.mean(axis=0), *np.quantile(d, tails, axis=0)] for d in draws.values()])
    mean, lower, upper = ends[:, 0], ends[:, 1], ends[:, 2]
    each = 0.3 + 0.08 * len(series)
    with style.canvas(ax, figsize, (style.WIDTH, style.height_of(len(features), each) + 0.4)) as drawing:
        draw_reward_weights(drawing, features, mean, lower, upper, series, share)
        style.titled(drawing, _finding(name, features, lower, upper, series, share))
    return drawing


def _of_document(document: Mapping[str, Any], hypothesis: str | None) -> tuple[str, list[str], np.ndarray, float]:
    linear = document["reward_weights"]
    name = _chosen(list(linear), hypothesis)
    features = linear[name]["features"]
    ends = np.array([[[feature[key] for feature in features.values()] for key in ("mean", "lower", "upper")]])
    return name, list(features), ends, linear[name]["prob"]


def _chosen(linear: Sequence[str], hypothesis: str | None) -> str:
    """Return the linear hypothesis that is meant."""
    if not linear:
        raise InputError("fitted: no hypothesis is a Linear, so there are no feature weights; fit one with rh.Linear")
    if hypothesis is None and len(linear) == 1:
        return linear[0]
    if hypothesis is None:
        raise InputError(f"hypothesis: missing; several are linear: {', '.join(map(repr, linear))}")
    if hypothesis not in linear:
        raise InputError(f"hypothesis: {shown(hypothesis)} is not linear; {suggestion(str(hypothesis), linear)}")
    return hypothesis


def _of_trees(
    trees: "Mapping[str, xr.DataTree]", hypothesis: str | None
) -> tuple[str, list[str], dict[str, np.ndarray]]:
    """Return the hypothesis, its features, and the draws of its weights by fit."""
    from reward_hypotheses.analysis.results.results import tree_of
    from reward_hypotheses.models.tree.read import posterior_of

    name, features, draws = "", list[str](), dict[str, np.ndarray]()
    for label, tree in trees.items():
        where = f"fitted[{label!r}]" if label else "fitted"
        posterior, _ = posterior_of(tree_of(tree, where))
        names = posterior.hypotheses.names
        chosen = _chosen([names[h] for h in posterior.families], hypothesis)
        family = posterior.families[names.index(chosen)]
        if features and list(family.linear.names) != features:
            raise InputError(f"{where}: features {list(family.linear.names)}; those of the other fits are {features}")
        name, features, draws[str(label)] = chosen, list(family.linear.names), family.weights
    return name, features, draws


def _forest(draws: Mapping[str, np.ndarray], features: Sequence[str], prob: float, backend: str) -> Any:
    """Draw the weights by another backend of ArviZ."""
    import xarray as xr
    from arviz_plots import plot_forest

    def tree(d: np.ndarray) -> xr.DataTree:
        weights = xr.Dataset({"weight": (("chain", "draw", "feature"), d[None])}, coords={"feature": list(features)})
        return xr.DataTree.from_dict({"posterior": weights})

    trees = {label or "fit": tree(d) for label, d in draws.items()}
    inner = min(0.5, prob / 2)
    return plot_forest(
        trees if len(trees) > 1 else next(iter(trees.values())),
        combined=True,
        ci_kind="eti",
        ci_probs=(inner, prob),
        point_estimate="mean",
        backend=backend,  # type: ignore[arg-type]  # plotly works too
    )


def _finding(
    name: str, features: Sequence[str], lower: np.ndarray, upper: np.ndarray, series: Sequence[str], prob: float
) -> str:
    """Return which weights are known to differ from 0."""
    signs = (lower > 0).all(axis=0).astype(int) - (upper < 0).all(axis=0)
    whose = "in every fit" if len(series) > 1 else f"in {style.quoted(name)}"
    known = [f"{style.short(feature, 18)} ({SIGNS[s]})" for feature, s in zip(features, signs, strict=True) if s]
    if not known:
        return f"No feature's weight has an interval ({style.level(prob)}) that excludes 0 {whose}"
    rest = len(features) - len(known)
    tail = "" if not rest else f"; {rest} of {len(features)} weights may have either sign"
    return f"The {style.level(prob)} interval excludes 0 {whose} for {', '.join(known)}{tail}"


SIGNS = {1: "+", -1: "\N{MINUS SIGN}"}
