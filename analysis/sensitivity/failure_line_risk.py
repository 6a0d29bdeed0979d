"""Catastrophe risk under many failure lines at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.analysis.risk.intervals import ends_of
from reward_hypotheses.analysis.rollout import scene_weights, scenes_of
from reward_hypotheses.analysis.sensitivity.failure_line_refits import BOOTSTRAPS, Picks, Refits, drawn_lines
from reward_hypotheses.analysis.sensitivity.sobol_indices import Shares, shares_of_variance
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.failure_judgements import Line
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import MATTERS, Posterior


@dataclass(frozen=True, eq=False)
class UnderLine:
    """The risk with the failure line inferred from judgements.

    Attributes
    ----------
    mean, mcse : float
    ends : dict of str to float
        The equal-tailed interval over draws of the values and of the line together, as of `ends_of`.
    by_truth, weights : ndarray (hypothesis,)
        ``mean_m sum_o A P(u_j > r_j(o))``, and the judge's weights; the mean is their product. ``mcse_by_truth`` and
        ``mcse_weights`` are their errors.
    risks : ndarray (draw,)
    refits : int
        0 where no evidence depends on the line.
    effective : float or None
        The least effective number of refits, of a hypothesis that matters.
    shares : Shares or None
        Shares of the variance from values and from the line; None for values without a strength.
    """

    mean: float
    mcse: float
    ends: dict[str, float]
    by_truth: np.ndarray
    mcse_by_truth: np.ndarray
    weights: np.ndarray
    mcse_weights: np.ndarray
    risks: np.ndarray
    refits: int = 0
    effective: float | None = None
    shares: Shares | None = None


def picks(valuation: Valuation, policy: Policy, agent: np.ndarray, n: int) -> Picks:
    """Return an agent's choices on a test, by reward under each hypothesis.

    Of the first n hypotheses.
    """
    by_hypothesis: list[Picks] = [[] for _ in range(n)]
    for block, some, mass in chosen(valuation, policy, agent):
        for h, parts in enumerate(by_hypothesis):
            parts.append(_added_up(np.broadcast_to(block.reward(h), block.shape)[some], mass))
    return [_added_up(*(np.concatenate(column) for column in zip(*parts, strict=True))) for parts in by_hypothesis]


def chosen(valuation: Valuation, policy: Policy, agent: np.ndarray) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
    """Yield the blocks of a test, and the options that an agent chooses there.

    The chosen options are a mask (option, scene), followed by their shares of all choices, (chosen option,).
    """
    _, total = scene_weights(valuation)
    for scenes in scenes_of(valuation, policy):
        acts = scenes.acts(policy, agent)[: scenes.n_options] * scenes.mass / total
        some = acts > 0
        yield scenes.block, some, acts[some]


def _added_up(rewards: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each reward once, ascending, with all its mass."""
    if not rewards.size:
        return rewards, mass
    values, _, place, _ = distinct(rewards)
    return values, np.bincount(place, mass, len(values))


def worse_at(picked: Picks, u: np.ndarray) -> np.ndarray:
    """Return how often the agent chooses a reward below u: (draw, hypothesis)."""
    columns = []
    for h, (rewards, mass) in enumerate(picked):
        below = np.concatenate([[0.0], np.cumsum(mass)])
        columns.append(below[np.searchsorted(rewards, u[:, h], side="left")])
    return np.minimum(np.array(columns).T, 1.0)


def risk_of_lines(
    posterior: Posterior, lines: Sequence[Line], picked: Picks, prob: float, n: int, seed: int, shares_too: bool = True
) -> UnderLine:
    """Compute the risk where no evidence depends on the failure line.

    The mean is exact but for the quadrature of u; the interval comes from n draws.

    Parameters
    ----------
    posterior : Posterior
        The judge's posterior.
    """
    by_truth = np.array(
        [of_hypothesis.above(rewards) @ mass for of_hypothesis, (rewards, mass) in zip(lines, picked, strict=True)]
    )
    by_truth = np.clip(by_truth, 0.0, 1.0)
    _, drawn, _ = posterior.draws(n, substream(seed, "values"))
    risks = (drawn * worse_at(picked, drawn_lines(lines, n, seed))).sum(axis=1)
    none, weights = np.zeros(len(by_truth)), posterior.weights
    shares = None
    if shares_too and posterior.prior.uncertain:
        values = [posterior.draws(n, substream(seed, f"shares of values {k}"))[1] for k in (0, 1)]
        bad = [worse_at(picked, drawn_lines(lines, n, seed + 1 + k)) for k in (0, 1)]
        shares = shares_of_variance(lambda of_values, of_line: (values[of_values] * bad[of_line]).sum(axis=1))
    mean, ends = float(weights @ by_truth), ends_of(risks, prob)
    return UnderLine(mean, 0.0, ends, by_truth, none, weights, none, risks, shares=shares)


