"""Sources that leave the risk open: the judge, the agent and the scenes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from reward_hypotheses.analysis.agents.agent import PosteriorAgent
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.risk.distribution.alike_scenes import FixedScenes, alike
from reward_hypotheses.analysis.risk.distribution.pairs import MATRIX_CELLS
from reward_hypotheses.analysis.risk.distribution.risk_draws import SOURCES, RiskDraws, unrounded
from reward_hypotheses.analysis.risk.other_agent_priors import values_drawn
from reward_hypotheses.analysis.rollout import Scenes, scene_weights
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.view import within_scene_scale

CELLS = 100_000_000
"""Draws times items: of a larger test a random sample of scenes stands for it."""
MANY_CELLS = 2_000_000_000
"""The same, where each draw is certain of one hypothesis."""
LEAST_SCENES = 500
"""Scenes of such a sample, at least."""
CHUNK = 1_000_000
"""Draws times items that are held at once."""
PAIRS = 400
"""Pairs of hypotheses up to which scenes are drawn for the risk of each, where no reward is open."""


def risk_draws(case: Case) -> RiskDraws:
    """Draw the risk of a case on its test, with each source of doubt.

    - ``values``: the judge's weights v, from ``p(pi | data)``, where the values have a strength.
    - ``agent``: its weights, as far as the strength of its prior leaves them open, and its rationality and continuous reward
      weights, as far as its choices do. A policy that acts on all hypotheses at once acts by the mean of the weights.
    - ``reward_weights``: the judge's continuous reward weights.
    - ``scenes``: the Bayesian bootstrap of the test's scenes, ``s ~ Dirichlet(n share)`` with ``n = 1 / sum share^2``.

    The sources are drawn independently of one another. Which hypothesis the agent draws and which is true belong to the risk,
    which is the average over both.
    """
    return OpenSources(case, *open_weights(case)).drawn()


def open_weights(case: Case) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Draw the weights of the agent and of the judge.

    Two arrays (draw, hypothesis of the test). Each is None where no strength leaves the weights open.
    """
    values, agents = case.once(values_drawn), None
    if values is not None:
        values = np.pad(values, ((0, 0), (0, len(case.names) - values.shape[1])))
    if case.policy.mixes_weights:
        agents = case.agent.draws(case.posterior, case.draws, substream(case.seed, "doubt about the agent"))
    return agents, values


