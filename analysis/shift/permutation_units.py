"""Units of a two-sample test: scenes or items, with their classes by hypothesis."""

import numpy as np

from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.view import View

MOST_UNITS = 100_000  # scenes permuted; of more, so many at random


def copies_of_units(table: Table, by_scene: bool, counts: np.ndarray | None) -> np.ndarray:
    """Return the number of copies of each unit (unit,), a scene or an item."""
    if counts is None:
        return np.ones(table.n_scenes if by_scene else table.n_items, np.int64)
    return (counts[np.minimum(table.starts[:-1], table.n_items - 1)] if by_scene else counts).astype(np.int64)


def shares_of_sides(training: int, test: int) -> tuple[float, float]:
    """Return the shares of the units of training and of the test to use.

    The smaller side is used in full where it has at most half of the largest number of units.
    """
    if training + test <= MOST_UNITS:
        return 1.0, 1.0
    half = MOST_UNITS / 2
    if min(training, test) > half:
        return half / training, half / test
    rest = MOST_UNITS - min(training, test)
    return (1.0, rest / test) if training < test else (rest / training, 1.0)


def thinned(copies: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw some of the copies of units (unit,), each with equal probability."""
    if share == 1:
        return copies
    return (rng.random(len(copies)) < share).astype(np.int64) if (copies == 1).all() else rng.binomial(copies, share)


def relative_weights(table: Table) -> np.ndarray:
    """Return weights of the scenes (scene,); they average 1 over scenes with items."""
    weight = table.scene_weights()
    return np.ones(table.n_scenes) if weight is None else weight / weight[np.diff(table.starts) > 0].mean()


class Units:
    """Indicators of one table, summed over the items of each permuted unit.

    A unit is a scene or an item.

    Attributes
    ----------
    codes : ndarray (item,)
        One number for each vector of classes.
    by_class : ndarray (unit, 3 * hypothesis)
        Numbers of items worse than, equal to, and better than failing.
    choices : ndarray (unit, 2 * chooser^2 + 1)
        Indicators of the scene. The last is whether the scene offers anything but failing; a scene that does not is in none
        of the means.
    n_items, weight : ndarray (unit,)
        Number of items, and the weight of the scene; weights average 1 over the table.
    times : ndarray (unit,) of int
        Copies of the unit.
    """

    def __init__(
        self, valuation: Valuation, by_scene: bool, choosers: np.ndarray, copies: np.ndarray, counted: bool
    ) -> None:
        self.valuation, self.by_scene = valuation, by_scene
        table = valuation.table
        lengths = np.diff(table.starts)
        scene_weight = np.ones(table.n_scenes) if counted else relative_weights(table)
        self._scene = np.repeat(np.arange(table.n_scenes), lengths)
        unit_weight = scene_weight if by_scene else scene_weight[self._scene]
        length = lengths if by_scene else np.ones(table.n_items, int)
        self.keep = (copies > 0) & (length > 0)
        self.weight, self.times = unit_weight[self.keep], copies[self.keep]
        self.n_items = length[self.keep].astype(float)
        n = len(valuation.hypotheses)
        self._multiplier = _multipliers(n)
        codes = np.empty(table.n_items, np.uint64)
        by_class, choices = [], []
        for items, of_items, classes, chosen in valuation.each(lambda block: self._work(block, choosers)):
            codes[items] = of_items
            by_class.append(classes)
            choices.append(chosen)
        self.codes = codes
        self.by_class = np.vstack(by_class)
        self.choices = np.vstack(choices)

    def _work(self, block: Block, choosers: np.ndarray) -> tuple[np.ndarray, ...]:
        valuation = self.valuation
        n = len(valuation.hypotheses)
        inside = np.ones(block.shape, bool) if block.available is None else block.available
        classes = np.empty((n, *block.shape), np.int8)
        for h in range(n):
            classes[h] = block.better(h)
            classes[h] -= block.worse(h)
        codes = np.zeros(block.shape, np.uint64)
        for h in range(n):
            codes += (classes[h] + 1).astype(np.uint64) * self._multiplier[h]
        if self.by_scene:
            keep = self.keep[block.scenes]
            of_class = [[((c == k) & inside)[:, keep].sum(axis=0) for k in (-1, 0, 1)] for c in classes]
        else:
            items = block.items.T[inside.T]
            keep = self.keep[items]
            of_class = [[(c.T[inside.T] == k)[keep] for k in (-1, 0, 1)] for c in classes]
        by_class = np.array(of_class, float).reshape(3 * n, -1).T
        k = len(choosers)
        chosen = np.zeros((by_class.shape[0], 2 * k * k + 1))
        chosen[:, -1] = 1.0
        if k:
            if block.options is not None:
                chosen[:, -1] = block.options.any(axis=0)[keep]
            view = View(block)
            best = np.array([view.best(int(h)) for h in choosers], float)
            best = best[:, :, keep]
            better = (classes[choosers] == 1)[:, :, keep]
            chosen[:, : k * k] = np.einsum("ios,jos->sij", best, better).reshape(-1, k * k)
            chosen[:, k * k : -1] = np.einsum("ios,jos->sij", best, best > 0).reshape(-1, k * k)
        return block.items.T[inside.T], codes.T[inside.T], by_class, chosen

    def vector_counts(self, codes: np.ndarray) -> np.ndarray:
        """Return the number of items of each unit with each vector: (unit, vector)."""
        place = np.minimum(np.searchsorted(codes, self.codes), len(codes) - 1)
        hit = codes[place] == self.codes
        row = np.cumsum(self.keep) - 1
        unit = self._scene if self.by_scene else np.arange(len(self.codes))
        hit &= self.keep[unit]
        flat = row[unit[hit]] * len(codes) + place[hit]
        n = len(self.weight)
        return np.bincount(flat, minlength=n * len(codes)).reshape(n, len(codes)).astype(float)


def _multipliers(n: int) -> np.ndarray:
    """Return multipliers that turn a vector of classes into one number: shape (n,).

    They are powers of 3 while these fit 64 bits, and random odd numbers (a hash) beyond.
    """
    if n <= 40:
        return np.array([3**h for h in range(n)], np.uint64)
    return np.random.default_rng(11).integers(1, 2**63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
