"""Make the penguins study's tables from `penguins.csv`.

The data are of Horst, Hill and Gorman (2020), CC0. Training: the Adelie penguins of Torgersen and the Gentoo penguins
of Biscoe; every bird from Biscoe has a Gentoo's build. Test: the Adelie penguins of Biscoe, which have not. Birds
without measurements are left out.

Run as ``python -m reward_hypotheses.data.examples.make_penguins [FOLDER]``.
"""

import csv
import sys
from pathlib import Path

from reward_hypotheses.data.examples import write_rows

HERE = Path(__file__).resolve().parent
TRAINING = (("Adelie", "Torgersen"), ("Gentoo", "Biscoe"))
TEST = (("Adelie", "Biscoe"),)


def birds(source: Path, kinds: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Return the measured birds of given kinds, in the order of the file.

    A kind is (species, island). Bill depth and flipper length are in millimetres, ``biscoe`` and ``is_gentoo`` 1 or 0.
    """
    out = []
    with source.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if (row["species"], row["island"]) in kinds and row["flipper_length_mm"] != "NA":
                out.append(
                    {
                        "biscoe": str(int(row["island"] == "Biscoe")),
                        "bill_depth": row["bill_depth_mm"],
                        "flipper": row["flipper_length_mm"],
                        "is_gentoo": str(int(row["species"] == "Gentoo")),
                    }
                )
    return out


def main(folder: Path) -> None:
    """Write training.csv and test.csv."""
    for name, kinds in (("training", TRAINING), ("test", TEST)):
        write_rows(folder / f"{name}.csv", birds(HERE / "penguins" / "penguins.csv", kinds))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "penguins")
