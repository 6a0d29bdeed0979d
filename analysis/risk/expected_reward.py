"""Expected reward of a policy on a test, by hypothesis, beside its catastrophe risk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.cvar import Cvar, acts_of
from reward_hypotheses.models.policies.view import View, within_scene_scale

COSTLY = 5_000_000
"""Draws of continuous weights times items from which no other policies are looked at than the agent's own."""

NEGLIGIBLE = 1e-13
"""Share of an agent's weight, and of what it expects, that may be left out: it moves no number that is given."""


@dataclass(frozen=True)
class Outcome:
    """What comes of a policy.

    Attributes
    ----------
    risk : float
        Share of scenes with a catastrophe, ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]``.
    reward : float
        What the judge expects it to earn, reward units a scene, ``mean_m sum_j v_j (sum_o A[m, o] r_j[m, o] + a[m] u_j)``, a the
        probability of abstaining. It adds up rewards of different hypotheses as they stand.
    regret : float
        How much less that is than the best on offer, as of `Risk`.
    abstained : float
        Share of scenes in which it refrains.
    size : float
        What the reward adds up, in absolute value: rewards that differ by less than 1e-9 of it are equal.
    """

    risk: float
    reward: float
    regret: float
    abstained: float
    size: float = 0.0


def nought(x: float, size: float) -> float:
    """A sum of rewards, 0 where it is below the rounding of what it adds up."""
    return x if abs(x) > 1e-12 * size else 0.0


def outcomes(valuation: Valuation, policies: Sequence[Policy], agent: np.ndarray, judge: np.ndarray) -> list[Outcome]:
    """What comes of several policies, in one pass over the test and without any matrix: O(H M) each."""
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if any(policy.needs_scale for policy in policies) else None
    agent = telling(valuation, agent)

    def work(block: Block) -> tuple[np.ndarray, np.ndarray]:
        options, scenes = block.shape
        mass = weight[block.scenes]
        judged, value, size = (np.zeros(block.shape) for _ in range(3))
        best, failing, of_best, of_failing = (np.zeros(scenes) for _ in range(4))
        for h in np.flatnonzero(judge).tolist():
            judged += judge[h] * block.worse(h)
            part, could, u = judge[h] * block.reward(h), judge[h] * block.best(h), judge[h] * block.failure(h)
            value += part
            size += np.abs(part)
            best += could
            of_best += np.abs(could)
            failing += u
            of_failing += np.abs(u)
        found = np.empty((len(policies), 4))
        for k, acts in enumerate(_acts(block, policies, agent, scales)):
            refrains = acts[options] @ mass if policies[k].abstain else 0.0
            earned, added = (acts[:options] * value).sum(axis=0), (acts[:options] * size).sum(axis=0)
            if policies[k].abstain:
                earned, added = earned + acts[options] * failing, added + acts[options] * of_failing
            found[k] = (acts[:options] * judged).sum(axis=0) @ mass, earned @ mass, refrains, added @ mass
        return found, np.array([best @ mass, of_best @ mass])

    sums, best = np.zeros((len(policies), 4)), np.zeros(2)
    for some, could in valuation.each(work):
        sums += some
        best += could
    could, of_best = (best / total).tolist()
    return [
        Outcome(
            min(max(risk, 0.0), 1.0),
            nought(reward, size),
            max(nought(could - reward, of_best + size), 0.0),
            refrained,
            size,
        )
        for risk, reward, refrained, size in (sums / total).tolist()
    ]


