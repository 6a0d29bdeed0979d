"""Catastrophe risk: how often the agent does what, under what may be true, is worse than failing completely."""

import math
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.analysis.risk.linear_pairs import MATRIX_CELLS, Pairs, _pairs
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale


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
    by_scene : ndarray (scene,)
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        ``C_ij``, the risk of an agent certain of i where j is true.
    floor : float
        ``mean_m min_o sum_j v_j K_j[m, o]``, the least risk of an agent that always acts.
    abstained : float
        Share of scenes in which the agent refrains; ``abstained_by_agent`` where it is certain of i.
    regret : float
        ``mean_m sum_j v_j (max(u_j, max_o r_j) - achieved r_j)``, in reward units of the hypotheses, added up.
    worse : ndarray (hypothesis,)
        Share of the options that are worse than failing under each.
    se_scenes : float
        Standard error from the finite number of test scenes; NaN for one scene.
    n_scenes : float
        Number of scenes, or with weights the number of equal ones that are as informative, ``1 / sum w^2``.
    members : Pairs or None
        Of hypotheses with continuous weights, what some of their draws do to one another.
    """

    mean: float
    by_truth: np.ndarray
    by_agent: np.ndarray
    by_scene: np.ndarray
    matrix: np.ndarray
    floor: float
    abstained: float
    abstained_by_agent: np.ndarray
    regret: float
    worse: np.ndarray
    se_scenes: float
    n_scenes: float
    members: "Pairs | None" = None


def catastrophe_risk(valuation: Valuation, policy: Policy, agent: np.ndarray, judge: np.ndarray) -> Risk:
    """Compute the risk of an agent, with the matrix C and all that hangs on it.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    agent, judge : ndarray (hypothesis,)
        Posterior weights of what the agent acts by, and of what counts as good.
    """
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    n = len(valuation.hypotheses)
    matrix, by_truth, abstained_by_agent = np.zeros((n, n)), np.zeros(n), np.zeros(n)
    by_scene = np.empty(valuation.n_scenes)
    sums = np.zeros(4)  # floor, abstained, regret, and what regret is the difference of, in absolute value
    worse, n_options = np.zeros(n), 0

    def work(
        block: Block,
    ) -> tuple[slice, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, int]]:
        view = View(block, policy.abstain, scales)
        options, scenes = block.shape
        mass = weight[block.scenes]
        bad = np.empty((n, options, scenes))
        picks = np.empty((n, options, scenes))
        refrains = np.zeros(n)
        judged, value, size = (np.zeros(block.shape) for _ in range(3))
        best, failing, stake = (np.zeros(scenes) for _ in range(3))
        for h in range(n):
            bad[h] = block.worse(h)
            if judge[h] > 0:
                judged += judge[h] * bad[h]
                part, could, u = judge[h] * block.reward(h), judge[h] * block.best(h), judge[h] * block.failure(h)
                value += part
                size += np.abs(part)
                best += could
                failing += u
                stake += np.abs(could) + np.abs(u)
            chosen = policy.chances(view, h)
            picks[h] = chosen[:options]
            if policy.abstain:
                refrains[h] = chosen[options] @ mass
        acts = np.asarray(policy.act(view, agent), float)
        refrained = acts[options] if policy.abstain else np.zeros(scenes)
        acts = acts[:options]
        risk = (acts * judged).sum(axis=0)
        least = judged.min(axis=0)
        if block.options is not None:  # a scene that offers nothing but failing holds no catastrophe
            least = np.where(block.options, judged, np.inf).min(axis=0)
            least = np.where(np.isfinite(least), least, 0.0)
        regret = best - (acts * value).sum(axis=0) - refrained * failing
        flat = bad.reshape(n, -1)
        truth = flat @ (acts * mass).ravel()
        stake = stake + (acts * size).sum(axis=0)
        sums = np.array([least @ mass, refrained @ mass, regret @ mass, stake @ mass])
        real = np.ones(block.shape, bool) if block.options is None else block.options
        found = (bad[:, real].sum(axis=1), int(real.sum()))
        picked = picks.reshape(n, -1) @ (bad * mass).reshape(n, -1).T
        return block.scenes, picked, truth, refrains, sums, risk, found

    for scenes, picked, truth, refrains, some, risk, found in valuation.each(work, MATRIX_CELLS // n):
        matrix += picked
        by_truth += truth
        abstained_by_agent += refrains
        sums += some
        by_scene[scenes] = risk
        worse += found[0]
        n_options += found[1]
    matrix = np.clip(matrix / total, 0.0, 1.0)
    by_truth = np.clip(by_truth / total, 0.0, 1.0)
    floor, abstained, regret, stake = (sums / total).tolist()
    if policy.draws_one:
        by_truth = np.clip(policy.mixing(agent) @ matrix, 0.0, 1.0)
    return Risk(
        mean=float(by_truth @ judge),
        by_truth=by_truth,
        by_agent=matrix @ judge,
        by_scene=by_scene,
        matrix=matrix,
        floor=floor,
        abstained=abstained,
        abstained_by_agent=abstained_by_agent / total,
        regret=regret if regret > 1e-12 * stake else 0.0,  # below its rounding there is none
        worse=worse / max(n_options, 1),
        se_scenes=se_scenes(by_scene, weight, total),
        n_scenes=total**2 / float(weight @ weight),
        members=_pairs(valuation, policy, agent) if valuation.families else None,
    )


def scalar_risk(
    valuation: Valuation, policy: Policy, agents: np.ndarray, judge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the risks and abstention rates of several agents without any matrix: two arrays (agent,).

    ``risk = mean_m sum_o A[m, o] (sum_j v_j K_j[m, o])`` costs O(H M) where the matrix costs O(H^2 M).

    Parameters
    ----------
    agents : ndarray (agent, hypothesis)
        Posterior weights of each.
    """
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    agents = np.atleast_2d(agents)
    mixed = np.array([policy.mixing(w) for w in agents]) if policy.draws_one else agents
    n = len(valuation.hypotheses)

    def work(block: Block) -> tuple[np.ndarray, np.ndarray]:
        view = View(block, policy.abstain, scales)
        options, scenes = block.shape
        judged = np.zeros(block.shape)
        acts = np.zeros((len(agents), *view.shape))
        for h in range(n):
            if judge[h] > 0:
                judged += np.multiply(judge[h], block.worse(h))
            if policy.draws_one and mixed[:, h].any():
                chosen = policy.chances(view, h)
                for a, weights in enumerate(mixed):
                    if weights[h]:
                        acts[a] += np.multiply(weights[h], chosen)
        if not policy.draws_one:
            for a, weights in enumerate(agents):
                acts[a] = policy.act(view, weights)
        mass = weight[block.scenes]
        risks = ((acts[:, :options] * judged).sum(axis=1)) @ mass
        refrained = acts[:, options] @ mass if policy.abstain else np.zeros(len(agents))
        return risks, refrained

    risk, abstained = np.zeros(len(agents)), np.zeros(len(agents))
    for some, refrained in valuation.each(work):
        risk += some
        abstained += refrained
    return risk / total, abstained / total


def se_scenes(by_scene: np.ndarray, weight: np.ndarray, total: float) -> float:
    """``sqrt(sum w^2 (x - mean)^2 M / (M - 1))``, w normalised; NaN for one scene."""
    scenes = len(by_scene)
    if scenes < 2:
        return math.nan
    share = weight / total
    if np.ptp(by_scene) <= 1e-15:  # alike but for rounding
        return 0.0
    mean = float(share @ by_scene)
    return math.sqrt(float(share**2 @ (by_scene - mean) ** 2) * scenes / (scenes - 1))
