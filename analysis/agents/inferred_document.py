"""What the results document holds of an agent that was inferred from its own choices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.agents.inferred import Reading
from reward_hypotheses.analysis.evidence.bayes_factors import pairs
from reward_hypotheses.analysis.evidence.by_feedback import CONTRADICTION, agreement, share_of_cases, times
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import RESERVED
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.agent_rationality import nodes_of
from reward_hypotheses.models.weights.leave_out import Parts

HELD = 0.05
"""Weight from which a hypothesis is one that the agent may hold, as warnings have it."""
TOLD_APART = math.log(3)
"""A log Bayes factor below this hardly tells two hypotheses apart, nats."""
CHANCE = 1e-12  # a rationality at which choices are at chance
Document = dict[str, Any]


def untrusted(reading: Reading) -> list[str]:
    """Say why what was read cannot be trusted, if so."""
    held = [one for one in (reading.agent, reading.alone) if one is not None]
    return [f"the agent: {problem}" for one in held for problem in one.untrusted()]


def distances(weights: np.ndarray, foils: Mapping[str, np.ndarray | None]) -> Document:
    """How far weights are from those of assumed agents: total variation, and bits ``KL(w || foil) / ln 2``; by name."""
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
    """What the agent's own choices say of it, as plain numbers and text, and what to mind about that."""
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
            str(one.feedback[0].name): dict(zip(names, one.weights.tolist(), strict=True)) for one in reading.apart
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
            *(f"the agent's own choices, by what the training data say of it too: {m}" for m in misfit_of_both),
            *_unexplained(reading, chance),
            *_not_apart(alone),
        ],
    }


def _checks(posterior: Posterior, every: Sequence[Feedback], training: int, seed: int) -> tuple[Document, list[str]]:
    """Predictive checks of the agent's own feedback, which stands after so much of training; what they flag, in words."""
    first, own = posterior.feedback[:training], posterior.feedback[training:]
    wide = replace(posterior, feedback=(*first, *(_looking_at_all(one, every) for one in own)))
    found: Document = {}
    misfit: list[str] = []
    for k, one in enumerate(own, start=training):
        check = wide.check(k, substream(seed, f"check of the agent {one.name}"))
        misfit.extend(check.misfit)
        found[str(one.name)] = {"statistic": check.statistic, "p": check.p, "mcse": check.mcse, "what": check.what}
    return found, misfit


def _against_training(reading: Reading, seed: int) -> Document | None:
    """How far the training data and the agent's own choices agree about what it goes by; None where there is no training.

    ``log p(training, choices) - log p(training) - log p(choices)``, nats, averaged over its hypotheses by its prior; -x has a
    chance of at most exp(-x) if it learned what the training data say (`contributions`).
    """
    if not reading.training:
        return None
    feedback = range(len(reading.agent.feedback))
    value, error = agreement(Parts(reading.agent, seed), feedback[: reading.training], feedback[reading.training :])
    chance = math.exp(min(value, 0.0))
    return {"agreement": value, "mcse": error, "chance_at_most": chance, "contradicted": chance < CONTRADICTION}


def contradiction(found: Mapping[str, Any]) -> str | None:
    """Say that the training data and the agent's own choices contradict each other, of a read agent's document; else None."""
    against = found["training_and_choices"]
    if against is None or not against["contradicted"]:
        return None
    lead = {
        key: max(found[key]["weights"], key=found[key]["weights"].get) for key in ("with_training", "without_training")
    }
    if lead["with_training"] == lead["without_training"]:
        instead = f"both leave {lead['with_training']!r} the weightiest"
    else:
        instead = f"by its choices alone it goes by {lead['without_training']!r}, with the training data by {lead['with_training']!r}"
    return (
        f"what the agent did and what the training data say of it contradict each other: {instead}. The training data make its "
        f"choices {times(-against['agreement'])} less likely than its prior alone does, which happens in at most "
        f"{share_of_cases(against['agreement'])} if it learned what they say"
    )


def _looking_at_all(one: Feedback, every: Sequence[Feedback]) -> Feedback:
    """The same, to be checked against every feature of its table, for an agent may go by one that no hypothesis names."""
    if one.missing != "error":
        return one  # what it needs says which rows are left out
    said = {c for other in every for c in other.said_columns}
    known = [c for c, v in one.items.columns.items() if c not in said and c not in RESERVED and not v.is_text]
    return replace(one, needs=tuple(dict.fromkeys([*one.needs, *known])))


def log_chance(posterior: Posterior) -> float | None:
    """Log likelihood of all that was said by somebody who chooses at chance, nats; None for kinds that do not say."""
    total = 0.0
    for one, valuation in zip(posterior.feedback, posterior.valuations, strict=True):
        if not isinstance(one, Rational) or set(one.nuisances) - {"rationality"} or "mdp" in one.asks:
            return None
        blind = replace(one, rationality=CHANCE, human=None)
        total += float(blind.likelihood(valuation, 0).log_likelihoods({})[0])
    return total


def _rationality(alone: Posterior, names: Sequence[str], prob: float) -> Document:
    """Mean, standard deviation and interval of each rationality under each hypothesis."""
    out: Document = {}
    for one, evidence in zip(alone.feedback, alone.evidence, strict=True):
        if not isinstance(one, Rational) or one.variable("rationality") in out:
            continue
        known: Document = {}
        for h, name in enumerate(names):
            if h in alone.families:
                fitted = alone.families[h]
                if fitted.linear.sd is not None or "rationality" not in one.nuisances:
                    known[name] = None  # the length of its weights
                    continue
                betas = fitted.nuisances[one.variable("rationality")]
                shares = np.full(len(betas), 1 / len(betas))
            else:
                betas, shares, _ = nodes_of(one, evidence, h)
            known[name] = _summary(betas, shares, prob)
        out[one.variable("rationality")] = known
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
    """Where choosing at chance says as much of the agent as any hypothesis, or as the one that it is taken to go by."""
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
            f"with the training data the agent is taken to go by {alone.hypotheses.names[lead]!r}, which does not explain its own "
            f"choices: choosing at chance makes them {times(chance - its)} as likely"
        ]
    return [
        f"no hypothesis explains the agent's own choices: choosing at chance makes them {times(chance - best)} as likely as the "
        "best of them does, so its weights are about what it does not go by"
    ]


def _not_apart(alone: Posterior) -> list[str]:
    """Pairs of hypotheses that the agent may hold and that its choices do not tell apart, in words."""
    out = []
    names = alone.hypotheses.names
    for p in pairs(alone):
        both = min(float(alone.weights[p.first]), float(alone.weights[p.second]))
        if both <= 0:
            continue
        pair = f"{names[p.first]!r} from {names[p.second]!r}"
        if p.silent:
            out.append(
                f"the agent's own choices cannot tell {pair}: both say the same of every scene; what the agent goes by there is "
                "its prior, so add scenes where they part"
            )
        elif both >= HELD and abs(p.log_bayes_factor) < TOLD_APART:
            out.append(
                f"the agent's own choices hardly tell {pair}: a log Bayes factor of {p.log_bayes_factor:.2f}; add scenes where "
                "they part"
            )
    return out
