"""``judgements`` of [catastrophe] in a study file: items compared with failing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import shown
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_judgements import (
    FailureJudgements,
    hypotheses_problems,
    settings_problems,
)
from reward_hypotheses.study.section_reader import Problems, key, read, refuse_no_table, text

WHERE = "[catastrophe] judgements:"
FORM = '{ table = "...", column = "...", centre = ..., spread = ..., source = "..." }'


@dataclass(frozen=True)
class FailureJudgementsSpec:
    """``judgements`` as written, with defaults for missing keys.

    Missing keys are noted as problems.
    """

    table: str = key(text, "", missing="name the table of the items that were shown, as under [tables]")
    column: str = key(
        text,
        "",
        missing="name its column that is true where a judge would rather it did nothing, that is failed on purpose",
    )
    centre: Any = key(
        default=0.0,
        missing="state where failing lies before anybody is asked, in the units of the rewards; there is no default",
    )
    spread: Any = key(
        default=1.0,
        missing="state how far from the centre it may lie, a standard deviation in the units of the rewards; there is no default",
    )
    source: Any = key(default="said to be missing", missing="say who was asked, when, and how")
    rationality: Any = key()

    def build(self, items: Table, problems: Problems) -> FailureJudgements | None:
        """Return the judgements about a table's items; note invalid ones, return None."""
        with problems.at(WHERE):
            return FailureJudgements(**vars(self) | {"table": items})
        return None


def read_failure_judgements(
    written: Any, names: list[str], families: list[str], tables: Collection[str], problems: Problems
) -> FailureJudgementsSpec | None:
    """Read ``judgements`` of [catastrophe]; None where table or column is invalid.

    Parameters
    ----------
    names, families : list of str
        The judge's hypotheses, and those with continuous weights.
    """
    if not isinstance(written, dict):
        problems.add(f"{WHERE} {shown(written)}; give {FORM}")
        return None
    spec = read(FailureJudgementsSpec, written, WHERE, problems)
    problems.extend(
        f"{WHERE} {p}"
        for p in [
            *settings_problems(spec.centre, spec.spread, spec.source),
            *hypotheses_problems(spec.centre, spec.spread, names, families),
        ]
    )
    if spec.table:
        refuse_no_table(f"{WHERE} table", spec.table, tables, "table", problems)
    return spec if spec.table and spec.column else None
