"""Building of a study from its spec, with checks of every part.

Tables and MDPs are read, expressions are parsed, priors and feedback are made.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.readers.decision_ledger import Ledger, Recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import empty_scenes
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.rule_space.family.asked import AskedRules
from reward_hypotheses.models.weights.shared_nuisances import check_shared
from reward_hypotheses.models.weights.weigh import check_lines, unmodelled_problems
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.sections.data_sources import Sources
from reward_hypotheses.study.sections.failure_judgements import FailureJudgementsSpec, read_failure_judgements
from reward_hypotheses.study.sections.feedback import FeedbackSpec, read_feedback
from reward_hypotheses.study.sections.hypotheses import read_hypotheses
from reward_hypotheses.study.sections.mdps import read_mdps
from reward_hypotheses.study.sections.tables import read_tables
from reward_hypotheses.study.spec import StudySpec, refuse_control_characters
from reward_hypotheses.study.validated_study import Study, StudyModel, expressions_of


@dataclass(frozen=True, eq=False)
class StudyData:
    """The tables and MDPs that a study uses.

    Attributes
    ----------
    tables : dict of str to Table
        Of feedback, tests and support; the states of an MDP under the MDP's name.
    others : list of Table
        Every table that has a say in which columns are boolean.
    booleans : set of str
        Columns that hold only truth values in every table that has them.
    """

    tables: dict[str, Table]
    mdps: dict[str, MDP]
    sources: Sources
    others: list[Table]
    booleans: set[str]

    def make(self, specs: Iterable[FeedbackSpec], needs: tuple[str, ...], problems: Problems) -> list[Feedback]:
        """Make feedbacks from these tables; those that are wrong are noted and left out."""
        made: list[Feedback] = []
        for spec in specs:
            items: Any = (self.mdps if spec.in_mdp else self.tables).get(spec.items)
            answers: Any = spec.answers
            if spec.in_mdp and spec.answers:
                answers = self.sources.tables.get(spec.answers)
            if items is not None and (answers is not None or spec.answers is None) and spec.complete:
                made.extend(replace(feedback, needs=needs) for feedback in spec.build(items, answers, problems))
        return made


@dataclass(frozen=True, eq=False)
class DataSpec:
    """Feedback, tests and support of a study, by the names of tables not yet made."""

    feedback: list[FeedbackSpec]
    probes: list[FeedbackSpec]
    tests: tuple[str, ...]
    support: str | None

    @property
    def all_feedback(self) -> list[FeedbackSpec]:
        """The judge's feedback, then the agent's."""
        return [*self.feedback, *self.probes]


def build(
    spec: StudySpec, path: Path, text: str, problems: Problems, progress: Callable[[str], None], read_ledger: bool
) -> Study:
    """Make a study from its spec.

    Raises
    ------
    InputError
        Lists every problem, including those of reading the spec.
    """
    spec = _with_title(spec, path, problems)
    progress("reading tables")
    sources = _read_sources(spec, path, problems)
    problems.turn("hypotheses")
    names = list(spec.hypotheses or {})
    rewards = read_hypotheses(spec.hypotheses, problems)
    hypotheses = Hypotheses(tuple(rewards), tuple(rewards.values()))
    for where, listed in (("[hypotheses]", names), ("[tables]", sources.tables), ("[mdps]", sources.mdps)):
        for name in listed:
            refuse_control_characters(where, name, problems, ": the name")
    wanted = _read_data_spec(spec, sources, problems)
    judgements = _read_judgements(spec, names, hypotheses, sources, problems)
    model = build_model(spec, names, hypotheses, wanted.probes, path.parent, problems)
    recorded = _recorded(spec, path, problems) if read_ledger else Recorded()

    problems.turn()
    _check_abstention(model, problems)
    data = _data(wanted, sources)
    feedback = data.make(wanted.feedback, model.needs(of_agent=False), problems)
    probes = data.make(wanted.probes, model.needs(), problems)
    views, inferred = _judgements(judgements, data, model, problems)
    views += _asked_views(spec.analysis.rules, feedback, [data.tables[n] for n in wanted.tests if n in data.tables])
    _check_tables(data, wanted, [*feedback, *probes], model, views, problems)
    if not problems.messages:
        model = replace(model, hypotheses=replace(hypotheses, columns=feedback[0].table.column_order))
        model.check_priors(spec.analysis.languages, bool(len(model.agent_hypotheses) or probes), problems)
        if not problems.messages:
            with problems.at("[catastrophe]"):
                check_lines(model.hypotheses, model.line, model.prior)
        problems.extend(f"[[feedback]] {p}" for p in unmodelled_problems(model.hypotheses, feedback))
    problems.refuse()
    feedback, probes = _named(feedback, probes, spec.fit.method, problems)
    return Study(
        **vars(model),
        path=path,
        text=text,
        spec=spec,
        feedback=tuple(feedback),
        probes=tuple(probes),
        tests={name: data.tables[name] for name in wanted.tests},
        sources=sources,
        judgements=inferred,
        recorded=recorded,
        support=None if wanted.support is None else data.tables[wanted.support],
    )


def build_model(
    spec: StudySpec,
    names: Sequence[str],
    hypotheses: Hypotheses,
    agent_feedback: Sequence[FeedbackSpec],
    folder: Path,
    problems: Problems,
) -> StudyModel:
    """Make the model of a study; a wrong part is noted, and has a stand-in here.

    Parameters
    ----------
    names : sequence of str
        The hypotheses as listed; ``hypotheses`` holds those that can be read.
    agent_feedback : sequence of FeedbackSpec
        The agent's choices.
    folder : Path
        To which the paths of [values] are relative.
    """
    problems.turn("values")
    prior, values = (None, {}) if spec.values is None else spec.values.build(names, folder, problems)
    problems.turn("catastrophe")
    line = None
    if spec.catastrophe is not None:
        line = spec.catastrophe.line(names, hypotheses.may_lack_line, problems)
    line = line or FailureLine((None,) * len(names))
    problems.turn("agent")
    agent = spec.agent.build(names, hypotheses, agent_feedback, problems)
    agent_hypotheses_line = agent.hypotheses_line
    if agent_hypotheses_line is None:  # the judge's, where that is one for all
        alike = len({repr(value) for value in line.values}) == 1
        agent_hypotheses_line = FailureLine((line.values[0] if alike else None,) * len(agent.hypotheses))
    return StudyModel(
        names=tuple(names),
        hypotheses=hypotheses,
        prior=prior or Uniform(""),
        values=values,
        line=line,
        policy=agent.policy,
        agent_prior=agent.prior,
        agent_line=agent.line or line,
        agent_hypotheses=agent.hypotheses,
        agent_hypotheses_line=agent_hypotheses_line,
    )


def readable(name: str) -> str:
    """Return a file's name as text; bytes that are not UTF-8 become a mark."""
    return os.fsencode(name).decode("utf-8", "replace")


