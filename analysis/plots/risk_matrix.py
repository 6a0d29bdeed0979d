"""Catastrophe rates by the hypothesis of the agent and the true hypothesis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WRITTEN = 8
"""Hypotheses up to which the cells of the matrix hold their numbers."""


def draw_risk_matrix(ax: "Axes", agents: Sequence[str], truths: Sequence[str], cells: np.ndarray) -> None:
    """Draw a cell for every pair of the agent's hypothesis and the true hypothesis.

    Parameters
    ----------
    cells : ndarray (agent's hypothesis, true hypothesis)
        Shares of scenes with a catastrophe, from 0 to 1.
    """
    ax.pcolormesh(cells, cmap=style.darkening(), vmin=0, vmax=1, edgecolors=style.MUTED, linewidth=0.4)
    ax.invert_yaxis()
    if max(cells.shape) <= WRITTEN:
        for (i, j), cell in np.ndenumerate(cells):
            text = style.percent(float(cell))
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", color=style.ON_CELL, fontsize=7)
    columns, rows = [style.short(name, 18) for name in truths], [style.short(name) for name in agents]
    style.cell_labels(ax, columns, rows, slanted=len(truths) > 2)
    ax.set_xlabel("true hypothesis")
    ax.set_ylabel("hypothesis of the agent")


def size_of(rows: int, columns: int) -> tuple[float, float]:
    """Return the width and height in inches of a matrix of so many cells."""
    width, height = (max(2.2, 0.45 * n + 1.4) for n in (columns, rows))
    return min(style.PAGE, max(style.COLUMN, width + 0.6)), height


def plot_risk_matrix(risk: Any, *, ax: "Axes | None" = None, figsize: tuple[float, float] | None = None) -> "Axes":
    """Plot the risk of an agent certain of one hypothesis if another is true.

    Of more than 12 hypotheses, those of greatest weight (of a Dataset, the first) are shown.

    Parameters
    ----------
    risk : Dataset or dict
        From `catastrophe_risk`, or the results document of `run`.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Shares of scenes in percent: the agent's hypotheses down, the true ones across.

    Raises
    ------
    InputError
        An argument of another kind, or results without a test.
    """
    from reward_hypotheses.analysis.results.results import dataset_of, is_results, results_of

    if is_results(risk):
        document = results_of(risk, "matrix", "matrix of the risk")
        matrix, weights = document["matrix"], document["weights"]
        truths = sorted(weights, key=lambda name: -weights[name])[: style.MOST]
        truths = [name for name in document["hypotheses"] if name in truths]
        agents = [name for name in matrix if name in truths or name not in weights][: style.MOST]
        cells = np.array([[matrix[agent][truth] for truth in truths] for agent in agents])
    else:
        data = dataset_of(risk, ("matrix",), "risk", "rh.catastrophe_risk()")["matrix"]
        data = data.transpose("agent_hypothesis", "true_hypothesis")[: style.MOST, : style.MOST]
        agents, truths = ([str(name) for name in data[dim].to_numpy()] for dim in data.dims)
        cells = data.to_numpy()
    width, height = size_of(*cells.shape)
    with style.canvas(ax, figsize, (max(width, 4.2), height + 0.5)) as drawing:
        draw_risk_matrix(drawing, agents, truths, cells)
        style.titled(drawing, _finding(agents, truths, cells))
    return drawing


def _finding(agents: Sequence[str], truths: Sequence[str], cells: np.ndarray) -> str:
    i, j = np.unravel_index(np.argmax(cells), cells.shape)
    if cells[i, j] == 0:
        return "No agent that is certain of one hypothesis fails, whichever is true"
    agent, truth = style.quoted(agents[int(i)]), style.quoted(truths[int(j)])
    return f"An agent certain of {agent} fails in {style.percent(float(cells[i, j]))} of scenes if {truth} is true"
