"""Spaces of rules in the results: rules that fit, and the risk by prior."""

from collections.abc import Iterator
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.priors.languages import Symbols
from reward_hypotheses.models.rule_space.counts import subset_sums
from reward_hypotheses.models.rule_space.family.declared import PRIORS
from reward_hypotheses.models.rule_space.family.fitted import FittedRules, RulesOnTest
from reward_hypotheses.models.rule_space.outcomes.choices import block_ranges, choices
from reward_hypotheses.models.rule_space.outcomes.dependence import dependence_by_feature
from reward_hypotheses.models.rule_space.outcomes.silence import Signatures, agreeing

LISTED = 10


class RuleSpaces(Section[Document]):
    """Every space of rules: rules that fit, and the risk by prior and feature.

    None where no hypothesis is a space of rules.
    """

    keys = ("rule_spaces",)
    of_test = True

    @override
    def progress(self, case: Case) -> str:
        return "rules of the space" if case.posterior.spaces else ""

    @override
    def compute(self, case: Case) -> Document | None:
        spaces = case.posterior.spaces
        if not spaces:
            return None
        return {case.judge_names[h]: _of_space(case, h, fitted) for h, fitted in spaces.items()}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        for h, fitted in case.posterior.spaces.items():
            name = case.judge_names[h]
            yield f"intervals and bounds of the risk hold the prior over the rules of {name!r} fixed: rule_spaces has other priors"
            inside = [who for who in fitted.beside if _holds(fitted, who)]
            if inside:
                listed = " and ".join(map(repr, inside[:3])) + (
                    f" and {len(inside) - 3} more" if len(inside) > 3 else ""
                )
                yield f"{listed}: training cannot tell {'it' if len(inside) == 1 else 'them'} from rules of {name!r}, so such rules count in both"

    @override
    def present(self, document: Any) -> Any:
        from reward_hypotheses.analysis.report.sections.risk.rule_space import present

        return present(document)


def _holds(fitted: FittedRules, who: str) -> bool:
    """Return whether some rule agrees with a listed hypothesis in training."""
    signatures = Signatures(fitted.literals.space, fitted.seen)
    return bool(len(agreeing(signatures, fitted.weights, signatures.approving(fitted.beside[who]))[0]))


def fitting(fitted: FittedRules) -> tuple[int, float]:
    """Return how many rules contradict no label, and their posterior weight."""
    space, n, weight = fitted.literals.space, 0, 0.0
    for s, lo, hi in block_ranges(space):
        fits = np.isfinite(fitted.before.log_block(s, lo, hi))
        for counts in fitted.counts:
            fits &= subset_sums(counts.cells[s][lo:hi], counts.n_true) == 0
        if fits.any():
            n += int(np.count_nonzero(fits))
            weight += float(fitted.weights.block(s, lo, hi)[fits].sum())
    return n, weight


def _of_space(case: Case, h: int, fitted: FittedRules) -> Document:
    space, top = fitted.literals.space, fitted.weights.top(LISTED)
    n, weight = fitting(fitted)
    names = [fitted.name_of(rule) for rule in top]
    bits = fitted.bits(names).tolist()
    wrong = np.sum([fitted.wrong(k, top) for k in range(len(fitted.counts))], axis=0).astype(int).tolist()
    return {
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
        "priors": _by_prior(case, h, fitted),
        "features": _by_feature(case, h),
    }


def _by_prior(case: Case, h: int, fitted: FittedRules) -> Document:
    """Return the heaviest rule and the agent's risk, by prior over rules."""
    made = Block(case.valuation, 0, case.valuation.n_scenes)
    judged = sum(v * made.worse(j) for j, v in enumerate(case.judge_weights.tolist()) if v > 0)
    stated: dict[str, Any] = {fitted.rules.prior_name: fitted.rules.prior} | {name: name for name in PRIORS}
    stated |= {prior.name: prior for prior in case.settings.languages if isinstance(prior.as_language, Symbols)}
    draws, reward = case.policy.draws_one and case.policy.mixes_weights, case.valuation.hypotheses.rewards[h]
    assert isinstance(reward, RulesOnTest)
    out: Document = {}
    for name, prior in stated.items():
        moved = fitted if name == fitted.rules.prior_name else fitted.under(prior)
        first = moved.weights.top(1)[0]
        risk = None
        if draws:
            scenes = reward.scenes(made)
            chosen = choices(fitted.literals.space, moved.weights, scenes, reward.acting(made, case.policy, h)).chosen
            risk = scenes.mean((chosen * judged).sum(axis=0))
        out[name] = {"first": moved.name_of(first), "weight": first.weight, "risk": risk}
    return out


def _by_feature(case: Case, h: int) -> list[Document] | None:
    """Return the risk by feature, the most disputed first.

    None of a policy that does not draw a rule.
    """
    if not (case.policy.draws_one and case.policy.mixes_weights):
        return None
    reward = case.valuation.hypotheses.rewards[h]
    assert isinstance(reward, RulesOnTest)
    made, weights = Block(case.valuation, 0, case.valuation.n_scenes), reward.fitted.weights
    about = reward.scenes(made), reward.acting(made, case.policy, h), reward.stakes(made, h)
    found = dependence_by_feature(reward.fitted.literals.space, weights, weights, *about)
    parts = ("agent_alone", "truth_alone", "both", "neither", "disputed", "read_by_truth")
    return [
        {"feature": reward.fitted.rules.names[k]} | {key: float(getattr(found, key)[k]) for key in parts}
        for k in np.argsort(-found.disputed, kind="stable").tolist()
    ]
