"""Prior: weights over the hypotheses before the data, always with their source."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import by_rows, finite
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.inference.special import log_normalised, normalise_log


class Prior(ABC):
    """Weights ``pi_h`` over the hypotheses.

    A subclass writes one equation, `log_weights`. Operators compose priors: ``prior ** a`` has weights proportional
    to ``pi_h^a``, and ``p * q`` has weights proportional to ``p_h q_h`` (a logarithmic pool of two).

    Attributes
    ----------
    source : str or None
        Who was asked, when and how. Stated human values need a source; a baseline needs none.
    strength : float or None
        How many judgements the weights are worth: ``pi ~ Dirichlet(strength * weights)``. None: the weights are
        fixed.
    label : str or None
        The judge's name, where it has one.
    """

    source: str | None = None
    strength: float | None = None
    label: str | None = None

    @abstractmethod
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        """Return ``log pi_h`` up to a constant, (hypothesis,); -inf where the weight is 0."""

    @property
    def name(self) -> str:
        """The name of the prior in results."""
        return type(self).__name__.lower()

    @property
    def sentence(self) -> str:
        """Which hypotheses the prior finds likelier, as a clause.

        Empty for a prior that somebody stated.
        """
        return ""

    def parts(self) -> tuple[tuple[float, "Prior"], ...]:
        """Return the independent opinions whose mean is this prior.

        Pairs of share and opinion. A linear pool has several; any other prior is its own single opinion.
        """
        return ((1.0, self),)

    def log_prior(self, hypotheses: Hypotheses) -> np.ndarray:
        """Return ``log pi_h``, normalised, (hypothesis,)."""
        weights = np.asarray(self.log_weights(hypotheses), float)
        if weights.shape != (len(hypotheses),) or np.isnan(weights).any() or not np.max(weights) > -np.inf:
            raise InputError(
                f"the prior {self.name!r} gives log weights {weights}; it must give one a hypothesis, one of them finite"
            )
        return log_normalised(weights)

    def log_prior_among(self, hypotheses: Hypotheses, which: Sequence[int]) -> np.ndarray:
        """Return ``log pi_h`` of some hypotheses: (hypothesis given,).

        The weights are normalised among these hypotheses.

        Raises
        ------
        InputError
            It gives all of them weight 0.
        """
        some = self.log_prior(hypotheses)[list(which)]
        if not np.max(some) > -np.inf:
            names = ", ".join(repr(hypotheses.names[h]) for h in which)
            raise InputError(
                f"the prior {self.name!r} gives none of {names} a weight, and nobody can act by anything else"
            )
        return log_normalised(some)

    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        """Return ``pi_h``, normalised, (hypothesis,)."""
        return normalise_log(self.log_prior(hypotheses))

    @property
    def varies(self) -> bool:
        """Whether this opinion is uncertain by itself.

        The opinion has a strength, or a subclass holds draws of ``pi``.
        """
        return self.strength is not None

    @property
    def uncertain(self) -> bool:
        """Whether any of the prior's opinions is uncertain."""
        return any(part.varies for _, part in self.parts())

    def judges(self) -> tuple[tuple[str | None, "Prior"], ...]:
        """Return the judges whose values these are.

        Pairs of name (or None) and prior. A pool has several judges; any other prior is its own single judge.
        """
        return ((self.label, self),)

    def weighted_draws(self, hypotheses: Hypotheses) -> "WeightedDraws | None":
        """Return the weighted draws by which the prior is known.

        None for a prior that weights and strength describe.
        """
        return None

    def record(self) -> dict[str, Any]:
        """Return name, source and settings of the prior, for the tree."""
        return {"name": self.name, "source": self.source}

    def alone(self, hypotheses: Hypotheses, truths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw this one opinion, given which hypothesis is true.

        From ``p(pi | h = truth)``, or from ``p(pi)`` where the truth is -1: (draw, hypothesis).

        The opinion is known by draws, or as ``Dirichlet(strength * weights + e_h)``, or is fixed.
        """
        drawn = self.weighted_draws(hypotheses)
        if drawn is not None:
            return drawn.given(truths, rng)
        mean = self.weights_of(hypotheses)
        if self.strength is None:
            return np.broadcast_to(mean, (len(truths), len(mean)))
        concentration = np.broadcast_to(self.strength * mean, (len(truths), len(mean))).copy()
        drawn_from = np.flatnonzero(truths >= 0)
        concentration[drawn_from, truths[drawn_from]] += 1.0
        return _dirichlet(concentration, rng)

    def draws(self, hypotheses: Hypotheses, truths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw value priors from ``p(pi | h = truth)``: (draw, hypothesis).

        One draw for each truth.

        With independent opinions ``pi = sum_k a_k pi_k``, ``p(pi | h)`` is proportional to ``p(pi) sum_k a_k pi_kh``: the
        opinion k that h was drawn from has probability ``a_k m_kh / sum``, m its mean, and is then from ``p(pi_k | h)``; the
        others are as before.
        """
        parts = self.parts()
        means = np.array([part.weights_of(hypotheses) for _, part in parts])
        shares = np.array([share for share, _ in parts])
        chance = shares[:, None] * means[:, truths]
        total = np.cumsum(chance, axis=0)
        owner = (rng.random(len(truths)) * total[-1] >= total).sum(axis=0)
        owner = np.minimum(owner, len(parts) - 1)
        if len(parts) == 1:
            return parts[0][1].alone(hypotheses, truths, rng)
        pi = np.zeros((len(truths), len(hypotheses)))
        for k, (share, part) in enumerate(parts):
            pi += share * part.alone(hypotheses, np.where(owner == k, truths, -1), rng)
        return pi

    def __pow__(self, exponent: float) -> "Prior":
        return self if exponent == 1 else Powered(self, float(exponent))

    def __mul__(self, other: "Prior") -> "Prior":
        if not isinstance(other, Prior):
            return NotImplemented
        return Product(self, other)


@dataclass(frozen=True, eq=False)
class WeightedDraws:
    """Values known by weighted draws of pi.

    Attributes
    ----------
    pi : ndarray (atom, hypothesis)
    chance : ndarray (atom,)
        Of each draw; they add up to 1.
    effective : float or None
        Number of independent draws that they are worth, where they come from Markov chains.
    """

    pi: np.ndarray
    chance: np.ndarray
    effective: float | None = None

    def mean(self) -> np.ndarray:
        """Return ``E[pi_h]``: (hypothesis,)."""
        mean = self.chance @ self.pi
        return mean / mean.sum()

    def given(self, truths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw values, given which hypothesis is true: (draw, hypothesis).

        From ``p(pi | h)``, proportional to ``p(pi) pi_h``; from ``p(pi)`` where the truth is -1.
        """
        at = rng.random(len(truths))
        out = np.empty((len(truths), self.pi.shape[1]))
        for h in np.unique(truths):
            of_truth = truths == h
            below = np.cumsum(self.chance if h < 0 else self.chance * self.pi[:, h])
            place = np.searchsorted(below, at[of_truth] * below[-1], side="right")
            out[of_truth] = self.pi[np.minimum(place, len(below) - 1)]
        return out


def named_judges(prior: Prior) -> dict[str, Prior]:
    """Return by name the judges whose values make up a prior.

    A judge without a name is ``judge 2``, by position. Judges that share a name are numbered.
    """
    out: dict[str, Prior] = {}
    for i, (label, judge) in enumerate(prior.judges()):
        name = label or f"judge {i + 1}"
        again = sum(1 for other in out if other == name or other.startswith(f"{name} ("))
        out[f"{name} ({again + 1})" if again else name] = judge
    return out


def total_strength(prior: Prior) -> float | None:
    """Return the strength of the mean of independent opinions.

    ``1 / sum_k a_k^2 / s_k`` over the opinions with a strength; None where no opinion has one.
    """
    precisions = [share**2 / part.strength for share, part in prior.parts() if part.strength is not None]
    return 1.0 / math.fsum(precisions) if precisions else None


def _dirichlet(concentration: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from Dirichlets by rows; components of concentration 0 are 0.

    Gamma variables of small shape underflow, so they are drawn in logs: ``G(a) = G(a + 1) U^(1/a)``.
    """
    gone = concentration == 0
    shape = np.where(gone, 1.0, concentration) if gone.any() else concentration
    draws, uniform = rng.standard_gamma(shape + 1.0), rng.random(shape.shape)

    def work(rows: slice) -> None:
        some, power = draws[rows], uniform[rows]
        with np.errstate(divide="ignore"):
            np.log(power, out=power)
            power /= shape[rows]
            np.log(some, out=some)
        some += power
        some[gone[rows]] = -np.inf
        some -= some.max(axis=1, keepdims=True)
        np.exp(some, out=some)
        some /= some.sum(axis=1, keepdims=True)

    by_rows(work, *draws.shape)
    return draws


@dataclass(frozen=True)
class Powered(Prior):
    """A power of a prior: ``pi_h^a``, normalised.

    a > 1 sharpens, a < 1 flattens, and 0 gives equal weights (``0^0 = 1``). A strength s becomes ``s / a^2``: to
    first order, the spread of ``a log pi`` is then a times that of ``log pi``.
    """

    prior: Prior
    exponent: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.exponent) and self.exponent >= 0):
            raise InputError(f"a prior to the power {self.exponent}; the power must be a finite number, 0 or more")
        _refuse_sampled(self.prior)

    @override
    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        return self.prior.judges()

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        weights = self.prior.log_prior(hypotheses)
        if self.exponent == 0:
            return np.zeros(len(weights))
        return np.where(weights > -np.inf, self.exponent * np.where(weights > -np.inf, weights, 0.0), -np.inf)

    @property
    @override
    def source(self) -> str | None:  # type: ignore[override]
        return self.prior.source

    @property
    @override
    def strength(self) -> float | None:  # type: ignore[override]
        inner = total_strength(self.prior)
        return None if inner is None or self.exponent == 0 else inner / self.exponent**2

    @property
    @override
    def name(self) -> str:
        return f"{self.prior.name} ** {self.exponent:g}"


