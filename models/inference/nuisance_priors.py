"""Priors of nuisances (label noise, reward noise), for arrays and for PyMC."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.models.inference.special import LOG_2, log_beta, log_gamma, log_incomplete_beta

type Theta = Mapping[str, Any]
"""Values of nuisances by name: numbers, arrays or PyMC's tensors."""


class Nuisance(ABC):
    """Prior of one nuisance, on an interval, a half-line or the line.

    Attributes
    ----------
    low, high : float
        Ends of its support; the positive numbers unless a subclass says otherwise.
    """

    low: float = 0.0
    high: float = np.inf

    @property
    @abstractmethod
    def start(self) -> float:
        """A point well inside, where samplers begin."""

    @abstractmethod
    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Return the log density at points inside the support, nats."""

    @abstractmethod
    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw independently: an array of the given shape."""

    @abstractmethod
    def pymc(self, name: str, dims: str) -> Any:
        """Declare the nuisance in the current PyMC model, once for each entry of `dims`."""

    def to_line(self, x: np.ndarray) -> np.ndarray:
        """Map the support to the line: logit on an interval, log on a half-line."""
        with np.errstate(divide="ignore"):
            if np.isfinite(self.high):
                return np.clip(np.log(x - self.low) - np.log(self.high - x), -700.0, 36.0)
            return np.log(x - self.low) if np.isfinite(self.low) else x

    def from_line(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map the line to the support; return the points and ``log |dx/dphi|``."""
        if np.isfinite(self.high):
            log_share = -np.logaddexp(0.0, -phi)
            width = self.high - self.low
            return self.low + width * np.exp(log_share), np.log(width) + 2 * log_share - phi
        return (self.low + np.exp(phi), phi) if np.isfinite(self.low) else (phi, np.zeros_like(phi))


@dataclass(frozen=True)
class BetaBelowHalf(Nuisance):
    """Beta(a, b) restricted to below 1/2: a rate of wrong labels.

    Labels are more often right than wrong.
    """

    a: float
    b: float
    high = 0.5

    @property
    def start(self) -> float:
        """The mean without the restriction, at most 1/4.

        A sampler cannot start at a mean of 1/2 or more.
        """
        return min(self.a / (self.a + self.b), 0.25)

    @override
    def log_density(self, x: np.ndarray) -> np.ndarray:
        return (self.a - 1) * np.log(x) + (self.b - 1) * np.log1p(-x) - float(log_incomplete_beta(0.5, self.a, self.b))

    @override
    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return beta_below_half(self.a, self.b, rng, shape)

    @override
    def pymc(self, name: str, dims: str) -> Any:
        import pymc as pm

        # Truncated would map (-inf, 1/2) to the line and forget that the beta ends at 0
        ends = pm.distributions.transforms.Interval(self.low, self.high)
        beta = pm.Beta.dist(self.a, self.b)
        start = np.full(_length(dims), self.start)
        return pm.Truncated(name, beta, upper=self.high, dims=dims, default_transform=ends, initval=start)


MOST = 1e300
"""Largest variance drawn: draws of a very small shape are beyond all floats."""


@dataclass(frozen=True)
class InverseGamma(Nuisance):
    """Inverse gamma, shape a and scale b: a variance."""

    a: float
    b: float

    @property
    def start(self) -> float:
        """The mode."""
        return self.b / (self.a + 1)

    @override
    def log_density(self, x: np.ndarray) -> np.ndarray:
        return self.a * np.log(self.b) - float(log_gamma(self.a)) - (self.a + 1) * np.log(x) - self.b / x

    @override
    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        with np.errstate(divide="ignore", over="ignore"):
            return np.minimum(self.b / rng.standard_gamma(self.a, shape), MOST)

    @override
    def pymc(self, name: str, dims: str) -> Any:
        import pymc as pm

        return pm.InverseGamma(name, alpha=self.a, beta=self.b, dims=dims, initval=np.full(_length(dims), self.start))


def _length(dims: str) -> int:
    import pymc as pm

    return len(pm.modelcontext(None).coords[dims])


def beta_below_half(
    p: np.ndarray | float, q: np.ndarray | float, rng: np.random.Generator, shape: tuple[int, ...] = ()
) -> np.ndarray:
    """Draw exactly from Beta(p, q) restricted to below 1/2.

    By rejection from the beta where p is at most q, or, for q > 1, above q by no more than ``sqrt(p + q)``, two standard
    deviations of the beta. Elsewhere by thinning: for q <= 1, of ``eps^(p-1)``, which is the density but for a factor
    between 1 and 2; for q > 1, of an exponential in the distance from 1/2, under which the density lies, because it is
    log-concave. At least an eighth of all proposals is kept, whatever p and q.

    Parameters
    ----------
    p, q : float or ndarray
        Above 0; they broadcast to `shape`.
    shape : tuple of int
        Of the draws; the shape of p and q unless given.

    Returns
    -------
    ndarray of `shape`
        Independent draws, in [0, 1/2).
    """
    p, q = np.broadcast_arrays(np.asarray(p, float), np.asarray(q, float))
    power = (p > q) & (q <= 1.0)
    tail = (q > 1.0) & (p - q > np.sqrt(p + q))
    rest = ~(power | tail)
    shape = np.broadcast_shapes(shape, p.shape)
    out = np.where(rest, rng.beta(p, q, shape), 0.5) if rest.any() else np.full(shape, 0.5)
    p, q = np.broadcast_to(p, shape), np.broadcast_to(q, shape)
    for where, proposals in ((power, _from_power), (rest, _from_beta), (tail, _from_exponential)):
        todo = np.nonzero(where & (out >= 0.5)) if where.any() else ()
        while todo and todo[0].size:
            draw, good = proposals(p[todo], q[todo], rng)
            out[tuple(at[good] for at in todo)] = np.minimum(draw[good], LARGEST_EPS)
            todo = tuple(at[~good] for at in todo)
    return out


LARGEST_EPS = float(np.nextafter(0.5, 0.0))


def _from_power(p: np.ndarray, q: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Propose from ``eps^(p-1)`` below 1/2; return the proposals, and which to keep."""
    draw = 0.5 * rng.random(p.shape) ** (1.0 / p)
    return draw, np.log(rng.random(p.shape)) < (q - 1.0) * (np.log1p(-draw) + LOG_2)


def _from_beta(p: np.ndarray, q: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    draw = rng.beta(p, q)
    return draw, draw < 0.5


def _from_exponential(p: np.ndarray, q: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Propose the distance from 1/2, exponential at rate 2 (p - q)."""
    rate = 2.0 * (p - q)
    x = -np.log1p(-rng.random(p.shape) * -np.expm1(-rate / 2)) / rate
    x = np.minimum(x, LARGEST_EPS)
    log_ratio = (p - 1) * np.log1p(-2 * x) + (q - 1) * np.log1p(2 * x) + rate * x
    return 0.5 - x, np.log(rng.random(p.shape)) < log_ratio


@dataclass(frozen=True)
class LogNormal(Nuisance):
    """``log x ~ Normal(mu, sigma)``: a rationality."""

    mu: float
    sigma: float

    @property
    def start(self) -> float:
        """The median."""
        return float(np.exp(self.mu))

    @override
    def log_density(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            log_x = np.log(x)
        return self.log_density_of_log(log_x) - log_x

    def log_density_of_log(self, t: np.ndarray) -> np.ndarray:
        """Return the log density of ``log x``."""
        return -0.5 * ((t - self.mu) / self.sigma) ** 2 - np.log(self.sigma) - 0.5 * np.log(2 * np.pi)

    @override
    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.exp(self.mu + self.sigma * rng.standard_normal(shape))

    @override
    def pymc(self, name: str, dims: str) -> Any:
        import pymc as pm

        return pm.LogNormal(name, mu=self.mu, sigma=self.sigma, dims=dims)


@dataclass(frozen=True)
class BetaPrior(Nuisance):
    """Beta(a, b)."""

    a: float
    b: float
    high = 1.0

    @property
    def start(self) -> float:
        """The mean."""
        return self.a / (self.a + self.b)

    @override
    def log_density(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            first = 0.0 if self.a == 1 else (self.a - 1) * np.log(x)
            second = 0.0 if self.b == 1 else (self.b - 1) * np.log1p(-x)
        return first + second - float(log_beta(self.a, self.b)) + 0.0 * x

    @override
    def draws(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.beta(self.a, self.b, shape)

    @override
    def pymc(self, name: str, dims: str) -> Any:
        import pymc as pm

        return pm.Beta(name, alpha=self.a, beta=self.b, dims=dims)
