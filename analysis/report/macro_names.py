"""Names of TeX macros: letters alone, and each given once."""

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 40
"""Characters of a text in a cell; the CSV file has it whole."""


SPELLING = {
    **dict(zip("0123456789", "Zero One Two Three Four Five Six Seven Eight Nine".split(), strict=True)),
    ".": "Point",
    "-": "Minus",
    "+": "Plus",
    "e": "E",
}


def spelled(number: str) -> str:
    """A number in letters, digit by digit, different for different numbers: 0.01 is ``ZeroPointZeroOne``."""
    return "".join(SPELLING[c] for c in number)


def macro_names(names: Sequence[str]) -> dict[str, str]:
    """Letters for each name, all different: its words with capitals, digits spelled, Greek letters by their names.

    What has no letters is ``Unnamed``; one that an earlier name has already gets ``A``, ``B``, ... behind it.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z]+", _lettered(name)))
        base = base[:LONGEST] or "Unnamed"
        letters, count = base, 0
        while letters in taken:
            count += 1
            letters = base + _suffix(count)
        taken.add(letters)
        found[name] = letters
    return found


def _lettered(name: str) -> str:
    out = []
    for c in unicodedata.normalize("NFKD", name):
        if c in SPELLING and c.isdigit():
            out.append(f" {SPELLING[c]} ")
        elif unicodedata.name(c, "").startswith("GREEK ") and " LETTER " in unicodedata.name(c):
            out.append(f" {unicodedata.name(c).split(' LETTER ')[1].split()[-1].title()} ")
        elif not unicodedata.combining(c):
            out.append(c)
    return "".join(out)


def _suffix(count: int) -> str:
    """1, 2, ..., 26, 27, ... as A, B, ..., Z, AA, ..."""
    text = ""
    while count:
        count, digit = divmod(count - 1, 26)
        text = chr(ord("A") + digit) + text
    return text