class OpenSources:
    """The sources that leave the risk of a case open, with their draws.

    Parameters
    ----------
    agents, judges : ndarray (draw, hypothesis of the test) or None
        Weights by which each draw acts and is judged; None where nothing leaves them open.
    n : int, optional
        Number of draws; those of the case, unless given.
    certain : bool
        Whether each draw is certain of one hypothesis and one truth. A rate of 0 between the two then stays 0.

    Attributes
    ----------
    judge_open, agent_open : dict of int to int
        Hypotheses of which a reward weight or a rationality is open, and the number of its draws.
    """

    def __init__(
        self,
        case: Case,
        agents: np.ndarray | None,
        judges: np.ndarray | None,
        n: int | None = None,
        certain: bool = False,
    ) -> None:
        self.case, self.policy, self.certain = case, case.policy, certain
        self.n = case.draws if n is None else n
        self.agents, self.judges = agents, judges
        valuation, judge = case.valuation, case.judge_weights
        self.judge_open = {h: valuation.n_draws(h, "judges") for h in valuation.families if judge[h] > 0}
        self.agent_open = {}
        if self.policy.draws_one:
            acting = np.flatnonzero(self.policy.mixing(case.agent_weights) > 0).tolist()
            self.agent_open = {h: n for h in acting if (n := self.policy.n_open(valuation, h)) > 1}
        weight, total = scene_weights(valuation)
        self.share = weight / total
        self.scales = within_scene_scale(valuation) if self.policy.needs_scale else None

    @cached_property
    def sources(self) -> list[str]:
        """Sources that leave something open, but for the evidence."""
        leaves = {
            "values": self.judges is not None,
            "agent": self.agents is not None or bool(self.agent_open),
            "reward_weights": bool(self.judge_open),
            "scenes": np.count_nonzero(self.share) > 1,
        }
        return [source for source, something in leaves.items() if something]

    @property
    def by_pair(self) -> bool:
        """Whether scenes are drawn for the risk of every pair of hypotheses.

        This is cheaper where no reward is open and the pairs are few.
        """
        return (
            self.agents is not None and not (self.judge_open or self.agent_open) and len(self.case.names) ** 2 <= PAIRS
        )

    def drawn(self) -> RiskDraws:
        """Return the draws of the risk."""
        case, sources = self.case, self.sources
        most = self._most_scenes
        groups = self._groups(most) if most < self.case.valuation.n_scenes else None
        valuation, inside = (self.case.valuation, slice(None)) if groups else self._sample(most)
        share = self.share[inside] / self.share[inside].sum()
        sums = self._sums(valuation, share, groups)
        judges = case.judge_weights[None] if self.judges is None else self.judges
        values = judges @ case.risk.by_truth
        if valuation is not case.valuation and not self.certain:
            # what a sample of scenes says of the values, the whole test says better
            by_truth = sums["by_truth"]
            of_mean = case.risk.mean - float(case.judge_weights @ by_truth)
            of_values = judges @ (case.risk.by_truth - by_truth)
            for key in sums:
                sums[key] = sums[key] + (of_values if key in ("all", "scenes", "agent", "reward_weights") else of_mean)
        distinct, inflation = self._repeated()
        alone = {source: sums.get(f"only {source}", values) for source in SOURCES[:4]}
        return RiskDraws(
            all=unrounded(sums["all"], case.risk.mean),
            by_source={source: unrounded(alone[source], case.risk.mean) for source in sources},
            without={source: unrounded(sums[source], case.risk.mean) for source in sources},
            distinct=distinct,
            inflation=inflation,
        )

    def _repeated(self) -> tuple[dict[str, int], dict[str, float]]:
        """Return `RiskDraws.distinct` and `RiskDraws.inflation`."""
        valuation, rewards = self.case.valuation, self.case.valuation.hypotheses.rewards
        agents = [(n, n / self.policy.n_effective(valuation, h)) for h, n in self.agent_open.items()]
        judges = [(n, rewards[h].inflation) for h, n in self.judge_open.items()]
        values = [(self.n, self.n / self.case.posterior.worth(self.n))]
        if self.agents is not None and isinstance(self.case.agent, PosteriorAgent):
            agents.append((self.n, self.n / self.case.agent.posterior.worth(self.n)))
        by_source = {"agent": agents, "reward_weights": judges, "values": values, "all": agents + judges + values}
        distinct = {source: min([self.n, *(n for n, _ in found)]) for source, found in by_source.items()}
        return distinct, {source: max([1.0, *(times for _, times in found)]) for source, found in by_source.items()}

    @property
    def _most_scenes(self) -> int:
        """Number of scenes, or of groups of scenes, that are drawn."""
        valuation, cells = self.case.valuation, MANY_CELLS if self.certain else CELLS
        return max(LEAST_SCENES, cells * valuation.n_scenes // (self.n * max(valuation.table.n_items, 1)))

    def _groups(self, most: int) -> FixedScenes | None:
        """Return groups of scenes of one risk each.

        None where they are too many, or a reward is open.
        """
        blocks = self.case.valuation.blocks(max(1, MATRIX_CELLS // len(self.case.names)))
        return alike((self._scenes(block, self.share).fixed for block in blocks), most)

    def _scenes(self, block: Block, share: np.ndarray) -> "_Scenes":
        return _Scenes(self, Scenes(block, share[block.scenes], self.scales))

    def _sample(self, most: int) -> tuple[Valuation, np.ndarray]:
        """Return the test and its scenes: (scene,).

        Where the test is large, these are a random sample of its scenes.
        """
        valuation = self.case.valuation
        table, scenes = valuation.table, np.arange(valuation.n_scenes)
        if most >= len(scenes) or valuation.called:
            return valuation, scenes
        there = np.flatnonzero(self.share > 0)
        rng = substream(self.case.seed, "a sample of scenes")
        scenes = np.sort(rng.choice(there, min(most, len(there)), replace=False))
        sizes = np.diff(table.starts)
        some = table.subset(np.isin(np.repeat(np.arange(table.n_scenes), sizes), scenes))
        some = replace(some, starts=np.concatenate([[0], np.cumsum(sizes[scenes])]), scene_names=None)
        agent_line = None if valuation.agent_line is valuation.line else valuation.agent_line
        return Valuation(valuation.hypotheses, some, valuation.line, agent_line), scenes

    def by_scene(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of the draws, and the risk of each scene: (draw, scene)."""
        blocks = [self._scenes(block, self.share) for block in self.case.valuation.blocks()]
        for draws in self._slices(max(1, CHUNK // max(self.case.valuation.table.n_items, 1))):
            v = self.case.judge_weights[None] if self.judges is None else self.judges[draws]
            shape = draws.stop - draws.start
            parts = [
                np.broadcast_to(some := block.by_scene(draws, v)["all"], (shape, some.shape[1])) for block in blocks
            ]
            yield draws, np.concatenate(parts, axis=1)

    def choices(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield slices of the draws, choices and catastrophes.

        The probability of each option, and whether it is a catastrophe: two arrays (draw or 1, option, scene). 0 where a scene
        has no such option.
        """
        valuation = self.case.valuation
        blocks = [self._scenes(block, self.share) for block in valuation.blocks()]
        most = max(block.options for block in blocks)
        for draws in self._slices(max(1, CHUNK // max(valuation.table.n_items, 1))):
            v = self.case.judge_weights[None] if self.judges is None else self.judges[draws]
            parts = [block.choices(draws, v) for block in blocks]
            acts, worse = (
                np.concatenate([np.pad(x, ((0, 0), (0, most - x.shape[1]), (0, 0))) for x in arrays], axis=2)
                for arrays in zip(*parts, strict=True)
            )
            yield draws, acts, worse

    def _sums(self, valuation: Valuation, share: np.ndarray, groups: FixedScenes | None) -> dict[str, np.ndarray]:
        """Return the risk by truth (hypothesis,) and draws of the risk (draw,).

        Under the name of a source every other source is drawn. Under ``only`` and a source, this source alone is drawn.
        """
        rng, total = substream(self.case.seed, "doubt about the scenes"), np.zeros(self.n)
        sums = {"by_truth": np.zeros(len(self.case.names))}
        every: Iterable[_Scenes | FixedScenes] = (
            [groups]
            if groups
            else (
                self._scenes(block, share) for block in valuation.blocks(max(1, MATRIX_CELLS // len(self.case.names)))
            )
        )
        for scenes in every:
            there = scenes.concentration
            alone = bool(np.all(np.abs(there - 1) < 1e-9))
            sums["by_truth"] += scenes.seen @ scenes.mass
            for draws in tracked(self._slices(max(1, CHUNK // scenes.cells))):
                shape = draws.stop - draws.start, len(there)
                weights = rng.standard_exponential(shape) if alone else rng.standard_gamma(there, shape)
                total[draws] += weights.sum(axis=1)
                for key, some in self._of_scenes(scenes, draws, weights).items():
                    sums.setdefault(key, np.zeros(self.n))[draws] += some
        for key in ("all", "agent", "values", "reward_weights", "only scenes"):
            if key in sums:
                sums[key] /= total
        return sums

    def _of_scenes(self, scenes: "_Scenes | FixedScenes", draws: slice, weights: np.ndarray) -> dict[str, np.ndarray]:
        judge, agent = self.case.judge_weights, self.case.agent_weights
        judges = judge[None] if self.judges is None else self.judges[draws]
        fixed = scenes if isinstance(scenes, FixedScenes) else scenes.fixed
        if fixed is None:
            assert isinstance(scenes, _Scenes)
            return scenes.sums(draws, judges, weights)
        return fixed.sums(weights, judges, judge, None if self.agents is None else self.agents[draws], agent)

    def _slices(self, step: int) -> list[slice]:
        """Return slices of the draws.

        In each of them the draws of every open reward are contiguous.
        """
        cuts = {self.n, *range(0, self.n, step)}
        for n in {*self.judge_open.values(), *self.agent_open.values()}:
            cuts |= set(range(0, self.n, n))
        ordered = sorted(cuts)
        return list(map(slice, ordered, ordered[1:]))


class _Scenes:
    """Some scenes of the test: the agent's choices and the catastrophes.

    Both are kept on average, and computed draw by draw where a reward is open.
    """

    def __init__(self, doubt: OpenSources, scenes: Scenes) -> None:
        self.doubt, self.block, self.mass = doubt, scenes.block, scenes.mass
        case, self.policy = doubt.case, doubt.policy
        self.scenes, self.view, self.options = scenes, scenes.view(self.policy), scenes.n_options
        self.concentration = self.mass / float(doubt.share @ doubt.share)
        self.cells = self.options * len(self.mass)
        names = range(len(case.names))
        self.worse = np.array([np.asarray(self.block.worse(h), float) for h in names])
        self.picks = self.pairs = None
        if doubt.agents is not None or doubt.agent_open:
            unused = np.zeros(self.worse.shape[1:])  # where choices are computed draw by draw
            self.picks = np.array(
                [unused if h in doubt.agent_open else self.policy.chances(self.view, h)[: self.options] for h in names]
            )
            if doubt.by_pair:
                self.pairs = np.einsum("iom,jom->mij", self.picks, self.worse, optimize=True)

    @cached_property
    def acts(self) -> np.ndarray:
        """The agent's choices on average: (option, scene)."""
        return self.scenes.acts(self.policy, self.doubt.case.agent_weights)[: self.options]

    @cached_property
    def seen(self) -> np.ndarray:
        """The risk on average: (hypothesis, scene)."""
        return np.asarray((self.worse * self.acts).sum(axis=1))

    @cached_property
    def fixed(self) -> FixedScenes | None:
        """The risk by hypothesis; None where a reward is open."""
        if self.pairs is None and (self.picks is not None or self.doubt.judge_open):
            return None
        return FixedScenes(self.concentration, self.mass, self.seen, self.pairs)

    def sums(self, draws: slice, v: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return sums over the scenes, by draw; the keys are those of `OpenSources._sums`."""
        by_scene = self.by_scene(draws, v)
        return {
            key: risk @ self.mass
            if key in ("scenes", "only agent", "only reward_weights")
            else (weights * risk).sum(axis=1)
            for key, risk in by_scene.items()
        }

    def by_scene(self, draws: slice, v: np.ndarray) -> dict[str, np.ndarray]:
        """Return risks by scene: (draw or 1, scene)."""
        doubt, judge = self.doubt, self.doubt.case.judge_weights[None]
        worse = {h: self._worse(h, _contiguous(draws, n)) for h, n in doubt.judge_open.items()}
        seen = {h: (chance * self.acts).sum(axis=1) for h, chance in worse.items()}
        by_mean = _mixed(v, self.seen, seen)
        out = {
            "agent": by_mean,
            "only scenes": _mixed(judge, self.seen, {}),
            "only reward_weights": _mixed(judge, self.seen, seen),
        }
        if self.picks is None:
            return out | {
                "all": by_mean,
                "scenes": by_mean,
                "values": out["only reward_weights"],
                "reward_weights": _mixed(v, self.seen, {}),
            }
        acts = self._acts(draws)

        def risk(judge: np.ndarray, worse: Mapping[int, np.ndarray]) -> np.ndarray:
            return np.asarray((acts * _mixed(judge, self.worse, worse)).sum(axis=1))

        every = risk(v, worse)
        out |= {"all": every, "scenes": every, "only agent": risk(judge, {})}
        out["values"] = every if doubt.judges is None else risk(judge, worse)
        out["reward_weights"] = risk(v, {}) if worse else every
        return out

    def choices(self, draws: slice, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return choices and catastrophes: two arrays (draw or 1, option, scene)."""
        worse = {h: self._worse(h, _contiguous(draws, n)) for h, n in self.doubt.judge_open.items()}
        acts = self.acts[None] if self.picks is None else self._acts(draws)
        return acts, _mixed(v, self.worse, worse)

    def _worse(self, h: int, draws: slice) -> np.ndarray:
        return self.block.worse_each(self.block.members(h, "judges", draws)).astype(float)

    def _acts(self, draws: slice) -> np.ndarray:
        """Return the agent's choices, draw by draw: (draw, option, scene)."""
        doubt = self.doubt
        assert self.picks is not None
        mixing = self.policy.mixing(doubt.case.agent_weights)[None] if doubt.agents is None else doubt.agents[draws]
        opened = {
            h: self.policy.certain_open(self.view, h, _contiguous(draws, n))[:, : self.options]
            for h, n in doubt.agent_open.items()
        }
        return _mixed(mixing, self.picks, opened)


def _contiguous(draws: slice, n: int) -> slice:
    """Return the places of draws among n that are used again and again."""
    start = draws.start % n
    return slice(start, start + draws.stop - draws.start)


def _mixed(weights: np.ndarray, fixed: np.ndarray, opened: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return ``sum_h w_h x_h``: (draw or 1, ...).

    Parameters
    ----------
    weights : ndarray (draw or 1, hypothesis)
    fixed : ndarray (hypothesis, ...)
    opened : dict of int to ndarray (draw, ...)
        In place of the fixed ones, for some hypotheses.
    """
    closed = weights.copy()
    closed[:, list(opened)] = 0.0
    total = np.tensordot(closed, fixed, axes=1)
    for h, values in opened.items():
        total = total + weights[:, h].reshape(-1, *[1] * (values.ndim - 1)) * values
    return np.asarray(total)
