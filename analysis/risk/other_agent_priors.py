"""Agents with other priors on the same test: risk, reward and abstaining.

Simplicity languages are compared as well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.risk.asymptotic import left_by_class, limit
from reward_hypotheses.analysis.risk.catastrophe import Risk, compute_risk, scalar_risk
from reward_hypotheses.analysis.risk.expected_reward import rewards_by_hypothesis
from reward_hypotheses.analysis.risk.intervals import interval, judges_weights
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.uniform import Uniform

AROUND = 20_000_000  # hypotheses squared times items up to which policies that act on all weights get every interval


def agent_priors(case: Case) -> dict[str, Prior | None]:
    """Return the priors of the agents that are compared, by name.

    They are: uniform, every language, the agent's own prior, and the human values (None).
    """
    priors: dict[str, Prior | None] = {"uniform": Uniform()}
    for language in case.settings.languages:
        try:
            case.posterior.acting_prior(language)
        except InputError:
            continue  # a callable has no length in any language: null, as the warning says
        priors[language.name] = language
    agents = case.agent.prior
    return priors | ({} if agents is None else {agents.name: agents}) | {"values": None}


def values_drawn(case: Case) -> np.ndarray | None:
    """Draw the judge's posterior weights over uncertain values: (draw, hypothesis).

    None for values without a strength.
    """
    return judges_weights(case.posterior, case.draws, substream(case.seed, "values"))


@dataclass(frozen=True, eq=False)
class Compared:
    """Agents with several priors on one test, by the name of the prior.

    Attributes
    ----------
    priors : dict of str to Prior or None
    weights : dict of str to ndarray (hypothesis of the test,)
    acts, may_abstain : dict of str to tuple of float
        Risk and share of abstaining of an agent that must act, and of an agent that may abstain.
    """

    priors: Mapping[str, Prior | None]
    weights: Mapping[str, np.ndarray]
    acts: Mapping[str, tuple[float, float]]
    may_abstain: Mapping[str, tuple[float, float]]

    def permitted(self, abstain: bool) -> Mapping[str, tuple[float, float]]:
        """Return risk and abstaining of agents with the case's own permission to abstain."""
        return self.may_abstain if abstain else self.acts


def compared(case: Case) -> Compared:
    """Return the agents with other priors on the test."""
    priors = agent_priors(case)
    weights = {key: _weights(case, prior) for key, prior in priors.items()}
    policy = case.policy
    as_is = (
        _by_matrix(case.risk, policy, weights, case.judge_weights)
        if policy.draws_one
        else _scalar(case, policy, weights)
    )
    other = _scalar(case, replace(policy, abstain=not policy.abstain), weights)
    acts, may = (other, as_is) if policy.abstain else (as_is, other)
    return Compared(priors, weights, {key: (risk, 0.0) for key, (risk, _) in acts.items()}, may)


def _weights(case: Case, prior: Prior | None) -> np.ndarray:
    """Return the weights of an agent with a prior: (hypothesis of the test,)."""
    if case.agent.by_rule and prior is case.agent.prior:
        return case.agent_weights
    return case.padded(case.posterior.acting(prior))


