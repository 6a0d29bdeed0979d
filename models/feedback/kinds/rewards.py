"""Rewards: the reward of an item, seen with noise."""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, Weighed, misfit_in_words
from reward_hypotheses.models.inference.nuisance_priors import InverseGamma, Nuisance, Theta
from reward_hypotheses.models.inference.special import log_beta, normal_quantile, regularized_gamma_q

REPLICATIONS = 1000
MOST_CELLS = 20_000


@dataclass(frozen=True, eq=False)
class Rewards(ClosedForm):
    """Rewards: the reward of an item, observed with normal noise.

    ``y ~ Normal(r_h, sigma)``, ``sigma^2 ~ InverseGamma(a, b)``; sigma is integrated out under each hypothesis.

    With S the sum of ``(y - r_h)^2`` over n items, the log evidence is
    ``lgamma(a + n/2) - lgamma(a) + a log b - (n/2) log(2 pi) - (a + n/2) log(b + S/2)``
    (a multivariate t; Gelman et al., Bayesian Data Analysis, section 3.3).

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds finite numbers, in the hypotheses' reward units.
    sigma2 : (a, b)
        Shape and scale (in squared reward units) of the inverse gamma prior of the noise's variance, both positive.
    """

    kind: ClassVar[str] = "rewards"
    locates_failure: ClassVar[bool] = False
    required: ClassVar[dict[str, str]] = ClosedForm.required | {
        "sigma2": "state the inverse gamma prior of the noise's variance, sigma2 = [a, b]"
    }

    _: KW_ONLY
    sigma2: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        prior = self.sigma2
        if (
            not isinstance(prior, (tuple, list))
            or len(prior) != 2
            or not all(0 < (finite(x) or 0) <= most for x, most in zip(prior, (1e9, 1e150), strict=True))
        ):
            raise InputError(
                f"sigma2: {shown(prior)}; give [a, b], shape (at most 1e9) and scale of an inverse gamma prior, both positive"
            )
        object.__setattr__(self, "sigma2", (float(prior[0]), float(prior[1])))

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        values = self.items.numbers(self.column).astype(float)
        self._refuse_cells(self.column, values, np.abs(values) > 1e150, "a reward must be below 1e150")
        return values

    @property
    @override
    def nuisances(self) -> Mapping[str, Nuisance]:
        return {"sigma2": InverseGamma(*self.sigma2)}

    @override
    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Return the sum of squared residuals."""
        residual = observed - inputs
        if inside is not None:
            residual = np.where(inside, residual, 0.0)
        return (float(np.vdot(residual, residual)),)

    @override
    def terms(self, inputs: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return ((observed - inputs) ** 2)[None]

    @override
    def log_marginal(self, statistics: np.ndarray, n_items: int) -> np.ndarray:
        """Return the log density of a multivariate t, from the sums of squares: (class,)."""
        a, b = self.sigma2
        half = 0.5 * n_items
        squares, _, where, _ = distinct(statistics[:, 0])
        if n_items == 0:
            return np.zeros(len(where))
        # lgamma(a + n/2) - lgamma(a) = lgamma(n/2) - log B(a, n/2), which keeps the digits of a large a
        constant = math.lgamma(half) - float(log_beta(a, half)) - half * (math.log(2 * math.pi) + math.log(b))
        # log(b + S/2) = log b + log1p(S / 2b), of which a log b cancels
        with np.errstate(over="ignore", divide="ignore"):
            ratio = squares / (2 * b)
            growth = np.where(np.isfinite(ratio), np.log1p(ratio), np.log(squares) - math.log(2 * b))
        return (constant - (a + half) * growth)[where]

    @override
    def posterior_draws(
        self, statistics: np.ndarray, n_items: int, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        a, b = self.sigma2
        scale = b + np.broadcast_to(statistics[:, 0], (n, len(statistics))) / 2
        return {"sigma2": scale / rng.standard_gamma(a + n_items / 2, scale.shape)}

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the mean of each item's rewards n times: (n, item)."""
        return inputs + (self.replicate(inputs, theta, n, rng) - inputs) / np.sqrt(np.asarray(self.counts))

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return inputs + np.sqrt(theta["sigma2"])[..., None] * rng.standard_normal((n, len(inputs)))

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        variance = theta["sigma2"]
        return -0.5 * (xp.log(2 * math.pi * variance) + (observed - inputs) ** 2 / variance)

    @override
    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check the largest mean residual over cells, in standard errors.

        Sigma cancels, so an inferred sigma cannot absorb misfit.
        """
        evidence, lead, name = over.evidence, over.lead, over.lead_name
        cell, _ = self.cells(over.valuation, evidence.classes)
        size, counts = np.bincount(cell, self.counts), 1.0 if self.counts is None else self.counts
        n, cells = evidence.n_items, len(size)
        observed = self.observed
        drawn = over.drawn(REPLICATIONS, rng)
        if cells <= MOST_CELLS:
            replicated = np.empty(REPLICATIONS)
            for lo in range(0, REPLICATIONS, 100):
                z = rng.standard_normal((100, cells))
                squares = (z**2).sum(axis=1) + (rng.chisquare(n - cells, 100) if n > cells else 0.0)
                replicated[lo : lo + 100] = np.abs(z).max(axis=1) / np.sqrt(squares / n)
        else:  # the greatest of so many is independent of their mean square, nearly
            tops = 0.5 + 0.5 * rng.random(REPLICATIONS) ** (1.0 / cells)
            replicated = np.array([normal_quantile(min(t, 1 - 1e-16)) for t in tops.tolist()])
            replicated /= np.sqrt(rng.chisquare(n, REPLICATIONS) / n)
        statistics: dict[int, float] = {}
        for h in {*drawn.tolist(), lead}:
            residual = observed - self.at(over.valuation, h)
            rms = math.sqrt(float(np.vdot(residual, residual * counts)) / n)
            means = np.abs(np.bincount(cell, residual * counts)) / np.sqrt(size)
            # rewards repeated to the last digit leave nothing to check
            exact = rms <= 1e-9 * max(1e-300, float(np.abs(observed).max()))
            statistics[h] = 0.0 if exact else float(means.max()) / rms
        p = float((replicated >= np.array([statistics[int(h)] for h in drawn]) - 1e-12).mean())
        misfit = []
        if p < MISFIT:
            what = (
                f"the mean residual of one group is {statistics[lead]:.1f} standard errors under the leading "
                f"hypothesis {name!r}"
            )
            misfit.append(misfit_in_words(str(self.name), what, p, REPLICATIONS))
        a, b = self.sigma2
        if a + n / 2 > 1:
            mean = (b + evidence.statistics[lead, 0] / 2) / (a + n / 2 - 1)
            if 1.0 - regularized_gamma_q(a, b / mean) < 0.025:  # P(sigma2 > mean) under the prior
                misfit.append(
                    f"{self.name}: under the leading hypothesis {name!r} the noise variance is {mean:.3g}, beyond the 97.5% point "
                    f"of the declared one, InverseGamma{self.sigma2}"
                )
        what = f"largest mean residual over {cells} groups of items that the hypotheses treat alike, in standard errors"
        return Check.of(statistics[lead], p, what, replicated, misfit)
