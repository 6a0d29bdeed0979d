"""Bits of human values that an agent needs: by truth, or by the items it saw."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

type Curve = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw_bits_by_size(ax: "Axes", sizes: np.ndarray, training: Curve, telling: Curve) -> None:
    """Draw the bits that an agent needs against the number of items that it saw.

    Parameters
    ----------
    sizes : ndarray (size,)
        Numbers of items.
    training, telling : (mean, lower, upper), each an ndarray (size,)
        Bits, of items like those of training and of judged items of the test; NaN where no amount is enough.
    """
    for (mean, lower, upper), color, line, label in (
        (training, style.VERMILION, "-", "items of training"),
        (telling, style.BLUE, "--", "items of the test, judged"),
    ):
        ax.fill_between(sizes, lower, upper, color=color, alpha=0.18, linewidth=0)
        ax.plot(sizes, mean, line, color=color, marker="o", markersize=3, label=label)
    ax.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0.0, *(10.0**k for k in range(int(math.log10(max(sizes[-1], 1))) + 1))]
    style.fixed_ticks(ax, ticks, ",.0f")
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("items seen (log scale)")
    ax.set_ylabel("information needed (bits)")
    ax.grid(axis="y", color=style.FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def draw_value_bits(ax: "Axes", names: Sequence[str], bits: np.ndarray, mean: float) -> None:
    """Draw a bar for every hypothesis: the bits that an agent needs if it is true.

    Parameters
    ----------
    bits : ndarray (hypothesis,)
        inf where no amount is enough.
    mean : float
        The mean over what may be true, bits.
    """
    style.label_rows(ax, names)
    most = max([1e-3, *(float(x) for x in [*bits, mean] if math.isfinite(x))])
    for row, value in enumerate(bits):
        if math.isfinite(value):
            ax.barh(row, value, height=0.6, color=style.BLUE)
            text, place = f"{value:.2f}", (value, row)
        else:
            text, place = "no amount is enough", (0.0, row)
        ax.annotate(text, place, (3, 0), textcoords="offset points", va="center", fontsize=7)
    if math.isfinite(mean):
        ax.axvline(mean, color=style.INK, linewidth=1, linestyle=(0, (3, 2)), label=f"mean: {mean:.2f} bits")
    ax.set_xlim(0, 1.18 * most)
    ax.set_xlabel("information needed (bits)")


def plot_value_bits(
    bits: Any,
    target: float | None = None,
    *,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "Axes":
    """Plot the bits of human values that an agent needs for a low risk.

    Of a results document: against the number of items that an agent of uniform prior saw, items of training and judged
    items of the test. Of a Dataset, or where a target is given: a bar for every hypothesis, if it is the true one.

    Parameters
    ----------
    bits : Dataset or dict
        From `value_bits`, or the results document of `run`.
    target : float, optional
        With a results document: one of the risks under ``value_bits``; a bar for every hypothesis is then drawn.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Information in bits.

    Raises
    ------
    InputError
        An argument of another kind; bits that are not defined for the policy; a target that was not computed.
    """
    from reward_hypotheses.analysis.results.results import is_results

    if is_results(bits) and target is None:
        return _by_size(bits, ax, figsize)
    names, needed, mean, risk = _of_document(bits, target) if is_results(bits) else _of_dataset(bits, target)
    with style.canvas(ax, figsize, (style.WIDTH, style.height_of(len(names)) + 0.4)) as drawing:
        draw_value_bits(drawing, names, needed, mean)
        alike = style.alike(needed.tolist(), mean)
        when = "whichever hypothesis is true" if alike else "on average over what may be true"
        finding = f"For a risk of {style.level(risk)}, an agent needs {mean:.2f} bits of human values, {when}"
        if not math.isfinite(mean):
            finding = f"No amount of information about human values brings the risk to {style.level(risk)}"
        style.titled(drawing, finding)
    return drawing


def _by_size(document: Mapping[str, Any], ax: "Axes | None", figsize: tuple[float, float] | None) -> "Axes":
    from reward_hypotheses.analysis.results.results import results_of

    curve = results_of(document, "bits_by_size", "curve of value bits")["bits_by_size"]
    sizes, (training, telling) = curves(curve)
    with style.canvas(ax, figsize, (style.WIDTH, 3.2)) as drawing:
        draw_bits_by_size(drawing, sizes, training, telling)
        ends = [f"{mean:.2f} bits" for mean in (float(training[0][-1]), float(telling[0][-1]))]
        n, risk = f"{int(sizes[-1]):,}", style.level(curve["target"])
        finding = f"After {n} items of training an agent still needs {ends[0]} for a risk of {risk}; after {n} judged items of the test, {ends[1]}"
        if math.isnan(training[0][-1]):
            finding = (
                f"No amount of information about human values brings the risk to {risk} after {n} items of training"
            )
        style.titled(drawing, finding)
    return drawing


def curves(curve: Mapping[str, Any]) -> tuple[np.ndarray, tuple[Curve, Curve]]:
    """Return the sizes of a curve of a results document, and both its curves."""
    training, telling = (
        tuple(np.array(curve[key][part], float) for part in ("mean", "lower", "upper"))
        for key in ("training", "telling")
    )
    return np.array(curve["sizes"], float), (training, telling)  # type: ignore[return-value]


def _of_document(document: Mapping[str, Any], target: Any) -> tuple[list[str], np.ndarray, float, float]:
    from reward_hypotheses.analysis.results.results import results_of
    from reward_hypotheses.models.policies.registry import POLICIES

    policy = POLICIES.get((results_of(document, "agent", "agent"))["agent"]["policy"])
    if policy is not None and not policy.mixes_weights:
        raise InputError("bits: the policy draws no single hypothesis, so no bits of values are defined for its agent")
    means = results_of(document, "value_bits", "bits of human values")["value_bits"]
    key = next((name for name in means if isinstance(target, (int, float)) and float(name) == target), None)
    if key is None:
        raise InputError(f"target: {shown(target)} was not computed; there is {', '.join(means)}")
    by_truth = document["value_bits_by_truth"][key]
    needed = np.array([math.inf if by_truth[name] is None else by_truth[name] for name in by_truth])
    return list(by_truth), needed, math.inf if means[key] is None else means[key], float(key)


def _of_dataset(bits: Any, target: float | None) -> tuple[list[str], np.ndarray, float, float]:
    from reward_hypotheses.analysis.results.results import dataset_of

    data = dataset_of(bits, ("bits", "by_truth"), "bits", "rh.value_bits()")
    if target is not None:
        raise InputError("target: the Dataset has its own; leave target out")
    if np.isnan(float(data["bits"])):
        raise InputError(f"bits: {data.attrs['reason'] or 'not defined'}, so there is nothing to draw")
    names = [str(name) for name in data["hypothesis"].to_numpy()]
    return names, data["by_truth"].to_numpy(), float(data["bits"]), float(data.attrs["target"])
