"""The share of deployments with a catastrophe, by their length."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_first_catastrophe(ax: "Axes", lengths: Sequence[int], shares: Sequence[float], most: float) -> None:
    """Draw the share of deployments with a catastrophe against their length.

    Parameters
    ----------
    lengths, shares : sequence (length,)
        Scenes of a deployment; shares from 0 to 1.
    most : float
        The share that no length passes.
    """
    ax.plot(lengths, shares, color=style.VERMILION, marker="o", markersize=3)
    ax.axhline(most, color=style.MUTED, linestyle="--", linewidth=0.8)
    ax.set_xscale("log")
    style.fixed_ticks(ax, [n for n in lengths if str(n)[0] == "1"], ",.0f")
    style.shares_axis(ax, "share with a catastrophe (%)", axis="y")
    ax.set_xlabel("scenes of a deployment (log scale)")
