"""[catastrophe] of a study file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, InSd, stated_line
from reward_hypotheses.study.section_reader import Problems, key


@dataclass(frozen=True)
class CatastropheSpec:
    """[catastrophe]: the judge's failure line, and judgements about that line."""

    fail_utility: Any = key()
    fail_utility_sd: Any = key()
    judgements: Any = key()

    def line(self, names: Sequence[str], may_lack: Sequence[str], problems: Problems) -> FailureLine | None:
        """Return the failure line of hypotheses; None where missing or invalid.

        The problem is noted.

        Parameters
        ----------
        may_lack : sequence of str
            Hypotheses that need no line.
        """
        if self.fail_utility is None and self.fail_utility_sd is None:
            problems.add(
                "[catastrophe] fail_utility: missing; state the reward that failing completely is worth, such as 0; it has no default"
            )
            return None
        with problems.at("[catastrophe]"):
            return line_of_section(self.fail_utility, self.fail_utility_sd, names, may_lack)
        return None


def line_of_section(utility: Any, sds: Any, names: Sequence[str], may_lack: Sequence[str]) -> FailureLine:
    """Return the failure line that a section states.

    Parameters
    ----------
    utility, sds : object
        ``fail_utility``, in reward units, and ``fail_utility_sd``, in standard deviations of rewards.
    """
    if utility is not None and sds is not None:
        raise InputError("fail_utility_sd: stands beside fail_utility; give one of the two")
    if sds is None:
        return stated_line(utility, names, may_lack=may_lack)
    by_place = {f": {name!r}": value for name, value in sds.items()} if isinstance(sds, Mapping) else {"": sds}
    wrong = [f"fail_utility_sd{place}: {shown(value)}" for place, value in by_place.items() if finite(value) is None]
    if wrong:
        raise InputError([f"{words}; give a finite number of standard deviations, such as -1" for words in wrong])
    stated: Any = {name: InSd(value) for name, value in sds.items()} if isinstance(sds, Mapping) else InSd(sds)
    return stated_line(stated, names, "fail_utility_sd", may_lack, in_sd=True)
