"""The agent that was inferred from its own choices, in the results document."""

from collections.abc import Iterator, Mapping
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.agents.inferred_agent import Reading
from reward_hypotheses.analysis.agents.inferred_agent_document import contradiction, distances, document_of
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.risk.catastrophe import scalar_risk
from reward_hypotheses.analysis.risk.other_agent_priors import agent_priors


class InferredAgent(Section[Document]):
    """Inference of the agent from its own choices; None without choices."""

    keys = ("agent_reading",)
    sampled = True
    urgency = -9

    @override
    def compute(self, case: Case) -> Document | None:
        agent = case.agent
        if not isinstance(agent, Reading) or agent.alone is None:
            return None
        document = document_of(agent, case.seed, case.settings.prob) | _with_and_without_training(case)
        document["contradiction"] = contradiction(document)
        if document["contradiction"] is not None:
            document["warnings"].insert(0, document["contradiction"])
        return document

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        return {"agent_reading": _with_and_without_training(case)}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        yield from result["warnings"]


def _with_and_without_training(case: Case) -> Document:
    """Return weights and risk of the agent with and without the training data.

    Assumed priors stand beside them.
    """
    agent, posterior = case.agent, case.posterior
    if not isinstance(agent, Reading) or agent.alone is None:
        return {}
    assumed: dict[str, np.ndarray | None] = {"uniform": None, "simplicity": None, "values": None}
    languages = case.settings.languages
    for key, prior in agent_priors(case).items():
        simple = bool(languages) and key == languages[0].name
        if key in assumed or simple:
            assumed["simplicity" if simple else key] = case.padded(posterior.acting(prior))
    both = {"with_training": case.agent_weights, "without_training": agent.spread(agent.alone.weights)}
    risks: list[float | None] = [None, None]
    if case.tests:
        first = case.first
        weights = np.array(list(both.values()))
        risks = scalar_risk(first.valuation, case.policy, weights, first.judge_weights)[0].tolist()
    return {
        key: {"weights": by_name(case.names, weights), "risk": risk, "distance": distances(weights, assumed)}
        for (key, weights), risk in zip(both.items(), risks, strict=True)
    }
