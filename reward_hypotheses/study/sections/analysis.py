"""The sections of a study file, each read and judged by itself; what is wrong is collected, not raised."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError, names_problems, shown, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.readers.elicitation import Answer, answers_of
from reward_hypotheses.data.readers.file_bytes import read_bytes
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.choices import Choices
from reward_hypotheses.models.feedback.demonstrations import Demonstrations
from reward_hypotheses.models.feedback.labels import Labels
from reward_hypotheses.models.feedback.proxy import Proxy
from reward_hypotheses.models.feedback.rankings import Rankings
from reward_hypotheses.models.feedback.ratings import Ratings
from reward_hypotheses.models.feedback.rewards import Rewards
from reward_hypotheses.models.feedback.stops import Stops
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, InSd, failure_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of, unmodelled_problems
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled, unmodelled_of
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.cvar import Cvar
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.maximin import Maximin
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.policies.quantilize import Quantilize
from reward_hypotheses.models.posterior import METHODS
from reward_hypotheses.models.priors.base import Prior, log_pool
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.judgements import Judgements
from reward_hypotheses.models.priors.pools import LinearPool
from reward_hypotheses.models.priors.simplicity import LANGUAGES, Simplicity
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.study.sections.failure_judgements import LineJudgements, read_line_judgements
from reward_hypotheses.study.validation import Problems, Section

FEEDBACK: Mapping[str, type[Feedback]] = {
    "labels": Labels,
    "rewards": Rewards,
    "choices": Choices,
    "rankings": Rankings,
    "ratings": Ratings,
    "stops": Stops,
    "proxy": Proxy,
    "demonstrations": Demonstrations,
}
"""Every kind of feedback that a study file may name; a new kind is one line here."""
POLICIES: Mapping[str, type[Policy]] = {
    "commit": Commit,
    "most_probable": MostProbable,
    "expected": Expected,
    "boltzmann": Boltzmann,
    "cvar": Cvar,
    "maximin": Maximin,
    "quantilize": Quantilize,
}
SECTIONS = (
    "title",
    "about",
    "seed",
    "tables",
    "mdps",
    "hypotheses",
    "values",
    "agent",
    "catastrophe",
    "feedback",
    "fit",
    "analysis",
)
LINES = ("fail_utility", "fail_utility_sd")
"""Keys that state a failure line."""
PRIORS = ("values", "uniform", "simplicity")
Read = Expression | Linear | Unmodelled
"""A hypothesis as it was read."""


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


def read_values(
    top: Section, problems: Problems, names: list[str], folder: Path
) -> tuple[Prior | None, dict[str, Any]]:
    """Read the human-value prior, and what the results say of it.

    Parameters
    ----------
    folder : Path
        The study's, where a file of answers is looked for.
    """
    section = top.section(
        "values",
        ("weights", "source", "strength", "judges", "pool", "prior", "judgements", "spread", "disagreement"),
        required=True,
        why="state the human values: weights = { ... } and their source",
    )
    if not isinstance(top.given.get("values"), dict):
        return None, {}
    section.refuse_unknown()
    given = section.given
    ways = [key for key in ("weights", "judges", "prior", "judgements") if key in given]
    if len(ways) != 1:
        problems.add(
            "[values]: "
            + ("no weights" if not ways else " and ".join(ways) + " together")
            + '; give one of weights = { ... }, judges = [ ... ], judgements = "answers.csv" or prior = "uniform"'
        )
        return None, {}
    if "pool" in given and ways != ["judges"]:
        problems.add("[values] pool: there are no judges to pool; give judges = [ ... ]")
    if "strength" in given and ways != ["weights"]:
        problems.add(
            f"[values] strength: it goes with weights; with {ways[0]} "
            + ("give each judge its own" if ways == ["judges"] else "there is none")
        )
    for key in ("spread", "disagreement"):
        if key in given and ways != ["judgements"]:
            problems.add(f"[values] {key}: it goes with judgements; with {ways[0]} there is none")
    if ways == ["judgements"]:
        return _judgements(given, names, problems, folder)
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


def _elicited(
    where: str, given: Mapping[str, Any], names: list[str], problems: Problems, label: str | None = None
) -> Prior | None:
    before = len(problems.found)
    with problems.at(where):
        prior = Elicited(given.get("weights"), given.get("source"), given.get("strength"), label)  # type: ignore[arg-type]
    if isinstance(given.get("weights"), dict) and names:
        if given["weights"]:
            right = "give one for every hypothesis (0 rules it out)"
            problems.extend(f"{where} {p}" for p in names_problems(given["weights"], names, "weights", "weight", right))
    return prior if len(problems.found) == before else None


def _judgements(
    given: Mapping[str, Any], names: list[str], problems: Problems, folder: Path
) -> tuple[Prior | None, dict[str, Any]]:
    """Read values from answers: the path of a CSV file, or a list of tables."""
    said = given["judgements"]
    digest = None
    if isinstance(said, str):
        if not said.strip() or "\0" in said:
            problems.add(f"[values] judgements: {shown(said)} is no path; give that of a CSV file, in quotes")
            return None, {}
    elif not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        problems.add(
            '[values] judgements: give the path of a CSV file, in quotes, or a list of { judge = "...", left = "...", '
            'right = "...", answer = "left much" }'
        )
        return None, {}
    before = len(problems.found)
    answers: tuple[Answer, ...] = ()
    with problems.at("[values] judgements:"):
        if isinstance(said, str):
            digest = sha256(read_bytes(folder / said, said))
            answers = answers_of(folder / said, said, names)
        else:
            answers = answers_of(said, hypotheses=names)
    prior = None
    if answers or not isinstance(given.get("source"), str):
        settings = {key: given[key] for key in ("spread", "disagreement") if key in given}
        blank = Answer("nobody", "left", "right", "equal")  # so that what else is wrong is said too
        with problems.at("[values]"):
            prior = Judgements(answers or [blank], given.get("source"), **settings)  # type: ignore[arg-type]
    record = {
        "judgements": {
            "file": said if isinstance(said, str) else None,
            "sha256": digest,
            "judges": [] if prior is None else list(prior.names),
            "answers": [a._asdict() for a in answers],
        },
        "source": given.get("source"),
    }
    if prior is not None:
        record |= {"spread": float(prior.spread), "disagreement": float(prior.disagreement)}
    return prior if len(problems.found) == before else None, record


def _judges(given: Mapping[str, Any], names: list[str], problems: Problems) -> tuple[Prior | None, dict[str, Any]]:
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
        part = Section(judge, where + ":", problems, known)
        part.refuse_unknown()
        shares.append(part.number("weight", 1.0, lambda w: w >= 0, "a finite number, 0 or more"))
        priors.append(_elicited(where + ":", judge, names, problems, name))
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


def _foil(where: str, given: Any, source: str | None, problems: Problems, known: tuple[str, ...]) -> Prior | None:
    """Read a prior by name: uniform, simplicity, or { name = "simplicity", language = ... }."""
    language: Any = "rules"
    name = given
    if isinstance(given, dict):
        part = Section(given, where, problems, ("name", "language"))
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


def read_catastrophe(
    top: Section,
    problems: Problems,
    names: list[str],
    families: list[str],
    may_lack: list[str],
    tables: Mapping[str, Table | None],
) -> tuple[FailureLine | None, LineJudgements | None]:
    """Read [catastrophe]: the judge's failure line, and what was asked about it; None where wrong, which has then been said.

    Parameters
    ----------
    families, may_lack : list of str
        Hypotheses with continuous weights, and those that need no line.
    """
    section = top.section(
        "catastrophe",
        (*LINES, "judgements"),
        required=True,
        why="state fail_utility, the reward that failing completely is worth",
    )
    if not isinstance(top.given.get("catastrophe"), dict):
        return None, None
    section.refuse_unknown()
    asked = None
    if "judgements" in section.given:
        asked = read_line_judgements(section.given["judgements"], problems, names, families, tables)
    if not any(key in section.given for key in LINES):
        problems.add(
            "[catastrophe] fail_utility: missing; state the reward that failing completely is worth, such as 0; it has no default"
        )
        return None, asked
    with problems.at("[catastrophe]"):
        return _stated_line(section.given, names, may_lack), asked
    return None, asked


def _stated_line(given: Mapping[str, Any], names: Sequence[str], may_lack: Sequence[str]) -> FailureLine:
    """Read ``fail_utility``, in reward units, or ``fail_utility_sd``, in standard deviations of each hypothesis's rewards."""
    if all(key in given for key in LINES):
        raise InputError("fail_utility_sd: stands beside fail_utility; give one of the two")
    if "fail_utility" in given:
        return failure_line(given["fail_utility"], names, may_lack=may_lack)
    sds = given["fail_utility_sd"]
    each = {f": {name!r}": value for name, value in sds.items()} if isinstance(sds, Mapping) else {"": sds}
    wrong = [f"fail_utility_sd{where}: {shown(value)}" for where, value in each.items() if finite(value) is None]
    if wrong:
        raise InputError([f"{one}; give a finite number of standard deviations, such as -1" for one in wrong])
    stated: Any = {name: InSd(value) for name, value in sds.items()} if isinstance(sds, Mapping) else InSd(sds)
    return failure_line(stated, names, "fail_utility_sd", may_lack, in_sd=True)


