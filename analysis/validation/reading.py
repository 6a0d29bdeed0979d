"""Rewards of trained agents, inferred from choices in probes, with checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.held_out import predict_held_out
from reward_hypotheses.analysis.validation.world import World, steps_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, goes_on, picked, simulated
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.fit import fit
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.priors.uniform import Uniform

MIXTURE = "a mixture"
PRIOR_SD = 3.0
READING_DRAWS = 2000
PATHS = 120
"""Draws from which episodes of more than one step are predicted."""
MOST_ENDS = 400
"""Draws by which the ends of episodes are checked."""
MISFIT = 0.01
"""A p-value below this, times the number of statistics looked at, says that a reading does not fit its agent."""


def judge_of(world: World) -> xr.DataTree:
    """Return the judge of a world, to whom the outcome of an option is known."""
    outcomes = {world.bad: np.array([0.0, 1.0]), "good": np.array([True, False])}
    reward = {"the outcome": f"where({world.bad} > 0, -1, 1)"}
    known = Uniform("which options end in catastrophe is known")
    return fit(reward, known, [Labels(outcomes, "good", noise=(1, 19))], fail_utility=0, draws=50)


@dataclass(frozen=True, eq=False)
class FittedAgent:
    """An agent's reward, fitted to its choices in probe scenes.

    Attributes
    ----------
    tree : DataTree
        The posterior of the continuous weights.
    by_rules : DataTree
        The posterior of the named rules, were they all there is.
    unprobed : tuple of str
        Features that no probe varies: their weights keep the prior.
    rules : dict of str to float
        Weights of the named rules.
    mixture : float
        Weight of the mixture beside them, all equally probable beforehand.
    p : dict of str to float
        Two-sided p-values of the checks on the probes.
    held_out, bad : ndarray (probe,)
        The chance that a probe ends with a bad option, given the choices in the others, and whether it did.
    """

    tree: xr.DataTree
    by_rules: xr.DataTree
    unprobed: tuple[str, ...]
    rules: Mapping[str, float]
    mixture: float
    p: Mapping[str, float]
    held_out: np.ndarray
    bad: np.ndarray

    @property
    def fits(self) -> bool:
        """Whether every check on the probes is passed, corrected for their number."""
        return min(self.p.values()) * len(self.p) >= MISFIT


def featured(scenes: xr.Dataset, features: Sequence[str]) -> np.ndarray:
    """Return features of the options: (scene, option, feature)."""
    shape = (scenes.sizes["scene"], scenes.sizes["option"])
    made = [parse(column).evaluate(lambda c: scenes[c].to_numpy().astype(float)) for column in features]
    return np.stack([np.broadcast_to(np.asarray(column, float), shape) for column in made], axis=-1)


def chances(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return ``softmax(w phi)`` within each scene: (draw, scene, option)."""
    return softmax(np.tensordot(weights, features, (1, 2)))


def fit_agent(
    world: World, judge: xr.DataTree, probes: xr.Dataset, steps: EpisodeSteps, units: np.ndarray, seed: int
) -> FittedAgent:
    """Fit an agent by `Choices` with a `Linear` reward over the features.

    Named rules are fitted beside the linear reward. Each step is a choice among the options of its scene. Where a column is
    the value of a move's successor under a reward, the likelihood is that of `Demonstrations` by a planner.

    Parameters
    ----------
    judge : DataTree
        From `judge_of`.
    probes : Dataset
    steps : EpisodeSteps
        Steps of the agent in the probes.
    units : ndarray (feature,)
        Standard deviations by which features that are constant in the probes are divided. A feature with a standard
        deviation of 0 is left out.
    seed : int
    """
    scenes, chosen = probes.isel(scene=steps.scene), steps.option
    phi = featured(scenes, world.features)
    varied = phi.std(axis=(0, 1)) > 1e-9
    if not varied.any():
        raise InputError("probes: no column varies in them; give scenes in which the options differ")
    kept = varied | (units > 0)
    names = [name for name, there in zip(world.features, kept, strict=True) if there]
    unit = {name: float(u) for name, u, seen in zip(world.features, units, varied, strict=True) if not seen and u > 0}
    table = scenes[[*world.columns]].assign(chosen=(("scene", "option"), np.arange(phi.shape[1]) == chosen[:, None]))

    def fitted(hypotheses: Mapping[str, Any]) -> xr.DataTree:
        prior = Uniform("the agent may go by any of them")
        choices = [Choices(table, "chosen")]
        return fit(hypotheses, prior, choices, fail_utility=0, draws=READING_DRAWS // 4, random_seed=seed)

    tree = fitted({MIXTURE: Linear(names, {"normal": PRIOR_SD}, world.source, unit)})
    by_rules = fitted(dict(world.rules))
    rng = substream(seed, "reading")
    weights = tree["posterior"]["reward_weight"].to_numpy().reshape(READING_DRAWS, -1)
    weights = weights / tree["constant_data"]["reward_weight_scale"].to_numpy()
    at_bad = probes[world.bad].to_numpy() > 0
    last = steps.last
    bad = at_bad[steps.scene[last], chosen[last]]
    p = predictive_checks(world, scenes, chosen, chances(weights, phi[..., kept]), rng)
    n = PATHS if goes_on(probes) else READING_DRAWS
    if goes_on(
        probes
    ):  # episodes as a whole; what columns that are weighed add up to, a reading gets right whatever it misses
        p = {name: value for name, value in p.items() if name not in world.features}
        every = chances(weights[:: READING_DRAWS // MOST_ENDS], featured(probes, names))
        where, taken, over = simulated(every, probes, rng)
        ends = {"ended": over, "ended badly": at_bad[where, taken] & over}
        did = {"ended": probes["next"].to_numpy()[steps.scene[last], chosen[last]] < 0, "ended badly": bad}
        p |= {name: two_sided(drawn.mean(axis=1), did[name].mean()) for name, drawn in ends.items()}
    held_out = predict_held_out(
        judge, probes, steps, Boltzmann("inferred"), tree, steps=steps_of(probes), draws=n, random_seed=seed
    )
    log = np.append(*(tree_["evidence"]["log_evidence"].to_numpy() for tree_ in (by_rules, tree)))
    return FittedAgent(
        tree=tree,
        by_rules=by_rules,
        unprobed=tuple(unit),
        rules=dict(zip(world.rules, softmax(log[:-1]).tolist(), strict=True)),
        mixture=float(softmax(log)[-1]),
        p=p,
        held_out=held_out["chance"].to_numpy(),
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
