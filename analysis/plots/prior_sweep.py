"""The risk by the prior weight of one hypothesis, the others in proportion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError, shown, suggestion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reward_hypotheses.analysis.case import AgentLike
    from reward_hypotheses.models.policies.base import Policy

KEPT, MOVING = "agent's weights kept", "agent with the same prior"


def draw_prior_sweep(
    ax: "Axes",
    name: str,
    at: np.ndarray,
    kept: np.ndarray,
    moving: np.ndarray | None = None,
    stated: tuple[float, float] | None = None,
) -> None:
    """Draw the risk against the prior weight of a hypothesis.

    Parameters
    ----------
    at : ndarray (point,)
        Prior weights from 0 to 1.
    kept, moving : ndarray (point,)
        The risk where the agent's weights are kept, and where the agent has the same prior as the judge.
    stated : (float, float), optional
        The prior weight and the risk as stated.
    """
    ax.plot(at, kept, color=style.BLUE, label=KEPT)
    if moving is not None:
        ax.plot(at, moving, "--", color=style.VERMILION, label=MOVING)
    if stated is not None:
        ax.plot(*stated, "D", color=style.INK, markersize=5, label="prior as stated", zorder=4)
    style.shares_axis(ax, f"prior weight of {style.quoted(name, 16)} (%)")
    curves = [kept] if moving is None else [kept, moving]
    most = max(0.05, *(float(np.nanmax(curve, initial=0.0)) for curve in curves))
    style.shares_axis(ax, "catastrophe risk (% of scenes)", min(1.0, 1.1 * most), axis="y")


def plot_prior_sweep(
    fitted: Any,
    test: Any,
    hypothesis: str,
    policy: "Policy | None" = None,
    agent: "AgentLike" = None,
    *,
    points: int = 41,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "Axes":
    """Plot the risk against the prior weight that the judge gives one hypothesis.

    The other hypotheses keep their proportions. The solid curve keeps the agent's weights: only what counts as good
    changes. The dashed curve is of an agent that has the same prior as the judge, and so changes with it; it is drawn where
    no `agent` is given. The training data are the same throughout.

    Parameters
    ----------
    fitted : DataTree
        From `fit`.
    test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`; the test is a table.
    hypothesis : str
        The hypothesis whose prior weight varies from 0 to 1.
    points : int
        Points of the curve, 2 or more.
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Shares in percent.

    Raises
    ------
    InputError
        A hypothesis that the tree does not have, or its only one; the reasons of `catastrophe_risk`.
    """
    from reward_hypotheses.analysis.case import case_of
    from reward_hypotheses.analysis.results.results import tree_of
    from reward_hypotheses.analysis.sensitivity.prior import risks_by_prior_weight
    from reward_hypotheses.data.numerics import whole
    from reward_hypotheses.models.mdp.mdp import MDP

    tree_of(fitted)
    if isinstance(test, MDP):
        raise InputError("test: an MDP; a sweep is over a table of scenes")
    n = whole(points, "points", 2)
    case = case_of(fitted, test, policy, agent, agent_fail_utility, hypotheses)
    names = case.judge_names
    if hypothesis not in names:
        raise InputError(f"hypothesis: {shown(hypothesis)} is none of the tree's; {suggestion(str(hypothesis), names)}")
    h = names.index(hypothesis)
    pi = case.posterior.prior.weights_of(case.posterior.hypotheses)
    if not pi.sum() - pi[h] > 0:
        raise InputError(f"hypothesis: {hypothesis!r} has all of the prior, so the others have no proportions to keep")
    at = np.linspace(0, 1, n)
    kept, moving = risks_by_prior_weight(case, h, at)
    with style.canvas(ax, figsize, (style.WIDTH, 3.2)) as drawing:
        draw_prior_sweep(drawing, hypothesis, at, kept, moving, (float(pi[h]), case.risk.mean))
        style.titled(drawing, _finding(hypothesis, kept, moving))
    return drawing


def _finding(name: str, kept: np.ndarray, moving: np.ndarray | None) -> str:
    there = kept[~np.isnan(kept)]
    first, last = float(there[0]), float(there[-1])
    if abs(last - first) < style.EQUAL:
        text = f"The risk stays near {style.percent(last)} whatever the prior weight of {style.quoted(name)}"
    else:
        verb = "falls" if last < first else "rises"
        ends = f"from {style.percent(first)} to {style.percent(last)}"
        text = f"The risk {verb} {ends} with the prior weight of {style.quoted(name)}"
    if moving is None:
        return f"{text} (agent's weights kept)"
    low, high = (style.percent(float(extreme(moving))) for extreme in (np.nanmin, np.nanmax))
    return f"{text} if the agent's weights are kept; {low} to {high} if the agent has the same prior"
