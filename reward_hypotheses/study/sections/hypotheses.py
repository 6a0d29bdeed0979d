"""[hypotheses] of a study file."""

from collections.abc import Mapping
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of, unmodelled_problems
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import unmodelled_of
from reward_hypotheses.study.sections.analysis import Read
from reward_hypotheses.study.validation import Problems, Section

MOST_HYPOTHESES = 20_000


def refuse_too_many(top: Section, problems: Problems) -> None:
    """Refuse at once a study that lists more hypotheses than can be weighed in a reasonable time."""
    agent = top.given.get("agent")
    listed = {"[hypotheses]": top.given.get("hypotheses")}
    listed["[agent] hypotheses"] = agent.get("hypotheses") if isinstance(agent, dict) else None
    for where, given in listed.items():
        if isinstance(given, dict) and len(given) > MOST_HYPOTHESES:
            raise InputError(
                f"{problems.file}: {where}: {len(given):,} are listed; up to {MOST_HYPOTHESES:,} can be, so leave out those that "
                "other hypotheses stand for, or give a family with continuous weights (linear = [...])"
            )


def read_hypotheses(top: Section, problems: Problems) -> tuple[list[str], dict[str, Read]]:
    """Read [hypotheses]: every name given, and the expressions and families that can be read."""
    section = top.section(
        "hypotheses",
        (),
        required=True,
        why='give name = expression, such as "flags" = "where(flags, 100, -100)"',
    )
    if isinstance(top.given.get("hypotheses"), dict) and not section.given:
        problems.add("[hypotheses]: there is none; give at least one, name = expression")
    problems.extend(f"[hypotheses] {p}" for p in unmodelled_problems(section.given))
    return list(section.given), _rewards("[hypotheses]", section.given, problems)


def _rewards(where: str, given: Mapping[str, Any], problems: Problems) -> dict[str, Read]:
    """Read rewards by name: those that can be read."""
    good: dict[str, Read] = {}
    for name, one in given.items():
        if not isinstance(one, (str, dict)):
            problems.add(f"{where} {name!r}: {shown(one)} is no expression; write it in quotes")
            continue
        if isinstance(one, dict) and "unmodelled" in one and name.strip():
            with problems.at(f"{where} {name!r}:"):
                good[name] = unmodelled_of(one)
            continue
        try:
            reward = hypotheses_of({name: one}).rewards[0]
            assert isinstance(reward, (Expression, Linear))
            good[name] = reward
        except InputError as error:
            problems.extend(f"{where} {p.removeprefix('hypothesis ')}" for p in error.problems)
    return good
