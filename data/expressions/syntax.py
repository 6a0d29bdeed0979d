"""Reward expressions: parsed by the small grammar below, never eval'd.

::

    or_     := and_ ("or" and_)*                      booleans
    and_    := not_ ("and" not_)*                     booleans
    not_    := "not" not_ | compare                   boolean
    compare := bitor (("<"|"<="|">"|">="|"=="|"!=") bitor)?      a chain is refused
    bitor   := bitand ("|" bitand)*                   booleans
    bitand  := sum ("&" sum)*                         booleans
    sum     := term (("+"|"-") term)*
    term    := unary (("*"|"/") unary)*
    unary   := ("-"|"~") unary | power
    power   := atom ("**" unary)?
    atom    := number | feature | `feature` | function "(" or_ ("," or_)* ")" | "(" or_ ")"

Precedence is Python's. The parser leaves a flat program in postfix order, so that evaluation is one loop over a stack
and a long expression costs no recursion.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.apply_operators import _bound_of, apply, number
from reward_hypotheses.data.expressions.operators import COMPARISONS, LOGIC, Operand
from reward_hypotheses.data.rounding_error_bounds import TRUTH, Bound, bound_of, settled

MAX_REWARD = 1e150
"""A reward beyond this is refused: its square would not be a finite number."""


class ExpressionError(InputError):
    """An expression that is refused, with the position of the problem."""

    def __init__(self, text: str, position: int, message: str) -> None:
        line = " ".join(text.split("\n"))
        lo = max(0, position - 30)
        shown = ("..." if lo else "") + line[lo : position + 40] + ("..." if len(line) > position + 40 else "")
        super().__init__(f"at position {position + 1}: {message} (in {shown!r})")
        self.position = position


@dataclass(frozen=True)
class Symbol:
    """One symbol of a program.

    Attributes
    ----------
    kind : str
        "const", "column", or the operator or function.
    position : int
        Position in the text, from 0.
    value : float
        Of a constant.
    name : str
        Of a column; else the operator or function as written.
    arguments : int
        Number of arguments of the operator or function.
    """

    kind: str
    position: int
    value: float = 0.0
    name: str = ""
    arguments: int = 0


@dataclass(frozen=True)
class Expression:
    """A parsed reward expression.

    Attributes
    ----------
    text : str
        As written.
    program : tuple of Symbol
        The expression in postfix order.
    """

    text: str
    program: tuple[Symbol, ...] = field(repr=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Distinct features that the expression names, in order of appearance."""
        return tuple(dict.fromkeys(s.name for s in self.program if s.kind == "column"))

    def check(self, is_boolean: Callable[[str], bool]) -> None:
        """Refuse a number where a truth value is needed.

        Raises
        ------
        ExpressionError
            Logic on numbers, or a condition that is a number.
        """
        stack: list[bool] = []
        for symbol in self.program:
            if symbol.kind == "const":
                stack.append(False)
            elif symbol.kind == "column":
                stack.append(is_boolean(symbol.name))
            else:
                n = symbol.arguments
                arguments = stack[-n:]
                del stack[-n:]
                if symbol.kind in LOGIC and not all(arguments):
                    raise ExpressionError(
                        self.text,
                        symbol.position,
                        f"{symbol.name!r} takes true or false on each side, not a number; compare first, in brackets, "
                        "as in (a > 0) & (b > 0)"
                        if symbol.kind != "not"
                        else f"{symbol.name!r} takes true or false, not a number; compare first, as in ~(a > 0)",
                    )
                if symbol.kind == "where" and not arguments[0]:
                    raise ExpressionError(
                        self.text,
                        symbol.position,
                        "the condition of 'where' must be true or false, not a number; compare first, as in "
                        "where(a > 0, 1, -1)",
                    )
                stack.append(
                    symbol.kind in LOGIC + COMPARISONS or (symbol.kind == "where" and arguments[1] and arguments[2])
                )

    def is_truth(self, is_boolean: Callable[[str], bool]) -> bool:
        """Return whether the values are true and false.

        Parameters
        ----------
        is_boolean : callable
            Whether a column, by its name, is boolean.
        """
        negated = Expression(self.text, (*self.program, Symbol("not", 0, name="not", arguments=1)))
        try:  # what can be negated is true or false
            negated.check(is_boolean)
        except InputError:
            return False
        return True

    def evaluate(self, column: Callable[[str], np.ndarray]) -> np.ndarray | float:
        """Return the values, item by item.

        Parameters
        ----------
        column : callable
            name -> array of float64 or bool; every array of one shape.

        Returns
        -------
        ndarray of float64 of that shape, or a float where the expression names no feature. Where it is undefined
        (0/0, log of a negative number) it is NaN; a comparison of an undefined value is NaN too.
        """
        return self._run(column, None)[0]

    def bounded(
        self, column: Callable[[str], np.ndarray], bound: Callable[[str], Bound]
    ) -> tuple[np.ndarray | float, np.ndarray | float]:
        """Return the values, item by item, with bounds of their rounding errors.

        Parameters
        ----------
        column : callable
            As for `evaluate`.
        bound : callable
            name -> the bound of that column's cells, of the same shape.

        Returns
        -------
        value, error
            The value as `evaluate` gives it, and the bound of its error: 0.0 where every value is a whole number, else of
            the value's shape.
        """
        value, value_bound = self._run(column, bound)
        return value, settled(value_bound.error, value)

    def _run(
        self, column: Callable[[str], np.ndarray], bound: Callable[[str], Bound] | None
    ) -> tuple[np.ndarray | float, Bound]:
        stack: list[Operand] = []
        bounds: list[Bound] = []  # beside the stack, where they are asked for
        with np.errstate(all="ignore"):
            for symbol in self.program:
                if symbol.kind == "const":
                    stack.append((symbol.value, None))
                    if bound is not None:
                        bounds.append(bound_of(symbol.value))
                elif symbol.kind == "column":
                    stack.append((column(symbol.name), None))
                    if bound is not None:
                        bounds.append(bound(symbol.name))
                else:
                    n = symbol.arguments
                    arguments = stack[-n:]
                    del stack[-n:]
                    stack.append(apply(symbol.kind, arguments))
                    if bound is not None:
                        of_arguments = bounds[-n:]
                        del bounds[-n:]
                        bounds.append(_bound_of(symbol.kind, arguments, of_arguments, stack[-1]))
            return number(stack.pop()), bounds.pop() if bounds else TRUTH
