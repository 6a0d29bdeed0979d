"""Impact of a fitted tree's agent on a test, as a labelled Dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.shift.impact_measure import (
    LEVEL,
    Impact,
    agreement,
    described,
    examples,
    false_alarms,
    impact_by_column,
    impact_of,
    missed,
    place,
)
from reward_hypotheses.analysis.shift.numeric_features import check_features, usable_features
from reward_hypotheses.analysis.shift.worst_case_api import feedback_columns
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, share
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import tested

LISTED = 3


def impact(
    tree: xr.DataTree,
    test: Any,
    training: Any = None,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    column: str | None = None,
    threshold: float | None = None,
    level: float = LEVEL,
    features: Sequence[str] | None = None,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Compare a measure of impact with the catastrophes that the values define.

    Impact knows no values. It is the distance between the features of an outcome (the option that the agent takes) and
    training. With m and S the mean and covariance of training's items, ``d(x)^2 = (x - m)' S^+ (x - m)``. The distance is
    infinite where ``x - m`` leaves the range of S: a feature that was constant in training, or tied to other features,
    no longer is. An outcome is flagged where less than ``1 - level`` of training's items are at least as far. So at most
    ``1 - level`` of training's own items are flagged. Alternatively a column holds the impact.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    test : Dataset, DataFrame or dict of arrays
        Where the agent acts.
    training : Dataset, DataFrame or dict of arrays, or a list of them
        Every item of training; not needed with a threshold.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`.
    column : str, optional
        A column that holds the impact of an item, used instead of the distance. Larger is more.
    threshold : float, optional
        Only with `column`: impact above which an item is flagged. By default an item is flagged where less than
        ``1 - level`` of training's items have at least as much impact.
    level : float
        Above 0 and below 1.
    features : sequence of str, optional
        Columns in which the distance is measured. By default all columns of numbers or booleans without a gap that training
        and test share, except those of feedback.

    Returns
    -------
    Dataset
        ``agreement`` (impact, values): shares of the agent's choices that impact flags or passes, and that are a catastrophe
        or fine by the judge's weights. Scenes count by their weights. With ``abstained`` the shares add up to 1.
        ``false_alarms``: share of the flagged that is fine. ``missed``: share of catastrophes that passes. Both are NaN
        where there are none. ``agreement_mcse`` where evidence was sampled. Over ``example``, up to three for each
        disagreement, clearest first: ``impact_says``, ``scene``, ``option`` ("" without options), ``distance``, ``as_far``
        (share of training), ``catastrophe`` (the judge's probability), ``words``.

    Raises
    ------
    InputError
        A problem of the tree, the tables or the column, or no usable feature.
    """
    if threshold is not None and column is None:
        raise InputError("threshold: it is of a column; name the one that holds the impact, column=")
    above = finite(threshold)
    if threshold is not None and above is None:
        raise InputError(f"threshold: {shown(threshold)}; give a finite number")
    advice = "give a share of training, above 0 and below 1, such as 0.95"
    level = share(level, "level", advice, include_one=False)
    if training is None and threshold is None:
        raise InputError("training: give the table that training saw, or a column with a threshold")
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    tables = list(training) if isinstance(training, (list, tuple)) else [] if training is None else [training]
    seen = [tested(table, tree) for table in tables]
    names = _features(tree, case, seen, column, features)
    if column is not None:
        of_items = impact_by_column(seen, case.valuation.table, column, above, level)
    else:
        of_items = impact_of(seen, case.valuation.table, names, level)
    return _dataset(case, of_items, names, level)


def _dataset(case: Case, of_items: Impact, features: Sequence[str], level: float) -> xr.Dataset:
    """Return the agreement of impact and values, with examples of disagreement."""

    def measured(case: Case) -> dict[str, Any]:
        return agreement(case.rollout, of_items.flagged)

    acted, agreed = case.rollout, measured(case)
    items = [(row, i) for row in ("flagged", "passed") for i in examples(acted, of_items, row, LISTED)]
    which = [i for _, i in items]
    places = [place(acted.table, i) for i in which]
    texts = {
        "impact_says": [row for row, _ in items],
        "scene": [scene for scene, _ in places],
        "option": [option for _, option in places],
    }
    dims = ("impact", "values")
    out = xr.Dataset(
        {
            "agreement": (dims, _square(agreed)),
            "abstained": max(1.0 - float(acted.mass().sum()), 0.0) if case.policy.abstain else 0.0,
            "false_alarms": false_alarms(agreed),
            "missed": missed(agreed),
            **{key: ("example", np.array(text, dtype=str)) for key, text in texts.items()},
            "distance": ("example", of_items.distance[which]),
            "as_far": ("example", of_items.as_far[which]),
            "catastrophe": ("example", acted.bad[which]),
            "words": ("example", np.array([described(acted.table, i, features) for i in which], dtype=str)),
        },
        coords={"impact": ["flagged", "passed"], "values": ["catastrophe", "fine"]},
        attrs={"features": list(features), "level": level, "policy": case.policy.name},
    )
    if not case.exact:
        out["agreement_mcse"] = (dims, _square(case.standard_errors(measured)))
    return out


def _square(agreed: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    rows = [[agreed[row][column] for column in ("catastrophe", "fine")] for row in ("flagged", "passed")]
    return np.array(rows, float)


def _features(
    tree: xr.DataTree, case: Case, seen: Sequence[Table], column: str | None, features: Sequence[str] | None
) -> list[str]:
    """Return the columns of the distance, or the column that holds the impact."""
    tables = [*seen, case.valuation.table]
    if column is not None and features is not None:
        raise InputError("column, features: both are given; give the column that holds the impact, or features")
    if column is None and features is None:
        names = usable_features(tables, case.posterior.hypotheses, feedback_columns(tree))
        if not names:
            raise InputError(
                "features: training and test share no column of numbers; name one that says the impact, column="
            )
        return names
    asked = [column] if column is not None else [features] if isinstance(features, str) else list(features or ())
    if not asked:
        raise InputError("features: none are given; name at least one column")
    check_features(tables, asked, "column" if column is not None else "features")
    return list(dict.fromkeys(asked))
