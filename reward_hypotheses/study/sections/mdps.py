"""[mdps] of a study file: MDPs whose states and transitions are tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import shown
from reward_hypotheses.data.readers.files import read_any
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.study.section_reader import Problems, Section, path_like
from reward_hypotheses.study.sections.data_sources import Sources

KEYS = ("states", "transitions", "discount")
PATH = path_like("the path of a CSV or Parquet table, in quotes")


def read_mdps(
    written: Mapping[str, Any], tables: Mapping[str, Any], study: Path, sources: Sources, problems: Problems
) -> None:
    """Read every MDP and add it to the sources.

    The form is ``name = { states = "states.csv", transitions = "transitions.csv", discount = 0.99 }``.

    Parameters
    ----------
    tables : dict
        [tables], whose names no MDP may have.
    sources : Sources
        Where the MDPs, the digests of their files and their origins are added.
    """
    for name, entries in written.items():
        sources.mdps[name] = None
        where = f"[mdps] {name}"
        if not isinstance(entries, dict):
            problems.add(
                f'{where}: {shown(entries)}; give {{ states = "states.csv", transitions = "transitions.csv", discount = 0.99 }}'
            )
            continue
        if name in tables:
            problems.add(f"{where}: a table has this name; name one of them otherwise")
            continue
        Section(entries, where + ":", problems, KEYS).refuse_unknown()
        missing = [key for key in KEYS if key not in entries]
        if missing:
            problems.add(f"{where}: no {missing[0]}; give states, transitions (paths of tables) and discount")
            continue
        read = []
        for key, called in (("states", name), ("transitions", f"{name} transitions")):
            with problems.at(f"{where} {key}"):
                path = PATH(entries[key])
                table, sources.digests[called] = read_any(study.parent / path, called, path)
                read.append(table)
        if len(read) == 2:
            with problems.at(where + ":"):
                sources.mdps[name] = MDP(read[0], read[1], entries["discount"])
                sources.origins[name] = {"file": entries["states"], "transitions": entries["transitions"]}
