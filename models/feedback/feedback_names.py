"""Collections of feedbacks: their names and their tables.

Names prefix the variables of a tree.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.inference.nuisance_priors import Nuisance


def named(feedback: list[Feedback]) -> list[Feedback]:
    """Return the feedbacks with distinct names: the kind, then ``labels_2``.

    Raises
    ------
    InputError
        A name given to two feedbacks, or one that a variable of the tree cannot have.
    """
    taken: set[str] = set()
    for each in feedback:
        if each.name is not None:
            if each.name in taken:
                raise InputError(f"feedback name {each.name!r} stands twice; give each feedback a name of its own")
            taken.add(each.name)
    out = []
    for each in feedback:
        name, k = each.name, 1
        if name is None:
            name = each.kind
            while name in taken:
                k += 1
                name = f"{each.kind}_{k}"
            taken.add(name)
        out.append(replace(each, name=name))
    _check_names(out)
    return out


def _check_names(feedback: list[Feedback]) -> None:
    """Refuse names that would name two variables of a tree or of PyMC."""
    used = {"weight": "the weights", "value_prior": "the value prior"}
    for each in feedback:
        name = str(each.name)
        if "/" in name or name in ("chain", "draw", "hypothesis"):
            raise InputError(
                f"feedback name {name!r} cannot name a variable of a tree; give one without '/', other than chain, draw and "
                "hypothesis"
            )
        for key, prior in each.nuisances.items():
            if not isinstance(prior, Nuisance):
                raise InputError(
                    f"{name}: the prior of nuisance {key!r} is {shown(prior)}; it must be a Nuisance, such as InverseGamma(2, 1)"
                )
        inside = ("inputs", "observed", "counts", "likelihood", "item", "class", "cell")
        variables = [each.variable(key) for key in each.nuisances]
        if each.shares is not None:
            who = f"human {each.shares!r}"
            for variable in variables:
                if used.setdefault(variable, who) != who:
                    raise InputError(
                        f"{who}: its {variable!r} is also a name of {used[variable]}; name one of them otherwise"
                    )
            variables = []
        for variable in (*variables, *(f"{name}_{key}" for key in inside)):
            if variable in used:
                raise InputError(
                    f"feedback {name!r}: its {variable!r} is also a name of {used[variable]}; name it otherwise"
                )
            used[variable] = f"feedback {name!r}"


def by_table(feedback: Sequence[Feedback]) -> list[list[int]]:
    """Group feedbacks by table and counts.

    Returns the positions of the feedbacks on one table with one column of counts, table by table.
    """
    groups: dict[Any, list[int]] = {}
    for k, each in enumerate(feedback):
        groups.setdefault((each.table.digest, None if each.item_counts is None else each.count), []).append(k)
    return list(groups.values())


def rows_used(uses: Sequence[Feedback]) -> tuple[Table, np.ndarray]:
    """Return the items used by feedbacks on one table, and their counts.

    An item counts as used where any of the feedbacks uses that item. The counts are (item,).
    """
    table, used = uses[0].table, np.zeros(uses[0].table.n_items, bool)
    counts = np.ones(table.n_items)
    for each in uses:
        items = np.ones(table.n_items, bool) if each.used is None else each.used
        used |= items
        if each.item_counts is not None:
            counts[items] = each.item_counts
    return (table, counts) if used.all() else (table.subset(used), counts[used])
