"""Parse a reward expression by a small grammar, never by eval."""

import re
from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.expressions.operators import COMPARISONS, FUNCTIONS, LOGIC, SPELLED
from reward_hypotheses.data.expressions.syntax import Expression, ExpressionError, Symbol

MAX_LENGTH = 10_000
MAX_DEPTH = 100
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|`(?P<quoted>(?:[^`]|``)*)`"
    r"|(?P<op>\*\*|<=|>=|==|!=|[-+*/<>&|~(),]))"
)
BINDS = {"or": 1, "and": 2} | dict.fromkeys(COMPARISONS, 4) | {"|": 5, "&": 6, "+": 7, "-": 7, "*": 8, "/": 8, "**": 10}
"""How tightly each operator between two operands binds, as in Python."""
NOT, UNARY = 3, 9


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


class _Parser:
    """Parser of one expression by precedence climbing.

    The symbols are left in postfix order.
    """

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
        """Return a hint at backticks where one name directly follows another."""
        if self.at == 0 or any(
            kind != "name" or word in LOGIC for kind, word, _ in self.tokens[self.at - 1 : self.at + 1]
        ):
            return ""
        both = f"{self.tokens[self.at - 1][1]} {self.tokens[self.at][1]}"
        return "" if self.tokens[self.at][1] in ("if", "else") else f"; if {both!r} is one name, write `{both}`"

    def _close(self, opened: int) -> None:
        if self._take(")") is None:
            _, word, position = self.tokens[self.at]
            what = f"{word!r} stands" if word else "it ends"
            raise ExpressionError(
                self.text,
                position,
                f"{what} where ')' should close the bracket of position {opened + 1}{self._two_words()}",
            )


def products(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns, and the product of every two columns."""
    return (*columns, *(f"{a} * {b}" for i, a in enumerate(columns) for b in columns[i + 1 :]))
