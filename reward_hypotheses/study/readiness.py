"""What `run` would refuse of a study before it weighs anything: said by `check` and `run` alike."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.analysis.evidence.identifiable_on_support import moved
from reward_hypotheses.analysis.evidence.unread_features import unread_warning
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import OfScenes, Rational
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear, combination
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.maximin import Maximin, no_credible_set
from reward_hypotheses.models.weights.agent_rationality import no_rationality
from reward_hypotheses.models.weights.feature_units import units_in_training
from reward_hypotheses.models.weights.reward_spreads import (
    different_units,
    in_reward_units,
    one_number,
    reward_spreads,
)
from reward_hypotheses.models.weights.weigh import idle_warning, method_problems

if TYPE_CHECKING:
    from reward_hypotheses.study.study import Study


def ready(study: "Study") -> "Study":
    """Return the study with a unit for every feature of its linear hypotheses, or refuse what no fit is needed to refuse.

    Raises
    ------
    InputError
        Every problem, a message each: a feature without a unit, a method that cannot weigh these hypotheses, a hypothesis
        without a failure line that something asks for, choices without a spread to measure rewards by, a policy that
        cannot act by the hypotheses.
    """
    problems: list[str] = []
    whole = _together(study.hypotheses, study.own)
    found = [*method_problems(whole, study.feedback, study.fit.method)]
    if study.read:
        found += method_problems(whole, study.probes, study.fit.method)
    problems += [f"[fit] {p}" for p in dict.fromkeys(found)]
    problems += _without_spread(study, whole)
    problems += _without_line(study)
    problems += _cannot_act(study, whole)
    judges, own = _in_units(study, problems)
    if problems:
        raise InputError([f"{study.path.name}: {p}" for p in problems])
    return replace(study, hypotheses=judges, own=own)


def in_units_of_rewards(study: "Study") -> "Study":
    """Return the study with every failure line in reward units, those in standard deviations by the training items.

    Raises
    ------
    InputError
        A hypothesis whose rewards are all equal in training; a reward that is not finite; a feature without a unit.
    """
    if not any(line.in_sd for line in (study.line, study.told, study.own_line)):
        return study
    problems: list[str] = []
    judges, own = _in_units(study, problems)
    if not problems:
        try:
            spreads = reward_spreads(_together(judges, own), study.feedback)
            mine, theirs = spreads[: len(judges)], spreads[len(judges) :]
            line = in_reward_units(study.line, judges, mine)
            told = line if study.told is study.line else in_reward_units(study.told, judges, mine)
            return replace(study, line=line, told=told, own_line=in_reward_units(study.own_line, own, theirs))
        except InputError as error:
            problems.extend(error.problems)
    raise InputError([f"{study.path.name}: {p}" for p in problems])


def _together(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    return Hypotheses(first.names + second.names, first.rewards + second.rewards, first.columns)


def _placed(study: "Study") -> Iterator[tuple[str, Feedback]]:
    """Every feedback, and what names it in messages."""
    for head, uses in (("[[feedback]]", study.feedback), ("[[agent.feedback]]", study.probes)):
        for k, one in enumerate(uses, start=1):
            yield (f"{head} {k}" if len(uses) > 1 else head), one


def _without_spread(study: "Study", whole: Hypotheses) -> Iterator[str]:
    """Choices whose rewards are to be divided by a spread that they do not have."""
    if all(isinstance(reward, Linear) and reward.sd is not None for reward in whole.rewards):
        return  # their weights are the rationality, and nothing is divided
    for where, one in _placed(study):
        over = [one]
        if study.support is not None and one in study.feedback:
            over += [there for there in [moved(one, study.support)] if there is not None]
        for each in over:
            try:
                if isinstance(each, OfScenes):
                    each.refuse_no_spread()
            except InputError as error:
                yield from (f"{where} {p}" for p in error.problems)


def _without_line(study: "Study") -> Iterator[str]:
    """Linear hypotheses without a failure line where something asks what failing is worth under them."""
    listed = [("[catastrophe]", study.hypotheses, study.line, study.told, False)]
    listed.append(("[agent]", study.own, study.own_line, study.own_line, True))
    for section, hypotheses, line, told, agents in listed:
        for h in hypotheses.families:
            name, linear = hypotheses.names[h], hypotheses.family(h)
            if line.values[h] is None or told.values[h] is None:
                if study.tests:
                    yield (
                        f"{section} fail_utility: hypothesis {name!r} has none, and results on a test also show agents that "
                        "abstain, which need to know what failing is worth; give it one"
                    )
                    continue
                for where, one in _placed(study):
                    if (not agents or study.read) and _asks_line(one, name, linear):
                        yield f"{where}: hypothesis {name!r} has no failure line, with which {one.kind} compare it; give it one in fail_utility"


def with_any_weights(hypotheses: Hypotheses) -> Hypotheses:
    """Each family by some member of it, in which no two features cancel."""
    return hypotheses.instead(
        {
            h: combination(r.features, np.sqrt(np.arange(1.0, len(r.features) + 1)))
            for h, r in enumerate(hypotheses.rewards)
            if isinstance(r, Linear)
        }
    )


def _asks_line(one: Feedback, name: str, linear: Linear) -> bool:
    """Whether what a feedback makes of a linear hypothesis depends on its failure line."""
    valuation = Valuation(with_any_weights(Hypotheses((name,), (linear,))), one.items, FailureLine((None,)))
    try:
        one.inputs(next(iter(valuation.blocks())), 0)
    except InputError:
        return True
    return False


def _cannot_act(study: "Study", whole: Hypotheses) -> Iterator[str]:
    """Policies that cannot act by the hypotheses, whatever they weigh."""
    if isinstance(study.policy, Maximin) and study.tests and len(whole.families) == len(whole):
        yield f"[agent] {no_credible_set(whole.names[0])}"
    if not study.policy.asks_rationality:
        return
    one = next((one for one in study.probes if isinstance(one, Rational)), None)
    told = one is not None and one.linear and "rationality" in one.nuisances
    if one is not None and not told and any(whole.family(h).sd is None for h in whole.families):
        yield f"[agent] {no_rationality(one.variable('rationality'))}"


def _in_units(study: "Study", problems: list[str]) -> tuple[Hypotheses, Hypotheses]:
    """Hypotheses with a unit for each feature that is the same in all rows of some fit.

    Its unit is its standard deviation over the training data, or, where it does not vary there, over these and the main
    test together.
    """
    test = next(iter(study.tests.values()), None)
    fits: list[Sequence[Feedback]] = [study.feedback]
    if study.probes:
        fits += [study.probes, *([one] for one in study.probes)]
    out = []
    for where, hypotheses in (("[hypotheses]", study.hypotheses), ("[agent] hypotheses", study.own)):
        units: dict[int, Linear] = {}
        for h in hypotheses.families:
            try:
                units[h] = _with_units(hypotheses.names[h], hypotheses.family(h), fits, test)
            except InputError as error:
                problems.extend(f"{where} {p.removeprefix('hypothesis ')}" for p in error.problems)
        out.append(hypotheses.instead(units))
    return out[0], out[1]


def _with_units(name: str, linear: Linear, fits: Sequence[Sequence[Feedback]], test: Table | None) -> Linear:
    """A family with the units that some of the fits do not give it."""
    scales = [units_in_training(name, linear, one) for one in fits]
    lacking = np.isnan(scales).any(axis=0)
    if not lacking.any():
        return linear
    scale = units_in_training(name, linear, fits[0], test)
    names = [feature for feature, lacks in zip(linear.names, lacking, strict=True) if lacks]
    found = {feature: float(unit) for feature, unit in zip(linear.names, scale, strict=True) if feature in names}
    if unknown := [feature for feature, unit in found.items() if np.isnan(unit)]:
        also = "" if test is None else f" and of {test.name!r}"
        raise InputError(
            f"hypothesis {name!r}: feature{'s' * (len(unknown) > 1)} {', '.join(map(repr, unknown))}: the same in every row of "
            f"the training data{also}, so nothing gives {'them units' if len(unknown) > 1 else 'it a unit'}; write "
            f"{unit_setting(unknown)} beside linear = [...], with the size that matters in place of 1"
        )
    return linear.in_units(found)


def unit_setting(features: Sequence[str]) -> str:
    """How a study file gives features a unit: ``unit = { lava = 1 }``."""
    keys = [f if re.fullmatch(r"[A-Za-z0-9_-]+", f) else json.dumps(f, ensure_ascii=False) for f in features]
    return f"unit = {{ {', '.join(f'{key} = 1' for key in keys)} }}"


def minds(study: "Study") -> list[str]:
    """What `run` will warn of that no fit is needed to see: feedback that compares nothing, features that nobody reads."""
    found = []
    for _, one in _placed(study):
        if isinstance(one, Rational) and not any(_compares(one, study, h) for h in study.hypotheses.rules):
            found.append(idle_warning(one))
    expressions = [*study.hypotheses.expressions().values(), *study.own.expressions().values()]
    lines = [*study.line.values, *study.told.values, *study.own_line.values]
    expressions += [value for value in lines if isinstance(value, Expression)]
    read = {c for e in expressions for c in e.columns} | {one.column for _, one in _placed(study)}
    if one_number(study.line):
        found += different_units(study.line, study.hypotheses, reward_spreads(study.hypotheses, study.feedback))
    warned = [unread_warning([one.items for one in study.feedback], test, read) for test in study.tests.values()]
    return found + [words for words in warned if words is not None]


def _compares(one: Rational, study: "Study", h: int) -> bool:
    listed = with_any_weights(study.hypotheses.only([h]))
    return one.compares(Valuation(listed, one.items, study.line.only([h]), for_labels=True), 0)
