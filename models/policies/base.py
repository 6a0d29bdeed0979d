"""Policy: what an agent does in a scene, from the rewards under all hypotheses and its weights over them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.rounding import all_equal
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.hypotheses.valuation import Block, Members, Valuation


@dataclass(frozen=True, eq=False)
class Rationality:
    """What is known of an agent's rationality if it goes by one hypothesis: ``softmax(beta r / s)``.

    Attributes
    ----------
    betas : ndarray (point,)
        Nodes or draws; of a family, one a draw of its weights.
    shares : ndarray (point,)
        The probability that each stands for.
    scales : ndarray (point,)
        ``s`` as it was stored, in reward units; 0 where rewards were all equal, which chooses at chance.
    sampled : bool
        Whether the points are draws.
    """

    betas: np.ndarray
    shares: np.ndarray
    scales: np.ndarray
    sampled: bool

    @property
    def rates(self) -> np.ndarray:
        """``beta / s``, 0 where s is: (point,)."""
        return np.where(self.scales > 0, self.betas / np.where(self.scales > 0, self.scales, 1.0), 0.0)


@dataclass(frozen=True)
class Policy(ABC):
    """``pi(option | scene)``.

    A subclass writes one equation, `certain`: what an agent does that is certain of one hypothesis. An agent that is
    not draws a hypothesis from `mixing` of its weights for the whole deployment; a policy that acts on all of them at
    once sets ``draws_one = False`` and writes `act` instead of inheriting it.

    Parameters
    ----------
    abstain : bool
        Whether the agent may refrain. Failing is then one more option, worth ``u_h`` as the agent was told.
    """

    draws_one: ClassVar[bool] = True
    """Whether one hypothesis is drawn for a whole deployment, so that ``risk = w' C v``."""
    mixes_weights: ClassVar[bool] = True
    """Whether the one is drawn from the agent's weights themselves; bits of human values are defined only then."""

    exchange: ClassVar[str] = "adds up"
    """Of one that acts on all hypotheses at once: what it does with their rewards."""
    needs_scale: ClassVar[bool] = False
    """Whether `certain` reads ``view.scales``, the s_h of the table acted on."""

    abstain: bool = field(default=False, kw_only=True)

    @property
    def name(self) -> str:
        """What a study file calls it."""
        return "".join("_" + c.lower() if c.isupper() else c for c in type(self).__name__).lstrip("_")

    @abstractmethod
    def certain(self, view: "View", h: int) -> np.ndarray:
        """Probabilities of an agent certain of h: (choice, scene), the columns summing to 1.

        Choices are the options and, last, abstaining where the agent may.
        """

    def mixing(self, weights: np.ndarray) -> np.ndarray:
        """Probability with which each hypothesis is the one drawn: (hypothesis,)."""
        return weights

    def blend(self, weights: np.ndarray) -> np.ndarray:
        """Of a policy that acts on all hypotheses at once: in what mixture of their rewards it plans, (hypothesis,).

        Raises
        ------
        InputError
            The policy maximises nothing of the kind, so it cannot plan in an MDP.
        """
        raise InputError(f"policy: {self.name} maximises no mean of the rewards, so it cannot plan in an MDP")

    def act(self, view: "View", weights: np.ndarray) -> np.ndarray:
        """Probabilities of an agent with these weights: (choice, scene)."""
        chosen = self.mixing(weights)
        total = np.zeros(view.shape)
        for h in np.flatnonzero(chosen):
            total += chosen[h] * self.chances(view, int(h))
        return total

    def informed(self, rationality: "Sequence[Rationality]") -> "Policy":
        """The same of an agent of which it is known how rational it is under each hypothesis; itself, unless it asks."""
        return self

    @property
    def asks_rationality(self) -> bool:
        """Whether it cannot act before it is `informed`."""
        return False

    @property
    def sampled(self) -> bool:
        """Whether what it does rests on draws, so that `resampled` gives the Monte Carlo error."""
        return False

    def resampled(self, rng: np.random.Generator) -> "Policy":
        """The same with the draws on which it rests drawn anew with replacement (the bootstrap)."""
        return self

    def chances(self, view: "View", h: int) -> np.ndarray:
        """The same as `certain`; where h is a family of rewards, the average over agents certain of one of them each."""
        if not isinstance(view.block.valuation.hypotheses.rewards[h], Drawn):
            return self.certain(view, h)
        return view.block.average(h, ("picks", self), lambda some: self.certain_each(view, some), role="agents")

    def certain_each(self, view: "View", members: Members) -> np.ndarray:
        """Probabilities of agents certain of one draw of a family each: (draw, choice, scene)."""
        wide = WideView(view, members)
        chosen = np.asarray(self.certain(wide, members.hypothesis), float)
        return np.moveaxis(chosen.reshape(len(chosen), len(members.rewards), -1), 0, 1)


