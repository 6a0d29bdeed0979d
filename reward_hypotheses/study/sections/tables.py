"""[tables] of a study file.

Tables are read from files, made on the lunar lander or by shifts, or hold every combination of given values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.readers.files import read_any
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.readers.safe_files import read_bytes
from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError, landing_sites
from reward_hypotheses.study.section_reader import Problems, key, path_like, read, text, truth
from reward_hypotheses.study.sections.data_sources import Sources

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
PATH = path_like("the path of a CSV, Parquet, NetCDF or Zarr table, in quotes")


@dataclass(frozen=True)
class FileTable:
    """A table that is read from a file."""

    path: Any = key()
    picture: str | None = key(path_like("that of a PNG or JPEG file, in quotes"))
    comparisons: bool = key(truth, False)

    def add(self, name: str, sources: Sources, study: Path) -> None:
        """Read the table, and the picture of its world where there is one."""
        path = PATH(self.path)
        table, sources.digests[name] = read_any(study.parent / path, name, path)
        if self.comparisons:
            from reward_hypotheses.data.readers.pairwise import comparisons

            table = comparisons(table)
        sources.tables[name] = table
        sources.origins[name] = {"file": path}
        if self.picture is not None:
            picture = read_bytes(study.parent / self.picture, f"picture: {self.picture}", "a PNG or JPEG file")
            if not picture.startswith(PICTURES):
                raise InputError(
                    f"picture: {self.picture}: is neither PNG nor JPEG; give a picture of the table's world"
                )
            sources.pictures[name] = picture


@dataclass(frozen=True)
class LandingSites:
    """A table of scenes on the lunar lander."""

    landing_sites: Any = key()
    seed: Any = key(default=0)
    shifted: Any = key(default=False)
    mix: Any = key()

    def add(self, name: str, sources: Sources, study: Path) -> None:
        """Make the scenes."""
        data = landing_sites(self.landing_sites, self.seed, self.shifted, mix=self.mix)
        seed, mix = data.attrs["seed"], json.loads(data.attrs["mix"])
        origin = {"landing_sites": data.sizes["scene"], "seed": seed, "mix": mix}
        sources.add_made(name, as_table(data, name, f"landing_sites of seed {seed}"), origin)
        sources.versions["gymnasium"] = data.attrs["gymnasium"]


@dataclass(frozen=True)
class ShiftedTable:
    """A table made from another by shifts, in order."""

    source: Any = key(name="from")
    shift: Any = key()
    chosen_by: str | None = key(text)
    why: str | None = key(text)

    def add(self, name: str, sources: Sources, seed: int) -> None:
        """Make the table.

        Parameters
        ----------
        seed : int
            The study's seed, for shifts without a seed of their own.
        """
        from reward_hypotheses.data.shifts.registry import SHIFTS
        from reward_hypotheses.data.shifts.shift_base import shifts_of

        table = sources.tables.get(self.source)
        if table is None:  # its problems are noted already
            return
        if not isinstance(self.shift, list) or not self.shift or not all(isinstance(s, dict) for s in self.shift):
            raise InputError('shift: give a list of shifts, such as [{ name = "decorrelate", features = ["flags"] }]')
        texts = {"chosen_by": self.chosen_by, "why": self.why}
        data = table.to_dataset()
        for i, shift in enumerate(self.shift, start=1):
            kind, settings = shift.get("name"), {k: v for k, v in shift.items() if k != "name"}
            with InputError.at(f"shift {i}" if len(self.shift) > 1 else "shift"):
                if not isinstance(kind, str) or kind not in SHIFTS:
                    raise InputError(f"{shown(kind)} is no shift; {suggestion(str(kind), SHIFTS)}")
                SHIFTS[kind].check(settings)
                defaults = {"seed": seed} if SHIFTS[kind].is_random else {}
                data = SHIFTS[kind](data, **defaults | settings, **texts)
        origin = {"from": self.source, "shift": shifts_of(data), **texts}
        sources.add_made(name, as_table(data, name, f"{name} (made from {self.source})"), origin)


@dataclass(frozen=True)
class Combinations:
    """A table of every combination of some values."""

    combinations: Any = key()
    where: Any = key()

    def add(self, name: str, sources: Sources, study: Path) -> None:
        """Make the combinations."""
        from reward_hypotheses.data.readers.factorial import combinations_of

        table = combinations_of(self.combinations, self.where, name)
        sources.add_made(name, table, {"combinations": self.combinations, "where": self.where})


FORMS = {"path": FileTable, "landing_sites": LandingSites, "from": ShiftedTable, "combinations": Combinations}
"""Ways to give a table as { ... }, by the key that tells them apart."""


def read_tables(written: Mapping[str, Any], study: Path, seed: int, sources: Sources, problems: Problems) -> None:
    """Read or make every table, and add it to the sources.

    Parameters
    ----------
    study : Path
        The study file, to which paths are relative.
    seed : int
        The study's, for shifts that have no seed of their own.
    """
    if not written:
        problems.add("[tables]: names no table; name at least the one that feedback uses")
    waiting = []
    for name, entries in written.items():
        sources.tables[name] = None
        where = f"[tables] {name}"
        forms = [form for form in FORMS if form in entries] if isinstance(entries, dict) else ["path"]
        if len(forms) != 1:
            problems.add(
                f"{where}: "
                + (" and ".join(forms) + " together" if forms else "does not say where the table comes from")
                + f'; give one of {{ path = "{name}.csv" }}, {{ landing_sites = 200, seed = 0 }}, '
                '{ from = "...", shift = [...] } or { combinations = { flags = [false, true] } }'
            )
        elif forms == ["from"]:
            waiting.append(name)
        else:
            keys = entries if isinstance(entries, dict) else {"path": entries}
            table: Any = read(FORMS[forms[0]], keys, where + ":", problems)
            with problems.at(where):
                try:
                    table.add(name, sources, study)
                except MissingExtraError as error:
                    problems.add(f"[tables]: {error}")  # once, for however many tables
    for name in _in_order(written, waiting, problems):
        shifted = read(ShiftedTable, written[name], f"[tables] {name}:", problems)
        with problems.at(f"[tables] {name}"):
            shifted.add(name, sources, seed)


def _in_order(written: Mapping[str, Any], waiting: list[str], problems: Problems) -> list[str]:
    """Order the tables that are made from others, each after its source."""
    order: list[str] = []
    left = list(waiting)
    for name in waiting:
        source = written[name]["from"]
        if not isinstance(source, str) or source not in written:
            others = [other for other in written if other != name]
            problems.add(f"[tables] {name}: from: {shown(source)} is no table; {suggestion(str(source), others)}")
            left.remove(name)
    while left:
        ready = [name for name in left if written[name]["from"] not in left]
        if not ready:
            problems.add(f"[tables] {', '.join(left)}: made from one another; one of them needs a file")
            break
        order += ready
        left = [name for name in left if name not in ready]
    return order
