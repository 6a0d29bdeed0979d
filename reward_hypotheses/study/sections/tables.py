"""[tables] of a study file: read from files, made on the lunar lander or by shifts, or every combination of some values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.readers.file_bytes import read_bytes
from reward_hypotheses.data.readers.files import digest_of_columns, read_any
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table
from reward_hypotheses.study.validation import Problems, Section

KEYS = {
    "path": ("path", "picture", "comparisons"),
    "landing_sites": ("landing_sites", "seed", "shifted", "mix"),
    "from": ("from", "shift", "chosen_by", "why"),
    "combinations": ("combinations", "where"),
}
"""Ways to give a table as { ... }, by the key that tells them apart, and the keys of each."""
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a study.

    Attributes
    ----------
    tables : dict of str to Table or None
        None where it cannot be used, which has then been said.
    digests : dict of str to str
        SHA-256 of a file's bytes; of a table that was made, of its columns.
    origins : dict of str to dict
        Where each came from, in words and numbers that JSON holds.
    pictures : dict of str to bytes
        A picture of a table (PNG or JPEG), where a file of one was given.
    versions : dict of str to str
        Of what made a table.
    """

    tables: dict[str, Table | None] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def picture(self, name: str, scene: str | None) -> bytes | None:
        """Give a picture of a table: the one in its file, or this scene (else the first) of the world that it was made on."""
        origin = self.origins.get(name, {})
        if "landing_sites" not in origin:
            return self.pictures.get(name)
        from reward_hypotheses.data.worlds.lander.scenes import drawn
        from reward_hypotheses.study.report import png

        return png(drawn(origin["seed"], int(scene or 0), origin["mix"]))


def read_tables(top: Section, path: Path, seed: int, problems: Problems) -> Tables:
    """Read or make every table.

    Parameters
    ----------
    seed : int
        The study's, for shifts that have none of their own.
    """
    section = top.section("tables", (), required=True, why='name the tables, such as training = "training.csv"')
    if isinstance(top.given.get("tables"), dict) and not section.given:
        problems.add("[tables]: names no table; name at least the one that feedback uses")
    found = Tables()
    waiting = []
    for name, given in section.given.items():
        found.tables[name] = None
        where = f"[tables] {name}"
        if isinstance(given, dict):
            ways = [way for way in KEYS if way in given]
            if len(ways) != 1:
                problems.add(
                    f"{where}: "
                    + (" and ".join(ways) + " together" if ways else "does not say where the table comes from")
                    + f'; give one of {{ path = "{name}.csv" }}, {{ landing_sites = 200, seed = 0 }}, '
                    '{ from = "...", shift = [...] } or { combinations = { flags = [false, true] } }'
                )
            elif ways == ["from"]:
                waiting.append(name)
            else:
                part = Section(given, where + ":", problems, KEYS[ways[0]])
                part.refuse_unknown()
                with problems.at(where):
                    if ways == ["path"]:
                        _file(found, name, part, path)
                    elif ways == ["combinations"]:
                        _combined(found, name, part)
                    else:
                        _landing_sites(found, name, part, problems)
        else:
            with problems.at(where):
                _file(found, name, Section({"path": given}, where, problems, KEYS["path"]), path)
    for name in _in_order(section.given, waiting, problems):
        where = f"[tables] {name}"
        part = Section(section.given[name], where + ":", problems, KEYS["from"])
        part.refuse_unknown()
        with problems.at(where):
            _shifted(found, name, part, seed)
    return found


def _file(found: Tables, name: str, part: Section, study: Path) -> None:
    given = part.given["path"]
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise InputError(f"{shown(given)} is no path; give the path of a CSV, Parquet, NetCDF or Zarr table, in quotes")
    table, found.digests[name] = read_any(study.parent / given, name, given)
    if part.truth("comparisons", False):
        from reward_hypotheses.data.readers.pairwise import comparisons

        table = comparisons(table)
    found.tables[name] = table
    found.origins[name] = {"file": given}
    if "picture" in part.given:
        picture = part.given["picture"]
        if not isinstance(picture, str) or not picture.strip():
            raise InputError(f"picture: {shown(picture)} is no path; give that of a PNG or JPEG file, in quotes")
        data = read_bytes(study.parent / picture, f"picture: {picture}", "a PNG or JPEG file")
        if not data.startswith(PICTURES):
            raise InputError(f"picture: {picture}: is neither PNG nor JPEG; give a picture of the table's world")
        found.pictures[name] = data


