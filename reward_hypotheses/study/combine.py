"""A study made of the parts of two, as a study file of these parts would be read."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.weights.shared_nuisances import check_shared
from reward_hypotheses.models.weights.weigh import check_lines
from reward_hypotheses.study.load import check_priors, check_scenes, line_expressions, own_of
from reward_hypotheses.study.sections.agent import read_agent
from reward_hypotheses.study.sections.analysis import LINES, SECTIONS
from reward_hypotheses.study.sections.catastrophe import read_catastrophe
from reward_hypotheses.study.sections.values import read_values
from reward_hypotheses.study.study import Study
from reward_hypotheses.study.validation import Problems, Section

PARTS = ("hypotheses", "failure line", "data and feedback", "values", "agent", "test", "fit")
"""What two studies may differ in and the risk may rest on, in the order in which changes are applied."""


def mixed(a: Study, b: Study, of_b: Collection[str]) -> Study:
    """Study a with some parts of b.

    Judgements of the failure line and the support are left out: the mean risk by the stated line does not rest on them.

    Parameters
    ----------
    of_b : collection of str
        Of `PARTS`.

    Raises
    ------
    InputError
        The parts do not go together: what a study file of them would be refused for.
    """
    rules, at, data, valued, agents, tested, fitted = (b if part in of_b else a for part in PARTS)
    problems = Problems("")
    names = list(rules.hypotheses.names)
    rewards: dict[str, Any] = dict(zip(names, rules.hypotheses.rewards, strict=True))
    families = [name for name, reward in rewards.items() if isinstance(reward, Linear)]
    stated = {key: value for key, value in _raw(at)["catastrophe"].items() if key in LINES}
    may_lack = [name for name, reward in rewards.items() if isinstance(reward, (Linear, Unmodelled))]
    line, _ = read_catastrophe(_section({"catastrophe": stated}, problems), problems, names, families, may_lack, {})
    prior, values = read_values(_section(_raw(valued), problems), problems, names, valued.path.parent)
    said = {k: v for k, v in _raw(agents).get("agent", {}).items() if k not in ("policy", "feedback")}
    agent = read_agent(_section({"agent": said}, problems), problems, (names, rewards), {}, {})
    own, own_line = own_of(agent, line)
    problems.refuse()
    assert line is not None and prior is not None
    told = line if agent.told is None else agent.told
    hypotheses = Hypotheses(tuple(names), tuple(rewards.values()), data.feedback[0].table.column_order)
    expressions = {f"[hypotheses] {who}": e for who, e in hypotheses.expressions().items()}
    expressions |= line_expressions(line, names, "[catastrophe] fail_utility")
    needs = _columns(expressions)
    expressions |= {f"[agent] hypotheses {who}": e for who, e in own.expressions().items()}
    expressions |= line_expressions(own_line, list(own.names), "[agent] fail_utility")
    all_needs = _columns(expressions)
    made = [replace(one, needs=needs) for one in data.feedback]
    probes = [replace(one, needs=all_needs) for one in agents.probes]
    on_tests = expressions | line_expressions(told, names, "[agent] fail_utility")
    _check_tables(made, probes, tested, expressions, on_tests, agents, problems)
    check_priors(hypotheses, prior, own, agent.prior, (), problems)
    problems.refuse()
    check_lines(hypotheses, line, prior)
    for feedback in (made, probes):
        check_shared(feedback, fitted.fit.method)
    return replace(
        a,
        seed=fitted.seed,
        fit=fitted.fit,
        hypotheses=hypotheses,
        prior=prior,
        values=values,
        line=line,
        told=told,
        feedback=tuple(made),
        policy=agents.policy,
        agent_prior=agent.prior,
        tests=tested.tests,
        own=own,
        own_line=own_line,
        probes=tuple(probes),
        needs=all_needs,
        judgements=None,
        support=None,
    )


def _raw(study: Study) -> dict[str, Any]:
    return tomllib.loads(study.text)


def _section(document: Mapping[str, Any], problems: Problems) -> Section:
    return Section(document, "", problems, SECTIONS)


def _columns(expressions: Mapping[str, Expression]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for e in expressions.values() for column in e.columns))


def _check_tables(
    made: list[Feedback],
    probes: list[Feedback],
    tested: Study,
    expressions: Mapping[str, Expression],
    on_tests: Mapping[str, Expression],
    agents: Study,
    problems: Problems,
) -> None:
    """Check the columns that expressions name where these are evaluated, and that the agent can act on the tests."""
    tests = list(tested.tests.values())
    tables = [*(one.table for one in [*made, *probes]), *tests]
    views = [(one.table if one.missing == "error" else one.items, expressions) for one in [*made, *probes]]
    problems.extend(check_columns([*views, *((table, on_tests) for table in tests)], tables))
    for name, table in tested.tests.items():
        check_scenes(name, table, agents.policy, problems)
