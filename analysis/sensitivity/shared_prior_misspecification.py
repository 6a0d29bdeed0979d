"""Misspecification of a prior that agent and judge share.

The risk over all priors near the stated prior is a quadratic programme.
"""

import itertools
import math
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.models.inference.special import log_sum_exp

EXACTLY = 10
"""Greatest number of hypotheses of different evidence for which every face of the simplex is searched."""
NEGLIGIBLE = 1e-15
STEPS, STARTS = 100, 10


def risk_bounds_jointly(
    log_prior: np.ndarray, log_evidence: np.ndarray, matrix: np.ndarray, share: float
) -> tuple[float, float, bool]:
    """Return bounds of the risk where a share of the common prior is wrong.

    Agent and judge share the prior; least and greatest risk over any prior of that share.

    The risk of an agent that draws one hypothesis is ``x'Cx / (1'x)^2``, ``x = L ((1 - e) pi + e q)``, for q on the simplex.
    In ``t_k ∝ q_k 1'p_k``, ``p_k = (1 - e) pi L + e L_k``, the risk is ``t'Mt``, ``M_kl = p_k'C p_l / (1'p_k 1'p_l)``, on a
    simplex: a standard quadratic programme, whose extremes can be inside. For up to 10 hypotheses that the data allow, the
    stationary points of every face are compared, and the bounds are exact. For more, the search climbs from every edge.

    Parameters
    ----------
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        C.
    share : float
        e.

    Returns
    -------
    lower, upper : float
    exact : bool
        Whether the bounds are the extremes; else the extremes lie outside of the bounds.
    """
    both = log_prior + log_evidence
    stated = np.exp(both - np.max(both))
    stated /= stated.sum()
    log_base = math.log1p(-share) + log_sum_exp(both)
    with np.errstate(over="ignore"):
        added = 1 / (1 + np.exp(log_base - math.log(share) - log_evidence))  # share of p_k that L_k is, (hypothesis,)
    relevant = np.flatnonzero(added > NEGLIGIBLE)
    rest = np.setdiff1d(np.arange(len(added)), relevant)
    at = np.concatenate([relevant, rest[:1]])  # those that add nothing are one corner
    put = added[at]
    stated_part = (1 - put)[:, None] * stated
    rows, columns = stated_part @ matrix.T, stated_part @ matrix  # (corner, hypothesis): C q and q'C
    m = (
        stated_part @ matrix @ stated_part.T
        + put[:, None] * rows[:, at].T
        + put * columns[:, at]
        + np.outer(put, put) * matrix[np.ix_(at, at)]
    )
    m = (m + m.T) / 2
    exact = len(at) <= EXACTLY
    search = _on_every_face if exact else _from_edges
    return float(np.clip(-search(-m), 0.0, 1.0)), float(np.clip(search(m), 0.0, 1.0)), exact


def _on_every_face(m: np.ndarray) -> float:
    """Return the greatest ``t'Mt`` over the simplex, face by face.

    Compared are the corners and the stationary point of each face.
    """
    best = float(np.diag(m).max())
    for size in range(2, len(m) + 1):
        faces = np.array(list(itertools.combinations(range(len(m)), size)))
        inside = m[faces[:, :, None], faces[:, None, :]]
        bordered = np.zeros((len(faces), size + 1, size + 1))  # M t = lambda 1, 1't = 1
        bordered[:, :size, :size] = inside
        bordered[:, :size, size] = bordered[:, size, :size] = 1.0
        regular = np.linalg.cond(bordered) < 1e13  # where it is not, an edge of the face is as good
        if not regular.any():
            continue
        right = np.zeros((int(regular.sum()), size + 1, 1))
        right[:, size] = 1.0
        t = np.linalg.solve(bordered[regular], right)[:, :size, 0]
        possible = (t >= 0).all(axis=1)
        if possible.any():
            values = np.einsum("fi,fij,fj->f", t[possible], inside[regular][possible], t[possible])
            best = max(best, float(values.max()))
    return best


def _from_edges(m: np.ndarray) -> float:
    """Return a lower bound of the greatest ``t'Mt`` over the simplex.

    The best of every edge is improved by climbing.
    """
    d = np.diag(m)
    bend = d[:, None] + d - 2 * m
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(bend < 0, (d - m) / bend, 0.0)  # t = (x, 1 - x), stationary
    x = np.where((x > 0) & (x < 1), x, (d[:, None] >= d).astype(float))
    value = x**2 * d[:, None] + 2 * x * (1 - x) * m + (1 - x) ** 2 * d
    best = float(value.max())
    shifted = m - m.min() + 1e-12  # positive, so that the replicator climbs
    for k in np.argsort(-value, axis=None)[:STARTS].tolist():
        i, j = k // len(m), k % len(m)
        t = np.full(len(m), 1e-3 / len(m))
        t[i] += x[i, j]
        t[j] += 1 - x[i, j]
        t /= t.sum()
        for _ in range(STEPS):
            gain = shifted @ t
            t = t * gain / (t @ gain)
        best = max(best, float(t @ m @ t))
    return best


class JointRiskBounds(Section[Document]):
    """Bounds of the risk where agent and judge share a misspecified prior.

    None for other agents and policies.
    """

    keys = ("risk_bounds_jointly",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document | None:
        posterior = case.posterior
        shared = case.agent.learns_with_judge and case.agent.prior is None and posterior.hypotheses.unmodelled is None
        if not shared or not case.policy.mixes_weights:
            return None
        document: Document = {}
        for e in case.settings.contaminations:
            lower, upper, exact = risk_bounds_jointly(
                posterior.log_prior, posterior.log_evidence, case.risk.matrix, float(e)
            )
            exact = exact and not posterior.spaces  # whose rules keep their shares
            document[repr(float(e))] = {"lower": lower, "upper": upper, "exact": exact}
        return document