def _landing_sites(found: Tables, name: str, part: Section, problems: Problems) -> None:
    import json

    from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError, landing_sites

    given = part.given
    n, seed, shifted = given["landing_sites"], given.get("seed", 0), given.get("shifted", False)
    try:
        data = landing_sites(n, seed, shifted, mix=given.get("mix"))
    except MissingExtraError as error:
        problems.add(f"[tables]: {error}")  # once, for however many tables
        return
    _made(found, name, as_table(data, name, f"landing_sites of seed {data.attrs['seed']}"))
    found.origins[name] = {
        "landing_sites": data.sizes["scene"],
        "seed": data.attrs["seed"],
        "mix": json.loads(data.attrs["mix"]),
    }
    found.versions["gymnasium"] = data.attrs["gymnasium"]


def _combined(found: Tables, name: str, part: Section) -> None:
    from reward_hypotheses.data.readers.factorial import combinations_of

    where = part.given.get("where")
    _made(found, name, combinations_of(part.given["combinations"], where, name))
    found.origins[name] = {"combinations": part.given["combinations"], "where": where}


def _shifted(found: Tables, name: str, part: Section, seed: int) -> None:
    """Make a table of another by shifts, in order."""
    import inspect

    from reward_hypotheses.data.shifts.base import shifts_of
    from reward_hypotheses.data.shifts.registry import SHIFTS

    source = part.given["from"]
    table = found.tables.get(source)
    if table is None:  # what is wrong with it has been said
        return
    shifts = part.given.get("shift")
    if not isinstance(shifts, list) or not shifts or not all(isinstance(s, dict) for s in shifts):
        raise InputError('shift: give a list of shifts, such as [{ name = "decorrelate", features = ["flags"] }]')
    texts = {key: part.text(key) or None for key in ("chosen_by", "why")}
    data = table.to_dataset()
    for i, shift in enumerate(shifts):
        kind = shift.get("name")
        at = f"shift {i + 1}" if len(shifts) > 1 else "shift"
        if not isinstance(kind, str) or kind not in SHIFTS:
            raise InputError(f"{at}: {shown(kind)} is no shift; {suggestion(str(kind), SHIFTS)}")
        known = inspect.signature(SHIFTS[kind]).parameters
        arguments = {k: v for k, v in shift.items() if k != "name"}
        takes = [k for k in known if k not in ("data", "chosen_by", "why")]
        for key in arguments:
            if key not in takes:
                raise InputError(f"{at}: {kind} takes no {key!r}; {suggestion(key, takes)}")
        for key in takes:
            if known[key].default is inspect.Parameter.empty and key not in arguments:
                raise InputError(f"{at}: {kind} needs {key!r}")
        if "seed" in takes:
            arguments.setdefault("seed", seed)
        try:
            data = SHIFTS[kind](data, **arguments, **texts)
        except InputError as error:
            raise InputError([f"{at}: {p}" for p in error.problems]) from None
    _made(found, name, as_table(data, name, f"{name} (made from {source})"))
    found.origins[name] = {"from": source, "shift": shifts_of(data), **texts}


def _made(found: Tables, name: str, table: Table) -> None:
    found.tables[name] = table
    found.digests[name] = digest_of_columns(table)


def _in_order(given: Mapping[str, Any], waiting: list[str], problems: Problems) -> list[str]:
    """Names of the tables that are made from others, each after the one it is made from."""
    order: list[str] = []
    left = list(waiting)
    for name in waiting:
        source = given[name]["from"]
        if not isinstance(source, str) or source not in given:
            problems.add(
                f"[tables] {name}: from: {shown(source)} is no table; {suggestion(str(source), set(given) - {name})}"
            )
            left.remove(name)
    while left:
        ready = [name for name in left if given[name]["from"] not in left]
        if not ready:
            problems.add(f"[tables] {', '.join(left)}: made from one another; one of them needs a file")
            break
        order += ready
        left = [name for name in left if name not in ready]
    return order
