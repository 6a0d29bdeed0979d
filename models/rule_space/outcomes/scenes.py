"""Scenes of a test as a rule sees them: truth values of literals, by option."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_hypotheses.data.errors import InputError


@dataclass(frozen=True, eq=False)
class Alike:
    """Scenes with equally many choices, each distinct one once.

    Attributes
    ----------
    columns : ndarray of bool (K, option, distinct)
        Literals of the options that the agent can choose, which come first in each scene.
    scene : ndarray (scene,)
        Places of the scenes in the test.
    distinct : ndarray (scene,)
        The distinct scene that each is.
    option : ndarray (option, scene)
        Places of the options in their scenes.
    key : tuple of float
        What else the scenes share.
    """

    columns: np.ndarray
    scene: np.ndarray
    distinct: np.ndarray
    option: np.ndarray
    key: tuple[float, ...]

    @property
    def n_options(self) -> int:
        """Number of options of each scene."""
        return self.columns.shape[1]

    @property
    def n_distinct(self) -> int:
        """Number of distinct scenes."""
        return self.columns.shape[2]

    def masks(self, s: int) -> np.ndarray:
        """Return the literals as words of all ones or all zeros.

        Shape (K, option, distinct); one bit for each cell of a set of s literals, in uint8 or uint16.
        """
        return as_masks(self.columns, s)


def as_masks(columns: np.ndarray, s: int) -> np.ndarray:
    """Return truth values as words of 2^s ones or zeros, in uint8 or uint16."""
    if s <= 3:
        return np.multiply(columns, np.uint8(255), dtype=np.uint8)
    return np.multiply(columns, np.uint16(65535), dtype=np.uint16)


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes of a test.

    Parameters
    ----------
    columns : ndarray of bool (K, option, scene)
        Whether each literal is true of each option.
    available : ndarray of bool (option, scene), optional
        Which options there are, where not all.
    failing : ndarray of bool (option, scene), optional
        Options that are failing. An agent takes failing by abstaining alone, and failing is never a catastrophe.
    weights : ndarray (scene,), optional
        Weights of the scenes, 0 or more; normalised. Default: equal.

    Raises
    ------
    InputError
        Shapes that differ, or weights that are negative, not finite or all 0.
    """

    columns: np.ndarray
    available: np.ndarray | None = None
    failing: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.columns.ndim != 3 or self.columns.dtype != bool:
            raise InputError(
                f"columns: {self.columns.shape} of {self.columns.dtype}; give bool (literal, option, scene)"
            )
        for name in ("available", "failing"):
            given = getattr(self, name)
            if given is not None and (given.shape != self.shape or given.dtype != bool):
                raise InputError(f"{name}: {given.shape} of {given.dtype}; give bool {self.shape} (option, scene)")
        if self.weights is not None:
            given = np.asarray(self.weights, float)
            if given.shape != self.shape[1:]:
                raise InputError(f"scene_weights: {given.shape}; give one weight for each of {self.shape[1]} scenes")
            if not (np.all(np.isfinite(given)) and np.all(given >= 0) and given.sum() > 0):
                raise InputError("scene_weights: give finite numbers, 0 or more, of which one at least is above 0")

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of options and scenes."""
        return self.columns.shape[1], self.columns.shape[2]

    @cached_property
    def choices(self) -> np.ndarray:
        """Options that are available and not failing: bool (option, scene)."""
        real = np.ones(self.shape, bool) if self.available is None else self.available
        return real if self.failing is None else real & ~self.failing

    @cached_property
    def share(self) -> np.ndarray:
        """Weights of the scenes, adding up to 1: (scene,)."""
        n = self.shape[1]
        if self.weights is None:
            return np.full(n, 1 / max(n, 1))
        weights = np.asarray(self.weights, float)
        weights = weights / weights.max()
        return weights / weights.sum()

    def mean(self, by_scene: np.ndarray) -> float:
        """Return the mean over scenes, by their weights."""
        return float(self.share @ by_scene)

    def groups(self, key: Sequence[np.ndarray] = ()) -> list[Alike]:
        """Return the scenes by their number of choices and by the given keys.

        Parameters
        ----------
        key : sequence of ndarray (scene,), optional
        """
        n_choices = self.choices.sum(axis=0)
        keys = np.stack([n_choices.astype(float), *(np.asarray(k, float) for k in key)])
        kinds, which = np.unique(keys, axis=1, return_inverse=True)
        first = np.argsort(~self.choices, axis=0, kind="stable")  # choices first, in order
        out = []
        for kind in range(kinds.shape[1]):
            scene = np.flatnonzero(which.reshape(-1) == kind)
            option = first[: int(kinds[0, kind]), scene]
            columns = self.columns[:, option, scene]
            distinct, of = distinct_columns(columns.reshape(-1, len(scene)))
            out.append(Alike(columns[:, :, distinct], scene, of, option, tuple(kinds[1:, kind].tolist())))
        return out


def distinct_columns(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of each distinct column, and the distinct column that each is.

    Of bool (row, column).
    """
    n = rows.shape[1]
    if rows.size == 0:
        return np.zeros(min(n, 1), int), np.zeros(n, int)
    _, place, of = np.unique(_keys(rows), return_index=True, return_inverse=True)
    return place, of.reshape(-1)


def patterns_in(rows: np.ndarray) -> np.ndarray:
    """Return the distinct columns, in the order of `distinct_columns`.

    Of bool (row, column).
    """
    if not 0 < len(rows) <= 64 or rows.shape[1] < 2:
        return rows[:, distinct_columns(rows)[0]]
    if len(rows) <= 16:
        keys = np.flatnonzero(np.bincount(_keys(rows).view(np.uint16)[::4], minlength=1 << 16)).astype(np.uint64)
    else:
        keys = np.sort(_keys(rows))
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    bits = keys.view(np.uint8).reshape(-1, 8)
    out = np.empty((len(rows), len(keys)), bool)
    for k in range(len(rows)):
        np.not_equal(bits[:, k // 8] & np.uint8(1 << (7 - k % 8)), 0, out=out[k])
    return out


def packed_rows(rows: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Return ``np.packbits(rows, axis=0)``, row by row, which is faster."""
    out = np.zeros((-(-len(rows) // 8), len(rows[0])), np.uint8)
    for k, row in enumerate(rows):
        out[k // 8] |= row.view(np.uint8) << np.uint8(7 - k % 8)
    return out


def _keys(rows: np.ndarray) -> np.ndarray:
    """Return what is equal where columns are: numbers of up to 64 rows, else bytes."""
    bits = packed_rows(rows)
    width = max(len(bits), 8)  # a number is compared faster than bytes
    items = np.zeros((rows.shape[1], width), np.uint8)
    for k, row in enumerate(bits):
        items[:, k] = row
    return items.view(np.uint64 if width == 8 else np.dtype((np.void, width))).ravel()
