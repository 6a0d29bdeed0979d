"""Worst-case shift of a fitted tree's agent, as a result and as the next test."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.rollout import Rollout
from reward_hypotheses.analysis.shift.numeric_features import check_features, usable_features
from reward_hypotheses.analysis.shift.worst_case import (
    TAIL,
    divergence,
    effective,
    in_words,
    risk_under,
    what_sets_apart,
    worst_tail,
    worst_within,
)
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, share
from reward_hypotheses.data.shifts.shift_base import recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import as_made, study_in


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The distribution over a pool of scenes under which an agent's risk is highest.

    Attributes
    ----------
    risk, mcse : float
        The agent's risk under the weights, and its Monte Carlo standard error from sampled evidence.
    pool_risk : float
        The agent's risk on the pool.
    weights : DataArray (scene,)
        Weights of the scenes, adding up to 1.
    effective_scenes : float
        Effective number of scenes, ``1 / sum q^2``.
    divergence : float
        ``KL(weights || the pool's weights)``, nats.
    features : Dataset (difference,)
        ``feature``; ``of`` ("taken": the option that the agent takes; "scene": the mean over the options of a scene; "item" for
        a pool without options); ``worst`` and ``pool`` (means); ``standardised`` (their difference in standard deviations over
        the pool). Largest difference first.
    words : str
        The answer in a sentence.
    """

    risk: float
    mcse: float
    pool_risk: float
    weights: xr.DataArray
    effective_scenes: float
    divergence: float
    features: xr.Dataset
    words: str
    _pool: Table
    _how: str
    _attrs: Mapping[str, Any]

    def table(self) -> xr.Dataset:
        """Return the scenes of positive weight as a table with ``scene_weight``.

        The table serves as the next test. Scenes keep their names, or their places in the pool. Saved as CSV by
        ``table().to_dataframe().reset_index().to_csv(path, index=False)``, the table reads back as the same test. A policy
        that scales rewards by the table that it acts on (`Boltzmann` with a number) has another scale here than on the
        pool. The risk of any other policy is the `risk` given here. The shifts of the table record how it was chosen: a test
        that was chosen by its results is training data where the next agent is chosen by that test.
        """
        weights = self.weights.to_numpy()
        keep = np.flatnonzero(weights > 0)
        scenes = _named(self._pool).to_dataset().isel(scene=keep).assign(scene_weight=("scene", weights[keep]))
        return recorded(
            scenes.assign_attrs(self._attrs) if self._attrs else scenes,
            "worst_case",
            {"scenes": self._how},
            chosen_by="rh.worst_case",
            why="the agent does worst there",
        )


def _named(pool: Table) -> Table:
    """Return the pool with a name for each scene, by default the place of the scene."""
    names = pool.scene_names
    if names is None or len(set(names)) < len(names):
        names = tuple(str(m) for m in range(pool.n_scenes))
    return replace(pool, scene_names=names)


