"""The predicted number of catastrophes in one deployment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of, probability
from reward_hypotheses.analysis.risk.distribution.deviations import Deviations, deviations_of
from reward_hypotheses.analysis.risk.distribution.episodes import Episodes, chance_by_episode, episodes_of
from reward_hypotheses.analysis.risk.distribution.open_sources import OpenSources
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy

MOST_SCENES = 10**9
BINS = 2_000
"""Counts in the table, at most: of a longer deployment each stands for several."""
TRANSFORMED = 200_000_000
"""Draws times squared scenes of which the exact distribution of the count is computed."""
LEAST_DRAWS = 100
CELLS = 4_000_000
"""Draws times counts that are held at once."""


def predict_rate(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    n_scenes: int | None = None,
    steps: int | None = None,
    slips: tuple[int, int] | None = None,
    discrepancy: Any = None,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
    draws: int = 4000,
    random_seed: int | None = None,
) -> xr.Dataset:
    """Predict the number of catastrophes in one deployment.

    A deployment draws one hypothesis for the agent, if its policy draws one, and one truth, and keeps both::

        p(N = k) = E[ Binomial(k | n, rate) ],    rate = sum_m s_m sum_o P_i[m, o] K_j[m, o]

    over i from the agent's weights, j from the judge's, draws of continuous reward weights and rationality, and the Bayesian
    bootstrap s of the test's scenes. The distribution often has two humps, because one hypothesis is drawn.

    Parameters
    ----------
    tree, test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`; the test is a table.
    n_scenes : int, optional
        Scenes of the deployment, drawn independently from scenes like the test's. Unless given, the deployment meets each
        scene of the test once, whatever its weight: N is then a sum of independent events of different chances.
    steps : int, optional
        The most steps of an episode. The test then holds ``next`` (scene, option), the number of the scene that an option leads
        to, -1 where it ends the episode, and ``first`` (scene), whether an episode starts there. The deployment meets every
        episode once. An episode whose last option is worse than failing is a catastrophe; one that does not end is none.
    slips : (int, int), optional
        Accidents among trials: how many of how many scenes (or episodes) that should have ended well ended in a catastrophe
        all the same. The chance is drawn from ``Beta(1/2 + slips, 1/2 + others)`` and counts once a scene or episode.
    discrepancy : array (draw,), optional
        Draws of the shift of the log odds of each scene's chance, from `estimate_discrepancy`; used in order, again and again.
    prob : float
        Of the equal-tailed interval of N.
    draws : int
        Deployments drawn.

    Returns
    -------
    Dataset
        ``catastrophes`` (chain, draw), the number in each deployment drawn; ``rate`` (chain, draw), the catastrophe rate that
        its hypotheses give it; ``probability`` (count), ``p(N = count)``, and its Monte Carlo error ``probability_mcse``; ``mean``,
        ``lower`` and ``upper`` of N. Of more than 2,000 scenes a count stands for all after the count before it. Where many
        different draws meet hundreds of scenes, the table is of some draws, and the interval of all. Attributes ``n_scenes`` and ``prob``.

    Raises
    ------
    InputError
        A problem of the tree, the test, or an argument; a judge who gives an unmodelled hypothesis weight.
    """
    n_scenes = None if n_scenes is None else _length(n_scenes)
    share, draws = probability(prob), whole(draws, "draws", LEAST_DRAWS)
    case = case_of_deployments(tree, test, policy, agent, agent_fail_utility, hypotheses, random_seed)
    episodes = None if steps is None else episodes_of(test, steps, case.valuation.n_scenes, case.policy.abstain)
    deviations = deviations_of(slips, discrepancy, draws, case.policy, case.seed)
    n, rate, counts, table, whole_table = _drawn(deployments_of(case, draws), n_scenes, episodes, deviations)
    at, chance, error = table
    lower, upper = _interval(at, chance, share) if whole_table else _interval_of_draws(counts, share)
    return xr.Dataset(
        {
            "catastrophes": (("chain", "draw"), counts[None]),
            "rate": (("chain", "draw"), rate[None]),
            "probability": ("count", chance),
            "probability_mcse": ("count", error),
            "mean": float(n * rate.mean()),
            "lower": lower,
            "upper": upper,
        },
        coords={"chain": [0], "draw": np.arange(draws), "count": at},
        attrs={"n_scenes": n, "prob": share, "policy": case.policy.name, "seed": case.seed},
    )


def _drawn(
    deployments: OpenSources, n_scenes: int | None, episodes: Episodes | None, deviations: Deviations
) -> tuple[int, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], bool]:
    """Return the number of scenes, rates and counts (draw,), and the table of counts.

    Last, whether the table is of all draws.
    """
    valuation, rng = deployments.case.valuation, substream(deployments.case.seed, "catastrophes of a deployment")
    if n_scenes is None:
        n = valuation.n_scenes if episodes is None else len(episodes.first)
        return n, *_every_scene(deployments, n, episodes, deviations, rng)
    if episodes is not None:
        raise InputError("n_scenes: a deployment of steps= meets every episode of the test once; leave n_scenes out")
    rate = _rates(deployments, deviations)
    return n_scenes, rate, rng.binomial(n_scenes, rate), _of_rates(rate, n_scenes), True


def _interval(at: np.ndarray, chance: np.ndarray, share: float) -> tuple[int, int]:
    """Return the ends of the interval; of counts that stand for several, the widest."""
    ends = np.searchsorted(np.cumsum(chance), np.array([(1 - share) / 2, (1 + share) / 2]) - 1e-12)
    low, high = np.minimum(ends, len(at) - 1).tolist()
    return int(at[low - 1]) + 1 if low else 0, int(at[high])


def _interval_of_draws(counts: np.ndarray, share: float) -> tuple[int, int]:
    low, high = np.quantile(counts, [(1 - share) / 2, (1 + share) / 2], method="inverted_cdf")
    return int(low), int(high)


def _length(n_scenes: int) -> int:
    """Return a number of scenes, checked."""
    scenes = whole(n_scenes, "n_scenes", 1)
    if scenes > MOST_SCENES:
        raise InputError(f"n_scenes: {shown(n_scenes)}; give at most {MOST_SCENES:,}")
    return scenes


def _refuse_unmodelled(case: Case) -> None:
    """Refuse a judge who gives an unmodelled hypothesis weight."""
    none = case.posterior.hypotheses.unmodelled
    if none is not None and case.judge_weights[none] > 0:
        raise InputError(
            f"hypotheses: {case.judge_names[none]!r} is unmodelled: of items that training never saw it says nothing, not even how "
            "alike they are, so the number of catastrophes cannot be predicted; leave it out, or see unmodelled_lower and "
            "unmodelled_upper of rh.catastrophe_risk"
        )


def case_of_deployments(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None,
    agent: AgentLike,
    agent_fail_utility: Any,
    hypotheses: Mapping[str, Any] | None,
    random_seed: int | None,
) -> Case:
    """Return the case; InputError if an unmodelled hypothesis has weight."""
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    case.valuation.hypotheses.refuse_spaces("the number of catastrophes of one deployment")
    _refuse_unmodelled(case)
    if random_seed is None:
        return case
    return replace(case, settings=replace(case.settings, seed=whole(random_seed, "random_seed")))


def deployments_of(case: Case, n: int) -> OpenSources:
    """Return deployments: each has one hypothesis for the agent and one truth."""
    rng = substream(case.seed, "hypotheses of a deployment")

    def drawn(weights: np.ndarray) -> np.ndarray:
        taken = rng.choice(len(weights), n, p=weights / weights.sum())
        return np.eye(len(weights))[taken]

    truths = drawn(case.judge_weights)
    agents = drawn(case.policy.mixing(case.agent_weights)) if case.policy.draws_one else None
    return OpenSources(case, agents, truths, n, certain=True)


def _of_rates(rate: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts, probabilities and Monte Carlo errors: three arrays (count,).

    The probabilities are the mean of ``Binomial(n, rate)`` over the rates (draw,).
    """
    from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy

    at = np.unique(np.linspace(0, n, min(n, BINS) + 1).round().astype(int))
    values, times = np.unique(rate, return_counts=True)
    total, squares = np.zeros((2, len(at)))
    step = max(1, CELLS // len(at))
    count = at[None].astype(float)
    ways = gammaln(n + 1) - gammaln(count + 1) - gammaln(n - count + 1)
    for lo in range(0, len(values), step):
        p = values[lo : lo + step, None]
        if len(at) > n:
            chance = np.exp(ways + xlogy(count, p) + xlog1py(n - count, -p))
        else:  # differences on the side where they lose no digit
            below, above = bdtr(count, n, p), bdtrc(count, n, p)
            left = np.diff(below, axis=1, prepend=0.0)
            right = -np.diff(above, axis=1, prepend=1.0)
            chance = np.where(below < 0.5, left, right)
        total += times[lo : lo + step] @ chance
        squares += times[lo : lo + step] @ chance**2
    return at, *_mean_and_error(total, squares, len(rate))


def _mean_and_error(total: np.ndarray, squares: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    mean = total / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 0.0) / n)


def _rates(deployments: OpenSources, deviations: Deviations) -> np.ndarray:
    """Draw the catastrophe rate over scenes like the test's: (draw,)."""
    if not deviations.any:
        return np.clip(deployments.drawn().all, 0.0, 1.0)
    share, rate = deployments.share, np.zeros(deployments.n)
    rng = substream(deployments.case.seed, "scenes of a deployment")
    for draws, chance in chance_by_episode(deployments, None, deviations):
        weight = rng.standard_gamma(share / float(share @ share), chance.shape)
        rate[draws] = (weight * chance).sum(axis=1) / weight.sum(axis=1)
    return rate


def _every_scene(
    deployments: OpenSources, scenes: int, episodes: Episodes | None, deviations: Deviations, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray], bool]:
    """Return rates and counts (draw,), the table, and whether it is of all draws.

    The deployment meets each scene, or each episode, of the test once.
    """
    n = deployments.n
    if scenes > BINS:
        raise InputError(
            f"n_scenes: missing, and the test has {scenes:,} scenes; a deployment that meets each of them once is predicted for up to "
            f"{BINS:,}; give a number, such as n_scenes=1000"
        )
    left, used = max(LEAST_DRAWS, TRANSFORMED // (scenes + 1) ** 2), 0
    rate, counts = np.zeros(n), np.zeros(n, int)
    total, squares = np.zeros((2, scenes + 1))
    for draws, chance in chance_by_episode(deployments, episodes, deviations):
        rate[draws] = chance.mean(axis=1)
        counts[draws] = (rng.random(chance.shape) < chance).sum(axis=1)
        alike, times = np.unique(chance, axis=0, return_counts=True)
        if len(alike) > left:  # as many draws as there is time for
            alike, times = chance[:left], np.ones(left, int)
        left, used = left - len(alike), used + int(times.sum())
        distribution = _poisson_binomial(alike)
        total += times @ distribution
        squares += times @ distribution**2
    return rate, counts, (np.arange(scenes + 1), *_mean_and_error(total, squares, used)), used == n


def _poisson_binomial(chance: np.ndarray) -> np.ndarray:
    """Return the distribution of the number of events: (draw, event + 1).

    The events are independent and have these chances (draw, event).
    """
    out = np.zeros((chance.shape[1] + 1, len(chance)))  # draws side by side in memory
    out[0] = 1.0
    moved = np.empty_like(out)
    for m, p in enumerate(np.ascontiguousarray(chance.T)):
        np.multiply(out[: m + 1], p, out=moved[: m + 1])
        out[: m + 2] *= 1 - p
        out[1 : m + 2] += moved[: m + 1]
    return np.ascontiguousarray(out.T)
