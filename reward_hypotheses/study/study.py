"""Study: what a study file says, read."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reward_hypotheses.data.ledger import Recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.study.sections.analysis import Fit
from reward_hypotheses.study.sections.tables import Tables


@dataclass(frozen=True, eq=False)
class Study:
    """A study, validated.

    Attributes
    ----------
    text : str
        The file, as it stands.
    about : str
        What the study is about, in a sentence or three; empty where the file does not say.
    agent_prior : Prior or None
        None: the judge's values.
    told : FailureLine
        What the agent was told of the failure line.
    tests : dict of str to Table
        The test, then what else is asked about.
    sources : Tables
        Every table that the study names, and where it came from.
    own : Hypotheses
        The agent's own, beside the judge's; ``own_line`` is what it was told of these.
    probes : tuple of Feedback
        The agent's own choices.
    needs : tuple of str
        Columns that any hypothesis or failure line names.
    judgements : FailureJudgements or None
        What judges would rather see than failing.
    ledger : str or None
        The ledger of tests, relative to the study; ``recorded`` is what it held.
    support : Table or None
        Every item that training could have held, as far as the user declares.
    """

    path: Path
    text: str
    title: str
    seed: int
    hypotheses: Hypotheses
    prior: Prior
    values: Mapping[str, Any]
    line: FailureLine
    told: FailureLine
    feedback: tuple[Feedback, ...]
    policy: Policy
    agent_prior: Prior | None
    tests: Mapping[str, Table]
    sources: Tables
    _: KW_ONLY
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]
    fit: Fit
    own: Hypotheses
    own_line: FailureLine
    probes: tuple[Feedback, ...]
    needs: tuple[str, ...]
    judgements: FailureJudgements | None = None
    ledger: str | None = None
    recorded: Recorded = Recorded()
    support: Table | None = None
    about: str = ""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The failure lines that judgements leave, one a hypothesis; none where there are none.

        Raises
        ------
        InputError
            What `FailureJudgements.lines` refuses.
        """
        return () if self.judgements is None else self.judgements.lines(self.hypotheses)

    @property
    def read(self) -> bool:
        """Whether the agent holds what the judge's hypotheses and evidence do not say of it."""
        return bool(len(self.own) or self.probes)

    def all_of(self, line: FailureLine) -> FailureLine:
        """A failure line of the judge's hypotheses, with what the agent was told of its own."""
        return FailureLine(line.values + self.own_line.values)
