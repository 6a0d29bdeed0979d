"""Choices in scenes of few options, by sums over subsets of the options.

For a subset S of a scene's options, ``Q(S) = sum of the weights of rules that approve all of S``. A set of literals adds
its superset sum at the cells of S. Inclusion and exclusion over S then gives the probability of each pattern of
approval, and the patterns give the choices: no rule is visited scene by scene.
"""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Odds

MOST = {False: 8, True: 5}
"""The most options of a scene, of agents that maximise and of agents with a rationality."""


def n_in(some: np.ndarray) -> np.ndarray:
    """Return the number of options in each subset."""
    return np.bitwise_count(some.astype(np.uint64)).astype(np.int64)


def moebius(sums: np.ndarray, n: int) -> np.ndarray:
    """Turn sums over supersets, (..., 2^n, scene), into values by subset, in place."""
    for bit in range(n):
        halves = sums.reshape(*sums.shape[:-2], 1 << (n - 1 - bit), 2, 1 << bit, sums.shape[-1])
        halves[..., 0, :, :] -= halves[..., 1, :, :]
    return sums


@dataclass(frozen=True, eq=False)
class Lookups:
    """What is looked up in scenes of n options, and the choices that follow.

    Attributes
    ----------
    n : int
    noisy : bool
        Whether odds differ between rules.
    layer, subset : ndarray of int64 (entry,)
        Which table is looked up, and at the cells of which options.
    """

    n: int
    noisy: bool
    layer: np.ndarray
    subset: np.ndarray

    @classmethod
    def of(cls, n: int, noisy: bool) -> "Lookups":
        """Return the lookups of scenes of n > 0 options."""
        some = np.arange(1, 1 << n)
        if not noisy:
            return cls(n, False, np.zeros(len(some), np.int64), some)
        singles, every = 1 << np.arange(n), (1 << n) - 1
        layer, subset = [np.zeros(n, np.int64), np.array([1, 2])], [singles, np.array([every, every])]
        for k, p in enumerate([*range(1, n + 1), *range(1, n)]):
            at = some[n_in(some) >= p]
            layer.append(np.full(len(at), 3 + k))
            subset.append(at)
        return cls(n, True, np.concatenate(layer), np.concatenate(subset))

    def layers(self, weights: np.ndarray, odds: Odds) -> np.ndarray:
        """Return the tables before their superset sums: (layer, set, table)."""
        if not self.noisy:
            return weights[None].copy()
        n, none = self.n, weights[:, ::-1]
        inside = [weights * odds.inside(p, n) for p in range(1, n + 1)]
        outside = [weights * odds.outside(p, n) for p in range(1, n)]
        return np.stack([weights, none, (weights * odds.outside(0, n))[:, ::-1], *inside, *outside])

    def choices(self, sums: np.ndarray, mass: np.ndarray, odds: Odds | None) -> np.ndarray:
        """Return the choices: (part, 2 n + 3, scene).

        Rows: chosen and approved by option, none approved, and the chosen options that are approved and rejected.

        Parameters
        ----------
        sums : ndarray (part, entry, scene)
        mass : ndarray (part,)
            Weights of all rules.
        odds : Odds
            Of agents that maximise.
        """
        n, parts, scenes = self.n, len(sums), sums.shape[2]
        out = np.zeros((parts, 2 * n + 3, scenes))
        some = np.arange(1 << n)
        size, holds = n_in(some), (some[:, None] >> np.arange(n)) & 1 == 1
        if not self.noisy:
            assert odds is not None
            found = np.empty((parts, 1 << n, scenes))
            found[:, 0], found[:, 1:] = mass[:, None], sums
            out[:, n : 2 * n] = found[:, 1 << np.arange(n)]
            moebius(found, n)
            out[:, 2 * n] = found[:, 0]
            inside, outside = odds.tables(n)
            pick = np.where(holds, inside[size][:, None], outside[size][:, None])  # (pattern, option)
            follow = np.stack([size * inside[size], (n - size) * outside[size]], axis=1)
            out[:, :n] = np.einsum("gpx,po->gox", found, pick, optimize=True)
            out[:, 2 * n + 1 :] = np.einsum("gpx,pr->grx", found, follow, optimize=True)
            return out
        out[:, n : 2 * n], out[:, 2 * n] = sums[:, :n], sums[:, n]
        out[:, :n] = sums[:, None, n + 1]
        out[:, 2 * n + 2] = n * sums[:, n + 1]
        for k, p in enumerate([*range(1, n + 1), *range(1, n)]):
            at, approved = self.layer == 3 + k, k < n
            found = np.zeros((parts, 1 << n, scenes))
            found[:, self.subset[at]] = sums[:, at]
            moebius(found, n)
            for pattern in np.flatnonzero(size == p).tolist():
                there = holds[pattern] if approved else ~holds[pattern]
                out[:, :n][:, there] += found[:, None, pattern]
                out[:, 2 * n + (1 if approved else 2)] += there.sum() * found[:, pattern]
        return out
