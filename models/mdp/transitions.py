"""Sparse transitions of an MDP: products, and solutions of linear systems."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.rounding_error_bounds import EPS

BAND = 0.2
"""A system is eliminated along its band where that is narrower than this share of the states, else as a whole."""
DENSE = 4_000_000  # numbers of a matrix that products may hold whole
GROUP = 3_000_000  # numbers of the systems that are eliminated at once: of many, a core's cache holds the rows at work
REFINED = 5  # times that a solution is refined, at most
LEAST_GROUP, MOST_GROUP = 4, 64


@dataclass(frozen=True, eq=False)
class Transitions:
    """Sparse ``P(next_state | state, action)``, rows ordered by action, then state.

    Attributes
    ----------
    n_actions, n_states : int
    starts : ndarray (action * state + 1,)
        Row ``a * n_states + s`` holds ``next_state[starts[row]:starts[row + 1]]``, empty where the episode ends.
    next_state : ndarray (entry,) of int
    probability : ndarray (entry,)
        The entries of each row add up to 1.
    """

    n_actions: int
    n_states: int
    starts: np.ndarray
    next_state: np.ndarray
    probability: np.ndarray

    @cached_property
    def ends(self) -> np.ndarray:
        """Where the episode ends with an action: (action, state) of bool."""
        return (np.diff(self.starts) == 0).reshape(self.n_actions, self.n_states)

    @cached_property
    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Next states and their probabilities, in rows padded to one length.

        Two arrays (action * state, successor). Padding has probability 0.
        """
        lengths = np.diff(self.starts)
        width = max(int(lengths.max(initial=0)), 1)
        place = np.arange(len(self.next_state)) - np.repeat(self.starts[:-1], lengths)
        row = np.repeat(np.arange(len(lengths)), lengths)
        index, weight = np.zeros((len(lengths), width), np.int64), np.zeros((len(lengths), width))
        index[row, place], weight[row, place] = self.next_state, self.probability
        return index, weight

    def dense(self) -> np.ndarray:
        """Return ``P`` as a full array: (action, state, next_state)."""
        out = np.zeros((self.n_actions * self.n_states, self.n_states))
        out[np.repeat(np.arange(len(out)), np.diff(self.starts)), self.next_state] = self.probability
        return out.reshape(self.n_actions, self.n_states, self.n_states)

    @cached_property
    def _matrix(self) -> np.ndarray | None:
        """``P`` as a matrix (action * state, next_state); None where slower."""
        size = self.n_actions * self.n_states * self.n_states
        few = self.padded[0].shape[1] * 16 <= self.n_states
        return None if few or size > DENSE else self.dense().reshape(-1, self.n_states)

    def ahead(self, values: np.ndarray) -> np.ndarray:
        """Return ``sum_s' P(s' | s, a) x(s')`` of vectors x: (action, state, vector).

        Parameters
        ----------
        values : ndarray (state, vector)
        """
        if self._matrix is not None:
            out = self._matrix @ values
        else:
            index, weight = self.padded
            out = weight[:, :1] * values[index[:, 0]]
            for k in range(1, index.shape[1]):
                out += weight[:, k : k + 1] * values[index[:, k]]
        return out.reshape(self.n_actions, self.n_states, -1)

    @cached_property
    def order(self) -> tuple[np.ndarray, int]:
        """States in an order in which successors are near, and the bandwidth.

        The order is that of Cuthill and McKee (1969), where it has the smaller bandwidth.
        """
        lengths = np.diff(self.starts)
        here = np.repeat(np.tile(np.arange(self.n_states), self.n_actions), lengths)
        there = self.next_state
        unchanged = np.arange(self.n_states)
        width = int(np.abs(here - there).max(initial=0))
        if width <= 1:
            return unchanged, width
        other = _cuthill_mckee(self.n_states, here, there)
        place = np.empty(self.n_states, np.int64)
        place[other] = unchanged
        narrow = int(np.abs(place[here] - place[there]).max(initial=0))
        return (other, narrow) if narrow < width else (unchanged, width)

    def solve(self, policies: np.ndarray, discount: float, values: np.ndarray, transposed: bool = False) -> np.ndarray:
        """Solve ``(I - g P_pi) x = b`` for each policy.

        x is the value of a policy that is paid b on each step. Transposed, ``(I - g P_pi)' x = b``: x is the discounted
        number of visits to each state from the start distribution b. The matrix is diagonally dominant, so that
        elimination needs no pivots (Higham 2002, section 9.5).

        Parameters
        ----------
        policies : ndarray (policy, state) of int, or (policy, state, action)
            The action taken, or the probability of each.
        values : ndarray (policy, state)
            b.

        Returns
        -------
        ndarray (policy, state)
            x.
        """
        n, band = self.n_states, self.order[1]
        banded = band < BAND * n
        solve = self._solve_banded if banded else self._solve_dense
        cells = n * (2 * band + 1) if banded else n * n
        group = int(np.clip(GROUP // max(cells, 1), LEAST_GROUP, MOST_GROUP))
        out = np.empty(values.shape)
        for lo in range(0, len(values), group):
            some = slice(lo, lo + group)
            out[some] = solve(policies[some], discount, values[some], transposed)
        return out

    def mixed(self, policies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return next states and their probabilities under each policy.

        Two arrays (policy, state, successor).
        """
        index, weight = self.padded
        shape = (self.n_actions, self.n_states, -1)
        index, weight = index.reshape(shape), weight.reshape(shape)
        states = np.arange(self.n_states)
        if policies.ndim == 2:
            return index[policies, states], weight[policies, states]
        chances = np.moveaxis(policies, 2, 1)[..., None]  # (policy, action, state, 1)
        mixture = np.moveaxis(chances * weight, 1, 2).reshape(len(policies), self.n_states, -1)
        where = np.moveaxis(index, 0, 1).reshape(self.n_states, -1)
        return np.broadcast_to(where, mixture.shape), mixture

    def _solve_dense(self, policies: np.ndarray, discount: float, values: np.ndarray, transposed: bool) -> np.ndarray:
        index, weight = self.mixed(policies)
        n, states = self.n_states, np.arange(self.n_states)
        matrix = np.zeros((len(policies), n, n))
        matrix[:, states, states] = 1.0
        which = np.arange(len(policies))[:, None]
        for k in range(index.shape[2]):
            matrix[which, states, index[:, :, k]] -= discount * weight[:, :, k]
        if transposed:
            matrix = np.swapaxes(matrix, 1, 2)
        x = np.linalg.solve(matrix, values[..., None])[..., 0]
        for _round in range(REFINED):
            # Pivots carry the rounding of a huge value to states that cannot reach it; its residual there shows (Skeel 1980).
            left = values - np.einsum("pij,pj->pi", matrix, x)
            size = np.abs(values) + np.einsum("pij,pj->pi", np.abs(matrix), np.abs(x))
            wrong = (np.abs(left) > EPS * n * size).any(axis=1)
            if not wrong.any():
                break
            x[wrong] += np.linalg.solve(matrix[wrong], left[wrong][..., None])[..., 0]
        return x

    def _solve_banded(self, policies: np.ndarray, discount: float, values: np.ndarray, transposed: bool) -> np.ndarray:
        index, weight = self.mixed(policies)
        order, band = self.order
        n, some, width = self.n_states, len(policies), 2 * band + 1
        place = np.empty(n, np.int64)
        place[order] = np.arange(n)
        # entry (i, j) stands at i * 2 band + j + band of its flat column, so that a square of the matrix is a view
        flat = np.zeros(((n + band) * width, some))
        rows = np.arange(n + band)
        flat[rows * 2 * band + rows + band] = 1.0
        which = np.arange(some)[:, None]
        for k in range(index.shape[2]):
            i, j = np.broadcast_to(place, index.shape[:2]), place[index[:, :, k]]
            there = weight[:, :, k] != 0
            j = np.where(there, j, i)
            if transposed:
                i, j = j, i
            flat[i * 2 * band + j + band, which] -= discount * weight[:, :, k]
        x = np.zeros((n + band, some))
        x[:n] = values[:, order].T
        step = flat.strides
        squares = np.lib.stride_tricks.as_strided(
            flat[band:], (n, band + 1, band + 1, some), (width * step[0], 2 * band * step[0], step[0], step[1])
        )
        work = np.empty((band, band, some))
        for at in range(n):
            square = squares[at]
            pivot = square[0, 0]
            if band:
                factor = square[1:, 0] / pivot
                np.multiply(factor[:, None], square[0, 1:], out=work)
                square[1:, 1:] -= work
                x[at + 1 : at + 1 + band] -= factor * x[at]
        for at in range(n - 1, -1, -1):
            row = squares[at][0]
            known = x[at] - np.einsum("ij,ij->j", row[1:], x[at + 1 : at + 1 + band]) if band else x[at]
            x[at] = known / row[0]
        out = np.empty(values.shape)
        out[:, order] = x[:n].T
        return out


def _cuthill_mckee(n: int, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the states in the order of Cuthill and McKee (1969): (state,).

    Breadth first from a state on the rim, neighbours of low degree first.
    """
    apart = here != there
    pairs, _, _, _ = distinct(np.concatenate([here[apart] * n + there[apart], there[apart] * n + here[apart]]))
    degree = np.bincount(pairs // n, minlength=n)
    ends = np.concatenate([[0], np.cumsum(degree)])
    neighbours = pairs % n
    seen = np.zeros(n, bool)
    out: list[int] = []

    def breadth_first(start: int) -> list[int]:
        taken, reached = {start}, [start]
        for state in reached:
            near = [s for s in neighbours[ends[state] : ends[state + 1]].tolist() if s not in taken]
            near.sort(key=lambda s: int(degree[s]))
            taken.update(near)
            reached.extend(near)
        return reached

    for state in np.argsort(degree, kind="stable").tolist():
        if not seen[state]:
            component = breadth_first(breadth_first(state)[-1])
            seen[component] = True
            out.extend(component)
    return np.array(out, np.int64)
