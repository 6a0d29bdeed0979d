"""Human values in bits: the information that an agent lacks for a target risk."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.data.numerics import distinct, row_hashes
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.inference.special import LOG_2, log_normalised, log_sum_exp
from reward_hypotheses.models.priors.uniform import Uniform

if TYPE_CHECKING:
    from reward_hypotheses.models.rule_space.family.unfolded import Unfolded

TIGHT = 1e-12
"""Targets within this of the least attainable risk are at their limit."""
NEGLIGIBLE = 1e-14
"""Weight of true rules that change no digit of the bits."""
AGREE = 1e-6
"""Relative difference of bounds that counts as none."""


@dataclass(frozen=True, eq=False)
class Bits:
    """Bits of human values.

    Attributes
    ----------
    bits : float
        Average over the truths; inf where no amount of such information is enough.
    by_truth : ndarray (hypothesis,)
        Bits if the true hypothesis is known.
    reason : str
        Why `bits` is infinite, else empty.
    """

    bits: float
    by_truth: np.ndarray
    reason: str = ""


def bits_needed(matrix: np.ndarray, judge: np.ndarray, log_agent: np.ndarray, target: float) -> Bits:
    """Compute the least information about values that brings risk to a target.

    ``min sum_j v_j KL(q_j || w) / ln 2`` subject to ``sum_j v_j q_j' C[:, j] <= t``, a rate-distortion function
    (Cover and Thomas, Elements of Information Theory, section 10.4). The solution is
    ``q_j`` proportional to ``w exp(-lambda C[:, j])`` with one lambda.

    Parameters
    ----------
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        ``C_ij``.
    judge : ndarray (hypothesis,)
        v.
    log_agent : ndarray (hypothesis,)
        ``log w``, normalised; -inf where the agent rules a hypothesis out. Logarithms keep weights such as 1e-400.
    target : float
        t.
    """
    bits = average_bits(matrix, judge, log_agent, target)
    cost, log_w = _supported(matrix, log_agent)
    by_truth = _solve(cost, log_w, np.eye(len(judge)), target)
    reason = ""
    if math.isinf(bits):
        least = float(np.asarray(judge, float) @ cost.min(axis=0))
        reason = f"an agent that knew the true hypothesis would have a risk of {least:.3g}"
    return Bits(bits, by_truth, reason)


def average_bits(matrix: np.ndarray, judge: np.ndarray, log_agent: np.ndarray, target: float) -> float:
    """Compute the bits of `bits_needed` on average over the truths alone."""
    return float(_solve(*_supported(matrix, log_agent), np.asarray(judge, float)[None, :], target)[0])


def _supported(matrix: np.ndarray, log_agent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the costs and log weights of the hypotheses that the agent allows."""
    support = log_agent > -np.inf
    return np.asarray(matrix, float)[support], log_agent[support]


