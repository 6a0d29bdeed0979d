"""Headline numbers of the results.

Each number has its place in the results document, its error and its TeX macro.
"""

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.phrases import at, error_of
from reward_hypotheses.analysis.report.presentation import Document
from reward_hypotheses.analysis.report.tables.rounding import Kind, shown
from reward_hypotheses.analysis.report.tables.table_model import BITS, OF_SCENES, PROBABILITY, REWARD, SCENES, UNITS

LONGEST = 40
"""Characters of a text in a cell, and of the name of a macro; the CSV file has the text in full."""

SPELLING = {
    **dict(zip("0123456789", "Zero One Two Three Four Five Six Seven Eight Nine".split(), strict=True)),
    ".": "Point",
    "-": "Minus",
    "+": "Plus",
    "e": "E",
}


@dataclass(frozen=True)
class Quantity:
    """A headline number.

    Attributes
    ----------
    macro : str
        Its name in TeX, letters alone.
    path : tuple of str
        Its place in the results document.
    value, kind, error, zero
        As those of a `Column`.
    words, unit : str
        Its line in the table of headline numbers, and one of `UNITS`; empty: it has no line there.
    """

    macro: str
    path: tuple[str, ...]
    value: Any
    kind: Kind
    error: float | None = None
    zero: float | None = None
    words: str = ""
    unit: str = ""

    @property
    def key(self) -> str:
        """Its path as a reader of JSON writes it."""
        parts = [f".{p}" if re.fullmatch(r"[A-Za-z_]\w*", p, re.ASCII) else f"[{json.dumps(p)}]" for p in self.path]
        return "".join(parts).removeprefix(".")

    @property
    def text(self) -> str:
        """The number for a reader."""
        return shown(self.value, self.kind, self.error, self.zero)


def quantities(document: Document) -> list[Quantity]:
    """Return every headline number, in the order of the headline table.

    Without a test the numbers about it are None.
    """
    risk = document["risk"] or {}
    zero = risk.get("upper_of_zero")

    def number(macro: str, *path: str, kind: Kind = "text", **rest: Any) -> Quantity:
        return Quantity(f"RH{macro}", path, at(document, path), kind, **rest)

    def estimated(macro: str, *path: str, unit: str = OF_SCENES, words: str, **rest: Any) -> Quantity:
        rest = {"error": error_of(document, *path)} | rest
        return number(macro, *path, kind=UNITS[unit][0], unit=unit, words=words, **rest)

    refrains = zero if document["agent"]["abstain"] else None
    language = next(iter(document["risk_by_language"] or {}), "")
    priors = {"uniform": "uniform", "simplicity": f"simplicity ({language})", "values": "values"}
    shift, spread = document["shift"], None
    if shift:  # p is a share of permutations, and cannot be known more finely than by one of them
        step = 1 / (shift["permutations"] + 1)
        spread = max(math.sqrt(shift["p"] * (1 - shift["p"]) / shift["permutations"]), step)
    numbers = [
        estimated("risk", "risk", "mean", words="catastrophe risk", error=risk.get("mcse"), zero=zero),
        *(
            number(f"risk{end.title()}", "risk", end, kind="share", error=risk.get(f"mcse_{end}"))
            for end in ("lower", "upper")
        ),
        number("prob", "risk", "prob", kind="level"),
        number("riskMcse", "risk", "mcse", kind="share", error=risk.get("mcse")),
        estimated("seScenes", "risk", "se_scenes", words="standard error, scenes", error=None),
        estimated("limit", "risk", "limit", words="endless training leaves"),
        estimated("floor", "risk", "floor", words="least if always acting", zero=zero),
        estimated("abstained", "risk", "abstained", words="the agent refrains", zero=refrains),
        estimated("regret", "risk", "regret", unit=REWARD, words="regret"),
        *(
            estimated(f"risk{p.title()}", "risk_by_agent_prior", p, words=f"risk, {name} prior", zero=zero)
            for p, name in priors.items()
        ),
    ]
    for target in document["value_bits"] or {}:
        words = f"bits for a risk of {100 * float(target):g}%, uniform prior"
        numbers.append(estimated(f"bits{spelled(target)}", "value_bits", target, unit=BITS, words=words))
    words = "p-value of the shift test"
    numbers += [
        estimated("shiftP", "shift", "p", unit=PROBABILITY, words=words, error=spread),
        estimated("nScenes", "risk", "n_scenes", unit=SCENES, words="scenes of the test", error=0.0),
        number("shifted", "shifted"),
    ]
    for name, letters in macro_names(document["hypotheses"]).items():
        error = error_of(document, "weights", name)
        numbers.append(number(f"weight{letters}", "weights", name, kind="share", error=error))
        numbers.append(number(f"prior{letters}", "prior", name, kind="share"))
    return [*numbers, number("seed", "seed"), number("version", "versions", "reward_hypotheses")]


def spelled(number: str) -> str:
    """Return a number in letters, digit by digit: 0.01 is ``ZeroPointZeroOne``."""
    return "".join(SPELLING[c] for c in number)


def macro_names(names: Sequence[str]) -> dict[str, str]:
    """Return a different TeX macro for each name.

    A macro has the words of its name with capitals, its digits spelled, and its Greek letters by their names.

    A name without letters becomes ``Unnamed``. A name that is taken gets ``A``, ``B``, ... behind it.
    """
    macros: dict[str, str] = {}
    for name in names:
        base = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z]+", _lettered(name)))
        base = base[:LONGEST] or "Unnamed"
        letters, count = base, 0
        while letters in macros.values():
            count += 1
            letters = base + _suffix(count)
        macros[name] = letters
    return macros


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
    """Return 1, 2, ..., 26, 27, ... as A, B, ..., Z, AA, ..."""
    text = ""
    while count:
        count, digit = divmod(count - 1, 26)
        text = chr(ord("A") + digit) + text
    return text
