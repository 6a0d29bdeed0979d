"""The failure line: the reward of failing completely under each hypothesis.

Human values enter here and in `models/priors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, names_problems, shown
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import MAX_REWARD, Expression, Symbol
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.data.table import Table

EQUAL = 1e-9
"""Two weights are equal within this of the largest; sums of rewards over hypotheses, within this of what they add up."""


@dataclass(frozen=True)
class InSd:
    """A failure line in standard deviations of rewards: ``u_h = sd * s_h``.

    ``s_h`` is the population standard deviation of ``r_h`` over the training items: every row that some feedback
    uses, once or as often as its count says. A reward in other units then has its failure line in these units. The
    line is measured from a reward of 0, and not from the mean reward: ``InSd(0)`` is 0. For a `Linear`, ``s_h`` is
    the root mean square over its prior.

    Parameters
    ----------
    sd : float
        Number of standard deviations. With -1, failing is as bad as a reward of one standard deviation is good.

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


@dataclass(frozen=True)
class SceneLine:
    """A failure line that each reward draws itself, scene by scene.

    - ``"this option"``: ``u(scene) = r(o)``, o the option of the scene that `is_failing` marks.
    - ``"scene mean"``: ``u(scene)``, the mean of ``r`` over the scene's options (those marked as failing left out).

    With continuous weights w the line is that of ``r_w``, and moves with w: it is evaluated at every draw.

    Attributes
    ----------
    text : {"this option", "scene mean"}
    above : float
        Reward units by which the line is raised.
    """

    text: str
    above: float = 0.0

    def problem(self, table: Table) -> str | None:
        """Return why the scenes of a table do not give the line; None where they do."""
        if not table.has_options:
            return f"{table.source}: fail_utility {self.text!r}: the table has no options, so no scene to take the line from"
        failing, scene = table.failing(), np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
        marked = (
            np.zeros(table.n_scenes, int) if failing is None else np.bincount(scene[failing], minlength=table.n_scenes)
        )
        if self.text == MEAN:
            none = np.flatnonzero((marked == np.diff(table.starts)) & (marked > 0))
            if not len(none):
                return None
            where = f"{table.source}: scene {table.scene_name(int(none[0]))}: fail_utility {MEAN!r}"
            return f"{where}: is_failing marks every option; leave at least one unmarked"
        if failing is None:
            return f"{table.source}: fail_utility {THIS!r}: no column 'is_failing' marks the option; add it"
        wrong = np.flatnonzero((marked != 1) & (np.diff(table.starts) > 0))
        if not len(wrong):
            return None
        return (
            f"{table.source}: scene {table.scene_name(int(wrong[0]))}: fail_utility {THIS!r}: is_failing marks "
            f"{marked[wrong[0]]} options; it must mark one in every scene"
        )

    def among(
        self, rewards: np.ndarray, error: np.ndarray | float, failing: np.ndarray | None, options: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | float]:
        """Return the line of every scene, and the bound of its rounding error.

        Parameters
        ----------
        rewards : ndarray (..., option, scene)
        error : ndarray (..., option, scene) or float
            Bounds of their rounding errors.
        failing, options : ndarray (option, scene) or None
            Which options are failing, and which are available and are not.

        Returns
        -------
        ndarray (..., scene), ndarray (..., scene) or float
        """
        if self.text == THIS:
            assert failing is not None
            at = failing.argmax(axis=0), np.arange(failing.shape[1])
            line, of_line = rewards[..., *at], error if isinstance(error, float) else error[..., *at]
        else:
            inside = np.ones(rewards.shape[-2:], bool) if options is None else options
            count = np.maximum(inside.sum(axis=0), 1)
            line = np.where(inside, rewards, 0.0).sum(axis=-2) / count
            sizes = np.where(inside, np.abs(rewards) * EPS * count + error, 0.0)
            of_line = sizes.sum(axis=-2) / count
        return line + self.above, of_line


THIS, MEAN = "this option", "scene mean"
type Line = float | Expression | InSd | SceneLine | None
"""What one hypothesis says failing is worth, as somebody stated it."""


