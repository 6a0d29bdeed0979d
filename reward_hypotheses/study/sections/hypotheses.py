"""[hypotheses] of a study file."""

from collections.abc import Mapping
from typing import Any

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of, unmodelled_problems
from reward_hypotheses.models.hypotheses.none_of_the_above import unmodelled_of
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.study.section_reader import Problems

MOST_HYPOTHESES = 20_000


def refuse_too_many(document: Mapping[str, Any], file: str) -> None:
    """Refuse a study with more hypotheses than can be weighed in reasonable time."""
    agent = document.get("agent")
    listed = {"[hypotheses]": document.get("hypotheses")}
    listed["[agent] hypotheses"] = agent.get("hypotheses") if isinstance(agent, dict) else None
    for where, rewards in listed.items():
        if isinstance(rewards, dict) and len(rewards) > MOST_HYPOTHESES:
            raise InputError(
                f"{file}: {where}: {len(rewards):,} are listed; up to {MOST_HYPOTHESES:,} can be, so leave out those that "
                "other hypotheses stand for, or give a family with continuous weights (linear = [...])"
            )


def read_hypotheses(written: Mapping[str, Any] | None, problems: Problems) -> dict[str, Reward]:
    """Read [hypotheses]: the rewards that can be read, by name."""
    if written is None:
        return {}
    if not written:
        problems.add("[hypotheses]: there is none; give at least one, name = expression")
    problems.extend(f"[hypotheses] {p}" for p in unmodelled_problems(written))
    return read_rewards("[hypotheses]", written, problems)


def read_rewards(where: str, written: Mapping[str, Any], problems: Problems) -> dict[str, Reward]:
    """Read rewards by name; those that cannot be read are noted and left out."""
    rewards: dict[str, Reward] = {}
    for name, reward in written.items():
        if not isinstance(reward, (str, dict)):
            problems.add(f"{where} {name!r}: {shown(reward)} is no expression; write it in quotes")
        elif isinstance(reward, dict) and "unmodelled" in reward and name.strip():
            with problems.at(f"{where} {name!r}:"):
                rewards[name] = unmodelled_of(reward)
        else:
            try:
                rewards[name] = hypotheses_of({name: reward}).rewards[0]
            except InputError as error:
                problems.extend(f"{where} {p.removeprefix('hypothesis ')}" for p in error.problems)
    return rewards
