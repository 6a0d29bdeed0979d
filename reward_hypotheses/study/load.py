"""Load a study file, validated as a whole."""

import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.ledger import Ledger, Recorded
from reward_hypotheses.data.readers.csv import path_of
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.collection import named
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.hypotheses.valuation import empty_scenes
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.weights.shared_nuisances import check_shared
from reward_hypotheses.models.weights.weigh import check_lines, unmodelled_problems
from reward_hypotheses.study.sections.agent import Agent, read_agent
from reward_hypotheses.study.sections.analysis import SECTIONS, read_analysis, read_fit
from reward_hypotheses.study.sections.catastrophe import read_catastrophe
from reward_hypotheses.study.sections.feedback import Use, read_feedback
from reward_hypotheses.study.sections.hypotheses import read_hypotheses, refuse_too_many
from reward_hypotheses.study.sections.mdps import read_mdps
from reward_hypotheses.study.sections.tables import read_tables
from reward_hypotheses.study.sections.values import read_values
from reward_hypotheses.study.study import Study
from reward_hypotheses.study.toml import toml
from reward_hypotheses.study.validation import Problems, Section


def load(path: str | Path, progress: Callable[[str], None] = lambda _: None, *, read_ledger: bool = True) -> Study:
    """Read and validate a study file and its tables.

    Parameters
    ----------
    read_ledger : bool, optional
        Whether its ledger is read, and refused where it does not verify.

    Raises
    ------
    InputError
        Everything that is wrong, a message each, naming file and key, column or row, and what would be right.
    """
    path = path_of(path, "a study file (TOML)")
    document, text = toml(path)
    problems = Problems(path.name)
    top = Section(document, "", problems, SECTIONS)
    top.refuse_unknown()
    refuse_too_many(top, problems)
    title = top.text("title", default=readable(path.stem))
    about = top.text("about")
    for key, words in (("title", title), ("about", about)):
        if _controls(words):
            problems.add(f"{key}: {shown(words)} holds control characters; write it in plain text")
    seed = top.whole("seed", default=0, least=0, most=2**63 - 1)

    progress("reading tables")
    sources = read_tables(top, path, seed, problems)
    tables = sources.tables
    found = read_mdps(top, path, problems)
    names, hypotheses = read_hypotheses(top, problems)
    for where, listed in (("[hypotheses]", names), ("[tables]", tables), ("[mdps]", found.mdps)):
        for name in listed:
            if _controls(name):
                problems.add(f"{where} {shown(name)}: the name holds control characters; write it in plain text")
    prior, values = read_values(top, problems, names, path.parent)
    families = [n for n, r in hypotheses.items() if isinstance(r, Linear)]
    may_lack = [*families, *(n for n, r in hypotheses.items() if isinstance(r, Unmodelled))]
    line, shown_items = read_catastrophe(top, problems, names, families, may_lack, tables)
    feedback = read_feedback(top, problems, tables, found.mdps)
    agent = read_agent(top, problems, (names, hypotheses), tables, found.mdps)
    told = agent.told
    fit = read_fit(top, problems)
    asked = read_analysis(top, problems, tables)
    recorded = Recorded()
    if asked.ledger is not None and read_ledger:
        with problems.at("[analysis] ledger"):
            recorded = Ledger(path.parent / asked.ledger).read()

    uses = [*feedback, *agent.feedback]
    supports = () if asked.support is None else (asked.support,)
    in_use = list(
        dict.fromkeys([*(u.table for u in uses if u.table in tables and not u.in_mdp), *asked.tests, *supports])
    )
    good = {name: table for name in in_use if (table := tables.get(name)) is not None}
    mdps = {use.table: mdp for use in uses if (mdp := found.mdps.get(use.table)) is not None}
    good |= {name: mdp.table for name, mdp in mdps.items()}
    others = [*(t for t in tables.values() if t is not None), *(mdp.table for mdp in mdps.values())]
    boolean = _boolean_columns(others)
    good = {name: table.with_booleans(boolean) for name, table in good.items()}
    mdps = {name: mdp.with_table(good[name]) for name, mdp in mdps.items()}
    good_ones = Hypotheses(tuple(hypotheses), tuple(hypotheses.values()))
    named_by = [
        *good_ones.expressions().values(),
        *(v for v in (line.values if line else ()) if isinstance(v, Expression)),
    ]
    own, own_line = own_of(agent, line)
    for name, value in zip(own.names, own_line.values, strict=True):
        if value is None and agent.policy.abstain:
            problems.add(
                f"[agent] hypotheses: {name!r} has no failure line, and an agent that may abstain is told one; state it in [agent] "
                "fail_utility"
            )
    agents = [*named_by, *own.expressions().values(), *(v for v in own_line.values if isinstance(v, Expression))]
    features, needs = (tuple(dict.fromkeys(c for e in es for c in e.columns)) for es in (named_by, agents))

    def make(uses: list[Use], needed: tuple[str, ...]) -> list[Feedback]:
        made: list[Feedback] = []
        for use in uses:
            items: Any = mdps.get(use.table) if use.in_mdp else good.get(use.table)
            said = tables.get(use.said) if use.in_mdp and use.said else use.said
            if items is not None and (said is not None or use.said is None) and use.complete:
                made.extend(replace(one, needs=needed) for one in use.make(items, said, problems))
        return made

    made, probes = make(feedback, features), make(agent.feedback, needs)
    asked_about = None if shown_items is None else tables.get(shown_items.table)
    judgements = None
    if shown_items is not None and asked_about is not None:
        asked_about = good.get(shown_items.table, asked_about.with_booleans(boolean))
        judgements = shown_items.make(asked_about, problems)
    expressions = {f"[hypotheses] {who.removeprefix('hypothesis ')}": e for who, e in good_ones.expressions().items()}
    judged = dict(expressions)
    expressions |= {f"[agent] hypotheses {who.removeprefix('hypothesis ')}": e for who, e in own.expressions().items()}
    expressions |= line_expressions(line, names, "[catastrophe] fail_utility")
    expressions |= line_expressions(own_line, list(own.names), "[agent] fail_utility")
    on_tests = expressions | line_expressions(told, names, "[agent] fail_utility")
    views = [] if asked_about is None else [(asked_about, judged)]
    _check_tables(
        good,
        uses,
        [*made, *probes],
        asked.tests,
        expressions,
        on_tests,
        views,
        agent.policy,
        others,
        asked.support,
        problems,
    )
    if not problems.found:
        order = made[0].table.column_order
        complete = Hypotheses(tuple(names), tuple(hypotheses[n] for n in names), order)
        check_priors(complete, prior, own, agent.prior, asked.languages, problems)
        if line is not None and prior is not None and not problems.found:
            with problems.at("[catastrophe]"):
                check_lines(complete, line, prior)
        problems.extend(f"[[feedback]] {p}" for p in unmodelled_problems(complete, made))
    problems.refuse()
    assert prior is not None and line is not None
    with problems.at("[[feedback]]"):
        made = named(made)
        check_shared(made, fit.method, [f"number {k} ({one.name})" for k, one in enumerate(made, start=1)])
    with problems.at("[[agent.feedback]]"):
        probes = [_of_agent(one) for one in named(probes)]
        humans = {one.shares for one in made if one.shares} & {one.shares for one in probes}
        if humans:
            raise InputError(
                f"human {min(map(str, humans))!r} of [[feedback]] would be taken for the agent; name him otherwise"
            )
        named([*made, *probes])
        check_shared(probes, fit.method, [f"number {k} ({one.name})" for k, one in enumerate(probes, start=1)])
    problems.refuse()
    return Study(
        path=path,
        text=text,
        title=title,
        about=" ".join(about.split()),
        seed=seed,
        hypotheses=complete,
        prior=prior,
        values=values,
        line=line,
        told=line if told is None else told,
        feedback=tuple(made),
        policy=agent.policy,
        agent_prior=agent.prior,
        own=own,
        own_line=own_line,
        probes=tuple(probes),
        needs=needs,
        tests={name: good[name] for name in asked.tests},
        sources=replace(sources, digests=sources.digests | found.digests, origins=sources.origins | found.origins),
        targets=asked.targets,
        contaminations=asked.contaminations,
        prob=asked.prob,
        deployments=asked.deployments,
        languages=asked.languages,
        fit=fit,
        judgements=judgements,
        ledger=asked.ledger,
        recorded=recorded,
        support=None if asked.support is None else good[asked.support],
    )


