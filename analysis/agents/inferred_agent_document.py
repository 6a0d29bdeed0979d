"""An inferred agent as plain numbers and text of the results document."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.agents.inferred_agent import Reading
from reward_hypotheses.analysis.evidence.bayes_factors import pairs
from reward_hypotheses.analysis.evidence.by_feedback import (
    CONTRADICTION,
    agreement,
    share_of_cases,
    times,
    weightiest,
)
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import RESERVED
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.agent_rationality import nodes_of
from reward_hypotheses.models.weights.leave_out import Parts
from reward_hypotheses.models.weights.predictive_check import predictive_check

HELD = 0.05
"""Weight from which a hypothesis is one that the agent may hold, as warnings have it."""
TOLD_APART = math.log(3)
"""A log Bayes factor below this hardly tells two hypotheses apart, nats."""
CHANCE = 1e-12  # a rationality at which choices are at chance


def untrusted(reading: Reading) -> list[str]:
    """Return the reasons why the inferred agent cannot be trusted."""
    posteriors = [posterior for posterior in (reading.agent, reading.alone) if posterior is not None]
    return [f"the agent: {problem}" for posterior in posteriors for problem in posterior.untrusted()]


def distances(weights: np.ndarray, foils: Mapping[str, np.ndarray | None]) -> Document:
    """Return distances of weights (hypothesis,) from those of assumed agents, by name.

    A distance is the total variation, and the divergence ``KL(w || assumed) / ln 2`` in bits.
    """
    out: Document = {}
    for key, foil in foils.items():
        if foil is None:
            out[key] = {"total_variation": None, "bits": None}
            continue
        some = weights > 0
        with np.errstate(divide="ignore"):
            terms = weights[some] * (np.log2(weights[some]) - np.log2(foil[some]))
        total = 0.5 * math.fsum(np.abs(weights - foil).tolist())
        out[key] = {"total_variation": total, "bits": max(float(terms.sum()), 0.0)}
    return out


def document_of(reading: Reading, seed: int, prob: float) -> Document:
    """Return the inferred agent's weights, rationality, checks and warnings."""
    alone = reading.alone
    assert alone is not None
    names = [reading.listed.names[k] for k in reading.places]
    checks, misfit = _checks(alone, reading.agent.feedback, 0, seed)
    both, misfit_of_both = _checks(reading.agent, reading.agent.feedback, reading.training, seed)
    misfit_of_both = [] if misfit else misfit_of_both
    chance = log_chance(alone)
    return {
        "prior": dict(zip(names, alone.prior.weights_of(alone.hypotheses).tolist(), strict=True)),
        "feedback": {
            str(f.name): {"kind": f.kind, "table": f.table.name, "column": f.column or None, "settings": f.settings()}
            for f in alone.feedback
        },
        "n_items": {str(f.name): e.n_items for f, e in zip(alone.feedback, alone.evidence, strict=True)},
        "log_evidence": dict(zip(names, alone.log_evidence.tolist(), strict=True)),
        "log_evidence_mcse": dict(zip(names, alone.mcse.tolist(), strict=True)),
        "log_chance": chance,
        "weights_by_feedback": {
            str(posterior.feedback[0].name): dict(zip(names, posterior.weights.tolist(), strict=True))
            for posterior in reading.apart
        },
        "rationality": _rationality(alone, names, prob),
        "pairs": [
            {
                "pair": [names[p.first], names[p.second]],
                "log_bayes_factor": p.log_bayes_factor,
                "mcse": p.mcse,
                "silent": p.silent,
            }
            for p in pairs(alone)
        ],
        "predictive_check": checks,
        "predictive_check_with_training": both,
        "training_and_choices": _against_training(reading, seed),
        "warnings": [
            *(f"the agent's own choices: {m}" for m in misfit),
            *(f"the agent's own choices, with the training data: {m}" for m in misfit_of_both),
            *_unexplained(reading, chance),
            *_not_apart(alone),
        ],
    }


def _checks(posterior: Posterior, every: Sequence[Feedback], training: int, seed: int) -> tuple[Document, list[str]]:
    """Return predictive checks of the agent's own feedback, and their warnings.

    Parameters
    ----------
    training : int
        Number of training feedbacks, which come first.
    """
    first, choices = posterior.feedback[:training], posterior.feedback[training:]
    wide = replace(posterior, feedback=(*first, *(_looking_at_all(feedback, every) for feedback in choices)))
    checks: Document = {}
    misfit: list[str] = []
    for k, feedback in enumerate(choices, start=training):
        check = predictive_check(wide, k, substream(seed, f"check of the agent {feedback.name}"))
        misfit.extend(check.misfit)
        checks[str(feedback.name)] = {
            "statistic": check.statistic,
            "p": check.p,
            "mcse": check.mcse,
            "what": check.what,
        }
    return checks, misfit


def _against_training(reading: Reading, seed: int) -> Document | None:
    """Return the agreement of the training data with the agent's own choices.

    Returns None without training data.

    The agreement is ``log p(training, choices) - log p(training) - log p(choices)``, nats, averaged over its hypotheses by its
    prior. If the agent learned from the training data, -x has a probability of at most exp(-x) (`contributions`).
    """
    if not reading.training:
        return None
    feedback = range(len(reading.agent.feedback))
    value, error = agreement(Parts(reading.agent, seed), feedback[: reading.training], feedback[reading.training :])
    chance = math.exp(min(value, 0.0))
    return {"agreement": value, "mcse": error, "chance_at_most": chance, "contradicted": chance < CONTRADICTION}


