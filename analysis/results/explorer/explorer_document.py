"""The explorer's document.

What the page of a study needs to compute its risk again.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from reward_hypotheses.analysis.agents.agent import Extrapolating
from reward_hypotheses.analysis.agents.inferred_agent import Reading
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.explorer.cells import BYTES, distinct_cells
from reward_hypotheses.analysis.results.explorer.evidence_by_line import evidence_by_line
from reward_hypotheses.analysis.results.explorer.packing import packed
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.analysis.risk.catastrophe import compute_risk
from reward_hypotheses.analysis.risk.frontier import candidates
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann, InferredBoltzmann
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.models.policies.view import within_scene_scale
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.uniform import Uniform

FORMAT = 1
"""Version of the document, which the script of the page knows."""
SMALL = 100_000
"""Length of the cells' JSON up to which a page always has room for them."""
HYPOTHESES = 100
"""Hypotheses up to which matrices of the risk are written."""
COST = 200_000_000
"""Hypotheses squared times items up to which the matrix of every policy is computed."""


def explorer_document(case: Case, results: Document) -> Document | None:
    """Return what a page needs to compute the risk of a study at other settings.

    Settings are the judge's prior and its strength, the failure line, contamination of the prior, and the agent's prior and
    policy. The document holds what does not depend on them, on the study's first test.

    Parameters
    ----------
    results : dict
        The results document of the case.

    Returns
    -------
    dict or None
        Plain JSON. None without a test.
    """
    if not case.tests or results["risk"] is None:
        return None
    case = case.first
    posterior, risk = case.posterior, results["risk"]
    cells = distinct_cells(case.valuation)
    size = 0 if isinstance(cells, str) else len(json.dumps(cells))
    if size > BYTES:
        cells = f"its distinct cells would take {size / 1e6:.1f} MB"
    values, why_no_interval = posterior.prior, _why_no_interval(posterior)
    own = next(k for k, entry in enumerate(results["frontier"]) if entry["own"])
    scales = None if isinstance(cells, str) else within_scene_scale(case.valuation)
    policies = candidates(case.policy)
    return {
        "format": FORMAT,
        "hypotheses": list(case.names),
        "judges": len(posterior.weights),
        "prior": values.weights_of(posterior.hypotheses).tolist(),
        "strength": None if why_no_interval else values.strength,
        "interval_why_not": why_no_interval,
        "log_evidence": _finite(posterior.log_evidence),
        "study": {
            "mean": risk["mean"],
            "lower": risk["lower"],
            "upper": risk["upper"],
            "prob": risk["prob"],
            "all": (risk["intervals"] or {}).get("all"),
            "policy": own,
            "agent_prior": results["agent"]["prior"],
            "inferred": isinstance(case.agent, Reading),
        },
        "agents": _agents(case),
        "policies": [_policy(p, entry, scales) for p, entry in zip(policies, results["frontier"], strict=True)],
        "line": evidence_by_line(case),
        "cells": None if isinstance(cells, str) else cells,
        "cells_why_not": cells if isinstance(cells, str) else None,
        "matrices": _matrices(case, policies, own) if isinstance(cells, str) or size > SMALL else {},
        "by_truth": case.risk.by_truth.tolist(),
        "seed": case.seed,
    }


def _why_no_interval(posterior: Posterior) -> str | None:
    """Return why weights and a strength do not describe the values.

    The result is None where they do.
    """
    values = posterior.prior
    if len(values.parts()) > 1:
        return "the values pool several judges"
    if values.varies and values.weighted_draws(posterior.hypotheses) is not None:
        return "the values are known by draws, and not by weights and a strength"
    return None


def _finite(values: np.ndarray) -> list[float | None]:
    return [x if np.isfinite(x) else None for x in values.tolist()]


def _agents(case: Case) -> Document:
    """Return the weights of agents with each prior.

    ``weights`` (hypothesis of the test,), and ``follows`` where they follow the judge's prior: ``log_evidence`` of the
    agent, nats, and ``places`` of its hypotheses among those of the test, both (judge's hypothesis,).
    """
    posterior, agent = case.posterior, case.agent
    rules = np.isin(np.arange(len(posterior.weights)), posterior.hypotheses.rules)
    learned = {
        "log_evidence": _finite(np.where(rules, posterior.log_evidence, -np.inf)),
        "places": list(range(len(posterior.weights))),
    }
    follows: Document | None = None
    if agent.prior is None and isinstance(agent, Extrapolating):
        follows = learned
    elif agent.prior is None and isinstance(agent, Reading) and len(agent.agent.weights) == len(posterior.weights):
        follows = {"log_evidence": _finite(agent.agent.log_evidence), "places": list(agent.places)}

    def of_prior(prior: Any) -> Document:
        return {"weights": case.padded(posterior.acting(prior)).tolist(), "follows": None}

    agents = {"study": {"weights": case.agent_weights.tolist(), "follows": follows}, "uniform": of_prior(Uniform())}
    try:
        language = next(iter(case.settings.languages))
        agents["simplicity"] = of_prior(language) | {"language": language.language_name}
    except (InputError, StopIteration) as error:
        agents["simplicity"] = {"why_not": str(error) or "the study names no simplicity language"}
    return agents | {"values": of_prior(None) | {"follows": learned}}


def _policy(policy: Policy, entry: Document, scales: Any) -> Document:
    """Return a policy for the page: its name, settings, and rates of a softmax.

    ``rates``: for each hypothesis ``beta / s_h``, per reward unit, and the share of each.
    """
    kept = ("words", "settings", "abstain", "own")
    document: Document = {"name": policy.name, **{key: entry[key] for key in kept}, "why_not": entry["lacking"]}
    if not isinstance(policy, tuple(POLICIES.values())) and not isinstance(policy, InferredBoltzmann):
        document["name"] = "unknown"
    if scales is None:
        return document
    rates: Sequence[tuple[np.ndarray, np.ndarray]] = []
    if isinstance(policy, InferredBoltzmann):
        rates = [(known.rates[known.shares > 0], known.shares[known.shares > 0]) for known in policy.rationality]
    elif isinstance(policy, Boltzmann) and not policy.asks_rationality:
        beta = float(policy.beta)
        rates = [(np.array([beta / s if s > 0 else 0.0]), np.ones(1)) for s in scales.tolist()]
    return document | ({"rates": [[packed(rate), packed(share)] for rate, share in rates]} if rates else {})


def _matrices(case: Case, policies: Sequence[Policy], own: int) -> Document:
    """Return the matrix C of policies that draw one hypothesis.

    Place of the policy -> C, row by row.

    Of the study's own policy and, where that is cheap, of the others.
    """
    n = len(case.names)
    if n > HYPOTHESES:
        return {}
    others = n**2 * case.valuation.table.n_items <= COST
    matrices: Document = {}
    best: dict[bool, Document] = {}  # of agents that take the best option by the hypothesis that they draw
    for k, policy in enumerate(policies):
        if not policy.draws_one or not (k == own or others):
            continue
        if policy.maximises and policy.abstain in best:
            matrices[str(k)] = best[policy.abstain]
            continue
        try:
            risk = (
                case.risk if k == own else compute_risk(case.valuation, policy, case.agent_weights, case.judge_weights)
            )
        except InputError:
            continue
        matrices[str(k)] = packed(risk.matrix)
        if policy.maximises:
            best[policy.abstain] = matrices[str(k)]
    return matrices
