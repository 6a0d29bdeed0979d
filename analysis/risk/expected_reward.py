"""Expected reward of policies on a test, beside their catastrophe risk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.rollout import Scenes, Worth, over_scenes, scene_weights
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View

COSTLY = 5_000_000
"""Draws of continuous weights times items from which on only the agent's own policy is computed."""

NEGLIGIBLE = 1e-13
"""Share of an agent's weight and expected reward that may be left out: no reported number changes."""


@dataclass(frozen=True)
class Outcome:
    """Risk and expected reward of a policy on a test.

    Attributes
    ----------
    risk : float
        Share of scenes with a catastrophe, ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]``.
    reward : float
        The judge's expected reward, reward units a scene, ``mean_m sum_j v_j (sum_o A[m, o] r_j[m, o] + a[m] u_j)``, a the
        probability of abstaining. Rewards of different hypotheses are added up without
        rescaling.
    regret : float
        The expected reward of the best options less this reward, as in `Risk`.
    abstained : float
        Share of scenes in which the policy abstains.
    size : float
        Sum of the absolute values that the reward adds up. Rewards that differ by less than 1e-9 of this sum are equal.
    """

    risk: float
    reward: float
    regret: float
    abstained: float
    size: float = 0.0


def without_rounding(x: float, size: float) -> float:
    """Return a sum of rewards, or 0 if the sum is below the rounding of its terms."""
    return x if abs(x) > 1e-12 * size else 0.0


