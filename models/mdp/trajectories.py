"""Trajectories in an MDP: read, checked against the transitions, simulated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.data.column import Column, column_of, name_of
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import count_of
from reward_hypotheses.data.readers.frames import columns_in
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.state_action_names import within

COLUMNS = ("trajectory", "step", "state", "action")
NOTHING = ("", "NA", "NaN", "nan", "None")


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Steps of trajectories, one after another.

    Attributes
    ----------
    trajectory : ndarray (step,) of int
        Position of the step's trajectory, from 0.
    step : ndarray (step,) of int
        Position of the step in its trajectory, from 0.
    state, action : ndarray (step,) of int
        The action is -1 where the episode has ended and no action was named.
    names : tuple of str
        Names of the trajectories.
    counts : ndarray (trajectory,), optional
        How often each trajectory was made. Default: once.
    """

    trajectory: np.ndarray
    step: np.ndarray
    state: np.ndarray
    action: np.ndarray
    names: tuple[str, ...]
    counts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)


def trajectories_of(mdp: MDP, source: Any, count: Any = None) -> Trajectories:
    """Read trajectories from lists of (state, action) or from a table.

    Parameters
    ----------
    source : Trajectories, sequence of sequences of (state, action), Table, DataFrame or mapping of columns
        A table has the columns ``trajectory``, ``step``, ``state``, ``action``.
    count : str or sequence of int, optional
        How often each trajectory was made: the column of the table that says so, or one number for each trajectory.

    Raises
    ------
    InputError
        No trajectory, an empty trajectory, an unknown state or action, a step that an action cannot lead to, a step
        after the episode has ended. The message names trajectory and step.
    """
    if isinstance(source, Trajectories):
        return source
    counts: np.ndarray | None = None
    if isinstance(source, Table):
        parts, counts = _of_table(source.columns, source.source, count)
    elif isinstance(source, Mapping) or hasattr(source, "columns"):
        parts, counts = _of_table(columns_in(source, "trajectories", COLUMNS), "trajectories", count)
    else:
        parts = _of_lists(source)
    if count is not None and counts is None:
        counts = _counted(count, len(parts))
    columns: dict[str, list[int]] = {key: [] for key in COLUMNS}
    names = []
    for i, (name, where, steps) in enumerate(parts):
        if not steps:
            raise InputError(f"{where}: is empty; give at least one (state, action), or leave the trajectory out")
        names.append(name)
        for t, (state, action) in enumerate(steps):
            at = f"{where}, step {t}"
            s = within(at, mdp.state.place, state)
            a = -1 if mdp.ended[s] and name_of(action) in (None, *NOTHING) else within(at, mdp.action.place, action)
            for key, value in zip(COLUMNS, (i, t, s, a), strict=True):
                columns[key].append(value)
    if not names:
        raise InputError("trajectories: there is none; give a list of them, each a list of (state, action)")
    which, step, state, action = (np.array(columns[key], np.int64) for key in COLUMNS)
    made = Trajectories(which, step, state, action, tuple(names), counts)
    _check_moves(mdp, made, [where for _, where, _ in parts])
    return made


NamedSteps = tuple[str, str, list[tuple[Any, Any]]]


def _is_listed(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))


def _of_lists(lists: Any) -> list[NamedSteps]:
    if not _is_listed(lists):
        raise InputError(
            f"trajectories: {shown(lists)}; give a list of trajectories, each a list of (state, action), or a table with columns "
            + ", ".join(COLUMNS)
        )
    parts = []
    for i, trajectory in enumerate(lists):
        where = f"trajectory {i}"
        if not _is_listed(trajectory):
            raise InputError(f"{where}: {shown(trajectory)} is none; give a list of (state, action)")
        steps = []
        for t, step in enumerate(trajectory):
            if not _is_listed(step) or len(step) != 2:
                raise InputError(f"{where}, step {t}: {shown(step)} is no step; give a pair (state, action)")
            steps.append((step[0], step[1]))
        parts.append((str(i), where, steps))
    return parts


def _counted(count: Any, n: int) -> np.ndarray:
    """Read how often each of n trajectories was made, from numbers: (trajectory,)."""
    right = f"give one whole number from 1 to 10^12 for each of the {n} trajectories"
    if isinstance(count, str) or not isinstance(count, (Sequence, np.ndarray)):
        raise InputError(f"count: {shown(count)}; {right}; a column can be named where the trajectories are a table")
    if len(count) != n:
        raise InputError(f"count: {len(count)} numbers; {right}")
    for i, value in enumerate(count):
        if count_of(value) is None:
            raise InputError(f"count: trajectory {i}: {shown(value)}; {right}")
    return np.array([float(value) for value in count])


def _counts_of(column: Column, of_rows: Mapping[str, list[int]], name: str, source: str) -> np.ndarray:
    """Read how often each trajectory was made, from a column: (trajectory,).

    The column must hold one whole number in all rows of a trajectory.
    """
    out = []
    for trajectory, rows in of_rows.items():
        texts = [column.text(row).strip() for row in rows]
        if len(set(texts)) > 1:
            raise InputError(
                f"{source}: trajectory {trajectory!r}: column {name!r} is {texts[0]!r} and {next(t for t in texts if t != texts[0])!r}; "
                "it says how often the trajectory was made, so it must be constant in a trajectory"
            )
        number = None if column.is_text or column.missing()[rows[0]] else count_of(float(column.values[rows[0]]))
        if number is None:
            raise InputError(
                f"{source}: trajectory {trajectory!r}: column {name!r} is {texts[0]!r}; it says how often the trajectory was made, a "
                "whole number from 1 to 10^12"
            )
        out.append(number)
    return np.array(out)