def _scalar(case: Case, policy: Policy, weights: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    risks, abstained = scalar_risk(case.valuation, policy, np.array(list(weights.values())), case.judge_weights)
    return dict(zip(weights, zip(risks.tolist(), abstained.tolist(), strict=True), strict=True))


def _by_matrix(
    risk: Risk, policy: Policy, weights: Mapping[str, np.ndarray], judge: np.ndarray
) -> dict[str, tuple[float, float]]:
    mixed = {key: policy.mixing(w) for key, w in weights.items()}
    return {
        key: (float(m @ risk.matrix @ judge), float(m @ risk.abstained_by_agent) if policy.abstain else 0.0)
        for key, m in mixed.items()
    }


def rewards_certain(case: Case) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return the expected rewards of agents certain of each hypothesis.

    First under the policy as stated, then with the other permission to abstain. Two arrays (hypothesis of the
    test,), in reward units a scene; None for a policy that acts on all hypotheses at once.
    """
    policy = case.policy
    if not policy.draws_one:
        return None, None
    policies = (policy, replace(policy, abstain=not policy.abstain))
    as_is, flipped = rewards_by_hypothesis(case.valuation, policies, case.judge_weights)
    return as_is, flipped


def _mixed_reward(policy: Policy, weights: np.ndarray, by_hypothesis: np.ndarray | None) -> float | None:
    """Return the expected reward of an agent that mixes hypotheses by its weights.

    Computed from the rewards of agents certain of one hypothesis; None where not defined.
    """
    if by_hypothesis is None:
        return None
    mixed = policy.mixing(weights)
    drawn = mixed > 0
    reward = float(mixed[drawn] @ by_hypothesis[drawn])
    return None if math.isnan(reward) else reward


class RiskByAgentPrior(Section[Document]):
    """Risk of agents with other priors, and with each simplicity language."""

    keys = ("risk_by_agent_prior", "risk_by_language")
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        risks = {key: risk for key, (risk, _) in case.once(compared).permitted(case.policy.abstain).items()}
        languages = [language.language_name for language in case.settings.languages]
        simple = {language: risks.get(f"simplicity, {language}") for language in languages}
        return {
            "risk_by_agent_prior": {
                "uniform": risks["uniform"],
                "simplicity": simple[languages[0]] if languages else None,
                "values": risks["values"],
            },
            "risk_by_language": simple,
        }


class Agents(Section[Document]):
    """Risk, reward and abstaining of agents with other priors.

    Each agent once must act, and once may abstain.
    """

    keys = ("agents",)
    of_test = sampled = True
    topic = "agents"

    @override
    def compute(self, case: Case) -> Document:
        agents, policy = case.once(compared), case.policy
        as_is, flipped = case.once(rewards_certain)
        by_truth = (flipped, as_is) if policy.abstain else (as_is, flipped)
        return {
            key: {
                "acts": self._entry(case, agents.acts[key], agents.weights[key], by_truth[0]),
                "may_abstain": self._entry(case, agents.may_abstain[key], agents.weights[key], by_truth[1]),
                **self._interval(case, prior, agents.weights[key]),
            }
            for key, prior in agents.priors.items()
        }

    def _entry(
        self, case: Case, numbers: tuple[float, float], weights: np.ndarray, by_hypothesis: np.ndarray | None
    ) -> Document:
        risk, abstained = numbers
        reward = _mixed_reward(case.policy, weights, by_hypothesis)
        return {"risk": risk, "reward": reward, "abstained": abstained}

    def _interval(self, case: Case, prior: Prior | None, weights: np.ndarray) -> Document:
        """Return the interval and limit of one agent; None where too costly.

        The agent has the policy of the study's own agent.
        """
        policy, posterior = case.policy, case.posterior
        if policy.draws_one:
            by_truth = policy.mixing(weights) @ case.risk.matrix
        elif len(weights) ** 2 * case.valuation.table.n_items <= AROUND:
            by_truth = compute_risk(case.valuation, policy, weights, case.judge_weights).by_truth
        else:
            return {"lower": None, "upper": None, "limit": None}
        ends = interval(case.once(values_drawn), by_truth[case.judges], case.settings.prob)
        if case.agent.by_rule and prior is case.agent.prior:
            left = case.agent.risk_left(case.valuation, posterior, policy, case.risk)
        else:
            left = left_by_class(case.valuation, posterior, policy, prior, case.risk)
        return {"lower": ends["lower"], "upper": ends["upper"], "limit": None if left is None else limit(left)[0]}


class Languages(Section[Document]):
    """Simplicity languages compared: bits and weights of hypotheses, and the risk."""

    keys = ("languages",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        posterior = case.posterior.of_rules()
        names = posterior.hypotheses.names
        risks = case.once(compared).permitted(case.policy.abstain)
        document: Document = {}
        for language in case.settings.languages:
            try:
                bits = language.bits(posterior.hypotheses)
            except InputError:
                document[language.language_name] = None
                continue
            weights = posterior.reweighted(language)
            lead = weights >= (1 - 1e-9) * weights.max()
            document[language.language_name] = {
                "bits": by_name(names, bits),
                "weights": by_name(names, weights),
                "first": [name for name, first in zip(names, lead.tolist(), strict=True) if first],
                "risk": risks[language.name][0] if language.name in risks else None,
            }
        return document
