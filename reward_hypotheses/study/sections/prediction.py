"""[prediction] of a study file: choices that are predicted before they are seen."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.study.section_reader import Problems, key, path_like, refuse_no_table, text, whole_number
from reward_hypotheses.study.sections.agent import read_policy

WHO = ("population", "rater", "agent")


def chooser(value: Any) -> str:
    """Return who chooses."""
    if text(value) not in WHO:
        raise InputError(f"{shown(value)}; {suggestion(value, WHO)}")
    return str(value)


@dataclass(frozen=True)
class PredictionSpec:
    """[prediction]: whose choices are predicted, where, and in which file."""

    who: str = key(chooser, "population")
    test: str | None = key(text)
    chosen: str | None = key(text)
    rater: str | None = key(text)
    policy: Any = key()
    feedback: str | None = key(text)
    path: str | None = key(path_like('that of a new file, such as "prediction.json"'))
    draws: int = key(whole_number(100, 1_000_000), 1000)

    def check(self, tables: Collection[str], problems: Problems) -> None:
        """Note a test that is no table, and a policy that is wrong."""
        if self.test is not None:
            refuse_no_table("[prediction] test", self.test, tables, "table", problems)
        if self.policy is not None:
            policy = read_policy(self.policy, "[prediction] policy", problems)
            if policy.asks_rationality:
                problems.add('[prediction] policy: beta = "inferred" is of an agent that was read; give beta a number')

    def made_policy(self, of_agent: Policy) -> Policy:
        """Return the policy, by default that of the study's agent."""
        return of_agent if self.policy is None else read_policy(self.policy, "[prediction] policy", Problems(""))
