"""Bounds of the risk over priors that may differ rule by rule of a space."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.rollout import Scenes, scene_weights
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.policies.view import within_scene_scale
from reward_hypotheses.models.rule_space.family.fitted import RulesOnTest
from reward_hypotheses.models.rule_space.outcomes.true_rules import TrueRules

ROUNDS = 50


@dataclass(frozen=True, eq=False)
class OverRules:
    """The truths of a case: listed hypotheses, and every rule of its spaces.

    Attributes
    ----------
    listed : ndarray (3, hypothesis)
        Log prior, log evidence (nats) and risk by truth of the hypotheses that are no space.
    spaces : sequence of (float, TrueRules)
        Log prior of each space, and its rules.
    top : float
        Greatest log prior plus log evidence of a hypothesis, a space as a whole.
    total, bad : float
        ``sum pi L`` and ``sum pi L d``, relative to ``exp(top)``.
    """

    listed: np.ndarray
    spaces: Sequence[tuple[float, TrueRules]]
    top: float
    total: float
    bad: float

    @property
    def risk(self) -> float:
        """The risk under the stated prior."""
        return self.bad / self.total

    def each[T](self, work: Callable[[np.ndarray, np.ndarray, np.ndarray], T]) -> Iterator[T]:
        """Yield what ``work(log prior, log evidence, risk)`` returns of some truths."""
        yield work(*self.listed)
        for log_weight, rules in self.spaces:

            def of_rules(
                prior: np.ndarray, evidence: np.ndarray, risk: np.ndarray, log_weight: float = log_weight
            ) -> T:
                return work(log_weight + prior, evidence, risk)

            yield from rules.each(of_rules)

    def contaminated(self, shares: Sequence[float]) -> np.ndarray:
        """Return bounds of the risk over the priors ``(1 - e) pi + e q``: (share, 2).

        Attained at a q that is certain of one hypothesis or rule (Berger and Berliner 1986).
        """

        def work(prior: np.ndarray, evidence: np.ndarray, risk: np.ndarray) -> list[tuple[float, float]]:
            kept, fits = (np.exp(np.minimum(0.0, sign * (evidence - self.top))) for sign in (-1, 1))
            out = []
            for e in shares:
                keep, extra = (1 - e) * kept, e * fits
                values = (keep * self.bad + extra * risk) / (keep * self.total + extra)
                out.append((float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))))
            return out

        found = np.array(list(self.each(work)))
        return np.stack([found[..., 0].min(axis=0), found[..., 1].max(axis=0)], axis=1)

    def best_fit(self) -> float:
        """Return the greatest log evidence of a hypothesis or rule, nats."""
        return max(self.each(lambda prior, evidence, risk: float(evidence.max(initial=-np.inf))))

    def within_factor(self, factors: Sequence[float]) -> np.ndarray:
        """Return bounds of the risk where odds are off by a factor: (factor, 2).

        The odds of every hypothesis and rule may be off. The extremes have odds k times as high for the truths whose risk is
        beyond the extreme itself; it is found by Dinkelbach's iteration, which ends at it exactly.
        """
        signs, k = np.tile([-1.0, 1.0], len(factors)), np.repeat(factors, 2)
        at = np.full(len(k), self.risk)

        def work(prior: np.ndarray, evidence: np.ndarray, risk: np.ndarray) -> np.ndarray:
            mass = np.exp(prior + evidence - self.top)
            beyond = signs[:, None] * (risk - at[:, None]) > 0
            return np.stack([beyond @ mass, beyond @ (mass * risk)])

        for _ in range(ROUNDS):
            more, worse = sum(self.each(work), start=np.zeros((2, len(k))))
            moved = (self.bad + (k - 1) * worse) / (self.total + (k - 1) * more)
            if (signs * (moved - at) <= 1e-15).all():
                break
            at = np.where(signs * (moved - at) > 0, moved, at)
        return np.clip(at, 0.0, 1.0).reshape(-1, 2)

    def slopes(self) -> tuple[float, float]:
        """Return ``Cov_v(d, log pi)`` and ``Cov_v(d, log L)`` over hypotheses and rules."""

        def work(prior: np.ndarray, evidence: np.ndarray, risk: np.ndarray) -> np.ndarray:
            log_mass = prior + evidence
            some = log_mass > -np.inf
            v = np.exp(log_mass[some] - self.top) / self.total * (risk[some] - self.risk)
            return np.array([v @ (prior[some] - at[0]), v @ (evidence[some] - at[1])])

        at = self._centre()
        values, evidence = sum(self.each(work), start=np.zeros(2)).tolist()
        return values, evidence

    def _centre(self) -> np.ndarray:
        """Return mean log prior and log evidence, nats: (2,)."""

        def work(prior: np.ndarray, evidence: np.ndarray, risk: np.ndarray) -> np.ndarray:
            log_mass = prior + evidence
            some = log_mass > -np.inf
            v = np.exp(log_mass[some] - self.top) / self.total
            return np.array([v @ prior[some], v @ evidence[some]])

        return sum(self.each(work), start=np.zeros(2))


def over_rules(case: Case) -> OverRules:
    """Return the truths of a case on its test, with the agent's weights as they are."""
    posterior, valuation = case.posterior, case.valuation
    made = Block(valuation, 0, valuation.n_scenes)
    scales = within_scene_scale(valuation) if case.policy.needs_scale else None
    seen = Scenes(made, scene_weights(valuation)[0], scales)
    chosen = seen.acts(case.policy, case.agent_weights)[: seen.n_options]
    about = np.array([posterior.log_prior, posterior.log_evidence, case.risk.by_truth[case.judges]])
    spaces = []
    for h in posterior.spaces:
        reward = valuation.hypotheses.rewards[h]
        assert isinstance(reward, RulesOnTest)
        fitted = reward.fitted
        rules = TrueRules(fitted.before, fitted.weights, chosen, reward.scenes(made), reward.stakes(made, h))
        if posterior.log_evidence[h] > -np.inf:
            spaces.append((float(posterior.log_prior[h]), rules))
    both = about[0] + about[1]
    top = float(both.max())
    base = np.exp(both - top)
    listed = np.delete(about, list(posterior.spaces), axis=1)
    return OverRules(listed, spaces, top, float(base.sum()), float(base @ about[2]))


def bounds_over_rules(case: Case, shares: Sequence[float], factors: Sequence[float]) -> dict[str, Any]:
    """Return bounds of the risk over priors, rule by rule.

    They are computed once for a risk: cases that differ by a Monte Carlo error have the same.
    """
    known, risk = case.valuation.averages.get("bounds over rules"), case.risk
    numbers = case.posterior.log_prior, case.posterior.log_evidence, risk.by_truth
    key = tuple(shares), tuple(factors), *(of.tobytes() for of in numbers)
    if known is None or known[0] is not risk.by_scene or known[1] != key:
        over = over_rules(case)
        found = {
            "contaminated": over.contaminated(shares),
            "best_fit": over.best_fit(),
            "within_factor": over.within_factor(factors),
            "slopes": over.slopes(),
        }
        known = case.valuation.averages["bounds over rules"] = risk.by_scene, key, found
    out: dict[str, Any] = known[2]
    return out
