"""Checks of a study before anything is weighed, for `check` and `run` alike."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from reward_hypotheses.analysis.evidence.equivalent_on_declared_support import moved
from reward_hypotheses.analysis.evidence.unvaried_features import unread_warning
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.maximin import no_credible_set
from reward_hypotheses.models.weights.agent_rationality import no_rationality
from reward_hypotheses.models.weights.failure_line_units import (
    different_units,
    in_reward_units,
    one_number,
    reward_spreads,
)
from reward_hypotheses.models.weights.feature_units import units_in_training
from reward_hypotheses.models.weights.weigh import idle_warning, method_problems, space_problems
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.validated_study import Study


def ready(study: Study) -> Study:
    """Return the study with a unit for every feature of its linear hypotheses.

    Raises
    ------
    InputError
        Every problem that no fit is needed to see: a feature without a unit, a method that cannot weigh these hypotheses, a
        hypothesis without a failure line that something asks for, choices without a spread to measure rewards by, a policy
        that cannot act by the hypotheses.
    """
    problems = Problems(study.path.name)
    hypotheses, method = study.all_hypotheses, study.spec.fit.method
    problems.extend(f"[fit] {p}" for p in method_problems(hypotheses, study.feedback, method))
    if study.infers_agent:
        problems.extend(f"[fit] {p}" for p in method_problems(hypotheses, study.probes, method))
    problems.extend(_of_spaces(study))
    problems.extend(_without_spread(study))
    problems.extend(_without_line(study))
    problems.extend(_cannot_act(study))
    study = _with_all_units(study, problems)
    problems.refuse()
    return study


def in_units_of_rewards(study: Study) -> Study:
    """Return the study with every failure line in reward units.

    A line in standard deviations is converted by the rewards of the training items.

    Raises
    ------
    InputError
        A hypothesis whose rewards are all equal in training; a reward that is not finite; a feature without a unit.
    """
    if not any(line.in_sd for line in (study.line, study.agent_line, study.agent_hypotheses_line)):
        return study
    problems = Problems(study.path.name)
    with_units = _with_all_units(study, problems)
    problems.refuse()
    judge, agent = with_units.hypotheses, with_units.agent_hypotheses
    try:
        spreads = reward_spreads(with_units.all_hypotheses, study.feedback)
        of_judge, of_agent = spreads[: len(judge)], spreads[len(judge) :]
        line = agent_line = in_reward_units(study.line, judge, of_judge)
        if study.agent_line is not study.line:
            agent_line = in_reward_units(study.agent_line, judge, of_judge)
        agent_hypotheses_line = in_reward_units(study.agent_hypotheses_line, agent, of_agent)
    except InputError as error:
        problems.extend(error.problems)
    problems.refuse()
    return replace(study, line=line, agent_line=agent_line, agent_hypotheses_line=agent_hypotheses_line)


def _by_place(study: Study) -> Iterator[tuple[str, Feedback]]:
    """Yield every feedback, with its name in messages."""
    for head, feedbacks in (("[[feedback]]", study.feedback), ("[[agent.feedback]]", study.probes)):
        for k, feedback in enumerate(feedbacks, start=1):
            yield (f"{head} {k}" if len(feedbacks) > 1 else head), feedback


def _of_spaces(study: Study) -> Iterator[str]:
    """Yield the problems of spaces of rules that need no fit."""
    yield from _of_asked(study)
    for where, hypotheses, line in (
        ("[hypotheses]", study.hypotheses, study.line),
        ("[agent] hypotheses", study.agent_hypotheses, study.agent_hypotheses_line),
    ):
        if not hypotheses.spaces:
            continue
        from reward_hypotheses.models.rule_space.family.literals import literals_of

        yield from (f"{where} {p}" for p in space_problems(hypotheses, study.feedback, line))
        tables = list({id(feedback.items): feedback.items for feedback in study.feedback}.values())
        for h in hypotheses.spaces:
            try:
                literals_of(hypotheses.names[h], hypotheses.rule_space(h), tables)
            except InputError as error:
                yield from (f"{where} {p.removeprefix('hypothesis ')}" for p in error.problems)
        if study.policy.no_space and study.tests:
            yield f"[agent] policy: {study.policy.name} cannot act by a space of rules: {study.policy.no_space}"


def _of_asked(study: Study) -> Iterator[str]:
    """Yield the problems of spaces of rules that are asked about."""
    if not study.spec.analysis.rules:
        return
    from reward_hypotheses.models.rule_space.family.fit import rule_problems
    from reward_hypotheses.models.rule_space.family.literals import literals_of

    lines = {repr(value): value for value in study.line.values}
    line = next(iter(lines.values())) if len(lines) == 1 else None
    tables = list({id(feedback.items): feedback.items for feedback in study.feedback}.values())
    for name, asked in study.spec.analysis.rules.items():
        problems = rule_problems(name, asked.rules, study.feedback, line)
        if name in study.all_hypotheses.names:
            problems.append(f"{name!r}: a hypothesis has this name; give the space one of its own")
        try:
            literals_of(name, asked.rules, tables)
        except InputError as error:
            problems += error.problems
        outcome = asked.outcome
        if outcome is not None and not all(_is_condition(outcome, test) for test in study.tests.values()):
            problems.append(f"{name!r}: outcome: {outcome.text!r} is a number; give a condition, such as 'x > 0'")
        yield from (f"[analysis] rules: {p.removeprefix('hypothesis ')}" for p in dict.fromkeys(problems))


def _is_condition(expression: Expression, table: Table) -> bool:
    return expression.is_truth(lambda column: table.columns[column].values.dtype == bool)


def _without_spread(study: Study) -> Iterator[str]:
    """Yield a problem for choices whose rewards have no spread to be divided by."""
    hypotheses = study.all_hypotheses
    if all(h in hypotheses.families and hypotheses.family(h).sd is not None for h in range(len(hypotheses))):
        return  # their weights are the rationality, and nothing is divided
    for where, feedback in _by_place(study):
        on_support = None
        if study.support is not None and feedback in study.feedback:
            on_support = moved(feedback, study.support)
        for choices in (feedback, on_support):
            try:
                if isinstance(choices, SceneChoice):
                    choices.refuse_no_spread()
            except InputError as error:
                yield from (f"{where} {p}" for p in error.problems)


def _without_line(study: Study) -> Iterator[str]:
    """Yield a problem for linear hypotheses without a failure line that is needed."""
    agent_line = study.agent_hypotheses_line
    for section, hypotheses, lines, counts in (
        ("[catastrophe]", study.hypotheses, (study.line, study.agent_line), True),
        ("[agent]", study.agent_hypotheses, (agent_line,), study.infers_agent),
    ):
        for h in hypotheses.families:
            name = hypotheses.names[h]
            if all(line.values[h] is not None for line in lines):
                continue
            if study.tests:
                yield (
                    f"{section} fail_utility: hypothesis {name!r} has none, and results on a test also show agents that "
                    "abstain, which need to know what failing is worth; give it one"
                )
                continue
            for where, feedback in _by_place(study):
                if counts and _asks_line(feedback, name, hypotheses.family(h)):
                    yield (
                        f"{where}: hypothesis {name!r} has no failure line, with which {feedback.kind} compare it; give it one in "
                        "fail_utility"
                    )


def with_any_weights(hypotheses: Hypotheses) -> Hypotheses:
    """Return hypotheses with each family and space of rules replaced by a member.

    No two features cancel in the member of a family.
    """
    members: dict[int, Reward] = {h: hypotheses.family(h).any_member() for h in hypotheses.families}
    members |= {h: hypotheses.rule_space(h).constant() for h in hypotheses.spaces}
    return hypotheses.instead(members)


def _asks_line(feedback: Feedback, name: str, linear: Linear) -> bool:
    """Return whether a feedback's inputs need the failure line of a linear hypothesis."""
    valuation = Valuation(with_any_weights(Hypotheses((name,), (linear,))), feedback.items, FailureLine((None,)))
    try:
        feedback.inputs(next(iter(valuation.blocks())), 0)
    except InputError:
        return True
    return False


