"""The study file: read, validated as a whole, and run."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses import __version__
from reward_hypotheses.analysis.results import Document, Question, results_document
from reward_hypotheses.data.errors import InputError, names_problems, shown, suggestion
from reward_hypotheses.data.numbers import finite
from reward_hypotheses.data.readers import read_bytes, read_csv, sha256
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.catastrophe import FailureLine, failure_line
from reward_hypotheses.models.expressions import Expression
from reward_hypotheses.models.feedback.base import Feedback, named
from reward_hypotheses.models.feedback.labels import Labels
from reward_hypotheses.models.feedback.rewards import Rewards
from reward_hypotheses.models.hypotheses import Hypotheses, Valuation, check_columns, empty_scenes, hypotheses_of
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.posterior import Posterior, weigh
from reward_hypotheses.models.priors.base import Prior, log_pool
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.pools import LinearPool
from reward_hypotheses.models.priors.simplicity import LANGUAGES, Simplicity
from reward_hypotheses.models.priors.uniform import Uniform

FEEDBACK: Mapping[str, type[Feedback]] = {"labels": Labels, "rewards": Rewards}
"""Every kind of feedback that a study file may name; a new kind is one line here."""
POLICIES: Mapping[str, type[Policy]] = {
    "commit": Commit,
    "most_probable": MostProbable,
    "expected": Expected,
    "boltzmann": Boltzmann,
}
SECTIONS = ("title", "seed", "tables", "hypotheses", "values", "agent", "catastrophe", "feedback", "fit", "analysis")
PRIORS = ("values", "uniform", "simplicity")


@dataclass(frozen=True, eq=False)
class Study:
    """A study, validated.

    Attributes
    ----------
    agent_prior : Prior or None
        None: the judge's values.
    told : FailureLine
        What the agent was told of the failure line.
    tests : dict of str to Table
        The test, then what else is asked about.
    """

    path: Path
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
    digests: Mapping[str, str]
    _: KW_ONLY
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]
    draws: int
    chains: int


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
        A number that should be finite is not.
    """
    study = load(path, progress)
    valuations, tests = evaluate(study, progress)
    progress("weighing the hypotheses")
    try:
        posterior = weigh(study.hypotheses, study.prior, study.feedback, study.line, valuations)
        return results_document(_question(study, posterior, tests), progress)
    except InputError as error:
        raise InputError([f"{study.path.name}: {p}" for p in error.problems]) from None


def check(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Study:
    """Validate a study file and its data without fitting: everything that `run` refuses but impossible data."""
    study = load(path, progress)
    evaluate(study, progress)
    return study


def evaluate(
    study: Study, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Valuation], dict[str, Valuation]]:
    """Evaluate every hypothesis on every table in use; InputError with all problems where rewards are not finite."""
    problems: list[str] = []
    known: dict[tuple[int, bool], Valuation | None] = {}

    def valued(table: Table, told: FailureLine | None) -> Valuation | None:
        key = (id(table), told is not None)
        if key not in known:
            progress(f"rewards on {table.name!r}")
            try:
                known[key] = Valuation(study.hypotheses, table, study.line, told, for_labels=told is None)
            except InputError as error:
                known[key] = None
                problems.extend(p for p in error.problems if p not in problems)
        return known[key]

    feedback = [valued(one.items, None) for one in study.feedback]
    tests = {name: valued(table, study.told) for name, table in study.tests.items()}
    if problems:
        raise InputError([f"{study.path.name}: {p}" for p in problems])
    return [v for v in feedback if v is not None], {k: v for k, v in tests.items() if v is not None}


def _question(study: Study, posterior: Posterior, tests: Mapping[str, Valuation]) -> Question:
    import sys

    return Question(
        title=study.title,
        seed=study.seed,
        posterior=posterior,
        policy=study.policy,
        agent_prior=study.agent_prior,
        training=_pooled(posterior),
        tests=tests,
        targets=study.targets,
        contaminations=study.contaminations,
        prob=study.prob,
        deployments=study.deployments,
        languages=study.languages,
        draws=study.draws * study.chains,
        values=study.values,
        digests=study.digests,
        versions={
            "reward_hypotheses": __version__,
            "numpy": np.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
        },
    )