@dataclass(frozen=True)
class Use:
    """One [[feedback]] entry, read but not yet made.

    Attributes
    ----------
    table : str
        The table of its items, or the name of the MDP whose states they are.
    said : str or None
        What holds what was said: a column, or a table of trajectories; None where the entry says it itself.
    in_mdp : bool
        Whether its items are the states of an MDP.
    """

    where: str
    kind: type[Feedback]
    table: str
    said: str | None
    options: Mapping[str, Any]
    in_mdp: bool
    complete: bool

    def make(self, items: Any, said: Any, problems: Problems) -> list[Feedback]:
        """Make the feedback, what was said judged; nothing where it is wrong, which has then been said."""
        with problems.at(self.where):
            one = self.kind(items, *([] if self.said is None else [said]), **self.options)
            _ = one.observed, one.counts
            return [one]
        return []


def read_feedback(
    top: Section, problems: Problems, tables: Mapping[str, Table | None], mdps: Mapping[str, Any]
) -> list[Use]:
    """Read every [[feedback]]."""
    entries = top.given.get("feedback")
    if entries is None or entries == []:
        problems.add("[[feedback]]: there is none; give at least one, with kind, table and column")
        return []
    return _uses("[[feedback]]", entries, problems, tables, mdps)


def _uses(
    head: str, entries: Any, problems: Problems, tables: Mapping[str, Table | None], mdps: Mapping[str, Any]
) -> list[Use]:
    """Read feedbacks that stand below lines of one kind."""
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        problems.add(f"{head}: write each feedback below a line {head}, with kind, table and column")
        return []
    uses = []
    for i, entry in enumerate(entries):
        where = head if len(entries) == 1 else f"{head} {i + 1}"
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in FEEDBACK:
            what = "kind: missing" if kind is None else f"kind: {shown(kind)} is no kind of this version"
            problems.add(f"{where} {what}; {suggestion(str(kind), FEEDBACK)}")
            if isinstance(entry.get("table"), str) and entry["table"] not in tables:
                problems.add(f"{where} table: {entry['table']!r} is no table; {suggestion(entry['table'], tables)}")
            continue
        instead = {key: other for key, other in FEEDBACK[kind].instead.items() if other in entry}
        asks = tuple(instead.get(key, key) for key in FEEDBACK[kind].asks)
        settings = {f.name: f for f in fields(FEEDBACK[kind]) if f.init and f.name not in ("needs", "trajectories")}
        options = {key: settings.get(key) for key in dict.fromkeys((*settings, *asks))}
        part = Section(entry, where, problems, ("kind", *options))
        part.refuse_unknown()
        complete = True
        for key, other in instead.items():
            if key in entry:
                problems.add(f"{where} {key} and {other}: both are given; give one of them")
                complete = False
        for name, spec in options.items():
            if name not in entry and (name in asks or spec is None or spec.default is MISSING):
                problems.add(f"{where} {name}: missing; {_NEEDED.get(name, 'it is required')}")
                complete = False
        names = {key: part.text(key) for key in asks}
        for key, known in (("table", tables), ("mdp", mdps)):
            if names.get(key) and names[key] not in known:
                problems.add(
                    f"{where} {key}: {names[key]!r} is no {'MDP' if key == 'mdp' else key}; {suggestion(names[key], known)}"
                )
        given = {k: v for k, v in entry.items() if k in options and k not in asks and k not in instead}
        items, said = [*names.values(), None][:2]
        complete = complete and all(names.values())
        uses.append(Use(where, FEEDBACK[kind], str(items), said, given, "mdp" in asks, complete))
    return uses


