"""Headline numbers of the results.

Each number has its place in the results document, its Monte Carlo error, the uncertainty of what it rests on, and its TeX macro.
The uncertainty, by which `rounding` chooses the last digit, is

- of the risk and the ends of its interval: half the width of its interval, the wider of that from all sources and that from the
  values alone;
- of a risk without an interval (limit, floor, risks by the agent's prior): that of the risk, in the same digits;
- of a risk in a study whose interval is unknown or has no width, and of the share of scenes in which the agent refrains:
  ``sqrt(p (1 - p) / n)``, p the share and n the number of equally weighted scenes of the test;
- of prior, weights and bits: ``1 / sqrt(s)``, s the strength of the values in judgements (of several judges with shares w of
  the pool ``sqrt(sum w^2 / s)``); at most 1/2;
- of the regret: the same fraction of it as that of the risk;
- of a standard error: itself.

A p-value rests on the permutations. Stated numbers (probability of the interval, targets, number of scenes, seed) stay as stated.
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.phrases import at, error_of, risk_interval
from reward_hypotheses.analysis.report.presentation import Document
from reward_hypotheses.analysis.report.tables.rounding import NOISE, Kind, shown
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
    uncertainty : float or None
        Of what the number rests on, in its unit.
    words, unit : str
        Its line in the table of headline numbers, and one of `UNITS`; empty: it has no line there.
    """

    macro: str
    path: tuple[str, ...]
    value: Any
    kind: Kind
    error: float | None = None
    zero: float | None = None
    uncertainty: float | None = None
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
        return shown(self.value, self.kind, self.error, self.zero, self.uncertainty if self.value else None)


def quantities(document: Document) -> list[Quantity]:
    """Return every headline number, in the order of the headline table.

    Without a test the numbers about it are None.
    """
    risk = document["risk"] or {}
    zero = risk.get("upper_of_zero")
    u = Uncertainty(document)

    def number(macro: str, *path: str, kind: Kind = "text", **rest: Any) -> Quantity:
        return Quantity(f"RH{macro}", path, at(document, path), kind, **rest)

    def estimated(macro: str, *path: str, unit: str = OF_SCENES, words: str, **rest: Any) -> Quantity:
        rest = {"error": error_of(document, *path)} | rest
        return number(macro, *path, kind=UNITS[unit][0], unit=unit, words=words, **rest)

    refrains = zero if document["agent"]["abstain"] else None
    language = next(iter(document["risk_by_language"] or {}), "")
    priors = {"uniform": "uniform", "simplicity": f"simplicity ({language})", "values": "values"}
    alike: dict[str, Any] = {"uncertainty": u.risk}
    abstained: dict[str, Any] = {"uncertainty": u.of_scenes(risk.get("abstained"))}
    numbers = [
        estimated("risk", "risk", "mean", words="catastrophe risk", error=risk.get("mcse"), zero=zero, **alike),
        *(
            number(f"risk{end.title()}", "risk", end, kind="share", error=risk.get(f"mcse_{end}"), **alike)
            for end in ("lower", "upper")
        ),
        number("prob", "risk", "prob", kind="level"),
        number("riskMcse", "risk", "mcse", kind="share", error=risk.get("mcse")),
        estimated(
            "seScenes",
            "risk",
            "se_scenes",
            words="standard error, scenes",
            error=None,
            uncertainty=risk.get("se_scenes"),
        ),
        estimated("limit", "risk", "limit", words="endless training leaves", **alike),
        estimated("floor", "risk", "floor", words="least if always acting", zero=zero, **alike),
        estimated("abstained", "risk", "abstained", words="the agent refrains", zero=refrains, **abstained),
        estimated("regret", "risk", "regret", unit=REWARD, words="regret", uncertainty=u.regret),
        *(
            estimated(f"risk{p.title()}", "risk_by_agent_prior", p, words=f"risk, {name} prior", zero=zero, **alike)
            for p, name in priors.items()
        ),
    ]
    for target in document["value_bits"] or {}:
        words = f"bits for a risk of {100 * float(target):g}%, uniform prior"
        macro = f"bits{spelled(target)}"
        numbers.append(estimated(macro, "value_bits", target, unit=BITS, words=words, uncertainty=u.values))
    words = "p-value of the shift test"
    numbers += [
        estimated("shiftP", "shift", "p", unit=PROBABILITY, words=words, error=_error_of_p(document["shift"])),
        estimated("nScenes", "risk", "n_scenes", unit=SCENES, words="scenes of the test", error=0.0),
        number("shifted", "shifted"),
    ]
    for name, letters in macro_names(document["hypotheses"]).items():
        error = error_of(document, "weights", name)
        weight = number(f"weight{letters}", "weights", name, kind="share", error=error, uncertainty=u.values)
        numbers += [weight, number(f"prior{letters}", "prior", name, kind="share", uncertainty=u.values)]
    return [*numbers, number("seed", "seed"), number("version", "versions", "reward_hypotheses")]


class Uncertainty:
    """Uncertainties of what headline numbers rest on; see the module.

    Attributes
    ----------
    risk, regret, values : float or None
        Of risks (share of scenes), of the regret (reward units), and of prior, weights (shares) and bits; None: unknown.
    """

    def __init__(self, document: Document) -> None:
        risk = document["risk"]
        self.n = None if risk is None else risk.get("equal_scenes", risk["n_scenes"])
        self.values = _of_values(document["values"])
        self.risk = self.regret = None
        if risk is not None:
            stated = [] if risk["lower"] is None else [(risk["lower"], risk["upper"])]
            widths = [high - low for low, high in (risk_interval(risk) or (0, 0), *stated) if high - low > NOISE * high]
            self.risk = max(widths) / 2 if widths else self.of_scenes(risk["mean"])
            if risk["mean"] > 0 and self.risk is not None and risk["regret"] is not None:
                self.regret = abs(risk["regret"]) * self.risk / risk["mean"]

    def of_scenes(self, share: float | None) -> float | None:
        """Return the standard error of a share of the test's scenes; None without a test."""
        return None if share is None or not self.n else math.sqrt(max(share * (1 - share), 0.0) / self.n)


def _of_values(values: Mapping[str, Any]) -> float | None:
    """Return 1 / sqrt(strength) of the values, at most 1/2; None if not stated."""
    if "judgements" in values:
        variances = [1 / len(values["judgements"]["answers"])] if values["judgements"]["answers"] else [None]
    else:
        judges = values.get("judges", [values])
        whole = sum(judge.get("weight", 1.0) for judge in judges)
        variances = [
            (judge.get("weight", 1.0) / whole) ** 2 / judge["strength"] if judge.get("strength") else None
            for judge in judges
        ]
    stated = [variance for variance in variances if variance is not None]
    return min(math.sqrt(sum(stated)), 0.5) if len(stated) == len(variances) else None


def _error_of_p(shift: Mapping[str, Any] | None) -> float | None:
    """Return the standard error of a permutation p-value, at least one permutation."""
    if not shift:
        return None
    step = 1 / (shift["permutations"] + 1)
    return max(math.sqrt(shift["p"] * (1 - shift["p"]) / shift["permutations"]), step)


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
