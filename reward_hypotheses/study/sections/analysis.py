"""[fit] and [analysis] of a study file."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.models.posterior import METHODS
from reward_hypotheses.models.priors.languages import LANGUAGES
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.rule_space.family.asked import AskedRules, asked_of
from reward_hypotheses.study.section_reader import (
    Problems,
    distinct,
    key,
    list_of,
    number,
    path_like,
    refuse_no_table,
    text,
    truth,
    whole_number,
)


def method(value: Any) -> str:
    """Return the name of a method of inference."""
    if text(value) not in METHODS:
        raise InputError(f"{value!r}; {suggestion(value, METHODS)}")
    return value


def table_name(value: Any) -> str:
    """Return the name of a table, which may yet be unknown."""
    if not isinstance(value, str):
        raise InputError(f"{shown(value)} is no name")
    return value


def languages(value: Any) -> tuple[Simplicity, ...]:
    """Return simplicity priors, one for each language."""
    if not isinstance(value, list) or not value:
        raise InputError(f'{shown(value)}; give a list such as ["rules", "letters"]')
    priors: dict[str, Simplicity] = {}
    problems: list[str] = []
    for language in value:
        try:
            prior = Simplicity(language)
        except InputError as error:
            problems += error.problems
            continue
        if prior.language_name in priors:
            problems.append(f"{prior.language_name!r} stands twice; name each language once")
        priors.setdefault(prior.language_name, prior)
    if problems:
        raise InputError(problems)
    return tuple(priors.values())


@dataclass(frozen=True)
class FitSpec:
    """[fit]: how the posterior is computed."""

    method: str = key(method, "auto")
    draws: int = key(whole_number(1, 100_000), 1000)
    chains: int = key(whole_number(1, 100), 4)


@dataclass(frozen=True)
class AnalysisSpec:
    """[analysis]: what is computed from the posterior."""

    test: str | None = key(text)
    also: tuple[str, ...] = key(list_of(table_name, "tables"), ())
    targets: tuple[float, ...] = key(
        distinct(list_of(number(lambda t: 0 <= t <= 1, ""), "risks from 0 to 1")), (0.1, 0.01, 0.001)
    )
    contaminations: tuple[float, ...] = key(
        distinct(list_of(number(lambda e: 0 < e < 1, ""), "shares of the prior, above 0 and below 1")),
        (0.01, 0.05, 0.1),
    )
    prob: float = key(number(lambda p: 0 < p < 1, "the probability of the interval, above 0 and below 1"), 0.95)
    deployments: tuple[int, ...] = key(
        list_of(whole_number(1, 10**15), "whole numbers from 1 to 10^15"), (1, 10, 100, 1000)
    )
    languages: tuple[Simplicity, ...] = key(languages, tuple(map(Simplicity, LANGUAGES)))
    rules: Mapping[str, AskedRules] = key(asked_of, MappingProxyType({}))
    support: str | None = key(text)
    show_raters: bool = key(truth, False)
    ledger: str | None = key(path_like('that of a ledger, such as "ledger.jsonl"'))

    def tests(self, tables: Mapping[str, Any], problems: Problems) -> tuple[str, ...]:
        """Return the names of the test and of the other tests; note unknown names."""
        test = self.test if self.test is not None or "test" not in tables else "test"
        if self.also and test is None:
            problems.add('[analysis] also: there is no test beside which it could stand; name one with test = "..."')
        named = [("test", test), *(("also", name) for name in self.also), ("support", self.support)]
        for where, name in named:
            if name is not None:
                refuse_no_table(f"[analysis] {where}", name, tables, "table", problems)
        return () if test is None else tuple(dict.fromkeys((test, *self.also)))
