"""A space of rules on a test: rules that fit, and the risk by prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.rule_space.family.asked import AskedRules
from reward_hypotheses.models.rule_space.family.declared import PRIORS
from reward_hypotheses.models.rule_space.family.fitted import FittedRules, RulesOnTest
from reward_hypotheses.models.rule_space.family.literals import truth_of
from reward_hypotheses.models.rule_space.outcomes.choices import block_ranges, choices
from reward_hypotheses.models.rule_space.outcomes.dependence import dependence_by_feature

LISTED = 10
TIED = 1e-9
"""Relative difference of weights that counts as none."""


def documents(case: Case) -> Document:
    """Return what is known of each space of rules, by name.

    First the hypotheses, then the spaces that the study asks about.
    """
    made = Block(case.valuation, 0, case.valuation.n_scenes)
    found: Document = {}
    for h in case.posterior.spaces:
        reward = case.valuation.hypotheses.rewards[h]
        assert isinstance(reward, RulesOnTest)
        found[case.judge_names[h]] = _of_space(case, _Space(h, reward, made))
    for name, asked in case.settings.rules.items():
        reward = RulesOnTest(_fitted(case, name, asked))
        found[name] = _of_space(case, _Space(0, reward, made, asked))  # the failure line is one for all
    return found


def fitting(fitted: FittedRules) -> tuple[int, float]:
    """Return how many rules contradict no label, and their posterior weight."""
    space, n, weight = fitted.literals.space, 0, 0.0
    for s, lo, hi in block_ranges(space):
        fits = np.isfinite(fitted.before.log_block(s, lo, hi)) & (fitted.against(s, lo, hi) == 0)
        if fits.any():
            n += int(np.count_nonzero(fits))
            weight += float(fitted.weights.block(s, lo, hi)[fits].sum())
    return n, weight


@dataclass(frozen=True, eq=False)
class _Space:
    """A space of rules on the test.

    Attributes
    ----------
    h : int
        The hypothesis whose failure line holds for the space.
    asked : AskedRules or None
        None where the space is a hypothesis.
    """

    h: int
    reward: RulesOnTest
    made: Block
    asked: AskedRules | None = None

    @property
    def fitted(self) -> FittedRules:
        return self.reward.fitted


def _fitted(case: Case, name: str, asked: AskedRules) -> FittedRules:
    """Fit a space that the study asks about, once for all tests."""
    from reward_hypotheses.models.rule_space.family.fit import fit_rules

    if ("rules", name) not in case.known:
        feedback, worth = case.posterior.feedback, case.valuation.line.values[0]
        assert isinstance(worth, float)  # one number for all
        try:
            case.known["rules", name] = fit_rules(name, asked.rules, feedback, case.posterior.hypotheses.columns, worth)
        except InputError as error:
            raise InputError(f"[analysis] rules: {p.removeprefix('hypothesis ')}" for p in error.problems) from None
    fitted: FittedRules = case.known["rules", name]
    return fitted


def _of_space(case: Case, about: _Space) -> Document:
    fitted = about.fitted
    space, top = fitted.literals.space, fitted.weights.top(LISTED)
    n, weight = fitting(fitted)
    names = [fitted.name_of(rule) for rule in top]
    bits = fitted.bits(names).tolist()
    wrong = np.sum([fitted.wrong(k, top) for k in range(len(fitted.counts))], axis=0).astype(int).tolist()
    return {
        "hypothesis": about.asked is None,
        "rules": space.n_rules,
        "literals": list(space.literals),
        "at_most": space.at_most,
        "prior": fitted.rules.prior_name,
        "fitting": n,
        "fitting_weight": min(weight, 1.0),
        "top": [
            {"rule": name, "weight": rule.weight, "bits": of, "contradicted": k}
            for name, rule, of, k in zip(names, top, bits, wrong, strict=True)
        ],
        "outcome": None if about.asked is None or about.asked.outcome is None else about.asked.outcome.text,
        "priors": _by_prior(case, about),
        "features": _by_feature(case, about),
    }


def _by_prior(case: Case, about: _Space) -> Document:
    """Return the heaviest rules and the agent's risk, by prior over rules."""
    made, fitted, reward = about.made, about.fitted, about.reward
    judged = sum(v * made.worse(j) for j, v in enumerate(case.judge_weights.tolist()) if v > 0)
    outcome = None
    if about.asked is not None and about.asked.outcome is not None:
        outcome = truth_of(about.asked.outcome, made.column, made.bound)
    stated: dict[str, Any] = {fitted.rules.prior_name: fitted.rules.prior} | {name: name for name in PRIORS}
    stated |= {prior.name: prior for prior in case.settings.languages}
    scenes = reward.scenes(made)
    acting = reward.acting(made, case.policy, about.h) if _draws_rules(case) else None
    out: Document = {}
    for name, prior in stated.items():
        try:
            moved = fitted if name == fitted.rules.prior_name else fitted.under(prior)
        except InputError:
            continue  # the language has no shortest formulas of so many features
        top = moved.weights.top(LISTED)
        first = [moved.name_of(rule) for rule in top if rule.weight >= top[0].weight * (1 - TIED)]
        tied = len(first) if len(first) < LISTED else _n_at_least(moved, top[0].weight * (1 - TIED))
        risk = share = None
        if acting is not None:
            chosen = choices(fitted.literals.space, moved.weights, scenes, acting).chosen
            risk = scenes.mean((chosen * judged).sum(axis=0))
            share = None if outcome is None else scenes.mean((chosen * outcome).sum(axis=0))
        out[name] = {"first": first, "tied": tied, "weight": top[0].weight, "risk": risk, "outcome": share}
    return out


def _n_at_least(fitted: FittedRules, least: float) -> int:
    """Return the number of rules of at least some weight."""
    ranges = block_ranges(fitted.literals.space)
    return sum(int(np.count_nonzero(fitted.weights.block(s, lo, hi) >= least)) for s, lo, hi in ranges)


def _draws_rules(case: Case) -> bool:
    """Return whether the agent draws a rule by its weight and acts by it."""
    policy = case.policy
    return policy.draws_one and policy.mixes_weights and not isinstance(policy.settings().get("beta"), str)


def _by_feature(case: Case, about: _Space) -> list[Document] | None:
    """Return the risk by feature, the most disputed first.

    None of a policy that does not draw a rule.
    """
    if not _draws_rules(case):
        return None
    reward, made, weights = about.reward, about.made, about.fitted.weights
    on_test = reward.scenes(made), reward.acting(made, case.policy, about.h), reward.stakes(made, about.h)
    found = dependence_by_feature(about.fitted.literals.space, weights, weights, *on_test)
    parts = ("agent_alone", "truth_alone", "both", "neither", "disputed", "read_by_truth")
    return [
        {"feature": about.fitted.rules.names[k]} | {key: float(getattr(found, key)[k]) for key in parts}
        for k in np.argsort(-np.round(found.disputed, 12), kind="stable").tolist()
    ]
