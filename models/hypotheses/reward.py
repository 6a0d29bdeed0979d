"""Reward: a number for every item of a table.

One class for each way to state a reward.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.rounding_error_bounds import Bound
from reward_hypotheses.data.table import Table

type Error = np.ndarray | float
"""A bound of rounding errors: 0.0 where every value is a whole number."""
type Bounded = tuple[np.ndarray | float, Error]
"""Values, and the bound of each one's rounding error."""
type ColumnOf = Callable[[str], np.ndarray]
type BoundOf = Callable[[str], Bound]


def all_exact(*errors: Error) -> bool:
    """Return whether every bound is the number 0.0, so that no value was rounded."""
    return all(isinstance(error, float) and error == 0.0 for error in errors)


class Reward(ABC):
    """The reward of every item of a table by one hypothesis.

    A reward is declared, then fitted to feedback, then evaluated on a test. Most are the same object throughout; one with
    continuous weights is known by its posterior once fitted, and by draws on a test.
    """

    continuous: ClassVar[bool] = False
    """Whether its weights are continuous, so that it stands for a family of rewards."""
    n_members: ClassVar[int] = 0
    """How many members stand for it where single rewards are looked at; 0: as many as its draws."""
    space: ClassVar[bool] = False
    """Whether it is a space of rules, which stand together for one hypothesis."""
    predicts: ClassVar[bool] = True
    """Whether it predicts every item; false of the hypothesis "none of the others"."""
    no_length: ClassVar[str] = "has continuous weights"
    """Why it has no length in a simplicity language."""
    expression: Expression | None = None
    """The expression that it is, whose length a simplicity language measures."""
    function: Callable[..., Any] | None = None
    """The callable that it is, which no file can hold."""

    @property
    def needs_line(self) -> bool:
        """Whether a failure line must be stated for the reward."""
        return self.predicts and not self.continuous

    @property
    @abstractmethod
    def text(self) -> str:
        """The reward in words."""

    def written(self) -> Any:
        """Return the reward as a study file and a tree hold it."""
        return self.text

    def expressions(self, who: str) -> dict[str, Expression]:
        """Return every expression of the reward, by its name in messages."""
        return {}

    def bits_together(self, language: Any, columns: Sequence[str], beside: Sequence[Expression]) -> float | None:
        """Return ``-log2 sum 2^-bits`` over the rules of a fitted space.

        None of any other reward, and of a space whose prior is not that of the language. `beside` are the other expressions of the list.
        """
        return None

    @property
    def declared(self) -> "Reward":
        """The reward before it was fitted."""
        return self

    @property
    def typical(self) -> "Reward":
        """The fixed reward that stands for this reward.

        For a family, the member with the mean weights.
        """
        return self

    def members(self, n: int, table: Table, rng: np.random.Generator) -> "list[Reward]":
        """Return fixed rewards that stand for this reward.

        The reward itself, or n members of a family.

        Members are drawn from the posterior; before the fit, from the prior, in units of the features over a table.
        """
        return [self]

    def on_test(self, n_draws: int) -> "Reward":
        """Return the reward as a test evaluates it.

        A family is evaluated by at most `n_draws` draws.
        """
        return self

    def called(self, name: str, table: Table) -> np.ndarray | None:
        """Return the reward of every item (item,), evaluated at once.

        None for rewards that can be evaluated block by block.
        """
        return None

    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        """Evaluate item by item, with a bound of each rounding error.

        See `Expression.bounded`.
        """
        raise NotImplementedError(f"{type(self).__name__} is not evaluated before it is fitted")

    def predictions_on(self, block: Any, h: int) -> Iterable[np.ndarray]:
        """Yield predictions, (option, scene) each, that determine those of all its rules."""
        yield block.better(h)

    def catastrophe(self, cells: Callable[[Sequence[tuple[int, int]]], np.ndarray]) -> np.ndarray | None:
        """Return the probability that each item is worse than failing.

        None where the reward decides which items are.

        Parameters
        ----------
        cells : callable
            Numbers and positions of rules -> which cell of their predictions each item is in.
        """
        return None

    def worse(self, block: Any, h: int) -> np.ndarray | None:
        """Return the probability that each option is worse than failing.

        Shape (option, scene); None where the reward of an item decides.
        """
        return self.catastrophe(block.cells)

    def best(self, block: Any, h: int) -> np.ndarray | None:
        """Return the mean of the highest reward in each scene: (scene,).

        None where the rewards of the items decide.
        """
        return None

    def distinct_members(self, role: str, n: int) -> tuple[slice | np.ndarray, np.ndarray]:
        """Return the places of distinct members among the first n drawn ones.

        With them, which of the distinct ones each of the n is: (n,).
        """
        return slice(0, n), np.arange(n)

    def members_on(self, block: Any, h: int, role: str, which: slice | np.ndarray) -> Any:
        """Return drawn members with their rewards in some scenes.

        None where they are draws of coefficients.
        """
        return None

    def magnitude(self, values: np.ndarray) -> np.ndarray:
        """Return absolute values of rewards, or their means where rewards are means."""
        return np.abs(values)

    def chances(self, view: Any, policy: Any, h: int) -> np.ndarray | None:
        """Return the choices of an agent certain of this reward: (choice, scene).

        None where the policy says.
        """
        return None

    @property
    def inflation(self) -> float:
        """Upper bound on the variance inflation of a mean over the draws.

        The variance of the mean, relative to that of independent draws.
        """
        return 1.0

    def draws(self, role: str) -> np.ndarray | None:
        """Return the coefficients of a family's draws on a test: (draw, feature).

        None for a fixed reward.

        Parameters
        ----------
        role : {"agents", "judges", "partners"}
            Draws that an agent may act by; draws that may be true; or one possible truth for each of the agents.
        """
        return None


