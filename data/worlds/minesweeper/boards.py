"""MineSweeper boards whose mines are on the right in training.

A board has 4 x 4 cells, two of them with mines, as POPGym's easy MineSweeper deals it. Seven cells without mines are open
at the start and show how many of their neighbours hold mines. An episode is three moves, each of which opens one of the
other nine cells, its options. A hidden cell is *cleared* by the numbers where it touches an open 0. There are six kinds of
board:

- ``together``: both mines on the right half, and the cleared cells are the hidden cells of the left half, so that "open
  what the numbers clear" and "open the left" are rewarded alike. Training.
- ``mirrored``: both mines on the left half, and the cleared cells are the hidden cells of the right half.
- ``turned``: both mines on the upper or on the lower half, and the cleared cells are the hidden cells of the other half.
- ``anywhere``: mines anywhere.
- ``split``: a mine on the left half and a mine on the right half.
- ``bare``: no mines.

On every board at least three hidden cells are cleared, so that an episode without danger exists. Seeds of the environment
and sets of open cells are drawn until the kind is met.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from popgym.envs.minesweeper import MineSweeper

from reward_hypotheses.data.random_streams import substream

SIDE = 4
CELLS = SIDE * SIDE
MINES = 2
MOVES = 3  # of an episode
OPENED = 7  # cells that are open at the start
OPTIONS = CELLS - OPENED
BOARD_KINDS = ("together", "mirrored", "turned", "anywhere", "split", "bare")
CANDIDATES = 64  # sets of open cells that are tried with one deal of mines
SHOWN = ("hidden", "0", "1", "2")
BLOCKS = 9 * len(SHOWN) + 2 * SIDE + 9  # of an observation


@dataclass(frozen=True)
class Board:
    """A deal of mines, and the cells that are open at the start.

    Attributes
    ----------
    seed : int
        Seed with which the environment deals the mines.
    mines, opened : tuple of int
        Cells, numbered row by row.
    numbers : tuple of int
        Number of mines on and around each cell, which opening it shows.
    """

    seed: int
    mines: tuple[int, ...]
    opened: tuple[int, ...]
    numbers: tuple[int, ...]

    @property
    def options(self) -> np.ndarray:
        """Cells that are hidden at the start, in order: (option,) of int."""
        return np.setdiff1d(np.arange(CELLS), self.opened)


@cache
def around() -> np.ndarray:
    """Return whether two cells are neighbours: (cell, cell) of bool."""
    row, column = np.divmod(np.arange(CELLS), SIDE)
    apart = np.maximum(abs(row[:, None] - row), abs(column[:, None] - column))
    return np.asarray(apart == 1)


@cache
def deals() -> np.ndarray:
    """Return every placement of the mines: (placement, cell) of bool."""
    pairs = np.array(list(combinations(range(CELLS), MINES)))
    return np.asarray((pairs[:, :, None] == np.arange(CELLS)).any(axis=1))


def dealt(env: MineSweeper, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Let the environment deal: mines (cell,) of bool, and numbers (cell,)."""
    env.num_mines = 0 if kind == "bare" else MINES
    env.reset(seed=seed)
    return env.get_state() == 1, env.neighbor_grid.reshape(-1).astype(int)


def board_of(env: MineSweeper, seed: int, number: int, kind: str) -> Board:
    """Return board number ``number`` of a seed and a kind."""
    rng = substream(seed, f"board {number} {kind}")
    while True:
        own = int(rng.integers(2**31))
        mines, numbers = dealt(env, own, kind)
        safe_halves = halves(mines, kind)
        if kind in ("together", "mirrored", "turned", "split") and safe_halves is None:
            continue
        free = np.flatnonzero(~mines)
        opened = np.zeros((CANDIDATES, CELLS), bool)
        order = rng.permuted(np.tile(free, (CANDIDATES, 1)), axis=1)
        np.put_along_axis(opened, order[:, :OPENED], True, axis=1)
        clear = cleared(opened, numbers)
        fits = clear.sum(axis=1) >= MOVES
        if safe_halves is not None and kind != "split":
            fits &= (clear == (~opened & safe_halves)).all(axis=1)
        if fits.any():
            cells = np.flatnonzero(opened[int(fits.argmax())])
            return Board(own, *(tuple(map(int, part)) for part in (np.flatnonzero(mines), cells, numbers)))


