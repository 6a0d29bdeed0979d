"""Gridworlds: cells with features, and moves between neighbours, ready for an MDP."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, share

if TYPE_CHECKING:
    import xarray as xr

GRID_MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
PLACE_FEATURES = ("row", "column")
EMPTY = ". "


def gridworld(
    grid: Sequence[str] | Mapping[str, Any],
    features: Mapping[str, str] | None = None,
    *,
    ends: Any = (),
    walls: Any = "#",
    slip: float = 0.0,
    stay: bool = False,
) -> "tuple[xr.Dataset, dict[str, np.ndarray]]":
    """Return the states and transitions of a gridworld, for `MDP`.

    ``rh.MDP(*rh.gridworld(grid, {"G": "gold"}), discount=0.95)``. The actions are ``up``, ``down``, ``left``,
    ``right``; a move off the grid or into a wall stays in its cell.

    Parameters
    ----------
    grid : sequence of str, or dict of arrays (row, column)
        Rows of characters, one a cell, ``.`` or a space for a cell without features; or the features themselves.
    features : dict, optional
        character -> name of the feature that its cells have: true there, false elsewhere. A character may name several
        features as ``"pit, deep"``.
    ends : str, or array (row, column) of bool
        Characters of the cells in which the episode ends, or the cells.
    walls : str, or array (row, column) of bool
        Characters of the cells that are walls, or the cells.
    slip : float
        Probability of moving in one of the other three directions, each equally likely.
    stay : bool
        Whether there is a fifth action, ``stay``, which never slips.

    Returns
    -------
    Dataset, dict
        States over ``state``, named "row,column" from 0, with the features and ``row`` and ``column``; transitions as
        columns action, state, next_state, probability.

    Raises
    ------
    InputError
        Rows of different lengths, a character without a meaning, no cell, a slip that is no probability.
    """
    import xarray as xr

    cells, shape, letters = _cells(grid, features, ends, walls)
    chance = share(slip, "slip", "give a probability, from 0 to 1", include_zero=True)
    free = ~_where("walls", walls, letters, shape)
    end = _where("ends", ends, letters, shape)
    if not free.any():
        raise InputError("grid: every cell is a wall; leave at least one free")
    row, column = np.nonzero(free)
    number = np.full(shape, -1)
    number[free] = np.arange(len(row))
    lands = {"stay": np.arange(len(row))}
    for name, (down, right) in GRID_MOVES.items():
        to_row, to_column = row + down, column + right
        inside = (to_row >= 0) & (to_row < shape[0]) & (to_column >= 0) & (to_column < shape[1])
        to = np.where(inside, number[np.where(inside, to_row, 0), np.where(inside, to_column, 0)], -1)
        lands[name] = np.where(to < 0, np.arange(len(row)), to)
    going = ~end[free]
    names = np.array([f"{r},{c}" for r, c in zip(row.tolist(), column.tolist(), strict=True)], object)
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("action", "state", "next_state", "probability")}
    here = np.flatnonzero(going)
    for action in [*GRID_MOVES, *(["stay"] if stay else [])]:
        moves = {move: 1 - chance if move == action else chance / 3 for move in GRID_MOVES if chance or move == action}
        if action == "stay":
            moves = {"stay": 1.0}
        pairs, _, place, _ = distinct(np.concatenate([here * len(row) + lands[move][here] for move in moves]))
        columns["action"].append(np.full(len(pairs), action, object))
        columns["state"].append(names[pairs // len(row)])
        columns["next_state"].append(names[pairs % len(row)])
        columns["probability"].append(np.bincount(place, np.repeat(list(moves.values()), len(here)), len(pairs)))
    variables = {name: ("state", values[free]) for name, values in cells.items()}
    variables |= {"row": ("state", row), "column": ("state", column)}
    states = xr.Dataset(variables, coords={"state": names.astype(str)})
    return states, {key: np.concatenate(parts) for key, parts in columns.items()}


def _cells(
    grid: Any, features: Mapping[str, str] | None, ends: Any, walls: Any
) -> tuple[dict[str, np.ndarray], tuple[int, int], np.ndarray | None]:
    """Return features by cell, the shape, and the characters (or None)."""
    if isinstance(grid, Mapping):
        if features is not None:
            raise InputError(
                "features: they go with rows of characters; the arrays of the grid are the features already"
            )
        cells = {str(name): np.asarray(values) for name, values in grid.items()}
        shapes = {values.shape for values in cells.values()}
        if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or 0 in shape:
            raise InputError(f"grid: arrays of shapes {sorted(shapes)}; give all features one shape, (row, column)")
        _refuse_own(cells)
        return cells, shape, None
    rows = grid.strip("\n").split("\n") if isinstance(grid, str) else grid
    if not isinstance(rows, Sequence) or not rows or not all(isinstance(r, str) and r for r in rows):
        raise InputError(
            f'grid: {shown(grid)}; give rows of characters, such as ["S..G", ".#.."], or arrays by feature'
        )
    lengths = {len(r) for r in rows}
    if len(lengths) > 1:
        raise InputError(f"grid: rows of lengths {', '.join(str(len(r)) for r in rows)}; give all one length")
    letters = np.array([list(r) for r in rows])
    named: dict[str, list[str]] = {}
    for letter, text in ({} if features is None else features).items():
        for name in (part.strip() for part in text.split(",")):
            named.setdefault(name, []).append(letter)
    known = {*EMPTY, *(features or {}), *(_letters(walls) or ()), *(_letters(ends) or ())}
    for i, line in enumerate(rows):
        for j, letter in enumerate(line):
            if letter not in known:
                raise InputError(
                    f"grid: row {i}, column {j}: {letter!r} is not explained; name its feature in features = "
                    f'{{"{letter}": "..."}}, or use "." for a cell without any'
                )
    cells = {name: np.isin(letters, of) for name, of in named.items()}
    _refuse_own(cells)
    return cells, letters.shape, letters


def _refuse_own(cells: Mapping[str, Any]) -> None:
    for name in PLACE_FEATURES:
        if name in cells:
            raise InputError(f"features: {name!r} is the place of a cell already; name the feature otherwise")


def _letters(marks: Any) -> str | None:
    """Return characters given as text or a list; None for anything else."""
    return "".join(marks) if isinstance(marks, (str, tuple, list)) and all(isinstance(g, str) for g in marks) else None


def _where(key: str, marks: Any, letters: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the cells (row, column) that characters or an array mark."""
    if (characters := _letters(marks)) is not None:
        return np.zeros(shape, bool) if letters is None else np.isin(letters, list(characters))
    cells = np.asarray(marks)
    if cells.shape != shape or cells.dtype != bool:
        raise InputError(
            f"{key}: an array of {cells.dtype} and shape {cells.shape}; give characters, or booleans of the grid's shape {shape}"
        )
    return cells
