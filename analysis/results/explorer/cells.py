"""Distinct cells of a test.

The options of its distinct scenes, as policies see them.
"""

from collections.abc import Iterable

import numpy as np

from reward_hypotheses.analysis.results.explorer.packing import packed, packed_integers
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.valuation import Valuation

CELLS = 20_000
"""Distinct cells up to which a page holds them."""
BYTES = 450_000
"""Length of their JSON up to which a page holds them."""


def distinct_cells(valuation: Valuation) -> Document | str:
    """Return the distinct cells of a test, or why a page does not hold them.

    A cell is an option of a distinct scene: its reward under every hypothesis, and the bound of the reward's rounding
    error, by which ties are decided. Scenes with the same options, in any order, and the same failure lines are one scene,
    whose weight is the sum of theirs. Options that are failing itself are left out: no policy picks them.

    Returns
    -------
    dict
        ``starts`` (scene + 1,), ``vector`` and ``count`` (cell,): the distinct vector of rewards of each cell of a scene,
        and how many options have it; ``share`` (scene,), adding up to 1; ``reward`` and ``error``, for each hypothesis
        (vector,); ``line`` and ``told``, the failure lines of judge and agent, for each hypothesis (scene,). ``told`` is
        None where it is the judge's. Arrays are as `packed` gives them.
    """
    hypotheses, table = valuation.hypotheses, valuation.table
    if valuation.families:
        return "a hypothesis has continuous weights"
    if hypotheses.spaces:
        return "a hypothesis is a space of rules"
    if hypotheses.unmodelled is not None:
        return "a hypothesis is unmodelled"
    n = len(hypotheses)
    too_many = f"the test has more than {CELLS:,} distinct cells"
    if not valuation.keeps:
        return f"the test has {n * table.n_items:,} rewards"
    reward, error, real = np.zeros((n, table.n_items)), np.zeros((n, table.n_items)), np.zeros(table.n_items, bool)
    for block in valuation.blocks():
        inside = np.ones(block.shape, bool) if block.options is None else block.options
        items = block.items[inside]
        real[items] = True
        for h in range(n):
            reward[h, items] = np.broadcast_to(block.reward(h), block.shape)[inside]
            error[h, items] = np.broadcast_to(block.error(h), block.shape)[inside]
    lines = [_lines(valuation, valuation.line)]
    if valuation.agent_line is not valuation.line:
        lines.append(_lines(valuation, valuation.agent_line))
    scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))[real]
    vector = _codes([*reward[:, real], *error[:, real]], len(scene))
    if vector is None:
        return too_many
    grouped = _distinct_scenes(valuation, scene, vector, np.concatenate(lines).reshape(-1, table.n_scenes))
    if grouped is None:
        return too_many
    starts, cells, counts, share, first_scene = grouped
    _, first, _, _ = distinct(vector)
    at = np.flatnonzero(real)[first]
    document = {
        "starts": packed_integers(starts),
        "vector": packed_integers(cells),
        "count": packed_integers(counts),
        "share": packed(share),
        "reward": [packed(row) for row in reward[:, at]],
        "error": [packed(row) for row in error[:, at]],
        "line": [_of_scenes(line[:, first_scene]) for line in lines[0]],
        "told": [_of_scenes(line[:, first_scene]) for line in lines[1]] if len(lines) > 1 else None,
    }
    return document


def _of_scenes(line: np.ndarray) -> Document:
    return {"value": packed(line[0]), "error": packed(line[1])}


def _lines(valuation: Valuation, line: FailureLine) -> np.ndarray:
    """Return failure lines and the bounds of their errors: (hypothesis, 2, scene)."""
    out = np.zeros((len(valuation.hypotheses), 2, valuation.n_scenes))
    for block in valuation.blocks():
        for h in range(len(out)):
            out[h, 0, block.scenes], out[h, 1, block.scenes] = block.line(line.values[h], h)
    return out


def _codes(columns: Iterable[np.ndarray], n: int) -> np.ndarray | None:
    """Return the number of each distinct row, (row,); None for too many distinct rows."""
    code = np.zeros(n, np.int64)
    for column in columns:
        if not n or (column == column[0]).all():
            continue
        place = distinct(column)[2]
        code = distinct(code * (int(place.max()) + 1) + place)[2]
        if int(code.max()) >= CELLS:
            return None
    return code


def _distinct_scenes(
    valuation: Valuation, scene: np.ndarray, vector: np.ndarray, lines: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the cells of the distinct scenes, and the scenes' shares.

    Starts (scene + 1,), vectors and counts (cell,), shares (scene,), and the first scene of the test that each stands for,
    (scene,). None for too many cells.
    """
    weight, total = scene_weights(valuation)
    of_line = _codes(lines, valuation.n_scenes)
    if of_line is None:
        return None
    order = np.lexsort((vector, scene))
    at_scene, at_vector = scene[order], vector[order]
    new = np.flatnonzero(np.concatenate([[True], (np.diff(at_scene) != 0) | (np.diff(at_vector) != 0)])[: len(order)])
    counts = np.diff(np.append(new, len(order)))
    at_scene, at_vector = at_scene[new], at_vector[new]
    ends = np.searchsorted(at_scene, np.arange(valuation.n_scenes + 1))
    known: dict[bytes, int] = {}
    which, first, cells = np.empty(valuation.n_scenes, np.int64), [], 0
    for m in range(valuation.n_scenes):
        inside = slice(ends[m], ends[m + 1])
        key = of_line[m].tobytes() + at_vector[inside].tobytes() + counts[inside].tobytes()
        if key not in known:
            known[key] = len(known)
            first.append(m)
            cells += inside.stop - inside.start
            if cells > CELLS or len(known) > CELLS:
                return None
        which[m] = known[key]
    parts = [np.arange(ends[m], ends[m + 1]) for m in first]
    rows = np.concatenate(parts)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    share = np.bincount(which, weight, len(first)) / total
    return starts, at_vector[rows], counts[rows], share, np.array(first)
