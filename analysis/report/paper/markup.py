r"""Markdown of a paragraph, with citations, and the paragraph as TeX.

A citation is Pandoc's ``[@key; @key]``, and becomes ``\cite{key,key}``. A name in backticks becomes ``\texttt``.
"""

import re

from reward_hypotheses.analysis.report.tables.latex import escaped

SPECIAL = re.compile(r"([\\`*\[\]<>#|$~^@!&{}]|(?<!\w)_|_(?!\w))")
TOKEN = re.compile(r"\\(?P<plain>.)|\[(?P<cite>@[\w-]+(?:; @[\w-]+)*)\]|`(?P<code>[^`]*)`", re.DOTALL)


def literal(text: str) -> str:
    """Return a text as Markdown that shows it as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a text as a code span; a backtick in it becomes an apostrophe."""
    return "`" + " ".join(text.split()).replace("`", "'") + "`"


def cite(*keys: str) -> str:
    """Return a citation, with the space before it; empty without keys."""
    return f" [{'; '.join('@' + key for key in dict.fromkeys(keys))}]" if keys else ""


def cited(markdown: str) -> list[str]:
    """Return the keys that a text cites."""
    found = [match["cite"] for match in TOKEN.finditer(markdown) if match["cite"]]
    return [key.removeprefix("@") for group in found for key in group.split("; ")]


def tex(markdown: str) -> str:
    """Return a paragraph as TeX, in ASCII."""
    out: list[str] = []
    plain: list[str] = []
    at = 0

    def flush() -> None:
        text = "".join(plain)
        inner = escaped(text)
        out.append((" " if text[:1].isspace() else "") + inner + (" " if inner and text[-1:].isspace() else ""))
        plain.clear()

    for match in TOKEN.finditer(markdown):
        plain.append(markdown[at : match.start()])
        at = match.end()
        if match["plain"] is not None:
            plain.append(match["plain"])
            continue
        flush()
        if match["cite"]:
            out.append(rf"\cite{{{','.join(key.removeprefix('@') for key in match['cite'].split('; '))}}}")
        else:
            out.append(rf"\texttt{{{escaped(match['code'])}}}")
    plain.append(markdown[at:])
    flush()
    return "".join(out)
