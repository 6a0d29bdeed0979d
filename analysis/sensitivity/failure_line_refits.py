"""The risk where the failure line is known by judgements: ``mean_m sum_o A sum_j v_j P(u_j > r_j(o))``, as plain numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.catastrophe import quantile, scene_weights
from reward_hypotheses.analysis.sensitivity.variance_decomposition import Shares, shares_of_variance
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_judgements import FailureJudgements, Line, log_mean
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.posterior import MATTERS, Posterior, posterior_weights
from reward_hypotheses.models.weights.shared_nuisances import exactly

FREE = ("rewards", "choices", "rankings", "ratings", "demonstrations", "proxy")
"""Feedback whose evidence does not rest on where failing lies, unless failing is among its options."""
REFITS = 200
"""Draws of the line at which a study weighs again what rests on it."""
ENOUGH, NEAR, ROUNDS, MORE = 0.2, 15.0, 5, 4
"""The share of draws that should count; nats below the highest evidence within which lines are drawn again; how many times at
most; and how many times as many where drawing nearer brings no more."""
BOOTSTRAPS = 50
"""Times that these are drawn anew with replacement, for the Monte Carlo errors that they leave: to 10 % of themselves."""
FEW = 20
"""Of effective refits: below this their errors are not to be relied on."""

Picks = list[tuple[np.ndarray, np.ndarray]]
"""Under each hypothesis, the rewards of what the agent picks, ascending, and how often it does: two arrays each (pick,)."""


def why_it_rests(kind: str, failing: bool) -> str:
    """Why the evidence of a feedback rests on the failure line; empty where it does not."""
    if failing:
        return "failing is among its options"
    return "" if kind in FREE else f"the evidence of {kind} rests on it"


@dataclass(frozen=True, eq=False)
class Draws:
    """Evidence at draws of the failure lines.

    Attributes
    ----------
    u : ndarray (draw, hypothesis)
        Reward units: from ``p(u | judgements)``, or from some part of it.
    log_evidence : ndarray (draw, hypothesis)
        ``log L_j(u_j)``, nats.
    log_share : ndarray (hypothesis,)
        Logarithm of the probability of that part by the judgements: 0 of the whole.
    """

    u: np.ndarray
    log_evidence: np.ndarray
    log_share: np.ndarray

    def evidence(self) -> np.ndarray:
        """``log E[L_j(u_j)]``, nats: (hypothesis,)."""
        return np.array([log_mean(column) for column in self.log_evidence.T]) + self.log_share

    def chances(self) -> np.ndarray:
        """``p(u_j | judgements, data)`` over the draws, each hypothesis by itself: (draw, hypothesis).

        Where the data are impossible under a hypothesis whatever its line, they say nothing of that.
        """
        top = self.log_evidence.max(axis=0)
        odds = np.exp(self.log_evidence - np.where(np.isfinite(top), top, 0.0))
        odds[:, ~np.isfinite(top)] = 1.0
        return odds / odds.sum(axis=0)

    def effective(self) -> np.ndarray:
        """Effective number of draws, ``1 / sum of share^2``: (hypothesis,)."""
        return 1 / (self.chances() ** 2).sum(axis=0)

    def again(self, rng: np.random.Generator) -> "Draws":
        """As many of them, drawn with replacement."""
        rows = rng.integers(len(self.u), size=len(self.u))
        return replace(self, u=self.u[rows], log_evidence=self.log_evidence[rows])

    def plus(self, log_evidence: np.ndarray) -> "Draws":
        """With more evidence, which does not rest on the line: (hypothesis,)."""
        return replace(self, log_evidence=self.log_evidence + log_evidence)


@dataclass(frozen=True, eq=False)
class Refits:
    """Evidence at draws of the failure lines from all that judgements allow, and from where the data leave them.

    They are the same unless too few of the former count.
    """

    anywhere: Draws
    near: Draws

    def held(self, posterior: Posterior) -> Posterior:
        """Give the judge's posterior of ``E[L_j(u_j)]``.

        Raises
        ------
        InputError
            The data are impossible at every one of the lines.
        """
        evidence = self.near.evidence()
        weights = posterior_weights(posterior.prior.weights_of(posterior.hypotheses), posterior.log_prior, evidence)
        return replace(posterior, log_evidence=evidence, weights=weights)

    def again(self, rng: np.random.Generator) -> "Refits":
        """As many of them, drawn with replacement."""
        near = self.near.again(rng)
        return Refits(near if self.near is self.anywhere else self.anywhere.again(rng), near)

    def plus(self, log_evidence: np.ndarray) -> "Refits":
        """With more evidence, which does not rest on the line: (hypothesis,)."""
        near = self.near.plus(log_evidence)
        return Refits(near if self.near is self.anywhere else self.anywhere.plus(log_evidence), near)


@dataclass(frozen=True)
class Ends:
    """Ends of an interval, and their Monte Carlo errors."""

    lower: float
    upper: float
    mcse_lower: float
    mcse_upper: float

    @classmethod
    def of(cls, risks: np.ndarray, prob: float) -> "Ends":
        """Equal-tailed, of independent draws."""
        ordered = np.sort(risks)
        lower, mcse_lower = quantile(ordered, (1 - prob) / 2)
        upper, mcse_upper = quantile(ordered, (1 + prob) / 2)
        return cls(lower, upper, mcse_lower, mcse_upper)


@dataclass(frozen=True, eq=False)
class UnderLine:
    """The risk with the failure line as judgements leave it.

    Attributes
    ----------
    mean, mcse : float
    ends : Ends
        Of the equal-tailed interval over draws of the values and of the line together.
    by_truth, weights : ndarray (hypothesis,)
        ``mean_m sum_o A P(u_j > r_j(o))``, and the judge's weights, whose product the mean is; ``mcse_by_truth`` and
        ``mcse_weights`` their errors.
    risks : ndarray (draw,)
    refits : int
        0 where none was asked.
    effective : float or None
        The least effective number of refits, of a hypothesis that matters.
    shares : Shares or None
        Which of the two doubts moves the risk; None where the values have none.
    """

    mean: float
    mcse: float
    ends: "Ends"
    by_truth: np.ndarray
    mcse_by_truth: np.ndarray
    weights: np.ndarray
    mcse_weights: np.ndarray
    risks: np.ndarray
    refits: int = 0
    effective: float | None = None
    shares: Shares | None = None


def picks(valuation: Valuation, policy: Policy, agent: np.ndarray, n: int) -> Picks:
    """What an agent picks on a test, by what it is worth under each of the first n hypotheses."""
    weight, total = scene_weights(valuation)
    scales = within_scene_scale(valuation) if policy.needs_scale else None
    found: list[Picks] = [[] for _ in range(n)]
    for block in valuation.blocks():
        acts = (
            np.asarray(policy.act(View(block, policy.abstain, scales), agent))[: block.shape[0]]
            * weight[block.scenes]
            / total
        )
        some = acts > 0
        for h, parts in enumerate(found):
            parts.append(_added_up(np.broadcast_to(block.reward(h), block.shape)[some], acts[some]))
    return [_added_up(*(np.concatenate([part[k] for part in parts]) for k in (0, 1))) for parts in found]


def _added_up(rewards: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each reward once, ascending, with all its mass."""
    if not rewards.size:
        return rewards, mass
    values, _, place, _ = distinct(rewards)
    return values, np.bincount(place, mass, len(values))