def _with_title(spec: StudySpec, path: Path, problems: Problems) -> StudySpec:
    """Return the study with a title, and its description on one line.

    Control characters are noted as problems.
    """
    title = spec.title or readable(path.stem)
    problems.turn("about")
    refuse_control_characters("title:", title, problems)
    refuse_control_characters("about:", spec.about, problems)
    return replace(spec, title=title, about=" ".join(spec.about.split()))


def _read_sources(spec: StudySpec, path: Path, problems: Problems) -> Sources:
    """Read every table and MDP."""
    sources = Sources()
    problems.turn("tables")
    if spec.tables is not None:
        read_tables(spec.tables, path, spec.seed, sources, problems)
    problems.turn("mdps")
    read_mdps(spec.mdps or {}, spec.tables or {}, path, sources, problems)
    return sources


def _read_data_spec(spec: StudySpec, sources: Sources, problems: Problems) -> DataSpec:
    """Read the feedback, and which tables are tests."""
    problems.turn("feedback")
    if spec.feedback is None or spec.feedback == []:
        problems.add("[[feedback]]: there is none; give at least one, with kind, table and column")
    entries = [] if spec.feedback is None else spec.feedback
    feedback = read_feedback("[[feedback]]", entries, sources.tables, sources.mdps, problems)
    problems.turn("agent")
    entries = [] if spec.agent.feedback is None else spec.agent.feedback
    probes = read_feedback("[[agent.feedback]]", entries, sources.tables, sources.mdps, problems)
    problems.turn("prediction")
    spec.prediction.check(sources.tables, problems)
    problems.turn("analysis")
    return DataSpec(feedback, probes, spec.analysis.tests(sources.tables, problems), spec.analysis.support)


def _read_judgements(
    spec: StudySpec, names: list[str], hypotheses: Hypotheses, sources: Sources, problems: Problems
) -> FailureJudgementsSpec | None:
    """Read the judgements of failing; None where there are none or they are invalid.

    Invalid judgements are noted as problems.
    """
    problems.turn("catastrophe")
    if spec.catastrophe is None or spec.catastrophe.judgements is None:
        return None
    families = [hypotheses.names[h] for h in hypotheses.families]
    return read_failure_judgements(spec.catastrophe.judgements, names, families, sources.tables, problems)


def _recorded(spec: StudySpec, path: Path, problems: Problems) -> Recorded:
    """Read the ledger of tests."""
    problems.turn("analysis")
    if spec.analysis.ledger is not None:
        with problems.at("[analysis] ledger"):
            return Ledger(path.parent / spec.analysis.ledger).read()
    return Recorded()


def _check_abstention(model: StudyModel, problems: Problems) -> None:
    """Note hypotheses without a failure line of an agent that may abstain."""
    for name, value in zip(model.agent_hypotheses.names, model.agent_hypotheses_line.values, strict=True):
        if value is None and model.policy.abstain:
            problems.add(
                f"[agent] hypotheses: {name!r} has no failure line, and an agent that may abstain is told one; state it in [agent] "
                "fail_utility"
            )


