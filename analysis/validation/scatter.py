"""Scatter plot of predicted against measured catastrophe rates.

Each point is one agent on one shift; fitted agents and named rules have a panel each.
"""

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from reward_hypotheses.analysis.plots.calibration import draw_calibration
from reward_hypotheses.analysis.plots.style import INK, PAGE, STYLE


def study_scatter(document: Mapping[str, Any]) -> bytes:
    """Draw predicted rates, with intervals, against measured rates; return a PNG."""
    panels = {"read with continuous weights": document, "named rules alone": document["foil"]}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PAGE, 0.56 * PAGE), layout="constrained")
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for ax, (title, part) in zip(axes, panels.items(), strict=True):
            rows = part["agents"]
            keys = ("predicted", "lower", "upper", "measured")
            predicted, lower, upper, measured = (np.array([row[key] for row in rows]) for key in keys)
            draw_calibration(ax, predicted, lower, upper, measured, [row["shift"] for row in rows])
            caption = f"mean error {part['error']:.3f}; 89% intervals hold {part['coverage']:.0%}"
            ax.set_title(f"{title}\n{caption}", color=INK)
        axes[1].set_ylabel("")
        axes[0].legend(loc="upper left", frameon=False, title="shift")
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    return stream.getvalue()
