"""The headline numbers of the results, each with its place in the document, its error and its macro in TeX."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.macro_names import macro_names, spelled
from reward_hypotheses.analysis.report.rounding import Kind, shown
from reward_hypotheses.analysis.report.table_model import BITS, OF_SCENES, PROBABILITY, REWARD, SCENES, UNITS


def at(tree: Any, path: Sequence[Any]) -> Any:
    """What stands at a path of the document; None where the path ends in a null."""
    for key in path:
        if tree is None:
            return None
        tree = tree[key] if isinstance(tree, list) else tree.get(key)
    return tree


def error_of(document: Mapping[str, Any], *path: str | int) -> float | None:
    """Monte Carlo error of a number of the document; 0 where it is exact, None where there is none to give."""
    return 0.0 if document["mcse"] is None else at(document["mcse"], path)


@dataclass(frozen=True)
class Quantity:
    """A headline number.

    Attributes
    ----------
    macro : str
        Its name in TeX, letters alone.
    path : tuple of str
        Where it stands in the results document.
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


def quantities(document: Mapping[str, Any]) -> list[Quantity]:
    """Every headline number, in the order of the headline table; without a test those about it hold None."""
    risk = document["risk"] or {}
    zero = risk.get("upper_of_zero")

    def one(macro: str, *path: str, kind: Kind = "text", **rest: Any) -> Quantity:
        return Quantity(macro, path, at(document, path), kind, **rest)

    def estimated(macro: str, *path: str, unit: str, words: str, **rest: Any) -> Quantity:
        rest = {"error": error_of(document, *path)} | rest
        return one(macro, *path, kind=UNITS[unit][0], unit=unit, words=words, **rest)

    def share(macro: str, *path: str, words: str, **rest: Any) -> Quantity:
        return estimated(macro, *path, unit=OF_SCENES, words=words, **rest)

    found = [share("RHrisk", "risk", "mean", words="catastrophe risk", error=risk.get("mcse"), zero=zero)]
    for end in ("lower", "upper"):
        error = risk.get(f"mcse_{end}")
        found.append(one(f"RHrisk{end.title()}", "risk", end, kind="share", error=error))
    found += [
        one("RHprob", "risk", "prob", kind="level"),
        one("RHriskMcse", "risk", "mcse", kind="share", error=risk.get("mcse")),
        share("RHseScenes", "risk", "se_scenes", words="standard error, scenes", error=None),
        share("RHlimit", "risk", "limit", words="endless training leaves"),
        share("RHfloor", "risk", "floor", words="least if always acting", zero=zero),
        share(
            "RHabstained",
            "risk",
            "abstained",
            words="the agent refrains",
            zero=zero if document["agent"]["abstain"] else None,
        ),
        estimated("RHregret", "risk", "regret", unit=REWARD, words="regret"),
    ]
    language = next(iter(document["risk_by_language"] or {}), "")
    for prior in ("uniform", "simplicity", "values"):
        path = ("risk_by_agent_prior", prior)
        named = f"simplicity ({language})" if prior == "simplicity" else prior
        found.append(share(f"RHrisk{prior.title()}", *path, words=f"risk, {named} prior", zero=zero))
    for target in document["value_bits"] or {}:
        words = f"bits for a risk of {100 * float(target):g}%, uniform prior"
        found.append(estimated(f"RHbits{spelled(target)}", "value_bits", target, unit=BITS, words=words))
    shift = document["shift"]
    words = "p-value of the shift test"
    # p is a share of permutations, and cannot be told more finely than by one of them
    step = 1 / (shift["permutations"] + 1) if shift else 0.0
    spread = max(math.sqrt(shift["p"] * (1 - shift["p"]) / shift["permutations"]), step) if shift else None
    found += [
        estimated("RHshiftP", "shift", "p", unit=PROBABILITY, words=words, error=spread),
        estimated("RHnScenes", "risk", "n_scenes", unit=SCENES, words="scenes of the test", error=0.0),
        one("RHshifted", "shifted"),
    ]
    for name, letters in macro_names(document["hypotheses"]).items():
        error = error_of(document, "weights", name)
        found.append(one(f"RHweight{letters}", "weights", name, kind="share", error=error))
        found.append(one(f"RHprior{letters}", "prior", name, kind="share"))
    return [*found, one("RHseed", "seed"), one("RHversion", "versions", "reward_hypotheses")]