def worse_at(picked: Picks, u: np.ndarray) -> np.ndarray:
    """How often the agent picks what is worse than u under each hypothesis: (draw, hypothesis)."""
    columns = []
    for h, (rewards, mass) in enumerate(picked):
        below = np.concatenate([[0.0], np.cumsum(mass)])
        columns.append(below[np.searchsorted(rewards, u[:, h], side="left")])
    return np.minimum(np.array(columns).T, 1.0)


def drawn_lines(lines: Sequence[Line], n: int, seed: int) -> np.ndarray:
    """Draws of the failure lines: (draw, hypothesis)."""
    return np.array([one.draws(n, substream(seed, f"failure line {k}")) for k, one in enumerate(lines)]).T


def refit_lines(lines: Sequence[Line], n: int, seed: int) -> np.ndarray:
    """Draws of the failure lines at which evidence is computed again: (draw, hypothesis).

    At the same quantiles under all hypotheses, so that those between which the data and the judgements are silent keep
    equal evidence; what is drawn from them pairs lines anew.
    """
    return _at(lines, substream(seed, "refits").random((n, 1)))


def _at(lines: Sequence[Line], p: np.ndarray) -> np.ndarray:
    """Quantiles p, of all lines or of each, as lines: (draw, hypothesis)."""
    some = np.broadcast_to(p, (len(p), len(lines)))
    return np.column_stack([one.quantile(some[:, k]) for k, one in enumerate(lines)])


