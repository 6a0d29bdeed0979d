"""Choices and stops of a feedback, counted by what each rule approves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.answers.kinds import Kinds

DIRECT = 16  # bits of a code of cells up to which codes are counted without sorting
LONGEST = 62  # bits


@dataclass(frozen=True, eq=False)
class Group:
    """Units that offer equally many options, and the same of them failing.

    Attributes
    ----------
    columns : ndarray of bool (literal, unit, option)
        Literals of the options that are not failing, the chosen one first unless failing was chosen.
    chose_failing : bool
    times : ndarray (unit,)
        How often each answer was given.
    first : int
        The first of its kinds.
    """

    columns: np.ndarray
    chose_failing: bool
    times: np.ndarray
    first: int


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of a feedback, as rules of a space explain them.

    Attributes
    ----------
    groups : tuple of Group
    kinds : Kinds
    rationality : float or (str, float, float)
        A number, or the parameters of its prior, as the feedback has them.
    gap : float or None
        The difference of the rewards where the scale is raw; None where it is the unit scale.
    human : str or None
        Feedbacks of one human share a rationality.
    """

    groups: tuple[Group, ...]
    kinds: Kinds
    rationality: float | tuple[str, float, float]
    gap: float | None
    human: str | None

    def counts(self, members: np.ndarray) -> np.ndarray:
        """Return how many answers are of each kind: (set, table, kind)."""
        n_sets, s = members.shape
        tables = np.arange(1 << (1 << s))
        bits = (tables[:, None] >> np.arange(1 << s) & 1).astype(float)  # (table, cell)
        n_kinds = len(self.kinds.chosen)
        out = np.zeros((n_sets, len(tables), n_kinds))
        for row, of in enumerate(members.tolist()):
            flat = out[row].reshape(-1)
            for group in self.groups:
                cells, times = _distinct_cells(group, of)
                multiple = np.zeros((1 << s, len(cells)))
                for option in cells.T:
                    np.add.at(multiple, (option, np.arange(len(cells))), 1.0)
                approved = np.rint(bits @ multiple).astype(np.int64)
                if cells.shape[1] and not group.chose_failing:
                    approved = 2 * approved + bits[:, cells[:, 0]].astype(np.int64)
                place = approved + group.first + n_kinds * tables[:, None]
                flat += np.bincount(place.ravel(), np.tile(times, len(tables)), minlength=len(flat))
        return out

    def factor(self, counts: np.ndarray) -> np.ndarray:
        """Return the factor of each rule's rationality: (rule,); 0 if nothing differs."""
        scale = self.kinds.scale(counts)
        if self.gap is not None:
            return np.full(len(counts), self.gap)
        return np.divide(1.0, scale, out=np.zeros(len(scale)), where=scale > 0)


def _distinct_cells(group: Group, members: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct cells of units, and how often each occurs.

    uint8 (kind of unit, option) and (kind of unit,). The order of the options that were not chosen does not count.
    """
    cells = np.zeros(group.columns.shape[1:], np.uint8)
    for q, literal in enumerate(members):
        cells |= group.columns[literal].astype(np.uint8) << np.uint8(q)
    first = 0 if group.chose_failing else 1
    cells[:, first:] = np.sort(cells[:, first:], axis=1)
    s, n = len(members), cells.shape[1]
    if s * n > LONGEST:
        cells, which = np.unique(cells, axis=0, return_inverse=True)
        return cells, np.bincount(which.reshape(-1), group.times)
    shifts = s * np.arange(n)
    code = (cells.astype(np.int64) << shifts).sum(axis=1)
    if s * n <= DIRECT:
        times = np.bincount(code, group.times, minlength=1 << (s * n))
        code = np.flatnonzero(times)
        times = times[code]
    else:
        code, which = np.unique(code, return_inverse=True)
        times = np.bincount(which, group.times)
    return (code[:, None] >> shifts & ((1 << s) - 1)).astype(np.uint8), times
