"""Evidence at many failure lines, drawn from judgements and data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.registry import KINDS
from reward_hypotheses.models.hypotheses.failure_judgements import Line, log_mean
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior, posterior_weights
from reward_hypotheses.models.weights.shared_nuisances import exactly

ENOUGH, NEAR, ROUNDS, MORE = 0.2, 15.0, 5, 4
"""The share of draws that should count; nats below the highest evidence within which lines are drawn again; the greatest
number of rounds; and the factor on the number of draws of the last round."""
BOOTSTRAPS = 50
"""Number of bootstraps of the refits for Monte Carlo errors, which have a relative error of 10 %."""
Picks = list[tuple[np.ndarray, np.ndarray]]
"""For each hypothesis, the rewards of the agent's picks, ascending, and their frequencies: two arrays (pick,)."""


def why_it_rests(kind: str, failing: bool) -> str:
    """Return why the evidence of a feedback depends on the failure line.

    Empty where the evidence is independent of the line.
    """
    if failing:
        return "failing is among its options"
    return "" if not KINDS[kind].locates_failure else f"the evidence of {kind} rests on it"


@dataclass(frozen=True, eq=False)
class Draws:
    """Evidence at draws of the failure lines.

    Attributes
    ----------
    u : ndarray (draw, hypothesis)
        Reward units, from ``p(u | judgements)`` or from a part of this distribution.
    log_evidence : ndarray (draw, hypothesis)
        ``log L_j(u_j)``, nats.
    log_share : ndarray (hypothesis,)
        Logarithm of the probability of that part by the judgements: 0 for the whole.
    """

    u: np.ndarray
    log_evidence: np.ndarray
    log_share: np.ndarray

    def evidence(self) -> np.ndarray:
        """Return ``log E[L_j(u_j)]``, nats: (hypothesis,)."""
        return np.array([log_mean(column) for column in self.log_evidence.T]) + self.log_share

    def chances(self) -> np.ndarray:
        """Return the posterior probability of each draw: (draw, hypothesis).

        ``p(u_j | judgements, data)``, each hypothesis separately. Draws are equally probable where the data
        are impossible under a hypothesis at every line.
        """
        top = self.log_evidence.max(axis=0)
        odds = np.exp(self.log_evidence - np.where(np.isfinite(top), top, 0.0))
        odds[:, ~np.isfinite(top)] = 1.0
        return odds / odds.sum(axis=0)

    def effective(self) -> np.ndarray:
        """Return the effective number of draws, ``1 / sum of share^2``: (hypothesis,)."""
        return 1 / (self.chances() ** 2).sum(axis=0)

    def again(self, rng: np.random.Generator) -> "Draws":
        """Return as many draws, drawn with replacement."""
        rows = rng.integers(len(self.u), size=len(self.u))
        return replace(self, u=self.u[rows], log_evidence=self.log_evidence[rows])

    def plus(self, log_evidence: np.ndarray) -> "Draws":
        """Return the draws with more log evidence, (hypothesis,), nats.

        The added evidence is independent of the line.
        """
        return replace(self, log_evidence=self.log_evidence + log_evidence)


@dataclass(frozen=True, eq=False)
class Refits:
    """Evidence at draws of the failure lines.

    Attributes
    ----------
    anywhere : Draws
        From all that the judgements allow.
    near : Draws
        From where the data leave the lines; the same object unless too few draws of `anywhere` count.
    """

    anywhere: Draws
    near: Draws

    def posterior(self, stated: Posterior) -> Posterior:
        """Return the judge's posterior with the evidence ``E[L_j(u_j)]``.

        Raises
        ------
        InputError
            The data are impossible at every one of the lines.
        """
        evidence = self.near.evidence()
        weights = posterior_weights(stated.prior.weights_of(stated.hypotheses), stated.log_prior, evidence)
        return replace(stated, log_evidence=evidence, weights=weights)

    def again(self, rng: np.random.Generator) -> "Refits":
        """Return as many refits, drawn with replacement."""
        return self._changed(lambda draws: draws.again(rng))

    def plus(self, log_evidence: np.ndarray) -> "Refits":
        """Return the refits with more log evidence, (hypothesis,), nats.

        The added evidence is independent of the line.
        """
        return self._changed(lambda draws: draws.plus(log_evidence))

    def _changed(self, change: Callable[[Draws], Draws]) -> "Refits":
        near = change(self.near)
        return Refits(near if self.near is self.anywhere else change(self.anywhere), near)


def drawn_lines(lines: Sequence[Line], n: int, seed: int) -> np.ndarray:
    """Draw the failure lines: (draw, hypothesis)."""
    return np.array(
        [of_hypothesis.draws(n, substream(seed, f"failure line {k}")) for k, of_hypothesis in enumerate(lines)]
    ).T