@dataclass(frozen=True)
class Product(Prior):
    """The product of two priors: ``p_h q_h``, normalised.

    Strengths add as the precisions of independent logarithms do: ``1 / (1/s + 1/t)``.
    """

    first: Prior
    second: Prior

    def __post_init__(self) -> None:
        _refuse_sampled(self.first)
        _refuse_sampled(self.second)

    @override
    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        return (*self.first.judges(), *self.second.judges())

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        together = self.first.log_prior(hypotheses) + self.second.log_prior(hypotheses)
        if not np.max(together) > -np.inf:
            raise InputError(
                f"no hypothesis has a positive weight under both {self.first.name} and {self.second.name}, so their "
                "logarithmic pool is empty; pool linearly, or ask for weights above 0"
            )
        return together

    @property
    @override
    def source(self) -> str | None:  # type: ignore[override]
        return "; ".join(prior.source for prior in (self.first, self.second) if prior.source) or None

    @property
    @override
    def strength(self) -> float | None:  # type: ignore[override]
        strengths = [s for s in (total_strength(self.first), total_strength(self.second)) if s is not None]
        return 1.0 / math.fsum(1.0 / s for s in strengths) if strengths else None

    @property
    @override
    def name(self) -> str:
        return f"{self.first.name} * {self.second.name}"


