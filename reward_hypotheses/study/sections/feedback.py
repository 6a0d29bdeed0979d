"""[[feedback]] and [[agent.feedback]] of a study file."""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from reward_hypotheses.data.errors import shown, suggestion
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.registry import KINDS
from reward_hypotheses.study.section_reader import Problems, Section, refuse_no_table, text

FILLED_IN = ("needs", "trajectories")
"""Fields of a kind of feedback that are no keys of a study file."""


@dataclass(frozen=True)
class FeedbackSpec:
    """One feedback of a study file: its kind, where its data are, and its settings.

    Attributes
    ----------
    where : str
        How messages call it.
    items : str
        The table of its items, or the MDP whose states they are.
    answers : str or None
        Where the answers are: a column, or a table of trajectories; None where the settings hold them.
    in_mdp : bool
        Whether its items are the states of an MDP.
    complete : bool
        Whether it can be made; False where something is missing, which is noted.
    """

    where: str
    kind: type[Feedback]
    items: str
    answers: str | None
    settings: Mapping[str, Any]
    in_mdp: bool
    complete: bool

    def build(self, items: Any, answers: Any, problems: Problems) -> list[Feedback]:
        """Make the feedback and check its answers.

        The list is empty where the feedback is invalid, and the problem is noted.
        """
        with problems.at(self.where):
            feedback = self.kind(items, *([] if self.answers is None else [answers]), **self.settings)
            _ = feedback.observed, feedback.counts
            return [feedback]
        return []


def read_feedback(
    head: str, entries: Any, tables: Collection[str], mdps: Collection[str], problems: Problems
) -> list[FeedbackSpec]:
    """Read the feedbacks below lines such as ``[[feedback]]``.

    Those of no known kind are noted and left out.
    """
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        problems.add(f"{head}: write each feedback below a line {head}, with kind, table and column")
        return []
    specs = []
    for i, entry in enumerate(entries):
        where = head if len(entries) == 1 else f"{head} {i + 1}"
        kind = entry.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            specs.append(_of_kind(KINDS[kind], where, entry, tables, mdps, problems))
            continue
        wrong = "kind: missing" if kind is None else f"kind: {shown(kind)} is no kind of this version"
        problems.add(f"{where} {wrong}; {suggestion(str(kind), KINDS)}")
        if isinstance(entry.get("table"), str):
            refuse_no_table(f"{where} table", entry["table"], tables, "table", problems)
    return specs


def _of_kind(
    kind: type[Feedback],
    where: str,
    entry: Mapping[str, Any],
    tables: Collection[str],
    mdps: Collection[str],
    problems: Problems,
) -> FeedbackSpec:
    """Read a feedback of a known kind; its keys are the fields of its class."""
    instead = {key: other for key, other in kind.instead.items() if other in entry}
    places = tuple(instead.get(key, key) for key in kind.asks)
    settings = {f.name: f.default is MISSING for f in fields(kind) if f.init and f.name not in FILLED_IN}
    required = {key: settings.get(key, True) or key in places for key in dict.fromkeys((*settings, *places))}
    part = Section(entry, where, problems, ("kind", *required))
    part.refuse_unknown()
    doubled = [key for key in instead if key in entry]
    missing = [key for key, is_required in required.items() if is_required and key not in entry]
    problems.extend(f"{where} {key} and {instead[key]}: both are given; give one of them" for key in doubled)
    problems.extend(f"{where} {key}: missing; {kind.required.get(key, 'it is required')}" for key in missing)
    names = {key: part.value(key, text, "") for key in places}
    for key, known, noun in (("table", tables, "table"), ("mdp", mdps, "MDP")):
        if names.get(key):
            refuse_no_table(f"{where} {key}", names[key], known, noun, problems)
    options = {k: v for k, v in entry.items() if k in required and k not in places and k not in instead}
    items, answers = [*names.values(), None][:2]
    complete = not doubled and not missing and all(names.values())
    return FeedbackSpec(where, kind, str(items), answers, options, "mdp" in places, complete)
