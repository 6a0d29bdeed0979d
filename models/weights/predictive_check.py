"""Posterior predictive check of one feedback, families of rewards included."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.evidence import Check, Evidence, Weighed
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior

CHECKED_MEMBERS, CHECKED_DRAWS = 40, 1000
"""Draws of the weights of a family, and draws of every nuisance."""


@dataclass(frozen=True)
class _StandIn:
    """A fixed reward that stands for a hypothesis, or for one draw of its weights."""

    hypothesis: int
    draw: int  # -1: the hypothesis itself, at its mean weights
    name: str
    reward: Reward
    weight: float


def predictive_check(posterior: Posterior, k: int, rng: np.random.Generator) -> Check:
    """Check one feedback by data that the posterior replicates.

    Families are represented by draws of their weights, with the nuisances drawn with them. For kinds whose check looks
    at groups of items that the hypotheses treat alike, families are represented by their mean weights. An unmodelled
    hypothesis is left out: the rules are checked.
    """
    feedback, over = weighed(posterior.of_rules(), k, rng)
    return feedback.check(over.valuation, over.evidence, over.weights, rng, lead=over.lead)


def weighed(posterior: Posterior, k: int, rng: np.random.Generator) -> tuple[Feedback, Weighed]:
    """Return a feedback as it is checked, with fixed rewards that stand for families."""
    feedback, valuation, evidence = posterior.feedback[k], posterior.valuations[k], posterior.evidence[k]
    families = posterior.families
    if not families:
        return feedback, Weighed(valuation, evidence, posterior.weights, int(np.argmax(posterior.weights)))
    lead = int(np.argmax(posterior.weights))
    # under a normal prior the length of the weights is the rationality
    raw = {h for h, f in families.items() if f.linear.sd is not None} if isinstance(feedback, Rational) else set()
    chosen = list(range(len(posterior.weights)))
    if raw and "rationality" not in feedback.nuisances:
        feedback = feedback.unscaled() if lead in raw else feedback  # as the leading family reads it, alone
        chosen = [h for h in chosen if (h in raw) == (lead in raw)]
    by_groups = isinstance(feedback, ClosedForm)
    stand_ins = [s for h in chosen for s in _stand_ins(posterior, valuation, h, 0 if by_groups else CHECKED_MEMBERS)]
    listed = Hypotheses(
        tuple(s.name for s in stand_ins), tuple(s.reward for s in stand_ins), posterior.hypotheses.columns
    )
    over = Valuation(listed, feedback.items, valuation.line.only([s.hypothesis for s in stand_ins]))
    draws = {key: np.ones((1, CHECKED_DRAWS, len(stand_ins))) for key in feedback.nuisances}
    for i, s in enumerate(stand_ins):
        for key in feedback.nuisances:
            if s.hypothesis in raw and key == "rationality":  # the same choices, as this kind scales them
                draws[key][0, :, i] = feedback.scale_of(over, i) if isinstance(feedback, Rational) else 1.0
            else:
                draws[key][0, :, i] = _nuisance(posterior, feedback, evidence, key, s, rng)
    every = Evidence(
        np.zeros(len(stand_ins)),
        np.arange(len(stand_ins)),
        evidence.n_items,
        _statistics(feedback, over) if isinstance(feedback, ClosedForm) else np.zeros((len(stand_ins), 0)),
        draws=draws or None,
    )
    weights = [s.weight for s in stand_ins]
    at_lead = next(i for i, s in enumerate(stand_ins) if (s.hypothesis, s.draw) == (lead, -1))
    return feedback, Weighed(over, every, np.array(weights) / sum(weights), at_lead)


def _stand_ins(posterior: Posterior, valuation: Valuation, h: int, n_draws: int) -> list[_StandIn]:
    name, mass = posterior.hypotheses.names[h], float(posterior.weights[h])
    fitted = posterior.families.get(h)
    draws = [] if fitted is None else [fitted.member(weights) for weights in fitted.weights[:n_draws]]
    itself = _StandIn(h, -1, name, valuation.hypotheses.rewards[h], 0.0 if draws else mass)
    return [itself, *(_StandIn(h, i, f"{name}, draw {i}", r, mass / len(draws)) for i, r in enumerate(draws))]


def _nuisance(
    posterior: Posterior, feedback: Feedback, evidence: Evidence, key: str, s: _StandIn, rng: np.random.Generator
) -> np.ndarray | float:
    """Return draws of a nuisance under a stand-in: (draw,), or one number for all."""
    fitted = posterior.families.get(s.hypothesis)
    if fitted is None:
        return feedback.draws(evidence, np.array([s.hypothesis]), CHECKED_DRAWS, rng)[key][:, 0]
    drawn = fitted.nuisances[feedback.variable(key)]
    return float(drawn[s.draw]) if s.draw >= 0 else rng.choice(drawn, CHECKED_DRAWS)


def _statistics(feedback: ClosedForm, over: Valuation) -> np.ndarray:
    rows = []
    for i in range(len(over.hypotheses)):
        terms = feedback.terms(feedback.at(over, i), feedback.observed)
        rows.append(terms.sum(axis=-1) if feedback.counts is None else terms @ feedback.counts)
    return np.array(rows).reshape(len(rows), -1)
