"""A two-sample test of training against test, by the hypotheses' classes of items."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.analysis.shift.permutation_units import Units, copies_of_units, shares_of_sides, thinned
from reward_hypotheses.data.numerics import distinct, row_hashes
from reward_hypotheses.data.progress import named, tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import MEAN, SceneLine
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.rule_space.family.as_literals import weights_of_literals, with_literals

PERMUTATIONS = 999
STATISTIC = ("statistic", "p", "permutations", "indicator", "training", "test")
"""Figures of `Shift` that the results have under the same names."""
LEVEL = 0.01
WORDS = ("worse than failing", "equal to failing", "better than failing")
MOST_VECTORS = 256  # vectors of classes that are indicators, the most frequent ones
MOST_CHOOSERS = 24  # hypotheses whose best options are indicators, the weightiest ones
MOST_KINDS = 8  # vectors of classes whose shares are given


@dataclass(frozen=True)
class Shift:
    """The result of the two-sample test, with its underlying numbers.

    Attributes
    ----------
    shifted : bool
        ``p < 0.01``.
    statistic : float
        Largest absolute difference of an indicator's mean between training and test, over its standard deviation in
        the two pooled.
    indicator : str
        The indicator of the statistic, in words; ``training`` and ``test`` are its means.
    p : float
        ``(1 + #{permuted statistics >= the statistic}) / (permutations + 1)``.
    new_classes : tuple of (tuple of str, int)
        Vectors of classes (one class for each hypothesis) that occur on the test alone, with their numbers of items: the 20 most
        frequent of ``n_new`` vectors. All ``n_new`` vectors cover ``new_items`` items, a share ``new_share`` of the test by
        weight.
    kinds : tuple of (tuple of str, float, float)
        The vectors of classes whose shares in training and on the test differ most, with the two shares; at most 8.
    """

    shifted: bool
    statistic: float
    indicator: str
    training: float
    test: float
    p: float
    permutations: int
    new_classes: tuple[tuple[tuple[str, ...], int], ...]
    n_new: int
    new_items: int
    new_share: float
    kinds: tuple[tuple[tuple[str, ...], float, float], ...]


def shift_check(
    training: Sequence[Valuation],
    test: Valuation,
    weights: np.ndarray,
    rng: np.random.Generator,
    counts: Sequence[np.ndarray | None] = (),
) -> Shift:
    """Test whether the hypotheses classify training and test items alike.

    Each hypothesis has an indicator of an item being worse than, equal to or better than failing, and so has each vector
    of such classes that occurs. Where all tables have options, each pair i, j of hypotheses has two indicators of a scene:
    whether i's best option is better than failing under j, and whether i's best option is one of j's best (ties averaged).

    Whole scenes are permuted between training and test 999 times, or items where training has no options. Weights of
    scenes keep their places, so a test whose weights are independent of its scenes is no shift. (Weights permuted with
    their scenes would call a third of such tests shifted.)

    Where a table does not give a line ("this option", and no option is marked), the mean of the scene stands for it.

    Where there are more, the test uses the 256 most frequent vectors, the best options of the 24 weightiest hypotheses, and
    100,000 units drawn at random, which leaves the test valid. A side with at most 50,000 units is used in full.

    Parameters
    ----------
    training : sequence of Valuation
        One for each table, of all items that any feedback uses.
    test : Valuation
    weights : ndarray (hypothesis,)
        Weights that determine the weightiest hypotheses.
    rng : Generator
    counts : sequence of ndarray (item,) or None, optional
        Copies of each item, one array for each table of training; 1 by default. Copies are permuted one by one: as scenes,
        or as items where counts differ within a scene.
    """
    names, tables = test.hypotheses.names, _with_common_lines([*training, test])
    test = tables[-1]
    of_tables: list[np.ndarray | None] = [*(counts or [None] * len(training)), None]
    by_scene = all(v.table.has_options and _constant(v.table, c) for v, c in zip(training, of_tables, strict=False))
    choosers = np.array([], int)
    if by_scene and test.table.has_options:
        choosers = np.sort(np.argsort(-weights, kind="stable")[:MOST_CHOOSERS])
    copies = [copies_of_units(v.table, by_scene, c) for v, c in zip(tables, of_tables, strict=True)]
    of_training, of_test = shares_of_sides(sum(int(c.sum()) for c in copies[:-1]), int(copies[-1].sum()))
    sampled = [thinned(c, of_training, rng) for c in copies[:-1]] + [thinned(copies[-1], of_test, rng)]
    sides = [Units(v, by_scene, choosers, k, c is not None) for v, k, c in zip(tables, sampled, of_tables, strict=True)]

    codes, first, place, _ = distinct(np.concatenate([s.codes for s in sides]))
    of_items = [np.ones(v.table.n_items) if c is None else c for v, c in zip(tables, of_tables, strict=True)]
    frequent = np.sort(np.argsort(-np.bincount(place, np.concatenate(of_items)), kind="stable")[:MOST_VECTORS])
    vectors = np.array([_classes_at(sides, int(first[c])) for c in tracked(frequent, what="kinds of items")])
    by_vector = [s.vector_counts(codes[frequent]) for s in sides]

    items = np.hstack([np.vstack([s.by_class for s in sides]), np.vstack(by_vector)])
    mass, weight, times = (np.concatenate([getattr(s, key) for s in sides]) for key in ("n_items", "weight", "times"))
    scenes = np.vstack([s.choices for s in sides])
    side = np.repeat([i < len(training) for i in range(len(sides))], [len(s.weight) for s in sides])
    statistic, which, at_training, at_test, p = _permute(items, mass, scenes, weight, side, rng, times)
    weight = weight * times
    shares = [(weight * at) @ items[:, 3 * len(names) :] / ((weight * at) @ mass) for at in (side, ~side)]
    apart = np.argsort(-np.abs(shares[0] - shares[1]), kind="stable")[:MOST_KINDS]
    return Shift(
        shifted=p < LEVEL,
        statistic=statistic,
        indicator=_labels(names, vectors, choosers)[which] if which >= 0 else "",
        training=at_training,
        test=at_test,
        p=p,
        permutations=PERMUTATIONS,
        **_new_classes(sides, test),
        kinds=tuple((tuple(WORDS[c + 1] for c in vectors[k]), float(shares[0][k]), float(shares[1][k])) for k in apart),
    )


def _with_common_lines(tables: Sequence[Valuation]) -> list[Valuation]:
    """Return valuations in which every table gives every failure line.

    Where a table marks no option from which a hypothesis takes its line, the mean of the scene stands for the line in all
    tables, or 0 where a table has no options.
    """
    lacking = {text for v in tables for text in v.line_problems}
    if not lacking:
        return list(tables)
    common = SceneLine(MEAN) if all(v.table.has_options for v in tables) else 0.0
    out = []
    for v in tables:
        moved = {
            h: common for h, line in enumerate(v.line.values) if isinstance(line, SceneLine) and line.text in lacking
        }
        out.append(Valuation(v.hypotheses, v.table, v.line.instead(moved)))
    return out


def _labels(names: Sequence[str], vectors: np.ndarray, choosers: np.ndarray) -> list[str]:
    """Return the indicators in words, in their order."""
    chosen = [names[i] for i in choosers]
    return [
        *(f"an item is {words} under {name!r}" for name in names for words in WORDS),
        *(f"an item is {_in_words(vector, names)}" for vector in vectors),
        *(f"the best option under {i!r} is better than failing under {j!r}" for i in chosen for j in chosen),
        *(f"the best option under {i!r} is also the best under {j!r}" for i in chosen for j in chosen),
    ]


def _new_classes(sides: Sequence[Units], test: Valuation) -> dict[str, Any]:
    """Return the vectors of classes that occur on the test alone.

    The result holds fields of `Shift`, among them the number of items with each vector.
    """
    seen, _, _, _ = distinct(np.concatenate([s.codes for s in sides[:-1]]))
    on_test, at, _, times = distinct(sides[-1].codes)
    new = np.flatnonzero(seen[np.minimum(np.searchsorted(seen, on_test), len(seen) - 1)] != on_test)
    new = new[np.argsort(-times[new], kind="stable")]
    of_item = np.repeat(scene_weights(test)[0], np.diff(test.table.starts))
    is_new = np.isin(sides[-1].codes, on_test[new])
    return {
        "new_classes": tuple(
            (tuple(WORDS[c + 1] for c in _classes_of(test, int(at[v]))), int(times[v])) for v in new[:20]
        ),
        "n_new": len(new),
        "new_items": int(times[new].sum()),
        "new_share": float(of_item[is_new].sum() / of_item.sum()),
    }


def _constant(table: Table, counts: np.ndarray | None) -> bool:
    """Return whether counts (item,) are equal within each scene."""
    if counts is None:
        return True
    first = np.minimum(table.starts[:-1], table.n_items - 1)
    return bool((counts == np.repeat(counts[first], np.diff(table.starts))).all())


def _classes_at(sides: Sequence[Units], position: int) -> list[int]:
    """Return the classes of the item at a position in the concatenated codes."""
    for side in sides:
        if position < len(side.codes):
            return _classes_of(side.valuation, position)
        position -= len(side.codes)
    raise IndexError(position)


def _classes_of(valuation: Valuation, item: int) -> list[int]:
    scene = int(np.searchsorted(valuation.table.starts, item, side="right")) - 1
    block = Block(valuation, scene, scene + 1)
    at = item - int(valuation.table.starts[scene])
    return [int(block.better(h)[at, 0]) - int(block.worse(h)[at, 0]) for h in range(len(valuation.hypotheses))]


def _in_words(vector: Sequence[int], names: Sequence[str]) -> str:
    by_class = [[names[h] for h, c in enumerate(vector) if c == k] for k in (-1, 0, 1)]
    return " and ".join(f"{WORDS[k]} under {', '.join(map(repr, who))}" for k, who in enumerate(by_class) if who)


def _permute(
    items: np.ndarray,
    mass: np.ndarray,
    scenes: np.ndarray,
    weight: np.ndarray,
    side: np.ndarray,
    rng: np.random.Generator,
    times: np.ndarray,
) -> tuple[float, int, float, float, float]:
    """Return the statistic, its indicator, the means in training and test, and p.

    Parameters
    ----------
    items, mass : ndarray (unit, indicator), (unit,)
        Sums over the items of a unit, and the number of items.
    scenes : ndarray (unit, indicator + 1)
        Indicators of the unit itself and, last, whether the unit counts in their means.
    weight, side : ndarray (unit,)
        Weight of the unit's place, and whether the place is in training.
    times : ndarray (unit,) of int
        Copies of the unit.
    """
    values = np.hstack([items, mass[:, None], scenes])
    once = bool((times == 1).all())
    total = values.sum(axis=0) if once else times @ values
    k = items.shape[1]

    def means(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.hstack([sums[:, :k] / sums[:, [k]], sums[:, k + 1 : -1] / sums[:, [-1]]])

    squares = scenes[:, :-1] ** 2
    squares = squares.sum(axis=0) if once else times @ squares
    square = np.concatenate([total[:k] / total[k], squares / max(total[-1], 1.0)])
    variance = square - means(total[None, :])[0] ** 2
    varies = variance > 1e-12
    if not varies.any():
        return 0.0, -1, 0.0, 0.0, 1.0
    deviation = np.sqrt(variance[varies])

    def statistic(in_training: np.ndarray, on_test: np.ndarray) -> np.ndarray:
        apart = np.abs(means(in_training) - means(on_test))[:, varies] / deviation
        return np.nan_to_num(apart, nan=0.0, posinf=0.0)

    places = np.vstack([weight * side, weight * ~side])  # (training or test, place)
    observed = (places * times) @ values
    apart = statistic(observed[:1], observed[1:])[0]
    which = int(np.flatnonzero(varies)[int(np.argmax(apart))])
    threshold = float(apart.max()) * (1 - 1e-9)

    def exceeding(in_training: np.ndarray, on_test: np.ndarray) -> int:
        return int((statistic(in_training, on_test).max(axis=1) >= threshold).sum())

    alike = bool((weight == weight[0]).all())
    first, count = _kinds(values, times) if alike else (np.arange(len(values)), times)
    exceeds = 0
    if alike and (len(first) * 8 <= len(values) or not once):
        # how many of each kind fall to training is multivariate hypergeometric: the same distribution, and quicker
        drawn = rng.multivariate_hypergeometric(count, int(times @ side), size=PERMUTATIONS, method="marginals")
        in_training = drawn @ values[first]
        exceeds = exceeding(in_training, total - in_training)
    elif not once:
        # with counts the scenes of training have no weights, so only who falls to which place of the test matters
        ends, of_places = np.cumsum(times), np.repeat(weight[~side], times[~side])
        moved = np.empty((2, PERMUTATIONS, values.shape[1]))
        for row in tracked(range(PERMUTATIONS), what="permutations"):
            drawn = rng.choice(int(ends[-1]), len(of_places), replace=False)
            on_test = values[np.searchsorted(ends, drawn, side="right")]
            moved[:, row] = total - on_test.sum(axis=0), of_places @ on_test
        exceeds = exceeding(*moved)
    else:
        step = max(1, 4_000_000 // len(values))
        for lo in tracked(range(0, PERMUTATIONS, step), what="permutations"):
            n = min(step, PERMUTATIONS - lo)
            order = rng.permuted(np.tile(np.arange(len(values)), (n, 1)), axis=1)
            exceeds += exceeding(places[0][order] @ values, places[1][order] @ values)
    at_training, at_test = means(observed)[:, which]
    return float(apart.max()), which, float(at_training), float(at_test), (1 + exceeds) / (PERMUTATIONS + 1)


def _kinds(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first index of each distinct row, and the number of its copies.

    Rows are compared by a 64-bit hash. Both results have shape (kind,).
    """
    _, first, place, _ = distinct(row_hashes(values))
    return first, np.bincount(place, times).astype(np.int64)


def shift_of(case: Case) -> Shift:
    """Return the two-sample test of a study's test against its training data."""
    judge, rules = case.posterior.weights, list(case.posterior.hypotheses.rules)
    judged = case.posterior.of_rules()
    training = [with_literals(valuation.of_rules(), judged) for valuation in case.training.valuations]
    weights = weights_of_literals(judge[rules], judged)
    rng = substream(case.seed, "shift")
    with named("shift check"):
        return shift_check(training, case.once(_typical), weights, rng, case.training.counts)


def _typical(case: Case) -> Valuation:
    """Return the test under the judge's rules.

    A family stands by a typical member, a space of rules by its literals.
    """
    return with_literals(case.on(case.valuation.typical()).judges_test.of_rules(), case.posterior.of_rules())


class ShiftCheck(Section[Shift]):
    """The two-sample permutation test of the study, and new kinds of items."""

    keys = ("shifted", "shift")
    of_test = True
    topic = "shift"

    @override
    def compute(self, case: Case) -> Shift:
        return case.once(shift_of)

    @override
    def document(self, case: Case, result: Shift) -> Document:
        names = case.once(_typical).hypotheses.names
        return {
            "shifted": result.shifted,
            "shift": {
                **{key: getattr(result, key) for key in STATISTIC},
                "new_classes": [
                    {"classes": dict(zip(names, classes, strict=True)), "items": items}
                    for classes, items in result.new_classes
                ],
                "n_new_classes": result.n_new,
                "new_items": result.new_items,
                "new_share": result.new_share,
                "kinds": [
                    {"classes": dict(zip(names, classes, strict=True)), "training": training, "test": test}
                    for classes, training, test in result.kinds
                ],
                "words": "a shift" if result.shifted else "ordinary generalisation",
            },
        }
