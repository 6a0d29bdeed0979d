"""A family of rewards with continuous weights.

`Fitted` has its posterior, `Drawn` its draws on a test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.linear import Combination, Linear, combination
from reward_hypotheses.models.hypotheses.reward import Bounded, BoundOf, ColumnOf, FittedReward, Reward
from reward_hypotheses.models.hypotheses.weight_priors.stated_prior import redrawn


@dataclass(frozen=True, eq=False)
class Fitted(FittedReward):
    """A family with the posterior of its weights: `Linear` once it is fitted.

    Attributes
    ----------
    linear : Linear
    scale : ndarray (feature,)
        Unit of each feature: its standard deviation over the rows fitted, unless another was given.
    mean : ndarray (feature,)
        Posterior mean of the weights.
    weights : ndarray (draw, feature)
        Draws of the weights from ``p(w | D)``, exchangeable.
    nuisances : dict of str to ndarray (draw,)
        The nuisances drawn with them, by the variable that holds them.
    method : {"laplace", "prior", "smc", "nuts"}
        How the evidence was come by: Laplace's approximation and importance sampling, importance sampling from the prior,
        sequential Monte Carlo, or NUTS and bridge sampling.
    k_hat : float
        Pareto shape of the importance weights; NaN of sequential Monte Carlo and of NUTS.
    ess : float
        Effective number of draws behind `weights`.
    seen : ndarray (feature, rank)
        Orthonormal basis of the directions of weight that some feedback could see.
    directions_only : bool
        Whether feedback sees the direction within `seen` alone, and not the length of that part of the weights.
    spreads : dict of str to ndarray (feature + 1, feature + 1)
        By variable of a rationality: ``s(w)^2 = (w, 1)' spread (w, 1)``, where rewards were scaled so.
    sampler : Sampler or None
        The diagnostics of NUTS, where NUTS ran.
    """

    continuous: ClassVar[bool] = True

    linear: Linear
    scale: np.ndarray
    mean: np.ndarray
    weights: np.ndarray
    nuisances: Mapping[str, np.ndarray] = field(default_factory=dict)
    method: str = "laplace"
    k_hat: float = np.nan
    ess: float = np.nan
    seen: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    directions_only: bool = False
    spreads: Mapping[str, np.ndarray] = field(default_factory=dict)
    sampler: Any = None

    @property
    @override
    def declared(self) -> Linear:
        return self.linear

    def scales(self, variable: str, weights: np.ndarray) -> np.ndarray:
        """Return the scale ``s(w)`` of weights (draw, feature): (draw,).

        The scale is that by which the feedback with this rationality divided rewards.
        """
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return np.sqrt(np.maximum(((full @ self.spreads[variable]) * full).sum(axis=1), 0.0))

    def member(self, weights: np.ndarray) -> Combination:
        """Return the reward with these weights."""
        return combination(self.linear.features, np.asarray(weights) / self.scale)

    @property
    @override
    def typical(self) -> Combination:
        return self.member(self.mean)

    def redrawn(self, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return weights with the unseen directions drawn anew: (draw, feature).

        No feedback sees these directions, so they are drawn from the prior.

        After endless training, an agent and the truth are two such draws: they share the seen directions alone.
        """
        n, (k, rank) = len(weights), self.seen.shape
        if rank == k:
            return weights
        stated = self.linear.stated_prior(self.scale)
        if stated is not None:
            return redrawn(stated, weights, self.seen, self.directions_only, rng)
        seen = weights @ self.seen @ self.seen.T
        noise = rng.standard_normal((n, k))
        noise -= noise @ self.seen @ self.seen.T
        if self.linear.sd is not None:
            return seen + self.linear.sd * noise
        if self.directions_only and rank:
            full = seen / _length(seen) * np.sqrt(rng.chisquare(rank, n))[:, None] + noise
            return full / _length(full)
        return seen + noise / _length(noise) * np.sqrt(np.maximum(1 - (seen**2).sum(axis=1, keepdims=True), 0.0))

    @override
    def members(self, n: int, table: Table, rng: np.random.Generator) -> list[Reward]:
        return [self.member(self.weights[row]) for row in rng.choice(len(self.weights), n)]

    @property
    def agent_draws(self) -> slice:
        """The draws that an agent may act by.

        The remaining draws stand for what is true.
        """
        return slice(0, 2 * max(1, len(self.weights) // 2), 2)

    @override
    def on_test(self, n_draws: int) -> "Drawn":
        """Return draws for an agent, and independent draws for the truth.

        There are as many draws for the truth as for an agent that acts by the family, at most `n_draws` each.
        """
        half = len(self.weights[self.agent_draws])
        n = max(1, min(n_draws, half))
        agents, judges = self.weights[self.agent_draws][:n], self.weights[1 : 2 * half : 2][:n]
        judges = judges if len(judges) else agents  # of a single draw
        partners = self.redrawn(agents, np.random.default_rng([23, n]))
        return Drawn(
            self.linear.features,
            self.mean / self.scale,
            agents / self.scale,
            judges / self.scale,
            partners / self.scale,
            self.ess,
        )


@dataclass(frozen=True, eq=False)
class Members:
    """Some draws of a family on a block.

    Attributes
    ----------
    hypothesis : int
    role : {"agents", "judges", "partners"}
    which : slice or ndarray of int
        Which draws of that role these are.
    rewards : ndarray (draw, option, scene)
        An option that is failing is worth the failure line.
    own : ndarray (draw, option, scene)
        Rewards with those options' own rewards.
    most : ndarray (draw, 1, 1)
        A bound of the rounding error of every reward of a draw.
    exactly : callable
        Returns the bound of the rounding error of each reward: (draw, option, scene).
    """

    hypothesis: int
    role: str
    which: slice | np.ndarray
    rewards: np.ndarray
    own: np.ndarray
    most: np.ndarray
    exactly: Callable[[], np.ndarray]

    @cached_property
    def error(self) -> np.ndarray:
        """The bound of each reward's rounding error: (draw, option, scene)."""
        return self.exactly()


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt((vectors**2).sum(axis=1, keepdims=True)), 1e-300)


@dataclass(frozen=True, eq=False)
class Drawn(Reward):
    """A family on a test: draws of its coefficients, (member, feature).

    Attributes
    ----------
    mean : ndarray (feature,)
    agents, judges : ndarray (member, feature)
        Draws for an agent, and independent draws for what is true.
    partners : ndarray (member, feature)
        One possible truth for each agent after endless training: equal to the agent in all directions that feedback
        sees.
    ess : float
        Effective number of the posterior draws behind the agents and judges.
    """

    continuous: ClassVar[bool] = True

    features: tuple[Expression, ...]
    mean: np.ndarray
    agents: np.ndarray
    judges: np.ndarray
    partners: np.ndarray
    ess: float = np.inf

    @property
    @override
    def inflation(self) -> float:  # agents and judges come from one weighted sample, whose error they share
        return 1.0 + 2.0 * len(self.agents) / self.ess if self.ess > 0 else 1.0

    @property
    @override
    def text(self) -> str:
        return self.typical.text

    @property
    @override
    def typical(self) -> Combination:
        return combination(self.features, self.mean)

    @override
    def expressions(self, who: str) -> dict[str, Expression]:
        return {f"{who}: feature {e.text!r}": e for e in self.features}

    @override
    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        return self.typical.bounded(column, bound)

    @override
    def draws(self, role: str) -> np.ndarray:
        return {"agents": self.agents, "judges": self.judges, "partners": self.partners}[role]
