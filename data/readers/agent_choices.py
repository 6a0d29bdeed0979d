"""Exported choices of an agent in scenes, matched to the scenes by their names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of, is_number
from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.readers.files import columns_of
from reward_hypotheses.data.readers.frames import columns_in

ANSWER_COLUMNS = ("chosen", "probability")
"""Columns that say something of an option; without either, each row is a choice."""
TRUTH_VALUES = {"true": 1.0, "false": 0.0}
MOST_PROBLEMS = 20
"""Problems of an export that are told one by one."""


@dataclass(frozen=True)
class Export:
    """Rows of exported choices, each about an option of a scene.

    Attributes
    ----------
    source : str
        The file, or the name of the data in messages.
    columns : dict of str to Column
        ``option``, ``scene`` (unless rows follow the scenes' order), and at most one of `ANSWER_COLUMNS`.
    lines : ndarray (row,) or None
        Lines of the file, where it has some.
    """

    source: str
    columns: Mapping[str, Column]
    lines: np.ndarray | None = None

    def __post_init__(self) -> None:
        if "option" not in self.columns:
            raise InputError(
                f"{self.source}: no column 'option', which says what a row is about; {suggestion('option', self.columns)}"
            )
        if not len(self):
            raise InputError(f"{self.source}: no rows; give what the agent chose in each scene")
        if all(c in self.columns for c in ANSWER_COLUMNS):
            raise InputError(f"{self.source}: columns 'chosen' and 'probability' both; leave out one of them")
        if self.answer_column is not None and "scene" not in self.columns:
            raise InputError(f"{self.source}: no column 'scene', which says what scene the options of a row are of")

    def __len__(self) -> int:
        return len(self.columns["option"].values)

    @property
    def answer_column(self) -> str | None:
        """The column of `ANSWER_COLUMNS`; None where each row is a choice."""
        return next((c for c in ANSWER_COLUMNS if c in self.columns), None)

    def where(self, row: int) -> str:
        """Return the place of a row in the file, for a message."""
        return f"row {row}" if self.lines is None else f"line {int(self.lines[row])}"

    def at(self, row: int) -> str:
        """Return the file and the place of a row in it, for a message."""
        return f"{self.source}: {self.where(row)}"


@dataclass(frozen=True)
class Places:
    """Names of scenes and options, as an export may use them.

    Attributes
    ----------
    scenes : list of str
        Names of the scenes.
    options : list of dict of str to int
        Of each scene, the position of each option.
    available : ndarray (scene, option) of bool
    """

    scenes: Sequence[str]
    options: Sequence[Mapping[str, int]]
    available: np.ndarray


def export_of(data: Any) -> Export:
    """Read exported choices as rows.

    Parameters
    ----------
    data : str, Path, DataFrame, dict or Dataset
        Path of a CSV or Parquet file, or columns.
    """
    if isinstance(data, (str, Path)):
        return Export(str(data), *columns_of(Path(data), str(data)))
    if hasattr(data, "data_vars"):
        data = data.to_dataframe().reset_index()
    arrays = columns_in(data, "agent", ("scene", "option"))
    shapes = {c: np.shape(v) for c, v in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise InputError(f"agent: columns of shapes {shapes}; give one value a row, such as scene, option and chosen")
    return Export("agent", {c: column_of(v, c) for c, v in arrays.items()})


def choices_in(export: Export, places: Places, draws: int) -> np.ndarray:
    """Return the positions of the options taken: (scene, draw).

    -1 for abstaining.

    Raises
    ------
    InputError
        Every row with an unknown scene or option, or an option that is not available, and every scene with too few or
        too many choices.
    """
    chosen, what = None, "row"
    if export.answer_column == "chosen" and draws > 1:
        raise InputError(
            f"{export.source}: column 'chosen' tells one choice a scene; for several draws give a row a choice, with 'scene' and "
            "'option' alone"
        )
    if export.answer_column == "chosen":
        chosen = _numbers(export, "chosen", lambda x: (x == 0) | (x == 1), "true or false (or 1 or 0)")
        what = "chosen option"
    scene, option = _placed(export, places, draws, chosen)
    options = export.columns["option"].names
    taken = np.arange(len(export)) if chosen is None else np.flatnonzero(chosen)
    scene, option = scene[taken], option[taken]
    _refuse(
        f"{export.at(row)}: scene {places.scenes[m]!r}: option {options.text(row)!r} is not available there"
        for row, m, o in zip(taken.tolist(), scene.tolist(), option.tolist(), strict=True)
        if o >= 0 and not places.available[m, o]
    )
    count = np.bincount(scene, minlength=len(places.scenes))
    right = "exactly one" if draws == 1 else f"{draws}, one a draw"
    hint = "; with draws=n it may have n" if export.answer_column is None and draws == 1 else ""
    _refuse(
        f"{export.source}: scene {places.scenes[m]!r}: {_counted(int(count[m]), what)}; there must be {right}{hint if count[m] > 1 else ''}"
        for m in np.flatnonzero(count != draws).tolist()
    )
    return option[np.argsort(scene, kind="stable")].reshape(-1, draws)


def chances_in(export: Export, places: Places) -> np.ndarray:
    """Return the probabilities of the options, abstaining last.

    Shape (scene, option + 1). 0 for an option without a row.
    """
    chance = _numbers(export, "probability", np.isfinite, "a finite number")
    scene, option = _placed(export, places, 1, chance)
    width = places.available.shape[1]
    out = np.zeros((len(places.scenes), width + 1))
    some = chance != 0
    out[scene[some], option[some]] = chance[some]  # abstaining is -1, the last
    has_row = np.zeros(len(out), bool)
    has_row[scene] = True
    _refuse(
        f"{export.source}: scene {places.scenes[m]!r}: no row; give the probability of each of its options"
        for m in np.flatnonzero(~has_row).tolist()
    )
    return out


def _placed(export: Export, places: Places, draws: int, values: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the scene and the option of each row: two arrays (row,) of int.

    The option is -1 for abstaining and -2 for an unknown option, which is allowed where its value is 0.
    """
    n = len(export)
    problems: list[str] = []
    if "scene" in export.columns:
        known = {name: m for m, name in enumerate(places.scenes)}
        if len(known) < len(places.scenes):
            twice = next(name for name in known if list(places.scenes).count(name) > 1)
            raise InputError(
                f"scenes: {twice!r} stands several times, so that no row can name it; give each scene a name of its own"
            )
        names = export.columns["scene"].names
        texts = [names.text(row) for row in range(n)]
        problems += [
            f"{export.at(row)}: scene {text!r} is none of those asked about; {suggestion(text, known)}"
            for row, text in enumerate(texts)
            if text not in known
        ]
        scene = np.array([known.get(text, -1) for text in texts])
    else:
        if n != draws * len(places.scenes):
            raise InputError(
                f"{export.source}: {n} rows for {draws * len(places.scenes)} choices; give one row for each, in the scenes' order, or a "
                "column 'scene' that names them"
            )
        scene = np.repeat(np.arange(len(places.scenes)), draws)
    option = np.full(n, -1)
    options = export.columns["option"].names
    for row in np.flatnonzero(scene >= 0).tolist():
        text, positions = options.text(row), places.options[scene[row]]
        option[row] = positions.get(text, -1 if text == "-1" else -2)
        at = f"{export.at(row)}: scene {places.scenes[scene[row]]!r}: option {text!r}"
        if option[row] == -2 and (values is None or values[row]):
            problems.append(f"{at} is none of its options; {suggestion(text, positions)}")
    if export.answer_column is not None and not problems:
        key = scene * (places.available.shape[1] + 2) + option
        order = np.argsort(key, kind="stable")
        problems += [
            f"{export.at(int(b))}: scene {places.scenes[scene[b]]!r}: option "
            f"{options.text(int(b))!r} stands there twice, in {export.where(int(a))} already; give it once"
            for a, b in zip(order[:-1], order[1:], strict=True)
            if key[a] == key[b] and option[a] > -2
        ]
    _refuse(problems)
    return scene, option


def _numbers(export: Export, name: str, right: Callable[[np.ndarray], np.ndarray], what: str) -> np.ndarray:
    """Return a column as numbers, with true and false as 1 and 0: (row,)."""
    column = export.columns[name]
    gone = column.missing()
    if column.vocabulary is None:
        values = np.where(gone, np.nan, column.values.astype(float))
    else:  # some cells are words
        known = [
            float(text) if is_number(text) else TRUTH_VALUES.get(text.lower(), np.nan) for text in column.vocabulary
        ]
        values = np.array([*known, np.nan])[column.values]
    _refuse(
        f"{export.at(row)}: column {name!r} is {'missing' if gone[row] else repr(column.text(row))}; it must be {what}"
        for row in np.flatnonzero(~right(values)).tolist()
    )
    return values


def _counted(count: int, what: str) -> str:
    return f"no {what}" if count == 0 else f"{count} {what}s"


def _refuse(problems: Iterable[str]) -> None:
    """Raise InputError where there are problems, the first of them one by one."""
    listed = list(problems)
    if listed:
        more = [f"{len(listed) - MOST_PROBLEMS} more problems of this kind"] if len(listed) > MOST_PROBLEMS else []
        raise InputError([*listed[:MOST_PROBLEMS], *more])
