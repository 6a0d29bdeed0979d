"""The risk that endless training leaves, by silent class of rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.scene_block import GROUPS, Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.greatest import greatest
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.rule_space.family.fitted import FittedRules, RulesOnTest
from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import RuleChoices, Weights, choices
from reward_hypotheses.models.rule_space.outcomes.limit import RuleLimit, limit
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.outcomes.silence import Classes, NamedRules, agreeing, silent_classes

NEGLIGIBLE = 1e-9
"""Weight of the classes that may be left out where they are not drawn."""
UNSEEN = 1e-18
"""Weight of rules that no double-precision sum notices."""


@dataclass(frozen=True, eq=False)
class LeftInClass:
    """The risk left where the truth is in one silent class, or in one of several.

    Attributes
    ----------
    listed : tuple of int
        The listed hypotheses of the class.
    share : float
        v(S), the judge's weight of the class.
    risk, alone : float
        ``v(S) sum_{i, j in S} p_i v_j C_ij``, and its part with ``i = j``.
    terms : ndarray (agent, member) or None
        The risk by pair: listed hypotheses first, then all rules of the class together. None of a policy that acts on all
        hypotheses at once.
    """

    listed: tuple[int, ...]
    share: float
    risk: float
    alone: float
    terms: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Class:
    """Listed hypotheses and rules of a space that training cannot tell apart.

    The weights of the rules are the judge's and the agent's.
    """

    listed: tuple[int, ...]
    rules: NamedRules
    weights: np.ndarray
    agents: np.ndarray


@dataclass(frozen=True, eq=False)
class _Either:
    """The sum of two weights of a space."""

    first: Weights
    second: Weights

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        return np.asarray(self.first.block(s, lo, hi) + self.second.block(s, lo, hi))


@dataclass(frozen=True, eq=False)
class _Only:
    """Weights of some rules of a space; 0 of all others."""

    rules: NamedRules
    weights: np.ndarray

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        out = np.zeros((hi - lo, 1 << (1 << s)))
        at = (self.rules.size == s) & (self.rules.place >= lo) & (self.rules.place < hi)
        out[self.rules.place[at] - lo, self.rules.table[at]] = self.weights[at]
        return out


@dataclass(frozen=True, eq=False)
class _Without:
    """Weights of a space; 0 of some rules."""

    weights: Weights
    left_out: Sequence[NamedRules]

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        out = np.array(self.weights.block(s, lo, hi), float)
        for rules in self.left_out:
            at = (rules.size == s) & (rules.place >= lo) & (rules.place < hi)
            out[rules.place[at] - lo, rules.table[at]] = 0.0
        return out


class SpaceLimit:
    """The risk that endless training leaves, beside a space of rules.

    Parameters
    ----------
    valuation : Valuation
        Of the test.
    policy : Policy
    h : int
        The space.
    agent, judge : ndarray (hypothesis,)
        Posterior weights, by which the agent acts and is judged. Within a silent class they are those of the prior.
    agents_rules : FittedRules, optional
        The space by the agent's weights of its rules, where they are not the judge's.
    """

    def __init__(
        self,
        valuation: Valuation,
        policy: Policy,
        h: int,
        agent: np.ndarray,
        judge: np.ndarray,
        agents_rules: FittedRules | None = None,
    ) -> None:
        reward = valuation.hypotheses.rewards[h]
        assert isinstance(reward, RulesOnTest)
        self.policy, self.h, self.reward, self.agent, self.judge = policy, h, reward, agent, judge
        self.fitted, self.space = reward.fitted, reward.fitted.literals.space
        self.agents = reward.fitted if agents_rules is None else agents_rules
        self.valuation, self.made = valuation, Block(valuation, 0, valuation.n_scenes)

    @cached_property
    def scenes(self) -> Scenes:
        """The scenes of the test, as rules see them."""
        return self.reward.scenes(self.made)

    @cached_property
    def stakes(self) -> Stakes:
        """What is catastrophic if a rule is true."""
        return self.reward.stakes(self.made, self.h)

    @cached_property
    def acting(self) -> Acting:
        """How an agent acts that follows one rule."""
        return self.reward.acting(self.made, self.policy, self.h)

    @cached_property
    def view(self) -> View:
        """The scenes of the test, as the policy sees them."""
        scales = within_scene_scale(self.valuation) if self.policy.needs_scale else None
        return View(self.made, self.policy.abstain, scales)

    def by_class(self, names: Sequence[str], classes: np.ndarray) -> list[LeftInClass] | None:
        """Return the risk left in every class that holds rules.

        None where too many classes have weight for a policy that is not computed over all of them at once.

        Parameters
        ----------
        names, classes : sequence of str, ndarray (hypothesis,)
            The judge's hypotheses, and the silent class of each, in which the space is alone.
        """
        mixed, done = [], set()
        for name, of in zip(names, classes.tolist(), strict=True):
            if name in self.fitted.patterns.beside and of not in done:
                done.add(of)
                mixed.append(self._class(name, tuple(np.flatnonzero(classes == of).tolist())))
        mixed = [of_class for of_class in mixed if len(of_class.rules)]
        rest = self._rest([of_class.rules for of_class in mixed])
        return None if rest is None else [*map(self._left, mixed), rest]

    def _class(self, name: str, listed: tuple[int, ...]) -> _Class:
        """Return the class of a listed hypothesis."""
        if self.agents is self.fitted:
            rules, weights = self.fitted.equivalent_to(name)
            return _Class(listed, rules, weights, weights)

        def compute() -> _Class:
            either = _Either(self.fitted.weights, self.agents.weights)
            rules, _ = agreeing(self.fitted.signatures, either, self.fitted.patterns.beside[name])
            return _Class(listed, rules, *(_weights_of(rules, of.weights) for of in (self.fitted, self.agents)))

        return self._once(("class", name, listed), compute)

    def _once[T](self, about: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """Return what was computed about these rules before, or compute it.

        Cases that differ by a Monte Carlo error share it.
        """
        kept, key = self.made.valuation.averages, (id(self.reward), id(self.agents), *about)
        if key not in kept:
            kept[key] = compute()
        found: T = kept[key]
        return found

    def _rest(self, left_out: Sequence[NamedRules]) -> LeftInClass | None:
        """Return the risk left in classes of rules alone.

        None where too many have weight. It does not depend on the weights of the hypotheses,
        and is computed once.
        """

        def compute() -> tuple[float, RuleLimit]:
            found = self._classes(left_out)
            share = float(found.judge.sum()) + found.dropped[1]
            name, n = self.policy.name.replace("boltzmann", "commit"), min(GROUPS, self.reward.n_members)
            return share, limit(found, self.scenes, self.acting, self.stakes, policy=name, n_groups=n)

        share, left = self._once(("limit", *self._acts, *(of.first for of in left_out)), compute)
        if not self.policy.draws_one and left.rest > NEGLIGIBLE:
            return None
        groups = self.made.valuation.share(self.h, "agents", len(left.groups)) if len(left.groups) else left.groups
        risk, alone = (self.judge[self.h] * of for of in left.by_groups(groups))
        terms = np.array([[risk]]) if self.policy.draws_one else None
        return LeftInClass((), self.judge[self.h] * share, risk, alone, terms)

    def _classes(self, left_out: Sequence[NamedRules]) -> Classes:
        """Return the silent classes of the space without some rules."""
        judge: Weights = _Without(self.fitted.weights, left_out) if left_out else self.fitted.weights
        agent = judge
        if self.agents is not self.fitted:
            agent = _Without(self.agents.weights, left_out) if left_out else self.agents.weights
        return silent_classes(self.space, agent, judge, self.fitted.signatures, negligible=UNSEEN)

    @property
    def _acts(self) -> tuple[Any, ...]:
        """How the policy acts: its name, rationality, and whether it abstains."""
        return self.policy.name, str(self.policy.settings().get("beta")), self.policy.abstain

    def _left(self, of_class: _Class) -> LeftInClass:
        """Return the risk left in one class."""
        weights = self.agent.tobytes(), self.judge.tobytes()
        return self._once(("left", *self._acts, of_class.listed, *weights), lambda: self._left_in(of_class))

    def _left_in(self, of_class: _Class) -> LeftInClass:
        listed, n = list(of_class.listed), len(of_class.listed)
        pairs = (self.agent, of_class.agents), (self.judge, of_class.weights)
        p, v = (np.concatenate([w[listed], w[self.h] * of_rules]) for w, of_rules in pairs)
        p = p / p.sum() if p.sum() > 0 else np.full(len(p), 1.0 / len(p))
        if self.policy.draws_one and not self.policy.mixes_weights:
            p = np.where(p >= p.max() * (1 - EQUAL), 1.0, 0.0)
            p = p / p.sum()
        judged = self._choices(of_class.rules, v[n:])
        worse = [v[k] * self.made.worse(h) for k, h in enumerate(listed)]
        worse.append(self.stakes.bad(judged.approved, judged.weight, self.scenes))
        share = float(v.sum())
        if not self.policy.draws_one:
            acts = self._of_mean(listed, p, of_class)
            risk = self.scenes.mean((acts * sum(worse)).sum(axis=0))
            return LeftInClass(of_class.listed, share, risk, risk if len(p) == 1 else 0.0, None)
        chosen = self._choices(of_class.rules, p[n:]).chosen
        picks = [self.policy.chances(self.view, h)[: self.scenes.shape[0]] for h in listed]
        acts = np.array([*(p[k] * x for k, x in enumerate(picks)), chosen])
        terms = np.einsum("aos,bos,s->ab", acts, np.array(worse), self.scenes.share, optimize=True)
        both = self._choices(of_class.rules, p[n:] * v[n:])
        high, low = self.stakes.catastrophic
        alone = float(np.trace(terms[:n, :n])) + self.scenes.mean(high * both.follows + low * both.defies)
        return LeftInClass(of_class.listed, share, float(terms.sum()), alone, terms)

    def _choices(self, rules: NamedRules, weights: np.ndarray) -> RuleChoices:
        return choices(self.space, _Only(rules, weights), self.scenes, self.acting)

    def _of_mean(self, listed: Sequence[int], p: np.ndarray, of_class: _Class) -> np.ndarray:
        """Return the choices of an agent that maximises a class's mean reward.

        Shape (option, scene).
        """
        high, low = self.fitted.rules.reward
        found = self._choices(of_class.rules, p[len(listed) :])
        mean, size = (found.weight * b + (a - b) * found.approved for a, b in ((high, low), (abs(high), abs(low))))
        if self.policy.abstain:
            line = np.broadcast_to(self.made.agent_failure(self.h)[0], (1, self.scenes.shape[1]))
            mean, size = (np.vstack([x, found.weight * f]) for x, f in ((mean, line), (size, np.abs(line))))
        for k, h in enumerate(listed):
            worth = self.view.worth(h)
            mean, size = mean + p[k] * worth, size + p[k] * np.abs(worth)
        mask = self.view.mask
        if mask is not None:
            mean, size = np.where(mask, mean, -np.inf), np.where(mask, size, 0.0)
        return np.asarray(greatest(mean, EQUAL * size), float)[: self.scenes.shape[0]]


def _weights_of(rules: NamedRules, weights: Weights) -> np.ndarray:
    """Return the weights of some rules: (rule,)."""
    out = np.empty(len(rules))
    for k, (s, place, table) in enumerate(zip(rules.size.tolist(), rules.place.tolist(), rules.table, strict=True)):
        out[k] = weights.block(s, place, place + 1)[0, table]
    return out
