"""[agent] of a study file."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from reward_hypotheses.data.errors import shown, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.study.sections.analysis import LINES, POLICIES, PRIORS, Read
from reward_hypotheses.study.sections.catastrophe import stated_line
from reward_hypotheses.study.sections.feedback import Use, _uses
from reward_hypotheses.study.sections.hypotheses import _rewards
from reward_hypotheses.study.sections.values import foil
from reward_hypotheses.study.validation import Problems, Section


@dataclass(frozen=True)
class Agent:
    """What [agent] says.

    Attributes
    ----------
    prior : Prior or None
        None: the judge's values.
    told : FailureLine or None
        What it was told of the failure line, of the judge's hypotheses; None: the judge's.
    hypotheses : dict
        Its own, beside the judge's; those that can be read.
    own_line : FailureLine or None
        What it was told of these; None where nobody said.
    feedback : list of Use
        Its own choices.
    """

    policy: Policy
    prior: Prior | None
    told: FailureLine | None
    hypotheses: Mapping[str, Read]
    own_line: FailureLine | None
    feedback: list[Use]


def read_agent(
    top: Section,
    problems: Problems,
    hypotheses: tuple[list[str], Mapping[str, Read]],
    tables: Mapping[str, Table | None],
    mdps: Mapping[str, Any],
) -> Agent:
    """Read [agent] and every [[agent.feedback]].

    Parameters
    ----------
    hypotheses : (names, rewards)
        The judge's.
    """
    section = top.section("agent", ("policy", "prior", *LINES, "hypotheses", "feedback"), required=False)
    section.refuse_unknown()
    given = section.given
    names, rewards = hypotheses
    feedback = _uses("[[agent.feedback]]", given.get("feedback", []), problems, tables, mdps)
    own = _agents_own(given.get("hypotheses", {}), problems, rewards)
    none = [n for n, r in rewards.items() if isinstance(r, Unmodelled)]
    if none and (own or feedback):
        problems.add(
            f"[agent]: {none[0]!r} is unmodelled, beside which no agent is read and none has hypotheses of its own; leave the one or "
            "the other out"
        )
    policy = _policy(given.get("policy", "commit"), problems)
    rational = any(issubclass(use.kind, Rational) for use in feedback)
    if policy.asks_rationality and not rational and not isinstance(given.get("feedback", []), dict):
        problems.add(
            '[agent] policy: beta = "inferred" is read from the agent\'s own choices; give [[agent.feedback]] of a kind with a '
            "rationality, such as choices, or beta a number"
        )
    prior = foil("[agent] prior", given.get("prior", "values"), None, problems, PRIORS)
    if own and given.get("prior", "values") == "values":
        problems.add(
            f"[agent] prior: the values say nothing of {', '.join(map(repr, own))}, which the agent alone may hold; give it a prior "
            'of its own, such as prior = "uniform"'
        )
    told = own_line = None
    if any(key in given for key in LINES):
        may_lack = [n for n in names if isinstance(rewards.get(n), (Linear, Unmodelled))]
        with problems.at("[agent]"):
            both = stated_line(given, [*names, *own], [*may_lack, *own])
            told, own_line = FailureLine(both.values[: len(names)]), FailureLine(both.values[len(names) :])
    return Agent(policy, prior, told, own, own_line, feedback)


def _agents_own(given: Any, problems: Problems, judges: Mapping[str, Read]) -> dict[str, Read]:
    """Read the agent's own hypotheses: those that the judge has too are left out, if they are the same."""
    if not isinstance(given, dict):
        problems.add(f"[agent] hypotheses: {shown(given)}; give name = expression, in braces")
        return {}
    found = _rewards("[agent] hypotheses", given, problems)
    for name in [n for n in found if n in judges]:
        if _written(found[name]) != _written(judges[name]):
            problems.add(
                f"[agent] hypotheses: {name!r} is another reward in [hypotheses]; the agent's hypotheses stand beside those, so give "
                "it another name"
            )
        del found[name]
    for name in [n for n in found if not n.strip()]:
        del found[name]
    for name in [n for n, r in found.items() if isinstance(r, Unmodelled)]:
        problems.add(
            f"[agent] hypotheses: {name!r} is unmodelled, and says nothing by which an agent could act; leave it out"
        )
        del found[name]
    return found


def _written(reward: Read) -> Any:
    return reward.text if isinstance(reward, Expression) else reward.written()


def _policy(spec: Any, problems: Problems) -> Policy:
    policy: Policy = Commit()
    name = str(spec.get("name") if isinstance(spec, dict) else spec)
    if name not in POLICIES:
        problems.add(f"[agent] policy: {shown(name)} is no policy of this version; {suggestion(str(name), POLICIES)}")
        return policy
    options = {f.name: f for f in fields(POLICIES[name])}
    part = Section(spec, "[agent] policy", problems, ("name", *options))
    part.refuse_unknown()
    arguments = {k: v for k, v in part.given.items() if k in options}
    lacking = [k for k, f in options.items() if f.default is MISSING and k not in arguments]
    for lacks in lacking:
        problems.add(f'[agent] policy: {name!r} needs {lacks}; write {{ name = "{name}", {lacks} = ... }}')
    arguments["abstain"] = part.truth("abstain", False)
    if not lacking:
        with problems.at("[agent] policy"):
            policy = POLICIES[name](**arguments)
    return policy