def risk_of_refits(
    posterior: Posterior, refits: Refits, picked: Picks, prob: float, n: int, seed: int, bootstraps: int = BOOTSTRAPS
) -> UnderLine:
    """Compute the risk where some evidence depends on the failure line.

    ``v_j ∝ pi_j E[L_j(u_j)]`` and ``p(u_j) ∝ p(u_j | judgements) L_j(u_j)``.

    Parameters
    ----------
    posterior : Posterior
        The judge's posterior; its evidence is ignored.
    picked : Picks
        The agent's picks.
    bootstraps : int
        Number of bootstraps for the errors of all numbers but the mean; these errors are 0 unless there are two or more.
        With 0, no shares of the variance are computed.

    Raises
    ------
    InputError
        The data are impossible at every one of the lines.
    """
    refit, near = refits.posterior(posterior), refits.near
    count, chances, bad = len(near.u), near.chances(), worse_at(picked, near.u)
    by_truth = (chances * bad).sum(axis=0)
    mean = float(refit.weights @ by_truth)
    spread = ((count * chances * (bad - mean)) @ refit.weights).std(ddof=1)
    risks = _risks(refit, refits, picked, n, substream(seed, "values at refits"))
    ends = ends_of(risks, prob)
    again = []
    rng = substream(seed, "refits again")
    for _ in tracked(range(bootstraps), what="errors of the failure line"):
        some = refits.again(rng)
        try:
            moved = some.posterior(posterior)
        except InputError:  # the few lines at which the data are possible are not among them
            continue
        other = ends_of(_risks(moved, some, picked, n, rng), prob)
        truths = (some.near.chances() * worse_at(picked, some.near.u)).sum(axis=0)
        again.append([other["lower"], other["upper"], *truths, *moved.weights])
    error = np.zeros(2 + 2 * len(by_truth))
    if len(again) > 1:  # each with values drawn anew, so that their error is in it
        error = np.std(again, axis=0, ddof=1)
        ends |= {"mcse_lower": float(error[0]), "mcse_upper": float(error[1])}
    of_truth, of_weights = np.split(error[2:], 2)
    return UnderLine(
        mean=mean,
        mcse=float(spread / np.sqrt(count)),
        ends=ends,
        by_truth=by_truth,
        mcse_by_truth=of_truth,
        weights=refit.weights,
        mcse_weights=of_weights,
        risks=risks,
        refits=count,
        effective=float(near.effective()[refit.weights > MATTERS].min()),
        shares=_shares(refit, refits, picked, n, seed) if bootstraps else None,
    )


def _shares(refit: Posterior, refits: Refits, picked: Picks, n: int, seed: int) -> Shares | None:
    """Return the shares of the variance from values and failure lines.

    Both are drawn independently from where the data leave them.
    """
    if not refit.prior.uncertain:
        return None
    drawn = [_drawn(refit, refits, picked, n, substream(seed, f"shares {k}")) for k in range(4)]
    values, lines = [of_draws[0] for of_draws in drawn[:2]], [of_draws[1:] for of_draws in drawn[2:]]
    return shares_of_variance(lambda of_values, of_line: _weighed(values[of_values], *lines[of_line]))


def _risks(refit: Posterior, refits: Refits, picked: Picks, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the risk at draws of values and lines from ``p(pi, u | data)``: (draw,)."""
    return _weighed(*_drawn(refit, refits, picked, n, rng))


def _drawn(
    refit: Posterior, refits: Refits, picked: Picks, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pi, and log evidence and risk by truth at drawn failure lines.

    From ``p(pi, u | data)``; three arrays (draw, hypothesis).

    A truth is drawn, then pi given the truth, and the line of the truth given the data. The other lines are drawn from the
    judgements.
    """
    anywhere, near = refits.anywhere, refits.near
    columns = np.arange(len(refit.weights))
    truths = rng.choice(len(columns), n, p=refit.weights)
    pi = refit.prior.draws(refit.hypotheses, truths, rng)
    at = rng.integers(len(anywhere.u), size=(n, len(columns)))
    log_evidence, bad = anywhere.log_evidence[at, columns], worse_at(picked, anywhere.u)[at, columns]
    chances, bad_near = near.chances(), worse_at(picked, near.u)
    for h in columns:
        of_truth = truths == h
        if of_truth.any():
            its = rng.choice(len(near.u), int(of_truth.sum()), p=chances[:, h])
            log_evidence[of_truth, h], bad[of_truth, h] = near.log_evidence[its, h], bad_near[its, h]
    return pi, log_evidence, bad


def _weighed(pi: np.ndarray, log_evidence: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return ``sum_j v_j d_j`` with v proportional to ``pi_j L_j``: (draw,).

    0 where no truth is possible.
    """
    with np.errstate(divide="ignore"):
        log_weights = np.log(pi) + log_evidence
    top = log_weights.max(axis=1, keepdims=True)
    odds = np.exp(log_weights - np.where(np.isfinite(top), top, 0.0))
    total = odds.sum(axis=1)
    return (odds * bad).sum(axis=1) / np.where(total > 0, total, 1.0)
