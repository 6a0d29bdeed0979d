"""``judgements`` of [catastrophe] in a study file: what judges would rather see than failing, item by item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import shown, suggestion
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_judgements import (
    FailureJudgements,
    hypotheses_problems,
    settings_problems,
)
from reward_hypotheses.study.validation import Problems, Section

WHERE = "[catastrophe] judgements:"
FORM = '{ table = "...", column = "...", centre = ..., spread = ..., source = "..." }'
NEEDED = {
    "table": "name the table of the items that were shown, as under [tables]",
    "column": "name its column that is true where a judge would rather it did nothing, that is failed on purpose",
    "centre": "state where failing lies before anybody is asked, in the units of the rewards; there is no default",
    "spread": "state how far from the centre it may lie, a standard deviation in the units of the rewards; there is no default",
    "source": "say who was asked, when, and how",
}
OPTIONAL = ("rationality",)
STAND_IN: Mapping[str, Any] = {"centre": 0.0, "spread": 1.0, "source": "said to be missing"}


@dataclass(frozen=True)
class LineJudgements:
    """What the key says, its settings judged; not yet made, for which of the table's columns are boolean is not known.

    Attributes
    ----------
    table, column : str
    settings : dict
        Of `FailureJudgements`; a stand-in for what is missing, which has been said.
    """

    table: str
    column: str
    settings: Mapping[str, Any]

    def make(self, items: Table, problems: Problems) -> FailureJudgements | None:
        """Make the judgements, the column judged; None where they are wrong, which has then been said."""
        with problems.at(WHERE):
            return FailureJudgements(items, self.column, **self.settings)
        return None


def read_line_judgements(
    given: Any, problems: Problems, names: list[str], families: list[str], tables: Mapping[str, Table | None]
) -> LineJudgements | None:
    """Read ``judgements`` of [catastrophe]; None where its table or column is not known, which has then been said.

    Parameters
    ----------
    names, families : list of str
        The judge's hypotheses, and which of them have continuous weights.
    """
    if not isinstance(given, dict):
        problems.add(f"{WHERE} {shown(given)}; give {FORM}")
        return None
    part = Section(given, WHERE, problems, (*NEEDED, *OPTIONAL))
    part.refuse_unknown()
    for key, right in NEEDED.items():
        if key not in given and not part.misspelt(key):
            problems.add(f"{WHERE} {key}: missing; {right}")
    settings: dict[str, Any] = {**STAND_IN} | {k: v for k, v in given.items() if k in (*STAND_IN, *OPTIONAL)}
    centre, spread = settings["centre"], settings["spread"]
    found = settings_problems(centre, spread, settings["source"])
    found += hypotheses_problems(centre, spread, names, families)
    problems.extend(f"{WHERE} {p}" for p in found)
    table, column = (part.text(key) if key in given else "" for key in ("table", "column"))
    if table and table not in tables:
        problems.add(f"{WHERE} table: {table!r} is no table; {suggestion(table, tables)}")
    return LineJudgements(table, column, settings) if table and column else None
