"""Make the tables and pictures of the study template, on the lunar lander.

`reward-hypotheses new` starts from this study. Run from the repository:
``python -m reward_hypotheses.data.examples.make_template_tables``.
"""

import sys
from pathlib import Path

from PIL import Image

from reward_hypotheses.data.examples import site_rows, write_rows
from reward_hypotheses.data.worlds.lander.scenes import landing_frame, landing_sites

TEMPLATE = Path(__file__).resolve().parent / "template"


def main(folder: Path = TEMPLATE) -> None:
    """Write ``training.csv``, ``test.csv`` and a picture of each."""
    for name, seed, shifted, scene in (("training", 0, False, 0), ("test", 1, True, 0)):
        table = landing_sites(60, seed, shifted)
        write_rows(folder / f"{name}.csv", site_rows(table, [str(c) for c in table.data_vars]))
        frame = Image.fromarray(landing_frame(table, scene))
        frame.quantize(64).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
