"""The price of safety: expected reward against catastrophe risk, by policy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.risk.expected_reward import Outcome, costly, policy_outcomes, without_rounding
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.registry import POLICIES

SHIPPED: tuple[Policy, ...] = tuple(policy(**settings) for policy in POLICIES.values() for settings in policy.compared)
"""Policies of the frontier; each is also computed with permission to abstain."""


@dataclass(frozen=True)
class Entry:
    """One policy of the frontier.

    Attributes
    ----------
    outcome : Outcome or None
        None where the outcome was not computed; `lacking` then gives the reason.
    of_agent : bool
        Whether the policy is the agent's.
    price : float or None
        Cost of abstaining, reward units a scene: the reward of the same policy that must act, less the reward of the
        policy that may abstain. None for a policy that must act.
    efficient : bool
        Whether no other policy has at most its risk and at least its reward, and improves on one of the two.
    """

    policy: Policy
    outcome: Outcome | None
    of_agent: bool
    price: float | None = None
    efficient: bool = False
    lacking: str | None = None


def candidates(agents: Policy) -> list[Policy]:
    """Return every policy that ships and the agent's, acting and abstaining.

    Each policy is followed by the same policy with permission to abstain.
    """
    acting = replace(agents, abstain=False)
    policies = [acting if p.name == agents.name and p.compared_as_stated else p for p in SHIPPED]
    if not any(_same(policy, acting) for policy in policies):
        after = [k + 1 for k, policy in enumerate(policies) if policy.name == agents.name]
        policies.insert(max(after, default=len(policies)), acting)
    return [replace(policy, abstain=abstain) for policy in policies for abstain in (False, True)]


def _same(policy: Policy, other: Policy) -> bool:
    return policy is other or (type(policy) is type(other) and policy.settings() == other.settings())


def frontier(valuation: Valuation, agents: Policy, agent: np.ndarray, judge: np.ndarray) -> list[Entry]:
    """Compare the risk and the expected reward of every policy that ships.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    agents : Policy
        The agent's.
    agent, judge : ndarray (hypothesis,)
        Posterior weights by which the agent acts, and by which its choices are judged.
    """
    policies = candidates(agents)
    acting = replace(agents, abstain=False)
    of_agent = [
        _same(replace(policy, abstain=False), acting) and policy.abstain == agents.abstain for policy in policies
    ]
    why = [_lacking(policy, valuation, agent, _same(policy, agents)) for policy in policies]
    computed = [k for k, reason in enumerate(why) if reason is None]
    outcomes = dict(
        zip(computed, policy_outcomes(valuation, [policies[k] for k in computed], agent, judge), strict=True)
    )
    undominated = dict(zip(computed, efficient(list(outcomes.values())), strict=True))

    def price(k: int) -> float | None:
        outcome, acts = outcomes.get(k), outcomes.get(k - 1)
        if not policies[k].abstain or outcome is None or acts is None:
            return None
        return without_rounding(acts.reward - outcome.reward, acts.size + outcome.size)

    return [
        Entry(policy, outcomes.get(k), of_agent[k], price(k), undominated.get(k, False), why[k])
        for k, policy in enumerate(policies)
    ]


def efficient(outcomes: Sequence[Outcome]) -> list[bool]:
    """Return which outcomes no other outcome dominates; both of two equal outcomes."""
    risk, reward, size = (
        np.array([getattr(outcome, key) for outcome in outcomes]) for key in ("risk", "reward", "size")
    )
    safer, richer = risk[:, None] - risk, reward - reward[:, None]  # (outcome, other): by how much the other is
    near = EQUAL * (size[:, None] + size)
    beaten = (safer >= -EQUAL) & (richer >= -near) & ((safer > EQUAL) | (richer > near))
    return (~beaten.any(axis=1)).tolist()


def _lacking(policy: Policy, valuation: Valuation, agent: np.ndarray, agents: bool) -> str | None:
    """Return why a policy is left out; None where the policy is computed.

    `agents` says whether the policy is the agent's.
    """
    names = valuation.hypotheses.names
    for h in np.flatnonzero(agent).tolist():
        if policy.abstain and valuation.agent_line.values[h] is None:
            return (
                f"hypothesis {names[h]!r} has no failure line, so nothing says what abstaining is worth to this agent"
            )
        why = policy.no_family if agents else policy.no_family or policy.slow_family
        if h in valuation.families and why:
            return f"hypothesis {names[h]!r} has continuous weights, {why}"
        if h in valuation.hypotheses.spaces and policy.no_space:
            return f"hypothesis {names[h]!r} is a space of rules, and {policy.no_space}"
        if costly(valuation, h) and not agents:
            return f"hypothesis {names[h]!r} has continuous weights, and its draws on so many items would take too long"
    return None


def frontier_document(entries: Sequence[Entry]) -> list[Document]:
    """Return the frontier as plain values."""
    keys = ("risk", "reward", "regret", "abstained")
    return [
        {
            "policy": entry.policy.name,
            "settings": entry.policy.settings(),
            "abstain": entry.policy.abstain,
            "words": entry.policy.words,
            "own": entry.of_agent,
            **{key: None if entry.outcome is None else getattr(entry.outcome, key) for key in keys},
            "price": entry.price,
            "efficient": entry.efficient,
            "lacking": entry.lacking,
        }
        for entry in entries
    ]


class Frontier(Section[list[Document]]):
    """Expected reward and risk of every policy that ships, efficient ones marked."""

    keys = ("frontier",)
    of_test = sampled = True
    topic = "frontier"

    @override
    def compute(self, case: Case) -> list[Document]:
        return frontier_document(frontier(case.valuation, case.policy, case.agent_weights, case.judge_weights))
