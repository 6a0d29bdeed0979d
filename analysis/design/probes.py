"""Selection of the probe scenes whose choices best distinguish the hypotheses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.boltzmann.prior import DEFAULT, prior_of_rationality
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.view import within_scene_scale
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.tree.read import posterior_of, tested

RATIONALITY_NODES, FAMILY_MEMBERS = 15, 64
"""Rationalities that stand for their prior, and members that stand for a family, each with one."""
OUTCOMES, SIMULATED, CHECK_AGENTS = 1024, 512, 4000
"""Rows of choices up to which sums are exact; simulated agents beyond, and agents that check the selection."""
NO_INFORMATION = 1e-10  # nats: a scene that tells nothing
INFORMATION_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Choosers:
    """Possible agents, each certain of one reward and with one rationality.

    Attributes
    ----------
    chance : ndarray (chooser, scene, option)
        Probability of each choice; 0 where there is no option.
    mass : ndarray (chooser,)
        Prior probability.
    hypothesis : ndarray (chooser,) of int
        In order.
    """

    chance: np.ndarray
    mass: np.ndarray
    hypothesis: np.ndarray

    @property
    def slices(self) -> list[slice]:
        """Choosers of each hypothesis with positive mass."""
        members = [
            np.flatnonzero((self.hypothesis == h) & (self.mass > 0)) for h in range(int(self.hypothesis.max()) + 1)
        ]
        return [slice(int(indices[0]), int(indices[-1]) + 1) for indices in members if len(indices)]

    def by_hypothesis(self, mass: np.ndarray) -> np.ndarray:
        """Return masses of choosers (row, chooser) added up: (row, hypothesis)."""
        return np.stack([mass[:, members].sum(axis=1) for members in self.slices], axis=1)

    def information(self, mass: np.ndarray) -> np.ndarray:
        """Return the exact information ``I(h; choice)`` of one choice in each scene.

        Parameters
        ----------
        mass : ndarray (row, chooser)

        Returns
        -------
        ndarray (row, scene)
            In nats.
        """
        n, scenes, options = len(mass), *self.chance.shape[1:]
        out = np.empty((n, scenes))
        step = max(1, INFORMATION_CELLS // (len(self.slices) * scenes * options))
        flat = self.chance.reshape(len(self.chance), -1)
        for lo in range(0, n, step):
            some = mass[lo : lo + step]
            total = np.zeros((len(some), scenes, options))
            nats = np.zeros((len(some), scenes))
            for members in self.slices:
                joint = (some[:, members] @ flat[members]).reshape(total.shape)
                mass_h = some[:, members].sum(axis=1)[:, None, None]
                with np.errstate(divide="ignore", invalid="ignore"):
                    nats += np.where(joint > 0, joint * np.log(joint / mass_h), 0.0).sum(axis=-1)
                total += joint
            with np.errstate(divide="ignore", invalid="ignore"):
                nats -= np.where(total > 0, total * np.log(total), 0.0).sum(axis=-1)
            out[lo : lo + step] = nats
        return np.maximum(out, 0.0)


def choose_probes(
    hypotheses: Mapping[str, Any] | xr.DataTree,
    candidates: Any,
    k: int,
    *,
    prior: Prior | None = None,
    rationality: Any = None,
    random_seed: int = 0,
) -> xr.Dataset:
    """Choose scenes in which an agent's choices best distinguish the hypotheses.

    Scenes are chosen one after another. The next scene has the most expected information about the hypothesis,
    ``I(h; choice | earlier choices)`` in nats. The agent chooses by ``softmax(beta r_h / s_h)``, with beta drawn from its
    prior and s_h over the candidates. The expectation over earlier choices is exact for at most 1,024 outcomes, else an
    average over 512 simulated agents. The first of equal scenes is chosen. A scene without information is not chosen, so
    fewer than k may be returned.

    Parameters
    ----------
    hypotheses : dict or DataTree
        name -> expression, callable or `Linear`; or a tree from `fit`, whose hypotheses and weights are taken.
    candidates : Dataset, DataFrame or dict of arrays
        Scenes with options.
    k : int
        Greatest number of scenes.
    prior : Prior, optional
        Prior over the agent's hypothesis: by default uniform, or a tree's weights.
    rationality : float or dict, optional
        beta, or its prior, as for `Choices`.
    random_seed : int

    Returns
    -------
    Dataset
        Over ``pick``, in order, information in nats: ``scene`` (name) and ``position``; ``information`` of one choice in the
        scene alone; ``gain``, the expected information by which the scene was chosen; ``together``, the information of the
        scenes up to this pick; ``mcse`` of ``together``, 0 where exact, else from 4,000 independent agents. Attribute
        ``entropy``: entropy of the hypothesis, the greatest possible information.

    Raises
    ------
    InputError
        Candidates without options, wrong hypotheses or rationality, k below 1.
    """
    k, random_seed = whole(k, "k", 1), whole(random_seed, "random_seed")
    listed, weights, table = _asked(hypotheses, candidates, prior)
    betas = betas_of(rationality)
    choosers = _choosers(listed, weights, table, betas, substream(random_seed, "choosers"))
    picks, gains = _greedy(choosers, min(k, table.n_scenes), substream(random_seed, "probes"))
    cumulative, mcse = _together(choosers, picks, substream(random_seed, "check of probes"))
    prior_mass = choosers.by_hypothesis(choosers.mass[None])[0]
    alone = choosers.information(choosers.mass[None])[0]
    return xr.Dataset(
        {
            "scene": ("pick", [table.scene_name(m) for m in picks]),
            "position": ("pick", np.array(picks, int)),
            "information": ("pick", alone[picks]),
            "gain": ("pick", np.array(gains, float)),
            "together": ("pick", cumulative),
            "mcse": ("pick", mcse),
        },
        coords={"pick": np.arange(len(picks))},
        attrs={"entropy": float(-(prior_mass * np.log(prior_mass)).sum()), "units": "nats"},
    )


def _asked(hypotheses: Any, candidates: Any, prior: Prior | None) -> tuple[Hypotheses, np.ndarray, Table]:
    """Return hypotheses, their weights, and the candidates."""
    if isinstance(hypotheses, xr.DataTree):
        posterior, _ = posterior_of(hypotheses)
        listed, weights = posterior.hypotheses, posterior.weights
        table = tested(candidates, hypotheses)
    else:
        table = as_table(candidates, "candidates")
        table = table.with_booleans([c for c, v in table.columns.items() if v.is_boolean()])
        listed = hypotheses_of(hypotheses, table.column_order)
        weights = Uniform().weights_of(listed)
    listed.refuse_spaces("rh.choose_probes")
    if prior is not None:
        weights = prior.weights_of(listed)
    if listed.unmodelled is not None:
        raise InputError("choose_probes: an unmodelled hypothesis, by which no agent chooses; list rules alone")
    if not table.has_options:
        raise InputError(f"{table.source}: there are no options to choose from; give a column 'option' (and 'scene')")
    problems = check_columns([(table, listed.expressions())])
    if problems:
        raise InputError(problems)
    return listed, weights, table


def betas_of(rationality: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return quadrature nodes (node,) of the rationality, and their shares (node,).

    The rule is Gauss-Hermite quadrature of the logarithm.
    """
    if rationality is not None and not isinstance(rationality, Mapping):
        number = finite(rationality)
        if number is None or not 0 < number <= 1e9:
            raise InputError(
                f'rationality: {shown(rationality)}; give a positive number, or its prior, {{ dist = "lognormal", mu = 0, sigma = 1 }}'
            )
        return np.array([number]), np.ones(1)
    _, mu, sigma = prior_of_rationality(DEFAULT if rationality is None else rationality)
    nodes, shares = np.polynomial.hermite_e.hermegauss(RATIONALITY_NODES)
    return np.exp(mu + sigma * nodes), shares / shares.sum()


