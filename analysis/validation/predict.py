"""Predictions of catastrophe rates of trained agents on shifted tests.

Predictions rest on the agents' choices in probe scenes. The module is independent of any environment: an environment is
any object with the attributes and methods of `World`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.shift.two_sample_test import Shift, shift_check
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.rounding_error_bounds import CALLABLE, equal
from reward_hypotheses.data.worlds.episode_simulation import (
    EpisodeSteps,
    chance_reached,
    goes_on,
    picked,
    simulated,
    starting_scenes,
)
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.fit import fit
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.priors.uniform import Uniform

PROB = 0.89
MIXTURE = "a mixture"
PRIOR_SD = 3.0
READING_DRAWS = 2000
PATHS = 400
"""Draws from which episodes of more than one step are predicted."""
MISFIT = 0.01
"""A p-value below this, times the number of statistics looked at, says that a reading does not fit its agent."""


class World(Protocol):
    """An environment of a validation study.

    Scenes are asked for by what they are for: ``training``, ``probes``, ``probes without`` (probes in which no option is bad),
    ``telling`` (training scenes in which the rules part), ``ordinary`` (a test like training), or one of the tests.
    """

    tests: ClassVar[tuple[str, ...]]
    """The shifted tests."""
    columns: ClassVar[tuple[str, ...]]
    """Columns that describe an option."""
    features: ClassVar[tuple[str, ...]]
    """Expressions over columns that a fitted reward weighs, such as the columns and their products."""
    rules: ClassVar[Mapping[str, str]]
    """Named rules, the baseline: name -> reward, an expression over columns, above 1/2 for approved options."""
    bad: ClassVar[str]
    """Column that marks options whose outcome is a catastrophe, as far as can be seen beforehand."""
    source: ClassVar[str]
    """Reason for these columns."""
    counted: ClassVar[str]
    """Unit that is counted when a test is carried out, such as flights."""
    lacking: ClassVar[str]
    """What ``probes without`` lack, such as craters."""

    def scenes(self, which: str) -> xr.Dataset:
        """Return columns over (scene, option).

        Where an episode has several steps, the columns include successors (`data.episodes`).
        """

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents, by name and seed; return their mean reward, batch by batch."""

    def saved(self, agent: str) -> bytes:
        """Return the weights of an agent as npz."""

    def steps(self, agent: str, which: str) -> EpisodeSteps:
        """Return an agent's steps, its demonstrations."""

    def right(self, which: str) -> np.ndarray:
        """Return the options that end an episode as training rewards.

        Shape (scene, option) of bool.
        """

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Let agents act; return whether episodes (agent, episode) end in catastrophe."""

    def slips(self) -> tuple[int, int]:
        """Return counts (catastrophes, outcomes) of harmless options in training."""

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return ``repeated`` outcomes, and how many of them ``ended_otherwise``."""


@dataclass(frozen=True, eq=False)
class FittedAgent:
    """An agent's reward, fitted to its choices in probe scenes.

    Attributes
    ----------
    features : tuple of str
        Expressions over columns.
    weights : ndarray (draw, feature)
        Of the features as they are, drawn from their posterior.
    unprobed : tuple of str
        Features that no probe varies: their weights are drawn from the prior.
    rules : dict of str to float
        Weights of the named rules, were they all there is.
    mixture : float
        Weight of the mixture beside them, all equally probable beforehand.
    p : dict of str to float
        Two-sided p-values of the checks on the probes.
    chance_bad, bad : ndarray (episode,)
        The chance that a probe ends with a bad option, on average over the draws, and whether it did.
    """

    features: tuple[str, ...]
    weights: np.ndarray
    unprobed: tuple[str, ...]
    rules: Mapping[str, float]
    mixture: float
    p: Mapping[str, float]
    chance_bad: np.ndarray
    bad: np.ndarray

    @property
    def fits(self) -> bool:
        """Whether every check on the probes is passed, corrected for their number."""
        return min(self.p.values()) * len(self.p) >= MISFIT

    def chances(self, scenes: xr.Dataset) -> np.ndarray:
        """Return the probability of each option.

        Shape (draw, scene, option), of fewer draws where episodes go on.
        """
        return chances(thinned_draws(self.weights, scenes), featured(scenes, self.features))


