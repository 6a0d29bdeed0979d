"""[values] of a study file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import names_problems, shown, suggestion
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.readers.pairwise_judgements import PairwiseJudgement, answers_of
from reward_hypotheses.data.readers.safe_files import read_bytes
from reward_hypotheses.models.priors.base import Prior, log_pool
from reward_hypotheses.models.priors.elicited import Elicited
from reward_hypotheses.models.priors.judgements import Judgements
from reward_hypotheses.models.priors.linear_pool import LinearPool
from reward_hypotheses.models.priors.registry import FOILS
from reward_hypotheses.study.section_reader import Problems, Section, key, number, read

BASELINES = tuple(FOILS)
"""Priors that are given by name."""

type Values = tuple[Prior | None, dict[str, Any]]
"""The prior (None where it is wrong, which is noted), and what the results document says about it."""


@dataclass(frozen=True)
class JudgeSpec:
    """One of several judges."""

    name: Any = key()
    weights: Any = key()
    source: Any = key()
    weight: float = key(number(lambda w: w >= 0, "a finite number, 0 or more"), 1.0)
    strength: Any = key()


@dataclass(frozen=True)
class ValuesSpec:
    """[values]: the human-value prior, in one of four forms."""

    weights: Any = key()
    source: Any = key()
    strength: Any = key()
    judges: Any = key()
    pool: Any = key()
    prior: Any = key()
    judgements: Any = key()
    spread: Any = key()
    disagreement: Any = key()

    def build(self, names: Sequence[str], folder: Path, problems: Problems) -> Values:
        """Make the prior over the hypotheses.

        Parameters
        ----------
        folder : Path
            The study's, to which the path of a file of answers is relative.
        """
        forms = [form for form in ("weights", "judges", "prior", "judgements") if getattr(self, form) is not None]
        if len(forms) != 1:
            problems.add(
                "[values]: "
                + ("no weights" if not forms else " and ".join(forms) + " together")
                + '; give one of weights = { ... }, judges = [ ... ], judgements = "answers.csv" or prior = "uniform"'
            )
            return None, {}
        form = forms[0]
        self._refuse_misplaced(form, problems)
        if form == "judgements":
            return self._judgements(names, folder, problems)
        if form == "judges":
            return self._judges(names, problems)
        if form == "weights":
            prior: Prior | None = _elicited("[values]", self, names, problems)
            return prior, {"weights": self.weights, "source": self.source, "strength": self.strength}
        if not isinstance(self.source, str) or not self.source.strip():
            problems.add("[values] source: missing; say why this prior stands for human values")
        prior = baseline("[values] prior", self.prior, str(self.source), problems)
        return prior, {"prior": self.prior, "source": self.source}

    def _refuse_misplaced(self, form: str, problems: Problems) -> None:
        """Note keys that go with another form."""
        if self.pool is not None and form != "judges":
            problems.add("[values] pool: there are no judges to pool; give judges = [ ... ]")
        if self.strength is not None and form != "weights":
            problems.add(
                f"[values] strength: it goes with weights; with {form} "
                + ("give each judge its own" if form == "judges" else "there is none")
            )
        for setting in ("spread", "disagreement"):
            if getattr(self, setting) is not None and form != "judgements":
                problems.add(f"[values] {setting}: it goes with judgements; with {form} there is none")

    def _judgements(self, names: Sequence[str], folder: Path, problems: Problems) -> Values:
        """Make a prior from answers about pairs: of a CSV file, or of a list of tables."""
        written = self.judgements
        file = written if isinstance(written, str) else None
        if file is not None and (not file.strip() or "\0" in file):
            problems.add(f"[values] judgements: {shown(file)} is no path; give that of a CSV file, in quotes")
            return None, {}
        if file is None and not (isinstance(written, list) and all(isinstance(row, dict) for row in written)):
            problems.add(
                '[values] judgements: give the path of a CSV file, in quotes, or a list of { judge = "...", left = "...", '
                'right = "...", answer = "left much" }'
            )
            return None, {}
        before = len(problems.messages)
        digest = None
        answers: tuple[PairwiseJudgement, ...] = ()
        with problems.at("[values] judgements:"):
            if file is not None:
                digest = sha256(read_bytes(folder / file, file))
            answers = answers_of(written if file is None else folder / file, file, names)
        prior = None
        if answers or not isinstance(self.source, str):
            settings = {k: v for k in ("spread", "disagreement") if (v := getattr(self, k)) is not None}
            blank = PairwiseJudgement("nobody", "left", "right", "equal")  # so that other problems are noted too
            with problems.at("[values]"):
                prior = Judgements(answers or [blank], self.source, **settings)
        record: dict[str, Any] = {
            "judgements": {
                "file": file,
                "sha256": digest,
                "judges": [] if prior is None else list(prior.names),
                "answers": [answer._asdict() for answer in answers],
            },
            "source": self.source,
        }
        if prior is not None:
            record |= {"spread": float(prior.spread), "disagreement": float(prior.disagreement)}
        return prior if len(problems.messages) == before else None, record

    def _judges(self, names: Sequence[str], problems: Problems) -> Values:
        """Pool the priors of several judges."""
        if not isinstance(self.judges, list) or not self.judges or not all(isinstance(j, dict) for j in self.judges):
            problems.add("[values] judges: give a list of { name, weights, source }, one a judge")
            return None, {}
        priors: list[Prior | None] = []
        shares = []
        taken: set[str] = set()
        for i, written in enumerate(self.judges):
            name = written.get("name")
            if not isinstance(name, str) or not name.strip():
                problems.add(f'[values] judges: judge {i + 1} has no name; give name = "..."')
                name = str(i + 1)
            where = f"[values] judges: {name!r}"
            if name in taken:
                problems.add(f"{where}: the name stands twice; name each judge once")
            taken.add(name)
            judge = read(JudgeSpec, written, where + ":", problems)
            shares.append(judge.weight)
            priors.append(_elicited(where + ":", judge, names, problems, name))
        pool = "linear" if self.pool is None else self.pool
        if pool not in ("linear", "log"):
            problems.add(f'[values] pool: {shown(pool)}; give "linear" or "log"')
        if not max(shares) > 0:
            problems.add("[values] judges: every judge's weight is 0; at least one must be positive")
            return None, {}
        record = {"judges": self.judges, "pool": pool}
        if self.source is not None:
            if not isinstance(self.source, str):
                problems.add(f"[values] source: {shown(self.source)} is no text; write it in quotes")
            record["source"] = self.source
        complete = [prior for prior in priors if prior is not None]
        if len(complete) < len(priors) or pool not in ("linear", "log"):
            return None, record
        return (LinearPool(tuple(complete), tuple(shares)) if pool == "linear" else log_pool(complete, shares)), record


def _elicited(
    where: str, stated: ValuesSpec | JudgeSpec, names: Sequence[str], problems: Problems, label: str | None = None
) -> Prior | None:
    """Make the prior of one judge's weights; note invalid weights and return None."""
    prior = None
    with problems.at(where):
        prior = Elicited(stated.weights, stated.source, stated.strength, label)
    if not isinstance(stated.weights, dict) or not stated.weights or not names:
        return prior
    wrong = names_problems(stated.weights, names, "weights", "weight", "give one for every hypothesis (0 rules it out)")
    problems.extend(f"{where} {p}" for p in wrong)
    return None if wrong else prior


def baseline(
    where: str, written: Any, source: str | None, problems: Problems, known: Sequence[str] = BASELINES
) -> Prior | None:
    """Make a prior by its name.

    The forms are "uniform", "simplicity", and ``{ name = "simplicity", language = ... }``. The result is None for "values". It
    is None also where the form is invalid, and the problem is noted.
    """
    name, settings = written, {}
    if isinstance(written, dict):
        Section(written, where, problems, ("name", "language")).refuse_unknown()
        name, settings = written.get("name"), {k: v for k, v in written.items() if k == "language"}
        if "language" in written and name != "simplicity":
            problems.add(f'{where} language: it goes with name = "simplicity"')
            return None
    if name not in known:
        problems.add(f"{where}: {shown(name)}; {suggestion(str(name), known)}")
    elif name in FOILS:
        with problems.at(where):
            return FOILS[name](source=source, **settings)
    return None
