"""Predictive checks of every feedback, and how the evidence was computed."""

from collections.abc import Iterator
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.worst_fitting_subgroup import subgroups_document
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.differing_groups import group_check
from reward_hypotheses.models.weights.predictive_check import predictive_check
from reward_hypotheses.models.weights.raters.check import rater_check
from reward_hypotheses.models.weights.weigh import idle_warnings

BINS = 30
"""Bins of the histogram of a check's replications."""


class FeedbackListed(Section[Document]):
    """Every feedback: settings, method of the evidence, and number of items."""

    keys = ("feedback", "fit", "n_items")
    urgency = 45

    @override
    def compute(self, case: Case) -> Document:
        posterior = case.posterior
        return {
            "feedback": {
                str(f.name): {
                    "kind": f.kind,
                    "table": f.table.name,
                    "column": f.column or None,
                    "settings": f.settings(),
                }
                for f in posterior.feedback
            },
            "fit": _methods(posterior),
            "n_items": {str(f.name): e.n_items for f, e in zip(posterior.feedback, posterior.evidence, strict=True)},
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        used: set[tuple[int, str]] = set()
        for feedback in case.posterior.feedback:
            table, column = feedback.table, feedback.column
            if feedback.in_column and (id(table), column) in used:
                yield f"{feedback.name}: column {column!r} of table {table.name!r} is used by another feedback too"
            used.add((id(table), column))
            if feedback.dropped:
                yield (
                    f"{feedback.name}: {feedback.dropped} of {feedback.dropped + feedback.items.n_items} rows of {table.name!r} lack "
                    f"{column!r}{'' if feedback.count is None else f', their {feedback.count!r}'} or a feature and were left out"
                )
        yield from idle_warnings(case.posterior.feedback, case.posterior.valuations)


def _methods(posterior: Posterior) -> Document:
    methods = {estimate.name: estimate.method for estimate in posterior.estimates}
    sampler = posterior.sampler
    if sampler is None:
        return {"methods": methods, "sampler": None}
    chains, draws = sampler.stats["energy"].shape[:2]
    diagnostics = {key: getattr(sampler, key) for key in ("divergences", "r_hat", "ess", "target_accept")}
    return {"methods": methods, "sampler": {"name": "NUTS (nutpie)", "chains": chains, "draws": draws} | diagnostics}


class PredictiveCheck(Section[Document]):
    """Predictive check of every feedback, and the subgroups and groups that fit worst."""

    keys = ("predictive_check", "subgroups", "between_groups", "misfit")
    topic = "fit"
    urgency = 90

    @override
    def progress(self, case: Case) -> str:
        return "checking the model against the training data"

    @override
    def compute(self, case: Case) -> Document:
        rules = case.posterior.of_rules()
        misfit: list[str] = []
        checks: Document = {}
        for k, feedback in enumerate(tracked(case.posterior.feedback)):
            stream = substream(case.seed, f"check {feedback.name}")
            check = predictive_check(rules, k, stream) if rules.people is None else rater_check(rules, k, stream)
            misfit.extend(check.misfit)
            checks[str(feedback.name)] = {
                **{key: getattr(check, key) for key in ("statistic", "p", "mcse", "replications", "what")},
                "replicated": _histogram(check.replicated, check.statistic),
            }
        subgroups: Document = {}
        between: Document = {}
        if rules.people is None:
            subgroups, misfits = subgroups_document(rules, case.seed)
            misfit += misfits
            between, misfits = _between_groups(rules, case.seed)
            misfit += misfits
        if int(np.argmax(case.posterior.weights)) == case.posterior.hypotheses.unmodelled:
            misfit = [words.replace("the leading hypothesis", "the leading rule") for words in misfit]
        return {
            "predictive_check": checks,
            "subgroups": subgroups,
            "between_groups": between,
            "misfit": misfit,
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        yield from result["misfit"]


def _between_groups(posterior: Posterior, seed: int) -> tuple[Document, list[str]]:
    """Return the checks of columns that may stand for people, and the misfits."""
    besides = {c for feedback in posterior.feedback for c in feedback.said_columns}
    document: Document = {}
    misfit: list[str] = []
    for k, feedback in enumerate(posterior.feedback):
        found = group_check(posterior, k, substream(seed, f"groups {feedback.name}"), besides)
        if found is not None:
            document[str(feedback.name)] = {
                **{key: getattr(found, key) for key in ("column", "groups", "on", "looked_at")},
                **{key: getattr(found.check, key) for key in ("statistic", "p", "mcse", "replications")},
            }
            misfit.extend(found.check.misfit)
    return document, misfit


def _histogram(replicated: np.ndarray, statistic: float) -> Document:
    """Return counts of a check's statistic over its replications.

    The bins reach to the statistic of the data.
    """
    low, high = min(float(replicated.min()), statistic), max(float(replicated.max()), statistic)
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(replicated, bins=BINS, range=(low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}
