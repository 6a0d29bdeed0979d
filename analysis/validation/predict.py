"""Predict how often trained agents meet catastrophe on shifted tests, from their choices in probe scenes, and compare.

Nothing here knows an environment: one is whatever has the attributes and methods of `World`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.shift.two_sample_test import Shift, shift_check
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.rounding import CALLABLE, equal
from reward_hypotheses.data.worlds.episodes import Steps, goes_on, picked, reached, simulated, starts
from reward_hypotheses.models.feedback.kinds.choices import Choices
from reward_hypotheses.models.fit import fit
from reward_hypotheses.models.hypotheses.failure_line import failure_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.priors.uniform import Uniform

PROB = 0.89
MIXTURE = "a mixture"
PRIOR_SD = 3.0
DRAWS = 2000
PATHS = 400
"""Draws from which episodes of more than one step are predicted."""
MISFIT = 0.01
"""A p-value below this, times the number of statistics looked at, says that a reading does not fit its agent."""


class World(Protocol):
    """What a study needs of an environment.

    Scenes are asked for by what they are for: ``training``, ``probes``, ``probes without`` (probes in which no option is bad),
    ``telling`` (training scenes in which the rules part), ``ordinary`` (a test like training), or one of the tests.
    """

    @property
    def tests(self) -> tuple[str, ...]:
        """The shifted tests."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """What an option is described by."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """What a reading weighs: expressions over columns, such as the columns and their products."""
        ...

    @property
    def rules(self) -> Mapping[str, str]:
        """Named rules, the foil: name -> reward, an expression over columns, above 1/2 for what the rule approves of."""
        ...

    @property
    def bad(self) -> str:
        """The column that says that taking an option is a catastrophe, as far as can be seen beforehand."""
        ...

    @property
    def source(self) -> str:
        """Why these columns."""
        ...

    @property
    def counted(self) -> str:
        """What is counted when a test is carried out, such as flights."""
        ...

    @property
    def lacking(self) -> str:
        """What "probes without" are without."""
        ...

    def scenes(self, which: str) -> xr.Dataset:
        """Columns over (scene, option), and what follows where an episode has more than one step (`data.episodes`)."""
        ...

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents, by name and seed; their mean reward, batch by batch."""
        ...

    def saved(self, agent: str) -> bytes:
        """Give the weights of an agent as npz."""
        ...

    def steps(self, agent: str, which: str) -> Steps:
        """Give what an agent does there: its demonstrations, of one step or many."""
        ...

    def right(self, which: str) -> np.ndarray:
        """Give the options that end an episode as training rewards: (scene, option) of bool."""
        ...

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Let agents act: which episodes ended in catastrophe, (agent, episode) of bool."""
        ...

    def slips(self) -> tuple[int, int]:
        """How many outcomes in training of options that are not bad were catastrophes, and of how many."""
        ...

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Say how well choices were carried out; of ``repeated`` outcomes, ``ended_otherwise`` were not as before."""
        ...


