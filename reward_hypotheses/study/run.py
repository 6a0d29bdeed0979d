"""The study file: read, validated as a whole, and run."""

import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses import __version__
from reward_hypotheses.analysis.agents.inferred import Reading, read_agent_of
from reward_hypotheses.analysis.document import Document, Question, results_document
from reward_hypotheses.analysis.sensitivity.failure_line_refits import judged_of
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.ledger import Ledger, Recorded
from reward_hypotheses.data.readers.csv import path_of, sha256
from reward_hypotheses.data.readers.file_bytes import read_bytes
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.collection import named, rows_used
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.hypotheses.valuation import Valuation, empty_scenes
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.weights.shared_nuisances import check_shared
from reward_hypotheses.models.weights.weigh import check_lines, unmodelled_problems, weigh
from reward_hypotheses.study.readiness import in_units_of_rewards, ready, with_any_weights
from reward_hypotheses.study.sections.analysis import (
    SECTIONS,
    Agent,
    Fit,
    Use,
    read_agent,
    read_analysis,
    read_catastrophe,
    read_feedback,
    read_fit,
    read_hypotheses,
    read_values,
    refuse_too_many,
)
from reward_hypotheses.study.sections.mdps import read_mdps
from reward_hypotheses.study.sections.tables import Tables, read_tables
from reward_hypotheses.study.validation import Problems, Section

MOST_DOTS = 100
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP = re.compile(rf"(?m)(?:^[ \t]*+\[{{0,2}}[ \t]*+|(?<![\w.'\"-]))(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_DOTS}}}")
"""A dotted key that goes very deep, for which a TOML parser takes a time that grows as the square of its parts."""


@dataclass(frozen=True, eq=False)
class Study:
    """A study, validated.

    Attributes
    ----------
    text : str
        The file, as it stands.
    about : str
        What the study is about, in a sentence or three; empty where the file does not say.
    agent_prior : Prior or None
        None: the judge's values.
    told : FailureLine
        What the agent was told of the failure line.
    tests : dict of str to Table
        The test, then what else is asked about.
    sources : Tables
        Every table that the study names, and where it came from.
    own : Hypotheses
        The agent's own, beside the judge's; ``own_line`` is what it was told of these.
    probes : tuple of Feedback
        The agent's own choices.
    needs : tuple of str
        Columns that any hypothesis or failure line names.
    judgements : FailureJudgements or None
        What judges would rather see than failing.
    ledger : str or None
        The ledger of tests, relative to the study; ``recorded`` is what it held.
    support : Table or None
        Every item that training could have held, as far as the user declares.
    """

    path: Path
    text: str
    title: str
    seed: int
    hypotheses: Hypotheses
    prior: Prior
    values: Mapping[str, Any]
    line: FailureLine
    told: FailureLine
    feedback: tuple[Feedback, ...]
    policy: Policy
    agent_prior: Prior | None
    tests: Mapping[str, Table]
    sources: Tables
    _: KW_ONLY
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]
    fit: Fit
    own: Hypotheses
    own_line: FailureLine
    probes: tuple[Feedback, ...]
    needs: tuple[str, ...]
    judgements: FailureJudgements | None = None
    ledger: str | None = None
    recorded: Recorded = Recorded()
    support: Table | None = None
    about: str = ""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The failure lines that judgements leave, one a hypothesis; none where there are none.

        Raises
        ------
        InputError
            What `FailureJudgements.lines` refuses.
        """
        return () if self.judgements is None else self.judgements.lines(self.hypotheses)

    @property
    def read(self) -> bool:
        """Whether the agent holds what the judge's hypotheses and evidence do not say of it."""
        return bool(len(self.own) or self.probes)

    def all_of(self, line: FailureLine) -> FailureLine:
        """A failure line of the judge's hypotheses, with what the agent was told of its own."""
        return FailureLine(line.values + self.own_line.values)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study's run computed: the results document, and the posterior that it is about."""

    study: Study
    posterior: Posterior
    document: Document

    def frames(self) -> dict[str, bytes]:
        """Pictures of the first training table's world and of the test's, where they have some.

        Of a table that was made, its first scene, or the riskiest of the test.
        """
        riskiest = self.document["riskiest_scenes"] or []
        asked: dict[str, tuple[str, str | None]] = {"training": (self.document["training_tables"][0], None)}
        if self.study.tests:
            asked["test"] = (next(iter(self.study.tests)), riskiest[0]["scene"] if riskiest else None)
        found = {role: self.study.sources.picture(name, scene) for role, (name, scene) in asked.items()}
        return {role: picture for role, picture in found.items() if picture is not None}


