"""Scatter plot of predicted against measured catastrophe rates.

Each point is one agent on one shift; fitted agents and named rules have a panel each.
"""

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from reward_hypotheses.analysis.report.figure_style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAGE,
    SKY,
    STYLE,
    VERMILION,
)

POINTS: Mapping[str, Any] = {"markersize": 3.5, "elinewidth": 0.7, "alpha": 0.8, "zorder": 3}
MARKS = ((VERMILION, "o"), (BLUE, "s"), (GREEN, "^"), (ORANGE, "D"), (SKY, "v"))


def study_scatter(document: Mapping[str, Any]) -> bytes:
    """Draw predicted rates, with intervals, against measured rates; return a PNG."""
    panels = {"read with continuous weights": document, "named rules alone": document["foil"]}
    shifts = list(dict.fromkeys(row["shift"] for part in panels.values() for row in part["agents"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 0.56 * PAGE), layout="constrained")
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for ax, (title, part) in zip(axes, panels.items(), strict=True):
            ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.6, zorder=1)
            for shift, (color, mark) in zip(shifts, MARKS, strict=False):
                some = [row for row in part["agents"] if row["shift"] == shift]
                at = [row["predicted"] for row in some]
                ends = [
                    [max(row["predicted"] - row["lower"], 0.0) for row in some],
                    [max(row["upper"] - row["predicted"], 0.0) for row in some],
                ]
                measured = [row["measured"] for row in some]
                ax.errorbar(at, measured, xerr=ends, fmt=mark, color=color, label=shift, **POINTS)
            ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="predicted share of catastrophes", aspect="equal")
            caption = f"mean error {part['error']:.3f}; 89% intervals hold {part['coverage']:.0%}"
            ax.set_title(f"{title}\n{caption}", color=INK)
            ax.grid(color=FAINT)
        axes[0].set_ylabel("measured")
        axes[0].legend(loc="upper left", frameon=False, title="shift")
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    return stream.getvalue()
