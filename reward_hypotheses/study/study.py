"""Study: the content of a study file, with its tables read and its priors and feedback made."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path

from reward_hypotheses.data.ledger import Recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.study.model import StudyModel
from reward_hypotheses.study.sections.sources import Sources
from reward_hypotheses.study.spec import StudySpec


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
        That of the judge's training data.
    probes : tuple of Feedback
        The agent's choices.
    tests : dict of str to Table
        The test, then the other tests.
    sources : Sources
        Every table and MDP that the study names, and where it came from.
    judgements : FailureJudgements or None
        What judges would rather see than failing.
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
        """The failure lines inferred from judgements, one for each hypothesis; none where there are no judgements.

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
        """Return a failure line of the judge's hypotheses, followed by that of the agent's."""
        return FailureLine(line.values + self.agent_hypotheses_line.values)
