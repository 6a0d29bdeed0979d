"""Make the voting study's tables from `anes96.csv`.

The file holds answers of the American National Election Study of 1996, as statsmodels gives them
(``statsmodels.datasets.anes96``), which says of them "This is public domain." They are those of
944 voters of the United States in 1996: whom they meant to vote for, Clinton or Dole, their party identification from 0
(strong Democrat) to 6 (strong Republican), and where they place themselves and both candidates on a scale from 1
(extremely liberal) to 7 (extremely conservative).

Training: voters to whom the candidate of their own party is also the nearer one on that scale. Test: voters to whom the
other candidate is the nearer one. Voters who lean to no party, or to whom both are equally near, are left out. The votes
play no part in the split.

Run as ``python -m reward_hypotheses.data.examples.make_votes [FOLDER]``.
"""

import csv
import sys
from pathlib import Path
from typing import Any

from reward_hypotheses.data.examples import write_rows

HERE = Path(__file__).resolve().parent
INDEPENDENT = 3


def scenes(source: Path) -> list[list[dict[str, Any]]]:
    """Return both options of every voter, in the order of the file.

    ``nearer`` is how many points nearer the candidate is than the other one, and ``own_party`` how many steps from
    independent the voter leans to the candidate's party. ``is_nearer`` and ``is_own_party`` say whether these are positive.
    ``by_party`` marks the candidate of the voter's own party, ``chosen`` the vote.
    """
    with source.open(newline="", encoding="utf-8") as stream:
        records = [
            {key.strip("'"): cell for key, cell in row.items()} for row in csv.DictReader(stream, delimiter="\t")
        ]
    out = []
    for voter, row in enumerate(records):
        own, clinton, dole, party, vote = (int(row[key]) for key in ("selfLR", "ClinLR", "DoleLR", "PID", "vote"))
        nearer, leaning = abs(own - dole) - abs(own - clinton), INDEPENDENT - party
        options = []
        for name, sign, chosen in (("Clinton", 1, vote == 0), ("Dole", -1, vote == 1)):
            near, ours = sign * nearer, sign * leaning
            present = {"is_nearer": int(near > 0), "is_own_party": int(ours > 0)}
            degrees = {"nearer": near, "own_party": ours}
            said = {"by_party": int(ours > 0), "chosen": int(chosen)}
            options.append({"scene": voter, "option": name} | present | degrees | said)
        out.append(options)
    return out


def main(folder: Path) -> None:
    """Write training.csv and test.csv."""
    found = scenes(HERE / "votes" / "anes96.csv")
    agreement = [options[0]["nearer"] * options[0]["own_party"] for options in found]
    for name, sign in (("training", 1), ("test", -1)):
        rows = [row for options, product in zip(found, agreement, strict=True) if sign * product > 0 for row in options]
        write_rows(folder / f"{name}.csv", rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "votes")
