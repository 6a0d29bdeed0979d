"""Terminal text for the results of a study of predicted and measured catastrophes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def study_text(document: Mapping[str, Any], out: Path, lacking: str, acted: str) -> list[str]:
    """Return the lines on a study's results for a terminal.

    Parameters
    ----------
    lacking : str
        Things that the probes of the second fit lack, such as craters.
    acted : str
        How well choices were carried out.
    """
    lines = [
        "share of scenes with a catastrophe, of the population",
        f"{'':14} {'predicted':>20} {'measured':>9}   {'mean error':>10} {'coverage':>8} {'width':>6}",
    ]
    for name, row in [*document["shifts"].items(), ("all shifts", document)]:
        predicted = row["predicted"]
        rate = f"{predicted['mean']:.3f} ({predicted['lower']:.3f} to {predicted['upper']:.3f})"
        lines.append(
            f"{name:13} {rate:>22} {row['measured']['mean']:>9.3f}   {row['error']:>10.3f} {row['coverage']:>8.2f} {row['width']:>6.3f}"
        )
    for name, row in {"named rules": document["foil"], **document["baselines"]}.items():
        lines.append(f"{name:18} {'':>17} {'':>9}   {row['error']:>10.3f} {row['coverage']:>8.2f} {row['width']:>6.3f}")
    check = document["ordinary"]["shift_check"]
    lines.append(f"a test like training is called {check['words']} (p = {check['p']:.3g})")
    retrained = document["telling"]["shifts"].values()
    before = float(np.mean([row["before"] for row in retrained]))
    after = float(np.mean([row["measured"]["mean"] for row in retrained]))
    lines.append(f"trained with {document['telling']['scenes']} telling scenes too: {before:.3f} becomes {after:.3f}")
    without = document["probes_without"]
    lines.append(
        f"from probes that lack {lacking}: intervals {without['width']:.2f} wide instead of {without['width_with']:.2f}, "
        f"coverage {without['coverage']:.2f}"
    )
    lines.append(acted)
    lines += [f"mind: {warning}" for warning in document["warnings"]]
    return [
        *lines,
        "",
        f"Written to {out}: results.json, prediction.json (before any test was carried out), scatter.png",
    ]


def episodes_text(document: Mapping[str, Any], out: Path, lacking: str) -> list[str]:
    """Return the lines on results of a world that repeats episodes as a check."""
    controller = document["controller"]
    repeated, otherwise = controller["repeated"], controller["ended_otherwise"]
    acted = f"episodes: {controller['episodes']}; of {repeated} that were repeated, {otherwise} ended otherwise"
    return study_text(document, out, lacking, acted)
