"""[catastrophe] of a study file."""

from collections.abc import Mapping, Sequence
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, InSd, failure_line
from reward_hypotheses.study.sections.analysis import LINES
from reward_hypotheses.study.sections.failure_judgements import LineJudgements, read_line_judgements
from reward_hypotheses.study.validation import Problems, Section


def read_catastrophe(
    top: Section,
    problems: Problems,
    names: list[str],
    families: list[str],
    may_lack: list[str],
    tables: Mapping[str, Table | None],
) -> tuple[FailureLine | None, LineJudgements | None]:
    """Read [catastrophe]: the judge's failure line, and what was asked about it; None where wrong, which has then been said.

    Parameters
    ----------
    families, may_lack : list of str
        Hypotheses with continuous weights, and those that need no line.
    """
    section = top.section(
        "catastrophe",
        (*LINES, "judgements"),
        required=True,
        why="state fail_utility, the reward that failing completely is worth",
    )
    if not isinstance(top.given.get("catastrophe"), dict):
        return None, None
    section.refuse_unknown()
    asked = None
    if "judgements" in section.given:
        asked = read_line_judgements(section.given["judgements"], problems, names, families, tables)
    if not any(key in section.given for key in LINES):
        problems.add(
            "[catastrophe] fail_utility: missing; state the reward that failing completely is worth, such as 0; it has no default"
        )
        return None, asked
    with problems.at("[catastrophe]"):
        return stated_line(section.given, names, may_lack), asked
    return None, asked


def stated_line(given: Mapping[str, Any], names: Sequence[str], may_lack: Sequence[str]) -> FailureLine:
    """Read ``fail_utility``, in reward units, or ``fail_utility_sd``, in standard deviations of each hypothesis's rewards."""
    if all(key in given for key in LINES):
        raise InputError("fail_utility_sd: stands beside fail_utility; give one of the two")
    if "fail_utility" in given:
        return failure_line(given["fail_utility"], names, may_lack=may_lack)
    sds = given["fail_utility_sd"]
    each = {f": {name!r}": value for name, value in sds.items()} if isinstance(sds, Mapping) else {"": sds}
    wrong = [f"fail_utility_sd{where}: {shown(value)}" for where, value in each.items() if finite(value) is None]
    if wrong:
        raise InputError([f"{one}; give a finite number of standard deviations, such as -1" for one in wrong])
    stated: Any = {name: InSd(value) for name, value in sds.items()} if isinstance(sds, Mapping) else InSd(sds)
    return failure_line(stated, names, "fail_utility_sd", may_lack, in_sd=True)