def _solve(cost: np.ndarray, log_w: np.ndarray, truths: np.ndarray, target: float) -> np.ndarray:
    """Solve for several distributions over the truth: (problem,) bits.

    `truths` has shape (problem, true_hypothesis). Either one problem over all truths, with one lambda, or one
    problem for each truth, with a lambda each.
    """
    least = cost.min(axis=0)
    above = cost - least  # with a zero in every column
    lowest, start = truths @ least, truths @ (np.exp(log_w) @ cost)
    out = np.zeros(len(truths))
    out[lowest > target + TIGHT] = np.inf
    at_limit = (start > target) & (np.abs(lowest - target) <= TIGHT)
    if at_limit.any():
        cheapest = [log_sum_exp(np.where(column <= TIGHT, log_w, -np.inf)) for column in above.T]
        out[at_limit] = truths[at_limit] @ -np.array(cheapest) / LOG_2
    todo = np.flatnonzero((start > target) & np.isfinite(out) & ~at_limit)
    if not len(todo):
        return out
    # columns: the truths of the one problem, or the one truth of each problem
    shared = len(truths) == 1
    columns = np.arange(cost.shape[1]) if shared else todo
    weight = truths if shared else np.eye(len(todo))
    c = above[:, columns]

    def at(lam: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        """Return the risk above the least, and a function of no argument for nats."""
        z = log_w[:, None] - lam * c
        top = z.max(axis=0)
        odds = np.exp(z - top)
        mass = odds.sum(axis=0)
        mean = (odds * c).sum(axis=0) / mass
        return weight @ mean, lambda: weight @ (-lam * mean - top - np.log(mass))

    out[todo] = _least_bits(at, (target - lowest)[todo], 64)
    return out


def _least_bits(
    at: Callable[[np.ndarray], tuple[np.ndarray, Callable[[], np.ndarray]]], target: np.ndarray, steps: int
) -> np.ndarray:
    """Return the bits at the multiplier whose risk is the target: (problem,).

    The logarithm of the multiplier is found by bisection.
    """
    low, high = np.full(len(target), math.log(1e-12)), np.full(len(target), math.log(1e18))
    counts = range(steps)
    for _ in tracked(counts) if len(target) > 1000 else counts:  # many problems take seconds
        middle = (low + high) / 2
        too_high = at(np.exp(middle))[0] > target
        low, high = np.where(too_high, middle, low), np.where(too_high, high, middle)
    return np.maximum(at(np.exp(high))[1](), 0.0) / LOG_2


def value_bits_of_many(matrix: np.ndarray, judges: np.ndarray, log_agents: np.ndarray, target: float) -> np.ndarray:
    """Compute the bits for many pairs of judge and agent: (problem,).

    The bits are averages over the truths, as in `bits_needed`.

    Parameters
    ----------
    matrix : ndarray (agent_hypothesis, true_hypothesis)
    judges : ndarray (problem, true_hypothesis)
    log_agents : ndarray (problem, agent_hypothesis)
        Normalised; -inf where a hypothesis is ruled out.
    """
    _, first, place, _ = distinct(row_hashes(np.hstack([judges, log_agents])))
    judges, log_agents = judges[first], log_agents[first]
    cost = np.where(log_agents[:, :, None] > -np.inf, np.asarray(matrix, float), np.inf)
    least = cost.min(axis=1)
    above = np.where(np.isfinite(cost), cost - least[:, None, :], 0.0)
    lowest = (judges * least).sum(axis=1)
    weights = np.exp(log_agents)
    start = np.einsum("pi,ij,pj->p", weights, np.asarray(matrix, float), judges)
    out = np.where(lowest > target + TIGHT, np.inf, 0.0)
    todo = np.flatnonzero((start > target) & np.isfinite(out))
    above, log_w, judge = above[todo], log_agents[todo, :, None], judges[todo]

    def at(lam: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        z = log_w - lam[:, None, None] * above
        top = z.max(axis=1)
        odds = np.exp(z - top[:, None, :])
        mass = odds.sum(axis=1)
        mean = (odds * above).sum(axis=1) / mass
        risk = (judge * mean).sum(axis=1)
        return risk, lambda: (judge * (-lam[:, None] * mean - top - np.log(mass))).sum(axis=1)

    out[todo] = _least_bits(at, (target - lowest)[todo], 50)
    return out[place]


@dataclass(frozen=True, eq=False)
class BoundedBits:
    """Bits of human values, or bounds where a space's rules are not all listed.

    Attributes
    ----------
    lower, upper : Bits
        The lower takes rules that are not listed never to be catastrophic, as agent or as truth. The upper takes the agent
        to draw them by their weights, and to know no more of the truth among them.
    """

    lower: Bits
    upper: Bits

    @property
    def known(self) -> bool:
        """Whether the bounds agree to a millionth."""
        low, high = self.lower.bits, self.upper.bits
        return low == high or high - low <= AGREE * max(high, 1.0)


def bits_of_case(case: Case, log_agent: np.ndarray, target: float) -> BoundedBits:
    """Return the bits that an agent lacks on a test.

    With a space of rules in the list, an agent and the truth follow rules, so that the bits are those of a list of all
    rules: information that tells no rules apart that behave alike on the test is of no use, and the bits of a list whose
    rules of one behaviour are one hypothesis are the same.

    Parameters
    ----------
    log_agent : ndarray (hypothesis,)
        The agent's log weights over the judge's hypotheses.
    """
    judge = case.posterior
    if not judge.spaces:
        bits = bits_needed(case.risk.matrix[case.judges, case.judges], judge.weights, log_agent, target)
        return BoundedBits(bits, bits)
    from reward_hypotheses.models.rule_space.family.unfolded import unfolded

    settings = case.policy.name, str(case.policy.settings()), case.policy.abstain
    place = "unfolded", id(case.valuation.table), repr(case.valuation.line.values), settings
    if place not in case.known:
        case.known[place] = unfolded(case.valuation, case.policy, range(len(judge.weights)))
    key = "bits", place, target, judge.weights.tobytes(), log_agent.tobytes()
    if key not in case.known:
        rows = case.known[place]
        upper = _of_rows(rows, rows.matrix, judge.weights, log_agent, target)
        lower = upper if rows.exact else _of_rows(rows, rows.least, judge.weights, log_agent, target)
        case.known[key] = BoundedBits(lower, upper)
    found: BoundedBits = case.known[key]
    return found


def _of_rows(rows: "Unfolded", matrix: np.ndarray, judge: np.ndarray, log_agent: np.ndarray, target: float) -> Bits:
    """Return the bits of hypotheses whose rules are rows of a matrix."""
    log_rows, truths = rows.log_over_rows(log_agent), rows.over_rows(np.eye(len(judge)))

    def bits_if(truth: np.ndarray) -> float:
        order = np.argsort(-truth, kind="stable")
        some = order[: int(np.searchsorted(np.cumsum(truth[order]), 1.0 - NEGLIGIBLE)) + 1]
        return average_bits(matrix[:, some], truth[some], log_rows, target)

    bits = bits_if(judge @ truths)
    by_truth = np.array([bits_if(truth) for truth in truths])
    least = float((judge @ truths) @ matrix[log_rows > -np.inf].min(axis=0))
    reason = f"an agent that knew the true rule would have a risk of {least:.3g}" if math.isinf(bits) else ""
    return Bits(bits, by_truth, reason)


def not_defined(case: Case) -> str:
    """Return why bits are not defined for an agent; empty where they are."""
    policy = case.policy
    if not policy.mixes_weights:
        return (
            f"bits of human values are not defined for the policy {policy.name!r}, which does not draw one hypothesis from the "
            "agent's weights"
        )
    if case.posterior.spaces and case.posterior.families:
        return "bits of human values are not computed where a space of rules stands beside a hypothesis with continuous weights"
    if case.posterior.spaces and isinstance(policy.settings().get("beta"), str):
        return "bits of human values are not computed for a space of rules and an inferred rationality"
    return ""


class ValueBits(Section[Document]):
    """Bits of information about human values that an agent lacks, by target.

    None for policies that mix no weights, and where only bounds are known.
    """

    keys = ("value_bits", "value_bits_by_truth", "value_bits_of_agent", "value_bits_bounds")
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        keys = [repr(float(t)) for t in case.settings.targets]
        if not_defined(case):
            nothing = {key: dict.fromkeys(case.judge_names) for key in keys}
            return dict(zip(self.keys, (dict.fromkeys(keys), nothing, None, None), strict=True))
        by_target = dict(zip(keys, case.once(_uniform_agent), strict=True))
        return {
            "value_bits": {key: of.upper.bits if of.known else None for key, of in by_target.items()},
            "value_bits_by_truth": {
                key: by_name(case.judge_names, of.upper.by_truth) if of.known else dict.fromkeys(case.judge_names)
                for key, of in by_target.items()
            },
            "value_bits_of_agent": self._of_agent(case),
            "value_bits_bounds": {
                key: None if of.known else [of.lower.bits, of.upper.bits] for key, of in by_target.items()
            }
            if case.posterior.spaces
            else None,
        }

    def _of_agent(self, case: Case) -> Document | None:
        if case.rectangular:
            return None
        with np.errstate(divide="ignore"):
            log_agent = np.log(case.agent_weights)
        targets = {repr(float(t)): float(t) for t in case.settings.targets}
        if not case.posterior.spaces:
            matrix, weights = case.risk.matrix, case.posterior.weights
            return {key: average_bits(matrix, weights, log_agent, t) for key, t in targets.items()}
        found = {key: bits_of_case(case, log_agent, t) for key, t in targets.items()}
        return {key: of.upper.bits if of.known else None for key, of in found.items()}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        if why := not_defined(case):
            yield why
            return
        beyond: dict[str, list[str]] = {}
        found = list(zip(case.settings.targets, case.once(_uniform_agent), strict=True))
        for target, of in found:
            if of.known and of.upper.reason:
                beyond.setdefault(of.upper.reason, []).append(repr(float(target)))
        for why, keys in beyond.items():
            yield f"no information about human values brings the risk to {' or '.join(keys)}: {why}"
        if not all(of.known for _, of in found):
            yield "bits of human values are known to bounds alone (value_bits_bounds): the rules behave in too many ways on the test"


def _uniform_agent(case: Case) -> list[BoundedBits]:
    """Return the bits that an agent of a uniform prior lacks, target by target."""
    posterior = case.posterior
    log_agent = log_normalised(posterior.acting_prior(Uniform())[1] + posterior.log_evidence)
    return [bits_of_case(case, log_agent, float(t)) for t in case.settings.targets]