def refitted(lines: Sequence[Line], log_evidence: Callable[[np.ndarray], np.ndarray], n: int, seed: int) -> Refits:
    """Compute evidence at n draws of the lines, then at n more where the data leave them, until enough of these count.

    Parameters
    ----------
    log_evidence : callable
        Of lines (hypothesis,), nats: (hypothesis,).
    """

    def drawn(p: np.ndarray, log_share: np.ndarray) -> Draws:
        u = _at(lines, p)
        return Draws(u, np.array([log_evidence(row) for row in u]), log_share)

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
        found = bool((width > was / 2).all())  # where the data leave them, though few count there: then take more
        p = ends[:, 0] + width * rng.random((MORE * n if found else n, 1))
        near = drawn(p, np.log(width))
        if found:
            break
    return Refits(anywhere, near)


def _around(p: np.ndarray, log_evidence: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Ends of what holds the draws whose evidence is not far below the highest, out to the next ones."""
    if not np.max(log_evidence) > -np.inf:
        return low, high
    order = np.argsort(p, kind="stable")
    sorted_p = np.concatenate([[low], p[order], [high]])
    some = np.flatnonzero(log_evidence[order] > np.max(log_evidence) - NEAR) + 1
    return float(sorted_p[some[0] - 1]), float(sorted_p[some[-1] + 1])


def risk_of_lines(
    posterior: Posterior, lines: Sequence[Line], picked: Picks, prob: float, n: int, seed: int, shares_too: bool = True
) -> UnderLine:
    """Compute the risk where no evidence rests on the line: exact but for the quadrature of u, its interval by n draws.

    Parameters
    ----------
    posterior : Posterior
        The judge's.
    """
    by_truth = np.array([one.above(rewards) @ mass for one, (rewards, mass) in zip(lines, picked, strict=True)])
    by_truth = np.clip(by_truth, 0.0, 1.0)
    _, drawn, _ = posterior.draws(n, substream(seed, "values"))
    risks = (drawn * worse_at(picked, drawn_lines(lines, n, seed))).sum(axis=1)
    none, weights = np.zeros(len(by_truth)), posterior.weights
    shares = None
    if shares_too and posterior.prior.uncertain:
        values = [posterior.draws(n, substream(seed, f"shares of values {k}"))[1] for k in (0, 1)]
        bad = [worse_at(picked, drawn_lines(lines, n, seed + 1 + k)) for k in (0, 1)]
        shares = shares_of_variance(lambda of_values, of_line: (values[of_values] * bad[of_line]).sum(axis=1))
    ends = Ends.of(risks, prob)
    return UnderLine(float(weights @ by_truth), 0.0, ends, by_truth, none, weights, none, risks, shares=shares)


def risk_of_refits(
    posterior: Posterior, refits: Refits, picked: Picks, prob: float, n: int, seed: int, bootstraps: int = BOOTSTRAPS
) -> UnderLine:
    """Compute the risk where some evidence rests on the line: ``v_j ∝ pi_j E[L_j(u_j)]``, ``p(u_j) ∝ p(u_j | judgements) L_j(u_j)``.

    Parameters
    ----------
    posterior : Posterior
        The judge's; its evidence is not looked at.
    picked : Picks
        Of the agent, whatever it was trained with.
    bootstraps : int
        For the errors of all but the mean, which are 0 unless there are at least two; without any, no shares of the variance.

    Raises
    ------
    InputError
        The data are impossible at every one of the lines.
    """
    held, near = refits.held(posterior), refits.near
    count, chances, bad = len(near.u), near.chances(), worse_at(picked, near.u)
    by_truth = (chances * bad).sum(axis=0)
    mean = float(held.weights @ by_truth)
    spread = ((count * chances * (bad - mean)) @ held.weights).std(ddof=1)
    risks = _risks(held, refits, picked, n, substream(seed, "values at refits"))
    ends = Ends.of(risks, prob)
    again = []
    rng = substream(seed, "refits again")
    for _ in range(bootstraps):
        some = refits.again(rng)
        try:
            moved = some.held(posterior)
        except InputError:  # the few lines at which the data are possible are not among them
            continue
        other = Ends.of(_risks(moved, some, picked, n, rng), prob)
        truths = (some.near.chances() * worse_at(picked, some.near.u)).sum(axis=0)
        again.append([other.lower, other.upper, *truths, *moved.weights])
    error = np.zeros(2 + 2 * len(by_truth))
    if len(again) > 1:  # each with values drawn anew, so that their error is in it
        error = np.std(again, axis=0, ddof=1)
        ends = replace(ends, mcse_lower=float(error[0]), mcse_upper=float(error[1]))
    of_truth, of_weights = np.split(error[2:], 2)
    return UnderLine(
        mean=mean,
        mcse=float(spread / np.sqrt(count)),
        ends=ends,
        by_truth=by_truth,
        mcse_by_truth=of_truth,
        weights=held.weights,
        mcse_weights=of_weights,
        risks=risks,
        refits=count,
        effective=float(near.effective()[held.weights > MATTERS].min()),
        shares=_shares(held, refits, picked, n, seed) if bootstraps else None,
    )


def _shares(held: Posterior, refits: Refits, picked: Picks, n: int, seed: int) -> Shares | None:
    """Shares of the variance, values and lines each as the data leave them, but drawn apart from one another."""
    if not held.prior.uncertain:
        return None
    drawn = [_drawn(held, refits, picked, n, substream(seed, f"shares {k}")) for k in range(4)]
    values, lines = [one[0] for one in drawn[:2]], [one[1:] for one in drawn[2:]]
    return shares_of_variance(lambda of_values, of_line: _weighed(values[of_values], *lines[of_line]))


def _risks(held: Posterior, refits: Refits, picked: Picks, n: int, rng: np.random.Generator) -> np.ndarray:
    """Risks at draws of values and lines from ``p(pi, u | data)``: (draw,)."""
    return _weighed(*_drawn(held, refits, picked, n, rng))


def _drawn(
    held: Posterior, refits: Refits, picked: Picks, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws of pi, and log evidence and risk by truth at draws of the lines, from ``p(pi, u | data)``: (draw, hypothesis) each.

    A truth is drawn, then pi given it and its line given the data; of the other lines what the judgements say.
    """
    anywhere, near = refits.anywhere, refits.near
    columns = np.arange(len(held.weights))
    truths = rng.choice(len(columns), n, p=held.weights)
    pi = held.prior.draws(held.hypotheses, truths, rng)
    at = rng.integers(len(anywhere.u), size=(n, len(columns)))
    log_evidence, bad = anywhere.log_evidence[at, columns], worse_at(picked, anywhere.u)[at, columns]
    chances, bad_near = near.chances(), worse_at(picked, near.u)
    for h in columns:
        mine = truths == h
        if mine.any():
            its = rng.choice(len(near.u), int(mine.sum()), p=chances[:, h])
            log_evidence[mine, h], bad[mine, h] = near.log_evidence[its, h], bad_near[its, h]
    return pi, log_evidence, bad


def _weighed(pi: np.ndarray, log_evidence: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """``sum_j v_j d_j`` with v proportional to ``pi_j L_j``: (draw,); 0 where no truth is possible, which weighs nothing."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(pi) + log_evidence
    top = log_weights.max(axis=1, keepdims=True)
    odds = np.exp(log_weights - np.where(np.isfinite(top), top, 0.0))
    total = odds.sum(axis=1)
    return (odds * bad).sum(axis=1) / np.where(total > 0, total, 1.0)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a study's judgements say of the failure line.

    Attributes
    ----------
    lines : tuple of Line
        One a hypothesis of the judge's.
    resting : tuple of int
        Which feedback is weighed again, for its evidence rests on the line, or it shares a rationality with such.
    refits : Refits or None
        Of these feedbacks alone; None where there are none, or none can be weighed again.
    why_not : str
        Why there is no risk under the line; empty where there is one.
    bootstraps : int
    """

    judgements: FailureJudgements
    lines: tuple[Line, ...]
    resting: tuple[int, ...]
    refits: Refits | None
    why_not: str = ""
    bootstraps: int = BOOTSTRAPS

    def without_errors(self) -> "Judged":
        """The same, Monte Carlo errors left out."""
        return replace(self, bootstraps=0)

    def whole(self, posterior: Posterior) -> Refits | None:
        """Refits of all feedback, that which does not rest on the line as a posterior has it."""
        if self.refits is None:
            return None
        base = np.array([e.log_evidence for e in posterior.evidence])
        rest = [k for k in range(len(base)) if k not in self.resting]
        total, moved = base.sum(axis=0), posterior.log_evidence
        possible = np.isfinite(total) & np.isfinite(moved)
        error = np.where(possible, np.where(possible, moved, 0.0) - np.where(possible, total, 0.0), 0.0)
        return self.refits.plus(base[rest].sum(axis=0) + error)

    def risk(
        self,
        posterior: Posterior,
        valuation: Valuation,
        policy: Policy,
        agent: np.ndarray,
        prob: float,
        n: int,
        seed: int,
    ) -> UnderLine | None:
        """Compute the risk of an agent on a test; None where there is none.

        Parameters
        ----------
        posterior : Posterior
            The judge's, as the study weighed it.
        valuation : Valuation
            Of the test, the judge's hypotheses first.
        agent : ndarray (hypothesis,)
            The agent's weights, which are held: what it learned, it learned by the line that was stated.
        """
        if self.why_not:
            return None
        picked, refits = picks(valuation, policy, agent, len(posterior.weights)), self.whole(posterior)
        if refits is None:
            return risk_of_lines(posterior, self.lines, picked, prob, n, seed, self.bootstraps > 0)
        return risk_of_refits(posterior, refits, picked, prob, n, seed, self.bootstraps)

    def warnings(self, posterior: Posterior) -> list[str]:
        """What to know of it before believing any of it."""
        out = [f"risk_under_judged_line is null: {self.why_not}"] if self.why_not else []
        line = posterior.valuations[0].line
        for name, value in zip(posterior.hypotheses.names, line.values, strict=True):
            if isinstance(value, Expression) and value.columns:
                out.append(
                    f"the judged failure line of {name!r} is one number, where fail_utility ({value.text}) may differ between scenes"
                )
        return out


def judged_of(posterior: Posterior, judgements: FailureJudgements, lines: Sequence[Line], seed: int) -> Judged:
    """Weigh again, at draws of the line, what rests on it.

    Parameters
    ----------
    posterior : Posterior
        The judge's, whose feedback and hypotheses these are.
    lines : sequence of Line
        As `FailureJudgements.lines` gives them.
    """
    resting = resting_on_the_line(posterior.feedback)
    given = (judgements, tuple(lines), tuple(resting))
    if not resting:
        return Judged(*given, None)
    sampled = [k for k in resting if posterior.evidence[k].method != "exact"]
    if sampled:
        names = ", ".join(repr(str(posterior.feedback[k].name)) for k in sampled)
        why = (
            f"the evidence of feedback {names} goes with the failure line and was not computed exactly, so it is not computed "
            "again at other lines"
        )
        return Judged(*given, None, why)
    feedback = [posterior.feedback[k] for k in resting]

    def log_evidence(u: np.ndarray) -> np.ndarray:
        return exact_evidence_at(posterior.hypotheses, feedback, FailureLine(tuple(u.tolist())))

    refits = refitted(lines, log_evidence, REFITS, seed)
    found = Judged(*given, refits)
    whole = found.whole(posterior)
    assert whole is not None
    try:
        whole.held(posterior)
    except InputError:
        return Judged(
            *given, None, f"the data are impossible at each of {REFITS} failure lines drawn from the judgements"
        )
    return found


def exact_evidence_at(hypotheses: Hypotheses, feedback: Sequence[Feedback], line: FailureLine) -> np.ndarray:
    """Log evidence of feedback whose evidence is exact with another failure line, nats: (hypothesis,)."""
    known: dict[int, Valuation] = {}
    for one in feedback:
        if id(one.items) not in known:
            known[id(one.items)] = Valuation(hypotheses, one.items, line, for_labels=True)
    found = exactly(feedback, [known[id(one.items)] for one in feedback], "auto")
    assert all(e is not None for e in found)
    return np.array([e.log_evidence for e in found if e is not None]).sum(axis=0)


def resting_on_the_line(feedback: Sequence[Feedback]) -> list[int]:
    """Feedback whose evidence rests on the line, and what shares a rationality with such."""
    own = set()
    for k, one in enumerate(feedback):
        failing = one.items.failing()
        if why_it_rests(one.kind, failing is not None and bool(failing.any())):
            own.add(k)
    shared = {feedback[k].shares for k in own} - {None}
    return [k for k, one in enumerate(feedback) if k in own or one.shares in shared]


def line_document(judged: Judged, names: Sequence[str], prob: float) -> dict[str, Any]:
    """What a study's judgements say of each hypothesis's failure line, for the results."""
    asked = judged.judgements.asked
    ends = [one.quantile([(1 - prob) / 2, (1 + prob) / 2]).tolist() for one in judged.lines]
    return {
        "by_hypothesis": {
            name: {
                "mean": one.mean,
                "sd": one.sd,
                "lower": lower,
                "upper": upper,
                "mcse": one.error,
                "rationality": one.rationality,
                "log_evidence": one.log_evidence,
            }
            for name, one, (lower, upper) in zip(names, judged.lines, ends, strict=True)
        },
        "prob": prob,
        "source": judged.judgements.source,
        "table": asked.table.name,
        "column": asked.column,
        "items": asked.items.n_items,
        "rather_nothing": int(asked.observed.sum()),
        "settings": {
            key: {name: judged.judgements.of_each(key, name) for name in names} for key in ("centre", "spread")
        }
        | {"rationality": asked.rationality},
    }


def risk_document(found: UnderLine | None, names: Sequence[str]) -> dict[str, Any] | None:
    """Give the risk under the judged line as the results have it."""
    if found is None:
        return None
    arrays = ("by_truth", "mcse_by_truth", "weights", "mcse_weights")
    return (
        {"mean": found.mean, "mcse": found.mcse}
        | vars(found.ends)
        | {key: dict(zip(names, getattr(found, key).tolist(), strict=True)) for key in arrays}
        | {"refits": found.refits, "effective_refits": found.effective}
        | {"shares": None if found.shares is None else found.shares.document()}
    )


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
"""Of ``risk_under_judged_line``: what has no Monte Carlo error of its own."""


def add_errors(risk: dict[str, Any], error: dict[str, Any]) -> None:
    """Add the errors by sampled evidence to those by draws of the line and the values."""
    risk["mcse"] = float(np.hypot(risk["mcse"], error["mean"]))
    for end in ("lower", "upper"):
        risk[f"mcse_{end}"] = float(np.hypot(risk[f"mcse_{end}"], error[end]))
    for key in ("by_truth", "weights"):
        for name, value in error[key].items():
            risk[f"mcse_{key}"][name] = float(np.hypot(risk[f"mcse_{key}"][name], value))


def few(document: dict[str, Any] | None) -> list[str]:
    """Warn where the refits are too few for their errors."""
    if document is None or document["effective_refits"] is None or document["effective_refits"] >= FEW:
        return []
    return [
        f"of the {document['refits']} failure lines at which the evidence was computed again, only as many as "
        f"{document['effective_refits']:.2g} count, for the data say more of the line than the judgements do: the Monte Carlo "
        "errors of risk_under_judged_line are rough"
    ]