def _cannot_act(study: Study) -> Iterator[str]:
    """Yield a problem for a policy that cannot act by the hypotheses at any weights."""
    hypotheses = study.all_hypotheses
    if study.policy.no_family and study.tests and len(hypotheses.families) == len(hypotheses):
        yield f"[agent] {no_credible_set(hypotheses.names[0])}"
    choices = next((probe for probe in study.probes if isinstance(probe, Rational)), None)
    if not study.policy.asks_rationality or choices is None:
        return
    states_rationality = choices.linear and "rationality" in choices.nuisances
    if not states_rationality and any(hypotheses.family(h).sd is None for h in hypotheses.families):
        yield f"[agent] {no_rationality(choices.variable('rationality'))}"


def _with_all_units(study: Study, problems: Problems) -> Study:
    """Return the study with a unit for each feature that is constant in some fit.

    The unit of a feature is its standard deviation over the training data. For a feature that is constant there, the unit
    is the standard deviation over the training data and the main test together.
    """
    test = next(iter(study.tests.values()), None)
    fits: list[Sequence[Feedback]] = [study.feedback]
    if study.probes:
        fits += [study.probes, *([probe] for probe in study.probes)]
    with_units = []
    for where, hypotheses in (("[hypotheses]", study.hypotheses), ("[agent] hypotheses", study.agent_hypotheses)):
        families: dict[int, Linear] = {}
        for h in hypotheses.families:
            try:
                families[h] = _with_units(hypotheses.names[h], hypotheses.family(h), fits, test)
            except InputError as error:
                problems.extend(f"{where} {p.removeprefix('hypothesis ')}" for p in error.problems)
        with_units.append(hypotheses.instead(families))
    return replace(study, hypotheses=with_units[0], agent_hypotheses=with_units[1])


