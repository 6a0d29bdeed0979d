"""Probabilities of choices, their Monte Carlo errors, and draws of choices."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_hypotheses.analysis.agents.predicted.choosers import Chooser
from reward_hypotheses.analysis.rollout import Scenes, scenes_of
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.boltzmann import InferredBoltzmann, chances_at
from reward_hypotheses.models.policies.view import View

GROUPS = 25
"""Groups of consecutive draws from whose spread a Monte Carlo error is estimated."""
GROUP_CELLS = 20_000_000
"""Probabilities by hypothesis and group that are held at once."""
CELLS = 4_000_000
"""Probabilities by draw that are held at once."""
PERTURBATIONS = 100

type Functionals = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of items of the test (item,) and their probabilities (item,): coefficients (functional, item) of linear functionals."""


@dataclass(eq=False)
class People:
    """Choice probabilities of people on a test, summed over what is unknown.

    Attributes
    ----------
    probability, mcse : ndarray (item,)
        ``sum_h w_h E[softmax(beta r_h / s_h)]`` and its Monte Carlo error.
    functional_mcse : ndarray (functional,)
        Monte Carlo errors of functionals that are linear in the probabilities; of others, to first order.
    """

    probability: np.ndarray
    mcse: np.ndarray
    functional_mcse: np.ndarray = field(default_factory=lambda: np.zeros(0))


def people_on(choosers: Sequence[Chooser], n_items: int, functionals: Functionals, seed: int) -> People:
    """Return the choice probabilities of people, each on their own scenes.

    Parameters
    ----------
    choosers : sequence of Chooser
        From `person`; their items are all items of the test.
    """
    out = People(np.zeros(n_items), np.zeros(n_items))
    by_group: dict[tuple[int, int], np.ndarray] = {}
    moved: np.ndarray | float = 0.0
    inflation: dict[int, float] = {}
    for chooser in choosers:
        case = chooser.case
        weights, posterior = case.agent_weights, case.posterior
        active = np.flatnonzero(weights > 0)
        totals: dict[int, np.ndarray] = {}
        of_evidence = None
        if not posterior.exact:
            rng = substream(seed, "errors of evidence")
            of_evidence = np.array([p.acting(None)[active] for p in posterior.perturbed(PERTURBATIONS, rng)])
            of_evidence = of_evidence - of_evidence.mean(axis=0)
        for h in active.tolist():
            own = max(chooser.inflation, case.valuation.hypotheses.rewards[h].inflation)
            inflation[h] = max(inflation.get(h, 1.0), own)
        for local, by_h, means in _by_hypothesis(chooser, active):
            items = chooser.items[local]
            probability = weights[active] @ by_h
            variance = np.zeros(len(items))
            coefficients = functionals(items, probability)
            for h, group in zip(active.tolist(), means, strict=True):
                if len(group) > 1:
                    variance += weights[h] ** 2 * group.var(axis=0, ddof=1) / len(group) * inflation[h]
                totals[h] = totals.get(h, 0.0) + group @ coefficients.T
            if of_evidence is not None:
                variance += ((of_evidence @ by_h) ** 2).sum(axis=0) / (PERTURBATIONS - 1)
                moved = moved + of_evidence @ (by_h @ coefficients.T)
            out.probability[items], out.mcse[items] = probability, np.sqrt(variance)
        for h, total in totals.items():
            key = (h, len(total))
            by_group[key] = by_group.get(key, 0.0) + weights[h] * total
    squares: np.ndarray | float = 0.0
    for (h, n), total in by_group.items():
        squares = squares + (total.var(axis=0, ddof=1) / n * inflation[h] if n > 1 else 0.0 * total[0])
    if isinstance(moved, np.ndarray):
        squares = squares + (moved**2).sum(axis=0) / (PERTURBATIONS - 1)
    out.functional_mcse = np.sqrt(np.asarray(squares))
    return out


