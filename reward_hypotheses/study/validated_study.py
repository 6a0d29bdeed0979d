"""Study: the content of a study file as tables, priors, feedback and more."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.readers.decision_ledger import Recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.sections.data_sources import Sources
from reward_hypotheses.study.spec import StudySpec


@dataclass(frozen=True, eq=False)
class StudyModel:
    """The assumptions of a study before any data, about the judge and about the agent.

    Attributes
    ----------
    names : tuple of str
        The judge's hypotheses as the file lists them.
    prior : Prior
        Human values; ``values`` is their entry in the results document.
    line : FailureLine
        The failure line of the judge's hypotheses.
    policy : Policy
        The agent's.
    agent_prior : Prior or None
        None: the judge's values.
    agent_line : FailureLine
        The failure line of the judge's hypotheses that the agent knows.
    agent_hypotheses : Hypotheses
        Those that the agent alone has; ``agent_hypotheses_line`` is their failure line.
    """

    names: tuple[str, ...]
    hypotheses: Hypotheses
    prior: Prior
    values: Mapping[str, Any]
    line: FailureLine
    policy: Policy
    agent_prior: Prior | None
    agent_line: FailureLine
    agent_hypotheses: Hypotheses
    agent_hypotheses_line: FailureLine

    @property
    def all_hypotheses(self) -> Hypotheses:
        """The judge's hypotheses, then those of the agent alone."""
        return self.hypotheses.beside(self.agent_hypotheses)

    def expressions(self, of_agent: bool = True, noun: str = "") -> dict[str, Expression]:
        """Return every expression of hypotheses and failure lines, by name in messages.

        Parameters
        ----------
        of_agent : bool
            Whether to include the agent's hypotheses.
        noun : str
            Word before the name of a hypothesis in messages.
        """
        judge = expressions_of(self.hypotheses, "[hypotheses]", noun)
        line = line_expressions(self.line, self.names, "[catastrophe] fail_utility")
        if not of_agent:
            return judge | line
        agent = self.agent_hypotheses
        agent_line = line_expressions(self.agent_hypotheses_line, agent.names, "[agent] fail_utility")
        return judge | expressions_of(agent, "[agent] hypotheses", noun) | line | agent_line

    def test_expressions(self, noun: str = "") -> dict[str, Expression]:
        """Return every expression that is evaluated on a test.

        The agent's failure line is included.
        """
        expressions = self.expressions(noun=noun)
        if self.agent_line is self.line:
            return expressions
        return expressions | line_expressions(self.agent_line, self.names, "[agent] fail_utility")

    def needs(self, of_agent: bool = True) -> tuple[str, ...]:
        """Return the columns that the expressions name."""
        return tuple(dict.fromkeys(c for e in self.expressions(of_agent).values() for c in e.columns))

    def check_priors(self, languages: Sequence[Simplicity], of_agent: bool, problems: Problems) -> None:
        """Note priors that do not fit their hypotheses.

        `of_agent` says whether the agent has hypotheses or evidence of its own.
        """
        hypotheses, together = self.hypotheses, self.all_hypotheses
        with problems.at("[values]"):
            self.prior.log_prior(hypotheses)
        agents = self.agent_prior
        among = [] if agents is None else [("[agent] prior", agents, together)]
        if isinstance(agents, Simplicity) and hypotheses.spaces and not of_agent:  # over the rules of the spaces too
            among = []
            with problems.at("[agent] prior"):
                for h in hypotheses.spaces:
                    hypotheses.rule_space(h).under(agents)
                agents.as_language.bits(list(hypotheses.expressions().values()), hypotheses.columns)
        if agents is None and hypotheses.unmodelled is not None:
            among.append(("[agent] prior", self.prior, together))
        if not hypotheses.families and not hypotheses.spaces:
            among += [("[analysis] languages", language, hypotheses) for language in languages]
        for where, prior, over in among:
            with problems.at(where):
                prior.log_prior_among(over, over.rules)


@dataclass(frozen=True, eq=False)
class Study(StudyModel):
    """A study, validated.

    Attributes
    ----------
    text : str
        The file, as it stands.
    spec : StudySpec
        The file, section by section.
    feedback : tuple of Feedback
        The feedback of the judge's training data.
    probes : tuple of Feedback
        The agent's choices.
    tests : dict of str to Table
        The test, then the other tests.
    sources : Sources
        Every table and MDP that the study names, and where it came from.
    judgements : FailureJudgements or None
        Items that judges compared with failing.
    recorded : Recorded
        The entries of the ledger of tests.
    support : Table or None
        Every item that training could have held, as far as the user declares.
    """

    _: KW_ONLY
    path: Path
    text: str
    spec: StudySpec
    feedback: tuple[Feedback, ...]
    probes: tuple[Feedback, ...]
    tests: dict[str, Table]
    sources: Sources
    judgements: FailureJudgements | None = None
    recorded: Recorded = Recorded()
    support: Table | None = None

    @property
    def title(self) -> str:
        """The title, by default the name of the file."""
        return self.spec.title

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Failure lines inferred from judgements, one for each hypothesis.

        The tuple is empty without judgements.

        Raises
        ------
        InputError
            What `FailureJudgements.lines` refuses.
        """
        return () if self.judgements is None else self.judgements.lines(self.hypotheses)

    @property
    def infers_agent(self) -> bool:
        """Whether the agent has hypotheses or evidence that the judge does not have."""
        return bool(len(self.agent_hypotheses) or self.probes)

    def with_agent_line(self, line: FailureLine) -> FailureLine:
        """Return a failure line of the judge's hypotheses, then the agent's line."""
        return FailureLine(line.values + self.agent_hypotheses_line.values)


def expressions_of(hypotheses: Hypotheses, section: str, noun: str = "") -> dict[str, Expression]:
    """Return every expression of hypotheses, by its name in messages."""
    return {
        f"{section} {noun}{called.removeprefix('hypothesis ')}": e for called, e in hypotheses.expressions().items()
    }


def line_expressions(line: FailureLine, names: Sequence[str], key: str) -> dict[str, Expression]:
    """Return every distinct expression of a failure line, by its name in messages."""
    distinct: dict[str, tuple[str, Expression]] = {}
    for called, expression in line.expressions(names, key).items():
        distinct.setdefault(expression.text, (called, expression))
    return dict(distinct.values())