def _choosers(
    listed: Hypotheses,
    weights: np.ndarray,
    table: Table,
    betas: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Choosers:
    members = [(h, m) for h, reward in enumerate(listed.rewards) for m in reward.members(FAMILY_MEMBERS, table, rng)]
    owner, rewards = [h for h, _ in members], tuple(member for _, member in members)
    names = tuple(f"{listed.names[h]}, {i}" if listed.rewards[h].continuous else listed.names[h]
                  for i, h in enumerate(owner))  # fmt: skip
    valuation = Valuation(Hypotheses(names, rewards, listed.columns), table, FailureLine((None,) * len(names)))
    scales = np.asarray(within_scene_scale(valuation), float)
    chances, mass, hypothesis = [], [], []
    for i, h in enumerate(owner):
        worth = laid_out(valuation, i)
        of_family = listed.rewards[h].continuous
        nodes, shares = betas
        if of_family:  # one each, drawn, for members are many
            nodes, shares = rng.choice(nodes, 1, p=shares), np.full(1, 1 / owner.count(h))
        for beta, share in zip(nodes.tolist(), shares.tolist(), strict=True):
            odds = odds_of_options(worth, beta / scales[i] if scales[i] > 0 else 0.0)
            chances.append(odds / odds.sum(axis=-1, keepdims=True))
            mass.append(float(weights[h]) * share)
            hypothesis.append(h)
    return Choosers(np.stack(chances), np.array(mass), np.array(hypothesis))


def laid_out(valuation: Valuation, h: int) -> np.ndarray:
    """Return rewards (scene, option), -inf where there is no option."""
    widest = int(np.diff(valuation.table.starts).max())
    out = np.full((valuation.n_scenes, widest), -np.inf)
    for block in valuation.blocks():
        reward = block.reward(h)
        reward = reward if block.available is None else np.where(block.available, reward, -np.inf)
        out[block.scenes, : block.shape[0]] = reward.T
    return out


def odds_of_options(worth: np.ndarray, rate: float) -> np.ndarray:
    """Return odds of the options against the best, ``exp(rate (r - max r))``.

    Parameters
    ----------
    worth : ndarray (scene, option)
        Rewards r; -inf where there is no option, whose odds are 0.
    """
    there = worth > -np.inf
    behind = np.where(there, worth - worth.max(axis=-1, keepdims=True), 0.0)
    return np.where(there, np.exp(behind * rate), 0.0)


def _greedy(choosers: Choosers, k: int, rng: np.random.Generator) -> tuple[list[int], list[float]]:
    """Choose scenes one after another; return scenes and the gain of each in nats."""
    chance, prior = choosers.chance, choosers.mass / choosers.mass.sum()
    mass, share = prior[None], np.ones(1)
    truths: np.ndarray | None = None  # of simulated agents, once there are too many ways to go through
    picks: list[int] = []
    gains: list[float] = []
    while len(picks) < k:
        gain = share @ choosers.information(mass)
        gain[picks] = -1.0
        best = float(gain.max())
        if best <= NO_INFORMATION:
            break
        m = int(np.argmax(gain >= best - 1e-12))
        picks.append(m)
        gains.append(best)
        if truths is None and len(share) * chance.shape[2] <= OUTCOMES:
            mass, share = _all_ways(chance[:, m], mass, share)
            continue
        if truths is None:
            truths = rng.choice(len(prior), SIMULATED, p=prior)
            mass, share = np.tile(prior, (SIMULATED, 1)), np.full(SIMULATED, 1 / SIMULATED)
            for before in picks[:-1]:
                mass = _updated(chance[:, before], mass, truths, rng)
        mass = _updated(chance[:, m], mass, truths, rng)
    return picks, gains


def _all_ways(chance: np.ndarray, mass: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior masses after each possible choice, and its probability.

    Shapes (outcome, chooser) and (outcome,).
    """
    joint = mass[:, None, :] * chance.T[None]  # (row, option, chooser)
    total = joint.sum(axis=-1)
    some = total > 0
    return joint[some] / total[some][:, None], (share[:, None] * total)[some]


def _updated(chance: np.ndarray, mass: np.ndarray, truths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the posterior masses after a choice of each simulated agent.

    Shape (agent, chooser).
    """
    below = np.cumsum(chance[truths], axis=1)
    taken = (rng.random((len(truths), 1)) * below[:, -1:] >= below).sum(axis=1)
    joint = mass * chance[:, np.minimum(taken, chance.shape[1] - 1)].T
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _together(choosers: Choosers, picks: list[int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the joint information of the first 1, 2, ... scenes, and its error.

    Both have shape (pick,), in nats. The error is a Monte Carlo standard error.
    """
    prior = choosers.mass / choosers.mass.sum()
    before = choosers.by_hypothesis(prior[None])
    every, share, within = prior[None], np.ones(1), True
    truths = rng.choice(len(prior), CHECK_AGENTS, p=prior)
    mass = np.tile(prior, (CHECK_AGENTS, 1))
    values, errors = [], []
    for m in tracked(picks, what="probes"):
        mass = _updated(choosers.chance[:, m], mass, truths, rng)
        within = within and len(share) * choosers.chance.shape[2] <= OUTCOMES
        if within:
            every, share = _all_ways(choosers.chance[:, m], every, share)
        after = choosers.by_hypothesis(every if within else mass)
        with np.errstate(divide="ignore", invalid="ignore"):
            information = np.where(after > 0, after * np.log(after / before), 0.0).sum(axis=1)
        values.append(float(share @ information) if within else float(information.mean()))
        errors.append(0.0 if within else float(information.std(ddof=1)) / CHECK_AGENTS**0.5)
    return np.array(values), np.array(errors)