def rewards_by_hypothesis(valuation: Valuation, policies: Sequence[Policy], judge: np.ndarray) -> np.ndarray:
    """Compute what the judge expects an agent certain of each hypothesis to earn, in one pass and without a matrix.

    ``R_h = mean_m sum_j v_j (sum_o A_h[m, o] r_j[m, o] + a_h[m] u_j[m])``, reward units a scene, A_h what it does that is certain
    of h and a_h whether it abstains. An agent of weights w, of a policy that draws one hypothesis, earns ``mixing(w) @ R``. Like
    every mean over j it adds up rewards of different hypotheses as they stand. O(H M) a policy.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    policies : sequence of Policy
        Each draws one hypothesis.
    judge : ndarray (hypothesis,)
        Posterior weights of what counts as good.

    Returns
    -------
    ndarray (policy, hypothesis)
        NaN of a hypothesis that does not say what abstaining is worth to an agent that may, and of continuous weights whose
        draws on so many items would take too long.
    """
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if any(policy.needs_scale for policy in policies) else None
    known = np.array([[_earns(valuation, policy, h) for h in range(len(judge))] for policy in policies])

    def work(block: Block) -> np.ndarray:
        options, scenes = block.shape
        mass = weight[block.scenes]
        value, size = np.zeros(block.shape), np.zeros(block.shape)
        failing, of_failing = np.zeros(scenes), np.zeros(scenes)
        for h in np.flatnonzero(judge).tolist():
            part, u = judge[h] * block.reward(h), judge[h] * block.failure(h)
            value += part
            size += np.abs(part)
            failing += u
            of_failing += np.abs(u)
        value, failing, size, of_failing = value * mass, failing * mass, size * mass, of_failing * mass
        kept: dict[Any, np.ndarray] = {}
        views = [_Remembering(block, policy.abstain, scales, kept) for policy in policies]
        found = np.zeros((*known.shape, 2))
        for h in range(len(judge)):
            for k, (policy, view) in enumerate(zip(policies, views, strict=True)):
                if known[k, h]:
                    chosen = policy.chances(view, h)
                    found[k, h] = np.vdot(chosen[:options], value), np.vdot(chosen[:options], size)
                    if policy.abstain:
                        found[k, h] += chosen[options] @ failing, chosen[options] @ of_failing
        return found

    sums = np.zeros((*known.shape, 2))
    for some in valuation.each(work):
        sums += some
    earned, added = np.moveaxis(sums / total, 2, 0)
    return np.where(known, np.where(np.abs(earned) > 1e-12 * added, earned, 0.0), np.nan)


def _earns(valuation: Valuation, policy: Policy, h: int) -> bool:
    """Whether what an agent certain of h earns is computed."""
    reward = valuation.hypotheses.rewards[h]
    long = isinstance(reward, Drawn) and len(reward.agents) * valuation.table.n_items > COSTLY
    return not long and not (policy.abstain and valuation.told.values[h] is None)


def _acts(block: Block, policies: Sequence[Policy], agent: np.ndarray, scales: Any) -> list[np.ndarray]:
    """What each policy does in a block, (choice, scene): hypothesis by hypothesis, so that each is looked at once."""
    kept: dict[Any, np.ndarray] = {}
    views = {abstain: _Remembering(block, abstain, scales, kept) for abstain in (False, True)}
    acts = [np.zeros(views[policy.abstain].shape) for policy in policies]
    drawn = [(k, policy, policy.mixing(agent)) for k, policy in enumerate(policies) if policy.draws_one]
    for h in np.flatnonzero(agent).tolist():
        for k, policy, mixed in drawn:
            if mixed[h]:
                acts[k] += mixed[h] * policy.chances(views[policy.abstain], h)
    ordered = [(k, policy) for k, policy in enumerate(policies) if isinstance(policy, Cvar)]
    if ordered:  # which is done once for all of them
        view = views[any(policy.abstain for _, policy in ordered)]
        for (k, _), done in zip(ordered, acts_of([policy for _, policy in ordered], view, agent), strict=True):
            acts[k] = done
    for k, policy in enumerate(policies):
        if not (policy.draws_one or isinstance(policy, Cvar)):
            acts[k] = np.asarray(policy.act(views[policy.abstain], agent), float)
    return acts


class _Remembering(View):
    """A view that keeps what was made of the hypothesis asked about last, for the policies that ask one after the other."""

    def __init__(self, block: Block, abstain: bool, scales: Any, kept: dict[Any, np.ndarray]) -> None:
        super().__init__(block, abstain, scales)
        self.kept = kept

    def once(self, h: int, what: Any, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """What is computed, once for each hypothesis."""
        if (h, what) not in self.kept:
            if self.kept and next(iter(self.kept))[0] != h:
                self.kept.clear()
            self.kept[h, what] = compute()
        return self.kept[h, what]

    def worth(self, h: int) -> np.ndarray:
        """What each choice is worth under h, in its reward units: (choice, scene); -inf where there is none."""
        return self.once(h, ("worth", self.abstain), lambda: View.worth(self, h))

    def best(self, h: int) -> np.ndarray:
        """Probabilities that maximise under h, ties split uniformly: (choice, scene)."""
        return self.once(h, ("best", self.abstain), lambda: View.best(self, h))


def telling(valuation: Valuation, weights: np.ndarray) -> np.ndarray:
    """Weights without those too small, and at stake too little, to change anything that is given."""
    stake = weights * valuation.largest
    whole = float(stake.sum())
    both = np.maximum(weights, stake / whole) if whole > 0 else weights
    order = np.argsort(both, kind="stable")
    kept = weights.copy()
    kept[order[np.cumsum(both[order]) <= NEGLIGIBLE]] = 0.0
    return kept
