"""The scenes of highest risk."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EACH = 0.22
"""Height of a row, inches."""


def draw_riskiest_scenes(ax: "Axes", scenes: Sequence[str], risk: Sequence[float], mean: float, n_scenes: int) -> None:
    """Draw a bar for every scene, and the mean risk of all.

    Parameters
    ----------
    risk : sequence of float (scene,)
        From 0 to 1.
    mean, n_scenes : float, int
        Mean over all scenes of the test, and their number.
    """
    style.label_rows(ax, [f"scene {style.short(scene, 20)}" for scene in scenes])
    ax.barh(range(len(scenes)), risk, height=0.62, color=style.VERMILION)
    label = f"mean of all {n_scenes:,} scenes"
    ax.axvline(mean, color=style.INK, linewidth=1, linestyle=(0, (3, 2)), label=label)
    style.shares_axis(ax, "catastrophe risk of the scene (%)")
