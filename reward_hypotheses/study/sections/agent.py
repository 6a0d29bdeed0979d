"""[agent] of a study file."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from reward_hypotheses.data.errors import shown, suggestion
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.registry import VALUES
from reward_hypotheses.study.section_reader import Problems, Section, key, truth
from reward_hypotheses.study.sections.catastrophe import line_of_section
from reward_hypotheses.study.sections.feedback import FeedbackSpec
from reward_hypotheses.study.sections.human_values import BASELINES, baseline
from reward_hypotheses.study.sections.hypotheses import read_rewards


@dataclass(frozen=True)
class StudyAgent:
    """The agent of a study.

    Attributes
    ----------
    prior : Prior or None
        None: the judge's values.
    line : FailureLine or None
        The failure line of the judge's hypotheses that the agent knows; None for the judge's line.
    hypotheses : Hypotheses
        Those that the agent alone has.
    hypotheses_line : FailureLine or None
        The failure line of these; None where the file states no line for the agent.
    """

    policy: Policy
    prior: Prior | None
    line: FailureLine | None
    hypotheses: Hypotheses
    hypotheses_line: FailureLine | None


@dataclass(frozen=True)
class AgentSpec:
    """[agent]: its policy, prior, failure line, hypotheses, and choices."""

    policy: Any = key(default="commit")
    prior: Any = key(default=VALUES)
    fail_utility: Any = key()
    fail_utility_sd: Any = key()
    hypotheses: Any = key()
    feedback: Any = key()

    def build(
        self, names: Sequence[str], judge: Hypotheses, feedback: Sequence[FeedbackSpec], problems: Problems
    ) -> StudyAgent:
        """Make the agent.

        Parameters
        ----------
        names : sequence of str
            The judge's hypotheses as listed; ``judge`` holds those that can be read.
        feedback : sequence of FeedbackSpec
            The agent's choices.
        """
        hypotheses = self._hypotheses(judge, problems)
        if judge.unmodelled is not None and (hypotheses or feedback):
            problems.add(
                f"[agent]: {judge.names[judge.unmodelled]!r} is unmodelled, beside which no agent is read and none has hypotheses of "
                "its own; leave the one or the other out"
            )
        policy = read_policy(self.policy, "[agent] policy", problems)
        rational = any(issubclass(spec.kind, Rational) for spec in feedback)
        if policy.asks_rationality and not rational and not isinstance(self.feedback, dict):
            problems.add(
                '[agent] policy: beta = "inferred" is read from the agent\'s own choices; give [[agent.feedback]] of a kind with a '
                "rationality, such as choices, or beta a number"
            )
        prior = baseline("[agent] prior", self.prior, None, problems, (VALUES, *BASELINES))
        if hypotheses and self.prior == VALUES:
            problems.add(
                f"[agent] prior: the values say nothing of {', '.join(map(repr, hypotheses))}, which the agent alone may hold; give "
                'it a prior of its own, such as prior = "uniform"'
            )
        lines: list[FailureLine | None] = [None, None]
        if self.fail_utility is not None or self.fail_utility_sd is not None:
            may_lack = [*judge.may_lack_line, *hypotheses]
            with problems.at("[agent]"):
                both = line_of_section(self.fail_utility, self.fail_utility_sd, [*names, *hypotheses], may_lack)
                lines = [FailureLine(both.values[: len(names)]), FailureLine(both.values[len(names) :])]
        return StudyAgent(policy, prior, lines[0], Hypotheses(tuple(hypotheses), tuple(hypotheses.values())), lines[1])

    def _hypotheses(self, judge: Hypotheses, problems: Problems) -> dict[str, Reward]:
        """Read the hypotheses that the agent alone has; those of the judge are left out."""
        where = "[agent] hypotheses"
        if self.hypotheses is None:
            return {}
        if not isinstance(self.hypotheses, dict):
            problems.add(f"{where}: {shown(self.hypotheses)}; give name = expression, in braces")
            return {}
        listed = dict(zip(judge.names, judge.rewards, strict=True))
        rewards = read_rewards(where, self.hypotheses, problems)
        for name, reward in rewards.items():
            if name in listed and reward.written() != listed[name].written():
                problems.add(
                    f"{where}: {name!r} is another reward in [hypotheses]; the agent's hypotheses stand beside those, so give it another "
                    "name"
                )
        rest = {name: reward for name, reward in rewards.items() if name not in listed and name.strip()}
        for name, reward in rest.items():
            if not reward.predicts:
                problems.add(
                    f"{where}: {name!r} is unmodelled, and says nothing by which an agent could act; leave it out"
                )
        return {name: reward for name, reward in rest.items() if reward.predicts}


def read_policy(written: Any, where: str, problems: Problems) -> Policy:
    """Make a policy; `Commit` where it is wrong, which is noted."""
    name = str(written.get("name") if isinstance(written, dict) else written)
    if name not in POLICIES:
        problems.add(f"{where}: {shown(name)} is no policy of this version; {suggestion(name, POLICIES)}")
        return Commit()
    required = {f.name: f.default is MISSING for f in fields(POLICIES[name])}
    part = Section(written, where, problems, ("name", *required))
    part.refuse_unknown()
    settings = {k: v for k, v in part.entries.items() if k in required}
    missing = [k for k, is_required in required.items() if is_required and k not in settings]
    for k in missing:
        problems.add(f'{where}: {name!r} needs {k}; write {{ name = "{name}", {k} = ... }}')
    settings["abstain"] = part.value("abstain", truth, False)
    if not missing:
        with problems.at(where):
            return POLICIES[name](**settings)
    return Commit()
