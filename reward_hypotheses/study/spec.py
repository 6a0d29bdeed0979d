"""StudySpec: the sections and keys of a study file, declared."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import shown
from reward_hypotheses.study.section_reader import Problems, key, read, section, text, whole_number
from reward_hypotheses.study.sections.agent import AgentSpec
from reward_hypotheses.study.sections.analysis import AnalysisSpec, FitSpec
from reward_hypotheses.study.sections.catastrophe import CatastropheSpec
from reward_hypotheses.study.sections.human_values import ValuesSpec
from reward_hypotheses.study.sections.prediction import PredictionSpec

REPORT_ORDER = (
    "title",
    "about",
    "seed",
    "tables",
    "mdps",
    "hypotheses",
    "values",
    "catastrophe",
    "feedback",
    "agent",
    "fit",
    "analysis",
    "prediction",
)
"""The order in which problems are reported; what takes several sections together comes last."""


@dataclass(frozen=True)
class StudySpec:
    """The content of a study file: one field for each section or key, as written.

    Values that classes of the library check (priors, policies, feedback, tables) are kept as written. ``build`` turns them
    into objects.
    """

    title: str = key(text, "")
    about: str = key(text, "")
    seed: int = key(whole_number(0, 2**63 - 1), 0)
    tables: Mapping[str, Any] | None = section(why='name the tables, such as training = "training.csv"')
    mdps: Mapping[str, Any] | None = section()
    hypotheses: Mapping[str, Any] | None = section(
        why='give name = expression, such as "flags" = "where(flags, 100, -100)"'
    )
    values: ValuesSpec | None = section(ValuesSpec, why="state the human values: weights = { ... } and their source")
    agent: AgentSpec = section(AgentSpec)
    catastrophe: CatastropheSpec | None = section(
        CatastropheSpec, why="state fail_utility, the reward that failing completely is worth"
    )
    feedback: Any = key()
    fit: FitSpec = section(FitSpec)
    analysis: AnalysisSpec = section(AnalysisSpec)
    prediction: PredictionSpec = section(PredictionSpec)


def read_spec(document: Mapping[str, Any], problems: Problems) -> StudySpec:
    """Read a parsed study file; invalid sections and keys are noted, with defaults."""
    return read(StudySpec, document, "", problems)


def refuse_control_characters(where: str, words: str, problems: Problems, noun: str = "") -> None:
    """Note a text, or a name, that holds control characters."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and not c.isspace() for c in words):
        problems.add(f"{where} {shown(words)}{noun} holds control characters; write it in plain text")
