"""[values] of a study file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import names_problems, shown, suggestion
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.readers.elicitation import Answer, answers_of
from reward_hypotheses.data.readers.file_bytes import read_bytes
from reward_hypotheses.models.priors.base import Prior, log_pool
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.judgements import Judgements
from reward_hypotheses.models.priors.pools import LinearPool
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.study.sections.analysis import PRIORS
from reward_hypotheses.study.validation import Problems, Section


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
        prior = foil("[values] prior", given["prior"], str(given.get("source")), problems, PRIORS[1:])
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


def foil(where: str, given: Any, source: str | None, problems: Problems, known: tuple[str, ...]) -> Prior | None:
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
