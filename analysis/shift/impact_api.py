"""Impact of what a fitted tree's agent does on a test, beside what the values say of it: a labelled layer over the arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.shift import impact as arrays
from reward_hypotheses.analysis.shift.features import usable_features
from reward_hypotheses.analysis.shift.worst_case_api import feedback_columns
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite
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
    level: float = arrays.LEVEL,
    features: Sequence[str] | None = None,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Hold a measure of impact, which knows no values, against what the values call a catastrophe.

    Impact is how far the features of an outcome (the option that the agent takes) lie from what training saw: with m and S
    mean and covariance of training's items, ``d(x)^2 = (x - m)' S^+ (x - m)``, infinite where ``x - m`` leaves the range of S
    (a feature that training held constant, or tied to others, no longer is). It is flagged where fewer than ``1 - level`` of
    training's items are at least as far, so that at most so many of training's own are. Or a column says how large it is.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    test : Dataset, DataFrame or dict of arrays
        Where the agent acts.
    training : Dataset, DataFrame or dict of arrays, or a list of them
        What training saw, every item of it; not needed with a threshold.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`.
    column : str, optional
        A column that holds the impact of an item, the larger the more, instead of the distance.
    threshold : float, optional
        With `column`: flagged above this; unless given, where fewer than ``1 - level`` of training's items have as much.
    level : float
        Above 0 and below 1.
    features : sequence of str, optional
        Columns to measure the distance in; unless given all that training and test share, hold numbers or booleans without a
        gap, and are no feedback's.

    Returns
    -------
    Dataset
        ``agreement`` (impact, values): shares of what the agent does, scenes by their weights, that are flagged or passed by
        impact, and a catastrophe or fine by the values (each outcome by the judge's weights); with ``abstained`` they add up
        to 1. ``false_alarms``, the share of the flagged that is fine, and ``missed``, the share of catastrophes that passes;
        NaN where there are none. Where evidence was sampled, ``agreement_mcse``. Over ``example``, up to three for each
        disagreement, the plainest first: ``impact_says``, ``scene``, ``option`` ("" where there is none), ``distance``,
        ``as_far`` (share of training), ``catastrophe`` (the judge's probability), ``words``.

    Raises
    ------
    InputError
        What is wrong with the tree, the tables or the column, or no feature to measure by.
    """
    if threshold is not None and column is None:
        raise InputError("threshold: it is of a column; name the one that holds the impact, column=")
    above, share = finite(threshold), finite(level)
    if threshold is not None and above is None:
        raise InputError(f"threshold: {shown(threshold)}; give a finite number")
    if share is None or not 0 < share < 1:
        raise InputError(f"level: {shown(level)}; give a share of training, above 0 and below 1, such as 0.95")
    if training is None and threshold is None:
        raise InputError("training: give the table that training saw, or a column with a threshold")
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    table = case.valuation.table
    given = list(training) if isinstance(training, (list, tuple)) else [] if training is None else [training]
    seen = [tested(one, tree) for one in given]
    names = _features(tree, case, seen, column, features)
    if column is not None:
        found = arrays.impact_by_column(seen, table, column, above, share)
    else:
        found = arrays.impact_of(seen, table, names, share)

    def measured(case: Case) -> dict[str, Any]:
        return arrays.agreement(case.rollout, found.flagged)

    acted = case.rollout
    agreed = arrays.agreement(acted, found.flagged)
    items = [(row, i) for row in ("flagged", "passed") for i in arrays.examples(acted, found, row, LISTED)]
    which = [i for _, i in items]
    places = [arrays.place(table, i) for i in which]
    dims = ("impact", "values")
    out = xr.Dataset(
        {
            "agreement": (dims, _square(agreed)),
            "abstained": max(1.0 - float(acted.mass().sum()), 0.0) if case.policy.abstain else 0.0,
            "false_alarms": arrays.false_alarms(agreed),
            "missed": arrays.missed(agreed),
            "impact_says": ("example", np.array([row for row, _ in items], dtype=str)),
            "scene": ("example", np.array([scene for scene, _ in places], dtype=str)),
            "option": ("example", np.array([option for _, option in places], dtype=str)),
            "distance": ("example", found.distance[which]),
            "as_far": ("example", found.as_far[which]),
            "catastrophe": ("example", acted.bad[which]),
            "words": ("example", np.array([arrays.described(table, i, names) for i in which], dtype=str)),
        },
        coords={"impact": ["flagged", "passed"], "values": ["catastrophe", "fine"]},
        attrs={"features": names, "level": share, "policy": case.policy.name},
    )
    if not case.exact:
        errors = case.standard_errors(measured)
        out["agreement_mcse"] = (dims, _square(errors))
    return out


def _square(agreed: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
    return np.array(
        [[agreed[row][column] for column in ("catastrophe", "fine")] for row in ("flagged", "passed")], float
    )


def _features(
    tree: xr.DataTree, case: Case, seen: Sequence[Table], column: str | None, given: Sequence[str] | None
) -> list[str]:
    """Which columns the distance is in, or the one that is named."""
    tables = [*seen, case.valuation.table]
    if column is not None and given is not None:
        raise InputError("column, features: both are given; give the column that holds the impact, or features")
    if column is None and given is None:
        names = usable_features(tables, case.posterior.hypotheses, feedback_columns(tree))
        if not names:
            raise InputError(
                "features: training and test share no column of numbers; name one that says the impact, column="
            )
        return names
    asked = [column] if column is not None else [given] if isinstance(given, str) else list(given or ())
    if not asked:
        raise InputError("features: none are given; name at least one column")
    what, usable = "column" if column is not None else "features", usable_features(tables)
    for name in asked:
        for table in tables:
            if name not in table.columns:
                raise InputError(
                    f"{what}: no column {name!r} in {table.source}; {suggestion(str(name), table.columns)}"
                )
            if name not in usable:
                failing = table.failing()
                table.numbers(name, None if failing is None else ~failing)  # says what is wrong with it
        if name not in usable:
            raise InputError(f"{what}: {name!r} has a meaning of its own; {suggestion(name, usable)}")
    return list(dict.fromkeys(asked))
