"""The risk by where the failure line is."""

from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_risk_by_line(ax: "Axes", at: np.ndarray, risk: np.ndarray, now: float, on_line: float) -> None:
    """Draw the risk against the failure line, moved from where it was stated.

    Parameters
    ----------
    at : ndarray (point,)
        By how many standard deviations of the rewards the line is moved.
    risk : ndarray (point,)
        From 0 to 1; NaN where the data are impossible.
    now : float
        The risk by the line as stated.
    on_line : float
        Share of scenes whose outcome is worth exactly what failing is: with any higher line a catastrophe.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.plot(at, risk, "o", color=style.BLUE, markersize=3, label="line moved")
    for side, risks in ((at <= 0, risk), (at >= 0, np.where(at == 0, now + on_line, risk))):
        ax.plot(at[side], risks[side], color=style.BLUE, linewidth=1)
    ax.axvline(0, color=style.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.plot([0], [now], "D", color=style.VERMILION, markersize=6, label="line as stated", zorder=4)
    ax.set_xlabel("failure line moved by (sd of rewards)")
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}"))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(True, axis="y")
    ax.set_axisbelow(True)
    ax.set_ylabel("catastrophe risk (%)")
