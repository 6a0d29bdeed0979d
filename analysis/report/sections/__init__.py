"""Topics of a report, one module a topic, presented from the results document alone."""

from reward_hypotheses.analysis.report.presentation import Document, Presentation
from reward_hypotheses.analysis.report.sections import (
    agents,
    drivers,
    evidence,
    feedback,
    fit,
    frontier,
    more_data,
    question,
    risk,
    risk_parts,
    sensitivity,
    shift,
    values,
)

MODULES = (
    question, risk, fit, drivers, agents, risk_parts, frontier, evidence, feedback, values, more_data, shift, sensitivity
)  # fmt: skip
TOPICS = tuple(module.present for module in MODULES)
"""Functions that present a topic."""


def presented(document: Document) -> list[Presentation]:
    """Return the presentations of every topic."""
    return [presentation for present in TOPICS for presentation in present(document)]