_NEEDED = {
    "table": "name the table, as under [tables]",
    "mdp": "name the MDP, as under [mdps]",
    "column": "name the column that holds what was said",
    "chosen": "name the candidate that was written",
    "candidates": "state what might have been written, candidates = { name = expression, ... }",
    "noise": "state the prior of the share of wrong labels, noise = [a, b], such as [1, 19]",
    "grades": 'list the grades, the lowest first, grades = ["bad", "fair", "good"]',
    "sigma2": "state the inverse gamma prior of the noise's variance, sigma2 = [a, b]",
}


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
    prior = _foil("[agent] prior", given.get("prior", "values"), None, problems, PRIORS)
    if own and given.get("prior", "values") == "values":
        problems.add(
            f"[agent] prior: the values say nothing of {', '.join(map(repr, own))}, which the agent alone may hold; give it a prior "
            'of its own, such as prior = "uniform"'
        )
    told = own_line = None
    if any(key in given for key in LINES):
        may_lack = [n for n in names if isinstance(rewards.get(n), (Linear, Unmodelled))]
        with problems.at("[agent]"):
            both = _stated_line(given, [*names, *own], [*may_lack, *own])
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


@dataclass(frozen=True)
class Fit:
    """What [fit] says."""

    method: str
    draws: int
    chains: int


