"""States and actions by name, and arrays over them by label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reward_hypotheses.data.column import as_integers, is_digits, name_of, without_zeros
from reward_hypotheses.data.errors import InputError, shown, suggestion


@dataclass(frozen=True, eq=False)
class Named:
    """Names of states or actions, or their numbers from 0.

    Attributes
    ----------
    what : str
        "state" or "action".
    n : int
        Number of states or actions.
    names : tuple of str or None
        As they were given.
    """

    what: str
    n: int
    names: tuple[str, ...] | None = None

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: i for i, name in enumerate(map(str, range(self.n)) if self.names is None else self.names)}

    def name(self, i: int) -> str:
        """Return the name at a position, or its number."""
        return str(i) if self.names is None else self.names[i]

    @property
    def coordinate(self) -> list[Any]:
        """All labels, whole numbers as numbers."""
        return list(range(self.n)) if self.names is None else as_integers(self.names)

    def place(self, label: Any) -> int:
        """Return the position of a name or a number.

        A number is a position, unless the names are numbers themselves.

        Raises
        ------
        InputError
            No state or action has that name or number.
        """
        if isinstance(label, (float, np.floating)) and float(label).is_integer():
            label = int(label)
        if isinstance(label, (int, np.integer)) and not isinstance(label, (bool, np.bool_)):
            numbers = self.names is not None and all(is_digits(n) for n in self.names)
            if not numbers and 0 <= label < self.n:
                return int(label)
            if numbers and str(int(label)) in self._places:
                return self._places[str(int(label))]
            right = f"give one of {', '.join(map(str, self.coordinate[:8]))}" if numbers else f"from 0 to {self.n - 1}"
            raise InputError(f"{self.what} {shown(label)}: there is none; {right}")
        text = name_of(label) or ""
        if text not in self._places:
            text = without_zeros(text)
        if text not in self._places:
            raise InputError(f"{self.what} {shown(label)}: there is none; {suggestion(text, self._places)}")
        return self._places[text]


def by_label(what: str, array: Any, dims: Sequence[str], known: Mapping[str, Named]) -> Any:
    """Put a DataArray into the order of given dims and of known labels.

    Anything but a DataArray over some of these dims is returned unchanged.

    Raises
    ------
    InputError
        An unknown label, or a label that occurs twice.
    """
    if not hasattr(array, "dims") or not set(array.dims) <= set(dims):
        return array
    for dim in array.dims:
        if dim in known and dim in array.coords:
            labels = array[dim].to_numpy().tolist()
            places = [within(f"{what}: {dim}", known[dim].place, label) for label in labels]
            if sorted(places) != list(range(known[dim].n)):
                raise InputError(f"{what}: {dim} {labels}; give each {known[dim].what} once")
            array = array.isel({dim: np.argsort(places)})
    return array.transpose(*(dim for dim in dims if dim in array.dims))


def within(where: str, read: Callable[[Any], int], label: Any) -> int:
    """Read a name; an InputError starts with where the name stands."""
    with InputError.at(where):
        return read(label)
