"""Groups of hypotheses that are observationally equivalent in training.

The predictions of one group are equal up to rounding, whatever is answered.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from reward_hypotheses.data.numerics import distinct, in_threads, numbered
from reward_hypotheses.data.rounding_error_bounds import equal
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation

FEW = 8  # candidates that are compared with one another at once
SUMMED = 1e-12  # bound of the change of a sum by its order, relative to the sum of absolute terms
MANY = 20_000  # inputs of a hypothesis above which comparing hypotheses deserves a thread


class Predictor(Protocol):
    """Inputs of a likelihood, block by block; `Feedback` provides them."""

    def inputs(self, block: Block, h: int) -> np.ndarray:
        """Return the inputs of the likelihood of h: (option, scene)."""

    def input_error(self, block: Block, h: int) -> np.ndarray | float:
        """Bound the rounding errors of `inputs`: (option, scene), or 0.0."""

    def gather(self, block: Block, observed: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Return the sums of a block by hypothesis, and marks of their inputs."""


def sums_and_classes(
    feedback: Predictor, valuation: Valuation, observed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return sufficient statistics and the class of each hypothesis.

    The statistics are (hypothesis, k), the classes (hypothesis,).

    Boolean inputs are told apart by a digest, others by their sums against random numbers and then item by item.

    Parameters
    ----------
    observed : ndarray (item,), optional
        The answers; without them there are no statistics.
    """
    n = len(valuation.hypotheses)
    digests = [hashlib.blake2b(digest_size=16) for _ in range(n)]
    total: np.ndarray = np.zeros(1)
    marks, slack = np.zeros(n), np.zeros(n)
    floats = False
    for sums, keys in valuation.each(lambda block: feedback.gather(block, observed)):
        total = total + sums
        if isinstance(keys, list):
            for digest, key in zip(digests, keys, strict=True):
                digest.update(key)
        else:
            floats = True
            marks = marks + keys[0]
            slack = slack + keys[1]
    if floats:
        return total, _classes_by_marks(feedback, valuation, marks, slack)
    return total, numbered(digest.digest() for digest in digests)


def _classes_by_marks(feedback: Predictor, valuation: Valuation, marks: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Group hypotheses whose inputs are equal up to rounding on every item.

    The mark of a hypothesis is the sum of its inputs against random numbers. Equal inputs have marks within their slack
    of one another, so only hypotheses with such marks are compared item by item.
    """
    n = len(marks)
    candidates = _narrowed_by_items(feedback, valuation, overlapping(marks, slack))
    classes = np.arange(n)
    while candidates := [group for group in candidates if len(group) > 1]:
        apart = np.zeros(n, bool)

        def differ(block: Block, groups: list[list[int]] = candidates) -> np.ndarray:
            out = np.zeros(n, bool)
            for group in groups:
                first, of_first = feedback.inputs(block, group[0]), feedback.input_error(block, group[0])
                for h in group[1:]:
                    differs = ~equal(feedback.inputs(block, h), first, feedback.input_error(block, h), of_first)
                    out[h] = bool((differs if block.available is None else differs & block.available).any())
            return out

        for differs in valuation.each(differ):
            apart |= differs
        for group in candidates:
            classes[[h for h in group[1:] if not apart[h]]] = group[0]
        candidates = [[h for h in group[1:] if apart[h]] for group in candidates]
    return classes


def _narrowed_by_items(feedback: Predictor, valuation: Valuation, groups: list[list[int]]) -> list[list[int]]:
    """Split large groups of candidates by marks with evenly scaled items.

    Beside an item whose rewards are huge, the marks of all hypotheses are within their slack of one another.
    """
    large = [group for group in groups if len(group) > FEW]
    if not large:
        return groups

    def even_marks(block: Block) -> np.ndarray:
        out = np.zeros((2, len(valuation.hypotheses)))
        probe = np.random.default_rng(block.lo).random(block.shape)
        probe = probe if block.available is None else np.where(block.available, probe, 0.0)
        for group in large:
            each = evenly(probe, ((feedback.inputs(block, h), feedback.input_error(block, h)) for h in group))
            for h in group:
                out[:, h] = marked(feedback.inputs(block, h), feedback.input_error(block, h), each)
        return out

    return narrowed(groups, *sum(valuation.each(even_marks), np.zeros((2, len(valuation.hypotheses)))))


def cells(feedback: Predictor, valuation: Valuation, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each item (item,), and an item of each cell (cell,).

    A cell is a distinct vector of inputs, one input a hypothesis.

    Items are told apart by a 64-bit hash of their inputs (Zobrist's), drawn afresh from a fixed seed.
    """
    _, representatives, _, _ = distinct(classes)
    odd = np.random.default_rng(7).integers(1, 2**63, len(classes), dtype=np.uint64) | np.uint64(1)
    code = np.zeros(valuation.table.n_items, np.uint64)

    def hashed(block: Block) -> tuple[np.ndarray, np.ndarray]:
        total = np.zeros(block.shape, np.uint64)
        for h in representatives:
            inputs = feedback.inputs(block, int(h))
            bits = inputs.astype(np.uint64) if inputs.dtype == bool else (inputs + 0.0).view(np.uint64)
            mixed = (bits + odd[h]) * odd[h]
            total += (mixed ^ (mixed >> np.uint64(31))) * odd[h]
        return block.items, total

    for items, total in valuation.each(hashed):
        code[items] = total
    _, first, cell, _ = distinct(code)
    return cell, first


def classes_of_arrays(scaled: Callable[[int], np.ndarray], error: Callable[[int], np.ndarray], n: int) -> np.ndarray:
    """Group hypotheses with inputs that are equal up to rounding.

    Groups are numbered in the order of their first hypothesis: (hypothesis,) of int.

    Parameters
    ----------
    scaled, error : callable
        Of a hypothesis: inputs of its likelihood, of one shape for all, and bounds of their rounding errors.
    n : int
        Number of hypotheses.
    """
    probe = np.random.default_rng(17).random(scaled(0).shape)

    def marks_of(some: Sequence[int], probe: np.ndarray) -> np.ndarray:
        return np.array(in_threads(lambda h: marked(scaled(h), error(h), probe), some, probe.size > MANY)).T

    marks, slack = marks_of(range(n), probe)
    groups = overlapping(marks, slack)
    for group in groups:
        if len(group) > FEW:  # beside a unit of huge inputs, the marks of all are within their slack of one another
            each = evenly(probe, ((scaled(h), error(h)) for h in group))
            marks[group], slack[group] = marks_of(group, each)
    classes = np.arange(n)
    for group in narrowed(groups, marks, slack):
        firsts: list[tuple[int, np.ndarray, np.ndarray]] = []
        for h in group if len(group) > 1 else []:
            inputs, of_inputs = scaled(h), error(h)
            for other, x, of_x in firsts:
                if abs(marks[h] - marks[other]) <= slack[h] + slack[other] and equal(inputs, x, of_inputs, of_x).all():
                    classes[h] = other
                    break
            else:
                firsts.append((h, inputs, of_inputs))
    _, _, inverse, _ = distinct(classes)
    return inverse


def overlapping(marks: np.ndarray, slack: np.ndarray) -> list[list[int]]:
    """Group positions with overlapping intervals ``marks +- slack``.

    Intervals that are linked by others count as overlapping. The positions of a group ascend.
    """
    order = np.argsort(marks - slack, kind="stable")
    ends = np.maximum.accumulate((marks + slack)[order])
    breaks = np.flatnonzero((marks - slack)[order][1:] > ends[:-1]) + 1
    return [sorted(group.tolist()) for group in np.split(order, breaks)]


def marked(inputs: np.ndarray, error: np.ndarray | float, probe: np.ndarray) -> tuple[float, float]:
    """Return a sum of inputs against a probe, and the slack of that sum.

    The slack is half of the largest difference between the sums of equal inputs.
    """
    slack = 2 * float((error * probe).sum()) + SUMMED * float(np.vdot(np.abs(inputs), probe))
    return float(np.vdot(inputs, probe)), slack


def evenly(probe: np.ndarray, inputs: Iterable[tuple[np.ndarray, np.ndarray | float]]) -> np.ndarray:
    """Return a probe in which every item has the same influence.

    Large inputs are divided by their size. Items whose inputs are hidden by rounding have less influence.
    """
    size = np.zeros(probe.shape)
    for values, error in inputs:
        np.maximum(size, np.maximum(np.abs(values), np.asarray(error) / SUMMED), out=size)
    return probe / np.where(size > 1e-290, size, 1.0)


def narrowed(groups: list[list[int]], marks: np.ndarray, slack: np.ndarray) -> list[list[int]]:
    """Split the groups of more than `FEW` candidates by other marks."""
    out = [group for group in groups if len(group) <= FEW]
    for group in groups:
        if len(group) > FEW:
            out += [[group[i] for i in some] for some in overlapping(marks[group], slack[group])]
    return out
