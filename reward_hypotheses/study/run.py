"""Run a study: evaluate, weigh, infer the agent, and analyse."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reward_hypotheses import __version__
from reward_hypotheses.analysis.agents.agent import Agent, Extrapolating
from reward_hypotheses.analysis.agents.inferred_agent import Reading, read_agent_of, simplest_rules
from reward_hypotheses.analysis.case import Case, Settings, Source, Training
from reward_hypotheses.analysis.results.document import results_document
from reward_hypotheses.analysis.results.results import Results
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.analysis.sensitivity.judged_failure_line import judged_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import staged
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.feedback_names import rows_used
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.weights.weigh import weigh
from reward_hypotheses.study.build import readable
from reward_hypotheses.study.load import load
from reward_hypotheses.study.pre_fit_checks import in_units_of_rewards, ready, with_any_weights
from reward_hypotheses.study.section_reader import Problems, errors_named
from reward_hypotheses.study.validated_study import Study

STEPS = 4
"""Steps of a run: tables, weights, analyses, and the report, which the command line writes."""


@dataclass(frozen=True, eq=False)
class StudyRun:
    """The run of a study.

    The results document, and the posterior and the case that it is about.
    """

    study: Study
    posterior: Posterior
    document: Document
    case: Case

    def explorer(self) -> Document | None:
        """Return what the page needs to compute the risk again; None without a test."""
        from reward_hypotheses.analysis.results.explorer.explorer_document import explorer_document

        return explorer_document(self.case, self.document)

    def frames(self) -> dict[str, bytes]:
        """Return pictures of the worlds of the first training table and of the test.

        Of a table that was made, the picture is of its first scene, or of the riskiest of the test.
        """
        riskiest = self.document["riskiest_scenes"] or []
        scenes: dict[str, tuple[str, str | None]] = {"training": (self.document["training_tables"][0], None)}
        if self.study.tests:
            scenes["test"] = (next(iter(self.study.tests)), riskiest[0]["scene"] if riskiest else None)
        pictures = {role: self.study.sources.picture(name, scene) for role, (name, scene) in scenes.items()}
        return {role: picture for role, picture in pictures.items() if picture is not None}


def run(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Results:
    """Run a study file and return the results document.

    The document is the output of `reward-hypotheses run --json`: a dict, which a notebook shows on one screen.

    Parameters
    ----------
    path : str or Path
        The study file (TOML); the paths of its tables are relative to it.
    progress : callable, optional
        Called with a few words on what is being done.

    Raises
    ------
    InputError
        The study or its data are wrong; ``problems`` has one message each.
    NotTrustedError
        Samples do not pass the convergence checks, or a number that should be finite is not.
    """
    return Results(run_study(path, progress).document)


def run_study(
    path: str | Path, progress: Callable[[str], None] = lambda _: None, *, read_ledger: bool = True
) -> StudyRun:
    """Run a study file; return the posterior beside the results document.

    Raises what `run` raises.
    """
    with staged(1, STEPS):
        study = load(path, progress, read_ledger=read_ledger)
    with staged(2, STEPS):
        case = case_of_study(study, progress)
    with staged(3, STEPS), errors_named(study.path.name):
        return StudyRun(study, case.posterior, results_document(case, progress), case)


def case_of_study(study: Study, progress: Callable[[str], None] = lambda _: None) -> Case:
    """Weigh the hypotheses of a study, and return the context of its analyses.

    Raises what `run` raises.
    """
    study = in_units_of_rewards(study)
    valuations, tests = evaluate(study, progress)
    study = ready(study)
    progress("weighing the hypotheses")
    with errors_named(study.path.name):
        posterior = weigh(
            study.hypotheses,
            study.prior,
            study.feedback,
            study.line,
            valuations,
            **vars(study.spec.fit),
            seed=study.spec.seed,
        )
        inferred = _infer_agent(study, posterior, progress)
        if inferred is not None:
            tests = {name: inferred.on(posterior, v.table) for name, v in tests.items()}
        elif len(posterior.hypotheses.fixed) < len(posterior.hypotheses):
            tests = {name: posterior.on(v.table, study.line, study.agent_line) for name, v in tests.items()}
        if study.judgements is not None:
            progress("weighing them by other failure lines")
        return _case(study, posterior, tests, inferred or Extrapolating())


def _infer_agent(study: Study, posterior: Posterior, progress: Callable[[str], None]) -> Reading | None:
    """Infer the agent; None where it has nothing of its own."""
    if not study.infers_agent:
        if not isinstance(study.agent_prior, Simplicity) or not posterior.spaces:
            return None
        return simplest_rules(posterior, study.agent_prior, study.line, study.agent_line)
    progress("reading the agent")
    return read_agent_of(
        posterior,
        study.agent_hypotheses,
        study.prior if study.agent_prior is None else study.agent_prior,
        [replace(feedback, needs=study.needs()) for feedback in study.feedback],
        study.probes,
        study.with_agent_line(study.line),
        study.with_agent_line(study.agent_line),
        **vars(study.spec.fit),
        seed=study.spec.seed,
    )


def check(path: str | Path, progress: Callable[[str], None] = lambda _: None) -> Study:
    """Validate a study file and its data without fitting.

    Everything that `run` refuses is refused, except data that are impossible under every hypothesis.
    """
    study = in_units_of_rewards(load(path, progress))
    evaluate(study, progress)
    return ready(study)


def evaluate(
    study: Study, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Valuation], dict[str, Valuation]]:
    """Evaluate every hypothesis on every table in use.

    Returns
    -------
    training, tests
        Of each feedback; of each test, by name.

    Raises
    ------
    InputError
        Every reward that is not finite.
    """
    problems = Problems(study.path.name)
    known: dict[tuple[int, bool], Valuation | None] = {}
    judge, everybody = with_any_weights(study.hypotheses), with_any_weights(study.all_hypotheses)

    def valued(table: Table, of_agent: bool = False) -> Valuation | None:
        key = id(table), of_agent
        if key not in known:
            progress(f"rewards on {table.name!r}")
            known[key] = None
            try:
                if of_agent:
                    lines = study.with_agent_line(study.line), study.with_agent_line(study.agent_line)
                    known[key] = Valuation(everybody, table, *lines)
                else:
                    known[key] = Valuation(judge, table, study.line, for_labels=True)
            except InputError as error:
                problems.extend(error.problems)
        return known[key]

    training = [valued(feedback.items) for feedback in study.feedback]
    tests = {name: valued(table, of_agent=True) for name, table in study.tests.items()}
    for feedback in [*study.probes, *(study.feedback if len(study.agent_hypotheses) else ())]:
        valued(feedback.items, of_agent=True)
    if study.support is not None:
        valued(study.support)
    with problems.at("[catastrophe] judgements:"):
        _ = study.lines
    problems.refuse()
    return [v for v in training if v is not None], {k: v for k, v in tests.items() if v is not None}


def _case(study: Study, posterior: Posterior, tests: Mapping[str, Valuation], agent: Agent) -> Case:
    """Return the context of the analyses that a study asks for."""
    spec, analysis = study.spec, study.spec.analysis
    judged = None if study.judgements is None else judged_of(posterior, study.judgements, study.lines, spec.seed)
    return Case(
        posterior,
        replace(agent, prior=study.agent_prior),
        agent.informed(study.policy, posterior),
        settings=Settings(
            seed=spec.seed,
            targets=analysis.targets,
            contaminations=analysis.contaminations,
            prob=analysis.prob,
            deployments=analysis.deployments,
            languages=analysis.languages,
            draws=spec.fit.draws * spec.fit.chains,
            rules=analysis.rules,
            show_raters=analysis.show_raters,
        ),
        tests=tests,
        training=_training(posterior, study.support),
        judged=judged,
        source=Source(
            title=spec.title,
            about=spec.about,
            values=study.values,
            digests=study.sources.digests,
            study={"file": readable(study.path.name), "sha256": sha256(study.text.encode()), "text": study.text},
            ledger=analysis.ledger,
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


def _training(posterior: Posterior, support: Table | None) -> Training:
    """Return the training data for the shift check.

    Each table is included once, with every item that some feedback uses. A table that feedbacks use with different counts
    is included once for each column of counts.
    """
    uses: dict[tuple[int, str | None], list[int]] = {}
    for k, feedback in enumerate(posterior.feedback):
        uses.setdefault((id(feedback.table), None if feedback.item_counts is None else feedback.count), []).append(k)
    valuations, counts = [], []
    for members in uses.values():
        using_all = [k for k in members if posterior.feedback[k].used is None]
        k = (using_all or members)[0]
        valuation, item_counts = posterior.valuations[k], posterior.feedback[k].item_counts
        if not using_all and len(members) > 1:
            table, union_counts = rows_used([posterior.feedback[k] for k in members])
            valuation = Valuation(valuation.hypotheses, table, valuation.line)
            item_counts = None if item_counts is None else union_counts
        valuations.append(valuation)
        counts.append(item_counts)
    return Training(tuple(valuations), tuple(counts), support)