def _with_units(name: str, linear: Linear, fits: Sequence[Sequence[Feedback]], test: Table | None) -> Linear:
    """Return a family with units for features that are constant in some fit."""
    without = np.isnan([units_in_training(name, linear, feedback) for feedback in fits]).any(axis=0)
    if not without.any():
        return linear
    scale = units_in_training(name, linear, fits[0], test)
    units = {f: float(unit) for f, unit, lacks in zip(linear.names, scale, without, strict=True) if lacks}
    if unknown := [feature for feature, unit in units.items() if np.isnan(unit)]:
        also = "" if test is None else f" and of {test.name!r}"
        raise InputError(
            f"hypothesis {name!r}: feature{'s' * (len(unknown) > 1)} {', '.join(map(repr, unknown))}: the same in every row of "
            f"the training data{also}, so nothing gives {'them units' if len(unknown) > 1 else 'it a unit'}; write "
            f"{unit_setting(unknown)} beside linear = [...], with the size that matters in place of 1"
        )
    return linear.in_units(units)


def unit_setting(features: Sequence[str]) -> str:
    """Return the setting of a study file that gives features a unit.

    Example: ``unit = { lava = 1 }``.
    """
    keys = [f if re.fullmatch(r"[A-Za-z0-9_-]+", f) else json.dumps(f, ensure_ascii=False) for f in features]
    return f"unit = {{ {', '.join(f'{key} = 1' for key in keys)} }}"


def minds(study: Study) -> list[str]:
    """Return the warnings of `run` that need no fit.

    These are about feedback that compares nothing, features that nobody reads, and failure lines in different units.
    """
    warnings = [
        idle_warning(feedback)
        for _, feedback in _by_place(study)
        if isinstance(feedback, Rational) and not any(_compares(feedback, study, h) for h in study.hypotheses.rules)
    ]
    read = {c for e in study.test_expressions().values() for c in e.columns}
    read |= {feedback.column for _, feedback in _by_place(study)}
    if one_number(study.line):
        warnings += different_units(study.line, study.hypotheses, reward_spreads(study.hypotheses, study.feedback))
    items = [feedback.items for feedback in study.feedback]
    unread = [unread_warning(items, test, read) for test in study.tests.values()]
    return warnings + [words for words in unread if words is not None]


def _compares(feedback: Rational, study: Study, h: int) -> bool:
    listed = with_any_weights(study.hypotheses.only([h]))
    return feedback.compares(Valuation(listed, feedback.items, study.line.only([h]), for_labels=True), 0)