@dataclass(frozen=True, eq=False)
class Read:
    """What an agent goes by, as far as its choices in probe scenes say.

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
        Two-sided p-values of what was checked on the probes.
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
        """Whether nothing that was checked on the probes is amiss, after a correction for having looked at each."""
        return min(self.p.values()) * len(self.p) >= MISFIT

    def chances(self, scenes: xr.Dataset) -> np.ndarray:
        """Chance that each option is taken: (draw, scene, option), of fewer draws where episodes go on."""
        return chances(thinned(self.weights, scenes), featured(scenes, self.features))


def thinned(draws: np.ndarray, scenes: xr.Dataset) -> np.ndarray:
    """Every so manieth of the draws (draw, ...) where episodes of these scenes go on, else all."""
    return draws[:: max(1, len(draws) // PATHS)] if goes_on(scenes) else draws


def featured(scenes: xr.Dataset, features: Sequence[str]) -> np.ndarray:
    """Features of the options: (scene, option, feature)."""
    shape = (scenes.sizes["scene"], scenes.sizes["option"])
    made = [parse(one).evaluate(lambda c: scenes[c].to_numpy().astype(float)) for one in features]
    return np.stack([np.broadcast_to(np.asarray(one, float), shape) for one in made], axis=-1)


def chances(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    """``softmax(w phi)`` within each scene: (draw, scene, option)."""
    worth = np.tensordot(weights, features, (1, 2))
    worth = np.exp(worth - worth.max(axis=2, keepdims=True))
    return worth / worth.sum(axis=2, keepdims=True)


def read(world: World, probes: xr.Dataset, steps: Steps, units: np.ndarray, seed: int) -> Read:
    """Read an agent: `Choices` by a `Linear` reward over the features, and by named rules.

    Each step is a choice among the options of its scene. Where a column is the value of what a move leads to under a reward,
    that is the likelihood of `Demonstrations` by a planner.

    Parameters
    ----------
    probes : Dataset
    steps : Steps
        What it did in them.
    units : ndarray (feature,)
        Standard deviations by which features that no probe varies are divided; of 0, where nothing varies them, their weight is 0.
    seed : int
    """
    features = world.features
    scenes, chosen = probes.isel(scene=steps.scene), steps.option
    phi = featured(scenes, features)
    told = phi.std(axis=(0, 1)) > 1e-9
    if not told.any():
        raise InputError("probes: no column varies in them; give scenes in which the options differ")
    seen = tuple(one for one, t in zip(features, told, strict=True) if t)
    columns = [*world.columns]
    table = scenes[columns].assign(chosen=(("scene", "option"), np.arange(phi.shape[1]) == chosen[:, None]))
    mixture = Linear(seen, prior={"normal": PRIOR_SD}, source=world.source)
    tree = fit(
        {**world.rules, MIXTURE: mixture},
        Uniform("the agent may go by any of them"),
        [Choices(table, "chosen")],
        fail_utility=0,
        draws=DRAWS // 4,
        random_seed=seed,
    )
    rng = substream(seed, "reading")
    weights = (
        rng.standard_normal((DRAWS, len(features))) * PRIOR_SD / np.where(told, 1.0, np.where(units > 0, units, np.inf))
    )
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(DRAWS, -1)
    weights[:, told] = drawn / tree["constant_data"]["reward_weight_scale"].to_numpy()
    chance = chances(weights[:, told], phi[..., told])
    log_evidence = tree["evidence"]["log_evidence"].to_numpy()[: len(world.rules)]
    rules = np.exp(log_evidence - log_evidence.max())
    at_bad = probes[world.bad].to_numpy() > 0
    if goes_on(probes):
        every = chances(thinned(weights, probes), featured(probes, features))
        where, taken, over = simulated(every, probes, rng)
        badly = at_bad[where, taken] & over
        chance_bad = badly.mean(axis=0)
        ends = {"ended": over, "ended badly": badly}
    else:
        chance_bad = (chance.mean(axis=0) * at_bad).sum(axis=1)
        ends = {}
    last = steps.last
    bad = at_bad[steps.scene[last], chosen[last]]
    p = checked(world, scenes, chosen, chance, rng)
    if ends:  # episodes as a whole; what columns that are weighed add up to, a reading gets right whatever it misses
        p = {name: one for name, one in p.items() if name not in features}
        did = {"ended": probes["next"].to_numpy()[steps.scene[last], chosen[last]] < 0, "ended badly": bad}
        p |= {name: two_sided(drawn.mean(axis=1), did[name].mean()) for name, drawn in ends.items()}
    return Read(
        features=features,
        weights=weights,
        unprobed=tuple(one for one, t in zip(features, told, strict=True) if not t),
        rules=dict(zip(world.rules, (rules / rules.sum()).tolist(), strict=True)),
        mixture=float(tree["evidence"]["weight"].to_numpy()[-1]),
        p=p,
        chance_bad=chance_bad,
        bad=bad,
    )


def checked(
    world: World, probes: xr.Dataset, chosen: np.ndarray, chance: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Check a reading on its own probes: two-sided posterior predictive p-values.

    Statistics are the share of choices that are bad, the mean of each column over what was chosen, and ``log p(choices)``.
    """
    drawn = picked(chance, rng)
    scene = np.arange(len(chosen))
    log_chance = np.log(np.maximum(chance, 1e-300))
    draw = np.arange(len(chance))[:, None]
    found = {"log p": (log_chance[draw, scene, drawn].sum(axis=1), log_chance[:, scene, chosen].sum(axis=1))}
    for column in dict.fromkeys((world.bad, *world.columns)):
        if column in probes:
            values = probes[column].to_numpy().astype(float)
            found[column] = (values[scene, drawn].mean(axis=1), np.full(len(chance), values[scene, chosen].mean()))
    return {name: two_sided(replicated, observed) for name, (replicated, observed) in found.items()}


