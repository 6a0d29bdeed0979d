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

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.rounding import TRUTH, Bound, bound_of, bound_of_result, settled

MAX_LENGTH = 10_000
MAX_DEPTH = 100
MAX_REWARD = 1e150
"""A reward beyond this is refused: its square would not be a finite number."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|`(?P<quoted>(?:[^`]|``)*)`"
    r"|(?P<op>\*\*|<=|>=|==|!=|[-+*/<>&|~(),]))"
)
FUNCTIONS = {"where": (3, 3), "min": (2, 99), "max": (2, 99), "abs": (1, 1), "exp": (1, 1)}
FUNCTIONS |= {"log": (1, 1), "sqrt": (1, 1), "clip": (3, 3)}
ARITHMETIC = ("+", "-", "*", "/", "**")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = ("and", "or", "not")
BINDS = {"or": 1, "and": 2} | dict.fromkeys(COMPARISONS, 4) | {"|": 5, "&": 6, "+": 7, "-": 7, "*": 8, "/": 8, "**": 10}
"""How tightly each operator between two operands binds, as in Python."""
NOT, UNARY = 3, 9
SPELLED = {"&": "and", "|": "or"}
ALPHABET = len(ARITHMETIC) + len(COMPARISONS) + len(LOGIC) + len(FUNCTIONS)
"""Operators and functions, 22: logic counts once however it is spelled (``&`` is ``and``)."""


class ExpressionError(InputError):
    """An expression that is refused, at its position."""

    def __init__(self, text: str, position: int, message: str) -> None:
        line = " ".join(text.split("\n"))
        lo = max(0, position - 30)
        shown = ("..." if lo else "") + line[lo : position + 40] + ("..." if len(line) > position + 40 else "")
        super().__init__(f"at position {position + 1}: {message} (in {shown!r})")
        self.position = position


@dataclass(frozen=True)
class Symbol:
    """One symbol of a program: ``kind`` is const, column, or the operator or function with its number of arguments."""

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
        The same in postfix order.
    """

    text: str
    program: tuple[Symbol, ...] = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The distinct features that it names, in order of appearance."""
        return tuple(dict.fromkeys(s.name for s in self.program if s.kind == "column"))

    def check(self, is_boolean: Callable[[str], bool]) -> None:
        """Refuse logic on numbers: raises ExpressionError where a truth value is needed and a number stands."""
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

    def evaluate(self, column: Callable[[str], np.ndarray]) -> np.ndarray | float:
        """Evaluate item by item.

        Parameters
        ----------
        column : callable
            name -> array of float64 or bool; every array of one shape.

        Returns
        -------
        ndarray of float64 of that shape, or a float where the expression names no feature. Where it is undefined
        (0/0, log of a negative number) it is NaN, also where what is undefined is compared.
        """
        return self._run(column, None)[0]

    def bounded(
        self, column: Callable[[str], np.ndarray], bound: Callable[[str], Bound]
    ) -> tuple[np.ndarray | float, np.ndarray | float]:
        """Evaluate item by item, with a bound of the rounding error beside each value.

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
        value, found = self._run(column, bound)
        return value, settled(found.error, value)

    def _run(
        self, column: Callable[[str], np.ndarray], bound: Callable[[str], Bound] | None
    ) -> tuple[np.ndarray | float, Bound]:
        stack: list[_Value] = []
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
                    stack.append(_apply(symbol.kind, arguments))
                    if bound is not None:
                        of_arguments = bounds[-n:]
                        del bounds[-n:]
                        bounds.append(_bound_of(symbol.kind, arguments, of_arguments, stack[-1]))
            return _number(stack.pop()), bounds.pop() if bounds else TRUTH


