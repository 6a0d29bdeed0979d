"""Tables and numbers as TeX, in plain ASCII.

Every TeX engine reads plain ASCII, whatever the encoding of the paper.
"""

import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from reward_hypotheses.analysis.report.tables.headline_numbers import LONGEST

if TYPE_CHECKING:
    from reward_hypotheses.analysis.report.tables.headline_numbers import Quantity
    from reward_hypotheses.analysis.report.tables.table_model import PaperTable


LINE = 70
"""Characters of 10 point type in a column of 12 cm."""
CHARACTER = 0.17
"""Width of a character, in cm."""
HEADING, HEADING_OF_MANY, MANY = 12, 7, 7
"""Characters of a line of a heading, in a table of so many columns fewer."""
UNBROKEN = 12
LEAST = 14
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    '"': r"\textquotedblright{}",  # a straight one is missing from OT1 fonts, and a shorthand of babel
    "`": r"\textquoteleft{}",
    "[": "{[}",  # where it begins a row, an optional argument of what ended the last
    "]": "{]}",
    "*": "{*}",
}
LIGATING = ("--", "''", ",,", "?`", "!`")
"""Characters that fonts set as one other character."""
MATHS = {
    **dict(zip("αβγδεζηθικλμνξπρςστυφχψω", """alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu
        xi pi rho varsigma sigma tau upsilon varphi chi psi omega""".split(), strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(), strict=True)),
    **dict(zip("ϵϑϕϱ×÷±∓·⋅≤≥≠≈≡∼∝∞", """epsilon vartheta phi varrho times div pm mp cdot cdot leq geq neq approx equiv sim
        propto infty""".split(), strict=True)),
    **dict(zip("∂∇∑∏∫√∈∉∩∪⊂⊃⊆⊇∅∀∃¬", """partial nabla sum prod int surd in notin cap cup subset supset subseteq supseteq
        emptyset forall exists neg""".split(), strict=True)),
    **dict(zip("∧∨←→↔⇐⇒⇔↑↓«»…", """wedge vee leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow
        uparrow downarrow ll gg ldots""".split(), strict=True)),
}  # fmt: skip
LETTERS = {
    **{c: rf"\ensuremath{{\{name}}}" for c, name in MATHS.items()},
    **{c: rf"\ensuremath{{^{{{'-' if c == '⁻' else unicodedata.digit(c)}}}}}" for c in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"},
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{DEGREE SIGN}": r"\ensuremath{^\circ}",
    "\N{EM DASH}": "---",
    "\N{EN DASH}": "--",
    "\N{FRACTION SLASH}": "/",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"\textquoteright{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": r"{,}{,}",
    **{
        c: rf"\{name}{{}}"
        for c, name in zip("ßæÆœŒøØłŁı§¶£", "ss ae AE oe OE o O l L i S P pounds".split(), strict=True)
    },
    "€": "EUR",
    "ð": "d",
    "đ": "d",
    "Ð": "D",
    "Đ": "D",
    "þ": "th",
    "Þ": "Th",
    "µ": r"\ensuremath{\mu}",
}
ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0308\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u030a",
        ["`", "'", "^", "~", '"', "=", ".", "u", "v", "H", "c", "d", "b", "r"],
        strict=True,
    )
)
"""Combining accents -> TeX's, those that every font encoding has."""
UNKNOWN = "?"
RULE = (
    "A number is rounded to the uncertainty of what it rests on, which keeps one or two significant digits: the unit of the "
    "last digit is the power of ten of which the uncertainty holds between 3.55 and 35.4. A Monte Carlo error also counts, by its "
    "first digit. No share is coarser than 1 % for its uncertainty.",
    "Risks rest on half the interval of the risk; without an interval, and shares of scenes, on sqrt(p (1 - p) / scenes); prior, "
    "weights and bits on 1 / sqrt(strength of the values). Stated numbers stay; a number that rests on nothing uncertain has "
    "three digits.",
)
"""The rule of `rounding` and `headline_numbers`, for the head of a file of numbers."""


def escaped(text: str) -> str:
    """Return a text as TeX sets it, in ASCII.

    White space of any kind is a space, controls are dropped, accents, Greek and common signs become TeX's commands, and
    what is left beyond ASCII a question mark.
    """
    plain = _plain(text)
    return "".join(
        _character(c) + ("{}" if c + after in LIGATING else "")
        for c, after in zip(plain, plain[1:] + " ", strict=False)
    )


def _plain(text: str) -> str:
    """Return a text as one line without controls, its accents composed."""
    spaced = (" " if c.isspace() else c for c in unicodedata.normalize("NFC", text))
    return " ".join("".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).split())


