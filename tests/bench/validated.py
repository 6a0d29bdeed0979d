"""Tables of validation studies: ``python tests/bench/validated.py FOLDER...``, a folder a study.

Two tables in Markdown: predicted and measured by study and shift; and the toolkit beside baselines, over all studies.
"""

import json
import sys
from pathlib import Path

import numpy as np

WIDE = 0.02


def line(rows):
    """Mean error, coverage, coverage of intervals wider than .02, and mean width."""
    held = [r["lower"] - 1e-12 <= r["measured"] <= r["upper"] + 1e-12 for r in rows]
    wide = [h for h, r in zip(held, rows, strict=True) if r["upper"] - r["lower"] > WIDE]
    error = np.mean([abs(r["predicted"] - r["measured"]) for r in rows])
    width = np.mean([r["upper"] - r["lower"] for r in rows])
    return f"{error:.3f} | {np.mean(held):.2f} | {np.mean(wide):.2f} | {width:.3f}"


def main(folders):
    """Print the tables."""
    studies = [json.loads((Path(folder) / "results.json").read_text()) for folder in folders]
    print(
        "| seed | shift | predicted (89 %) | measured | mean error | coverage | width |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for study in studies:
        seed = study["settings"]["seed"]
        for name, row in [*study["shifts"].items(), ("all", study)]:
            p = row["predicted"]
            predicted = f"{p['mean']:.3f} ({p['lower']:.3f} to {p['upper']:.3f})"
            print(
                f"| {seed} | {name} | {predicted} | {row['measured']['mean']:.3f} | {row['error']:.3f} | {row['coverage']:.2f} | {row['width']:.3f} |"
            )
            seed = ""
    ways = {"the toolkit": lambda s: s["agents"], "named rules": lambda s: s["foil"]["agents"]}
    ways |= {name: lambda s, name=name: s["baselines"][name]["agents"] for name in studies[0]["baselines"]}
    print(
        "\n| over all seeds | mean error | coverage | coverage, wider than 0.02 | width |\n| --- | --- | --- | --- | --- |"
    )
    for name, rows in ways.items():
        print(f"| {name} | {line([r for s in studies for r in rows(s)])} |")
    print("\n| seed | shift | before | after telling scenes |\n| --- | --- | --- | --- |")
    for study in studies:
        for test, row in study["telling"]["shifts"].items():
            print(f"| {study['settings']['seed']} | {test} | {row['before']:.3f} | {row['measured']['mean']:.3f} |")
    pits = np.array([r["pit"] for s in studies for r in s["agents"]])
    print(f"\n{len(pits)} agents and shifts; share of PITs by fifths: {np.histogram(pits, 5, (0, 1))[0] / len(pits)}")
    print(
        "discrepancy:",
        {t: [round(s["shifts"][t]["discrepancy"]["sd"], 2) for s in studies] for t in studies[0]["shifts"]},
    )
    print(
        "misfits:",
        [s["misfits"] for s in studies],
        "ordinary p:",
        [round(s["ordinary"]["shift_check"]["p"], 3) for s in studies],
    )
    print("without:", [(round(s["probes_without"]["width"], 2), s["probes_without"]["coverage"]) for s in studies])


if __name__ == "__main__":
    main(sys.argv[1:])
