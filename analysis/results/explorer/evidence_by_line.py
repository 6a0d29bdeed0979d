"""Log evidence as the failure line moves.

Constant, a step function, or known on a grid.
"""

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.explorer.packing import packed
from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.analysis.sensitivity.failure_line_curve import failure_curve
from reward_hypotheses.analysis.sensitivity.failure_line_refits import evidence_off_the_line, resting_on_the_line
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior

BREAKS = 5000
"""Steps of all hypotheses up to which the step functions are written out."""


def evidence_by_line(case: Case) -> Document:
    """Return the judge's log evidence with every failure line at ``u_h + t unit_h``.

    Returns
    -------
    dict
        ``why_not``: why the line cannot be moved; None where it can. ``unit`` (hypothesis,), reward units. ``kind``:
        ``"constant"`` where no feedback depends on the line. ``"steps"`` where labels alone do: ``steps`` has, for each
        hypothesis, ``breaks`` (step,), ascending, in units, and ``log_evidence`` (step + 1,), nats: entry k is the log
        evidence where k breaks are at t or below. ``"grid"`` elsewhere: ``at`` (step,) and ``log_evidence``, lists
        (step, hypothesis).
        An impossible log evidence is None in lists, and -1e300 in packed arrays.
    """
    curve = failure_curve(case.posterior, case.valuation, case.policy, case.agent_weights, known=case.known)
    if isinstance(curve, str):
        return {"why_not": curve}
    document: Document = {"why_not": None, "unit": curve.unit.tolist(), "kind": "constant"}
    resting = resting_on_the_line(case.posterior.feedback)
    if not resting:
        return document
    steps = label_steps(case.posterior, resting, curve.unit)
    if steps is not None:
        of_each = [
            {"breaks": packed(breaks), "log_evidence": packed(np.maximum(log_evidence, -1e300))}
            for breaks, log_evidence in steps
        ]
        return document | {"kind": "steps", "steps": of_each}
    rows = [[x if np.isfinite(x) else None for x in row] for row in curve.log_evidence.tolist()]
    return document | {"kind": "grid", "at": list(curve.at), "log_evidence": rows}


def label_steps(
    posterior: Posterior, resting: list[int], unit: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Return the log evidence of labels as step functions of the failure line.

    With k wrong labels of n, the evidence is that of `Labels`; an item is predicted to be better than failing where
    ``r - u > t unit``. So k changes at ``t = (r - u) / unit`` alone.

    Parameters
    ----------
    resting : list of int
        The feedback whose evidence depends on the line.
    unit : ndarray (hypothesis,)

    Returns
    -------
    list of (ndarray (step,), ndarray (step + 1,)) or None
        Breaks and log evidence of each hypothesis. None where not labels alone depend on the line, or there are too many
        breaks.
    """
    feedback = [posterior.feedback[k] for k in resting]
    if not all(isinstance(labels, Labels) and labels.items.failing() is None for labels in feedback):
        return None
    if (unit <= 0).any():
        return None
    rest = evidence_off_the_line(posterior, resting)
    gaps = [_gaps(posterior.valuations[k]) / unit[:, None] for k in resting]
    out: list[tuple[np.ndarray, np.ndarray]] = []
    for h, log_rest in enumerate(rest.tolist()):
        breaks = distinct(np.concatenate([gap[h] for gap in gaps]))[0]
        if sum(len(known) for known, _ in out) + len(breaks) > BREAKS:
            return None
        total = np.full(len(breaks) + 1, log_rest)
        for labels, gap in zip(feedback, gaps, strict=True):
            assert isinstance(labels, Labels)
            times = np.ones(len(labels.observed)) if labels.counts is None else np.asarray(labels.counts, float)
            # a label is wrong where an item that is better than failing is labelled false, or another true
            place = np.searchsorted(breaks, gap[h]) + 1
            change = np.bincount(place, np.where(labels.observed, times, -times), len(breaks) + 1)
            wrong = times[~labels.observed].sum() + np.cumsum(change)
            total += labels.log_marginal(np.round(wrong)[:, None], labels.n_answers)
        out.append((breaks, total))
    return out


def _gaps(valuation: Valuation) -> np.ndarray:
    """Return ``r - u`` of every item, 0 where the two are equal: (hypothesis, item)."""
    out = np.zeros((len(valuation.hypotheses), valuation.table.n_items))
    for block in valuation.blocks():
        inside = np.ones(block.shape, bool) if block.available is None else block.available
        for h in range(len(out)):
            gap = np.broadcast_to(block.reward(h) - block.failure(h), block.shape)
            out[h, block.items[inside]] = np.where(np.abs(gap) <= block.unequal(h), 0.0, gap)[inside]
    return out
