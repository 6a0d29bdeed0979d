"""The agent in the results document: its policy, prior and weights."""

from collections.abc import Iterator, Mapping
from typing import Any, override

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.analysis.sensitivity.failure_line_sections import line_as_written
from reward_hypotheses.data.errors import InputError


class AgentStated(Section[Document]):
    """Policy and prior of the agent, and its failure line if not the judge's."""

    keys = ("agent",)
    urgency = 30

    @override
    def compute(self, case: Case) -> Document:
        hypotheses = case.posterior.hypotheses
        line = line_as_written(hypotheses, case.posterior.valuations[0].line)
        judges = range(len(hypotheses))
        tests = case.tests.values()
        told = next((line_as_written(hypotheses, test.agent_line.only(judges)) for test in tests), line)
        prior = case.agent.prior
        return {
            "policy": case.policy.name,
            "abstain": case.policy.abstain,
            "prior": "values" if prior is None else prior.name,
            "fail_utility": None if told == line else told,
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        policy = case.policy
        if not policy.draws_one:
            yield (
                f"the policy {policy.name!r} {policy.exchange} rewards of different hypotheses without rescaling: that "
                "exchange rate between their units is a value judgement too"
            )
        if case.posterior.spaces:
            yield (
                "other agents with a simplicity prior are left out of the comparison of priors; rule_spaces has the risk of an agent "
                "that draws a rule by each"
            )
            return
        lacking: dict[str, list[str]] = {}
        for language in case.settings.languages:
            try:
                case.posterior.acting_prior(language)
            except InputError as error:
                lacking.setdefault(str(error), []).append(repr(language.language_name))
        for why, languages in lacking.items():
            every = len(languages) == len(case.settings.languages) > 1
            which = "any language" if every else f"the language{'s' * (len(languages) > 1)} {', '.join(languages)}"
            yield f"agents with a simplicity prior in {which} are left out: {why}"


class AgentWeights(Section[Document]):
    """Prior and posterior weights of the agent, over all hypotheses of the test."""

    keys = ("agent_prior", "agent_weights")
    sampled = True

    @override
    def compute(self, case: Case) -> Document:
        return {
            "agent_prior": by_name(case.names, case.agent.prior_weights(case.posterior)),
            "agent_weights": by_name(case.names, case.agent_weights),
        }

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        return {"agent_weights": by_name(case.names, case.agent_weights)}
