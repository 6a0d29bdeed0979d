"""Policy: what an agent does in a scene, from the rewards under all hypotheses and its weights over them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.block import Members
from reward_hypotheses.models.hypotheses.linear import Drawn
from reward_hypotheses.models.policies.view import View, WideView


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
