"""A fitted population of raters: draws of it, and of every rater."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.weights.raters.law import Law
from reward_hypotheses.models.weights.raters.likelihoods import own_nuisances, signed_weights
from reward_hypotheses.models.weights.raters.who import Raters


@dataclass(frozen=True, eq=False)
class OfLinear:
    """What a linear reward's latents mean.

    Attributes
    ----------
    linear : Linear
    scale : ndarray (feature,)
        Unit of each feature.
    seen : ndarray (feature, rank)
        Basis of the directions of weight that some feedback sees.
    lead : (str, ndarray) or None
        On the sphere, the variable of the rationality that the length of the latents is, and the matrix of ``s(w)^2``.
    """

    linear: Linear
    scale: np.ndarray
    seen: np.ndarray
    lead: tuple[str, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Component:
    """Hypotheses that no answer tells apart, or one linear reward.

    Attributes
    ----------
    hypotheses : tuple of int
    within : ndarray
        Share of each among those who follow the component: that of the prior.
    nuisances : tuple of str
        Variables of the nuisances that a follower has.
    of : OfLinear or None
    """

    hypotheses: tuple[int, ...]
    within: np.ndarray
    nuisances: tuple[str, ...]
    of: OfLinear | None = None


@dataclass(frozen=True, eq=False)
class People:
    """Posterior of a population of raters.

    Attributes
    ----------
    raters : Raters
    law : Law
    components : tuple of Component
    value, mcse : float
        Log evidence of all answers, nats, and its Monte Carlo error.
    k_hat, ess : float
        Pareto shape and effective number of the weighted draws behind `points`.
    points : ndarray (draw, parameter)
        Draws of the parameters of `law`, equally likely.
    follows : ndarray (draw, rater) of int
        The component that each rater follows.
    latents : tuple of ndarray (draw, rater, dimension)
        For each component, the latents of each rater, should the rater follow it.
    """

    raters: Raters
    law: Law
    components: tuple[Component, ...]
    value: float
    mcse: float
    k_hat: float
    ess: float
    points: np.ndarray
    follows: np.ndarray
    latents: tuple[np.ndarray, ...]
    seed: int = 0
    memo: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of draws."""
        return len(self.points)

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of each component in each group: (draw, group, component)."""
        return np.exp(self.law.log_shares(self.points))

    def of_hypotheses(self, by_component: np.ndarray, n: int) -> np.ndarray:
        """Return shares of hypotheses (..., hypothesis), of shares of components."""
        out = np.zeros((*by_component.shape[:-1], n))
        for c, component in enumerate(self.components):
            out[..., list(component.hypotheses)] = by_component[..., c, None] * component.within
        return out

    def weights(self, c: int, latents: np.ndarray) -> np.ndarray:
        """Return weights (..., feature) of a linear component, of latents.

        On the sphere they have length 1. What no feedback sees is drawn from the prior.
        """
        law, of = self.law.weights[c], self.components[c].of
        assert law is not None and of is not None
        out = signed_weights(law.sign, latents[..., : len(law.sign)])
        if of.linear.sd is not None:
            return out
        k, rank = of.seen.shape
        if rank < k:
            rng = substream(self.seed, f"unseen {c}")
            out = _unit(out @ of.seen @ of.seen.T) * np.sqrt(rng.chisquare(rank, (*out.shape[:-1], 1)))
            noise = rng.standard_normal(out.shape)
            out = out + noise - noise @ of.seen @ of.seen.T
        return _unit(out)

    def nuisances(self, c: int, latents: np.ndarray) -> dict[str, np.ndarray]:
        """Return the nuisances of latents (..., dimension), by variable."""
        uses, of = self.components[c].nuisances, self.components[c].of
        priors = {variable: self.law.nuisances[variable] for variable in uses}
        own = own_nuisances(priors, latents[..., latents.shape[-1] - len(uses) :])
        if of is not None and of.lead is not None:
            variable, spread = of.lead
            k = len(of.scale)
            v = latents[..., :k]
            own[variable] = np.sqrt(np.maximum(((v @ spread[:k, :k]) * v).sum(axis=-1), 0.0))
        return own

    def persons(self, c: int, n: int, group: int | None = None) -> np.ndarray:
        """Draw n persons of the population, or of a group: (n, dimension).

        What no feedback sees of the weights is drawn from its prior.
        """
        rng = substream(self.seed, f"persons {c} {group}")
        rows = np.resize(np.arange(self.n), n)
        location, covariance = self.law.law(self.points, c)
        shares = self.raters.in_groups()
        groups = rng.choice(len(shares), n, p=shares) if group is None else np.full(n, group)
        at = (location + self.unseen(c)[:, None])[rows, groups]
        root = np.linalg.cholesky(covariance)[rows]
        return np.asarray(at + (root @ rng.standard_normal((n, at.shape[1], 1)))[..., 0])

    def mean_person(self, c: int, group: int | None = None) -> np.ndarray:
        """Return the latents of the mean person, or of a group's: (draw, dimension)."""
        location, _ = self.law.law(self.points, c)
        of_all = (location * self.raters.in_groups()[:, None]).sum(axis=1)
        return np.asarray((of_all if group is None else location[:, group]) + self.unseen(c))

    def unseen(self, c: int) -> np.ndarray:
        """Return the part of latents that no feedback sees: (draw, dimension)."""
        law, of = self.law.weights[c], self.components[c].of
        d = self.latents[c].shape[-1]
        if law is None or of is None or of.linear.sd is None or (law.sign != 0).any():
            return np.zeros((self.n, d))
        name = f"unseen {c}"
        if name not in self.memo:
            at = self.points[:, self.law.where[f"mean {c}"]]
            out = np.zeros((self.n, d))
            complete = law.space.complete_weights(at, substream(self.seed, name))
            out[:, : len(law.sign)] = complete - law.space.weights(at)
            self.memo[name] = out
        return self.memo[name]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.sqrt((vectors**2).sum(axis=-1, keepdims=True)), 1e-300))
