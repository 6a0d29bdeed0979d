"""Expected reward against risk, policy by policy."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reward_hypotheses.analysis.case import AgentLike
    from reward_hypotheses.models.policies.base import Policy

NAMED = 34
"""Characters of a label beside a mark."""


class Mark(NamedTuple):
    """The place of a mark, and the style of its label."""

    risk: float
    reward: float
    look: Mapping[str, Any]


def draw_frontier(
    ax: "Axes",
    risk: np.ndarray,
    reward: np.ndarray,
    abstain: Sequence[bool],
    own: Sequence[bool],
    efficient: Sequence[bool],
    policy: Sequence[Hashable],
) -> "list[Mark]":
    """Draw a mark for every policy, and the stairs of the efficient ones.

    Policies whose marks would overlap share one mark. A dotted line joins a policy that must act to the same policy that
    may abstain.

    Parameters
    ----------
    risk, reward : ndarray (policy,)
        Shares of scenes; reward units a scene.
    abstain, own, efficient : sequence of bool (policy,)
        Whether a policy may abstain, whether it is the agent's own, and whether no other is safer and earns as much.
    policy : sequence (policy,)
        Equal for two policies that differ in their permission to abstain alone.

    Returns
    -------
    list of Mark
        In the order of `groups_of`, for `label_marks`.
    """
    acting = {policy[k]: k for k in range(len(risk)) if not abstain[k]}
    for k in range(len(risk)):
        other = acting.get(policy[k])
        if abstain[k] and other is not None:
            ends = [risk[other], risk[k]], [reward[other], reward[k]]
            ax.plot(*ends, color=style.MUTED, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    stairs = sorted({(float(risk[k]), float(reward[k])) for k in range(len(risk)) if efficient[k]})
    if stairs:
        ax.step(*zip(*stairs, strict=True), where="post", color=style.BLUE, linewidth=1.2, zorder=2)
    marks = []
    for members in groups_of(risk, reward):
        mine = next((k for k in members if own[k]), None)
        among = any(efficient[k] for k in members)
        color = style.VERMILION if mine is not None else style.BLUE if among else style.MUTED
        face = "white" if all(abstain[k] for k in members) else color
        k = members[0] if mine is None else mine
        form, order = ("o", 4) if mine is None else ("D", 5)
        ax.plot(risk[k], reward[k], form, markerfacecolor=face, markeredgecolor=color, zorder=order)
        marks.append(Mark(float(risk[k]), float(reward[k]), look_of(mine is not None, among)))
    style.shares_axis(ax, "catastrophe risk (% of scenes)", most=max(float(risk.max()), 0.01))
    ax.set_ylabel("expected reward (units per scene)")
    ax.margins(y=0.12)
    ax.grid(visible=False)
    style.key(ax, "o", style.MUTED, "must act")
    style.key(ax, "o", style.MUTED, "may abstain", hollow=True)
    style.key(ax, "D", style.VERMILION, "this agent's policy")
    ax.plot([], [], color=style.BLUE, marker="o", label="no other is safer and earns as much")
    return marks


def groups_of(risk: np.ndarray, reward: np.ndarray) -> list[list[int]]:
    """Return groups of policies whose marks would overlap.

    The best rewarded group comes first.
    """
    span = max(float(np.ptp(reward)), 1e-12)
    groups: list[list[int]] = []
    for k in range(len(risk)):
        for group in groups:
            apart = (risk[k] - risk[group[0]]) / 0.012, (reward[k] - reward[group[0]]) / (0.015 * span)
            if math.hypot(*apart) < 1:
                group.append(k)
                break
        else:
            groups.append([k])
    return sorted(groups, key=lambda group: -float(reward[group[0]]))


def look_of(own: bool, efficient: bool) -> dict[str, Any]:
    """Return the style in which a mark is named."""
    if own:
        return {"fontsize": style.SMALL, "color": style.VERMILION, "fontweight": "bold"}
    return {"fontsize": style.SMALL, "color": style.INK if efficient else style.MUTED, "fontweight": "normal"}


def label_marks(ax: "Axes", labels: Sequence[str], marks: "Sequence[Mark]") -> None:
    """Name the marks, each label near its mark and clear of all others.

    A mark with an empty label has none.
    """
    drawing = ax.get_figure(root=True)
    assert drawing is not None
    drawing.draw_without_rendering()  # so that it is known where the marks are
    scale = 72 / drawing.dpi
    at = ax.transData.transform(np.array([(mark.risk, mark.reward) for mark in marks])) * scale
    low, high = ax.get_window_extent().get_points() * scale
    taken = [(place, np.array([4.0, 4.0])) for place in at]
    around = [
        r * np.array([math.cos(angle), math.sin(angle)])
        for r in (10.0, 12.0, 15.0, 20.0, 26.0, 33.0, 41.0, 50.0, 60.0, 75.0)
        for angle in np.pi / 4 + np.pi / 8 * np.arange(16)
    ]

    def clear(middle: np.ndarray, half: np.ndarray) -> bool:
        inside = bool((middle - half > low).all() and (middle - half < high + (2, 0)).all())
        inside = inside and (half[0] < 8 or bool((middle + half < high).all()))
        return inside and all((np.abs(middle - other) >= half + size).any() for other, size in taken)

    for label, place, mark in zip(labels, at, marks, strict=True):
        if not label:
            continue
        half = np.array([max(5.5, 2.0 * len(label)), 5.0])
        shifts = [by + np.sign(by) * (half - (5.5, 5.0)) * (np.abs(by) > 1) for by in around]
        by = next((shift for shift in shifts if clear(place + shift, half)), shifts[0])
        taken.append((place + by, half))
        line = {"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}
        far = np.hypot(*np.maximum(np.abs(by) - half + (5.5, 5.0), 0)) > 13
        text = ax.annotate(
            label,
            (mark.risk, mark.reward),
            tuple(by),
            textcoords="offset points",
            ha="center",
            va="center",
            arrowprops=line if far else None,
            annotation_clip=False,
            zorder=6,
            **mark.look,
        )
        text.set_in_layout(False)


def plot_frontier(
    fitted: Any,
    test: Any = None,
    policy: "Policy | None" = None,
    agent: "AgentLike" = None,
    *,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "Axes":
    """Plot expected reward against catastrophe risk of every built-in policy.

    All policies act by the agent's weights; the judge's weights say what counts as good. The expected reward adds up
    rewards of different hypotheses without rescaling them, which sets an exchange rate between them.

    Parameters
    ----------
    fitted : DataTree or dict
        From `fit`, with a test; or the results document of `run`.
    test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`, with a tree; the test is a table.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Risk in percent of the test's scenes; reward in reward units a scene.

    Raises
    ------
    InputError
        An argument of another kind, results without a test, or a test missing; the reasons of `catastrophe_risk`.
    """
    from reward_hypotheses.analysis.case import case_of
    from reward_hypotheses.analysis.report.phrases import policy_name
    from reward_hypotheses.analysis.results.results import is_results, results_of, tree_of
    from reward_hypotheses.analysis.risk.frontier import frontier, frontier_document

    if is_results(fitted):
        if test is not None:
            raise InputError("test: the results document has the risk on its test; leave test out")
        entries = list(results_of(fitted, "frontier", "frontier of policies")["frontier"])
    else:
        tree_of(fitted)
        if test is None:
            raise InputError("test: missing; give the table on which the policies are compared")
        case = case_of(fitted, test, policy, agent, agent_fail_utility, hypotheses)
        entries = frontier_document(frontier(case.valuation, case.policy, case.agent_weights, case.judge_weights))
    entries = [entry for entry in entries if entry["risk"] is not None]
    short = [policy_name(entry) for entry in entries]
    names = [name + (", may abstain" if entry["abstain"] else "") for name, entry in zip(short, entries, strict=True)]
    risk, reward = (np.array([entry[key] for entry in entries], float) for key in ("risk", "reward"))
    abstain, own, best = ([bool(entry[key]) for entry in entries] for key in ("abstain", "own", "efficient"))
    with style.canvas(ax, figsize, (style.WIDTH + 0.6, 3.8)) as drawing:
        same = [(entry["policy"], str(entry["settings"])) for entry in entries]
        marks = draw_frontier(drawing, risk, reward, abstain, own, best, same)
        style.titled(drawing, _finding(entries, names), columns=2)
        label_marks(drawing, [_label(group, short, own, best) for group in groups_of(risk, reward)], marks)
    return drawing


def _label(group: Sequence[int], names: Sequence[str], own: Sequence[bool], efficient: Sequence[bool]) -> str:
    """Return the label of a mark, and how many policies share it.

    It names the agent's own policy, or an efficient one; the label of other marks is empty.
    """
    first = next((k for k in group if own[k]), next((k for k in group if efficient[k]), None))
    if first is None:
        return ""
    others = f" and {len(group) - 1} more" if len(group) > 1 else ""
    return style.short(names[first], NAMED - len(others)) + others


def _finding(entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    mine = next(k for k, entry in enumerate(entries) if entry["own"])
    if entries[mine]["efficient"]:
        return f"No built-in policy is safer than {style.quoted(names[mine], 40)} and earns as much"
    better = [
        k
        for k, entry in enumerate(entries)
        if entry["efficient"] and entry["risk"] <= entries[mine]["risk"] and entry["reward"] >= entries[mine]["reward"]
    ]
    if not better:
        return f"Another policy is safer than {style.quoted(names[mine], 40)}, or earns more"
    safest = min(better, key=lambda k: entries[k]["risk"])
    risks = f"{style.percent(entries[safest]['risk'])} against {style.percent(entries[mine]['risk'])}"
    what = "is safer than" if entries[safest]["risk"] < entries[mine]["risk"] - 1e-9 else "is as safe as"
    return f"{style.quoted(names[safest], 40)} {what} {style.quoted(names[mine], 40)} and earns no less: risk {risks}"
