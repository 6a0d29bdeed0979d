"""Choices of an agent that draws a rule, and approval by rules, scene by scene."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from reward_hypotheses.data.numerics import each_in_threads, threads
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.rule_space.outcomes.acting import Acting, Line
from reward_hypotheses.models.rule_space.outcomes.enumerated import add_enumerated
from reward_hypotheses.models.rule_space.outcomes.lookups import MOST, Lookups
from reward_hypotheses.models.rule_space.outcomes.scenes import Alike, Scenes, as_masks
from reward_hypotheses.models.rule_space.space import RuleSpace

NUMBERS = 1 << 17
"""Weights that are held at once, in tables of at most this many sets."""
FEWEST = 16
BYTES = 1 << 29
"""Memory for sums by scene; more scenes are taken in turn."""
SMALL = 3e7
"""Below so many pairs of a rule and an option, numpy is as fast as compiled loops are loaded."""


class Weights(Protocol):
    """Normalised weights of the rules of a space."""

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return the weights of the rules of some sets: (set, 2^(2^s))."""
        ...


@dataclass(frozen=True, eq=False)
class RuleChoices:
    """What an agent chooses that draws one rule, and what the rules approve.

    By parts of the rules, all arrays have a first axis for the part.

    Attributes
    ----------
    chosen : ndarray (option, scene)
        ``A[m, o]``, the probability that the agent chooses the option; 0 where it cannot.
    approved : ndarray (option, scene)
        ``V[m, o]``, the weight of the rules that approve the option.
    none : ndarray (scene,)
        Weight of the rules that approve none of the options.
    follows, defies : ndarray (scene,)
        Probability that the drawn rule approves, and that it rejects, the option chosen.
    weight : float or ndarray (part,)
        Weight of the rules.
    """

    chosen: np.ndarray
    approved: np.ndarray
    none: np.ndarray
    follows: np.ndarray
    defies: np.ndarray
    weight: float | np.ndarray

    @property
    def abstained(self) -> np.ndarray:
        """Probability that the agent chooses no option: (scene,)."""
        return np.clip(np.asarray(self.weight)[..., None] - self.chosen.sum(axis=-2), 0.0, None)


@dataclass(frozen=True, eq=False)
class MostProbableRules:
    """Weights of the most probable rules alone, shared equally.

    Rules within 1e-9 of the largest weight are tied.
    """

    space: RuleSpace
    weights: Weights
    top: float = field(init=False)
    n_tied: int = field(init=False)

    def __post_init__(self) -> None:
        top = max(float(w.max()) for _, _, _, w in blocks(self.space, self.weights))
        object.__setattr__(self, "top", top * (1 - EQUAL))
        n_tied = sum(int((w >= self.top).sum()) for _, _, _, w in blocks(self.space, self.weights))
        object.__setattr__(self, "n_tied", n_tied)

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return the weights of the rules of some sets: (set, 2^(2^s))."""
        return (self.weights.block(s, lo, hi) >= self.top) / self.n_tied


def block_ranges(space: RuleSpace) -> Iterator[tuple[int, int, int]]:
    """Yield size, first set and end of some sets at a time, through the space."""
    for s in space.sizes:
        n = space.n_sets(s)
        step = max(NUMBERS >> (1 << s), FEWEST)
        for lo in range(0, n, step):
            yield s, lo, min(lo + step, n)


def blocks(space: RuleSpace, weights: Weights) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Yield `block_ranges` with the weights of the rules: (set, 2^(2^s))."""
    for s, lo, hi in block_ranges(space):
        yield s, lo, hi, np.asarray(weights.block(s, lo, hi), float)