def _refuse_sampled(prior: Prior) -> None:
    """Refuse powers and products of values that are known by draws.

    Such values have no strength from which that of a power would follow.
    """
    if any(part.varies and part.strength is None for _, part in prior.parts()):
        raise InputError(
            f"{prior.name}: values inferred from judgements have no power, product or logarithmic pool; pool them linearly, "
            "rh.LinearPool"
        )


def log_pool(priors: Sequence[Prior], weights: Sequence[float]) -> Prior:
    """Pool opinions logarithmically: ``prod_k pi_kh^a_k``, normalised.

    The weights a_k are normalised first. The pool is externally Bayesian: evidence that all judges accept updates the
    pool as it updates each judge, and no judge gains weight by predicting well (Genest and Zidek 1986).
    """
    shares = pool_shares(priors, weights)
    powers = [prior**share for prior, share in zip(priors, shares, strict=True) if share > 0]
    pooled = powers[0]
    for power in powers[1:]:
        pooled = pooled * power
    return pooled


def pool_shares(priors: Sequence[Prior], weights: Sequence[float] | None) -> list[float]:
    """Normalise the weights a_k of the judges of a pool; equal where none are given."""
    if not priors:
        raise InputError("a pool of no priors; give at least one")
    relative_weights = [finite(w) for w in ([1.0] * len(priors) if weights is None else weights)]
    known = [w for w in relative_weights if w is not None and w >= 0]
    if len(relative_weights) != len(priors) or len(known) < len(relative_weights) or not max(known) > 0:
        raise InputError(
            f"weights {weights} for {len(priors)} priors; give one a prior, finite, 0 or more, and not all of them 0"
        )
    relative = [w / max(known) for w in known]
    total = math.fsum(relative)
    return [w / total for w in relative]