def refit_lines(lines: Sequence[Line], n: int, seed: int) -> np.ndarray:
    """Draw the failure lines at which evidence is computed again: (draw, hypothesis).

    The lines are at the same quantiles under all hypotheses. Hypotheses between which the data and the judgements are
    silent then keep equal evidence. Draws from these lines pair the hypotheses anew.
    """
    return _at(lines, substream(seed, "refits").random((n, 1)))


def _at(lines: Sequence[Line], p: np.ndarray) -> np.ndarray:
    """Return quantiles p, shape (draw, 1) or (draw, hypothesis), as lines.

    Shape (draw, hypothesis).
    """
    some = np.broadcast_to(p, (len(p), len(lines)))
    return np.column_stack([of_hypothesis.quantile(some[:, k]) for k, of_hypothesis in enumerate(lines)])


def refitted(lines: Sequence[Line], log_evidence: Callable[[np.ndarray], np.ndarray], n: int, seed: int) -> Refits:
    """Compute evidence at draws of the lines, until enough of the draws count.

    First n draws from the judgements; then n more, nearer to the data.

    Parameters
    ----------
    log_evidence : callable
        Of lines (hypothesis,), nats: (hypothesis,).
    """

    def drawn(p: np.ndarray, log_share: np.ndarray) -> Draws:
        u = _at(lines, p)
        return Draws(u, np.array([log_evidence(row) for row in tracked(u, what="evidence at other lines")]), log_share)

    rng = substream(seed, "refits")
    p = np.broadcast_to(rng.random((n, 1)), (n, len(lines)))
    anywhere = near = drawn(p, np.zeros(len(lines)))
    ends = np.tile([0.0, 1.0], (len(lines), 1))
    for _ in range(ROUNDS):
        if near.effective().min() >= ENOUGH * n:
            break
        was = ends[:, 1] - ends[:, 0]
        ends = np.array([_around(p[:, k], near.log_evidence[:, k], *ends[k]) for k in range(len(lines))])
        width = ends[:, 1] - ends[:, 0]
        settled = bool((width > was / 2).all())  # where the data leave them, though few count there: then take more
        p = ends[:, 0] + width * rng.random((MORE * n if settled else n, 1))
        near = drawn(p, np.log(width))
        if settled:
            break
    return Refits(anywhere, near)


def _around(p: np.ndarray, log_evidence: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return the ends of the draws whose evidence is near the highest.

    The ends reach out to the next draws.
    """
    if not np.max(log_evidence) > -np.inf:
        return low, high
    order = np.argsort(p, kind="stable")
    sorted_p = np.concatenate([[low], p[order], [high]])
    some = np.flatnonzero(log_evidence[order] > np.max(log_evidence) - NEAR) + 1
    return float(sorted_p[some[0] - 1]), float(sorted_p[some[-1] + 1])


def exact_evidence_at(hypotheses: Hypotheses, feedback: Sequence[Feedback], line: FailureLine) -> np.ndarray:
    """Return exact log evidence at another failure line: (hypothesis,), nats.

    Of feedback whose evidence is computed exactly.
    """
    known: dict[int, Valuation] = {}
    for of_kind in feedback:
        if id(of_kind.items) not in known:
            known[id(of_kind.items)] = Valuation(hypotheses, of_kind.items, line, for_labels=True)
    evidence = exactly(feedback, [known[id(of_kind.items)] for of_kind in feedback], "auto")
    assert all(e is not None for e in evidence)
    return np.array([e.log_evidence for e in evidence if e is not None]).sum(axis=0)


def resting_on_the_line(feedback: Sequence[Feedback]) -> list[int]:
    """Return the feedback whose evidence depends on the failure line.

    Feedback that shares a rationality with such feedback is included.
    """
    resting = set()
    for k, of_kind in enumerate(feedback):
        failing = of_kind.items.failing()
        if why_it_rests(of_kind.kind, failing is not None and bool(failing.any())):
            resting.add(k)
    shared = {feedback[k].shares for k in resting} - {None}
    return [k for k, of_kind in enumerate(feedback) if k in resting or of_kind.shares in shared]


def evidence_off_the_line(posterior: Posterior, resting: Sequence[int]) -> np.ndarray:
    """Return log evidence of all feedback but the resting, (hypothesis,), nats.

    The Monte Carlo error by which the evidence of a posterior was moved is included.
    """
    each = np.array([evidence.log_evidence for evidence in posterior.evidence])
    rest = each[[k for k in range(len(each)) if k not in resting]].sum(axis=0)
    total, moved = each.sum(axis=0), posterior.log_evidence
    possible = np.isfinite(total) & np.isfinite(moved)
    rest[possible] += moved[possible] - total[possible]
    return np.asarray(rest)


DRAWN_ERRORS = (
    "mcse",
    "mcse_lower",
    "mcse_upper",
    "mcse_by_truth",
    "mcse_weights",
    "refits",
    "effective_refits",
    "shares",
)
"""Keys of ``risk_under_judged_line`` without a Monte Carlo error of their own."""