def policy_outcomes(
    valuation: Valuation, policies: Sequence[Policy], agent: np.ndarray, judge: np.ndarray
) -> list[Outcome]:
    """Return the outcomes of several policies in one pass over the test.

    Costs O(H M) a policy, without a matrix.
    """
    _, total = scene_weights(valuation)
    agent = prune_weights(valuation, agent)

    def work(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
        options, mass = scenes.n_options, scenes.mass
        judged, worth = scenes.worse(judge), Worth(scenes.block, judge)
        sums = np.empty((len(policies), 4))
        for k, (policy, acts) in enumerate(zip(policies, _acts(scenes, policies, agent), strict=True)):
            refrains = acts[options] @ mass if policy.abstain else 0.0
            earned, size = (acts[:options] * worth.value).sum(axis=0), (acts[:options] * worth.size).sum(axis=0)
            if policy.abstain:
                earned, size = earned + acts[options] * worth.failing, size + acts[options] * worth.of_failing
            sums[k] = (acts[:options] * judged).sum(axis=0) @ mass, earned @ mass, refrains, size @ mass
        return sums, np.array([worth.best @ mass, worth.of_best @ mass])

    sums, best = np.zeros((len(policies), 4)), np.zeros(2)
    for part, of_best in over_scenes(valuation, work, *policies):
        sums += part
        best += of_best
    could, of_best = (best / total).tolist()
    return [
        Outcome(
            risk=min(max(risk, 0.0), 1.0),
            reward=without_rounding(reward, size),
            regret=max(without_rounding(could - reward, of_best + size), 0.0),
            abstained=abstained,
            size=size,
        )
        for risk, reward, abstained, size in (sums / total).tolist()
    ]


def rewards_by_hypothesis(valuation: Valuation, policies: Sequence[Policy], judge: np.ndarray) -> np.ndarray:
    """Compute the expected reward of an agent certain of each hypothesis.

    ``R_h = mean_m sum_j v_j (sum_o A_h[m, o] r_j[m, o] + a_h[m] u_j[m])``, reward units a scene. A_h are the choices of an
    agent certain of h, and a_h its abstaining. An agent of weights w, of a policy that draws one hypothesis, earns
    ``mixing(w) @ R``. The mean over j adds up rewards of different hypotheses without rescaling them. One pass over the
    test, without a matrix: O(H M) a policy.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    policies : sequence of Policy
        Each draws one hypothesis.
    judge : ndarray (hypothesis,)
        Posterior weights by which choices are judged.

    Returns
    -------
    ndarray (policy, hypothesis)
        NaN where the agent may abstain and the hypothesis has no failure line, and for continuous weights whose draws on
        the test take too long.
    """
    _, total = scene_weights(valuation)
    known = np.array([[_computed(valuation, policy, h) for h in range(len(judge))] for policy in policies])

    def work(scenes: Scenes) -> np.ndarray:
        options, mass, worth = scenes.n_options, scenes.mass, Worth(scenes.block, judge)
        value, failing, size, of_failing = (
            part * mass for part in (worth.value, worth.failing, worth.size, worth.of_failing)
        )
        views = _views(scenes)
        sums = np.zeros((*known.shape, 2))
        for h in range(len(judge)):
            for k, policy in enumerate(policies):
                if known[k, h]:
                    chosen = policy.chances(views[policy.abstain], h)
                    sums[k, h] = np.vdot(chosen[:options], value), np.vdot(chosen[:options], size)
                    if policy.abstain:
                        sums[k, h] += chosen[options] @ failing, chosen[options] @ of_failing
        return sums

    sums: Any = sum(over_scenes(valuation, work, *policies))
    earned, size = np.moveaxis(sums / total, 2, 0)
    return np.where(known, np.where(np.abs(earned) > 1e-12 * size, earned, 0.0), np.nan)


def _computed(valuation: Valuation, policy: Policy, h: int) -> bool:
    """Return whether the reward of an agent certain of h is computed."""
    return not costly(valuation, h) and not (policy.abstain and valuation.agent_line.values[h] is None)


def costly(valuation: Valuation, h: int) -> bool:
    """Return whether draws of continuous weights on the test take too long."""
    return h in valuation.families and valuation.n_draws(h, "agents") * valuation.table.n_items > COSTLY


def _acts(scenes: Scenes, policies: Sequence[Policy], agent: np.ndarray) -> list[np.ndarray]:
    """Return each policy's choices on some scenes, (choice, scene) each.

    Computed hypothesis by hypothesis, for all policies at once.
    """
    views = _views(scenes)
    acts = [np.zeros(views[policy.abstain].shape) for policy in policies]
    drawn = [(k, policy, policy.mixing(agent)) for k, policy in enumerate(policies) if policy.draws_one]
    for h in np.flatnonzero(agent).tolist():
        for k, policy, mixed in drawn:
            if mixed[h]:
                acts[k] += mixed[h] * policy.chances(views[policy.abstain], h)
    at_once: dict[type[Policy], list[int]] = {}
    for k, policy in enumerate(policies):
        if not policy.draws_one:
            at_once.setdefault(type(policy), []).append(k)
    for kind, places in at_once.items():
        for k, chosen in zip(places, kind.act_each([policies[k] for k in places], views, agent), strict=True):
            acts[k] = np.asarray(chosen, float)
    return acts


def _views(scenes: Scenes) -> dict[bool, View]:
    """Return the views of agents that must act (False) and may abstain (True)."""
    cache: dict[Any, np.ndarray] = {}
    return {abstain: _CachedView(scenes, abstain, cache) for abstain in (False, True)}


class _CachedView(View):
    """A view that remembers the arrays of one hypothesis.

    Several policies ask for these arrays one after the other.
    """

    def __init__(self, scenes: Scenes, abstain: bool, cache: dict[Any, np.ndarray]) -> None:
        super().__init__(scenes.block, abstain, scenes.scales)
        self.cache = cache

    @override
    def once(self, h: int, what: Any, compute: Callable[[], np.ndarray]) -> np.ndarray:
        if (h, what) not in self.cache:
            if self.cache and next(iter(self.cache))[0] != h:
                self.cache.clear()
            self.cache[h, what] = compute()
        return self.cache[h, what]

    @override
    def worth(self, h: int) -> np.ndarray:
        return self.once(h, ("worth", self.abstain), lambda: View.worth(self, h))

    @override
    def best(self, h: int) -> np.ndarray:
        return self.once(h, ("best", self.abstain), lambda: View.best(self, h))


def prune_weights(valuation: Valuation, weights: np.ndarray) -> np.ndarray:
    """Return weights with 0 for hypotheses that change no reported number.

    These hypotheses are improbable, and have little at stake.
    """
    stake = weights * valuation.largest
    total = float(stake.sum())
    size = np.maximum(weights, stake / total) if total > 0 else weights
    order = np.argsort(size, kind="stable")
    pruned = weights.copy()
    pruned[order[np.cumsum(size[order]) <= NEGLIGIBLE]] = 0.0
    return pruned