def parse(text: str) -> Expression:
    """Parse a reward expression.

    Raises
    ------
    ExpressionError
        Anything outside the grammar, longer than 10,000 characters, nested deeper than 100, or a constant that is not
        finite; the message names the position, from 1.
    """
    if not isinstance(text, str):
        raise InputError(f"an expression is text, not {type(text).__name__}; write it in quotes")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(text, MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    return Expression(text, _Parser(text).program())


_Value = tuple[np.ndarray | np.float64 | float, np.ndarray | None]
"""A value and, for truth values, where they are undefined (None: nowhere). Undefined numbers are NaN.

A constant is a float, of which numpy makes shorter work than of its own scalars.
"""


def _number(value: _Value) -> np.ndarray | float:
    array, undefined = value
    if isinstance(array, float):
        return array
    if array.dtype == bool:
        array = array.astype(np.float64)
        if undefined is not None:
            array = np.where(undefined, np.nan, array)
    return array


def _is_bool(value: _Value) -> bool:
    return not isinstance(value[0], float) and value[0].dtype == bool


def _either(*masks: np.ndarray | None) -> np.ndarray | None:
    given = [m for m in masks if m is not None]
    return None if not given else np.logical_or.reduce(np.broadcast_arrays(*given))


_UFUNC: Mapping[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.absolute,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
}


def _select(
    condition: np.ndarray | np.float64 | float, first: np.ndarray | float, second: np.ndarray | float
) -> np.ndarray:
    """``np.where`` of numbers by their bits: it cannot mispredict a branch, and is four times as quick on a mixed mask."""
    if not isinstance(condition, np.ndarray) or not condition.ndim:
        return np.where(condition, first, second)
    chosen = np.negative(condition.view(np.int8), dtype=np.int64, casting="unsafe")  # 0, or every bit set
    a, b = (np.asarray(value, np.float64).view(np.int64) for value in (first, second))
    if a.ndim or b.ndim:
        chosen = chosen & (a ^ b)
        return np.bitwise_xor(chosen, b).view(np.float64)
    chosen &= int(a) ^ int(b)
    chosen ^= int(b)
    return chosen.view(np.float64)


def _bound_of(kind: str, arguments: list[_Value], bounds: list[Bound], result: _Value) -> Bound:
    """Bound of what `_apply` gave: truth values are exact, for comparisons are taken as they are written."""
    if kind in LOGIC or kind in COMPARISONS or _is_bool(result):
        return TRUTH
    numbers = [a[0] if kind == "where" and i == 0 else _number(a) for i, a in enumerate(arguments)]
    return bound_of_result(kind, list(zip(numbers, bounds, strict=True)), _number(result))


def _apply(kind: str, arguments: list[_Value]) -> _Value:
    if kind in ("and", "or"):
        (a, a_undefined), (b, b_undefined) = arguments
        return _UFUNC[kind](a, b), _either(a_undefined, b_undefined)
    if kind == "not":
        return np.logical_not(arguments[0][0]), arguments[0][1]
    if kind == "where":
        (condition, undefined), first, second = arguments
        if _is_bool(first) and _is_bool(second):
            chosen = np.where(condition, first[0], second[0])
            if undefined is None and first[1] is None and second[1] is None:
                return chosen, None
            no = np.zeros(chosen.shape, bool)
            inside = np.where(condition, no if first[1] is None else first[1], no if second[1] is None else second[1])
            return chosen, _either(undefined, inside)
        picked = _select(condition, _number(first), _number(second))
        return (picked if undefined is None else np.where(undefined, np.nan, picked)), None
    numbers = [_number(a) for a in arguments]
    if kind in COMPARISONS:
        a, b = numbers
        undefined = _either(_nan(a), _nan(b))
        return _UFUNC[kind](a, b), undefined
    if kind == "clip":
        return np.minimum(np.maximum(numbers[0], numbers[1]), numbers[2]), None
    if kind == "negative":
        return np.negative(numbers[0]), None
    if kind in ("min", "max"):
        out = numbers[0]
        for other in numbers[1:]:
            out = _UFUNC[kind](out, other)
        return out, None
    if kind == "**" and np.ndim(numbers[1]) == 0 and numbers[1] == 2:
        return np.square(numbers[0]), None
    return _UFUNC[kind](*numbers), None


def _nan(x: np.ndarray | float) -> np.ndarray | None:
    if isinstance(x, float):
        return None if x == x else np.array(True)
    # The sum is NaN or infinite where any value is, and adding up is quicker than a mask that is seldom needed.
    if np.isfinite(np.add.reduce(x, axis=None)):
        return None
    undefined = np.isnan(x)
    return undefined if undefined.any() else None


class _Parser:
    """Precedence climbing over the tokens of one expression, leaving symbols in postfix order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise ExpressionError(text, start, self._refusal(text[start], start))
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            at = match.end()
        self.tokens.append(("end", "", len(text)))
        self.at = 0
        self.depth = 0
        self.out: list[Symbol] = []

    def program(self) -> tuple[Symbol, ...]:
        if self.tokens[0][0] == "end":
            raise ExpressionError(self.text, 0, "an empty expression; write a reward such as where(flags, 100, -100)")
        self.expression(1)
        kind, word, position = self.tokens[self.at]
        if kind != "end":
            hint = "choose with where(condition, a, b)" if word in ("if", "else") else "an operator or the end should"
            raise ExpressionError(self.text, position, f"{word!r} cannot follow here; {hint}{self._two_words()}")
        return tuple(self.out)

    def _refusal(self, character: str, position: int) -> str:
        if character == "=":
            return "'=' is no operator; compare with '=='"
        if character == "!":
            return "'!' is no operator; negate with ~ or not"
        if character == ".":
            return "'.' is no operator: there are no attributes or methods"
        if character in "[]{}":
            return f"{character!r} is not part of an expression; group with round brackets"
        if character in "'\"":
            return "there is no text in an expression; quote a feature's name with `backticks`"
        if character == "`":
            return "a backtick that is not closed"
        if character in "%@^":
            return f"{character!r} is no operator here; there are + - * / **"
        return f"{character!r} is not part of an expression"

    def _take(self, *words: str) -> tuple[str, int] | None:
        kind, word, position = self.tokens[self.at]
        if (kind == "op" or (kind == "name" and word in LOGIC)) and word in words:
            self.at += 1
            return word, position
        return None

    def _emit(self, kind: str, position: int, arguments: int, name: str = "") -> None:
        self.out.append(Symbol(kind, position, name=name or kind, arguments=arguments))

    def expression(self, least: int) -> None:
        """Parse an expression whose operators bind at least this tightly."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                self.text, self.tokens[self.at][2], f"nested deeper than {MAX_DEPTH}; bracket less, or split it"
            )
        self.operand(least)
        while True:
            word = self.tokens[self.at][1]
            binds = BINDS.get(word, 0)
            if not binds or binds < least or self._take(word) is None:
                break
            position = self.tokens[self.at - 1][2]
            self.expression(UNARY if word == "**" else binds + 1)
            self._emit(SPELLED.get(word, word), position, 2, word)
            if word in COMPARISONS and self._take(*COMPARISONS):
                raise ExpressionError(
                    self.text,
                    self.tokens[self.at - 1][2],
                    "a chained comparison; bracket each one, as in (a > 0) & (b > 0), for '&' and '|' bind more "
                    "tightly than comparisons",
                )
        self.depth -= 1

    def operand(self, least: int) -> None:
        """Parse an atom with the signs and negations before it."""
        taken = self._take("-", "~") or (self._take("not") if least <= NOT else None)
        if taken is None:
            self.atom()
            return
        word, position = taken
        start = len(self.out)
        self.expression(NOT if word == "not" else UNARY)
        if word != "-":
            self._emit("not", position, 1, word)
        elif len(self.out) == start + 1 and self.out[-1].kind == "const":  # a minus before a constant belongs to it
            self.out[-1] = Symbol("const", position, value=-self.out[-1].value)
        else:
            self._emit("negative", position, 1, "-")

    def atom(self) -> None:
        kind, word, position = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            value = float(word)
            if not np.isfinite(value):
                raise ExpressionError(self.text, position, "a constant that is not finite")
            following = self.tokens[self.at]
            if following[0] in ("name", "number") and following[2] == position + len(word):
                raise ExpressionError(
                    self.text,
                    position,
                    f"{word + following[1]!r} is neither a number nor a name; quote names with `backticks`",
                )
            self.out.append(Symbol("const", position, value=value))
        elif kind == "quoted":
            if not word:
                raise ExpressionError(self.text, position, "an empty name between backticks")
            self.out.append(Symbol("column", position, name=word.replace("``", "`")))
        elif kind == "name" and word not in LOGIC:
            self._name(word, position)
        elif kind == "op" and word == "(":
            self.expression(1)
            self._close(position)
        elif kind == "end":
            raise ExpressionError(self.text, position, "it ends where a number, a feature or a bracket should come")
        else:
            doubled = word in ("&", "|") and self.at > 1 and self.tokens[self.at - 2][1] == word
            hint = f"; write {word} once" if doubled else ""
            raise ExpressionError(
                self.text, position, f"{word!r} stands where a number, a feature or a bracket should come{hint}"
            )

    def _name(self, word: str, position: int) -> None:
        called = self._take("(")
        if called is None:
            if word in FUNCTIONS:
                raise ExpressionError(
                    self.text, position, f"{word!r} is a function; call it, or quote a feature of that name: `{word}`"
                )
            self.out.append(Symbol("column", position, name=word))
            return
        if word not in FUNCTIONS:
            raise ExpressionError(self.text, position, f"no function {word!r}; {suggestion(word, FUNCTIONS)}")
        count = 1
        self.expression(1)
        while self._take(","):
            self.expression(1)
            count += 1
        self._close(called[1])
        least, most = FUNCTIONS[word]
        if not least <= count <= most:
            right = str(least) if least == most else f"{least} or more"
            raise ExpressionError(self.text, position, f"{word!r} takes {right} arguments, not {count}")
        self._emit(word, position, count)

    def _two_words(self) -> str:
        """Hint at backticks where one name stands right after another."""
        if self.at == 0 or any(
            kind != "name" or word in LOGIC for kind, word, _ in self.tokens[self.at - 1 : self.at + 1]
        ):
            return ""
        both = f"{self.tokens[self.at - 1][1]} {self.tokens[self.at][1]}"
        return "" if self.tokens[self.at][1] in ("if", "else") else f"; if {both!r} is one name, write `{both}`"

    def _close(self, opened: int) -> None:
        if self._take(")") is None:
            _, word, position = self.tokens[self.at]
            found = f"{word!r} stands" if word else "it ends"
            raise ExpressionError(
                self.text,
                position,
                f"{found} where ')' should close the bracket of position {opened + 1}{self._two_words()}",
            )


def products(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns, and the product of every two."""
    return (*columns, *(f"{a} * {b}" for i, a in enumerate(columns) for b in columns[i + 1 :]))
