"""Policy: the choices of an agent in a scene.

Choices depend on the rewards under all hypotheses, and on the agent's weights over the hypotheses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.view import View, WideView

AT_RANDOM = "takes an option at random, whatever its reward"
"""What a policy does whose settings leave no preference between options."""


@dataclass(frozen=True, eq=False)
class Rationality:
    """Posterior of an agent's rationality under one hypothesis.

    The agent chooses with probability ``softmax(beta r / s)``.

    Attributes
    ----------
    betas : ndarray (point,)
        Nodes or draws; of a family, one for each draw of its weights.
    shares : ndarray (point,)
        The probability that each stands for.
    scales : ndarray (point,)
        ``s`` as it was stored, in reward units; 0 where rewards were all equal: the agent chooses at chance.
    sampled : bool
        Whether the points are draws.
    """

    betas: np.ndarray
    shares: np.ndarray
    scales: np.ndarray
    sampled: bool

    @property
    def rates(self) -> np.ndarray:
        """``beta / s``, 0 where s is 0: (point,), per reward unit."""
        return np.where(self.scales > 0, self.betas / np.where(self.scales > 0, self.scales, 1.0), 0.0)


@dataclass(frozen=True)
class Policy(ABC):
    """The probabilities with which an agent chooses: ``pi(option | scene)``.

    A subclass writes one equation, `certain`: the choices of an agent that is certain of one hypothesis. Any other
    agent draws a hypothesis from `mixing` of its weights for the whole deployment. A policy that acts on all
    hypotheses at once sets ``draws_one = False`` and writes `act` instead of inheriting it.

    Parameters
    ----------
    abstain : bool
        Whether the agent may refrain. Failing is then one more option, worth ``u_h`` as the agent was told.
    """

    name: ClassVar[str] = "policy"
    """Its name in study files and results: the name of the class in snake case, unless a class gives another."""
    draws_one: ClassVar[bool] = True
    """Whether one hypothesis is drawn for a whole deployment, so that ``risk = w' C v``."""
    mixes_weights: ClassVar[bool] = True
    """Whether that hypothesis is drawn from the agent's weights themselves; only then are bits of human values defined."""
    maximises: ClassVar[bool] = False
    """Whether it takes the best option where only one hypothesis has weight."""
    exchange: ClassVar[str] = "adds up"
    """What a policy that acts on all hypotheses at once does with their rewards."""
    needs_scale: ClassVar[bool] = False
    """Whether `certain` reads ``view.scales``, the s_h of the table acted on."""
    no_family: ClassVar[str] = ""
    """Why it cannot act by a hypothesis with continuous weights, as a clause about these; empty where it can."""
    no_space: ClassVar[str] = ""
    """Why it cannot act by a space of rules, as a clause; empty where it can."""
    slow_family: ClassVar[str] = ""
    """Why it is not compared with other policies where a hypothesis has continuous weights, as a clause about these."""
    compared: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings at which it is compared with other policies; none where it is not."""
    compared_as_stated: ClassVar[bool] = False
    """Whether it is compared at the agent's own settings alone, where the agent has this policy."""
    clause: ClassVar[str] = ""
    """What the policy does, as a verb phrase ("draws one hypothesis"); empty of a policy that is not built in."""

    abstain: bool = field(default=False, kw_only=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = "".join("_" + c.lower() if c.isupper() else c for c in cls.__name__).lstrip("_")

    @property
    def does(self) -> str:
        """The clause about the policy at its settings; see `clause`."""
        return self.clause

    def settings(self) -> dict[str, Any]:
        """Return the settings other than `abstain`, as a study file has them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "abstain"}

    def settings_in_words(self) -> str:
        """Return the settings in a few words; empty where there are none."""
        return ", ".join(f"{key} {value}" for key, value in self.settings().items())

    @property
    def words(self) -> str:
        """The policy in a few words: name, settings, and whether it may abstain."""
        settings = self.settings_in_words()
        may = ", may abstain" if self.abstain else ""
        return self.name.replace("_", " ") + (f" ({settings})" if settings else "") + may

    @abstractmethod
    def certain(self, view: "View", h: int) -> np.ndarray:
        """Return the choice probabilities of an agent certain of h.

        Shape (choice, scene); the columns sum to 1.

        Choices are the options and, last, abstaining where the agent may.
        """

    def mixing(self, weights: np.ndarray) -> np.ndarray:
        """Return the probability that each hypothesis is drawn: (hypothesis,)."""
        return weights

    def blend(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights of the mixture of rewards to plan by: (hypothesis,).

        For policies that act on all hypotheses at once.

        Raises
        ------
        InputError
            The policy maximises no mixture of rewards, so it cannot plan in an MDP.
        """
        raise InputError(f"policy: {self.name} maximises no mean of the rewards, so it cannot plan in an MDP")

    def act(self, view: "View", weights: np.ndarray) -> np.ndarray:
        """Return the probabilities of an agent with these weights: (choice, scene)."""
        chosen = self.mixing(weights)
        total = np.zeros(view.shape)
        for h in np.flatnonzero(chosen):
            total += chosen[h] * self.chances(view, int(h))
        return total

    @classmethod
    def act_each(
        cls, policies: "Sequence[Policy]", views: Mapping[bool, View], weights: np.ndarray
    ) -> list[np.ndarray]:
        """Return `act` of several policies of this class: a (choice, scene) each.

        Parameters
        ----------
        views : dict of bool to View
            The view of an agent that may abstain, and of one that may not.
        """
        return [policy.act(views[policy.abstain], weights) for policy in policies]

    def informed(self, rationality: "Sequence[Rationality]") -> "Policy":
        """Return the policy, given the agent's rationality under each hypothesis.

        By default the policy itself, which needs no rationality.
        """
        return self

    @property
    def asks_rationality(self) -> bool:
        """Whether the policy cannot act before `informed`."""
        return False

    @property
    def sampled(self) -> bool:
        """Whether the choices rest on draws.

        `resampled` then gives the Monte Carlo error.
        """
        return False

    def resampled(self, rng: np.random.Generator) -> "Policy":
        """Return the policy with its draws resampled (the bootstrap).

        The draws are drawn anew with replacement.
        """
        return self

    def chances(self, view: "View", h: int) -> np.ndarray:
        """Return `certain`, averaged over the draws of a family: (choice, scene).

        An agent that acts by a family is certain of one draw of the family; by a space of rules, of one rule.
        """
        known = view.block.valuation.hypotheses.rewards[h].chances(view, self, h)
        if known is not None:
            return known
        return view.block.average(
            h,
            ("picks", self),
            lambda: self.certain(view, h),
            lambda some: self.certain_each(view, some),
            role="agents",
        )

    def n_open(self, valuation: Valuation, h: int) -> int:
        """Return the number of draws of what is open of an agent certain of h.

        For a family this is the number of its draws; for a fixed reward it is 1.
        """
        return valuation.n_draws(h, "agents")

    def n_effective(self, valuation: Valuation, h: int) -> float:
        """Return the number of independent draws that those of `n_open` are worth."""
        return self.n_open(valuation, h) / valuation.hypotheses.rewards[h].inflation

    def certain_open(self, view: "View", h: int, draws: slice) -> np.ndarray:
        """Return the probabilities of agents certain of h, by draws of what is open.

        Shape (draw, choice, scene).
        """
        return self.certain_each(view, view.block.members(h, "agents", draws))

    def certain_each(self, view: "View", members: Members) -> np.ndarray:
        """Return the probabilities of agents that are each certain of one draw.

        Shape (draw, choice, scene).
        """
        wide = WideView(view, members)
        return wide.by_draw(np.asarray(self.certain(wide, members.hypothesis), float))


@dataclass(frozen=True)
class Maximising(Policy):
    """A policy that takes the best option if one hypothesis has all weight.

    Tied options share the probability.
    """

    maximises: ClassVar[bool] = True

    def certain(self, view: View, h: int) -> np.ndarray:
        """Return the probabilities that maximise under h: (choice, scene).

        Ties are split uniformly.
        """
        return view.best(h)
