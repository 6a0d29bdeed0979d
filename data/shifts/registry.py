"""Every shift with its arguments: a new shift is one function and one name here."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class NamedShift:
    """A shift, as its function declares it.

    Attributes
    ----------
    function : callable
        ``function(data, ..., chosen_by=None, why=None)`` returns the shifted Dataset.
    """

    function: Callable[..., "xr.Dataset"]

    @property
    def name(self) -> str:
        """Name in a study file."""
        return self.function.__name__

    @cached_property
    def arguments(self) -> Mapping[str, inspect.Parameter]:
        """Arguments that a study file may give."""
        parameters = inspect.signature(self.function).parameters
        return {name: p for name, p in parameters.items() if name not in ("data", "chosen_by", "why")}

    @property
    def is_random(self) -> bool:
        """Whether it draws random numbers, by a seed."""
        return "seed" in self.arguments

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse an argument that the shift does not take, and a missing argument."""
        for key in arguments:
            if key not in self.arguments:
                raise InputError(f"{self.name} takes no {key!r}; {suggestion(key, self.arguments)}")
        for key, parameter in self.arguments.items():
            if parameter.default is inspect.Parameter.empty and key not in arguments:
                raise InputError(f"{self.name} needs {key!r}")

    def __call__(self, *arguments: Any, **named: Any) -> "xr.Dataset":
        """Shift a table."""
        return self.function(*arguments, **named)


SHIFT_FUNCTIONS: tuple[Callable[..., "xr.Dataset"], ...] = (
    repaint,
    decorrelate,
    intervene,
    reweight,
    resample,
    add_options,
    fade,
)
SHIFTS: Mapping[str, NamedShift] = {function.__name__: NamedShift(function) for function in SHIFT_FUNCTIONS}
"""Every shift by its name."""
