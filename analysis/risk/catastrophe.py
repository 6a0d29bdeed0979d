"""Catastrophe risk: how often an agent chooses an option worse than failing."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.distribution.pairs import MATRIX_CELLS, Pairs, pairs_of
from reward_hypotheses.analysis.rollout import Scenes, Worth, over_scenes, scene_weights
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy


@dataclass(frozen=True, eq=False)
class Risk:
    """Catastrophe risk of one agent on one test.

    With ``K_j[m, o] = [r_j(m, o) < u_j]``, A[m, o] the probability that the agent picks o in scene m, w the agent's
    weights and v the judge's.

    Attributes
    ----------
    mean : float
        ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]``.
    by_truth : ndarray (true_hypothesis,)
        ``mean_m sum_o A[m, o] K_j[m, o]``.
    by_agent : ndarray (agent_hypothesis,)
        ``sum_j C_ij v_j``.
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        ``C_ij``, the risk of an agent certain of i if j is true.
    by_scene : ndarray (scene,)
        The risk in each scene. In an MDP, this number and the following have their defaults.
    floor : float
        ``mean_m min_o sum_j v_j K_j[m, o]``, the least risk of an agent that always acts.
    abstained : float
        Share of scenes in which the agent abstains; ``abstained_by_agent`` (agent_hypothesis,) for an agent certain of i.
    regret : float
        ``mean_m sum_j v_j (max(u_j, max_o r_j) - achieved r_j)``, in reward units, added up over hypotheses.
    worse : ndarray (hypothesis,)
        Share of the options that are worse than failing under each hypothesis.
    se_scenes : float
        Standard error from the finite number of test scenes; NaN for one scene.
    n_scenes : float
        Number of scenes; for weighted scenes the effective number, ``1 / sum w^2``.
    members : Pairs or None
        The matrix between draws of hypotheses with continuous weights.
    """

    mean: float
    by_truth: np.ndarray
    by_agent: np.ndarray
    matrix: np.ndarray
    by_scene: np.ndarray = field(default_factory=lambda: np.zeros(0))
    floor: float = math.nan
    abstained: float = 0.0
    abstained_by_agent: np.ndarray = field(default_factory=lambda: np.zeros(0))
    regret: float = math.nan
    worse: np.ndarray = field(default_factory=lambda: np.zeros(0))
    se_scenes: float = math.nan
    n_scenes: float = math.nan
    members: Pairs | None = None


def compute_risk(valuation: Valuation, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> Risk:
    """Compute an agent's risk, the matrix C and the numbers that follow from C.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    agent, judge : ndarray (hypothesis,)
        Posterior weights by which the agent acts, and by which its choices are judged.
    """
    if not valuation.hypotheses.spaces or valuation.families:
        return _computed(valuation, policy, agent, judge)
    # drawn rules are only in `members`: the rest is known again where the same weights come again
    key, known = (policy, agent.tobytes(), judge.tobytes()), valuation.averages.get("risk")
    if known is None or known[0] != key:
        known = valuation.averages["risk"] = key, _computed(valuation, policy, agent, judge)
    return replace(known[1], members=pairs_of(valuation, policy, agent))


def _computed(valuation: Valuation, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> Risk:
    weight, total = scene_weights(valuation)
    n = len(valuation.hypotheses)
    by_scene = np.empty(valuation.n_scenes)
    sums = (np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(4), np.zeros(n), np.zeros(1))

    def work(scenes: Scenes) -> tuple[slice, np.ndarray, tuple[np.ndarray, ...]]:
        return scenes.block.scenes, *_sums(scenes, policy, agent, judge)

    for scenes, risk, parts in over_scenes(valuation, work, policy, items=MATRIX_CELLS // n):
        by_scene[scenes] = risk
        for running, part in zip(sums, parts, strict=True):
            running += part
    matrix, by_truth, abstained_by_agent, totals, worse, n_options = sums
    matrix = np.clip(matrix / total, 0.0, 1.0)
    by_truth = np.clip(policy.mixing(agent) @ matrix if policy.draws_one else by_truth / total, 0.0, 1.0)
    floor, abstained, regret, size = (totals / total).tolist()
    return Risk(
        mean=float(by_truth @ judge),
        by_truth=by_truth,
        by_agent=matrix @ judge,
        by_scene=by_scene,
        matrix=matrix,
        floor=floor,
        abstained=abstained,
        abstained_by_agent=abstained_by_agent / total,
        regret=regret if regret > 1e-12 * size else 0.0,  # below: rounding
        worse=worse / max(n_options[0], 1),
        se_scenes=se_scenes(by_scene, weight, total),
        n_scenes=total**2 / float(weight @ weight),
        members=pairs_of(valuation, policy, agent) if valuation.families or valuation.hypotheses.spaces else None,
    )


def _sums(
    scenes: Scenes, policy: Policy, agent: np.ndarray, judge: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return the risk of some scenes (scene,), and sums over these scenes.

    The sums are the matrix, the risk by truth and the abstention by agent hypothesis; floor, abstention, regret, and the
    absolute values that regret is a difference of; the options worse than failing by hypothesis; the number of options.
    """
    block, view, mass = scenes.block, scenes.view(policy), scenes.mass
    n, options = len(judge), scenes.n_options
    bad, picks = np.empty((2, n, *block.shape))
    refrains, judged, worth = np.zeros(n), np.zeros(block.shape), Worth(block)
    for h in range(n):
        bad[h] = block.worse(h)
        if judge[h] > 0:
            judged += judge[h] * bad[h]
            worth.add(judge[h], h)
        chosen = policy.chances(view, h)
        picks[h] = chosen[:options]
        if policy.abstain:
            refrains[h] = chosen[options] @ mass
    acts = scenes.acts(policy, agent)
    refrained = acts[options] if policy.abstain else np.zeros(len(mass))
    acts = acts[:options]
    real = np.ones(block.shape, bool) if block.options is None else block.options
    least = np.where(real, judged, np.inf).min(axis=0)
    least = np.where(np.isfinite(least), least, 0.0)  # a scene that offers nothing but failing holds no catastrophe
    regret = worth.best - (acts * worth.value).sum(axis=0) - refrained * worth.failing
    size = worth.of_best + worth.of_failing + (acts * worth.size).sum(axis=0)
    return (acts * judged).sum(axis=0), (
        picks.reshape(n, -1) @ (bad * mass).reshape(n, -1).T,
        bad.reshape(n, -1) @ (acts * mass).ravel(),
        refrains,
        np.array([least @ mass, refrained @ mass, regret @ mass, size @ mass]),
        bad[:, real].sum(axis=1),
        np.array([real.sum()]),
    )