def read_fit(top: Section, problems: Problems) -> Fit:
    """Read [fit]."""
    section = top.section("fit", ("method", "draws", "chains"), required=False)
    section.refuse_unknown()
    method = section.text("method", default="auto")
    if method not in METHODS:
        problems.add(f"[fit] method: {method!r}; {suggestion(method, METHODS)}")
    return Fit(
        method,
        section.whole("draws", default=1000, least=1, most=100_000),
        section.whole("chains", default=4, least=1, most=100),
    )


@dataclass(frozen=True)
class Asked:
    """What [analysis] asks for."""

    tests: tuple[str, ...]
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]
    ledger: str | None = None
    support: str | None = None


def read_analysis(top: Section, problems: Problems, tables: Mapping[str, Table | None]) -> Asked:
    """Read [analysis]."""
    known = ("test", "also", "targets", "contaminations", "prob", "deployments", "languages", "support", "ledger")
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
    support = section.text("support", default="") or None
    if support is not None and support not in tables:
        problems.add(f"[analysis] support: {support!r} is no table; {suggestion(support, tables)}")
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
            if language.language_name in [known.language_name for known in languages]:
                raise InputError(f"{language.language_name!r} stands twice; name each language once")
            languages.append(language)
    ledger = given.get("ledger")
    if ledger is not None and (not isinstance(ledger, str) or not ledger.strip() or "\0" in ledger):
        problems.add(f'[analysis] ledger: {shown(ledger)} is no path; give that of a ledger, such as "ledger.jsonl"')
        ledger = None
    return Asked(
        tuple(dict.fromkeys([*tests, *also])),
        targets,
        contaminations,
        prob,
        tuple(deployments),
        tuple(languages),
        ledger=ledger,
        support=support,
    )
