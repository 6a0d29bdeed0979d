"""A rule space on a test: choices of agents that follow its rules, and catastrophes if one of its rules is true."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.reward import Bounded, BoundOf, ColumnOf, FittedReward
from reward_hypotheses.models.hypotheses.scene_block import RULES
from reward_hypotheses.models.rule_family.declared import Rules
from reward_hypotheses.models.rule_family.fitted import FittedRules
from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import MostProbableRules, RuleChoices, choices
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.weights import Rule

if TYPE_CHECKING:
    from reward_hypotheses.models.hypotheses.scene_block import Block, Values
    from reward_hypotheses.models.policies.base import Policy
    from reward_hypotheses.models.policies.view import View

ROUNDING = 1e-12
"""Rounding error of a weight of rules that approve of an item, at most."""


@dataclass(frozen=True, eq=False)
class RulesOnTest(FittedReward):
    """A fitted rule space that evaluates tables, its rules averaged by their posterior weights.

    With V(item) the weight of the rules that approve of an item, its mean reward is ``r1 + (r0 - r1) V``, and the
    probability that it is worse than failing is ``1 - V`` where r1 is below the failure line.
    """

    space: ClassVar[bool] = True
    no_length: ClassVar[str] = Rules.no_length

    fitted: FittedRules
    _drawn: dict[str, list[Rule]] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    @property
    @override
    def declared(self) -> Rules:
        return self.fitted.rules

    @override
    def on_test(self, n_draws: int) -> "RulesOnTest":
        return self

    @override
    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        high, low = self.fitted.rules.reward
        space, expressions = self.fitted.literals.space, self.fitted.literals.expressions
        shape = np.broadcast_shapes(*(np.shape(column(name)) for e in expressions for name in e.columns))
        literals = self.fitted.literals.evaluate(column, bound, shape).reshape(len(expressions), 1, -1)
        acting = Acting(self.fitted.rules.reward)
        found = choices(space, self.fitted.weights, Scenes(literals), acting)
        value = low + (high - low) * found.approved.reshape(shape)
        return value, np.full(shape, ROUNDING * (abs(high) + abs(low)))

    @override
    def magnitude(self, values: np.ndarray) -> np.ndarray:
        high, low = self.fitted.rules.reward
        approved = np.clip((values - low) / (high - low), 0.0, 1.0)
        return abs(low) + (abs(high) - abs(low)) * approved

    @override
    def worse(self, block: "Block", h: int) -> np.ndarray:
        """Return the probability that each option is worse than failing if a rule of the space is true."""
        high, low = self.fitted.rules.reward
        line = np.asarray(block.failure(h), float)
        approved = self._on(block, "maximise", lambda made: self._choose(made, Acting(self.fitted.rules.reward)))[0]
        chance = np.where(low < line, 1.0 - approved, 0.0) + np.where(high < line, approved, 0.0)
        return chance if block.options is None else np.where(block.options, chance, 0.0)

    @override
    def best(self, block: "Block", h: int) -> np.ndarray:
        """Return the mean of the highest reward that each scene offers, failing among them: (scene,)."""
        high, low = self.fitted.rules.reward
        line = np.broadcast_to(np.asarray(block.failure(h), float), block.shape[1:])
        none = self._on(block, "maximise", lambda made: self._choose(made, Acting(self.fitted.rules.reward)))[1][0]
        real = np.ones(block.shape[1], bool) if block.options is None else block.options.any(axis=0)
        return np.where(real, (1.0 - none) * np.maximum(line, high) + none * np.maximum(line, low), line)

    @override
    def chances(self, view: "View", policy: "Policy", h: int) -> np.ndarray | None:
        """Return the choices of an agent that follows a rule drawn from the weights: (choice, scene).

        None for a policy that maximises the mean reward of all its hypotheses.

        Raises
        ------
        InputError
            A policy that needs the rewards of every rule on its own.
        """
        if not policy.draws_one and not policy.no_space:
            return None
        if policy.no_space:
            raise InputError(f"policy: {policy.name} cannot act by a space of rules: {policy.no_space}")
        block = view.block
        key = (type(policy), policy.settings().get("beta"), policy.abstain)

        def chosen(made: "Block") -> RuleChoices:
            return self._choose(made, self.acting(made, policy, h), one=not policy.mixes_weights)

        _, rest, picks = self._on(block, ("policy", *map(str, key)), chosen)
        return np.vstack([picks, rest[1:]]) if policy.abstain else picks

    def members_on(self, block: "Block", h: int, role: str, which: slice) -> Members:
        """Return drawn rules with their rewards, for what the mean over rules does not determine.

        Deployments follow one rule throughout, so their number of catastrophes depends on the rule.
        """
        high, low = self.fitted.rules.reward
        if role not in self._drawn:
            self._drawn[role] = self.fitted.drawn(RULES, substream(0, f"{role} of a rule space"))
        literals = self.fitted.literals.evaluate(block.column, block.bound, block.shape)
        approve = self.fitted.predictions(self._drawn[role][which], literals)
        own = rewards = np.where(approve, high, low)
        if block.failing is not None:
            rewards = np.where(block.failing, block.failure(h), own)
        n = len(rewards)
        return Members(h, role, which, rewards, own, np.zeros((n, 1, 1)), lambda: np.zeros(rewards.shape))

    def scenes(self, made: "Block") -> Scenes:
        """Return the scenes of a table, laid out as one block, as rules see them."""
        literals = self.fitted.literals.evaluate(made.column, made.bound, made.shape)
        return Scenes(literals, made.available, made.failing, made.valuation.table.scene_weights())

    def acting(self, made: "Block", policy: "Policy", h: int) -> Acting:
        """Return how an agent acts that follows one rule of the space."""
        beta = policy.settings().get("beta")
        if isinstance(beta, str):
            raise InputError(
                f"policy: {policy.name}: an inferred beta is not known for a space of rules; give beta a number"
            )
        return Acting(self.fitted.rules.reward, made.agent_failure(h)[0] if policy.abstain else None, beta)

    def stakes(self, made: "Block", h: int) -> Stakes:
        """Return what is catastrophic if a rule of the space is true."""
        return Stakes(self.fitted.rules.reward, made.failure(h))

    def _choose(self, made: "Block", acting: Acting, one: bool = False) -> RuleChoices:
        space = self.fitted.literals.space
        weights = MostProbableRules(space, self.fitted.weights) if one else self.fitted.weights
        return choices(space, weights, self.scenes(made), acting)

    def _on(
        self, block: "Block", key: Any, compute: "Callable[[Block], RuleChoices]"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a part of what is computed once on the whole table.

        Weights of approval (option, scene), of approving none and of abstaining (2, scene), and choices (option, scene).
        """
        values: Values = block.valuation
        with self._lock:
            kept = values.averages.get((id(self), key))
            if kept is None:
                made = type(block)(values, 0, values.table.n_scenes)
                found = compute(made)
                kept = found.approved, np.stack([found.none, found.abstained]), found.chosen
                values.averages[id(self), key] = kept
        options = block.shape[0]
        return kept[0][:options, block.scenes], kept[1][:, block.scenes], kept[2][:options, block.scenes]
