"""Weights of the hypotheses: prior, posterior, and the agent's."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes


def draw_weights(
    ax: "Axes",
    names: Sequence[str],
    prior: np.ndarray,
    weights: np.ndarray,
    agent: np.ndarray | None = None,
    interval: np.ndarray | None = None,
    prob: float = 0.95,
) -> None:
    """Draw prior weight, posterior weight and the agent's, a row each hypothesis.

    Parameters
    ----------
    prior, weights, agent : ndarray (hypothesis,)
        Shares from 0 to 1.
    interval : ndarray (2, hypothesis), optional
        Both ends of the interval of each posterior weight, of probability `prob`.
    """
    style.label_rows(ax, names)
    y = np.arange(len(names))
    ax.hlines(y, np.minimum(prior, weights), np.maximum(prior, weights), color=style.MUTED, linewidth=0.8, zorder=1)
    ax.plot(prior, y, "o", markerfacecolor="white", markeredgecolor=style.BLUE, label="prior: the values", zorder=3)
    ax.plot(weights, y, "o", color=style.BLUE, markersize=3.5, label="posterior", zorder=4)
    if agent is not None:
        ax.plot(agent, y + 0.26, "D", color=style.VERMILION, markersize=4, label="the agent's weight", zorder=3)
    if interval is not None:
        ax.hlines(y, interval[0], interval[1], color=style.BLUE, linewidth=3.5, alpha=0.5, zorder=1)
        style.band_key(ax, prob)
    style.shares_axis(ax, "weight (%)")


def weight_intervals(tree: Any, names: Sequence[str], prob: float) -> np.ndarray | None:
    """Return both ends of the interval of each weight over the draws of the values.

    The result is None where the values are certain.
    """
    weight = tree["posterior"]["weight"].sel(hypothesis=list(names))
    draws = weight.transpose("chain", "draw", "hypothesis").to_numpy().reshape(-1, len(names))
    ends = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    return ends if np.ptp(draws, axis=0).max() > 1e-12 else None


def plot_weights(
    fitted: Any,
    agent: Any = None,
    *,
    prob: float = 0.95,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> "Axes":
    """Plot the prior and posterior weight of every hypothesis, and the agent's.

    Of more than 12 hypotheses, the weightiest are shown.

    Parameters
    ----------
    fitted : DataTree or dict
        From `fit`, or the results document of `run`.
    agent : Prior or DataTree, optional
        The agent's weights, as for `catastrophe_risk`: a prior, weighed by the same evidence, or a tree over the same
        hypotheses. A results document has them.
    prob : float
        Probability of the equal-tailed interval of a posterior weight, over the draws of the values (trees alone).
    ax : Axes, optional
        Where to draw; a new figure unless given.
    figsize : (float, float), optional
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        Weights in percent.

    Raises
    ------
    InputError
        An argument of another kind; an agent over other hypotheses.
    """
    from reward_hypotheses.analysis.case import probability
    from reward_hypotheses.analysis.results.results import is_results, tree_of

    share = probability(prob)
    interval: np.ndarray | None = None
    agents: np.ndarray | None = None
    if is_results(fitted):
        if agent is not None:
            raise InputError("agent: the results document has the agent's weights; leave agent out")
        names = list(fitted["weights"])
        prior, posterior, agents = of_document(fitted, names)
    else:
        evidence = tree_of(fitted)["evidence"]
        names = [str(name) for name in evidence["hypothesis"].to_numpy()]
        prior, posterior = evidence["prior"].to_numpy(), evidence["weight"].to_numpy()
        agents = None if agent is None else _agents(fitted, agent, names)
        interval = weight_intervals(fitted, names, share)
    kept = np.sort(np.argsort(-posterior, kind="stable")[: style.MOST])
    shown = [names[k] for k in kept]
    lead = int(np.argmax(posterior))
    before, after = style.percent(float(prior[lead])), style.percent(float(posterior[lead]))
    change = f"{before} before and after the data" if before == after else f"{after}, from {before} before the data"
    with style.canvas(ax, figsize, (style.WIDTH, style.height_of(len(shown)) + 0.4)) as drawing:
        draw_weights(
            drawing,
            shown,
            prior[kept],
            posterior[kept],
            None if agents is None else agents[kept],
            None if interval is None else interval[:, kept],
            share,
        )
        style.titled(drawing, f"The weight of {style.quoted(names[lead])} is {change}")
    return drawing


def _agents(tree: "xr.DataTree", agent: Any, names: Sequence[str]) -> np.ndarray:
    """Return the weights of an agent, in the order of the judge's hypotheses."""
    from reward_hypotheses.analysis.results.results import tree_of
    from reward_hypotheses.models.priors.base import Prior
    from reward_hypotheses.models.tree.read import posterior_of

    if isinstance(agent, Prior):
        return posterior_of(tree)[0].acting(agent)
    evidence = tree_of(agent, "agent: neither a prior nor a tree")["evidence"]
    if lacking := set(names) ^ {str(name) for name in evidence["hypothesis"].to_numpy()}:
        raise InputError(f"agent: its tree and the judge's differ in {sorted(lacking)[0]!r}; give the same hypotheses")
    weights: np.ndarray = evidence["weight"].sel(hypothesis=list(names)).to_numpy()
    return weights


def of_document(document: Mapping[str, Any], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return prior, posterior and the agent's weights of a results document.

    Three arrays (hypothesis,).
    """
    prior, weights, agent = (np.array([document[k][n] for n in names]) for k in ("prior", "weights", "agent_weights"))
    return prior, weights, agent
