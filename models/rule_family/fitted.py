"""A rule space that was fitted to labels: the posterior of its rules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.reward import ExpressionReward, FittedReward, Reward
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.rule_family.declared import Rules
from reward_hypotheses.models.rule_family.literals import Literals, literals_of
from reward_hypotheses.models.rule_space.counts import CellCounts, count_cells, subset_sums
from reward_hypotheses.models.rule_space.outcomes.choices import block_ranges
from reward_hypotheses.models.rule_space.outcomes.scenes import distinct_columns
from reward_hypotheses.models.rule_space.prior import RulePrior, feature_sets_prior, simplicity_prior, uniform_prior
from reward_hypotheses.models.rule_space.weights import Rule, RuleWeights


@dataclass(frozen=True, eq=False)
class FittedRules(FittedReward):
    """A rule space with the counts of training, from which all weights follow.

    Attributes
    ----------
    rules : Rules
    literals : Literals
    columns : tuple of str
        Columns of the first feedback's table, by which the language "columns" counts.
    counts : tuple of CellCounts
        One for each feedback.
    noise : tuple
        The noise of each feedback, (a, b) or a number.
    seen : ndarray of bool (literal, pattern)
        The distinct patterns of literals among the training items.
    beside : dict of str to ndarray of bool (pattern,)
        Of each listed hypothesis that predicts equally in equal patterns: its prediction.
    """

    space: ClassVar[bool] = True
    no_length: ClassVar[str] = Rules.no_length

    rules: Rules
    literals: Literals
    columns: tuple[str, ...]
    counts: tuple[CellCounts, ...]
    noise: tuple[tuple[float, float] | float, ...]
    seen: np.ndarray
    beside: Mapping[str, np.ndarray]
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    @override
    def declared(self) -> Rules:
        return self.rules

    @cached_property
    def prior(self) -> RulePrior:
        """The prior over the rules."""
        return self.prior_of(self.rules.prior)

    def prior_of(self, stated: str | Simplicity) -> RulePrior:
        """Return a prior over the rules, with the multipliers that were stated."""
        space = self.literals.space
        factors = {self.rules.names.index(name): x for name, x, _ in self.rules.factors}
        if isinstance(stated, Simplicity):
            return simplicity_prior(space, stated.as_language, self.columns, factors)
        return (uniform_prior if stated == "uniform" else feature_sets_prior)(space, factors)

    @cached_property
    def weights(self) -> RuleWeights:
        """The posterior weights of the rules."""
        return self.given(range(len(self.counts)))

    @cached_property
    def before(self) -> RuleWeights:
        """The prior weights of the rules."""
        return self.given(())

    def given(self, feedbacks: Sequence[int]) -> RuleWeights:
        """Return the weights of the rules given some of the feedbacks."""
        some = tuple(sorted(feedbacks))
        if some not in self._kept:
            labels = [(self.counts[k], self.noise[k]) for k in some]
            self._kept[some] = RuleWeights(self.literals.space, self.prior, labels)
        weights: RuleWeights = self._kept[some]
        return weights

    def log_evidence(self, feedbacks: Sequence[int]) -> float:
        """Return ``log sum_f p(f) p(D_S | f)`` of some of the feedbacks, nats."""
        return self.given(feedbacks).log_normaliser if len(feedbacks) else 0.0

    def name_of(self, rule: Rule) -> str:
        """Return a rule as an expression of the toolkit."""
        space = self.literals.space
        return space.expression(space.members(rule.size, rule.place), rule.table)

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
        weights, space = self.weights if after else self.before, self.literals.space
        mass = [weights.set_mass(s) for s in space.sizes]
        ends = np.cumsum([len(m) for m in mass])
        flat = np.concatenate(mass)
        chosen, counts = np.unique(rng.choice(len(flat), n, p=flat / flat.sum()), return_counts=True)
        out: list[Rule] = []
        for at, times in zip(chosen.tolist(), counts.tolist(), strict=True):
            s = int(np.searchsorted(ends, at, side="right"))
            place = at - int(ends[s] - len(mass[s]))
            row = weights.block(s, place, place + 1)[0]
            tables = rng.choice(len(row), times, p=row / row.sum())
            out += [Rule(s, place, int(t), float(row[t])) for t in tables]
        return [out[k] for k in rng.permutation(n)]

    @override
    def members(self, n: int, table: Table, rng: np.random.Generator) -> list[Reward]:
        return [self.rules.of(self.name_of(rule)) for rule in self.drawn(n, rng)]

    def wrong(self, k: int, rules: Sequence[Rule]) -> np.ndarray:
        """Return the number of wrong labels of some rules in feedback k: (rule,)."""
        counts = self.counts[k]
        return np.array(
            [
                counts.n_true + sum(int(c) for b, c in enumerate(counts.cells[r.size][r.place]) if r.table >> b & 1)
                for r in rules
            ],
            float,
        )

    def fitting(self) -> tuple[int, float]:
        """Return how many rules contradict no label, and their posterior weight."""
        space, n, weight = self.literals.space, 0, 0.0
        for s, lo, hi in block_ranges(space):
            fits = np.isfinite(self.before.log_block(s, lo, hi))
            for counts in self.counts:
                fits &= subset_sums(counts.cells[s][lo:hi], counts.n_true) == 0
            if fits.any():
                n += int(np.count_nonzero(fits))
                weight += float(self.weights.block(s, lo, hi)[fits].sum())
        return n, weight

    def predictions(self, rules: Sequence[Rule], literals: np.ndarray) -> np.ndarray:
        """Return whether rules approve of items: bool (rule, *shape) for literals (literal, *shape)."""
        out = np.empty((len(rules), *literals.shape[1:]), bool)
        for i, rule in enumerate(rules):
            members = self.literals.space.members(rule.size, rule.place)
            cell = np.zeros(literals.shape[1:], np.int64)
            for q, literal in enumerate(members):
                cell |= literals[literal].astype(np.int64) << q
            out[i] = rule.table >> cell & 1
        return out

    @override
    def on_test(self, n_draws: int) -> Reward:
        from reward_hypotheses.models.rule_family.on_test import RulesOnTest

        return RulesOnTest(self)


def rule_problems(name: str, rules: Rules, feedback: Sequence[Feedback], line: Any) -> list[str]:
    """Return why a rule space cannot be fitted to feedback at a failure line."""
    high, low = rules.reward
    who = f"hypothesis {name!r}"
    out = [
        f"{data.name or data.kind}: {who} is a space of rules, whose evidence is exact for labels alone, not for {data.kind}; "
        "list rules as expressions, or leave one of the two out"
        for data in feedback
        if not isinstance(data, Labels)
    ]
    if not isinstance(line, float):
        out.append(f"fail_utility: {who} is a space of rules, for which failing is worth a number; give one")
    elif not low <= line < high:
        out.append(
            f"fail_utility: {line:g} under {who}, whose rewards are {high:g} and {low:g}: labels then say nothing of its rules; give a "
            f"number from {low:g} to below {high:g}"
        )
    return out


def fit_rules(
    name: str,
    rules: Rules,
    feedback: Sequence[Labels],
    columns: Sequence[str],
    listed: Mapping[str, Sequence[np.ndarray]],
) -> FittedRules:
    """Fit a rule space to labels.

    Parameters
    ----------
    listed : dict of str to sequence of ndarray (item,)
        Predictions of the listed hypotheses, feedback by feedback.

    Raises
    ------
    InputError
        A feature without thresholds, too many rules, or labels that no rule explains.
    """
    tables = list({id(data.items): data.items for data in feedback}.values())
    literals = literals_of(name, rules, tables)
    on = {id(table): literals.on(table) for table in tables}
    counts = tuple(_counted(literals, on[id(data.items)], data) for data in feedback)
    noise = tuple(data.noise for data in feedback)
    failing = [data.items.failing() for data in feedback]
    real = [np.ones(data.items.n_items, bool) if f is None else ~f for data, f in zip(feedback, failing, strict=True)]
    every = np.concatenate([on[id(data.items)][:, r] for data, r in zip(feedback, real, strict=True)], axis=1)
    first, pattern = distinct_columns(every)
    predictions = {
        who: np.concatenate([p[r] for p, r in zip(by_feedback, real, strict=True)]).astype(bool)
        for who, by_feedback in listed.items()
    }
    beside = {who: p[first] for who, p in predictions.items() if np.array_equal(p[first][pattern], p)}
    fitted = FittedRules(rules, literals, tuple(columns), counts, noise, every[:, first], beside)
    try:
        if not math.isfinite(fitted.weights.log_normaliser):
            raise InputError("labels that no rule explains")
    except InputError as error:
        raise InputError([f"hypothesis {name!r}: {problem}" for problem in error.problems]) from None
    return fitted


def _counted(literals: Literals, columns: np.ndarray, data: Labels) -> CellCounts:
    """Return the counts of labels by cell.

    An item that is failing is not better than failing under any rule, so its label is wrong where it is true.
    """
    times = None if data.item_counts is None else data.item_counts.astype(np.int64)
    failing = data.items.failing()
    if failing is None or not failing.any():
        return count_cells(literals.space, columns, data.observed, times)
    real = ~failing
    counts = count_cells(literals.space, columns[:, real], data.observed[real], None if times is None else times[real])
    size = failing.astype(np.int64) if times is None else failing * times
    more = int(size[data.observed].sum()), int(size.sum())
    return CellCounts(counts.cells, counts.n_true + more[0], counts.n_items + more[1])


def refitted(fitted: FittedRules, prior: str | Simplicity) -> FittedRules:
    """Return a fitted space under another prior over its rules."""
    rules = Rules(**(_stated(fitted.rules) | {"prior": prior}))
    return replace(fitted, rules=rules, _kept={})


def _stated(rules: Rules) -> dict[str, Any]:
    written = rules.written()
    return {"features": written.pop("rules"), **written}