class View:
    """A block of scenes as the agent sees it: rewards of its choices, abstaining being worth what it was told.

    Attributes
    ----------
    shape : (choices, scenes)
    mask : ndarray (choice, scene) or None
        Which choices there are, where not all.
    """

    scales: Any

    def __init__(self, block: Block, policy: Policy, scales: Any = None) -> None:
        self.block, self.abstain, self.scales = block, policy.abstain, scales
        options, scenes = block.shape
        self.shape = (options + policy.abstain, scenes)
        self.mask = block.options
        if block.options is not None and policy.abstain:
            self.mask = np.vstack([block.options, np.ones((1, scenes), bool)])

    def worth(self, h: int) -> np.ndarray:
        """What each choice is worth under h, in its reward units: (choice, scene); -inf where there is none."""
        return self.choices(self.block.reward(h), h)

    def error(self, h: int) -> Any:
        """The bound of the rounding error of what each choice is worth: (choice, scene), or 0.0; 0 where there is none."""
        return self.errors(self.block.error(h), h)

    def best(self, h: int) -> np.ndarray:
        """Probabilities that maximise under h, ties split uniformly: (choice, scene)."""
        return greatest(self.worth(h), self.error(h))

    def once(self, h: int, what: Any, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """What is computed; a view that several policies share may keep it, so nobody writes in it."""
        return compute()

    def choices(self, reward: np.ndarray, h: int) -> np.ndarray:
        """Rewards of the options (option, scene), with abstaining, worth what h says of failing: (choice, scene)."""
        if self.abstain:
            reward = np.vstack([reward, np.broadcast_to(self.block.told(h)[0], (1, self.shape[1]))])
        return reward if self.mask is None else np.where(self.mask, reward, -np.inf)

    def errors(self, error: Any, h: int) -> Any:
        """Bounds of the options' rounding errors, (option, scene) or 0.0, with that of abstaining: (choice, scene) or 0.0."""
        of_failing = self.block.told(h)[1] if self.abstain else 0.0
        if isinstance(error, float) and isinstance(of_failing, float) and error == of_failing == 0.0:
            return 0.0
        error = np.broadcast_to(error, self.block.shape)
        if self.abstain:
            error = np.vstack([error, np.broadcast_to(of_failing, (1, self.shape[1]))])
        return error if self.mask is None else np.where(self.mask, error, 0.0)


class WideView(View):
    """Draws of a family side by side, each as scenes of its own: (choice, draw * scene)."""

    def __init__(self, view: View, members: Members) -> None:
        n, h = len(members.rewards), members.hypothesis
        options, scenes = view.block.shape
        self.block, self.abstain = view.block, view.abstain
        self.shape = (view.shape[0], n * scenes)
        self.mask = None if view.mask is None else np.tile(view.mask, (1, n))
        self.members = members
        self.scales = None
        if view.scales is not None:
            self.scales = {h: np.repeat(view.scales[h][members.which], scenes)}
        worth = np.moveaxis(members.rewards, 0, 1).reshape(options, -1)
        if self.abstain:
            told = np.broadcast_to(view.block.told(h)[0], (scenes,))
            worth = np.vstack([worth, np.tile(told, n)[None]])
        self._worth = worth if self.mask is None else np.where(self.mask, worth, -np.inf)

    def worth(self, h: int) -> np.ndarray:
        """What each choice is worth under each draw: (choice, draw * scene)."""
        return self._worth

    def error(self, h: int) -> Any:
        """The bound of the rounding error of each: (choice, draw * scene)."""
        return self._spread(self.members.error, h)

    def best(self, h: int) -> np.ndarray:
        """Probabilities that maximise under each draw, ties split uniformly: (choice, draw * scene)."""
        most = self._spread(np.broadcast_to(self.members.most, self.members.rewards.shape), h)
        best = greatest(self._worth, most)
        if best.dtype == bool:  # nothing is so near to the best that its own error must be known
            return best
        return greatest(self._worth, self.error(h))

    def _spread(self, error: np.ndarray, h: int) -> np.ndarray:
        n, scenes = len(error), self.block.shape[1]
        out = np.moveaxis(error, 0, 1).reshape(self.block.shape[0], -1)
        if self.abstain:
            out = np.vstack([out, np.tile(np.broadcast_to(self.block.told(h)[1], (scenes,)), n)[None]])
        return out if self.mask is None else np.where(self.mask, out, 0.0)


def greatest(worth: np.ndarray, error: float | np.ndarray = 0.0) -> np.ndarray:
    """Probabilities that maximise, ties split uniformly: (choice, scene).

    Parameters
    ----------
    worth : ndarray (choice, scene)
        -inf where there is no choice.
    error : float or ndarray (choice, scene), optional
        Bounds of the rounding errors: a choice ties with the best where it is equal to it.
    """
    top = worth.max(axis=0)
    if isinstance(error, float):
        best = worth >= top - 4 * error
    else:
        best = worth >= top - 2 * (error + np.where(worth == top, error, 0.0).max(axis=0))
    if not top.min(initial=0.0) > -np.inf:  # a scene without any choice: nothing is done there
        best &= top > -np.inf
        return best / np.maximum(best.sum(axis=0), 1)
    if np.count_nonzero(best) == best.shape[1]:
        return best
    return best / best.sum(axis=0)


def within_scene_scale(valuation: Valuation) -> Any:
    """``s_h``, by which choices scale rewards: (hypothesis,), in reward units; of a family one each draw that an agent may hold.

    The root of the mean, over scenes with at least two available options, of the population variance of ``r_h`` among
    them (options that are failing left out; scenes by their weight). 0 where rewards are all equal.
    """
    n = len(valuation.hypotheses)
    weights = valuation.table.scene_weights()
    total, mass = np.zeros(n), 0.0
    unit = np.where(valuation.largest > 0, valuation.largest, 1.0)  # squares of 1e-200 would vanish
    of_draws: dict[int, Any] = {}

    def measure(block: Block) -> tuple[np.ndarray, float]:
        inside = np.ones(block.shape, bool) if block.options is None else block.options
        count = inside.sum(axis=0)
        weight = (count >= 2) * (1.0 if weights is None else weights[block.scenes])
        out = np.zeros(n)
        share = np.maximum(count, 1)
        first = inside.argmax(axis=0), np.arange(block.shape[1])

        def variance(rewards: np.ndarray, unit: float = 1.0) -> np.ndarray:
            """Of each scene, (..., scene); less the first option before they are averaged: an offset takes no digit away."""
            apart = np.where(inside, rewards - rewards[..., *first][..., None, :], 0.0) / unit
            mean = apart.sum(axis=-2, keepdims=True) / share
            return np.asarray((np.where(inside, apart - mean, 0.0) ** 2).sum(axis=-2) / share)

        for h in range(n):
            reward = block.reward(h)
            varies = weight * ~all_equal(reward, block.error(h), inside)
            out[h] = (variance(reward, unit[h]) * varies).sum()
        for h in valuation.families:
            squares = variance(block.members(h, "agents").rewards) * weight
            of_draws[h] = of_draws.get(h, 0.0) + squares.sum(axis=1)
        return out, float(weight.sum())

    for squares, count in valuation.each(measure):
        total += squares
        mass += count
    scales = unit * np.sqrt(total / mass) if mass else total
    if not valuation.families:
        return scales
    return [np.sqrt(of_draws[h] / max(mass, 1e-300)) if h in of_draws else scales[h] for h in range(n)]