def choices(
    space: RuleSpace, weights: Weights, scenes: Scenes, acting: Acting, compiled: bool | None = None
) -> RuleChoices:
    """Return the choices of an agent that draws one rule from its weights.

    Exact up to rounding of about 1e-14, without a matrix and without leaving out a rule. An agent that acts on its most
    probable rule has the weights `MostProbableRules`.

    Parameters
    ----------
    compiled : bool, optional
        Whether loops are compiled. Default: where the problem is large.
    """
    found = choices_of_parts(space, weights, scenes, acting, 1, lambda s: np.zeros((1, 1), np.int64), compiled)
    return RuleChoices(*(getattr(found, name)[0] for name in RuleChoices.__dataclass_fields__))


def expected(approved: np.ndarray, scenes: Scenes, reward: tuple[float, float], failing: Line | None) -> np.ndarray:
    """Return the choices of an agent that maximises the mean reward.

    The mean is ``r1 + (r0 - r1) V``. Two means are equal up to 1e-9 of the mean absolute reward.

    Parameters
    ----------
    approved : ndarray (option, scene)
        V, by the agent's weights.
    failing : float or ndarray (scene,), optional
        The reward of failing as the agent was told, where it may abstain.

    Returns
    -------
    ndarray (option, scene)
    """
    high, low = reward
    mean, size = low + (high - low) * approved, abs(low) + (abs(high) - abs(low)) * approved
    worth, error = np.where(scenes.choices, mean, -np.inf), np.where(scenes.choices, size, 0.0)
    if failing is not None:
        line = np.broadcast_to(np.asarray(failing, float), (1, scenes.shape[1]))
        worth, error = np.vstack([worth, line]), np.vstack([error, np.abs(line)])
    return np.asarray(greatest(worth, EQUAL * error), float)[: scenes.shape[0]]


def choices_of_parts(
    space: RuleSpace,
    weights: Weights,
    scenes: Scenes,
    acting: Acting,
    n_parts: int,
    within: Callable[[int], np.ndarray],
    compiled: bool | None = None,
) -> RuleChoices:
    """Return `choices` summed over parts of the rules: (part, ...) each.

    Parameters
    ----------
    within : callable
        Of a size s, the parts that each set of s literals adds to, -1 for none: int64 (set, m), or (1, m) for all sets.
    """
    groups = scenes.groups(acting.keys(scenes.shape[1]))
    if compiled is None:
        rules = sum(space.n_sets(s) << (1 << s) for s in space.sizes)
        compiled = rules * sum(g.n_options * g.n_distinct for g in groups) > SMALL
    tests = [(g, shares_of(g, scenes)) for g in groups if g.n_options > 1] if acting.beta is not None else []
    shape = (n_parts, *scenes.shape)
    chosen, approved = np.zeros(shape), np.zeros(shape)
    by_scene = np.zeros((3, n_parts, scenes.shape[1]))
    mass = np.zeros(n_parts)
    units = [unit for g in groups if g.n_options for unit in _units(g, acting, n_parts, compiled)]
    for k, batch in enumerate(_batches(units)):
        for s, lo, hi, w in blocks(space, weights):
            places = within(s)
            places = places[lo:hi] if len(places) > 1 else np.repeat(places, hi - lo, axis=0)
            if k == 0:
                inside = places >= 0
                np.add.at(mass, places[inside], np.broadcast_to(w.sum(axis=1)[:, None], places.shape)[inside])
            _add(space.sets(s)[lo:hi], w, batch, tests, acting, places, compiled)
        for unit in batch:
            _spread_out(unit, unit.choices(mass, acting), chosen, approved, by_scene)
    for g in groups:
        if not g.n_options:
            by_scene[0][:, g.scene] = mass[:, None]
    none, follows, defies = by_scene
    return RuleChoices(chosen, approved, none, follows, defies, mass)


