"""Training beside test: how common each kind of item is in both."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 64
"""Characters in a line of a kind's description."""


def draw_shift(ax: "Axes", kinds: Sequence[str], training: np.ndarray, test: np.ndarray) -> None:
    """Draw a row for every kind of item: its share in training and on the test.

    Parameters
    ----------
    kinds : sequence of str
        A description of each kind, above its row.
    training, test : ndarray (kind,)
        Shares from 0 to 1.
    """
    style.label_rows(ax, [""] * len(kinds))
    y = np.arange(len(kinds))
    for row, label in enumerate(descriptions(kinds)):
        ax.annotate(label, (0, row), (0, 4.5), textcoords="offset points", ha="left", va="bottom", fontsize=7)
    ax.set_ylim(len(kinds) - 0.5, -1)
    ends = np.minimum(training, test), np.maximum(training, test)
    ax.hlines(y, *ends, color=style.MUTED, linewidth=0.8, zorder=1)
    ax.plot(training, y, "o", markerfacecolor="white", markeredgecolor=style.BLUE, label="training", zorder=2)
    ax.plot(test, y, "D", color=style.VERMILION, markersize=4, label="test", zorder=3)
    style.shares_axis(ax, "share of items (%)", most=max(float(ends[1].max()), 0.01))


def descriptions(kinds: Sequence[str]) -> list[str]:
    """Return the description of each kind in lines of limited length."""
    return [style.wrapped(kind, WIDE) for kind in kinds]


def height_of(kinds: Sequence[str]) -> float:
    """Return the height in inches of a figure of some kinds."""
    lines = max(label.count("\n") + 1 for label in descriptions(kinds))
    return style.height_of(len(kinds), 0.32 + 0.13 * lines)


def kind_in_words(classes: Mapping[str, str]) -> str:
    """Return the judgements of a kind of item by the hypotheses.

    For example 'better than failing under flags; worse under red paint'.
    """
    judgements: list[str] = []
    for word in ("better than failing", "equal to failing", "worse than failing"):
        names = [name for name, judged in classes.items() if judged == word]
        if len(names) == len(classes) > 1:
            return f"{word} under all"
        if names:
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
            judgements.append(f"{word.split()[0] if judgements else word} under {listed}")
    return "; ".join(judgements)


def plot_shift(results: Any, *, ax: "Axes | None" = None, figsize: tuple[float, float] | None = None) -> "Axes":
    """Plot how common each kind of item is in training and on the test.

    A kind is what the hypotheses say of an item: better than failing, equal to failing, or worse.

    Parameters
    ----------
    results : dict
        The results document of `run`, of a study with a test.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Shares of items in percent.

    Raises
    ------
    InputError
        Anything but a results document; a study without a test.
    """
    from reward_hypotheses.analysis.results.results import results_of

    document = results_of(results, "shift", "shift")
    kinds = document["shift"]["kinds"]
    if not kinds:
        raise InputError("results: no kind of item differs between training and the test, so there is none to draw")
    labels = [kind_in_words(kind["classes"]) for kind in kinds]
    training, test = (np.array([kind[key] for kind in kinds], float) for key in ("training", "test"))
    with style.canvas(ax, figsize, (style.WIDTH, height_of(labels) + 0.3)) as drawing:
        draw_shift(drawing, labels, training, test)
        style.titled(drawing, _finding(document))
    return drawing


def _finding(document: Mapping[str, Any]) -> str:
    share, p = document["shift"]["new_share"], document["shift"]["p"]
    if share > 0:
        return f"{style.percent(share)} of the test's items are of kinds that training never showed"
    if document["shifted"]:
        return f"Training and test differ in what the hypotheses say about them (p = {p:.3g})"
    return f"No shift is detectable in what the hypotheses say of the items (p = {p:.3g})"
