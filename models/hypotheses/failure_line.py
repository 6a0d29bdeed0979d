"""The failure line: what each hypothesis says failing completely is worth, and what is worse than that.

One of the two places where human values enter (the other is `models/priors`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, names_problems, shown
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import MAX_REWARD, Expression
from reward_hypotheses.data.numerics import finite

EQUAL = 1e-9
"""Two weights are equal within this of the largest; sums of rewards over hypotheses, within this of what they add up."""


@dataclass(frozen=True)
class InSd:
    """A failure line in standard deviations of each hypothesis's own rewards: ``u_h = sd * s_h``.

    ``s_h`` is the population standard deviation of ``r_h`` over the training items, every row that some feedback uses once,
    or as often as its count says. A reward in other units then has its line in these units. It is no distance from the mean
    reward: ``InSd(0)`` is 0. Of a `Linear`, ``s_h`` is the root mean square over its prior.

    Parameters
    ----------
    sd : float
        How many standard deviations; -1 where failing is as bad as a reward of one standard deviation is good.

    Raises
    ------
    InputError
        A number that is not finite.
    """

    sd: float

    def __post_init__(self) -> None:
        number = finite(self.sd)
        if number is None or abs(number) > MAX_REWARD:
            raise InputError(
                f"fail_utility: InSd({shown(self.sd)}); give a finite number of standard deviations, such as -1"
            )
        object.__setattr__(self, "sd", number)


type Line = float | Expression | InSd | None
"""What one hypothesis says failing is worth, as somebody stated it."""


@dataclass(frozen=True)
class FailureLine:
    """What failing completely is worth under each hypothesis, in that hypothesis's own reward units.

    Attributes
    ----------
    values : tuple of float, Expression or None
        One for each hypothesis; an expression gives a value for each scene. None for a hypothesis with continuous weights
        of which nobody said what failing is worth: it says nothing about what is catastrophic. `InSd` until the training
        items are known (`models.spreads`).
    for_all : bool
        Whether one value was stated for every hypothesis, in place of one for each.
    """

    values: tuple[Any, ...]
    for_all: bool = False

    @property
    def in_sd(self) -> bool:
        """Whether some value stands in standard deviations of rewards, which are not known yet."""
        return any(isinstance(value, InSd) for value in self.values)

    def only(self, which: Sequence[int]) -> "FailureLine":
        """That of some of the hypotheses."""
        return replace(self, values=tuple(self.values[h] for h in which))


def failure_line(
    given: object,
    names: Sequence[str],
    key: str = "fail_utility",
    may_lack: Sequence[str] = (),
    in_sd: bool = False,
) -> FailureLine:
    """Read a failure line: a number or an expression for all, or a mapping that names every hypothesis.

    Parameters
    ----------
    may_lack : sequence of str
        Hypotheses that need none: those with continuous weights.
    in_sd : bool
        Whether a value may stand in standard deviations of rewards (`InSd`): where the training items are at hand.

    Raises
    ------
    InputError
        A number that is not finite, an expression that does not parse, a hypothesis left out or unknown.
    """
    if given is None and names and set(names) <= set(may_lack):
        given = {}
    if not isinstance(given, Mapping):
        value = _value(given, key, in_sd)
        return FailureLine((value,) * len(names), for_all=True)
    asked = [name for name in names if name in given or name not in may_lack]
    problems = names_problems(given, asked, key, "value", "give one for every hypothesis") if names else []
    values: list[Line] = []
    for name in names:
        if name not in given or (given[name] is None and name in may_lack):
            if name in may_lack:
                values.append(None)
            continue
        try:
            values.append(_value(given[name], f"{key}: {name!r}", in_sd))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return FailureLine(tuple(values))


def _value(given: object, key: str, in_sd: bool) -> float | Expression | InSd:
    if isinstance(given, InSd):
        if not in_sd:
            raise InputError(
                f"{key}: {given!r}; standard deviations are those over the training items, which only fit() and study files "
                "know; give the line in reward units"
            )
        return given
    if isinstance(given, str):
        try:
            return parse(given)
        except InputError as error:
            raise InputError([f"{key}: {p}" for p in error.problems]) from None
    value = finite(given)
    if value is None or abs(value) > MAX_REWARD:
        raise InputError(
            f"{key}: {shown(given)} is not a finite number below 1e150; give the reward that failing completely is worth, "
            "such as 0"
        )
    return value


def better_than_failing(reward: np.ndarray, failure: np.ndarray | float, tolerance: float | np.ndarray) -> np.ndarray:
    """Where ``r > u``, beyond the difference within which the two are equal at that item."""
    return reward - failure > tolerance


def catastrophic(reward: np.ndarray, failure: np.ndarray | float, tolerance: float | np.ndarray) -> np.ndarray:
    """Where ``r < u``: so bad that failing completely would be preferred. ``r == u`` is no catastrophe."""
    return failure - reward > tolerance
