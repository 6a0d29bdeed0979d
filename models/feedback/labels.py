"""Labels: this item is better than failing, or it is not."""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.failure_line import better_than_failing
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import BetaBelowHalf, Nuisance, beta_below_half
from reward_hypotheses.models.inference.special import log_gamma, log_incomplete_beta

REPLICATIONS = 1000
SOFT = 1e-30  # noise that stands for none while sampling looks for what is possible


@dataclass(frozen=True, eq=False)
class Labels(ClosedForm):
    """True where the item is better than failing: ``r_h > u_h``, flipped with probability eps.

    With ``noise = (a, b)``, eps ~ Beta(a, b) restricted to eps < 1/2 ("labels are right more often than wrong"; else a
    rule that is wrong everywhere beats one that is right for 80 %), and the evidence of k wrong among n is
    ``B(1/2; a + k, b + n - k) / B(1/2; a, b)``, B the incomplete beta function. With a number, eps is fixed:
    ``eps^k (1 - eps)^(n - k)``.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds true/false or 1/0.
    noise : (a, b) or float
        a, b > 0; or eps in [0, 1/2).
    """

    kind: ClassVar[str] = "labels"

    _: KW_ONLY
    noise: tuple[float, float] | float

    def __post_init__(self) -> None:
        super().__post_init__()
        noise = self.noise
        if isinstance(noise, (tuple, list)):
            if len(noise) != 2 or not all(1e-9 <= (finite(x) or 0) <= 1e9 for x in noise):
                raise InputError(
                    f"noise: {shown(list(noise))}; give [a, b] with a and b positive and finite, such as [1, 19]"
                )
            object.__setattr__(self, "noise", (float(noise[0]), float(noise[1])))
        elif not 0 <= (-1.0 if (number := finite(noise)) is None else number) < 0.5:
            raise InputError(
                f"noise: {shown(noise)}; give [a, b] for a Beta(a, b) prior below 1/2, such as [1, 19], or a number in [0, 0.5)"
            )

    @cached_property
    def observed(self) -> np.ndarray:  # noqa: D102
        what = "true where the item is better than failing, else false"
        return self.items.booleans(self.column, what=what)

    def softened(self) -> "Labels":
        """With a noise of 1e-30 where there was none."""
        return replace(self, noise=SOFT) if self.noise == 0 else self

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:  # noqa: D102
        return {"eps": BetaBelowHalf(*self.noise)} if isinstance(self.noise, tuple) else {}

    def inputs(self, block: Block, h: int) -> np.ndarray:
        """Whether h predicts a true label."""
        return block.better(h)

    def predicted(self, rewards: np.ndarray, failure: Any, tolerance: Any) -> np.ndarray:
        """The same of rewards at hand."""
        return better_than_failing(rewards, failure, tolerance)

    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """How many labels are wrong."""
        wrong = inputs ^ observed
        return (float(np.count_nonzero(wrong if inside is None else wrong & inside)),)

    def terms(self, inputs: np.ndarray, observed: np.ndarray) -> np.ndarray:  # noqa: D102
        return (inputs ^ observed)[None]

    def _gather(self, block: Block, observed: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Count on packed bits where they were kept: an eighth of the bytes, and nothing to unpack."""
        bits = [block.better_bits(h) for h in range(len(block.valuation.hypotheses))]
        if observed is None or self.item_counts is not None or any(b is None for b in bits):
            return super()._gather(block, observed)
        said = np.packbits(block.gather(observed))
        inside = np.packbits(np.ones(block.shape, bool) if block.available is None else block.available)
        predicted = [np.asarray(b) & inside for b in bits]
        wrong = [int(np.bitwise_count(p ^ (said & inside)).sum()) for p in predicted]
        return np.array(wrong, float)[:, None], [p.tobytes() for p in predicted]

    def log_marginal(self, statistics: np.ndarray, n_items: int) -> np.ndarray:
        """Evidence of k wrong among n."""
        wrong, _, where, _ = distinct(statistics[:, 0])
        right = n_items - wrong
        if isinstance(self.noise, tuple):
            return _log_marginal(tuple(wrong.tolist()), n_items, *self.noise)[where]
        return (_times(wrong, self.noise) + right * math.log1p(-self.noise))[where]

    def eps_draws(self, wrong: np.ndarray, n_items: int, rng: np.random.Generator) -> np.ndarray:
        """Draw eps from ``p(eps | k wrong of n)``, one for each k given."""
        if not isinstance(self.noise, tuple):
            return np.full(len(wrong), float(self.noise))
        a, b = self.noise
        return beta_below_half(a + wrong, b + n_items - wrong, rng)

    def posterior_draws(  # noqa: D102
        self, statistics: np.ndarray, n_items: int, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        wrong = np.broadcast_to(statistics[:, 0], (n, len(statistics)))
        return {"eps": self.eps_draws(wrong.ravel(), n_items, rng).reshape(wrong.shape)}

    @property
    def tally(self) -> np.ndarray:
        """With counts: how many of the labels of each item are true, (item,)."""
        return self.observed if self.counts is None else (self.observed * self.counts).astype(np.int64)

    def tallies(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self.counts is None:
            return self.replicate(inputs, theta, n, rng)
        eps = theta["eps"][:, None] if isinstance(self.noise, tuple) else np.full((n, 1), self.noise)
        return rng.binomial(self.counts.astype(np.int64), np.where(inputs, 1 - eps, eps))

    def replicate(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        eps = theta["eps"][:, None] if isinstance(self.noise, tuple) else self.noise
        return inputs ^ (rng.random((n, len(inputs))) < eps)

    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:  # noqa: D102
        right = abs(inputs - observed) < 0.5
        if not isinstance(self.noise, tuple):
            impossible = -math.inf if self.noise == 0 else math.log(self.noise)
            return xp.where(right, math.log1p(-self.noise), impossible)
        eps = theta["eps"]
        return xp.where(right, xp.log1p(-eps), xp.log(eps))

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Check the largest rate of disagreement over cells, the distinct vectors of predictions.

        eps alone cannot absorb it: labels that are all wrong in one cell and right elsewhere stand out.
        """
        cell, _ = self.cells(valuation, evidence.classes)
        size, counts = np.bincount(cell, self.counts).astype(np.int64), 1.0 if self.counts is None else self.counts
        observed = self.observed
        drawn = rng.choice(len(weights), REPLICATIONS, p=weights)
        eps = self.eps_draws(evidence.statistics[drawn, 0], evidence.n_items, rng)
        replicated = largest_rate(size, eps, rng)
        lead = int(np.argmax(weights)) if lead is None else lead
        rates: dict[int, float] = {}
        for h in {*drawn.tolist(), lead}:
            one = int(np.flatnonzero(evidence.classes == evidence.classes[h])[0])
            if one not in rates:
                wrong = self.at(valuation, one) != observed
                rates[one] = float((np.bincount(cell, wrong * counts) / size).max())
            rates[h] = rates[one]
        seen = np.array([rates[int(h)] for h in drawn])
        p = float((replicated >= seen - 1e-12).mean())
        name = valuation.hypotheses.names[lead]
        misfit = []
        if p < 0.01:
            misfit.append(
                f"no hypothesis fits {self.name}: in one group of items that the hypotheses treat alike, {rates[lead]:.0%} of "
                f"labels contradict even {name!r}, and replications reach that in {p:.1%} of cases; a reward that nobody "
                "listed may have made these labels"
            )
        if isinstance(self.noise, tuple):
            mean = self.eps_mean(evidence.statistics[lead : lead + 1, 0], evidence.n_items)[0]
            below = math.exp(
                float(log_incomplete_beta(float(mean), *self.noise)) - float(log_incomplete_beta(0.5, *self.noise))
            )
            if below > 0.975:
                misfit.append(
                    f"{self.name}: the leading hypothesis, {name!r}, needs {mean:.0%} of labels to be wrong, beyond the "
                    f"97.5% point of the noise that was declared, Beta{self.noise} below 1/2"
                )
        mcse = math.sqrt(max(p * (1 - p), 1 / REPLICATIONS) / REPLICATIONS)
        what = f"largest share of contradicted labels over {len(size)} groups of items that the hypotheses treat alike"
        return Check(rates[lead], p, mcse, REPLICATIONS, what, replicated, tuple(misfit))

    def eps_mean(self, wrong: np.ndarray, n_items: int) -> np.ndarray:
        """Posterior mean of eps for each number of wrong labels."""
        if not isinstance(self.noise, tuple):
            return np.full(len(wrong), float(self.noise))
        p, q = self.noise[0] + wrong, self.noise[1] + n_items - wrong
        return np.exp(log_incomplete_beta(0.5, p + 1, q) - log_incomplete_beta(0.5, p, q))


@lru_cache(maxsize=256)
def _log_marginal(wrong: tuple[float, ...], n_items: int, a: float, b: float) -> np.ndarray:
    """``log B(1/2; a + k, b + n - k) / B(1/2; a, b)`` of each k: kept, for refits at other failure lines ask for few k."""
    k = np.array(wrong)
    found = log_incomplete_beta(0.5, a + k, b + n_items - k) - log_incomplete_beta(0.5, a, b)
    found.flags.writeable = False
    return found


def _times(count: np.ndarray, probability: float) -> np.ndarray:
    """``count * log(probability)`` with 0 * log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count == 0, 0.0, count * np.log(probability))


def largest_rate(size: np.ndarray, eps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw ``max_c Binomial(n_c, eps) / n_c`` over cells of these sizes, one for each eps: (draw,).

    The greatest of m cells of one size n has distribution function F(k)^m, which is inverted where m is large.
    """
    best = np.zeros(len(eps))
    sizes, _, _, copies = distinct(size)
    for n, m in zip(sizes.tolist(), copies.tolist(), strict=True):
        if m <= n + 1:
            count = np.zeros(len(eps))
            for lo in range(0, m, 1000):
                count = np.maximum(count, rng.binomial(n, eps, (min(1000, m - lo), len(eps))).max(axis=0))
        else:
            k = np.arange(n + 1)
            choose = log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                log_eps = np.where(k > 0, k * np.log(eps)[:, None], 0.0)
            log_pmf = choose + log_eps + (n - k) * np.log1p(-eps)[:, None]
            below = np.minimum(np.cumsum(np.exp(log_pmf), axis=1), 1.0)
            with np.errstate(divide="ignore"):
                log_below = m * np.log(below)
            count = (log_below < np.log(rng.random(len(eps)))[:, None]).sum(axis=1)
            count = np.minimum(count, n)
        best = np.maximum(best, count / n)
    return best