def _data(wanted: DataSpec, sources: Sources) -> StudyData:
    """Collect the tables that the study uses, and the columns boolean in all of them."""
    read = {name: table for name, table in sources.tables.items() if table is not None}
    specs = wanted.all_feedback
    in_use = [*(s.items for s in specs if not s.in_mdp), *wanted.tests, *([wanted.support] if wanted.support else ())]
    mdps = {s.items: mdp for s in specs if (mdp := sources.mdps.get(s.items)) is not None}
    tables = {name: read[name] for name in dict.fromkeys(in_use) if name in read}
    tables |= {name: mdp.table for name, mdp in mdps.items()}
    others = [*read.values(), *(mdp.table for mdp in mdps.values())]
    columns = {name for table in others for name in table.columns}
    booleans = {name for name in columns if all(t.columns[name].is_boolean() for t in others if name in t.columns)}
    tables = {name: table.with_booleans(booleans) for name, table in tables.items()}
    mdps = {name: mdp.with_table(tables[name]) for name, mdp in mdps.items()}
    return StudyData(tables, mdps, sources, others, booleans)


def _judgements(
    spec: FailureJudgementsSpec | None, data: StudyData, model: StudyModel, problems: Problems
) -> tuple[list[tuple[Table, Mapping[str, Expression]]], FailureJudgements | None]:
    """Make the judgements of failing.

    Returns
    -------
    views, judgements
        The table that they are about, with the expressions evaluated on it; the judgements, None where there are none.
    """
    table = None if spec is None else data.sources.tables.get(spec.table)
    if spec is None or table is None:
        return [], None
    table = data.tables.get(spec.table, table.with_booleans(data.booleans))
    inferred = spec.build(table, problems)
    return [(table, expressions_of(model.hypotheses, "[hypotheses]"))], inferred


def _asked_views(
    asked: Mapping[str, AskedRules], feedback: Sequence[Feedback], tests: Sequence[Table]
) -> list[tuple[Table, Mapping[str, Expression]]]:
    """Return the tables of the spaces that are asked about, with their expressions."""
    features: dict[str, Expression] = {}
    outcomes: dict[str, Expression] = {}
    for name, of in asked.items():
        who = f"[analysis] rules: {name!r}"
        features |= of.rules.expressions(who)
        outcomes |= {} if of.outcome is None else {f"{who}: outcome": of.outcome}
    if not features:
        return []
    return [*((data.items, features) for data in feedback), *((test, features | outcomes) for test in tests)]


def _check_tables(
    data: StudyData,
    wanted: DataSpec,
    made: list[Feedback],
    model: StudyModel,
    views: Sequence[tuple[Table, Mapping[str, Expression]]],
    problems: Problems,
) -> None:
    """Check the columns that expressions name, in every table of their evaluation."""
    expressions, on_tests = model.expressions(), model.test_expressions()
    checked: list[tuple[Table, Mapping[str, Expression]]] = []
    for name, table in data.tables.items():
        every_row = (
            name in wanted.tests
            or name == wanted.support
            or any(s.items == name and s.settings.get("missing", "error") == "error" for s in wanted.all_feedback)
        )
        items = [feedback.items for feedback in made if feedback.table is table]
        for view in [table] if every_row or not items else items:
            with problems.at(f"[tables] {name}:"):
                view.failing()
                checked.append((view, on_tests if name in wanted.tests else expressions))
        if name in wanted.tests:
            with problems.at(f"[tables] {name}:"):
                table.scene_weights()
            check_scenes(name, table, model.policy, problems)
    problems.extend(check_columns([*checked, *views], data.others))


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
        if failing is None or policy.abstain:
            return
        acts = np.add.reduceat(~failing, table.starts[:-1])
        if (acts == 0).any():
            scene = table.scene_name(int(np.argmax(acts == 0)))
            raise InputError(
                f"{table.source}: scene {scene} offers nothing but failing, and the agent may not abstain; give it an "
                "option, or abstain = true"
            )


def _named(
    feedback: list[Feedback], probes: list[Feedback], method: str, problems: Problems
) -> tuple[list[Feedback], list[Feedback]]:
    """Give each feedback a unique name, and check feedbacks that share a human."""
    with problems.at("[[feedback]]"):
        feedback = named(feedback)
        check_shared(feedback, method, _numbered(feedback))
    with problems.at("[[agent.feedback]]"):
        probes = [_of_agent(probe) for probe in named(probes)]
        humans = {f.shares for f in feedback if f.shares} & {f.shares for f in probes}
        if humans:
            raise InputError(
                f"human {min(map(str, humans))!r} of [[feedback]] would be taken for the agent; name him otherwise"
            )
        named([*feedback, *probes])
        check_shared(probes, method, _numbered(probes))
    problems.refuse()
    return feedback, probes


def _numbered(feedback: list[Feedback]) -> list[str]:
    return [f"number {k} ({f.name})" for k, f in enumerate(feedback, start=1)]


def _of_agent(probe: Feedback) -> Feedback:
    """Return a feedback that is named as the agent's, and its human likewise."""
    if isinstance(probe, Rational) and probe.human is not None:
        probe = replace(probe, human=f"agent_{probe.human}")
    return replace(probe, name=f"agent_{probe.name}")