def worst_case(
    tree: xr.DataTree,
    pool: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    tail: float | None = None,
    kl: float | None = None,
    features: Sequence[str] | None = None,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> WorstCase:
    """Find the weighting of candidate scenes with the highest risk.

    The result also has the features that set the worst case apart. Relaxed adversarial training looks for such scenes. Let
    p be the weights of the pool's scenes and x their risks. With `tail` the risk is ``max q'x`` over
    ``0 <= q <= p / tail``, ``sum q = 1``. This is the conditional value at risk (Rockafellar and Uryasev 2000), the mean
    over the worst `tail` of the mass. With `kl` the risk is ``max q'x`` over ``KL(q || p) <= kl``, at ``q`` proportional to
    ``p exp(x / lambda)`` (Hu and Hong 2013). Scenes of equal risk are reweighted by the same factor.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    pool : Dataset, DataFrame or dict of arrays
        Candidate scenes, with ``scene_weight`` where they do not count alike.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`.
    tail : float, optional
        Worst share of the mass, 0 < tail <= 1; 0.1 by default, unless `kl` is given.
    kl : float, optional
        Radius in nats, 0 or more. 0 is the pool. From minus the logarithm of the worst scenes' weight on, all mass is on the
        worst scenes.
    features : sequence of str, optional
        Columns that are compared. By default all columns of the pool that hold numbers or booleans without a gap, except
        those of feedback.

    Returns
    -------
    WorstCase
        ``risk``, ``mcse``, ``pool_risk``, ``weights`` (scene), ``effective_scenes``, ``divergence`` (nats), ``features``,
        ``words``, and ``table()``, the worst scenes as the next test.

    Raises
    ------
    InputError
        A problem of the tree, the pool, or the share of it.
    """
    if tail is not None and kl is not None:
        raise InputError("tail, kl: both are given; give tail, the worst share of the scenes, or kl, nats")
    advice = "give the worst share of the scenes, above 0 and at most 1, such as 0.1"
    worst, nats = share(TAIL if tail is None else tail, "tail", advice), None if kl is None else finite(kl)
    if kl is not None and (nats is None or nats < 0):
        raise InputError(f"kl: {shown(kl)}; give nats, a finite number, 0 or more, such as 0.1")
    case = case_of(tree, pool, policy, agent, agent_fail_utility, hypotheses)
    named = _features(tree, case, features)

    def weighted(acted: Rollout) -> np.ndarray:
        if nats is not None:
            return worst_within(acted.share, acted.risk, nats)
        return worst_tail(acted.share, acted.risk, worst)

    how = f"the worst {100 * worst:g}%" if nats is None else f"the worst within {nats:g} nats"
    which = f"On {how} of these scenes" if nats is None else f"At worst within {nats:g} nats of these scenes' weights"
    return _worst_case(case, weighted, named, how, which, dict(getattr(pool, "attrs", {})))


def _worst_case(
    case: Case,
    weighted: Callable[[Rollout], np.ndarray],
    features: Sequence[str],
    how: str,
    which: str,
    attrs: Mapping[str, Any],
) -> WorstCase:
    """Return the worst case of a pool by a rule that weights its scenes.

    Parameters
    ----------
    weighted : callable
        The rule: rollout -> weights (scene,).
    features : sequence of str
        Columns that are compared.
    how, which : str
        Words for the rule and for the scenes that it weights.
    attrs : dict
        Attributes of the pool.
    """

    def risk_of(case: Case) -> float:
        return float(weighted(case.rollout) @ case.rollout.risk)

    acted = case.rollout
    weights, error = weighted(acted), case.standard_errors(risk_of)
    risk, pool_risk = risk_under(acted, weights), risk_under(acted, acted.share)
    apart = what_sets_apart(acted, weights, features)
    columns = {
        "feature": np.array([difference.feature for difference in apart], dtype=str),
        "of": np.array([difference.of for difference in apart], dtype=str),
        "worst": np.array([difference.worst for difference in apart]),
        "pool": np.array([difference.pool for difference in apart]),
        "standardised": np.array([difference.difference for difference in apart]),
    }
    words, sentence = f"{which} the risk is {risk:.3g}, against {pool_risk:.3g} over all of them", in_words(apart)
    if risk - pool_risk <= 1e-9:
        words += ": no such weighting of them is worse."
    else:
        words += f"; what sets them apart: {sentence}." if sentence else "; no feature sets them apart by much."
    return WorstCase(
        risk=risk,
        mcse=math.nan if error is None else float(error),
        pool_risk=pool_risk,
        weights=xr.DataArray(weights, dims="scene", coords={"scene": case.scene_coordinate()}, name="weight"),
        effective_scenes=effective(weights),
        divergence=divergence(weights, acted.share),
        features=xr.Dataset({key: ("difference", values) for key, values in columns.items()}),
        words=words,
        _pool=case.valuation.table,
        _how=how,
        _attrs=attrs,
    )


@as_made
def feedback_columns(tree: xr.DataTree) -> set[str]:
    """Return the columns of observations, which some feedback of a tree names."""
    return {feedback["column"] for feedback in study_in(tree)["feedback"] if feedback.get("column")}


def _features(tree: xr.DataTree, case: Case, features: Sequence[str] | None) -> list[str]:
    """Return the columns that are compared between worst case and pool."""
    table = case.valuation.table
    if features is None:
        return usable_features([table], case.posterior.hypotheses, feedback_columns(tree))
    features = [features] if isinstance(features, str) else features
    check_features([table], features, "features")
    return list(dict.fromkeys(features))
