"""A statistic of the data beside replications of the data by the fitted model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_predictive_check(ax: "Axes", edges: np.ndarray, shares: Sequence[float], statistic: float, title: str) -> None:
    """Draw the histogram of a statistic over replications, and its value for the data.

    Parameters
    ----------
    edges, shares : ndarray (bin + 1,), sequence (bin,)
        Ends of the bins, and the share of the replications in each.
    title : str
        What the statistic is; it stands above the axis.
    """
    from matplotlib.ticker import MaxNLocator

    ax.stairs(shares, edges, fill=True, color=style.SKY, label="replications by the model")
    ax.axvline(statistic, color=style.VERMILION, linewidth=2, label="the data")
    ax.set_ylabel("share of\nreplications")
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.set_title(title, loc="left")
    ax.set_xlabel("test statistic")