@dataclass(eq=False)
class _Unit:
    """Some distinct scenes, and their sums.

    Attributes
    ----------
    first : int
        The first of the distinct scenes.
    masks : dict of int to ndarray
        Literals by number of bits.
    sums : ndarray
        (part, entry, scene) of lookups, else (part, scene, 2 n + 3).
    """

    group: Alike
    columns: np.ndarray
    first: int
    lookups: Lookups | None
    n_rows: int
    n_parts: int
    sums: np.ndarray = field(default_factory=lambda: np.zeros(0))
    masks: dict[bool, np.ndarray] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[int, tuple[float, ...]]:
        """What units share that look up the same tables."""
        if self.lookups is None or not self.lookups.noisy:
            return 0, ()
        return self.group.n_options, self.group.key

    def begin(self) -> None:
        """Set the sums to zero."""
        scenes = self.columns.shape[2]
        last = (self.n_rows, scenes) if self.lookups is not None else (scenes, self.n_rows)
        self.sums = np.zeros((self.n_parts, *last))
        self.masks = {}

    def words(self, s: int) -> np.ndarray:
        """Return the literals as words for sets of s literals."""
        if (s > 3) not in self.masks:
            self.masks[s > 3] = as_masks(self.columns, s)
        return self.masks[s > 3]

    def choices(self, mass: np.ndarray, acting: Acting) -> np.ndarray:
        """Return the rows of results, and forget the sums: (part, 2 n + 3, scene)."""
        sums, self.sums, self.masks = self.sums, np.zeros(0), {}
        if self.lookups is None:
            return np.moveaxis(sums, 1, 2)
        odds = None if self.lookups.noisy else acting.odds(self.group.key)
        return self.lookups.choices(sums, mass, odds)