@dataclass(frozen=True)
class FailureLine:
    """The reward of failing completely under each hypothesis.

    Attributes
    ----------
    values : tuple of float, Expression or None
        One for each hypothesis, in its own reward units; an expression or a `SceneLine` gives a value for each scene. None for a
        hypothesis with continuous weights and without a line: no item is catastrophic under that hypothesis. `InSd`
        until the training items are known (`models/weights/failure_line_units`).
    for_all : bool
        Whether one value was stated for every hypothesis, in place of one for each.
    """

    values: tuple[Any, ...]
    for_all: bool = False

    @property
    def in_sd(self) -> bool:
        """Whether some value is in standard deviations of rewards.

        The standard deviations are not known yet.
        """
        return any(isinstance(value, InSd) for value in self.values)

    def only(self, which: Sequence[int]) -> "FailureLine":
        """Return the failure line of some of the hypotheses."""
        return replace(self, values=tuple(self.values[h] for h in which))

    def instead(self, values: Mapping[int, Line]) -> "FailureLine":
        """Return the failure line with other values for some of the hypotheses."""
        return FailureLine(tuple(values.get(h, value) for h, value in enumerate(self.values)))

    def raised(self, by: np.ndarray) -> "FailureLine":
        """Return the failure line raised by given amounts.

        `by` is (hypothesis,), in each hypothesis's reward units.
        """
        return FailureLine(tuple(map(_raised, self.values, by.tolist())))

    def expressions(self, names: Sequence[str], key: str) -> dict[str, Expression]:
        """Return every expression among the values, by its name in messages.

        The name is ``key of 'name'``.
        """
        pairs = zip(names, self.values, strict=True)
        return {f"{key} of {name!r}": value for name, value in pairs if isinstance(value, Expression)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The distinct columns that the line's expressions name."""
        return tuple(dict.fromkeys(c for v in self.values if isinstance(v, Expression) for c in v.columns))

    def written(self) -> list[Any]:
        """Return the values as they were written: numbers, texts, or None."""
        return [value.text if isinstance(value, Expression | SceneLine) else value for value in self.values]


def stated_line(
    stated: object,
    names: Sequence[str],
    key: str = "fail_utility",
    may_lack: Sequence[str] = (),
    in_sd: bool = False,
) -> FailureLine:
    """Read a failure line: one value for all hypotheses, or a mapping.

    A value is a number, an expression, "this option" or "scene mean" (`SceneLine`). A mapping names every hypothesis.

    Parameters
    ----------
    may_lack : sequence of str
        Hypotheses that need no line: with continuous weights, or unmodelled.
    in_sd : bool
        Whether a value may stand in standard deviations of rewards (`InSd`): where the training items are at hand.

    Raises
    ------
    InputError
        A number that is not finite, an expression that does not parse, a hypothesis left out or unknown.
    """
    if stated is None and names and set(names) <= set(may_lack):
        stated = {}
    if not isinstance(stated, Mapping):
        value = _value(stated, key, in_sd)
        return FailureLine((value,) * len(names), for_all=True)
    asked = [name for name in names if name in stated or name not in may_lack]
    problems = names_problems(stated, asked, key, "value", "give one for every hypothesis") if names else []
    values: list[Line] = []
    for name in names:
        if name not in stated or (stated[name] is None and name in may_lack):
            if name in may_lack:
                values.append(None)
            continue
        try:
            values.append(_value(stated[name], f"{key}: {name!r}", in_sd))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return FailureLine(tuple(values))


def _value(stated: object, key: str, in_sd: bool) -> float | Expression | InSd | SceneLine:
    if isinstance(stated, InSd):
        if not in_sd:
            raise InputError(
                f"{key}: {stated!r}; standard deviations are those over the training items, which only fit() and study files "
                "know; give the line in reward units"
            )
        return stated
    if isinstance(stated, str):
        if (words := " ".join(stated.split())) in (THIS, MEAN):
            return SceneLine(words)
        try:
            return parse(stated)
        except InputError as error:
            raise InputError([f"{key}: {p}" for p in error.problems]) from None
    value = finite(stated)
    if value is None or abs(value) > MAX_REWARD:
        raise InputError(
            f"{key}: {shown(stated)} is not a finite number below 1e150; give the reward that failing completely is worth, "
            "such as 0"
        )
    return value


def _raised(value: Any, by: float) -> Any:
    if isinstance(value, SceneLine):
        return replace(value, above=value.above + by)
    if isinstance(value, Expression):
        end = (Symbol("const", 0, value=by), Symbol("+", 0, arguments=2))
        return Expression(value.text, (*value.program, *end))
    return None if value is None else value + by


def better_than_failing(reward: np.ndarray, failure: np.ndarray | float, tolerance: float | np.ndarray) -> np.ndarray:
    """Return where ``r > u``, beyond the tolerance of each item.

    Within the tolerance, the two are equal.
    """
    return reward - failure > tolerance


def catastrophic(reward: np.ndarray, failure: np.ndarray | float, tolerance: float | np.ndarray) -> np.ndarray:
    """Return where ``r < u``: failing completely would be preferred.

    ``r == u``, to the tolerance, is no catastrophe.
    """
    return failure - reward > tolerance
