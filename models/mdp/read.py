"""Readers of the states and transitions of an MDP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of, is_digits, name_of
from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.readers.frames import columns_in
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.mdp.state_action_names import Named, by_label, within
from reward_hypotheses.models.mdp.transitions import Transitions

NEAR = 1e-9
"""How far from 1, or from 0, probabilities may add up; they are then divided by their sum."""
COLUMNS = ("action", "state", "next_state", "probability")
FORMS = (
    "an array (action, state, next_state), a sparse matrix (state, next_state) for each action, or a table with columns "
    "action, state, next_state, probability"
)


def _states(source: Any, name: str) -> tuple[Table, tuple[str, ...] | None]:
    """Read states: a table with one row for each state, and their names."""
    names = None
    if isinstance(source, Table):
        table = source
    else:
        if hasattr(source, "data_vars"):
            if "state" not in source.dims:
                raise InputError(f"{name}: dimensions {tuple(source.dims)}; the states of an MDP need 'state'")
            labels = source["state"].to_numpy() if "state" in source.coords else None
            if not source.data_vars:
                raise InputError(f"{name}: no variables over 'state'; the states of an MDP need at least one feature")
            source = {str(c): v.to_numpy() for c, v in source.data_vars.items() if v.dims == ("state",)} | (
                {} if labels is None else {"state": labels}
            )
        source = columns_in(source, name, ("state",))
        for reserved in RESERVED:
            if reserved in source:
                raise InputError(f"{name}: column {reserved!r} has no meaning for states; name the feature otherwise")
        table = as_table(source, name)
    for reserved in RESERVED:
        if reserved in table.columns or table.has_options or (reserved == "scene" and table.scene_names is not None):
            raise InputError(f"{name}: a state has no {reserved!r}; give one row a state, its features as columns")
    columns = dict(table.columns)
    if "state" in columns:
        column = columns.pop("state").names
        if column.missing().any():
            item = int(np.argmax(column.missing()))
            raise InputError(f"{table.source}: {table.where(item)}: column 'state' is missing; name every state")
        names = tuple(column.text(i) for i in range(table.n_items))
        seen: dict[str, int] = {}
        for i, state in enumerate(names):
            if state in seen:
                raise InputError(
                    f"{table.source}: state {state!r} stands twice, in {table.where(seen[state])} and {table.where(i)}; name each "
                    "state once"
                )
            seen[state] = i
    if not columns:
        raise InputError(f"{table.source}: the states have no feature; give at least one column besides 'state'")
    order = tuple(c for c in table.column_order if c != "state")
    return replace(table, columns=columns, column_order=order, scene_names=names, unit="state"), names


def read(data: Any, state: Named, actions: Sequence[Any] | None) -> tuple[Transitions, tuple[str, ...] | None]:
    """Read transitions of any form, and the names of the actions."""
    names = None if actions is None else _actions(actions)
    if hasattr(data, "columns") and not isinstance(data, Table):
        data = columns_in(data, "transitions", COLUMNS)
    source, row_of = "transitions", lambda i: f"row {i + 1}"
    if isinstance(data, Table):
        source, row_of, data = data.source, data.where, data.columns
    if isinstance(data, Mapping):
        entries, names = _listed(data, state, names, source, row_of)
    elif isinstance(data, (list, tuple)) and data and all(hasattr(matrix, "tocoo") for matrix in data):
        entries = _of_sparse(data, state)
    else:
        if hasattr(data, "dims"):
            data, names = _of_labels(data, state, names)
        entries = _of_array(data, state)
    action, here, there, p, n_actions = entries
    if names is not None and len(names) != n_actions:
        raise InputError(f"actions: {len(names)} names for {n_actions} actions; name each action once")
    known = Named("action", n_actions, names)

    def place(k: int) -> str:
        return f"transitions: action {known.name(int(action[k]))!r} in state {state.name(int(here[k]))!r}"

    wrong = ~((p >= 0) & (p <= 1 + NEAR))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise InputError(
            f"{place(k)}, to state {state.name(int(there[k]))!r}: {p[k]:g} is no probability; give a number from 0 to 1"
        )
    rows = action * state.n + here
    key = rows * state.n + there
    order = np.argsort(key, kind="stable")
    total = np.bincount(rows, p, minlength=n_actions * state.n)
    off = (np.abs(total - 1) > NEAR) & (total > NEAR)
    if off.any():
        row = int(np.argmax(off))
        more = int(off.sum()) - 1
        raise InputError(
            f"transitions: action {known.name(row // state.n)!r} in state {state.name(row % state.n)!r}: the probabilities add up "
            f"to {total[row]:.10g}; they must add up to 1, or to 0 where the episode ends"
            + (f" (and {more} more like it)" if more else "")
        )
    positive = order[(p[order] > 0) & (total[rows[order]] > NEAR)]
    rows = rows[positive]
    starts = np.searchsorted(rows, np.arange(n_actions * state.n + 1))
    return Transitions(n_actions, state.n, starts, there[positive], p[positive] / total[rows]), names


Entries = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]


def _actions(actions: Any) -> tuple[str, ...]:
    names = tuple(name_of(a) or "" for a in actions)
    if len(set(names)) < len(names):
        raise InputError(f"actions: {list(names)}; name each action once")
    return names


def _of_labels(array: Any, state: Named, names: tuple[str, ...] | None) -> tuple[Any, tuple[str, ...] | None]:
    """Put a DataArray of transitions into order by its labels.

    The order is (action, state, next_state), with states as in `state` and actions as in `names`.
    """
    dims = ("action", "state", "next_state")
    if set(array.dims) != set(dims):
        return array, names
    if "action" in array.coords:
        labels = _actions(array["action"].to_numpy().tolist())
        names = labels if names is None or set(names) != set(labels) else names
    known = Named("action", array.sizes["action"], names)
    return by_label("transitions", array, dims, {"action": known, "state": state, "next_state": state}), names


def _of_array(source: Any, state: Named) -> Entries:
    try:
        array = np.asarray(source, float)
    except (TypeError, ValueError):
        raise InputError(f"transitions: a {type(source).__name__} is none; give {FORMS}") from None
    if array.ndim != 3:
        raise InputError(f"transitions: shape {array.shape}; give {FORMS}")
    if array.shape[0] == 0 or array.shape[1:] != (state.n, state.n):
        raise InputError(
            f"transitions: shape {array.shape}; of {state.n} states it must be (action, {state.n}, {state.n}), with at least one "
            "action"
        )
    action, here, there = np.nonzero(array)  # what is not a number is not 0
    return action, here, there, array[action, here, there], len(array)


def _of_sparse(matrices: Sequence[Any], state: Named) -> Entries:
    parts = []
    for a, matrix in enumerate(matrices):
        if tuple(matrix.shape) != (state.n, state.n):
            raise InputError(
                f"transitions: the matrix of action {a} has shape {tuple(matrix.shape)}; of {state.n} states it must be "
                f"({state.n}, {state.n})"
            )
        entries = matrix.tocoo()
        here, there = np.asarray(entries.row, np.int64), np.asarray(entries.col, np.int64)
        parts.append((np.full(len(here), a), here, there, np.asarray(entries.data, float)))
    action, here, there, p = (np.concatenate(some) for some in zip(*parts, strict=True))
    return action, here, there, p, len(matrices)


def _listed(
    table: Mapping[Any, Any],
    state: Named,
    names: tuple[str, ...] | None,
    source: str,
    row_of: Callable[[int], str],
) -> tuple[Entries, tuple[str, ...] | None]:
    lacking = [c for c in COLUMNS if c not in table]
    if lacking:
        raise InputError(
            f"{source}: no column {lacking[0]!r}; {suggestion(lacking[0], table)}: a table of transitions has the columns "
            + ", ".join(COLUMNS)
        )
    columns = {c: v if isinstance(v := table[c], Column) else column_of(v, c) for c in COLUMNS}
    lengths = {c: len(v.values) for c, v in columns.items()}
    if len(set(lengths.values())) > 1 or not lengths["action"]:
        raise InputError(f"{source}: columns of lengths {lengths}; give one row a transition, and at least one")
    n = lengths["action"]
    named = {c: columns[c].names for c in COLUMNS[:3]}
    for name, column in (columns | named).items():
        if column.missing().any():
            raise InputError(
                f"{source}: {row_of(int(np.argmax(column.missing())))}: column {name!r} is missing; every row needs its {name}"
            )
    if columns["probability"].vocabulary is not None:
        raise InputError(f"{source}: column 'probability' holds text; give numbers from 0 to 1")
    texts = {c: [column.text(i) for i in range(n)] for c, column in named.items()}
    if names is None:
        names = tuple(dict.fromkeys(texts["action"]))
        if all(is_digits(a) for a in names):
            names = tuple(sorted(names, key=int))
    action = Named("action", len(names), names)
    places = []
    for key, known in zip(COLUMNS[:3], (action, state, state), strict=True):
        at: dict[str, int] = {}
        for i, text in enumerate(texts[key]):
            if text not in at:
                at[text] = within(f"{source}: {row_of(i)}: column {key!r}", known.place, text)
        places.append(np.array([at[text] for text in texts[key]], np.int64))
    code = (places[0] * state.n + places[1]) * state.n + places[2]
    order = np.argsort(code, kind="stable")
    again = np.flatnonzero(code[order][1:] == code[order][:-1])
    if again.size:
        i, j = int(order[again[0]]), int(order[again[0] + 1])
        raise InputError(
            f"{source}: {row_of(i)} and {row_of(j)}: action {texts['action'][i]!r} leads from state {texts['state'][i]!r} to "
            f"{texts['next_state'][i]!r} twice; give each transition once"
        )
    entries = (places[0], places[1], places[2], columns["probability"].values.astype(float), len(names))
    numbered = names == tuple(map(str, range(len(names))))
    return entries, None if numbered else names


def _trap(transitions: Transitions) -> int | None:
    """Return a state around which some policy stays for ever, or None.

    The state is in the largest set of states in which every state has an action that leads nowhere else. None: every
    policy ends the episode.
    """
    n, lengths = transitions.n_states, np.diff(transitions.starts)
    row = np.repeat(np.arange(len(lengths)), lengths)
    inside = np.ones(n, bool)
    while True:
        leaves = np.bincount(row, ~inside[transitions.next_state], minlength=len(lengths)) > 0
        stays = (~leaves & (lengths > 0)).reshape(-1, n).any(axis=0) & inside
        if (stays == inside).all():
            return int(np.argmax(stays)) if stays.any() else None
        inside = stays