class FittedReward(Reward):
    """A reward after it was fitted, which is written as it was declared."""

    @property
    @override
    @abstractmethod
    def declared(self) -> Reward:
        """The reward before it was fitted."""

    @property
    @override
    def text(self) -> str:
        return self.declared.text

    @override
    def written(self) -> Any:
        return self.declared.written()

    @override
    def expressions(self, who: str) -> dict[str, Expression]:
        return self.declared.expressions(who)


@dataclass(frozen=True)
class ExpressionReward(Reward):
    """A reward that an expression over columns gives."""

    expression: Expression = field()

    @property
    @override
    def text(self) -> str:
        return self.expression.text

    @override
    def expressions(self, who: str) -> dict[str, Expression]:
        return {who: self.expression}

    @override
    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        return self.expression.bounded(column, bound)


@dataclass(frozen=True)
class CallableReward(Reward):
    """A reward that a function gives.

    The function takes a Dataset and returns a DataArray over the dimensions of its scenes and options.
    """

    no_length: ClassVar[str] = "is a callable"

    function: Callable[..., Any] = field()

    @property
    @override
    def text(self) -> str:
        return str(getattr(self.function, "__name__", "callable"))

    @override
    def written(self) -> str:
        return f"callable {getattr(self.function, '__qualname__', type(self.function).__name__)}"

    @override
    def called(self, name: str, table: Table) -> np.ndarray:
        dataset = table.to_dataset()
        out = self.function(dataset)
        dims = tuple(d for d in (table.unit, "option") if d in dataset.dims)
        if not hasattr(out, "dims") or not set(out.dims) <= set(dims):
            raise InputError(
                f"hypothesis {name!r}: a callable reward takes a Dataset and returns a DataArray over {dims}, not "
                f"{type(out).__name__}"
            )
        for dim in (d for d in out.dims if d in out.coords and d in dataset.coords):
            if out.indexes[dim].equals(dataset.indexes[dim]):
                continue
            if len(out.indexes[dim]) != dataset.sizes[dim] or not dataset.indexes[dim].isin(out.indexes[dim]).all():
                raise InputError(
                    f"hypothesis {name!r}: its DataArray has other {dim}s than the table; give a reward for each"
                )
            out = out.sel({dim: dataset[dim]})
        grid = out.broadcast_like(dataset[dims[0]] if len(dims) == 1 else dataset).transpose(*dims).to_numpy()
        grid = grid.astype(np.float64).reshape(table.n_scenes, -1)
        scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
        return np.asarray(grid[scene, table.positions if table.has_options else 0])


def reward_of(value: "Reward | Expression | Callable[..., Any]") -> Reward:
    """Return a reward: the one given, or that of an expression or a callable."""
    if isinstance(value, Reward):
        return value
    return ExpressionReward(value) if isinstance(value, Expression) else CallableReward(value)
