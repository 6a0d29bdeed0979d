"""The study file: read, validated as a whole, and run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reward_hypotheses import __version__
from reward_hypotheses.analysis.agents.agent import Agent, Extrapolating
from reward_hypotheses.analysis.agents.inferred import Reading, read_agent_of
from reward_hypotheses.analysis.case import Case, Settings, Source, Training
from reward_hypotheses.analysis.document import results_document
from reward_hypotheses.analysis.section import Document
from reward_hypotheses.analysis.sensitivity.failure_line_study import judged_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.collection import rows_used
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.weigh import weigh
from reward_hypotheses.study.load import load, readable
from reward_hypotheses.study.readiness import in_units_of_rewards, ready, with_any_weights
from reward_hypotheses.study.study import Study


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
    case = case_of_study(study, progress)
    try:
        return Answer(study, case.posterior, results_document(case, progress))
    except InputError as error:
        raise InputError([f"{study.path.name}: {p}" for p in error.problems]) from None


def case_of_study(study: Study, progress: Callable[[str], None] = lambda _: None) -> Case:
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
        return _case(study, posterior, tests, Extrapolating() if reading is None else reading)
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


def _case(study: Study, posterior: Posterior, tests: Mapping[str, Valuation], agent: Agent) -> Case:
    import sys

    pooled = _pooled(posterior)
    return Case(
        posterior,
        replace(agent, prior=study.agent_prior),
        agent.informed(study.policy, posterior),
        settings=Settings(
            seed=study.seed,
            targets=study.targets,
            contaminations=study.contaminations,
            prob=study.prob,
            deployments=study.deployments,
            languages=study.languages,
            draws=study.fit.draws * study.fit.chains,
        ),
        tests=tests,
        training=Training(
            valuations=tuple(valuation for valuation, _ in pooled),
            counts=tuple(counts for _, counts in pooled),
            support=study.support,
        ),
        judged=None if study.judgements is None else judged_of(posterior, study.judgements, study.lines, study.seed),
        source=Source(
            title=study.title,
            about=study.about,
            values=study.values,
            digests=study.sources.digests,
            study={"file": readable(study.path.name), "sha256": sha256(study.text.encode()), "text": study.text},
            ledger=study.ledger,
            recorded=study.recorded,
            origins=study.sources.origins,
            versions={
                "reward_hypotheses": __version__,
                "numpy": np.__version__,
                "python": ".".join(map(str, sys.version_info[:3])),
                **study.sources.versions,
            },
        ),
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
