"""Features of signs within scenes, beside the features of a family."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.evidence.degrees.sign_agreement import cues_of, differences
from reward_hypotheses.data.column import Column
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.scene_block import Block


def sign_columns(features: Iterable[int], columns: Collection[str]) -> dict[int, str]:
    """Return a name that no column has for the sign of each feature."""
    names: dict[int, str] = {}
    for k in features:
        name = f"sign_{k}"
        while name in columns:
            name += "_"
        names[k] = name
    return names


def with_signs(linear: Linear, names: dict[int, str]) -> Linear:
    """Return the family with a feature for the sign of some of its features.

    ``u = sum_k w_k f_k + sum_k v_k s_k``, with the prior of the family for w and v together. Where the sign of w_k is stated, v_k
    has the same; stated means and ratios are of w alone.
    """
    stated = dict(linear.statements)
    signs = stated.get("sign", {})
    same = {column: signs[linear.names[k]] for k, column in names.items() if linear.names[k] in signs}
    if same:
        stated["sign"] = signs | same
    return Linear((*linear.names, *names.values()), linear.prior, linear.source, linear.unit, **stated)


def without_feature(linear: Linear, k: int) -> Linear:
    """Return the family without one feature and what was stated of it."""
    name = linear.names[k]
    stated: dict[str, Any] = {
        key: {each: value for each, value in about.items() if each != name} for key, about in linear.statements.items()
    }
    if "ratio" in stated:
        pairs = zip(stated["ratio"].items(), linear.ratios, strict=True)
        stated["ratio"] = {pair: about for (pair, about), r in pairs if k not in (r.numerator, r.denominator)}
    units = {each: unit for each, unit in linear.unit.items() if each != name}
    rest = [each for each in linear.names if each != name]
    return Linear(rest, linear.prior, linear.source, units, **{key: about for key, about in stated.items() if about})


def table_with_signs(table: Table, linear: Linear, names: dict[int, str]) -> Table:
    """Return a table with the signs of features as columns.

    ``s_k(o)`` is the mean of ``sign(f_k(o) - f_k(o'))`` over the other options o' of the scene: 1 of two options for the
    greater, -1 for the lesser. 0 without other options.
    """
    signs = {k: np.zeros(table.n_items) for k in names}
    if table.has_options:
        for block in cues_of(linear, table).blocks():
            inside = np.ones(block.shape, bool) if block.options is None else block.options
            for k in names:
                signs[k][block.items[inside]] = _mean_sign(block, k, inside)[inside]
    added = {names[k]: Column(values) for k, values in signs.items()}
    return replace(table, columns={**table.columns, **added})


def _mean_sign(block: Block, k: int, inside: np.ndarray) -> np.ndarray:
    """Return ``s_k``: (option, scene)."""
    error = np.broadcast_to(block.error(k), block.shape)
    signs = np.sign(differences(block.reward(k), error, inside))
    out = np.zeros(block.shape)
    for sign, first, second in zip(signs, *np.triu_indices(len(out), 1), strict=True):
        out[first] += sign
        out[second] -= sign
    return out / np.maximum(inside.sum(axis=0) - 1, 1)


def feedback_with_signs(feedback: Sequence[Feedback], linear: Linear, names: dict[int, str]) -> list[Feedback]:
    """Return feedbacks whose tables have the signs of features as columns."""
    return [each.with_table(table_with_signs(each.items, linear, names)) for each in feedback]