def _units(group: Alike, acting: Acting, n_parts: int, compiled: bool) -> Iterator[_Unit]:
    n, noisy = group.n_options, acting.beta is not None
    lookups = Lookups.of(n, noisy) if compiled and n <= MOST[noisy] else None
    rows = 2 * n + 3 if lookups is None else len(lookups.layer)
    step = max(-(-group.n_distinct // (2 * threads())), 512)
    step = max(min(step, BYTES // (8 * rows * n_parts)), 1)
    for first in range(0, group.n_distinct, step):
        columns = np.ascontiguousarray(group.columns[:, :, first : first + step])
        yield _Unit(group, columns, first, lookups, rows, n_parts)


def _batches(units: list[_Unit]) -> Iterator[list[_Unit]]:
    """Yield units whose sums fit into memory together; at least one batch."""
    batch: list[_Unit] = []
    held = 0
    for unit in units:
        need = 8 * unit.n_rows * unit.n_parts * unit.columns.shape[2]
        if batch and held + need > BYTES:
            yield batch
            batch, held = [], 0
        unit.begin()
        batch.append(unit)
        held += need
    yield batch


def shares_of(group: Alike, scenes: Scenes) -> np.ndarray:
    """Return the weights of distinct scenes, as shares of all scenes: (distinct,)."""
    return np.bincount(group.distinct, scenes.share[group.scene], group.n_distinct)


def _add(
    members: np.ndarray,
    w: np.ndarray,
    units: list[_Unit],
    tests: list[tuple[Alike, np.ndarray]],
    acting: Acting,
    within: np.ndarray,
    compiled: bool,
) -> None:
    """Add some sets to the sums of some units."""
    live = np.flatnonzero(w.any(axis=1))
    if not len(live):
        return
    members, within = np.ascontiguousarray(members[live]), np.ascontiguousarray(within[live])
    if len(live) < len(w):
        w = w[live]
    noisy, s = acting.beta is not None, members.shape[1]
    spread = spreads(members, tests, compiled) if noisy else None
    odds = {key: acting.odds(key, spread) for key in {unit.group.key for unit in units}}
    if not compiled:
        for unit in units:
            add_enumerated(unit.columns, members, w, odds[unit.group.key], within, unit.sums)
        return
    from reward_hypotheses.models.rule_space.outcomes import kernels

    tables = {}
    for unit in units:
        if unit.kind not in tables and (unit.lookups is not None or not noisy):
            layers = unit.lookups.layers(w, odds[unit.group.key]) if unit.lookups is not None else w[None].copy()
            tables[unit.kind] = _superset_sums(layers)

    def work(unit: _Unit) -> None:
        of, words = odds[unit.group.key], unit.words(s)
        if unit.lookups is not None:
            lookups = unit.lookups
            kernels.add_lookups(words, members, tables[unit.kind], lookups.layer, lookups.subset, within, unit.sums)
        elif not noisy:
            kernels.add_patterns(
                words, members, tables[unit.kind][0], *of.tables(unit.group.n_options), within, unit.sums
            )
        else:
            kernels.add_tables(words, members, w, np.stack(of.by_table(w.shape)), within, unit.sums)

    for _ in each_in_threads(work, units, len(units) > 1):
        pass


def _superset_sums(layers: np.ndarray) -> np.ndarray:
    """Turn tables (layer, set, table) into their superset sums, in place, in threads."""
    from reward_hypotheses.models.rule_space.outcomes import kernels

    rows = layers.reshape(-1, layers.shape[-1])
    parts = np.array_split(rows, threads()) if rows.size > NUMBERS else [rows]
    for _ in each_in_threads(kernels.superset_sums, parts, len(parts) > 1):
        pass
    return layers


def spreads(members: np.ndarray, tests: list[tuple[Alike, np.ndarray]], compiled: bool) -> np.ndarray:
    """Return the mean variance of approval within scenes, by rule: (set, 2^(2^s)).

    ``sum_m share_m q (1 - q) / sum_m share_m``, q the share of a scene's choices that the rule approves, over scenes
    with at least two choices.

    Parameters
    ----------
    tests : list of (Alike, ndarray)
        Scenes with at least two choices, and the shares of the distinct scenes.
    """
    cells = 1 << members.shape[1]
    pairs = np.zeros((len(members), cells, cells))
    total = sum(float(share.sum()) for _, share in tests)
    for group, share in tests:
        mass = share / (total * group.n_options**2)
        if compiled:
            from reward_hypotheses.models.rule_space.outcomes import kernels

            words = group.masks(0)
            parts = np.array_split(np.arange(len(members)), threads())

            def work(part: np.ndarray, words: np.ndarray = words, mass: np.ndarray = mass) -> None:
                if len(part):
                    at = slice(int(part[0]), int(part[-1]) + 1)
                    kernels.add_pairs(words, members[at], mass, pairs[at])

            for _ in each_in_threads(work, parts):
                pass
            continue
        for t, some in enumerate(members):
            at = (group.columns[some] << np.arange(len(some))[:, None, None]).sum(axis=0)
            counts = (at[None] == np.arange(cells)[:, None, None]).sum(axis=1)  # (cell, scene)
            pairs[t] += (counts * mass) @ counts.T
    pairs[:, np.arange(cells), np.arange(cells)] = 0.0
    out = np.zeros((len(members), 1 << cells))
    if compiled:
        from reward_hypotheses.models.rule_space.outcomes import kernels

        kernels.table_spread(pairs, out)
        return out
    holds = ((np.arange(1 << cells)[:, None] >> np.arange(cells)) & 1).astype(float)
    return np.einsum("fc,tcd,fd->tf", holds, pairs, 1.0 - holds, optimize=True)


def _spread_out(unit: _Unit, rows: np.ndarray, chosen: np.ndarray, approved: np.ndarray, by_scene: np.ndarray) -> None:
    """Write the results of distinct scenes at each scene that they are."""
    group, n = unit.group, unit.group.n_options
    here = (group.distinct >= unit.first) & (group.distinct < unit.first + unit.columns.shape[2])
    scene, option, of = group.scene[here], group.option[:, here], group.distinct[here] - unit.first
    rows = rows[:, :, of]
    chosen[:, option, scene] = np.clip(rows[:, :n], 0.0, None)
    approved[:, option, scene] = np.clip(rows[:, n : 2 * n], 0.0, None)
    by_scene[:, :, scene] = np.clip(np.moveaxis(rows[:, 2 * n :], 1, 0), 0.0, None)
