"""Spaces of rules that a study asks about, and that no hypothesis holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.rule_space.family.declared import Rules, rules_of


@dataclass(frozen=True)
class AskedRules:
    """A space of rules beside the hypotheses, and what drawn rules would choose.

    Attributes
    ----------
    rules : Rules
    outcome : Expression or None
        A condition of an option, such as ``"red_paint & ~flags"``; the results have the share of scenes of the test in
        which such an agent chooses an option of which it is true.
    """

    rules: Rules
    outcome: Expression | None = None


def asked_of(stated: Any) -> dict[str, AskedRules]:
    """Read spaces of rules by name, as [hypotheses] has them, with outcomes.

    Raises
    ------
    InputError
        No table of spaces, or what `rules_of` refuses; every problem of every space.
    """
    if not isinstance(stated, Mapping) or not stated:
        raise InputError(
            f'{shown(stated)}; name a space of rules, such as "any rule" = {{ rules = ["red_paint", "flags"], prior = "uniform", '
            'source = "..." }'
        )
    out: dict[str, AskedRules] = {}
    problems: list[str] = []
    for name, entry in stated.items():
        try:
            if not str(name).strip():
                raise InputError("the name is empty; give it a name that a reader understands")
            if not isinstance(entry, Mapping) or "rules" not in entry:
                raise InputError(f'{shown(entry)}; give rules = [...], the features, and source = "..."')
            rules = rules_of(entry, "outcome")
            out[str(name)] = AskedRules(rules, _outcome(entry.get("outcome")))
        except InputError as error:
            problems.extend(f"{name!r}: {problem}" for problem in error.problems)
    if problems:
        raise InputError(problems)
    return out


def _outcome(stated: Any) -> Expression | None:
    try:
        return None if stated is None else parse(stated)
    except InputError as error:
        raise InputError(f"outcome: {problem}" for problem in error.problems) from None
