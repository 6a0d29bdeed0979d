"""Ties: options whose order was not observed, summed over their orders."""

from collections.abc import Iterator

import numpy as np

LARGEST = 640.0  # exp of it times 12! is a double
NUMBERS = 2_000_000  # held at once


def ties_of(same: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the ties by size: first row and unit of each, (tie,).

    `same` (row, unit) tells whether a row ties with the row before.
    """
    ends = same & ~np.concatenate([same[1:], np.zeros((1, same.shape[1]), bool)])
    if not ends.any():
        return
    size = np.ones(same.shape, np.int64)
    for k in range(1, len(same)):
        size[k] += np.where(same[k], size[k - 1], 0)
    row, unit = np.nonzero(ends)
    sizes = size[row, unit]
    for n in sorted(set(sizes.tolist())):
        yield n, row[sizes == n] - n + 1, unit[sizes == n]


def apart(steps: np.ndarray, size: int, rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the worth of tied options: (point, tie, member).

    The worth of the option in the row before is subtracted.
    """
    differences = steps[rows[:, None] - 1 + np.arange(size), :, units[:, None]]
    return np.moveaxis(-np.cumsum(differences, axis=1), 2, 0)


def log_chances(z: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return `in_any_order`, some ties at a time: (point, tie)."""
    at_once = max(1, NUMBERS // (2 ** z.shape[-1] * max(len(z), 1)))
    parts = [in_any_order(z[:, i : i + at_once], rest[:, i : i + at_once]) for i in range(0, z.shape[1], at_once)]
    return np.concatenate(parts, axis=1)


def in_any_order(z: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the log chance of a tie, summed over the orders of its members.

    ``log sum over orders of prod_j w_j / (what is left then)``, computed by subsets S:
    ``f(S) = sum_i f(S - i) w_i / left(S - i)``.

    Parameters
    ----------
    z : ndarray (..., member)
        log w of the options that tie.
    rest : ndarray (...)
        log of the sum of w over the options after the tie, of which there is at least one.
    """
    n = z.shape[-1]
    everything = (1 << n) - 1
    top = np.maximum(z.max(axis=-1), rest)
    z, rest = z - top[..., None], rest - top
    narrow = n * -float(rest.min(initial=0.0)) <= LARGEST  # no product of 1 / left leaves what a double holds
    add = np.add if narrow else np.logaddexp
    w = np.exp(z) if narrow else z
    left = [np.exp(rest) if narrow else rest]  # of a subset of the tie, and the rest
    for subset in range(1, 2**n):
        low = (subset & -subset).bit_length() - 1
        left.append(add(left[subset & (subset - 1)], w[..., low]))
    # of a subset going first, over the product of its w
    chance = [np.ones(rest.shape) if narrow else np.zeros(rest.shape)]
    for subset in range(1, 2**n):
        total: np.ndarray | None = None
        for i in range(n):
            if subset >> i & 1:
                before = subset ^ (1 << i)
                remains = left[everything ^ before]
                way = chance[before] / remains if narrow else chance[before] - remains
                total = way if total is None else add(total, way)
        assert total is not None
        chance.append(total)
    return (np.log(chance[-1]) if narrow else chance[-1]) + z.sum(axis=-1)
