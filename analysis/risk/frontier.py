"""What it costs to be safe: expected reward against catastrophe risk, over every policy that ships."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.risk.expected_reward import COSTLY, Outcome, nought, outcomes
from reward_hypotheses.analysis.section import Document, Section
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.cvar import Cvar
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.maximin import Maximin
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.policies.quantilize import Quantilize

SHIPPED: tuple[Policy, ...] = (
    Commit(),
    MostProbable(),
    Expected(),
    Boltzmann(1.0),
    Cvar(0.05),
    Cvar(0.2),
    Maximin(0.95),
    Quantilize(0.1),
    Quantilize(0.25),
)
"""Each is also looked at with abstaining."""


@dataclass(frozen=True)
class Entry:
    """A policy among the others.

    Attributes
    ----------
    outcome : Outcome or None
        None where it was not computed; `lacking` then says why.
    own : bool
        Whether it is the agent's own.
    price : float or None
        What abstaining costs, reward units a scene: the reward of the same policy that must act, less its own. None of one that
        must act.
    efficient : bool
        Whether no other policy has at most its risk and at least its reward, and one of the two truly better.
    """

    policy: Policy
    outcome: Outcome | None
    own: bool
    price: float | None = None
    efficient: bool = False
    lacking: str | None = None


def candidates(own: Policy) -> list[Policy]:
    """Every policy that ships, the agent's own settings among them, each followed by the same that may abstain."""
    acting = replace(own, abstain=False)
    found: list[Policy] = []
    for policy in SHIPPED:
        if policy.name == own.name == "boltzmann":
            policy = acting  # at the agent's own rationality
        found.append(policy)
    if not any(_same(policy, acting) for policy in found):
        after = [k for k, policy in enumerate(found) if policy.name == own.name]
        found.insert(after[-1] + 1 if after else len(found), acting)
    return [replace(policy, abstain=abstain) for policy in found for abstain in (False, True)]


def _same(one: Policy, other: Policy) -> bool:
    return one is other or (type(one) is type(other) and settings_of(one) == settings_of(other))


def settings_of(policy: Policy) -> dict[str, Any]:
    """What a policy was asked for beside abstaining, as a study file writes it."""
    if policy.sampled or policy.name == "boltzmann" and not isinstance(policy, Boltzmann):
        return {"beta": "inferred"}
    return {f.name: getattr(policy, f.name) for f in fields(policy) if f.name not in ("abstain", "base")}


def frontier(valuation: Valuation, own: Policy, agent: np.ndarray, judge: np.ndarray) -> list[Entry]:
    """Hold every policy that ships against every other, by an agent's weights and before a judge.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    own : Policy
        The agent's.
    agent, judge : ndarray (hypothesis,)
        Posterior weights of what the agent acts by, and of what counts as good.
    """
    policies = candidates(own)
    why = [_lacking(policy, valuation, agent, _same(policy, own)) for policy in policies]
    wanted = [policy for policy, reason in zip(policies, why, strict=True) if reason is None]
    found = iter(outcomes(valuation, wanted, agent, judge))
    told = [None if reason else next(found) for reason in why]
    best = iter(efficient([one for one in told if one is not None]))
    entries = []
    for k, (policy, outcome, reason) in enumerate(zip(policies, told, why, strict=True)):
        acts = told[k - 1] if policy.abstain else None
        price = None
        if outcome is not None and acts is not None:
            price = nought(acts.reward - outcome.reward, acts.size + outcome.size)
        is_own = policy.abstain == own.abstain and _same(replace(policy, abstain=False), replace(own, abstain=False))
        entries.append(Entry(policy, outcome, is_own, price, outcome is not None and next(best), reason))
    return entries


def efficient(outcomes: Sequence[Outcome]) -> list[bool]:
    """Which outcomes no other one dominates; of two that are alike, both."""
    risk = np.array([one.risk for one in outcomes])
    reward = np.array([one.reward for one in outcomes])
    safer, richer = risk[:, None] - risk, reward - reward[:, None]  # (one, other): by how much the other is
    size = np.array([one.size for one in outcomes])
    near = EQUAL * (size[:, None] + size)
    beaten = (safer >= -EQUAL) & (richer >= -near) & ((safer > EQUAL) | (richer > near))
    return (~beaten.any(axis=1)).tolist()


def _lacking(policy: Policy, valuation: Valuation, agent: np.ndarray, own: bool) -> str | None:
    """Why a policy is not looked at, in words; None where it is."""
    held = np.flatnonzero(agent)
    names = valuation.hypotheses.names
    for h in held.tolist():
        if policy.abstain and valuation.told.values[h] is None:
            return (
                f"hypothesis {names[h]!r} has no failure line, so nothing says what abstaining is worth to this agent"
            )
        if h in valuation.families and isinstance(policy, Maximin):
            return f"hypothesis {names[h]!r} has continuous weights, of which there is no smallest set of the most probable"
        if h in valuation.families and isinstance(policy, Cvar) and not own:
            return f"hypothesis {names[h]!r} has continuous weights, every draw of which would have to be put in order"
        reward = valuation.hypotheses.rewards[h]
        if isinstance(reward, Drawn) and not own and len(reward.agents) * valuation.table.n_items > COSTLY:
            return f"hypothesis {names[h]!r} has continuous weights, and its draws on so many items would take too long"
    return None


def words_of(policy: Policy) -> str:
    """A policy and what it was asked for, in a few words."""
    said = {
        "beta": lambda x: f"rationality {x if isinstance(x, str) else format(x, 'g')}",
        "tail": lambda x: f"worst {100 * x:g}%",
        "credible": lambda x: f"{100 * x:g}% credible",
        "q": lambda x: f"best {100 * x:g}%",
    }
    given = ", ".join(said[key](x) if key in said else f"{key} {x}" for key, x in settings_of(policy).items())
    return (
        policy.name.replace("_", " ") + (f" ({given})" if given else "") + (", may abstain" if policy.abstain else "")
    )


def document_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Plain values for the results."""
    return [
        {
            "policy": one.policy.name,
            "settings": settings_of(one.policy),
            "abstain": one.policy.abstain,
            "words": words_of(one.policy),
            "own": one.own,
            **{
                key: None if one.outcome is None else getattr(one.outcome, key)
                for key in ("risk", "reward", "regret", "abstained")
            },
            "price": one.price,
            "efficient": one.efficient,
            "lacking": one.lacking,
        }
        for one in entries
    ]


class Frontier(Section[Sequence[Entry]]):
    """Expected reward and risk of every policy that ships, and which of them are efficient."""

    keys = ("frontier",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Sequence[Entry]:
        return frontier(case.valuation, case.policy, case.agent_weights, case.judge_weights)

    @override
    def document(self, case: Case, result: Sequence[Entry]) -> Document:
        return {"frontier": document_of(result)}
