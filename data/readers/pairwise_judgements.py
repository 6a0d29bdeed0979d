"""Pairwise judgements about which of two hypotheses people mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reward_hypotheses.data.column import name_of
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.readers.csv import read_csv
from reward_hypotheses.data.readers.safe_files import read_bytes

GRADES = ("right much", "right a little", "equal", "left a little", "left much")
"""Answers to "which of the two is likelier to be what people mean?", from the one end to the other."""
FIELDS = ("judge", "left", "right", "answer")


class PairwiseJudgement(NamedTuple):
    """One answer of one judge: left or right, much or a little, or equal."""

    judge: str
    left: str
    right: str
    answer: str


def answers_of(
    answers: Any, source: str | None = None, hypotheses: Sequence[str] | None = None
) -> tuple[PairwiseJudgement, ...]:
    """Read pairwise judgements from a file, a DataFrame or rows.

    Parameters
    ----------
    answers : str, Path, DataFrame or sequence
        Path of a CSV file, or rows (judge, left, right, answer) as dicts or tuples.
    source : str, optional
        Name of a file in messages.
    hypotheses : sequence of str, optional
        Known hypotheses. Default: any name is allowed.

    Raises
    ------
    InputError
        Every problem with its row: a blank cell, an answer that is no grade, a hypothesis compared with itself; no
        rows.
    """
    if isinstance(answers, (str, Path)):
        rows = _of_file(Path(answers), str(answers) if source is None else source)
    elif hasattr(answers, "to_dict") and hasattr(answers, "columns"):
        _columns(list(answers.columns), "answers")
        rows = [(f"answers: row {i + 1}", row) for i, row in enumerate(answers[list(FIELDS)].to_dict("records"))]
    elif isinstance(answers, Sequence):
        rows = [(f"answers: row {i + 1}", row) for i, row in enumerate(answers)]
    else:
        raise InputError(
            f"answers: {shown(answers)}; give rows (judge, left, right, answer), or the path of a CSV file"
        )
    if not rows:
        raise InputError("answers: there is none; give at least one row (judge, left, right, answer)")
    problems: list[str] = []
    judgements: list[PairwiseJudgement] = []
    for where, row in rows:
        cells, wrong = _cells(row)
        wrong = wrong or _problems(cells, hypotheses)
        problems += [f"{where}: {p}" for p in wrong]
        if not wrong:
            judgements.append(PairwiseJudgement(*cells))
    if problems:
        raise InputError(problems)
    return tuple(judgements)


def _of_file(path: Path, source: str) -> list[tuple[str, Any]]:
    table = read_csv(path, path.stem, source, read_bytes(path, source))
    _columns(list(table.columns), table.source)
    names = {field: table.columns[field].names for field in FIELDS}
    return [
        (f"{table.source}: {table.where(i)}", {field: names[field].text(i) for field in FIELDS})
        for i in range(table.n_items)
    ]


def _columns(columns: list[Any], where: str) -> None:
    lacking = [field for field in FIELDS if field not in columns]
    if lacking:
        there = ", ".join(map(repr, columns))
        raise InputError(f"{where}: no column {', '.join(map(repr, lacking))}; there is {there}")


def _cells(row: Any) -> tuple[list[str], list[str]]:
    """Return the four cells of a row as text, and its problems."""
    if isinstance(row, Mapping):
        unknown = [key for key in row if key not in FIELDS]
        lacking = [field for field in FIELDS if field not in row]
        if unknown or lacking:
            problems = [f"{key!r} is no part of an answer; {suggestion(str(key), FIELDS)}" for key in unknown]
            return [], problems + [
                f"{key}: missing; a row has judge, left, right and answer" for key in lacking if not problems
            ]
        row = [row[field] for field in FIELDS]
    if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != len(FIELDS):
        return [], [f"{shown(row)}; give judge, left, right and answer"]
    return [name_of(cell) or "" for cell in row], []


def _problems(cells: list[str], hypotheses: Sequence[str] | None) -> list[str]:
    judge, left, right, answer = cells
    problems = [
        f"{field}: blank; say {what}" for field, cell, what in zip(FIELDS, cells, _WHAT, strict=True) if not cell
    ]
    if answer and answer not in GRADES:
        problems.append(f"answer: {answer!r} is no answer; {suggestion(answer, GRADES)}")
    if left and left == right:
        problems.append(f"left, right: {left!r} is compared with itself; name two hypotheses")
    for field, name in (("left", left), ("right", right)):
        if name and hypotheses and name not in hypotheses:
            problems.append(f"{field}: {name!r} is no hypothesis; {suggestion(name, hypotheses)}")
    return problems


_WHAT = ("who answered", "which hypothesis was on the left", "which was on the right", "which was preferred")
