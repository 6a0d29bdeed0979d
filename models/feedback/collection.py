"""Names of feedbacks, which prefix their variables in a tree."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.inference.nuisance_priors import Nuisance


def named(feedback: list[Feedback]) -> list[Feedback]:
    """Give each feedback a name of its own: its kind, then ``labels_2``.

    Raises
    ------
    InputError
        A name given to two feedbacks.
    """
    taken: set[str] = set()
    for one in feedback:
        if one.name is not None:
            if one.name in taken:
                raise InputError(f"feedback name {one.name!r} stands twice; give each feedback a name of its own")
            taken.add(one.name)
    out = []
    for one in feedback:
        name, k = one.name, 1
        if name is None:
            name = one.kind
            while name in taken:
                k += 1
                name = f"{one.kind}_{k}"
            taken.add(name)
        out.append(replace(one, name=name))
    _check_names(out)
    return out


def _check_names(feedback: list[Feedback]) -> None:
    """Refuse names that would be two things at once in a tree or in PyMC."""
    used = {"weight": "the weights", "value_prior": "the value prior"}
    for one in feedback:
        name = str(one.name)
        if "/" in name or name in ("chain", "draw", "hypothesis"):
            raise InputError(
                f"feedback name {name!r} cannot name a variable of a tree; give one without '/', other than chain, draw and "
                "hypothesis"
            )
        for key, prior in one.nuisances.items():
            if not isinstance(prior, Nuisance):
                raise InputError(
                    f"{name}: the prior of nuisance {key!r} is {shown(prior)}; it must be a Nuisance, such as InverseGamma(2, 1)"
                )
        inside = ("inputs", "observed", "counts", "likelihood", "item", "class", "cell")
        own = [one.variable(key) for key in one.nuisances]
        if one.shares is not None:
            who = f"human {one.shares!r}"
            for variable in own:
                if used.setdefault(variable, who) != who:
                    raise InputError(
                        f"{who}: its {variable!r} is also a name of {used[variable]}; name one of them otherwise"
                    )
            own = []
        for variable in (*own, *(f"{name}_{key}" for key in inside)):
            if variable in used:
                raise InputError(
                    f"feedback {name!r}: its {variable!r} is also a name of {used[variable]}; name it otherwise"
                )
            used[variable] = f"feedback {name!r}"


def by_table(feedback: Sequence[Feedback]) -> list[list[int]]:
    """Positions of the feedbacks on the same table with the same counts, table by table."""
    found: dict[Any, list[int]] = {}
    for k, one in enumerate(feedback):
        found.setdefault((one.table.digest, None if one.item_counts is None else one.count), []).append(k)
    return list(found.values())


def rows_used(uses: Sequence[Feedback]) -> tuple[Table, np.ndarray]:
    """Items that some of the feedbacks on one table use, and how often each stands there, (item,)."""
    table, used = uses[0].table, np.zeros(uses[0].table.n_items, bool)
    counts = np.ones(table.n_items)
    for one in uses:
        mine = np.ones(table.n_items, bool) if one.used is None else one.used
        used |= mine
        if one.item_counts is not None:
            counts[mine] = one.item_counts
    return (table, counts) if used.all() else (table.subset(used), counts[used])
