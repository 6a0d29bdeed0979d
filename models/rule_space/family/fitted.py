"""A rule space that was fitted to labels, and what its rules do on a test."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.reward import (
    Bounded,
    BoundOf,
    ColumnOf,
    ExpressionReward,
    FittedReward,
    Reward,
)
from reward_hypotheses.models.inference.special import LOG_2
from reward_hypotheses.models.priors.languages import LANGUAGES
from reward_hypotheses.models.rule_space.answers.evidence import AnswerEvidence
from reward_hypotheses.models.rule_space.counts import CellCounts, subset_sums
from reward_hypotheses.models.rule_space.family.declared import OverRules, Rules
from reward_hypotheses.models.rule_space.family.literals import Literals
from reward_hypotheses.models.rule_space.family.patterns import Patterns
from reward_hypotheses.models.rule_space.family.predictions import (
    draw_leaders,
    draw_rules,
    predictions,
    real_literals,
)
from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import MostProbableRules, RuleChoices, choices
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.outcomes.silence import NamedRules, Signatures, agreeing
from reward_hypotheses.models.rule_space.prior import RulePrior, feature_sets_prior, simplicity_prior, uniform_prior
from reward_hypotheses.models.rule_space.weights import Rule, RuleWeights

RULES = 400
"""Rules that stand for a space where its rules are looked at one by one."""
MAXIMISE = "None", False, True
"""Of an agent that maximises by a drawn rule: its rationality, whether it abstains, whether it mixes the rules."""
ROUNDING = 1e-12
"""Rounding error of a weight of rules that approve of an item, at most."""


@dataclass(frozen=True, eq=False)
class FittedRules(FittedReward):
    """A rule space with the counts of training, from which all weights follow.

    Attributes
    ----------
    rules : Rules
    literals : Literals
    columns : tuple of str
        Columns of the first feedback's table, by which the language "columns" counts.
    counts : tuple of CellCounts or None
        The labels of each feedback; None of choices and stops.
    noise : tuple
        The noise of each feedback, (a, b) or a number; None of choices and stops.
    patterns : Patterns
    answers : AnswerEvidence or None
        Choices and stops.
    alphabet : tuple of Expression
        Expressions beside the rules, whose names a simplicity prior over the rules counts too.
    """

    space: ClassVar[bool] = True
    no_length: ClassVar[str] = Rules.no_length

    rules: Rules
    literals: Literals
    columns: tuple[str, ...]
    counts: tuple[CellCounts | None, ...]
    noise: tuple[tuple[float, float] | float | None, ...]
    patterns: Patterns
    answers: AnswerEvidence | None = None
    alphabet: tuple[Expression, ...] = ()
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    @override
    def declared(self) -> Rules:
        return self.rules

    @cached_property
    def prior(self) -> RulePrior:
        """The prior over the rules."""
        return self.prior_of(self.rules.prior)

    def prior_of(self, stated: str | OverRules) -> RulePrior:
        """Return a prior over the rules, with the multipliers that were stated."""
        space = self.literals.space
        factors = {self.rules.names.index(name): x for name, x, _ in self.rules.factors}
        if isinstance(stated, OverRules):
            return simplicity_prior(space, stated.language, self.columns, factors, self.alphabet)
        return (uniform_prior if stated == "uniform" else feature_sets_prior)(space, factors)

    @cached_property
    def weights(self) -> RuleWeights:
        """The posterior weights of the rules."""
        return self.given(range(len(self.counts)))

    @cached_property
    def before(self) -> RuleWeights:
        """The prior weights of the rules."""
        return self.given(())

    def under(self, prior: Any) -> "FittedRules":
        """Return the space under another prior over its rules."""
        return replace(self, rules=self.rules.under(prior), _kept={})

    def by_simplicity(self, prior: Any, alphabet: Sequence[Expression]) -> "FittedRules":
        """Return the space under ``2^-bits`` alone, without multipliers.

        The expressions of `alphabet` stand beside it.
        """
        moved = self.under(prior)
        return replace(moved, rules=moved.rules.without_multipliers(), alphabet=tuple(alphabet), _kept={})

    @override
    def bits_together(self, language: Any, columns: Sequence[str], beside: Sequence[Expression]) -> float | None:
        own, first = self.rules.prior, self.literals.expressions[0]
        known = isinstance(own, OverRules) and own.language == language and self.alphabet == tuple(beside)
        if not known or self.rules.factors:
            return None
        around = self.rules.of(first.text).expression, first, *self.literals.expressions, *beside
        outer, inner = language.bits(around, columns)[:2]
        return float(outer - inner - self.prior.log_total / LOG_2)

    def given(self, feedbacks: Sequence[int]) -> RuleWeights:
        """Return the weights of the rules given some of the feedbacks."""
        some = tuple(sorted(feedbacks))
        if some not in self._kept:
            pairs = ((self.counts[k], self.noise[k]) for k in some)
            labels = [(of, noise) for of, noise in pairs if of is not None and noise is not None]
            answered = None if self.answers is None else self.answers.log(some)
            try:
                self._kept[some] = RuleWeights(self.literals.space, self.prior, labels, answered)
            except InputError:  # labels without noise that no rule explains: the space has no posterior
                self._kept[some], self._kept["impossible", some] = RuleWeights(self.literals.space, self.prior), True
        weights: RuleWeights = self._kept[some]
        return weights

    def log_evidence(self, feedbacks: Sequence[int]) -> float:
        """Return ``log sum_f p(f) p(D_S | f)`` of some of the feedbacks, nats.

        -inf where no rule explains labels without noise; the weights of the rules are then those of the prior.
        """
        found = self.given(feedbacks).log_normaliser if len(feedbacks) else 0.0
        return -math.inf if ("impossible", tuple(sorted(feedbacks))) in self._kept else found

    def name_of(self, rule: Rule) -> str:
        """Return a rule as an expression of the toolkit."""
        space = self.literals.space
        return space.expression(space.members(rule.size, rule.place), rule.table)

    @cached_property
    def signatures(self) -> Signatures:
        """Signatures of the rules on the patterns of training."""
        return Signatures(self.literals.space, self.patterns.seen, distinct=True, numbers=self.patterns.numbers)

    def equivalent_to(self, name: str) -> tuple[NamedRules, np.ndarray]:
        """Return the rules that training cannot tell from a listed hypothesis."""
        if ("equivalent", name) not in self._kept:
            sought = self.patterns.beside[name]
            self._kept["equivalent", name] = agreeing(self.signatures, self.weights, sought)
        found: tuple[NamedRules, np.ndarray] = self._kept["equivalent", name]
        return found

    def bits(self, names: Sequence[str]) -> np.ndarray:
        """Return the length of rules in the language "rules", bits: (rule,)."""
        known = [parse(name) for name in (*names, *self.rules.names)]  # all features of the space are in the alphabet
        return LANGUAGES["rules"].bits(known, self.columns)[: len(names)]

    @property
    @override
    def typical(self) -> ExpressionReward:
        """The reward of the heaviest rule."""
        if "typical" not in self._kept:
            self._kept["typical"] = self.rules.of(self.name_of(self.weights.top(1)[0]))
        reward: ExpressionReward = self._kept["typical"]
        return reward

    def drawn(self, n: int, rng: np.random.Generator, after: bool = True) -> list[Rule]:
        """Draw rules from their posterior, or from their prior, in random order."""
        return draw_rules(self.weights if after else self.before, n, rng)

    @override
    def members(self, n: int, table: Table, rng: np.random.Generator) -> list[Reward]:
        return [self.rules.of(self.name_of(rule)) for rule in self.drawn(n, rng)]

    def wrong(self, k: int, rules: Sequence[Rule]) -> np.ndarray:
        """Return the number of answers of feedback k that go against some rules: (rule,).

        A wrong label; a choice of an option where there was a better one; a stop of an approved item, or none of another.
        """
        counts = self.counts[k]
        if counts is None:
            assert self.answers is not None
            self.answers.log(range(len(self.counts)))
            against = self.answers.contradicted[k]
            return np.array([against[r.size][r.place, r.table] for r in rules], float)
        return np.array(
            [
                counts.n_true + sum(int(c) for b, c in enumerate(counts.cells[r.size][r.place]) if r.table >> b & 1)
                for r in rules
            ],
            float,
        )

    def against(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return how many answers go against each rule of some sets: (set, table)."""
        total = np.zeros((hi - lo, 1 << (1 << s)), np.int64)
        for k, counts in enumerate(self.counts):
            if counts is not None:
                total += subset_sums(counts.cells[s][lo:hi], counts.n_true)
            elif self.answers is not None:
                self.answers.log(range(len(self.counts)))
                total += self.answers.contradicted[k][s][lo:hi]
        return total

    def predictions(self, rules: Sequence[Rule], literals: np.ndarray) -> np.ndarray:
        """Return whether rules approve of items: bool (rule, *shape).

        The literals are (literal, *shape).
        """
        return predictions(self.literals.space, rules, literals)

    @override
    def on_test(self, n_draws: int) -> Reward:
        return RulesOnTest(self)