def run(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Document:
    """Run a study file and return the results document, as `reward-hypotheses run --json` prints it.

    Parameters
    ----------
    path : str or Path
        The study file (TOML); the paths of its tables are relative to it.
    progress : callable, optional
        Told, in words, what is being done.

    Raises
    ------
    InputError
        The study or its data are wrong; ``problems`` has one message each.
    NotTrustedError
        What was sampled does not pass its gates, or a number that should be finite is not.
    """
    return answer(path, progress).document


def answer(path: str | Path, progress: Callable[[str], None] = lambda _: None, *, read_ledger: bool = True) -> Answer:
    """Run a study file and keep the posterior beside the results document; raises as `run` does."""
    study = load(path, progress, read_ledger=read_ledger)
    question = question_of(study, progress)
    try:
        return Answer(study, question.posterior, results_document(question, progress))
    except InputError as error:
        raise InputError([f"{study.path.name}: {p}" for p in error.problems]) from None


def question_of(study: Study, progress: Callable[[str], None] = lambda _: None) -> Question:
    """Weigh what a study lists, and give what it asks of that; raises as `run` does."""
    study = in_units_of_rewards(study)
    valuations, tests = evaluate(study, progress)
    study = ready(study)
    progress("weighing the hypotheses")
    try:
        posterior = weigh(
            study.hypotheses,
            study.prior,
            study.feedback,
            study.line,
            valuations,
            method=study.fit.method,
            draws=study.fit.draws,
            chains=study.fit.chains,
            seed=study.seed,
        )
        reading = _read(study, posterior, progress)
        if reading is not None:
            tests = {name: reading.on(posterior, v.table) for name, v in tests.items()}
        elif posterior.families or posterior.learnt is not None:
            tests = {name: posterior.on(v.table, study.line, study.told) for name, v in tests.items()}
        if study.judgements is not None:
            progress("weighing them by other failure lines")
        return _question(study, posterior, tests, reading)
    except InputError as error:
        raise InputError([f"{study.path.name}: {p}" for p in error.problems]) from None


def _read(study: Study, posterior: Posterior, progress: Callable[[str], None]) -> Reading | None:
    """Read the agent, where it has hypotheses or feedback of its own."""
    if not study.read:
        return None
    progress("reading the agent")
    return read_agent_of(
        posterior,
        study.own,
        study.prior if study.agent_prior is None else study.agent_prior,
        [replace(one, needs=study.needs) for one in study.feedback],
        study.probes,
        study.all_of(study.line),
        study.all_of(study.told),
        method=study.fit.method,
        draws=study.fit.draws,
        chains=study.fit.chains,
        seed=study.seed,
    )


def check(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Study:
    """Validate a study file and its data without fitting: everything that `run` refuses but impossible data."""
    study = in_units_of_rewards(load(path, progress))
    evaluate(study, progress)
    return ready(study)


def evaluate(
    study: Study, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Valuation], dict[str, Valuation]]:
    """Evaluate every hypothesis on every table in use; InputError with all problems where rewards are not finite."""
    problems: list[str] = []
    known: dict[tuple[int, bool], Valuation | None] = {}
    theirs = study.hypotheses
    whole = Hypotheses(theirs.names + study.own.names, theirs.rewards + study.own.rewards, theirs.columns)
    listed, everything = with_any_weights(theirs), with_any_weights(whole)

    def valued(table: Table, told: FailureLine | None, of_agent: bool = False) -> Valuation | None:
        key = (id(table), told is not None or of_agent)
        if key not in known:
            progress(f"rewards on {table.name!r}")
            try:
                if told is None and not of_agent:
                    known[key] = Valuation(listed, table, study.line, for_labels=True)
                else:
                    both = study.all_of(study.told if told is None else told)
                    known[key] = Valuation(everything, table, study.all_of(study.line), both)
            except InputError as error:
                known[key] = None
                problems.extend(p for p in error.problems if p not in problems)
        return known[key]

    feedback = [valued(one.items, None) for one in study.feedback]
    tests = {name: valued(table, study.told) for name, table in study.tests.items()}
    for one in [*study.probes, *(study.feedback if len(study.own) else ())]:
        valued(one.items, None, of_agent=True)
    if study.support is not None:
        valued(study.support, None)
    try:
        _ = study.lines
    except InputError as error:
        problems.extend(f"[catastrophe] judgements: {p}" for p in error.problems if p not in problems)
    if problems:
        raise InputError([f"{study.path.name}: {p}" for p in problems])
    return [v for v in feedback if v is not None], {k: v for k, v in tests.items() if v is not None}


def _question(study: Study, posterior: Posterior, tests: Mapping[str, Valuation], reading: Reading | None) -> Question:
    import sys

    judged = None if study.judgements is None else judged_of(posterior, study.judgements, study.lines, study.seed)
    pooled = _pooled(posterior)
    return Question(
        title=study.title,
        about=study.about,
        seed=study.seed,
        posterior=posterior,
        policy=study.policy if reading is None else reading.informed(study.policy, posterior),
        agent_prior=study.agent_prior,
        training=tuple(valuation for valuation, _ in pooled),
        counts=tuple(counts for _, counts in pooled),
        reading=reading,
        judged=judged,
        support=study.support,
        tests=tests,
        targets=study.targets,
        contaminations=study.contaminations,
        prob=study.prob,
        deployments=study.deployments,
        languages=study.languages,
        draws=study.fit.draws * study.fit.chains,
        values=study.values,
        digests=study.sources.digests,
        study={"file": _readable(study.path.name), "sha256": sha256(study.text.encode()), "text": study.text},
        ledger=study.ledger,
        recorded=study.recorded,
        origins=study.sources.origins,
        versions={
            "reward_hypotheses": __version__,
            "numpy": np.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            **study.sources.versions,
        },
    )


def _pooled(posterior: Posterior) -> list[tuple[Valuation, np.ndarray | None]]:
    """Training as the shift check sees it: each table once, with every item that some feedback uses and its count.

    A table that feedbacks use with different counts is one for each of these.
    """
    uses: dict[tuple[int, str | None], list[int]] = {}
    for k, one in enumerate(posterior.feedback):
        uses.setdefault((id(one.table), None if one.item_counts is None else one.count), []).append(k)
    out = []
    for some in uses.values():
        whole = [k for k in some if posterior.feedback[k].used is None]
        if whole or len(some) == 1:
            k = (whole or some)[0]
            out.append((posterior.valuations[k], posterior.feedback[k].item_counts))
            continue
        table, counts = rows_used([posterior.feedback[k] for k in some])
        first = posterior.valuations[some[0]]
        counted = posterior.feedback[some[0]].item_counts is not None
        out.append((Valuation(first.hypotheses, table, first.line), counts if counted else None))
    return out


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
    document, text = _toml(path)
    problems = Problems(path.name)
    top = Section(document, "", problems, SECTIONS)
    top.refuse_unknown()
    refuse_too_many(top, problems)
    title = top.text("title", default=_readable(path.stem))
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


def _readable(name: str) -> str:
    """A file's name as text: bytes that are not UTF-8 become a mark."""
    return os.fsencode(name).decode("utf-8", "replace")


def _controls(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cs") and not c.isspace() for c in text)


def _toml(path: Path) -> tuple[dict[str, Any], str]:
    name = path.name or str(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the path of a study file (TOML)")
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f"; {suggestion(path.name, near)}" if near else "; give the path of a study file (TOML)"
        raise InputError(f"{path}: no such file{hint}")
    data = read_bytes(path, name, "a study file (TOML)")
    try:
        text = data.decode("utf-8-sig")
        if deep := DEEP.search(text):
            line = text.count("\n", 0, deep.start()) + 1
            raise InputError(
                f"{name}: line {line}: a key of more than {MOST_DOTS} parts; a study has keys of 3 parts at most"
            )
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: line {line}: byte 0x{data[error.start]:02x} is not UTF-8; a study is TOML text"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: {_toml_words(str(error), text)}") from None
    except InputError:
        raise
    except (RecursionError, ValueError) as error:
        raise InputError(f"{name}: not a TOML file that can be read ({error})") from None


def _toml_words(message: str, text: str) -> str:
    """Say what a line of TOML gets wrong, with the line itself and the likely remedy."""
    at = re.search(r"at line (\d+)", message)
    line = text.splitlines()[int(at.group(1)) - 1].strip() if at and int(at.group(1)) <= len(text.splitlines()) else ""
    if "Cannot overwrite a value" in message:
        return message.replace("Cannot overwrite a value", "a key stands twice; give each key once")
    if "Cannot declare" in message:
        return message + ": a section stands twice; give each section once"
    remedy = "keys are name = value, text goes in quotes"
    if any(mark in line for mark in "\u201c\u201d\u2018\u2019"):
        remedy = "use straight quotes"
    elif "\\" in line:
        remedy = "a backslash in double quotes is an escape; write paths with / or in single quotes"
    elif re.search(r"=\s*(True|False)\b", line):
        remedy = "write true and false in small letters"
    elif re.match(r"^[^\"'=\[]*\s[^\"'=]*=", line) and not re.match(r"^[\w.-]+\s*=", line):
        remedy = "a key with spaces goes in quotes"
    return f"not TOML: {message}: {shown(line)}; {remedy}"


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