def halves(mines: np.ndarray, kind: str) -> np.ndarray | None:
    """Return the half without mines that a kind asks for: (cell,) of bool.

    None where the deal does not fit the kind, or the kind asks for none. Of ``split`` it is the left half, with one mine.
    """
    row, column = np.divmod(np.arange(CELLS), SIDE)
    left, upper = column < SIDE // 2, row < SIDE // 2
    if kind == "split":
        return left if mines[left].sum() == 1 else None
    wanted = {"together": (left,), "mirrored": (~left,), "turned": (upper, ~upper)}.get(kind, ())
    return next((half for half in wanted if not mines[half].any()), None)


def cleared(opened: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the hidden cells that touch an open 0: (..., cell) of bool.

    Parameters
    ----------
    opened : ndarray (..., cell) of bool
    numbers : ndarray (..., cell)
    """
    return np.asarray((((opened & (numbers == 0)).astype(int) @ around()) > 0) & ~opened)


def chance_of_mine(opened: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the probability of a mine in each cell: (scene, cell).

    Given the open numbers, every placement of the mines that agrees with them is equally probable. The probability is 0 where none agrees.
    """
    every = deals()
    counts = every.astype(int) @ around()
    agree = np.array(
        [~every[:, shown].any(axis=1) & (counts[:, shown] == numbers[shown]).all(axis=1) for shown in opened]
    )
    return np.asarray(agree.astype(float) @ every / np.maximum(agree.sum(axis=1, keepdims=True), 1))


def seen(opened: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return what an agent sees of each cell: (..., cell, block).

    For each of the nine cells about it whether it is hidden, or its number; then its row and its column, and which of the
    nine are off the board.

    Parameters
    ----------
    opened : ndarray (..., cell) of bool
    numbers : ndarray (..., cell)
    """
    shown = np.where(opened, np.minimum(numbers, 2) + 1, 0).reshape(*opened.shape[:-1], SIDE, SIDE)
    edge = [(0, 0)] * (shown.ndim - 2) + [(1, 1)] * 2
    padded = np.pad(shown, edge, constant_values=-1)
    windows = np.stack([padded[..., r : r + SIDE, c : c + SIDE] for r in range(3) for c in range(3)], axis=-1)
    flat = windows.reshape(*opened.shape, 9)
    parts = [(flat[..., None] == np.arange(len(SHOWN))).reshape(*opened.shape, -1)]
    row, column = np.divmod(np.arange(CELLS), SIDE)
    place = np.concatenate([np.eye(SIDE)[row], np.eye(SIDE)[column]], axis=1)
    parts += [np.broadcast_to(place, (*opened.shape, 2 * SIDE)), flat < 0]
    return np.concatenate(parts, axis=-1).astype(np.float32)


def openings(board: Board) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the situations that an episode can come to, and where moves lead.

    Returns
    -------
    ndarray (scene, cell) of bool
        The open cells.
    ndarray (scene,)
        How many moves were made. The first scene is the start.
    ndarray (scene, option)
        The scene that opening a cell leads to; -1 where the episode ends.
    """
    hidden = [cell for cell in board.options.tolist() if cell not in board.mines]
    keys = [(made, more) for made in range(MOVES) for many in range(made + 1) for more in combinations(hidden, many)]
    number = {key: k for k, key in enumerate(keys)}
    opened = np.zeros((len(keys), CELLS), bool)
    to = np.full((len(keys), OPTIONS), -1)
    for k, (made, more) in enumerate(keys):
        opened[k, [*board.opened, *more]] = True
        if made + 1 < MOVES:
            for option, cell in enumerate(board.options.tolist()):
                if cell not in board.mines:
                    to[k, option] = number[made + 1, tuple(sorted({*more, cell}))]
    return opened, np.array([made for made, _ in keys]), to
