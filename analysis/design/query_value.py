"""Expected value of a question: the expected fall in regret and in risk."""

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.design.query_kinds import Queries
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.posterior import Posterior

WORTH_CELLS = 20_000_000
PERTURBATIONS = 16
"""Times that evidence which was sampled is moved by its error."""


class Worth:
    """Expected reward of the judge's best policy on the test.

    The reward is ``mean_m max_o sum_j v_j r_j`` in reward units. The weights v may have any sum.
    """

    def __init__(self, case: Case) -> None:
        valuation = case.valuation
        n = len(case.posterior.weights)
        weight, total = scene_weights(valuation)
        scenes, best = [], np.zeros(n)
        widest = int(np.diff(valuation.table.starts).max())
        for block in valuation.blocks():
            worth = np.empty((block.shape[1], widest + 1, n))
            failing = np.empty((block.shape[1], n))
            for h in range(n):
                reward = block.reward(h)
                if block.options is not None:  # a missing option repeats the first available one
                    first = reward[np.argmax(block.options, axis=0), np.arange(reward.shape[1])]
                    reward = np.where(block.options, reward, first)
                worth[:, : len(reward), h] = reward.T
                worth[:, len(reward) : widest, h] = reward.T[:, :1]
                failing[:, h] = block.failure(h)
                best[h] += float(block.best(h) @ weight[block.scenes])
            worth[:, widest] = failing if case.policy.abstain else worth[:, 0]
            scenes.append(worth)
        self.best = best / total
        rewards = np.concatenate(scenes)
        flat, place = np.unique(rewards.reshape(len(rewards), -1), axis=0, return_inverse=True)
        self.mass = np.bincount(place.ravel(), weight / total, len(flat))
        self.rewards = np.ascontiguousarray(flat.reshape(len(flat), widest + 1, n).transpose(2, 1, 0))
        judge = case.posterior.weights @ self.rewards.reshape(n, -1)
        taken = judge.reshape(self.rewards.shape[1:]).argmax(axis=0)
        size = np.tensordot(case.posterior.weights, np.abs(self.rewards), 1)
        self.unit = float(np.take_along_axis(size, taken[None], axis=0)[0] @ self.mass)
        """Mean absolute reward of the judge's best policy; differences far below it are rounding."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the expected reward of each row of weights (row, hypothesis).

        Shape (row,), reward units a scene.
        """
        n, options, scenes = self.rewards.shape
        out = np.empty(len(rows))
        step = max(1, WORTH_CELLS // (options * scenes))
        for lo in range(0, len(rows), step):
            some = (rows[lo : lo + step] @ self.rewards.reshape(n, -1)).reshape(-1, options, scenes)
            out[lo : lo + step] = some.max(axis=1) @ self.mass
        return out

    def regret(self, weights: np.ndarray) -> float:
        """Return the regret of the judge's best policy, in reward units.

        The comparison is the best option of each scene, or failing, under the true hypothesis.
        """
        return max(float(weights @ self.best) - float(self(weights[None])[0]), 0.0)


class Risks:
    """Risk of several agents, each by its own judge's weights."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.matrix = case.risk.matrix if case.policy.draws_one else None

    def __call__(self, agents: np.ndarray, judges: np.ndarray) -> np.ndarray:
        """Return risks (row,) of agents by judges.

        Parameters
        ----------
        agents : ndarray (row, hypothesis)
        judges : ndarray (row, judge's hypothesis)
        """
        valuation, policy = self.case.valuation, self.case.policy
        n = judges.shape[1]
        if self.matrix is not None:
            mixed = np.array([policy.mixing(w) for w in agents])
            return ((mixed @ self.matrix[:, :n]) * judges).sum(axis=1)
        weight, total = scene_weights(valuation)
        scales = within_scene_scale(valuation) if policy.needs_scale else None
        out = np.zeros(len(agents))
        for block in valuation.blocks():
            view, options = View(block, policy.abstain, scales), block.shape[0]
            bad = np.array([block.worse(h) for h in range(n)]) * weight[block.scenes]
            for k, (w, v) in enumerate(zip(agents, judges, strict=True)):
                acts = np.asarray(policy.act(view, w), float)[:options]
                out[k] += float(np.tensordot(v, bad, 1).ravel() @ acts.ravel())
        return out / total

    def changes(self, chance: np.ndarray, joint: np.ndarray, informed: bool) -> np.ndarray:
        """Return the expected change in the risk by each question: (query,).

        Returns 0 where the agent learns nothing.
        """
        queries, answers, n = chance.shape
        if not informed or not self.case.agent.learns_with_judge:
            return np.zeros(queries)
        agents = (chance * self.case.agent_weights).reshape(-1, n)
        mass = agents.sum(axis=1, keepdims=True)
        agents = np.where(mass > 0, agents / np.where(mass > 0, mass, 1.0), self.case.agent_weights)
        after = self(agents, joint.reshape(-1, n)).reshape(queries, answers).sum(axis=1)
        return after - float(self(self.case.agent_weights[None], joint[0].sum(axis=0)[None])[0])


def measure(queries: Queries, posterior: Posterior, worth: Worth, risk: Risks) -> tuple[np.ndarray, np.ndarray]:
    """Return the fall in regret, information and change in risk of each question.

    Two arrays (3, query): the values, and their Monte Carlo errors.
    """

    def numbers(chance: np.ndarray, judge: np.ndarray) -> np.ndarray:
        fall, information = learned(chance, judge, worth)
        change = risk.changes(chance, chance * judge, queries.informs_agent)
        change[np.abs(change) <= EQUAL] = 0.0
        return np.array([fall, information, change])

    mean_chance = queries.chance.mean(axis=0)
    value = numbers(mean_chance, posterior.weights)
    error = np.zeros_like(value)
    if len(queries.chance) > 1:
        parts = np.array([numbers(chance, posterior.weights) for chance in queries.chance])
        error = parts.std(axis=0, ddof=1) / len(parts) ** 0.5
    if not posterior.exact:
        moved = posterior.perturbed(PERTURBATIONS, substream(0, "errors of queries"))
        parts = np.array([numbers(mean_chance, judge.weights) for judge in moved])
        error = np.hypot(error, parts.std(axis=0, ddof=1))
    return value, error


def learned(chance: np.ndarray, judge: np.ndarray, worth: Worth) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected fall in regret and the information of each question.

    Two arrays (query,), in reward units and in nats. The regret is the regret of the judge's best policy.
    """
    queries, answers, n = chance.shape
    joint = chance * judge  # p(answer, h)
    p = joint.sum(axis=2, keepdims=True)
    fall = worth(joint.reshape(-1, n)).reshape(queries, answers).sum(axis=1) - worth(judge[None])[0]
    fall[np.abs(fall) <= EQUAL * worth.unit] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(joint > 0, joint * np.log(chance / p), 0.0).sum(axis=(1, 2))
    information[information < EQUAL] = 0.0
    return fall, information


def best_first(fall: np.ndarray, information: np.ndarray, unit: float) -> np.ndarray:
    """Return the order of questions, best first: shape (question,).

    Questions are ordered by the fall in regret, then by the information, then by place. Values that differ by rounding are
    equal.
    """
    step = EQUAL * max(unit, float(np.abs(fall).max(initial=0.0)), 1e-300)
    return np.lexsort((np.arange(len(fall)), -np.round(information / EQUAL), -np.round(fall / step)))