def scalar_risk(
    valuation: Valuation, policy: Policy, agents: np.ndarray, judge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute risks and abstention rates of several agents without a matrix.

    ``risk = mean_m sum_o A[m, o] (sum_j v_j K_j[m, o])`` costs O(H M) where the matrix costs O(H^2 M).

    Parameters
    ----------
    agents : ndarray (agent, hypothesis)
        Posterior weights of each agent.

    Returns
    -------
    risks, abstained : ndarray (agent,)
    """
    _, total = scene_weights(valuation)
    agents = np.atleast_2d(agents)
    mixed = np.array([policy.mixing(weights) for weights in agents]) if policy.draws_one else np.zeros(agents.shape)

    def work(scenes: Scenes) -> np.ndarray:
        block, view, options = scenes.block, scenes.view(policy), scenes.n_options
        judged = np.zeros(block.shape)
        acts = np.zeros((len(agents), *view.shape))
        for h in range(len(judge)):  # in one pass, for rewards that are not kept
            if judge[h] > 0:
                judged += np.multiply(judge[h], block.worse(h))
            drawn = np.flatnonzero(mixed[:, h]).tolist()
            if drawn:
                chosen = policy.chances(view, h)
                for a in drawn:
                    acts[a] += np.multiply(mixed[a, h], chosen)
        if not policy.draws_one:
            acts = np.array([policy.act(view, weights) for weights in agents], float)
        risks = ((acts[:, :options] * judged).sum(axis=1)) @ scenes.mass
        return np.array([risks, acts[:, options] @ scenes.mass if policy.abstain else np.zeros(len(agents))])

    sums: Any = sum(over_scenes(valuation, work, policy))
    risk, abstained = sums / total
    return risk, abstained


def se_scenes(by_scene: np.ndarray, weight: np.ndarray, total: float) -> float:
    """Return the standard error from the finite number of scenes.

    ``sqrt(sum w^2 (x - mean)^2 M / (M - 1))``, w normalised; NaN for one scene.
    """
    scenes = len(by_scene)
    if scenes < 2:
        return math.nan
    share = weight / total
    if np.ptp(by_scene) <= 1e-15:  # alike but for rounding
        return 0.0
    mean = float(share @ by_scene)
    return math.sqrt(float(share**2 @ (by_scene - mean) ** 2) * scenes / (scenes - 1))