@dataclass(frozen=True, eq=False)
class RulesOnTest(FittedReward):
    """A fitted rule space on a table, its rules averaged by their weights.

    With V(item) the weight of the rules that approve of an item, its mean reward is ``r1 + (r0 - r1) V``, and the
    probability that it is worse than failing is ``1 - V`` where r1 is below the failure line.
    """

    space: ClassVar[bool] = True
    n_members: ClassVar[int] = RULES
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
    def predictions_on(self, block: Any, h: int) -> Iterable[np.ndarray]:
        return real_literals(self.fitted.literals.evaluate(block.column, block.bound, block.shape), block.failing)

    @override
    def worse(self, block: Any, h: int) -> np.ndarray:
        """Return the probability that each option is worse than failing."""
        high, low = self.fitted.rules.reward
        line = np.asarray(block.failure(h), float)
        approved = self._on(block, MAXIMISE, lambda made: self._choose(made, Acting(self.fitted.rules.reward)))[0]
        chance = np.where(low < line, 1.0 - approved, 0.0) + np.where(high < line, approved, 0.0)
        return chance if block.options is None else np.where(block.options, chance, 0.0)

    @override
    def best(self, block: Any, h: int) -> np.ndarray:
        """Return the mean of the highest reward that each scene offers: (scene,)."""
        high, low = self.fitted.rules.reward
        line = np.broadcast_to(np.asarray(block.failure(h), float), block.shape[1:])
        none = self._on(block, MAXIMISE, lambda made: self._choose(made, Acting(self.fitted.rules.reward)))[1][0]
        real = np.ones(block.shape[1], bool) if block.options is None else block.options.any(axis=0)
        return np.where(real, (1.0 - none) * np.maximum(line, high) + none * np.maximum(line, low), line)

    @override
    def chances(self, view: Any, policy: Any, h: int) -> np.ndarray | None:
        """Return the choices of an agent that follows a drawn rule: (choice, scene).

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
        key = str(policy.settings().get("beta")), policy.abstain, policy.mixes_weights

        def chosen(made: Any) -> RuleChoices:
            return self._choose(made, self.acting(made, policy, h), one=not policy.mixes_weights)

        _, rest, picks = self._on(block, key, chosen)
        return np.vstack([picks, rest[1:]]) if policy.abstain else picks

    def _rules_drawn(self, role: str) -> list[Rule]:
        if role not in self._drawn:
            rng = substream(0, f"{role} of a rule space")
            draw = draw_leaders if role == "leaders" else draw_rules
            self._drawn[role] = draw(self.fitted.weights, RULES, rng)
        return self._drawn[role]

    @override
    def distinct_members(self, role: str, n: int) -> tuple[slice | np.ndarray, np.ndarray]:
        named = np.array([(rule.size, rule.place, rule.table) for rule in self._rules_drawn(role)[:n]], np.int64)
        _, first, of = np.unique(named, axis=0, return_index=True, return_inverse=True)
        return first, of

    @override
    def members_on(self, block: Any, h: int, role: str, which: slice | np.ndarray) -> Members:
        """Return drawn rules with their rewards.

        Deployments follow one rule throughout, so their number of catastrophes depends on the rule.
        """
        high, low = self.fitted.rules.reward
        drawn = self._rules_drawn(role)
        rules = drawn[which] if isinstance(which, slice) else [drawn[k] for k in which.tolist()]
        literals = self.fitted.literals.evaluate(block.column, block.bound, block.shape)
        approve = self.fitted.predictions(rules, literals)
        own = rewards = np.where(approve, high, low)
        if block.failing is not None:
            rewards = np.where(block.failing, block.failure(h), own)
        n = len(rewards)
        return Members(h, role, which, rewards, own, np.zeros((n, 1, 1)), lambda: np.zeros(rewards.shape))

    def scenes(self, made: Any) -> Scenes:
        """Return the scenes of a table, laid out as one block, as rules see them."""
        literals = self.fitted.literals.evaluate(made.column, made.bound, made.shape)
        return Scenes(literals, made.available, made.failing, made.valuation.table.scene_weights())

    def acting(self, made: Any, policy: Any, h: int) -> Acting:
        """Return how an agent acts that follows one rule of the space."""
        beta = policy.settings().get("beta")
        if isinstance(beta, str):
            raise InputError(
                f"policy: {policy.name}: an inferred beta is not known for a space of rules; give beta a number"
            )
        return Acting(self.fitted.rules.reward, made.agent_failure(h)[0] if policy.abstain else None, beta)

    def stakes(self, made: Any, h: int) -> Stakes:
        """Return what is catastrophic if a rule of the space is true."""
        return Stakes(self.fitted.rules.reward, made.failure(h))

    def _choose(self, made: Any, acting: Acting, one: bool = False) -> RuleChoices:
        space = self.fitted.literals.space
        weights = MostProbableRules(space, self.fitted.weights) if one else self.fitted.weights
        return choices(space, weights, self.scenes(made), acting)

    def _on(
        self, block: Any, key: Any, compute: "Callable[[Any], RuleChoices]"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a part of what is computed once on the whole table.

        Weights of approval (option, scene), of approving none and of abstaining (2, scene), and choices (option, scene).
        """
        values = block.valuation
        with self._lock:
            kept = values.averages.get((id(self), key))
            if kept is None:
                made = type(block)(values, 0, values.table.n_scenes)
                found = compute(made)
                kept = found.approved, np.stack([found.none, found.abstained]), found.chosen
                values.averages[id(self), key] = kept
        options = block.shape[0]
        return kept[0][:options, block.scenes], kept[1][:, block.scenes], kept[2][:options, block.scenes]
