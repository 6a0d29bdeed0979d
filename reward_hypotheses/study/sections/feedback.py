"""[[feedback]] of a study file."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from reward_hypotheses.data.errors import shown, suggestion
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.study.sections.analysis import FEEDBACK
from reward_hypotheses.study.validation import Problems, Section


@dataclass(frozen=True)
class Use:
    """One [[feedback]] entry, read but not yet made.

    Attributes
    ----------
    table : str
        The table of its items, or the name of the MDP whose states they are.
    said : str or None
        What holds what was said: a column, or a table of trajectories; None where the entry says it itself.
    in_mdp : bool
        Whether its items are the states of an MDP.
    """

    where: str
    kind: type[Feedback]
    table: str
    said: str | None
    options: Mapping[str, Any]
    in_mdp: bool
    complete: bool

    def make(self, items: Any, said: Any, problems: Problems) -> list[Feedback]:
        """Make the feedback, what was said judged; nothing where it is wrong, which has then been said."""
        with problems.at(self.where):
            one = self.kind(items, *([] if self.said is None else [said]), **self.options)
            _ = one.observed, one.counts
            return [one]
        return []


def read_feedback(
    top: Section, problems: Problems, tables: Mapping[str, Table | None], mdps: Mapping[str, Any]
) -> list[Use]:
    """Read every [[feedback]]."""
    entries = top.given.get("feedback")
    if entries is None or entries == []:
        problems.add("[[feedback]]: there is none; give at least one, with kind, table and column")
        return []
    return _uses("[[feedback]]", entries, problems, tables, mdps)


def _uses(
    head: str, entries: Any, problems: Problems, tables: Mapping[str, Table | None], mdps: Mapping[str, Any]
) -> list[Use]:
    """Read feedbacks that stand below lines of one kind."""
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        problems.add(f"{head}: write each feedback below a line {head}, with kind, table and column")
        return []
    uses = []
    for i, entry in enumerate(entries):
        where = head if len(entries) == 1 else f"{head} {i + 1}"
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in FEEDBACK:
            what = "kind: missing" if kind is None else f"kind: {shown(kind)} is no kind of this version"
            problems.add(f"{where} {what}; {suggestion(str(kind), FEEDBACK)}")
            if isinstance(entry.get("table"), str) and entry["table"] not in tables:
                problems.add(f"{where} table: {entry['table']!r} is no table; {suggestion(entry['table'], tables)}")
            continue
        instead = {key: other for key, other in FEEDBACK[kind].instead.items() if other in entry}
        asks = tuple(instead.get(key, key) for key in FEEDBACK[kind].asks)
        settings = {f.name: f for f in fields(FEEDBACK[kind]) if f.init and f.name not in ("needs", "trajectories")}
        options = {key: settings.get(key) for key in dict.fromkeys((*settings, *asks))}
        part = Section(entry, where, problems, ("kind", *options))
        part.refuse_unknown()
        complete = True
        for key, other in instead.items():
            if key in entry:
                problems.add(f"{where} {key} and {other}: both are given; give one of them")
                complete = False
        for name, spec in options.items():
            if name not in entry and (name in asks or spec is None or spec.default is MISSING):
                problems.add(f"{where} {name}: missing; {_NEEDED.get(name, 'it is required')}")
                complete = False
        names = {key: part.text(key) for key in asks}
        for key, known in (("table", tables), ("mdp", mdps)):
            if names.get(key) and names[key] not in known:
                problems.add(
                    f"{where} {key}: {names[key]!r} is no {'MDP' if key == 'mdp' else key}; {suggestion(names[key], known)}"
                )
        given = {k: v for k, v in entry.items() if k in options and k not in asks and k not in instead}
        items, said = [*names.values(), None][:2]
        complete = complete and all(names.values())
        uses.append(Use(where, FEEDBACK[kind], str(items), said, given, "mdp" in asks, complete))
    return uses


_NEEDED = {
    "table": "name the table, as under [tables]",
    "mdp": "name the MDP, as under [mdps]",
    "column": "name the column that holds what was said",
    "chosen": "name the candidate that was written",
    "candidates": "state what might have been written, candidates = { name = expression, ... }",
    "noise": "state the prior of the share of wrong labels, noise = [a, b], such as [1, 19]",
    "grades": 'list the grades, the lowest first, grades = ["bad", "fair", "good"]',
    "sigma2": "state the inverse gamma prior of the noise's variance, sigma2 = [a, b]",
}
