"""[mdps] of a study file: MDPs whose states and transitions are tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.readers.files import read_any
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.study.validation import Problems, Section

KEYS = ("states", "transitions", "discount")


@dataclass(frozen=True, eq=False)
class MDPs:
    """The MDPs of a study.

    Attributes
    ----------
    mdps : dict of str to MDP or None
        None where it cannot be used, which has then been said.
    digests : dict of str to str
        SHA-256 of the bytes of the states' file, by the MDP's name, and of the transitions', ``<name> transitions``.
    origins : dict of str to dict
        The files.
    """

    mdps: dict[str, MDP | None] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_mdps(top: Section, path: Path, problems: Problems) -> MDPs:
    """Read every MDP: ``name = { states = "states.csv", transitions = "transitions.csv", discount = 0.99 }``."""
    section = top.section("mdps", (), required=False)
    found = MDPs()
    tables = top.given.get("tables")
    for name, given in section.given.items():
        found.mdps[name] = None
        where = f"[mdps] {name}"
        if not isinstance(given, dict):
            problems.add(
                f'{where}: {shown(given)}; give {{ states = "states.csv", transitions = "transitions.csv", discount = 0.99 }}'
            )
            continue
        if isinstance(tables, dict) and name in tables:
            problems.add(f"{where}: a table has this name; name one of them otherwise")
            continue
        part = Section(given, where + ":", problems, KEYS)
        part.refuse_unknown()
        lacking = [key for key in KEYS if key not in given]
        if lacking:
            problems.add(f"{where}: no {lacking[0]}; give states, transitions (paths of tables) and discount")
            continue
        read: list[Table] = []
        for key in KEYS[:2]:
            with problems.at(f"{where} {key}"):
                read.append(_file(found, name if key == "states" else f"{name} {key}", given[key], path))
        if len(read) == 2:
            with problems.at(where + ":"):
                found.mdps[name] = MDP(read[0], read[1], given["discount"])
                found.origins[name] = {"file": given["states"], "transitions": given["transitions"]}
    return found


def _file(found: MDPs, name: str, given: Any, study: Path) -> Table:
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise InputError(f"{shown(given)} is no path; give the path of a CSV or Parquet table, in quotes")
    table, found.digests[name] = read_any(study.parent / given, name, given)
    return table