def contradiction(document: Mapping[str, Any]) -> str | None:
    """Return the warning that training and the agent's choices disagree, or None."""
    against = document["training_and_choices"]
    if against is None or not against["contradicted"]:
        return None
    both, alone = (_leading(document[key]["weights"]) for key in ("with_training", "without_training"))
    instead = "" if both == alone else f" (its choices alone favour {alone}, both together {both})"
    chance = share_of_cases(against["agreement"] + 2 * against["mcse"])
    return (
        "the agent's choices and the training data contradict each other: an agent that learned from these data would agree so "
        f"little in at most {chance}{instead}"
    )


def _leading(weights: Mapping[str, float]) -> str:
    """Return the hypotheses of the greatest weight, ties included, as quoted names."""
    names = list(weights)
    return " and ".join(repr(names[h]) for h in weightiest(np.array(list(weights.values()))))


def _looking_at_all(feedback: Feedback, every: Sequence[Feedback]) -> Feedback:
    """Return a feedback that is checked against every feature of its table.

    Features that no hypothesis names are included.
    """
    if feedback.missing != "error":
        return feedback  # its needs determine the rows that are left out
    answer_columns = {c for other in every for c in other.said_columns}
    known = [
        c for c, v in feedback.items.columns.items() if c not in answer_columns and c not in RESERVED and not v.is_text
    ]
    return replace(feedback, needs=tuple(dict.fromkeys([*feedback.needs, *known])))


def log_chance(posterior: Posterior) -> float | None:
    """Return the log likelihood (nats) of all feedback under random choices.

    Returns None for kinds without a rationality.
    """
    total = 0.0
    for feedback, valuation in zip(posterior.feedback, posterior.valuations, strict=True):
        if not isinstance(feedback, Rational) or set(feedback.nuisances) - {"rationality"} or "mdp" in feedback.asks:
            return None
        blind = replace(feedback, rationality=CHANCE, human=None)
        total += float(blind.likelihood(valuation, 0).log_likelihoods({})[0])
    return total


def _rationality(alone: Posterior, names: Sequence[str], prob: float) -> Document:
    """Return mean, sd and interval of each rationality under each hypothesis."""
    out: Document = {}
    for feedback, evidence in zip(alone.feedback, alone.evidence, strict=True):
        if not isinstance(feedback, Rational) or feedback.variable("rationality") in out:
            continue
        known: Document = {}
        for h, name in enumerate(names):
            if h in alone.families:
                fitted = alone.families[h]
                if fitted.linear.sd is not None or "rationality" not in feedback.nuisances:
                    known[name] = None  # the length of its weights
                    continue
                betas = fitted.nuisances[feedback.variable("rationality")]
                shares = np.full(len(betas), 1 / len(betas))
            else:
                betas, shares, _ = nodes_of(feedback, evidence, h)
            known[name] = _summary(betas, shares, prob)
        out[feedback.variable("rationality")] = known
    return out


def _summary(betas: np.ndarray, shares: np.ndarray, prob: float) -> Document:
    order = np.argsort(betas, kind="stable")
    betas, shares = betas[order], shares[order]
    mean = float(shares @ betas)
    below = np.cumsum(shares) - shares / 2
    ends = np.interp([(1 - prob) / 2, (1 + prob) / 2], below, betas) if len(betas) > 1 else (betas[0], betas[0])
    return {
        "mean": mean,
        "sd": math.sqrt(max(float(shares @ (betas - mean) ** 2), 0.0)),
        "lower": float(ends[0]),
        "upper": float(ends[1]),
    }


def _unexplained(reading: Reading, chance: float | None) -> list[str]:
    """Return a warning where random choices explain the agent as well as a hypothesis.

    The hypothesis is the best or the leading one.
    """
    alone = reading.alone
    if chance is None or alone is None:
        return []
    best = float(alone.log_evidence[alone.weights > 0].max())
    if best > chance:
        lead = int(reading.agent.weights.argmax())
        its = float(alone.log_evidence[lead])
        if its >= chance or lead in alone.families:
            return []
        return [
            f"with the training data {alone.hypotheses.names[lead]!r} leads among the agent's hypotheses, but random choice makes "
            f"the agent's own choices {times(chance - its)} as likely"
        ]
    return [
        "no hypothesis explains the agent's own choices better than random choice, which makes them "
        f"{times(chance - best)} as likely: the agent's weights mean little"
    ]


def _not_apart(alone: Posterior) -> list[str]:
    """Return a warning for each likely pair that the choices do not distinguish."""
    out = []
    names = alone.hypotheses.names
    for p in pairs(alone):
        both = min(float(alone.weights[p.first]), float(alone.weights[p.second]))
        if both <= 0:
            continue
        pair = f"{names[p.first]!r} from {names[p.second]!r}"
        if p.silent:
            out.append(
                f"the agent's own choices cannot tell {pair}: its prior decides between them; add scenes where the two predict "
                "different choices"
            )
        elif both >= HELD and abs(p.log_bayes_factor) < TOLD_APART:
            out.append(
                f"the agent's own choices hardly tell {pair} (log Bayes factor {p.log_bayes_factor:.2f}); add scenes where the two "
                "predict different choices"
            )
    return out