def own_of(agent: Agent, line: FailureLine | None) -> tuple[Hypotheses, FailureLine]:
    """The agent's own hypotheses, and their failure line: as it was told, or the judge's where that is one for all."""
    own = Hypotheses(tuple(agent.hypotheses), tuple(agent.hypotheses.values()))
    if agent.own_line is not None:
        return own, agent.own_line
    alike = line is not None and len({repr(v) for v in line.values}) == 1
    return own, FailureLine((line.values[0] if line is not None and alike else None,) * len(own))


def _of_agent(one: Feedback) -> Feedback:
    """A feedback of the agent's, whose names and nuisances are its own."""
    if isinstance(one, Rational) and one.human is not None:
        return replace(one, name=f"agent_{one.name}", human=f"agent_{one.human}")
    return replace(one, name=f"agent_{one.name}")


def readable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become a mark."""
    return os.fsencode(name).decode("utf-8", "replace")


def _controls(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cs") and not c.isspace() for c in text)


def _boolean_columns(tables: list[Table]) -> set[str]:
    """Columns that hold only 0/1 or true/false in every table that has them."""
    columns = {name for table in tables for name in table.columns}
    return {name for name in columns if all(t.columns[name].is_boolean() for t in tables if name in t.columns)}


def line_expressions(line: FailureLine | None, names: list[str], key: str) -> dict[str, Expression]:
    """Every distinct expression of a failure line, by what names it in messages."""
    if line is None:
        return {}
    distinct: dict[str, tuple[str, Expression]] = {}
    for name, value in zip(names, line.values, strict=True):
        if isinstance(value, Expression):
            distinct.setdefault(value.text, (f"{key} of {name!r}", value))
    return dict(distinct.values())


def _check_tables(
    good: Mapping[str, Table],
    uses: list[Use],
    made: list[Feedback],
    tests: tuple[str, ...],
    expressions: Mapping[str, Expression],
    on_tests: Mapping[str, Expression],
    asked_about: list[tuple[Table, dict[str, Expression]]],
    policy: Policy,
    others: list[Table],
    support: str | None,
    problems: Problems,
) -> None:
    """Check the columns that expressions name, in every table that they are evaluated on."""
    views: list[tuple[Table, Mapping[str, Expression]]] = []
    for name, table in good.items():
        whole = (
            name in tests
            or name == support
            or any(u.table == name and u.options.get("missing", "error") == "error" for u in uses)
        )
        held = [one for one in made if one.table is table]
        for view in [table] if whole or not held else [one.items for one in held]:
            with problems.at(f"[tables] {name}:"):
                view.failing()
                views.append((view, on_tests if name in tests else expressions))
        if name in tests:
            with problems.at(f"[tables] {name}:"):
                table.scene_weights()
            check_scenes(name, table, policy, problems)
    problems.extend(check_columns([*views, *asked_about], others))


def check_scenes(name: str, table: Table, policy: Policy, problems: Problems) -> None:
    """Note a scene of a test in which the agent has nothing to do."""
    empty = list(empty_scenes(table))
    if empty:
        problems.add(
            f"[tables] {name}: {table.source}: scene {table.scene_name(int(empty[0]))} has no available option; every scene "
            "of a test needs one"
        )
        return
    with problems.at(f"[tables] {name}:"):
        failing = table.failing()
        if failing is not None and not policy.abstain:
            real = np.add.reduceat(~failing, table.starts[:-1])
            if (real == 0).any():
                scene = table.scene_name(int(np.argmax(real == 0)))
                raise InputError(
                    f"{table.source}: scene {scene} offers nothing but failing, and the agent may not abstain; give it an "
                    "option, or abstain = true"
                )


def check_priors(
    hypotheses: Hypotheses,
    prior: Prior | None,
    own: Hypotheses,
    agent_prior: Prior | None,
    languages: tuple[Simplicity, ...],
    problems: Problems,
) -> None:
    """Note priors that do not go with the hypotheses which they are over."""
    whole = Hypotheses(hypotheses.names + own.names, hypotheses.rewards + own.rewards, hypotheses.columns)
    priors: list[tuple[str, Prior | None, Hypotheses, bool]] = [("[values]", prior, hypotheses, False)]
    priors.append(("[agent] prior", agent_prior, whole, True))
    if agent_prior is None and hypotheses.unmodelled is not None:
        priors.append(("[agent] prior", prior, whole, True))
    if not hypotheses.families:
        priors += [("[analysis] languages", language, hypotheses, True) for language in languages]
    for where, one, over, of_agent in priors:
        if one is not None:
            with problems.at(where):
                if of_agent:
                    one.log_prior_among(over, over.rules)
                else:
                    one.log_prior(over)