def _of_table(cells: Mapping[str, Any], source: str, count: Any = None) -> tuple[list[NamedSteps], np.ndarray | None]:
    lacking = [c for c in COLUMNS if c not in cells]
    if lacking:
        raise InputError(
            f"{source}: no column {lacking[0]!r}; {suggestion(lacking[0], cells)}: a table of trajectories has the columns "
            + ", ".join(COLUMNS)
        )
    if isinstance(count, str) and count not in cells:
        raise InputError(f"{source}: no column {count!r}; {suggestion(count, cells)}")
    used = [c for c in (*COLUMNS, count, "scene_weight") if isinstance(c, str) and c in cells]
    columns = {c: v if isinstance(v := cells[c], Column) else column_of(v, c) for c in used}
    n = len(columns["step"].values)
    weight = columns.get("scene_weight")
    if weight is not None and count != "scene_weight" and len(set(map(weight.text, range(n)))) > 1:
        raise InputError(
            f"{source}: column 'scene_weight' is not the same everywhere; if it says how often each trajectory was made, write "
            'count = "scene_weight"; otherwise leave the column out, for feedback does not weigh scenes'
        )
    if columns["step"].vocabulary is not None:
        raise InputError(f"{source}: column 'step' holds text; number the steps of each trajectory from 0 or 1 on")
    by_name: dict[str, list[tuple[float, Any, Any]]] = {}
    named = {c: columns[c].names for c in COLUMNS if c != "step"}
    gone = named["trajectory"].missing() | columns["step"].missing()
    if gone.any():
        raise InputError(
            f"{source}: row {int(np.argmax(gone)) + 1}: its trajectory or step is missing; every row needs both"
        )
    rows: dict[str, list[int]] = {}
    for i in range(n):
        name, state, action = (named[c].text(i) for c in ("trajectory", "state", "action"))
        by_name.setdefault(name, []).append((float(columns["step"].values[i]), state, action))
        rows.setdefault(name, []).append(i)
    parts = []
    for name, steps in by_name.items():
        steps.sort(key=lambda step: step[0])
        numbers = [step for step, _, _ in steps]
        for before, after in zip(numbers[:-1], numbers[1:], strict=True):
            if after != before + 1:
                raise InputError(
                    f"{source}: trajectory {name!r}: step {after:g} comes after step {before:g}; number its steps one by one, "
                    "each once"
                )
        parts.append((name, f"{source}: trajectory {name!r}", [(state, action) for _, state, action in steps]))
    return parts, _counts_of(columns[count], rows, count, source) if isinstance(count, str) else None


def _check_moves(mdp: MDP, made: Trajectories, where: list[str]) -> None:
    """Refuse steps that no action leads to, and steps after the end."""
    n = mdp.n_states
    inner = np.flatnonzero(made.trajectory[1:] == made.trajectory[:-1])
    here, action, there = made.state[inner], made.action[inner], made.state[inner + 1]
    over = mdp.ended[here]
    ended = over | mdp.transitions.ends[action, here]
    rows = np.repeat(np.arange(mdp.n_actions * n), np.diff(mdp.transitions.starts))
    can = np.isin((action * n + here) * n + there, rows * n + mdp.transitions.next_state)
    wrong = ended | ~can
    if not wrong.any():
        return
    k = int(np.argmax(wrong))
    i = int(inner[k])
    at = f"{where[int(made.trajectory[i])]}, step {int(made.step[i])}"
    state, to = mdp.state.name(int(here[k])), mdp.state.name(int(there[k]))
    name = mdp.action.name(int(action[k]))
    if over[k]:
        raise InputError(
            f"{at}: the episode has ended in state {state!r}, and the trajectory goes on; end it there, or start another one"
        )
    if ended[k]:
        raise InputError(
            f"{at}: action {name!r} in state {state!r} ends the episode, and the trajectory goes on; end it there, or start "
            "another one"
        )
    leads = mdp.transitions.next_state[
        mdp.transitions.starts[action[k] * n + here[k]] : mdp.transitions.starts[action[k] * n + here[k] + 1]
    ]
    shown_states = ", ".join(repr(mdp.state.name(int(s))) for s in leads[:8]) + (" ..." if len(leads) > 8 else "")
    raise InputError(
        f"{at}: action {name!r} in state {state!r} cannot lead to state {to!r}, where the trajectory goes on; it leads to "
        f"{shown_states}"
    )


def sampled(
    mdp: MDP, policy: np.ndarray, start: np.ndarray, n: int, steps: int, rng: np.random.Generator
) -> Iterator[list[tuple[int, int]]]:
    """Simulate n trajectories of a policy, each until its episode ends.

    Parameters
    ----------
    policy : ndarray (state, action)
        Probabilities of the actions.
    start : ndarray (state,)
        Probabilities of the first state.
    n : int
        Number of trajectories.
    steps : int
        Largest number of steps of a trajectory.

    Yields
    ------
    list of (int, int)
        State and action of each step.
    """
    index, weight = mdp.transitions.padded
    for _ in range(n):
        state = int(rng.choice(mdp.n_states, p=start))
        made = []
        for _ in range(steps):
            action = int(rng.choice(mdp.n_actions, p=policy[state]))
            made.append((state, action))
            row = action * mdp.n_states + state
            if mdp.transitions.ends[action, state]:
                break
            state = int(index[row, np.searchsorted(np.cumsum(weight[row]), rng.random() * weight[row].sum())])
        yield made
