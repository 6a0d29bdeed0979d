"""Evidence beside prior: log prior odds and log Bayes factors of pairs."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

type Pair = Mapping[str, Any]

LINEAR = 12
"""Nats beyond which the axis of log odds is logarithmic."""
WEIGHTIEST, PAIRS = 5, 8
"""Hypotheses among which pairs are taken; pairs that are shown."""
EACH = 0.42
"""Height of a row, inches."""


def draw_evidence(
    ax: "Axes",
    pairs: Sequence[Sequence[str]],
    log_prior_odds: Sequence[float | None],
    log_bayes_factor: Sequence[float | None],
    silent: Sequence[bool],
) -> None:
    """Draw two bars for every pair: its log prior odds and its log Bayes factor.

    Parameters
    ----------
    pairs : sequence of (str, str)
    log_prior_odds, log_bayes_factor : sequence of float or None
        Of the first hypothesis over the second, nats; None where beyond any bound.
    silent : sequence of bool
        Whether the data cannot separate the pair.
    """
    labels = [f"{style.short(first, 20)}\nover {style.short(second, 20)}" for first, second in pairs]
    style.label_rows(ax, labels, most=60)
    reach = 1.0
    for values, offset, color in ((log_prior_odds, -0.17, style.ORANGE), (log_bayes_factor, 0.17, style.BLUE)):
        for row, value in enumerate(values):
            if value is None:
                ax.text(0, row + offset, "  beyond any bound", va="center", fontsize=7, color=style.MUTED)
                continue
            reach = max(reach, abs(value))
            ax.barh(row + offset, value, height=0.3, color=color)
            _number(ax, value, row + offset, silent=color == style.BLUE and silent[row])
    ax.axvline(0, color=style.MUTED, linewidth=0.6)
    if reach > LINEAR:
        ax.set_xscale("symlog", linthresh=3, linscale=0.8)
        ticks = [0, *(s * 10**k for k in range(int(math.log10(reach)) + 1) for s in (-1, 1))]
        style.fixed_ticks(ax, sorted(ticks), "g")
    ax.margins(x=0.25)
    ax.set_xlabel("log odds (nats; log scale beyond 3)" if reach > LINEAR else "log odds for the first (nats)")
    style.key(ax, "s", style.ORANGE, "prior: the values")
    style.key(ax, "s", style.BLUE, "training data")


def _number(ax: "Axes", value: float, y: float, silent: bool) -> None:
    """Write the number of a bar at its end."""
    right = value >= 0
    ax.annotate(
        "0, silent" if silent else f"{value:.3g}",
        (value, y),
        (3 if right else -3, 0),
        textcoords="offset points",
        va="center",
        ha="left" if right else "right",
        fontsize=7,
    )


def shown_pairs(pairs: Sequence[Pair], weights: Mapping[str, float]) -> list[Pair]:
    """Return pairs of the weightiest hypotheses, the silent pairs first.

    The others follow by the strength of their evidence.
    """
    names = set(sorted(weights, key=lambda name: -weights[name])[:WEIGHTIEST])
    among = [pair for pair in pairs if set(pair["pair"]) <= names]

    def strength(pair: Pair) -> float:
        factor = pair["log_bayes_factor"]
        return math.inf if factor is None else abs(factor)

    return sorted(among, key=lambda pair: (not pair["silent"], -strength(pair)))[:PAIRS]


def columns_of(pairs: Sequence[Pair]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return the columns of pairs for `draw_evidence`.

    Names, log prior odds, log Bayes factor, and whether the data are silent.
    """
    names, odds, factor, silent = (
        [pair[key] for pair in pairs] for key in ("pair", "log_prior_odds", "log_bayes_factor", "silent")
    )
    return names, odds, factor, silent


def plot_evidence(fitted: Any, *, ax: "Axes | None" = None, figsize: tuple[float, float] | None = None) -> "Axes":
    """Plot what the values and what the data add to the log odds of pairs.

    ``log posterior odds = log prior odds + log Bayes factor``. At most 8 pairs of the 5 weightiest hypotheses are shown:
    those that the data cannot separate, then the strongest evidence.

    Parameters
    ----------
    fitted : DataTree or dict
        From `fit`, or the results document of `run`.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Log odds in nats.

    Raises
    ------
    InputError
        An argument of another kind; a single hypothesis.
    """
    from reward_hypotheses.analysis.results.results import is_results, tree_of

    if is_results(fitted):
        weights, pairs = fitted["weights"], fitted["pairs"]
    else:
        weights, pairs = _of_tree(tree_of(fitted))
    chosen = shown_pairs(pairs, weights)
    if not chosen:
        raise InputError("fitted: one hypothesis, so there is no pair to draw; fit two or more")
    with style.canvas(ax, figsize, (style.WIDTH, style.height_of(len(chosen), EACH) + 0.3)) as drawing:
        draw_evidence(drawing, *columns_of(chosen))
        style.titled(drawing, _finding(chosen))
    return drawing


def _of_tree(tree: "xr.DataTree") -> tuple[dict[str, float], list[Pair]]:
    """Return the weights of a tree, and its pairs as a results document has them."""
    evidence = tree["evidence"]
    names = [str(name) for name in evidence["hypothesis"].to_numpy()]
    classes, prior, factor = (evidence[k].to_numpy() for k in ("silent_class", "log_prior", "log_evidence"))
    pairs: list[Pair] = []
    for i, j in combinations(range(len(names)), 2):
        silent = bool(classes[i] == classes[j])
        with np.errstate(invalid="ignore"):
            odds = [float(x[i] - x[j]) for x in (prior, factor)]
        odds = [odds[0], 0.0 if silent else odds[1]]
        numbers = dict(
            zip(("log_prior_odds", "log_bayes_factor"), (x if math.isfinite(x) else None for x in odds), strict=True)
        )
        pairs.append({"pair": [names[i], names[j]], "silent": silent, **numbers})
    return dict(zip(names, evidence["weight"].to_numpy().tolist(), strict=True)), pairs


def _finding(pairs: Sequence[Pair]) -> str:
    first = pairs[0]
    one, other = (style.quoted(name) for name in first["pair"])
    if first["silent"]:
        return f"The training data do not separate {one} and {other}: only the prior does"
    factor = first["log_bayes_factor"]
    if factor is None:
        return f"The training data rule out {one} or {other}"
    better, worse = (one, other) if factor > 0 else (other, one)
    return f"The training data favour {better} over {worse} by {abs(factor):.3g} nats"