def _pooled(posterior: Posterior) -> tuple[Valuation, ...]:
    """Training as the shift check sees it: each table once, with every item that some feedback uses."""
    by_table: dict[int, list[tuple[Feedback, Valuation]]] = {}
    for one, valuation in zip(posterior.feedback, posterior.valuations, strict=True):
        by_table.setdefault(id(one.table), []).append((one, valuation))
    out = []
    for uses in by_table.values():
        whole = [v for one, v in uses if one.used is None]
        if whole or len(uses) == 1:
            out.append((whole or [uses[0][1]])[0])
            continue
        table = uses[0][0].table
        used = np.logical_or.reduce([np.asarray(one.used) for one, _ in uses])
        out.append(Valuation(posterior.hypotheses, table.subset(used), uses[0][1].line))
    return tuple(out)


def load(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Study:
    """Read and validate a study file and its tables.

    Raises
    ------
    InputError
        Everything that is wrong, a message each, naming file and key, column or row, and what would be right.
    """
    path = Path(path)
    document = _toml(path)
    problems = _Problems(path.name)
    top = _Section(document, "", problems, SECTIONS)
    later = [key for key in ("mdps",) if key in document]
    for key in later:
        problems.add(f"[{key}]: this version has no MDPs; there is {', '.join(SECTIONS)}")
    top.refuse_unknown(besides=later)
    title = top.text("title", default=path.stem)
    seed = top.whole("seed", default=0, least=0, most=2**63 - 1)

    progress("reading tables")
    tables, digests = _tables(top, path, problems)
    names, hypotheses = _hypotheses(top, problems)
    prior, values = _values(top, problems, names)
    line = _catastrophe(top, problems, names)
    feedback = _feedback(top, problems, tables)
    policy, agent_prior, told = _agent(top, problems, names)
    _fit(top, problems)
    fit = top.section("fit", ("method", "draws", "chains"), required=False)
    draws = fit.whole("draws", default=1000, least=1, most=100_000)
    chains = fit.whole("chains", default=4, least=1, most=100)
    asked = _analysis(top, problems, tables)

    in_use = list(dict.fromkeys([*(u.table for u in feedback if u.table in tables), *asked.tests]))
    good = {name: table for name in in_use if (table := tables.get(name)) is not None}
    boolean = _boolean_columns([t for t in tables.values() if t is not None])
    good = {name: table.with_booleans(boolean) for name, table in good.items()}
    made: list[Feedback] = []
    for use in feedback:
        table = good.get(use.table)
        if table is not None and use.complete:
            made.extend(use.make(table, problems))
    expressions = {f"hypothesis {n!r}": r for n, r in hypotheses.items()}
    expressions |= _line_expressions(line, names, "[catastrophe] fail_utility")
    on_tests = expressions | _line_expressions(told, names, "[agent] fail_utility")
    _check_tables(good, feedback, made, asked.tests, expressions, on_tests, policy, problems)
    if not problems.found:
        order = made[0].table.column_order
        complete = Hypotheses(tuple(names), tuple(hypotheses[n] for n in names), order)
        _check_priors(complete, prior, agent_prior, asked.languages, problems)
    problems.refuse()
    assert prior is not None and line is not None
    with problems.at("[[feedback]]"):
        made = named(made)
    problems.refuse()
    return Study(
        path=path,
        title=title,
        seed=seed,
        hypotheses=complete,
        prior=prior,
        values=values,
        line=line,
        told=line if told is None else told,
        feedback=tuple(made),
        policy=policy,
        agent_prior=agent_prior,
        tests={name: good[name] for name in asked.tests},
        digests=digests,
        targets=asked.targets,
        contaminations=asked.contaminations,
        prob=asked.prob,
        deployments=asked.deployments,
        languages=asked.languages,
        draws=draws,
        chains=chains,
    )


def _toml(path: Path) -> dict[str, Any]:
    name = path.name or str(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the path of a study file (TOML)")
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f"; {suggestion(path.name, near)}" if near else "; give the path of a study file (TOML)"
        raise InputError(f"{path}: no such file{hint}")
    data = read_bytes(path, name)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: line {line}: byte 0x{data[error.start]:02x} is not UTF-8; a study is TOML text"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: {_toml_words(str(error))}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{name}: not a TOML file that can be read ({error})") from None


def _toml_words(message: str) -> str:
    if "Cannot overwrite a value" in message:
        message = message.replace("Cannot overwrite a value", "a key stands twice; give each key once")
    elif "Cannot declare" in message:
        message += ": a section stands twice; give each section once"
    else:
        message = f"not TOML: {message}"
    return message


class _Problems:
    """What is wrong, in order of discovery."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []

    def add(self, message: str) -> None:
        full = f"{self.file}: {message}"
        if full not in self.found:
            self.found.append(full)

    def extend(self, messages: Iterable[str]) -> None:
        for message in messages:
            self.add(message)

    def at(self, where: str) -> "_At":
        """Collect what an InputError inside says, under a key."""
        return _At(self, where)

    def refuse(self) -> None:
        if self.found:
            raise InputError(self.found)


class _At:
    def __init__(self, problems: _Problems, where: str) -> None:
        self.problems, self.where = problems, where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InputError):
            join = " " if self.where.endswith(("]", ":")) else ": "
            self.problems.extend(f"{self.where}{join}{p}" for p in error.problems)
            return True
        return False


class _Section:
    """One section of the file, its values judged one by one."""

    def __init__(self, given: Any, key: str, problems: _Problems, known: Iterable[str]) -> None:
        self.key, self.problems, self.known = key, problems, tuple(known)
        self.given: dict[str, Any] = given if isinstance(given, dict) else {}

    def where(self, name: str) -> str:
        return f"{self.key} {name}" if self.key else name

    def refuse_unknown(self, besides: Iterable[str] = ()) -> None:
        for name in self.given:
            if name not in self.known and name not in besides:
                self.problems.add(f"{self.where(name)}: unknown key; {suggestion(name, self.known)}")

    def section(self, name: str, known: Iterable[str], required: bool, why: str = "") -> "_Section":
        value = self.given.get(name)
        if value is None and required:
            self.problems.add(f"[{name}]: the section is missing; {why}")
        elif value is not None and not isinstance(value, dict):
            self.problems.add(f"[{name}]: {value!r} is no section; write [{name}] and its keys below it")
        inner = _Section(value, f"[{name}]", self.problems, known)
        return inner

    def text(self, name: str, default: str = "") -> str:
        value = self.given.get(name, default)
        if not isinstance(value, str) or (name in self.given and not value.strip()):
            self.problems.add(f"{self.where(name)}: {value!r} is no text; write it in quotes")
            return default
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.problems.add(f"{self.where(name)}: {shown(value)}; give a whole number from {least} to {most}")
            return default
        return value

    def number(self, name: str, default: float, inside: Callable[[float], bool], right: str) -> float:
        value = self.given.get(name, default)
        number = finite(value)
        if number is None or not inside(number):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give {right}")
            return default
        return number

    def numbers(
        self, name: str, default: tuple[float, ...], inside: Callable[[float], bool], right: str
    ) -> tuple[float, ...]:
        value = self.given.get(name, list(default))
        numbers = [finite(v) for v in value] if isinstance(value, list) else [None]
        known = [v for v in numbers if v is not None and inside(v)]
        if len(known) < len(numbers):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give a list of {right}")
            return default
        return tuple(dict.fromkeys(known))

    def truth(self, name: str, default: bool) -> bool:
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            self.problems.add(f"{self.where(name)}: {shown(value)}; give true or false")
            return default
        return value


def _tables(top: _Section, path: Path, problems: _Problems) -> tuple[dict[str, Table | None], dict[str, str]]:
    """Read every table; None where it cannot be used, which has then been said."""
    section = top.section("tables", (), required=True, why='name the tables, such as training = "training.csv"')
    tables: dict[str, Table | None] = {}
    digests: dict[str, str] = {}
    for name, given in section.given.items():
        tables[name] = None
        where = f"[tables] {name}"
        if isinstance(given, dict):
            problems.add(f'{where}: this version reads plain CSV tables; give a path, such as {name} = "{name}.csv"')
            continue
        if not isinstance(given, str) or not given.strip():
            problems.add(f"{where}: {shown(given)} is no path; give the path of a CSV file, in quotes")
            continue
        if Path(given).suffix.lower() in (".parquet", ".nc", ".zarr"):
            problems.add(f"{where}: {given!r}: this version reads CSV; save the table as a .csv file")
            continue
        with problems.at(where):
            data = read_bytes(path.parent / given, given)
            tables[name] = read_csv(path.parent / given, name, source=given, data=data)
            digests[name] = sha256(data)
    if isinstance(top.given.get("tables"), dict) and not section.given:
        problems.add("[tables]: names no table; name at least the one that feedback uses")
    return tables, digests


def _hypotheses(top: _Section, problems: _Problems) -> tuple[list[str], dict[str, Expression]]:
    section = top.section(
        "hypotheses",
        (),
        required=True,
        why='give name = expression, such as "flags" = "where(flags, 100, -100)"',
    )
    if isinstance(top.given.get("hypotheses"), dict) and not section.given:
        problems.add("[hypotheses]: there is none; give at least one, name = expression")
    good: dict[str, Expression] = {}
    for name, given in section.given.items():
        if not isinstance(given, str):
            problems.add(f"[hypotheses] {name!r}: {shown(given)} is no expression; write it in quotes")
            continue
        try:
            reward = hypotheses_of({name: given}).rewards[0]
            assert isinstance(reward, Expression)
            good[name] = reward
        except InputError as error:
            problems.extend(f"[hypotheses] {p.removeprefix('hypothesis ')}" for p in error.problems)
    return list(section.given), good


def _values(top: _Section, problems: _Problems, names: list[str]) -> tuple[Prior | None, dict[str, Any]]:
    """Read the human-value prior, and what the results say of it."""
    section = top.section(
        "values",
        ("weights", "source", "strength", "judges", "pool", "prior"),
        required=True,
        why="state the human values: weights = { ... } and their source",
    )
    if not isinstance(top.given.get("values"), dict):
        return None, {}
    section.refuse_unknown()
    given = section.given
    ways = [key for key in ("weights", "judges", "prior") if key in given]
    if len(ways) != 1:
        problems.add(
            "[values]: "
            + ("no weights" if not ways else " and ".join(ways) + " together")
            + '; give one of weights = { ... }, judges = [ ... ] or prior = "uniform"'
        )
        return None, {}
    if "pool" in given and ways != ["judges"]:
        problems.add("[values] pool: there are no judges to pool; give judges = [ ... ]")
    if "strength" in given and ways != ["weights"]:
        problems.add(
            f"[values] strength: it goes with weights; with {ways[0]} "
            + ("give each judge its own" if ways == ["judges"] else "there is none")
        )
    prior: Prior | None = None
    if ways == ["weights"]:
        prior = _elicited("[values]", given, names, problems)
        return prior, {"weights": given["weights"], "source": given.get("source"), "strength": given.get("strength")}
    if ways == ["prior"]:
        if not isinstance(given.get("source"), str) or not given["source"].strip():
            problems.add("[values] source: missing; say why this prior stands for human values")
        prior = _foil("[values] prior", given["prior"], str(given.get("source")), problems, PRIORS[1:])
        return prior, {"prior": given["prior"], "source": given.get("source")}
    return _judges(given, names, problems)


def _elicited(where: str, given: Mapping[str, Any], names: list[str], problems: _Problems) -> Prior | None:
    before = len(problems.found)
    with problems.at(where):
        prior = Elicited(given.get("weights"), given.get("source"), given.get("strength"))  # type: ignore[arg-type]
    if isinstance(given.get("weights"), dict) and names:
        if given["weights"]:
            right = "give one for every hypothesis (0 rules it out)"
            problems.extend(f"{where} {p}" for p in names_problems(given["weights"], names, "weights", "weight", right))
    return prior if len(problems.found) == before else None


def _judges(given: Mapping[str, Any], names: list[str], problems: _Problems) -> tuple[Prior | None, dict[str, Any]]:
    judges = given["judges"]
    if not isinstance(judges, list) or not judges or not all(isinstance(j, dict) for j in judges):
        problems.add("[values] judges: give a list of { name, weights, source }, one a judge")
        return None, {}
    known = ("name", "weights", "source", "weight", "strength")
    priors: list[Prior | None] = []
    shares = []
    taken: set[str] = set()
    for i, judge in enumerate(judges):
        name = judge.get("name")
        if not isinstance(name, str) or not name.strip():
            problems.add(f'[values] judges: judge {i + 1} has no name; give name = "..."')
            name = str(i + 1)
        where = f"[values] judges: {name!r}"
        if name in taken:
            problems.add(f"{where}: the name stands twice; name each judge once")
        taken.add(name)
        part = _Section(judge, where + ":", problems, known)
        part.refuse_unknown()
        shares.append(part.number("weight", 1.0, lambda w: w >= 0, "a finite number, 0 or more"))
        priors.append(_elicited(where + ":", judge, names, problems))
    pool = given.get("pool", "linear")
    if pool not in ("linear", "log"):
        problems.add(f'[values] pool: {shown(pool)}; give "linear" or "log"')
    if not max(shares) > 0:
        problems.add("[values] judges: every judge's weight is 0; at least one must be positive")
        return None, {}
    record = {"judges": judges, "pool": pool}
    if "source" in given:
        if not isinstance(given["source"], str):
            problems.add(f"[values] source: {shown(given['source'])} is no text; write it in quotes")
        record["source"] = given["source"]
    complete = [p for p in priors if p is not None]
    if len(complete) < len(priors) or pool not in ("linear", "log"):
        return None, record
    return (LinearPool(tuple(complete), tuple(shares)) if pool == "linear" else log_pool(complete, shares)), record


def _foil(where: str, given: Any, source: str | None, problems: _Problems, known: tuple[str, ...]) -> Prior | None:
    """Read a prior by name: uniform, simplicity, or { name = "simplicity", language = ... }."""
    language: Any = "rules"
    name = given
    if isinstance(given, dict):
        part = _Section(given, where, problems, ("name", "language"))
        part.refuse_unknown()
        name = given.get("name")
        language = given.get("language", "rules")
        if "language" in given and name != "simplicity":
            problems.add(f'{where} language: it goes with name = "simplicity"')
            return None
    if name not in known:
        problems.add(f"{where}: {shown(name)}; {suggestion(str(name), known)}")
        return None
    if name == "values":
        return None
    if name == "uniform":
        return Uniform(source)
    with problems.at(where):
        return Simplicity(language, source)
    return None


def _catastrophe(top: _Section, problems: _Problems, names: list[str]) -> FailureLine | None:
    section = top.section(
        "catastrophe",
        ("fail_utility",),
        required=True,
        why="state fail_utility, the reward that failing completely is worth",
    )
    if not isinstance(top.given.get("catastrophe"), dict):
        return None
    section.refuse_unknown()
    if "fail_utility" not in section.given:
        problems.add(
            "[catastrophe] fail_utility: missing; state the reward that failing completely is worth, such as 0; it has no default"
        )
        return None
    with problems.at("[catastrophe]"):
        return failure_line(section.given["fail_utility"], names)
    return None


@dataclass(frozen=True)
class _Use:
    """One [[feedback]] entry, read but not yet made."""

    where: str
    kind: type[Feedback]
    table: str
    column: str
    options: Mapping[str, Any]
    complete: bool

    def make(self, table: Table, problems: _Problems) -> list[Feedback]:
        with problems.at(self.where):
            one = self.kind(table, self.column, **self.options)
            _ = one.observed
            return [one]
        return []


def _feedback(top: _Section, problems: _Problems, tables: Mapping[str, Table | None]) -> list[_Use]:
    entries = top.given.get("feedback")
    if entries is None or entries == []:
        problems.add("[[feedback]]: there is none; give at least one, with kind, table and column")
        return []
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        problems.add("[[feedback]]: write each feedback below a line [[feedback]], with kind, table and column")
        return []
    uses = []
    for i, entry in enumerate(entries):
        where = "[[feedback]]" if len(entries) == 1 else f"[[feedback]] {i + 1}"
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in FEEDBACK:
            what = "kind: missing" if kind is None else f"kind: {shown(kind)} is not in this version"
            problems.add(f"{where} {what}; {suggestion(str(kind), FEEDBACK)}")
            if isinstance(entry.get("table"), str) and entry["table"] not in tables:
                problems.add(f"{where} table: {entry['table']!r} is no table; {suggestion(entry['table'], tables)}")
            continue
        options = {f.name: f for f in fields(FEEDBACK[kind])}
        part = _Section(entry, where, problems, ("kind", *options))
        part.refuse_unknown()
        complete = True
        for name, spec in options.items():
            if name not in entry and spec.default is MISSING:
                problems.add(f"{where} {name}: missing; {_NEEDED.get(name, 'it is required')}")
                complete = False
        table, column = part.text("table"), part.text("column")
        if table and table not in tables:
            problems.add(f"{where} table: {table!r} is no table; {suggestion(table, tables)}")
        given = {k: v for k, v in entry.items() if k in options and k not in ("table", "column")}
        uses.append(_Use(where, FEEDBACK[kind], table, column, given, complete and bool(table and column)))
    return uses


_NEEDED = {
    "table": "name the table, as under [tables]",
    "column": "name the column that holds what was said",
    "noise": "state the prior of the share of wrong labels, noise = [a, b], such as [1, 19]",
    "sigma2": "state the inverse gamma prior of the noise's variance, sigma2 = [a, b]",
}


def _agent(top: _Section, problems: _Problems, names: list[str]) -> tuple[Policy, Prior | None, FailureLine | None]:
    section = top.section("agent", ("policy", "prior", "fail_utility"), required=False)
    later = [key for key in ("hypotheses", "feedback") if key in section.given]
    for key in later:
        problems.add(f"[agent] {key}: not in this version; there is policy, prior and fail_utility")
    section.refuse_unknown(besides=later)
    given = section.given
    policy: Policy = Commit()
    spec = given.get("policy", "commit")
    name = str(spec.get("name") if isinstance(spec, dict) else spec)
    if name not in POLICIES:
        problems.add(f"[agent] policy: {shown(name)} is not in this version; {suggestion(str(name), POLICIES)}")
    else:
        options = {f.name: f for f in fields(POLICIES[name])}
        part = _Section(spec, "[agent] policy", problems, ("name", *options))
        part.refuse_unknown()
        arguments = {k: v for k, v in part.given.items() if k in options}
        lacking = [k for k, f in options.items() if f.default is MISSING and k not in arguments]
        for lacks in lacking:
            problems.add(f'[agent] policy: {name!r} needs {lacks}; write {{ name = "{name}", {lacks} = ... }}')
        arguments["abstain"] = part.truth("abstain", False)
        if not lacking:
            with problems.at("[agent] policy"):
                policy = POLICIES[name](**arguments)
    prior = _foil("[agent] prior", given.get("prior", "values"), None, problems, PRIORS)
    told = None
    if "fail_utility" in given:
        with problems.at("[agent]"):
            told = failure_line(given["fail_utility"], names)
    return policy, prior, told


def _fit(top: _Section, problems: _Problems) -> None:
    section = top.section("fit", ("method", "draws", "chains"), required=False)
    section.refuse_unknown()
    method = section.text("method", default="auto")
    if method not in ("auto", "exact"):
        problems.add(f"[fit] method: {method!r} is not in this version; {suggestion(method, ('auto', 'exact'))}")


@dataclass(frozen=True)
class _Asked:
    tests: tuple[str, ...]
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]


def _analysis(top: _Section, problems: _Problems, tables: Mapping[str, Table | None]) -> _Asked:
    known = ("test", "also", "targets", "contaminations", "prob", "deployments", "languages")
    section = top.section("analysis", known, required=False)
    section.refuse_unknown()
    given = section.given
    tests = []
    if "test" in given or "test" in tables:
        test = section.text("test", default="test")
        if test in tables or isinstance(given.get("test"), str):
            tests.append(test)
    also = given.get("also", [])
    if not isinstance(also, list) or not all(isinstance(t, str) for t in also):
        problems.add(f"[analysis] also: {shown(also)}; give a list of tables")
        also = []
    if also and not tests:
        problems.add('[analysis] also: there is no test beside which it could stand; name one with test = "..."')
    for key, names in (("test", tests), ("also", also)):
        for name in names:
            if name not in tables:
                problems.add(f"[analysis] {key}: {name!r} is no table; {suggestion(name, tables)}")
    targets = section.numbers("targets", (0.1, 0.01, 0.001), lambda t: 0 <= t <= 1, "risks from 0 to 1")
    contaminations = section.numbers(
        "contaminations", (0.01, 0.05, 0.1), lambda e: 0 < e < 1, "shares of the prior, above 0 and below 1"
    )
    prob = section.number("prob", 0.95, lambda p: 0 < p < 1, "the probability of the interval, above 0 and below 1")
    deployments = given.get("deployments", [1, 10, 100, 1000])
    if not isinstance(deployments, list) or not all(
        isinstance(d, int) and not isinstance(d, bool) and 1 <= d <= 10**15 for d in deployments
    ):
        problems.add(f"[analysis] deployments: {shown(deployments)}; give a list of whole numbers from 1 to 10^15")
        deployments = []
    languages: list[Simplicity] = []
    wanted = given.get("languages", list(LANGUAGES))
    if not isinstance(wanted, list) or not wanted:
        problems.add(f'[analysis] languages: {shown(wanted)}; give a list such as ["rules", "letters"]')
        wanted = []
    for one in wanted:
        with problems.at("[analysis] languages"):
            language = Simplicity(one)
            if language.name in [known.name for known in languages]:
                raise InputError(f"{language.name!r} stands twice; name each language once")
            languages.append(language)
    return _Asked(
        tuple(dict.fromkeys([*tests, *also])), targets, contaminations, prob, tuple(deployments), tuple(languages)
    )


def _boolean_columns(tables: list[Table]) -> set[str]:
    """Columns that hold only 0/1 or true/false in every table that has them."""
    columns = {name for table in tables for name in table.columns}
    return {name for name in columns if all(t.columns[name].is_boolean() for t in tables if name in t.columns)}


def _line_expressions(line: FailureLine | None, names: list[str], key: str) -> dict[str, Expression]:
    if line is None:
        return {}
    distinct: dict[str, Expression] = {}
    for name, value in zip(names, line.values, strict=True):
        if isinstance(value, Expression) and value.text not in [e.text for e in distinct.values()]:
            distinct[f"{key} of {name!r}"] = value
    return distinct


def _check_tables(
    good: Mapping[str, Table],
    feedback: list[_Use],
    made: list[Feedback],
    tests: tuple[str, ...],
    expressions: Mapping[str, Expression],
    on_tests: Mapping[str, Expression],
    policy: Policy,
    problems: _Problems,
) -> None:
    """Check the columns that expressions name, in every table that they are evaluated on."""
    refused: set[tuple[str, str]] = set()
    for who, expression in on_tests.items():
        tables = [t for name, t in good.items() if who in expressions or name in tests]
        for column in expression.columns:
            if len(tables) > 1 and (column, "") not in refused and not any(column in t.columns for t in tables):
                refused.add((column, ""))  # one sentence, not one a table
                known = dict.fromkeys(c for t in tables for c in t.columns)
                where = ", ".join(t.source for t in tables)
                problems.add(f"[tables]: no column {column!r} in {where}; {suggestion(column, known)} (named by {who})")
    for name, table in good.items():
        whole = name in tests or any(u.table == name and u.options.get("missing", "error") == "error" for u in feedback)
        uses = [one for one in made if one.table is table]
        views = [table] if whole or not uses else [one.items for one in uses]
        for view in views:
            with problems.at(f"[tables] {name}"):
                wrong = check_columns(view, on_tests if name in tests else expressions, refused)
                if wrong:
                    raise InputError(wrong)
        with problems.at(f"[tables] {name}"):
            table.scene_weights()
        if name in tests:
            _check_scenes(name, table, policy, problems)


def _check_scenes(name: str, table: Table, policy: Policy, problems: _Problems) -> None:
    empty = list(empty_scenes(table))
    if empty:
        problems.add(
            f"[tables] {name}: {table.source}: scene {table.scene_name(int(empty[0]))} has no available option; every scene "
            "of a test needs one"
        )
        return
    with problems.at(f"[tables] {name}"):
        failing = table.failing()
        if failing is not None and not policy.abstain:
            real = np.add.reduceat(~failing, table.starts[:-1])
            if (real == 0).any():
                scene = table.scene_name(int(np.argmax(real == 0)))
                raise InputError(
                    f"{table.source}: scene {scene} offers nothing but failing, and the agent may not abstain; give it an "
                    "option, or abstain = true"
                )


def _check_priors(
    hypotheses: Hypotheses,
    prior: Prior | None,
    agent_prior: Prior | None,
    languages: tuple[Simplicity, ...],
    problems: _Problems,
) -> None:
    priors: list[tuple[str, Prior | None]] = [("[values]", prior), ("[agent] prior", agent_prior)]
    for where, one in priors + [("[analysis] languages", language) for language in languages]:
        if one is not None:
            with problems.at(where):
                one.log_prior(hypotheses)