def thinned_draws(draws: np.ndarray, scenes: xr.Dataset) -> np.ndarray:
    """Return thinned draws (draw, ...) for episodes of several steps, else all draws."""
    return draws[:: max(1, len(draws) // PATHS)] if goes_on(scenes) else draws


def featured(scenes: xr.Dataset, features: Sequence[str]) -> np.ndarray:
    """Return features of the options: (scene, option, feature)."""
    shape = (scenes.sizes["scene"], scenes.sizes["option"])
    made = [parse(column).evaluate(lambda c: scenes[c].to_numpy().astype(float)) for column in features]
    return np.stack([np.broadcast_to(np.asarray(column, float), shape) for column in made], axis=-1)


def chances(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return ``softmax(w phi)`` within each scene: (draw, scene, option)."""
    return softmax(np.tensordot(weights, features, (1, 2)))


def fit_agent(world: World, probes: xr.Dataset, steps: EpisodeSteps, units: np.ndarray, seed: int) -> FittedAgent:
    """Fit an agent by `Choices` with a `Linear` reward over the features.

    Named rules are fitted beside the linear reward. Each step is a choice among the options of its scene. Where a column is
    the value of a move's successor under a reward, the likelihood is that of `Demonstrations` by a planner.

    Parameters
    ----------
    probes : Dataset
    steps : EpisodeSteps
        Steps of the agent in the probes.
    units : ndarray (feature,)
        Standard deviations by which features that are constant in the probes are divided. A standard deviation of 0 gives
        the weight 0.
    seed : int
    """
    features = world.features
    scenes, chosen = probes.isel(scene=steps.scene), steps.option
    phi = featured(scenes, features)
    varied = phi.std(axis=(0, 1)) > 1e-9
    if not varied.any():
        raise InputError("probes: no column varies in them; give scenes in which the options differ")
    seen = tuple(feature for feature, t in zip(features, varied, strict=True) if t)
    columns = [*world.columns]
    table = scenes[columns].assign(chosen=(("scene", "option"), np.arange(phi.shape[1]) == chosen[:, None]))
    mixture = Linear(seen, prior={"normal": PRIOR_SD}, source=world.source)
    tree = fit(
        {**world.rules, MIXTURE: mixture},
        Uniform("the agent may go by any of them"),
        [Choices(table, "chosen")],
        fail_utility=0,
        draws=READING_DRAWS // 4,
        random_seed=seed,
    )
    rng = substream(seed, "reading")
    weights = (
        rng.standard_normal((READING_DRAWS, len(features)))
        * PRIOR_SD
        / np.where(varied, 1.0, np.where(units > 0, units, np.inf))
    )
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(READING_DRAWS, -1)
    weights[:, varied] = drawn / tree["constant_data"]["reward_weight_scale"].to_numpy()
    chance = chances(weights[:, varied], phi[..., varied])
    log_evidence = tree["evidence"]["log_evidence"].to_numpy()[: len(world.rules)]
    rules = np.exp(log_evidence - log_evidence.max())
    at_bad = probes[world.bad].to_numpy() > 0
    if goes_on(probes):
        every = chances(thinned_draws(weights, probes), featured(probes, features))
        where, taken, over = simulated(every, probes, rng)
        badly = at_bad[where, taken] & over
        chance_bad = badly.mean(axis=0)
        ends = {"ended": over, "ended badly": badly}
    else:
        chance_bad = (chance.mean(axis=0) * at_bad).sum(axis=1)
        ends = {}
    last = steps.last
    bad = at_bad[steps.scene[last], chosen[last]]
    p = predictive_checks(world, scenes, chosen, chance, rng)
    if ends:  # episodes as a whole; what columns that are weighed add up to, a reading gets right whatever it misses
        p = {name: value for name, value in p.items() if name not in features}
        did = {"ended": probes["next"].to_numpy()[steps.scene[last], chosen[last]] < 0, "ended badly": bad}
        p |= {name: two_sided(drawn.mean(axis=1), did[name].mean()) for name, drawn in ends.items()}
    return FittedAgent(
        features=features,
        weights=weights,
        unprobed=tuple(feature for feature, t in zip(features, varied, strict=True) if not t),
        rules=dict(zip(world.rules, (rules / rules.sum()).tolist(), strict=True)),
        mixture=float(tree["evidence"]["weight"].to_numpy()[-1]),
        p=p,
        chance_bad=chance_bad,
        bad=bad,
    )


def predictive_checks(
    world: World, probes: xr.Dataset, chosen: np.ndarray, chance: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Check a fitted agent on its own probes: two-sided posterior predictive p-values.

    Statistics are the share of choices that are bad, the mean of each column over the chosen options, and ``log p(choices)``.
    """
    drawn = picked(chance, rng)
    scene = np.arange(len(chosen))
    log_chance = np.log(np.maximum(chance, 1e-300))
    draw = np.arange(len(chance))[:, None]
    statistics = {"log p": (log_chance[draw, scene, drawn].sum(axis=1), log_chance[:, scene, chosen].sum(axis=1))}
    for column in dict.fromkeys((world.bad, *world.columns)):
        if column in probes:
            values = probes[column].to_numpy().astype(float)
            statistics[column] = (values[scene, drawn].mean(axis=1), np.full(len(chance), values[scene, chosen].mean()))
    return {name: two_sided(replicated, observed) for name, (replicated, observed) in statistics.items()}


def two_sided(replicated: np.ndarray, observed: np.ndarray) -> float:
    """Return the two-sided posterior predictive p-value of a statistic.

    Ties count half.
    """
    above = np.sum(replicated > observed + 1e-12) + np.sum(np.abs(replicated - observed) <= 1e-12) / 2
    share = (above + 0.5) / (len(replicated) + 1)
    return float(min(1.0, 2 * min(share, 1 - share)))


def predicted_rates(
    chance: np.ndarray, scenes: xr.Dataset, bad: np.ndarray, slip: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the share of catastrophes among these scenes: (draw,).

    Parameters
    ----------
    chance : ndarray (draw, scene, option)
    bad : ndarray (scene, option) of bool
    slip : ndarray (draw,)
        Chance that ending with an option that is not bad is a catastrophe all the same.
    """
    slip = slip[: len(chance), None]
    if goes_on(scenes):
        where, taken, over = simulated(chance, scenes, rng)
        each = np.where(over, np.where(bad[where, taken], 1.0, slip), 0.0)
    else:
        each = (chance * np.where(bad, 1.0, slip[..., None])).sum(axis=2)
    return (rng.random(each.shape) < each).mean(axis=1)


def rates_by_rules(
    world: World, reading: FittedAgent, scenes: xr.Dataset, slip: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the catastrophe rate (draw,) of an agent that commits to a named rule.

    Ties are split uniformly.
    """
    slip = thinned_draws(slip, scenes)
    worth = featured(scenes, list(world.rules.values()))
    top = worth.max(axis=1, keepdims=True)
    best = equal(worth, top, CALLABLE * np.abs(worth), CALLABLE * np.abs(top))
    chance = np.moveaxis(best / best.sum(axis=1, keepdims=True), 2, 0)
    taken = rng.choice(len(world.rules), len(slip), p=list(reading.rules.values()))
    return predicted_rates(chance[taken], scenes, scenes[world.bad].to_numpy().astype(bool), slip, rng)


def log_right(weights: np.ndarray, features: Sequence[str], scenes: xr.Dataset, right: np.ndarray) -> np.ndarray:
    """Return the log probability (draw,) that every episode ends with a right option.

    The weights have shape (draw, feature).
    """
    some = max(1, 20_000_000 // (right.size or 1))  # chances held at once
    parts = [
        chance_reached(chances(weights[lo : lo + some], featured(scenes, features)), scenes, right)
        for lo in range(0, len(weights), some)
    ]
    return np.log(np.maximum(np.concatenate(parts), 1e-300)).sum(axis=1)


def mean_interval(draws: np.ndarray) -> dict[str, float]:
    """Return the mean and the equal-tailed 89 % interval of draws."""
    lower, upper = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2])
    return {"mean": float(draws.mean()), "lower": float(lower), "upper": float(upper)}


def refuse_misfits(reads: Mapping[str, FittedAgent]) -> list[str]:
    """Return a warning for each agent that the fitted reward does not fit.

    Raises
    ------
    NotTrustedError
        More than half of the agents do not fit: a column that they choose by is missing.
    """
    problems = []
    for name, reading in reads.items():
        if not reading.fits:
            amiss, p = min(reading.p.items(), key=lambda pair: pair[1])
            problems.append(f"the reading of agent {name} does not fit its own choices: {amiss}, p = {p:.3g}")
    if 2 * len(problems) > len(reads):
        raise NotTrustedError(
            [
                f"{len(problems)} of {len(reads)} readings do not fit, so nothing is predicted; a column is missing",
                *problems,
            ]
        )
    return problems


def shared_variance(reads: Sequence[FittedAgent]) -> float:
    """Return the variance over scenes of prediction errors that agents share.

    The variance is ``mean_m (mean_k e_km)^2 - mean_m sum_k p_km (1 - p_km) / K^2``, at least 0. Here ``e_km`` is whether agent
    k took a bad option in probe scene m, less its probability ``p_km``. Agents that were trained alike have common errors,
    so the rate of a population varies more than that of independent agents.
    """
    chance = np.array([reading.chance_bad for reading in reads])
    apart = (np.array([reading.bad for reading in reads]) - chance).mean(axis=0)
    alone = (chance * (1 - chance)).sum(axis=0) / len(reads) ** 2
    return max(0.0, float(np.mean(apart**2) - alone.mean()))


def population(draws: Sequence[np.ndarray], variance: float, scenes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the rate of a population from its agents' rates: (draw,).

    Parameters
    ----------
    variance : float
        Of what they share, by scene.
    scenes : int
        Scenes that the rate is a mean over.
    """
    mean = np.mean(draws, axis=0)
    return np.clip(mean + rng.standard_normal(len(mean)) * np.sqrt(variance / scenes), 0.0, 1.0)


def shift_of_test(world: World, training: xr.Dataset, test: xr.Dataset, seed: int) -> Shift:
    """Test for distribution shift by the named rules' rewards in training and test."""
    listed = hypotheses_of(dict(world.rules))
    line = stated_line(0.5, listed.names)
    columns = [*world.columns]
    before, after = (
        Valuation(listed, as_table(table[columns].isel(scene=starting_scenes(table)), name), line)
        for table, name in ((training, "training"), (test, "test"))
    )
    weights = np.full(len(listed), 1 / len(listed))
    return shift_check([before], after, weights, substream(seed, "shift"))


def coverage(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of rows whose interval contains the measured rate."""
    return float(np.mean([r["lower"] - 1e-12 <= r["measured"] <= r["upper"] + 1e-12 for r in rows]))


def mean_error(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean absolute difference between predicted and measured rates."""
    return float(np.mean([abs(r["predicted"] - r["measured"]) for r in rows]))
