"""Make the travel study's tables from `travel.csv` (Greene and Hensher 1997).

The file is as statsmodels gives it (``statsmodels.datasets.modechoice``), which says of it "This is public domain." It
holds 210 travellers between Sydney, Canberra and Melbourne in 1987: the mode that each took, of four, and the time and
money that all four would have cost. Fares are those of one traveller, also for the car, which is cheaper with more
travellers in it.

Training: travellers who travel alone. Test: travellers in a party of two or more. Nobody is left out, and the choices
play no part in the split.

Run as ``python -m reward_hypotheses.data.examples.make_travel [FOLDER]``.
"""

import csv
import sys
from pathlib import Path

from reward_hypotheses.data.examples import write_rows

HERE = Path(__file__).resolve().parent
MODES = {"1": "air", "2": "train", "3": "bus", "4": "car"}
COLUMNS = {"wait": "ttme", "ride": "invt", "fare": "invc", "reckoned": "gc", "party": "psize", "chosen": "choice"}
"""What a column of the tables is called in the file."""
DRIVE = {"drive_ride": "ride", "drive_fare": "fare", "drive_reckoned": "reckoned"}
"""What the traveller's own car would ask, beside every option."""


def options(source: Path) -> list[dict[str, str]]:
    """Return every option of every traveller, in the order of the file.

    ``wait`` and ``ride`` are in minutes, ``fare`` and ``reckoned`` in dollars a head, ``party`` counts heads.
    """
    with source.open(newline="", encoding="utf-8") as stream:
        records = list(csv.DictReader(stream, delimiter=";"))
    cars = {row["individual"]: row for row in records if MODES[row["mode"]] == "car"}
    out = []
    for row in records:
        place = {"scene": row["individual"], "option": MODES[row["mode"]]}
        car = cars[row["individual"]]
        features = {name: row[column] for name, column in COLUMNS.items()}
        out.append(place | features | {name: car[COLUMNS[column]] for name, column in DRIVE.items()})
    return out


def main(folder: Path) -> None:
    """Write training.csv and test.csv."""
    rows = options(HERE / "travel" / "travel.csv")
    alone = [row for row in rows if row["party"] == "1"]
    together = [row for row in rows if row["party"] != "1"]
    columns = ("scene", "option", *list(COLUMNS)[:-1], *DRIVE, "chosen")
    for name, some in (("training", alone), ("test", together)):
        write_rows(folder / f"{name}.csv", [{column: row[column] for column in columns} for row in some])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "travel")