def two_sided(replicated: np.ndarray, observed: np.ndarray) -> float:
    """Posterior predictive p-value of a statistic, of replications (draw,) and as observed; ties count half."""
    above = np.sum(replicated > observed + 1e-12) + np.sum(np.abs(replicated - observed) <= 1e-12) / 2
    share = (above + 0.5) / (len(replicated) + 1)
    return float(min(1.0, 2 * min(share, 1 - share)))


def foretold(
    chance: np.ndarray, scenes: xr.Dataset, bad: np.ndarray, slip: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw the share of catastrophes among these very scenes: (draw,).

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


def by_rules(world: World, found: Read, scenes: xr.Dataset, slip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the same for an agent that commits to one of the named rules, ties split uniformly: (draw,)."""
    slip = thinned(slip, scenes)
    worth = featured(scenes, list(world.rules.values()))
    top = worth.max(axis=1, keepdims=True)
    best = equal(worth, top, CALLABLE * np.abs(worth), CALLABLE * np.abs(top))
    chance = np.moveaxis(best / best.sum(axis=1, keepdims=True), 2, 0)
    taken = rng.choice(len(world.rules), len(slip), p=list(found.rules.values()))
    return foretold(chance[taken], scenes, scenes[world.bad].to_numpy().astype(bool), slip, rng)


def log_right(weights: np.ndarray, features: Sequence[str], scenes: xr.Dataset, right: np.ndarray) -> np.ndarray:
    """Log probability that every episode ends with a right option, of weights (draw, feature): (draw,)."""
    some = max(1, 20_000_000 // (right.size or 1))  # chances held at once
    parts = [
        reached(chances(weights[lo : lo + some], featured(scenes, features)), scenes, right)
        for lo in range(0, len(weights), some)
    ]
    return np.log(np.maximum(np.concatenate(parts), 1e-300)).sum(axis=1)


def interval(draws: np.ndarray, prob: float = PROB) -> dict[str, float]:
    """Mean and equal-tailed interval of draws."""
    lower, upper = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2])
    return {"mean": float(draws.mean()), "lower": float(lower), "upper": float(upper)}


def refuse_misfits(reads: Mapping[str, Read]) -> list[str]:
    """Say of whom the reading does not fit, a sentence each.

    Raises
    ------
    NotTrustedError
        It does not fit more than half of them: a column is missing by which they choose.
    """
    said = []
    for name, one in reads.items():
        if not one.fits:
            amiss, p = min(one.p.items(), key=lambda pair: pair[1])
            said.append(f"the reading of agent {name} does not fit its own choices: {amiss}, p = {p:.3g}")
    if 2 * len(said) > len(reads):
        raise NotTrustedError(
            [f"{len(said)} of {len(reads)} readings do not fit, so nothing is predicted; a column is missing", *said]
        )
    return said


def shared(reads: Sequence[Read]) -> float:
    """Variance, by scene, of what agents do alike beyond their readings, as seen on the probes.

    ``var_m(mean_k e_km) - mean over m of sum_k p_km (1 - p_km) / K^2``, at least 0, with ``e_km`` whether agent k took a bad option
    in scene m less its chance. Agents that were trained alike err alike, so that a population's rate varies more than
    independent agents' would.
    """
    chance = np.array([one.chance_bad for one in reads])
    apart = (np.array([one.bad for one in reads]) - chance).mean(axis=0)
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


def shift_of(world: World, training: xr.Dataset, test: xr.Dataset, seed: int) -> Shift:
    """Ask whether a test is shifted at all, by what the named rules say of both."""
    listed = hypotheses_of(dict(world.rules))
    line = failure_line(0.5, listed.names)
    columns = [*world.columns]
    before, after = (
        Valuation(listed, as_table(one[columns].isel(scene=starts(one)), name), line)
        for one, name in ((training, "training"), (test, "test"))
    )
    weights = np.full(len(listed), 1 / len(listed))
    return shift_check([before], after, weights, substream(seed, "shift"))


def covered(rows: Sequence[Mapping[str, Any]]) -> float:
    """Share of rows whose interval holds what was measured."""
    return float(np.mean([r["lower"] - 1e-12 <= r["measured"] <= r["upper"] + 1e-12 for r in rows]))


def missed(rows: Sequence[Mapping[str, Any]]) -> float:
    """Mean absolute difference between what was predicted and what was measured."""
    return float(np.mean([abs(r["predicted"] - r["measured"]) for r in rows]))