def _by_hypothesis(chooser: Chooser, active: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, list[np.ndarray]]]:
    """Yield items of a chooser, and their probabilities under each hypothesis.

    Positions (item,) among the chooser's items; probabilities (hypothesis, item); and one array (group, item) for each
    hypothesis, of groups of the draws of what is unknown under it.
    """
    policy, valuation = chooser.case.policy, chooser.case.valuation
    assert isinstance(policy, InferredBoltzmann)
    step = max(1, GROUP_CELLS // (GROUPS * max(len(active), 1)))
    for scenes in scenes_of(valuation, policy, items=step):
        block, view = scenes.block, chooser.view(scenes)
        inside = np.ones(block.shape, bool) if block.available is None else block.available
        by_h, means = [], []
        for h in active.tolist():
            n = policy_draws(policy, scenes, h)
            groups = np.array_split(np.arange(n), min(GROUPS, n)) if _sampled(policy, scenes, h) else [np.arange(n)]
            found = [_mean_of(policy, view, h, group) for group in groups]
            means.append(np.stack([mean.T[inside.T] for mean in found]))
            sizes = np.array([len(group) for group in groups]) / n
            by_h.append(sizes @ means[-1])
        yield block.items.T[inside.T], np.array(by_h), means


def _sampled(policy: InferredBoltzmann, scenes: Scenes, h: int) -> bool:
    return scenes.block.valuation.hypotheses.rewards[h].continuous or policy.rationality[h].sampled


def policy_draws(policy: InferredBoltzmann, scenes: Scenes, h: int) -> int:
    """Return the number of draws, or nodes, of what is unknown under h."""
    reward = scenes.block.valuation.hypotheses.rewards[h]
    return scenes.block.valuation.n_draws(h, "agents") if reward.continuous else len(policy.rationality[h].shares)


def _mean_of(policy: InferredBoltzmann, view: View, h: int, draws: np.ndarray) -> np.ndarray:
    """Return the mean probabilities (option, scene) over some draws or nodes."""
    known, total, mass = policy.rationality[h], np.zeros(view.shape), 0.0
    family = view.block.valuation.hypotheses.rewards[h].continuous
    step = max(1, CELLS // max(view.shape[0] * view.shape[1], 1))
    for lo in range(0, len(draws), step):
        some = draws[lo : lo + step]
        if family:
            total += policy.certain_open(view, h, some).sum(axis=0)  # type: ignore[arg-type]
            mass += len(some)
        else:
            shares = known.shares[some]
            total += np.tensordot(
                shares, chances_at(view, view.worth(h), known.rates[some][:, None, None], 1.0), axes=1
            )
            mass += float(shares.sum())
    return total / mass


def picks(chooser: Chooser, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw choices: (draw, scene) of int, the option's place, -1 for abstaining.

    In each draw one hypothesis, one rationality and one set of reward weights hold in all scenes of the chooser, if the
    chooser is one person or one agent whose policy draws a hypothesis.
    """
    case = chooser.case
    policy, valuation = case.policy, case.valuation
    out = np.empty((draws, valuation.n_scenes), np.int32)
    alike = not (policy.draws_one and chooser.together)
    mixing = policy.mixing(case.agent_weights) if policy.draws_one else case.agent_weights
    taken = rng.choice(len(mixing), draws, p=mixing / mixing.sum())
    open_draws = [1 if alike else policy.n_open(valuation, h) for h in range(len(mixing))]
    member = (rng.random(draws) * np.array(open_draws)[taken]).astype(int)
    for scenes in scenes_of(valuation, policy):
        view, columns = chooser.view(scenes), np.arange(scenes.block.lo, scenes.block.hi)
        step = max(1, CELLS // max(view.shape[0] * view.shape[1], 1))
        for h in [-1] if alike else np.unique(taken).tolist():
            rows = np.arange(draws) if alike else np.flatnonzero(taken == h)
            if alike:
                chances = np.asarray(policy.act(view, case.agent_weights), float)[None]
            elif open_draws[h] == 1 and not valuation.hypotheses.rewards[h].continuous:
                chances = np.asarray(policy.certain(view, h), float)[None]
            else:
                chances = np.empty(0)
            for lo in range(0, len(rows), step):
                some = rows[lo : lo + step]
                by_draw = chances if chances.size else policy.certain_open(view, h, member[some])
                below = np.cumsum(by_draw, axis=1)
                u = rng.random((len(some), 1, len(columns))) * below[:, -1:]
                pick = (u >= below[:, :-1]).sum(axis=1)
                out[np.ix_(some, columns)] = np.where(pick == scenes.n_options, -1, pick)
    return out
