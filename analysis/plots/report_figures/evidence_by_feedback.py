"""Log evidence of every feedback by itself, in nats behind its best hypothesis."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAR = 30.0
"""Nats from which on a cell is no darker."""
ALIKE = 5e-4
"""Nats below which a hypothesis is shown as no worse than the best."""
WRAPPED = 5
"""So many hypotheses have labels of several lines."""


def draw_evidence_by_feedback(ax: "Axes", hypotheses: Sequence[str], rows: Sequence[str], behind: np.ndarray) -> None:
    """Draw a cell for every row and hypothesis; the first and last row stand apart.

    Parameters
    ----------
    rows : sequence of str
        The values, each feedback, all together.
    behind : ndarray (row, hypothesis)
        Nats behind the hypothesis that the row favours; inf where impossible.
    """
    colors = style.darkening()
    ax.pcolormesh(np.log1p(np.minimum(behind, FAR)), cmap=colors, vmin=0, vmax=math.log1p(FAR))
    ax.invert_yaxis()
    for (i, j), nats in np.ndenumerate(behind):
        best = nats < ALIKE and not (behind[i] < ALIKE).all()
        weight = "bold" if best else "normal"
        place: Any = {"ha": "center", "va": "center", "fontsize": 7, "color": style.ON_CELL}
        ax.text(j + 0.5, i + 0.5, _cell(float(nats)), fontweight=weight, **place)
    for i in (1, len(rows) - 1):
        ax.axhline(i, color=style.INK, linewidth=1)
    slanted = len(hypotheses) > WRAPPED
    columns = [style.short(name, 18) if slanted else style.wrapped(name, 14) for name in hypotheses]
    style.cell_labels(ax, columns, [style.short(row, 24) for row in rows], slanted, va="top")
    ax.set_xlabel("nats behind the row's best hypothesis")


def _cell(nats: float) -> str:
    if nats < ALIKE or math.isinf(nats):
        return "0" if nats < ALIKE else "impossible"
    number = f"{nats:.2g}" if nats < 0.1 else f"{nats:.1f}" if nats < 100 else f"{nats:,.0f}"
    return f"\N{MINUS SIGN}{number}"