def _character(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    if c.isascii():
        return c
    if c in LETTERS:
        return LETTERS[c]
    if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me"):
        return ""  # an accent that its letter has no composed form with
    first, *rest = list(unicodedata.normalize("NFKD", c))
    if first == c:
        return UNKNOWN
    base = _character(first)
    for mark in rest:
        accent = ACCENTS.get(mark)
        if accent and first.isalpha() and first.isascii():
            base = rf"\{accent}{{{base}}}"
        elif not unicodedata.combining(mark):
            base += _character(mark)
    return base


def tabular_file(table: "PaperTable", title: str, version: str) -> bytes:
    r"""Return a table as a ``tabular`` of booktabs, for ``\input`` in a paper."""
    header, body = table.header, table.body
    texts = [i for i, column in enumerate(header) if column.align == "left"]
    cells = [[_shortened(c) if i in texts else c for i, c in enumerate(row)] for row in body]
    wrap = HEADING if len(header) < MANY else HEADING_OF_MANY
    headings = [textwrap.wrap(_shortened(column.words or ""), wrap) for column in header]
    spans = {
        i: max(*(len(line) for line in heading), len(column.unit) + 2, *(len(row[i]) for row in cells), 0)
        for i, (column, heading) in enumerate(zip(header, headings, strict=True))
    }
    room = LINE - sum(span + 2 for i, span in spans.items() if i not in texts)
    widths = spans | _fitted({i: spans[i] for i in texts}, room)
    narrow = {i for i in texts if widths[i] < spans[i]}
    form = "".join(
        f"p{{{widths[i] * CHARACTER:.1f}cm}}" if i in narrow else column.align[0] for i, column in enumerate(header)
    )
    lines = [*_preamble([table.title, table.caption], title, version, r"Needs \usepackage{booktabs}.")]
    lines += [rf"\begin{{tabular}}{{@{{}}{form}@{{}}}}", r"\toprule"]
    if table.over and len(header) > 1:
        lines += [
            rf" & \multicolumn{{{len(header) - 1}}}{{c}}{{{escaped(table.over)}}}\tabularnewline",
            rf"\cmidrule(l){{2-{len(header)}}}",
        ]
    deep = max(map(len, headings))
    for at in range(deep):  # headings stand on the last line of the head
        lines.append(_row(escaped(h[at - deep + len(h)]) if at >= deep - len(h) else "" for h in headings))
    if any(column.unit for column in header):
        lines.append(_row(f"({escaped(column.unit)})" if column.unit else "" for column in header))
    lines.append(r"\midrule")
    for row in cells:
        lines.append(_row(_wrapping(c) if i in narrow else escaped(c) for i, c in enumerate(row)))
    notes = list(table.notes) if cells else ["None.", *table.notes]
    if notes and cells:
        lines.append(r"\midrule")
    for note in notes:
        for line in textwrap.wrap(note, max(sum(widths.values()) + 2 * len(widths), 24)):
            lines.append(
                rf"\multicolumn{{{len(header)}}}{{@{{}}l@{{}}}}{{\footnotesize {escaped(line)}}}\tabularnewline"
            )
    lines += [r"\bottomrule", r"\end{tabular}%"]
    return _file(lines)


def _fitted(spans: Mapping[int, int], room: int) -> dict[int, int]:
    """Return widths of columns of text that fit together in the room.

    No column is wider than its text; the widest columns share the rest.
    """
    widths: dict[int, int] = {}
    for i in sorted(spans, key=lambda i: spans[i]):
        share = room // (len(spans) - len(widths)) - 2
        widths[i] = min(spans[i], max(share, LEAST))
        room -= widths[i] + 2
    return widths


def _row(cells: Iterable[str]) -> str:
    # \tabularnewline, because \raggedright in a cell gives \\ another meaning
    return " & ".join(cells) + r"\tabularnewline"


def _shortened(text: str) -> str:
    text = _plain(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _wrapping(text: str) -> str:
    """Return the text of a cell of several lines that may break inside a long word."""
    words = [
        r"\allowbreak{}".join(escaped(word[i : i + UNBROKEN]) for i in range(0, len(word), UNBROKEN))
        for word in text.split()
    ]
    return r"\raggedright " + " ".join(words)


def numbers_file(numbers: Sequence["Quantity"], title: str, version: str) -> bytes:
    r"""Return headline numbers as macros: ``\newcommand{\RHrisk}{45.0\%}``.

    A comment holds the number in full. Numbers are rounded as `headline_numbers` and `rounding` say.

    Names of macros consist of letters. The name for a target is spelled digit by digit (0.01: ``ZeroPointZeroOne``). The name
    for a hypothesis is made of its words (`macro_names`).
    """
    lines = _preamble(["Headline numbers", *RULE], title, version, r"In a text: \RHrisk{}.")
    for number in numbers:
        known = number.value is not None
        text, full = (escaped(number.text), _plain(str(number.value))) if known else ("--", "null")
        lines.append(rf"\newcommand{{\{number.macro}}}{{{text}}} % {full} = {_plain(number.key)} in results.json")
    return _file(lines)


def _preamble(about: Sequence[str], title: str, version: str, use: str) -> list[str]:
    head = f"Study: {_plain(title)}" if title.strip() else "A study"
    parts = [head, *map(_plain, about), f"{use} Written by reward_hypotheses {version}".rstrip() + "."]
    return [f"% {line}" for part in parts for line in textwrap.wrap(part, 100)]


def _file(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
